//! Where do rows move between cores?
//!
//! DataFusion's own operators for that spawn tokio tasks, and there is no tokio here. This rule,
//! the last one of physical planning, puts ours in their places and refuses whatever is left.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PartitionMode,
};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};

use crate::error::Error;
use crate::exec::home::reads_shards;
use crate::exec::nodes::{Gather, OrderedGather, Shuffle};

/// Operators that would panic outside of a tokio runtime.
const FORBIDDEN: [&str; 4] = ["RepartitionExec", "AnalyzeExec", "BufferExec", "DataSinkExec"];

/// Puts gathers where rows move between cores.
#[derive(Debug)]
pub struct PlaceExchanges;

impl PhysicalOptimizerRule for PlaceExchanges {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = plan.transform_up(place).data()?;
        let plan: Arc<dyn ExecutionPlan> = if plan.output_partitioning().partition_count() == 1 {
            plan
        } else {
            Arc::new(Gather::new(plan, None))
        };
        refuse_foreign(&plan)?;
        Ok(plan)
    }

    fn name(&self) -> &str {
        "place_exchanges"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn place(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    if let Some(coalesce) = plan.downcast_ref::<CoalescePartitionsExec>() {
        let gather = Gather::new(coalesce.input().clone(), coalesce.fetch());
        return Ok(Transformed::yes(Arc::new(gather)));
    }
    if let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>() {
        let (input, ordering) = (merge.input().clone(), merge.expr().clone());
        let gather = OrderedGather::new(input, ordering, merge.fetch());
        return Ok(Transformed::yes(Arc::new(gather)));
    }
    if let Some(repartition) = plan.downcast_ref::<RepartitionExec>()
        && !repartition.preserve_order()
        && let Partitioning::Hash(by, count) = repartition.partitioning()
    {
        let shuffle = Shuffle::new(repartition.input().clone(), by.clone(), *count);
        return Ok(Transformed::yes(Arc::new(shuffle)));
    }
    if plan.is::<ScalarSubqueryExec>() {
        return gather_subqueries(plan).map(Transformed::yes);
    }
    gather_build_side(plan)
}

/// The queries that stand for a value are read as one stream each.
fn gather_subqueries(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let mut children: Vec<Arc<dyn ExecutionPlan>> = plan.children().into_iter().cloned().collect();
    for query in children.iter_mut().skip(1) {
        if query.output_partitioning().partition_count() > 1 {
            *query = Arc::new(Gather::new(query.clone(), None));
        }
    }
    datafusion::physical_plan::execution_plan::replace_children_if_necessary(plan, children)
}

/// The build side of a join is one future that whichever partition asks first drives, on any
/// core. A scan must not be driven by another core than the one it was started on: what crosses
/// is a gather.
fn gather_build_side(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let collects = plan.is::<CrossJoinExec>()
        || plan.is::<NestedLoopJoinExec>()
        || plan
            .downcast_ref::<HashJoinExec>()
            .is_some_and(|join| *join.partition_mode() == PartitionMode::CollectLeft);
    if !collects {
        return Ok(Transformed::no(plan));
    }
    let children = plan.children();
    let build = children[0].clone();
    if build.is::<Gather>() || build.is::<OrderedGather>() || !reads_shards(build.as_ref()) {
        return Ok(Transformed::no(plan));
    }
    let mut children: Vec<Arc<dyn ExecutionPlan>> = children.into_iter().cloned().collect();
    children[0] = Arc::new(Gather::new(build, None));
    let plan =
        datafusion::physical_plan::execution_plan::replace_children_if_necessary(plan, children)?;
    Ok(Transformed::yes(plan))
}

fn refuse_foreign(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    if FORBIDDEN.contains(&plan.name()) {
        let error = Error::internal(format!("the plan holds a {} it cannot run", plan.name()));
        return Err(DataFusionError::External(Box::new(error)));
    }
    plan.children().into_iter().try_for_each(refuse_foreign)
}
