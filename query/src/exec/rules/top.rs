//! When does an index know the first rows of a sort?
//!
//! When few rows are wanted and the only key is the distance of a vector column from a constant
//! vector, smallest first and null last, or the score of a text search, largest first: then the
//! best `k` of every shard are enough. The sort stays: it orders the few rows that come.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use pieskieo_shards::catalog::{IndexKind, Table};
use pieskieo_shards::ids::IndexId;
use pieskieo_shards::request::ScanColumn;
use pieskieo_shards::value::ColumnType;
use pieskieo_shards::vector::Metric;

use crate::exec::nodes::{ScanParts, ShardScan};
use crate::exec::path::{Matching, Nearest, ScanPath};
use crate::functions::vector;

/// Most records searched for; above, all that there are come and are sorted.
pub const K_MAX: usize = 10_000;

/// Lets indexes find the first rows of sorts.
#[derive(Debug)]
pub struct UseTop;

impl PhysicalOptimizerRule for UseTop {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(rewrite).data()
    }

    fn name(&self) -> &str {
        "use_top"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn rewrite(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(sort) = plan.downcast_ref::<SortExec>() else { return Ok(Transformed::no(plan)) };
    let (Some(k), [key]) = (sort.fetch(), sort.expr().as_ref()) else {
        return Ok(Transformed::no(plan));
    };
    if k == 0 || k > K_MAX {
        return Ok(Transformed::no(plan));
    }
    let Some(input) = search(sort.input(), key, k)? else {
        return Ok(Transformed::no(plan));
    };
    let children = vec![input];
    let plan =
        datafusion::physical_plan::execution_plan::replace_children_if_necessary(plan, children)?;
    Ok(Transformed::yes(plan))
}

/// Returns the plan below the sort with its scan searching, if that is possible.
fn search(
    plan: &Arc<dyn ExecutionPlan>,
    key: &PhysicalSortExpr,
    k: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let key = PhysicalSortExpr::new(through(projection, &key.expr)?, key.options);
        let Some(input) = search(projection.input(), &key, k)? else { return Ok(None) };
        let children = vec![input];
        return datafusion::physical_plan::execution_plan::replace_children_if_necessary(
            plan.clone(),
            children,
        )
        .map(Some);
    }
    // The best of all shards are among the best of each.
    if plan.downcast_ref::<CoalescePartitionsExec>().is_some_and(|all| all.fetch().is_none()) {
        let Some(input) = search(plan.children()[0], key, k)? else { return Ok(None) };
        return Ok(Some(Arc::new(CoalescePartitionsExec::new(input))));
    }
    let Some(scan) = plan.downcast_ref::<ShardScan>() else { return Ok(None) };
    let parts = scan.parts();
    if parts.limit.is_some() || !parts.narrowings.is_empty() {
        return Ok(None);
    }
    let path = match &parts.path {
        ScanPath::All => nearest(parts, key, k)?,
        ScanPath::Matching(matching) => best(parts, key, matching, k),
        _ => None,
    };
    Ok(path.map(|path| {
        let scan = ShardScan::new(ScanParts { path, ..parts.clone() });
        Arc::new(scan) as Arc<dyn ExecutionPlan>
    }))
}

/// Returns the search for the vectors that a sort by distance has first.
fn nearest(parts: &ScanParts, key: &PhysicalSortExpr, k: usize) -> Result<Option<ScanPath>> {
    if key.options.descending || key.options.nulls_first {
        return Ok(None);
    }
    let Some((column, metric, query)) = distance_key(parts, &key.expr)? else { return Ok(None) };
    let declared = &parts.table.columns[column];
    if !matches!(declared.ty, ColumnType::Vector(dim) if dim as usize == query.len()) {
        return Ok(None);
    }
    let index = index_for(&parts.table, column, metric);
    Ok(Some(ScanPath::Nearest(Nearest { column, index, metric, query: query.into(), k })))
}

/// Returns the search for the texts that a sort by score has first. No score of a text search is
/// null, so it does not matter where nulls would be.
fn best(
    parts: &ScanParts,
    key: &PhysicalSortExpr,
    matching: &Matching,
    k: usize,
) -> Option<ScanPath> {
    let column = key.expr.downcast_ref::<Column>()?;
    let is_score = parts.columns[column.index()] == ScanColumn::Score;
    (key.options.descending && is_score)
        .then(|| ScanPath::Matching(Matching { k: Some(k), ..matching.clone() }))
}

/// Returns the vector index over a column for a metric.
pub fn index_for(table: &Table, wanted: usize, wanted_metric: Metric) -> Option<IndexId> {
    table.indexes.iter().find_map(|index| match &index.kind {
        IndexKind::Vector { column, metric, .. }
            if *column == wanted && *metric == wanted_metric =>
        {
            Some(index.id)
        }
        _ => None,
    })
}

/// Rewrites an expression over a projection's output into one over its input.
fn through(
    projection: &ProjectionExec,
    key: &Arc<dyn PhysicalExpr>,
) -> Result<Arc<dyn PhysicalExpr>> {
    let exprs = projection.expr();
    let rewritten = key.clone().transform_down(|expr| {
        Ok(match expr.downcast_ref::<Column>() {
            Some(column) => Transformed::new(
                exprs[column.index()].expr.clone(),
                true,
                datafusion::common::tree_node::TreeNodeRecursion::Jump,
            ),
            None => Transformed::no(expr),
        })
    });
    rewritten.data()
}

/// Reads `distance(column, constant)`, either way round.
fn distance_key(
    parts: &ScanParts,
    key: &Arc<dyn PhysicalExpr>,
) -> Result<Option<(usize, Metric, Vec<f32>)>> {
    let Some(call) = key.downcast_ref::<ScalarFunctionExpr>() else { return Ok(None) };
    let Some(metric) = vector::metric_of(call.fun().name()) else { return Ok(None) };
    let [a, b] = call.args() else { return Ok(None) };
    let (column, constant) = match (a.downcast_ref::<Column>(), b.downcast_ref::<Column>()) {
        (Some(column), None) => (column, b),
        (None, Some(column)) => (column, a),
        _ => return Ok(None),
    };
    let Some(literal) = constant.downcast_ref::<Literal>() else { return Ok(None) };
    let ScanColumn::Column(position) = parts.columns[column.index()] else { return Ok(None) };
    let array = literal.value().to_array()?;
    let query = vector::vector_at(array.as_ref(), 0)?;
    Ok(query.map(|query| (position, metric, query)))
}
