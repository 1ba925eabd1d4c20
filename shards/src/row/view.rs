//! How is one column of a row read?

use super::field::value_of_field;
use super::layout::{Field, HEADER_BYTES, RowLayout, VERSION, bitmap_bytes};
use crate::error::Error;
use crate::value::{ColumnType, Value};

/// A row whose header has been checked. Every access is O(1) and checked.
#[derive(Clone, Copy)]
pub struct RowView<'a> {
    bytes: &'a [u8],
    /// Of columns that the row may lack.
    fields: &'a [Field],
    count: usize,
    fixed_at: usize,
    variable_at: usize,
}

impl<'a> RowView<'a> {
    /// Checks the header of a row.
    ///
    /// **Errors**: `Corrupt` when the bytes are no row of this layout.
    pub fn new(bytes: &'a [u8], layout: &'a RowLayout) -> Result<Self, Error> {
        let [VERSION, _, low, high, ..] = bytes else {
            return Err(corrupt("no row header"));
        };
        let count = usize::from(u16::from_le_bytes([*low, *high]));
        let Some(width) = layout.widths.get(count) else {
            return Err(corrupt("more columns than the table"));
        };
        let fixed_at = HEADER_BYTES + bitmap_bytes(count);
        let variable_at = fixed_at + width;
        if bytes.len() < variable_at {
            return Err(corrupt("a row shorter than its columns"));
        }
        Ok(Self { bytes, fields: &layout.fields, count, fixed_at, variable_at })
    }

    /// Returns whether a column is null.
    pub fn is_null(&self, column: usize) -> bool {
        if column >= self.count {
            return self.missing(column).is_none();
        }
        let bitmap = self.bytes.get(HEADER_BYTES + column / 8);
        bitmap.is_none_or(|byte| byte >> (column % 8) & 1 == 1)
    }

    /// Returns the field of a column that was added after the row was written.
    fn missing(&self, column: usize) -> Option<&'a [u8]> {
        self.fields.get(column)?.missing.as_deref()
    }

    /// Returns the value of a column.
    ///
    /// **Errors**: `Corrupt` when its bytes are not of its type.
    pub fn value(&self, layout: &RowLayout, column: usize) -> Result<Value, Error> {
        if self.is_null(column) {
            return Ok(Value::Null);
        }
        let field = &layout.fields[column];
        if column >= self.count {
            return value_of_field(&field.ty, self.raw(layout, column)?);
        }
        Ok(match &field.ty {
            ColumnType::Bool => Value::Bool(self.fixed::<1>(field)? != [0]),
            ColumnType::Int => Value::Int(i32::from_le_bytes(self.fixed(field)?)),
            ColumnType::Date => Value::Date(i32::from_le_bytes(self.fixed(field)?)),
            ColumnType::Float => Value::Float(f32::from_le_bytes(self.fixed(field)?)),
            ColumnType::BigInt => Value::BigInt(i64::from_le_bytes(self.fixed(field)?)),
            ColumnType::Timestamp => Value::Timestamp(i64::from_le_bytes(self.fixed(field)?)),
            ColumnType::TimestampTz => Value::TimestampTz(i64::from_le_bytes(self.fixed(field)?)),
            ColumnType::Double => Value::Double(f64::from_le_bytes(self.fixed(field)?)),
            ColumnType::Numeric { .. } => Value::Numeric(i128::from_le_bytes(self.fixed(field)?)),
            ColumnType::Uuid => Value::Uuid(self.fixed(field)?),
            ColumnType::Text => Value::Text(text(self.variable(field)?)?.into()),
            ColumnType::Bytea => Value::Bytea(self.variable(field)?.into()),
            ColumnType::Json => Value::Json(self.variable(field)?.into()),
            ColumnType::Vector(dim) => {
                let bytes = self.variable(field)?;
                if bytes.len() != *dim as usize * 4 {
                    return Err(corrupt("a vector of another dimension"));
                }
                Value::Vector(floats(bytes).collect())
            }
        })
    }

    /// Returns all values.
    ///
    /// **Errors**: as [`RowView::value`].
    pub fn values(&self, layout: &RowLayout) -> Result<Vec<Value>, Error> {
        (0..layout.fields.len()).map(|column| self.value(layout, column)).collect()
    }

    /// Checks every column: its place, and for text and vectors its content.
    ///
    /// **Errors**: `Corrupt` naming what is wrong.
    pub fn check(&self, layout: &RowLayout) -> Result<(), Error> {
        for column in (0..self.count).filter(|column| !self.is_null(*column)) {
            let bytes = self.raw(layout, column)?;
            match layout.column_type(column) {
                ColumnType::Text => {
                    text(bytes)?;
                }
                ColumnType::Vector(dim) if bytes.len() != *dim as usize * 4 => {
                    return Err(corrupt("a vector of another dimension"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the bytes of a column as they are stored, empty for a null. Equal values have
    /// equal bytes, so this is how an update finds out which indexes it touches.
    ///
    /// **Errors**: `Corrupt` when the column's place is outside the row.
    pub fn raw(&self, layout: &RowLayout, column: usize) -> Result<&'a [u8], Error> {
        if self.is_null(column) {
            return Ok(&[]);
        }
        if column >= self.count {
            return Ok(self.missing(column).unwrap_or_default());
        }
        let field = &layout.fields[column];
        if field.variable {
            return self.variable(field);
        }
        let at = self.fixed_at + field.offset;
        let end = self.fixed_at + layout.widths[column + 1];
        self.bytes.get(at..end).ok_or_else(|| corrupt("a field outside the row"))
    }

    /// Returns the text of a text column, `None` when null.
    ///
    /// **Errors**: `Corrupt` when its bytes are not text.
    pub fn text(&self, layout: &RowLayout, column: usize) -> Result<Option<&'a str>, Error> {
        if self.is_null(column) {
            return Ok(None);
        }
        text(self.raw(layout, column)?).map(Some)
    }

    /// Appends the elements of a vector column; returns `false` and appends nothing when null.
    ///
    /// **Errors**: `Corrupt` when its bytes are not a vector of the column's dimension.
    pub fn vector_into(
        &self,
        layout: &RowLayout,
        column: usize,
        out: &mut Vec<f32>,
    ) -> Result<bool, Error> {
        if self.is_null(column) {
            return Ok(false);
        }
        let field = &layout.fields[column];
        let bytes = self.raw(layout, column)?;
        if !matches!(&field.ty, ColumnType::Vector(dim) if bytes.len() == *dim as usize * 4) {
            return Err(corrupt("a vector of another dimension"));
        }
        out.extend(floats(bytes));
        Ok(true)
    }

    /// Returns the bytes of a fixed-width field.
    #[inline]
    fn fixed<const N: usize>(&self, field: &Field) -> Result<[u8; N], Error> {
        let at = self.fixed_at + field.offset;
        match self.bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()) {
            Some(chunk) => Ok(*chunk),
            None => Err(corrupt("a field outside the row")),
        }
    }

    /// Returns the bytes of a variable column.
    #[inline]
    fn variable(&self, field: &Field) -> Result<&'a [u8], Error> {
        let end = self.end_at(field.offset)?;
        let start = match field.previous {
            Some(offset) => self.end_at(offset)?,
            None => 0,
        };
        self.bytes
            .get(self.variable_at + start..self.variable_at + end)
            .ok_or_else(|| corrupt("a column outside the row"))
    }

    fn end_at(&self, offset: usize) -> Result<usize, Error> {
        let at = self.fixed_at + offset;
        match self.bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
            Some(chunk) => Ok(u32::from_le_bytes(*chunk) as usize),
            None => Err(corrupt("a field outside the row")),
        }
    }
}

/// Returns the elements of stored vector bytes.
pub(super) fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.chunks_exact(4).map(|raw| f32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]))
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| corrupt("text that is not UTF-8"))
}

pub(super) fn corrupt(what: &str) -> Error {
    Error::Corrupt(format!("read row: {what}"))
}
