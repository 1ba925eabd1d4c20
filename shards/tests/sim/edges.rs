//! Do both ends of an edge always agree?

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::{rt, time};
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Direction, Expect, ReadView, Reply, Request};
use pieskieo_shards::txn::EdgeWrite;

use crate::harness::{Plan, for_each_seed};
use crate::model::{KNOWS, create_schema, key, node, row, verify};

const NODES: i64 = 6;

/// Adds, moves or removes one edge. Its `_id` is its number, so clients meet.
async fn change(core: &Rc<Core>) -> Result<(), Error> {
    let pick = |count: i64| (time::random_u64() % count as u64) as i64;
    let (source, id) = (pick(NODES), pick(3));
    let edge = key(core, KNOWS, &[source, id]);
    let mut txn = core.begin();
    let old = find(core, &edge, txn.view()).await?;
    let target = pick(NODES);
    let row = (old.is_none() || pick(2) == 0).then(|| row(core, KNOWS, &[source, target, id]));
    let write = EdgeWrite {
        table: KNOWS,
        key: edge,
        source: node(source),
        target_before: old.as_ref().map(|(target, _)| node(*target)),
        target_after: row.as_ref().map(|_| node(target)),
        row,
        expect: old.map_or(Expect::Absent, |(_, version)| Expect::Version(version)),
    };
    txn.write_edge(write)?;
    let staged = if pick(4) == 0 { txn.flush().await } else { Ok(()) };
    let done = match staged {
        Ok(()) => txn.commit().await.map(drop),
        Err(error) => Err(error),
    };
    match done {
        Err(Error::Conflict { .. } | Error::DuplicateKey { .. }) => Ok(()),
        done => done,
    }
}

async fn find(
    core: &Rc<Core>,
    edge: &Key,
    view: ReadView,
) -> Result<Option<(i64, pieskieo_shards::ids::Timestamp)>, Error> {
    let access = pieskieo_shards::request::Access::Keys(vec![edge.clone()]);
    let shard = core.owner(edge.slot());
    let found = crate::model::read(core, shard, KNOWS, access, view).await?;
    Ok(found.first().map(|found| (found.values[1], found.version)))
}

/// Collects (source, target, edge) as seen from every node in one direction.
async fn walk(
    core: &Rc<Core>,
    direction: Direction,
    view: ReadView,
) -> Result<BTreeSet<(Key, Key, Key)>, Error> {
    let mut all = BTreeSet::new();
    for id in 0..NODES {
        let here = node(id);
        let nodes = vec![here.clone()];
        let request = Request::Expand { edge: KNOWS, direction, nodes, view };
        let reply = core.call(core.owner(here.slot()), request).await?;
        let Reply::Neighbors(found) = reply else { panic!("expand answered {reply:?}") };
        for neighbor in found {
            let (source, target) = match direction {
                Direction::Out => (here.clone(), neighbor.node),
                _ => (neighbor.node, here.clone()),
            };
            all.insert((source, target, neighbor.edge));
        }
    }
    Ok(all)
}

async fn check(core: &Rc<Core>) -> Result<(), Error> {
    let lease = core.lease();
    let view = ReadView::at(lease.snapshot());
    let out = walk(core, Direction::Out, view).await?;
    rt::sleep(Duration::from_micros(time::random_u64() % 500)).await;
    let back = walk(core, Direction::In, view).await?;
    assert_eq!(out, back, "the two ends disagree at {lease:?}");
    Ok(())
}

async fn life(core: Rc<Core>) -> Result<(), Error> {
    create_schema(&core).await?;
    check(&core).await?;
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let core = core.clone();
            rt::spawn(rt::Queue::Net, "client", async move {
                for _ in 0..25 {
                    match change(&core).await {
                        Ok(()) => {}
                        Err(Error::OutcomeUnknown(_) | Error::Storage(_) | Error::Cancelled(_)) => {
                            return;
                        }
                        Err(error) => panic!("an edge change failed: {error}"),
                    }
                }
            })
        })
        .collect();
    for _ in 0..4 {
        check(&core).await?;
    }
    for client in clients {
        client.await;
    }
    check(&core).await?;
    verify(&core).await
}

#[test]
fn both_ends_of_an_edge_agree() {
    for_each_seed("both_ends_of_an_edge_agree", 20, |seed| {
        Plan::from_seed(seed).world().live(life);
    });
}

#[test]
fn both_ends_of_an_edge_agree_after_crashes() {
    for_each_seed("both_ends_of_an_edge_agree_after_crashes", 30, |seed| {
        let mut world = Plan::from_seed(seed).world();
        world.live_until_crash(life);
        world.live_until_crash(life);
        world.live(life);
    });
}
