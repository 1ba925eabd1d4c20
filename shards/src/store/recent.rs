//! Which records changed lately, and from what to what?
//!
//! Asked when a transaction commits: only what changed after its snapshot can have changed what it
//! read. The rows are those the tree holds, so that remembering them costs a pointer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::ids::Timestamp;
use crate::tree::Erasure;

/// Changes of one table in about the order of their commits.
#[derive(Default)]
pub(super) struct Recent {
    changes: VecDeque<Change>,
    latest: HashMap<Arc<[u8]>, Timestamp, ahash::RandomState>,
    highest: Timestamp,
    /// Ranges that were emptied.
    erasures: Vec<Erasure>,
}

/// One change of a record.
pub(super) struct Change {
    /// When.
    pub at: Timestamp,
    /// The latest of this change and all before it: commits of several shards are applied a
    /// little out of order, and these are sorted.
    highest: Timestamp,
    /// The record.
    pub key: Arc<[u8]>,
    /// What it was, and since when.
    pub old: Option<(Timestamp, Arc<[u8]>)>,
    /// What it became.
    pub new: Option<Arc<[u8]>>,
}

impl Recent {
    /// Notes that a record changed.
    pub fn note(
        &mut self,
        at: Timestamp,
        key: Arc<[u8]>,
        old: Option<(Timestamp, Arc<[u8]>)>,
        new: Option<Arc<[u8]>>,
    ) {
        self.highest = self.highest.max(at);
        self.latest.insert(key.clone(), at);
        self.changes.push_back(Change { at, highest: self.highest, key, old, new });
    }

    /// Notes that a range was emptied.
    pub fn note_erasure(&mut self, erasure: Erasure) {
        self.erasures.push(erasure);
    }

    /// Returns when a range was last emptied after the snapshot, if one was.
    pub fn erased_since(&self, snapshot: Timestamp) -> Option<Timestamp> {
        let begins = self.erasures.iter().map(|erasure| erasure.begin);
        begins.max().filter(|begin| *begin > snapshot)
    }

    /// Returns who changed something between two keys after the snapshot, if anybody did.
    ///
    /// **Cost**: looks at all changes since the snapshot.
    pub fn changed_between(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        snapshot: Timestamp,
    ) -> Option<Timestamp> {
        let is_within = |key: &[u8]| from <= key && to.is_none_or(|to| key < to);
        let changed = self.since(snapshot).find(|change| is_within(&change.key));
        changed.map(|change| change.at).or_else(|| self.erased_since(snapshot))
    }

    /// Returns the changes after the snapshot.
    ///
    /// **Cost**: a binary search, then the changes since.
    pub fn since(&self, snapshot: Timestamp) -> impl Iterator<Item = &Change> {
        let first = self.changes.partition_point(|change| change.highest <= snapshot);
        self.changes.range(first..).filter(move |change| change.at > snapshot)
    }

    /// Returns when a record last changed, if that is not long ago.
    pub fn changed(&self, key: &[u8]) -> Option<Timestamp> {
        let erased = self.erasures.iter().filter(|erasure| erasure.contains(key));
        let erased = erased.map(|erasure| erasure.begin).max();
        self.latest.get(key).copied().max(erased)
    }

    /// Returns all changes that are still known.
    pub fn all(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }

    /// Forgets what every snapshot, present and future, shows already.
    pub fn collect(&mut self, watermark: Timestamp) {
        self.erasures.retain(|erasure| erasure.begin > watermark);
        let first = self.changes.partition_point(|change| change.highest <= watermark);
        for change in self.changes.drain(..first) {
            if self.latest.get(&change.key) == Some(&change.at) {
                self.latest.remove(&change.key);
            }
        }
    }

    /// Returns an estimate of the bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        // Per key a place in the map at 7/8 load.
        self.changes.capacity() * size_of::<Change>() + self.latest.len() * 28
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_a_little_out_of_order() {
        let key = |id: u8| Arc::<[u8]>::from([id]);
        let mut recent = Recent::default();
        for (at, id) in [(3, 1), (7, 2), (5, 3), (8, 2), (9, 4)] {
            recent.note(Timestamp(at), key(id), None, None);
        }
        let since = |recent: &Recent, snapshot| {
            recent.since(Timestamp(snapshot)).map(|change| change.key[0]).collect::<Vec<_>>()
        };
        assert_eq!(since(&recent, 0), [1, 2, 3, 2, 4]);
        assert_eq!(since(&recent, 5), [2, 2, 4]);
        assert_eq!(since(&recent, 9), [] as [u8; 0]);
        assert_eq!(recent.changed(&[2]), Some(Timestamp(8)));
        recent.collect(Timestamp(7));
        assert_eq!(since(&recent, 7), [2, 4]);
        assert_eq!(recent.changed(&[1]), None);
        assert_eq!(recent.changed(&[2]), Some(Timestamp(8)));
    }
}
