//! Do later writes of a transaction supersede earlier ones without losing the first condition?

use std::sync::Arc;

use super::*;
use crate::ids::{Slot, Timestamp};

fn key(byte: u8) -> Key {
    Key::from_encoded(Arc::from([byte]), Slot(u16::from(byte)))
}

fn put(byte: u8, row: u8, expect: Expect) -> Write {
    Write { table: TableId(1), key: key(byte), op: WriteOp::Put(Arc::from([row])), expect }
}

fn delete(byte: u8, expect: Expect) -> Write {
    Write { table: TableId(1), key: key(byte), op: WriteOp::Delete, expect }
}

fn mirror(edge: u8, target: u8, present: bool) -> Write {
    let op = WriteOp::Mirror { source: key(edge), target: key(target), present };
    Write { table: TableId(1), key: key(edge), op, expect: Expect::Any }
}

/// Adds the writes, optionally staging after some of them, and returns what is committed as
/// `(shard, operation, condition)`.
fn committed(writes: &[Write], stage_after: Option<usize>) -> Vec<(u16, String, Expect)> {
    let catalog = Catalog::empty(2);
    let mut buffer = Buffer::default();
    for (position, write) in writes.iter().enumerate() {
        buffer.add(&catalog, write.clone()).unwrap();
        if stage_after == Some(position) {
            buffer.unstaged(&catalog);
        }
    }
    let mut found = Vec::new();
    for (shard, writes) in buffer.into_parts(&catalog) {
        for write in writes {
            let op = match &write.op {
                WriteOp::Put(row) => format!("put {}", row[0]),
                WriteOp::Delete => "delete".into(),
                WriteOp::Erase { .. } => "erase".into(),
                WriteOp::Mirror { present, .. } => format!("mirror {present}"),
            };
            found.push((shard.0, op, write.expect));
        }
    }
    found
}

#[test]
fn later_writes_supersede_and_keep_the_first_condition() {
    let old = Expect::Version(Timestamp(7));
    let own = Expect::Version(Timestamp::MAX);
    /// What each owner is left with: shard, operation, condition.
    type Left = Vec<(u16, String, Expect)>;
    let cases: Vec<(Vec<Write>, Left)> = vec![
        (vec![put(1, 5, Expect::Absent)], vec![(1, "put 5".into(), Expect::Absent)]),
        (vec![put(1, 5, old), put(1, 6, own)], vec![(1, "put 6".into(), old)]),
        (
            vec![put(1, 5, Expect::Absent), put(1, 6, own)],
            vec![(1, "put 6".into(), Expect::Absent)],
        ),
        (vec![delete(2, old), put(2, 5, Expect::Absent)], vec![(0, "put 5".into(), old)]),
        (vec![put(1, 5, old), delete(1, own)], vec![(1, "delete".into(), old)]),
        (vec![put(1, 5, Expect::Absent), delete(1, own)], vec![]),
        (
            vec![put(1, 5, Expect::Absent), delete(1, own), put(1, 6, Expect::Absent)],
            vec![(1, "put 6".into(), Expect::Absent)],
        ),
        (vec![mirror(1, 2, true), mirror(1, 2, false)], vec![]),
        (vec![mirror(1, 2, false), mirror(1, 2, true)], vec![]),
        (
            vec![mirror(1, 2, false), mirror(1, 3, true)],
            vec![(0, "mirror false".into(), Expect::Any), (1, "mirror true".into(), Expect::Any)],
        ),
    ];
    for (writes, expected) in cases {
        for stage_after in [None, Some(0), Some(1)] {
            assert_eq!(committed(&writes, stage_after), expected, "{writes:?} {stage_after:?}");
        }
    }
}

#[test]
fn what_was_staged_and_taken_back_is_staged_as_a_delete() {
    let catalog = Catalog::empty(1);
    let mut buffer = Buffer::default();
    buffer.add(&catalog, put(1, 5, Expect::Absent)).unwrap();
    assert_eq!(buffer.unstaged(&catalog)[&ShardId(0)].len(), 1);
    assert!(buffer.unstaged(&catalog).is_empty(), "nothing new to stage");
    buffer.add(&catalog, delete(1, Expect::Any)).unwrap();
    let again = buffer.unstaged(&catalog);
    assert!(matches!(again[&ShardId(0)][0].op, WriteOp::Delete));
    assert!(buffer.into_parts(&catalog).is_empty());
}

#[test]
fn transaction_size_is_bounded() {
    let catalog = Catalog::empty(1);
    let mut buffer = Buffer::default();
    let row: Arc<[u8]> = vec![0; TXN_BYTES_MAX].into();
    let write =
        Write { table: TableId(1), key: key(1), op: WriteOp::Put(row), expect: Expect::Any };
    assert!(matches!(buffer.add(&catalog, write), Err(Error::TooLarge(_))));
}

/// One step of a transaction with savepoints, over few keys so that they meet.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    /// Adds the mirror, or removes the one that was added.
    Mirror(u8, u8),
    Stage,
    Mark,
    /// Releases the newest mark.
    Release,
    /// Goes back to one of the marks, and releases those after it.
    Back(usize),
}

fn steps() -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    use proptest::prelude::*;
    let step = prop_oneof![
        (0..4u8, 0..9u8).prop_map(|(key, row)| Step::Put(key, row)),
        (0..4u8).prop_map(Step::Delete),
        (0..2u8, 0..2u8).prop_map(|(edge, target)| Step::Mirror(edge, target)),
        Just(Step::Stage),
        Just(Step::Mark),
        Just(Step::Release),
        (0..3usize).prop_map(Step::Back),
    ];
    proptest::collection::vec(step, 0..40)
}

/// Whether a record is there after these writes. The first two are from the beginning.
fn exists(written: &[Write], byte: u8) -> bool {
    let last = written
        .iter()
        .rev()
        .find(|write| Place::of(write) == Place::of(&delete(byte, write.expect)));
    last.map_or(byte < 2, |write| matches!(write.op, WriteOp::Put(_)))
}

/// Whether a mirror is there after these writes.
fn is_mirrored(written: &[Write], edge: u8, target: u8) -> bool {
    let place = Place::of(&mirror(edge, target, true));
    let last = written.iter().rev().find(|write| Place::of(write) == place);
    last.is_some_and(|write| matches!(write.op, WriteOp::Mirror { present: true, .. }))
}

/// The buffer a transaction would have that had only ever written these.
fn rebuilt(catalog: &Catalog, writes: &[Write]) -> Buffer {
    let mut buffer = Buffer::default();
    writes.iter().for_each(|write| drop(buffer.add(catalog, write.clone())));
    buffer
}

proptest::proptest! {
    #[test]
    fn going_back_is_as_if_the_rest_had_never_been_written(steps in steps()) {
        let catalog = Catalog::empty(2);
        let old = Expect::Version(Timestamp(7));
        let mut buffer = Buffer::default();
        let mut written: Vec<Write> = Vec::new();
        let mut marks: Vec<(Mark, usize)> = Vec::new();
        for step in steps {
            let write = match step {
                Step::Put(key, row) if exists(&written, key) => put(key, row, old),
                Step::Put(key, row) => put(key, row, Expect::Absent),
                Step::Delete(key) if exists(&written, key) => delete(key, old),
                Step::Delete(_) => continue,
                Step::Mirror(edge, target) => {
                    mirror(edge, target, !is_mirrored(&written, edge, target))
                }
                Step::Stage => {
                    drop(buffer.unstaged(&catalog));
                    continue;
                }
                Step::Mark => {
                    marks.push((buffer.mark(), written.len()));
                    continue;
                }
                Step::Release => {
                    if marks.pop().is_some() {
                        buffer.release();
                    }
                    continue;
                }
                Step::Back(depth) => {
                    let Some(position) = marks.len().checked_sub(depth + 1) else { continue };
                    marks.drain(position + 1..).for_each(|_| buffer.release());
                    let (mark, count) = marks[position];
                    buffer.back_to(mark);
                    written.truncate(count);
                    continue;
                }
            };
            buffer.add(&catalog, write.clone()).unwrap();
            written.push(write);
        }
        let expected = rebuilt(&catalog, &written);
        proptest::prop_assert_eq!(buffer.bytes(), expected.bytes());
        let shown = |buffer: Buffer| {
            let parts = buffer.into_parts(&catalog);
            let mut shown: Vec<String> =
                parts.into_values().flatten().map(|write| format!("{write:?}")).collect();
            shown.sort();
            shown
        };
        proptest::prop_assert_eq!(shown(buffer), shown(expected));
    }
}

#[test]
fn after_going_back_everything_left_is_staged_anew() {
    let catalog = Catalog::empty(1);
    let mut buffer = Buffer::default();
    buffer.add(&catalog, put(1, 5, Expect::Absent)).unwrap();
    let mark = buffer.mark();
    buffer.add(&catalog, put(1, 6, Expect::Any)).unwrap();
    buffer.add(&catalog, put(2, 7, Expect::Absent)).unwrap();
    assert_eq!(buffer.unstaged(&catalog)[&ShardId(0)].len(), 2);
    buffer.back_to(mark);
    let again = buffer.unstaged(&catalog);
    let [write] = again[&ShardId(0)].as_slice() else { panic!("{again:?}") };
    assert!(matches!(&write.op, WriteOp::Put(row) if row[0] == 5));
    assert_eq!(write.expect, Expect::Absent, "the owner checks the first condition again");
}
