//! Which physical operators are ours?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `shard_scan` | how are the records of a table read, one partition per shard |
//! | `system_scan` | how are the rows of a relation of the system read |
//! | `gather` | how do partitions become one stream |
//! | `ordered_gather` | how do sorted partitions become one sorted stream |
//! | `shuffle` | how do rows get to the partition where their values belong |
//! | `expand` | how are edges followed from a stream of nodes |
//! | `lookup` | how are records fetched by key for a stream of keys |
//! | `sort` | how are rows sorted in memory without holding up the core |
//! | `pace` | how does an operator that never waits leave time for others |
//! | `child` | how does a node take its only input |

mod child;
mod expand;
mod gather;
mod lookup;
mod ordered_gather;
mod pace;
mod shard_scan;
mod shuffle;
mod sort;
mod system_scan;

use child::only_child;
pub use expand::{ExpandExec, ExpandParts};
pub use gather::Gather;
pub use lookup::{LookupExec, LookupParts};
pub use ordered_gather::OrderedGather;
pub use pace::Pace;
pub use shard_scan::{BATCH_ROWS, ScanParts, ShardScan};
pub use shuffle::Shuffle;
pub use sort::Sort;
pub use system_scan::SystemScan;
