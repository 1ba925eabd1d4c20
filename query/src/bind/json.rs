//! Where does a JSON value need another type?
//!
//! The planner's operators unwrap JSON for `=`, `<`, `+` and the like by the type of the other
//! side. Here the places are handled that are not operators.

use datafusion::sql::sqlparser::ast::{Expr, OrderByExpr, UnaryOperator, Value};

use super::build;

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

/// Sort keys for a JSON value: numbers first, then texts, then everything else.
pub(super) fn sort_keys(key: &OrderByExpr) -> [OrderByExpr; 2] {
    let part = |wanted| {
        let mut part = key.clone();
        wrap(&mut part.expr, wanted);
        part
    };
    [part(Wanted::Number), part(Wanted::Text)]
}
