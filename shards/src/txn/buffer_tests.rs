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
