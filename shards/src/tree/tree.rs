//! How do memory and runs act as one ordered map with versions?

use std::rc::Rc;
use std::sync::Arc;

use pieskieo_io::wal::Lsn;

use super::cache::Reach;
use super::erased::{Erasure, Erasures};
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
    erased: Erasures,
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
            erased: Erasures::default(),
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

    /// Says that all keys of a range are gone, from then on; `false` when that is known.
    pub fn erase(&mut self, erasure: Erasure) -> bool {
        self.erased.add(erasure)
    }

    /// Returns the ranges of keys that were emptied, as far as that still hides something.
    pub fn erasures(&self) -> impl Iterator<Item = &Erasure> {
        self.erased.all()
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
        let found = self.get_written(reach, key, snapshot)?;
        Ok(found.map(|found| match self.erased.hides(key, found.begin, snapshot) {
            Some(begin) => Found { begin, row: None },
            None => found,
        }))
    }

    fn get_written(
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
        let erased = self.erased.hides(key, version.begin, Timestamp::MAX);
        Some(erased.map_or_else(|| (version.begin, version.row.clone()), |begin| (begin, None)))
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
    ///
    /// `log_end` is the last record of the log.
    pub fn freeze(&mut self, log_end: Lsn) -> Option<Rc<Memory>> {
        if self.frozen.is_none() {
            let memory = std::mem::take(&mut self.memory);
            self.erased.froze(memory.is_empty(), log_end);
            self.frozen = (!memory.is_empty()).then(|| Rc::new(memory));
        }
        self.frozen.clone()
    }

    /// Replaces what was frozen by the runs it was written to, with what was erased up to then left
    /// out.
    pub fn flushed(&mut self, runs: Vec<Rc<Run>>, upto: Timestamp) {
        self.frozen = None;
        self.erased.flushed();
        runs.iter().for_each(|run| self.erased.wrote(run, upto));
        let added = runs.into_iter().map(|run| (0, run)).collect();
        self.levels = self.levels.edited(&[], added);
        self.retire();
    }

    /// Returns the ranges with regard to which runs may be written that forget up to a time, and up
    /// to when these are all there are.
    pub fn regarded(&self, upto: Timestamp) -> (Timestamp, Vec<Erasure>) {
        self.erased.regarded(upto)
    }

    /// Notes that the log is replayed from behind a record on, over what a checkpoint says, which
    /// names these ranges.
    pub fn checkpointed(&mut self, lsn: Lsn, named: &[&Erasure]) {
        self.erased.checkpointed(lsn, named);
        self.retire();
    }

    /// Returns whether what was emptied makes a checkpoint worth its while.
    pub fn wants_checkpoint(&self, horizon: Timestamp) -> bool {
        self.erased.want_checkpoint(horizon)
    }

    /// Returns whether what is written to a key at a time is hidden by what came later.
    pub fn is_erased(&self, key: &[u8], begin: Timestamp) -> bool {
        self.erased.hides(key, begin, Timestamp::MAX).is_some()
    }

    fn retire(&mut self) {
        if !self.erased.is_empty() {
            let runs: Vec<&Run> = self.levels.runs().map(|(_, run)| &**run).collect();
            self.erased.retire(&runs);
        }
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
    pub fn plan(&mut self, level_bytes: u64, horizon: Timestamp) -> Option<Plan> {
        if self.levels.is_damaged() {
            return None;
        }
        let due = self.levels.plan(&mut self.cursor, level_bytes);
        if due.is_some() || self.erased.is_empty() {
            return due;
        }
        self.levels.plan_of(|run| self.erased.wants_rewritten(run, horizon))
    }

    /// Replaces the inputs of a merge by its result, in which what was erased up to then is left
    /// out.
    pub fn merged(&mut self, plan: &Plan, runs: Vec<Rc<Run>>, upto: Timestamp) {
        runs.iter().for_each(|run| self.erased.wrote(run, upto));
        let removed: Vec<Rc<Run>> = plan.inputs.iter().flatten().cloned().collect();
        let added = runs.into_iter().map(|run| (plan.level, run)).collect();
        self.levels = self.levels.edited(&removed, added);
        self.retire();
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(super) fn frozen(&self) -> Option<&Memory> {
        self.frozen.as_deref()
    }

    pub(super) fn erased(&self) -> &Erasures {
        &self.erased
    }
}
