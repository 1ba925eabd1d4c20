//! Which versions were written lately?
//!
//! An ordered map from key to its versions, newest last: a key that is written again and again
//! while its past is kept grows at the end. Versions that nobody can see any more are dropped here,
//! as long as nothing older lies below; what has been frozen does not change.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::ids::Timestamp;
use crate::key::MapKey;

/// One version in memory.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Since when it holds.
    pub begin: Timestamp,
    /// Its row; `None` = the key is gone.
    pub row: Option<Arc<[u8]>>,
}

/// The versions of one key, newest last; never empty.
pub(super) type Chain = SmallVec<[Version; 1]>;

/// Versions in memory, by key.
#[derive(Default)]
pub(crate) struct Memory {
    pub(super) chains: BTreeMap<MapKey, Chain>,
    /// Keys with a version that was replaced or is a deletion, by the time that happened.
    stale: VecDeque<(Timestamp, MapKey)>,
    bytes: usize,
}

/// Per key: the map's slot of 72 bytes at three quarters, allocator overhead.
const KEY_BYTES: usize = 112;
/// Per version beyond the first: its place in the list, the head of its row.
const VERSION_BYTES: usize = 40;

impl Memory {
    /// Adds a version. One with the same begin is replaced.
    pub fn insert(&mut self, key: &[u8], version: Version) {
        let row_bytes = version.row.as_ref().map_or(0, |row| row.len());
        let is_deletion = version.row.is_none();
        let begin = version.begin;
        if let Some(chain) = self.chains.get_mut(key) {
            let at = chain.partition_point(|old| old.begin < begin);
            match chain.get_mut(at) {
                Some(old) if old.begin == begin => {
                    self.bytes -= old.row.as_ref().map_or(0, |row| row.len());
                    *old = version;
                }
                _ => {
                    chain.insert(at, version);
                    self.bytes += VERSION_BYTES;
                }
            }
            self.stale.push_back((begin, MapKey::from_slice(key)));
        } else {
            let key = MapKey::from_slice(key);
            if is_deletion {
                self.stale.push_back((begin, key.clone()));
            }
            self.bytes += KEY_BYTES + key.len();
            self.chains.insert(key, SmallVec::from_elem(version, 1));
        }
        self.bytes += row_bytes;
    }

    /// Returns the version of a key that a snapshot sees, deletions included.
    #[inline]
    pub fn get(&self, key: &[u8], snapshot: Timestamp) -> Option<&Version> {
        version_at(self.chains.get(key)?, snapshot)
    }

    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    pub fn bytes(&self) -> usize {
        self.bytes + self.stale.len() * size_of::<(Timestamp, MapKey)>()
    }

    /// Returns how many keys have versions that may be dropped one day.
    pub fn stale(&self) -> usize {
        self.stale.len()
    }

    /// Drops versions that no snapshot at or after the watermark sees, until `budget` says to
    /// stop; returns whether there is more to do. `is_all`: nothing older lies anywhere else, so a
    /// deletion at or below the watermark says nothing.
    pub fn collect(
        &mut self,
        watermark: Timestamp,
        is_all: bool,
        budget: &mut dyn FnMut() -> bool,
    ) -> bool {
        while self.stale.front().is_some_and(|(at, _)| *at <= watermark) {
            if !budget() {
                return true;
            }
            let Some((_, key)) = self.stale.pop_front() else { break };
            self.collect_key(&key, watermark, is_all);
        }
        false
    }

    fn collect_key(&mut self, key: &MapKey, watermark: Timestamp, is_all: bool) {
        let Some(chain) = self.chains.get_mut(key) else { return };
        let seen = chain.partition_point(|version| version.begin <= watermark);
        let Some(kept) = seen.checked_sub(1) else { return };
        for dropped in chain.drain(..kept) {
            self.bytes -= VERSION_BYTES + dropped.row.map_or(0, |row| row.len());
        }
        if is_all && chain.len() == 1 && chain[0].row.is_none() {
            self.chains.remove(key);
            self.bytes -= KEY_BYTES + key.len();
        }
    }
}

/// Returns the version of a chain that a snapshot sees.
///
/// **Cost**: one look for the newest, a binary search for an older one.
pub(super) fn version_at(chain: &Chain, snapshot: Timestamp) -> Option<&Version> {
    let newest = chain.last()?;
    if newest.begin <= snapshot {
        return Some(newest);
    }
    let seen = chain.partition_point(|version| version.begin <= snapshot);
    chain.get(seen.checked_sub(1)?)
}
