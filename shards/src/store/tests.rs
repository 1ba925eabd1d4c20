//! Which promises does the store keep?

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{BooleanArray, RecordBatch};
use pieskieo_io::sim::{SimOptions, World};

use super::Cursor;
use super::rig::Rig as Store;
use crate::Error;
use crate::catalog::{Altered, Catalog, Column, Index, IndexKind, Table, TableKind};
use crate::ids::{ColumnId, IndexId, TableId, Timestamp, TxnId};
use crate::key::{Key, KeyRange};
use crate::request::{
    Access, Direction, Expect, ReadView, RowFilter, ScanColumn, ScanSpec, Write, WriteOp,
};
use crate::row;
use crate::value::{ColumnType, Value};

const TABLE: TableId = TableId(1);
const EDGE: TableId = TableId(2);
const BY_A: IndexId = IndexId(1);

fn column(id: u32, name: &str, ty: ColumnType, not_null: bool) -> Column {
    let default = None;
    Column {
        id: ColumnId(id),
        name: name.into(),
        ty,
        not_null,
        default,
        hidden: false,
        generated: false,
        always: false,
        altered: Altered::default(),
        comment: None,
    }
}

fn table(indexes: Vec<Arc<Index>>) -> Arc<Table> {
    Arc::new(Table {
        id: TABLE,
        name: "t".into(),
        kind: TableKind::Relation,
        columns: vec![
            column(1, "id", ColumnType::BigInt, true),
            column(2, "a", ColumnType::BigInt, false),
        ],
        key: vec![0],
        routing: 1,
        indexes,
        constraints: Vec::new(),
        referrers: Vec::new(),
        comment: None,
        rewrite: None,
        since: None,
    })
}

fn edge_table() -> Arc<Table> {
    Arc::new(Table {
        id: EDGE,
        name: "e".into(),
        kind: TableKind::Edge { source: TABLE, target: TABLE },
        columns: vec![
            column(1, "src", ColumnType::BigInt, true),
            column(2, "dst", ColumnType::BigInt, true),
            column(3, "_id", ColumnType::BigInt, true),
        ],
        key: vec![0, 2],
        routing: 1,
        indexes: Vec::new(),
        constraints: Vec::new(),
        referrers: Vec::new(),
        comment: None,
        rewrite: None,
        since: None,
    })
}

fn by_a() -> Arc<Index> {
    let kind = IndexKind::Ordered { columns: vec![1] };
    Arc::new(Index { id: BY_A, name: "by_a".into(), kind, comment: None })
}

fn catalog(tables: Vec<Arc<Table>>) -> Arc<Catalog> {
    let mut catalog = Catalog::empty(1);
    catalog.tables = tables.into_iter().map(|table| (table.id, table)).collect();
    Arc::new(catalog)
}

fn store() -> Store {
    Store::open(catalog(vec![table(vec![by_a()]), edge_table()]))
}

fn key(id: i64) -> Key {
    Key::for_node(&ColumnType::BigInt, &Value::BigInt(id)).expect("a key")
}

fn put(id: i64, a: i64, expect: Expect) -> Write {
    let row = row::encode(&table(Vec::new()), &[Value::BigInt(id), Value::BigInt(a)]);
    Write { table: TABLE, key: key(id), op: WriteOp::Put(row.expect("a row")), expect }
}

fn delete(id: i64, expect: Expect) -> Write {
    Write { table: TABLE, key: key(id), op: WriteOp::Delete, expect }
}

fn at(snapshot: u64) -> ReadView {
    ReadView::at(Timestamp(snapshot))
}

fn own(snapshot: u64) -> ReadView {
    ReadView { txn: Some(TxnId(7)), validated: false, ..ReadView::at(Timestamp(snapshot)) }
}

fn spec(access: Access, view: ReadView) -> ScanSpec {
    let columns = vec![ScanColumn::Column(0), ScanColumn::Column(1)];
    ScanSpec { table: TABLE, access, columns, view, filter: None, limit: None }
}

fn pairs(batch: &RecordBatch) -> Vec<(i64, i64)> {
    let ids = batch.column(0).as_primitive::<Int64Type>();
    let values = batch.column(1).as_primitive::<Int64Type>();
    ids.values().iter().zip(values.values()).map(|(id, a)| (*id, *a)).collect()
}

fn drain(store: &Store, cursor: &mut Cursor, rows_max: usize) -> Vec<(i64, i64)> {
    let mut rows = Vec::new();
    while let Some(batch) = store.next_batch(cursor, rows_max).expect("a batch") {
        rows.extend(pairs(&batch));
    }
    rows
}

fn read(store: &Store, access: Access, view: ReadView) -> Vec<(i64, i64)> {
    let mut cursor = store.open_scan(spec(access, view)).expect("a scan");
    drain(store, &mut cursor, 2)
}

#[track_caller]
fn sound(store: &Store) {
    assert_eq!(store.verify(), Vec::<String>::new());
}

#[test]
fn a_snapshot_sees_what_was_committed_by_then() {
    let mut store = store();
    store.apply(&put(1, 10, Expect::Absent), Timestamp(1));
    store.apply(&put(1, 11, Expect::Any), Timestamp(3));
    store.apply(&delete(1, Expect::Any), Timestamp(5));
    store.apply(&put(1, 12, Expect::Absent), Timestamp(7));
    let seen: Vec<_> = (0..9).map(|s| read(&store, Access::All, at(s))).collect();
    let row = |a| vec![(1, a)];
    let expected = [vec![], row(10), row(10), row(11), row(11), vec![], vec![], row(12), row(12)];
    assert_eq!(seen, expected);
    sound(&store);
}

#[test]
fn writes_are_checked_against_the_newest_version() {
    let mut store = store();
    store.apply(&put(1, 10, Expect::Absent), Timestamp(5));
    let check = |store: &Store, write: Write, snapshot| store.check(&write, Timestamp(snapshot));
    let duplicate = check(&store, put(1, 0, Expect::Absent), 5).expect_err("it exists");
    assert_eq!(duplicate.to_string(), "duplicate key (id)=(1) in table \"t\"");
    let winner = |error: Error| match error {
        Error::Conflict { winner, .. } => winner,
        other => panic!("{other}"),
    };
    let later = check(&store, put(1, 0, Expect::Absent), 4).expect_err("it came later");
    assert_eq!(winner(later), Some(Timestamp(5)));
    assert!(check(&store, put(1, 0, Expect::Version(Timestamp(5))), 5).is_ok());
    let other = check(&store, put(1, 0, Expect::Version(Timestamp(4))), 5).expect_err("changed");
    assert_eq!(winner(other), Some(Timestamp(5)));
    store.apply(&delete(1, Expect::Any), Timestamp(8));
    let gone = check(&store, delete(1, Expect::Version(Timestamp(5))), 9).expect_err("deleted");
    assert_eq!(winner(gone), Some(Timestamp(8)));
    assert!(check(&store, put(1, 0, Expect::Absent), 8).is_ok());
    assert!(check(&store, put(1, 0, Expect::Absent), 7).is_err());
    let broken = Write { op: WriteOp::Put(Arc::from([9_u8; 3])), ..put(1, 0, Expect::Any) };
    assert!(matches!(check(&store, broken, 9), Err(Error::Internal(_))));
    let elsewhere = Write { table: TableId(99), ..put(1, 0, Expect::Any) };
    assert!(matches!(check(&store, elsewhere, 9), Err(Error::StaleCatalog { .. })));
}

#[test]
fn a_cursor_keeps_its_snapshot_through_writes_and_collection() {
    let everything = || KeyRange::all(false);
    let accesses = [
        Access::All,
        Access::KeyRange(everything()),
        Access::Index { index: BY_A, range: everything() },
    ];
    for access in accesses {
        let mut store = store();
        for id in 0..10 {
            store.apply(&put(id, id, Expect::Absent), Timestamp(1));
        }
        let mut cursor = store.open_scan(spec(access, at(1))).expect("a scan");
        let first = store.next_batch(&mut cursor, 3).expect("a batch").expect("rows");
        for id in 0..10 {
            store.apply(&put(id, 100 - id, Expect::Any), Timestamp(2));
        }
        store.apply(&delete(5, Expect::Any), Timestamp(3));
        store.apply(&put(50, 4, Expect::Absent), Timestamp(4));
        store.set_watermark(Timestamp(1));
        assert!(!store.maintain(&mut || true));
        let mut rows = pairs(&first);
        rows.extend(drain(&store, &mut cursor, 4));
        assert_eq!(rows, (0..10).map(|id| (id, id)).collect::<Vec<_>>());
        sound(&store);
    }
}

#[test]
fn ranges_are_read_in_both_directions() {
    let mut store = store();
    for id in 0..6 {
        store.apply(&put(id, 10 - id, Expect::Absent), Timestamp(1));
    }
    let range = |descending| KeyRange {
        from: Some(key(1).bytes().to_vec()),
        to: Some(key(5).bytes().to_vec()),
        descending,
    };
    let ids = |access| read(&store, access, at(1)).iter().map(|row| row.0).collect::<Vec<_>>();
    assert_eq!(ids(Access::KeyRange(range(false))), [1, 2, 3, 4]);
    assert_eq!(ids(Access::KeyRange(range(true))), [4, 3, 2, 1]);
    let all = Access::Index { index: BY_A, range: KeyRange::all(false) };
    assert_eq!(ids(all), [5, 4, 3, 2, 1, 0]);
    let back = Access::Index { index: BY_A, range: KeyRange::all(true) };
    assert_eq!(ids(back), [0, 1, 2, 3, 4, 5]);
    assert_eq!(ids(Access::Keys(vec![key(4), key(77), key(0)])), [4, 0]);
}

#[derive(Debug)]
struct Odd;

impl RowFilter for Odd {
    fn columns(&self) -> &[ScanColumn] {
        &[ScanColumn::Column(1)]
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<BooleanArray, Error> {
        let values = batch.column(0).as_primitive::<Int64Type>();
        Ok(values.iter().map(|value| value.map(|value| value % 2 == 1)).collect())
    }
}

#[test]
fn limits_count_rows_that_pass_the_filter() {
    let mut store = store();
    for id in 0..20 {
        store.apply(&put(id, id, Expect::Absent), Timestamp(1));
    }
    let mut wanted = spec(Access::All, at(1));
    wanted.filter = Some(Arc::new(Odd));
    wanted.limit = Some(4);
    let mut cursor = store.open_scan(wanted.clone()).expect("a scan");
    assert_eq!(drain(&store, &mut cursor, 3), [(1, 1), (3, 3), (5, 5), (7, 7)]);
    wanted.columns = Vec::new();
    let mut cursor = store.open_scan(wanted).expect("a scan");
    let batch = store.next_batch(&mut cursor, 100).expect("a batch").expect("rows");
    assert_eq!((batch.num_rows(), batch.num_columns()), (4, 0));
    assert!(store.next_batch(&mut cursor, 100).expect("the end").is_none());
}

/// Groups whose rows are all shown are passed on whole, and then cut by filter and limit.
#[test]
fn whole_groups_pass_filters_and_limits() {
    World::new(1, SimOptions::default())
        .run(1, |_| async {
            let catalog = catalog(vec![table(vec![by_a()]), edge_table()]);
            let mut store = Store::open(catalog).on_disk().await;
            for id in 0..60 {
                store.apply(&put(id, id, Expect::Absent), Timestamp(1));
            }
            store.flush().await;
            for (limit, filtered) in
                [(None, true), (None, false), (Some(7), true), (Some(7), false)]
            {
                let mut wanted = spec(Access::All, at(1));
                wanted.filter = filtered.then(|| Arc::new(Odd) as Arc<dyn RowFilter>);
                wanted.limit = limit;
                let mut cursor = store.open_scan(wanted).expect("a scan");
                let mut rows = Vec::new();
                while let Some(batch) = store.next_loading(&mut cursor, 9).await.expect("a batch") {
                    rows.extend(pairs(&batch));
                }
                let all = (0..60).filter(|id| !filtered || id % 2 == 1).map(|id| (id, id));
                let expected: Vec<_> = all.take(limit.unwrap_or(usize::MAX)).collect();
                assert_eq!(rows, expected, "limit {limit:?}, filtered {filtered}");
            }
        })
        .finished();
}

#[test]
fn a_transaction_reads_its_own_writes_in_every_order() {
    let mut store = store();
    for id in 0..6 {
        store.apply(&put(id, id * 10, Expect::Absent), Timestamp(1));
    }
    let writes = vec![
        put(2, 45, Expect::Version(Timestamp(1))),
        delete(4, Expect::Version(Timestamp(1))),
        put(7, 5, Expect::Absent),
        put(-1, 25, Expect::Absent),
    ];
    store.stage(TxnId(7), writes, Timestamp(1)).expect("staged");
    let by_key = [(-1, 25), (0, 0), (1, 10), (2, 45), (3, 30), (5, 50), (7, 5)];
    let ranged = |descending| read(&store, Access::KeyRange(KeyRange::all(descending)), own(1));
    assert_eq!(ranged(false), by_key);
    assert_eq!(ranged(true), by_key.iter().rev().copied().collect::<Vec<_>>());
    let by_value = [(0, 0), (7, 5), (1, 10), (-1, 25), (3, 30), (2, 45), (5, 50)];
    let indexed = |descending| {
        read(&store, Access::Index { index: BY_A, range: KeyRange::all(descending) }, own(1))
    };
    assert_eq!(indexed(false), by_value);
    assert_eq!(indexed(true), by_value.iter().rev().copied().collect::<Vec<_>>());
    let mut all = read(&store, Access::All, own(1));
    all.sort_unstable();
    assert_eq!(all, by_key);
    let keys = vec![key(7), key(4), key(2), key(0)];
    assert_eq!(read(&store, Access::Keys(keys), own(1)), [(7, 5), (2, 45), (0, 0)]);
    assert_eq!(read(&store, Access::All, at(1)).len(), 6);
    let narrow = KeyRange { from: Some(key(2).bytes().to_vec()), to: None, descending: false };
    assert_eq!(read(&store, Access::KeyRange(narrow), own(1)), by_key[3..]);
}

#[test]
fn a_later_staged_write_keeps_what_the_first_expected() {
    let mut store = store();
    store.apply(&put(1, 1, Expect::Absent), Timestamp(1));
    let txn = TxnId(7);
    store.stage(txn, vec![put(2, 0, Expect::Absent)], Timestamp(1)).expect("staged");
    let again = store.stage(txn, vec![put(2, 5, Expect::Absent)], Timestamp(1));
    assert!(matches!(again, Err(Error::DuplicateKey { .. })));
    let update = vec![put(2, 9, Expect::Version(Timestamp(0)))];
    store.stage(txn, update, Timestamp(1)).expect("staged");
    let gone = vec![delete(1, Expect::Version(Timestamp(1))), put(1, 3, Expect::Absent)];
    store.stage(txn, gone, Timestamp(1)).expect("staged");
    let writes = store.unstage(txn);
    let expects: Vec<_> = writes.iter().map(|write| write.expect).collect();
    assert_eq!(expects, [Expect::Version(Timestamp(1)), Expect::Absent]);
    assert!(store.unstage(txn).is_empty());
    for write in &writes {
        store.check(write, Timestamp(1)).expect("still as expected");
        store.apply(write, Timestamp(2));
    }
    assert_eq!(read(&store, Access::All, at(2)), [(1, 3), (2, 9)]);
}

#[test]
fn replaying_a_log_twice_changes_nothing() {
    let log = [
        (put(1, 10, Expect::Any), 1),
        (put(2, 20, Expect::Any), 1),
        (put(1, 11, Expect::Any), 2),
        (delete(2, Expect::Any), 3),
        (put(2, 21, Expect::Any), 4),
        (put(1, 11, Expect::Any), 4),
    ];
    let mut store = store();
    for round in 0..2 {
        for (write, commit) in &log {
            store.apply(write, Timestamp(*commit));
        }
        assert_eq!(read(&store, Access::All, at(9)), [(1, 11), (2, 21)], "round {round}");
        assert_eq!(store.stats().records, [(TABLE, 2), (EDGE, 0)]);
        sound(&store);
    }
}

#[test]
fn a_record_updated_in_a_loop_does_not_grow() {
    let mut store = store();
    for round in 1..=1000 {
        store.apply(&put(1, round as i64, Expect::Any), Timestamp(round));
        store.set_watermark(Timestamp(round));
        assert!(!store.maintain(&mut || true));
    }
    let one = store.stats();
    assert_eq!(one.versions_pending, 0);
    let bytes = store.hot_bytes();
    assert!(bytes < 500, "{bytes} bytes for one row");
    assert_eq!(read(&store, Access::All, at(1000)), [(1, 1000)]);
    sound(&store);
}

#[test]
fn deleted_records_leave_nothing_behind() {
    let mut store = store();
    for round in 0..50_i64 {
        let commit = 2 * round as u64 + 1;
        store.apply(&put(round, round, Expect::Absent), Timestamp(commit));
        store.apply(&delete(round, Expect::Any), Timestamp(commit + 1));
        store.set_watermark(Timestamp(commit + 1));
        assert!(!store.maintain(&mut || true));
    }
    assert!(store.tables[&TABLE].records.is_empty());
    assert_eq!(store.hot_bytes(), 0);
    assert!(read(&store, Access::All, at(500)).is_empty());
    sound(&store);
}

#[test]
fn a_new_index_answers_for_old_snapshots() {
    let mut store = Store::open(catalog(vec![table(Vec::new())]));
    store.serve();
    store.apply(&put(1, 5, Expect::Any), Timestamp(1));
    store.apply(&put(2, 3, Expect::Any), Timestamp(1));
    store.apply(&put(1, 1, Expect::Any), Timestamp(2));
    store.apply(&delete(2, Expect::Any), Timestamp(3));
    store.apply(&put(2, 3, Expect::Any), Timestamp(5));
    store.install(catalog(vec![table(vec![by_a()])]));
    let seen = |snapshot| {
        read(&store, Access::Index { index: BY_A, range: KeyRange::all(false) }, at(snapshot))
    };
    assert_eq!(seen(1), [(2, 3), (1, 5)]);
    assert_eq!(seen(2), [(1, 1), (2, 3)]);
    assert_eq!(seen(4), [(1, 1)]);
    assert_eq!(seen(5), [(1, 1), (2, 3)]);
    sound(&store);
    store.install(catalog(Vec::new()));
    assert!(store.open_scan(spec(Access::All, at(5))).is_err());
    store.apply(&put(1, 1, Expect::Any), Timestamp(9));
}

fn edge(src: i64, dst: i64, id: i64) -> (Write, Write) {
    let values = [Value::BigInt(src), Value::BigInt(dst), Value::BigInt(id)];
    let table = edge_table();
    let row = row::encode(&table, &values).expect("a row");
    let edge = Key::of_row(&table, &values).expect("a key");
    let put = WriteOp::Put(row);
    let mirror = WriteOp::Mirror { source: key(src), target: key(dst), present: true };
    let write = |op| Write { table: EDGE, key: edge.clone(), op, expect: Expect::Any };
    (write(put), write(mirror))
}

fn neighbors(store: &Store, direction: Direction, node: i64, view: ReadView) -> Vec<i64> {
    let found = store.expand(EDGE, direction, &[key(99), key(node)], view).expect("neighbors");
    found
        .iter()
        .map(|found| {
            assert_eq!(found.from, 1);
            match found.node.decode(&[ColumnType::BigInt]).expect("a node").as_slice() {
                [Value::BigInt(id)] => *id,
                other => panic!("{other:?}"),
            }
        })
        .collect()
}

/// Recovery applies a transaction whose outcome was not logged after all that the log holds.
#[test]
fn a_mirror_that_is_applied_late_does_not_undo_what_came_after_it() {
    let mut store = store();
    let (_, present) = edge(1, 2, 1);
    let gone = WriteOp::Mirror { source: key(1), target: key(2), present: false };
    let gone = Write { op: gone, ..present.clone() };
    let sources = |store: &Store| neighbors(store, Direction::In, 2, at(9));
    store.apply(&present, Timestamp(1));
    store.apply(&gone, Timestamp(5));
    store.apply(&present, Timestamp(3));
    assert_eq!(sources(&store), Vec::<i64>::new(), "it has gone since");
    store.apply(&present, Timestamp(7));
    store.apply(&gone, Timestamp(6));
    assert_eq!(sources(&store), [1], "it has come back since");
}

#[test]
fn edges_are_found_from_both_ends_with_own_writes() {
    let mut store = store();
    for (src, dst, id) in [(1, 2, 1), (1, 3, 2), (2, 1, 3), (1, 1, 4)] {
        let (put, mirror) = edge(src, dst, id);
        store.apply(&put, Timestamp(1));
        store.apply(&mirror, Timestamp(1));
        store.apply(&mirror, Timestamp(1));
    }
    assert_eq!(neighbors(&store, Direction::Out, 1, at(1)), [2, 3, 1]);
    assert_eq!(neighbors(&store, Direction::In, 1, at(1)), [1, 2]);
    assert_eq!(neighbors(&store, Direction::Both, 1, at(1)), [2, 3, 1, 2]);
    let (moved, arrives) = edge(1, 9, 1);
    let (_, leaves) = edge(1, 2, 1);
    let gone = WriteOp::Mirror { source: key(1), target: key(2), present: false };
    let leaves = Write { op: gone, ..leaves };
    let removed = Write { op: WriteOp::Delete, ..edge(1, 1, 4).0 };
    let loop_gone = WriteOp::Mirror { source: key(1), target: key(1), present: false };
    let loop_gone = Write { op: loop_gone, ..edge(1, 1, 4).1 };
    let writes = vec![moved, arrives, leaves, removed, loop_gone];
    store.stage(TxnId(7), writes, Timestamp(1)).expect("staged");
    assert_eq!(neighbors(&store, Direction::Out, 1, own(1)), [9, 3]);
    assert_eq!(neighbors(&store, Direction::In, 2, own(1)), Vec::<i64>::new());
    assert_eq!(neighbors(&store, Direction::In, 9, own(1)), [1]);
    assert_eq!(neighbors(&store, Direction::Both, 1, own(1)), [9, 3, 2]);
    assert_eq!(neighbors(&store, Direction::Out, 1, at(1)), [2, 3, 1]);
    for write in store.unstage(TxnId(7)) {
        store.apply(&write, Timestamp(2));
    }
    assert_eq!(neighbors(&store, Direction::Out, 1, at(2)), [9, 3]);
    assert_eq!(neighbors(&store, Direction::Both, 1, at(2)), [9, 3, 2]);
    assert_eq!(neighbors(&store, Direction::Out, 1, at(1)), [2, 3, 1]);
    sound(&store);
}

#[path = "reads_tests.rs"]
mod reads;
