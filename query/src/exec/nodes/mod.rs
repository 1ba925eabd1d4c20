//! Which physical operators are ours?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `shard_scan` | how are the records of a table read, one partition per shard |
//! | `gather` | how do partitions become one stream |
//! | `ordered_gather` | how do sorted partitions become one sorted stream |
//! | `expand` | how are edges followed from a stream of nodes |
//! | `lookup` | how are records fetched by key for a stream of keys |

mod expand;
mod gather;
mod lookup;
mod ordered_gather;
mod shard_scan;

use std::sync::Arc;

use datafusion::common::{Result, internal_err};
use datafusion::physical_plan::ExecutionPlan;

pub use expand::{ExpandExec, ExpandParts};
pub use gather::Gather;
pub use lookup::{LookupExec, LookupParts};
pub use ordered_gather::OrderedGather;
pub use shard_scan::{BATCH_ROWS, ScanParts, ShardScan};

/// Takes the one child a node of one input is given.
fn only_child(mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
    match (children.pop(), children.is_empty()) {
        (Some(child), true) => Ok(child),
        _ => internal_err!("a node of one input was given another number of inputs"),
    }
}
