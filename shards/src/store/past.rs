//! How is a snapshot read that indexes know nothing of?
//!
//! Indexes keep what the leased snapshots see, and one that was made later knows nothing of what
//! was before. The records keep their versions for the time of the retention. So a view of the past
//! (`ReadView::past`) is answered from records alone, and from the mirrors of edges: keys and ranges
//! of keys as ever, everything else by looking at all records of the table, some at a time.
//!
//! | access | answered by |
//! | --- | --- |
//! | keys, ranges of keys, everything | the records |
//! | nearest | comparing every record (`nearest`): exact, where the index is approximate |
//! | matching | an index of some records after the other, with the statistics of the snapshot |
//! | ordered index | the next so many entries in its order, and the whole table again for more |
//! | edges of a node | the records whose keys begin with it, the mirrors that do |
//!
//! No transaction writes here, and none reads here what it will validate.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, PoisonError};

use super::build::EDGE_NAME_BYTES;
use super::cursor::{Cursor, Hit, Place, Source};
use super::install::Store;
use super::nearest::{Candidate, Step, rows_of};
use super::table::TableStore;
use crate::catalog::{Content, TableKind};
use crate::error::Error;
use crate::ids::{IndexId, RecordId, TableId, Timestamp};
use crate::key::{Key, KeyRange};
use crate::ordered::{bounds, entry_of, parts_of};
use crate::request::{Direction, Neighbor, ReadView};
use crate::row::RowView;
use crate::text::{TextIndex, TextQuery, TextStats};
use crate::tree::{Reach, Row, Window};

/// Entries put in order in one walk over a table: with keys of some 40 bytes 8 MiB. A table of n
/// records is walked n divided by this many times, if all of it is asked for.
const SORTED_ENTRIES: usize = 64 * 1024;
/// Bytes of entries put in order in one walk, where they are long.
const SORTED_BYTES: usize = 16 << 20;
/// Edges looked at in one step.
const STEP_EDGES: usize = 1024;

impl Store {
    /// Says what is known of the past.
    pub(crate) fn remember(&mut self, timeline: Arc<std::sync::Mutex<crate::txn::Timeline>>) {
        self.timeline = Some(timeline);
    }

    /// Returns a table that a view sees.
    ///
    /// **Errors**: `StaleCatalog` when it is gone, or a materialized view that was filled after the
    /// snapshot; `SnapshotTooOld` for what was made, emptied or filled after one of the past.
    pub(super) fn table_in(&self, id: TableId, view: ReadView) -> Result<&TableStore, Error> {
        let table = self.table(id)?;
        let (since, made) = match table.table.kind {
            TableKind::Materialized { content: Content::Whole(since), .. } => {
                (Some(since), "materialized view")
            }
            _ => (table.table.since, "table"),
        };
        if let Some(since) = since.filter(|since| view.snapshot < *since) {
            // A part of what it holds, or nothing, would be seen.
            if !view.past {
                return Err(table.stale());
            }
            return Err(Error::SnapshotTooOld(format!(
                "the past of {made} \"{}\" begins with commit {since}, when it was filled: commit \
                 {} was before",
                table.table.name, view.snapshot
            )));
        }
        let Some(timeline) = self.timeline.as_ref().filter(|_| view.past) else {
            return Ok(table);
        };
        let since = timeline.lock().unwrap_or_else(PoisonError::into_inner).since(id);
        match since {
            Some(since) if since <= view.snapshot => Ok(table),
            since => {
                let since = since.map_or_else(String::new, |since| format!(" with commit {since}"));
                Err(Error::SnapshotTooOld(format!(
                    "the past of table \"{}\" begins{since}, when it was created or truncated: \
                     commit {} was before",
                    table.table.name, view.snapshot
                )))
            }
        }
    }
}

/// A search for words in all records.
pub(super) struct Searching {
    index: IndexId,
    query: Arc<TextQuery>,
    stats: Arc<TextStats>,
    k: Option<usize>,
    /// The last key looked at.
    after: Option<Vec<u8>>,
    hits: Vec<Hit>,
}

impl Searching {
    pub fn new(
        table: &TableStore,
        index: IndexId,
        (query, stats): (Arc<TextQuery>, Arc<TextStats>),
        k: Option<usize>,
    ) -> Result<Self, Error> {
        table.text(index)?;
        Ok(Self { index, query, stats, k, after: None, hits: Vec::new() })
    }

    /// Keeps the best.
    fn keep(&mut self) {
        self.hits.sort_by(|a, b| b.measure.total_cmp(&a.measure).then(a.place.cmp(&b.place)));
        if let Some(k) = self.k {
            self.hits.truncate(k);
        }
    }
}

/// A walk for the next entries in the order of an index.
pub(super) struct Sorting {
    index: IndexId,
    range: KeyRange,
    /// The last entry given away.
    given: Option<Vec<u8>>,
    /// The last key looked at in this walk.
    after: Option<Vec<u8>>,
    /// The first entries behind `given` so far, and their bytes.
    entries: BTreeSet<Vec<u8>>,
    bytes: usize,
    /// Whether there was no room for all.
    is_cut: bool,
    /// Whether the walk is over.
    is_over: bool,
}

impl Sorting {
    pub fn new(table: &TableStore, index: IndexId, range: KeyRange) -> Result<Self, Error> {
        table.ordered(index)?;
        Ok(Self {
            index,
            range,
            given: None,
            after: None,
            entries: BTreeSet::new(),
            bytes: 0,
            is_cut: false,
            is_over: false,
        })
    }

    /// Returns whether the walk is over.
    pub fn is_ready(&self) -> bool {
        self.is_over
    }

    /// Returns the next entries, at most `count`.
    pub fn found(&self, count: usize) -> Vec<Vec<u8>> {
        if self.range.descending {
            self.entries.iter().rev().take(count).cloned().collect()
        } else {
            self.entries.iter().take(count).cloned().collect()
        }
    }

    /// Passes over entries that were found; returns whether there may be more.
    pub fn pass(&mut self, count: usize) -> bool {
        for _ in 0..count {
            let Some(entry) = self.pop(self.range.descending) else { break };
            self.given = Some(entry);
        }
        if !self.entries.is_empty() {
            return true;
        }
        // Another walk, for what there was no room for.
        self.is_over = !self.is_cut;
        (self.after, self.bytes) = (None, 0);
        std::mem::take(&mut self.is_cut)
    }

    fn pop(&mut self, is_last: bool) -> Option<Vec<u8>> {
        let entry = if is_last { self.entries.pop_last() } else { self.entries.pop_first() }?;
        self.bytes -= entry.len();
        Some(entry)
    }

    fn push(&mut self, entry: Vec<u8>, entries_max: usize) {
        self.bytes += entry.len();
        self.entries.insert(entry);
        while self.entries.len() > entries_max || self.bytes > SORTED_BYTES {
            let is_last = !self.range.descending;
            if self.entries.len() == 1 || self.pop(is_last).is_none() {
                break;
            }
            self.is_cut = true;
        }
    }
}

impl Cursor {
    /// Searches the next records for words; at the end the cursor holds what was found.
    ///
    /// **Errors**: `NotLoaded`; then nothing has changed.
    pub(super) fn search_some(
        &mut self,
        table: &TableStore,
        reach: Reach<'_>,
    ) -> Result<(), Error> {
        let Source::Searching(searching) = &self.source else { return Ok(()) };
        let Step { mut candidates, after, is_over } =
            table.step(reach, (self.snapshot, searching.after.as_deref()), &mut |_, _| Ok(true))?;
        let mut passes = self.verdict(table, rows_of(&candidates))?.into_iter();
        candidates.retain(|_| passes.next().unwrap_or(false));
        let index = table.index_words(searching.index, &candidates)?;
        let Searching { query, stats, k, .. } = &**searching;
        let found = index.search(query, stats, *k, Timestamp(0), None)?;
        let Source::Searching(searching) = &mut self.source else { return Ok(()) };
        searching.hits.extend(found.into_iter().map(|(id, measure)| Hit {
            place: Place::Record(candidates[id.0 as usize].key.clone()),
            measure,
        }));
        searching.after = after;
        if is_over || searching.k.is_some() {
            searching.keep();
        }
        if is_over {
            let hits = std::mem::take(&mut searching.hits);
            // The filter has been asked about every hit.
            self.filter = None;
            self.source = Source::Hits { hits, next: 0 };
        }
        Ok(())
    }

    /// Puts the next records in the order of an index.
    ///
    /// **Errors**: `NotLoaded`; then nothing has changed.
    pub(super) fn sort_some(&mut self, table: &TableStore, reach: Reach<'_>) -> Result<(), Error> {
        let (snapshot, is_filtered) = (self.snapshot, self.filter.is_some());
        let entries_max = if is_filtered { SORTED_ENTRIES } else { self.remaining };
        let entries_max = entries_max.clamp(1, SORTED_ENTRIES);
        let Source::Sorting(sorting) = &mut self.source else { return Ok(()) };
        let step = table.step(reach, (snapshot, sorting.after.as_deref()), &mut |_, _| Ok(true))?;
        let ordered = table.ordered(sorting.index)?;
        let mut found = Vec::with_capacity(step.candidates.len());
        if let Some((from, to)) = bounds(&sorting.range, sorting.given.as_deref()) {
            let is_within = |entry: &[u8]| {
                let is_behind = match from {
                    Bound::Included(from) => entry >= from,
                    Bound::Excluded(from) => entry > from,
                    Bound::Unbounded => true,
                };
                let is_before = match to {
                    Bound::Included(to) => entry <= to,
                    Bound::Excluded(to) => entry < to,
                    Bound::Unbounded => true,
                };
                is_behind && is_before
            };
            for candidate in &step.candidates {
                let row = candidate.row.bytes(&table.layout);
                let order = ordered.order_of(&table.view(&row)?, &table.layout)?;
                let entry = entry_of(&order, &candidate.key);
                if is_within(&entry) {
                    found.push(entry);
                }
            }
        }
        for entry in found {
            sorting.push(entry, entries_max);
        }
        sorting.after = step.after;
        sorting.is_over = step.is_over;
        Ok(())
    }
}

impl TableStore {
    /// Builds a passing index over some records, by their positions.
    fn index_words(&self, index: IndexId, candidates: &[Candidate]) -> Result<TextIndex, Error> {
        let text = self.text(index)?;
        let mut words = TextIndex::open(text.index.options().clone());
        for (position, candidate) in candidates.iter().enumerate() {
            let row = candidate.row.bytes(&self.layout);
            self.index_text(text, &mut words, RecordId(position as u32), &row)?;
        }
        Ok(words)
    }
}

/// The statistics of a text query, being counted record by record.
pub(crate) struct PastStats {
    /// The table.
    pub table: TableId,
    /// The text index.
    pub index: IndexId,
    /// What is asked for.
    pub query: Arc<TextQuery>,
    /// At which snapshot.
    pub view: ReadView,
    after: Option<Vec<u8>>,
    /// What was counted so far.
    pub stats: TextStats,
}

impl PastStats {
    pub fn new(table: TableId, index: IndexId, query: Arc<TextQuery>, view: ReadView) -> Self {
        Self { table, index, query, view, after: None, stats: TextStats::default() }
    }

    /// Counts some records; returns whether it was all.
    ///
    /// **Errors**: as [`Store::open_scan`]; `NotLoaded`, then nothing has changed.
    pub fn step(&mut self, store: &Store, reach: Reach<'_>) -> Result<bool, Error> {
        let table = store.table_in(self.table, self.view)?;
        let from = (self.view.snapshot, self.after.as_deref());
        let step = table.step(reach, from, &mut |_, _| Ok(true))?;
        let index = table.index_words(self.index, &step.candidates)?;
        self.stats.add(&index.stats(&self.query, Timestamp(0)));
        self.after = step.after;
        Ok(step.is_over)
    }
}

/// A walk over the edges of nodes.
pub(crate) struct PastEdges {
    edge: TableId,
    direction: Direction,
    nodes: Vec<Key>,
    view: ReadView,
    /// The node whose turn it is.
    at: usize,
    /// Where its edges begin in `found`.
    start: usize,
    /// Whether its edges that arrive are looked at, not those that leave.
    is_into: bool,
    /// The last key or entry looked at.
    after: Option<Vec<u8>>,
    /// What was found so far.
    pub found: Vec<Neighbor>,
}

impl PastEdges {
    pub fn new(edge: TableId, direction: Direction, nodes: Vec<Key>, view: ReadView) -> Self {
        let is_into = direction == Direction::In;
        Self {
            edge,
            direction,
            nodes,
            view,
            at: 0,
            start: 0,
            is_into,
            after: None,
            found: Vec::new(),
        }
    }

    /// Looks at some edges; returns whether it was all.
    ///
    /// **Errors**: as [`Store::expand`]; `NotLoaded`, then nothing has changed.
    pub fn step(&mut self, store: &Store, reach: Reach<'_>) -> Result<bool, Error> {
        let table = store.table_in(self.edge, self.view)?;
        let Some(node) = self.nodes.get(self.at).cloned() else { return Ok(true) };
        let range = KeyRange::prefix(node.bytes(), false);
        let after = self.after.clone();
        let snapshot = self.view.snapshot;
        let window = Window { range: &range, after: after.as_deref(), snapshot, wanted: &[] };
        let edges = Edges::of(table)?;
        let tree = if self.is_into { edges.mirrors()? } else { &table.records };
        let mut looked_at = 0;
        let over = tree.scan(reach, window, STEP_EDGES, &mut |item| {
            item.each(&mut |key, _, row| {
                looked_at += 1;
                let neighbor = match self.is_into {
                    true => edges.arriving(&node, key)?,
                    false => edges.leaving(&node, key, row)?,
                };
                let from = self.at as u32;
                self.found.extend(neighbor.map(|(node, edge)| Neighbor { from, node, edge }));
                let last = self.after.get_or_insert_default();
                last.clear();
                last.extend_from_slice(key);
                Ok::<_, Error>(looked_at < STEP_EDGES)
            })?;
            Ok(STEP_EDGES.saturating_sub(looked_at))
        });
        match over {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(Error::NotLoaded) if looked_at > 0 => return Ok(false),
            Err(error) => return Err(error),
        }
        self.after = None;
        if self.direction == Direction::Both && !self.is_into {
            self.is_into = true;
            return Ok(false);
        }
        let mut mine = self.found.split_off(self.start);
        mine.sort_by(|a, b| a.edge.cmp(&b.edge));
        // A loop is one edge.
        mine.dedup_by(|a, b| a.edge == b.edge);
        self.found.append(&mut mine);
        self.is_into = self.direction == Direction::In;
        (self.at, self.start) = (self.at + 1, self.found.len());
        Ok(self.at == self.nodes.len())
    }
}

/// How the edges of a table are read.
struct Edges<'a> {
    table: &'a TableStore,
    types: Vec<crate::value::ColumnType>,
}

impl<'a> Edges<'a> {
    fn of(table: &'a TableStore) -> Result<Self, Error> {
        let edges = Self { table, types: table.table.key_types() };
        edges.mirrors()?;
        Ok(edges)
    }

    fn columns(&self) -> Result<&'a super::indexes::EdgeColumns, Error> {
        self.table.indexes.edges.as_ref().ok_or_else(|| {
            Error::Internal(format!("table \"{}\" is no edge table", self.table.table.name))
        })
    }

    fn mirrors(&self) -> Result<&'a crate::tree::Tree, Error> {
        Ok(&self.columns()?.mirrors)
    }

    /// Returns where an edge leads and its key, if it leaves the node.
    fn leaving(&self, node: &Key, key: &[u8], row: Row<'_>) -> Result<Option<(Key, Key)>, Error> {
        if key.len() != node.bytes().len() + EDGE_NAME_BYTES {
            return Ok(None);
        }
        let layout = &self.table.layout;
        let row = row.held().bytes(layout);
        let (_, target) = self.columns()?.ends(&RowView::new(&row, layout)?, layout)?;
        Ok(Some((target, Key::from_bytes(key, &self.types, self.table.table.routing)?)))
    }

    /// Returns where an edge comes from and its key, if it arrives at the node.
    fn arriving(&self, node: &Key, entry: &[u8]) -> Result<Option<(Key, Key)>, Error> {
        let bad = || Error::Corrupt("a mirror of an edge without its keys".into());
        let (target, edge) = parts_of(entry).ok_or_else(bad)?;
        if target != node.bytes() {
            return Ok(None);
        }
        let edge = Key::from_bytes(edge, &self.types, self.table.table.routing)?;
        let source = edge.bytes().len().checked_sub(EDGE_NAME_BYTES).ok_or_else(bad)?;
        let source = Key::from_bytes(&edge.bytes()[..source], &self.types[..1], 1)?;
        Ok(Some((source, edge)))
    }
}
