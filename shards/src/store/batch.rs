//! How do rows become a record batch?

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::cursor::Measure;
use super::table::TableStore;
use crate::catalog::Table;
use crate::error::Error;
use crate::ids::Timestamp;
use crate::key::Key;
use crate::request::{RowFilter, ScanColumn};
use crate::row::{RowView, column_array};

/// Returns the schema of a scan of these columns.
pub fn scan_schema(table: &Table, columns: &[ScanColumn]) -> SchemaRef {
    let field = |column: &ScanColumn| match column {
        ScanColumn::Column(position) => {
            let declared = &table.columns[*position];
            Field::new(&declared.name, declared.ty.arrow(), !declared.not_null)
        }
        ScanColumn::Key => Field::new("_key", DataType::Binary, false),
        ScanColumn::Version => Field::new("_version", DataType::UInt64, false),
        ScanColumn::Distance => Field::new("_distance", DataType::Float64, true),
        ScanColumn::Score => Field::new("_score", DataType::Float64, true),
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// Rows on their way into a batch, one entry per row in each list.
pub(super) struct Rows<'s> {
    views: Vec<RowView<'s>>,
    keys: Vec<&'s Key>,
    versions: Vec<Timestamp>,
    measures: Vec<f64>,
}

impl<'s> Rows<'s> {
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            views: Vec::with_capacity(capacity),
            keys: Vec::with_capacity(capacity),
            versions: Vec::with_capacity(capacity),
            measures: Vec::with_capacity(capacity),
        }
    }

    pub fn len(&self) -> usize {
        self.views.len()
    }

    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    pub fn truncate(&mut self, count: usize) {
        self.views.truncate(count);
        self.keys.truncate(count);
        self.versions.truncate(count);
        self.measures.truncate(count);
    }

    #[inline]
    pub fn push(
        &mut self,
        table: &TableStore,
        key: &'s Key,
        version: Timestamp,
        row: &'s [u8],
        measure: f64,
    ) -> Result<(), Error> {
        self.views.push(RowView::new(row, &table.layout)?);
        self.keys.push(key);
        self.versions.push(version);
        self.measures.push(measure);
        Ok(())
    }

    /// Builds the batch of these columns.
    pub fn batch(
        &self,
        table: &TableStore,
        columns: &[ScanColumn],
        schema: &SchemaRef,
        measure: Measure,
    ) -> Result<RecordBatch, Error> {
        let arrays = columns
            .iter()
            .map(|column| self.array(table, *column, measure))
            .collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.len()));
        RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
            .map_err(|error| Error::Internal(format!("build batch: {error}")))
    }

    fn array(
        &self,
        table: &TableStore,
        column: ScanColumn,
        measure: Measure,
    ) -> Result<ArrayRef, Error> {
        Ok(match column {
            ScanColumn::Column(position) => column_array(&self.views, &table.layout, position)?,
            ScanColumn::Key => {
                let bytes = self.keys.iter().map(|key| key.bytes().len()).sum();
                let mut builder = BinaryBuilder::with_capacity(self.len(), bytes);
                self.keys.iter().for_each(|key| builder.append_value(key.bytes()));
                Arc::new(builder.finish())
            }
            ScanColumn::Version => {
                Arc::new(self.versions.iter().map(|version| version.0).collect::<UInt64Array>())
            }
            ScanColumn::Distance => self.measures(measure == Measure::Distance),
            ScanColumn::Score => self.measures(measure == Measure::Score),
        })
    }

    fn measures(&self, applies: bool) -> ArrayRef {
        if applies {
            Arc::new(Float64Array::from(self.measures.clone()))
        } else {
            Arc::new(Float64Array::new_null(self.len()))
        }
    }

    fn retain(&mut self, passes: &[bool]) {
        retain(&mut self.views, passes);
        retain(&mut self.keys, passes);
        retain(&mut self.versions, passes);
        retain(&mut self.measures, passes);
    }
}

/// Drops the rows that do not pass the filter.
pub(super) fn filter_rows(
    table: &TableStore,
    rows: &mut Rows<'_>,
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

fn retain<T>(items: &mut Vec<T>, passes: &[bool]) {
    let mut position = 0;
    items.retain(|_| {
        position += 1;
        passes[position - 1]
    });
}
