//! What does one shard remember?
//!
//! A [`Store`] holds one shard's slice of every table in versions. A version is visible at
//! snapshot S when it is the latest of its key that began at or before S. Records, ordered indexes
//! and the mirrors of edges are trees (`crate::tree`): what was written lately is in memory, the
//! rest in sealed runs. Vector and text indexes and the adjacency stay in memory; they are derived
//! from the records and carry the same spans of time, so they answer at a snapshot without a look
//! at the records.
//!
//! Nothing here waits. What needs a group that is not in memory stops with `NotLoaded`, changes
//! nothing, and is called again when the group is there (`actor/loading.rs`).
//!
//! | file | question it answers |
//! | --- | --- |
//! | `table` | where are the records of one table |
//! | `names` | which number has a record in the indexes that stay in memory |
//! | `indexes` | how are a table's indexes kept in step with its records |
//! | `apply` | how does a committed write change the store |
//! | `check` | may a write be committed |
//! | `stage` | what has a transaction written that is not committed yet |
//! | `past` | how is a snapshot read that indexes know nothing of |
//! | `reads` | what has a transaction read, and is it still so |
//! | `recent` | which records changed lately |
//! | `install` | what happens when the catalog changes |
//! | `build` | how is an index filled from records that are there already |
//! | `cursor` | where does a scan stand between two batches |
//! | `scan` | which rows does a scan return next |
//! | `nearest` | which rows are nearest to a vector |
//! | `matching` | which rows match a text query, and what are the statistics |
//! | `neighbors` | which nodes are next to these nodes |
//! | `batch` | how do rows become a record batch |
//! | `trees` | how are a table's trees frozen, written and merged |
//! | `maintain` | what is done between requests |
//! | `verify` | does every index equal its records |

mod apply;
mod batch;
mod build;
mod changes;
mod check;
mod cursor;
mod image;
mod indexes;
mod install;
mod maintain;
mod matching;
mod names;
mod nearest;
mod neighbors;
mod past;
mod reads;
mod recent;
mod scan;
mod stage;
mod table;
mod trees;
mod verify;

#[cfg(test)]
mod contract_tests;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod tests;

pub(crate) use apply::Before;
pub use batch::scan_schema;
pub(crate) use build::{Keys, Walk};
pub(crate) use changes::ChangedKeys;
pub use cursor::Cursor;
pub(crate) use image::Changed;
pub(crate) use install::Build;
pub use install::Store;
pub use maintain::{StoreMemory, StoreStats};
pub(crate) use past::{PastEdges, PastStats};
pub(crate) use reads::Others;
pub(crate) use trees::Frozen;
pub(crate) use verify::Shown;
