//! What happens when an inserted key exists?
//!
//! The existing records are read first; whoever comes in between makes the commit fail, and the
//! request starts again.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{RecordBatch, RecordBatchOptions};
use datafusion::common::{DFSchema, TableReference};
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Table, Unique};
use pieskieo_shards::ids::{ShardId, Timestamp};
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Expect, ScanColumn};
use pieskieo_shards::value::Value;

use super::change::{Assigned, Assignments};
use super::defaults::Defaults;
use super::request::Request;
use super::returning::{batch_of, schema_of};
use super::write::{self, Moved, Old};
use crate::constraint::{Changes, holders};
use crate::error::{Error, Result, code};
use crate::exec::fetch::fetch;
use crate::exec::scope::Scope;
use crate::syntax::{Insert, OnConflict};

/// The name of the refused row in ON CONFLICT DO UPDATE.
const EXCLUDED: &str = "excluded";

/// Inserts rows, doing what the rule says where the key exists. Returns the rows that were
/// written, and their number.
///
/// **Errors**: as an insert or an update.
pub async fn run(
    request: &mut Request<'_>,
    table: &Arc<Table>,
    insert: &Insert,
    rule: &OnConflict,
    rows: Vec<Vec<Value>>,
) -> Result<(Vec<Vec<Value>>, u64)> {
    let arbiters = Arbiters::new(request, table, rule);
    let existing = arbiters.existing(request, table, &rows).await?;
    let mut taken = HashSet::<(usize, Key), ahash::RandomState>::default();
    let mut changes = Changes::new(table);
    let mut written: Vec<(usize, Vec<Value>)> = Vec::new();
    let mut refused = Vec::new();
    for (position, (row, existing)) in rows.into_iter().zip(existing).enumerate() {
        let mut again = false;
        for key in arbiters.keys(table, &row)? {
            again |= !taken.insert(key);
        }
        match (existing, rule) {
            (None, _) if !again => {
                write::insert(request.transaction(), table, &row, Expect::Absent)?;
                changes.inserted(&row);
                written.push((position, row));
            }
            (_, OnConflict::DoNothing { .. }) => {}
            (_, OnConflict::DoUpdate { .. }) if again => {
                let message = "ON CONFLICT DO UPDATE cannot change a row twice in one statement";
                return Err(
                    Error::new(code::DATA_EXCEPTION, message).with_hint("Insert each key once.")
                );
            }
            (Some(old), OnConflict::DoUpdate { .. }) => refused.push((position, old, row)),
            (None, OnConflict::DoUpdate { .. }) => {}
        }
    }
    if let OnConflict::DoUpdate { assignments, filter, .. } = rule
        && !refused.is_empty()
    {
        let assignments = Assignments::new(table, assignments)?;
        let defaults = Defaults::new(request, table)?;
        let count = refused.len();
        defaults.reserve(request, |column| assignments.count(column, count)).await?;
        let batch = joined(table, &refused)?;
        let alias = insert.alias.as_ref().unwrap_or(&insert.table).text.as_str();
        let schema = joined_schema(table, alias)?;
        let set = assignments.evaluate(request.constants(), &batch, &schema, filter.as_ref())?;
        let mut moved = Vec::new();
        for ((position, old, _), change) in refused.into_iter().zip(set) {
            let Assigned::Row(values) = change.apply(request, &defaults, &old.values)? else {
                continue;
            };
            if write::update(request.transaction(), table, &old, &values)? == Moved::Left {
                moved.push(written.len());
            }
            changes.updated(&old, &values);
            written.push((position, values));
        }
        for moved in moved {
            write::insert(request.transaction(), table, &written[moved].1, Expect::Absent)?;
        }
    }
    request.settle_changes(changes).await?;
    // In the order of the rows given.
    written.sort_by_key(|(position, _)| *position);
    let written: Vec<Vec<Value>> = written.into_iter().map(|(_, row)| row).collect();
    let affected = written.len() as u64;
    Ok((written, affected))
}

/// What decides whether a row is in conflict: the primary key, unique constraints.
struct Arbiters {
    key: bool,
    /// With their tables of entries.
    uniques: Vec<(Unique, Arc<Table>)>,
}

impl Arbiters {
    /// Finds what the columns of ON CONFLICT name; without columns, whatever there is. Duplicates
    /// of it that are not found now are somebody else's who came in between.
    fn new(request: &mut Request<'_>, table: &Table, rule: &OnConflict) -> Self {
        let (OnConflict::DoNothing { target, .. } | OnConflict::DoUpdate { target, .. }) = rule;
        let named = |columns: &[usize]| {
            let names =
                |column: &usize| target.iter().any(|name| name.text == table.columns[*column].name);
            target.is_empty() || (columns.len() == target.len() && columns.iter().all(names))
        };
        let key = named(&table.key);
        if key {
            request.retry_duplicates();
        }
        let mut uniques = Vec::new();
        for (name, unique) in table.uniques().filter(|(_, unique)| named(&unique.columns)) {
            request.retry_duplicates_of(name);
            if let Some(entries) = request.catalog().tables.get(&unique.entries) {
                uniques.push((unique.clone(), entries.clone()));
            }
        }
        Self { key, uniques }
    }

    /// Returns what a row would take: the number of the arbiter, and the key there.
    fn keys(&self, table: &Table, row: &[Value]) -> Result<Vec<(usize, Key)>> {
        let mut keys = Vec::new();
        if self.key {
            keys.push((0, Key::of_row(table, row)?));
        }
        for (number, (unique, entries)) in (1..).zip(&self.uniques) {
            keys.extend(entries.entry_key(unique, row)?.map(|key| (number, key)));
        }
        Ok(keys)
    }

    /// Reads, for each row, the record it is in conflict with.
    async fn existing(
        &self,
        request: &mut Request<'_>,
        table: &Arc<Table>,
        rows: &[Vec<Value>],
    ) -> Result<Vec<Option<Old>>> {
        let mut found = vec![None; rows.len()];
        if self.key {
            let keys = rows.iter().map(|row| Key::of_row(table, row));
            let keys: Vec<Key> = keys.collect::<std::result::Result<_, _>>()?;
            let owners: Vec<ShardId> =
                keys.iter().map(|key| request.catalog().shard_of(key.slot())).collect();
            let scope = request.scope_on(&owners).await?;
            found = existing(request.core(), &scope, table, &keys).await?;
        }
        for (unique, _) in &self.uniques {
            let scope = request.scope().await?;
            let core = request.core().clone();
            let holders = holders(&core, &scope, (table, unique), rows).await?;
            let keys: Vec<Key> = holders.iter().flatten().cloned().collect();
            let mut records = existing(&core, &scope, table, &keys).await?.into_iter();
            for (found, _) in found.iter_mut().zip(&holders).filter(|(_, held)| held.is_some()) {
                let record = records.next().flatten();
                if found.is_none() {
                    *found = record;
                }
            }
        }
        Ok(found)
    }
}

/// Reads the records with these keys, in their order.
///
/// **Errors**: as a read.
pub async fn existing(
    core: &Rc<Core>,
    scope: &Scope,
    table: &Arc<Table>,
    keys: &[Key],
) -> Result<Vec<Option<Old>>> {
    let mut columns = vec![ScanColumn::Version];
    columns.extend((0..table.columns.len()).map(ScanColumn::Column));
    let fetched = fetch(core, scope, table, &columns, keys).await?;
    let versions = fetched.columns[0].as_primitive::<UInt64Type>();
    keys.iter()
        .zip(&fetched.rows)
        .map(|(key, row)| {
            let Some(row) = row.map(|row| row as usize) else { return Ok(None) };
            let values = table.columns.iter().zip(&fetched.columns[1..]);
            let values = values
                .map(|(column, array)| Value::from_array(array.as_ref(), row, &column.ty))
                .collect::<std::result::Result<_, _>>()?;
            let version = Timestamp(versions.value(row));
            Ok(Some(Old { key: key.clone(), version, values }))
        })
        .collect()
}

/// The existing rows beside the refused ones.
fn joined(table: &Table, refused: &[(usize, Old, Vec<Value>)]) -> Result<RecordBatch> {
    let old: Vec<Vec<Value>> = refused.iter().map(|(_, old, _)| old.values.clone()).collect();
    let new: Vec<Vec<Value>> = refused.iter().map(|(_, _, new)| new.clone()).collect();
    let (old, new) = (batch_of(table, &old)?, batch_of(table, &new)?);
    let mut fields = old.schema().fields().to_vec();
    fields.extend(new.schema().fields().iter().cloned());
    let mut columns = old.columns().to_vec();
    columns.extend(new.columns().iter().cloned());
    let schema = Arc::new(arrow_schema::Schema::new(fields));
    let options = RecordBatchOptions::new().with_row_count(Some(refused.len()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

fn joined_schema(table: &Table, alias: &str) -> Result<DFSchema> {
    let schema = schema_of(table);
    let old = DFSchema::try_from_qualified_schema(TableReference::bare(alias), &schema)?;
    let new = DFSchema::try_from_qualified_schema(TableReference::bare(EXCLUDED), &schema)?;
    Ok(old.join(&new)?)
}
