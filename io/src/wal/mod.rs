//! How does a record survive a crash?
//!
//! One stream per shard. `Wal::open` gives a handle and a replay; when the replay is drained,
//! `append` reserves an LSN and `durable` resolves when the disk holds it. The bytes are
//! documented in `io/FORMAT.md`.
//!
//! | file | question |
//! | --- | --- |
//! | `open.rs` | In which order is a stream opened? |
//! | `survey.rs` | Which files are there, and what do their first blocks say? |
//! | `arrange.rs` | Which files make up the log, and is one missing? |
//! | `replay.rs` | What does the log hold, and where does writing go on? |
//! | `scan.rs` | Which frames does a file hold, and where does their chain stop? |
//! | `tail.rs` | Is this the end of the log, or a hole in it? |
//! | `handle.rs` | How does a shard append and learn that a record is durable? |
//! | `writer.rs` | How do waiting records reach the disk, and what if it refuses? |
//! | `keeper.rs` | Where do the next files come from, and where do old ones go? |
//! | `calibrate.rs` | Which way of making a write durable is faster here? |
//! | `state.rs` | What do the tasks of one stream share? |
//! | `notify.rs` | How does one task tell another that there is something to do? |
//! | `body.rs` | How do records become frame bodies and come back? |
//! | `chain.rs` | What must the next frame say, and where must it stand? |
//! | `header.rs` | What does a file say about itself? |
//! | `name.rs` | What are the files called? |
//! | `position.rs` | Which names do streams, files and records go by? |
//! | `options.rs` | What may the user choose? |
//! | `limits.rs` | Which bounds are kept, and what do they cost? |
//! | `error.rs` | What can go wrong, and who can remedy it? |
//! | `verify.rs` | Is every byte as it was written? |
//! | `inspect.rs` | What stands in the files, for a person? |
//! | `list.rs` | Which frames does a log file hold, for a program that shows them? |
//! | `salvage.rs` | How does an operator keep the readable front of a damaged log? |

mod arrange;
mod body;
mod calibrate;
mod chain;
mod error;
mod handle;
mod header;
mod inspect;
mod keeper;
pub mod limits;
mod list;
mod name;
mod notify;
mod open;
mod options;
mod position;
mod replay;
mod salvage;
mod scan;
mod state;
mod survey;
mod tail;
mod verify;
mod writer;

pub use body::Records;
pub use error::{Damage, DamageKind, Error, Fence, Result};
pub use handle::{Durable, Wal};
pub use inspect::inspect;
pub use list::{EndListing, FileListing, FileState, FrameListing, list};
pub use options::{SyncMethod, WalOptions};
pub use position::{Lsn, StreamId};
pub use replay::{Replay, ReplayStats};
pub use salvage::{SalvageReport, salvage_to};
pub use state::{Space, WalStats};
pub use verify::{Report, StreamReport, verify, verify_from};
