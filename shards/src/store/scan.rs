//! Which rows does a scan return next?

use arrow_array::RecordBatch;

use super::batch::{Rows, filter_rows};
use super::cursor::{Cursor, Overlay, Place, Source, StagedRow};
use super::install::Store;
use super::record::Version;
use super::table::TableStore;
use crate::error::Error;
use crate::ids::{IndexId, RecordId, Timestamp};
use crate::key::KeyRange;
use crate::ordered::{OrderedIndex, bounds};

impl Store {
    /// Returns the next rows, at most `rows_max`; `None` when the scan is over. A batch may be
    /// empty: the rows looked at did not pass the filter, and the caller gets a chance to yield.
    ///
    /// **Cost**: looks at no more than `rows_max` visible records per call, plus the invisible
    /// ones between them.
    /// **Errors**: `StaleCatalog` when the table was dropped, and whatever the filter reports.
    pub fn next_batch(
        &self,
        cursor: &mut Cursor,
        rows_max: usize,
    ) -> Result<Option<RecordBatch>, Error> {
        let table = self.table(cursor.table)?;
        if let Source::Comparing(_) = cursor.source {
            let over = Source::Hits { hits: Vec::new(), next: 0 };
            if let Source::Comparing(comparing) = std::mem::replace(&mut cursor.source, over) {
                cursor.compare_some(table, comparing)?;
            }
            let none = Rows::with_capacity(0);
            return none.batch(table, &cursor.columns, &cursor.schema, cursor.measure).map(Some);
        }
        let wanted = match &cursor.filter {
            // With a filter, how many rows to look at for a small limit is unknown: look ahead.
            Some(_) => rows_max,
            None => rows_max.min(cursor.remaining),
        };
        if wanted == 0 || cursor.remaining == 0 {
            return Ok(None);
        }
        let Cursor { source, overlay, filter, .. } = cursor;
        let mut rows = Rows::with_capacity(wanted.min(8192));
        let more = table.fetch(source, overlay, cursor.snapshot, wanted, &mut rows)?;
        if rows.is_empty() && !more {
            return Ok(None);
        }
        if let Some((filter, schema)) = filter {
            filter_rows(table, &mut rows, &**filter, schema, cursor.measure)?;
            rows.truncate(cursor.remaining);
        }
        cursor.remaining -= rows.len();
        rows.batch(table, &cursor.columns, &cursor.schema, cursor.measure).map(Some)
    }
}

impl TableStore {
    /// Returns an ordered index of this table.
    pub(super) fn ordered(&self, index: IndexId) -> Result<&OrderedIndex, Error> {
        self.indexes.ordered.get(&index).ok_or_else(|| self.stale())
    }

    /// Adds up to `wanted` visible rows; returns whether there may be more.
    fn fetch<'s>(
        &'s self,
        source: &mut Source,
        overlay: &'s mut Overlay,
        snapshot: Timestamp,
        wanted: usize,
        rows: &mut Rows<'s>,
    ) -> Result<bool, Error> {
        let Overlay { hidden, rows: staged, next: staged_next } = overlay;
        let staged: &'s [StagedRow] = staged;
        let mut fetch = Fetch { table: self, hidden, staged, staged_next, snapshot, wanted, rows };
        match source {
            Source::All { next, end } => fetch.all(next, *end),
            Source::Keys { keys, next } => {
                while fetch.has_room() && *next < keys.len() {
                    if let Some((id, _)) = self.find(keys[*next].bytes()) {
                        fetch.record(id)?;
                    }
                    *next += 1;
                }
                Ok(*next < keys.len())
            }
            Source::KeyRange { range, after } => fetch.key_range(range, after),
            Source::Index { index, range, after } => fetch.index(*index, range, after),
            Source::Hits { hits, next } => {
                while fetch.has_room() && *next < hits.len() {
                    let hit = &hits[*next];
                    match hit.place {
                        Place::Record(id) => {
                            if let Some(version) = self.records.get(id).at(snapshot) {
                                fetch.push(id, version, hit.measure)?;
                            }
                        }
                        Place::Staged(position) => {
                            fetch.push_staged(&staged[position], hit.measure)?;
                        }
                    }
                    *next += 1;
                }
                Ok(*next < hits.len())
            }
            Source::Comparing(_) => {
                Err(Error::Internal("a comparison gives rows only at its end".into()))
            }
        }
    }
}

/// One call's collection of rows.
struct Fetch<'f, 's> {
    table: &'s TableStore,
    hidden: &'f std::collections::HashSet<RecordId, ahash::RandomState>,
    staged: &'s [StagedRow],
    staged_next: &'f mut usize,
    snapshot: Timestamp,
    wanted: usize,
    rows: &'f mut Rows<'s>,
}

impl<'s> Fetch<'_, 's> {
    fn has_room(&self) -> bool {
        self.rows.len() < self.wanted
    }

    fn all(&mut self, next: &mut u32, end: u32) -> Result<bool, Error> {
        let count = (end - *next) as usize;
        for (id, record) in self.table.records.from(*next).take(count) {
            if !self.has_room() {
                return Ok(true);
            }
            *next = id.0 + 1;
            if let Some(version) = record.at(self.snapshot)
                && (self.hidden.is_empty() || !self.hidden.contains(&id))
            {
                self.rows.push(self.table, &record.key, version.begin, &version.row, 0.0)?;
            }
        }
        *next = end;
        self.staged_rest()
    }

    fn key_range(&mut self, range: &KeyRange, after: &mut Option<Vec<u8>>) -> Result<bool, Error> {
        let Some(limits) = bounds(range, after.as_deref()) else { return self.staged_rest() };
        let order = self.table.order.range::<[u8], _>(limits);
        let mut last: Option<&[u8]> = None;
        let mut visit = |key: &'s [u8], id: RecordId| -> Result<bool, Error> {
            self.staged_before(key, range.descending)?;
            if !self.has_room() {
                return Ok(false);
            }
            self.record(id)?;
            last = Some(key);
            Ok(true)
        };
        let mut is_over = true;
        if range.descending {
            for (key, id) in order.rev() {
                if !visit(key, *id)? {
                    is_over = false;
                    break;
                }
            }
        } else {
            for (key, id) in order {
                if !visit(key, *id)? {
                    is_over = false;
                    break;
                }
            }
        }
        if let Some(last) = last {
            *after = Some(last.to_vec());
        }
        if is_over { self.staged_rest() } else { Ok(true) }
    }

    fn index(
        &mut self,
        index: IndexId,
        range: &KeyRange,
        after: &mut Option<Vec<u8>>,
    ) -> Result<bool, Error> {
        let ordered = self.table.ordered(index)?;
        let mut last: Option<&[u8]> = None;
        let mut is_over = true;
        for hit in ordered.scan(range, after.as_deref(), self.snapshot) {
            self.staged_before(hit.order(), range.descending)?;
            if !self.has_room() {
                is_over = false;
                break;
            }
            self.record(hit.record)?;
            last = Some(hit.entry);
        }
        if let Some(last) = last {
            *after = Some(last.to_vec());
        }
        if is_over { self.staged_rest() } else { Ok(true) }
    }

    /// Adds the staged rows that come before a committed one in the range's order.
    fn staged_before(&mut self, order: &[u8], descending: bool) -> Result<(), Error> {
        while let Some(row) = self.staged.get(*self.staged_next) {
            let is_before = if descending {
                row.order.as_slice() > order
            } else {
                row.order.as_slice() < order
            };
            if !is_before || !self.has_room() {
                break;
            }
            self.push_staged(row, 0.0)?;
            *self.staged_next += 1;
        }
        Ok(())
    }

    fn staged_rest(&mut self) -> Result<bool, Error> {
        while let Some(row) = self.staged.get(*self.staged_next) {
            if !self.has_room() {
                return Ok(true);
            }
            self.push_staged(row, 0.0)?;
            *self.staged_next += 1;
        }
        Ok(false)
    }

    /// Adds a record unless it is invisible or replaced by a staged write.
    fn record(&mut self, id: RecordId) -> Result<(), Error> {
        let record = self.table.records.get(id);
        match record.at(self.snapshot) {
            Some(version) if !self.hidden.contains(&id) => self.push(id, version, 0.0),
            _ => Ok(()),
        }
    }

    fn push(&mut self, id: RecordId, version: &'s Version, measure: f64) -> Result<(), Error> {
        let key = &self.table.records.get(id).key;
        self.rows.push(self.table, key, version.begin, &version.row, measure)
    }

    fn push_staged(&mut self, row: &'s StagedRow, measure: f64) -> Result<(), Error> {
        self.rows.push(self.table, &row.key, row.version, &row.row, measure)
    }
}
