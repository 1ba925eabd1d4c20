//! Where are the answers to idempotency keys, and how are they read and written?

use std::ops::Bound;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use pieskieo_io::time;
use pieskieo_shards::Error as ShardError;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Altered, Catalog, Column, Index, IndexKind, Table, TableKind};
use pieskieo_shards::ids::{CatalogVersion, ColumnId, IndexId, ShardId, TableId, Timestamp};
use pieskieo_shards::key::{Key, KeyBounds, KeyForm, KeyRange};
use pieskieo_shards::request::{
    Access, Expect, ReadView, ScanColumn, ScanSpec, ShardStats, Write, WriteOp,
};
use pieskieo_shards::row;
use pieskieo_shards::txn::Transaction;
use pieskieo_shards::value::{ColumnType, Value};

use super::{IdempotencyKey, Stored};
use crate::error::{Error, Result, code};
use crate::exec::fetch::fetch;
use crate::exec::scope::{Scope, Stop};

/// Name of the hidden table, and the constraint that errors name.
const NAME: &str = "idempotency keys";

/// The columns: the key, the sum of its request, when it was stored in microseconds since 1970,
/// the answer.
const REQUEST: usize = 1;
const MADE: usize = 2;
const ANSWER: usize = 3;

/// What is known about a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing, or nothing any more; the version of the record that is to be replaced then.
    Nothing(Option<Timestamp>),
    /// The answer to the same request.
    Answer(Stored),
    /// The key belongs to another request.
    Other,
}

/// Returns the table of answers, if there is one yet.
pub(crate) fn table_of(catalog: &Catalog) -> Option<&Arc<Table>> {
    catalog.tables.values().find(|table| table.kind == TableKind::Answers)
}

/// Returns how many answers shards have stored.
pub(crate) fn count(catalog: &Catalog, stats: &[ShardStats]) -> u64 {
    let Some(table) = table_of(catalog) else { return 0 };
    let of = stats.iter().flat_map(|shard| &shard.records).filter(|(id, _)| *id == table.id);
    of.map(|(_, count)| count).sum()
}

/// Returns the table of answers; makes it when there is none.
///
/// **Cost**: a change of the schema, once in the life of a database.
/// **Errors**: a failing log.
pub(crate) async fn ensure(core: &Rc<Core>) -> Result<Arc<Table>> {
    if let Some(table) = table_of(&core.catalog()) {
        return Ok(table.clone());
    }
    let changed = core
        .change_catalog(|catalog| match table_of(catalog) {
            Some(_) => Err(ShardError::Cancelled("somebody else was faster".into())),
            None => Ok(with_table(catalog)),
        })
        .await;
    match (table_of(&core.catalog()), changed) {
        (Some(table), _) => Ok(table.clone()),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(_)) => Err(Error::internal("a table was made and is not there")),
    }
}

fn with_table(catalog: &Catalog) -> Catalog {
    let mut next = catalog.clone();
    next.version = CatalogVersion(next.version.0 + 1);
    let (id, index) = (next.table_next, next.index_next);
    next.table_next = TableId(id.0 + 1);
    next.index_next = IndexId(index.0 + 1);
    next.tables.insert(id, Arc::new(table(id, index)));
    next
}

fn table(id: TableId, index: IndexId) -> Table {
    let column = |number: u32, name: &str, ty: ColumnType| Column {
        id: ColumnId(number),
        name: name.to_owned(),
        ty,
        not_null: true,
        default: None,
        hidden: false,
        generated: false,
        always: false,
        altered: Altered::default(),
        comment: None,
    };
    let made = IndexKind::Ordered { columns: vec![MADE] };
    Table {
        id,
        name: NAME.to_owned(),
        kind: TableKind::Answers,
        columns: vec![
            column(0, "key", ColumnType::Text),
            column(1, "request", ColumnType::Bytea),
            column(2, "made", ColumnType::BigInt),
            column(3, "answer", ColumnType::Bytea),
        ],
        key: vec![0],
        routing: 1,
        indexes: vec![Arc::new(Index {
            id: index,
            name: NAME.to_owned(),
            kind: made,
            comment: None,
        })],
        constraints: Vec::new(),
        referrers: Vec::new(),
        comment: None,
        rewrite: None,
        since: None,
    }
}

/// Returns the place of a key's record.
///
/// **Errors**: none for a key.
pub(super) fn place(table: &Table, key: &IdempotencyKey) -> Result<Key> {
    Ok(Key::of_table(table, &[Value::Text(key.text().into())])?)
}

/// Reads what is known about a key at a snapshot.
///
/// **Errors**: as a read.
pub(crate) async fn look_up(
    core: &Rc<Core>,
    table: &Arc<Table>,
    key: &IdempotencyKey,
    (snapshot, retention): (Timestamp, Duration),
) -> Result<Found> {
    let scope = Scope {
        view: ReadView::at(snapshot),
        catalog: core.catalog(),
        ef_search: None,
        stop: Stop::new(None),
    };
    let mut columns = vec![ScanColumn::Version];
    columns.extend([REQUEST, MADE, ANSWER].map(ScanColumn::Column));
    let found = fetch(core, &scope, table, &columns, &[place(table, key)?]).await?;
    let Some(row) = found.rows[0].map(|row| row as usize) else {
        return Ok(Found::Nothing(None));
    };
    let made = found.columns[2].as_primitive::<Int64Type>().value(row);
    if made < oldest(retention) {
        let version = found.columns[0].as_primitive::<UInt64Type>().value(row);
        return Ok(Found::Nothing(Some(Timestamp(version))));
    }
    if found.columns[1].as_binary::<i32>().value(row) != key.request() {
        return Ok(Found::Other);
    }
    Ok(Found::Answer(Stored(found.columns[3].as_binary::<i32>().value(row).to_vec())))
}

/// Returns when the oldest answer was stored that is still remembered.
fn oldest(retention: Duration) -> i64 {
    let retention = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
    time::wall().micros().saturating_sub(retention)
}

/// Adds an answer to the writes of its transaction.
///
/// **Errors**: one that [`is_taken`] recognises when the key has an answer by now.
pub(crate) async fn remember(
    core: &Rc<Core>,
    txn: &mut Transaction,
    key: &IdempotencyKey,
    (answer, retention): (Stored, Duration),
) -> Result<()> {
    let table = ensure(core).await?;
    // What the transaction sees there is checked by its write, not as something read.
    let snapshot = txn.view_at([]).snapshot;
    let expect = match look_up(core, &table, key, (snapshot, retention)).await? {
        Found::Nothing(None) => Expect::Absent,
        Found::Nothing(Some(version)) => Expect::Version(version),
        Found::Answer(_) | Found::Other => {
            let message = "a concurrent request has stored its answer under the idempotency key";
            return Err(Error::new(code::UNIQUE_VIOLATION, message).of_constraint(NAME));
        }
    };
    let values = [
        Value::Text(key.text().into()),
        Value::Bytea(key.request().as_slice().into()),
        Value::BigInt(time::wall().micros()),
        Value::Bytea(answer.0.into()),
    ];
    let op = WriteOp::Put(row::encode(&table, &values)?);
    let place = place(&table, key)?;
    txn.write(vec![Write { table: table.id, key: place, op, expect }])?;
    Ok(())
}

/// Returns whether a transaction failed because its key has an answer by now.
pub(crate) fn is_taken(error: &Error) -> bool {
    error.code == code::UNIQUE_VIOLATION.code && error.constraint.as_deref() == Some(NAME)
}

/// Returns the read that finds the oldest of the answers that are remembered no longer.
///
/// **Errors**: none in practice.
pub(super) fn outlived(
    table: &Table,
    snapshot: Timestamp,
    (retention, limit): (Duration, usize),
) -> Result<ScanSpec> {
    let index = table.indexes.first().map(|index| index.id);
    let index = index.ok_or_else(|| Error::internal("answers without an index"))?;
    let bound = Value::BigInt(oldest(retention));
    let bounds = KeyBounds { equal: &[], lower: Bound::Unbounded, upper: Bound::Excluded(&bound) };
    let range = KeyRange::of(bounds, &[ColumnType::BigInt], KeyForm::Indexed, false)?;
    Ok(ScanSpec {
        table: table.id,
        access: Access::Index { index, range },
        columns: vec![ScanColumn::Key, ScanColumn::Version],
        view: ReadView::at(snapshot),
        filter: None,
        limit: Some(limit),
    })
}

/// Returns the shard that owns a key.
///
/// **Errors**: none for a key.
pub(super) fn owner(core: &Core, table: &Table, key: &IdempotencyKey) -> Result<ShardId> {
    Ok(core.owner(place(table, key)?.slot()))
}
