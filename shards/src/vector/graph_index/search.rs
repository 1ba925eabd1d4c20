//! How does a walk approach a query?
//!
//! Best first: expand the nearest candidate, compare its unseen neighbours with the query, keep
//! the nearest `ef` admitted nodes in the beam, stop when the next candidate is farther than
//! the whole full beam. The state is kept, so a walk can be continued with a wider beam.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::build::Graph;
use super::visited::Visited;
use crate::vector::candidate::Candidate;
use crate::vector::space::{Origin, Space};

/// Nodes expanded at a time when distances come from codes: codes are so short that waiting for
/// them takes longer than adding them up, and two nodes' are waited for at once.
const EXPANDED_TOGETHER: usize = 2;

/// The state of one walk; reused between walks to save its allocations.
#[derive(Default)]
pub struct Walk {
    /// Nodes to expand, nearest first.
    candidates: BinaryHeap<Reverse<Candidate>>,
    /// The nearest admitted nodes, farthest on top.
    beam: BinaryHeap<Candidate>,
    visited: Visited,
    /// Whether what does not fit the beam is kept for [`Walk::widen`].
    resumable: bool,
    /// Nodes not expanded because the beam was full of nearer ones. Only if `resumable`.
    unexpanded: Vec<Candidate>,
    /// Admitted nodes that did not fit the beam. Only if `resumable`.
    surplus: Vec<Candidate>,
    /// Unseen neighbours of the node being expanded, and their distances.
    fresh: Vec<u32>,
    distances: Vec<f32>,
    visited_count: usize,
    /// Whether a node was expanded in this round.
    is_moving: bool,
}

/// What a walk moves over.
#[derive(Clone, Copy)]
pub struct Terrain<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Where its nodes lie.
    pub space: Space<'a>,
    /// What is approached.
    pub query: Origin<'a>,
}

impl Walk {
    /// Forgets the last walk and begins at `starts`, on one level, without expanding anything.
    pub fn begin(
        &mut self,
        on: Terrain<'_>,
        starts: &[Candidate],
        resumable: bool,
        admits: impl Fn(u32) -> bool,
    ) {
        self.candidates.clear();
        self.beam.clear();
        self.unexpanded.clear();
        self.surplus.clear();
        self.resumable = resumable;
        self.visited.clear(on.graph.slot_count());
        self.visited_count = starts.len();
        for start in starts {
            self.visited.insert(start.number());
            self.candidates.push(Reverse(*start));
            if admits(start.number()) {
                self.beam.push(*start);
            }
        }
    }

    /// Expands candidates on `level` until the beam holds the nearest `ef` admitted nodes in
    /// reach, or more than `visit_max` nodes were seen.
    ///
    /// **Cost**: about ten distances per place in the beam.
    pub fn advance(
        &mut self,
        on: Terrain<'_>,
        level: usize,
        ef: usize,
        visit_max: usize,
        admits: impl Fn(u32) -> bool,
    ) {
        let together = if on.space.codes.is_some() { EXPANDED_TOGETHER } else { 1 };
        loop {
            self.fresh.clear();
            for _ in 0..together {
                let Some(next) = self.next(ef, visit_max) else { break };
                for neighbor in on.graph.links().of(level, next.number()) {
                    if self.visited.insert(neighbor) {
                        self.fresh.push(neighbor);
                    }
                }
                self.is_moving = true;
            }
            if !std::mem::take(&mut self.is_moving) {
                break;
            }
            self.visited_count += self.fresh.len();
            if let Some(Reverse(likely)) = self.candidates.peek() {
                on.graph.links().prefetch(likely.number());
            }
            on.space.distances(on.query, &self.fresh, &mut self.distances);
            for place in 0..self.fresh.len() {
                let found = Candidate::new(self.distances[place], self.fresh[place]);
                self.offer(found, ef, &admits);
            }
        }
    }

    /// Takes the next candidate to expand, unless the walk is over.
    #[inline]
    fn next(&mut self, ef: usize, visit_max: usize) -> Option<Candidate> {
        let Reverse(next) = *self.candidates.peek()?;
        let full = self.beam.len() >= ef;
        let is_over = full && self.beam.peek().is_some_and(|farthest| next > *farthest);
        if is_over || self.visited_count > visit_max {
            return None;
        }
        self.candidates.pop();
        Some(next)
    }

    #[inline]
    fn offer(&mut self, found: Candidate, ef: usize, admits: &impl Fn(u32) -> bool) {
        let full = self.beam.len() >= ef;
        if full && self.beam.peek().is_some_and(|farthest| found > *farthest) {
            if self.resumable {
                self.unexpanded.push(found);
                if admits(found.number()) {
                    self.surplus.push(found);
                }
            }
            return;
        }
        self.candidates.push(Reverse(found));
        if !admits(found.number()) {
            return;
        }
        if !full {
            self.beam.push(found);
        } else if let Some(mut farthest) = self.beam.peek_mut() {
            let evicted = std::mem::replace(&mut *farthest, found);
            drop(farthest);
            if self.resumable {
                self.surplus.push(evicted);
            }
        }
    }

    /// Takes what did not fit back into consideration, for a beam of `ef`. Follow with
    /// [`Walk::advance`].
    pub fn widen(&mut self, ef: usize) {
        debug_assert!(self.resumable, "only a resumable walk keeps what did not fit");
        self.candidates.extend(self.unexpanded.drain(..).map(Reverse));
        self.surplus.sort_unstable();
        let room = ef.saturating_sub(self.beam.len()).min(self.surplus.len());
        self.beam.extend(self.surplus.drain(..room));
    }

    /// Returns whether nothing is left to expand, however wide the beam.
    pub fn exhausted(&self) -> bool {
        self.candidates.is_empty() && self.unexpanded.is_empty()
    }

    /// Writes the beam and the nearest `more` of the admitted nodes that did not fit it over
    /// `found`, nearest first. Only if `resumable`.
    pub fn beam_and_more_into(&mut self, more: usize, found: &mut Vec<Candidate>) {
        let more = more.min(self.surplus.len());
        if more > 0 && more < self.surplus.len() {
            self.surplus.select_nth_unstable(more);
        }
        found.clear();
        found.extend(self.beam.iter().chain(&self.surplus[..more]).copied());
        found.sort_unstable();
    }

    /// Writes the beam over `found`, nearest first.
    pub fn beam_into(&self, found: &mut Vec<Candidate>) {
        found.clear();
        found.extend(self.beam.iter().copied());
        found.sort_unstable();
    }
}

/// Returns the node nearest to the query found by always moving to the nearest neighbour, from
/// the graph's entry down to level `floor + 1`: where to start on level `floor`.
pub fn descend(on: Terrain<'_>, entry: u32, floor: usize, scratch: &mut Descent) -> Candidate {
    on.space.distances(on.query, &[entry], &mut scratch.distances);
    let mut nearest = Candidate::new(scratch.distances[0], entry);
    for level in (floor + 1..=on.graph.links().level(entry)).rev() {
        loop {
            scratch.neighbors.clear();
            scratch.neighbors.extend(on.graph.links().of(level, nearest.number()));
            on.space.distances(on.query, &scratch.neighbors, &mut scratch.distances);
            let found = scratch.neighbors.iter().zip(&scratch.distances);
            let best = found.map(|(slot, distance)| Candidate::new(*distance, *slot)).min();
            match best {
                Some(best) if best < nearest => nearest = best,
                _ => break,
            }
        }
    }
    nearest
}

/// Buffers of a descent, reused between descents.
#[derive(Default)]
pub struct Descent {
    neighbors: Vec<u32>,
    distances: Vec<f32>,
}
