//! What is a value on the way of a path?

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use pieskieo_shards::document::{self, DocumentKind, VariantRef};
use serde_json::Value as Json;

use crate::error::Result;

/// Integers of this size and below are doubles without loss.
const EXACT: i128 = 1 << 53;

/// A number: exact while it is an integer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Integer(i128),
    Double(f64),
}

/// A value: a part of the document, or computed.
#[derive(Clone, Debug)]
pub(super) enum Item<'a> {
    Part(VariantRef<'a>),
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    /// What `keyvalue()` gives: an object of `key`, `value` and `id`.
    Pair(Arc<Pair<'a>>),
}

/// A field as an object of its own.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) key: &'a str,
    pub(super) value: VariantRef<'a>,
    pub(super) id: i128,
}

impl Number {
    /// Reads what a path or a text says; `None` when it is no number of a double's range.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(integer) = text.parse::<i128>()
            && i64::try_from(integer).is_ok()
        {
            return Some(Self::Integer(integer));
        }
        text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Self::Double)
    }

    /// Returns the nearest double.
    pub(super) fn double(self) -> f64 {
        match self {
            Self::Integer(number) => number as f64,
            Self::Double(number) => number,
        }
    }

    /// Returns a double without a fraction as an integer.
    pub(super) fn whole(number: f64) -> Self {
        if number.abs() <= EXACT as f64 {
            return Self::Integer(number as i128);
        }
        Self::Double(number)
    }

    /// Compares by value.
    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(&b),
            (Self::Integer(a), Self::Double(b)) => compare_mixed(a, b),
            (Self::Double(a), Self::Integer(b)) => compare_mixed(b, a).reverse(),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        }
    }

    fn json(self) -> Json {
        match self {
            Self::Integer(number) => match (i64::try_from(number), u64::try_from(number)) {
                (Ok(number), _) => Json::from(number),
                (_, Ok(number)) => Json::from(number),
                _ => Json::from(number as f64),
            },
            Self::Double(number) => Json::from(number),
        }
    }
}

fn compare_mixed(integer: i128, double: f64) -> Ordering {
    let nearest = (integer as f64).partial_cmp(&double).unwrap_or(Ordering::Equal);
    // Equal as doubles: what the double is exactly decides.
    nearest.then_with(|| integer.cmp(&(double as i128)))
}

impl<'a> Item<'a> {
    /// Returns what it is.
    pub(super) fn kind(&self) -> DocumentKind {
        match self {
            Self::Part(part) => part.kind(),
            Self::Null => DocumentKind::Null,
            Self::Bool(_) => DocumentKind::Bool,
            Self::Number(_) => DocumentKind::Number,
            Self::Text(_) => DocumentKind::Text,
            Self::Pair(_) => DocumentKind::Object,
        }
    }

    /// Returns the number it is.
    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Self::Part(part) => match part.as_i128() {
                Some(integer) => Some(Number::Integer(integer)),
                None => part.as_f64().map(Number::Double),
            },
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the text it is.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Part(part) => part.as_str(),
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the boolean it is.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self {
            Self::Part(part) => part.as_bool(),
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the field of an object.
    pub(super) fn field(&self, name: &str) -> Option<Self> {
        match self {
            Self::Part(part) => part.field(name).map(Self::Part),
            Self::Pair(pair) => match name {
                "key" => Some(Self::Text(Cow::Borrowed(pair.key))),
                "value" => Some(Self::Part(pair.value.clone())),
                "id" => Some(Self::Number(Number::Integer(pair.id))),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the values of an object's fields.
    pub(super) fn field_values(&self) -> Vec<Self> {
        match self {
            Self::Part(part) => {
                part.fields().into_iter().map(|(_, value)| Self::Part(value)).collect()
            }
            Self::Pair(_) => {
                ["id", "key", "value"].iter().filter_map(|name| self.field(name)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the elements of an array.
    pub(super) fn elements(&self) -> Vec<Self> {
        match self {
            Self::Part(part) => part.elements().into_iter().map(Self::Part).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the item as a document of its own.
    ///
    /// **Errors**: none for parts of documents within the limits.
    pub(super) fn document(&self) -> Result<Arc<[u8]>> {
        let json = match self {
            Self::Part(part) => return Ok(part.to_document()?),
            Self::Null => Json::Null,
            Self::Bool(value) => Json::from(*value),
            Self::Number(number) => number.json(),
            Self::Text(text) => Json::from(text.as_ref()),
            Self::Pair(pair) => {
                let key = document::from_json(&Json::from(pair.key))?;
                let id = document::from_json(&Number::Integer(pair.id).json())?;
                let value = pair.value.to_document()?;
                let fields = [("key", &key), ("value", &value), ("id", &id)];
                let fields = fields.into_iter().map(|(name, value)| (name, value.as_ref()));
                return Ok(document::object_of(fields)?);
            }
        };
        Ok(document::from_json(&json)?)
    }
}
