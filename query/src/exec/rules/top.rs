//! When does an index know the first rows of a sort?
//!
//! When few rows are wanted and the only key is the distance of a vector column from a constant
//! vector, smallest first and null last, or the score of a text search, largest first; or when the
//! keys are columns by which the primary key or an ordered index is ordered: then the first `k` of
//! every shard are enough. The sort stays: it orders the few rows that come.

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

use crate::exec::choose::Way;
use crate::exec::nodes::{ScanParts, ShardScan};
use crate::exec::path::{Matching, Nearest, ScanPath};
use crate::functions::vector;

/// Most records searched for; above, all that there are come and are sorted.
pub const K_MAX: usize = 10_000;

/// Records that pass a condition, by the rows wanted, above which an index may be gone along until
/// enough of them were met.
const PASSING_MIN: u64 = 100;

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
    let Some(k) = sort.fetch().filter(|k| (1..=K_MAX).contains(k)) else {
        return Ok(Transformed::no(plan));
    };
    let Some(input) = search(sort.input(), sort.expr(), k)? else {
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
    keys: &[PhysicalSortExpr],
    k: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let below = |key: &PhysicalSortExpr| {
            Ok(PhysicalSortExpr::new(through(projection, &key.expr)?, key.options))
        };
        let keys = keys.iter().map(below).collect::<Result<Vec<_>>>()?;
        let Some(input) = search(projection.input(), &keys, k)? else { return Ok(None) };
        let children = vec![input];
        return datafusion::physical_plan::execution_plan::replace_children_if_necessary(
            plan.clone(),
            children,
        )
        .map(Some);
    }
    // The best of all shards are among the best of each.
    if plan.downcast_ref::<CoalescePartitionsExec>().is_some_and(|all| all.fetch().is_none()) {
        let Some(input) = search(plan.children()[0], keys, k)? else { return Ok(None) };
        return Ok(Some(Arc::new(CoalescePartitionsExec::new(input))));
    }
    let Some(scan) = plan.downcast_ref::<ShardScan>() else { return Ok(None) };
    let parts = scan.parts();
    if parts.limit.is_some() || !parts.narrowings.is_empty() {
        return Ok(None);
    }
    let path = match (&parts.path, keys) {
        (ScanPath::All, [key]) => nearest(parts, key, k)?,
        (ScanPath::Matching(matching), [key]) => best(parts, key, matching, k),
        _ => None,
    };
    let limited = || first(parts, keys, k).map(|path| (path, Some(k)));
    let found = path.map(|path| (path, None)).or_else(limited);
    Ok(found.map(|(path, limit)| {
        let scan = ShardScan::new(ScanParts { path, limit, ..parts.clone() });
        Arc::new(scan) as Arc<dyn ExecutionPlan>
    }))
}

/// Returns the path of a scan that gives the first rows of a sort by columns first.
fn first(parts: &ScanParts, keys: &[PhysicalSortExpr], k: usize) -> Option<ScanPath> {
    let wanted = keys.iter().map(|key| wanted(parts, key)).collect::<Option<Vec<Wanted>>>()?;
    let ordered = |way: &&Way| direction(way, &wanted, &parts.table).is_some();
    let ways = parts.ways.all.iter().filter(|way| way.rank >= parts.ways.chosen);
    // The narrowest, and of these the first.
    let way = ways.filter(ordered).rev().max_by_key(|way| way.rank)?;
    let path = way.path(direction(way, &wanted, &parts.table)?);
    // A record that an index names is looked up. Where a condition refuses most of them, reading
    // them all is faster.
    let reads_all = parts.ways.chosen == (0, 0);
    let refuses = reads_all && way.index.is_some() && parts.predicate.is_some();
    let enough = parts.rows.is_some_and(|rows| rows >= (k as u64).saturating_mul(PASSING_MIN));
    (!refuses || enough).then_some(path)
}

/// A column that a sort has as a key.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    column: usize,
    descending: bool,
    nulls_first: bool,
}

fn wanted(parts: &ScanParts, key: &PhysicalSortExpr) -> Option<Wanted> {
    let output = key.expr.downcast_ref::<Column>()?;
    let ScanColumn::Column(column) = *parts.columns.get(output.index())? else { return None };
    let (descending, nulls_first) = (key.options.descending, key.options.nulls_first);
    Some(Wanted { column, descending, nulls_first })
}

/// Returns whether a way is to be gone backwards for its records to come in the order of a sort;
/// `None` when they come in another one either way.
fn direction(way: &Way, wanted: &[Wanted], table: &Table) -> Option<bool> {
    let (equal, _) = way.rank;
    let (constant, mut ordering) = way.columns.split_at_checked(equal)?;
    let mut descending = None;
    for key in wanted {
        // A column with one value orders nothing, nor does one that came before.
        if constant.contains(&key.column)
            || !way.columns.contains(&key.column) && ordering.is_empty()
        {
            continue;
        }
        let passed = way.columns.len() - ordering.len();
        if way.columns[..passed].contains(&key.column) {
            continue;
        }
        let (next, rest) = ordering.split_first()?;
        let column = &table.columns[*next];
        // In an index nulls come last.
        let nulls = column.is_nullable() && key.nulls_first != key.descending;
        if *next != key.column || nulls || !sorts_as_encoded(&column.ty) {
            return None;
        }
        if *descending.get_or_insert(key.descending) != key.descending {
            return None;
        }
        ordering = rest;
    }
    Some(descending.unwrap_or(false))
}

/// Whether a sort has the values in the order of their encoding in keys.
fn sorts_as_encoded(ty: &ColumnType) -> bool {
    !matches!(ty, ColumnType::Interval | ColumnType::Array(_))
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
