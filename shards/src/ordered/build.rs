//! How is the index kept in step with the records?

use std::sync::Arc;

use super::entry::entry_of;
use crate::error::Error;
use crate::ids::Timestamp;
use crate::key::push_indexed;
use crate::row::{RowLayout, RowView};
use crate::tree::Tree;

/// An ordered index over the records of one table on one shard.
pub(crate) struct OrderedIndex {
    /// Positions of the indexed columns, most significant first.
    columns: Vec<usize>,
    /// The entries; their rows are empty.
    pub(crate) tree: Tree,
    /// The row of every entry.
    empty: Arc<[u8]>,
}

impl OrderedIndex {
    /// Makes an empty index over these columns.
    pub fn open(columns: &[usize]) -> Self {
        let tree = Tree::open(RowLayout::of_types(std::iter::empty()));
        Self { columns: columns.to_vec(), tree, empty: Arc::from([]) }
    }

    /// Notes that the record with this key has the values of `row` from `begin` on.
    ///
    /// **Errors**: `Corrupt` when the row cannot be read.
    pub fn insert(
        &mut self,
        row: &RowView<'_>,
        layout: &RowLayout,
        key: &[u8],
        begin: Timestamp,
    ) -> Result<(), Error> {
        let entry = entry_of(&self.order_of(row, layout)?, key);
        self.tree.put(&entry, begin, self.empty.clone());
        Ok(())
    }

    /// Notes that the record no longer has the values of `row` from `end` on.
    ///
    /// **Errors**: `Corrupt` when the row cannot be read.
    pub fn remove(
        &mut self,
        row: &RowView<'_>,
        layout: &RowLayout,
        key: &[u8],
        end: Timestamp,
    ) -> Result<(), Error> {
        let entry = entry_of(&self.order_of(row, layout)?, key);
        self.tree.delete(&entry, end);
        Ok(())
    }

    /// Returns whether two rows of one record have the same values, so that nothing changes.
    ///
    /// **Errors**: `Corrupt` when a row cannot be read.
    pub fn same(
        &self,
        old: &RowView<'_>,
        new: &RowView<'_>,
        layout: &RowLayout,
    ) -> Result<bool, Error> {
        for &column in &self.columns {
            let is_same = old.is_null(column) == new.is_null(column)
                && old.raw(layout, column)? == new.raw(layout, column)?;
            if !is_same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the bytes that place a row in the index: its columns, without the record's key.
    ///
    /// **Errors**: `Corrupt` when the row cannot be read.
    pub fn order_of(&self, row: &RowView<'_>, layout: &RowLayout) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(self.columns.len() * 10);
        for &column in &self.columns {
            let value = row.value(layout, column)?;
            push_indexed(&mut out, &value, layout.column_type(column))?;
        }
        Ok(out)
    }
}
