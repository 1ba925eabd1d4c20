//! What measures or breaks the whole?
//!
//! | folder or file | question |
//! | --- | --- |
//! | `data/` | How are data sets on disk read? |
//! | `load/` | How fast is a running server, and how long do requests take? |
//! | `model/` | What is the right answer, found the slow and obvious way? |
//! | `tpch/` | How long do the questions of TPC-H take, and are the answers right? |
//! | `crash/` | Does the real server survive being killed? |
//! | `client.rs` | How does a measuring or breaking program talk to the server? |
//! | `tokio_io.rs` | How does `h2` read and write on our runtime? |
//! | `bin/` | Programs: `quality` (is text ranking as good as the plain model, and how fast?), `crash` |

#![forbid(unsafe_code)]

pub mod client;
pub mod crash;
pub mod data;
pub mod load;
pub mod model;
mod tokio_io;
pub mod tpch;
