//! How are a table's trees frozen, written and merged?

use std::rc::Rc;

use pieskieo_io::wal::Lsn;

use super::install::Store;
use super::table::TableStore;
use crate::ids::{TableId, Timestamp};
use crate::row::RowLayout;
use crate::storage::{Part, TreeName};
use crate::tree::{Erasure, Memory, Plan, Run, Tree};

/// A tree's memory that waits to be written.
pub(crate) struct Frozen {
    /// The tree.
    pub tree: TreeName,
    /// The layout of its rows.
    pub layout: Rc<RowLayout>,
    /// What was written to it.
    pub memory: Rc<Memory>,
    /// Whether nothing older lies below.
    pub is_all: bool,
}

impl Store {
    /// Puts aside what is in memory of every tree, to be written.
    /// `log_end` is the last record of the log.
    pub(crate) fn freeze(&mut self, log_end: Lsn) -> Vec<Frozen> {
        let mut frozen = Vec::new();
        for name in self.tree_names() {
            let Some(tree) = self.tree_mut(name) else { continue };
            let is_all = tree.levels().is_empty();
            if let Some(memory) = tree.freeze(log_end) {
                frozen.push(Frozen { tree: name, layout: tree.layout().clone(), memory, is_all });
            }
        }
        frozen
    }

    /// Replaces what was frozen by the runs it was written to.
    /// `upto` says up to when what was erased in a tree was left out.
    pub(crate) fn flushed(
        &mut self,
        frozen: &[Frozen],
        runs: Vec<(TreeName, Rc<Run>)>,
        upto: impl Fn(TreeName) -> Timestamp,
    ) {
        for frozen in frozen {
            if let Some(tree) = self.tree_mut(frozen.tree) {
                let mine = runs.iter().filter(|(name, _)| *name == frozen.tree);
                tree.flushed(mine.map(|(_, run)| run.clone()).collect(), upto(frozen.tree));
            }
        }
    }

    /// Notes that the log is replayed from behind a record on, over what a checkpoint says, which
    /// names these ranges.
    pub(crate) fn checkpointed(&mut self, lsn: Lsn, erasures: &[(TableId, Erasure)]) {
        for (id, table) in &mut self.tables {
            let mine = erasures.iter().filter(|(table, _)| table == id);
            let mine: Vec<&Erasure> = mine.map(|(_, erasure)| erasure).collect();
            table.records.checkpointed(lsn, &mine);
        }
    }

    /// Takes over a run the manifest names; `false` when its tree is gone.
    pub(crate) fn restore(&mut self, name: TreeName, level: usize, run: Rc<Run>) -> bool {
        let Some(tree) = self.tree_mut(name) else { return false };
        tree.restore(vec![(level, run)]);
        true
    }

    /// Takes over how many records each table has.
    pub(crate) fn restore_live(&mut self, live: &[(TableId, u64)]) {
        for (table, records) in live {
            if let Some(table) = self.tables.get_mut(table) {
                table.live = *records;
            }
        }
    }

    /// Returns the next merge that is due.
    pub(crate) fn plan_merge(
        &mut self,
        level_bytes: u64,
        horizon: Timestamp,
    ) -> Option<(TreeName, Plan)> {
        let names = self.tree_names();
        names
            .into_iter()
            .find_map(|name| Some((name, self.tree_mut(name)?.plan(level_bytes, horizon)?)))
    }

    /// Replaces the inputs of a merge by its result.
    pub(crate) fn merged(
        &mut self,
        name: TreeName,
        plan: &Plan,
        (runs, upto): (Vec<Rc<Run>>, Timestamp),
    ) {
        if let Some(tree) = self.tree_mut(name) {
            tree.merged(plan, runs, upto);
        }
    }

    /// Returns the ranges with regard to which runs of a tree may be written that forget up to a
    /// time, and up to when these are all there are.
    pub(crate) fn regarded(
        &mut self,
        name: TreeName,
        upto: Timestamp,
    ) -> (Timestamp, Vec<Erasure>) {
        self.tree_mut(name).map_or((upto, Vec::new()), |tree| tree.regarded(upto))
    }

    /// Returns the ranges of keys that were emptied, by table.
    pub(crate) fn all_erasures(&self) -> Vec<(TableId, Erasure)> {
        let of = |(id, table): (&TableId, &TableStore)| {
            table.records.erasures().map(|erasure| (*id, erasure.clone())).collect::<Vec<_>>()
        };
        self.tables.iter().flat_map(of).collect()
    }

    /// Takes over ranges that were emptied before the last checkpoint.
    pub(crate) fn restore_erasures(&mut self, erasures: Vec<(TableId, Erasure)>) {
        for (table, erasure) in erasures {
            if let Some(table) = self.tables.get_mut(&table) {
                table.records.erase(erasure.clone());
                table.records.checkpointed(Lsn(0), &[&erasure]);
            }
        }
    }

    /// Returns whether what was emptied makes a checkpoint worth its while.
    pub(crate) fn wants_checkpoint(&self, horizon: Timestamp) -> bool {
        self.tables.values().any(|table| table.records.wants_checkpoint(horizon))
    }

    /// Returns how many records a table has.
    pub fn record_count(&self, table: TableId) -> u64 {
        self.tables.get(&table).map_or(0, |table| table.live)
    }

    /// Returns how many records each of these tables has.
    pub fn record_counts(&self, tables: &[TableId]) -> Vec<u64> {
        tables.iter().map(|table| self.record_count(*table)).collect()
    }

    /// Returns how many emptied ranges of a table still hide something.
    pub fn erasure_count(&self, table: TableId) -> usize {
        self.tables.get(&table).map_or(0, |table| table.records.erasures().count())
    }

    /// Returns whether a range of one of these tables was emptied that some snapshot may still see.
    pub(crate) fn is_erased_lately(&self, tables: &[TableId]) -> bool {
        let tables = tables.iter().filter_map(|table| self.tables.get(table));
        tables.into_iter().any(|table| table.recent.erased_since(Timestamp(0)).is_some())
    }

    /// Returns the layout of a tree's rows; `None` when it is gone.
    pub(crate) fn tree_layout(&mut self, name: TreeName) -> Option<Rc<RowLayout>> {
        self.tree_mut(name).map(|tree| tree.layout().clone())
    }

    /// Returns every tree there is.
    pub(crate) fn tree_names(&self) -> Vec<TreeName> {
        let mut names = Vec::new();
        for (table, store) in &self.tables {
            let mut push = |part| names.push(TreeName { table: *table, part });
            push(Part::Records);
            store.indexes.ordered.keys().for_each(|index| push(Part::Ordered(*index)));
            if store.indexes.edges.is_some() {
                push(Part::Mirrors);
            }
        }
        names
    }

    /// Returns the bytes of versions that are in no run.
    pub(crate) fn hot_bytes(&self) -> usize {
        let trees = self.tables.values().flat_map(|table| {
            let indexes = table.indexes.trees();
            indexes.chain([&table.records])
        });
        trees.map(Tree::memory_bytes_hot).sum()
    }

    fn tree_mut(&mut self, name: TreeName) -> Option<&mut Tree> {
        let table = self.tables.get_mut(&name.table)?;
        match name.part {
            Part::Records => Some(&mut table.records),
            Part::Ordered(index) => Some(&mut table.indexes.ordered.get_mut(&index)?.tree),
            Part::Mirrors => Some(&mut table.indexes.edges.as_mut()?.mirrors),
        }
    }
}
