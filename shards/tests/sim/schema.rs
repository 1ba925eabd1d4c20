//! Do schema changes and writes that race leave one truth on all shards?

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pieskieo_io::{rt, time};
use pieskieo_shards::Error;
use pieskieo_shards::actor::{Core, StorageOptions};
use pieskieo_shards::catalog::{Catalog, Index, IndexKind, Table};
use pieskieo_shards::ids::{CatalogVersion, IndexId, TableId};
use pieskieo_shards::request::{Expect, Reply, Request};

use crate::harness::{Plan, for_each_seed};
use crate::model::{ACCOUNTS, TRANSFERS, create_schema, put, read_all, schema, verify};

const EXTRA: &str = "extra";

/// Adds or drops an index over the amounts of transfers, or adds or drops a table.
fn next(current: &Catalog) -> Catalog {
    let mut next = current.clone();
    next.version = CatalogVersion(current.version.0 + 1);
    let mut table = Table::clone(&current.tables[&TRANSFERS]);
    if time::random_u64().is_multiple_of(2) {
        match current.table_named(EXTRA).map(|extra| extra.id) {
            Some(id) => drop(next.tables.remove(&id)),
            None => {
                table.id = current.table_next;
                table.name = EXTRA.into();
                table.indexes.clear();
                next.table_next = TableId(table.id.0 + 1);
                next.tables.insert(table.id, Arc::new(table));
            }
        }
        return next;
    }
    if table.indexes.pop().is_none() {
        let kind = IndexKind::Ordered { columns: vec![3] };
        let id = IndexId(current.index_next.0);
        next.index_next = IndexId(id.0 + 1);
        table.indexes.push(Arc::new(Index {
            id,
            name: "transfers_amount".into(),
            kind,
            comment: None,
        }));
    }
    next.tables.insert(TRANSFERS, Arc::new(table));
    next
}

async fn writer(core: Rc<Core>, count: i64) -> Result<(), Error> {
    for number in 0..count {
        let first = (i64::from(core.id().0) * count + number) * 4;
        let catalog = core.catalog();
        let extra = catalog.table_named(EXTRA).map(|extra| extra.id);
        let mut txn = core.begin();
        let writes = [Some(TRANSFERS), extra].into_iter().flatten().flat_map(|table| {
            let core = core.clone();
            (first..first + 4).map(move |id| put(&core, table, &[id, id, id, id % 7], Expect::Any))
        });
        txn.write(writes.collect())?;
        match txn.commit().await {
            Ok(_) | Err(Error::StaleCatalog { .. } | Error::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn check_one_truth(core: &Rc<Core>) -> Result<(), Error> {
    let lease = core.lease();
    let extra = core.catalog().table_named(EXTRA).map(|extra| extra.id);
    for table in [Some(TRANSFERS), extra].into_iter().flatten() {
        let found = match read_all(core, table, lease.snapshot()).await {
            Ok(found) => found,
            // Another core has dropped it in between.
            Err(Error::StaleCatalog { .. }) if table != TRANSFERS => continue,
            Err(error) => return Err(error),
        };
        for id in found.keys().filter(|id| *id % 4 == 0) {
            let whole = (*id..id + 4).all(|id| found.contains_key(&id));
            assert!(whole, "half of a transaction at {id}");
        }
    }
    verify(core).await
}

async fn life(core: Rc<Core>) -> Result<(), Error> {
    create_schema(&core).await?;
    let writing = rt::spawn(rt::Queue::Net, "writer", writer(core.clone(), 25));
    for _ in 0..6 {
        rt::sleep(Duration::from_micros(time::random_u64() % 1500)).await;
        core.change_catalog(|current| Ok(next(current))).await?;
        check_one_truth(&core).await?;
    }
    writing.await?;
    check_one_truth(&core).await
}

#[test]
fn schema_changes_race_with_writes() {
    for_each_seed("schema_changes_race_with_writes", 20, |seed| {
        let mut machine = Plan::from_seed(seed).world();
        machine.live(life);
        machine.live(life);
    });
}

#[test]
fn schema_changes_survive_crashes() {
    for_each_seed("schema_changes_survive_crashes", 30, |seed| {
        let mut machine = Plan::from_seed(seed).world();
        machine.live_until_crash(life);
        machine.live_until_crash(life);
        machine.live(life);
    });
}

#[test]
fn writes_planned_with_a_dropped_table_are_stale() {
    let plan = Plan { seed: 3, cores: 2, shards: 2 };
    plan.world().live(|core| async move {
        create_schema(&core).await?;
        if core.id().0 == 0 {
            let planned = core.catalog().version;
            let writes = vec![
                put(&core, ACCOUNTS, &[1, 1], Expect::Any),
                put(&core, ACCOUNTS, &[2, 1], Expect::Any),
            ];
            let drop_all = |current: &Catalog| {
                let version = CatalogVersion(current.version.0 + 1);
                Ok(Catalog { version, tables: Default::default(), ..current.clone() })
            };
            core.change_catalog(drop_all).await?;
            core.change_catalog(|current| Ok(schema(current))).await?;
            let mut txn = core.begin();
            txn.planned_with(planned);
            txn.write(writes.clone())?;
            let refused = txn.commit().await;
            assert!(matches!(refused, Err(Error::StaleCatalog { .. })), "{refused:?}");
            let mut txn = core.begin();
            txn.write(writes)?;
            txn.commit().await?;
        }
        Ok(())
    });
}

#[test]
fn versions_nobody_can_see_are_collected() {
    let plan = Plan { seed: 5, cores: 2, shards: 2 };
    let mut machine = plan.world();
    // What is written to segments takes no memory, seen or not.
    machine.storage = StorageOptions::default();
    machine.live(|core| async move {
        create_schema(&core).await?;
        if core.id().0 != 0 {
            return Ok(());
        }
        let write = |balance: i64| {
            let core = core.clone();
            async move {
                let mut txn = core.begin();
                txn.write(vec![put(&core, ACCOUNTS, &[1, balance], Expect::Any)])?;
                txn.commit().await
            }
        };
        write(0).await?;
        let lease = core.lease();
        for balance in 1..200 {
            write(balance).await?;
        }
        rt::sleep(Duration::from_secs(1)).await;
        let old = read_all(&core, ACCOUNTS, lease.snapshot()).await?;
        assert_eq!(old[&1].values, [1, 0], "a leased snapshot keeps its versions");
        let held = memory(&core).await?;
        drop(lease);
        write(200).await?;
        rt::sleep(Duration::from_secs(1)).await;
        let freed = memory(&core).await?;
        assert!(freed < held, "{freed} bytes after, {held} before");
        assert_eq!(read_all(&core, ACCOUNTS, core.snapshot()).await?[&1].values, [1, 200]);
        verify(&core).await
    });
}

async fn memory(core: &Rc<Core>) -> Result<u64, Error> {
    let mut bytes = 0;
    for shard in core.shards() {
        let Reply::Stats(stats) = core.call(shard, Request::Stats).await? else {
            panic!("stats answered with something else")
        };
        bytes += stats.memory.written + stats.memory.fixed() + stats.cache_bytes;
    }
    Ok(bytes)
}
