//! `pieskieo demo`: what does a real data set look like?
//!
//! The data is the dependency tree that built this program: `cargo metadata` of its workspace and
//! each package's README from the local registry. All five models hold parts of it.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `command` | what happens, in which order |
//! | `tree` | which packages are there, and what is known about them |
//! | `load` | how does the tree become tables, documents, edges, text and vectors |
//! | `questions` | what would a person ask of a dependency tree |

mod command;
mod load;
mod questions;
mod tree;

pub use command::run;
