//! Which ranges of keys were emptied at once, and since when?
//!
//! Deleting a range leaves one mark instead of a deletion for each key: whatever lies in the range
//! and is older is hidden from every snapshot at or after it. Versions that no snapshot sees for
//! this reason are left out when a run is written; a run that was written without regard to a mark
//! is written again. Only marks count there that a checkpoint names: what a checkpoint counts as a
//! record must not be gone while the log is replayed. When no run can hold anything that a mark hides, and the log that says so is
//! not replayed any more, the mark goes.

use std::collections::{HashMap, HashSet};

use pieskieo_io::wal::Lsn;

use super::group::Group;
use super::run::Run;
use crate::ids::Timestamp;

/// A range of keys that was emptied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Erasure {
    /// The first key.
    pub from: Vec<u8>,
    /// The first key behind it; `None` = there is none.
    pub to: Option<Vec<u8>>,
    /// Since when.
    pub begin: Timestamp,
}

/// The marks of a tree.
#[derive(Default)]
pub(super) struct Erasures {
    marks: Vec<Mark>,
    /// By run: up to which timestamp marks were regarded when it was written. Runs that are not
    /// here were opened by this process.
    regarded: HashMap<u64, Timestamp, ahash::RandomState>,
    /// Whether a mark went that the last checkpoint names.
    has_retired: bool,
}

struct Mark {
    erasure: Erasure,
    memory: InMemory,
    /// A place in the log that is not before its record; unknown at first.
    logged: Option<Lsn>,
    /// Whether a checkpoint names it.
    is_named: bool,
    /// Whether a checkpoint contains its record: it is not replayed any more.
    is_contained: bool,
}

/// Where in memory versions may be that a mark hides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InMemory {
    Anywhere,
    Frozen,
    Nowhere,
}

impl Erasure {
    /// Returns whether a key is in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.from.as_slice() <= key && self.is_before_end(key)
    }

    fn is_before_end(&self, key: &[u8]) -> bool {
        self.to.as_deref().is_none_or(|to| key < to)
    }

    /// Returns whether a version of a key is hidden from a snapshot.
    fn hides(&self, key: &[u8], begin: Timestamp, snapshot: Timestamp) -> bool {
        begin < self.begin && self.begin <= snapshot && self.contains(key)
    }

    fn overlaps(&self, first: &[u8], last: &[u8]) -> bool {
        self.from.as_slice() <= last && self.is_before_end(first)
    }

    /// Returns whether all of a run is hidden from snapshots at or after the mark.
    pub fn covers(&self, run: &Run) -> bool {
        let facts = &run.facts;
        facts.newest < self.begin && self.contains(&facts.first) && self.contains(&facts.last)
    }
}

/// Returns since when a version is hidden from a snapshot by one of these marks, if it is.
pub(super) fn hidden_since<'e>(
    mut erasures: impl Iterator<Item = &'e Erasure>,
    key: &[u8],
    begin: Timestamp,
    snapshot: Timestamp,
) -> Option<Timestamp> {
    // With several, a snapshot between them is still told apart by the first that hides it.
    let first = erasures.find(|erasure| erasure.hides(key, begin, snapshot))?.begin;
    let others = erasures.filter(|erasure| erasure.hides(key, begin, snapshot));
    Some(others.map(|erasure| erasure.begin).fold(first, Timestamp::max))
}

impl Erasures {
    /// Adds a mark; `false` when it is there already.
    pub fn add(&mut self, erasure: Erasure) -> bool {
        if self.all().any(|known| *known == erasure) {
            return false;
        }
        let memory = InMemory::Anywhere;
        self.marks.push(Mark {
            erasure,
            memory,
            logged: None,
            is_named: false,
            is_contained: false,
        });
        true
    }

    pub fn all(&self) -> impl Iterator<Item = &Erasure> {
        self.marks.iter().map(|mark| &mark.erasure)
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Returns since when a version is hidden from a snapshot, if it is.
    #[inline]
    pub fn hides(&self, key: &[u8], begin: Timestamp, snapshot: Timestamp) -> Option<Timestamp> {
        if self.is_empty() {
            return None;
        }
        hidden_since(self.all(), key, begin, snapshot)
    }

    /// Returns whether some version of a group may be hidden from a snapshot.
    #[inline]
    pub fn may_hide_in(&self, group: &Group, snapshot: Timestamp) -> bool {
        if self.is_empty() {
            return false;
        }
        let (mut first, mut last) = (Vec::new(), Vec::new());
        group.key_into(0, &mut first);
        group.key_into(group.rows() - 1, &mut last);
        self.all().any(|erasure| erasure.begin <= snapshot && erasure.overlaps(&first, &last))
    }

    /// Returns whether every version of a group is hidden from a snapshot.
    pub fn hide_all_of(&self, group: &Group, snapshot: Timestamp) -> bool {
        let (mut first, mut last) = (Vec::new(), Vec::new());
        group.key_into(0, &mut first);
        group.key_into(group.rows() - 1, &mut last);
        let hides = |erasure: &Erasure| {
            let newest = group.newest();
            erasure.hides(&first, newest, snapshot) && erasure.hides(&last, newest, snapshot)
        };
        self.all().any(hides)
    }

    /// Returns a mark that hides all of a group of a run from a snapshot, as far as that is known
    /// without reading it: one that is younger than the whole run.
    pub fn over(&self, run: &Run, group: u32, snapshot: Timestamp) -> Option<&Erasure> {
        let is_over = |erasure: &&Erasure| {
            let is_younger = run.facts.newest < erasure.begin && erasure.begin <= snapshot;
            is_younger && run.is_within(group, erasure)
        };
        self.all().find(is_over)
    }

    /// Notes that what is in memory is put aside, to be written. `is_nothing`: there is nothing.
    /// `log_end`: the last record of the log.
    pub fn froze(&mut self, is_nothing: bool, log_end: Lsn) {
        let next = if is_nothing { InMemory::Nowhere } else { InMemory::Frozen };
        for mark in self.marks.iter_mut().filter(|mark| mark.memory == InMemory::Anywhere) {
            mark.memory = next;
            mark.logged = Some(log_end);
        }
    }

    /// Notes that the log is replayed from behind a record on, over what a checkpoint says, which
    /// names these marks.
    pub fn checkpointed(&mut self, lsn: Lsn, named: &[&Erasure]) {
        let is_there = |named: &&Erasure| self.marks.iter().any(|mark| mark.erasure == **named);
        self.has_retired = !named.iter().all(is_there);
        for mark in &mut self.marks {
            mark.is_named |= named.contains(&&mark.erasure);
            mark.is_contained |= mark.logged.is_some_and(|logged| logged <= lsn);
        }
    }

    /// Returns the marks at or before a time that a run may be written with, and up to when these
    /// are all there are.
    pub fn regarded(&self, upto: Timestamp) -> (Timestamp, Vec<Erasure>) {
        let unnamed = self.marks.iter().filter(|mark| !mark.is_named);
        let upto =
            unnamed.map(|mark| Timestamp(mark.erasure.begin.0 - 1)).fold(upto, Timestamp::min);
        let seen = self.all().filter(|erasure| erasure.begin <= upto);
        (upto, seen.cloned().collect())
    }

    /// Notes that what was put aside is in runs.
    pub fn flushed(&mut self) {
        for mark in self.marks.iter_mut().filter(|mark| mark.memory == InMemory::Frozen) {
            mark.memory = InMemory::Nowhere;
        }
    }

    /// Notes up to which timestamp marks were regarded when a run was written.
    pub fn wrote(&mut self, run: &Run, upto: Timestamp) {
        self.regarded.insert(run.id().0, upto);
    }

    fn is_regarded(&self, erasure: &Erasure, run: &Run) -> bool {
        let upto = self.regarded.get(&run.id().0);
        upto.is_some_and(|upto| erasure.begin <= *upto)
            || !erasure.overlaps(&run.facts.first, &run.facts.last)
    }

    /// Returns whether a checkpoint would let marks at or before the horizon count in merges, or
    /// forget marks that went.
    pub fn want_checkpoint(&self, horizon: Timestamp) -> bool {
        let is_wanted = |mark: &Mark| !mark.is_named && mark.erasure.begin <= horizon;
        self.has_retired || self.marks.iter().any(is_wanted)
    }

    /// Returns whether a run may hold what a mark hides that everybody sees: one at or before the
    /// horizon.
    pub fn wants_rewritten(&self, run: &Run, horizon: Timestamp) -> bool {
        let (_, seen) = self.regarded(horizon);
        seen.iter().any(|erasure| !self.is_regarded(erasure, run))
    }

    /// Forgets the marks that hide nothing any more, given all runs.
    pub fn retire(&mut self, runs: &[&Run]) {
        let mut marks = std::mem::take(&mut self.marks);
        let before = marks.len();
        marks.retain(|mark| {
            mark.memory != InMemory::Nowhere
                || !mark.is_contained
                || !runs.iter().all(|run| self.is_regarded(&mark.erasure, run))
        });
        self.has_retired |= marks.len() < before;
        self.marks = marks;
        let there: HashSet<u64> = runs.iter().map(|run| run.id().0).collect();
        self.regarded.retain(|run, _| there.contains(run));
    }
}
