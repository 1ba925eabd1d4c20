//! How do memory and runs act as one ordered map with versions?

use std::rc::Rc;
use std::sync::Arc;

use super::cache::Reach;
use super::filter::hash_of;
use super::levels::{Levels, Plan};
use super::limits::LEVELS_MAX;
use super::memory::{Memory, Version};
use super::run::Run;
use super::version::{Found, Held};
use crate::error::Error;
use crate::ids::Timestamp;
use crate::row::RowLayout;

/// An ordered map from keys to rows, in versions.
pub(crate) struct Tree {
    layout: Rc<RowLayout>,
    memory: Memory,
    /// What is being written to a run.
    frozen: Option<Rc<Memory>>,
    levels: Levels,
    /// Where in each level the last merge took its run.
    cursor: [Vec<u8>; LEVELS_MAX],
}

impl Tree {
    /// Makes an empty tree of rows of this layout.
    pub fn open(layout: RowLayout) -> Self {
        Self {
            layout: Rc::new(layout),
            memory: Memory::default(),
            frozen: None,
            levels: Levels::default(),
            cursor: Default::default(),
        }
    }

    /// Returns the layout of the rows.
    pub fn layout(&self) -> &Rc<RowLayout> {
        &self.layout
    }

    /// Changes the layout, to one with columns added.
    pub fn set_layout(&mut self, layout: RowLayout) {
        self.layout = Rc::new(layout);
    }

    /// Writes a row, from `begin` on.
    pub fn put(&mut self, key: &[u8], begin: Timestamp, row: Arc<[u8]>) {
        self.memory.insert(key, Version { begin, row: Some(row) });
    }

    /// Says that a key is gone, from `begin` on.
    pub fn delete(&mut self, key: &[u8], begin: Timestamp) {
        self.memory.insert(key, Version { begin, row: None });
    }

    /// Returns the version of a key that a snapshot sees, deletions included.
    ///
    /// **Cost**: a look-up in memory; for a key that is not there, a filter per level and a group
    /// where the key may be.
    /// **Errors**: `NotLoaded`.
    pub fn get(
        &self,
        reach: Reach<'_>,
        key: &[u8],
        snapshot: Timestamp,
    ) -> Result<Option<Found>, Error> {
        for memory in std::iter::once(&self.memory).chain(self.frozen()) {
            if let Some(version) = memory.get(key, snapshot) {
                let row = version.row.clone().map(Held::Bytes);
                return Ok(Some(Found { begin: version.begin, row }));
            }
        }
        if self.levels.is_empty() {
            return Ok(None);
        }
        let hash = hash_of(key);
        for run in self.levels.overlapping() {
            if let Some(found) = run.get(reach, key, hash, snapshot)? {
                return Ok(Some(found));
            }
        }
        for runs in self.levels.sorted() {
            let at = runs.partition_point(|run| run.facts.last.as_slice() < key);
            if let Some(run) = runs.get(at)
                && let Some(found) = run.get(reach, key, hash, snapshot)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Returns the newest version of a key if it was written lately: since when it holds, and its
    /// row.
    pub fn hot(&self, key: &[u8]) -> Option<(Timestamp, Option<Arc<[u8]>>)> {
        let version = self.memory.get(key, Timestamp::MAX)?;
        Some((version.begin, version.row.clone()))
    }

    /// Returns whether nothing was ever written, as far as is still known.
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.frozen.is_none() && self.levels.is_empty()
    }

    /// Returns the runs.
    pub fn levels(&self) -> &Levels {
        &self.levels
    }

    /// Returns the bytes in memory of runs, without groups in the cache.
    pub fn memory_bytes_runs(&self) -> usize {
        self.levels.runs().map(|(_, run)| run.memory_bytes()).sum()
    }

    /// Returns the bytes of versions that are not in a run yet.
    pub fn memory_bytes_hot(&self) -> usize {
        self.memory.bytes() + self.frozen.as_ref().map_or(0, |frozen| frozen.bytes())
    }

    /// Returns how many keys in memory have versions that may be dropped one day.
    pub fn stale(&self) -> usize {
        self.memory.stale()
    }

    /// Drops versions in memory that no snapshot at or after the watermark sees, until `budget`
    /// says to stop. Returns whether there is more to do.
    pub fn collect(&mut self, watermark: Timestamp, budget: &mut dyn FnMut() -> bool) -> bool {
        let is_all = self.frozen.is_none() && self.levels.is_empty();
        self.memory.collect(watermark, is_all, budget)
    }

    /// Puts what is in memory aside to be written to a run; later writes do not touch it. Returns
    /// `None` when there is nothing. What was put aside before stays until [`Tree::flushed`].
    pub fn freeze(&mut self) -> Option<Rc<Memory>> {
        if self.frozen.is_none() && !self.memory.is_empty() {
            self.frozen = Some(Rc::new(std::mem::take(&mut self.memory)));
        }
        self.frozen.clone()
    }

    /// Replaces what was frozen by the runs it was written to.
    pub fn flushed(&mut self, runs: Vec<Rc<Run>>) {
        self.frozen = None;
        let added = runs.into_iter().map(|run| (0, run)).collect();
        self.levels = self.levels.edited(&[], added);
    }

    /// Takes over the runs the manifest names.
    pub fn restore(&mut self, runs: Vec<(usize, Rc<Run>)>) {
        self.levels = self.levels.edited(&[], runs);
    }

    /// Returns the end behind `after` of the first keys that were found to be damaged.
    pub fn damage_behind(&self, after: Option<&[u8]>) -> Option<Vec<u8>> {
        let ends = self.levels.runs().filter_map(|(_, run)| run.damage_behind(after));
        ends.min().map(<[u8]>::to_vec)
    }

    /// Returns the most urgent merge, if one is due. The runs of a damaged tree stay as they are.
    pub fn plan(&mut self, level_bytes: u64) -> Option<Plan> {
        if self.levels.is_damaged() {
            return None;
        }
        self.levels.plan(&mut self.cursor, level_bytes)
    }

    /// Replaces the inputs of a merge by its result.
    pub fn merged(&mut self, plan: &Plan, runs: Vec<Rc<Run>>) {
        let removed: Vec<Rc<Run>> = plan.inputs.iter().flatten().cloned().collect();
        let added = runs.into_iter().map(|run| (plan.level, run)).collect();
        self.levels = self.levels.edited(&removed, added);
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(super) fn frozen(&self) -> Option<&Memory> {
        self.frozen.as_deref()
    }
}
