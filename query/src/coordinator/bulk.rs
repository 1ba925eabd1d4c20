//! How are many records loaded?
//!
//! Records are grouped by owner; every owner commits its records in transactions of its own, all
//! owners at once. So a load is not atomic: what was counted is durable, whatever comes after.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use futures::future::join_all;
use pieskieo_io::rt;
use pieskieo_shards::catalog::{Table, TableKind};
use pieskieo_shards::document;
use pieskieo_shards::ids::{ShardId, Timestamp};
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Expect, ReadView};
use pieskieo_shards::txn::Transaction;
use pieskieo_shards::value::Value;
use serde_json::Value as Json;

use super::bulk_checked::load_checked;
use super::conflict::existing;
use super::defaults::{Defaults, check_not_given};
use super::request::Request;
use super::write::{self, Old};
use crate::constraint::Changes;
use crate::error::{Error, Result, code};
use crate::exec::fetch::fetch;
use crate::exec::scope::Scope;

/// Records of one commit: enough to share a flush of the log, few enough to leave it to others.
const RECORDS_PER_COMMIT: usize = 1024;

/// Records read between two chances for other tasks.
const RECORDS_PER_STEP: usize = 64;

/// Errors that are reported one by one; the others are only counted.
const ERRORS_MAX: usize = 20;

/// How often a commit is tried again after losing to another transaction.
const ATTEMPTS_MAX: usize = 20;

/// What happens to a record whose key exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BulkConflict {
    /// It is reported as an error.
    #[default]
    Error,
    /// It is left out.
    Skip,
    /// It takes the place of the existing one.
    Replace,
}

/// What a load did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkReport {
    /// Records written.
    pub inserted: u64,
    /// Records left out because their key exists.
    pub skipped: u64,
    /// Records refused.
    pub failed: u64,
    /// Why, for the first of them, by position.
    pub errors: Vec<RowError>,
}

/// Why a record was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// Its position among the records given, from 0.
    pub record: u64,
    /// Why.
    pub error: Error,
}

/// A record on its way.
struct Row {
    position: u64,
    key: Key,
    values: Vec<Value>,
}

impl BulkReport {
    /// Adds the report of the records that came after; their positions begin at `first`.
    pub fn add(&mut self, other: Self, first: u64) {
        self.inserted += other.inserted;
        self.skipped += other.skipped;
        self.failed += other.failed;
        self.errors.extend(
            other
                .errors
                .into_iter()
                .map(|error| RowError { record: error.record + first, error: error.error }),
        );
        self.settle();
    }

    pub(super) fn refuse(&mut self, record: u64, error: Error) {
        self.failed += 1;
        self.errors.push(RowError { record, error });
    }

    fn settle(&mut self) {
        self.errors.sort_by_key(|error| error.record);
        self.errors.truncate(ERRORS_MAX);
    }
}

/// Loads records.
///
/// **Errors**: an unknown table, a failing log. A record that does not fit is counted, not an
/// error.
pub(crate) async fn load(
    request: &mut Request<'_>,
    table: &str,
    records: &[Json],
    on_conflict: BulkConflict,
) -> Result<BulkReport> {
    let table = write::target(request.catalog(), table)?.clone();
    let mut report = BulkReport::default();
    let mut owned: BTreeMap<ShardId, Vec<Row>> = BTreeMap::new();
    let mut taken = HashSet::<Key, ahash::RandomState>::default();
    let mut given = Vec::with_capacity(records.len());
    for (position, record) in (0u64..).zip(records) {
        match lifted(&table, record, false) {
            Ok(row) => given.push((position, row)),
            Err(error) => report.refuse(position, error),
        }
        if position as usize % RECORDS_PER_STEP == RECORDS_PER_STEP - 1 {
            rt::yield_if_needed().await;
        }
    }
    let (positions, given): (Vec<u64>, Vec<_>) = given.into_iter().unzip();
    let completed = complete_each(request, &table, given).await?;
    if Changes::are_watched(&table) {
        let rows = positions.into_iter().zip(completed);
        load_checked(request, &table, rows, on_conflict, &mut report).await?;
        report.settle();
        return Ok(report);
    }
    for (position, values) in positions.into_iter().zip(completed) {
        match values.and_then(|values| keyed(&table, values)) {
            Err(error) => report.refuse(position, error),
            Ok((key, _)) if on_conflict != BulkConflict::Replace && !taken.insert(key.clone()) => {
                refuse_duplicate(&mut report, &table, position, &key, on_conflict);
            }
            Ok((key, values)) => {
                let shard = request.catalog().shard_of(key.slot());
                owned.entry(shard).or_default().push(Row { position, key, values });
            }
        }
        if position as usize % RECORDS_PER_STEP == RECORDS_PER_STEP - 1 {
            rt::yield_if_needed().await;
        }
    }
    let request = &*request;
    let loads = owned.into_values().map(|rows| load_owned(request, &table, rows, on_conflict));
    for part in join_all(loads).await {
        report.add(part?, 0);
    }
    report.settle();
    Ok(report)
}

/// Returns the key of complete values, which fit their columns.
///
/// **Errors**: `23502`, and values that do not fit.
pub(super) fn keyed(table: &Table, values: Vec<Value>) -> Result<(Key, Vec<Value>)> {
    let (key, _) = write::encode(table, &values)?;
    Ok((key, values))
}

/// Returns the values of a record that are given: what it does not name has its default, what it
/// says is null is null, as in an INSERT. `addressed` says that its key is known already.
///
/// **Errors**: a field that does not fit, `428C9`.
pub fn lifted(table: &Table, record: &Json, addressed: bool) -> Result<Vec<Option<Value>>> {
    let values = document::lift_json(table, record)?;
    let given = values.into_iter().enumerate().map(|(position, value)| {
        let is_key = table.key.contains(&position);
        if value.is_null() && (is_key || record.get(&table.columns[position].name).is_none()) {
            return Ok(None);
        }
        if !(addressed && is_key) {
            check_not_given(table, position)?;
        }
        Ok(Some(value))
    });
    given.collect()
}

/// Completes rows with the defaults of what was not given.
///
/// **Errors**: a default that cannot be evaluated.
pub async fn complete(
    request: &mut Request<'_>,
    table: &Arc<Table>,
    rows: Vec<Vec<Option<Value>>>,
) -> Result<Vec<Vec<Value>>> {
    complete_each(request, table, rows).await?.into_iter().collect()
}

async fn complete_each(
    request: &mut Request<'_>,
    table: &Arc<Table>,
    rows: Vec<Vec<Option<Value>>>,
) -> Result<Vec<Result<Vec<Value>>>> {
    let defaults = Defaults::new(request, table)?;
    defaults.reserve_for(request, &rows).await?;
    let complete = |row: Vec<Option<Value>>| {
        let values = row.into_iter().enumerate();
        let values = values.map(|(position, value)| match value {
            Some(value) => Ok(value),
            None => defaults.value(request, position),
        });
        values.collect()
    };
    Ok(rows.into_iter().map(complete).collect())
}

fn refuse_duplicate(
    report: &mut BulkReport,
    table: &Table,
    position: u64,
    key: &Key,
    on_conflict: BulkConflict,
) {
    if on_conflict == BulkConflict::Skip {
        report.skipped += 1;
        return;
    }
    let message = format!("duplicate key in table \"{}\"", table.name);
    let detail = format!("Key {} already exists.", key.display(table));
    report.refuse(position, Error::new(code::UNIQUE_VIOLATION, message).with_detail(detail));
}

/// Loads the records of one owner, commit after commit.
async fn load_owned(
    request: &Request<'_>,
    table: &Arc<Table>,
    rows: Vec<Row>,
    on_conflict: BulkConflict,
) -> Result<BulkReport> {
    let mut report = BulkReport::default();
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let part: Vec<Row> = rows.by_ref().take(RECORDS_PER_COMMIT).collect();
        report.add(load_part(request, table, part, on_conflict).await?, 0);
    }
    Ok(report)
}

async fn load_part(
    request: &Request<'_>,
    table: &Arc<Table>,
    mut rows: Vec<Row>,
    on_conflict: BulkConflict,
) -> Result<BulkReport> {
    let mut report = BulkReport::default();
    for _ in 0..ATTEMPTS_MAX {
        request.stop().check()?;
        match commit(request, table, &rows, on_conflict).await {
            Ok(()) => {
                report.inserted += rows.len() as u64;
                return Ok(report);
            }
            Err(error)
                if error.code == code::UNIQUE_VIOLATION.code
                    && on_conflict != BulkConflict::Replace =>
            {
                rows = without_existing(request, table, rows, on_conflict, &mut report).await?;
            }
            // Of replaced edges, one that somebody inserted in between is refused as a duplicate.
            Err(error)
                if [code::SERIALIZATION_FAILURE.code, code::UNIQUE_VIOLATION.code]
                    .contains(&error.code) =>
            {
                rt::yield_now().await;
            }
            Err(error) => return Err(error),
        }
    }
    let message = format!("loading table \"{}\" kept losing to other writers", table.name);
    Err(Error::new(code::SERIALIZATION_FAILURE, message))
}

async fn commit(
    request: &Request<'_>,
    table: &Arc<Table>,
    rows: &[Row],
    on_conflict: BulkConflict,
) -> Result<()> {
    let expect = match on_conflict {
        BulkConflict::Replace => Expect::Any,
        BulkConflict::Error | BulkConflict::Skip => Expect::Absent,
    };
    let core: &Rc<_> = request.core();
    let mut txn = core.begin();
    txn.planned_with(request.catalog().version);
    if on_conflict == BulkConflict::Replace && matches!(table.kind, TableKind::Edge { .. }) {
        replace_edges(request, &mut txn, table, rows).await?;
        txn.commit().await?;
        return Ok(());
    }
    for (position, row) in rows.iter().enumerate() {
        write::insert(&mut txn, table, &row.values, expect)?;
        if position % RECORDS_PER_STEP == RECORDS_PER_STEP - 1 {
            rt::yield_if_needed().await;
        }
    }
    txn.commit().await?;
    Ok(())
}

/// Replaces edges. Unlike other records they are known at their targets too: an edge that changes
/// its target must be taken from the old one.
async fn replace_edges(
    request: &Request<'_>,
    txn: &mut Transaction,
    table: &Arc<Table>,
    rows: &[Row],
) -> Result<()> {
    let scope = Scope {
        view: txn.view(),
        catalog: request.catalog().clone(),
        ef_search: None,
        stop: request.stop().child(),
    };
    let keys: Vec<Key> = rows.iter().map(|row| row.key.clone()).collect();
    let found = existing(request.core(), &scope, table, &keys).await?;
    let mut current: HashMap<Key, Old, ahash::RandomState> = HashMap::default();
    for old in found.into_iter().flatten() {
        current.insert(old.key.clone(), old);
    }
    for row in rows {
        match current.get_mut(&row.key) {
            Some(old) => {
                write::replace(txn, table, old, &row.values)?;
                old.values.clone_from(&row.values);
            }
            None => {
                write::insert(txn, table, &row.values, Expect::Absent)?;
                let (key, values) = (row.key.clone(), row.values.clone());
                current.insert(key.clone(), Old { key, version: Timestamp(0), values });
            }
        }
    }
    Ok(())
}

/// Takes out the records whose keys exist by now.
async fn without_existing(
    request: &Request<'_>,
    table: &Arc<Table>,
    rows: Vec<Row>,
    on_conflict: BulkConflict,
    report: &mut BulkReport,
) -> Result<Vec<Row>> {
    let lease = request.core().lease();
    let scope = Scope {
        view: ReadView::at(lease.snapshot()),
        catalog: request.catalog().clone(),
        ef_search: None,
        stop: request.stop().child(),
    };
    let keys: Vec<Key> = rows.iter().map(|row| row.key.clone()).collect();
    let found = fetch(request.core(), &scope, table, &[], &keys).await?;
    let mut kept = Vec::with_capacity(rows.len());
    for (row, found) in rows.into_iter().zip(found.rows) {
        match found {
            Some(_) => refuse_duplicate(report, table, row.position, &row.key, on_conflict),
            None => kept.push(row),
        }
    }
    Ok(kept)
}
