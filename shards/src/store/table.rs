//! Where are the records of one table?

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::indexes::Indexes;
use super::recent::Recent;
use super::record::{Arena, Record};
use crate::catalog::Table;
use crate::error::Error;
use crate::ids::{CatalogVersion, RecordId, Timestamp};
use crate::key::MapKey;
use crate::row::{RowLayout, RowView};

/// Fixed seeds: equal runs take equal steps.
const HASH_SEEDS: (u64, u64, u64, u64) = (0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344);

/// One table's records and indexes on one shard.
pub(super) struct TableStore {
    pub table: Arc<Table>,
    /// The catalog in which the table took this form.
    pub version: CatalogVersion,
    pub layout: RowLayout,
    pub records: Arena,
    pub by_key: HashMap<Arc<[u8]>, RecordId, ahash::RandomState>,
    pub order: BTreeMap<MapKey, RecordId>,
    pub indexes: Indexes,
    /// Records with a version that ended, in order of that end.
    pub ended: VecDeque<(Timestamp, RecordId)>,
    /// What changed lately; kept once the shard serves, until nobody's snapshot is older.
    pub recent: Recent,
    /// The watermark the indexes were last told.
    pub collected: Timestamp,
    /// Current records.
    pub live: u64,
    /// Bytes of rows and keys in all versions.
    pub row_bytes: usize,
}

impl TableStore {
    pub fn open(table: Arc<Table>, version: CatalogVersion) -> Self {
        let (a, b, c, d) = HASH_SEEDS;
        Self {
            layout: RowLayout::of(&table),
            indexes: Indexes::open(&table),
            table,
            version,
            records: Arena::default(),
            by_key: HashMap::with_hasher(ahash::RandomState::with_seeds(a, b, c, d)),
            order: BTreeMap::new(),
            ended: VecDeque::new(),
            recent: Recent::default(),
            collected: Timestamp(0),
            live: 0,
            row_bytes: 0,
        }
    }

    /// The error of a statement that was planned with an index that is gone.
    pub fn stale(&self) -> Error {
        Error::StaleCatalog { current: self.version }
    }

    /// Returns the record with these key bytes, if it has any version.
    pub fn find(&self, key: &[u8]) -> Option<(RecordId, &Record)> {
        let id = *self.by_key.get(key)?;
        Some((id, self.records.get(id)))
    }

    /// Opens a row that is stored in this table.
    pub fn view<'a>(&self, row: &'a [u8]) -> Result<RowView<'a>, Error> {
        RowView::new(row, &self.layout)
    }

    /// Returns an estimate of the bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        // Per key: a hash bucket of 16 + 4 bytes at 7/8 load, a tree slot of 36 at about 3/4.
        self.records.memory_bytes()
            + self.row_bytes
            + self.by_key.len() * 72
            + self.recent.memory_bytes()
            + self.indexes.memory_bytes()
    }
}
