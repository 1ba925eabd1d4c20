//! Where does a scan stand between two batches?
//!
//! A cursor owns everything it needs, so it may be kept while the store changes: it remembers a
//! place (a record id, a key, an index entry), not a pointer. What it returns is fixed by its
//! snapshot, and by the transaction's staged writes at the moment it was opened.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::SchemaRef;

use super::batch::scan_schema;
use super::install::Store;
use super::matching::Match;
use super::nearest::{Comparing, Near};
use super::table::TableStore;
use crate::error::Error;
use crate::ids::{IndexId, RecordId, TableId, Timestamp};
use crate::key::{Key, KeyRange};
use crate::request::{Access, ReadView, RowFilter, ScanColumn, ScanSpec, WriteOp};

/// A scan in progress.
pub struct Cursor {
    pub(super) table: TableId,
    pub(super) columns: Vec<ScanColumn>,
    pub(super) schema: SchemaRef,
    pub(super) filter: Option<(Arc<dyn RowFilter>, SchemaRef)>,
    pub(super) snapshot: Timestamp,
    /// Rows that may still be returned.
    pub(super) remaining: usize,
    pub(super) source: Source,
    pub(super) overlay: Overlay,
    /// What the numbers that come with hits are.
    pub(super) measure: Measure,
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
    /// Every place of the arena from `next` to `end`.
    All { next: u32, end: u32 },
    /// These keys, in order.
    Keys { keys: Vec<Key>, next: usize },
    /// A range of primary keys; `after` is the last one taken.
    KeyRange { range: KeyRange, after: Option<Vec<u8>> },
    /// A range of an ordered index; `after` is the last entry taken.
    Index { index: IndexId, range: KeyRange, after: Option<Vec<u8>> },
    /// Every record is compared with a vector; becomes `Hits`.
    Comparing(Box<Comparing>),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Record(RecordId),
    /// Position in the overlay's rows.
    Staged(usize),
}

/// A transaction's own writes to the scanned table.
#[derive(Default)]
pub(super) struct Overlay {
    /// Committed records that staged writes replace or end.
    pub hidden: HashSet<RecordId, ahash::RandomState>,
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
    /// Starts a scan. Ranking accesses do their search here.
    ///
    /// **Errors**: `StaleCatalog` when the table or index is gone, `Internal` for an access that
    /// does not fit the table, and whatever the filter reports.
    pub fn open_scan(&self, spec: ScanSpec) -> Result<Cursor, Error> {
        let table = self.table(spec.table)?;
        self.note_search(&spec);
        let filter = match spec.filter {
            Some(filter) => {
                let schema = scan_schema(&table.table, filter.columns());
                Some((filter, schema))
            }
            None => None,
        };
        let mut cursor = Cursor {
            table: spec.table,
            schema: scan_schema(&table.table, &spec.columns),
            columns: spec.columns,
            filter,
            snapshot: spec.view.snapshot,
            remaining: spec.limit.unwrap_or(usize::MAX),
            source: Source::All { next: 0, end: table.records.len() },
            overlay: self.overlay(table, spec.view)?,
            measure: Measure::None,
        };
        match spec.access {
            Access::All => {}
            Access::Keys(keys) => cursor.open_keys(table, keys),
            Access::KeyRange(range) => cursor.open_key_range(range),
            Access::Index { index, range } => cursor.open_index(table, index, range)?,
            Access::Nearest { column, index, metric, query, k, ef } => {
                let near = Near { column, index, metric, query, k, ef };
                cursor.open_nearest(table, near)?;
            }
            Access::Matching { index, query, stats, k } => {
                cursor.open_matching(table, index, Match { query: &query, stats: &stats, k })?;
            }
        }
        Ok(cursor)
    }

    /// Collects what the view's transaction staged in the table.
    pub(super) fn overlay(&self, table: &TableStore, view: ReadView) -> Result<Overlay, Error> {
        let mut overlay = Overlay::default();
        let Some(staged) = self.staged_in(view.txn, table.table.id) else {
            return Ok(overlay);
        };
        for write in staged.records.values() {
            let committed = table.find(write.key.bytes());
            if let Some((id, _)) = committed {
                overlay.hidden.insert(id);
            }
            if let WriteOp::Put(row) = &write.op {
                let replaced = committed.and_then(|(_, record)| record.at(view.snapshot));
                overlay.rows.push(StagedRow {
                    key: write.key.clone(),
                    row: row.clone(),
                    version: replaced.map_or(Timestamp(0), |version| version.begin),
                    order: Vec::new(),
                });
            }
        }
        Ok(overlay)
    }
}

impl Cursor {
    /// Returns the schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Keys are looked up in the order given; staged rows among them take their place.
    fn open_keys(&mut self, table: &TableStore, keys: Vec<Key>) {
        if self.overlay.rows.is_empty() {
            self.source = Source::Keys { keys, next: 0 };
            return;
        }
        let mut hits = Vec::new();
        for key in &keys {
            let staged = self.overlay.rows.iter().position(|row| row.key == *key);
            let record = table.find(key.bytes()).map(|(id, _)| id);
            let record = record.filter(|id| !self.overlay.hidden.contains(id)).map(Place::Record);
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
