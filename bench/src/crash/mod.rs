//! Does the real server keep every acknowledged write, and nothing half done, when it is killed?
//!
//! The real program is started on a real directory, loaded over HTTP/2, killed without warning
//! (`SIGKILL`) at a random moment, started again, and asked for everything it had acknowledged.
//! This shows what a crash of the process does. A power cut, which also takes what the kernel and
//! the drive had not written yet, is what the simulator of `pieskieo-io` shows.
//!
//! | file | question |
//! | --- | --- |
//! | `options.rs` | What may the user of the runner choose? |
//! | `server.rs` | How is the server started, awaited, killed and stopped? |
//! | `workload.rs` | What is written while the server waits to be killed? |
//! | `journal.rs` | What was tried, and what was answered? |
//! | `check.rs` | Is everything there that must be, and nothing that must not? |
//! | `runner.rs` | In which order does all this happen? |
//! | `report.rs` | What is told in the end? |

mod check;
mod journal;
mod options;
mod report;
mod runner;
mod server;
mod workload;

pub use options::CrashOptions;
pub use report::Report;
pub use runner::run;
