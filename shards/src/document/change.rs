//! How is a part of a document set or removed?

use std::borrow::Cow;
use std::sync::Arc;

use super::encode::encode_tree;
use super::tree::Tree;
use super::view::{PathStep, tree_of};
use crate::error::Error;

/// One change to a document.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// Where; not empty.
    pub path: &'a [PathStep],
    /// The encoded document to put there; `None` removes what is there.
    pub value: Option<&'a [u8]>,
}

/// Returns the document after the changes, applied in order.
///
/// Setting makes the objects along the path that are missing or null; an index that is one past
/// the end appends. Removing what is not there changes nothing.
///
/// **Errors**: `InvalidValue` when a path leads through something that is neither object nor
/// array, an index is outside its array, or the result is above the limits.
pub fn change(bytes: &[u8], changes: &[Change<'_>]) -> Result<Arc<[u8]>, Error> {
    let mut root = tree_of(bytes);
    for change in changes {
        match change.value {
            Some(value) => set(&mut root, change.path, tree_of(value))?,
            None => unset(&mut root, change.path),
        }
    }
    encode_tree(root)
}

fn set<'a>(root: &mut Tree<'a>, path: &[PathStep], value: Tree<'a>) -> Result<(), Error> {
    if path.len() > super::DOCUMENT_DEPTH_MAX {
        return Err(super::parse::too_deep());
    }
    let mut at = root;
    for step in path {
        at = enter(at, step)?;
    }
    *at = value;
    Ok(())
}

/// Returns the place one step further, made if missing.
fn enter<'t, 'a>(at: &'t mut Tree<'a>, step: &PathStep) -> Result<&'t mut Tree<'a>, Error> {
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
                Error::InvalidValue(format!("index {index} is outside an array of {count}"))
            })
        }
        (PathStep::Field(name), other) => {
            Err(Error::InvalidValue(format!("cannot set field \"{name}\" of {}", other.kind())))
        }
        (PathStep::Index(index), other) => {
            Err(Error::InvalidValue(format!("cannot set index {index} of {}", other.kind())))
        }
    }
}

fn unset(root: &mut Tree<'_>, path: &[PathStep]) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut at = root;
    for step in parents {
        at = match (step, at) {
            (PathStep::Field(name), Tree::Object(fields)) => {
                match fields.iter_mut().find(|(field, _)| **field == **name) {
                    Some((_, field)) => field,
                    None => return,
                }
            }
            (PathStep::Index(index), Tree::List(items)) => {
                let position = position_of(*index, items.len());
                match position.and_then(|position| items.get_mut(position)) {
                    Some(item) => item,
                    None => return,
                }
            }
            _ => return,
        };
    }
    match (last, at) {
        (PathStep::Field(name), Tree::Object(fields)) => {
            fields.retain(|(field, _)| **field != **name);
        }
        (PathStep::Index(index), Tree::List(items)) => {
            if let Some(position) = position_of(*index, items.len())
                && position < items.len()
            {
                items.remove(position);
            }
        }
        _ => {}
    }
}

fn position_of(index: i64, count: usize) -> Option<usize> {
    let position = if index < 0 { count as i64 + index } else { index };
    usize::try_from(position).ok()
}
