//! How is one column of a row read?

use super::layout::{Field, HEADER_BYTES, RowLayout, VERSION, bitmap_bytes};
use crate::error::Error;
use crate::value::{ColumnType, Interval, Value};

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
        value_of(&layout.fields[column].ty, self.raw(layout, column)?)
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
                ColumnType::Text | ColumnType::Varchar(_) => {
                    text(bytes)?;
                }
                ty @ ColumnType::Array(_) => {
                    value_of(ty, bytes)?;
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

/// Returns the value that a field's bytes hold.
///
/// **Errors**: `Corrupt` when they are not of its type.
pub(super) fn value_of(ty: &ColumnType, bytes: &[u8]) -> Result<Value, Error> {
    Ok(match ty {
        ColumnType::Bool => Value::Bool(exact::<1>(bytes)? != [0]),
        ColumnType::SmallInt => Value::SmallInt(i16::from_le_bytes(exact(bytes)?)),
        ColumnType::Int => Value::Int(i32::from_le_bytes(exact(bytes)?)),
        ColumnType::Date => Value::Date(i32::from_le_bytes(exact(bytes)?)),
        ColumnType::Float => Value::Float(f32::from_le_bytes(exact(bytes)?)),
        ColumnType::BigInt => Value::BigInt(i64::from_le_bytes(exact(bytes)?)),
        ColumnType::Timestamp => Value::Timestamp(i64::from_le_bytes(exact(bytes)?)),
        ColumnType::TimestampTz => Value::TimestampTz(i64::from_le_bytes(exact(bytes)?)),
        ColumnType::Time => Value::Time(i64::from_le_bytes(exact(bytes)?)),
        ColumnType::Double => Value::Double(f64::from_le_bytes(exact(bytes)?)),
        ColumnType::Numeric { .. } => Value::Numeric(i128::from_le_bytes(exact(bytes)?)),
        ColumnType::Interval => Value::Interval(span(exact(bytes)?)),
        ColumnType::Uuid => Value::Uuid(exact(bytes)?),
        ColumnType::Text | ColumnType::Varchar(_) => Value::Text(text(bytes)?.into()),
        ColumnType::Bytea => Value::Bytea(bytes.into()),
        ColumnType::Json => Value::Json(bytes.into()),
        ColumnType::Vector(dim) => {
            if bytes.len() != *dim as usize * 4 {
                return Err(corrupt("a vector of another dimension"));
            }
            Value::Vector(floats(bytes).collect())
        }
        ColumnType::Array(element) => Value::Array(super::array::values(bytes, element)?),
    })
}

/// Returns the span that a field holds.
pub(super) fn span(field: [u8; 16]) -> Interval {
    let [a, b, c, d, e, f, g, h, micros @ ..] = field;
    Interval {
        months: i32::from_le_bytes([a, b, c, d]),
        days: i32::from_le_bytes([e, f, g, h]),
        micros: i64::from_le_bytes(micros),
    }
}

/// Returns the bytes of a field of so many.
pub(super) fn exact<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Error> {
    bytes.try_into().map_err(|_| corrupt("a field of another width"))
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
