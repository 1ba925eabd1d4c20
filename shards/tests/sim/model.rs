//! Which tables and operations do the scenarios share?

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use pieskieo_io::rt;
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Altered, Catalog, Column, Index, IndexKind, Table, TableKind};
use pieskieo_shards::ids::{CatalogVersion, ColumnId, IndexId, ShardId, TableId, Timestamp};
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{
    Access, Expect, ReadView, Reply, Request, ScanColumn, ScanSpec, Write, WriteOp,
};
use pieskieo_shards::row;
use pieskieo_shards::txn::Transaction;
use pieskieo_shards::value::{ColumnType, Value};

pub const ACCOUNTS: TableId = TableId(1);
pub const TRANSFERS: TableId = TableId(2);
pub const KNOWS: TableId = TableId(3);

/// One row of integers and the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub values: Vec<i64>,
    pub version: Timestamp,
}

/// A table of integers whose first column is its key.
pub fn table(id: TableId, name: &str, columns: &[&str]) -> Table {
    table_of(id, name, TableKind::Relation, columns, vec![0])
}

/// A table of integers.
pub fn table_of(
    id: TableId,
    name: &str,
    kind: TableKind,
    columns: &[&str],
    key: Vec<usize>,
) -> Table {
    let columns = columns
        .iter()
        .zip(1..)
        .map(|(name, id)| Column {
            id: ColumnId(id),
            name: (*name).into(),
            ty: ColumnType::BigInt,
            not_null: true,
            default: None,
            hidden: *name == "_id",
            generated: *name == "_id",
            always: false,
            altered: Altered::default(),
            comment: None,
        })
        .collect();
    let routing = 1;
    Table {
        id,
        name: name.into(),
        kind,
        columns,
        key,
        routing,
        indexes: Vec::new(),
        constraints: Vec::new(),
        referrers: Vec::new(),
        comment: None,
        rewrite: None,
        since: None,
    }
}

/// Returns the scenarios' schema as the successor of `current`.
pub fn schema(current: &Catalog) -> Catalog {
    let mut accounts = table(ACCOUNTS, "accounts", &["id", "balance"]);
    accounts.indexes.push(Arc::new(Index {
        id: IndexId(1),
        name: "accounts_balance".into(),
        kind: IndexKind::Ordered { columns: vec![1] },
        comment: None,
    }));
    let transfers = table(TRANSFERS, "transfers", &["id", "source", "target", "amount"]);
    let edge = TableKind::Edge { source: ACCOUNTS, target: ACCOUNTS };
    let knows = table_of(KNOWS, "knows", edge, &["src", "dst", "_id"], vec![0, 2]);
    let mut next = current.clone();
    next.version = CatalogVersion(current.version.0 + 1);
    next.table_next = TableId(4);
    next.index_next = IndexId(2);
    for table in [accounts, transfers, knows] {
        next.tables.insert(table.id, Arc::new(table));
    }
    next
}

/// Creates the schema on the first core; the others wait until every shard has it: one that is
/// behind may refuse writes that know more than it.
pub async fn create_schema(core: &Rc<Core>) -> Result<(), Error> {
    if !core.catalog().tables.is_empty() {
        return Ok(());
    }
    if core.id().0 == 0 {
        return core.change_catalog(|current| Ok(schema(current))).await.map(drop);
    }
    while core.catalog().tables.is_empty() {
        rt::sleep(std::time::Duration::from_millis(1)).await;
    }
    for shard in core.shards() {
        while is_behind(core, shard).await {
            rt::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
    Ok(())
}

async fn is_behind(core: &Rc<Core>, shard: ShardId) -> bool {
    let lease = core.lease();
    let view = ReadView::at(lease.snapshot());
    let nothing = read(core, shard, ACCOUNTS, Access::Keys(Vec::new()), view).await;
    // Another client may have emptied the table meanwhile: it has another number then.
    let known = core.catalog().version;
    matches!(nothing, Err(Error::StaleCatalog { current }) if current < known)
}

pub fn key(core: &Core, table: TableId, values: &[i64]) -> Key {
    let values: Vec<Value> = values.iter().map(|value| Value::BigInt(*value)).collect();
    Key::of_table(&core.catalog().tables[&table], &values).expect("integers are keys")
}

pub fn node(id: i64) -> Key {
    Key::for_node(&ColumnType::BigInt, &Value::BigInt(id)).expect("integers are keys")
}

pub fn row(core: &Core, table: TableId, values: &[i64]) -> Arc<[u8]> {
    let values: Vec<Value> = values.iter().map(|value| Value::BigInt(*value)).collect();
    row::encode(&core.catalog().tables[&table], &values).expect("integers are rows")
}

/// A put of a row whose first column is its key.
pub fn put(core: &Core, table: TableId, values: &[i64], expect: Expect) -> Write {
    let op = WriteOp::Put(row(core, table, values));
    Write { table, key: key(core, table, &values[..1]), op, expect }
}

/// Reads from one shard.
pub async fn read(
    core: &Rc<Core>,
    shard: ShardId,
    table: TableId,
    access: Access,
    view: ReadView,
) -> Result<Vec<Found>, Error> {
    let catalog = core.catalog();
    let stale = Error::StaleCatalog { current: catalog.version };
    let count = catalog.tables.get(&table).ok_or(stale)?.columns.len();
    let columns = (0..count).map(ScanColumn::Column).chain([ScanColumn::Version]).collect();
    let spec = ScanSpec { table, access, columns, view, filter: None, limit: None };
    let reply = core.call(shard, Request::Scan(spec)).await?;
    let Reply::Batches { batches, .. } = reply else { panic!("a scan answered {reply:?}") };
    let mut found = Vec::new();
    for batch in batches {
        for position in 0..batch.num_rows() {
            let value =
                |column: usize| batch.column(column).as_primitive::<Int64Type>().value(position);
            let version = batch.column(count).as_primitive::<UInt64Type>().value(position);
            let values = (0..count).map(value).collect();
            found.push(Found { values, version: Timestamp(version) });
        }
    }
    Ok(found)
}

/// Reads one row by its key.
pub async fn get(
    core: &Rc<Core>,
    txn: &mut Transaction,
    table: TableId,
    id: i64,
) -> Result<Option<Found>, Error> {
    let key = key(core, table, &[id]);
    let shard = core.owner(key.slot());
    let view = txn.view_at([shard]);
    let found = read(core, shard, table, Access::Keys(vec![key]), view).await?;
    Ok(found.into_iter().next())
}

/// Reads a whole table, shard after shard, by first column. Others may commit in between.
pub async fn read_all(
    core: &Rc<Core>,
    table: TableId,
    snapshot: Timestamp,
) -> Result<BTreeMap<i64, Found>, Error> {
    read_all_in(core, table, ReadView::at(snapshot)).await
}

/// As [`read_all`], of whatever a view sees.
pub async fn read_all_in(
    core: &Rc<Core>,
    table: TableId,
    view: ReadView,
) -> Result<BTreeMap<i64, Found>, Error> {
    let mut all = BTreeMap::new();
    for shard in core.shards() {
        for found in read(core, shard, table, Access::All, view).await? {
            let twice = all.insert(found.values[0], found);
            assert!(twice.is_none(), "{twice:?} was read twice");
        }
    }
    Ok(all)
}

/// Checks that every index equals its records on every shard.
pub async fn verify(core: &Rc<Core>) -> Result<(), Error> {
    for shard in core.shards() {
        let reply = core.call(shard, Request::Verify { table: None }).await?;
        let Reply::Verified(findings) = reply else { panic!("verify answered {reply:?}") };
        assert!(findings.is_empty(), "shard {shard}: {findings:?}");
    }
    Ok(())
}
