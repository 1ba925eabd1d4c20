//! Which operators must leave time for others, and look whether to stop?

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PiecewiseMergeJoinExec, SortMergeJoinExec,
};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};

use crate::exec::nodes::{Pace, Sort};

/// Puts a pace above every operator that can give many batches without waiting for one, and below
/// those whose work on one batch has no bound. Comes last: it changes neither rows, order nor
/// partitions.
#[derive(Debug)]
pub struct PaceOperators {
    /// Whether sorts keep all rows in memory, and are refused when that is short.
    pub sorts_in_memory: bool,
}

impl PhysicalOptimizerRule for PaceOperators {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| self.pace(plan)).data()
    }

    fn name(&self) -> &str {
        "pace_operators"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl PaceOperators {
    fn pace(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
        if !gives_many(plan.as_ref()) {
            return Ok(Transformed::no(plan));
        }
        let plan = if compares_pairs(plan.as_ref()) {
            // The right side is the one that comes batch by batch.
            slice_child(plan, 1)?
        } else if plan.is::<UnnestExec>() {
            slice_child(plan, 0)?
        } else if let Some(sort) = plan.downcast_ref::<SortExec>()
            && self.sorts_in_memory
            && sort.fetch().is_none()
        {
            Arc::new(Sort::instead_of(sort))
        } else {
            plan
        };
        Ok(Transformed::yes(Arc::new(Pace::of(plan))))
    }
}

/// Whether an operator gives more rows than it takes, or holds them all back and then gives them
/// at once.
fn gives_many(plan: &dyn ExecutionPlan) -> bool {
    plan.is::<CrossJoinExec>()
        || plan.is::<NestedLoopJoinExec>()
        || plan.is::<PiecewiseMergeJoinExec>()
        || plan.is::<HashJoinExec>()
        || plan.is::<SortMergeJoinExec>()
        || plan.is::<UnnestExec>()
        || plan.is::<RecursiveQueryExec>()
        || plan.is::<SortExec>()
        || plan.is::<AggregateExec>()
        || plan.is::<WindowAggExec>()
        || plan.is::<BoundedWindowAggExec>()
}

/// Whether a join looks at pairs that a condition may all refuse: it works on a batch until that is
/// done with, and gives nothing meanwhile.
fn compares_pairs(plan: &dyn ExecutionPlan) -> bool {
    plan.is::<NestedLoopJoinExec>()
        || plan.downcast_ref::<HashJoinExec>().is_some_and(|join| join.filter().is_some())
        || plan.downcast_ref::<SortMergeJoinExec>().is_some_and(|join| join.filter().is_some())
}

/// Slices what a child gives, below the projections that compute arrays from it.
fn slice_child(plan: Arc<dyn ExecutionPlan>, position: usize) -> Result<Arc<dyn ExecutionPlan>> {
    let mut children: Vec<Arc<dyn ExecutionPlan>> = plan.children().into_iter().cloned().collect();
    let child = children[position].clone();
    children[position] = if child.is::<ProjectionExec>() {
        slice_child(child, 0)?
    } else {
        Arc::new(Pace::sliced(child))
    };
    replace_children_if_necessary(plan, children)
}
