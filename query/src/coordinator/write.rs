//! How does a row become writes?

use std::sync::Arc;

use pieskieo_shards::catalog::{Catalog, Table, TableKind};
use pieskieo_shards::ids::Timestamp;
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Expect, Write, WriteOp};
use pieskieo_shards::row;
use pieskieo_shards::txn::{EdgeWrite, Transaction};
use pieskieo_shards::value::Value;

use crate::bind::{check_open, refuse_write};
use crate::error::{Error, Result, code};
use crate::plan::graph::table_named;

/// Position of `src` and `dst` in an edge table.
const SOURCE: usize = 0;
const TARGET: usize = 1;

/// A record as it was read, to be changed.
#[derive(Clone, Debug)]
pub struct Old {
    /// Its key.
    pub key: Key,
    /// The version read.
    pub version: Timestamp,
    /// All its values.
    pub values: Vec<Value>,
}

/// Where a changed record is.
#[must_use = "a record that left its key must arrive at the new one"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Where it was.
    Stayed,
    /// Nowhere: its key changed, and it was deleted at the old one. The caller inserts it.
    Left,
}

/// Returns the table that a client writes to.
///
/// **Errors**: 42P01, 55000 for a view, 42809 for a materialized view.
pub fn target<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c Arc<Table>> {
    let view = catalog.view_named(name).or_else(|| catalog.table_named(name));
    match view.and_then(|table| refuse_write(table, "write to")) {
        Some(error) => Err(error),
        None => {
            let table = table_named(catalog, name)?;
            check_open(table)?;
            Ok(table)
        }
    }
}

/// Writes a new record.
///
/// **Errors**: a value that does not fit its column.
pub fn insert(
    txn: &mut Transaction,
    table: &Table,
    values: &[Value],
    expect: Expect,
) -> Result<()> {
    let (key, row) = encode(table, values)?;
    match edge_ends(table, values)? {
        None => txn.write(vec![put(table, key, row, expect)])?,
        Some((source, target)) => txn.write_edge(EdgeWrite {
            table: table.id,
            key,
            source,
            target_before: None,
            target_after: Some(target),
            row: Some(row),
            expect,
        })?,
    }
    Ok(())
}

/// Writes new values of a record; one whose key changes is only deleted.
///
/// **Errors**: a value that does not fit its column.
pub fn update(txn: &mut Transaction, table: &Table, old: &Old, values: &[Value]) -> Result<Moved> {
    let (key, row) = encode(table, values)?;
    if key != old.key {
        delete(txn, table, old)?;
        return Ok(Moved::Left);
    }
    let expect = Expect::Version(old.version);
    match (edge_ends(table, &old.values)?, edge_ends(table, values)?) {
        (Some((_, before)), Some((source, after))) => txn.write_edge(EdgeWrite {
            table: table.id,
            key,
            source,
            target_before: Some(before),
            target_after: Some(after),
            row: Some(row),
            expect,
        })?,
        _ => txn.write(vec![put(table, key, row, expect)])?,
    }
    Ok(Moved::Stayed)
}

/// Writes new values of one record, at its new key if that changes.
///
/// **Errors**: a value that does not fit its column.
pub fn replace(txn: &mut Transaction, table: &Table, old: &Old, values: &[Value]) -> Result<()> {
    match update(txn, table, old, values)? {
        Moved::Stayed => Ok(()),
        Moved::Left => insert(txn, table, values, Expect::Absent),
    }
}

/// Deletes a record.
///
/// **Errors**: none but the limits of a transaction.
pub fn delete(txn: &mut Transaction, table: &Table, old: &Old) -> Result<()> {
    let expect = Expect::Version(old.version);
    match edge_ends(table, &old.values)? {
        None => {
            let key = old.key.clone();
            txn.write(vec![Write { table: table.id, key, op: WriteOp::Delete, expect }])?;
        }
        Some((source, target)) => txn.write_edge(EdgeWrite {
            table: table.id,
            key: old.key.clone(),
            source,
            target_before: Some(target),
            target_after: None,
            row: None,
            expect,
        })?,
    }
    Ok(())
}

fn put(table: &Table, key: Key, row: Arc<[u8]>, expect: Expect) -> Write {
    Write { table: table.id, key, op: WriteOp::Put(row), expect }
}

/// Returns the key and the encoded row of a record.
///
/// **Errors**: `23502` for a null where none may be; a value that does not fit.
pub fn encode(table: &Table, values: &[Value]) -> Result<(Key, Arc<[u8]>)> {
    for (column, value) in table.columns.iter().zip(values) {
        if column.not_null && value.is_null() {
            let (column, table) = (&column.name, &table.name);
            let message = format!("null value in column \"{column}\" of table \"{table}\"");
            return Err(Error::new(code::NOT_NULL_VIOLATION, message)
                .with_detail(format!("Column \"{column}\" does not take nulls.")));
        }
    }
    Ok((Key::of_row(table, values)?, row::encode(table, values)?))
}

/// Returns the keys of the nodes at both ends, for an edge table.
fn edge_ends(table: &Table, values: &[Value]) -> Result<Option<(Key, Key)>> {
    if !matches!(table.kind, TableKind::Edge { .. }) {
        return Ok(None);
    }
    let end = |position: usize| {
        let column = &table.columns[position];
        if values[position].is_null() {
            let message =
                format!("null value in column \"{}\" of edge \"{}\"", column.name, table.name);
            return Err(Error::new(code::NOT_NULL_VIOLATION, message));
        }
        Ok(Key::for_node(&column.ty, &values[position])?)
    };
    Ok(Some((end(SOURCE)?, end(TARGET)?)))
}
