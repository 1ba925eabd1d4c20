//! Which functions of numbers are not DataFusion's, or refuse what it does not?
//!
//! Roots, logarithms and powers without a real value are errors, and so are results that no double
//! holds: PostgreSQL's doubles become infinite only of infinite ones.

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, plan_err};
use pieskieo_shards::value::{ColumnType, Value};
use std::sync::Arc;

use super::function::{Call, Function, Invoke, Kind};
use super::string::{as_whole, refused};
use crate::error::code;
use crate::result::column_type;

/// What a factorial is counted in.
const WHOLE: ColumnType = ColumnType::Numeric { precision: 38, scale: 0 };

/// A function of one double. `None` is a result that is out of range.
type OfOne = fn(f64) -> Result<f64>;

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    use Kind::{Array, Double, Number, Whole};
    let double = |_: &[DataType]| Ok(DataType::Float64);
    let int = |_: &[DataType]| Ok(DataType::Int32);
    let mut out = vec![
        Function::taking("power", &[&[Double, Double]], double, |call| two(call, power))
            .aliases(&["pow"]),
        Function::taking("log", &[&[Double], &[Double, Double]], double, |call| {
            match call.args.len() {
                1 => one(call, |x| logarithm(x, f64::log10)),
                _ => two(call, |base, x| {
                    let (x, base) = (logarithm(x, f64::ln)?, logarithm(base, f64::ln)?);
                    match base {
                        0.0 => Err(refused(code::DIVISION_BY_ZERO, "division by zero")),
                        base => Ok(x / base),
                    }
                }),
            }
        }),
        Function::taking("atan2d", &[&[Double, Double]], double, |call| {
            two(call, |y, x| Ok(y.atan2(x).to_degrees()))
        }),
        Function::taking(
            "width_bucket",
            &[&[Double, Double, Double, Whole], &[Kind::Any, Array]],
            int,
            |call| match call.args.len() {
                2 => bucket_of_array(call),
                _ => call.each(bucket),
            },
        ),
        Function::taking(
            "div",
            &[&[Whole, Whole], &[Double, Double]],
            |types| {
                let whole = types.iter().all(DataType::is_integer);
                Ok(if whole { DataType::Int64 } else { DataType::Float64 })
            },
            |call| call.each(divide),
        ),
        Function::taking(
            "factorial",
            &[&[Whole]],
            |_| Ok(WHOLE.arrow()),
            |call| call.each(|args| factorial(as_whole(&args[0])?)),
        ),
        Function::taking("scale", &[&[Number]], int, |call| scale(call, false)),
        Function::taking("min_scale", &[&[Number]], int, |call| scale(call, true)),
    ];
    for (name, of_one) in OF_ONE {
        out.push(Function::taking(name, &[&[Double]], double, *of_one));
    }
    out
}

/// Functions of one double.
const OF_ONE: &[(&str, Invoke)] = &[
    ("sqrt", |call| one(call, square_root)),
    ("ln", |call| one(call, |x| logarithm(x, f64::ln))),
    ("log10", |call| one(call, |x| logarithm(x, f64::log10))),
    ("exp", |call| one(call, |x| within(x.exp(), x.is_infinite(), x.is_infinite()))),
    ("acos", |call| one(call, |x| from_one(x, f64::acos))),
    ("asin", |call| one(call, |x| from_one(x, f64::asin))),
    ("acosd", |call| one(call, |x| from_one(x, |x| snapped(x.acos().to_degrees())))),
    ("asind", |call| one(call, |x| from_one(x, |x| snapped(x.asin().to_degrees())))),
    ("atand", |call| one(call, |x| Ok(snapped(x.atan().to_degrees())))),
    ("sind", |call| one(call, |x| finite(x, sine))),
    ("cosd", |call| one(call, |x| finite(x, |x| sine(x + 90.0)))),
    ("tand", |call| one(call, |x| finite(x, |x| sine(x) / sine(x + 90.0)))),
    ("cotd", |call| one(call, |x| finite(x, |x| sine(x + 90.0) / sine(x)))),
    ("acosh", |call| one(call, |x| if x < 1.0 { Err(domain()) } else { Ok(x.acosh()) })),
    ("atanh", |call| one(call, |x| from_one(x, f64::atanh))),
    ("sinh", |call| one(call, |x| within(x.sinh(), x.is_infinite(), true))),
    ("cosh", |call| one(call, |x| within(x.cosh(), x.is_infinite(), true))),
];

fn doubles(call: &Call, arg: usize) -> Result<Float64Array> {
    Ok(cast(&call.args[arg], &DataType::Float64)?.as_primitive::<Float64Type>().clone())
}

fn one(call: &Call, compute: OfOne) -> Result<ArrayRef> {
    let of = doubles(call, 0)?;
    let values = (0..call.rows).map(|row| {
        if call.is_null(0, row) {
            return Ok(None);
        }
        compute(of.value(call.at(0, row))).map(Some)
    });
    Ok(Arc::new(values.collect::<Result<Float64Array>>()?))
}

fn two(call: &Call, compute: fn(f64, f64) -> Result<f64>) -> Result<ArrayRef> {
    let (a, b) = (doubles(call, 0)?, doubles(call, 1)?);
    let values = (0..call.rows).map(|row| {
        if call.is_null(0, row) || call.is_null(1, row) {
            return Ok(None);
        }
        compute(a.value(call.at(0, row)), b.value(call.at(1, row))).map(Some)
    });
    Ok(Arc::new(values.collect::<Result<Float64Array>>()?))
}

/// Returns a result, unless it became infinite of finite operands, or zero of others than zero.
///
/// **Errors**: 22003.
pub fn within(result: f64, may_be_infinite: bool, may_be_zero: bool) -> Result<f64> {
    if result.is_infinite() && !may_be_infinite {
        return Err(refused(code::NUMERIC_OUT_OF_RANGE, "value out of range: overflow"));
    }
    if result == 0.0 && !may_be_zero {
        return Err(refused(code::NUMERIC_OUT_OF_RANGE, "value out of range: underflow"));
    }
    Ok(result)
}

fn domain() -> datafusion::error::DataFusionError {
    refused(code::NUMERIC_OUT_OF_RANGE, "input is out of range")
}

fn square_root(x: f64) -> Result<f64> {
    if x < 0.0 {
        let message = "cannot take square root of a negative number";
        return Err(refused(code::POWER_ARGUMENT, message));
    }
    Ok(x.sqrt())
}

fn logarithm(x: f64, of: fn(f64) -> f64) -> Result<f64> {
    if x == 0.0 {
        return Err(refused(code::LOGARITHM_ARGUMENT, "cannot take logarithm of zero"));
    }
    if x < 0.0 {
        let message = "cannot take logarithm of a negative number";
        return Err(refused(code::LOGARITHM_ARGUMENT, message));
    }
    Ok(of(x))
}

fn power(base: f64, exponent: f64) -> Result<f64> {
    if base == 0.0 && exponent < 0.0 {
        let message = "zero raised to a negative power is undefined";
        return Err(refused(code::POWER_ARGUMENT, message));
    }
    if base < 0.0 && exponent.is_finite() && exponent.fract() != 0.0 {
        let message = "a negative number raised to a non-integer power yields a complex result";
        return Err(refused(code::POWER_ARGUMENT, message));
    }
    let infinite = base.is_infinite() || exponent.is_infinite();
    within(base.powf(exponent), infinite, base == 0.0 || infinite)
}

fn from_one(x: f64, of: fn(f64) -> f64) -> Result<f64> {
    if !x.is_nan() && !(-1.0..=1.0).contains(&x) { Err(domain()) } else { Ok(of(x)) }
}

fn finite(x: f64, of: fn(f64) -> f64) -> Result<f64> {
    if x.is_infinite() { Err(domain()) } else { Ok(of(x)) }
}

/// Degrees that are meant to be whole.
fn snapped(degrees: f64) -> f64 {
    let whole = degrees.round();
    if (degrees - whole).abs() < 1e-12 { whole } else { degrees }
}

/// The sine of degrees, exact where it is a whole number or a half.
fn sine(degrees: f64) -> f64 {
    let turned = degrees.rem_euclid(360.0);
    match turned {
        0.0 | 180.0 => 0.0,
        30.0 | 150.0 => 0.5,
        90.0 => 1.0,
        210.0 | 330.0 => -0.5,
        270.0 => -1.0,
        45.0 | 135.0 => std::f64::consts::FRAC_1_SQRT_2,
        225.0 | 315.0 => -std::f64::consts::FRAC_1_SQRT_2,
        turned => turned.to_radians().sin(),
    }
}

fn as_double(value: &Value) -> Result<f64> {
    match value {
        Value::Double(number) => Ok(*number),
        _ => plan_err!("no function matches: a number is wanted"),
    }
}

fn bucket(args: &[Value]) -> Result<Value> {
    let [value, low, high, count] = args else { return Ok(Value::Null) };
    let (value, low, high) = (as_double(value)?, as_double(low)?, as_double(high)?);
    let count = as_whole(count)?;
    let wrong = |message: &str| refused(code::BUCKET_ARGUMENT, message);
    if !(1..=i64::from(i32::MAX)).contains(&count) {
        return Err(wrong("count must be greater than zero"));
    }
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return Err(wrong("operand, lower bound, and upper bound cannot be NaN"));
    }
    if !low.is_finite() || !high.is_finite() {
        return Err(wrong("lower and upper bounds must be finite"));
    }
    if low == high {
        return Err(wrong("lower bound cannot equal upper bound"));
    }
    // Counted backwards, the other way round.
    let (value, low, high) = if low < high { (value, low, high) } else { (-value, -low, -high) };
    let found = match () {
        () if value < low => 0,
        () if value >= high => count + 1,
        () => {
            let part = (value - low) / (high - low);
            ((part * count as f64) as i64 + 1).min(count)
        }
    };
    match i32::try_from(found) {
        Ok(found) => Ok(Value::Int(found)),
        Err(_) => Err(refused(code::NUMERIC_OUT_OF_RANGE, "integer out of range")),
    }
}

/// The number of elements of a sorted array that are not larger.
fn bucket_of_array(call: &Call) -> Result<ArrayRef> {
    let types = [0, 1].map(|arg: usize| column_type(call.args[arg].data_type()));
    let [Some(of), Some(ColumnType::Array(item))] = types else {
        return plan_err!("no function matches: width_bucket() wants a sorted array");
    };
    call.each(|args| {
        let Value::Array(items) = &args[1] else { return Ok(Value::Null) };
        if items.iter().any(Value::is_null) {
            return Err(refused(code::NULL_NOT_ALLOWED, "thresholds array must not contain NULLs"));
        }
        let shared = if item.is_number() && of.is_number() {
            ColumnType::Double
        } else {
            item.as_ref().clone()
        };
        let as_shared = |value: &Value, ty: &ColumnType| {
            value.clone().coerce_from(ty, &shared).map_err(crate::exec::here::external)
        };
        let value = as_shared(&args[0], &of)?;
        let mut found = 0;
        for threshold in items.iter() {
            match as_shared(threshold, &item)?.compare(&value) {
                Some(std::cmp::Ordering::Greater) => break,
                Some(_) => found += 1,
                None => return plan_err!("no function matches: width_bucket() of these types"),
            }
        }
        Ok(Value::Int(found))
    })
}

fn divide(args: &[Value]) -> Result<Value> {
    let zero = || refused(code::DIVISION_BY_ZERO, "division by zero");
    if let (Value::Double(a), Value::Double(b)) = (&args[0], &args[1]) {
        return if *b == 0.0 { Err(zero()) } else { Ok(Value::Double((a / b).trunc())) };
    }
    let (a, b) = (as_whole(&args[0])?, as_whole(&args[1])?);
    if b == 0 {
        return Err(zero());
    }
    let out_of_range = || refused(code::NUMERIC_OUT_OF_RANGE, "bigint out of range");
    a.checked_div(b).map(Value::BigInt).ok_or_else(out_of_range)
}

fn factorial(number: i64) -> Result<Value> {
    if number < 0 {
        let message = "factorial of a negative number is undefined";
        return Err(refused(code::NUMERIC_OUT_OF_RANGE, message));
    }
    let product = (2..=i128::from(number)).try_fold(1_i128, |product, factor| {
        product.checked_mul(factor).filter(|product| *product < 10_i128.pow(38))
    });
    match product {
        Some(product) => Ok(Value::Numeric(product)),
        None => Err(refused(code::NUMERIC_OUT_OF_RANGE, "value overflows numeric format")),
    }
}

/// The digits behind the point of a NUMERIC: those of its type, or without zeros at the end.
fn scale(call: &Call, least: bool) -> Result<ArrayRef> {
    let scale = match column_type(call.args[0].data_type()) {
        Some(ColumnType::Numeric { scale, .. }) => i32::from(scale),
        Some(ColumnType::SmallInt | ColumnType::Int | ColumnType::BigInt) => 0,
        _ => return plan_err!("no function matches: a NUMERIC is wanted"),
    };
    call.each(|args| {
        let (Value::Numeric(mut digits), true) = (args[0].clone(), least) else {
            return Ok(Value::Int(scale));
        };
        let mut left = scale;
        while left > 0 && digits % 10 == 0 {
            (digits, left) = (digits / 10, left - 1);
        }
        Ok(Value::Int(left))
    })
}
