//! How are records loaded in one transaction, all or none?
//!
//! With an idempotency key, and within a transaction of the client, a load must be one effect: the
//! first record that is refused refuses them all.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pieskieo_io::rt;
use pieskieo_shards::catalog::Table;
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::key::Key;
use pieskieo_shards::request::Expect;
use pieskieo_shards::value::Value;
use serde_json::Value as Json;

use super::bulk::{BulkConflict, BulkReport, complete, keyed, lifted};
use super::conflict::existing;
use super::request::Request;
use super::write::{self, Old};
use crate::constraint::{Changes, holders};
use crate::error::{Error, Result};
use crate::idempotency::Stored;

/// Records read or written between two chances for other tasks.
const RECORDS_PER_STEP: usize = 64;

/// Loads records in a transaction of their own and remembers the answer.
///
/// **Errors**: the first record that does not fit; nothing was written then.
pub(crate) async fn load_whole(
    request: &mut Request<'_>,
    table: &str,
    records: &[Json],
    on_conflict: BulkConflict,
) -> Result<BulkReport> {
    request
        .committed(async |request| {
            let report = load_within(request, table, records, on_conflict).await?;
            request.remember_answer(Stored::load(&report)).await?;
            Ok(report)
        })
        .await
}

/// Loads records in the request's transaction.
///
/// **Errors**: the first record that does not fit.
async fn load_within(
    request: &mut Request<'_>,
    table: &str,
    records: &[Json],
    on_conflict: BulkConflict,
) -> Result<BulkReport> {
    let table = write::target(request.catalog(), table)?.clone();
    let rows = rows_of(request, &table, records).await?;
    let keys: Vec<Key> = rows.iter().map(|(key, _)| key.clone()).collect();
    let owners: Vec<ShardId> =
        keys.iter().map(|key| request.catalog().shard_of(key.slot())).collect();
    let scope = request.scope_on(&owners).await?;
    let olds = existing(request.core(), &scope, &table, &keys).await?;
    let held = match on_conflict {
        BulkConflict::Skip => held_values(request, &table, &rows).await?,
        _ => HashSet::new(),
    };
    if on_conflict != BulkConflict::Error {
        request.retry_duplicates();
    }
    let last: HashMap<&Key, usize, ahash::RandomState> =
        keys.iter().enumerate().map(|(at, key)| (key, at)).collect();
    let mut taken = HashSet::<&Key, ahash::RandomState>::default();
    let mut report = BulkReport::default();
    let mut changes = Changes::new(&table);
    for (at, ((key, values), old)) in rows.iter().zip(&olds).enumerate() {
        if at % RECORDS_PER_STEP == RECORDS_PER_STEP - 1 {
            rt::yield_if_needed().await;
        }
        let exists = old.is_some() || held.contains(&at) || !taken.insert(key);
        match on_conflict {
            BulkConflict::Error if exists => {
                let error = Error::from(request.catalog().duplicate(&table, key));
                return Err(numbered(error, at, rows.len()));
            }
            BulkConflict::Skip if exists => report.skipped += 1,
            // Of records with the same key, the last one replaces the others.
            BulkConflict::Replace if last.get(key) != Some(&at) => report.inserted += 1,
            _ => {
                store(request, &table, values, old.as_ref(), &mut changes)
                    .map_err(|error| numbered(error, at, rows.len()))?;
                report.inserted += 1;
            }
        }
    }
    request.settle_changes(changes).await?;
    Ok(report)
}

/// Returns the keys and the complete values of records.
async fn rows_of(
    request: &mut Request<'_>,
    table: &Arc<Table>,
    records: &[Json],
) -> Result<Vec<(Key, Vec<Value>)>> {
    let mut given = Vec::with_capacity(records.len());
    for (at, record) in records.iter().enumerate() {
        let row = lifted(table, record, false);
        given.push(row.map_err(|error| numbered(error, at, records.len()))?);
        if at % RECORDS_PER_STEP == RECORDS_PER_STEP - 1 {
            rt::yield_if_needed().await;
        }
    }
    let complete = complete(request, table, given).await?.into_iter().enumerate();
    complete
        .map(|(at, values)| {
            keyed(table, values).map_err(|error| numbered(error, at, records.len()))
        })
        .collect()
}

/// Returns which rows have values of a unique constraint that a record has already.
async fn held_values(
    request: &mut Request<'_>,
    table: &Arc<Table>,
    rows: &[(Key, Vec<Value>)],
) -> Result<HashSet<usize>> {
    let mut held = HashSet::new();
    let values: Vec<Vec<Value>> = rows.iter().map(|(_, values)| values.clone()).collect();
    for (_, unique) in table.uniques() {
        let scope = request.scope().await?;
        let holders = holders(request.core(), &scope, (table, unique), &values).await?;
        held.extend(
            holders.iter().enumerate().filter(|(_, held)| held.is_some()).map(|(at, _)| at),
        );
    }
    Ok(held)
}

fn store(
    request: &mut Request<'_>,
    table: &Arc<Table>,
    values: &[Value],
    old: Option<&Old>,
    changes: &mut Changes,
) -> Result<()> {
    match old {
        Some(old) => {
            write::replace(request.transaction(), table, old, values)?;
            changes.updated(old, values);
        }
        None => {
            write::insert(request.transaction(), table, values, Expect::Absent)?;
            changes.inserted(values);
        }
    }
    Ok(())
}

/// Says which of several records is meant.
fn numbered(error: Error, at: usize, count: usize) -> Error {
    if count == 1 {
        return error;
    }
    let detail = error.detail.as_deref().map_or(String::new(), |detail| format!(" {detail}"));
    let text = format!("It is record {} of {count}; none was stored.{detail}", at + 1);
    error.with_detail(text)
}
