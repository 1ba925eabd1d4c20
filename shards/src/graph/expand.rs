//! What is next to these nodes?

use super::adjacency::Adjacency;
use super::build::{End, Link};
use super::encode::edge_key;
use super::nodes::NodeId;
use crate::ids::Timestamp;
use crate::key::Key;
use crate::request::{Direction, Neighbor};

impl Adjacency {
    /// Returns the edges of the given nodes at a snapshot, by position of the node and then by
    /// edge key. With `Both`, a loop is one edge. Unknown nodes have none.
    ///
    /// **Cost**: one hash lookup per node; per edge one allocation for its key.
    pub fn expand(
        &self,
        direction: Direction,
        nodes: &[Key],
        snapshot: Timestamp,
    ) -> Vec<Neighbor> {
        let mut found = Vec::new();
        let mut links = Vec::new();
        for (from, key) in (0u32..).zip(nodes) {
            let Some(node) = self.nodes.find(key) else { continue };
            let start = found.len();
            for side in self.sides(direction) {
                let Some(page) = side.page(node) else { continue };
                links.clear();
                page.visible(&self.nodes, side.end(), node, snapshot, &mut links);
                found.extend(links.iter().map(|link| self.neighbor(from, node, side.end(), *link)));
            }
            if direction == Direction::Both {
                found[start..].sort_by(|a, b| a.edge.cmp(&b.edge));
                let mut kept = start;
                for index in start..found.len() {
                    if index == start || found[index].edge != found[kept - 1].edge {
                        found.swap(kept, index);
                        kept += 1;
                    }
                }
                found.truncate(kept);
            }
        }
        found
    }

    fn neighbor(&self, from: u32, node: NodeId, end: End, link: Link) -> Neighbor {
        let source = match end {
            End::Source => node,
            End::Target => link.other,
        };
        Neighbor {
            from,
            node: self.nodes.key(link.other).clone(),
            edge: edge_key(self.nodes.key(source), link.name),
        }
    }
}
