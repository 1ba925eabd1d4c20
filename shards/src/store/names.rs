//! Which number has a record in the indexes that stay in memory?
//!
//! Vector and text indexes know records by small numbers. A table that has such an index gives
//! each of its keys one; it is used again when the record is gone and no index mentions it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::ids::{RecordId, Timestamp};

/// Fixed seeds: equal runs take equal steps.
const HASH_SEEDS: (u64, u64, u64, u64) = (0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344);

/// The numbers of one table's keys.
pub(super) struct Names {
    ids: HashMap<Arc<[u8]>, RecordId, ahash::RandomState>,
    keys: Vec<Name>,
    free: Vec<RecordId>,
    /// Records that were deleted, in order of that.
    ended: VecDeque<(Timestamp, RecordId)>,
    key_bytes: usize,
}

struct Name {
    key: Arc<[u8]>,
    /// When the record was deleted.
    end: Timestamp,
}

impl Default for Names {
    fn default() -> Self {
        let (a, b, c, d) = HASH_SEEDS;
        Self {
            ids: HashMap::with_hasher(ahash::RandomState::with_seeds(a, b, c, d)),
            keys: Vec::new(),
            free: Vec::new(),
            ended: VecDeque::new(),
            key_bytes: 0,
        }
    }
}

impl Names {
    /// Returns the number of a record that is written.
    pub fn intern(&mut self, key: &Arc<[u8]>) -> RecordId {
        if let Some(id) = self.ids.get(key) {
            self.keys[id.0 as usize].end = Timestamp::MAX;
            return *id;
        }
        let name = Name { key: key.clone(), end: Timestamp::MAX };
        self.key_bytes += key.len();
        let id = match self.free.pop() {
            Some(id) => {
                self.keys[id.0 as usize] = name;
                id
            }
            None => {
                assert!(self.keys.len() < u32::MAX as usize, "a table has below 2^32 numbers");
                self.keys.push(name);
                RecordId(self.keys.len() as u32 - 1)
            }
        };
        self.ids.insert(key.clone(), id);
        id
    }

    /// Returns the number of a key.
    pub fn find(&self, key: &[u8]) -> Option<RecordId> {
        self.ids.get(key).copied()
    }

    /// Returns the key with this number.
    pub fn key(&self, id: RecordId) -> &Arc<[u8]> {
        &self.keys[id.0 as usize].key
    }

    /// Notes that a record was deleted.
    pub fn end(&mut self, id: RecordId, at: Timestamp) {
        self.keys[id.0 as usize].end = at;
        self.ended.push_back((at, id));
    }

    /// Gives back the numbers of records that were deleted at or before the watermark. The indexes
    /// must have forgotten them.
    pub fn collect(&mut self, watermark: Timestamp) {
        while let Some((at, id)) = self.ended.front().copied() {
            if at > watermark {
                break;
            }
            self.ended.pop_front();
            let name = &mut self.keys[id.0 as usize];
            // Written again meanwhile, or deleted again: another entry speaks of that.
            if name.end == at {
                self.key_bytes -= name.key.len();
                self.ids.remove(&name.key);
                name.key = Arc::from([]);
                name.end = Timestamp::MAX;
                self.free.push(id);
            }
        }
    }

    /// Returns an estimate of the bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        // A key has two counters, an entry in the map at 7/8 load and one in the list.
        self.key_bytes + self.ids.len() * (16 + 28) + self.keys.capacity() * size_of::<Name>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_only_when_their_records_are_gone() {
        let key = |byte: u8| Arc::<[u8]>::from([byte]);
        let mut names = Names::default();
        let (a, b) = (names.intern(&key(1)), names.intern(&key(2)));
        assert_ne!(a, b);
        names.end(a, Timestamp(5));
        names.collect(Timestamp(4));
        assert_eq!(names.intern(&key(1)), a, "not collected yet");
        names.collect(Timestamp(9));
        assert_eq!(names.find(&[1]), Some(a), "written again");
        names.end(a, Timestamp(10));
        names.collect(Timestamp(10));
        assert_eq!(names.find(&[1]), None);
        assert_eq!(names.intern(&key(3)), a);
        assert_eq!(&**names.key(a), [3]);
    }
}
