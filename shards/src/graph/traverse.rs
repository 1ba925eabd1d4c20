//! Which nodes are reached, each once, at its smallest depth?
//!
//! Breadth first from several starts at once. The *depth* of a node for a start is the smallest
//! number of edges that lead from the start to it; the start itself has depth 0. A node is
//! reported once per start, when its depth lies between `depth_min` and `depth_max`; so the start
//! is reported only with `depth_min` 0, even where a cycle leads back to it, and a node nearer
//! than `depth_min` is not reported even where a longer way leads to it too. Within a depth,
//! results come by start and then by key, whatever order the answers came in.
//!
//! ```text
//! loop { frontier() -> ask the owners -> accept(answers)... -> advance() -> reached }
//! ```

use std::collections::HashSet;

use super::nodes::{NodeId, Nodes, prefix};
use super::options::TraverseOptions;
use crate::error::Error;
use crate::key::Key;
use crate::request::Neighbor;

/// A breadth-first traversal between two rounds of questions.
pub struct Bfs {
    options: TraverseOptions,
    nodes: Nodes,
    seen: HashSet<(u32, NodeId), ahash::RandomState>,
    depth: u32,
    /// Nodes to be expanded next, by key, and the starts each is expanded for.
    frontier: Vec<Key>,
    starts: Vec<Vec<u32>>,
    next: Vec<Visit>,
    steps: u64,
}

/// A node first seen in this round.
#[derive(Clone, Copy)]
struct Visit {
    start: u32,
    /// The first bytes of its key, which decide most comparisons.
    prefix: u64,
    node: NodeId,
}

/// A node that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Position of the start in the list given to [`Bfs::open`].
    pub start: u32,
    /// The node.
    pub node: Key,
    /// Its depth.
    pub depth: u32,
}

impl Bfs {
    /// Prepares a traversal. The first call must be [`Bfs::advance`], which reports depth 0 and
    /// sets the first frontier. A key may be a start more than once.
    pub fn open(starts: &[Key], options: TraverseOptions) -> Self {
        let seeds = ahash::RandomState::with_seeds(0x7065_7363, 0x6965_6b6f, 0x6266_7300, 1);
        let mut bfs = Self {
            options,
            nodes: Nodes::new(),
            seen: HashSet::with_hasher(seeds),
            depth: 0,
            frontier: Vec::new(),
            starts: Vec::new(),
            next: Vec::new(),
            steps: 0,
        };
        for (start, key) in (0u32..).zip(starts) {
            let node = bfs.nodes.intern(key);
            bfs.seen.insert((start, node));
            bfs.next.push(Visit { start, prefix: prefix(key), node });
        }
        bfs
    }

    /// Returns the distinct nodes to be expanded now, in key order; empty = finished.
    pub fn frontier(&self) -> &[Key] {
        &self.frontier
    }

    /// Takes edges of the frontier; `from` is a position in [`Bfs::frontier`]. May be called any
    /// number of times per round, in any order.
    ///
    /// **Errors**: `InvalidValue` naming the limit once too many edges were looked at.
    pub fn accept(&mut self, neighbors: &[Neighbor]) -> Result<(), Error> {
        for neighbor in neighbors {
            let Some(starts) = self.starts.get(neighbor.from as usize) else {
                return Err(stray(neighbor.from));
            };
            count_steps(&mut self.steps, starts.len(), &self.options)?;
            let node = self.nodes.intern(&neighbor.node);
            let prefix = prefix(&neighbor.node);
            for &start in starts {
                if self.seen.insert((start, node)) {
                    self.next.push(Visit { start, prefix, node });
                }
            }
        }
        Ok(())
    }

    /// Ends the round: returns the nodes first reached in it, and sets the next frontier.
    pub fn advance(&mut self) -> Vec<Reached> {
        let mut level = std::mem::take(&mut self.next);
        let nodes = &self.nodes;
        let by_key = |a: &Visit, b: &Visit| {
            let order = a.prefix.cmp(&b.prefix);
            order.then_with(|| nodes.key(a.node).cmp(nodes.key(b.node)))
        };
        level.sort_unstable_by(|a, b| a.start.cmp(&b.start).then_with(|| by_key(a, b)));
        let depth = self.depth;
        let mut reached = Vec::new();
        if (self.options.depth_min..=self.options.depth_max).contains(&depth) {
            reached.extend(level.iter().map(|visit| Reached {
                start: visit.start,
                node: nodes.key(visit.node).clone(),
                depth,
            }));
        }
        self.frontier.clear();
        self.starts.clear();
        if depth < self.options.depth_max {
            // Stable, so that the starts of one node stay in order.
            level.sort_by(by_key);
            for group in level.chunk_by(|a, b| a.node == b.node) {
                self.frontier.push(nodes.key(group[0].node).clone());
                self.starts.push(group.iter().map(|visit| visit.start).collect());
            }
        }
        self.depth = depth.saturating_add(1);
        reached
    }
}

/// Adds to the steps taken, up to the limit.
pub(super) fn count_steps(
    steps: &mut u64,
    more: usize,
    options: &TraverseOptions,
) -> Result<(), Error> {
    *steps += more as u64;
    if *steps <= options.steps_max {
        return Ok(());
    }
    Err(Error::InvalidValue(format!(
        "the traversal looked at more than {} edges (limit \"steps_max\"); \
         start from fewer nodes or lower the depth",
        options.steps_max
    )))
}

/// Returns the error for an answer to a question that was not asked.
pub(super) fn stray(from: u32) -> Error {
    Error::Internal(format!("an edge came from position {from}, which is not in the frontier"))
}
