//! What is one version of a key?

use std::rc::Rc;
use std::sync::Arc;

use super::group::Group;
use crate::error::Error;
use crate::ids::Timestamp;
use crate::row::{RowLayout, RowView};

/// What a version says.
#[derive(Clone, Copy)]
pub(crate) enum Content<'a> {
    /// The key is gone.
    Deleted,
    /// The key has this row.
    Row(Row<'a>),
}

/// A row, wherever it is.
#[derive(Clone, Copy)]
pub(crate) enum Row<'a> {
    /// As `row::encode` wrote it.
    Bytes(&'a Arc<[u8]>),
    /// One of a group.
    Packed(&'a Rc<Group>, usize),
}

impl Row<'_> {
    /// Returns whether a column is null.
    ///
    /// **Errors**: `Corrupt` when the row is not one of the layout.
    pub fn is_null(&self, layout: &RowLayout, column: usize) -> Result<bool, Error> {
        Ok(match self {
            Row::Bytes(bytes) => RowView::new(bytes, layout)?.is_null(column),
            Row::Packed(group, row) => group.cell(layout, *row, column).is_none(),
        })
    }

    /// Returns the row, kept alive.
    pub fn held(&self) -> Held {
        match self {
            Row::Bytes(bytes) => Held::Bytes((*bytes).clone()),
            Row::Packed(group, row) => Held::Packed((*group).clone(), *row),
        }
    }
}

/// A version found: it keeps alive what it is in.
#[derive(Clone)]
pub(crate) struct Found {
    /// Since when it holds.
    pub begin: Timestamp,
    /// Its row; `None` = the key is gone.
    pub row: Option<Held>,
}

/// A row that is kept alive.
#[derive(Clone)]
pub(crate) enum Held {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// One of a group.
    Packed(Rc<Group>, usize),
}

impl Held {
    /// Returns the row's bytes, put together if it is packed.
    pub fn bytes(&self, layout: &RowLayout) -> Arc<[u8]> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Packed(group, row) => group.row(layout, *row),
        }
    }
}
