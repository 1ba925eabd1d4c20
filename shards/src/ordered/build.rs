//! How is the index kept in step with the records?

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::catalog::Table;
use crate::error::Error;
use crate::ids::{RecordId, Timestamp};
use crate::key::{MapKey, push_indexed};
use crate::row::{RowLayout, RowView};
use crate::value::ColumnType;

/// The spans of time in which a record had some values; almost always one.
pub(super) type Spans = SmallVec<[(Timestamp, Timestamp); 1]>;

/// Bytes of the record id at the end of an entry.
pub(super) const ID_BYTES: usize = 4;

/// An ordered index over the records of one table on one shard.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderedIndex {
    /// Positions of the indexed columns, most significant first.
    columns: Vec<usize>,
    pub(super) entries: BTreeMap<MapKey, Spans>,
    entry_bytes: usize,
}

impl OrderedIndex {
    /// Makes an empty index over these columns.
    pub fn open(columns: &[usize]) -> Self {
        Self { columns: columns.to_vec(), entries: BTreeMap::new(), entry_bytes: 0 }
    }

    /// Returns the types of the indexed columns of `table`, in index order.
    pub fn types(&self, table: &Table) -> Vec<ColumnType> {
        self.columns.iter().map(|&column| table.columns[column].ty.clone()).collect()
    }

    /// Notes that the record has the values of `row` from `begin` on.
    ///
    /// **Errors**: `Corrupt` when the row cannot be read.
    pub fn insert(
        &mut self,
        row: &RowView<'_>,
        layout: &RowLayout,
        id: RecordId,
        begin: Timestamp,
    ) -> Result<(), Error> {
        let entry = self.entry(row, layout, id)?;
        let bytes = entry.len();
        let spans = self.entries.entry(MapKey::from_slice(&entry)).or_default();
        if spans.is_empty() {
            self.entry_bytes += bytes;
        }
        match spans.last_mut() {
            // The record had these values until this very moment: one span.
            Some(last) if last.1 == begin => last.1 = Timestamp::MAX,
            _ => spans.push((begin, Timestamp::MAX)),
        }
        Ok(())
    }

    /// Notes that the record no longer has the values of `row` from `end` on.
    ///
    /// **Errors**: `Corrupt` when the row cannot be read.
    pub fn remove(
        &mut self,
        row: &RowView<'_>,
        layout: &RowLayout,
        id: RecordId,
        end: Timestamp,
    ) -> Result<(), Error> {
        let entry = self.entry(row, layout, id)?;
        if let Some(spans) = self.entries.get_mut(entry.as_slice()) {
            if let Some(last) = spans.last_mut()
                && last.1 == Timestamp::MAX
            {
                last.1 = end;
            }
            spans.retain(|span| span.0 < span.1);
            self.drop_if_empty(&entry);
        }
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

    /// Forgets the spans of a record's values that ended at or before the watermark.
    ///
    /// **Errors**: `Corrupt` when the row cannot be read.
    pub fn collect(
        &mut self,
        row: &RowView<'_>,
        layout: &RowLayout,
        id: RecordId,
        watermark: Timestamp,
    ) -> Result<(), Error> {
        let entry = self.entry(row, layout, id)?;
        if let Some(spans) = self.entries.get_mut(entry.as_slice()) {
            spans.retain(|span| span.1 > watermark);
            self.drop_if_empty(&entry);
        }
        Ok(())
    }

    /// Returns the bytes that place a row in the index: its columns, without the record id.
    ///
    /// **Errors**: `Corrupt` when the row cannot be read.
    pub fn order_of(&self, row: &RowView<'_>, layout: &RowLayout) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(self.columns.len() * 10 + ID_BYTES);
        for &column in &self.columns {
            let value = row.value(layout, column)?;
            push_indexed(&mut out, &value, layout.column_type(column))?;
        }
        Ok(out)
    }

    /// Returns an estimate of the bytes the index takes.
    pub fn memory_bytes(&self) -> usize {
        // Per entry: bytes and spans inline (32 + 40), tree overhead of about a quarter.
        self.entry_bytes + self.entries.len() * 90
    }

    fn entry(&self, row: &RowView<'_>, layout: &RowLayout, id: RecordId) -> Result<Vec<u8>, Error> {
        let mut out = self.order_of(row, layout)?;
        out.extend_from_slice(&id.0.to_be_bytes());
        Ok(out)
    }

    fn drop_if_empty(&mut self, entry: &[u8]) {
        if self.entries.get(entry).is_some_and(|spans| spans.is_empty()) {
            self.entries.remove(entry);
            self.entry_bytes -= entry.len();
        }
    }
}
