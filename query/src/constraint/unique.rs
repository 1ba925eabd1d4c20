//! Which entries follow from changed records?
//!
//! An entry goes where its record's values go. All that go are taken out before any comes, so that
//! what counts is how the statement ends: two records may swap their values. An entry that goes
//! needs no condition of its own: its record's version is validated, and nobody else may write the
//! entry while the record has these values.

use std::rc::Rc;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Table, Unique};
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Expect, ScanColumn, Write, WriteOp};
use pieskieo_shards::row;
use pieskieo_shards::txn::Transaction;
use pieskieo_shards::value::Value;

use super::settle::{Changes, Ground};
use crate::error::{Error, Result};
use crate::exec::fetch::fetch;
use crate::exec::scope::Scope;

/// Writes the entries that follow from changed records.
///
/// **Errors**: 23505 when the transaction itself has put two records with the same values; other
/// duplicates are met by the owner of the entry.
pub(super) fn follow(ground: &Ground, txn: &mut Transaction, changes: &Changes) -> Result<()> {
    let table = &changes.table;
    for (_, unique) in table.uniques() {
        let entries = entries_of(ground, unique)?;
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for change in &changes.rows {
            let old = change.old.as_ref();
            let before = old.map(|old| entries.entry_key(unique, &old.values)).transpose()?;
            let before = before.flatten();
            let Some(new) = &change.new else {
                gone.extend(before);
                continue;
            };
            let after = entries.entry_key(unique, new)?;
            let record = Key::of_row(table, new)?;
            if before == after && old.is_some_and(|old| old.key == record) {
                continue;
            }
            gone.extend(before);
            if let Some(after) = after {
                come.push(put(entries, unique, after, (new, &record))?);
            }
        }
        let id = entries.id;
        let delete = |key| Write { table: id, key, op: WriteOp::Delete, expect: Expect::Any };
        txn.write(gone.into_iter().map(delete).collect())?;
        txn.write(come)?;
    }
    Ok(())
}

/// Returns the table of entries of a unique constraint.
///
/// **Errors**: internal.
pub(super) fn entries_of<'g>(ground: &'g Ground, unique: &Unique) -> Result<&'g Arc<Table>> {
    let entries = ground.catalog.tables.get(&unique.entries);
    entries.ok_or_else(|| Error::internal("a unique constraint has lost its entries"))
}

/// Returns the write of the entry of a record.
///
/// **Errors**: a row that is too long.
pub(super) fn put(
    entries: &Table,
    unique: &Unique,
    key: Key,
    (values, record): (&[Value], &Key),
) -> Result<Write> {
    let mut row: Vec<Value> = unique.columns.iter().map(|&column| values[column].clone()).collect();
    row.push(Value::Bytea(record.shared_bytes().clone()));
    let op = WriteOp::Put(row::encode(entries, &row)?);
    Ok(Write { table: entries.id, key, op, expect: Expect::Absent })
}

/// Returns, for each row, the key of the record that has its values in the unique columns; `None`
/// when there is none or a value is null.
///
/// **Errors**: as a read.
pub async fn holders(
    core: &Rc<Core>,
    scope: &Scope,
    (table, unique): (&Table, &Unique),
    rows: &[Vec<Value>],
) -> Result<Vec<Option<Key>>> {
    let Some(entries) = scope.catalog.tables.get(&unique.entries).cloned() else {
        return Err(Error::internal("a unique constraint has lost its entries"));
    };
    let keys = rows.iter().map(|row| entries.entry_key(unique, row));
    let keys: Vec<Option<Key>> = keys.collect::<std::result::Result<_, _>>()?;
    let asked: Vec<Key> = keys.iter().flatten().cloned().collect();
    let column = [ScanColumn::Column(entries.columns.len() - 1)];
    let fetched = fetch(core, scope, &entries, &column, &asked).await?;
    let records = fetched.columns[0].as_binary::<i32>();
    let mut found = fetched.rows.iter();
    let types = table.key_types();
    keys.iter()
        .map(|key| {
            let row = key.as_ref().and_then(|_| found.next().copied().flatten());
            let bytes = row.map(|row| records.value(row as usize));
            let key = bytes.map(|bytes| Key::from_bytes(bytes, &types, table.routing));
            Ok(key.transpose()?)
        })
        .collect()
}
