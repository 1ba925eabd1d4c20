//! How fast is a running server, and how long do requests take?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `options` | what is measured, and how hard |
//! | `workload` | which requests does a workload send |
//! | `prepare` | which data does a workload need |
//! | `pace` | when is each request sent |
//! | `run` | how is a workload driven |
//! | `report` | how are the figures told |

mod options;
mod pace;
mod prepare;
mod report;
mod run;
mod workload;

pub use options::{Kind, LoadOptions};
pub use report::Report;
pub use run::run;
