//! Which rows are nearest to a vector?
//!
//! Through the column's index when one is given; otherwise, and for a transaction's staged rows,
//! by comparing every row. Both go through [`VectorIndex`], so a distance has the same bits
//! whichever way it was found.
//!
//! Rows without a vector come after all others, by key, when fewer than `k` have one. Looking at
//! every row is done in steps, so that the core can turn to other work between two of them.

use std::cmp::Ordering;
use std::sync::Arc;

use super::batch::{Rows, filter_rows};
use super::cursor::{Cursor, Hit, Measure, Overlay, Place, Source};
use super::table::TableStore;
use crate::error::Error;
use crate::ids::{ColumnId, IndexId, RecordId, Timestamp};
use crate::key::Key;
use crate::row::RowView;
use crate::value::ColumnType;
use crate::vector::{Metric, VectorIndex, VectorOptions};

/// Rows compared in one step when there is no index: bounds the copy of their vectors, and the
/// time until the core looks at its other work (784 dimensions: some 0.3 ms, estimated).
const STEP_ROWS: usize = 1024;

/// Records looked at in one step, invisible ones and those the index knows included.
const STEP_RECORDS: usize = 16 * 1024;

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
pub(super) struct Exact {
    /// Position of the vector column.
    column: usize,
    options: VectorOptions,
    /// Whether there may be rows without a vector.
    nullable: bool,
}

/// A walk over all records, some at a time.
pub(super) struct Comparing {
    near: Near,
    exact: Exact,
    /// The first place of the arena not looked at yet, and the end of the walk.
    next: u32,
    end: u32,
    /// Whether the index has already found the records with a vector.
    indexed: bool,
    /// The nearest so far, nearest first, at most `k`.
    nearest: Vec<Hit>,
    /// Those without a vector so far, by key, at most `k`.
    bare: Vec<(Key, Place)>,
}

/// What comparing some rows gave.
struct Compared {
    /// The nearest `k`.
    nearest: Vec<(RecordId, f32)>,
    /// Rows without a vector.
    bare: Vec<RecordId>,
}

impl Cursor {
    /// Begins to look for the nearest rows, the transaction's own among them. An index answers at
    /// once; what it cannot answer is looked for by [`Cursor::compare_some`].
    pub(super) fn open_nearest(&mut self, table: &TableStore, near: Near) -> Result<(), Error> {
        self.measure = Measure::Distance;
        let exact = table.exact(&near)?;
        let staged = self.search_staged(table, &near, exact)?;
        let mut comparing = Comparing {
            exact,
            next: 0,
            end: table.records.len(),
            indexed: near.index.is_some(),
            nearest: staged.nearest.iter().map(|(id, d)| hit(staged_place(*id), *d)).collect(),
            bare: Vec::new(),
            near,
        };
        let bare = staged
            .bare
            .iter()
            .map(|id| (self.overlay.rows[id.0 as usize].key.clone(), staged_place(*id)));
        comparing.add_bare(bare);
        if let Some(index) = comparing.near.index {
            let found = self.search_index(table, &comparing.near, index)?;
            comparing.add_nearest(found);
        }
        if comparing.indexed && (!exact.nullable || comparing.nearest.len() >= comparing.near.k) {
            self.found(comparing);
        } else {
            self.source = Source::Comparing(Box::new(comparing));
        }
        Ok(())
    }

    /// Looks at the next records of a walk; at its end the cursor holds what was found.
    pub(super) fn compare_some(
        &mut self,
        table: &TableStore,
        mut comparing: Box<Comparing>,
    ) -> Result<(), Error> {
        let mut ids = Vec::with_capacity(STEP_ROWS);
        let mut is_over = true;
        for (looked_at, (id, record)) in table.records.from(comparing.next).enumerate() {
            if id.0 >= comparing.end {
                break;
            }
            if ids.len() == STEP_ROWS || looked_at == STEP_RECORDS {
                is_over = false;
                break;
            }
            comparing.next = id.0 + 1;
            let Some(version) = record.at(self.snapshot) else { continue };
            let column = comparing.exact.column;
            if !comparing.indexed || RowView::new(&version.row, &table.layout)?.is_null(column) {
                ids.push(id);
            }
        }
        let passing = self.passing(table, &ids)?;
        let rows = ids.iter().zip(passing).filter(|(_, passes)| *passes).filter_map(|(id, _)| {
            let version = table.records.get(*id).at(self.snapshot)?;
            Some((*id, &*version.row))
        });
        let compared = compare(table, &comparing.near, comparing.exact, rows)?;
        comparing.add_nearest(compared.nearest);
        comparing.add_bare(
            compared.bare.iter().map(|id| (table.records.get(*id).key.clone(), Place::Record(*id))),
        );
        if is_over {
            self.found(*comparing);
        } else {
            self.source = Source::Comparing(comparing);
        }
        Ok(())
    }

    fn found(&mut self, comparing: Comparing) {
        let Comparing { near, nearest: mut hits, bare, .. } = comparing;
        let bare = bare.into_iter().map(|(_, place)| Hit { place, measure: f64::NAN });
        hits.extend(bare);
        hits.truncate(near.k);
        // The filter has been asked about every hit.
        self.filter = None;
        self.source = Source::Hits { hits, next: 0 };
    }

    fn search_index(
        &self,
        table: &TableStore,
        near: &Near,
        index: IndexId,
    ) -> Result<Vec<(RecordId, f32)>, Error> {
        let vector = table.indexes.vector.get(&index).ok_or_else(|| table.stale())?;
        if vector.index.options().metric != near.metric {
            return Err(Error::Internal("a vector index of another metric".into()));
        }
        let mut found = if self.filter.is_none() {
            // Replaced records are dropped afterwards: ask for as many more.
            let k = near.k.saturating_add(self.overlay.hidden.len());
            vector.index.search(&near.query, k, near.ef, self.snapshot, None)?
        } else {
            let mut passes = |ids: &[RecordId]| self.passing(table, ids);
            vector.index.search(&near.query, near.k, near.ef, self.snapshot, Some(&mut passes))?
        };
        found.retain(|(id, _)| !self.overlay.hidden.contains(id));
        Ok(found)
    }

    /// Compares the staged rows; ids are their positions.
    fn search_staged(
        &self,
        table: &TableStore,
        near: &Near,
        exact: Exact,
    ) -> Result<Compared, Error> {
        let passing = self.passing_staged(table)?;
        let rows = passing.iter().map(|position| {
            let row = &self.overlay.rows[*position].row;
            (RecordId(*position as u32), &**row)
        });
        compare(table, near, exact, rows)
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

impl Comparing {
    fn add_nearest(&mut self, found: Vec<(RecordId, f32)>) {
        let found = found.into_iter().map(|(id, distance)| hit(Place::Record(id), distance));
        self.nearest.extend(found);
        self.nearest.sort_by(|a, b| nearer(a.measure, b.measure).then(a.place.cmp(&b.place)));
        self.nearest.truncate(self.near.k);
    }

    fn add_bare(&mut self, found: impl Iterator<Item = (Key, Place)>) {
        let before = self.bare.len();
        self.bare.extend(found);
        if self.bare.len() > before {
            self.bare.sort();
            self.bare.truncate(self.near.k);
        }
    }
}

impl TableStore {
    /// Returns how rows are compared without an index.
    fn exact(&self, near: &Near) -> Result<Exact, Error> {
        let position = self.table.columns.iter().position(|column| column.id == near.column);
        match position.map(|position| (position, &self.table.columns[position])) {
            Some((column, declared)) if let ColumnType::Vector(dim) = declared.ty => {
                let options = VectorOptions::new(dim as usize, near.metric).checked()?;
                Ok(Exact { column, options, nullable: !declared.not_null })
            }
            _ => Err(Error::Internal(format!(
                "column {} of table \"{}\" is no vector",
                near.column, self.table.name
            ))),
        }
    }
}

/// Compares rows with the query.
fn compare<'a>(
    table: &TableStore,
    near: &Near,
    exact: Exact,
    rows: impl Iterator<Item = (RecordId, &'a [u8])>,
) -> Result<Compared, Error> {
    let mut index = VectorIndex::open(exact.options);
    let mut elements = Vec::with_capacity(exact.options.dim);
    let mut bare = Vec::new();
    for (id, row) in rows {
        elements.clear();
        if RowView::new(row, &table.layout)?.vector_into(
            &table.layout,
            exact.column,
            &mut elements,
        )? {
            index.insert(id, &elements, Timestamp(0));
        } else {
            bare.push(id);
        }
    }
    let nearest = index.search_exact(&near.query, near.k, Timestamp(0), None)?;
    Ok(Compared { nearest, bare })
}

fn staged_place(id: RecordId) -> Place {
    Place::Staged(id.0 as usize)
}

fn hit(place: Place, distance: f32) -> Hit {
    Hit { place, measure: f64::from(distance) }
}

/// Orders distances, NaN last.
fn nearer(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
