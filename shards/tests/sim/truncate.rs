//! Is an emptied table empty on every shard, whoever writes and whatever crashes meanwhile?
//!
//! Every record says under which number of its table it was written, so one that outlives the
//! emptying of its table shows.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::{rt, time};
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, Truncation};
use pieskieo_shards::ids::TableId;
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Direction, Expect, ReadView, Reply, Request};
use pieskieo_shards::txn::EdgeWrite;

use crate::harness::{Plan, for_each_seed};
use crate::model::{create_schema, key, node, put, read_all, row, verify};

/// Records of one transaction.
const TOGETHER: i64 = 4;

/// What clients were told.
#[derive(Default)]
struct Told {
    /// The number of the table after the last TRUNCATE that was acknowledged.
    number: Option<TableId>,
    /// Records that were acknowledged, by the number of their table.
    records: BTreeMap<TableId, BTreeSet<i64>>,
    next: i64,
}

type Shared = Rc<RefCell<Told>>;

fn numbers(core: &Core) -> (TableId, TableId) {
    let catalog = core.catalog();
    let number = |name| catalog.table_named(name).expect("the table stays").id;
    (number("accounts"), number("knows"))
}

fn emptied(current: &Catalog) -> Catalog {
    let named = ["accounts", "knows"].map(|name| current.table_named(name));
    let tables = named.into_iter().flatten().map(|table| table.id).collect();
    current.truncated(&Truncation { tables, restarts: false, process: 1 })
}

/// Writes some records and an edge from each to the next, in one transaction.
async fn write(core: &Rc<Core>, told: &Shared) -> Result<(), Error> {
    let first = told.borrow().next;
    told.borrow_mut().next += TOGETHER;
    let ids = first..first + TOGETHER;
    let (accounts, knows) = numbers(core);
    let mut txn = core.begin();
    let records =
        ids.clone().map(|id| put(core, accounts, &[id, i64::from(accounts.0)], Expect::Any));
    txn.write(records.collect())?;
    for id in ids.clone() {
        txn.write_edge(EdgeWrite {
            table: knows,
            key: key(core, knows, &[id, 1]),
            source: node(id),
            target_before: None,
            target_after: Some(node(id + 1)),
            row: Some(row(core, knows, &[id, id + 1, 1])),
            expect: Expect::Absent,
        })?;
    }
    match txn.commit().await {
        Ok(_) => told.borrow_mut().records.entry(accounts).or_default().extend(ids),
        Err(Error::StaleCatalog { .. } | Error::Conflict { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn far_ends(
    core: &Rc<Core>,
    direction: Direction,
    ids: &BTreeSet<i64>,
    view: ReadView,
) -> Result<BTreeSet<(Key, Key)>, Error> {
    let (_, edge) = numbers(core);
    let mut ends = BTreeSet::new();
    for id in ids {
        let here = node(*id);
        let request = Request::Expand { edge, direction, nodes: vec![here.clone()], view };
        let reply = core.call(core.owner(here.slot()), request).await?;
        let Reply::Neighbors(found) = reply else { panic!("expand answered {reply:?}") };
        ends.extend(found.into_iter().map(|neighbor| match direction {
            Direction::Out => (here.clone(), neighbor.node),
            _ => (neighbor.node, here.clone()),
        }));
    }
    Ok(ends)
}

/// Compares the tables with what clients were told. Others may empty them in between.
async fn check(core: &Rc<Core>, told: &Shared) -> Result<(), Error> {
    let (accounts, _) = numbers(core);
    assert!(told.borrow().number.is_none_or(|number| number <= accounts), "emptied, and undone");
    let expected = told.borrow().records.get(&accounts).cloned().unwrap_or_default();
    let lease = core.lease();
    let view = ReadView::at(lease.snapshot());
    let found = read_all(core, accounts, lease.snapshot()).await?;
    for (id, found) in &found {
        assert_eq!(found.values[1], i64::from(accounts.0), "record {id} is from before");
    }
    let ids: BTreeSet<i64> = found.keys().copied().collect();
    for id in &ids {
        let first = id - id % TOGETHER;
        let whole = (first..first + TOGETHER).all(|id| ids.contains(&id));
        assert!(whole, "half of a transaction at {id}");
    }
    assert!(expected.is_subset(&ids), "lost {:?}", expected.difference(&ids));
    let ends: BTreeSet<i64> = ids.iter().flat_map(|id| [*id, id + 1]).collect();
    let out = far_ends(core, Direction::Out, &ends, view).await?;
    let back = far_ends(core, Direction::In, &ends, view).await?;
    assert_eq!(out, back, "the two ends disagree");
    let edges: BTreeSet<_> = ids.iter().map(|id| (node(*id), node(id + 1))).collect();
    assert_eq!(out, edges, "edges without records, or records without edges");
    verify(core).await
}

async fn life(core: Rc<Core>, told: Shared) -> Result<(), Error> {
    create_schema(&core).await?;
    for _ in 0..8 {
        for _ in 0..3 {
            write(&core, &told).await?;
        }
        match check(&core, &told).await {
            Ok(()) | Err(Error::StaleCatalog { .. }) => {}
            Err(error) => return Err(error),
        }
        rt::sleep(Duration::from_micros(time::random_u64() % 2000)).await;
        if time::random_u64().is_multiple_of(3) {
            let next = core.change_catalog(|current| Ok(emptied(current))).await?;
            let number = next.table_named("accounts").map(|table| table.id);
            let mut told = told.borrow_mut();
            told.number = told.number.max(number);
        }
    }
    Ok(())
}

/// Everybody has ended but core 0.
async fn quiet(core: Rc<Core>, told: Shared) -> Result<(), Error> {
    create_schema(&core).await?;
    if core.id().0 == 0 { check(&core, &told).await } else { Ok(()) }
}

#[test]
fn tables_are_emptied_among_writers() {
    for_each_seed("tables_are_emptied_among_writers", 20, |seed| {
        let mut machine = Plan::from_seed(seed).world();
        let told = Shared::default();
        let (one, two) = (told.clone(), told);
        machine.live(move |core| life(core, one.clone()));
        machine.live(move |core| quiet(core, two.clone()));
    });
}

#[test]
fn emptied_tables_stay_empty_after_crashes() {
    for_each_seed("emptied_tables_stay_empty_after_crashes", 30, |seed| {
        let mut machine = Plan::from_seed(seed).world();
        let told = Shared::default();
        for _ in 0..3 {
            let (one, two) = (told.clone(), told.clone());
            machine.live_until_crash(move |core| life(core, one.clone()));
            machine.live(move |core| quiet(core, two.clone()));
        }
    });
}

#[test]
fn the_files_of_an_emptied_table_are_given_back() {
    for_each_seed("the_files_of_an_emptied_table_are_given_back", 10, |seed| {
        let plan = Plan { seed, cores: 2, shards: 3 };
        let told = Shared::default();
        plan.world().live(move |core| {
            let told = told.clone();
            async move {
                create_schema(&core).await?;
                if core.id().0 != 0 {
                    return Ok(());
                }
                for _ in 0..60 {
                    write(&core, &told).await?;
                }
                rt::sleep(Duration::from_secs(1)).await;
                let bytes = async || -> Result<u64, Error> {
                    Ok(core.stats().await?.iter().map(|shard| shard.segment_bytes).sum())
                };
                assert!(bytes().await? > 0, "there are segments");
                core.change_catalog(|current| Ok(emptied(current))).await?;
                rt::sleep(Duration::from_secs(1)).await;
                assert_eq!(bytes().await?, 0, "segments of the emptied tables are left");
                check(&core, &told).await
            }
        });
    });
}
