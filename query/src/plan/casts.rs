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
//! `+`, `-` and `*` of whole numbers become `checked_...`, `round` of a double `round_even`.

use arrow_schema::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator};

use super::arrays::quantified;
use crate::functions::{
    ADD, CONVERT_TO, MULTIPLY, READ_TIMESTAMP, ROUND_EVEN, SECONDS_OF, SUBTRACT, TEXT_OF_DOUBLE,
    TO_TEXT, TO_UUID, TO_VECTOR, registry,
};

/// Rewrites the casts of a whole plan.
///
/// **Errors**: none of its own.
pub fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let schema = match &node {
            LogicalPlan::TableScan(scan) => scan.projected_schema.as_ref().clone(),
            node => merge_schema(&node.inputs()),
        };
        let names = NamePreserver::new(&node);
        let rewritten = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.transform_up(|expr| rewritten(expr, &schema))?;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })?;
        if rewritten.transformed {
            rewritten.map_data(LogicalPlan::recompute_schema)
        } else {
            Ok(rewritten)
        }
    })
    .data()
}

/// Rewrites the casts of one expression.
///
/// **Errors**: none of its own.
pub fn rewrite_expr(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    expr.transform_up(|expr| rewritten(expr, schema)).data()
}

/// The seconds of the planner's `date_part` have no fraction.
fn seconds(expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
    let ([part, of], "date_part") = (call.args.as_slice(), call.func.name()) else {
        return Ok(Transformed::no(expr));
    };
    let part = part.as_literal().and_then(|part| part.try_as_str().flatten());
    let wanted = part.is_some_and(|part| {
        ["second", "seconds"].iter().any(|name| name.eq_ignore_ascii_case(part))
    });
    let of_moment = matches!(
        of.get_type(schema),
        Ok(DataType::Timestamp(..)
            | DataType::Time64(_)
            | DataType::Interval(_)
            | DataType::Duration(_))
    );
    match registry().scalar(SECONDS_OF) {
        Some(function) if wanted && of_moment => {
            Ok(Transformed::yes(function.call(vec![of.clone()])))
        }
        _ => Ok(Transformed::no(expr)),
    }
}

/// Gives operands of arrays their types, and casts, those just made included.
fn rewritten(expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
    let typed = seconds(expr, schema)?.transform_data(|expr| quantified(expr, schema))?;
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

/// Replaces operators and functions that calculate otherwise than we mean.
fn calculation(expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
    let (name, args) = match &expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let name = match op {
                Operator::Plus => ADD,
                Operator::Minus => SUBTRACT,
                Operator::Multiply => MULTIPLY,
                _ => return Ok(Transformed::no(expr)),
            };
            let whole = |side: &Expr| {
                matches!(side.get_type(schema), Ok(DataType::Int32 | DataType::Int64))
            };
            if !whole(left) || !whole(right) {
                return Ok(Transformed::no(expr));
            }
            (name, vec![left.as_ref().clone(), right.as_ref().clone()])
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

/// A literal whose type says what is wanted.
fn of_type(ty: &DataType) -> Result<Expr> {
    Ok(Expr::Literal(ScalarValue::try_from(ty)?, None))
}
