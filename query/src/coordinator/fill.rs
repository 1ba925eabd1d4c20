//! How do the rows of a query become the records of a new table?
//!
//! Nobody sees the table yet, so its records are committed as they come, each owner's by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::sql::sqlparser::ast::Query;
use futures::StreamExt;
use pieskieo_io::rt;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, Table};
use pieskieo_shards::ids::{ShardId, TableId, Timestamp};
use pieskieo_shards::key::Key;
use pieskieo_shards::request::Expect;
use pieskieo_shards::txn::Isolation;
use pieskieo_shards::value::Value;

use super::create_as::{Maker, plan};
use super::write;
use crate::constraint::{Changes, Ground, settle};
use crate::error::{Error, Result, code};
use crate::exec::run::{Planning, Running};
use crate::exec::scope::Scope;

/// Records that are gathered before they are written.
const RECORDS_PER_ROUND: usize = 8192;

/// Records of one commit at most: enough to share a flush of the log, few enough to leave it to
/// others.
const RECORDS_PER_COMMIT: usize = 1024;

/// How often a commit, or a query before its first row, is tried again after losing to a change.
const ATTEMPTS_MAX: usize = 5;

/// Runs a query and writes what `read` makes of its rows into a table. Returns the number of records, and the
/// commit from which on they are all there.
///
/// **Errors**: whatever stops the query; rows that do not fit; 42P01 when the table was dropped.
pub(super) async fn fill(
    maker: &mut Maker,
    id: TableId,
    query: impl Fn(&Catalog, &Table) -> Result<Query>,
    read: impl Fn(&Core, &Table, &RecordBatch, &mut Vec<Vec<Value>>) -> Result<()>,
) -> Result<(u64, Timestamp)> {
    let (catalog, snapshot, mut rows) = start(maker, id, query).await?;
    let mut since = snapshot;
    let table = table_of(&catalog, id)?;
    let mut waiting = Vec::new();
    let mut count = 0;
    while let Some(batch) = rows.next().await {
        maker.stop.check()?;
        read(&maker.core, &table, &batch?, &mut waiting)?;
        if waiting.len() >= RECORDS_PER_ROUND {
            count += waiting.len() as u64;
            let last = write_all(maker, &table, std::mem::take(&mut waiting)).await?;
            since = since.max(last);
        }
        rt::yield_if_needed().await;
    }
    count += waiting.len() as u64;
    let last = write_all(maker, &table, waiting).await?;
    Ok((count, since.max(last)))
}

/// Plans and starts the query, again when the schema changes in between.
async fn start(
    maker: &mut Maker,
    id: TableId,
    query: impl Fn(&Catalog, &Table) -> Result<Query>,
) -> Result<(Arc<Catalog>, Timestamp, Running)> {
    let Maker { core, engine, params, past, parallel_rows, ef_search, stop } = maker;
    for attempt in 1.. {
        let catalog = core.catalog();
        let table = table_of(&catalog, id)?;
        let plan = plan(engine, &catalog, (query(&catalog, &table)?, params))?;
        let lease = match past {
            Some(past) => core.lease_of(past.view()),
            None => core.lease(),
        };
        let snapshot = lease.snapshot();
        let scope = Scope {
            view: lease.view(),
            catalog: catalog.clone(),
            ef_search: *ef_search,
            stop: stop.child(),
        };
        let planning = Planning { core, engine, parallel_rows: *parallel_rows };
        match planning.start(&plan, scope, lease).await {
            Ok((_, rows)) => return Ok((catalog, snapshot, rows)),
            Err(error) if attempt < ATTEMPTS_MAX && is_lost(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::internal("attempts do not end"))
}

fn is_lost(error: &Error) -> bool {
    error.code == code::SERIALIZATION_FAILURE.code
}

fn table_of(catalog: &Catalog, id: TableId) -> Result<Arc<Table>> {
    catalog.tables.get(&id).cloned().ok_or_else(gone)
}

/// The error of a table that was dropped while it was filled.
pub(super) fn gone() -> Error {
    Error::new(code::UNDEFINED_TABLE, "what was being filled was dropped meanwhile")
}

/// Reads the rows of a batch as records of a table whose last column is its generated key.
///
/// **Errors**: a value that does not fit.
pub(super) fn values_of(
    core: &Core,
    table: &Table,
    batch: &RecordBatch,
    out: &mut Vec<Vec<Value>>,
) -> Result<()> {
    for row in 0..batch.num_rows() {
        let mut values = Vec::with_capacity(table.columns.len());
        for (column, array) in table.columns.iter().zip(batch.columns()) {
            values.push(Value::from_array(array.as_ref(), row, &column.ty)?);
        }
        values.push(Value::BigInt(core.generate_id()));
        if values.len() != table.columns.len() {
            return Err(Error::internal("a query with other columns than its table"));
        }
        out.push(values);
    }
    Ok(())
}

/// Returns the last of the commits.
async fn write_all(maker: &Maker, table: &Arc<Table>, rows: Vec<Vec<Value>>) -> Result<Timestamp> {
    let mut since = Timestamp(0);
    let catalog = maker.core.catalog();
    let mut owned: BTreeMap<ShardId, Vec<Vec<Value>>> = BTreeMap::new();
    for values in rows {
        // Unique values may be anywhere: those records are committed on all shards at once.
        let owner = match Changes::are_watched(table) {
            true => ShardId(0),
            false => catalog.shard_of(Key::of_row(table, &values)?.slot()),
        };
        owned.entry(owner).or_default().push(values);
    }
    for rows in owned.into_values() {
        let mut parts: Vec<&[Vec<Value>]> = rows.chunks(RECORDS_PER_COMMIT).rev().collect();
        while let Some(part) = parts.pop() {
            maker.stop.check()?;
            match write_part(maker, table, part).await {
                Err(error) if error.code == code::PROGRAM_LIMIT.code && part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                written => since = since.max(written?),
            }
        }
    }
    Ok(since)
}

async fn write_part(maker: &Maker, table: &Arc<Table>, rows: &[Vec<Value>]) -> Result<Timestamp> {
    for attempt in 1.. {
        match commit(maker, table, rows).await {
            Err(error) if attempt < ATTEMPTS_MAX && is_lost(&error) => rt::yield_now().await,
            other => return other,
        }
    }
    Err(Error::internal("attempts do not end"))
}

async fn commit(maker: &Maker, table: &Arc<Table>, rows: &[Vec<Value>]) -> Result<Timestamp> {
    let catalog = maker.core.catalog();
    let mut txn = maker.core.begin_with(Isolation::Snapshot);
    txn.planned_with(catalog.version);
    let mut changes = Changes::new(table);
    for values in rows {
        write::insert(&mut txn, table, values, Expect::Absent)?;
        changes.inserted(values);
    }
    if !changes.rows.is_empty() {
        let (core, engine) = (maker.core.clone(), maker.engine.clone());
        let ground = Ground { core, engine, catalog, stop: maker.stop.clone() };
        Box::pin(settle(&ground, &mut txn, changes)).await?;
    }
    Ok(txn.commit().await?)
}
