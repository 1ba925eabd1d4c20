//! What does one shard remember?
//!
//! A [`Store`] holds one shard's slice of every table in memory, in versions. A version is
//! visible at snapshot S when `begin <= S < end`. Indexes are derived from the records and carry
//! the same spans of time, so they answer at a snapshot without a look at the records.
//!
//! ```text
//! key bytes --hash--> RecordId --arena--> Record: newest version | older versions, newest last
//!     \----order---/                              begin, end, row bytes
//! ```
//!
//! A record's versions are in order of `begin` and do not overlap. Whatever ended at or before
//! the collection watermark is invisible to every reader and is dropped by [`Store::maintain`];
//! a record id is used again only when no index mentions it.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `record` | which versions does a record have |
//! | `table` | where are the records of one table |
//! | `indexes` | how are a table's indexes kept in step with its records |
//! | `apply` | how does a committed write change the store |
//! | `check` | may a write be committed |
//! | `stage` | what has a transaction written that is not committed yet |
//! | `reads` | what has a transaction read, and is it still so |
//! | `recent` | which records changed lately |
//! | `install` | what happens when the catalog changes |
//! | `cursor` | where does a scan stand between two batches |
//! | `scan` | which rows does a scan return next |
//! | `nearest` | which rows are nearest to a vector |
//! | `matching` | which rows match a text query, and what are the statistics |
//! | `neighbors` | which nodes are next to these nodes |
//! | `batch` | how do rows become a record batch |
//! | `maintain` | what is done between requests |
//! | `verify` | does every index equal its records |

mod apply;
mod batch;
mod check;
mod cursor;
mod indexes;
mod install;
mod maintain;
mod matching;
mod nearest;
mod neighbors;
mod reads;
mod recent;
mod record;
mod scan;
mod stage;
mod table;
mod verify;

#[cfg(test)]
mod tests;

pub use batch::scan_schema;
pub use cursor::Cursor;
pub use install::Store;
pub use maintain::StoreStats;
pub(crate) use reads::Others;
