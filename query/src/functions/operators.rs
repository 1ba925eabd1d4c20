//! Which function does an operator stand for?
//!
//! | operator | function |
//! | --- | --- |
//! | `<->` `<=>` `<#>` `<+>` | `l2_distance`, `cosine_distance`, `negative_inner_product`, `l1_distance` |
//! | `->` `->>` | `json_get`, `json_get_text` |
//! | `#>` `#>>` | `json_get_path`, `json_get_path_text` |
//! | `@>` `<@` | `json_contains` both ways |
//! | `?` `?\|` `?&` | `json_has_key`, `json_has_any_key`, `json_has_all_keys` |
//! | `@?` `@@` | `json_path_found`, `json_path_holds` |
//! | `#-` | `json_delete_path` |
//! | `\|\|` `-` of JSON values | `json_concat`; `json_delete_keys` if the right side is text |
//! | `@>` `<@` `&&` `<` … of arrays | `array_contains` both ways, `array_overlaps`, `array_compare` |
//! | `+` `-` `*` `/` of dates and times | see `moment` |
//!
//! A comparison of a JSON value with a number, a boolean or a text compares what the JSON value
//! holds: it is null when that is something else. Two JSON values compare by their sort keys.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::{ARRAY_COMPARE, ARRAY_CONTAINS, ARRAY_OVERLAPS, SORT_KEY, TO_UUID, moment, registry};
use crate::plan::{aligned, item_of};

/// Plans our operators.
#[derive(Debug)]
pub struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let expr = match plan_array(expr, schema) {
            PlannerResult::Original(expr) => expr,
            planned => return Ok(planned),
        };
        let Some((name, swapped)) = function_of(&expr.op) else {
            if let Some(made) = json_made_of(&expr, schema) {
                return Ok(PlannerResult::Planned(made));
            }
            return match moment::plan_binary(expr, schema)? {
                Ok(planned) => Ok(PlannerResult::Planned(planned)),
                Err(expr) => with_json_operands(expr, schema).map(PlannerResult::Original),
            };
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

/// Plans the operators of arrays; gives back what is none.
fn plan_array(expr: RawBinaryExpr, schema: &DFSchema) -> PlannerResult<RawBinaryExpr> {
    use BinaryOperator::{
        ArrowAt, AtArrow, Eq, Gt, GtEq, Lt, LtEq, NotEq, PGOverlap, StringConcat,
    };
    let RawBinaryExpr { op, left, right } = expr;
    let known = matches!(
        op,
        AtArrow | ArrowAt | PGOverlap | Eq | NotEq | Lt | LtEq | Gt | GtEq | StringConcat
    );
    let is_array = |expr: &Expr| expr.get_type(schema).is_ok_and(|ty| item_of(&ty).is_some());
    if !known || !(is_array(&left) || is_array(&right)) {
        return PlannerResult::Original(RawBinaryExpr { op, left, right });
    }
    // `array || element`: which of the two it is decides the planner's own function.
    let both = |a: &Expr, b: &Expr| (is_array(a) || is_array_text(a)) && is_array(b);
    if op == StringConcat && !both(&left, &right) && !both(&right, &left) {
        return PlannerResult::Original(RawBinaryExpr { op, left, right });
    }
    let (is_aligned, left, right) = aligned(left, right, schema);
    if !is_aligned {
        return PlannerResult::Original(RawBinaryExpr { op, left, right });
    }
    let (name, args) = match op {
        AtArrow => (ARRAY_CONTAINS, [left, right]),
        ArrowAt => (ARRAY_CONTAINS, [right, left]),
        PGOverlap => (ARRAY_OVERLAPS, [left, right]),
        Lt | LtEq | Gt | GtEq => (ARRAY_COMPARE, [left, right]),
        op => return PlannerResult::Original(RawBinaryExpr { op, left, right }),
    };
    let Some(function) = registry().scalar(name) else {
        let [left, right] = args;
        return PlannerResult::Original(RawBinaryExpr { op, left, right });
    };
    let call = function.call(args.to_vec());
    PlannerResult::Planned(match op {
        Lt => call.lt(lit(0_i32)),
        LtEq => call.lt_eq(lit(0_i32)),
        Gt => call.gt(lit(0_i32)),
        GtEq => call.gt_eq(lit(0_i32)),
        _ => call,
    })
}

/// Whether a literal is an array's text, as far as its first character says.
fn is_array_text(expr: &Expr) -> bool {
    let text = expr.as_literal().and_then(|literal| literal.try_as_str().flatten());
    text.is_some_and(|text| text.trim_start().starts_with('{'))
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
        BinaryOperator::Question => ("json_has_key", false),
        BinaryOperator::QuestionPipe => ("json_has_any_key", false),
        BinaryOperator::QuestionAnd => ("json_has_all_keys", false),
        BinaryOperator::HashMinus => ("json_delete_path", false),
        BinaryOperator::AtQuestion => ("json_path_found", false),
        BinaryOperator::AtAt => ("json_path_holds", false),
        _ => return None,
    })
}

/// Returns the JSON value that `||` of two JSON values, or `-` of one and a text, makes.
fn json_made_of(expr: &RawBinaryExpr, schema: &DFSchema) -> Option<Expr> {
    let left = expr.left.get_type(schema).ok()?;
    let right = expr.right.get_type(schema).ok()?;
    if left != DataType::BinaryView {
        return None;
    }
    let name = match (&expr.op, &right) {
        (BinaryOperator::StringConcat, DataType::BinaryView) => "json_concat",
        (
            BinaryOperator::Minus,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::List(_),
        ) => "json_delete_keys",
        _ => return None,
    };
    let function = registry().scalar(name)?;
    Some(function.call(vec![expr.left.clone(), expr.right.clone()]))
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
        DataType::BinaryView => SORT_KEY,
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
