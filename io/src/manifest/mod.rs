//! Which few facts about a shard's storage hold, and since when durably?
//!
//! A manifest is a snapshot and the edits after it, each opaque here. An edit holds when `append`
//! returns: it is the only commit point of a shard's storage. `rewrite` begins a new generation
//! with a snapshot, so that the file stays small. The bytes are documented in `io/FORMAT.md`.
//!
//! ```text
//! manifest-G: | header 4096 | snapshot | edit | edit | …      frames on 4 KiB boundaries
//! ```
//!
//! Absent on purpose: the meaning of edits, concurrent writers, and group commit (edits are rare).
//!
//! | file | question |
//! | --- | --- |
//! | `handle.rs` | How does an edit become durable, and how does the file stay small? |
//! | `open.rs` | What does the manifest hold after a crash, and where does it go on? |
//! | `scan.rs` | Which frames does a generation hold, and is its end torn or damaged? |
//! | `generation.rs` | How is a whole generation written? |
//! | `header.rs` | What does a generation say about itself? |
//! | `frame.rs` | What does a frame say about itself? |
//! | `name.rs` | What are the files called? |
//! | `inspect.rs` | What stands in the files, for a person? |
//! | `read.rs` | What does a manifest hold, for a program that must not change it? |
//! | `error.rs` | What can go wrong, and who can remedy it? |
//! | `limits.rs` | Which bounds are kept, and what do they cost? |

mod error;
mod frame;
mod generation;
mod handle;
mod header;
mod inspect;
pub mod limits;
mod name;
mod open;
mod read;
mod scan;

pub use error::{Damage, DamageKind, Error, Fence, Result};
pub use frame::FrameKind;
pub use handle::{Manifest, ManifestContent};
pub use header::ManifestIdentity;
pub use inspect::inspect;
pub use read::{FrameListing, Reading, newest, read};
