//! What does a stopped database hold on disk, and is it what was written?
//!
//! Reads files and writes none, but for `repair`. For tools: a shard that serves knows all of this
//! itself.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `record` | what is a record of the log called |
//! | `layout` | which runs make up a shard's trees |
//! | `check` | is every file of a shard what was written |
//! | `history` | is the file that knows the past what was written |
//! | `repair` | what of the damage can be made good from the records |
//! | `shown` | how does a key of a tree look to a person |

mod check;
mod history;
mod layout;
mod record;
mod repair;
mod shown;

pub use check::{ShardCheck, check};
pub(crate) use history::REMEDY as HISTORY_REMEDY;
pub use history::{HistoryCheck, check_history};
pub use layout::{CheckpointFacts, ImageListing, RunListing, ShardLayout, layout};
pub use record::record_name;
pub use repair::{ShardRepair, repair};
pub(crate) use shown::Damaged;
