//! What can be computed with dates, times and spans of time, beyond what DataFusion does?
//!
//! The operators become these functions in `plan_binary`, by the types of their operands:
//!
//! | operands | result |
//! | --- | --- |
//! | DATE + INTERVAL, DATE - INTERVAL | TIMESTAMP |
//! | DATE + INT, DATE - INT | DATE |
//! | DATE + TIME | TIMESTAMP |
//! | TIMESTAMP - TIMESTAMP | INTERVAL, of days and time |
//! | TIME + INTERVAL, TIME - INTERVAL | TIME |
//! | TIME - TIME | INTERVAL |
//! | INTERVAL * number, INTERVAL / number | INTERVAL |
//!
//! Null gives null everywhere. `interval_order` gives the number that spans are compared by.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::planner::RawBinaryExpr;
use datafusion::logical_expr::{Expr, ExprSchemable, cast, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use pieskieo_shards::value::{ColumnBuilder, ColumnType, Interval, Value};

use super::function::{Arity, Call, Function};
use super::registry;
use crate::error::{Error, code};
use crate::exec::here::external;
use crate::result::column_type;

/// Name of the function that gives the number spans are compared by.
pub const INTERVAL_ORDER: &str = "interval_order";
/// Name of the function that makes equal spans look the same.
pub const JUSTIFY_INTERVAL: &str = "justify_interval";

/// The type of what spans are compared by.
const ORDER: ColumnType = ColumnType::Numeric { precision: 38, scale: 0 };

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    let two = Arity::Exactly(2);
    vec![
        Function::new("date_plus_interval", two, moves, |call| {
            each(call, |[moment, span]| moment.plus_span(as_span(&span)?).map_err(external))
        }),
        Function::new("date_minus_interval", two, moves, |call| {
            each(call, |[moment, span]| {
                let back = as_span(&span)?.negated().ok_or_else(out_of_range)?;
                moment.plus_span(back).map_err(external)
            })
        }),
        Function::new(
            "date_plus_days",
            two,
            |_| Ok(DataType::Date32),
            |call| each(call, |[date, days]| date.plus_days(as_whole(days)?).map_err(external)),
        ),
        Function::new(
            "date_minus_days",
            two,
            |_| Ok(DataType::Date32),
            |call| each(call, |[date, days]| date.plus_days(-as_whole(days)?).map_err(external)),
        ),
        Function::new(
            "date_plus_time",
            two,
            |_| Ok(ColumnType::Timestamp.arrow()),
            |call| {
                each(call, |[date, time]| match time {
                    Value::Time(micros) => {
                        date.plus_span(Interval { months: 0, days: 0, micros }).map_err(external)
                    }
                    _ => Err(out_of_range()),
                })
            },
        ),
        Function::new("moment_minus", two, span_type, |call| {
            each(call, |[a, b]| a.span_since(&b).map(Value::Interval).map_err(external))
        }),
        Function::new("age", two, span_type, |call| {
            each(call, |[a, b]| a.age_since(&b).map(Value::Interval).map_err(external))
        }),
        Function::new("interval_times", two, span_type, |call| {
            each(call, |[span, factor]| times(&span, as_double(factor)?))
        }),
        Function::new("interval_over", two, span_type, |call| {
            each(call, |[span, divisor]| match as_double(divisor)? {
                0.0 => Err(external(Error::new(code::DIVISION_BY_ZERO, "division by zero"))),
                divisor => times(&span, 1.0 / divisor),
            })
        }),
    ]
    .into_iter()
    .chain(of_spans())
    .collect()
}

/// The functions of spans, and of parts of times.
fn of_spans() -> Vec<Function> {
    let one = Arity::Exactly(1);
    vec![
        Function::new(
            INTERVAL_ORDER,
            one,
            |_| Ok(ORDER.arrow()),
            |call| each(call, |[span]| as_span(&span).map(|span| Value::Numeric(span.total()))),
        ),
        justify(JUSTIFY_INTERVAL, |call| justified(call, Interval::justified)),
        justify("justify_days", |call| justified(call, Interval::justify_days)),
        justify("justify_hours", |call| justified(call, Interval::justify_hours)),
        Function::new("make_interval", Arity::Exactly(7), span_type, |call| each(call, make)),
        Function::new(
            "make_time",
            Arity::Exactly(3),
            |_| Ok(ColumnType::Time.arrow()),
            |call| each(call, make_time),
        ),
    ]
}

fn justify(name: &'static str, invoke: fn(&Call) -> Result<ArrayRef>) -> Function {
    Function::new(
        name,
        Arity::Exactly(1),
        |types| match types {
            [DataType::Interval(_) | DataType::Duration(_) | DataType::Null] => {
                Ok(ColumnType::Interval.arrow())
            }
            _ => plan_err!("no function matches: an INTERVAL is wanted"),
        },
        invoke,
    )
}

fn justified(call: &Call, how: fn(Interval) -> Option<Interval>) -> Result<ArrayRef> {
    each(call, |[span]| how(as_span(&span)?).map(Value::Interval).ok_or_else(out_of_range))
}

fn span_type(_types: &[DataType]) -> Result<DataType> {
    Ok(ColumnType::Interval.arrow())
}

/// A date becomes a timestamp, the others stay what they are.
fn moves(types: &[DataType]) -> Result<DataType> {
    match types.first().and_then(column_type) {
        Some(ColumnType::Date) => Ok(ColumnType::Timestamp.arrow()),
        Some(ty @ (ColumnType::Timestamp | ColumnType::TimestampTz | ColumnType::Time)) => {
            Ok(ty.arrow())
        }
        _ => plan_err!("no function matches: a date or time is wanted"),
    }
}

/// Computes one value per row; null where one of the arguments is.
fn each<const N: usize>(
    call: &Call,
    compute: impl Fn([Value; N]) -> Result<Value>,
) -> Result<ArrayRef> {
    let Some(returns) = column_type(&call.returns) else {
        return plan_err!("no function matches: its result has no type");
    };
    let types: Vec<ColumnType> = call
        .args
        .iter()
        .map(|array| column_type(array.data_type()).unwrap_or(ColumnType::Text))
        .collect();
    let mut out = ColumnBuilder::new(&returns, call.rows);
    for row in 0..call.rows {
        if (0..N).any(|arg| call.is_null(arg, row)) {
            out.append_null();
            continue;
        }
        let mut values = [const { Value::Null }; N];
        for (arg, value) in values.iter_mut().enumerate() {
            let array = call.args[arg].as_ref();
            *value = Value::from_array(array, call.at(arg, row), &types[arg]).map_err(external)?;
        }
        out.append(&compute(values)?).map_err(external)?;
    }
    out.finish().map_err(external)
}

fn as_span(value: &Value) -> Result<Interval> {
    match value {
        Value::Interval(span) => Ok(*span),
        Value::Text(_) | Value::Time(_) => {
            match value.clone().coerce(&ColumnType::Interval).map_err(external)? {
                Value::Interval(span) => Ok(span),
                _ => Err(out_of_range()),
            }
        }
        _ => plan_err!("no function matches: an INTERVAL is wanted"),
    }
}

fn as_whole(value: Value) -> Result<i64> {
    match value.coerce(&ColumnType::BigInt).map_err(external)? {
        Value::BigInt(number) if number > i64::MIN => Ok(number),
        _ => Err(out_of_range()),
    }
}

fn as_double(value: Value) -> Result<f64> {
    match value.coerce(&ColumnType::Double).map_err(external)? {
        Value::Double(number) => Ok(number),
        _ => Err(out_of_range()),
    }
}

fn times(span: &Value, factor: f64) -> Result<Value> {
    as_span(span)?.times(factor).map(Value::Interval).ok_or_else(out_of_range)
}

/// `make_interval(years, months, weeks, days, hours, mins, secs)`.
fn make([years, months, weeks, days, hours, minutes, seconds]: [Value; 7]) -> Result<Value> {
    let wholes = [years, months, weeks, days, hours, minutes].map(as_whole);
    let mut numbers = [0_i64; 6];
    for (number, whole) in numbers.iter_mut().zip(wholes) {
        *number = whole?;
    }
    let [years, months, weeks, days, hours, minutes] = numbers;
    let micros = (as_double(seconds)? * 1e6).round();
    let span = || {
        let months = years.checked_mul(12)?.checked_add(months)?;
        let days = weeks.checked_mul(7)?.checked_add(days)?;
        let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
        let whole = (micros.abs() < 9.2e18).then_some(micros as i64)?;
        Interval::of(months, days, minutes.checked_mul(60_000_000)?.checked_add(whole)?)
    };
    span().map(Value::Interval).ok_or_else(out_of_range)
}

/// `make_time(hour, min, sec)`.
fn make_time([hours, minutes, seconds]: [Value; 3]) -> Result<Value> {
    let (hours, minutes, seconds) = (as_whole(hours)?, as_whole(minutes)?, as_double(seconds)?);
    let valid =
        (0..24).contains(&hours) && (0..60).contains(&minutes) && (0.0..60.0).contains(&seconds);
    if !valid {
        return Err(out_of_range());
    }
    let micros = (hours * 60 + minutes) * 60_000_000 + (seconds * 1e6).round() as i64;
    Ok(Value::Time(micros))
}

fn out_of_range() -> datafusion::error::DataFusionError {
    let message = "a date, time or interval is out of range";
    external(Error::new(code::DATETIME_OVERFLOW, message))
}

/// What an operand is, as far as the operators of times ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Date,
    Moment,
    Time,
    Span,
    Whole,
    Number,
    Text,
    Other,
}

fn kind(ty: &DataType) -> Kind {
    match ty {
        DataType::Date32 => Kind::Date,
        DataType::Timestamp(..) => Kind::Moment,
        DataType::Time32(_) | DataType::Time64(_) => Kind::Time,
        DataType::Interval(_) | DataType::Duration(_) => Kind::Span,
        ty if ty.is_integer() => Kind::Whole,
        ty if ty.is_numeric() => Kind::Number,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
        _ => Kind::Other,
    }
}

/// Plans an operator of dates, times and spans; gives back what is the planner's.
///
/// **Errors**: types that cannot be computed.
pub fn plan_binary(
    expr: RawBinaryExpr,
    schema: &DFSchema,
) -> Result<std::result::Result<Expr, RawBinaryExpr>> {
    let known = |expr: &Expr| expr.get_type(schema).ok().map(|ty| kind(&ty));
    let (left, right) = (known(&expr.left), known(&expr.right));
    let is_compared = matches!(
        expr.op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    );
    if is_compared {
        return Ok(Err(compared(expr, left, right)));
    }
    let (Some(mut left), Some(mut right)) = (left, right) else { return Ok(Err(expr)) };
    let mut expr = expr;
    // A text beside what only a span can be added to is one.
    if takes_span(&expr.op, left) && right == Kind::Text {
        (expr.right, right) = (cast(expr.right, ColumnType::Interval.arrow()), Kind::Span);
    } else if takes_span(&expr.op, right) && left == Kind::Text {
        (expr.left, left) = (cast(expr.left, ColumnType::Interval.arrow()), Kind::Span);
    }
    Ok(match calculation(&expr.op, left, right) {
        Some((name, swapped)) => {
            let args = if swapped { [expr.right, expr.left] } else { [expr.left, expr.right] };
            Ok(call(name, args.to_vec()))
        }
        None => Err(expr),
    })
}

fn takes_span(op: &BinaryOperator, kind: Kind) -> bool {
    match op {
        BinaryOperator::Plus => matches!(kind, Kind::Span | Kind::Moment | Kind::Time),
        BinaryOperator::Minus => kind == Kind::Span,
        _ => false,
    }
}

/// Returns the function an operator stands for, and whether its operands are swapped.
fn calculation(op: &BinaryOperator, left: Kind, right: Kind) -> Option<(&'static str, bool)> {
    use BinaryOperator::{Divide, Minus, Multiply, Plus};
    use Kind::{Date, Moment, Number, Span, Time, Whole};
    Some(match (op, left, right) {
        (Plus, Date | Time, Span) => ("date_plus_interval", false),
        (Plus, Span, Date | Time) => ("date_plus_interval", true),
        (Minus, Date | Time, Span) => ("date_minus_interval", false),
        (Plus, Date, Whole) => ("date_plus_days", false),
        (Plus, Whole, Date) => ("date_plus_days", true),
        (Minus, Date, Whole) => ("date_minus_days", false),
        (Plus, Date, Time) => ("date_plus_time", false),
        (Plus, Time, Date) => ("date_plus_time", true),
        (Minus, Moment, Moment | Date) | (Minus, Date, Moment) | (Minus, Time, Time) => {
            ("moment_minus", false)
        }
        (Multiply, Span, Whole | Number) => ("interval_times", false),
        (Multiply, Whole | Number, Span) => ("interval_times", true),
        (Divide, Span, Whole | Number) => ("interval_over", false),
        _ => return None,
    })
}

/// Spans are compared by the number of their microseconds, a date with a date where it can be.
fn compared(expr: RawBinaryExpr, left: Option<Kind>, right: Option<Kind>) -> RawBinaryExpr {
    let RawBinaryExpr { op, left: a, right: b } = expr;
    if left == Some(Kind::Span) || right == Some(Kind::Span) {
        let (a, b) = (in_order(a, left), in_order(b, right));
        return RawBinaryExpr { op, left: a, right: b };
    }
    let (a, b) = match (left, right) {
        (Some(Kind::Date), Some(Kind::Moment)) => (a, as_date(b)),
        (Some(Kind::Moment), Some(Kind::Date)) => (as_date(a), b),
        _ => (a, b),
    };
    RawBinaryExpr { op, left: a, right: b }
}

/// Returns the number a span is compared by; a text or parameter beside a span is one.
pub fn order_of(expr: Expr) -> Expr {
    call(INTERVAL_ORDER, vec![expr])
}

fn in_order(expr: Expr, kind: Option<Kind>) -> Expr {
    match (expr, kind) {
        (expr, Some(Kind::Span)) => order_of(expr),
        (expr, Some(Kind::Text)) => order_of(cast(expr, ColumnType::Interval.arrow())),
        (Expr::Placeholder(Placeholder { id, field: None }), _) => {
            let ty = ColumnType::Interval.arrow();
            let field = arrow_schema::Field::new("", ty, true);
            order_of(Expr::Placeholder(Placeholder { id, field: Some(field.into()) }))
        }
        (expr, _) => expr,
    }
}

/// A date plus whole days or months is midnight: compared as a date, it needs no cast of a column.
fn as_date(expr: Expr) -> Expr {
    let Expr::ScalarFunction(function) = &expr else { return expr };
    let name = function.func.name();
    let moves = name == "date_plus_interval" || name == "date_minus_interval";
    let span = match function.args.get(1) {
        Some(Expr::Cast(span)) if moves => span.expr.as_literal(),
        _ => None,
    };
    let text = span.and_then(|span| span.try_as_str().flatten());
    match text.map(|text| Value::parse(text, &ColumnType::Interval)) {
        Some(Ok(Value::Interval(Interval { micros: 0, .. }))) => cast(expr, DataType::Date32),
        _ => expr,
    }
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    match registry().scalar(name) {
        Some(function) => function.call(args),
        // Every name here is one of `functions`.
        None => lit(datafusion::common::ScalarValue::Null),
    }
}
