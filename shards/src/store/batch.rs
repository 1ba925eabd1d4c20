//! How do rows become a record batch?

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::cursor::Measure;
use super::table::TableStore;
use crate::catalog::Table;
use crate::error::Error;
use crate::ids::Timestamp;
use crate::request::{RowFilter, ScanColumn};
use crate::row::{RowLayout, RowView, Stretch, column_array};
use crate::tree::{Group, Held};

/// Returns the schema of a scan of these columns.
pub fn scan_schema(table: &Table, columns: &[ScanColumn]) -> SchemaRef {
    let field = |column: &ScanColumn| match column {
        ScanColumn::Column(position) => {
            let declared = &table.columns[*position];
            Field::new(&declared.name, declared.ty.arrow(), declared.is_nullable())
        }
        ScanColumn::Key => Field::new("_key", DataType::Binary, false),
        ScanColumn::Version => Field::new("_version", DataType::UInt64, false),
        ScanColumn::Distance => Field::new("_distance", DataType::Float64, true),
        ScanColumn::Score => Field::new("_score", DataType::Float64, true),
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// Rows on their way into a batch.
#[derive(Default)]
pub(super) struct Rows {
    pieces: Vec<Piece>,
    count: usize,
    /// Bytes of the keys of single rows.
    keys: Vec<u8>,
}

/// One row, neighbours in a group, or some of the rows of a group.
enum Piece {
    One { key: Range<usize>, version: Timestamp, row: Held, measure: f64 },
    Span { group: Rc<Group>, from: usize, to: usize },
    Picked { group: Rc<Group>, rows: Vec<u32> },
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::One { .. } => 1,
            Self::Span { from, to, .. } => to - from,
            Self::Picked { rows, .. } => rows.len(),
        }
    }

    /// The group of several rows, and which they are.
    fn several(&self) -> Option<(&Group, impl DoubleEndedIterator<Item = usize> + '_)> {
        let (group, span, picked): (_, _, &[u32]) = match self {
            Self::One { .. } => return None,
            Self::Span { group, from, to } => (group, *from..*to, &[]),
            Self::Picked { group, rows } => (group, 0..0, rows),
        };
        Some((group, span.chain(picked.iter().map(|row| *row as usize))))
    }

    /// What is left when only the rows that pass stay. Copies no row.
    fn kept(self, passes: &[bool]) -> Option<Self> {
        if passes.iter().all(|passes| *passes) {
            return Some(self);
        }
        let passing = passes.iter().enumerate().filter(|(_, passes)| **passes).map(|(at, _)| at);
        // Neighbours are read faster as such; others are told one by one, by group and not by run:
        // a condition that lets every seventh row through leaves runs of one.
        let (group, rows): (_, Vec<u32>) = match self {
            Self::One { .. } => return None,
            Self::Span { group, from, .. } => {
                (group, passing.map(|at| (from + at) as u32).collect())
            }
            Self::Picked { group, rows } => (group, passing.map(|at| rows[at]).collect()),
        };
        let (first, last) = (*rows.first()? as usize, *rows.last()? as usize);
        if last - first + 1 == rows.len() {
            return Some(Self::Span { group, from: first, to: last + 1 });
        }
        Some(Self::Picked { group, rows })
    }

    fn stretch<'a>(&'a self, layout: &'a RowLayout) -> Result<Stretch<'a>, Error> {
        Ok(match self {
            Self::One { row: Held::Bytes(bytes), .. } => Stretch::Row(RowView::new(bytes, layout)?),
            Self::One { row: Held::Packed(group, row), .. } => {
                Stretch::Packed { pages: &**group, from: *row, to: row + 1 }
            }
            Self::Span { group, from, to } => {
                Stretch::Packed { pages: &**group, from: *from, to: *to }
            }
            Self::Picked { group, rows } => Stretch::Picked { pages: &**group, rows },
        })
    }
}

impl Rows {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn truncate(&mut self, count: usize) {
        let mut left = count;
        self.pieces.retain_mut(|piece| {
            match piece {
                Piece::One { .. } => {}
                Piece::Span { from, to, .. } => *to = (*to).min(from.saturating_add(left)),
                Piece::Picked { rows, .. } => rows.truncate(left),
            }
            let kept = piece.len().min(left);
            left -= kept;
            kept > 0
        });
        self.count = count - left;
    }

    /// Adds a row.
    #[inline]
    pub fn push(&mut self, key: &[u8], version: Timestamp, row: Held, measure: f64) {
        let start = self.keys.len();
        self.keys.extend_from_slice(key);
        let key = start..self.keys.len();
        self.pieces.push(Piece::One { key, version, row, measure });
        self.count += 1;
    }

    /// Adds neighbours.
    pub fn push_span(&mut self, group: &Rc<Group>, from: usize, to: usize) {
        self.pieces.push(Piece::Span { group: group.clone(), from, to });
        self.count += to - from;
    }

    /// Replaces `out` by the key of the last row, if there is one.
    pub fn last_key_into(&self, out: &mut Vec<u8>) {
        match self.pieces.last() {
            Some(Piece::One { key, .. }) => {
                out.clear();
                out.extend_from_slice(&self.keys[key.clone()]);
            }
            Some(piece) => {
                if let Some((group, rows)) = piece.several()
                    && let Some(last) = { rows }.next_back()
                {
                    group.key_into(last, out);
                }
            }
            None => {}
        }
    }

    /// Builds the batch of these columns.
    pub fn batch(
        &self,
        table: &TableStore,
        columns: &[ScanColumn],
        schema: &SchemaRef,
        measure: Measure,
    ) -> Result<RecordBatch, Error> {
        let stretches = self.stretches(&table.layout)?;
        let arrays = columns
            .iter()
            .map(|column| match column {
                ScanColumn::Column(position) => column_array(&stretches, &table.layout, *position),
                column => Ok(self.array(*column, measure)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.count));
        RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
            .map_err(|error| Error::Internal(format!("build batch: {error}")))
    }

    fn stretches<'a>(&'a self, layout: &'a RowLayout) -> Result<Vec<Stretch<'a>>, Error> {
        self.pieces.iter().map(|piece| piece.stretch(layout)).collect()
    }

    /// Returns what is not a column of the table.
    fn array(&self, column: ScanColumn, measure: Measure) -> ArrayRef {
        match column {
            ScanColumn::Column(_) => unreachable!("columns of the table are built from stretches"),
            ScanColumn::Key => {
                let mut builder = BinaryBuilder::with_capacity(self.count, self.keys.len());
                self.each_key(|key| builder.append_value(key));
                Arc::new(builder.finish())
            }
            ScanColumn::Version => {
                let mut versions = Vec::with_capacity(self.count);
                for piece in &self.pieces {
                    if let Piece::One { version, .. } = piece {
                        versions.push(version.0);
                    } else if let Some((group, rows)) = piece.several() {
                        versions.extend(rows.map(|row| group.begin(row).0));
                    }
                }
                Arc::new(UInt64Array::from(versions))
            }
            ScanColumn::Distance => self.measures(measure == Measure::Distance),
            ScanColumn::Score => self.measures(measure == Measure::Score),
        }
    }

    fn each_key(&self, mut visit: impl FnMut(&[u8])) {
        let mut whole = Vec::new();
        for piece in &self.pieces {
            if let Piece::One { key, .. } = piece {
                visit(&self.keys[key.clone()]);
            } else if let Some((group, rows)) = piece.several() {
                for row in rows {
                    group.key_into(row, &mut whole);
                    visit(&whole);
                }
            }
        }
    }

    fn measures(&self, applies: bool) -> ArrayRef {
        if !applies {
            return Arc::new(Float64Array::new_null(self.count));
        }
        let measure = |piece: &Piece| match piece {
            Piece::One { measure, .. } => std::iter::repeat_n(*measure, 1),
            several => std::iter::repeat_n(0.0, several.len()),
        };
        Arc::new(self.pieces.iter().flat_map(measure).map(Some).collect::<Float64Array>())
    }

    fn retain(&mut self, passes: &[bool]) {
        let mut position = 0;
        let mut kept = Vec::with_capacity(self.pieces.len());
        for piece in self.pieces.drain(..) {
            let mine = &passes[position..position + piece.len()];
            position += piece.len();
            kept.extend(piece.kept(mine));
        }
        self.pieces = kept;
        self.count = passes.iter().filter(|passes| **passes).count();
    }
}

/// Drops the rows that do not pass the filter.
pub(super) fn filter_rows(
    table: &TableStore,
    rows: &mut Rows,
    filter: &dyn RowFilter,
    schema: &SchemaRef,
    measure: Measure,
) -> Result<Vec<bool>, Error> {
    let batch = rows.batch(table, filter.columns(), schema, measure)?;
    let verdict = filter.evaluate(&batch)?;
    if verdict.len() != rows.len() {
        return Err(Error::Internal(format!(
            "a filter answered {} times for {} rows",
            verdict.len(),
            rows.len()
        )));
    }
    let mut passes: Vec<bool> = verdict.iter().map(|passes| passes == Some(true)).collect();
    rows.retain(&passes);
    if let Some(next) = filter.then().filter(|_| !rows.is_empty()) {
        let schema = scan_schema(&table.table, next.columns());
        let kept = filter_rows(table, rows, next, &schema, measure)?;
        for (passes, kept) in passes.iter_mut().filter(|passes| **passes).zip(kept) {
            *passes = kept;
        }
    }
    Ok(passes)
}
