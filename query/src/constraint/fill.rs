//! How do existing records get a unique index?
//!
//! While entries are made, nobody may write to the table: statements planned with an earlier
//! catalog are refused by the shards, later ones by `settle`. What
//! was being committed when the catalog changed is met by validating that the whole table is as it
//! was read, together with the first entries.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pieskieo_io::rt;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, Table, Unique};
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Expect, ReadView, Write, WriteOp};
use pieskieo_shards::value::{ColumnType, Interval, Value};

use super::pages::read_all;
use super::settle::Ground;
use super::unique::{entries_of, put};
use crate::bind::settle_unique;
use crate::error::{Error, Result, code};
use crate::exec::scope::Stop;
use crate::plan::Engine;

/// Entries of one commit.
const ENTRIES_PER_COMMIT: usize = 1024;

/// How often all is read again because something was still being committed.
const ATTEMPTS_MAX: usize = 1_000;

/// How long is waited before: about as long as a log takes.
const PAUSE: Duration = Duration::from_millis(5);

/// Makes the entries of a unique constraint that was just defined, and puts it in force; if
/// existing records break it, it is gone again.
///
/// **Cost**: reads the table's unique columns and keys into memory, and writes as many entries.
/// **Errors**: 23505 naming values that two records have.
pub async fn fill(core: Rc<Core>, name: String) -> Result<()> {
    let catalog = core.catalog();
    let filled = make_entries(&core, &catalog, &name).await;
    let holds = filled.is_ok();
    let mut in_force = false;
    let settled = core.change_catalog(|catalog| {
        in_force = is_in_force(catalog, &name);
        let gone = || pieskieo_shards::Error::Cancelled("the index was dropped meanwhile".into());
        settle_unique(catalog, &name, holds).ok_or_else(gone)
    });
    let settled = settled.await;
    if in_force {
        return Ok(());
    }
    filled?;
    settled?;
    Ok(())
}

/// Returns whether there is nothing left to do: the table was emptied meanwhile.
fn is_in_force(catalog: &Catalog, name: &str) -> bool {
    let found = catalog.index_named(name);
    let unique = found.and_then(|(table, _)| crate::bind::unique_named(table, name));
    unique.is_some_and(|unique| unique.filling.is_none())
}

async fn make_entries(core: &Rc<Core>, catalog: &Arc<Catalog>, name: &str) -> Result<()> {
    let engine = Engine::get(catalog.shard_count)?;
    let ground =
        Ground { core: core.clone(), engine, catalog: catalog.clone(), stop: Stop::new(None) };
    let lost = || Error::internal("a unique index that is being made went missing");
    let (table, _) = catalog.index_named(name).ok_or_else(lost)?;
    let unique = crate::bind::unique_named(table, name).ok_or_else(lost)?;
    let entries = entries_of(&ground, unique)?;
    for _ in 0..ATTEMPTS_MAX {
        let mut txn = core.begin();
        txn.planned_with(catalog.version);
        let view = txn.validated_view_at(core.shards());
        let mut writes = entries_to_write(core, view, (table, unique), entries).await?;
        check_distinct(catalog, entries, &mut writes)?;
        let later = writes.split_off(writes.len().min(ENTRIES_PER_COMMIT));
        if writes.is_empty() {
            // Only what writes is validated.
            writes.push(probe(entries)?);
        }
        txn.write(writes)?;
        match txn.commit().await.map_err(Error::from) {
            Ok(_) => return write_rest(core, catalog, later).await,
            Err(error) if error.code == code::SERIALIZATION_FAILURE.code => {
                if is_in_force(&core.catalog(), name) {
                    return Ok(());
                }
                rt::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
    let message = format!("making index \"{name}\" kept losing to other writers");
    Err(Error::new(code::SERIALIZATION_FAILURE, message))
}

async fn write_rest(core: &Rc<Core>, catalog: &Catalog, mut later: Vec<Write>) -> Result<()> {
    while !later.is_empty() {
        let rest = later.split_off(later.len().min(ENTRIES_PER_COMMIT));
        let mut txn = core.begin();
        txn.planned_with(catalog.version);
        txn.write(later)?;
        txn.commit().await?;
        later = rest;
    }
    Ok(())
}

async fn entries_to_write(
    core: &Rc<Core>,
    view: ReadView,
    (table, unique): (&Table, &Unique),
    entries: &Table,
) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    let types = table.key_types();
    read_all(core, view, (table, &unique.columns), |key, unique_values| {
        let mut values = vec![Value::Null; table.columns.len()];
        for (&column, value) in unique.columns.iter().zip(unique_values) {
            values[column] = value;
        }
        let record = Key::from_bytes(key, &types, table.routing)?;
        if let Some(key) = entries.entry_key(unique, &values)? {
            writes.push(put(entries, unique, key, (&values, &record))?);
        }
        Ok(())
    })
    .await?;
    Ok(writes)
}

/// Refuses two entries with one key, naming the smallest such key, whatever the number of shards.
fn check_distinct(catalog: &Catalog, entries: &Table, writes: &mut [Write]) -> Result<()> {
    writes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let twice = writes.windows(2).find(|pair| pair[0].key == pair[1].key);
    match twice {
        None => Ok(()),
        Some(pair) => {
            let error = Error::from(catalog.duplicate(entries, &pair[0].key));
            let shown = pair[0].key.display(entries);
            Err(error
                .with_detail(format!("Key {shown} is duplicated."))
                .with_hint("Change or delete all but one of the records, then create the index."))
        }
    }
}

/// A write that changes nothing.
fn probe(entries: &Table) -> Result<Write> {
    let zero = |ty: ColumnType| match ty {
        ColumnType::Bool => Value::Bool(false),
        ColumnType::SmallInt => Value::SmallInt(0),
        ColumnType::Int => Value::Int(0),
        ColumnType::Float => Value::Float(0.0),
        ColumnType::Double => Value::Double(0.0),
        ColumnType::Numeric { .. } => Value::Numeric(0),
        ColumnType::Text | ColumnType::Varchar(_) | ColumnType::Json | ColumnType::Vector(_) => {
            Value::Text("".into())
        }
        ColumnType::Bytea => Value::Bytea(Arc::from([])),
        ColumnType::Date => Value::Date(0),
        ColumnType::Timestamp => Value::Timestamp(0),
        ColumnType::TimestampTz => Value::TimestampTz(0),
        ColumnType::Time => Value::Time(0),
        ColumnType::Interval => Value::Interval(Interval { months: 0, days: 0, micros: 0 }),
        ColumnType::Array(_) => Value::Array(Arc::from([])),
        ColumnType::Uuid => Value::Uuid([0; 16]),
        ColumnType::BigInt => Value::BigInt(0),
    };
    let values: Vec<Value> = entries.key_types().into_iter().map(zero).collect();
    let key = Key::of_table(entries, &values)?;
    Ok(Write { table: entries.id, key, op: WriteOp::Delete, expect: Expect::Any })
}
