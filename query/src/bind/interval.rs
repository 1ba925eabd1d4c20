//! What does a span of time in a statement mean, and which arguments do its functions have?
//!
//! `INTERVAL '1 day'` is the cast of a text, so that every form is read by the engine's own reader;
//! it is read here as well, to say where it is wrong.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value,
};
use pieskieo_shards::value::{ColumnType, Value as Read};

use super::build;
use super::path::position;
use crate::error::{Error, Result, code};

/// The arguments of `make_interval`, in order.
const PARTS: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];

/// Binds `INTERVAL '...'`, with or without a unit behind it.
pub(super) fn bind(expr: &mut Expr) -> Result<()> {
    let at = position(expr);
    let Expr::Interval(interval) = &*expr else { return Ok(()) };
    if interval.last_field.is_some()
        || interval.leading_precision.is_some()
        || interval.fractional_seconds_precision.is_some()
    {
        return Err(Error::unsupported("fields or a precision of INTERVAL")
            .with_hint("Write the units into the text: INTERVAL '1 day 2 hours'.")
            .at(at));
    }
    let text = match interval.value.as_ref() {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            _ => return Err(no_text(at)),
        },
        _ => return Err(no_text(at)),
    };
    let text = match &interval.leading_field {
        None => text,
        // A unit behind the text is that of a number alone.
        Some(field) if text.trim().parse::<i64>().is_ok() => {
            format!("{} {}", text.trim(), field.to_string().to_lowercase())
        }
        Some(field) => {
            return Err(Error::unsupported(format!("{field} behind an INTERVAL with units"))
                .with_hint("Write the units into the text: INTERVAL '1 day 2 hours'.")
                .at(at));
        }
    };
    Read::parse(&text, &ColumnType::Interval).map_err(|error| Error::from(error).at(at))?;
    *expr = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(build::text(&text)),
        data_type: DataType::Interval { fields: None, precision: None },
        array: false,
        format: None,
    };
    Ok(())
}

fn no_text(at: usize) -> Error {
    Error::new(code::SYNTAX_ERROR, "an INTERVAL is written as a text")
        .with_hint("Write INTERVAL '1 day', or make_interval(days => 1).")
        .at(at)
}

/// Adds the arguments that were left out of `age(x)` and `make_interval(days => 1)`.
pub(super) fn complete(function: &mut Function, name: &str) -> Result<()> {
    let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    if name == "age" && list.args.len() == 1 {
        list.args.insert(0, argument(build::call("current_date", Vec::new())));
    }
    if name != "make_interval" {
        return Ok(());
    }
    let mut parts = PARTS.map(|_| None);
    let mut named = false;
    for (place, arg) in std::mem::take(&mut list.args).into_iter().enumerate() {
        let (place, value) = match arg {
            FunctionArg::Unnamed(value) if !named => (Some(place), value),
            FunctionArg::Named { name, arg, .. } => {
                named = true;
                let wanted = name.value.to_lowercase();
                (PARTS.iter().position(|part| *part == wanted), arg)
            }
            _ => (None, FunctionArgExpr::Wildcard),
        };
        match place.and_then(|place| parts.get_mut(place)) {
            Some(part @ None) => *part = Some(FunctionArg::Unnamed(value)),
            _ => {
                let message = "make_interval() has no such argument, or has it twice";
                return Err(Error::new(code::UNDEFINED_FUNCTION, message)
                    .with_hint(format!("Its arguments are {}.", PARTS.join(", "))));
            }
        }
    }
    let zero = || argument(build::number(0));
    list.args = parts.into_iter().map(|part| part.unwrap_or_else(zero)).collect();
    Ok(())
}

fn argument(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}
