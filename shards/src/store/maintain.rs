//! What is done between requests?

use super::install::Store;
use super::table::TableStore;
use crate::ids::{TableId, Timestamp};

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Current records per table.
    pub records: Vec<(TableId, u64)>,
    /// Estimated bytes of everything that is in memory.
    pub memory: StoreMemory,
    /// Vectors waiting to be folded into a graph.
    pub vectors_pending: u64,
    /// Records with an old version that is not collected yet.
    pub versions_pending: u64,
}

/// Estimated bytes in memory, by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreMemory {
    /// Versions that are in no segment yet. A checkpoint frees them.
    pub written: u64,
    /// Filters and fences of segments.
    pub segments: u64,
    /// Vectors and their graphs.
    pub vectors: u64,
    /// Postings and dictionaries.
    pub text: u64,
    /// Adjacency lists.
    pub graph: u64,
    /// Numbers of keys, and what changed after the oldest snapshot.
    pub names: u64,
}

impl StoreMemory {
    /// Returns what no checkpoint frees.
    pub fn fixed(&self) -> u64 {
        self.segments + self.vectors + self.text + self.graph + self.names
    }
}

impl std::ops::AddAssign for StoreMemory {
    fn add_assign(&mut self, other: Self) {
        self.written += other.written;
        self.segments += other.segments;
        self.vectors += other.vectors;
        self.text += other.text;
        self.graph += other.graph;
        self.names += other.names;
    }
}

impl Store {
    /// Returns the bytes in memory.
    pub fn memory(&self) -> StoreMemory {
        let mut all = StoreMemory::default();
        for table in self.tables.values() {
            all += table.memory();
        }
        all
    }

    /// Tells that no reader has, or will ever have, a snapshot below `watermark`.
    pub fn set_watermark(&mut self, watermark: Timestamp) {
        self.watermark = self.watermark.max(watermark);
        self.forget_ended_reads();
    }

    /// Tells that no reader has, or will ever have, a snapshot of the past below `horizon`. Without
    /// it there are no such readers.
    pub(crate) fn set_horizon(&mut self, horizon: Timestamp) {
        self.horizon = horizon;
    }

    /// Collects old versions below the watermark and folds what indexes have put aside, until
    /// `budget` says to stop by returning `false`. Returns whether there is more to do.
    pub fn maintain(&mut self, budget: &mut dyn FnMut() -> bool) -> bool {
        let (watermark, horizon) = (self.watermark, self.horizon.min(self.watermark));
        self.tables.values_mut().any(|table| table.maintain(watermark, horizon, budget))
    }

    /// Returns counters.
    pub fn stats(&self) -> StoreStats {
        let mut stats = StoreStats { memory: self.memory(), ..StoreStats::default() };
        for (id, table) in &self.tables {
            stats.records.push((*id, table.live));
            stats.vectors_pending += table.indexes.vectors_pending() as u64;
            stats.versions_pending += table.records.stale() as u64;
        }
        stats
    }
}

impl TableStore {
    fn maintain(
        &mut self,
        watermark: Timestamp,
        horizon: Timestamp,
        budget: &mut dyn FnMut() -> bool,
    ) -> bool {
        if watermark > self.collected {
            // Before numbers become free: no index may answer with one that was used again.
            self.indexes.collect(watermark);
            self.names.collect(watermark);
            self.recent.collect(watermark);
            self.collected = watermark;
        }
        self.records.collect(horizon, budget)
            || self.indexes.collect_trees(watermark, horizon, budget)
            || self.indexes.fold(budget)
    }
}
