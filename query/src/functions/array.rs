//! What can be asked of an array, where PostgreSQL and DataFusion differ?
//!
//! Indexes begin with 1; what is outside of an array is null, also below 1. A slice outside is
//! empty. The length of an empty array is null. `ANY` and `ALL` are null where a null decides.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, Int32Builder, ListArray, Scalar,
    UInt64Array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::compute::kernels::cmp;
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::simplify::ExprSimplifyResult;
use datafusion::logical_expr::{Expr, lit};
use pieskieo_shards::value::{ARRAY_ELEMENTS_MAX, Value};

use super::function::{Arity, Call, Function, Kind};
use super::string::{as_whole, refused};
use crate::error::code;
use crate::exec::here::external;
use crate::result::column_type;

/// Name of the function behind `x op ANY(array)`.
pub const ARRAY_ANY: &str = "array_any";
/// Name of the function behind `x op ALL(array)`.
pub const ARRAY_ALL: &str = "array_all";
/// Name of the function that makes an empty array of null.
pub const ARRAY_OR_EMPTY: &str = "array_or_empty";
/// Name of the function behind `array[index]`.
pub const ARRAY_GET: &str = "array_get";
/// Name of the function behind `array[from:to]`.
pub const ARRAY_PART: &str = "array_part";
/// Name of the function that orders two arrays.
pub const ARRAY_COMPARE: &str = "array_compare";

/// Name of the function behind `array @> array`.
pub const ARRAY_CONTAINS: &str = "array_contains";
/// Name of the function behind `array && array`.
pub const ARRAY_OVERLAPS: &str = "array_overlaps";

/// Most elements of a constant array that `= ANY` is planned as a list of values for.
const LIST_MAX: usize = 10_000;

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    let bool_type = |_: &[DataType]| Ok(DataType::Boolean);
    vec![
        Function::new(ARRAY_GET, Arity::Exactly(2), element_type, get),
        Function::new(ARRAY_PART, Arity::Exactly(3), list_type, part),
        Function::new(ARRAY_COMPARE, Arity::Exactly(2), |_| Ok(DataType::Int32), compare),
        Function::new(ARRAY_ANY, Arity::Exactly(3), bool_type, |call| quantified(call, true))
            .simplify_with(as_list),
        Function::new(ARRAY_ALL, Arity::Exactly(3), bool_type, |call| quantified(call, false)),
        Function::new(ARRAY_CONTAINS, Arity::Exactly(2), bool_type, |call| {
            sets(call, |all, few| few.iter().all(|item| holds(all, item)))
        }),
        Function::new(ARRAY_OVERLAPS, Arity::Exactly(2), bool_type, |call| {
            sets(call, |all, few| few.iter().any(|item| holds(all, item)))
        }),
        Function::new("array_length", Arity::Some, length_type, |call| length(call, None))
            .aliases(&["list_length", "array_upper"]),
        Function::new("array_lower", Arity::Some, length_type, |call| length(call, Some(1))),
        Function::new("cardinality", Arity::Exactly(1), length_type, cardinality),
    ]
    .into_iter()
    .chain(of_elements())
    .collect()
}

/// The functions that ask for elements.
fn of_elements() -> Vec<Function> {
    vec![
        Function::taking(
            "array_ndims",
            &[&[Kind::Array]],
            |_| Ok(DataType::Int32),
            |call| {
                call.each(|args| match &args[0] {
                    Value::Array(items) if !items.is_empty() => Ok(Value::Int(1)),
                    _ => Ok(Value::Null),
                })
            },
        ),
        Function::taking(
            "array_dims",
            &[&[Kind::Array]],
            |_| Ok(DataType::Utf8),
            |call| {
                call.each(|args| match &args[0] {
                    Value::Array(items) if !items.is_empty() => {
                        Ok(Value::Text(format!("[1:{}]", items.len()).into()))
                    }
                    _ => Ok(Value::Null),
                })
            },
        ),
        Function::taking(
            "array_position",
            &[&[Kind::Array, Kind::Any], &[Kind::Array, Kind::Any, Kind::Whole]],
            |_| Ok(DataType::Int32),
            |call| {
                same_type(call)?.each_row(|args| {
                    let start = args.get(2).map_or(Ok(1), as_whole)?;
                    let found = positions(&args[0], &args[1]);
                    let found = found.into_iter().find(|place| i64::from(*place) >= start);
                    Ok(found.map_or(Value::Null, Value::Int))
                })
            },
        ),
        Function::taking(
            "array_positions",
            &[&[Kind::Array, Kind::Any]],
            |_| Ok(list(DataType::Int32)),
            |call| {
                same_type(call)?.each_row(|args| match &args[0] {
                    Value::Null => Ok(Value::Null),
                    array => {
                        let found = positions(array, &args[1]).into_iter().map(Value::Int);
                        Ok(Value::Array(found.collect::<Vec<_>>().into()))
                    }
                })
            },
        ),
    ]
    .into_iter()
    .chain(that_make())
    .collect()
}

/// The functions that make arrays.
fn that_make() -> Vec<Function> {
    vec![
        Function::taking(ARRAY_OR_EMPTY, &[&[Kind::Array]], list_type, |call| {
            call.each_row(|args| match &args[0] {
                Value::Null => Ok(Value::Array(Vec::new().into())),
                array => Ok(array.clone()),
            })
        }),
        Function::taking("array_remove", &[&[Kind::Array, Kind::Any]], list_type, |call| {
            same_type(call)?.each_row(|args| {
                let Value::Array(items) = &args[0] else { return Ok(Value::Null) };
                let kept = items.iter().filter(|item| !alike(item, &args[1])).cloned();
                Ok(Value::Array(kept.collect::<Vec<_>>().into()))
            })
        }),
        Function::taking(
            "array_replace",
            &[&[Kind::Array, Kind::Any, Kind::Any]],
            list_type,
            |call| {
                same_type(call)?.each_row(|args| {
                    let Value::Array(items) = &args[0] else { return Ok(Value::Null) };
                    let made = items.iter().map(|item| match alike(item, &args[1]) {
                        true => args[2].clone(),
                        false => item.clone(),
                    });
                    Ok(Value::Array(made.collect::<Vec<_>>().into()))
                })
            },
        ),
        Function::taking("trim_array", &[&[Kind::Array, Kind::Whole]], list_type, |call| {
            call.each(trimmed)
        }),
        Function::taking(
            "array_fill",
            &[&[Kind::Any, Kind::Array]],
            |types| Ok(list(types[0].clone())),
            |call| call.each_row(filled),
        ),
        Function::taking(
            "generate_subscripts",
            &[&[Kind::Array, Kind::Whole], &[Kind::Array, Kind::Whole, Kind::Bool]],
            |_| Ok(list(DataType::Int32)),
            |call| call.each(subscripts),
        ),
    ]
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, true)))
}

/// A call whose second argument has the type of the first one's elements.
fn same_type(call: &Call) -> Result<Call> {
    let mut args = call.args.clone();
    if let Some(item) = element(args[0].data_type()).cloned() {
        for arg in args.iter_mut().skip(1).take(2) {
            // The third is a place, unless it takes the place of the second.
            if arg.data_type() != &item && call.returns != DataType::Int32 {
                *arg = cast(&*arg, &item)?;
            }
        }
        if args[1].data_type() != &item {
            args[1] = cast(&args[1], &item)?;
        }
    }
    Ok(Call { args, rows: call.rows, returns: call.returns.clone() })
}

/// Whether two values are equal, or both null.
fn alike(item: &Value, wanted: &Value) -> bool {
    match (item.is_null(), wanted.is_null()) {
        (false, false) => item.compare(wanted) == Some(Ordering::Equal),
        (one, other) => one && other,
    }
}

/// The places of a value in an array, from 1; nulls are alike.
fn positions(array: &Value, wanted: &Value) -> Vec<i32> {
    let Value::Array(items) = array else { return Vec::new() };
    (1..)
        .zip(items.iter())
        .filter(|(_, item)| alike(item, wanted))
        .map(|(place, _)| place)
        .collect()
}

/// An array without so many elements at its end.
fn trimmed(args: &[Value]) -> Result<Value> {
    let Value::Array(items) = &args[0] else { return Ok(Value::Null) };
    let count = as_whole(&args[1])?;
    let kept = usize::try_from(count).ok().and_then(|count| items.len().checked_sub(count));
    match kept {
        Some(kept) => Ok(Value::Array(items[..kept].into())),
        None => {
            let message =
                format!("number of elements to trim must be between 0 and {}", items.len());
            Err(refused(code::ARRAY_SUBSCRIPT, message))
        }
    }
}

/// An array of so many times one value.
fn filled(args: &[Value]) -> Result<Value> {
    let Value::Array(lengths) = &args[1] else {
        let message = "dimension array or low bound array cannot be null";
        return Err(refused(code::NULL_NOT_ALLOWED, message));
    };
    let [length] = &lengths[..] else {
        return Err(refused(code::FEATURE_NOT_SUPPORTED, "arrays of arrays"));
    };
    if length.is_null() {
        return Err(refused(code::NULL_NOT_ALLOWED, "dimension values cannot be null"));
    }
    match usize::try_from(as_whole(length)?) {
        Ok(length) if length <= ARRAY_ELEMENTS_MAX => {
            Ok(Value::Array(vec![args[0].clone(); length].into()))
        }
        _ => Err(refused(code::PROGRAM_LIMIT, "array size exceeds the maximum allowed")),
    }
}

/// The numbers of the elements, backwards if asked to.
fn subscripts(args: &[Value]) -> Result<Value> {
    let Value::Array(items) = &args[0] else { return Ok(Value::Null) };
    let count = if as_whole(&args[1])? == 1 { items.len() as i32 } else { 0 };
    let mut places: Vec<Value> = (1..=count).map(Value::Int).collect();
    if args.get(2) == Some(&Value::Bool(true)) {
        places.reverse();
    }
    Ok(Value::Array(places.into()))
}

fn element(ty: &DataType) -> Option<&DataType> {
    match ty {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            Some(item.data_type())
        }
        _ => None,
    }
}

fn element_type(types: &[DataType]) -> Result<DataType> {
    match types.first().and_then(element) {
        Some(item) => Ok(item.clone()),
        None => plan_err!("no function matches: an index needs an array or a JSON value"),
    }
}

fn list_type(types: &[DataType]) -> Result<DataType> {
    Ok(DataType::List(Arc::new(Field::new("item", element_type(types)?, true))))
}

fn length_type(types: &[DataType]) -> Result<DataType> {
    match types {
        [DataType::Null, ..] | [_] | [_, _] => Ok(DataType::Int32),
        _ => plan_err!("no function matches: an array and a dimension are wanted"),
    }
}

/// Returns an argument as a list of our form.
fn list_of(call: &Call, arg: usize) -> Result<ListArray> {
    let array = &call.args[arg];
    let Some(item) = element(array.data_type()) else {
        return exec_err!("no function matches: an array is wanted");
    };
    let ty = DataType::List(Arc::new(Field::new("item", item.clone(), true)));
    Ok(cast(array, &ty)?.as_list::<i32>().clone())
}

/// Returns an argument as whole numbers.
fn whole(call: &Call, arg: usize) -> Result<ArrayRef> {
    Ok(cast(&call.args[arg], &DataType::Int64)?)
}

fn get(call: &Call) -> Result<ArrayRef> {
    let (list, indexes) = (list_of(call, 0)?, whole(call, 1)?);
    let indexes = indexes.as_primitive::<Int64Type>();
    let places = (0..call.rows).map(|row| {
        if call.is_null(0, row) || call.is_null(1, row) {
            return None;
        }
        let at = call.at(0, row);
        let index = indexes.value(call.at(1, row)).checked_sub(1)?;
        let within = (0..i64::from(list.value_length(at))).contains(&index);
        within.then(|| list.value_offsets()[at] as u64 + index as u64)
    });
    Ok(take(list.values(), &UInt64Array::from_iter(places), None)?)
}

fn part(call: &Call) -> Result<ArrayRef> {
    let (list, from, to) = (list_of(call, 0)?, whole(call, 1)?, whole(call, 2)?);
    let (from, to) = (from.as_primitive::<Int64Type>(), to.as_primitive::<Int64Type>());
    let mut valid = Vec::with_capacity(call.rows);
    let mut ends = vec![0_i32];
    let mut places = Vec::new();
    for row in 0..call.rows {
        let is_null = (0..3).any(|arg| call.is_null(arg, row));
        valid.push(!is_null);
        if !is_null {
            let at = call.at(0, row);
            let (start, length) = (list.value_offsets()[at], list.value_length(at));
            let first = from.value(call.at(1, row)).max(1);
            let last = to.value(call.at(2, row)).min(length.into());
            places.extend((first..=last).map(|index| start as u64 + index as u64 - 1));
        }
        match i32::try_from(places.len()) {
            Ok(end) => ends.push(end),
            Err(_) => return exec_err!("resources exhausted: slices of more than 2^31 elements"),
        }
    }
    let values = take(list.values(), &UInt64Array::from(places), None)?;
    let field = Arc::new(Field::new("item", values.data_type().clone(), true));
    let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
    Ok(Arc::new(ListArray::try_new(field, ends, values, Some(NullBuffer::from(valid)))?))
}

fn compare(call: &Call) -> Result<ArrayRef> {
    let types = [0, 1].map(|arg: usize| column_type(call.args[arg].data_type()));
    let [Some(left), Some(right)] = types else {
        return exec_err!("no function matches: arrays are not comparable");
    };
    let mut out = Int32Builder::with_capacity(call.rows);
    for row in 0..call.rows {
        if call.is_null(0, row) || call.is_null(1, row) {
            out.append_null();
            continue;
        }
        let value = |arg: usize, ty| {
            Value::from_array(call.args[arg].as_ref(), call.at(arg, row), ty).map_err(external)
        };
        match value(0, &left)?.compare(&value(1, &right)?) {
            Some(order) => out.append_value(order as i32),
            None => return exec_err!("arrays of different types are not comparable"),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Asks something of two arrays of one type, the first one without nulls and sorted.
fn sets(call: &Call, asks: fn(&[Value], &[Value]) -> bool) -> Result<ArrayRef> {
    let types = [0, 1].map(|arg: usize| column_type(call.args[arg].data_type()));
    let mut out = BooleanBuilder::with_capacity(call.rows);
    let [Some(left), Some(right)] = types else {
        return exec_err!("no function matches: arrays are wanted");
    };
    let items = |arg: usize, row: usize, ty| {
        let array = call.args[arg].as_ref();
        match Value::from_array(array, call.at(arg, row), ty).map_err(external)? {
            Value::Array(items) => Ok(items),
            _ => exec_err!("no function matches: arrays are wanted"),
        }
    };
    let sorted = |row: usize| -> Result<Vec<Value>> {
        let mut all = items(0, row, &left)?.to_vec();
        all.retain(|item| !item.is_null());
        all.sort_by(|a, b| a.compare(b).unwrap_or(Ordering::Equal));
        Ok(all)
    };
    let mut constant: Option<Vec<Value>> = None;
    for row in 0..call.rows {
        if call.is_null(0, row) || call.is_null(1, row) {
            out.append_null();
            continue;
        }
        let few = items(1, row, &right)?;
        let all = match constant.take() {
            Some(all) if call.args[0].len() == 1 => all,
            _ => sorted(row)?,
        };
        out.append_value(asks(&all, &few));
        constant = Some(all);
    }
    Ok(Arc::new(out.finish()))
}

/// Whether sorted values hold one; a null is held nowhere.
fn holds(all: &[Value], item: &Value) -> bool {
    !item.is_null()
        && all.binary_search_by(|have| have.compare(item).unwrap_or(Ordering::Less)).is_ok()
}

fn length(call: &Call, instead: Option<i32>) -> Result<ArrayRef> {
    let mut out = Int32Builder::with_capacity(call.rows);
    if call.args[0].data_type() == &DataType::Null {
        out.append_nulls(call.rows);
        return Ok(Arc::new(out.finish()));
    }
    let list = list_of(call, 0)?;
    let dimensions = if call.args.len() > 1 { Some(whole(call, 1)?) } else { None };
    for row in 0..call.rows {
        let count = if call.is_null(0, row) { 0 } else { list.value_length(call.at(0, row)) };
        let first = dimensions.as_ref().is_none_or(|dimensions| {
            !call.is_null(1, row)
                && dimensions.as_primitive::<Int64Type>().value(call.at(1, row)) == 1
        });
        out.append_option((count > 0 && first).then_some(instead.unwrap_or(count)));
    }
    Ok(Arc::new(out.finish()))
}

fn cardinality(call: &Call) -> Result<ArrayRef> {
    let mut out = Int32Builder::with_capacity(call.rows);
    if call.args[0].data_type() == &DataType::Null {
        out.append_nulls(call.rows);
        return Ok(Arc::new(out.finish()));
    }
    let list = list_of(call, 0)?;
    for row in 0..call.rows {
        out.append_option((!call.is_null(0, row)).then(|| list.value_length(call.at(0, row))));
    }
    Ok(Arc::new(out.finish()))
}

/// `array_any(op, x, array)` and `array_all(op, x, array)`; `x` has the type of the elements.
fn quantified(call: &Call, any: bool) -> Result<ArrayRef> {
    let op = ScalarValue::try_from_array(&call.args[0], 0)?;
    let Some(Some(op)) = op.try_as_str().map(|op| op.map(str::to_owned)) else {
        return exec_err!("no function matches: an operator is wanted");
    };
    let mut out = BooleanBuilder::with_capacity(call.rows);
    if call.args[2].data_type() == &DataType::Null {
        out.append_nulls(call.rows);
        return Ok(Arc::new(out.finish()));
    }
    let list = list_of(call, 2)?;
    let needles = match list.values().data_type() {
        // Whatever the needle is: there is nothing, or only nulls, to compare it with.
        DataType::Null => datafusion::arrow::array::new_null_array(&DataType::Null, call.rows),
        _ => call.args[1].clone(),
    };
    for row in 0..call.rows {
        if call.is_null(2, row) {
            out.append_null();
            continue;
        }
        let items = list.value(call.at(2, row));
        let at = if needles.len() == 1 { 0 } else { row };
        let holds = comparisons(&op, &needles.slice(at, 1), &items)?;
        out.append_option(quantify(&holds, any));
    }
    Ok(Arc::new(out.finish()))
}

/// Whether any, or each, of the comparisons is true; unknown when a null decides.
fn quantify(holds: &BooleanArray, any: bool) -> Option<bool> {
    let decided = if any { holds.true_count() > 0 } else { holds.false_count() > 0 };
    match (decided, holds.null_count() > 0) {
        (true, _) => Some(any),
        (false, true) => None,
        (false, false) => Some(!any),
    }
}

/// Compares one value with each of an array's elements.
fn comparisons(op: &str, needle: &ArrayRef, items: &ArrayRef) -> Result<BooleanArray> {
    let is_unknown = |array: &ArrayRef| array.data_type() == &DataType::Null;
    if is_unknown(needle) || is_unknown(items) || needle.is_null(0) {
        return Ok(BooleanArray::new_null(items.len()));
    }
    if matches!(items.data_type(), DataType::Interval(_)) {
        return spans(op, needle, items);
    }
    let needle = Scalar::new(needle.clone());
    Ok(match op {
        "=" => cmp::eq(&needle, items)?,
        "<>" => cmp::neq(&needle, items)?,
        "<" => cmp::lt(&needle, items)?,
        "<=" => cmp::lt_eq(&needle, items)?,
        ">" => cmp::gt(&needle, items)?,
        ">=" => cmp::gt_eq(&needle, items)?,
        op => return plan_err!("no function matches the operator {op} before ANY or ALL"),
    })
}

fn spans(op: &str, needle: &ArrayRef, items: &ArrayRef) -> Result<BooleanArray> {
    let Some(ty) = column_type(items.data_type()) else {
        return exec_err!("no function matches: an array is wanted");
    };
    let needle = Value::from_array(needle.as_ref(), 0, &ty).map_err(external)?;
    let mut out = BooleanBuilder::with_capacity(items.len());
    for row in 0..items.len() {
        let item = Value::from_array(items.as_ref(), row, &ty).map_err(external)?;
        let order = if item.is_null() { None } else { needle.compare(&item) };
        out.append_option(order.map(|order| match op {
            "=" => order == Ordering::Equal,
            "<>" => order != Ordering::Equal,
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            ">" => order == Ordering::Greater,
            _ => order != Ordering::Less,
        }));
    }
    Ok(out.finish())
}

/// `x = ANY(constant array)` is a list of values, which can be looked up by a key or an index.
fn as_list(args: Vec<Expr>) -> Result<ExprSimplifyResult> {
    let [Expr::Literal(op, _), needle, Expr::Literal(array, _)] = args.as_slice() else {
        return Ok(ExprSimplifyResult::Original(args));
    };
    let ScalarValue::List(list) = array else { return Ok(ExprSimplifyResult::Original(args)) };
    let is_plain = |ty: &DataType| !matches!(ty, DataType::Interval(_) | DataType::Null);
    let suits = op.try_as_str() == Some(Some("="))
        && list.len() == 1
        && !list.is_null(0)
        && list.value_length(0) as usize <= LIST_MAX
        && is_plain(list.values().data_type())
        && !needle.is_volatile();
    if !suits {
        return Ok(ExprSimplifyResult::Original(args));
    }
    let items = list.value(0);
    let items = (0..items.len())
        .map(|row| ScalarValue::try_from_array(&items, row).map(|item| Expr::Literal(item, None)));
    let items = items.collect::<Result<Vec<Expr>>>()?;
    Ok(ExprSimplifyResult::Simplified(match items.is_empty() {
        true => lit(false),
        false => Expr::InList(InList::new(Box::new(needle.clone()), items, false)),
    }))
}
