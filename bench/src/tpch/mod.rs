//! How long do the questions of TPC-H take, and are the answers right?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `tables` | which tables, and which rows are in them |
//! | `questions` | what is asked |
//! | `answers` | is an answer the published one |
//! | `run` | how is a server loaded and asked |
//! | `report` | how are the figures told |
//! | `queries/` | the 22 questions, with the values their specification validates |
//!
//! **Source**: TPC Benchmark H, revision 3; rows and published answers come from the crate `tpchgen`.

mod answers;
mod questions;
mod report;
mod run;
mod tables;

pub use questions::questions;
pub use report::{Asked, Report, Verdict};
pub use run::{TpchOptions, load, run};
pub use tables::write_files;
