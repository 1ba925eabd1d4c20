//! How does a join run whose tables do not fit in memory?
//!
//! A hash join holds one of its inputs. This rule, part of a plan that is made when that was too
//! much, sorts both inputs instead, on disk as far as needed, and merges them.

use std::sync::Arc;

use arrow_schema::SortOptions;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalExprRef, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use crate::exec::nodes::OrderedGather;

/// Joins by sorting and merging where a hash join would hold an input.
#[derive(Debug)]
pub struct JoinBySorting;

impl PhysicalOptimizerRule for JoinBySorting {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(replace).data()
    }

    fn name(&self) -> &str {
        "join_by_sorting"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// `NOT IN` over a column that may be null is only known to the hash join.
fn is_mergeable(join: &HashJoinExec) -> bool {
    !join.null_aware && !join.on().is_empty()
}

fn replace(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(join) = plan.downcast_ref::<HashJoinExec>().filter(|join| is_mergeable(join)) else {
        return Ok(Transformed::no(plan));
    };
    let on = join.on().to_vec();
    let left = sorted(join.left(), on.iter().map(|(left, _)| left));
    let right = sorted(join.right(), on.iter().map(|(_, right)| right));
    let options = vec![SortOptions::default(); on.len()];
    let filter = join.filter().cloned();
    let (join_type, nulls) = (*join.join_type(), join.null_equality());
    let merge = SortMergeJoinExec::try_new(left, right, on, filter, join_type, options, nulls)?;
    let merge: Arc<dyn ExecutionPlan> = Arc::new(merge);
    let Some(projection) = &join.projection else { return Ok(Transformed::yes(merge)) };
    let schema = merge.schema();
    let columns = projection.iter().map(|&position| {
        let name = schema.field(position).name();
        let expr: PhysicalExprRef = Arc::new(Column::new(name, position));
        ProjectionExpr { expr, alias: name.clone() }
    });
    let columns: Vec<ProjectionExpr> = columns.collect();
    Ok(Transformed::yes(Arc::new(ProjectionExec::try_new(columns, merge)?)))
}

/// One partition of all rows, sorted by these. Partitions are sorted where they are and merged by
/// an operator of ours.
fn sorted<'e>(
    input: &Arc<dyn ExecutionPlan>,
    by: impl Iterator<Item = &'e PhysicalExprRef>,
) -> Arc<dyn ExecutionPlan> {
    let by = by.map(|expr| PhysicalSortExpr::new(expr.clone(), SortOptions::default()));
    let Some(order) = LexOrdering::new(by) else { return input.clone() };
    let sort = SortExec::new(order.clone(), input.clone()).with_preserve_partitioning(true);
    match input.output_partitioning().partition_count() {
        1 => Arc::new(sort),
        _ => Arc::new(OrderedGather::new(Arc::new(sort), order, None)),
    }
}
