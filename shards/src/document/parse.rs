//! How does JSON text become a tree?

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::tree::Tree;
use crate::error::Error;

/// Most levels of arrays and objects inside each other: readers recurse.
pub const DOCUMENT_DEPTH_MAX: usize = 128;

/// Reads one JSON value.
///
/// **Errors**: `InvalidValue` with the place of the mistake, or naming the depth limit.
pub(super) fn parse(text: &str) -> Result<Tree<'_>, Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // The seed below counts the levels itself, and names the limit when it is passed.
    deserializer.disable_recursion_limit();
    let tree = Level(0).deserialize(&mut deserializer).map_err(|error| invalid(&error))?;
    deserializer.end().map_err(|error| invalid(&error))?;
    Ok(tree)
}

/// Makes the error for a document with too many levels.
pub(super) fn too_deep() -> Error {
    Error::InvalidValue(too_deep_text())
}

fn too_deep_text() -> String {
    format!("the document is nested deeper than the limit of {DOCUMENT_DEPTH_MAX} levels")
}

fn invalid(error: &serde_json::Error) -> Error {
    Error::InvalidValue(format!("invalid JSON: {error}"))
}

/// How many arrays and objects are around the value to read.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.0 >= DOCUMENT_DEPTH_MAX {
            return Err(E::custom(too_deep_text()));
        }
        Ok(Self(self.0 + 1))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Tree<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Tree<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Tree<'de>, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree<'de>, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree<'de>, E> {
        Ok(Tree::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree<'de>, E> {
        Ok(i64::try_from(value).map_or(Tree::Unsigned(value), Tree::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree<'de>, E> {
        Ok(Tree::Double(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(Cow::Borrowed(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree<'de>, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Tree<'de>, A::Error> {
        let inner = self.inner()?;
        let mut object = Vec::new();
        while let Some(name) = fields.next_key_seed(Name)? {
            object.push((name, fields.next_value_seed(inner)?));
        }
        if object.len() > u32::MAX as usize {
            return Err(A::Error::custom("an object with too many fields"));
        }
        Ok(Tree::Object(object))
    }
}

/// Reads a field name without copying it when it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_owned()))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(value))
    }
}
