//! Which changes make what a transaction has read untrue?

use std::collections::BTreeSet;

use super::*;
use crate::key::{KeyBounds, KeyForm};
use crate::store::Others;
use crate::txn::Place;

const TXN: TxnId = TxnId(7);

/// Records 1 to 5 with a = 10, 20 … as of commit 5; the log has been replayed.
fn five() -> Store {
    let mut store = store();
    store.serve();
    for id in 1..=5 {
        store.apply(&put(id, id * 10, Expect::Absent), Timestamp(5));
    }
    store
}

fn reading() -> ReadView {
    ReadView { txn: Some(TXN), validated: true, ..ReadView::at(Timestamp(5)) }
}

/// What another transaction that is committing is about to do.
enum Pending {
    /// Prepared: its writes are known.
    Prepared(Vec<Write>),
    /// Its locks are known only.
    Locked(Vec<Write>),
}

fn validated(store: &Store, pending: &Pending) -> Result<(), Error> {
    let (writes, is_known) = match pending {
        Pending::Prepared(writes) => (writes, true),
        Pending::Locked(writes) => (writes, false),
    };
    let places: Vec<Place> = writes.iter().map(Place::of).collect();
    let of_table = |table: TableId| {
        let own = writes.iter().filter(|write| write.table == table);
        own.cloned().collect::<Vec<Write>>()
    };
    let others = Others {
        holds: &|place| places.contains(place),
        writes: &|table| {
            let own = of_table(table);
            (is_known || own.is_empty()).then_some(own)
        },
        places: &|table| places.iter().filter(|place| place.table() == table).cloned().collect(),
    };
    store.validate(TXN, Timestamp(5), &others)
}

fn range(form: KeyForm, from: i64, to: i64) -> KeyRange {
    let (from, to) = (Value::BigInt(from), Value::BigInt(to));
    let bounds = KeyBounds {
        equal: &[],
        lower: std::ops::Bound::Included(&from),
        upper: std::ops::Bound::Included(&to),
    };
    KeyRange::of(bounds, &[ColumnType::BigInt], form, false).expect("a range")
}

/// Passes rows whose `a` is below 25.
#[derive(Debug)]
struct Below25;

impl RowFilter for Below25 {
    fn columns(&self) -> &[ScanColumn] {
        &[ScanColumn::Column(1)]
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<BooleanArray, Error> {
        let values = batch.column(0).as_primitive::<Int64Type>();
        Ok(values.iter().map(|a| Some(a? < 25)).collect())
    }
}

fn searched(access: Access, filtered: bool) -> Store {
    let store = five();
    let filter: Option<Arc<dyn RowFilter>> = filtered.then(|| Arc::new(Below25) as _);
    let spec = ScanSpec { filter, ..spec(access, reading()) };
    drop(store.open_scan(spec).expect("a scan"));
    store
}

#[test]
fn a_search_depends_on_what_it_could_have_found() {
    let keys = |ids: &[i64]| Access::Keys(ids.iter().map(|id| key(*id)).collect());
    let by_key = || Access::KeyRange(range(KeyForm::Primary, 2, 3));
    let by_a = || Access::Index { index: BY_A, range: range(KeyForm::Indexed, 20, 30) };
    let update = |id, a| put(id, a, Expect::Any);
    // Access, filtered, change, whether it matters.
    let cases: Vec<(Access, bool, Write, bool)> = vec![
        (keys(&[2]), false, update(2, 21), true),
        (keys(&[2]), false, delete(2, Expect::Any), true),
        (keys(&[2]), false, update(3, 21), false),
        (keys(&[9]), false, update(9, 1), true),
        (keys(&[9]), false, update(8, 1), false),
        (by_key(), false, update(3, 99), true),
        (by_key(), false, delete(2, Expect::Any), true),
        (by_key(), false, update(4, 20), false),
        (by_a(), false, update(2, 99), true),
        (by_a(), false, update(5, 25), true),
        (by_a(), false, update(9, 30), true),
        (by_a(), false, update(5, 31), false),
        (by_a(), false, delete(1, Expect::Any), false),
        (Access::All, false, update(9, 1), true),
        (Access::All, true, update(5, 26), false),
        (Access::All, true, update(9, 26), false),
        (Access::All, true, update(9, 24), true),
        (Access::All, true, update(5, 24), true),
        (Access::All, true, update(1, 99), true),
        (Access::All, true, delete(1, Expect::Any), true),
        (Access::All, true, delete(5, Expect::Any), false),
        (by_a(), true, update(2, 24), true),
        (by_a(), true, update(3, 29), false),
    ];
    for (access, filtered, change, matters) in cases {
        let what = format!("{access:?} filtered {filtered}, then {:?} {change:?}", change.key);
        let nobody = Pending::Prepared(Vec::new());
        let mut store = searched(access.clone(), filtered);
        assert!(validated(&store, &nobody).is_ok(), "nothing changed: {what}");
        let prepared = Pending::Prepared(vec![change.clone()]);
        assert_eq!(validated(&store, &prepared).is_err(), matters, "prepared: {what}");
        store.apply(&change, Timestamp(6));
        match validated(&store, &nobody) {
            Ok(()) => assert!(!matters, "committed: {what}"),
            Err(Error::Conflict { table, winner }) => {
                assert!(matters, "committed: {what}");
                assert_eq!((table.as_str(), winner), ("t", Some(Timestamp(6))), "{what}");
            }
            Err(error) => panic!("{error}: {what}"),
        }
    }
}

#[test]
fn what_was_there_at_the_snapshot_already_does_not_matter() {
    let mut store = five();
    drop(store.open_scan(spec(Access::All, reading())).expect("a scan"));
    store.set_watermark(Timestamp(5));
    store.maintain(&mut || true);
    assert!(validated(&store, &Pending::Prepared(Vec::new())).is_ok());
    store.apply(&put(6, 0, Expect::Absent), Timestamp(8));
    store.apply(&delete(6, Expect::Any), Timestamp(9));
    let changed = validated(&store, &Pending::Prepared(Vec::new()));
    assert!(changed.is_err(), "it came and went, but between the two it could be seen");
}

#[test]
fn a_key_that_is_locked_may_change() {
    let store = searched(Access::Keys(vec![key(2)]), false);
    assert!(validated(&store, &Pending::Locked(vec![put(2, 0, Expect::Any)])).is_err());
    assert!(validated(&store, &Pending::Locked(vec![put(3, 0, Expect::Any)])).is_ok());
    let store = searched(Access::All, true);
    assert!(validated(&store, &Pending::Locked(vec![put(9, 99, Expect::Any)])).is_err());
}

#[test]
fn a_step_depends_on_the_edges_at_its_nodes() {
    // From node 1: a new edge that starts there, ends there, is elsewhere.
    let cases = [
        (Direction::Out, (1, 2), true),
        (Direction::Out, (2, 1), false),
        (Direction::Out, (11, 2), false),
        (Direction::In, (1, 2), false),
        (Direction::In, (2, 1), true),
        (Direction::Both, (2, 1), true),
        (Direction::Both, (1, 2), true),
        (Direction::Both, (2, 3), false),
    ];
    for (direction, (source, target), matters) in cases {
        let mut store = five();
        store.expand(EDGE, direction, &[key(1)], reading()).expect("neighbours");
        let (record, mirror) = edge(source, target, 100);
        let pending = Pending::Locked(vec![record.clone(), mirror.clone()]);
        let what = format!("{direction:?} from 1, then {source} -> {target}");
        assert_eq!(validated(&store, &pending).is_err(), matters, "locked: {what}");
        store.apply(&record, Timestamp(6));
        store.apply(&mirror, Timestamp(6));
        let nobody = Pending::Prepared(Vec::new());
        assert_eq!(validated(&store, &nobody).is_err(), matters, "committed: {what}");
    }
}

#[test]
fn who_has_read_too_much_has_read_everything() {
    let store = five();
    let many: BTreeSet<i64> = (0..120_000).collect();
    let keys = many.into_iter().map(|id| key(1_000_000 + id)).collect();
    drop(store.open_scan(spec(Access::Keys(keys), reading())).expect("a scan"));
    let nobody = Pending::Prepared(Vec::new());
    assert!(validated(&store, &nobody).is_ok());
    let mut store = store;
    store.apply(&put(5, 0, Expect::Any), Timestamp(6));
    assert!(validated(&store, &nobody).is_err());
    store.forget_reads(TXN);
    assert!(validated(&store, &nobody).is_ok());
}

#[test]
fn what_an_ended_transaction_has_read_is_forgotten() {
    let mut store = searched(Access::All, false);
    let nobody = Pending::Prepared(Vec::new());
    store.apply(&put(5, 0, Expect::Any), Timestamp(6));
    store.set_watermark(Timestamp(5));
    assert!(validated(&store, &nobody).is_err(), "its snapshot may still be leased");
    store.set_watermark(Timestamp(6));
    assert!(validated(&store, &nobody).is_ok());
    assert!(store.reads.borrow().is_empty());
}
