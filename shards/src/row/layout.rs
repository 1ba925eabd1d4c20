//! Where in a row is each column?

use std::sync::Arc;

use crate::catalog::Table;
use crate::value::ColumnType;

/// Version byte of the layout this module writes.
pub(super) const VERSION: u8 = 1;
/// Bytes before the null bitmap.
pub(super) const HEADER_BYTES: usize = 4;

/// The places of a table's columns. Computed once per table and catalog.
#[derive(Clone, Debug)]
pub struct RowLayout {
    pub(super) fields: Vec<Field>,
    /// Width of the fixed part of a row with the first `n` columns, by `n`.
    pub(super) widths: Vec<usize>,
}

/// Where one column's field is.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub ty: ColumnType,
    /// Offset in the fixed part.
    pub offset: usize,
    /// Whether the field is an end offset into the variable part.
    pub variable: bool,
    /// Offset in the fixed part of the variable column before this one.
    pub previous: Option<usize>,
    /// What rows without the column have in it; `None` = null.
    pub missing: Option<Arc<[u8]>>,
}

impl RowLayout {
    /// Computes the places of the table's columns.
    pub fn of(table: &Table) -> Self {
        Self::of_types(table.columns.iter().map(|column| &column.ty))
            .with_missing(table.columns.iter().map(|column| column.altered.missing.clone()))
    }

    /// Says what rows without a column have in it.
    pub(crate) fn with_missing(
        mut self,
        missing: impl IntoIterator<Item = Option<Arc<[u8]>>>,
    ) -> Self {
        for (field, missing) in self.fields.iter_mut().zip(missing) {
            field.missing = missing;
        }
        self
    }

    /// Computes the places of columns of these types.
    pub fn of_types<'a>(types: impl Iterator<Item = &'a ColumnType>) -> Self {
        let mut fields = Vec::new();
        let mut widths = vec![0];
        let mut offset = 0;
        let mut previous = None;
        for ty in types {
            let (width, variable) = width_of(ty);
            fields.push(Field { ty: ty.clone(), offset, variable, previous, missing: None });
            if variable {
                previous = Some(offset);
            }
            offset += width;
            widths.push(offset);
        }
        Self { fields, widths }
    }

    /// Returns the number of columns.
    pub fn column_count(&self) -> usize {
        self.fields.len()
    }

    /// Returns the bytes of a column's fixed field; `None` when its bytes vary.
    pub fn width(&self, column: usize) -> Option<usize> {
        let field = &self.fields[column];
        (!field.variable).then(|| self.widths[column + 1] - self.widths[column])
    }

    /// Returns the field of a column in rows that were written before it was added; `None` for a
    /// null.
    pub fn missing(&self, column: usize) -> Option<&[u8]> {
        self.fields.get(column)?.missing.as_deref()
    }

    /// Returns the type of a column.
    pub fn column_type(&self, column: usize) -> &ColumnType {
        &self.fields[column].ty
    }
}

/// Returns the width of a type's field and whether it points into the variable part.
fn width_of(ty: &ColumnType) -> (usize, bool) {
    match ty {
        ColumnType::Bool => (1, false),
        ColumnType::Int | ColumnType::Float | ColumnType::Date => (4, false),
        ColumnType::BigInt
        | ColumnType::Double
        | ColumnType::Timestamp
        | ColumnType::TimestampTz => (8, false),
        ColumnType::Numeric { .. } | ColumnType::Uuid => (16, false),
        ColumnType::Text | ColumnType::Bytea | ColumnType::Json | ColumnType::Vector(_) => {
            (4, true)
        }
    }
}

/// Returns the bytes of the null bitmap of `columns` columns.
pub(super) fn bitmap_bytes(columns: usize) -> usize {
    columns.div_ceil(8)
}
