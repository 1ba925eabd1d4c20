//! How is a document written as JSON?
//!
//! Compact, fields in the order of their names, doubles in the shortest form that reads back the
//! same.

use std::fmt::Write;

use parquet_variant::Variant;
use serde_json::Value as JsonValue;

use super::tree::Tree;
use super::view::VariantRef;

/// Returns a document as JSON text; `null` when the bytes are no document.
pub fn to_json_text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + bytes.len() / 2);
    write_json(bytes, &mut out);
    out
}

/// Appends a document as JSON text.
pub fn write_json(bytes: &[u8], out: &mut String) {
    match VariantRef::open(bytes) {
        Some(root) => out.push_str(&root.to_json_text()),
        None => out.push_str("null"),
    }
}

/// Returns a document as a JSON value.
pub fn to_json_value(bytes: &[u8]) -> JsonValue {
    // Within the depth limit of documents, which is above the parser's own: build it directly.
    super::view::tree_of(bytes).into_json()
}

/// Appends a part of a document as JSON text.
pub(super) fn write_variant(variant: &Variant<'_, '_>, out: &mut String) {
    match variant {
        Variant::BooleanTrue => out.push_str("true"),
        Variant::BooleanFalse => out.push_str("false"),
        Variant::Int8(v) => push(out, v),
        Variant::Int16(v) => push(out, v),
        Variant::Int32(v) => push(out, v),
        Variant::Int64(v) => push(out, v),
        Variant::Decimal16(v) => push(out, v),
        Variant::Float(v) => write_double(out, f64::from(*v)),
        Variant::Double(v) => write_double(out, *v),
        Variant::String(v) => write_text(out, v),
        Variant::ShortString(v) => write_text(out, v.as_str()),
        Variant::List(list) => {
            out.push('[');
            for (position, item) in list.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_variant(&item, out);
            }
            out.push(']');
        }
        Variant::Object(object) => {
            out.push('{');
            for (position, (name, field)) in object.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_text(out, name);
                out.push(':');
                write_variant(&field, out);
            }
            out.push('}');
        }
        _ => out.push_str("null"),
    }
}

fn write_double(out: &mut String, number: f64) {
    match serde_json::Number::from_f64(number) {
        Some(number) => push(out, &number),
        None => out.push_str("null"),
    }
}

/// Appends a value that is neither array nor object; those as null.
pub(super) fn write_scalar(tree: &Tree<'_>, out: &mut String) {
    match tree {
        Tree::Null | Tree::List(_) | Tree::Object(_) => out.push_str("null"),
        Tree::Bool(v) => push(out, v),
        Tree::Integer(v) => push(out, v),
        Tree::Unsigned(v) => push(out, v),
        Tree::Double(v) => write_double(out, *v),
        Tree::Text(v) => write_text(out, v),
    }
}

/// Appends a text with its quotes.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain_from..at]);
        plain_from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            other => {
                let _ = write!(out, "\\u{other:04x}");
            }
        }
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}

fn push(out: &mut String, value: &impl std::fmt::Display) {
    let _ = write!(out, "{value}");
}
