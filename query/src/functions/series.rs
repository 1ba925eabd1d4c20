//! Which values lie between two, a step apart?
//!
//! `generate_series(1, 10)`, `generate_series(1, 10, 3)` and, of moments,
//! `generate_series(TIMESTAMP '...', TIMESTAMP '...', INTERVAL '1 day')` give an array. It has a
//! bound: a series is made at once, in memory that no budget counts.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use pieskieo_shards::value::{ARRAY_ELEMENTS_MAX, ColumnBuilder, ColumnType, Value};

use super::function::{Arity, Call, Function};
use crate::error::{Error, code};
use crate::exec::here::external;
use crate::result::column_type;

/// Most values of one call over a batch of rows: 32 MiB of them.
const VALUES_MAX: usize = 4 * ARRAY_ELEMENTS_MAX;

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    vec![Function::new("generate_series", Arity::Some, list_type, series)]
}

fn list_type(types: &[DataType]) -> Result<DataType> {
    item_type(types).map(|item| ColumnType::Array(Arc::new(item)).arrow())
}

fn item_type(types: &[DataType]) -> Result<ColumnType> {
    let kinds: Vec<Option<ColumnType>> = types.iter().map(column_type).collect();
    let whole = |ty: &Option<ColumnType>| {
        matches!(ty, Some(ColumnType::SmallInt | ColumnType::Int | ColumnType::BigInt))
    };
    // A parameter of which nothing is known yet is what the others are.
    let unknown = types.contains(&DataType::Null);
    let known = || types.iter().filter(|ty| **ty != DataType::Null).map(column_type);
    match kinds.as_slice() {
        [_, _] | [_, _, _]
            if unknown && known().next().is_some() && known().all(|ty| whole(&ty)) =>
        {
            Ok(ColumnType::BigInt)
        }
        kinds @ ([_, _] | [_, _, _]) if kinds.iter().all(whole) => Ok(ColumnType::BigInt),
        [Some(ColumnType::TimestampTz), Some(_), Some(ColumnType::Interval)] => {
            Ok(ColumnType::TimestampTz)
        }
        [Some(ColumnType::Date | ColumnType::Timestamp), Some(_), Some(ColumnType::Interval)] => {
            Ok(ColumnType::Timestamp)
        }
        _ => plan_err!(
            "no function matches: generate_series() takes whole numbers, or two timestamps and an \
             interval"
        ),
    }
}

fn series(call: &Call) -> Result<ArrayRef> {
    let types: Vec<DataType> = call.args.iter().map(|array| array.data_type().clone()).collect();
    let item = item_type(&types)?;
    let mut out = ColumnBuilder::new(&ColumnType::Array(Arc::new(item.clone())), call.rows);
    let mut left = VALUES_MAX;
    for row in 0..call.rows {
        if (0..call.args.len()).any(|arg| call.is_null(arg, row)) {
            out.append_null();
            continue;
        }
        let read = |arg: usize, ty: &ColumnType| {
            Value::from_array(call.args[arg].as_ref(), call.at(arg, row), ty).map_err(external)
        };
        let (first, last) = (read(0, &item)?, read(1, &item)?);
        let step = match (call.args.len(), &item) {
            (2, _) => Value::BigInt(1),
            (_, ColumnType::BigInt) => read(2, &ColumnType::BigInt)?,
            _ => read(2, &ColumnType::Interval)?,
        };
        let values = between(first, &last, &step, left.min(ARRAY_ELEMENTS_MAX))?;
        left -= values.len();
        out.append(&Value::Array(values.into())).map_err(external)?;
    }
    out.finish().map_err(external)
}

fn between(first: Value, last: &Value, step: &Value, count_max: usize) -> Result<Vec<Value>> {
    let upwards = match step {
        Value::BigInt(step) => step.cmp(&0),
        Value::Interval(span) => span.total().cmp(&0),
        _ => std::cmp::Ordering::Equal,
    };
    if upwards.is_eq() {
        let message = "the step of a series must not be 0";
        return Err(external(Error::new(code::INVALID_PARAMETER_VALUE, message)));
    }
    let mut values = Vec::new();
    let mut next = Some(first);
    while let Some(value) = next {
        if value.compare(last).is_none_or(|order| order == upwards) {
            break;
        }
        if values.len() == count_max {
            let message = format!("a series of more than {ARRAY_ELEMENTS_MAX} values");
            return Err(external(Error::new(code::PROGRAM_LIMIT, message)));
        }
        next = match (&value, step) {
            (Value::BigInt(number), Value::BigInt(step)) => {
                number.checked_add(*step).map(Value::BigInt)
            }
            (moment, Value::Interval(span)) => moment.plus_span(*span).ok(),
            _ => None,
        };
        values.push(value);
    }
    Ok(values)
}
