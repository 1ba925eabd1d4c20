//! Where does a scan stand between two batches?
//!
//! A cursor owns everything it needs, so it may be kept while the store changes: it remembers a
//! place (a key, an index entry), not a pointer. What it returns is fixed by its snapshot, and by
//! the transaction's staged writes at the moment it was opened.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use arrow_schema::SchemaRef;

use super::batch::scan_schema;
use super::install::Store;
use super::matching::Match;
use super::nearest::{Comparing, Near};
use super::past::{Searching, Sorting};
use super::table::TableStore;
use crate::error::Error;
use crate::ids::{IndexId, TableId, Timestamp};
use crate::key::{Key, KeyRange};
use crate::request::{Access, ReadView, RowFilter, ScanColumn, ScanSpec, WriteOp};
use crate::tree::{Pins, Reach};

/// A scan in progress.
pub struct Cursor {
    pub(super) table: TableId,
    pub(super) columns: Vec<ScanColumn>,
    pub(super) schema: SchemaRef,
    pub(super) filter: Option<(Arc<dyn RowFilter>, SchemaRef)>,
    pub(super) snapshot: Timestamp,
    /// Whether indexes know nothing of the snapshot.
    pub(super) past: bool,
    /// Rows that may still be returned.
    pub(super) remaining: usize,
    pub(super) source: Source,
    pub(super) overlay: Overlay,
    /// What the numbers that come with hits are.
    pub(super) measure: Measure,
    /// What the batch being read needs in memory.
    pub(super) pins: Rc<RefCell<Pins>>,
}

/// What the number that comes with a hit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    None,
    Distance,
    Score,
}

/// Where committed records come from.
pub(super) enum Source {
    /// Nothing was looked at yet.
    Start(Access),
    /// These keys, in order.
    Keys { keys: Vec<Key>, next: usize },
    /// A range of primary keys; `after` is the last one taken.
    KeyRange { range: KeyRange, after: Option<Vec<u8>> },
    /// A range of an ordered index; `after` is the last entry taken.
    Index { index: IndexId, range: KeyRange, after: Option<Vec<u8>> },
    /// Every record is compared with a vector; becomes `Hits`.
    Comparing(Box<Comparing>),
    /// Every record is searched for words; becomes `Hits`.
    Searching(Box<Searching>),
    /// Every record is looked at, again and again, for the next ones in the order of an index.
    Sorting(Box<Sorting>),
    /// Records found when the cursor was opened, with their measures; the overlay is in there.
    Hits { hits: Vec<Hit>, next: usize },
}

/// A record found by a ranking access.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub place: Place,
    /// NaN for a record without a vector among the nearest.
    pub measure: f64,
}

/// Where a found row is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The record with this key.
    Record(Arc<[u8]>),
    /// Position in the overlay's rows.
    Staged(usize),
}

/// A transaction's own writes to the scanned table.
#[derive(Default)]
pub(super) struct Overlay {
    /// Keys of committed records that staged writes replace or end.
    pub hidden: HashSet<Arc<[u8]>, ahash::RandomState>,
    /// Staged rows that the access path reaches, in its order.
    pub rows: Vec<StagedRow>,
    /// The first of them not returned yet.
    pub next: usize,
}

/// One staged row.
#[derive(Clone)]
pub(super) struct StagedRow {
    pub key: Key,
    pub row: Arc<[u8]>,
    /// Version of the committed record it replaces, 0 when there is none.
    pub version: Timestamp,
    /// Bytes that place it among committed records in an ordered access.
    pub order: Vec<u8>,
}

impl Store {
    /// Starts a scan. Nothing is read yet.
    ///
    /// **Errors**: `StaleCatalog` when the table is gone.
    pub fn open_scan(&self, spec: ScanSpec) -> Result<Cursor, Error> {
        let table = self.table_in(spec.table, spec.view)?;
        self.note_search(&spec);
        let filter = match spec.filter {
            Some(filter) => {
                let schema = scan_schema(&table.table, filter.columns());
                Some((filter, schema))
            }
            None => None,
        };
        Ok(Cursor {
            table: spec.table,
            schema: scan_schema(&table.table, &spec.columns),
            columns: spec.columns,
            filter,
            snapshot: spec.view.snapshot,
            past: spec.view.past,
            remaining: spec.limit.unwrap_or(usize::MAX),
            source: Source::Start(spec.access),
            overlay: self.overlay(spec.table, spec.view),
            measure: Measure::None,
            pins: Rc::default(),
        })
    }

    /// Collects what the view's transaction staged in the table.
    pub(super) fn overlay(&self, table: TableId, view: ReadView) -> Overlay {
        let mut overlay = Overlay::default();
        let Some(staged) = self.staged_in(view.txn, table) else {
            return overlay;
        };
        for (key, write) in &staged.records {
            overlay.hidden.insert(key.clone());
            if let WriteOp::Put(row) = &write.op {
                overlay.rows.push(StagedRow {
                    key: write.key.clone(),
                    row: row.clone(),
                    version: Timestamp(0),
                    order: Vec::new(),
                });
            }
        }
        overlay
    }
}

impl Overlay {
    /// Notes which versions the staged rows replace.
    ///
    /// **Errors**: `NotLoaded`.
    pub fn resolve(
        &mut self,
        table: &TableStore,
        reach: Reach<'_>,
        snapshot: Timestamp,
    ) -> Result<(), Error> {
        for row in &mut self.rows {
            let replaced = table.get(reach, row.key.bytes(), snapshot)?;
            row.version = replaced.map_or(Timestamp(0), |version| version.begin);
        }
        Ok(())
    }
}

impl Cursor {
    /// Returns the schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns what the batch being read needs in memory.
    pub(crate) fn pins(&self) -> &RefCell<Pins> {
        &self.pins
    }

    /// Begins to read. Ranking accesses do their search here. May be tried again after
    /// `NotLoaded`.
    pub(super) fn start(&mut self, table: &TableStore, reach: Reach<'_>) -> Result<(), Error> {
        let Source::Start(access) = &self.source else { return Ok(()) };
        let access = access.clone();
        self.overlay.resolve(table, reach, self.snapshot)?;
        match access {
            Access::All => self.open_key_range(KeyRange::all(false)),
            Access::Keys(keys) => self.open_keys(keys),
            Access::KeyRange(range) => self.open_key_range(range),
            Access::Index { index, range } if self.past => {
                self.source = Source::Sorting(Box::new(Sorting::new(table, index, range)?));
            }
            Access::Index { index, range } => self.open_index(table, index, range)?,
            Access::Nearest { column, index, metric, query, k, ef } => {
                let index = index.filter(|_| !self.past);
                let near = Near { column, index, metric, query, k, ef };
                self.open_nearest(table, reach, near)?;
            }
            Access::Matching { index, query, stats, k } if self.past => {
                self.measure = Measure::Score;
                let searching = Searching::new(table, index, (query, stats), k)?;
                self.source = Source::Searching(Box::new(searching));
            }
            Access::Matching { index, query, stats, k } => {
                self.open_matching(table, reach, index, Match { query: &query, stats: &stats, k })?;
            }
        }
        Ok(())
    }

    /// Keys are looked up in the order given; staged rows among them take their place.
    fn open_keys(&mut self, keys: Vec<Key>) {
        if self.overlay.hidden.is_empty() {
            self.source = Source::Keys { keys, next: 0 };
            return;
        }
        let mut hits = Vec::new();
        for key in &keys {
            let staged = self.overlay.rows.iter().position(|row| row.key == *key);
            let is_hidden = self.overlay.hidden.contains(key.bytes());
            let record = (!is_hidden).then(|| Place::Record(key.shared_bytes().clone()));
            if let Some(place) = staged.map(Place::Staged).or(record) {
                hits.push(Hit { place, measure: 0.0 });
            }
        }
        self.source = Source::Hits { hits, next: 0 };
    }

    fn open_key_range(&mut self, range: KeyRange) {
        for row in &mut self.overlay.rows {
            row.order = row.key.bytes().to_vec();
        }
        self.arrange(&range);
        self.source = Source::KeyRange { range, after: None };
    }

    fn open_index(
        &mut self,
        table: &TableStore,
        index: IndexId,
        range: KeyRange,
    ) -> Result<(), Error> {
        let ordered = table.ordered(index)?;
        for row in &mut self.overlay.rows {
            row.order = ordered.order_of(&table.view(&row.row)?, &table.layout)?;
        }
        self.arrange(&range);
        self.source = Source::Index { index, range, after: None };
        Ok(())
    }

    /// Keeps the staged rows of a range, in its order.
    fn arrange(&mut self, range: &KeyRange) {
        self.overlay.rows.retain(|row| range.contains(&row.order));
        self.overlay.rows.sort_by(|a, b| a.order.cmp(&b.order).then(a.key.cmp(&b.key)));
        if range.descending {
            self.overlay.rows.reverse();
        }
    }
}
