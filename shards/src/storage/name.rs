//! Which tree is meant, and which index?

use crate::ids::{IndexId, TableId};

/// A tree of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TreeName {
    /// The table.
    pub table: TableId,
    /// What the tree is to it.
    pub part: Part,
}

/// What a tree is to its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Part {
    /// Its records.
    Records,
    /// The entries of an ordered index.
    Ordered(IndexId),
    /// The edges that arrive here.
    Mirrors,
}

impl Part {
    /// Returns whether the past is read from it. Not from indexes: one that was made later knows
    /// nothing of it.
    pub fn keeps_past(self) -> bool {
        match self {
            Self::Records | Self::Mirrors => true,
            Self::Ordered(_) => false,
        }
    }
}

/// An index that is not a tree: it is filled from records, or from its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ImageName {
    /// The table.
    pub table: TableId,
    /// The index; `None` = the adjacency of an edge table.
    pub index: Option<IndexId>,
}
