//! Which rows are nearest to a vector?
//!
//! Through the column's index when one is given; otherwise, and for a transaction's staged rows,
//! by comparing every row. Both go through [`VectorIndex`], so a distance has the same bits
//! whichever way it was found.

use std::cmp::Ordering;
use std::sync::Arc;

use super::batch::{Rows, filter_rows};
use super::cursor::{Cursor, Hit, Measure, Overlay, Place, Source};
use super::table::TableStore;
use crate::error::Error;
use crate::ids::{ColumnId, IndexId, RecordId, Timestamp};
use crate::row::RowView;
use crate::value::ColumnType;
use crate::vector::{Metric, VectorIndex, VectorOptions};

/// Rows compared at a time when there is no index: bounds the copy of their vectors.
const SCAN_ROWS: usize = 1024;

/// What is asked for.
pub(super) struct Near {
    pub column: ColumnId,
    pub index: Option<IndexId>,
    pub metric: Metric,
    pub query: Arc<[f32]>,
    pub k: usize,
    pub ef: Option<usize>,
}

/// How rows are compared without an index.
#[derive(Clone, Copy)]
struct Exact {
    /// Position of the vector column.
    column: usize,
    options: VectorOptions,
}

impl Cursor {
    /// Finds the nearest rows, the transaction's own among them.
    pub(super) fn open_nearest(&mut self, table: &TableStore, near: &Near) -> Result<(), Error> {
        self.measure = Measure::Distance;
        let exact = table.exact(near)?;
        let mut hits = match near.index {
            Some(index) => self.search_index(table, near, index)?,
            None => self.search_rows(table, near, exact)?,
        };
        hits.extend(self.search_staged(table, near, exact)?);
        hits.sort_by(|a, b| nearer(a.measure, b.measure).then(a.place.cmp(&b.place)));
        hits.truncate(near.k);
        // The filter has been asked about every hit.
        self.filter = None;
        self.source = Source::Hits { hits, next: 0 };
        Ok(())
    }

    fn search_index(
        &self,
        table: &TableStore,
        near: &Near,
        index: IndexId,
    ) -> Result<Vec<Hit>, Error> {
        let vector = table.indexes.vector.get(&index).ok_or_else(|| {
            Error::Internal(format!("table \"{}\" has no vector index {index}", table.table.name))
        })?;
        if vector.index.options().metric != near.metric {
            return Err(Error::Internal("a vector index of another metric".into()));
        }
        let found = if self.filter.is_none() {
            // Replaced records are dropped afterwards: ask for as many more.
            let k = near.k.saturating_add(self.overlay.hidden.len());
            vector.index.search(&near.query, k, near.ef, self.snapshot, None)?
        } else {
            let mut passes = |ids: &[RecordId]| self.passing(table, ids);
            vector.index.search(&near.query, near.k, near.ef, self.snapshot, Some(&mut passes))?
        };
        let shown = found.into_iter().filter(|(id, _)| !self.overlay.hidden.contains(id));
        Ok(shown.map(|(id, distance)| hit(Place::Record(id), distance)).collect())
    }

    /// Compares every visible row that passes, some at a time.
    fn search_rows(
        &self,
        table: &TableStore,
        near: &Near,
        exact: Exact,
    ) -> Result<Vec<Hit>, Error> {
        let mut nearest: Vec<Hit> = Vec::new();
        let mut ids = Vec::with_capacity(SCAN_ROWS);
        let mut next = 0;
        loop {
            ids.clear();
            for (id, record) in table.records.from(next) {
                next = id.0 + 1;
                if record.at(self.snapshot).is_some() {
                    ids.push(id);
                }
                if ids.len() == SCAN_ROWS {
                    break;
                }
            }
            if ids.is_empty() {
                return Ok(nearest);
            }
            let passing = self.passing(table, &ids)?;
            let rows =
                ids.iter().zip(passing).filter(|(_, passes)| *passes).filter_map(|(id, _)| {
                    let version = table.records.get(*id).at(self.snapshot)?;
                    Some((*id, &*version.row))
                });
            let found = compare(table, near, exact, rows)?;
            let found = found.into_iter().map(|(id, distance)| hit(Place::Record(id), distance));
            nearest.extend(found);
            nearest.sort_by(|a, b| nearer(a.measure, b.measure).then(a.place.cmp(&b.place)));
            nearest.truncate(near.k);
        }
    }

    fn search_staged(
        &self,
        table: &TableStore,
        near: &Near,
        exact: Exact,
    ) -> Result<Vec<Hit>, Error> {
        let passing = self.passing_staged(table)?;
        let rows = passing.iter().map(|position| {
            let row = &self.overlay.rows[*position].row;
            (RecordId(*position as u32), &**row)
        });
        let found = compare(table, near, exact, rows)?;
        let staged = |(id, distance): (RecordId, f32)| hit(Place::Staged(id.0 as usize), distance);
        Ok(found.into_iter().map(staged).collect())
    }

    /// Returns which of these records are shown, not replaced by staged writes, and pass the
    /// filter.
    pub(super) fn passing(&self, table: &TableStore, ids: &[RecordId]) -> Result<Vec<bool>, Error> {
        let mut verdict = vec![false; ids.len()];
        let mut rows = Rows::with_capacity(ids.len());
        let mut positions = Vec::with_capacity(ids.len());
        for (position, id) in ids.iter().enumerate() {
            let record = table.records.get(*id);
            if let Some(version) = record.at(self.snapshot)
                && !self.overlay.hidden.contains(id)
            {
                rows.push(table, &record.key, version.begin, &version.row, 0.0)?;
                positions.push(position);
            }
        }
        let passes = self.verdict(table, rows)?;
        for (position, passes) in positions.into_iter().zip(passes) {
            verdict[position] = passes;
        }
        Ok(verdict)
    }

    /// Returns the positions of the staged rows that pass the filter.
    pub(super) fn passing_staged(&self, table: &TableStore) -> Result<Vec<usize>, Error> {
        let Overlay { rows: staged, .. } = &self.overlay;
        if staged.is_empty() {
            return Ok(Vec::new());
        }
        let mut rows = Rows::with_capacity(staged.len());
        for row in staged {
            rows.push(table, &row.key, row.version, &row.row, 0.0)?;
        }
        let passes = self.verdict(table, rows)?;
        Ok((0..staged.len()).filter(|position| passes[*position]).collect())
    }

    fn verdict(&self, table: &TableStore, mut rows: Rows<'_>) -> Result<Vec<bool>, Error> {
        match &self.filter {
            None => Ok(vec![true; rows.len()]),
            Some(_) if rows.is_empty() => Ok(Vec::new()),
            Some((filter, schema)) => {
                filter_rows(table, &mut rows, &**filter, schema, Measure::None)
            }
        }
    }
}

impl TableStore {
    /// Returns how rows are compared without an index.
    fn exact(&self, near: &Near) -> Result<Exact, Error> {
        let position = self.table.columns.iter().position(|column| column.id == near.column);
        match position.map(|position| (position, &self.table.columns[position].ty)) {
            Some((column, ColumnType::Vector(dim))) => {
                let options = VectorOptions::new(*dim as usize, near.metric).checked()?;
                Ok(Exact { column, options })
            }
            _ => Err(Error::Internal(format!(
                "column {} of table \"{}\" is no vector",
                near.column, self.table.name
            ))),
        }
    }
}

/// Compares rows with the query; returns the nearest `k`.
fn compare<'a>(
    table: &TableStore,
    near: &Near,
    exact: Exact,
    rows: impl Iterator<Item = (RecordId, &'a [u8])>,
) -> Result<Vec<(RecordId, f32)>, Error> {
    let mut index = VectorIndex::open(exact.options);
    let mut elements = Vec::with_capacity(exact.options.dim);
    for (id, row) in rows {
        elements.clear();
        if RowView::new(row, &table.layout)?.vector_into(
            &table.layout,
            exact.column,
            &mut elements,
        )? {
            index.insert(id, &elements, Timestamp(0));
        }
    }
    index.search_exact(&near.query, near.k, Timestamp(0), None)
}

fn hit(place: Place, distance: f32) -> Hit {
    Hit { place, measure: f64::from(distance) }
}

/// Orders distances, NaN last.
fn nearer(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
