//! How good is a match?

use super::options::TextOptions;
use super::query::{TextNode, TextStats};

/// The parts of BM25 that do not depend on the document, computed once per search.
pub struct Ranker<'a> {
    stats: &'a TextStats,
    k1: f64,
    /// `k1 * (1 - b)`.
    flat: f64,
    /// `k1 * b / average length`.
    slope: f64,
}

impl<'a> Ranker<'a> {
    /// Prepares ranking with statistics summed over all shards.
    pub fn new(options: &TextOptions, stats: &'a TextStats) -> Self {
        let average = stats.terms as f64 / stats.documents.max(1) as f64;
        let slope = if average > 0.0 { options.k1 * options.b / average } else { 0.0 };
        Self { stats, k1: options.k1, flat: options.k1 * (1.0 - options.b), slope }
    }

    /// Returns what one leaf's matches are multiplied with: `idf * (k1 + 1)`.
    pub fn weight(&self, leaf: &TextNode) -> f64 {
        let name = leaf.leaf_name().unwrap_or_default();
        let frequency = self.stats.frequency.get(&name).copied().unwrap_or(0) as f64;
        let others = (self.stats.documents as f64 - frequency).max(0.0);
        (1.0 + (others + 0.5) / (frequency + 0.5)).ln() * (self.k1 + 1.0)
    }

    /// Returns what a leaf of this weight adds for a document; grows with `count`, falls with
    /// `length`.
    pub fn score(&self, weight: f64, count: u32, length: u32) -> f64 {
        let count = f64::from(count);
        weight * count / (count + self.flat + self.slope * f64::from(length))
    }
}
