//! How do blocks that never change lie in a file, and come back as they were?
//!
//! A [`SegmentWriter`] makes a file once; a [`Segment`] reads it any number of times. Blocks are
//! grouped in parts, which are numbered by the caller and mean nothing here. A file gets its name
//! when it is whole and durable; [`SegmentSeal`], which the manifest keeps, says which bytes it
//! must have. The bytes are documented in `io/FORMAT.md`.
//!
//! ```text
//! | header 4096 | block | block | … | footer | 0 … | trailer 4096 |
//! ```
//!
//! Absent on purpose: a cache, the meaning of blocks, and removal (a manifest says what is live).
//!
//! | file | question |
//! | --- | --- |
//! | `identity.rs` | Which names do segments, parts and their files go by? |
//! | `writer.rs` | How is a segment made, and when does it exist? |
//! | `reader.rs` | How do blocks come back? |
//! | `open.rs` | Is this file the one the manifest means? |
//! | `ends.rs` | What do the first and the last block say about the file? |
//! | `footer.rs` | Where is each block, and what must its bytes be? |
//! | `compress.rs` | How does a block take less room, and come back? |
//! | `verify.rs` | Is every byte as it was written? |
//! | `inspect.rs` | What stands in the file, for a person? |
//! | `examine.rs` | What does a segment hold that nothing vouches for? |
//! | `error.rs` | What can go wrong, and who can remedy it? |
//! | `limits.rs` | Which bounds are kept, and what do they cost? |

mod compress;
mod ends;
mod error;
mod examine;
mod footer;
mod identity;
mod inspect;
pub mod limits;
mod open;
mod reader;
mod verify;
mod writer;

pub use compress::Codec;
pub use error::{Damage, DamageKind, Error, Result};
pub use examine::{BlockListing, Examined, PartListing, examine};
pub use identity::{
    PartKind, SegmentId, SegmentIdentity, SegmentSeal, parse_segment_draft_name,
    parse_segment_name, segment_name,
};
pub use inspect::inspect;
pub use reader::Segment;
pub use writer::SegmentWriter;
