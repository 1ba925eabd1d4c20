//! What is a document between two forms?

use std::borrow::Cow;

use parquet_variant::Variant;
use serde_json::Value as JsonValue;

use super::parse::{DOCUMENT_DEPTH_MAX, too_deep};
use crate::error::Error;

/// A document as a tree. Objects keep the order they were read in; `encode` sorts them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    /// An integer above the largest `i64`.
    Unsigned(u64),
    Double(f64),
    Text(Cow<'a, str>),
    List(Vec<Tree<'a>>),
    Object(Vec<(Cow<'a, str>, Tree<'a>)>),
}

impl<'a> Tree<'a> {
    /// Borrows a parsed JSON value as a tree.
    ///
    /// **Errors**: `InvalidValue` above the depth limit.
    pub(crate) fn of_json(json: &'a JsonValue) -> Result<Self, Error> {
        Self::of_json_at(json, 0)
    }

    /// Reads an encoded document into a tree.
    pub(crate) fn of_variant(variant: &Variant<'a, 'a>) -> Self {
        match variant {
            Variant::Null => Self::Null,
            Variant::BooleanTrue => Self::Bool(true),
            Variant::BooleanFalse => Self::Bool(false),
            Variant::Int8(v) => Self::Integer(i64::from(*v)),
            Variant::Int16(v) => Self::Integer(i64::from(*v)),
            Variant::Int32(v) => Self::Integer(i64::from(*v)),
            Variant::Int64(v) => Self::Integer(*v),
            Variant::Decimal16(v) => match u64::try_from(v.integer()) {
                Ok(number) if v.scale() == 0 => Self::Unsigned(number),
                _ => variant.as_f64().map_or(Self::Null, Self::Double),
            },
            Variant::Float(v) => Self::Double(f64::from(*v)),
            Variant::Double(v) => Self::Double(*v),
            Variant::String(v) => Self::Text(Cow::Borrowed(v)),
            Variant::ShortString(v) => Self::Text(Cow::Borrowed(v.as_str())),
            Variant::List(list) => {
                Self::List(list.iter().map(|item| Self::of_variant(&item)).collect())
            }
            Variant::Object(object) => Self::Object(
                object
                    .iter()
                    .map(|(name, field)| (Cow::Borrowed(name), Self::of_variant(&field)))
                    .collect(),
            ),
            // No encoder here writes the remaining kinds.
            _ => Self::Null,
        }
    }

    /// Returns the tree as a JSON value.
    pub(crate) fn into_json(self) -> JsonValue {
        match self {
            Self::Null => JsonValue::Null,
            Self::Bool(v) => JsonValue::Bool(v),
            Self::Integer(v) => JsonValue::from(v),
            Self::Unsigned(v) => JsonValue::from(v),
            Self::Double(v) => JsonValue::from(v),
            Self::Text(v) => JsonValue::String(v.into_owned()),
            Self::List(items) => items.into_iter().map(Self::into_json).collect(),
            Self::Object(fields) => fields
                .into_iter()
                .map(|(name, field)| (name.into_owned(), field.into_json()))
                .collect(),
        }
    }

    /// Returns what it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::Unsigned(_) | Self::Double(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    fn of_json_at(json: &'a JsonValue, depth: usize) -> Result<Self, Error> {
        if depth > DOCUMENT_DEPTH_MAX {
            return Err(too_deep());
        }
        Ok(match json {
            JsonValue::Null => Self::Null,
            JsonValue::Bool(v) => Self::Bool(*v),
            JsonValue::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(integer), _) => Self::Integer(integer),
                (None, Some(integer)) => Self::Unsigned(integer),
                (None, None) => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            JsonValue::String(v) => Self::Text(Cow::Borrowed(v)),
            JsonValue::Array(items) => Self::List(
                items
                    .iter()
                    .map(|item| Self::of_json_at(item, depth + 1))
                    .collect::<Result<_, _>>()?,
            ),
            JsonValue::Object(fields) => Self::Object(
                fields
                    .iter()
                    .map(|(name, field)| {
                        Ok((Cow::Borrowed(name.as_str()), Self::of_json_at(field, depth + 1)?))
                    })
                    .collect::<Result<_, Error>>()?,
            ),
        })
    }
}
