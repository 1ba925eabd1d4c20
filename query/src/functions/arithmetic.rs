//! Which calculations are not done as Arrow does them?
//!
//! Whole numbers that leave their type are an error, not other numbers; halves of doubles round to
//! the even neighbor; times are read, and doubles are written, in PostgreSQL's forms. The planner
//! puts these functions in the places of operators and casts; see `plan::casts`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::numeric::{add, mul, sub};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use pieskieo_shards::value::{ColumnBuilder, ColumnType, Value};

use super::function::{Arity, Call, Function};
use crate::error::{Error, code};
use crate::exec::here::external;

/// Name of the function that rounds a double, halves to the even neighbor.
pub const ROUND_EVEN: &str = "round_even";
/// Name of the function that writes a double.
pub const TEXT_OF_DOUBLE: &str = "text_of_double";
/// Name of the function that reads a timestamp.
pub const READ_TIMESTAMP: &str = "read_timestamp";
/// Names of the functions that add, subtract and multiply whole numbers.
pub const ADD: &str = "checked_add";
/// See [`ADD`].
pub const SUBTRACT: &str = "checked_subtract";
/// See [`ADD`].
pub const MULTIPLY: &str = "checked_multiply";

/// From these powers of ten on, and below that one, PostgreSQL writes doubles with an exponent.
const PLAIN_MAX: f64 = 1e15;
const PLAIN_MIN: f64 = 1e-4;

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    let double = |_: &[DataType]| Ok(DataType::Float64);
    let text = |_: &[DataType]| Ok(DataType::Utf8);
    let time = |_: &[DataType]| Ok(ColumnType::Timestamp.arrow());
    vec![
        Function::new(ADD, Arity::Exactly(2), wider, |call| checked(call, |a, b| add(&a, &b))),
        Function::new(SUBTRACT, Arity::Exactly(2), wider, |call| checked(call, |a, b| sub(&a, &b))),
        Function::new(MULTIPLY, Arity::Exactly(2), wider, |call| checked(call, |a, b| mul(&a, &b))),
        Function::new(ROUND_EVEN, Arity::Exactly(1), double, round_even),
        Function::new(TEXT_OF_DOUBLE, Arity::Exactly(1), text, text_of_double),
        Function::new(READ_TIMESTAMP, Arity::Exactly(1), time, read_timestamp),
    ]
}

/// `BIGINT` unless both are smaller.
fn wider(types: &[DataType]) -> Result<DataType> {
    let wide = types.contains(&DataType::Int64);
    Ok(if wide { DataType::Int64 } else { DataType::Int32 })
}

/// Both arguments as arrays of as many rows as the result has.
fn checked(
    call: &Call,
    calculate: fn(ArrayRef, ArrayRef) -> std::result::Result<ArrayRef, ArrowError>,
) -> Result<ArrayRef> {
    let mut sides = Vec::with_capacity(call.args.len());
    for arg in &call.args {
        let side = cast(arg, &call.returns)?;
        let repeated = side.len() == 1 && call.rows != 1;
        sides.push(if repeated { repeat(&side, call.rows)? } else { side });
    }
    let (Some(right), Some(left)) = (sides.pop(), sides.pop()) else {
        return Err(ArrowError::ComputeError("two arguments".to_owned()).into());
    };
    Ok(calculate(left, right)?)
}

fn repeat(value: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    datafusion::common::ScalarValue::try_from_array(value, 0)?.to_array_of_size(rows)
}

fn round_even(call: &Call) -> Result<ArrayRef> {
    let doubles = cast(&call.args[0], &DataType::Float64)?;
    let rounded: Float64Array = doubles.as_primitive::<Float64Type>().unary(f64::round_ties_even);
    Ok(Arc::new(rounded))
}

fn text_of_double(call: &Call) -> Result<ArrayRef> {
    let doubles = cast(&call.args[0], &DataType::Float64)?;
    let doubles = doubles.as_primitive::<Float64Type>();
    Ok(Arc::new(doubles.iter().map(|value| value.map(written)).collect::<StringArray>()))
}

/// The shortest digits that are read as the same double, in PostgreSQL's form.
fn written(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = value.abs();
    if size == 0.0 || (PLAIN_MIN..PLAIN_MAX).contains(&size) {
        return format!("{value}");
    }
    // `1.5e20` and `1e-7` become `1.5e+20` and `1e-07`.
    let text = format!("{value:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

fn read_timestamp(call: &Call) -> Result<ArrayRef> {
    let texts = cast(&call.args[0], &DataType::Utf8)?;
    let mut out = ColumnBuilder::new(&ColumnType::Timestamp, texts.len());
    for text in texts.as_string::<i32>() {
        match text {
            Some(text) => {
                let value = Value::parse(text, &ColumnType::Timestamp).map_err(|error| {
                    let error = Error::new(code::INVALID_DATETIME, error.to_string());
                    DataFusionError::External(Box::new(error))
                })?;
                out.append(&value).map_err(external)?;
            }
            None => out.append_null(),
        }
    }
    out.finish().map_err(external)
}

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn doubles_are_written_as_in_postgresql() {
        // SELECT x::text for each, PostgreSQL 15.
        for (value, text) in [
            (1.5, "1.5"),
            (100.0, "100"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.5e20, "1.5e+20"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-0.0, "-0"),
            (f64::INFINITY, "Infinity"),
        ] {
            assert_eq!(written(value), text);
        }
    }
}
