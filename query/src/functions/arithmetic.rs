//! Which calculations are not done as Arrow does them?
//!
//! Whole numbers that leave their type are an error, not other numbers, and so are doubles that
//! become infinite, or zero, of others, and what is divided by zero; halves of doubles round to the
//! even neighbor; times are read, and doubles are written, in PostgreSQL's forms. The planner
//! puts these functions in the places of operators and casts; see `plan::casts`.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, Float64Array, PrimitiveArray,
    StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::numeric::{add, div, mul, rem, sub};
use datafusion::arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
};
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
/// Names of the functions that add, subtract, multiply and divide whole numbers and doubles.
pub const ADD: &str = "checked_add";
/// See [`ADD`].
pub const SUBTRACT: &str = "checked_subtract";
/// See [`ADD`].
pub const MULTIPLY: &str = "checked_multiply";
/// See [`ADD`].
pub const DIVIDE: &str = "checked_divide";
/// Name of the function that gives what is left of a division.
pub const REMAINDER: &str = "checked_remainder";
/// Name of the function that makes a whole number positive.
pub const ABSOLUTE: &str = "checked_absolute";

/// From these powers of ten on, and below that one, PostgreSQL writes doubles with an exponent.
const PLAIN_MAX: f64 = 1e15;
const PLAIN_MIN: f64 = 1e-4;

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    let double = |_: &[DataType]| Ok(DataType::Float64);
    let text = |_: &[DataType]| Ok(DataType::Utf8);
    let time = |_: &[DataType]| Ok(ColumnType::Timestamp.arrow());
    vec![
        operation(ADD, |call| checked(call, ADD)),
        operation(SUBTRACT, |call| checked(call, SUBTRACT)),
        operation(MULTIPLY, |call| checked(call, MULTIPLY)),
        operation(DIVIDE, |call| checked(call, DIVIDE)),
        operation(REMAINDER, |call| checked(call, REMAINDER)),
        Function::new(ABSOLUTE, Arity::Exactly(1), |types| Ok(types[0].clone()), absolute),
        Function::new(ROUND_EVEN, Arity::Exactly(1), double, round_even),
        Function::new(TEXT_OF_DOUBLE, Arity::Exactly(1), text, text_of_double),
        Function::new(READ_TIMESTAMP, Arity::Exactly(1), time, read_timestamp),
    ]
}

fn operation(name: &'static str, invoke: fn(&Call) -> Result<ArrayRef>) -> Function {
    Function::new(name, Arity::Exactly(2), wider, invoke)
}

/// The larger of two types of numbers: a double beside anything is one.
fn wider(types: &[DataType]) -> Result<DataType> {
    let has = |ty: &DataType| types.contains(ty);
    let both = |ty: &DataType| types.iter().all(|other| other == ty);
    Ok(match () {
        () if both(&DataType::Float32) => DataType::Float32,
        () if has(&DataType::Float64) || has(&DataType::Float32) => DataType::Float64,
        () if has(&DataType::Int64) => DataType::Int64,
        () if both(&DataType::Int16) => DataType::Int16,
        () => DataType::Int32,
    })
}

/// Calculates with both arguments as arrays of as many rows as the result has.
fn checked(call: &Call, operation: &str) -> Result<ArrayRef> {
    let mut sides = Vec::with_capacity(call.args.len());
    for arg in &call.args {
        let side = cast(arg, &call.returns)?;
        let repeated = side.len() == 1 && call.rows != 1;
        sides.push(if repeated { repeat(&side, call.rows)? } else { side });
    }
    let (Some(right), Some(left)) = (sides.pop(), sides.pop()) else {
        return Err(ArrowError::ComputeError("two arguments".to_owned()).into());
    };
    match call.returns {
        DataType::Float64 => doubles::<Float64Type>(operation, &left, &right),
        DataType::Float32 => doubles::<Float32Type>(operation, &left, &right),
        // There is nothing left of a division by -1, also where the quotient would not fit.
        DataType::Int64 if operation == REMAINDER => remainder::<Int64Type>(&left, &right, -1),
        DataType::Int32 if operation == REMAINDER => remainder::<Int32Type>(&left, &right, -1),
        DataType::Int16 if operation == REMAINDER => remainder::<Int16Type>(&left, &right, -1),
        _ => Ok(match operation {
            ADD => add(&left, &right)?,
            SUBTRACT => sub(&left, &right)?,
            MULTIPLY => mul(&left, &right)?,
            _ => div(&left, &right)?,
        }),
    }
}

fn remainder<T: ArrowPrimitiveType>(
    left: &ArrayRef,
    right: &ArrayRef,
    negative: T::Native,
) -> Result<ArrayRef> {
    let (left, right) = (left.as_primitive::<T>(), right.as_primitive::<T>());
    if right.values().iter().all(|value| *value != negative) {
        return Ok(rem(left, right)?);
    }
    let values = left.iter().zip(right.iter()).map(|(left, right)| match (left, right) {
        (Some(left), Some(right)) if right != negative => left.mod_checked(right).map(Some),
        (Some(_), Some(_)) => Ok(Some(T::Native::ZERO)),
        _ => Ok(None),
    });
    let values = values.collect::<std::result::Result<Vec<_>, ArrowError>>()?;
    Ok(Arc::new(values.into_iter().collect::<PrimitiveArray<T>>()))
}

/// A double, of 32 bits or 64.
trait Real: ArrowNativeTypeOp {
    fn is_infinite(self) -> bool;
    fn is_not_a_number(self) -> bool;
}

impl Real for f64 {
    fn is_infinite(self) -> bool {
        self.is_infinite()
    }

    fn is_not_a_number(self) -> bool {
        self.is_nan()
    }
}

impl Real for f32 {
    fn is_infinite(self) -> bool {
        self.is_infinite()
    }

    fn is_not_a_number(self) -> bool {
        self.is_nan()
    }
}

/// Calculates with doubles, and looks at what became infinite, or zero, of others.
fn doubles<T>(operation: &str, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef>
where
    T: ArrowPrimitiveType,
    T::Native: Real,
{
    let (left, right) = (left.as_primitive::<T>(), right.as_primitive::<T>());
    let divides = matches!(operation, DIVIDE | REMAINDER);
    let (a, b) = (left.values(), right.values());
    let pairs = || {
        let both = a.iter().zip(b.iter()).enumerate();
        both.filter(|(row, _)| left.is_valid(*row) && right.is_valid(*row))
    };
    let zero = T::Native::ZERO;
    if divides && pairs().any(|(_, (a, b))| *b == zero && !a.is_not_a_number()) {
        return Err(external(Error::new(code::DIVISION_BY_ZERO, "division by zero")));
    }
    let made = match operation {
        ADD => add(left, right)?,
        SUBTRACT => sub(left, right)?,
        MULTIPLY => mul(left, right)?,
        DIVIDE => div(left, right)?,
        _ => rem(left, right)?,
    };
    let made_of = made.as_primitive::<T>().values();
    let multiplies = matches!(operation, MULTIPLY | DIVIDE);
    let suspect = |value: &T::Native| value.is_infinite() || (multiplies && *value == zero);
    if !made_of.iter().any(suspect) {
        return Ok(made);
    }
    for (row, (a, b)) in pairs() {
        let value = made_of[row];
        let infinite = a.is_infinite() || b.is_infinite();
        if value.is_infinite() && !infinite {
            let message = "value out of range: overflow";
            return Err(external(Error::new(code::NUMERIC_OUT_OF_RANGE, message)));
        }
        let may_be_zero = *a == zero || (operation == MULTIPLY && *b == zero) || b.is_infinite();
        if multiplies && value == zero && !may_be_zero {
            let message = "value out of range: underflow";
            return Err(external(Error::new(code::NUMERIC_OUT_OF_RANGE, message)));
        }
    }
    Ok(made)
}

fn absolute(call: &Call) -> Result<ArrayRef> {
    fn of<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<ArrayRef> {
        let absolute = |value: T::Native| match value.is_lt(T::Native::ZERO) {
            true => value.neg_checked(),
            false => Ok(value),
        };
        Ok(Arc::new(array.as_primitive::<T>().try_unary::<_, T, ArrowError>(absolute)?))
    }
    match call.args[0].data_type() {
        DataType::Int16 => of::<Int16Type>(&call.args[0]),
        DataType::Int32 => of::<Int32Type>(&call.args[0]),
        _ => of::<Int64Type>(&cast(&call.args[0], &DataType::Int64)?),
    }
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
