//! How are many records loaded into a table with constraints?
//!
//! Records go in the order they are given, so many to a transaction over all shards: whether one
//! may refer to another, or is the second with its values, must not depend on the number of
//! shards. A transaction that breaks a constraint is halved and tried again, until the records
//! that break it are alone.

use std::sync::Arc;

use pieskieo_io::rt;
use pieskieo_shards::catalog::Table;
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Expect, ReadView};
use pieskieo_shards::value::Value;

use super::bulk::{BulkConflict, BulkReport, keyed};
use super::conflict::existing;
use super::request::Request;
use super::write;
use crate::constraint::{Changes, holders, settle};
use crate::error::{Error, Result, code};
use crate::exec::fetch::fetch;

/// Records of one commit.
const RECORDS_PER_COMMIT: usize = 1024;

/// How often a commit is tried again after losing to another transaction.
const ATTEMPTS_MAX: usize = 50;

/// A record on its way.
struct Row {
    position: u64,
    key: Key,
    values: Vec<Value>,
}

/// Loads complete rows, each with its position among the records given.
///
/// **Errors**: as a load.
pub async fn load_checked(
    request: &Request<'_>,
    table: &Arc<Table>,
    rows: impl Iterator<Item = (u64, Result<Vec<Value>>)>,
    on_conflict: BulkConflict,
    report: &mut BulkReport,
) -> Result<()> {
    let mut sound = Vec::new();
    for (position, values) in rows {
        match values.and_then(|values| keyed(table, values)) {
            Ok((key, values)) => sound.push(Row { position, key, values }),
            Err(error) => report.refuse(position, error),
        }
    }
    for some in sound.chunks(RECORDS_PER_COMMIT) {
        let some = match on_conflict {
            BulkConflict::Replace => some.iter().collect(),
            _ => without_existing(request, table, some, on_conflict, report).await?,
        };
        load_some(request, table, &some, on_conflict, report).await?;
    }
    Ok(())
}

async fn load_some(
    request: &Request<'_>,
    table: &Arc<Table>,
    rows: &[&Row],
    on_conflict: BulkConflict,
    report: &mut BulkReport,
) -> Result<()> {
    // The first rows are at the end.
    let mut waiting = vec![rows];
    while let Some(some) = waiting.pop() {
        request.stop().check()?;
        match commit(request, table, some, on_conflict).await {
            Ok(()) => report.inserted += some.len() as u64,
            Err(error) if !is_violation(&error) => return Err(error),
            Err(error) => match some {
                [row] => refuse(report, row.position, error, on_conflict),
                _ => {
                    let (first, second) = some.split_at(some.len() / 2);
                    waiting.extend([second, first]);
                }
            },
        }
    }
    Ok(())
}

/// Refuses the rows whose keys or unique values exist: finding them one by one would take many
/// commits.
async fn without_existing<'r>(
    request: &Request<'_>,
    table: &Arc<Table>,
    rows: &'r [Row],
    on_conflict: BulkConflict,
    report: &mut BulkReport,
) -> Result<Vec<&'r Row>> {
    let lease = request.core().lease();
    let ground = request.ground();
    let scope = ground.scope(ReadView::at(lease.snapshot()));
    let keys: Vec<Key> = rows.iter().map(|row| row.key.clone()).collect();
    let found = fetch(request.core(), &scope, table, &[], &keys).await?.rows;
    let exists = |(key, found): (&Key, &Option<u32>)| {
        found.map(|_| Error::from(ground.catalog.duplicate(table, key)))
    };
    let mut refusals: Vec<Option<Error>> = keys.iter().zip(&found).map(exists).collect();
    let values: Vec<Vec<Value>> = rows.iter().map(|row| row.values.clone()).collect();
    for (_, unique) in table.uniques() {
        let held = holders(request.core(), &scope, (table, unique), &values).await?;
        let Some(entries) = ground.catalog.tables.get(&unique.entries) else { continue };
        for ((refusal, held), values) in refusals.iter_mut().zip(held).zip(&values) {
            if refusal.is_none()
                && held.is_some()
                && let Some(key) = entries.entry_key(unique, values)?
            {
                *refusal = Some(ground.catalog.duplicate(entries, &key).into());
            }
        }
    }
    let mut kept = Vec::with_capacity(rows.len());
    for (row, refusal) in rows.iter().zip(refusals) {
        match refusal {
            Some(error) => refuse(report, row.position, error, on_conflict),
            None => kept.push(row),
        }
    }
    Ok(kept)
}

fn refuse(report: &mut BulkReport, position: u64, error: Error, on_conflict: BulkConflict) {
    let duplicate = error.code == code::UNIQUE_VIOLATION.code;
    if duplicate && on_conflict == BulkConflict::Skip {
        report.skipped += 1;
    } else {
        report.refuse(position, error);
    }
}

fn is_violation(error: &Error) -> bool {
    error.code.starts_with("23") || error.code.starts_with("22")
}

async fn commit(
    request: &Request<'_>,
    table: &Arc<Table>,
    rows: &[&Row],
    on_conflict: BulkConflict,
) -> Result<()> {
    for attempt in 1.. {
        match try_commit(request, table, rows, on_conflict).await {
            Err(error)
                if error.code == code::SERIALIZATION_FAILURE.code && attempt < ATTEMPTS_MAX =>
            {
                request.pause(attempt).await?;
            }
            other => return other,
        }
    }
    Err(Error::internal("attempts do not end"))
}

async fn try_commit(
    request: &Request<'_>,
    table: &Arc<Table>,
    rows: &[&Row],
    on_conflict: BulkConflict,
) -> Result<()> {
    let ground = request.ground();
    let mut txn = request.core().begin();
    txn.planned_with(request.catalog().version);
    let mut changes = Changes::new(table);
    let mut olds = vec![None; rows.len()];
    if on_conflict == BulkConflict::Replace {
        let keys: Vec<Key> = rows.iter().map(|row| row.key.clone()).collect();
        let owners = keys.iter().map(|key| request.catalog().shard_of(key.slot()));
        let scope = ground.scope(txn.view_at(owners.collect::<Vec<_>>()));
        olds = existing(request.core(), &scope, table, &keys).await?;
    }
    // Of records with the same key, the last one replaces the others.
    let mut last = std::collections::HashMap::<&Key, usize, ahash::RandomState>::default();
    if on_conflict == BulkConflict::Replace {
        last.extend(rows.iter().enumerate().map(|(at, row)| (&row.key, at)));
    }
    for (at, (row, old)) in rows.iter().zip(&olds).enumerate() {
        if last.get(&row.key).is_some_and(|last| *last != at) {
            continue;
        }
        match old {
            Some(old) => {
                write::replace(&mut txn, table, old, &row.values)?;
                changes.updated(old, &row.values);
            }
            None => {
                write::insert(&mut txn, table, &row.values, Expect::Absent)?;
                changes.inserted(&row.values);
            }
        }
    }
    rt::yield_if_needed().await;
    settle(&ground, &mut txn, changes).await?;
    txn.commit().await?;
    Ok(())
}
