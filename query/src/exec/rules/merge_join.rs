//! How does a join run whose tables do not fit in memory?
//!
//! A hash join holds one of its inputs. This rule, part of a plan that is made when that was too
//! much, sorts both inputs instead, on disk as far as needed, and merges them. It comes before the rule
//! that sees to distribution and order: that one shuffles and sorts the inputs, and sorts again what
//! others relied on to come out of a hash join in the order of its input.

use std::sync::Arc;

use arrow_schema::SortOptions;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::PhysicalExprRef;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

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
    let (left, right) = (join.left().clone(), join.right().clone());
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
