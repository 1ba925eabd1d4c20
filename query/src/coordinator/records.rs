//! How is one record read or changed by key?
//!
//! A record is a JSON object: the columns that are not hidden, or, for a collection, the whole
//! document with its declared columns in it.

use std::sync::Arc;

use pieskieo_shards::catalog::{Table, TableKind};
use pieskieo_shards::document::{self, Change, Edit, PathStep};
use pieskieo_shards::ids::Timestamp;
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Expect, ScanColumn};
use pieskieo_shards::value::{ColumnType, Value};
use serde_json::{Map, Value as Json};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;

use super::bulk::{complete, lifted};
use super::defaults::check_not_given;
use super::request::Request;
use super::write::{self, Old};
use crate::bind::check_populated;
use crate::constraint::Changes;
use crate::error::{Error, Result, code};
use crate::exec::fetch::fetch;
use crate::plan::graph::table_named;

/// A record's table and key, as they stand in a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address<'a> {
    /// The table.
    pub table: &'a str,
    /// One text per primary-key column, in key order.
    pub key: &'a [String],
}

/// Reads a record.
///
/// **Errors**: an unknown table, a key that cannot be read.
pub(crate) async fn get(request: &mut Request<'_>, address: Address<'_>) -> Result<Option<Json>> {
    let (table, _, key) = resolve(request, address)?;
    check_populated(&table)?;
    request.only_reads();
    let old = read(request, &table, key).await?;
    old.map(|old| to_json(&table, &old.values)).transpose()
}

/// Stores a record in the place of whatever has this key. Returns whether it is new.
///
/// **Errors**: fields that do not fit, a key that differs from the address.
pub(crate) async fn put(
    request: &mut Request<'_>,
    address: Address<'_>,
    record: &Json,
) -> Result<bool> {
    request
        .committed(async |request| {
            write::target(request.catalog(), address.table)?;
            let (table, key_values, key) = resolve(request, address)?;
            let given = document::lift_json(&table, record)?;
            let mut values = lifted(&table, record, true)?;
            for (column, value) in table.key.iter().zip(key_values) {
                if !given[*column].is_null() && given[*column] != value {
                    return Err(other_key(&table.columns[*column].name));
                }
                values[*column] = Some(value);
            }
            let mut rows = complete(request, &table, vec![values]).await?;
            let values = rows.pop().unwrap_or_default();
            let old = read(request, &table, key).await?;
            if old.is_none() {
                table.key.iter().try_for_each(|&column| check_not_given(&table, column))?;
            }
            request.retry_duplicates();
            match &old {
                Some(old) => write::replace(request.transaction(), &table, old, &values)?,
                None => write::insert(request.transaction(), &table, &values, Expect::Absent)?,
            }
            let mut changes = Changes::new(&table);
            match &old {
                Some(old) => changes.updated(old, &values),
                None => changes.inserted(&values),
            }
            request.settle_changes(changes).await?;
            Ok(old.is_none())
        })
        .await
}

/// Sets some fields of a record. Returns the whole record, `None` when there is none.
///
/// **Errors**: fields that do not fit.
pub(crate) async fn patch(
    request: &mut Request<'_>,
    address: Address<'_>,
    fields: &Json,
) -> Result<Option<Json>> {
    request
        .committed(async |request| {
            write::target(request.catalog(), address.table)?;
            let (table, _, key) = resolve(request, address)?;
            let Some(old) = read(request, &table, key).await? else { return Ok(None) };
            let values = patched(&table, &old.values, fields)?;
            write::replace(request.transaction(), &table, &old, &values)?;
            let mut changes = Changes::new(&table);
            changes.updated(&old, &values);
            request.settle_changes(changes).await?;
            to_json(&table, &values).map(Some)
        })
        .await
}

/// Deletes a record. Returns whether there was one.
///
/// **Errors**: an unknown table, a key that cannot be read.
pub(crate) async fn delete(request: &mut Request<'_>, address: Address<'_>) -> Result<bool> {
    request
        .committed(async |request| {
            write::target(request.catalog(), address.table)?;
            let (table, _, key) = resolve(request, address)?;
            let Some(old) = read(request, &table, key).await? else { return Ok(false) };
            write::delete(request.transaction(), &table, &old)?;
            let mut changes = Changes::new(&table);
            changes.deleted(&old);
            request.settle_changes(changes).await?;
            Ok(true)
        })
        .await
}

fn resolve(request: &Request<'_>, address: Address<'_>) -> Result<(Arc<Table>, Vec<Value>, Key)> {
    let table = table_named(request.catalog(), address.table)?.clone();
    if address.key.len() != table.key.len() {
        let columns: Vec<&str> =
            table.key.iter().map(|column| table.columns[*column].name.as_str()).collect();
        let message = format!("the key of \"{}\" is ({})", table.name, columns.join(", "));
        return Err(Error::new(code::INVALID_PARAMETER_VALUE, message)
            .with_detail(format!("{} values are given.", address.key.len())));
    }
    let values = table.key.iter().zip(address.key);
    let values = values.map(|(column, text)| match &table.columns[*column].ty {
        ColumnType::Text | ColumnType::Varchar(_) => Ok(Value::Text(text.as_str().into())),
        ty => Value::parse(text, ty),
    });
    let values: Vec<Value> = values.collect::<std::result::Result<_, _>>()?;
    let key = Key::of_table(&table, &values)?;
    Ok((table, values, key))
}

fn other_key(column: &str) -> Error {
    let message = format!("the record's \"{column}\" is not the one in the address");
    Error::new(code::DATA_EXCEPTION, message)
        .with_hint("Leave the key out of the record, or PATCH the record to move it.")
}

async fn read(request: &mut Request<'_>, table: &Arc<Table>, key: Key) -> Result<Option<Old>> {
    let owner = request.catalog().shard_of(key.slot());
    let scope = request.scope_on(&[owner]).await?;
    let mut columns = vec![ScanColumn::Version];
    columns.extend((0..table.columns.len()).map(ScanColumn::Column));
    let keys = [key];
    let fetched = fetch(request.core(), &scope, table, &columns, &keys).await?;
    let [key] = keys;
    let Some(Some(row)) = fetched.rows.first() else { return Ok(None) };
    let row = *row as usize;
    let version = Timestamp(fetched.columns[0].as_primitive::<UInt64Type>().value(row));
    let values = table.columns.iter().zip(&fetched.columns[1..]);
    let values = values.map(|(column, array)| Value::from_array(array.as_ref(), row, &column.ty));
    let values = values.collect::<std::result::Result<_, _>>()?;
    Ok(Some(Old { key, version, values }))
}

fn to_json(table: &Table, values: &[Value]) -> Result<Json> {
    if table.kind == TableKind::Collection {
        return Ok(document::to_json_value(&document::join(table, values)?));
    }
    let fields = table.columns.iter().zip(values).filter(|(column, _)| !column.hidden);
    let fields = fields.map(|(column, value)| (column.name.clone(), value.to_json(&column.ty)));
    Ok(Json::Object(fields.collect::<Map<_, _>>()))
}

fn patched(table: &Table, old: &[Value], fields: &Json) -> Result<Vec<Value>> {
    let Json::Object(fields) = fields else {
        return Err(Error::new(code::DATA_EXCEPTION, "the fields to set are not a JSON object"));
    };
    let mut values = old.to_vec();
    let open = (table.kind == TableKind::Collection).then(|| table.columns.len() - 1);
    for (name, field) in fields {
        match (table.column_named(name), open) {
            (Some(column), _) if Some(column) != open => {
                check_not_given(table, column)?;
                values[column] = if field.is_null() {
                    Value::Null
                } else {
                    Value::from_json(field, &table.columns[column].ty)?
                };
            }
            (_, Some(rest)) => {
                let Value::Json(before) = &values[rest] else { continue };
                let path = [PathStep::Field(name.as_str().into())];
                let new = document::from_json(field)?;
                let change = Change { path: &path, edit: Edit::Set(&new) };
                values[rest] = Value::Json(document::change(before, &[change])?);
            }
            _ => {
                let message = format!("table \"{}\" has no column \"{name}\"", table.name);
                return Err(Error::new(code::UNDEFINED_COLUMN, message));
            }
        }
    }
    Ok(values)
}
