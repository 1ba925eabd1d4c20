//! How fast is a running server, and how long do requests take?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `options` | what is measured, and how hard |
//! | `workload` | which requests does a workload send |
//! | `prepare` | which data does a workload need |
//! | `placing` | on which shard is a record |
//! | `ledger` | do the accounts hold what the clients were told |
//! | `counters` | what does the server count |
//! | `storm` | how long do reads take while others write |
//! | `log` | how fast is the log alone |
//! | `engine` | how fast does the engine commit without a network before it |
//! | `pace` | when is each request sent |
//! | `run` | how is a workload driven |
//! | `report` | how are the figures told |

mod counters;
mod engine;
mod ledger;
mod log;
mod options;
mod pace;
mod placing;
mod prepare;
mod report;
mod run;
mod storm;
mod workload;

pub use engine::{EngineOptions, drive_engine};
pub use log::{LogOptions, LogReport, POINT_WRITE_BYTES, Sync, drive_log};
pub use options::{Kind, LoadOptions};
pub use report::Report;
pub use run::run;
pub use storm::{Storm, Writers, storm};
