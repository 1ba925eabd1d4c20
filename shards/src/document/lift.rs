//! Which declared columns does a document of a collection fill?

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value as JsonValue;

use super::encode::{encode_tree, tree_of_value};
use super::parse::parse;
use super::tree::Tree;
use super::view::tree_of;
use crate::catalog::{Table, TableKind};
use crate::error::Error;
use crate::value::Value;

/// Splits a JSON object into the table's columns, one value per column in order. Fields that are
/// named like a column fill it; in a collection, the others stay together in the last column.
/// Missing columns, `_id` among them, are null: the caller gives defaults and fresh ids.
///
/// **Errors**: `InvalidValue` for text that is not one JSON object, for a field that does not fit
/// its column, and, outside collections, for a field that is no column.
pub fn lift(table: &Table, text: &str) -> Result<Vec<Value>, Error> {
    lift_tree(table, parse(text)?)
}

/// As [`lift`], from a parsed JSON value.
///
/// **Errors**: as [`lift`].
pub fn lift_json(table: &Table, json: &JsonValue) -> Result<Vec<Value>, Error> {
    lift_tree(table, Tree::of_json(json)?)
}

/// Puts the columns of a collection's row back together as one document.
///
/// **Errors**: `InvalidValue` when the whole is above the limits of a document.
pub fn join(table: &Table, row: &[Value]) -> Result<Arc<[u8]>, Error> {
    let rest = rest_column(table);
    let mut fields = Vec::new();
    for (position, (column, value)) in table.columns.iter().zip(row).enumerate() {
        match value {
            Value::Json(bytes) if Some(position) == rest => match tree_of(bytes) {
                Tree::Object(inner) => fields.extend(inner),
                Tree::Null => {}
                other => fields.push((Cow::Borrowed(column.name.as_str()), other)),
            },
            Value::Null => {}
            _ => {
                let field = tree_of_value(value, &column.ty);
                fields.push((Cow::Borrowed(column.name.as_str()), field));
            }
        }
    }
    encode_tree(Tree::Object(fields))
}

fn lift_tree(table: &Table, tree: Tree<'_>) -> Result<Vec<Value>, Error> {
    let Tree::Object(fields) = tree else {
        return Err(Error::InvalidValue(format!(
            "a record of \"{}\" is a JSON object, not {}",
            table.name,
            tree.kind()
        )));
    };
    let rest = rest_column(table);
    let mut row = vec![Value::Null; table.columns.len()];
    let mut open = Vec::new();
    for (name, field) in fields {
        match table.column_named(&name) {
            Some(column) if Some(column) != rest => {
                let declared = &table.columns[column];
                row[column] =
                    Value::from_tree(field, &declared.ty).map_err(|error| match error {
                        Error::InvalidValue(text) => {
                            Error::InvalidValue(format!("column \"{}\": {text}", declared.name))
                        }
                        other => other,
                    })?;
            }
            _ if rest.is_some() => open.push((name, field)),
            _ => {
                return Err(Error::InvalidValue(format!(
                    "table \"{}\" has no column \"{name}\"",
                    table.name
                )));
            }
        }
    }
    if let Some(rest) = rest {
        row[rest] = Value::Json(encode_tree(Tree::Object(open))?);
    }
    Ok(row)
}

/// Returns the column that keeps the open fields.
fn rest_column(table: &Table) -> Option<usize> {
    (table.kind == TableKind::Collection).then(|| table.columns.len() - 1)
}
