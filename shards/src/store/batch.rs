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

/// One row, or neighbours in a group.
enum Piece {
    One { key: Range<usize>, version: Timestamp, row: Held, measure: f64 },
    Span { group: Rc<Group>, from: usize, to: usize },
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::One { .. } => 1,
            Self::Span { from, to, .. } => to - from,
        }
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
            if let Piece::Span { from, to, .. } = piece {
                *to = (*to).min(from.saturating_add(left));
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
            Some(Piece::Span { group, to, .. }) => group.key_into(to - 1, out),
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
                    match piece {
                        Piece::One { version, .. } => versions.push(version.0),
                        Piece::Span { group, from, to } => {
                            versions.extend((*from..*to).map(|row| group.begin(row).0));
                        }
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
            match piece {
                Piece::One { key, .. } => visit(&self.keys[key.clone()]),
                Piece::Span { group, from, to } => {
                    for row in *from..*to {
                        group.key_into(row, &mut whole);
                        visit(&whole);
                    }
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
            Piece::Span { from, to, .. } => std::iter::repeat_n(0.0, to - from),
        };
        Arc::new(self.pieces.iter().flat_map(measure).map(Some).collect::<Float64Array>())
    }

    fn retain(&mut self, passes: &[bool]) {
        let mut position = 0;
        let mut kept = Vec::with_capacity(self.pieces.len());
        for piece in self.pieces.drain(..) {
            let mine = &passes[position..position + piece.len()];
            position += piece.len();
            match piece {
                Piece::One { .. } if mine[0] => kept.push(piece),
                Piece::One { .. } => {}
                Piece::Span { group, from, .. } => {
                    let mut start = 0;
                    for run in mine.chunk_by(|a, b| a == b) {
                        if run[0] {
                            let (from, to) = (from + start, from + start + run.len());
                            kept.push(Piece::Span { group: group.clone(), from, to });
                        }
                        start += run.len();
                    }
                }
            }
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
    let passes: Vec<bool> = verdict.iter().map(|passes| passes == Some(true)).collect();
    rows.retain(&passes);
    Ok(passes)
}
