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
use crate::key::KeyRange;
use crate::row::RowView;
use crate::tree::{Held, Reach, Row, Window};
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
    /// The last key looked at.
    after: Option<Vec<u8>>,
    /// Whether the index has already found the records with a vector.
    indexed: bool,
    /// The nearest so far, nearest first, at most `k`.
    nearest: Vec<Hit>,
    /// Those without a vector so far, by key, at most `k`.
    bare: Vec<(Arc<[u8]>, Place)>,
}

/// What comparing some rows gave: positions in the list of rows.
struct Compared {
    /// The nearest `k`.
    nearest: Vec<(usize, f32)>,
    /// Rows without a vector.
    bare: Vec<usize>,
}

/// Says of a record whether it is wanted.
pub(super) type Wanted<'w> = dyn FnMut(&[u8], Row<'_>) -> Result<bool, Error> + 'w;

/// Some records of a walk.
pub(super) struct Step {
    /// Those that are wanted.
    pub candidates: Vec<Candidate>,
    /// The last key looked at.
    pub after: Option<Vec<u8>>,
    pub is_over: bool,
}

/// A record on its way through a comparison.
pub(super) struct Candidate {
    pub key: Arc<[u8]>,
    pub version: Timestamp,
    pub row: Held,
}

impl Cursor {
    /// Begins to look for the nearest rows, the transaction's own among them. An index answers at
    /// once; what it cannot answer is looked for by [`Cursor::compare_some`].
    pub(super) fn open_nearest(
        &mut self,
        table: &TableStore,
        reach: Reach<'_>,
        near: Near,
    ) -> Result<(), Error> {
        self.measure = Measure::Distance;
        let exact = table.exact(&near)?;
        let staged = self.search_staged(table, &near, exact)?;
        let mut comparing = Comparing {
            exact,
            after: None,
            indexed: near.index.is_some(),
            nearest: staged.nearest.iter().map(|(at, d)| hit(Place::Staged(*at), *d)).collect(),
            bare: Vec::new(),
            near,
        };
        let key = |at: usize| self.overlay.rows[at].key.shared_bytes().clone();
        comparing.add_bare(staged.bare.iter().map(|at| (key(*at), Place::Staged(*at))));
        if let Some(index) = comparing.near.index {
            let found = self.search_index(table, reach, &comparing.near, index)?;
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
    ///
    /// **Errors**: `NotLoaded`; then nothing has changed.
    pub(super) fn compare_some(
        &mut self,
        table: &TableStore,
        reach: Reach<'_>,
    ) -> Result<(), Error> {
        let Source::Comparing(comparing) = &self.source else { return Ok(()) };
        let Step { mut candidates, after, is_over } =
            self.next_candidates(table, reach, comparing)?;
        let passes = self.verdict(table, rows_of(&candidates))?;
        let mut passes = passes.into_iter();
        candidates.retain(|_| passes.next().unwrap_or(false));
        let rows: Vec<Arc<[u8]>> =
            candidates.iter().map(|candidate| candidate.row.bytes(&table.layout)).collect();
        let compared = compare(
            table,
            &comparing.near,
            comparing.exact,
            rows.iter().map(|row| &**row).enumerate(),
        )?;
        let over = Source::Hits { hits: Vec::new(), next: 0 };
        let Source::Comparing(mut comparing) = std::mem::replace(&mut self.source, over) else {
            return Ok(());
        };
        let place = |at: usize| Place::Record(candidates[at].key.clone());
        comparing.add_nearest(compared.nearest.iter().map(|(at, d)| hit(place(*at), *d)).collect());
        let bare = compared.bare.iter().map(|at| (candidates[*at].key.clone(), place(*at)));
        comparing.add_bare(bare);
        comparing.after = after;
        if is_over {
            self.found(*comparing);
        } else {
            self.source = Source::Comparing(comparing);
        }
        Ok(())
    }

    /// Returns the next records that are to be compared.
    fn next_candidates(
        &self,
        table: &TableStore,
        reach: Reach<'_>,
        comparing: &Comparing,
    ) -> Result<Step, Error> {
        let (column, indexed) = (comparing.exact.column, comparing.indexed);
        let after = comparing.after.as_deref();
        table.step(reach, (self.snapshot, after), &mut |key, row| {
            let is_wanted = !indexed || row.is_null(&table.layout, column)?;
            Ok(is_wanted && !self.overlay.hidden.contains(key))
        })
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
        reach: Reach<'_>,
        near: &Near,
        index: IndexId,
    ) -> Result<Vec<Hit>, Error> {
        table.indexes.check_whole(Some(index))?;
        let vector = table.indexes.vector.get(&index).ok_or_else(|| table.stale())?;
        if vector.index.options().metric != near.metric {
            return Err(Error::Internal("a vector index of another metric".into()));
        }
        let found = if self.filter.is_none() {
            // Replaced records are dropped afterwards: ask for as many more.
            let k = near.k.saturating_add(self.overlay.hidden.len());
            vector.index.search(&near.query, k, near.ef, self.snapshot, None)?
        } else {
            let mut passes = |ids: &[RecordId]| self.passing(table, reach, ids);
            vector.index.search(&near.query, near.k, near.ef, self.snapshot, Some(&mut passes))?
        };
        let hits = found
            .into_iter()
            .map(|(id, distance)| hit(Place::Record(table.names.key(id).clone()), distance))
            .filter(|hit| !self.is_hidden(&hit.place));
        Ok(hits.collect())
    }

    /// Returns whether a staged write replaces or ends a found record.
    pub(super) fn is_hidden(&self, place: &Place) -> bool {
        matches!(place, Place::Record(key) if self.overlay.hidden.contains(key))
    }

    /// Compares the staged rows.
    fn search_staged(
        &self,
        table: &TableStore,
        near: &Near,
        exact: Exact,
    ) -> Result<Compared, Error> {
        let passing = self.passing_staged(table)?;
        let rows = passing.iter().map(|position| (*position, &*self.overlay.rows[*position].row));
        compare(table, near, exact, rows)
    }

    /// Returns which of these records are shown, not replaced by staged writes, and pass the
    /// filter.
    ///
    /// **Errors**: `NotLoaded`, after the groups of all of them were asked for.
    pub(super) fn passing(
        &self,
        table: &TableStore,
        reach: Reach<'_>,
        ids: &[RecordId],
    ) -> Result<Vec<bool>, Error> {
        let mut verdict = vec![false; ids.len()];
        let mut rows = Rows::default();
        let mut positions = Vec::with_capacity(ids.len());
        let mut lacks = false;
        for (position, id) in ids.iter().enumerate() {
            let key = table.names.key(*id);
            if self.overlay.hidden.contains(key) {
                continue;
            }
            match table.get(reach, key, self.snapshot) {
                Err(Error::NotLoaded) => lacks = true,
                found => {
                    if let Some(found) = found?
                        && let Some(row) = found.row
                    {
                        rows.push(key, found.begin, row, 0.0);
                        positions.push(position);
                    }
                }
            }
        }
        if lacks {
            return Err(Error::NotLoaded);
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
        let mut rows = Rows::default();
        for row in staged {
            rows.push(row.key.bytes(), row.version, Held::Bytes(row.row.clone()), 0.0);
        }
        let passes = self.verdict(table, rows)?;
        Ok((0..staged.len()).filter(|position| passes[*position]).collect())
    }

    pub(super) fn verdict(&self, table: &TableStore, mut rows: Rows) -> Result<Vec<bool>, Error> {
        match &self.filter {
            None => Ok(vec![true; rows.len()]),
            Some(_) if rows.is_empty() => Ok(Vec::new()),
            Some((filter, schema)) => {
                filter_rows(table, &mut rows, &**filter, schema, Measure::None)
            }
        }
    }
}

pub(super) fn rows_of(candidates: &[Candidate]) -> Rows {
    let mut rows = Rows::default();
    for candidate in candidates {
        rows.push(&candidate.key, candidate.version, candidate.row.clone(), 0.0);
    }
    rows
}

impl Comparing {
    fn add_nearest(&mut self, found: Vec<Hit>) {
        self.nearest.extend(found);
        self.nearest.sort_by(|a, b| nearer(a.measure, b.measure).then(a.place.cmp(&b.place)));
        self.nearest.truncate(self.near.k);
    }

    fn add_bare(&mut self, found: impl Iterator<Item = (Arc<[u8]>, Place)>) {
        let before = self.bare.len();
        self.bare.extend(found);
        if self.bare.len() > before {
            self.bare.sort();
            self.bare.truncate(self.near.k);
        }
    }
}

impl TableStore {
    /// Looks at the records a snapshot shows behind a key, some at a time.
    ///
    /// **Errors**: `NotLoaded`, if it was met first.
    pub(super) fn step(
        &self,
        reach: Reach<'_>,
        (snapshot, from): (Timestamp, Option<&[u8]>),
        is_wanted: &mut Wanted<'_>,
    ) -> Result<Step, Error> {
        let mut candidates = Vec::new();
        let mut after = from.map(<[u8]>::to_vec);
        let mut looked_at = 0;
        let range = KeyRange::all(false);
        let window = Window { range: &range, after: from, snapshot, wanted: &[] };
        let over = self.records.scan(reach, window, STEP_ROWS, &mut |item| {
            item.each(&mut |key, version, row| {
                looked_at += 1;
                let last = after.get_or_insert_default();
                last.clear();
                last.extend_from_slice(key);
                if is_wanted(key, row)? {
                    candidates.push(Candidate { key: key.into(), version, row: row.held() });
                }
                Ok::<_, Error>(candidates.len() < STEP_ROWS && looked_at < STEP_RECORDS)
            })?;
            Ok(STEP_ROWS
                .saturating_sub(candidates.len().max(looked_at / (STEP_RECORDS / STEP_ROWS))))
        });
        match over {
            Ok(is_over) => Ok(Step { candidates, after, is_over }),
            Err(Error::NotLoaded) if looked_at > 0 => {
                Ok(Step { candidates, after, is_over: false })
            }
            Err(error) => Err(error),
        }
    }

    /// Returns how rows are compared without an index.
    fn exact(&self, near: &Near) -> Result<Exact, Error> {
        let position = self.table.columns.iter().position(|column| column.id == near.column);
        match position.map(|position| (position, &self.table.columns[position])) {
            Some((column, declared)) if let ColumnType::Vector(dim) = declared.ty => {
                let options = VectorOptions::new(dim as usize, near.metric).checked()?;
                Ok(Exact { column, options, nullable: declared.is_nullable() })
            }
            _ => Err(Error::Internal(format!(
                "column {} of table \"{}\" is no vector",
                near.column, self.table.name
            ))),
        }
    }
}

/// Compares rows, which come with their positions, with the query.
fn compare<'a>(
    table: &TableStore,
    near: &Near,
    exact: Exact,
    rows: impl Iterator<Item = (usize, &'a [u8])>,
) -> Result<Compared, Error> {
    let mut index = VectorIndex::open(exact.options);
    let mut elements = Vec::with_capacity(exact.options.dim);
    let mut bare = Vec::new();
    for (position, row) in rows {
        elements.clear();
        if RowView::new(row, &table.layout)?.vector_into(
            &table.layout,
            exact.column,
            &mut elements,
        )? {
            index.insert(RecordId(position as u32), &elements, Timestamp(0));
        } else {
            bare.push(position);
        }
    }
    let nearest = index.search_exact(&near.query, near.k, Timestamp(0), None)?;
    let nearest = nearest.into_iter().map(|(id, distance)| (id.0 as usize, distance)).collect();
    Ok(Compared { nearest, bare })
}

fn hit(place: Place, distance: f32) -> Hit {
    Hit { place, measure: f64::from(distance) }
}

/// Orders distances, NaN last.
fn nearer(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
