//! Which records changed lately?
//!
//! Asked when a transaction that has searched commits: only what changed after its snapshot can
//! have changed what it found.

use std::collections::VecDeque;

use crate::ids::{RecordId, Timestamp};

/// Changes of one table in about the order of their commits.
#[derive(Debug, Default)]
pub(super) struct Recent {
    changes: VecDeque<Change>,
    highest: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    at: Timestamp,
    /// The latest of this change and all before it: commits of several shards are applied a
    /// little out of order, and these are sorted.
    highest: Timestamp,
    id: RecordId,
}

impl Recent {
    /// Notes that a record changed.
    pub fn note(&mut self, at: Timestamp, id: RecordId) {
        self.highest = self.highest.max(at);
        self.changes.push_back(Change { at, highest: self.highest, id });
    }

    /// Returns the records that changed after the snapshot, each once.
    ///
    /// **Cost**: a binary search, then the changes since.
    pub fn since(&self, snapshot: Timestamp) -> Vec<RecordId> {
        let first = self.changes.partition_point(|change| change.highest <= snapshot);
        let since = self.changes.range(first..).filter(|change| change.at > snapshot);
        let mut ids: Vec<RecordId> = since.map(|change| change.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Forgets what every snapshot, present and future, shows already.
    pub fn collect(&mut self, watermark: Timestamp) {
        let first = self.changes.partition_point(|change| change.highest <= watermark);
        self.changes.drain(..first);
    }

    /// Returns an estimate of the bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.changes.capacity() * size_of::<Change>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_a_little_out_of_order() {
        let mut recent = Recent::default();
        for (at, id) in [(3, 1), (7, 2), (5, 3), (8, 2), (9, 4)] {
            recent.note(Timestamp(at), RecordId(id));
        }
        let since = |recent: &Recent, snapshot| {
            recent.since(Timestamp(snapshot)).iter().map(|id| id.0).collect::<Vec<_>>()
        };
        assert_eq!(since(&recent, 0), [1, 2, 3, 4]);
        assert_eq!(since(&recent, 5), [2, 4]);
        assert_eq!(since(&recent, 9), [] as [u32; 0]);
        recent.collect(Timestamp(7));
        assert_eq!(since(&recent, 7), [2, 4]);
    }
}
