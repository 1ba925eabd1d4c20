//! How do clients reach the database?
//!
//! hyper speaks HTTP/1.1 and HTTP/2 on the shards' own executors, and PostgreSQL's protocol is
//! spoken beside it; no other runtime is involved.
//! Each core listens for itself, and a connection's requests are coordinated where it arrived.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `serve` | how does one core accept connections and serve them |
//! | `front` | what does every connection of one core share |
//! | `http` | how does the database look over HTTP |
//! | `postgres` | how does the database look to PostgreSQL's clients |
//! | `hyper_io` | how does hyper read, write, spawn and wait on our runtime |
//! | `tls` | how does a connection become private |
//! | `metrics` | what does the front door measure |
//! | `limits` | how much may one client ask for |
//! | `options` | what may an operator choose |
//! | `error` | why can the front door not open |

#![forbid(unsafe_code)]

pub mod error;
pub mod front;
mod http;
pub mod hyper_io;
pub mod limits;
pub mod metrics;
pub mod options;
pub mod postgres;
pub mod serve;
pub mod tls;

pub use error::StartError;
pub use front::Front;
pub use metrics::Recorder;
pub use options::{NetOptions, PostgresOptions};
pub use serve::{Door, Speaks};
