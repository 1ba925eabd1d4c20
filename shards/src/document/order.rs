//! Which of two documents comes first, when are they equal, and when is one part of the other?
//!
//! As PostgreSQL's `jsonb`: null, texts, numbers, booleans, arrays, objects. Numbers compare by
//! value, whatever form they have: 1 and 1.0 are equal. Of two arrays or objects the one with more
//! members comes later; then members decide one after the other, in objects by name.
//!
//! ```text
//! key of a document, compared byte by byte
//! null    01
//! text    02  bytes, 00 written as 00 ff, end 00 00
//! number  03  nearest double, order-preserving, 8 bytes; what the double lacks, +32768, 2 bytes
//! boolean 04  00 | 01
//! array   05  count, 4 bytes big-endian; the keys of the elements
//! object  06  count, 4 bytes big-endian; for each field: bytes of the name as of a text, key
//! ```

use super::tree::Tree;
use super::view::tree_of;
use crate::error::Error;

/// Most pairs of members compared to answer one `contains`. Objects inside arrays are compared each
/// with each; ten million pairs are about a second of work (estimate).
const PAIRS_MAX: usize = 10_000_000;

/// Returns bytes that compare as the documents do.
///
/// **Cost**: one pass over the document.
pub fn sort_key(bytes: &[u8]) -> Vec<u8> {
    key_of(&tree_of(bytes))
}

/// Returns the key of a tree.
pub(super) fn key_of(tree: &Tree<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    push_key(tree, &mut out);
    out
}

fn push_key(tree: &Tree<'_>, out: &mut Vec<u8>) {
    match tree {
        Tree::Null => out.push(1),
        Tree::Text(text) => {
            out.push(2);
            push_text(text, out);
        }
        Tree::Integer(v) => push_integer(i128::from(*v), out),
        Tree::Unsigned(v) => push_integer(i128::from(*v), out),
        Tree::Double(v) => push_number(*v, 0, out),
        Tree::Bool(v) => out.extend([4, u8::from(*v)]),
        Tree::List(items) => {
            out.push(5);
            out.extend((items.len() as u32).to_be_bytes());
            items.iter().for_each(|item| push_key(item, out));
        }
        Tree::Object(fields) => {
            out.push(6);
            out.extend((fields.len() as u32).to_be_bytes());
            // Fields added by a change are not in their places yet.
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            for (name, field) in sorted {
                push_text(name, out);
                push_key(field, out);
            }
        }
    }
}

fn push_text(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out.extend([0, 0]);
}

/// The nearest double never decreases when the integer grows, and it lacks at most 1,024: half of
/// the distance between doubles below 2^64.
fn push_integer(number: i128, out: &mut Vec<u8>) {
    let nearest = number as f64;
    let lacks = number - nearest as i128;
    push_number(nearest, i16::try_from(lacks).unwrap_or(0), out);
}

fn push_number(double: f64, lacks: i16, out: &mut Vec<u8>) {
    // -0 is 0.
    let bits = (double + 0.0).to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    out.push(3);
    out.extend(ordered.to_be_bytes());
    out.extend(((lacks as u16) ^ 0x8000).to_be_bytes());
}

/// Returns whether `wanted` is part of `whole`, as PostgreSQL's `@>`: each field of an object is in
/// the other with a value that is part of the other's, each element of an array is part of some
/// element; an array contains a single value, but only at the top.
///
/// **Errors**: `TooLarge` when arrays of objects are so large that this would take too long.
pub fn contains(whole: &[u8], wanted: &[u8]) -> Result<bool, Error> {
    let (whole, wanted) = (tree_of(whole), tree_of(wanted));
    let mut left = PAIRS_MAX;
    if let (Tree::List(items), false) = (&whole, is_container(&wanted)) {
        let key = key_of(&wanted);
        return Ok(items.iter().any(|item| key_of(item) == key));
    }
    holds(&whole, &wanted, &mut left)
}

fn is_container(tree: &Tree<'_>) -> bool {
    matches!(tree, Tree::List(_) | Tree::Object(_))
}

fn holds(whole: &Tree<'_>, wanted: &Tree<'_>, left: &mut usize) -> Result<bool, Error> {
    match (whole, wanted) {
        (Tree::Object(fields), Tree::Object(wanted)) => {
            spend(wanted.len(), left)?;
            for (name, value) in wanted {
                // Read from bytes, so sorted.
                let Ok(position) = fields.binary_search_by(|(field, _)| field.cmp(name)) else {
                    return Ok(false);
                };
                if !holds(&fields[position].1, value, left)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Tree::List(items), Tree::List(wanted)) => list_holds(items, wanted, left),
        _ if is_container(whole) || is_container(wanted) => Ok(false),
        _ => Ok(key_of(whole) == key_of(wanted)),
    }
}

fn list_holds(items: &[Tree<'_>], wanted: &[Tree<'_>], left: &mut usize) -> Result<bool, Error> {
    spend(items.len().saturating_add(wanted.len()), left)?;
    let mut keys: Vec<Vec<u8>> =
        items.iter().filter(|item| !is_container(item)).map(key_of).collect();
    keys.sort_unstable();
    let scalars = wanted.iter().filter(|value| !is_container(value));
    if !scalars.map(key_of).all(|key| keys.binary_search(&key).is_ok()) {
        return Ok(false);
    }
    for value in wanted.iter().filter(|value| is_container(value)) {
        let mut found = false;
        for item in items.iter().filter(|item| is_container(item)) {
            spend(1, left)?;
            if holds(item, value, left)? {
                found = true;
                break;
            }
        }
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

fn spend(pairs: usize, left: &mut usize) -> Result<(), Error> {
    *left = left.checked_sub(pairs).ok_or_else(|| {
        Error::TooLarge("the arrays are too large to look for one in the other".into())
    })?;
    Ok(())
}
