//! Where does a JSON value need another type?
//!
//! The planner's operators unwrap JSON for `=`, `<`, `+` and the like by the type of the other
//! side. Here the places are handled that are not operators.

use std::borrow::Cow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, OrderByExpr, UnaryOperator,
    Value,
};

use super::build;
use super::engine_function::arguments;
use crate::error::Result;
use crate::functions::json_path::check;
use crate::functions::{OBJECT_OF_PAIRS, SORT_KEY};

/// A type a JSON value can be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Text,
    Number,
    Bool,
}

/// Functions that read each argument as text.
const TEXT_FUNCTIONS: &[&str] = &[
    "ascii",
    "bit_length",
    "btrim",
    "char_length",
    "character_length",
    "concat",
    "concat_ws",
    "ends_with",
    "initcap",
    "left",
    "length",
    "levenshtein",
    "lower",
    "lpad",
    "ltrim",
    "md5",
    "octet_length",
    "regexp_count",
    "regexp_like",
    "regexp_match",
    "regexp_replace",
    "repeat",
    "replace",
    "reverse",
    "right",
    "rpad",
    "rtrim",
    "sha256",
    "split_part",
    "starts_with",
    "string_agg",
    "strpos",
    "substr",
    "substring",
    "to_date",
    "to_timestamp",
    "translate",
    "trim",
    "upper",
];

/// Functions that read each argument as a number.
const NUMBER_FUNCTIONS: &[&str] = &[
    "abs",
    "avg",
    "ceil",
    "ceiling",
    "corr",
    "covar_pop",
    "covar_samp",
    "exp",
    "floor",
    "ln",
    "log",
    "log10",
    "log2",
    "mean",
    "median",
    "mod",
    "pow",
    "power",
    "round",
    "sign",
    "sqrt",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "trunc",
    "var",
    "var_pop",
    "var_samp",
    "variance",
];

/// Functions whose arguments must have one type.
const SAME_TYPE_FUNCTIONS: &[&str] = &["coalesce", "greatest", "ifnull", "least", "nullif", "nvl"];

/// Aggregates that need an order, which JSON values of several types do not have.
const ORDERED_AGGREGATES: &[&str] = &["max", "min"];

/// Returns what a function reads its JSON arguments as; `None` = as JSON.
pub(super) fn wanted_by(function: &str, others: &[&Expr]) -> Option<Wanted> {
    if TEXT_FUNCTIONS.contains(&function) {
        return Some(Wanted::Text);
    }
    if NUMBER_FUNCTIONS.contains(&function) {
        return Some(Wanted::Number);
    }
    if SAME_TYPE_FUNCTIONS.contains(&function) {
        return others.iter().find_map(|other| kind_of(other));
    }
    if matches!(function, "bool_and" | "bool_or" | "every") {
        return Some(Wanted::Bool);
    }
    None
}

/// Returns whether the function cannot take JSON because it compares values.
pub(super) fn needs_order(function: &str) -> bool {
    ORDERED_AGGREGATES.contains(&function)
}

/// Returns the kind of a literal or of an expression whose kind is plain to see.
pub(super) fn kind_of(expr: &Expr) -> Option<Wanted> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(..) => Some(Wanted::Number),
            Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_) => Some(Wanted::Text),
            Value::Boolean(_) => Some(Wanted::Bool),
            _ => None,
        },
        Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => {
            kind_of(inner)
        }
        Expr::Function(function) => {
            let name = function.name.to_string().replace('"', "");
            match name.as_str() {
                "json_as_text" | "json_get_text" => Some(Wanted::Text),
                "json_as_double" | "json_as_bigint" => Some(Wanted::Number),
                "json_as_bool" => Some(Wanted::Bool),
                name if TEXT_FUNCTIONS.contains(&name) => Some(Wanted::Text),
                name if NUMBER_FUNCTIONS.contains(&name) => Some(Wanted::Number),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Reads a JSON expression as another type, in place.
pub(super) fn wrap(expr: &mut Expr, wanted: Wanted) {
    let name = match wanted {
        Wanted::Text => "json_as_text",
        Wanted::Number => "json_as_double",
        Wanted::Bool => "json_as_bool",
    };
    let inner = std::mem::replace(expr, build::literal(Value::Null));
    *expr = build::call(name, vec![inner]);
}

/// Makes the sort key for a JSON value one that compares as JSON values do.
pub(super) fn sort_key(key: &mut OrderByExpr) {
    let inner = std::mem::replace(&mut key.expr, build::literal(Value::Null));
    key.expr = build::call(SORT_KEY, vec![inner]);
}

/// Functions that give JSON whatever they are given. The `jsonb_` twins are not listed.
const JSON_FUNCTIONS: &[&str] = &[
    "json_agg",
    "json_build_array",
    "json_build_object",
    "json_concat",
    "json_delete",
    "json_delete_keys",
    "json_delete_path",
    "json_extract_path",
    "json_get",
    "json_get_path",
    "json_insert",
    "json_object_agg",
    "json_object_of_pairs",
    "json_parse",
    "json_path_query_array",
    "json_path_query_first",
    "json_set",
    "json_strip_nulls",
    "parse_json",
    "row_to_json",
    "to_json",
    "to_jsonb",
];

/// Functions whose arguments may be the alias of a table: all of its row as one JSON value.
const ROW_FUNCTIONS: &[&str] = &[
    "json_agg",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "json_pretty",
    "json_strip_nulls",
    "row_to_json",
    "to_json",
    "to_jsonb",
];

/// Returns whether the function gives JSON whatever it is given.
pub(super) fn gives_json(function: &str) -> bool {
    JSON_FUNCTIONS.contains(&twin(function).as_ref())
}

/// Returns whether the function takes the alias of a table.
pub(super) fn takes_rows(function: &str) -> bool {
    ROW_FUNCTIONS.contains(&twin(function).as_ref())
}

/// The `json_` name of a function whose name begins with `jsonb_`.
pub(super) fn twin(function: &str) -> Cow<'_, str> {
    match function.strip_prefix("jsonb_") {
        Some(rest) => Cow::Owned(format!("json_{rest}")),
        None => Cow::Borrowed(function),
    }
}

/// Writes a JSON aggregate as a list that becomes JSON. Returns whether it was one.
pub(super) fn aggregate(expr: &mut Expr, name: &str) -> bool {
    let Expr::Function(function) = expr else { return false };
    let outer = match twin(name).as_ref() {
        "json_agg" => "to_json",
        "json_object_agg" => OBJECT_OF_PAIRS,
        _ => return false,
    };
    if outer == OBJECT_OF_PAIRS
        && let FunctionArguments::List(list) = &mut function.args
        && let [
            FunctionArg::Unnamed(FunctionArgExpr::Expr(name)),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)),
        ] = list.args.as_slice()
    {
        let fields = vec![build::text("k"), name.clone(), build::text("v"), value.clone()];
        let pair = build::call("named_struct", fields);
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(pair))];
    }
    function.name = build::object("array_agg");
    let list = std::mem::replace(expr, build::literal(Value::Null));
    *expr = build::call(outer, vec![list]);
    true
}

/// Returns the path among the arguments of a function of SQL/JSON.
pub(super) fn path_argument<'f>(name: &str, function: &'f Function) -> Option<&'f Expr> {
    if !twin(name).starts_with("json_path_") {
        return None;
    }
    arguments(function).get(1).copied()
}

/// Reads a path that is written as a text, so that its errors have a position.
///
/// **Errors**: 42601 at the place within the text.
pub(super) fn check_path(path: &Expr) -> Result<()> {
    let Expr::Value(value) = path else { return Ok(()) };
    let Value::SingleQuotedString(text) = &value.value else { return Ok(()) };
    check(text).map_err(|refusal| {
        let (error, place) = *refusal;
        let start = crate::syntax::position_of(value.span);
        // Quotes inside the text are written twice: the place is not known.
        let place = if start > 0 && !text.contains('\'') { start + place } else { start };
        error.at(place)
    })
}
