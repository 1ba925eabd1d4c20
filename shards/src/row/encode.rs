//! How do values become a row?

use std::sync::Arc;

use super::layout::{HEADER_BYTES, RowLayout, VERSION, bitmap_bytes};
use crate::catalog::{Column, Table};
use crate::error::Error;
use crate::value::{ColumnType, Value};

/// Most bytes of one row: a row is copied whole into the log and must fit one of its records.
pub const ROW_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Lays out the values of a row, one per column of the table in order. Values of other types are
/// cast as for assignment.
///
/// **Errors**: `InvalidValue` for a null in a column that refuses it, a value that does not fit
/// its column, a row above [`ROW_BYTES_MAX`]; `Internal` for a wrong number of values.
pub fn encode(table: &Table, values: &[Value]) -> Result<Arc<[u8]>, Error> {
    if values.len() != table.columns.len() {
        return Err(Error::Internal(format!(
            "a row of table \"{}\" has {} columns, not {}",
            table.name,
            table.columns.len(),
            values.len()
        )));
    }
    for (column, value) in table.columns.iter().zip(values) {
        if column.not_null && value.is_null() {
            return Err(Error::InvalidValue(format!(
                "null value in column \"{}\" of table \"{}\" violates not-null constraint",
                column.name, table.name
            )));
        }
    }
    let named = |column: usize, error: Error| match error {
        Error::InvalidValue(text) => {
            Error::InvalidValue(format!("column \"{}\": {text}", table.columns[column].name))
        }
        other => other,
    };
    let layout = RowLayout::of(table);
    if table.columns.iter().zip(values).any(|(column, value)| is_left(column, value)) {
        let values: Vec<Value> = table.columns.iter().zip(values).map(kept).collect();
        return encode_with(&layout, &values, named);
    }
    encode_with(&layout, values, named)
}

/// Returns whether a value is of a column that is gone.
fn is_left(column: &Column, value: &Value) -> bool {
    column.altered.dropped && !value.is_null()
}

fn kept((column, value): (&Column, &Value)) -> Value {
    if column.altered.dropped { Value::Null } else { value.clone() }
}

/// Lays out values; `named` adds the column's name to an error.
pub(super) fn encode_with(
    layout: &RowLayout,
    values: &[Value],
    named: impl Fn(usize, Error) -> Error,
) -> Result<Arc<[u8]>, Error> {
    let count = values.len();
    let fixed_at = HEADER_BYTES + bitmap_bytes(count);
    let variable_at = fixed_at + layout.widths[count];
    let mut out = vec![0_u8; variable_at];
    out[0] = VERSION;
    out[2..4].copy_from_slice(&(count as u16).to_le_bytes());
    for (column, value) in values.iter().enumerate() {
        let field = &layout.fields[column];
        let at = fixed_at + field.offset;
        if value.is_null() {
            out[HEADER_BYTES + column / 8] |= 1 << (column % 8);
        } else {
            let fitting = if fits(value, &field.ty) {
                None
            } else {
                Some(value.clone().coerce(&field.ty).map_err(|error| named(column, error))?)
            };
            put(&mut out, at, fitting.as_ref().unwrap_or(value));
        }
        if field.variable {
            let end = out.len() - variable_at;
            if end > ROW_BYTES_MAX {
                return Err(too_large(end));
            }
            out[at..at + 4].copy_from_slice(&(end as u32).to_le_bytes());
        }
    }
    Ok(out.into())
}

/// Lays out values that fit their columns.
#[cfg(test)]
pub(crate) fn encode_values(layout: &RowLayout, values: &[Value]) -> Arc<[u8]> {
    encode_with(layout, values, |_, error| error).expect("fitting values")
}

fn too_large(bytes: usize) -> Error {
    Error::InvalidValue(format!("a row of {bytes} bytes is above the limit of {ROW_BYTES_MAX}"))
}

/// Writes a value: into its field, or at the end of the variable part.
fn put(out: &mut Vec<u8>, at: usize, value: &Value) {
    match value {
        Value::Null => {}
        Value::Bool(v) => out[at] = u8::from(*v),
        Value::Int(v) | Value::Date(v) => out[at..at + 4].copy_from_slice(&v.to_le_bytes()),
        Value::Float(v) => out[at..at + 4].copy_from_slice(&v.to_le_bytes()),
        Value::BigInt(v) | Value::Timestamp(v) | Value::TimestampTz(v) => {
            out[at..at + 8].copy_from_slice(&v.to_le_bytes());
        }
        Value::Double(v) => out[at..at + 8].copy_from_slice(&v.to_le_bytes()),
        Value::Numeric(v) => out[at..at + 16].copy_from_slice(&v.to_le_bytes()),
        Value::Uuid(v) => out[at..at + 16].copy_from_slice(v),
        Value::Text(v) => out.extend_from_slice(v.as_bytes()),
        Value::Bytea(v) | Value::Json(v) => out.extend_from_slice(v),
        Value::Vector(v) => {
            out.reserve(v.len() * 4);
            for element in v.iter() {
                out.extend_from_slice(&element.to_le_bytes());
            }
        }
    }
}

fn fits(value: &Value, ty: &ColumnType) -> bool {
    match (value, ty) {
        (Value::Vector(v), ColumnType::Vector(dim)) => v.len() == *dim as usize,
        (Value::Bool(_), ColumnType::Bool)
        | (Value::Int(_), ColumnType::Int)
        | (Value::BigInt(_), ColumnType::BigInt)
        | (Value::Float(_), ColumnType::Float)
        | (Value::Double(_), ColumnType::Double)
        | (Value::Numeric(_), ColumnType::Numeric { .. })
        | (Value::Text(_), ColumnType::Text)
        | (Value::Bytea(_), ColumnType::Bytea)
        | (Value::Date(_), ColumnType::Date)
        | (Value::Timestamp(_), ColumnType::Timestamp)
        | (Value::TimestampTz(_), ColumnType::TimestampTz)
        | (Value::Uuid(_), ColumnType::Uuid)
        | (Value::Json(_), ColumnType::Json) => true,
        _ => false,
    }
}
