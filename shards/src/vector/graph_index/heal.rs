//! How are links led around forgotten nodes?
//!
//! A pass visits every node once. A live node with forgotten neighbours chooses again among its
//! live neighbours and the live neighbours of the forgotten ones; a node left with too few to
//! choose from is linked anew by a walk. A node forgotten since the pass began stays until the
//! next one and only drops its links to others. Nodes inserted meanwhile link to live ones. So
//! after the pass no link leads to a node that was forgotten before it began, and those slots
//! are free. A pass is done in small steps and searches go on between them.
//!
//! **Source**: the idea of Singh et al., "FreshDiskANN", 2021, section 5.2, with the selection
//! rule of the graph itself and links in both directions.

use super::build::{Graph, select};
use super::search::{Terrain, descend};
use crate::vector::candidate::Candidate;
use crate::vector::space::Space;

/// A pass over the graph.
pub struct Heal {
    /// The next slot to look at.
    cursor: u32,
    /// The slots that will be free: forgotten when the pass began. Ascending.
    doomed: Vec<u32>,
}

impl Heal {
    /// Begins a pass that frees `doomed`.
    pub fn begin(mut doomed: Vec<u32>) -> Self {
        doomed.sort_unstable();
        Self { cursor: 0, doomed }
    }

    /// Looks at the next `node_count` slots; returns the slots that became free once the pass
    /// is complete.
    ///
    /// `alive` accepts live nodes only: linked and not forgotten.
    pub fn step(
        &mut self,
        graph: &mut Graph,
        space: Space<'_>,
        node_count: usize,
        alive: impl Fn(u32) -> bool + Copy,
    ) -> Option<Vec<u32>> {
        let end = (self.cursor as usize + node_count).min(graph.slot_count()) as u32;
        for slot in self.cursor..end {
            for level in 0..=graph.links().level(slot) {
                if alive(slot) {
                    graph.heal_node(space, (level, slot), alive);
                } else if self.doomed.binary_search(&slot).is_err() {
                    graph.links_mut().retain(level, slot, alive);
                }
            }
        }
        self.cursor = end;
        if (end as usize) < graph.slot_count() {
            return None;
        }
        for slot in &self.doomed {
            graph.links_mut().place(*slot, 0);
        }
        graph.enter_at_highest(alive);
        Some(std::mem::take(&mut self.doomed))
    }
}

impl Graph {
    /// Chooses the neighbours of a live node again if some of them are forgotten.
    fn heal_node(
        &mut self,
        space: Space<'_>,
        (level, slot): (usize, u32),
        alive: impl Fn(u32) -> bool + Copy,
    ) {
        if self.links().of(level, slot).all(alive) {
            return;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut pool: Vec<u32> = Vec::new();
        for neighbor in self.links().of(level, slot) {
            if alive(neighbor) {
                pool.push(neighbor);
            } else {
                let beyond = self.links().of(level, neighbor);
                pool.extend(beyond.filter(|node| *node != slot && alive(*node)));
            }
        }
        pool.sort_unstable();
        pool.dedup();
        let capacity = self.links().capacity(level);
        if pool.len() < capacity / 2 {
            self.relink(space, (level, slot), alive, &mut scratch, &pool);
        } else {
            let mut distances = Vec::new();
            let from = space.origin_at(slot, &mut scratch.query);
            space.distances(from, &pool, &mut distances);
            scratch.found.clear();
            let pairs = pool.iter().zip(&distances);
            scratch.found.extend(pairs.map(|(node, distance)| Candidate::new(*distance, *node)));
            scratch.found.sort_unstable();
            select(space, capacity, &mut scratch);
            let chosen = scratch.chosen.iter().map(|chosen| chosen.number());
            self.links_mut().set(level, slot, chosen);
            self.link_back(space, (level, slot), alive, &mut scratch);
        }
        self.scratch = scratch;
    }

    /// Finds the neighbours of a node anew by a walk from the graph's entry. A node that no live
    /// node can be reached from keeps `pool`.
    fn relink(
        &mut self,
        space: Space<'_>,
        (level, slot): (usize, u32),
        alive: impl Fn(u32) -> bool + Copy,
        scratch: &mut super::build::Scratch,
        pool: &[u32],
    ) {
        let Some(entry) = self.entry() else { return };
        let query = space.origin_at(slot, &mut scratch.query);
        let on = Terrain { graph: self, space, query };
        let start = descend(on, entry, level, &mut scratch.descent);
        scratch.found.clear();
        scratch.found.push(start);
        if self.links().level(start.number()) < level
            || !self.link_level(space, (level, slot), alive, scratch)
        {
            self.links_mut().set(level, slot, pool.iter().copied());
        }
    }
}
