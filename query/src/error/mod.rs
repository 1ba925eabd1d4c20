//! What can go wrong with a statement, and which code names it on every front door?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `code` | which codes there are, and what each means |
//! | `value` | what an error carries |
//! | `from_shards` | how a shard's refusal reaches the user |
//! | `from_plan` | how a refusal of the planner reaches the user |
//!
//! One [`Error`] crosses the boundary of this crate. Its [`Code`] is one row of [`code::ALL`],
//! the same table `PQL.md` prints; its message is a lower-case fact, the detail adds what was
//! found, the hint says what to do.

pub mod code;
mod from_plan;
mod from_shards;
mod value;

pub use code::Code;
pub use value::{Error, Kind, Result};
