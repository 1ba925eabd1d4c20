//! Which nodes are next to these nodes?

use std::collections::BTreeMap;

use super::indexes::EdgeColumns;
use super::install::Store;
use super::stage::StagedTable;
use super::table::TableStore;
use crate::error::Error;
use crate::ids::TableId;
use crate::key::Key;
use crate::request::{Direction, Neighbor, ReadView, WriteOp};

impl Store {
    /// Returns the edges at these nodes, all owned by this shard, grouped by the position of the
    /// node in `nodes`, then by edge key. With `Both`, a loop is one edge.
    ///
    /// **Errors**: `StaleCatalog` when the table is gone, `Internal` when it is no edge table,
    /// `Corrupt` when edges of it could not be read.
    pub fn expand(
        &self,
        edge: TableId,
        direction: Direction,
        nodes: &[Key],
        view: ReadView,
    ) -> Result<Vec<Neighbor>, Error> {
        let table = self.table(edge)?;
        let edges = table.indexes.edges.as_ref().ok_or_else(|| {
            Error::Internal(format!("table \"{}\" is no edge table", table.table.name))
        })?;
        table.indexes.check_whole(None)?;
        self.note_step(edge, direction, nodes, view);
        match self.staged_in(view.txn, edge) {
            None => Ok(edges.adjacency.expand(direction, nodes, view.snapshot)),
            Some(staged) => {
                let overlaid = Overlaid { table, edges, staged, nodes };
                overlaid.expand(direction, view)
            }
        }
    }
}

/// An edge table with a transaction's own writes laid over it.
struct Overlaid<'a> {
    table: &'a TableStore,
    edges: &'a EdgeColumns,
    staged: &'a StagedTable,
    nodes: &'a [Key],
}

impl Overlaid<'_> {
    fn expand(&self, direction: Direction, view: ReadView) -> Result<Vec<Neighbor>, Error> {
        let mut positions: BTreeMap<&[u8], Vec<u32>> = BTreeMap::new();
        for (position, node) in (0_u32..).zip(self.nodes) {
            positions.entry(node.bytes()).or_default().push(position);
        }
        let mut found = Vec::new();
        if direction != Direction::In {
            let base = self.edges.adjacency.expand(Direction::Out, self.nodes, view.snapshot);
            let is_kept = |found: &Neighbor| !self.staged.records.contains_key(found.edge.bytes());
            found.extend(base.into_iter().filter(is_kept));
            self.staged_out(&positions, &mut found)?;
        }
        if direction != Direction::Out {
            let base = self.edges.adjacency.expand(Direction::In, self.nodes, view.snapshot);
            found.extend(base.into_iter().filter(|found| !self.is_remirrored(found)));
            self.staged_in(&positions, &mut found);
        }
        found.sort_by(|a, b| (a.from, &a.edge, &a.node).cmp(&(b.from, &b.edge, &b.node)));
        found.dedup();
        Ok(found)
    }

    fn is_remirrored(&self, found: &Neighbor) -> bool {
        let target = &self.nodes[found.from as usize];
        let mirror = (found.edge.shared_bytes().clone(), target.shared_bytes().clone());
        self.staged.mirrors.contains_key(&mirror)
    }

    fn staged_out(
        &self,
        positions: &BTreeMap<&[u8], Vec<u32>>,
        found: &mut Vec<Neighbor>,
    ) -> Result<(), Error> {
        for write in self.staged.records.values() {
            let WriteOp::Put(row) = &write.op else { continue };
            let row = self.table.view(row)?;
            let (source, target) = self.edges.ends(&row, &self.table.layout)?;
            for from in positions.get(source.bytes()).into_iter().flatten() {
                let (node, edge) = (target.clone(), write.key.clone());
                found.push(Neighbor { from: *from, node, edge });
            }
        }
        Ok(())
    }

    fn staged_in(&self, positions: &BTreeMap<&[u8], Vec<u32>>, found: &mut Vec<Neighbor>) {
        for write in self.staged.mirrors.values() {
            let WriteOp::Mirror { source, target, present: true } = &write.op else { continue };
            for from in positions.get(target.bytes()).into_iter().flatten() {
                let (node, edge) = (source.clone(), write.key.clone());
                found.push(Neighbor { from: *from, node, edge });
            }
        }
    }
}
