//! What happens when the catalog changes?

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use super::names::Names;
use super::reads::Reads;
use super::stage::Staged;
use super::table::TableStore;
use crate::catalog::{Catalog, Index, Table};
use crate::error::Error;
use crate::ids::{CatalogVersion, IndexId, ShardId, TableId, Timestamp, TxnId};
use crate::row::RowLayout;
use crate::tree::Cache;
use crate::txn::Timeline;

/// Bytes of groups a shard keeps in memory.
const CACHE_BYTES: usize = 256 << 20;

/// Indexes that must be filled from the records of their table.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    /// The table.
    pub table: TableId,
    /// Its new indexes.
    pub indexes: Vec<IndexId>,
}

/// One shard's records and indexes, in versions.
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
    /// No reader has a snapshot of the past below this.
    pub(super) horizon: Timestamp,
    /// What is known of the past; `None` in tests without it.
    pub(super) timeline: Option<Arc<Mutex<Timeline>>>,
    /// Groups of sealed runs.
    pub(super) cache: Rc<RefCell<Cache>>,
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
            horizon: Timestamp::MAX,
            timeline: None,
            cache: Rc::new(RefCell::new(Cache::new(CACHE_BYTES))),
        }
    }

    /// Returns the cache of groups, which is reached without the store while they are loaded.
    pub(crate) fn cache(&self) -> &Rc<RefCell<Cache>> {
        &self.cache
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

    /// Puts the next catalog in force: makes new tables and empty indexes, drops what is gone.
    /// Returns the indexes that must be filled from records.
    pub(crate) fn install(&mut self, next: Arc<Catalog>) -> Vec<Build> {
        self.tables.retain(|id, _| next.tables.contains_key(id));
        for staged in self.staged.values_mut() {
            staged.tables.retain(|id, _| next.tables.contains_key(id));
        }
        let mut builds = Vec::new();
        for (id, table) in &next.tables {
            match self.tables.get_mut(id) {
                Some(store) if store.table == *table => {}
                Some(store) => {
                    let indexes = store.install(table.clone(), next.version);
                    if !indexes.is_empty() && !store.records.is_empty() {
                        builds.push(Build { table: *id, indexes });
                    }
                }
                None => {
                    self.tables.insert(*id, TableStore::open(table.clone(), next.version));
                }
            }
        }
        self.catalog = next;
        builds
    }

    /// Returns the tables that have records and get an index with the next catalog.
    pub(crate) fn to_be_indexed(&self, next: &Catalog) -> Vec<TableId> {
        let gains = |(id, table): (&TableId, &Arc<Table>)| {
            let store = self.tables.get(id)?;
            let is_new = |index: &Arc<Index>| store.table.index(index.id).is_none();
            (table.indexes.iter().any(is_new) && !store.records.is_empty()).then_some(*id)
        };
        next.tables.iter().filter_map(gains).collect()
    }

    /// Returns the tables that get other rules with the next catalog: who writes
    /// without knowing them must have ended before they are said to hold.
    pub(crate) fn to_be_ruled(&self, next: &Catalog) -> Vec<TableId> {
        let changes = |(id, table): (&TableId, &Arc<Table>)| {
            let store = self.tables.get(id)?;
            let (old, new) = (&store.table, table);
            let same = old.constraints == new.constraints && old.referrers == new.referrers;
            // Who copies records must see all of them.
            (!same || old.rewrite != new.rewrite).then_some(*id)
        };
        next.tables.iter().filter_map(changes).collect()
    }

    pub(super) fn table(&self, id: TableId) -> Result<&TableStore, Error> {
        self.tables.get(&id).ok_or(Error::StaleCatalog { current: self.catalog.version })
    }
}

impl TableStore {
    fn install(&mut self, next: Arc<Table>, version: CatalogVersion) -> Vec<IndexId> {
        self.version = version;
        for index in &self.table.indexes {
            if next.index(index.id).is_none() {
                self.indexes.drop(index.id);
            }
        }
        if !self.indexes.numbers() {
            self.names = Names::default();
        }
        self.layout = RowLayout::of(&next);
        self.records.set_layout(self.layout.clone());
        let known = std::mem::replace(&mut self.table, next.clone());
        let mut added = Vec::new();
        for index in next.indexes.iter().filter(|index| known.index(index.id).is_none()) {
            self.indexes.add(index, &next);
            added.push(index.id);
        }
        added
    }
}
