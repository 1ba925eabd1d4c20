//! How are a table's trees frozen, written and merged?

use std::rc::Rc;

use super::install::Store;
use crate::ids::TableId;
use crate::row::RowLayout;
use crate::storage::{Part, TreeName};
use crate::tree::{Memory, Plan, Run, Tree};

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
    pub(crate) fn freeze(&mut self) -> Vec<Frozen> {
        let mut frozen = Vec::new();
        for name in self.tree_names() {
            let Some(tree) = self.tree_mut(name) else { continue };
            let is_all = tree.levels().is_empty();
            if let Some(memory) = tree.freeze() {
                frozen.push(Frozen { tree: name, layout: tree.layout().clone(), memory, is_all });
            }
        }
        frozen
    }

    /// Replaces what was frozen by the runs it was written to.
    pub(crate) fn flushed(&mut self, frozen: &[Frozen], runs: Vec<(TreeName, Rc<Run>)>) {
        for frozen in frozen {
            if let Some(tree) = self.tree_mut(frozen.tree) {
                let mine = runs.iter().filter(|(name, _)| *name == frozen.tree);
                tree.flushed(mine.map(|(_, run)| run.clone()).collect());
            }
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
    pub(crate) fn plan_merge(&mut self, level_bytes: u64) -> Option<(TreeName, Plan)> {
        let names = self.tree_names();
        names.into_iter().find_map(|name| Some((name, self.tree_mut(name)?.plan(level_bytes)?)))
    }

    /// Replaces the inputs of a merge by its result.
    pub(crate) fn merged(&mut self, name: TreeName, plan: &Plan, runs: Vec<Rc<Run>>) {
        if let Some(tree) = self.tree_mut(name) {
            tree.merged(plan, runs);
        }
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
