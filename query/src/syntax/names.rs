//! How does a written name become a stored one?
//!
//! Unquoted names are lower case, quoted ones are kept. Users' tables are in the schema `public`,
//! which may be written before their names; the system has schemas of its own.

use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, Value};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::Name;
use crate::error::{Error, Result, code};
use crate::limits::NAME_BYTES_MAX;
use crate::suggest;

/// The schema of users' tables.
const PUBLIC: &str = "public";

/// Schemas whose relations the system makes up; they can be read and nothing else.
pub const SYSTEM_SCHEMAS: &[&str] = &["information_schema", "pg_catalog", "pieskieo"];

/// Returns where a span starts, in characters from 1; 0 when it is unknown.
pub fn position_of(span: Span) -> usize {
    usize::try_from(span.start.column).unwrap_or(0)
}

/// Returns the name an identifier stands for.
pub fn name_of(ident: &Ident) -> Name {
    let text = match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    };
    Name { text, position: position_of(ident.span) }
}

/// Returns the parts of a dotted name.
pub(super) fn names_of(name: &ObjectName) -> Result<Vec<Name>> {
    name.0
        .iter()
        .map(|part| match part.as_ident() {
            Some(ident) => Ok(name_of(ident)),
            None => Err(Error::new(code::SYNTAX_ERROR, format!("\"{part}\" is not a name"))),
        })
        .collect()
}

/// Returns the one name of a table or index, without the schema `public`.
///
/// # Errors
///
/// 3F000 for another schema, 42501 for one of the system, 42602 for an empty or too long name.
pub fn single_name(name: &ObjectName) -> Result<Name> {
    let mut parts = names_of(name)?;
    let last = parts.pop().ok_or_else(|| Error::new(code::INVALID_NAME, "a name is empty"))?;
    match parts.last() {
        Some(schema) if schema.text != PUBLIC => Err(foreign(schema, &last)),
        _ => Ok(last),
    }
}

/// Returns the name of a relation of the system, and its schema; `None` for any other name.
///
/// # Errors
///
/// As [`single_name`], but for the schemas of the system.
pub fn system_name(name: &ObjectName) -> Result<Option<(&'static str, Name)>> {
    let mut parts = names_of(name)?;
    let (Some(last), Some(schema)) = (parts.pop(), parts.pop()) else { return Ok(None) };
    let known = SYSTEM_SCHEMAS.iter().find(|known| **known == schema.text);
    Ok(known.map(|schema| (*schema, last)))
}

/// Returns whether a table's name may be written behind this one.
pub fn is_schema(name: &str) -> bool {
    name == PUBLIC || SYSTEM_SCHEMAS.contains(&name)
}

/// Returns the error of a name in a schema that is not the users'.
fn foreign(schema: &Name, name: &Name) -> Error {
    let (within, name) = (&schema.text, &name.text);
    if SYSTEM_SCHEMAS.contains(&within.as_str()) {
        let message = format!("\"{within}.{name}\" belongs to the system");
        return Error::new(code::INSUFFICIENT_PRIVILEGE, message)
            .with_detail("What the system shows of itself can only be read, in a FROM list.")
            .at(schema.position);
    }
    let known = SYSTEM_SCHEMAS.iter().copied().chain([PUBLIC]);
    Error::new(code::UNDEFINED_SCHEMA, format!("schema \"{within}\" does not exist"))
        .with_hint("Write the table's name alone: tables are in the schema public.")
        .with_suggestion(suggest::nearest(within, known))
        .at(schema.position)
}

/// Returns the text of an expression that is kept to be read again.
///
/// The tree's own printing leaves two quotes in a text as they are, which reads as one.
pub(crate) fn kept_text(expr: &Expr) -> String {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => format!("'{}'", text.replace('\'', "''")),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

/// Checks a name that is about to be given to something.
pub(super) fn new_name(name: Name) -> Result<Name> {
    if name.text.is_empty() {
        return Err(Error::new(code::INVALID_NAME, "a name is empty").at(name.position));
    }
    if name.text.len() > NAME_BYTES_MAX {
        return Err(Error::new(
            code::INVALID_NAME,
            format!("name \"{}\" is longer than {NAME_BYTES_MAX} bytes", name.text),
        )
        .with_detail(format!("The limit name_bytes_max is {NAME_BYTES_MAX}."))
        .at(name.position));
    }
    if name.text.chars().any(char::is_control) {
        return Err(
            Error::new(code::INVALID_NAME, "a name contains a control character").at(name.position)
        );
    }
    Ok(name)
}
