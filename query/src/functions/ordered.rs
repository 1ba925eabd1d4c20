//! What is said of the sorted values of a group?
//!
//! `f(p) WITHIN GROUP (ORDER BY x)` is bound as `f_of(array_agg(x ORDER BY x), p)`: the values come
//! here as one list, sorted, nulls last or first. Their memory is that of the list.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, UInt64Array};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use pieskieo_shards::value::{ColumnBuilder, ColumnType, Value};

use super::function::{Arity, Call, Function};
use super::string::refused;
use crate::error::code;
use crate::exec::here::external;
use crate::result::column_type;

/// Name of the function behind an aggregate of sorted values.
pub fn function_behind(aggregate: &str) -> Option<&'static str> {
    Some(match aggregate {
        "mode" => "mode_of",
        "percentile_cont" => "percentile_cont_of",
        "percentile_disc" => "percentile_disc_of",
        "rank" => "rank_of",
        "dense_rank" => "dense_rank_of",
        "percent_rank" => "percent_rank_of",
        "cume_dist" => "cume_dist_of",
        _ => return None,
    })
}

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    let two = Arity::Exactly(2);
    let three = Arity::Exactly(3);
    let whole = |_: &[DataType]| Ok(DataType::Int64);
    let double = |_: &[DataType]| Ok(DataType::Float64);
    vec![
        Function::new("mode_of", Arity::Exactly(1), |types| element(&types[0]), mode),
        Function::new("percentile_disc_of", two, discrete_type, discrete),
        Function::new("percentile_cont_of", two, continuous_type, continuous),
        Function::new("rank_of", three, whole, |call| {
            placed(call, |place| Value::BigInt(place.before as i64 + 1))
        }),
        Function::new("dense_rank_of", three, whole, |call| {
            placed(call, |place| Value::BigInt(place.groups_before as i64 + 1))
        }),
        Function::new("percent_rank_of", three, double, |call| {
            placed(call, |place| {
                let count = place.count.max(1);
                Value::Double(if place.count == 0 {
                    0.0
                } else {
                    place.before as f64 / count as f64
                })
            })
        }),
        Function::new("cume_dist_of", three, double, |call| {
            placed(call, |place| {
                Value::Double((place.up_to as f64 + 1.0) / (place.count as f64 + 1.0))
            })
        }),
    ]
}

fn element(ty: &DataType) -> Result<DataType> {
    match ty {
        DataType::List(item) | DataType::LargeList(item) => Ok(item.data_type().clone()),
        DataType::Null => Ok(DataType::Null),
        _ => plan_err!("no function matches: sorted values are wanted"),
    }
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, true)))
}

/// For an array of fractions, an array.
fn discrete_type(types: &[DataType]) -> Result<DataType> {
    let item = element(&types[0])?;
    Ok(if matches!(types[1], DataType::List(_)) { list_of(item) } else { item })
}

fn continuous_type(types: &[DataType]) -> Result<DataType> {
    let item = match element(&types[0])? {
        DataType::Interval(_) | DataType::Duration(_) => ColumnType::Interval.arrow(),
        DataType::Null => DataType::Float64,
        ty if ty.is_numeric() => DataType::Float64,
        _ => return plan_err!("no function matches: percentile_cont() wants numbers or intervals"),
    };
    Ok(if matches!(types[1], DataType::List(_)) { list_of(item) } else { item })
}

/// The values of a row's list that are not null, in order.
fn values(call: &Call, row: usize) -> Result<Option<ArrayRef>> {
    if call.is_null(0, row) {
        return Ok(None);
    }
    let list = cast(&call.args[0], &list_of(element(call.args[0].data_type())?))?;
    let list = list.as_list::<i32>().value(call.at(0, row));
    let kept = (0..list.len() as u64).filter(|at| list.is_valid(*at as usize));
    let kept = take(&list, &UInt64Array::from_iter_values(kept), None)?;
    Ok((!kept.is_empty()).then_some(kept))
}

/// The fractions of a row: one, or those of an array. `None` where there are none.
fn fractions(call: &Call, row: usize) -> Result<Option<Vec<Option<f64>>>> {
    if call.is_null(1, row) {
        return Ok(None);
    }
    let at = call.at(1, row);
    let all = match call.args[1].data_type() {
        DataType::List(_) => call.args[1].as_list::<i32>().value(at),
        _ => call.args[1].slice(at, 1),
    };
    let all = cast(&all, &DataType::Float64)?;
    let all: Vec<Option<f64>> = all.as_primitive::<Float64Type>().iter().collect();
    for fraction in all.iter().flatten() {
        if !(0.0..=1.0).contains(fraction) {
            let message = format!("percentile value {fraction} is not between 0 and 1");
            return Err(refused(code::NUMERIC_OUT_OF_RANGE, message));
        }
    }
    Ok(Some(all))
}

/// Makes one value per row of its values and fractions, or an array of one for each fraction.
fn percentiles(
    call: &Call,
    of: fn(&ArrayRef, f64, &DataType) -> Result<ScalarValue>,
) -> Result<ArrayRef> {
    let several = matches!(call.args[1].data_type(), DataType::List(_));
    let item = match &call.returns {
        DataType::List(item) if several => item.data_type(),
        item => item,
    };
    let mut out = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let (values, fractions) = (values(call, row)?, fractions(call, row)?);
        let (Some(values), Some(fractions)) = (values, fractions) else {
            out.push(ScalarValue::try_from(&call.returns)?);
            continue;
        };
        let found = fractions.into_iter().map(|fraction| match fraction {
            Some(fraction) => of(&values, fraction, item),
            None => ScalarValue::try_from(item),
        });
        let mut found = found.collect::<Result<Vec<_>>>()?;
        out.push(match several {
            true => ScalarValue::List(ScalarValue::new_list_nullable(&found, item)),
            false => found.pop().unwrap_or(ScalarValue::try_from(item)?),
        });
    }
    ScalarValue::iter_to_array(out)
}

fn discrete(call: &Call) -> Result<ArrayRef> {
    percentiles(call, |values, fraction, _| {
        let at = (fraction * values.len() as f64).ceil() as usize;
        ScalarValue::try_from_array(values, at.saturating_sub(1))
    })
}

fn continuous(call: &Call) -> Result<ArrayRef> {
    percentiles(call, |values, fraction, item| {
        let place = fraction * (values.len() - 1) as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        let part = place - low as f64;
        if item == &DataType::Float64 {
            let doubles = cast(values, &DataType::Float64)?;
            let doubles: &Float64Array = doubles.as_primitive::<Float64Type>();
            let (low, high) = (doubles.value(low), doubles.value(high));
            return Ok(ScalarValue::Float64(Some(low + (high - low) * part)));
        }
        let span = |at: usize| match Value::from_array(values, at, &ColumnType::Interval) {
            Ok(Value::Interval(span)) => Ok(span),
            Ok(_) => plan_err!("no function matches: an interval is wanted"),
            Err(error) => Err(external(error)),
        };
        let (low, high) = (span(low)?, span(high)?);
        let between = low.negated().and_then(|low| high.plus(low)).and_then(|by| by.times(part));
        let found = between.and_then(|by| low.plus(by)).map(Value::Interval);
        let Some(found) = found else {
            return Err(refused(code::DATETIME_OVERFLOW, "interval out of range"));
        };
        let mut out = ColumnBuilder::new(&ColumnType::Interval, 1);
        out.append(&found).map_err(external)?;
        ScalarValue::try_from_array(&out.finish().map_err(external)?, 0)
    })
}

/// The value that comes most often; of several the first.
fn mode(call: &Call) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let Some(values) = values(call, row)? else {
            out.push(ScalarValue::try_from(&call.returns)?);
            continue;
        };
        let same = datafusion::arrow::compute::partition(std::slice::from_ref(&values))?;
        let mut most = 0..0;
        for range in same.ranges() {
            if range.len() > most.len() {
                most = range;
            }
        }
        out.push(ScalarValue::try_from_array(&values, most.start)?);
    }
    ScalarValue::iter_to_array(out)
}

/// Where a value would stand among others.
#[derive(Default)]
struct Place {
    count: usize,
    /// How many come before it, and in how many groups of equal ones.
    before: usize,
    groups_before: usize,
    /// How many come before it or are equal.
    up_to: usize,
}

/// Finds the place of a value; the third argument says whether the order descends.
fn placed(call: &Call, what: fn(&Place) -> Value) -> Result<ArrayRef> {
    let Some(returns) = column_type(&call.returns) else {
        return plan_err!("no function matches: its result has no type");
    };
    let item = element(call.args[0].data_type())?;
    let Some(ty) = column_type(&item).or((item == DataType::Null).then_some(ColumnType::Text))
    else {
        return plan_err!("no function matches values of such a type");
    };
    let wanted = cast(&call.args[1], &ty.arrow())?;
    let descends = call.args[2].as_boolean().value(0);
    let mut out = ColumnBuilder::new(&returns, call.rows);
    for row in 0..call.rows {
        let mut place = Place::default();
        if !call.is_null(0, row) {
            let list = cast(&call.args[0], &list_of(item.clone()))?;
            let list = list.as_list::<i32>().value(call.at(0, row));
            let value = Value::from_array(&wanted, call.at(1, row), &ty).map_err(external)?;
            place = place_of(&list, &value, &ty, descends)?;
        }
        out.append(&what(&place)).map_err(external)?;
    }
    out.finish().map_err(external)
}

fn place_of(list: &ArrayRef, value: &Value, ty: &ColumnType, descends: bool) -> Result<Place> {
    let mut place = Place { count: list.len(), ..Place::default() };
    let mut previous: Option<Value> = None;
    for at in 0..list.len() {
        let other = match list.is_null(at) {
            true => Value::Null,
            false => Value::from_array(list, at, ty).map_err(external)?,
        };
        // Nulls come last, or first where the order descends.
        let order = match (other.is_null(), value.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => other.compare(value).unwrap_or(Ordering::Equal),
        };
        let order = if descends { order.reverse() } else { order };
        if order == Ordering::Less {
            place.before += 1;
            if previous.as_ref() != Some(&other) {
                place.groups_before += 1;
            }
        }
        if order != Ordering::Greater {
            place.up_to += 1;
        }
        previous = Some(other);
    }
    Ok(place)
}
