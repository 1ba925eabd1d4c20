//! Which DELETE empties a whole range of keys at once?
//!
//! One whose conditions say no more than that, of a table where nobody needs to know which records
//! go: without indexes, without constraints that look at other records, without `RETURNING`, as a
//! transaction of its own. Each shard then logs the range instead of its records, and gives their
//! space back without reading them. The answer says how many there were, so they are counted.

use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan};
use pieskieo_shards::catalog::{Table, TableKind};
use pieskieo_shards::key::KeyRange;
use pieskieo_shards::request::{Access, Reply, Request as ShardRequest, ScanSpec};

use super::Reads;
use super::request::Request;
use crate::constraint::Changes;
use crate::error::{Error, Result};
use crate::exec::choose::{exact_range, shards_of};
use crate::exec::provider::table_of;
use crate::outcome::{Outcome, StatementKind};
use crate::plan::params::bind_params;
use crate::syntax::Delete;

/// Fewer records are deleted one by one: every read of the table looks at each emptied range until
/// the records in it are gone from the disk.
const RECORDS_MIN: u64 = 10_000;
/// Emptied ranges of one table at a time.
const RANGES_MAX: usize = 64;

/// Runs a DELETE by emptying a range; `None` when it is not one for that.
///
/// **Cost**: counts the records, which reads their keys; one log record per shard.
/// **Errors**: as a query.
pub async fn run(
    request: &mut Request<'_>,
    delete: &Delete,
    table: &Table,
    reads: &Reads,
) -> Result<Option<Outcome>> {
    let is_plain = matches!(table.kind, TableKind::Relation | TableKind::Collection)
        && table.indexes.is_empty()
        && !Changes::are_watched(table);
    let asks_little = delete.returning.is_empty() && delete.using.is_empty();
    if !is_plain || !asks_little || !request.is_alone() || !is_worth_it(request, table)? {
        return Ok(None);
    }
    let bound = bind_params(&reads.plan, request.params())?;
    let plan = request.engine().optimized(&bound)?;
    let Some(filters) = only_filters(&plan) else { return Ok(None) };
    let Some(range) = exact_range(table, &filters) else { return Ok(None) };
    let shards = shards_of(request.catalog(), table, &filters);
    let view = request.scope_on(&shards).await?.view;
    let counts = shards.iter().map(|shard| {
        let access = match &range {
            KeyRange { from: None, to: None, .. } => Access::All,
            range => Access::KeyRange(range.clone()),
        };
        let (columns, filter, limit) = (Vec::new(), None, None);
        let spec = ScanSpec { table: table.id, access, columns, view, filter, limit };
        (*shard, ShardRequest::Count(spec))
    });
    let replies = request.core().call_all(counts).await?;
    let counts = replies.iter().map(|reply| match reply {
        Reply::Count(count) => Ok(*count),
        other => Err(Error::internal(format!("a count was answered with {other:?}"))),
    });
    let counts: Vec<u64> = counts.collect::<Result<_>>()?;
    let affected: u64 = counts.iter().sum();
    if affected < RECORDS_MIN {
        return Ok(None);
    }
    let by_shard = shards.into_iter().zip(counts);
    request.transaction().erase(table.id, &range, by_shard);
    Ok(Some(Outcome::without_rows(StatementKind::Delete, Some(affected))))
}

/// Whether the table is large, as far as this core's own shards tell, and has room for a range.
fn is_worth_it(request: &Request<'_>, table: &Table) -> Result<bool> {
    let core = request.core();
    let mut records = 0;
    for shard in core.shards().filter(|shard| core.is_local(*shard)) {
        let told = |store: &pieskieo_shards::store::Store| {
            (store.record_count(table.id), store.erasure_count(table.id))
        };
        let (here, ranges) = core.with_shard(shard, told)?;
        if ranges >= RANGES_MAX {
            return Ok(false);
        }
        records += here;
    }
    Ok(records * u64::from(core.core_count()) >= RECORDS_MIN / 2)
}

/// Returns the conditions of a plan that reads one table and does nothing else.
fn only_filters(plan: &LogicalPlan) -> Option<Vec<Expr>> {
    match plan {
        LogicalPlan::Projection(projection) => only_filters(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => only_filters(&alias.input),
        LogicalPlan::TableScan(scan) if scan.fetch.is_none() => {
            table_of(&scan.source)?;
            let filters = scan.filters.iter().flat_map(split_conjunction);
            Some(filters.cloned().collect())
        }
        _ => None,
    }
}
