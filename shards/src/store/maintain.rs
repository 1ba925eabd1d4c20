//! What is done between requests?

use super::install::Store;
use super::table::TableStore;
use crate::ids::{TableId, Timestamp};
use crate::row::RowView;

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
            stats.versions_pending += table.ended.len() as u64;
        }
        stats
    }
}

impl TableStore {
    fn maintain(&mut self, watermark: Timestamp, budget: &mut dyn FnMut() -> bool) -> bool {
        if watermark > self.collected {
            // Before ids become free: no index may answer with one that was used again.
            self.indexes.collect(watermark);
            self.recent.collect(watermark);
            self.collected = watermark;
        }
        while let Some((end, _)) = self.ended.front() {
            if *end > watermark {
                break;
            }
            if !budget() {
                return true;
            }
            self.collect_next(watermark);
        }
        self.indexes.fold(budget)
    }

    /// Drops the invisible versions of the record that changed the longest time ago.
    fn collect_next(&mut self, watermark: Timestamp) {
        let Some((_, id)) = self.ended.pop_front() else { return };
        let dropped = self.records.get_mut(id).collect(watermark);
        for version in &dropped {
            self.row_bytes -= version.row.len();
            let collected = RowView::new(&version.row, &self.layout)
                .and_then(|row| self.indexes.collect_row(&self.layout, id, &row, watermark));
            if let Err(error) = collected {
                panic!("a stored row of table \"{}\" is unreadable: {error}", self.table.name);
            }
        }
        if !dropped.is_empty() && self.records.get(id).newest.is_none() {
            self.forget(id);
        }
    }

    /// Frees the place of a record that has no versions left.
    fn forget(&mut self, id: crate::ids::RecordId) {
        let key = self.records.get(id).key.clone();
        self.by_key.remove(key.bytes());
        self.order.remove(key.bytes());
        self.row_bytes -= key.bytes().len();
        self.records.release(id);
    }
}
