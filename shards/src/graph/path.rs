//! Which paths are there?
//!
//! `-[e*min..max]->` matches every *trail*: a sequence of `min` to `max` edges, each starting
//! where the one before ended, in which no edge occurs twice. Nodes may occur again. One result
//! per trail, so a node reached in several ways is reported several times; parallel edges make
//! different trails. Undirected steps (`Both`) may follow an edge either way, but still only once
//! per trail, and a loop is one step. With `min` 0 the start alone is a trail of length 0. (This is
//! Cypher's rule, and the path mode TRAIL of SQL/PGQ.) Edges are unique within one quantified
//! edge, not across the elements of a longer pattern.
//!
//! Trails come by length, then in the order of their starts and edge keys, whatever order the
//! answers came in. The protocol is that of `traverse.rs`.

use super::nodes::{NodeId, Nodes};
use super::options::TraverseOptions;
use super::traverse::{count_steps, stray};
use crate::error::Error;
use crate::key::Key;
use crate::request::Neighbor;

/// An enumeration of trails between two rounds of questions.
pub struct Paths {
    options: TraverseOptions,
    nodes: Nodes,
    edges: Nodes,
    /// All trails begun, each as its last step; the first ones are the starts.
    steps: Vec<Step>,
    /// Trails of the current length: their places in `steps`.
    level: std::ops::Range<usize>,
    depth: u32,
    opened: bool,
    /// Nodes to be expanded next, by key, and the trails that end at each.
    frontier: Vec<Key>,
    ending: Vec<Vec<usize>>,
    next: Vec<(usize, NodeId, NodeId)>,
    count: u64,
}

/// The end of a trail.
#[derive(Clone, Copy)]
struct Step {
    /// The trail it extends, and by which edge; `None` for a start.
    from: Option<(usize, NodeId)>,
    node: NodeId,
    start: u32,
}

/// A trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Position of its start in the list given to [`Paths::open`].
    pub start: u32,
    /// Nodes in order, the start first: one more than edges.
    pub nodes: Vec<Key>,
    /// Edges in order.
    pub edges: Vec<Key>,
}

impl Path {
    /// Returns the node it ends at.
    pub fn end(&self) -> Option<&Key> {
        self.nodes.last()
    }
}

impl Paths {
    /// Prepares an enumeration. The first call must be [`Paths::advance`], which reports trails of
    /// length 0 and sets the first frontier. A key may be a start more than once.
    pub fn open(starts: &[Key], options: TraverseOptions) -> Self {
        let mut nodes = Nodes::new();
        let steps: Vec<Step> = (0u32..)
            .zip(starts)
            .map(|(start, key)| Step { from: None, node: nodes.intern(key), start })
            .collect();
        Self {
            options,
            nodes,
            edges: Nodes::new(),
            level: 0..steps.len(),
            steps,
            depth: 0,
            opened: false,
            frontier: Vec::new(),
            ending: Vec::new(),
            next: Vec::new(),
            count: 0,
        }
    }

    /// Returns the distinct nodes to be expanded now, in key order; empty = finished.
    pub fn frontier(&self) -> &[Key] {
        &self.frontier
    }

    /// Takes edges of the frontier; `from` is a position in [`Paths::frontier`]. May be called any
    /// number of times per round, in any order.
    ///
    /// **Errors**: `InvalidValue` naming the limit once too many edges were looked at.
    pub fn accept(&mut self, neighbors: &[Neighbor]) -> Result<(), Error> {
        for neighbor in neighbors {
            let Some(trails) = self.ending.get(neighbor.from as usize) else {
                return Err(stray(neighbor.from));
            };
            count_steps(&mut self.count, trails.len(), &self.options)?;
            let node = self.nodes.intern(&neighbor.node);
            let edge = self.edges.intern(&neighbor.edge);
            for &trail in trails {
                if !uses(&self.steps, trail, edge) {
                    self.next.push((trail, edge, node));
                }
            }
        }
        Ok(())
    }

    /// Ends the round: returns the trails completed in it, and sets the next frontier.
    pub fn advance(&mut self) -> Vec<Path> {
        if self.opened {
            self.depth = self.depth.saturating_add(1);
            self.extend();
        }
        self.opened = true;
        let mut found = Vec::new();
        if (self.options.depth_min..=self.options.depth_max).contains(&self.depth) {
            found.extend(self.level.clone().map(|trail| self.path(trail)));
        }
        self.frontier.clear();
        self.ending.clear();
        if self.depth < self.options.depth_max {
            let mut ending: Vec<usize> = self.level.clone().collect();
            let key = |trail: usize| self.nodes.key(self.steps[trail].node);
            ending.sort_by(|a, b| key(*a).cmp(key(*b)));
            for group in ending.chunk_by(|a, b| self.steps[*a].node == self.steps[*b].node) {
                self.frontier.push(key(group[0]).clone());
                self.ending.push(group.to_vec());
            }
        }
        found
    }

    /// Makes the accepted edges the next level.
    fn extend(&mut self) {
        let mut next = std::mem::take(&mut self.next);
        let edges = &self.edges;
        next.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| edges.key(a.1).cmp(edges.key(b.1)))
        });
        let first = self.steps.len();
        for (trail, edge, node) in next {
            let start = self.steps[trail].start;
            self.steps.push(Step { from: Some((trail, edge)), node, start });
        }
        self.level = first..self.steps.len();
    }

    fn path(&self, trail: usize) -> Path {
        let mut step = self.steps[trail];
        let mut path = Path { start: step.start, nodes: Vec::new(), edges: Vec::new() };
        path.nodes.push(self.nodes.key(step.node).clone());
        while let Some((before, edge)) = step.from {
            path.edges.push(self.edges.key(edge).clone());
            step = self.steps[before];
            path.nodes.push(self.nodes.key(step.node).clone());
        }
        path.nodes.reverse();
        path.edges.reverse();
        path
    }
}

/// Returns whether a trail already holds an edge.
fn uses(steps: &[Step], trail: usize, edge: NodeId) -> bool {
    let mut step = steps[trail];
    while let Some((before, used)) = step.from {
        if used == edge {
            return true;
        }
        step = steps[before];
    }
    false
}
