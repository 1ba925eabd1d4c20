//! What happens when an inserted key exists?
//!
//! The existing records are read first; whoever comes in between makes the commit fail, and the
//! request starts again.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{RecordBatch, RecordBatchOptions};
use datafusion::common::{DFSchema, TableReference};
use pieskieo_shards::catalog::Table;
use pieskieo_shards::ids::{ShardId, Timestamp};
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Expect, ScanColumn};
use pieskieo_shards::value::Value;

use super::change::{Assigned, Assignments};
use super::request::Request;
use super::returning::{batch_of, schema_of};
use super::write::{self, Moved, Old};
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
    request.retry_duplicates();
    let keys = rows.iter().map(|row| Key::of_row(table, row));
    let keys: Vec<Key> = keys.collect::<std::result::Result<_, _>>()?;
    let owners: Vec<ShardId> =
        keys.iter().map(|key| request.catalog().shard_of(key.slot())).collect();
    let scope = request.scope_on(&owners).await?;
    let existing = existing(request, &scope, table, &keys).await?;
    let mut taken: HashMap<Key, (), ahash::RandomState> = HashMap::default();
    let mut written: Vec<(usize, Vec<Value>)> = Vec::new();
    let mut refused = Vec::new();
    for (position, ((row, key), existing)) in rows.into_iter().zip(keys).zip(existing).enumerate() {
        let again = taken.insert(key, ()).is_some();
        match (existing, rule) {
            (None, _) if !again => {
                write::insert(request.transaction(), table, &row, Expect::Absent)?;
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
        let batch = joined(table, &refused)?;
        let alias = insert.alias.as_ref().unwrap_or(&insert.table).text.as_str();
        let schema = joined_schema(table, alias)?;
        let changes =
            assignments.evaluate(request.constants(), &batch, &schema, filter.as_ref())?;
        let mut moved = Vec::new();
        for ((position, old, _), change) in refused.into_iter().zip(changes) {
            let Assigned::Row(values) = change.apply(request, table, &old.values)? else {
                continue;
            };
            if write::update(request.transaction(), table, &old, &values)? == Moved::Left {
                moved.push(written.len());
            }
            written.push((position, values));
        }
        for moved in moved {
            write::insert(request.transaction(), table, &written[moved].1, Expect::Absent)?;
        }
    }
    // In the order of the rows given.
    written.sort_by_key(|(position, _)| *position);
    let written: Vec<Vec<Value>> = written.into_iter().map(|(_, row)| row).collect();
    let affected = written.len() as u64;
    Ok((written, affected))
}

/// Reads the records with these keys, in their order.
///
/// **Errors**: as a read.
pub async fn existing(
    request: &Request<'_>,
    scope: &Scope,
    table: &Arc<Table>,
    keys: &[Key],
) -> Result<Vec<Option<Old>>> {
    let mut columns = vec![ScanColumn::Version];
    columns.extend((0..table.columns.len()).map(ScanColumn::Column));
    let fetched = fetch(request.core(), scope, table, &columns, keys).await?;
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
