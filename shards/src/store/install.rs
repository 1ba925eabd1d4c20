//! What happens when the catalog changes?

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::reads::Reads;
use super::stage::Staged;
use super::table::TableStore;
use crate::catalog::{Catalog, Table};
use crate::error::Error;
use crate::ids::{CatalogVersion, IndexId, ShardId, TableId, Timestamp, TxnId};
use crate::row::RowLayout;

/// One shard's records and indexes, in memory, in versions.
pub struct Store {
    pub(super) shard: ShardId,
    pub(super) catalog: Arc<Catalog>,
    pub(super) tables: BTreeMap<TableId, TableStore>,
    pub(super) staged: BTreeMap<TxnId, Staged>,
    /// What transactions that may still commit have read.
    pub(super) reads: RefCell<BTreeMap<TxnId, Reads>>,
    /// Whether the log has been replayed.
    pub(super) serves: bool,
    /// No reader has a snapshot below this.
    pub(super) watermark: Timestamp,
}

impl Store {
    /// Makes the empty tables and indexes of a catalog.
    pub fn open(shard: ShardId, catalog: Arc<Catalog>) -> Self {
        let tables = catalog
            .tables
            .iter()
            .map(|(id, table)| (*id, TableStore::open(table.clone(), catalog.version)))
            .collect();
        Self {
            shard,
            catalog,
            tables,
            staged: BTreeMap::new(),
            reads: RefCell::default(),
            serves: false,
            watermark: Timestamp(0),
        }
    }

    /// Says that the log has been replayed: from here on what changes is remembered for
    /// transactions that have read.
    pub fn serve(&mut self) {
        self.serves = true;
    }

    /// Returns the shard this is.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// Returns the catalog in force.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Puts the next catalog in force: makes new tables, builds new indexes from all versions of
    /// their records, drops what is gone.
    ///
    /// **Cost**: a pass over every table that gets an index.
    /// **Errors**: `Corrupt` when a stored row cannot be read; the store is then unusable.
    pub fn install(&mut self, next: Arc<Catalog>) -> Result<(), Error> {
        self.tables.retain(|id, _| next.tables.contains_key(id));
        for staged in self.staged.values_mut() {
            staged.tables.retain(|id, _| next.tables.contains_key(id));
        }
        for (id, table) in &next.tables {
            match self.tables.get_mut(id) {
                Some(store) if store.table == *table => {}
                Some(store) => store.install(table.clone(), next.version)?,
                None => {
                    self.tables.insert(*id, TableStore::open(table.clone(), next.version));
                }
            }
        }
        self.catalog = next;
        Ok(())
    }

    pub(super) fn table(&self, id: TableId) -> Result<&TableStore, Error> {
        self.tables.get(&id).ok_or(Error::StaleCatalog { current: self.catalog.version })
    }
}

impl TableStore {
    fn install(&mut self, next: Arc<Table>, version: CatalogVersion) -> Result<(), Error> {
        self.version = version;
        for index in &self.table.indexes {
            if next.index(index.id).is_none() {
                self.indexes.drop(index.id);
            }
        }
        self.layout = RowLayout::of(&next);
        let known = std::mem::replace(&mut self.table, next.clone());
        for index in &next.indexes {
            if known.index(index.id).is_none() {
                self.indexes.add(index, &next);
                self.backfill(index.id)?;
            }
        }
        Ok(())
    }

    /// Builds an index from every version of every record, as if it had always been there.
    fn backfill(&mut self, index: IndexId) -> Result<(), Error> {
        for (id, record) in self.records.from(0) {
            self.indexes.replay(&self.layout, id, record, Some(index))?;
        }
        Ok(())
    }
}
