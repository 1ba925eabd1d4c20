//! How does a tree become bytes?

use std::borrow::Cow;
use std::sync::Arc;

use parquet_variant::{
    ObjectFieldBuilder, Variant, VariantBuilder, VariantBuilderExt, VariantDecimal16,
};
use serde_json::Value as JsonValue;

use super::parse::{DOCUMENT_DEPTH_MAX, parse, too_deep};
use super::tree::Tree;
use crate::error::Error;
use crate::value::{ColumnType, Value};

/// Most bytes of one encoded document: it must fit a row with room for the other columns.
pub const DOCUMENT_BYTES_MAX: usize = 15 * 1024 * 1024;

/// Encodes one JSON text.
///
/// **Errors**: `InvalidValue` for text that is not JSON, above the depth limit or above
/// [`DOCUMENT_BYTES_MAX`].
/// **Cost**: a tree of borrowed strings, then one buffer.
pub fn encode(text: &str) -> Result<Arc<[u8]>, Error> {
    encode_tree(parse(text)?)
}

/// Encodes a parsed JSON value.
///
/// **Errors**: `InvalidValue` above the depth limit or above [`DOCUMENT_BYTES_MAX`].
pub fn from_json(json: &JsonValue) -> Result<Arc<[u8]>, Error> {
    encode_tree(Tree::of_json(json)?)
}

/// Encodes a value as JSON has it: numbers as numbers, vectors and arrays as arrays, the rest as text.
///
/// **Errors**: `InvalidValue` above [`DOCUMENT_BYTES_MAX`].
pub fn from_value(value: &Value, ty: &ColumnType) -> Result<Arc<[u8]>, Error> {
    match value {
        Value::Json(bytes) => Ok(bytes.clone()),
        _ => encode_tree(tree_of_value(value, ty)),
    }
}

/// Returns a value as a document would hold it.
pub(super) fn tree_of_value<'a>(value: &'a Value, ty: &ColumnType) -> Tree<'a> {
    match value {
        Value::Null => Tree::Null,
        Value::Bool(v) => Tree::Bool(*v),
        Value::SmallInt(v) => Tree::Integer(i64::from(*v)),
        Value::Int(v) => Tree::Integer(i64::from(*v)),
        Value::BigInt(v) => Tree::Integer(*v),
        Value::Float(v) => double(v.to_string().parse().unwrap_or(f64::NAN)),
        Value::Double(v) => double(*v),
        Value::Numeric(_) => {
            let text = value.render(ty);
            match text.parse() {
                Ok(integer) => Tree::Integer(integer),
                Err(_) => double(text.parse().unwrap_or(f64::NAN)),
            }
        }
        Value::Text(v) => Tree::Text(Cow::Borrowed(v)),
        Value::Vector(v) => Tree::List(
            v.iter().map(|item| double(item.to_string().parse().unwrap_or(f64::NAN))).collect(),
        ),
        Value::Array(items) => {
            let element = if let ColumnType::Array(element) = ty { element } else { ty };
            Tree::List(items.iter().map(|item| tree_of_value(item, element)).collect())
        }
        Value::Json(bytes) => super::view::tree_of(bytes),
        _ => Tree::Text(Cow::Owned(value.render(ty))),
    }
}

/// Encodes a tree; sorts its objects.
pub(crate) fn encode_tree(mut tree: Tree<'_>) -> Result<Arc<[u8]>, Error> {
    sort(&mut tree, 0)?;
    let (metadata, value) = {
        let mut names = Vec::new();
        collect_names(&tree, &mut names);
        names.sort_unstable();
        names.dedup();
        let mut builder = VariantBuilder::new().with_field_names(names);
        append(&tree, &mut builder);
        builder.finish()
    };
    let bytes = 4 + metadata.len() + value.len();
    if bytes > DOCUMENT_BYTES_MAX {
        return Err(Error::InvalidValue(format!(
            "a document of {bytes} bytes is above the limit of {DOCUMENT_BYTES_MAX}"
        )));
    }
    let mut out = Vec::with_capacity(bytes);
    out.extend_from_slice(&(metadata.len() as u32).to_le_bytes());
    out.extend_from_slice(&metadata);
    out.extend_from_slice(&value);
    Ok(out.into())
}

/// JSON has no infinities and no NaN: they become null.
fn double<'a>(number: f64) -> Tree<'a> {
    if number.is_finite() { Tree::Double(number) } else { Tree::Null }
}

/// Sorts every object by name and keeps the last of equal names. Changes may have put values so
/// deep that nobody could read them again.
fn sort(tree: &mut Tree<'_>, depth: usize) -> Result<(), Error> {
    let is_container = matches!(tree, Tree::List(_) | Tree::Object(_));
    if is_container && depth >= DOCUMENT_DEPTH_MAX {
        return Err(too_deep());
    }
    match tree {
        Tree::List(items) => items.iter_mut().try_for_each(|item| sort(item, depth + 1))?,
        Tree::Object(fields) => {
            fields.iter_mut().try_for_each(|(_, field)| sort(field, depth + 1))?;
            if fields.windows(2).all(|pair| pair[0].0 < pair[1].0) {
                return Ok(());
            }
            // Reversed first, so that the stable sort puts the last of equals in front.
            fields.reverse();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            fields.dedup_by(|later, kept| later.0 == kept.0);
        }
        _ => {}
    }
    Ok(())
}

fn collect_names<'t>(tree: &'t Tree<'_>, names: &mut Vec<&'t str>) {
    match tree {
        Tree::List(items) => items.iter().for_each(|item| collect_names(item, names)),
        Tree::Object(fields) => {
            for (name, field) in fields {
                names.push(name);
                collect_names(field, names);
            }
        }
        _ => {}
    }
}

fn append(tree: &Tree<'_>, builder: &mut impl VariantBuilderExt) {
    match tree {
        Tree::Null => builder.append_value(Variant::Null),
        Tree::Bool(v) => builder.append_value(*v),
        Tree::Integer(v) => append_integer(*v, builder),
        Tree::Unsigned(v) => match VariantDecimal16::try_new(i128::from(*v), 0) {
            Ok(decimal) => builder.append_value(decimal),
            Err(_) => builder.append_value(*v as f64),
        },
        Tree::Double(v) => builder.append_value(*v),
        Tree::Text(v) => builder.append_value(v.as_ref()),
        Tree::List(items) => {
            let mut list = builder.new_list();
            items.iter().for_each(|item| append(item, &mut list));
            list.finish();
        }
        Tree::Object(fields) => {
            let mut object = builder.new_object();
            for (name, field) in fields {
                append(field, &mut ObjectFieldBuilder::new(name, &mut object));
            }
            object.finish();
        }
    }
}

fn append_integer(number: i64, builder: &mut impl VariantBuilderExt) {
    if let Ok(narrow) = i8::try_from(number) {
        builder.append_value(narrow);
    } else if let Ok(narrow) = i16::try_from(number) {
        builder.append_value(narrow);
    } else if let Ok(narrow) = i32::try_from(number) {
        builder.append_value(narrow);
    } else {
        builder.append_value(number);
    }
}
