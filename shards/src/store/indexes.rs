//! How are a table's indexes kept in step with its records?

use std::collections::BTreeMap;

use crate::catalog::{Index, IndexKind, Table};
use crate::error::Error;
use crate::ids::{IndexId, RecordId, Timestamp};
use crate::ordered::OrderedIndex;
use crate::row::{RowLayout, RowView};

use super::record::Record;

/// The indexes of one table.
#[derive(Default)]
pub(super) struct Indexes {
    pub ordered: BTreeMap<IndexId, OrderedIndex>,
}

/// What happens to a record's row at a moment.
#[derive(Clone, Copy)]
pub(super) struct RowChange<'a> {
    pub id: RecordId,
    /// The row until `at`.
    pub old: Option<RowView<'a>>,
    /// The row from `at` on.
    pub new: Option<RowView<'a>>,
    pub at: Timestamp,
}

impl Indexes {
    pub fn open(table: &Table) -> Self {
        let mut indexes = Self::default();
        for index in &table.indexes {
            indexes.add(index, table);
        }
        indexes
    }

    /// Makes an index, empty.
    pub fn add(&mut self, index: &Index, _table: &Table) {
        if let IndexKind::Ordered { columns } = &index.kind {
            self.ordered.insert(index.id, OrderedIndex::open(columns));
        }
    }

    /// Drops an index.
    pub fn drop(&mut self, id: IndexId) {
        self.ordered.remove(&id);
    }

    /// Carries a change of a record into every index, or into `only` one.
    pub fn change(
        &mut self,
        layout: &RowLayout,
        change: RowChange<'_>,
        only: Option<IndexId>,
    ) -> Result<(), Error> {
        for (id, index) in &mut self.ordered {
            if only.is_none_or(|only| only == *id) {
                change_ordered(index, layout, change)?;
            }
        }
        Ok(())
    }

    /// Carries all versions of a record into every index, or into `only` one, as if they were
    /// written now one after the other.
    pub fn replay(
        &mut self,
        layout: &RowLayout,
        id: RecordId,
        record: &Record,
        only: Option<IndexId>,
    ) -> Result<(), Error> {
        let mut before: Option<(RowView<'_>, Timestamp)> = None;
        for version in record.versions() {
            let new = Some(RowView::new(&version.row, layout)?);
            let mut old = None;
            if let Some((row, end)) = before.take() {
                if end == version.begin {
                    old = Some(row);
                } else {
                    let gone = RowChange { id, old: Some(row), new: None, at: end };
                    self.change(layout, gone, only)?;
                }
            }
            self.change(layout, RowChange { id, old, new, at: version.begin }, only)?;
            before = new.map(|new| (new, version.end));
        }
        match before {
            Some((row, end)) if end != Timestamp::MAX => {
                self.change(layout, RowChange { id, old: Some(row), new: None, at: end }, only)
            }
            _ => Ok(()),
        }
    }

    /// Forgets what a dropped version alone kept in the indexes.
    pub fn collect(
        &mut self,
        layout: &RowLayout,
        id: RecordId,
        row: &RowView<'_>,
        watermark: Timestamp,
    ) -> Result<(), Error> {
        for index in self.ordered.values_mut() {
            index.collect(row, layout, id, watermark)?;
        }
        Ok(())
    }

    pub fn memory_bytes(&self) -> usize {
        self.ordered.values().map(OrderedIndex::memory_bytes).sum()
    }
}

fn change_ordered(
    index: &mut OrderedIndex,
    layout: &RowLayout,
    change: RowChange<'_>,
) -> Result<(), Error> {
    if let (Some(old), Some(new)) = (&change.old, &change.new)
        && index.same(old, new, layout)?
    {
        return Ok(());
    }
    if let Some(old) = &change.old {
        index.remove(old, layout, change.id, change.at)?;
    }
    if let Some(new) = &change.new {
        index.insert(new, layout, change.id, change.at)?;
    }
    Ok(())
}
