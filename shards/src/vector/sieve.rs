//! Which vectors need not be compared, as their codes show?
//!
//! Codes give every distance a lower and an upper bound. What is farther at least than `k` others
//! are at most is not among the nearest `k`; the rest is compared, most promising first, until
//! the next is farther at least than the `k`-th found. The answer is that of comparing everything.

use super::candidate::{Candidate, Nearest};
use super::codes::{CodedQuery, Codes};
use super::vectors::Vectors;

/// Vectors compared at a time: between two looks at the limit.
const COMPARED_TOGETHER: usize = 16;

/// A scan of codes.
pub struct Sieve<'a> {
    codes: &'a Codes,
    query: CodedQuery,
    /// The `k` lowest upper bounds.
    uppers: Nearest,
    /// Lower bounds of what may be among the nearest.
    doubtful: Vec<Candidate>,
    estimates: Vec<f32>,
    bounds: Vec<f32>,
}

impl<'a> Sieve<'a> {
    /// Begins a scan for the `k` nearest to an encoded query; `None` when codes say nothing of it.
    pub fn open(codes: &'a Codes, row: &[f32], k: usize) -> Option<Self> {
        let mut query = CodedQuery::default();
        if !codes.query_bounded(row, &mut query) {
            return None;
        }
        let (uppers, doubtful) = (Nearest::new(k), Vec::new());
        let (estimates, bounds) = (Vec::new(), Vec::new());
        Some(Self { codes, query, uppers, doubtful, estimates, bounds })
    }

    /// Looks at nodes.
    pub fn offer(&mut self, slots: &[u32]) {
        self.codes.distances(&self.query, slots, &mut self.estimates);
        self.codes.bounds(&self.query, slots, &mut self.bounds);
        for (place, slot) in slots.iter().enumerate() {
            let (estimate, bound) = (self.estimates[place], self.bounds[place]);
            let lower = estimate - bound;
            // Written so that what is no number is compared.
            if lower > self.uppers.limit() {
                continue;
            }
            let lower = if lower.is_nan() { f32::NEG_INFINITY } else { lower };
            self.doubtful.push(Candidate::new(lower, *slot));
            self.uppers.offer(Candidate::new(estimate + bound, *slot));
        }
    }

    /// Compares what is left; calls `found` with distances for comparing.
    pub fn finish(
        mut self,
        k: usize,
        vectors: &Vectors,
        row: &[f32],
        mut found: impl FnMut(Candidate),
    ) {
        let limit = self.uppers.limit();
        self.doubtful.retain(|doubtful| limit.is_nan() || doubtful.distance() <= limit);
        self.doubtful.sort_unstable();
        let mut nearest = Nearest::new(k);
        let mut slots = Vec::with_capacity(COMPARED_TOGETHER);
        for group in self.doubtful.chunks(COMPARED_TOGETHER) {
            if group[0].distance() > nearest.limit() {
                break;
            }
            slots.clear();
            slots.extend(group.iter().map(|doubtful| doubtful.number()));
            vectors.distances(row, &slots, &mut self.estimates);
            for (slot, distance) in slots.iter().zip(&self.estimates) {
                let candidate = Candidate::new(*distance, *slot);
                nearest.offer(candidate);
                found(candidate);
            }
        }
    }
}
