//! Does every reference lead to a record?
//!
//! What is looked up here is validated at commit, at every isolation level: who inserts a
//! reference has read the record it leads to, who deletes a record has read the range of those
//! that may refer to it. Of two transactions that do both, the second to commit is refused.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use pieskieo_shards::catalog::{Action, Foreign, Table};
use pieskieo_shards::ids::{ShardId, TableId, Timestamp};
use pieskieo_shards::key::{Key, KeyBounds, KeyForm, KeyRange};
use pieskieo_shards::request::{
    Access, Expect, Reply, Request as ShardRequest, ScanColumn, ScanSpec,
};
use pieskieo_shards::txn::Transaction;
use pieskieo_shards::value::{ColumnType, Value};

use super::settle::{Changes, Ground, RowChange};
use crate::coordinator::defaults::plain_default;
use crate::coordinator::write::{self, Moved, Old};
use crate::error::{Error, Result, code};
use crate::exec::fetch::fetch;
use crate::exec::scope::Scope;

/// Values searched for at the same time: each is a request to every shard, of which a core lets
/// 1,024 wait at once.
const SEARCHES: usize = 32;

/// Values that records referred to and that are not there any more.
struct Gone<'c> {
    /// The table they were in.
    target: &'c Arc<Table>,
    referrer: Arc<Table>,
    name: String,
    foreign: Foreign,
    action: Action,
    before: Vec<Value>,
    /// What they have become; `None` = the record was deleted.
    after: Option<Vec<Value>>,
}

/// Changes the records that must follow a level of changes. Returns what that changed.
///
/// **Errors**: as an update or a delete.
pub(super) async fn follow(
    ground: &Ground,
    txn: &mut Transaction,
    level: &[Changes],
) -> Result<Vec<Changes>> {
    let mut jobs = gone(ground, level);
    jobs.retain(|job| !matches!(job.action, Action::NoAction | Action::Restrict));
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let referrers: Vec<TableId> = jobs.iter().map(|job| job.referrer.id).collect();
    let scope = scope(ground, txn, &referrers, ground.core.shards()).await?;
    // All are found before any is changed: what one takes may be what another loses.
    let mut followers: BTreeMap<(TableId, Vec<u8>), RowChange> = BTreeMap::new();
    for some in jobs.chunks(SEARCHES) {
        let searches = some.iter().map(|job| referring(ground, &scope, job, None));
        let found = futures::future::try_join_all(searches).await?;
        for (job, found) in some.iter().zip(found) {
            for old in found {
                let id = (job.referrer.id, old.key.bytes().to_vec());
                let fresh = || RowChange { new: Some(old.values.clone()), old: Some(old) };
                followed(ground, job, followers.entry(id).or_insert_with(fresh))?;
            }
        }
    }
    let mut next: BTreeMap<TableId, Changes> = BTreeMap::new();
    for ((table, _), change) in followers {
        let Some(table) = ground.catalog.tables.get(&table) else { continue };
        next.entry(table.id).or_insert_with(|| Changes::new(table)).rows.push(change);
    }
    let next: Vec<Changes> = next.into_values().collect();
    next.iter().try_for_each(|changes| write_all(txn, changes))?;
    Ok(next)
}

/// Applies an action to what has become of a record so far.
fn followed(ground: &Ground, job: &Gone<'_>, change: &mut RowChange) -> Result<()> {
    let Some(values) = &mut change.new else { return Ok(()) };
    match (job.action, &job.after) {
        (Action::Cascade, None) => change.new = None,
        (Action::Cascade, Some(after)) => {
            for (&column, value) in job.foreign.columns.iter().zip(after) {
                values[column] = value.clone();
            }
        }
        (Action::SetNull, _) => {
            for &column in &job.foreign.columns {
                values[column] = Value::Null;
            }
        }
        (Action::SetDefault, _) => {
            for &column in &job.foreign.columns {
                values[column] = plain_default(ground.constants(), &job.referrer, column)?;
            }
        }
        (Action::NoAction | Action::Restrict, _) => {}
    }
    Ok(())
}

fn write_all(txn: &mut Transaction, changes: &Changes) -> Result<()> {
    let table = &changes.table;
    let mut moved = Vec::new();
    for change in &changes.rows {
        let Some(old) = &change.old else { continue };
        match &change.new {
            None => write::delete(txn, table, old)?,
            Some(new) => {
                if write::update(txn, table, old, new)? == Moved::Left {
                    moved.push(new);
                }
            }
        }
    }
    for new in moved {
        write::insert(txn, table, new, Expect::Absent)?;
    }
    Ok(())
}

/// Checks, when all records are what they will be, that new references lead to records and that
/// nothing refers to what went.
///
/// **Errors**: 23503.
pub(super) async fn check(ground: &Ground, txn: &mut Transaction, all: &[Changes]) -> Result<()> {
    for (table, name, foreign, references) in new_references(all)? {
        let place = place(ground, &foreign)?.clone();
        let keys = references.iter().map(|values| Key::of_table(&place, values));
        let keys: Vec<Key> = keys.collect::<std::result::Result<_, _>>()?;
        let owners: Vec<ShardId> =
            keys.iter().map(|key| ground.catalog.shard_of(key.slot())).collect();
        let scope = scope(ground, txn, &[place.id], owners).await?;
        let found = fetch(&ground.core, &scope, &place, &[], &keys).await?;
        if let Some(missing) = found.rows.iter().position(Option::is_none) {
            return Err(dangling(ground, (&table, &name, &foreign), &references[missing]));
        }
    }
    let mut left = gone(ground, all);
    left.retain(|job| !matches!(job.action, Action::Cascade | Action::SetNull));
    if left.is_empty() {
        return Ok(());
    }
    let mut read = Vec::with_capacity(2 * left.len());
    for job in &left {
        read.extend([job.referrer.id, place(ground, &job.foreign)?.id]);
    }
    let scope = scope(ground, txn, &read, ground.core.shards()).await?;
    for some in left.chunks(SEARCHES) {
        let still = some.iter().map(|job| is_still_referred_to(ground, &scope, job));
        let still = futures::future::try_join_all(still).await?;
        if let Some((job, _)) = some.iter().zip(still).find(|(_, still)| *still) {
            return Err(still_referred_to(job));
        }
    }
    Ok(())
}

/// New references of one foreign key: the table, the key's name, the key, the values.
type References = (Arc<Table>, String, Foreign, Vec<Vec<Value>>);

/// A record that changed, perhaps more than once.
struct Changed {
    table: Arc<Table>,
    before: Option<Vec<Value>>,
    now: Vec<Value>,
}

/// Gathers what changed records were at first and are now, by what is their key now.
fn outcomes(all: &[Changes]) -> Result<BTreeMap<(TableId, Key), Changed>> {
    let mut outcomes: BTreeMap<(TableId, Key), Changed> = BTreeMap::new();
    for changes in all {
        let table = &changes.table;
        if table.foreigns().next().is_none() {
            continue;
        }
        // All leave their keys before any arrives: one may come to where another was.
        let mut moved = Vec::with_capacity(changes.rows.len());
        for change in &changes.rows {
            let earlier =
                change.old.as_ref().and_then(|old| outcomes.remove(&(table.id, old.key.clone())));
            let before = match earlier {
                Some(earlier) => earlier.before,
                None => change.old.as_ref().map(|old| old.values.clone()),
            };
            if let Some(now) = &change.new {
                let key = (table.id, Key::of_row(table, now)?);
                moved.push((key, Changed { table: table.clone(), before, now: now.clone() }));
            }
        }
        outcomes.extend(moved);
    }
    Ok(outcomes)
}

/// Gathers the references that changed records have now and had not before.
fn new_references(all: &[Changes]) -> Result<Vec<References>> {
    let outcomes = outcomes(all)?;
    let mut found: BTreeMap<(TableId, usize), References> = BTreeMap::new();
    for Changed { table, before, now } in outcomes.values() {
        for (number, (name, foreign)) in table.foreigns().enumerate() {
            let Some(values) = part(now, &foreign.columns) else { continue };
            let had = before.as_ref().and_then(|before| part(before, &foreign.columns));
            if had.as_ref() == Some(&values) {
                continue;
            }
            let fresh = || (table.clone(), name.to_owned(), foreign.clone(), Vec::new());
            found.entry((table.id, number)).or_insert_with(fresh).3.push(values);
        }
    }
    Ok(found.into_values().collect())
}

/// Returns the values of some columns, unless one is null: then they refer to nothing.
fn part(values: &[Value], columns: &[usize]) -> Option<Vec<Value>> {
    let part: Vec<Value> = columns.iter().map(|&column| values[column].clone()).collect();
    (!part.iter().any(Value::is_null)).then_some(part)
}

/// Gathers the values that changed rows had and have no more, for every foreign key to them.
fn gone<'c>(ground: &Ground, level: &'c [Changes]) -> Vec<Gone<'c>> {
    let mut all = Vec::new();
    for changes in level {
        let target = &changes.table;
        for referrer in target.referrers.iter().filter_map(|id| ground.catalog.tables.get(id)) {
            for (name, foreign) in referrer.foreigns() {
                if foreign.target != target.id {
                    continue;
                }
                for change in &changes.rows {
                    let Some(old) = &change.old else { continue };
                    let Some(before) = part(&old.values, &foreign.target_columns) else { continue };
                    let now = |new: &Vec<Value>| {
                        foreign.target_columns.iter().map(|&at| new[at].clone()).collect()
                    };
                    let after: Option<Vec<Value>> = change.new.as_ref().map(now);
                    if after.as_ref() == Some(&before) {
                        continue;
                    }
                    let deleted = after.is_none();
                    let action = if deleted { foreign.on_delete } else { foreign.on_update };
                    let (name, foreign) = (name.to_owned(), foreign.clone());
                    let referrer = referrer.clone();
                    all.push(Gone { target, referrer, name, foreign, action, before, after });
                }
            }
        }
    }
    all
}

/// Returns the table whose keys the values of a foreign key are: the target, or the entries of its
/// unique constraint.
fn place<'g>(ground: &'g Ground, foreign: &Foreign) -> Result<&'g Arc<Table>> {
    let tables = &ground.catalog.tables;
    let lost = || Error::internal("a foreign key has lost what it refers to");
    let target = tables.get(&foreign.target).ok_or_else(lost)?;
    if target.key == foreign.target_columns {
        return Ok(target);
    }
    let same = |columns: &[usize]| columns == foreign.target_columns;
    let unique = target.uniques().find(|(_, unique)| same(&unique.columns));
    unique.and_then(|(_, unique)| tables.get(&unique.entries)).ok_or_else(lost)
}

/// What the transaction sees of some tables, its own writes too; validated at commit.
async fn scope(
    ground: &Ground,
    txn: &mut Transaction,
    tables: &[TableId],
    shards: impl IntoIterator<Item = ShardId>,
) -> Result<Scope> {
    txn.flush_of(tables).await?;
    Ok(ground.scope(txn.validated_view_at(shards)))
}

async fn is_still_referred_to(ground: &Ground, scope: &Scope, job: &Gone<'_>) -> Result<bool> {
    let place = place(ground, &job.foreign)?;
    let key = Key::of_table(place, &job.before)?;
    let again = fetch(&ground.core, scope, place, &[], &[key]).await?;
    if again.rows.iter().any(Option::is_some) {
        return Ok(false);
    }
    Ok(!referring(ground, scope, job, Some(1)).await?.is_empty())
}

/// Finds the records that refer to values, on all shards.
async fn referring(
    ground: &Ground,
    scope: &Scope,
    job: &Gone<'_>,
    limit: Option<usize>,
) -> Result<Vec<Old>> {
    let table = &job.referrer;
    let Some((index, leading)) = table.index_over(&job.foreign.columns) else {
        return Err(Error::internal("a foreign key has lost its index"));
    };
    let mut equal = Vec::with_capacity(leading.len());
    for column in leading {
        let at = job.foreign.columns.iter().position(|referring| referring == column);
        equal.extend(at.map(|at| job.before[at].clone()));
    }
    let types: Vec<ColumnType> =
        leading.iter().map(|&column| table.columns[column].ty.clone()).collect();
    let bounds = KeyBounds { equal: &equal, lower: Bound::Unbounded, upper: Bound::Unbounded };
    let range = KeyRange::of(bounds, &types, KeyForm::Indexed, false)?;
    let mut columns = vec![ScanColumn::Key, ScanColumn::Version];
    columns.extend((0..table.columns.len()).map(ScanColumn::Column));
    let spec = ScanSpec {
        table: table.id,
        access: Access::Index { index: index.id, range },
        columns,
        view: scope.view,
        filter: None,
        limit,
    };
    scope.stop.check()?;
    let requests = ground.core.shards().map(|shard| (shard, ShardRequest::Scan(spec.clone())));
    let mut found = Vec::new();
    for reply in ground.core.call_all(requests.collect::<Vec<_>>()).await? {
        let Reply::Batches { batches, .. } = reply else {
            return Err(Error::internal("a read was answered with something else"));
        };
        for batch in &batches {
            for row in 0..batch.num_rows() {
                found.push(old_row(table, batch, row)?);
            }
        }
    }
    Ok(found)
}

fn old_row(table: &Table, batch: &RecordBatch, row: usize) -> Result<Old> {
    let bytes = batch.column(0).as_binary::<i32>().value(row);
    let key = Key::from_bytes(bytes, &table.key_types(), table.routing)?;
    let version = Timestamp(batch.column(1).as_primitive::<UInt64Type>().value(row));
    let values = table.columns.iter().zip(&batch.columns()[2..]);
    let values = values.map(|(column, array)| Value::from_array(array.as_ref(), row, &column.ty));
    let values = values.collect::<std::result::Result<_, _>>()?;
    Ok(Old { key, version, values })
}

fn shown(table: &Table, columns: &[usize], values: &[Value]) -> String {
    let names: Vec<&str> =
        columns.iter().map(|&column| table.columns[column].name.as_str()).collect();
    let texts = columns.iter().zip(values);
    let texts: Vec<String> =
        texts.map(|(&column, value)| value.render(&table.columns[column].ty)).collect();
    format!("({})=({})", names.join(", "), texts.join(", "))
}

fn dangling(
    ground: &Ground,
    (table, name, foreign): (&Table, &str, &Foreign),
    values: &[Value],
) -> Error {
    let target = ground.catalog.tables.get(&foreign.target);
    let target = target.map_or("", |target| target.name.as_str());
    let message = format!(
        "insert or update on table \"{}\" violates foreign key constraint \"{name}\"",
        table.name
    );
    let key = shown(table, &foreign.columns, values);
    Error::new(code::FOREIGN_KEY_VIOLATION, message)
        .with_detail(format!("Key {key} is not present in table \"{target}\"."))
        .of_constraint(name)
}

fn still_referred_to(job: &Gone<'_>) -> Error {
    let (target, referrer) = (&job.target.name, &job.referrer.name);
    let message = format!(
        "update or delete on table \"{target}\" violates foreign key constraint \"{}\" on table \
         \"{referrer}\"",
        job.name
    );
    let key = shown(job.target, &job.foreign.target_columns, &job.before);
    Error::new(code::FOREIGN_KEY_VIOLATION, message)
        .with_detail(format!("Key {key} is still referenced from table \"{referrer}\"."))
        .of_constraint(&job.name)
}
