//! Do a transaction's writes and the tables it makes come into being together?
//!
//! Each transaction makes a table, fills it and leaves a mark in another. Whoever sees the mark
//! sees the table with all of its records; after a crash there are both or neither.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pieskieo_io::{rt, time};
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, Index, IndexKind, Rewrite, Table};
use pieskieo_shards::ids::{CatalogVersion, IndexId, TableId};
use pieskieo_shards::request::Expect;

use crate::harness::{Plan, for_each_seed};
use crate::model::{ACCOUNTS, TRANSFERS, create_schema, put, read_all, table, verify};

/// Records of a table: on every shard some.
const ROWS: i64 = 12;
/// Who makes them, in this process: what another process has begun means nothing.
const PROCESS: u64 = 1;

/// Marks that were acknowledged.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<BTreeSet<i64>>>);

fn successor(current: &Catalog) -> Catalog {
    Catalog { version: CatalogVersion(current.version.0 + 1), ..current.clone() }
}

/// Puts a table into the catalog, hidden.
async fn begin(core: &Rc<Core>, name: &str) -> Result<TableId, Error> {
    let mut id = TableId(0);
    let begun = core.change_catalog(|current| {
        let mut next = successor(current);
        id = next.table_next;
        next.table_next = TableId(id.0 + 1);
        let rewrite = Some(Rewrite::Begun { process: PROCESS });
        let made = Table { rewrite, ..table(id, name, &["id", "mark"]) };
        next.tables.insert(id, Arc::new(made));
        Ok(next)
    });
    begun.await?;
    Ok(id)
}

/// The catalog in which the table is there, and an index over marks.
fn finished(current: &Catalog, id: TableId) -> Catalog {
    let mut next = successor(current);
    let mut made = next.tables[&id].as_ref().clone();
    made.rewrite = None;
    if time::random_u64().is_multiple_of(2) {
        let index = next.index_next;
        next.index_next = IndexId(index.0 + 1);
        let (name, kind) = (format!("{}_mark", made.name), IndexKind::Ordered { columns: vec![1] });
        made.indexes.push(Arc::new(Index { id: index, name, kind, comment: None }));
    }
    next.tables.insert(id, Arc::new(made));
    next
}

/// Makes a table, fills it and leaves a mark. Some give up before the commit.
async fn make(core: &Rc<Core>, mark: i64, told: &Told) -> Result<(), Error> {
    let id = begin(core, &format!("made_{mark}")).await?;
    let mut txn = core.begin();
    let rows = (0..ROWS).map(|row| put(core, id, &[row, mark], Expect::Absent));
    txn.write(rows.collect())?;
    if time::random_u64().is_multiple_of(3) {
        txn.flush().await?;
    }
    txn.write(vec![put(core, TRANSFERS, &[mark, 0, 0, 0], Expect::Absent)])?;
    if time::random_u64().is_multiple_of(5) {
        txn.abort().await;
        return Ok(());
    }
    core.commit_with(txn, |current| Ok(finished(current, id))).await?;
    told.0.lock().expect("nobody panics here").insert(mark);
    check(core, told).await
}

async fn check(core: &Rc<Core>, told: &Told) -> Result<(), Error> {
    let kept: Vec<i64> = told.0.lock().expect("nobody panics here").iter().copied().collect();
    let lease = core.lease();
    let marks = read_all(core, TRANSFERS, lease.snapshot()).await?;
    for mark in kept {
        assert!(marks.contains_key(&mark), "mark {mark} was acknowledged");
    }
    let catalog = core.catalog();
    for mark in marks.keys() {
        let made = catalog.table_named(&format!("made_{mark}"));
        let made = made.unwrap_or_else(|| panic!("mark {mark} has no table"));
        let found = read_all(core, made.id, lease.snapshot()).await?;
        assert_eq!(found.len(), ROWS as usize, "records of {}", made.name);
    }
    verify(core).await
}

/// There is a table for each mark below `first`, and no other.
async fn check_whole(core: &Rc<Core>, told: &Told, first: i64) -> Result<(), Error> {
    check(core, told).await?;
    let marks = read_all(core, TRANSFERS, core.snapshot()).await?;
    let marks: BTreeSet<i64> = marks.keys().copied().filter(|mark| *mark < first).collect();
    let catalog = core.catalog();
    let made = catalog.listed().filter_map(|table| table.name.strip_prefix("made_"));
    let made = made.map(|mark| mark.parse().expect("a mark"));
    assert_eq!(made.filter(|mark| *mark < first).collect::<BTreeSet<i64>>(), marks);
    Ok(())
}

/// Money goes to and fro meanwhile.
async fn writer(core: Rc<Core>, count: i64) -> Result<(), Error> {
    for number in 0..count {
        let mut txn = core.begin();
        let rows = (0..4).map(|id| put(&core, ACCOUNTS, &[id, number], Expect::Any));
        txn.write(rows.collect())?;
        match txn.commit().await {
            Ok(_) | Err(Error::StaleCatalog { .. } | Error::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn life(core: Rc<Core>, told: Told, first: i64) -> Result<(), Error> {
    create_schema(&core).await?;
    check_whole(&core, &told, first).await?;
    let writing = rt::spawn(rt::Queue::Net, "writer", writer(core.clone(), 25));
    for number in 0..4 {
        rt::sleep(Duration::from_micros(time::random_u64() % 1500)).await;
        make(&core, first + i64::from(core.id().0) * 4 + number, &told).await?;
    }
    writing.await?;
    check(&core, &told).await
}

#[test]
fn tables_and_records_of_a_transaction_come_together() {
    for_each_seed("tables_and_records_of_a_transaction_come_together", 20, |seed| {
        let mut machine = Plan::from_seed(seed).world();
        let told = Told::default();
        for first in [0, 1000] {
            let told = told.clone();
            machine.live(move |core| life(core, told.clone(), first));
        }
    });
}

#[test]
fn a_crash_leaves_tables_and_records_of_a_transaction_or_neither() {
    let name = "a_crash_leaves_tables_and_records_of_a_transaction_or_neither";
    for_each_seed(name, 60, |seed| {
        let mut machine = Plan::from_seed(seed).world();
        let told = Told::default();
        for first in [0, 1000, 2000] {
            let told = told.clone();
            machine.live_until_crash(move |core| life(core, told.clone(), first));
        }
        machine.live(move |core| life(core, told.clone(), 3000));
    });
}
