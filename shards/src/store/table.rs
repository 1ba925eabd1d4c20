//! Where are the records of one table?

use std::sync::Arc;

use super::indexes::Indexes;
use super::maintain::StoreMemory;
use super::names::Names;
use super::recent::Recent;
use crate::catalog::Table;
use crate::error::Error;
use crate::ids::{CatalogVersion, Timestamp};
use crate::ordered::OrderedIndex;
use crate::row::{RowLayout, RowView};
use crate::tree::{Found, Reach, Tree};

/// One table's records and indexes on one shard.
pub(super) struct TableStore {
    pub table: Arc<Table>,
    /// The catalog in which the table took this form.
    pub version: CatalogVersion,
    pub layout: RowLayout,
    /// Rows by key.
    pub records: Tree,
    pub indexes: Indexes,
    /// Numbers of the keys, where an index needs them.
    pub names: Names,
    /// What changed lately; kept once the shard serves, until nobody's snapshot is older.
    pub recent: Recent,
    /// The watermark the indexes were last told.
    pub collected: Timestamp,
    /// Current records.
    pub live: u64,
}

impl TableStore {
    pub fn open(table: Arc<Table>, version: CatalogVersion) -> Self {
        let layout = RowLayout::of(&table);
        Self {
            records: Tree::open(layout.clone()),
            layout,
            indexes: Indexes::open(&table),
            table,
            version,
            names: Names::default(),
            recent: Recent::default(),
            collected: Timestamp(0),
            live: 0,
        }
    }

    /// The error of a statement that was planned with an index that is gone.
    pub fn stale(&self) -> Error {
        Error::StaleCatalog { current: self.version }
    }

    /// Returns the version of a record that a snapshot sees; `None` when it sees none.
    ///
    /// **Errors**: `NotLoaded`.
    pub fn get(
        &self,
        reach: Reach<'_>,
        key: &[u8],
        snapshot: Timestamp,
    ) -> Result<Option<Found>, Error> {
        let found = self.records.get(reach, key, snapshot)?;
        Ok(found.filter(|found| found.row.is_some()))
    }

    /// Returns an ordered index of this table.
    ///
    /// **Errors**: `Corrupt` when it lacks records, `StaleCatalog` when it is gone.
    pub fn ordered(&self, index: crate::ids::IndexId) -> Result<&OrderedIndex, Error> {
        self.indexes.check_whole(Some(index))?;
        self.indexes.ordered.get(&index).ok_or_else(|| self.stale())
    }

    /// Opens a row that is stored in this table.
    pub fn view<'a>(&'a self, row: &'a [u8]) -> Result<RowView<'a>, Error> {
        RowView::new(row, &self.layout)
    }

    /// Returns an estimate of the bytes in memory.
    pub fn memory(&self) -> StoreMemory {
        let trees = || self.indexes.trees().chain([&self.records]);
        let names = self.names.memory_bytes() + self.recent.memory_bytes();
        StoreMemory {
            written: trees().map(Tree::memory_bytes_hot).sum::<usize>() as u64,
            segments: trees().map(Tree::memory_bytes_runs).sum::<usize>() as u64,
            names: names as u64,
            ..self.indexes.memory()
        }
    }
}
