//! Which keys are in a range at a snapshot, in order?
//!
//! Each source (memory, frozen memory, runs of level 0, levels below) gives, key by key, the
//! version the snapshot sees. The smallest key among them is next; where several sources have it,
//! the version with the latest begin counts, and a deletion hides the key. Where one group of a
//! run has keys all to itself it is passed on whole, so that its columns can be copied as they
//! lie.

use std::cmp::Ordering;
use std::collections::btree_map;
use std::rc::Rc;

use super::cache::Reach;
use super::erased::Erasures;
use super::group::Group;
use super::limits::READ_AHEAD_GROUPS;
use super::memory::{Chain, Memory, Version, version_at};
use super::run::Run;
use super::tree::Tree;
use super::version::Row;
use crate::error::Error;
use crate::ids::Timestamp;
use crate::key::{KeyRange, MapKey};
use crate::ordered::bounds;
use crate::request::Wanted;

/// What a scan finds.
pub(crate) enum Item<'a> {
    /// One key.
    One {
        /// The key.
        key: &'a [u8],
        /// Since when its row holds.
        begin: Timestamp,
        /// Its row.
        row: Row<'a>,
    },
    /// Neighbouring versions of a group, all of them shown.
    Span {
        /// The group.
        group: &'a Rc<Group>,
        /// The first.
        from: usize,
        /// Behind the last.
        to: usize,
    },
}

/// Takes a key, since when its row holds, and the row. Returns whether to go on.
pub(crate) type EachRow<'v, E> = dyn FnMut(&[u8], Timestamp, Row<'_>) -> Result<bool, E> + 'v;

impl Item<'_> {
    /// Visits every row, as long as `visit` says so; returns whether it was all.
    ///
    /// **Errors**: what `visit` reports.
    pub fn each<E>(&self, visit: &mut EachRow<'_, E>) -> Result<bool, E> {
        match self {
            Self::One { key, begin, row } => visit(key, *begin, *row),
            Self::Span { group, from, to } => {
                let mut key = Vec::new();
                for row in *from..*to {
                    group.key_into(row, &mut key);
                    if !visit(&key, group.begin(row), Row::Packed(group, row))? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }
}

/// Where a scan begins and what it sees.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    /// The keys.
    pub range: &'a KeyRange,
    /// Go on behind this key.
    pub after: Option<&'a [u8]>,
    /// The versions.
    pub snapshot: Timestamp,
    /// What rows that need not be shown lack.
    pub wanted: &'a [Wanted],
}

/// Takes what a scan finds. Returns how many more rows it has room for; 0 ends the scan.
pub(crate) type Visit<'v> = dyn FnMut(Item<'_>) -> Result<usize, Error> + 'v;

impl Tree {
    /// Visits what the window shows, in its order, as long as the visitor has room, which at the
    /// start is `room` rows. Returns whether the end was reached.
    ///
    /// **Errors**: `NotLoaded`, after everything before the missing group was visited; what the
    /// visitor reports.
    pub fn scan(
        &self,
        reach: Reach<'_>,
        window: Window<'_>,
        room: usize,
        visit: &mut Visit<'_>,
    ) -> Result<bool, Error> {
        let Some((from, to)) = bounds(window.range, window.after) else { return Ok(true) };
        if room == 0 {
            return Ok(false);
        }
        let is_back = window.range.descending;
        let snapshot = window.snapshot;
        let mut sources = Vec::with_capacity(6);
        for memory in self.memories() {
            let entries = memory.chains.range::<[u8], _>((from, to));
            let mut hot = Hot { entries, is_back, snapshot, at: None };
            hot.advance();
            if hot.at.is_some() {
                sources.push(Source::Hot(hot));
            }
        }
        let limits = Limits { from, to };
        let zero = self.levels().overlapping().iter().map(std::slice::from_ref);
        for runs in zero.chain(self.levels().sorted()) {
            let mut cold = Cold::new(runs, (reach, self.erased()), limits, is_back, snapshot);
            cold.start()?;
            if cold.at.is_some() {
                sources.push(Source::Cold(cold));
            }
        }
        let (wanted, erased) = (window.wanted, self.erased());
        Merge { sources, is_back, snapshot, wanted, erased }.run(room, visit)
    }

    /// Returns the parts in memory, newer first.
    fn memories(&self) -> impl Iterator<Item = &Memory> {
        std::iter::once(self.memory()).chain(self.frozen())
    }
}

#[derive(Clone, Copy)]
struct Limits<'a> {
    from: std::ops::Bound<&'a [u8]>,
    to: std::ops::Bound<&'a [u8]>,
}

impl Limits<'_> {
    fn is_before(&self, key: &[u8]) -> bool {
        match self.from {
            std::ops::Bound::Included(from) => key < from,
            std::ops::Bound::Excluded(from) => key <= from,
            std::ops::Bound::Unbounded => false,
        }
    }

    fn is_behind(&self, key: &[u8]) -> bool {
        match self.to {
            std::ops::Bound::Included(to) => key > to,
            std::ops::Bound::Excluded(to) => key >= to,
            std::ops::Bound::Unbounded => false,
        }
    }
}

enum Source<'a> {
    Hot(Hot<'a>),
    Cold(Cold<'a>),
}

impl Source<'_> {
    /// The key it stands at; `None` at its end.
    fn key(&self) -> Option<&[u8]> {
        match self {
            Self::Hot(hot) => hot.at.map(|(key, _)| key.as_slice()),
            Self::Cold(cold) => cold.at.as_ref().map(|_| cold.key.as_slice()),
        }
    }

    fn begin(&self) -> Timestamp {
        match self {
            Self::Hot(hot) => hot.at.map_or(Timestamp(0), |(_, version)| version.begin),
            Self::Cold(cold) => cold.at.as_ref().map_or(Timestamp(0), |at| at.group.begin(at.row)),
        }
    }

    fn advance(&mut self) -> Result<(), Error> {
        match self {
            Self::Hot(hot) => {
                hot.advance();
                Ok(())
            }
            Self::Cold(cold) => cold.advance(),
        }
    }
}

struct Merge<'a> {
    sources: Vec<Source<'a>>,
    is_back: bool,
    snapshot: Timestamp,
    wanted: &'a [Wanted],
    erased: &'a Erasures,
}

impl Merge<'_> {
    fn run(mut self, mut room: usize, visit: &mut Visit<'_>) -> Result<bool, Error> {
        while let Some((first, is_shared)) = self.first() {
            if self.pass_zones(first)? || self.pass_erased(first)? {
                continue;
            }
            if let Some(left) = self.whole_group(first, room, visit)? {
                room = left;
                if room == 0 {
                    return Ok(false);
                }
                continue;
            }
            if let Some(left) = self.visit_one(first, visit)? {
                room = left;
                if room == 0 {
                    return Ok(false);
                }
            }
            if is_shared {
                self.pass(first)?;
            } else {
                self.sources[first].advance()?;
            }
        }
        Ok(true)
    }

    /// Returns the source whose version is next, and whether others stand at the same key.
    fn first(&self) -> Option<(usize, bool)> {
        let mut best: Option<(usize, &[u8])> = None;
        let mut is_shared = false;
        for (number, source) in self.sources.iter().enumerate() {
            let Some(key) = source.key() else { continue };
            let Some((first, first_key)) = best else {
                best = Some((number, key));
                continue;
            };
            let order = if self.is_back { first_key.cmp(key) } else { key.cmp(first_key) };
            let is_next = match order {
                Ordering::Less => true,
                Ordering::Equal => self.sources[first].begin() < source.begin(),
                Ordering::Greater => continue,
            };
            is_shared = order.is_eq();
            if is_next {
                best = Some((number, key));
            }
        }
        best.map(|(number, _)| (number, is_shared))
    }

    fn visit_one(&self, first: usize, visit: &mut Visit<'_>) -> Result<Option<usize>, Error> {
        match &self.sources[first] {
            Source::Hot(hot) => {
                let Some((key, version)) = hot.at else { return Ok(None) };
                let Some(row) = &version.row else { return Ok(None) };
                if self.erased.hides(key, version.begin, self.snapshot).is_some() {
                    return Ok(None);
                }
                let row = Row::Bytes(row);
                visit(Item::One { key, begin: version.begin, row }).map(Some)
            }
            Source::Cold(cold) => {
                let Some(at) = &cold.at else { return Ok(None) };
                if at.group.is_deletion(at.row) {
                    return Ok(None);
                }
                let (row, begin) = (Row::Packed(&at.group, at.row), at.group.begin(at.row));
                if self.erased.hides(&cold.key, begin, self.snapshot).is_some() {
                    return Ok(None);
                }
                visit(Item::One { key: &cold.key, begin, row }).map(Some)
            }
        }
    }

    /// Moves all sources that stand at the key of `first` on.
    fn pass(&mut self, first: usize) -> Result<(), Error> {
        let key = self.sources[first].key().map(MapKey::from_slice);
        for source in &mut self.sources {
            if source.key() == key.as_deref() {
                source.advance()?;
            }
        }
        Ok(())
    }

    /// Passes zones in which no row is wanted. Their keys are nowhere else, so nothing that they
    /// hide comes to light. Returns whether there were any.
    fn pass_zones(&mut self, first: usize) -> Result<bool, Error> {
        let Source::Cold(cold) = &self.sources[first] else { return Ok(false) };
        let Some(at) = &cold.at else { return Ok(false) };
        if self.wanted.is_empty() || self.is_back || at.row > 0 {
            return Ok(false);
        }
        let (run, other) = (&cold.runs[at.run], self.other(first));
        let mut number = at.number;
        while let Some(next) = run.passed(number, self.wanted, other) {
            number = next;
        }
        if number == at.number {
            return Ok(false);
        }
        if let Source::Cold(cold) = &mut self.sources[first] {
            cold.go_behind(number - 1)?;
        }
        Ok(true)
    }

    /// Passes a group of which nothing is seen because its range was emptied. Returns whether that
    /// is so.
    fn pass_erased(&mut self, first: usize) -> Result<bool, Error> {
        let Source::Cold(cold) = &mut self.sources[first] else { return Ok(false) };
        let Some(at) = &cold.at else { return Ok(false) };
        if self.erased.is_empty() || self.is_back || at.row > 0 {
            return Ok(false);
        }
        let is_hidden = self.erased.hide_all_of(&at.group, self.snapshot);
        if is_hidden {
            cold.go_behind(at.number)?;
        }
        Ok(is_hidden)
    }

    /// Returns the smallest key at which another source stands.
    fn other(&self, first: usize) -> Option<&[u8]> {
        let others = self.sources.iter().enumerate().filter(|(number, _)| *number != first);
        others.filter_map(|(_, source)| source.key()).min()
    }

    /// Visits the neighbours of a key that its group has to itself; `None` when it has none.
    fn whole_group(
        &mut self,
        first: usize,
        room: usize,
        visit: &mut Visit<'_>,
    ) -> Result<Option<usize>, Error> {
        let Source::Cold(cold) = &self.sources[first] else { return Ok(None) };
        let Some(at) = &cold.at else { return Ok(None) };
        let is_touched = self.erased.may_hide_in(&at.group, self.snapshot);
        if self.is_back || is_touched || !at.group.is_plain(self.snapshot) {
            return Ok(None);
        }
        let other = self.other(first);
        if at.row == 0
            && let Some(behind) = cold.undivided(at, other)
            && room >= at.group.rows()
        {
            return self.undivided_group(first, behind, visit).map(Some);
        }
        let next = at.row + 1;
        // Where sources alternate, one comparison says that there is nothing to gain.
        if next >= at.group.rows() || other.is_some_and(|key| at.group.compare(next, key).is_ge()) {
            return Ok(None);
        }
        let mut to = cold.end_in(&at.group);
        if let Some(key) = other {
            to = to.min(at.group.end_before(key, Timestamp::MAX));
        }
        if to <= next {
            return Ok(None);
        }
        let (group, from) = (at.group.clone(), at.row);
        let to = to.min(from.saturating_add(room));
        let left = visit(Item::Span { group: &group, from, to })?;
        if let Source::Cold(cold) = &mut self.sources[first]
            && left > 0
        {
            cold.stand_at(to - 1);
            cold.advance()?;
        }
        Ok(Some(left))
    }
}

impl<'a> Merge<'a> {
    /// Visits all of a group that has its keys to itself, without a look at any of them: `behind` is
    /// the key with which the next one begins.
    fn undivided_group(
        &mut self,
        first: usize,
        behind: &'a [u8],
        visit: &mut Visit<'_>,
    ) -> Result<usize, Error> {
        let Source::Cold(cold) = &mut self.sources[first] else { return Ok(0) };
        let Some(at) = cold.at.take() else { return Ok(0) };
        let left = visit(Item::Span { group: &at.group, from: 0, to: at.group.rows() })?;
        if left > 0 {
            cold.enter(at, behind)?;
        }
        Ok(left)
    }
}

/// A part in memory.
struct Hot<'a> {
    entries: btree_map::Range<'a, MapKey, Chain>,
    is_back: bool,
    snapshot: Timestamp,
    at: Option<(&'a MapKey, &'a Version)>,
}

impl Hot<'_> {
    fn advance(&mut self) {
        loop {
            let next = if self.is_back { self.entries.next_back() } else { self.entries.next() };
            let Some((key, chain)) = next else {
                self.at = None;
                return;
            };
            if let Some(version) = version_at(chain, self.snapshot) {
                self.at = Some((key, version));
                return;
            }
        }
    }
}

/// Runs that share no key, in order.
struct Cold<'a> {
    runs: &'a [Rc<Run>],
    reach: Reach<'a>,
    erased: &'a Erasures,
    limits: Limits<'a>,
    is_back: bool,
    snapshot: Timestamp,
    /// The key of `at`.
    key: Vec<u8>,
    at: Option<At>,
}

/// A version within runs.
#[derive(Clone)]
struct At {
    run: usize,
    number: u32,
    group: Rc<Group>,
    row: usize,
}

impl<'a> Cold<'a> {
    fn new(
        runs: &'a [Rc<Run>],
        (reach, erased): (Reach<'a>, &'a Erasures),
        limits: Limits<'a>,
        is_back: bool,
        snapshot: Timestamp,
    ) -> Self {
        Self { runs, reach, erased, limits, is_back, snapshot, key: Vec::new(), at: None }
    }

    /// Goes to the first key of the window.
    fn start(&mut self) -> Result<(), Error> {
        if self.is_back { self.start_back() } else { self.start_forward() }
    }

    fn advance(&mut self) -> Result<(), Error> {
        let Some(at) = self.at.clone() else { return Ok(()) };
        if self.is_back {
            self.settle_back(Some(at))
        } else {
            let next = self.behind_key(at)?;
            self.settle(next)
        }
    }

    /// Moves within the group, to a version of its own key.
    fn stand_at(&mut self, row: usize) {
        if let Some(at) = &mut self.at {
            at.row = row;
            at.group.key_into(row, &mut self.key);
        }
    }

    /// Returns the key with which the next group of the run begins, when what is known without
    /// looking at keys of this one says that all of them are in the window, before `other`, and
    /// nowhere else in the run.
    fn undivided(&self, at: &At, other: Option<&[u8]>) -> Option<&'a [u8]> {
        let run = &self.runs[at.run];
        let behind = run.known_first_key(at.number + 1)?;
        let is_before = other.is_none_or(|other| behind <= other);
        let is_shown = is_before && !self.limits.is_behind(behind);
        (is_shown && at.group.is_cut_between_keys()).then_some(behind)
    }

    /// Moves from the group of `at` to the next one of the run, which begins with `key`.
    fn enter(&mut self, at: At, key: &[u8]) -> Result<(), Error> {
        if !self.erased.is_empty() {
            let next = self.normal(At { row: usize::MAX, ..at })?;
            return self.settle(next);
        }
        let (run, number) = (at.run, at.number + 1);
        let group = self.reach.group(&self.runs[run], number, READ_AHEAD_GROUPS)?;
        let is_plain = group.is_plain(self.snapshot);
        let at = At { run, number, group, row: 0 };
        if !is_plain {
            return self.settle(Some(at));
        }
        self.key.clear();
        self.key.extend_from_slice(key);
        self.at = Some(at);
        Ok(())
    }

    /// Moves to the first key behind a group of the run it is in.
    fn go_behind(&mut self, number: u32) -> Result<(), Error> {
        let Some(at) = self.at.clone() else { return Ok(()) };
        let next = self.normal(At { number, row: usize::MAX, ..at })?;
        self.settle(next)
    }

    /// Returns the first version of a group that is behind the window.
    fn end_in(&self, group: &Group) -> usize {
        match self.limits.to {
            std::ops::Bound::Unbounded => group.rows(),
            std::ops::Bound::Excluded(to) => group.end_before(to, Timestamp::MAX),
            std::ops::Bound::Included(to) => group.end_before(to, Timestamp(0)),
        }
    }

    fn start_forward(&mut self) -> Result<(), Error> {
        let (from, begin) = match self.limits.from {
            std::ops::Bound::Included(from) => (from, Timestamp::MAX),
            // Every version of the key itself is before this.
            std::ops::Bound::Excluded(from) => (from, Timestamp(0)),
            std::ops::Bound::Unbounded => (&[][..], Timestamp::MAX),
        };
        // Neither in a run that ends with the key itself is anything behind it.
        let is_passed = |run: &Rc<Run>| self.limits.is_before(&run.facts.last);
        let run = self.runs.partition_point(is_passed);
        let Some(found) = self.runs.get(run) else { return Ok(()) };
        if self.limits.is_behind(&found.facts.first) {
            return Ok(());
        }
        let (number, group, row) = found.seek(self.reach, from, begin, READ_AHEAD_GROUPS)?;
        let mut at = At { run, number, group, row };
        let mut next = self.normal(at.clone())?;
        // A key at the very beginning of time would be found by the exclusive start.
        while let Some(found) = next.take() {
            found.group.key_into(found.row, &mut self.key);
            if !self.limits.is_before(&self.key) {
                at = found;
                return self.settle(Some(at));
            }
            next = self.step(found)?;
        }
        Ok(())
    }

    /// Goes from a version on to the first the snapshot sees.
    fn settle(&mut self, mut next: Option<At>) -> Result<(), Error> {
        self.at = None;
        while let Some(at) = next {
            if at.group.begin(at.row) <= self.snapshot {
                at.group.key_into(at.row, &mut self.key);
                if !self.limits.is_behind(&self.key) {
                    self.at = Some(at);
                }
                return Ok(());
            }
            next = self.step(at)?;
        }
        Ok(())
    }

    /// Returns the first version behind the key of `at`.
    fn behind_key(&self, at: At) -> Result<Option<At>, Error> {
        let mut next = self.step(at)?;
        while let Some(at) = next {
            if at.group.compare(at.row, &self.key).is_ne() {
                return Ok(Some(at));
            }
            next = self.step(at)?;
        }
        Ok(None)
    }

    fn step(&self, mut at: At) -> Result<Option<At>, Error> {
        at.row += 1;
        self.normal(at)
    }

    /// Returns the place behind the end of a group as one in the next group that is not known to be
    /// hidden.
    fn normal(&self, mut at: At) -> Result<Option<At>, Error> {
        if at.row < at.group.rows() {
            return Ok(Some(at));
        }
        at.number += 1;
        loop {
            if at.number >= self.runs[at.run].group_count() {
                (at.run, at.number) = (at.run + 1, 0);
                let Some(run) = self.runs.get(at.run) else { return Ok(None) };
                if self.limits.is_behind(&run.facts.first) {
                    return Ok(None);
                }
            }
            let run = &self.runs[at.run];
            let Some(over) = self.erased.over(run, at.number, self.snapshot) else { break };
            at.number = run.group_behind(over);
        }
        at.group = self.reach.group(&self.runs[at.run], at.number, READ_AHEAD_GROUPS)?;
        at.row = 0;
        Ok(Some(at))
    }

    fn start_back(&mut self) -> Result<(), Error> {
        let (to, begin) = match self.limits.to {
            std::ops::Bound::Excluded(to) => (Some(to), Timestamp::MAX),
            std::ops::Bound::Included(to) => (Some(to), Timestamp(0)),
            std::ops::Bound::Unbounded => (None, Timestamp(0)),
        };
        let behind = match to {
            Some(to) => self.runs.partition_point(|run| run.facts.first.as_slice() <= to),
            None => self.runs.len(),
        };
        let Some(run) = behind.checked_sub(1) else { return Ok(()) };
        let found = &self.runs[run];
        if self.limits.is_before(&found.facts.last) {
            return Ok(());
        }
        let (number, group, row) = match to {
            Some(to) => found.seek(self.reach, to, begin, 0)?,
            None => {
                let number = found.group_count() - 1;
                let group = self.reach.group(found, number, 0)?;
                let row = group.rows();
                (number, group, row)
            }
        };
        self.settle_back(Some(At { run, number, group, row }))
    }

    /// Goes back from a place, which itself is passed already, to the last key the snapshot sees.
    fn settle_back(&mut self, mut before: Option<At>) -> Result<(), Error> {
        self.at = None;
        let mut best: Option<At> = None;
        let mut key: Option<Vec<u8>> = None;
        while let Some(at) = before.take() {
            let Some(at) = self.step_back(at)? else { break };
            if key.as_deref().is_none_or(|key| at.group.compare(at.row, key).is_ne()) {
                if best.is_some() {
                    break;
                }
                let mut own = Vec::new();
                at.group.key_into(at.row, &mut own);
                if self.limits.is_before(&own) {
                    break;
                }
                key = Some(own);
            }
            // Backwards the versions of a key come oldest first: the last that is seen counts.
            if at.group.begin(at.row) <= self.snapshot {
                best = Some(at.clone());
            }
            before = Some(at);
        }
        if let Some(at) = best {
            at.group.key_into(at.row, &mut self.key);
            self.at = Some(at);
        }
        Ok(())
    }

    fn step_back(&self, mut at: At) -> Result<Option<At>, Error> {
        if at.row > 0 {
            at.row -= 1;
            return Ok(Some(at));
        }
        loop {
            if at.number == 0 {
                let Some(run) = at.run.checked_sub(1) else { return Ok(None) };
                if self.limits.is_before(&self.runs[run].facts.last) {
                    return Ok(None);
                }
                (at.run, at.number) = (run, self.runs[run].group_count());
            }
            let run = &self.runs[at.run];
            let Some(over) = self.erased.over(run, at.number - 1, self.snapshot) else { break };
            at.number = run.groups_before(&over.from);
        }
        at.number -= 1;
        at.group = self.reach.group(&self.runs[at.run], at.number, 0)?;
        at.row = at.group.rows() - 1;
        Ok(Some(at))
    }
}
