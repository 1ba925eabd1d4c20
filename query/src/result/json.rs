//! How are rows written as JSON?
//!
//! | type | JSON |
//! | --- | --- |
//! | BOOL, INT, BIGINT | as such |
//! | FLOAT, DOUBLE | the shortest digits that read back the same; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | NUMERIC | a number with all its digits |
//! | TEXT, UUID | text |
//! | BYTEA | text `\x0a0b` |
//! | DATE, TIMESTAMP, TIMESTAMPTZ | text `2024-01-31`, `2024-01-31T12:34:56.789`, the last with `Z` |
//! | TIME, INTERVAL | text `12:34:56.789`, `1 year 2 mons 3 days 04:05:06` |
//! | JSON | the value itself |
//! | VECTOR, arrays | an array |
//! | records of columns | an object |
//! | anything else | its text |

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use pieskieo_shards::document;
use pieskieo_shards::value::{ColumnType, Value};

/// Appends the rows of a batch as `[..],[..]`, without brackets or commas around them.
///
/// **Cost**: one pass; allocates nothing but what `out` grows by and a buffer per JSON value.
/// **Errors**: none for the types of this engine.
pub fn write_rows(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    for row in 0..batch.num_rows() {
        if row > 0 {
            out.push(b',');
        }
        out.push(b'[');
        for (position, column) in batch.columns().iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            write_value(column, row, out)?;
        }
        out.push(b']');
    }
    Ok(())
}

/// Appends one value.
///
/// **Errors**: none for the types of this engine.
pub fn write_value(array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    if array.data_type() == &DataType::Null || array.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Boolean => {
            let text: &[u8] = if array.as_boolean().value(row) { b"true" } else { b"false" };
            out.extend_from_slice(text);
        }
        DataType::Int8 => number::<Int8Type>(array, row, out),
        DataType::Int16 => number::<Int16Type>(array, row, out),
        DataType::Int32 => number::<Int32Type>(array, row, out),
        DataType::Int64 => number::<Int64Type>(array, row, out),
        DataType::UInt8 => number::<UInt8Type>(array, row, out),
        DataType::UInt16 => number::<UInt16Type>(array, row, out),
        DataType::UInt32 => number::<UInt32Type>(array, row, out),
        DataType::UInt64 => number::<UInt64Type>(array, row, out),
        DataType::Float16 => {
            single(array.as_primitive::<Float16Type>().value(row).to_f32(), out);
        }
        DataType::Float32 => single(array.as_primitive::<Float32Type>().value(row), out),
        DataType::Float64 => double(array.as_primitive::<Float64Type>().value(row), out),
        DataType::Decimal128(precision, scale) => {
            let ty = ColumnType::Numeric { precision: *precision, scale: *scale };
            let value = Value::Numeric(array.as_primitive::<Decimal128Type>().value(row));
            out.extend_from_slice(value.render(&ty).as_bytes());
        }
        DataType::Utf8 => write_text(array.as_string::<i32>().value(row), out),
        DataType::LargeUtf8 => write_text(array.as_string::<i64>().value(row), out),
        DataType::Utf8View => write_text(array.as_string_view().value(row), out),
        DataType::Binary => bytes(array.as_binary::<i32>().value(row), out),
        DataType::LargeBinary => bytes(array.as_binary::<i64>().value(row), out),
        DataType::BinaryView => {
            let json = document::to_json_text(array.as_binary_view().value(row));
            out.extend_from_slice(json.as_bytes());
        }
        DataType::FixedSizeList(..) => {
            elements(&array.as_fixed_size_list().value(row), out)?;
        }
        DataType::List(_) => elements(&array.as_list::<i32>().value(row), out)?,
        DataType::LargeList(_) => elements(&array.as_list::<i64>().value(row), out)?,
        DataType::Struct(_) => object(array, row, out)?,
        _ => rendered(array, row, out)?,
    }
    Ok(())
}

fn number<T: ArrowPrimitiveType>(array: &ArrayRef, row: usize, out: &mut Vec<u8>)
where
    T::Native: std::fmt::Display,
{
    // Writing to a vector cannot fail.
    let _ = write!(out, "{}", array.as_primitive::<T>().value(row));
}

fn single(value: f32, out: &mut Vec<u8>) {
    if value.is_finite() {
        let _ = serde_json::to_writer(out, &value);
    } else {
        special(f64::from(value), out);
    }
}

fn double(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        let _ = serde_json::to_writer(out, &value);
    } else {
        special(value, out);
    }
}

fn special(value: f64, out: &mut Vec<u8>) {
    let name: &[u8] = if value.is_nan() {
        b"\"NaN\""
    } else if value > 0.0 {
        b"\"Infinity\""
    } else {
        b"\"-Infinity\""
    };
    out.extend_from_slice(name);
}

/// Writes a text with its quotes.
pub fn write_text(value: &str, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, value);
}

fn bytes(value: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\"\\\\x");
    for byte in value {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out.push(b'"');
}

fn elements(items: &ArrayRef, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    out.push(b'[');
    for row in 0..items.len() {
        if row > 0 {
            out.push(b',');
        }
        write_value(items, row, out)?;
    }
    out.push(b']');
    Ok(())
}

fn object(array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    let record = array.as_struct();
    out.push(b'{');
    for (position, (name, column)) in record.column_names().iter().zip(record.columns()).enumerate()
    {
        if position > 0 {
            out.push(b',');
        }
        write_text(name, out);
        out.push(b':');
        write_value(column, row, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Types with a text form of ours, then Arrow's.
fn rendered(array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    match array.data_type() {
        DataType::Date32 => {
            let value = Value::Date(array.as_primitive::<Date32Type>().value(row));
            write_text(&value.render(&ColumnType::Date), out);
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            let rendered = Value::Timestamp(micros).render(&ColumnType::Timestamp);
            let mut iso = rendered.replacen(' ', "T", 1);
            if zone.is_some() {
                iso.push('Z');
            }
            write_text(&iso, out);
        }
        DataType::Timestamp(_, zone) => {
            let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            rendered(&arrow_cast::cast(&array.slice(row, 1), &micros)?, 0, out)?;
        }
        DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Interval(_)
        | DataType::Duration(_) => {
            let ty = ColumnType::of_arrow(array.data_type()).unwrap_or(ColumnType::Text);
            let value = Value::from_array(array.as_ref(), row, &ty)
                .map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
            write_text(&value.render(&ty), out);
        }
        DataType::FixedSizeBinary(16) => {
            let mut id = [0; 16];
            id.copy_from_slice(array.as_fixed_size_binary().value(row));
            write_text(&Value::Uuid(id).render(&ColumnType::Uuid), out);
        }
        DataType::FixedSizeBinary(_) => bytes(array.as_fixed_size_binary().value(row), out),
        DataType::Dictionary(_, value) => {
            write_value(&arrow_cast::cast(&array.slice(row, 1), value)?, 0, out)?;
        }
        _ => {
            let options = FormatOptions::default();
            let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
            write_text(&formatter.value(row).try_to_string()?, out);
        }
    }
    Ok(())
}
