//! Is the past read as it was, for as long as it is kept, through merges, restarts and crashes?
//!
//! One client writes, so that what was right after each commit is known. Records, the order of an
//! index and both ends of edges are compared; vectors and texts take the same way through the
//! records (`store/contract_tests.rs`).

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::{rt, time};
use pieskieo_shards::Error;
use pieskieo_shards::actor::{AsOf, Core};
use pieskieo_shards::catalog::Truncation;
use pieskieo_shards::ids::{IndexId, Timestamp};
use pieskieo_shards::key::KeyRange;
use pieskieo_shards::request::{
    Access, Direction, Expect, ReadView, Reply, Request, Write, WriteOp,
};
use pieskieo_shards::txn::{EdgeWrite, Transaction};
use pieskieo_shards::value::{ColumnType, Value};

use crate::harness::{Machine, Plan, for_each_seed, for_few_seeds};
use crate::model::{
    ACCOUNTS, KNOWS, create_schema, key, node, put, read, read_all_in, row, verify,
};

const RECORDS: i64 = 8;
const BALANCES: IndexId = IndexId(1);
const HOUR: Duration = Duration::from_secs(3600);

/// What the tables hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    accounts: BTreeMap<i64, i64>,
    /// Target by source and number.
    edges: BTreeMap<(i64, i64), i64>,
}

#[derive(Default)]
struct Told {
    /// What there was right after each commit that was acknowledged or seen.
    states: BTreeMap<Timestamp, State>,
    /// What is being committed.
    pending: Option<State>,
    /// What there was at times long after the last commit.
    times: Vec<(u64, State)>,
}

type Shared = Rc<RefCell<Told>>;

impl Told {
    fn last(&self) -> State {
        self.states.last_key_value().map(|(_, state)| state.clone()).unwrap_or_default()
    }

    fn saw(&mut self, commit: Timestamp, state: State) {
        let last = self.states.last_key_value().map_or(Timestamp(0), |(last, _)| *last);
        assert!(commit >= last, "commit {commit} after commit {last}: a number was used again");
        self.states.insert(commit, state);
    }
}

fn pick(count: i64) -> i64 {
    (time::random_u64() % count as u64) as i64
}

/// Changes some records and edges in one transaction.
async fn write(core: &Rc<Core>, told: &Shared) -> Result<(), Error> {
    let mut next = told.borrow().last();
    let mut txn = core.begin();
    for _ in 0..=pick(3) {
        let id = pick(RECORDS);
        if pick(4) == 0 {
            next.accounts.remove(&id);
            let (table, key) = (ACCOUNTS, key(core, ACCOUNTS, &[id]));
            txn.write(vec![Write { table, key, op: WriteOp::Delete, expect: Expect::Any }])?;
        } else {
            let balance = pick(5);
            next.accounts.insert(id, balance);
            txn.write(vec![put(core, ACCOUNTS, &[id, balance], Expect::Any)])?;
        }
    }
    if pick(2) == 0 {
        change_edge(core, &mut txn, &mut next)?;
    }
    told.borrow_mut().pending = Some(next.clone());
    let commit = txn.commit().await?;
    let mut told = told.borrow_mut();
    told.pending = None;
    told.saw(commit, next);
    Ok(())
}

fn change_edge(core: &Rc<Core>, txn: &mut Transaction, next: &mut State) -> Result<(), Error> {
    let (source, id) = (pick(RECORDS), pick(3));
    let before = next.edges.remove(&(source, id));
    let after = (before.is_none() || pick(2) == 0).then(|| pick(RECORDS));
    next.edges.extend(after.map(|target| ((source, id), target)));
    txn.write_edge(EdgeWrite {
        table: KNOWS,
        key: key(core, KNOWS, &[source, id]),
        source: node(source),
        target_before: before.map(node),
        target_after: after.map(node),
        row: after.map(|target| row(core, KNOWS, &[source, target, id])),
        expect: Expect::Any,
    })
}

/// Reads everything, by every way.
async fn state(core: &Rc<Core>, view: ReadView) -> Result<State, Error> {
    let found = read_all_in(core, ACCOUNTS, view).await?;
    let accounts: BTreeMap<i64, i64> =
        found.into_iter().map(|(id, found)| (id, found.values[1])).collect();
    let mut ordered = BTreeMap::new();
    for shard in core.shards() {
        for descending in [false, true] {
            let access = Access::Index { index: BALANCES, range: KeyRange::all(descending) };
            let mut found = read(core, shard, ACCOUNTS, access, view).await?;
            if descending {
                found.reverse();
            }
            let order: Vec<(i64, i64)> =
                found.iter().map(|found| (found.values[1], found.values[0])).collect();
            assert!(order.is_sorted(), "the order of an index: {order:?}");
            ordered.extend(order.into_iter().map(|(balance, id)| (id, balance)));
        }
    }
    assert_eq!(ordered, accounts, "an index and its records at {view:?}");
    let (leaving, arriving) =
        (edges(core, Direction::Out, view).await?, edges(core, Direction::In, view).await?);
    assert_eq!(leaving, arriving, "the two ends of edges at {view:?}");
    Ok(State { accounts, edges: leaving })
}

async fn edges(
    core: &Rc<Core>,
    direction: Direction,
    view: ReadView,
) -> Result<BTreeMap<(i64, i64), i64>, Error> {
    let number = |key: &pieskieo_shards::key::Key, types: &[ColumnType]| {
        let values = key.decode(types).expect("a key of numbers");
        match values.last() {
            Some(Value::BigInt(number)) => *number,
            other => panic!("{other:?}"),
        }
    };
    let types = [ColumnType::BigInt, ColumnType::BigInt];
    let mut all = BTreeMap::new();
    for id in 0..RECORDS {
        let here = node(id);
        let nodes = vec![here.clone()];
        let request = Request::Expand { edge: KNOWS, direction, nodes, view };
        let reply = core.call(core.owner(here.slot()), request).await?;
        let Reply::Neighbors(found) = reply else { panic!("expand answered {reply:?}") };
        for found in found {
            let (there, edge) = (number(&found.node, &types[..1]), number(&found.edge, &types));
            let (source, target) = match direction {
                Direction::Out => (id, there),
                _ => (there, id),
            };
            let twice = all.insert((source, edge), target);
            assert_eq!(twice, None, "an edge was found twice");
        }
    }
    Ok(all)
}

/// Finds out what a crash has left of the transaction that was being committed.
async fn settle(core: &Rc<Core>, told: &Shared) -> Result<(), Error> {
    let lease = core.lease();
    let (found, commit) = (state(core, lease.view()).await?, core.last_commit());
    let mut told = told.borrow_mut();
    let pending = told.pending.take();
    let known = [Some(told.last()), pending];
    assert!(known.contains(&Some(found.clone())), "{found:?} is neither of {known:?}");
    told.saw(commit, found);
    Ok(())
}

/// Compares points of the past with what there was. Returns how many are not kept any more.
async fn compare(core: &Rc<Core>, told: &Shared, count: usize) -> Result<usize, Error> {
    let mut gone = 0;
    for _ in 0..count {
        let (first, last) = {
            let told = told.borrow();
            let (first, last) = (told.states.first_key_value(), told.states.last_key_value());
            (first.expect("a state").0.0, last.expect("a state").0.0)
        };
        let at = Timestamp(first + pick((last - first + 1) as i64) as u64);
        let lease = match core.past(AsOf::Commit(at)) {
            Ok(lease) => lease,
            Err(Error::SnapshotTooOld(_)) => {
                gone += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        let expected = {
            let told = told.borrow();
            let (_, state) = told.states.range(..=at).next_back().expect("a state");
            state.clone()
        };
        match state(core, lease.view()).await {
            Ok(found) => assert_eq!(found, expected, "at commit {at}"),
            // The table's own past may begin later than that of the process.
            Err(Error::SnapshotTooOld(_)) => gone += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(gone)
}

async fn compare_times(core: &Rc<Core>, told: &Shared) -> Result<(), Error> {
    let times = told.borrow().times.clone();
    for (wall, expected) in times {
        let lease = core.past(AsOf::Time(wall))?;
        assert_eq!(state(core, lease.view()).await?, expected, "at time {wall}");
    }
    Ok(())
}

async fn life(core: Rc<Core>, told: Shared, may_be_gone: bool) -> Result<(), Error> {
    create_schema(&core).await?;
    if core.id().0 != 0 {
        return Ok(());
    }
    settle(&core, &told).await?;
    for _ in 0..6 {
        for _ in 0..pick(8) {
            write(&core, &told).await?;
        }
        let gone = compare(&core, &told, 4).await?;
        assert!(gone == 0 || may_be_gone, "{gone} points of the past are gone");
        rt::sleep(Duration::from_micros(time::random_u64() % 4000)).await;
    }
    verify(&core).await
}

fn keeping(seed: u64, retention: Duration) -> Machine {
    let mut machine = Plan::from_seed(seed).world();
    machine.storage.retention = retention;
    machine
}

#[test]
fn the_past_is_as_it_was() {
    for_each_seed("the_past_is_as_it_was", 20, |seed| {
        let mut machine = keeping(seed, HOUR);
        let told = Shared::default();
        for _ in 0..3 {
            let told = told.clone();
            machine.live(move |core| {
                let told = told.clone();
                async move {
                    life(core.clone(), told.clone(), false).await?;
                    if core.id().0 != 0 {
                        return Ok(());
                    }
                    // Long enough for a moment that knows the last commit.
                    rt::sleep(Duration::from_millis(2500)).await;
                    let now = (time::wall().0, told.borrow().last());
                    told.borrow_mut().times.push(now);
                    compare_times(&core, &told).await?;
                    write(&core, &told).await?;
                    compare_times(&core, &told).await
                }
            });
        }
    });
}

#[test]
fn the_past_is_as_it_was_after_crashes() {
    for_each_seed("the_past_is_as_it_was_after_crashes", 40, |seed| {
        let mut machine = keeping(seed, HOUR);
        let told = Shared::default();
        for _ in 0..4 {
            let told = told.clone();
            machine.live_until_crash(move |core| life(core, told.clone(), false));
        }
        machine.live(move |core| life(core, told.clone(), false));
    });
}

#[test]
fn a_start_that_keeps_no_past_promises_none_of_it_to_the_next() {
    for_each_seed("a_start_that_keeps_no_past_promises_none_of_it_to_the_next", 20, |seed| {
        let mut machine = keeping(seed, HOUR);
        let told = Shared::default();
        for retention in [HOUR, Duration::ZERO, HOUR, Duration::from_secs(1), HOUR] {
            machine.storage.retention = retention;
            let told = told.clone();
            machine.live(move |core| life(core, told.clone(), true));
        }
    });
}

/// Writes for so many seconds; returns the bytes of segments.
async fn busy(core: &Rc<Core>, told: &Shared, seconds: u64) -> Result<u64, Error> {
    for _ in 0..seconds * 60 {
        write(core, told).await?;
        rt::sleep(Duration::from_millis(16)).await;
    }
    let bytes = core.stats().await?.iter().map(|shard| shard.segment_bytes).sum();
    Ok(bytes)
}

/// Returns how much the segments grow while the same few records are written again and again.
fn growth(seed: u64, retention: Duration) -> u64 {
    let mut machine = Plan { seed, cores: 1, shards: 1 }.world();
    machine.storage.retention = retention;
    let (told, grown) = (Shared::default(), Rc::new(Cell::new(0)));
    let result = grown.clone();
    machine.live(move |core| {
        let (told, grown) = (told.clone(), grown.clone());
        async move {
            create_schema(&core).await?;
            settle(&core, &told).await?;
            let before = busy(&core, &told, 60).await?;
            let after = busy(&core, &told, 120).await?;
            grown.set(after.saturating_sub(before));
            let gone = compare(&core, &told, 40).await?;
            assert_eq!(retention < HOUR, gone > 0, "{gone} of 40 points are gone");
            // The window moves while it is read: its later half stays in it.
            let oldest = core.oldest_commit().expect("the past is kept").0;
            let newest = told.borrow().states.last_key_value().map_or(oldest, |(last, _)| last.0);
            let middle = Timestamp(oldest.midpoint(newest));
            told.borrow_mut().states.retain(|commit, _| *commit >= middle);
            assert_eq!(compare(&core, &told, 40).await?, 0);
            verify(&core).await
        }
    });
    result.get()
}

#[test]
fn what_is_behind_the_window_is_collected() {
    for_few_seeds("what_is_behind_the_window_is_collected", 2, |seed| {
        let (short, long) = (growth(seed, Duration::from_secs(2)), growth(seed, HOUR));
        assert!(short * 3 < long, "{short} more bytes with 2 s, {long} with an hour");
    });
}

#[test]
fn the_future_and_what_an_emptied_table_held_are_refused() {
    for_each_seed("the_future_and_what_an_emptied_table_held_are_refused", 10, |seed| {
        let mut machine = keeping(seed, HOUR);
        let told = Shared::default();
        machine.live(move |core| {
            let told = told.clone();
            async move {
                create_schema(&core).await?;
                if core.id().0 != 0 {
                    return Ok(());
                }
                let future = [
                    AsOf::Commit(Timestamp(core.last_commit().0 + 1)),
                    AsOf::Time(time::wall().0 + 5_000_000),
                ];
                for at in future {
                    assert!(matches!(core.past(at), Err(Error::NotYet(_))), "{at:?}");
                }
                settle(&core, &told).await?;
                write(&core, &told).await?;
                let before = core.last_commit();
                let next = core.change_catalog(|current| {
                    let tables = BTreeSet::from([ACCOUNTS, KNOWS]);
                    Ok(current.truncated(&Truncation { tables, restarts: false, process: 1 }))
                });
                let emptied = next.await?.table_named("accounts").expect("it stays").id;
                let after = core.last_commit();
                assert!(after > before, "emptying is a point of time");
                let lease = core.past(AsOf::Commit(before))?;
                let refused = read_all_in(&core, emptied, lease.view()).await;
                assert!(matches!(refused, Err(Error::SnapshotTooOld(_))), "{refused:?}");
                let lease = core.past(AsOf::Commit(after))?;
                assert_eq!(read_all_in(&core, emptied, lease.view()).await?.len(), 0);
                Ok(())
            }
        });
    });
}
