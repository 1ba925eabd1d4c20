//! What do methods of a path give?

use std::borrow::Cow;

use pieskieo_shards::document::DocumentKind;

use super::evaluate::{Evaluator, Failure, Found, quiet};
use super::item::{Item, Number};
use super::tree::Method;
use crate::error::{Error, code};
use crate::functions::json::type_name;

/// Returns whether an array stands for its elements before the method in lax mode.
pub(super) fn unwraps(method: Method) -> bool {
    !matches!(method, Method::Type | Method::Size)
}

/// Applies a method to one value.
///
/// **Errors**: values of another kind, as in PostgreSQL.
pub(super) fn apply<'a>(
    evaluator: &mut Evaluator<'a, '_>,
    method: Method,
    item: &Item<'a>,
) -> Found<Vec<Item<'a>>> {
    let number = |number| Ok(vec![Item::Number(number)]);
    match method {
        Method::Type => Ok(vec![Item::Text(Cow::Borrowed(type_name(item.kind())))]),
        Method::Size => {
            let count = match item {
                Item::Part(part) => part.element_count(),
                _ => None,
            };
            match count {
                Some(count) => number(Number::Integer(count as i128)),
                None if !evaluator.path.strict => number(Number::Integer(1)),
                None if evaluator.forgiving => Ok(Vec::new()),
                None => {
                    let message = "jsonpath item method .size() can only be applied to an array";
                    quiet(code::JSON_ARRAY_NOT_FOUND, message)
                }
            }
        }
        Method::Double => double(item).and_then(number),
        Method::Ceiling => rounded(method, item, f64::ceil).and_then(number),
        Method::Floor => rounded(method, item, f64::floor).and_then(number),
        Method::Abs => match numeric(method, item)? {
            Number::Integer(value) => number(Number::Integer(value.abs())),
            Number::Double(value) => number(Number::Double(value.abs())),
        },
        Method::KeyValue => match item {
            Item::Part(part) if part.kind() == DocumentKind::Object => Ok(evaluator.pairs_of(part)),
            Item::Pair(_) => {
                let thing = "keyvalue() of what keyvalue() gives";
                Err(Failure::Loud(Error::unsupported(thing)))
            }
            _ => {
                let message = "jsonpath item method .keyvalue() can only be applied to an object";
                quiet(code::JSON_OBJECT_NOT_FOUND, message)
            }
        },
    }
}

fn double(item: &Item<'_>) -> Found<Number> {
    if let Some(number) = item.number() {
        return Ok(number);
    }
    let Some(text) = item.text() else {
        let message =
            "jsonpath item method .double() can only be applied to a string or numeric value";
        return quiet(code::JSON_NOT_NUMERIC, message);
    };
    match Number::parse(text.trim()) {
        Some(number) => Ok(number),
        None => {
            let shown: String = text.chars().take(40).collect();
            let message = format!(
                "argument \"{shown}\" of jsonpath item method .double() is invalid for type DOUBLE"
            );
            quiet(code::JSON_NOT_NUMERIC, message)
        }
    }
}

fn numeric(method: Method, item: &Item<'_>) -> Found<Number> {
    match item.number() {
        Some(number) => Ok(number),
        None => {
            let name = method.name();
            let message =
                format!("jsonpath item method .{name}() can only be applied to a numeric value");
            quiet(code::JSON_NOT_NUMERIC, message)
        }
    }
}

fn rounded(method: Method, item: &Item<'_>, round: fn(f64) -> f64) -> Found<Number> {
    Ok(match numeric(method, item)? {
        Number::Double(value) => Number::whole(round(value)),
        integer => integer,
    })
}
