//! How is a value sent?
//!
//! | type | text | binary |
//! | --- | --- | --- |
//! | BOOL | `t`, `f` | a byte |
//! | numbers, TEXT, UUID | as PostgreSQL prints them | big endian; the bytes |
//! | NUMERIC | with all its digits | see `numeric` |
//! | DATE, TIMESTAMP, TIMESTAMPTZ | ISO, UTC | days or microseconds since 2000-01-01 |
//! | TIME | `12:34:56.789` | microseconds |
//! | INTERVAL | `1 year 2 mons 03:04:05` | i64 microseconds, i32 days, i32 months |
//! | JSON | its text | a byte 1 and its text |
//! | VECTOR | `[1,2,3]` | u16 dimension, u16 0, f32 ... |
//! | arrays | `{1,2,NULL}` | dimensions, whether nulls, element type; each with its length |
//! | records | `(1,a)` | none |

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field};
use pieskieo_shards::document;
use pieskieo_shards::value::{ColumnType, Value};

use super::numeric;
use super::oid::{self, WireColumn};
use crate::error::{Error, Result, code};

/// Days from 1970-01-01 to 2000-01-01, from which PostgreSQL counts.
pub(super) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub(super) const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// The version of the binary form of JSONB.
pub(super) const JSONB_VERSION: u8 = 1;

/// In which form a value is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As PostgreSQL prints it.
    #[default]
    Text,
    /// As PostgreSQL keeps it.
    Binary,
}

/// Writes the rows of one batch.
pub struct RowWriter {
    columns: Vec<(ArrayRef, Option<ColumnType>, Form)>,
}

impl RowWriter {
    /// Prepares the rows of a batch for columns as a client was told of them; `forms` has one form
    /// for each.
    ///
    /// **Errors**: `0A000` for a record in binary form; internal for a type that is not the one
    /// told.
    pub fn new(batch: &RecordBatch, told: &[WireColumn], forms: &[Form]) -> Result<Self> {
        if batch.num_columns() != told.len() {
            return Err(Error::internal("an answer with another number of columns than told"));
        }
        let mut columns = Vec::with_capacity(told.len());
        for ((array, told), form) in batch.columns().iter().zip(told).zip(forms) {
            if told.ty.is_none() && *form == Form::Binary {
                let shown = format!("the binary form of column \"{}\"", told.name);
                return Err(Error::unsupported(shown).with_hint("Ask for it as text."));
            }
            let array = as_told(array, told)?;
            columns.push(match form {
                Form::Binary if told.is_narrow() => {
                    (narrowed(&array), Some(ColumnType::Int), *form)
                }
                Form::Binary if told.has_narrow_elements() => {
                    let element = ColumnType::Array(Arc::new(ColumnType::Int));
                    (narrowed_elements(&array), Some(element), *form)
                }
                Form::Text if told.is_spaced() => (spaced(&array)?, Some(ColumnType::Text), *form),
                _ => (array, told.ty.clone(), *form),
            });
        }
        Ok(Self { columns })
    }

    /// Appends a row as a message has it: the count of values, then for each its length, -1 for
    /// null, and its bytes.
    ///
    /// **Cost**: one pass; allocates for texts only where they are rendered.
    /// **Errors**: a number that does not fit the type told.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        // Columns of an answer are fewer than 1,664 parts of a statement's text.
        out.extend(u16::try_from(self.columns.len()).unwrap_or(u16::MAX).to_be_bytes());
        for (array, ty, form) in &self.columns {
            if array.data_type() == &DataType::Null || array.is_null(row) {
                out.extend((-1_i32).to_be_bytes());
                continue;
            }
            let at = out.len();
            out.extend([0; 4]);
            match ty {
                Some(ty) => value(array, row, (ty, *form), out)?,
                None => record(array, row, out)?,
            }
            let length = i32::try_from(out.len() - at - 4).map_err(|_| too_long())?;
            out[at..at + 4].copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }
}

fn too_long() -> Error {
    Error::new(code::PROGRAM_LIMIT, "a value of the answer is longer than 2 GiB")
}

/// Casts what a plan gave to what its client was told: types of the same kind may differ in width.
fn as_told(array: &ArrayRef, told: &WireColumn) -> Result<ArrayRef> {
    let given = WireColumn::of_arrow(&told.name, array.data_type());
    if given.oid == told.oid && array.data_type() != &DataType::UInt64 {
        return Ok(array.clone());
    }
    match &told.ty {
        Some(_) if array.data_type() == &DataType::Null => Ok(array.clone()),
        Some(ty) => Ok(arrow_cast::cast(array, &ty.arrow())?),
        None => Ok(array.clone()),
    }
}

/// As [`narrowed`], of the elements of lists.
fn narrowed_elements(array: &ArrayRef) -> ArrayRef {
    let Some(lists) = array.as_list_opt::<i32>() else { return array.clone() };
    let values = narrowed(lists.values());
    let field = Arc::new(Field::new("item", values.data_type().clone(), true));
    let (offsets, nulls) = (lists.offsets().clone(), lists.nulls().cloned());
    Arc::new(ListArray::new(field, offsets, values, nulls))
}

/// Lists as the texts of `int2vector` and `oidvector`.
fn spaced(array: &ArrayRef) -> Result<ArrayRef> {
    let Some(lists) = array.as_list_opt::<i32>() else { return Ok(array.clone()) };
    let mut out = StringBuilder::new();
    for list in lists.iter() {
        let Some(list) = list else {
            out.append_null();
            continue;
        };
        let numbers = arrow_cast::cast(&list, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<Int64Type>().iter().flatten();
        let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
        out.append_value(numbers.join(" "));
    }
    Ok(Arc::new(out.finish()))
}

/// Numbers of objects in the four bytes that PostgreSQL has for them.
fn narrowed(array: &ArrayRef) -> ArrayRef {
    let Some(wide) = array.as_primitive_opt::<Int64Type>() else { return array.clone() };
    // They have 32 bits, the highest among them.
    let bits = |number: i64| u32::try_from(number).unwrap_or(0).cast_signed();
    Arc::new(wide.unary::<_, Int32Type>(bits))
}

/// Appends one value that is not null.
fn value(
    array: &ArrayRef,
    row: usize,
    (ty, form): (&ColumnType, Form),
    out: &mut Vec<u8>,
) -> Result<()> {
    // The frequent types go without a value in between.
    match (array.data_type(), form) {
        (DataType::Utf8, _) => out.extend(array.as_string::<i32>().value(row).as_bytes()),
        (DataType::Int64, Form::Binary) => {
            out.extend(array.as_primitive::<Int64Type>().value(row).to_be_bytes());
        }
        (DataType::Int32, Form::Binary) => {
            out.extend(array.as_primitive::<Int32Type>().value(row).to_be_bytes());
        }
        (DataType::Int16, Form::Binary) => {
            out.extend(array.as_primitive::<Int16Type>().value(row).to_be_bytes());
        }
        (DataType::Float64, Form::Binary) => {
            out.extend(array.as_primitive::<Float64Type>().value(row).to_be_bytes());
        }
        (DataType::Float32, Form::Binary) => {
            out.extend(array.as_primitive::<Float32Type>().value(row).to_be_bytes());
        }
        (DataType::BinaryView, _) => {
            out.extend((form == Form::Binary).then_some(JSONB_VERSION));
            out.extend(document::to_json_text(array.as_binary_view().value(row)).as_bytes());
        }
        _ => {
            let ty = natural(array, ty);
            let value = Value::from_array(array.as_ref(), row, &ty)?;
            match form {
                Form::Text => text(&value, &ty, out),
                Form::Binary => binary(&value, &ty, out)?,
            }
        }
    }
    Ok(())
}

/// A NUMERIC is read with the digits it has.
fn natural(array: &ArrayRef, ty: &ColumnType) -> ColumnType {
    match array.data_type() {
        DataType::Decimal128(..) => {
            ColumnType::of_arrow(array.data_type()).unwrap_or_else(|| ty.clone())
        }
        _ => ty.clone(),
    }
}

fn text(value: &Value, ty: &ColumnType, out: &mut Vec<u8>) {
    match value {
        Value::Bool(yes) => out.push(if *yes { b't' } else { b'f' }),
        value => out.extend(value.render(ty).as_bytes()),
    }
}

/// Appends the binary form of a value that is not null.
fn binary(value: &Value, ty: &ColumnType, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::Null => {}
        Value::Bool(yes) => out.push(u8::from(*yes)),
        Value::SmallInt(number) => out.extend(number.to_be_bytes()),
        Value::Int(number) => out.extend(number.to_be_bytes()),
        Value::BigInt(number) => out.extend(number.to_be_bytes()),
        Value::Float(number) => out.extend(number.to_be_bytes()),
        Value::Double(number) => out.extend(number.to_be_bytes()),
        Value::Numeric(scaled) => {
            let scale = match ty {
                ColumnType::Numeric { scale, .. } => scale.unsigned_abs(),
                _ => 0,
            };
            numeric::write(*scaled, scale, out);
        }
        Value::Text(text) => out.extend(text.as_bytes()),
        Value::Bytea(bytes) => out.extend(bytes.iter()),
        Value::Date(days) => out.extend(days.saturating_sub(EPOCH_DAYS).to_be_bytes()),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => {
            out.extend(micros.saturating_sub(EPOCH_MICROS).to_be_bytes());
        }
        Value::Time(micros) => out.extend(micros.to_be_bytes()),
        Value::Interval(span) => {
            out.extend(span.micros.to_be_bytes());
            out.extend(span.days.to_be_bytes());
            out.extend(span.months.to_be_bytes());
        }
        Value::Uuid(id) => out.extend(id),
        Value::Json(bytes) => {
            out.push(JSONB_VERSION);
            out.extend(document::to_json_text(bytes).as_bytes());
        }
        Value::Vector(elements) => {
            let dimension = u16::try_from(elements.len()).map_err(|_| too_long())?;
            out.extend(dimension.to_be_bytes());
            out.extend([0; 2]);
            elements.iter().for_each(|element| out.extend(element.to_be_bytes()));
        }
        Value::Array(items) => array_binary(items, ty, out)?,
    }
    Ok(())
}

fn array_binary(items: &[Value], ty: &ColumnType, out: &mut Vec<u8>) -> Result<()> {
    let element = match ty {
        ColumnType::Array(element) => element.as_ref(),
        other => other,
    };
    let dimensions = i32::from(!items.is_empty());
    out.extend(dimensions.to_be_bytes());
    out.extend(i32::from(items.iter().any(Value::is_null)).to_be_bytes());
    out.extend(oid::oid(element).to_be_bytes());
    if items.is_empty() {
        return Ok(());
    }
    out.extend(i32::try_from(items.len()).map_err(|_| too_long())?.to_be_bytes());
    out.extend(1_i32.to_be_bytes());
    for item in items {
        if item.is_null() {
            out.extend((-1_i32).to_be_bytes());
            continue;
        }
        let at = out.len();
        out.extend([0; 4]);
        binary(item, element, out)?;
        let length = i32::try_from(out.len() - at - 4).map_err(|_| too_long())?;
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// Appends a record, or whatever has no type of ours, as text.
fn record(array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<()> {
    let DataType::Struct(_) = array.data_type() else {
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
        out.extend(formatter.value(row).try_to_string()?.as_bytes());
        return Ok(());
    };
    out.push(b'(');
    for (position, column) in array.as_struct().columns().iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        if column.data_type() == &DataType::Null || column.is_null(row) {
            continue;
        }
        let mut part = Vec::new();
        match WireColumn::of_arrow("", column.data_type()).ty {
            Some(ty) => value(&as_type(column, &ty)?, row, (&ty, Form::Text), &mut part)?,
            None => record(column, row, &mut part)?,
        }
        quote(&part, out);
    }
    out.push(b')');
    Ok(())
}

fn as_type(array: &ArrayRef, ty: &ColumnType) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::UInt64 => Ok(arrow_cast::cast(array, &ty.arrow())?),
        _ => Ok(array.clone()),
    }
}

/// Appends a part of a record, in quotes where it could be taken for something else.
fn quote(part: &[u8], out: &mut Vec<u8>) {
    let special =
        |byte: &u8| matches!(byte, b'(' | b')' | b',' | b'"' | b'\\' | b' ' | b'\t' | b'\n');
    if !part.is_empty() && !part.iter().any(special) {
        return out.extend(part);
    }
    out.push(b'"');
    for byte in part {
        if matches!(byte, b'"' | b'\\') {
            out.push(*byte);
        }
        out.push(*byte);
    }
    out.push(b'"');
}
