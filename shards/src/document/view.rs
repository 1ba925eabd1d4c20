//! How is a part of a document found and read?

use std::borrow::Cow;
use std::sync::Arc;

use parquet_variant::{Variant, VariantMetadata};

use super::encode::encode_tree;
use super::text::write_variant;
use super::tree::Tree;
use crate::error::Error;

/// One step of a path into a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathStep {
    /// The field with this name, of an object.
    Field(Arc<str>),
    /// The element at this index, of an array; -1 is the last one.
    Index(i64),
}

/// What a part of a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// Any number.
    Number,
    /// Text.
    Text,
    /// An array.
    List,
    /// An object.
    Object,
}

/// A part of a document, borrowed from its bytes.
#[derive(Clone, Debug)]
pub struct VariantRef<'a> {
    variant: Variant<'a, 'a>,
}

/// Returns the part at the end of the path, `None` when there is none.
///
/// **Cost**: per step a binary search over the object's fields.
pub fn get<'a>(bytes: &'a [u8], path: &[PathStep]) -> Option<VariantRef<'a>> {
    VariantRef::open(bytes).and_then(|root| root.get(path))
}

/// Returns the words a text index takes from the part at the end of the path: a string as it is,
/// the strings of an array line by line, a number or boolean as JSON, nothing of anything else.
pub fn text_at<'a>(bytes: &'a [u8], path: &[String]) -> Option<Cow<'a, str>> {
    let mut at = VariantRef::open(bytes)?;
    for name in path {
        at = at.field(name)?;
    }
    match at.kind() {
        DocumentKind::Null | DocumentKind::Object => None,
        DocumentKind::List => {
            let items = at.elements();
            let lines: Vec<&str> = items.iter().filter_map(VariantRef::as_str).collect();
            (!lines.is_empty()).then(|| Cow::Owned(lines.join("\n")))
        }
        DocumentKind::Bool | DocumentKind::Number | DocumentKind::Text => at.text(),
    }
}

/// Checks every byte of a document.
///
/// **Errors**: `Corrupt` when the bytes are no document.
pub fn validate(bytes: &[u8]) -> Result<(), Error> {
    let (metadata, value) =
        split(bytes).ok_or_else(|| Error::Corrupt("read document: no header".into()))?;
    Variant::try_new(metadata, value)
        .map(|_| ())
        .map_err(|error| Error::Corrupt(format!("read document: {error}")))
}

/// Returns the elements of a document that is an array of numbers.
///
/// **Errors**: `InvalidValue` when it is anything else.
pub fn to_vector(bytes: &[u8]) -> Result<Vec<f32>, Error> {
    let wrong =
        |kind: &str| Error::InvalidValue(format!("a vector is an array of numbers, not {kind}"));
    let tree = tree_of(bytes);
    let Tree::List(items) = &tree else { return Err(wrong(tree.kind())) };
    items
        .iter()
        .map(|item| match item {
            Tree::Integer(v) => Ok(*v as f32),
            Tree::Unsigned(v) => Ok(*v as f32),
            Tree::Double(v) => Ok(*v as f32),
            other => Err(wrong(&format!("one that holds {}", other.kind()))),
        })
        .collect()
}

/// Reads a whole document into a tree; null when the bytes are no document.
pub(super) fn tree_of(bytes: &[u8]) -> Tree<'_> {
    VariantRef::open(bytes).map_or(Tree::Null, |root| Tree::of_variant(&root.variant))
}

impl<'a> VariantRef<'a> {
    /// Returns the whole document; `None` when the bytes have no header.
    pub fn open(bytes: &'a [u8]) -> Option<Self> {
        let (metadata, value) = split(bytes)?;
        let metadata = VariantMetadata::try_new(metadata).ok()?;
        if value.is_empty() {
            return None;
        }
        Some(Self { variant: Variant::new_with_metadata(metadata, value) })
    }

    /// Returns the part at the end of the path, `None` when there is none.
    pub fn get(&self, path: &[PathStep]) -> Option<Self> {
        let mut at = self.clone();
        for step in path {
            at = at.step(step)?;
        }
        Some(at)
    }

    /// Returns the part one step further.
    pub fn step(&self, step: &PathStep) -> Option<Self> {
        let variant = match (step, &self.variant) {
            (PathStep::Field(name), Variant::Object(object)) => object.get(name)?,
            (PathStep::Index(index), Variant::List(list)) => {
                let from_end = list.len() as i64 + index;
                let index = if *index < 0 { from_end } else { *index };
                list.get(usize::try_from(index).ok()?)?
            }
            _ => return None,
        };
        Some(Self { variant })
    }

    /// Returns the field of an object with this name.
    pub fn field(&self, name: &str) -> Option<Self> {
        match &self.variant {
            Variant::Object(object) => Some(Self { variant: object.get(name)? }),
            _ => None,
        }
    }

    /// Returns what it is.
    pub fn kind(&self) -> DocumentKind {
        match &self.variant {
            Variant::Null => DocumentKind::Null,
            Variant::BooleanTrue | Variant::BooleanFalse => DocumentKind::Bool,
            Variant::String(_) | Variant::ShortString(_) => DocumentKind::Text,
            Variant::List(_) => DocumentKind::List,
            Variant::Object(_) => DocumentKind::Object,
            _ => DocumentKind::Number,
        }
    }

    /// Returns the text of a string as it is, of anything else as JSON; `None` for `null`. The
    /// meaning of PQL's `->>`.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        match &self.variant {
            Variant::Null => None,
            Variant::String(text) => Some(Cow::Borrowed(text)),
            Variant::ShortString(text) => Some(Cow::Borrowed(text.as_str())),
            other => {
                let mut out = String::new();
                write_variant(other, &mut out);
                Some(Cow::Owned(out))
            }
        }
    }

    /// Returns the text of a string, `None` for anything else.
    pub fn as_str(&self) -> Option<&'a str> {
        match &self.variant {
            Variant::String(text) => Some(text),
            Variant::ShortString(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// Returns an integer, or a double without a fraction; `None` for anything else.
    pub fn as_i64(&self) -> Option<i64> {
        match &self.variant {
            Variant::Int8(v) => Some(i64::from(*v)),
            Variant::Int16(v) => Some(i64::from(*v)),
            Variant::Int32(v) => Some(i64::from(*v)),
            Variant::Int64(v) => Some(*v),
            Variant::Double(v) if v.fract() == 0.0 && v.abs() < 9_007_199_254_740_992.0 => {
                Some(*v as i64)
            }
            _ => None,
        }
    }

    /// Returns an integer of any size; `None` for anything else, doubles among it.
    pub fn as_i128(&self) -> Option<i128> {
        match &self.variant {
            Variant::Int8(v) => Some(i128::from(*v)),
            Variant::Int16(v) => Some(i128::from(*v)),
            Variant::Int32(v) => Some(i128::from(*v)),
            Variant::Int64(v) => Some(i128::from(*v)),
            Variant::Decimal16(v) if v.scale() == 0 => Some(v.integer()),
            _ => None,
        }
    }

    /// Returns how many elements an array has; `None` for anything else.
    pub fn element_count(&self) -> Option<usize> {
        match &self.variant {
            Variant::List(list) => Some(list.len()),
            _ => None,
        }
    }

    /// Returns any number as a double; `None` for anything else.
    pub fn as_f64(&self) -> Option<f64> {
        match &self.variant {
            Variant::Int64(v) => Some(*v as f64),
            Variant::Int8(_) | Variant::Int16(_) | Variant::Int32(_) => {
                self.as_i64().map(|number| number as f64)
            }
            Variant::Float(v) => Some(f64::from(*v)),
            Variant::Double(v) => Some(*v),
            Variant::Decimal16(v) => Some(v.integer() as f64),
            _ => None,
        }
    }

    /// Returns a boolean; `None` for anything else.
    pub fn as_bool(&self) -> Option<bool> {
        match &self.variant {
            Variant::BooleanTrue => Some(true),
            Variant::BooleanFalse => Some(false),
            _ => None,
        }
    }

    /// Returns the fields of an object in the order of their names; empty for anything else.
    pub fn fields(&self) -> Vec<(&'a str, Self)> {
        match &self.variant {
            Variant::Object(object) => {
                object.iter().map(|(name, variant)| (name, Self { variant })).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the elements of an array; empty for anything else.
    pub fn elements(&self) -> Vec<Self> {
        match &self.variant {
            Variant::List(list) => list.iter().map(|variant| Self { variant }).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the part as a document of its own.
    ///
    /// **Errors**: none for a part of a document within the limits.
    pub fn to_document(&self) -> Result<Arc<[u8]>, Error> {
        encode_tree(Tree::of_variant(&self.variant))
    }

    /// Returns the part as JSON text.
    pub fn to_json_text(&self) -> String {
        let mut out = String::new();
        write_variant(&self.variant, &mut out);
        out
    }
}

/// Splits metadata from value.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}
