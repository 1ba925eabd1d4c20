//! On which shard does a partition of a plan belong?
//!
//! Nothing goes wrong when the answer is not the best one: a scan that runs elsewhere fetches its
//! rows from their owner.

use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use pieskieo_shards::ids::ShardId;

use super::nodes::{Gather, OrderedGather, ShardScan, Shuffle};

/// Returns the shard whose records partition `partition` of `plan` reads, or that of the number a
/// shuffle gave it; `None` when it reads none, or those of several shards.
pub fn home(plan: &dyn ExecutionPlan, partition: usize) -> Option<ShardId> {
    if let Some(scan) = plan.downcast_ref::<ShardScan>() {
        return scan.shards().get(partition).copied();
    }
    if plan.is::<Gather>() || plan.is::<OrderedGather>() {
        return None;
    }
    if plan.is::<Shuffle>() {
        return u16::try_from(partition).ok().map(ShardId);
    }
    if plan.is::<UnionExec>() {
        let mut first = 0;
        for child in plan.children() {
            let count = child.output_partitioning().partition_count();
            if partition < first + count {
                return home(child.as_ref(), partition - first);
            }
            first += count;
        }
        return None;
    }
    let count = plan.properties().output_partitioning().partition_count();
    // The last child with as many partitions: the probe side of a join.
    plan.children()
        .into_iter()
        .rev()
        .filter(|child| child.output_partitioning().partition_count() == count)
        .find_map(|child| home(child.as_ref(), partition))
}

/// Returns whether the plan reads records of any shard outside of a gather.
pub fn reads_shards(plan: &dyn ExecutionPlan) -> bool {
    if plan.is::<ShardScan>() {
        return true;
    }
    if plan.is::<Gather>() || plan.is::<OrderedGather>() || plan.is::<Shuffle>() {
        return false;
    }
    plan.children().into_iter().any(|child| reads_shards(child.as_ref()))
}
