//! Which function does an operator stand for?
//!
//! | operator | function |
//! | --- | --- |
//! | `<->` `<=>` `<#>` `<+>` | `l2_distance`, `cosine_distance`, `negative_inner_product`, `l1_distance` |
//! | `->` `->>` | `json_get`, `json_get_text` |
//! | `#>` `#>>` | `json_get_path`, `json_get_path_text` |
//! | `@>` `<@` `?` | `json_contains` both ways, `json_exists` |
//!
//! A comparison of a JSON value with a number, a boolean or a text compares what the JSON value
//! holds: it is null when that is something else.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::{TO_UUID, registry};

/// Plans our operators.
#[derive(Debug)]
pub struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let Some((name, swapped)) = function_of(&expr.op) else {
            return with_json_operands(expr, schema).map(PlannerResult::Original);
        };
        if name.starts_with("json") {
            let document = if swapped { &expr.right } else { &expr.left };
            let ty = document.get_type(schema)?;
            if ty != DataType::BinaryView && !expr_is_placeholder(document) {
                return Ok(PlannerResult::Original(expr));
            }
        }
        let Some(function) = registry().scalar(name) else {
            return Ok(PlannerResult::Original(expr));
        };
        let RawBinaryExpr { left, right, .. } = expr;
        let args = if swapped { vec![right, left] } else { vec![left, right] };
        Ok(PlannerResult::Planned(function.call(args)))
    }
}

fn expr_is_placeholder(expr: &Expr) -> bool {
    matches!(expr, Expr::Placeholder(_))
}

/// Returns the function and whether its arguments are swapped.
fn function_of(op: &BinaryOperator) -> Option<(&'static str, bool)> {
    Some(match op {
        BinaryOperator::Spaceship => ("cosine_distance", false),
        BinaryOperator::Custom(text) => match text.as_str() {
            "<->" => ("l2_distance", false),
            "<=>" => ("cosine_distance", false),
            "<#>" => ("negative_inner_product", false),
            "<+>" => ("l1_distance", false),
            _ => return None,
        },
        BinaryOperator::Arrow => ("json_get", false),
        BinaryOperator::LongArrow => ("json_get_text", false),
        BinaryOperator::HashArrow => ("json_get_path", false),
        BinaryOperator::HashLongArrow => ("json_get_path_text", false),
        BinaryOperator::AtArrow => ("json_contains", false),
        BinaryOperator::ArrowAt => ("json_contains", true),
        BinaryOperator::Question => ("json_exists", false),
        _ => return None,
    })
}

/// Unwraps the JSON side of a comparison or calculation to the type of the other side.
fn with_json_operands(expr: RawBinaryExpr, schema: &DFSchema) -> Result<RawBinaryExpr> {
    let compares = matches!(
        expr.op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
            | BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::StringConcat
    );
    if !compares {
        return Ok(expr);
    }
    // An operand whose type is not known yet is left to the planner.
    let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
        return Ok(expr);
    };
    let RawBinaryExpr { op, left: left_expr, right: right_expr } = expr;
    let arithmetic = !matches!(op, BinaryOperator::StringConcat) && is_arithmetic(&op);
    let left_expr = unwrap(left_expr, &left, &right, arithmetic);
    let right_expr = unwrap(right_expr, &right, &left, arithmetic);
    let left_expr = read_bool(left_expr, &right);
    let right_expr = read_bool(right_expr, &left);
    let left_expr = read_uuid(left_expr, &left, &right);
    let right_expr = read_uuid(right_expr, &right, &left);
    Ok(RawBinaryExpr { op, left: left_expr, right: right_expr })
}

fn is_arithmetic(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
    )
}

/// Reads a text that is compared with a UUID as one.
fn read_uuid(expr: Expr, ty: &DataType, other: &DataType) -> Expr {
    let is_text = matches!(ty, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match registry().scalar(TO_UUID) {
        Some(function) if is_text && other == &DataType::FixedSizeBinary(16) => {
            function.call(vec![expr])
        }
        _ => expr,
    }
}

/// Reads a literal text that is compared with a boolean as one.
fn read_bool(expr: Expr, other: &DataType) -> Expr {
    let is_text = matches!(expr, Expr::Literal(ScalarValue::Utf8(Some(_)), _));
    match is_text && other == &DataType::Boolean {
        true => Expr::Cast(Cast::new(Box::new(expr), DataType::Boolean)),
        false => expr,
    }
}

/// Wraps a JSON operand so that it has the type the other operand needs.
fn unwrap(expr: Expr, ty: &DataType, other: &DataType, arithmetic: bool) -> Expr {
    if ty != &DataType::BinaryView {
        return expr;
    }
    let name = match other {
        DataType::BinaryView if arithmetic => "json_as_double",
        other if other.is_integer() && !arithmetic => "json_as_double",
        other if other.is_numeric() => "json_as_double",
        DataType::Boolean => "json_as_bool",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "json_as_text",
        _ => return expr,
    };
    match registry().scalar(name) {
        Some(function) => function.call(vec![expr]),
        None => expr,
    }
}
