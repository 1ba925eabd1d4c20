//! How does a value come from JSON and go there?

use serde_json::Value as JsonValue;

use super::array::check_count;
use super::kind::{ColumnType, Value};
use super::parse::{out_of_range, vector};
use crate::document::{self, Tree};
use crate::error::Error;

impl Value {
    /// Reads a JSON value as a value of this type: numbers as numbers, strings through the
    /// type's input form, an array as an array or, of numbers, as a vector, anything as JSON.
    ///
    /// **Errors**: `InvalidValue` when it is not of this type's form or out of its range.
    pub fn from_json(json: &JsonValue, ty: &ColumnType) -> Result<Self, Error> {
        match (json, ty) {
            (_, ColumnType::Json) => document::from_json(json).map(Self::Json),
            _ => Self::from_tree(Tree::of_json(json)?, ty),
        }
    }

    /// Reads a part of a document as a value of this type; a null is null in any type but JSON.
    pub(crate) fn from_tree(tree: Tree<'_>, ty: &ColumnType) -> Result<Self, Error> {
        match (tree, ty) {
            (tree, ColumnType::Json) => document::from_tree(tree).map(Self::Json),
            (Tree::Null, _) => Ok(Self::Null),
            (tree, ColumnType::Varchar(_)) => {
                Self::from_tree(tree, &ColumnType::Text)?.coerce_from(&ColumnType::Text, ty)
            }
            (Tree::List(items), ColumnType::Array(element)) => {
                check_count(items.len())?;
                let items = items.into_iter().map(|item| Self::from_tree(item, element));
                items.collect::<Result<Vec<_>, _>>().map(|items| Self::Array(items.into()))
            }
            (Tree::Bool(v), ColumnType::Bool) => Ok(Self::Bool(v)),
            (Tree::Bool(v), ColumnType::Text) => Ok(Self::Text(v.to_string().into())),
            (Tree::Text(v), _) => Self::parse(&v, ty),
            (Tree::Integer(v), _) if ty.is_number() => Self::BigInt(v).coerce(ty),
            (Tree::Integer(v), ColumnType::Text) => Ok(Self::Text(v.to_string().into())),
            (Tree::Unsigned(v), ColumnType::SmallInt | ColumnType::Int | ColumnType::BigInt) => {
                Err(out_of_range(&v, ty))
            }
            (Tree::Unsigned(v), ColumnType::Numeric { .. } | ColumnType::Text) => {
                Self::parse(&v.to_string(), ty)
            }
            (Tree::Unsigned(v), _) if ty.is_number() => Self::Double(v as f64).coerce(ty),
            (Tree::Double(v), _) if ty.is_number() || *ty == ColumnType::Text => {
                Self::Double(v).coerce(ty)
            }
            (Tree::List(items), ColumnType::Vector(dim)) => vector(elements(&items)?, *dim),
            (tree @ (Tree::List(_) | Tree::Object(_)), ColumnType::Text) => {
                Ok(Self::Text(tree.into_json().to_string().into()))
            }
            (tree, _) => {
                Err(Error::InvalidValue(format!("{} does not fit type {ty}", tree.kind())))
            }
        }
    }

    /// Returns the value as JSON: numbers as numbers, vectors and arrays as arrays, everything JSON
    /// has no form for as text.
    pub fn to_json(&self, ty: &ColumnType) -> JsonValue {
        match self {
            Self::Null => JsonValue::Null,
            Self::Bool(v) => JsonValue::Bool(*v),
            Self::SmallInt(v) => JsonValue::from(*v),
            Self::Int(v) => JsonValue::from(*v),
            Self::BigInt(v) => JsonValue::from(*v),
            Self::Float(v) => shortest(*v),
            Self::Double(v) => finite(*v),
            Self::Vector(v) => v.iter().map(|element| shortest(*element)).collect(),
            Self::Array(v) => {
                let element = if let ColumnType::Array(element) = ty { element } else { ty };
                v.iter().map(|item| item.to_json(element)).collect()
            }
            Self::Json(v) => document::to_json_value(v),
            _ => JsonValue::String(self.render(ty)),
        }
    }
}

fn finite(number: f64) -> JsonValue {
    serde_json::Number::from_f64(number).map_or(JsonValue::Null, JsonValue::Number)
}

/// Writes a single as the double with its shortest digits: 0.1, not 0.10000000149011612.
fn shortest(number: f32) -> JsonValue {
    finite(number.to_string().parse().unwrap_or(f64::NAN))
}

fn elements(items: &[Tree<'_>]) -> Result<Vec<f32>, Error> {
    items
        .iter()
        .map(|item| match item {
            Tree::Integer(v) => Ok(*v as f32),
            Tree::Unsigned(v) => Ok(*v as f32),
            Tree::Double(v) => Ok(*v as f32),
            other => {
                Err(Error::InvalidValue(format!("a vector holds numbers, not {}", other.kind())))
            }
        })
        .collect()
}
