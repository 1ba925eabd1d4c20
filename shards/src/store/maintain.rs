//! What is done between requests?

use super::install::Store;
use super::table::TableStore;
use crate::ids::{TableId, Timestamp};

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Current records per table.
    pub records: Vec<(TableId, u64)>,
    /// Estimated bytes of rows, versions and indexes.
    pub memory_bytes: u64,
    /// Vectors waiting to be folded into a graph.
    pub vectors_pending: u64,
    /// Records with an old version that is not collected yet.
    pub versions_pending: u64,
}

impl Store {
    /// Tells that no reader has, or will ever have, a snapshot below `watermark`.
    pub fn set_watermark(&mut self, watermark: Timestamp) {
        self.watermark = self.watermark.max(watermark);
        self.forget_ended_reads();
    }

    /// Collects old versions below the watermark and folds what indexes have put aside, until
    /// `budget` says to stop by returning `false`. Returns whether there is more to do.
    pub fn maintain(&mut self, budget: &mut dyn FnMut() -> bool) -> bool {
        let watermark = self.watermark;
        self.tables.values_mut().any(|table| table.maintain(watermark, budget))
    }

    /// Returns counters.
    pub fn stats(&self) -> StoreStats {
        let mut stats = StoreStats::default();
        for (id, table) in &self.tables {
            stats.records.push((*id, table.live));
            stats.memory_bytes += table.memory_bytes() as u64;
            stats.vectors_pending += table.indexes.vectors_pending() as u64;
            stats.versions_pending += table.records.stale() as u64;
        }
        stats
    }
}

impl TableStore {
    fn maintain(&mut self, watermark: Timestamp, budget: &mut dyn FnMut() -> bool) -> bool {
        if watermark > self.collected {
            // Before numbers become free: no index may answer with one that was used again.
            self.indexes.collect(watermark);
            self.names.collect(watermark);
            self.recent.collect(watermark);
            self.collected = watermark;
        }
        self.records.collect(watermark, budget)
            || self.indexes.collect_trees(watermark, budget)
            || self.indexes.fold(budget)
    }
}
