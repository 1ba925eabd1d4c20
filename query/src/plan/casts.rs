//! Which casts and calculations does Arrow not know as we mean them, and what takes their places?
//!
//! | from | to | becomes |
//! | --- | --- | --- |
//! | TEXT | JSON | `json_parse` |
//! | anything | JSON | `to_json` |
//! | JSON | BIGINT, DOUBLE, BOOL, TEXT and what these cast to | `json_as_...` |
//! | anything | VECTOR(n) | `to_vector` |
//! | TEXT | UUID | `to_uuid` |
//! | TEXT | TIME, INTERVAL, arrays | `convert_to` |
//! | TIME, INTERVAL, VECTOR(n), JSON, arrays | each other, where that can be | `convert_to` |
//! | UUID, VECTOR(n), BYTEA, TIME, INTERVAL, arrays | TEXT | `to_text` |
//! | DOUBLE, NUMERIC | INT, BIGINT | rounded first |
//! | DOUBLE | TEXT | `text_of_double` |
//! | TEXT | TIMESTAMP | `read_timestamp` |
//!
//! `+`, `-`, `*`, `/` and `%` of whole numbers and doubles become `checked_...`, as do a minus before
//! a whole number and `abs` of one; `round` of a double becomes `round_even`.

use arrow_schema::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator};

use super::arrays::quantified;
use crate::functions::{
    ABSOLUTE, ADD, CONVERT_TO, DIVIDE, MULTIPLY, PART_OF, PLAIN_TRUNCATE, READ_TIMESTAMP,
    REMAINDER, ROUND_EVEN, SUBTRACT, TEXT_OF_DOUBLE, TO_TEXT, TO_UUID, TO_VECTOR, registry,
};

/// The zone of our own moments.
const UTC: &str = "+00:00";

/// Rewrites the casts of a whole plan.
///
/// **Errors**: none of its own.
pub fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let changed = each_expression(node, rewritten)?;
        if changed.transformed {
            changed.map_data(LogicalPlan::recompute_schema)
        } else {
            Ok(changed)
        }
    })
    .data()
}

/// As [`rewrite`], for a plan that was rewritten when parameters had other types than the values
/// that are in their places now.
///
/// **Errors**: none of its own.
pub fn rewrite_again(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let changed = each_expression(node, |expr, schema| {
            as_written(expr, schema)?.transform_data(|expr| rewritten(expr, schema))
        })?;
        // Types may have changed below as well.
        changed.map_data(LogicalPlan::recompute_schema)
    })
    .data()
}

/// As [`rewrite_again`], for one expression.
///
/// **Errors**: none of its own.
pub fn rewrite_expr_again(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let expr = expr.transform_up(|expr| {
        as_written(expr, schema)?.transform_data(|expr| rewritten(expr, schema))
    });
    expr.data()
}

/// Changes all expressions of a node, which keep their names.
fn each_expression(
    node: LogicalPlan,
    change: impl Fn(Expr, &dyn ExprSchema) -> Result<Transformed<Expr>>,
) -> Result<Transformed<LogicalPlan>> {
    let schema = match &node {
        LogicalPlan::TableScan(scan) => scan.projected_schema.as_ref().clone(),
        node => merge_schema(&node.inputs()),
    };
    let names = NamePreserver::new(&node);
    node.map_expressions(|expr| {
        let name = names.save(&expr);
        let expr = expr.transform_up(|expr| change(expr, &schema))?;
        Ok(expr.update_data(|expr| name.restore(expr)))
    })
}

/// Rewrites the casts of one expression.
///
/// **Errors**: none of its own.
pub fn rewrite_expr(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    expr.transform_up(|expr| rewritten(expr, schema)).data()
}

/// Parts that the planner's `date_part` gives of dates and timestamps as PostgreSQL does.
const PLAIN_PARTS: &[&str] =
    &["year", "quarter", "month", "week", "day", "dow", "doy", "hour", "minute"];

/// Units that the planner's `date_trunc` knows.
const PLAIN_UNITS: &[&str] =
    &["year", "quarter", "month", "week", "day", "hour", "minute", "second"];

/// The planner's `date_part` knows not all parts, and its seconds have no fraction.
fn part(expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
    let [part, of] = call.args.as_slice() else { return Ok(Transformed::no(expr)) };
    let of_span = matches!(
        of.get_type(schema),
        Ok(DataType::Time64(_) | DataType::Interval(_) | DataType::Duration(_))
    );
    let of_date = matches!(of.get_type(schema), Ok(DataType::Date32));
    let name = part.as_literal().and_then(|part| part.try_as_str().flatten());
    let plain = name.is_some_and(|name| PLAIN_PARTS.contains(&name.to_lowercase().as_str()));
    let unit = name.map(str::to_lowercase);
    let plain_unit = unit.as_deref().is_some_and(|unit| PLAIN_UNITS.contains(&unit));
    let of_timestamp =
        matches!(of.get_type(schema), Ok(DataType::Timestamp(TimeUnit::Microsecond, _)));
    let of_clock = matches!(unit.as_deref(), Some("hour" | "minute"));
    let function = match call.func.name() {
        "date_part" if !plain || of_span => PART_OF,
        // A date has no hours.
        "date_part" if of_date && of_clock => PART_OF,
        // The planner knows that this keeps an order.
        "date_trunc" if plain_unit && of_timestamp => PLAIN_TRUNCATE,
        _ => return Ok(Transformed::no(expr)),
    };
    match registry().scalar(function) {
        Some(function) => Ok(Transformed::yes(function.call(vec![part.clone(), of.clone()]))),
        None => Ok(Transformed::no(expr)),
    }
}

/// Gives operands of arrays their types, and casts, those just made included.
fn rewritten(expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
    let typed = part(expr, schema)?.transform_data(|expr| quantified(expr, schema))?;
    if typed.transformed {
        return typed.transform_data(|expr| expr.map_children(|expr| cast(expr, schema)));
    }
    typed.transform_data(|expr| cast(expr, schema))
}

fn cast(expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
    let Expr::Cast(Cast { expr: inner, field }) = &expr else { return calculation(expr, schema) };
    let to = field.data_type();
    // A column of an outer query has no type here; it is cast as Arrow casts.
    let Ok(from) = inner.get_type(schema) else { return Ok(Transformed::no(expr)) };
    if &from == to {
        return Ok(Transformed::no(expr));
    }
    let inner = inner.as_ref().clone();
    let is_text = matches!(from, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let call = |name: &str, args: Vec<Expr>| registry().scalar(name).map(|f| f.call(args));
    let rewritten = match (&from, to) {
        (DataType::Null, DataType::BinaryView) => return Ok(Transformed::no(expr)),
        (_, DataType::BinaryView) if is_text => call("json_parse", vec![inner]),
        (_, DataType::BinaryView) => call("to_json", vec![inner]),
        (DataType::BinaryView, to) => from_json(inner, to)?,
        (_, DataType::FixedSizeList(item, _)) if item.data_type() == &DataType::Float32 => {
            call(TO_VECTOR, vec![inner, of_type(to)?])
        }
        (DataType::Null, _) => return Ok(Transformed::no(expr)),
        (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, Some(zone)))
            if zone.as_ref() != UTC =>
        {
            clock_there(inner, to)
        }
        (_, DataType::Binary) if is_text => call(CONVERT_TO, vec![inner, of_type(to)?]),
        (_, DataType::Interval(_) | DataType::Time64(_) | DataType::List(_)) if is_text => {
            call(CONVERT_TO, vec![inner, of_type(to)?])
        }
        (DataType::Time64(_), DataType::Interval(_))
        | (DataType::Interval(_), DataType::Time64(_))
        | (DataType::FixedSizeList(..), DataType::List(_)) => {
            call(CONVERT_TO, vec![inner, of_type(to)?])
        }
        (DataType::List(_), DataType::List(item)) if !item.data_type().is_numeric() => {
            call(CONVERT_TO, vec![inner, of_type(to)?])
        }
        (_, DataType::FixedSizeBinary(16)) if is_text => call(TO_UUID, vec![inner]),
        (
            DataType::FixedSizeBinary(16)
            | DataType::FixedSizeList(..)
            | DataType::Binary
            | DataType::Interval(_)
            | DataType::Duration(_)
            | DataType::Time64(_)
            | DataType::List(_),
            DataType::Utf8,
        ) => call(TO_TEXT, vec![inner]),
        (DataType::Float32 | DataType::Float64, to) if to.is_integer() => {
            let round = if is_number(&inner) { "round" } else { ROUND_EVEN };
            call(round, vec![inner])
                .map(|rounded| Expr::Cast(Cast::new(Box::new(rounded), to.clone())))
        }
        (DataType::Decimal128(_, scale), to) if to.is_integer() && *scale > 0 => {
            call("round", vec![inner])
                .map(|rounded| Expr::Cast(Cast::new(Box::new(rounded), to.clone())))
        }
        (DataType::Float64, DataType::Utf8) => call(TEXT_OF_DOUBLE, vec![inner]),
        (_, DataType::Timestamp(TimeUnit::Microsecond, None)) if is_text => {
            call(READ_TIMESTAMP, vec![inner])
        }
        (_, DataType::Timestamp(_, None)) if is_text => call(READ_TIMESTAMP, vec![inner])
            .map(|read| Expr::Cast(Cast::new(Box::new(read), to.clone()))),
        _ => None,
    };
    Ok(match rewritten {
        Some(rewritten) => Transformed::yes(rewritten),
        None => Transformed::no(expr),
    })
}

/// `AT TIME ZONE` of a moment: what a clock there shows.
fn clock_there(moment: Expr, zone: &DataType) -> Option<Expr> {
    let there = Expr::Cast(Cast::new(Box::new(moment), zone.clone()));
    registry().scalar("to_local_time").map(|function| function.call(vec![there]))
}

/// A JSON value as another type.
fn from_json(value: Expr, to: &DataType) -> Result<Option<Expr>> {
    let name = match to {
        DataType::Boolean => "json_as_bool",
        DataType::Utf8 => "json_as_text",
        DataType::FixedSizeList(..) => TO_VECTOR,
        DataType::List(_) => CONVERT_TO,
        to if to.is_integer() => "json_as_bigint",
        to if to.is_numeric() => "json_as_double",
        _ => "json_as_text",
    };
    let Some(function) = registry().scalar(name) else { return Ok(None) };
    Ok(Some(if name == TO_VECTOR || name == CONVERT_TO {
        function.call(vec![value, of_type(to)?])
    } else {
        Expr::Cast(Cast::new(Box::new(function.call(vec![value])), to.clone()))
    }))
}

/// Whether an expression is a number as it is written. PostgreSQL takes `2.5` for a numeric, whose
/// halves round away from zero.
fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Negative(inner) => is_number(inner),
        Expr::Literal(..) => true,
        _ => false,
    }
}

fn is_whole(expr: &Expr, schema: &dyn ExprSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Int16 | DataType::Int32 | DataType::Int64))
}

/// Whether an operator of two types is calculated by functions of ours: whole numbers, and a double
/// beside any number.
fn is_checked(left: &Expr, right: &Expr, schema: &dyn ExprSchema) -> bool {
    let is_double = |ty: &DataType| matches!(ty, DataType::Float32 | DataType::Float64);
    let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else {
        return false;
    };
    let whole = is_whole(left, schema) && is_whole(right, schema);
    let doubles = (is_double(&left_type) || is_double(&right_type))
        && left_type.is_numeric()
        && right_type.is_numeric();
    whole || doubles
}

/// Replaces operators and functions that calculate otherwise than we mean.
fn calculation(expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
    let (name, args) = match &expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let name = match op {
                Operator::Plus => ADD,
                Operator::Minus => SUBTRACT,
                Operator::Multiply => MULTIPLY,
                Operator::Divide => DIVIDE,
                Operator::Modulo => REMAINDER,
                _ => return Ok(Transformed::no(expr)),
            };
            if !is_checked(left, right, schema) {
                return Ok(Transformed::no(expr));
            }
            (name, vec![left.as_ref().clone(), right.as_ref().clone()])
        }
        Expr::Negative(inner) if !is_number(inner) && is_whole(inner, schema) => {
            let zero = Expr::Literal(ScalarValue::new_zero(&inner.get_type(schema)?)?, None);
            (SUBTRACT, vec![zero, inner.as_ref().clone()])
        }
        Expr::ScalarFunction(ScalarFunction { func, args })
            if func.name() == "abs" && args.len() == 1 && is_whole(&args[0], schema) =>
        {
            (ABSOLUTE, args.clone())
        }
        Expr::ScalarFunction(ScalarFunction { func, args })
            if func.name() == "round"
                && args.len() == 1
                && !is_number(&args[0])
                && matches!(args[0].get_type(schema), Ok(DataType::Float64)) =>
        {
            (ROUND_EVEN, args.clone())
        }
        _ => return Ok(Transformed::no(expr)),
    };
    Ok(match registry().scalar(name) {
        Some(function) => Transformed::yes(function.call(args)),
        None => Transformed::no(expr),
    })
}

/// Puts the operator back in whose place a function stands that does not calculate with such
/// operands.
fn as_written(expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = &expr else {
        return Ok(Transformed::no(expr));
    };
    let op = match func.name() {
        ADD => Operator::Plus,
        SUBTRACT => Operator::Minus,
        MULTIPLY => Operator::Multiply,
        DIVIDE => Operator::Divide,
        REMAINDER => Operator::Modulo,
        _ => return Ok(Transformed::no(expr)),
    };
    let [left, right] = args.as_slice() else { return Ok(Transformed::no(expr)) };
    if is_checked(left, right, schema) {
        return Ok(Transformed::no(expr));
    }
    let [left, right] = [left, right].map(|side| Box::new(side.clone()));
    Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })))
}

/// A literal whose type says what is wanted.
fn of_type(ty: &DataType) -> Result<Expr> {
    Ok(Expr::Literal(ScalarValue::try_from(ty)?, None))
}
