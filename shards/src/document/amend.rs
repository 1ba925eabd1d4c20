//! What do PostgreSQL's functions make of documents?
//!
//! Paths are texts, as `'{a,0,b}'` has them: at an object a name, at an array an index, from the
//! end if negative. What `change` is for statements, this is for expressions: a path that leads
//! nowhere changes nothing.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::encode::encode_tree;
use super::text::{write_scalar, write_text};
use super::tree::Tree;
use super::view::tree_of;
use crate::error::Error;

/// Most bytes of an indented text. Each line is indented by up to 512 spaces, so that a document
/// of a few megabytes could otherwise fill the memory.
const PRETTY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What happens at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amend {
    /// `jsonb_set`: a value is replaced; a missing field, or an element beyond the ends, is added
    /// if `create` says so.
    Set {
        /// Whether what is missing is added.
        create: bool,
    },
    /// `jsonb_insert`: a field that is missing is added, an element is put before or after another.
    Insert {
        /// Whether the element is put after the other.
        after: bool,
    },
}

/// Returns the document with a value set or inserted at the end of a path.
///
/// **Errors**: `InvalidValue` for a document without fields and elements, a path that is no index
/// at an array, a field to insert that is there, a result above the limits.
pub fn amend(bytes: &[u8], path: &[&str], value: &[u8], how: Amend) -> Result<Arc<[u8]>, Error> {
    let mut root = tree_of(bytes);
    if !is_container(&root) {
        return Err(scalar("cannot set path in scalar"));
    }
    let Some((last, parents)) = path.split_last() else { return encode_tree(root) };
    let Some(at) = follow(&mut root, parents)? else { return encode_tree(root) };
    match at {
        Tree::Object(fields) => {
            let found = fields.iter_mut().find(|(name, _)| name == last);
            match (found, how) {
                (Some(_), Amend::Insert { .. }) => {
                    return Err(Error::InvalidValue(format!(
                        "cannot replace existing key \"{last}\""
                    )));
                }
                (Some((_, field)), Amend::Set { .. }) => *field = tree_of(value),
                (None, Amend::Set { create: false }) => {}
                (None, _) => fields.push((Cow::Owned((*last).to_owned()), tree_of(value))),
            }
        }
        Tree::List(items) => {
            let index = index_of(last, path.len())?;
            amend_list(items, index, tree_of(value), how);
        }
        _ => {}
    }
    encode_tree(root)
}

fn amend_list<'a>(items: &mut Vec<Tree<'a>>, index: i64, value: Tree<'a>, how: Amend) {
    match (position_of(index, items.len()), how) {
        (Some(position), Amend::Set { .. }) => items[position] = value,
        (Some(position), Amend::Insert { after }) => {
            items.insert(position + usize::from(after), value);
        }
        (None, Amend::Set { create: false }) => {}
        (None, _) if index < 0 => items.insert(0, value),
        (None, _) => items.push(value),
    }
}

/// Returns the document without what is at the end of a path, as `#-`.
///
/// **Errors**: `InvalidValue` for a document without fields and elements, and for a path that is
/// no index at an array.
pub fn delete_path(bytes: &[u8], path: &[&str]) -> Result<Arc<[u8]>, Error> {
    let mut root = tree_of(bytes);
    if !is_container(&root) {
        return Err(scalar("cannot delete path in scalar"));
    }
    let Some((last, parents)) = path.split_last() else { return encode_tree(root) };
    match follow(&mut root, parents)? {
        Some(Tree::Object(fields)) => fields.retain(|(name, _)| name != last),
        Some(Tree::List(items)) => {
            if let Some(position) = position_of(index_of(last, path.len())?, items.len()) {
                items.remove(position);
            }
        }
        _ => {}
    }
    encode_tree(root)
}

/// Returns the object without the fields of these names, or the array without the strings that are
/// one of them, as `-`.
///
/// **Errors**: `InvalidValue` for a document without fields and elements.
pub fn delete_keys(bytes: &[u8], keys: &[&str]) -> Result<Arc<[u8]>, Error> {
    let mut root = tree_of(bytes);
    let keys: BTreeSet<&str> = keys.iter().copied().collect();
    match &mut root {
        Tree::Object(fields) => fields.retain(|(name, _)| !keys.contains(name.as_ref())),
        Tree::List(items) => items.retain(|item| match item {
            Tree::Text(text) => !keys.contains(text.as_ref()),
            _ => true,
        }),
        _ => return Err(scalar("cannot delete from scalar")),
    }
    encode_tree(root)
}

/// Returns two documents as one, as `||`: two objects have the fields of both, the second's where
/// both have one; otherwise arrays are joined, and what is no array is an array of one.
///
/// **Errors**: `InvalidValue` above the limits.
pub fn concat(first: &[u8], second: &[u8]) -> Result<Arc<[u8]>, Error> {
    let joined = match (tree_of(first), tree_of(second)) {
        // Encoding keeps the last of equal names.
        (Tree::Object(mut fields), Tree::Object(others)) => {
            fields.extend(others);
            Tree::Object(fields)
        }
        (first, second) => {
            let mut items = elements(first);
            items.extend(elements(second));
            Tree::List(items)
        }
    };
    encode_tree(joined)
}

fn elements(tree: Tree<'_>) -> Vec<Tree<'_>> {
    match tree {
        Tree::List(items) => items,
        other => vec![other],
    }
}

/// Returns the document without the fields that are null, at every level.
///
/// **Errors**: none for a document within the limits.
pub fn strip_nulls(bytes: &[u8]) -> Result<Arc<[u8]>, Error> {
    let mut root = tree_of(bytes);
    strip(&mut root);
    encode_tree(root)
}

fn strip(tree: &mut Tree<'_>) {
    match tree {
        Tree::List(items) => items.iter_mut().for_each(strip),
        Tree::Object(fields) => {
            fields.retain(|(_, field)| !matches!(field, Tree::Null));
            fields.iter_mut().for_each(|(_, field)| strip(field));
        }
        _ => {}
    }
}

/// Returns an array of documents.
///
/// **Errors**: `InvalidValue` above the limits.
pub fn list_of<'a>(items: impl Iterator<Item = &'a [u8]>) -> Result<Arc<[u8]>, Error> {
    encode_tree(Tree::List(items.map(tree_of).collect()))
}

/// Returns an object; the last of equal names counts.
///
/// **Errors**: `InvalidValue` above the limits.
pub fn object_of<'a>(
    fields: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<Arc<[u8]>, Error> {
    let fields = fields.map(|(name, value)| (Cow::Borrowed(name), tree_of(value)));
    encode_tree(Tree::Object(fields.collect()))
}

/// Returns the document as JSON text over several lines.
///
/// **Errors**: `TooLarge` for a text above 64 MiB.
pub fn pretty(bytes: &[u8]) -> Result<String, Error> {
    let mut out = String::new();
    write_pretty(&tree_of(bytes), 0, &mut out)?;
    Ok(out)
}

fn write_pretty(tree: &Tree<'_>, level: usize, out: &mut String) -> Result<(), Error> {
    if out.len() > PRETTY_BYTES_MAX {
        return Err(Error::TooLarge("the indented text is above the limit of 64 MiB".into()));
    }
    let line = |level: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n("    ", level));
    };
    match tree {
        Tree::List(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                line(level + 1, out);
                write_pretty(item, level + 1, out)?;
            }
            line(level, out);
            out.push(']');
        }
        Tree::Object(fields) => {
            out.push('{');
            for (position, (name, field)) in fields.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                line(level + 1, out);
                write_text(out, name);
                out.push_str(": ");
                write_pretty(field, level + 1, out)?;
            }
            line(level, out);
            out.push('}');
        }
        other => write_scalar(other, out),
    }
    Ok(())
}

/// Returns the part at the end of a path if there is one.
fn follow<'t, 'a>(
    root: &'t mut Tree<'a>,
    path: &[&str],
) -> Result<Option<&'t mut Tree<'a>>, Error> {
    let mut at = root;
    for (position, step) in path.iter().enumerate() {
        let next = match at {
            Tree::Object(fields) => {
                fields.iter_mut().find(|(name, _)| name == step).map(|(_, field)| field)
            }
            Tree::List(items) => {
                let index = index_of(step, position + 1)?;
                position_of(index, items.len()).and_then(|index| items.get_mut(index))
            }
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

fn index_of(step: &str, number: usize) -> Result<i64, Error> {
    step.trim().parse::<i32>().map(i64::from).map_err(|_| {
        let message = format!("path element at position {number} is not an integer: \"{step}\"");
        Error::InvalidValue(message)
    })
}

/// The position of an element that is there.
fn position_of(index: i64, count: usize) -> Option<usize> {
    let position = if index < 0 { (count as i64).checked_add(index)? } else { index };
    usize::try_from(position).ok().filter(|position| *position < count)
}

fn is_container(tree: &Tree<'_>) -> bool {
    matches!(tree, Tree::List(_) | Tree::Object(_))
}

fn scalar(message: &str) -> Error {
    Error::InvalidValue(message.into())
}
