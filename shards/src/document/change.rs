//! How are parts of a document changed in place?

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use super::encode::encode_tree;
use super::order::key_of;
use super::tree::Tree;
use super::view::{PathStep, tree_of};
use crate::error::Error;

/// Most members looked at on the ways of all changes of one document: some seconds of work
/// (estimate). A document of 15 MiB has a few million.
const MEMBERS_MAX: usize = 50_000_000;

/// One change to a document.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// Where; empty = the whole document.
    pub path: &'a [PathStep],
    /// What happens there.
    pub edit: Edit<'a>,
}

/// What happens at the end of a path. Values are encoded documents.
#[derive(Clone, Copy, Debug)]
pub enum Edit<'a> {
    /// The value is put there.
    Set(&'a [u8]),
    /// What is there is removed; the elements behind one of an array move up.
    Unset,
    /// The value is appended to the array there.
    Push(&'a [u8]),
    /// All elements that are equal to the value are removed from the array there.
    Pull(&'a [u8]),
    /// The value is appended to the array there unless an element is equal to it.
    AddToSet(&'a [u8]),
    /// The number is added to the one there.
    Increment(&'a [u8]),
}

/// Returns the document after the changes, applied in order.
///
/// What is missing or null on the way is made: an object for a field, an array for an index; an
/// index one past the end appends. A missing array is empty, a missing number is 0. Removing what
/// is not there changes nothing.
///
/// **Errors**: `InvalidValue` when a path leads through something else, an index is outside its
/// array, there is no array or number where one is wanted, a number is out of range, or the result
/// is above the limits; `TooLarge` for many changes of a large document.
/// **Cost**: the document is read and written once, whatever the number of changes.
pub fn change(bytes: &[u8], changes: &[Change<'_>]) -> Result<Arc<[u8]>, Error> {
    let mut root = tree_of(bytes);
    let mut left = MEMBERS_MAX;
    for change in changes {
        let path = change.path;
        spend(width(&root, path), &mut left)?;
        match change.edit {
            Edit::Set(value) => *place(&mut root, path)? = tree_of(value),
            Edit::Unset => unset(&mut root, path),
            Edit::Push(value) => list(place(&mut root, path)?, path, "PUSH")?.push(tree_of(value)),
            Edit::AddToSet(value) => {
                let items = list(place(&mut root, path)?, path, "ADD TO SET")?;
                let (value, key) = keyed(value);
                if !items.iter().any(|item| key_of(item) == key) {
                    items.push(value);
                }
            }
            Edit::Pull(value) => {
                let Some(at) = found(&mut root, path) else { continue };
                let items = list(at, path, "PULL")?;
                let (_, key) = keyed(value);
                items.retain(|item| key_of(item) != key);
            }
            Edit::Increment(value) => {
                let at = place(&mut root, path)?;
                *at = sum(at, &tree_of(value), path)?;
            }
        }
    }
    encode_tree(root)
}

/// How many members the objects and arrays along a path have, that at its end among them.
fn width(root: &Tree<'_>, path: &[PathStep]) -> usize {
    let mut at = root;
    let mut width = 0;
    for step in path {
        let next = match (step, at) {
            (PathStep::Field(name), Tree::Object(fields)) => {
                width += fields.len();
                fields.iter().find(|(field, _)| **field == **name).map(|(_, field)| field)
            }
            (PathStep::Index(index), Tree::List(items)) => {
                position_of(*index, items.len()).and_then(|position| items.get(position))
            }
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => return width,
        }
    }
    width + if let Tree::List(items) = at { items.len() } else { 0 }
}

fn spend(members: usize, left: &mut usize) -> Result<(), Error> {
    *left = left.checked_sub(members).ok_or_else(|| {
        Error::TooLarge("there are too many changes of one large document".into())
    })?;
    Ok(())
}

fn keyed(value: &[u8]) -> (Tree<'_>, Vec<u8>) {
    let tree = tree_of(value);
    let key = key_of(&tree);
    (tree, key)
}

/// Returns the place at the end of the path, made if missing.
fn place<'t, 'a>(root: &'t mut Tree<'a>, path: &[PathStep]) -> Result<&'t mut Tree<'a>, Error> {
    if path.len() > super::DOCUMENT_DEPTH_MAX {
        return Err(super::parse::too_deep());
    }
    let mut at = root;
    for (position, step) in path.iter().enumerate() {
        at = enter(at, step, &path[..position])?;
    }
    Ok(at)
}

/// Returns the place one step further, made if missing. `before` leads to `at`.
fn enter<'t, 'a>(
    at: &'t mut Tree<'a>,
    step: &PathStep,
    before: &[PathStep],
) -> Result<&'t mut Tree<'a>, Error> {
    if matches!(at, Tree::Null) {
        *at = match step {
            PathStep::Field(_) => Tree::Object(Vec::new()),
            PathStep::Index(_) => Tree::List(Vec::new()),
        };
    }
    match (step, at) {
        (PathStep::Field(name), Tree::Object(fields)) => {
            let position = fields.iter().position(|(field, _)| **field == **name);
            let position = position.unwrap_or_else(|| {
                fields.push((Cow::Owned(name.to_string()), Tree::Null));
                fields.len() - 1
            });
            Ok(&mut fields[position].1)
        }
        (PathStep::Index(index), Tree::List(items)) => {
            let position = position_of(*index, items.len());
            if position == Some(items.len()) {
                items.push(Tree::Null);
            }
            let count = items.len();
            position.and_then(|position| items.get_mut(position)).ok_or_else(|| {
                let shown = shown(before).map_or_else(String::new, |path| format!(" {path}"));
                let elements = if count == 1 { "element" } else { "elements" };
                Error::InvalidValue(format!(
                    "index {index} is outside the array{shown} of {count} {elements}"
                ))
            })
        }
        (PathStep::Field(_), other) => Err(wrong(other, before, "not an object")),
        (PathStep::Index(_), other) => Err(wrong(other, before, "not an array")),
    }
}

/// Returns the place at the end of the path if there is one.
fn found<'t, 'a>(root: &'t mut Tree<'a>, path: &[PathStep]) -> Option<&'t mut Tree<'a>> {
    let mut at = root;
    for step in path {
        at = match (step, at) {
            (PathStep::Field(name), Tree::Object(fields)) => {
                &mut fields.iter_mut().find(|(field, _)| **field == **name)?.1
            }
            (PathStep::Index(index), Tree::List(items)) => {
                let position = position_of(*index, items.len())?;
                items.get_mut(position)?
            }
            _ => return None,
        };
    }
    Some(at)
}

fn unset(root: &mut Tree<'_>, path: &[PathStep]) {
    let Some((last, parents)) = path.split_last() else { return };
    match (last, found(root, parents)) {
        (PathStep::Field(name), Some(Tree::Object(fields))) => {
            fields.retain(|(field, _)| **field != **name);
        }
        (PathStep::Index(index), Some(Tree::List(items))) => {
            if let Some(position) = position_of(*index, items.len())
                && position < items.len()
            {
                items.remove(position);
            }
        }
        _ => {}
    }
}

/// The array at a place; nothing and null are an empty one.
fn list<'t, 'a>(
    at: &'t mut Tree<'a>,
    path: &[PathStep],
    verb: &str,
) -> Result<&'t mut Vec<Tree<'a>>, Error> {
    if matches!(at, Tree::Null) {
        *at = Tree::List(Vec::new());
    }
    match at {
        Tree::List(items) => Ok(items),
        other => Err(wrong(other, path, &format!("{verb} wants an array"))),
    }
}

/// The number at a place and the added one; nothing and null are 0.
fn sum<'a>(at: &Tree<'_>, added: &Tree<'_>, path: &[PathStep]) -> Result<Tree<'a>, Error> {
    let wants = "INC wants a number";
    let zero = Tree::Integer(0);
    let before = if matches!(at, Tree::Null) { &zero } else { at };
    let out_of_range = || {
        let shown = shown(path).unwrap_or_else(|| "the number".to_owned());
        Error::InvalidValue(format!("{shown} would be out of range"))
    };
    if let (Some(a), Some(b)) = (integer(before), integer(added)) {
        let sum = a + b;
        let signed = i64::try_from(sum).map(Tree::Integer);
        return signed
            .or_else(|_| u64::try_from(sum).map(Tree::Unsigned))
            .map_err(|_| out_of_range());
    }
    let a = double(before).ok_or_else(|| wrong(before, path, wants))?;
    let b = double(added)
        .ok_or_else(|| Error::InvalidValue(format!("{} cannot be added, {wants}", added.kind())))?;
    let sum = a + b;
    if sum.is_finite() { Ok(Tree::Double(sum)) } else { Err(out_of_range()) }
}

fn integer(tree: &Tree<'_>) -> Option<i128> {
    match tree {
        Tree::Integer(v) => Some(i128::from(*v)),
        Tree::Unsigned(v) => Some(i128::from(*v)),
        _ => None,
    }
}

fn double(tree: &Tree<'_>) -> Option<f64> {
    match tree {
        Tree::Integer(v) => Some(*v as f64),
        Tree::Unsigned(v) => Some(*v as f64),
        Tree::Double(v) => Some(*v),
        _ => None,
    }
}

fn wrong(found: &Tree<'_>, path: &[PathStep], wanted: &str) -> Error {
    let shown = shown(path).unwrap_or_else(|| "the value".to_owned());
    Error::InvalidValue(format!("{shown} is {}, {wanted}", found.kind()))
}

/// Writes a path as it is written in a statement, in quotes; `None` for the empty one.
fn shown(path: &[PathStep]) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    let mut out = String::from("\"");
    for (position, step) in path.iter().enumerate() {
        match step {
            PathStep::Field(name) => {
                if position > 0 {
                    out.push('.');
                }
                out.push_str(name);
            }
            // Writing to a string cannot fail.
            PathStep::Index(index) => {
                let _ = write!(out, "[{index}]");
            }
        }
    }
    out.push('"');
    Some(out)
}

fn position_of(index: i64, count: usize) -> Option<usize> {
    let position = if index < 0 { (count as i64).checked_add(index)? } else { index };
    usize::try_from(position).ok()
}
