//! How does a record survive a crash?
//!
//! | file | question |
//! | --- | --- |
//! | `arrange.rs` | Which files make up the log, and is one missing? |
//! | `body.rs` | How do records become frame bodies and come back? |
//! | `error.rs` | What can go wrong, and who can remedy it? |
//! | `header.rs` | What does a file say about itself? |
//! | `limits.rs` | Which bounds are kept, and what do they cost? |
//! | `name.rs` | What are the files called? |
//! | `options.rs` | What may the user choose? |
//! | `position.rs` | Which names do streams, files and records go by? |
//! | `tail.rs` | Is this the end of the log, or a hole in it? |

mod arrange;
mod body;
mod error;
mod header;
pub mod limits;
mod name;
mod options;
mod position;
mod tail;

pub use body::Records;
pub use error::{Damage, DamageKind, Error, Fence, Result};
pub use options::{SyncMethod, WalOptions};
pub use position::{Lsn, StreamId};
