//! In which order does BM25 put documents, and how good is an order?

use std::collections::{BTreeMap, BTreeSet};

/// Saturation of repeated words.
const K1: f64 = 1.2;
/// Weight of a document's length.
const B: f64 = 0.75;

/// Documents as lists of terms.
pub struct Bm25 {
    documents: Vec<(u32, Vec<String>)>,
}

impl Bm25 {
    /// Takes documents, each a number and its terms in order.
    pub fn new(documents: Vec<(u32, Vec<String>)>) -> Self {
        Self { documents }
    }

    /// Returns the documents that hold any of the terms, best first, equal scores by number. A
    /// term that is asked for twice counts twice.
    pub fn search(&self, terms: &[String]) -> Vec<(u32, f64)> {
        let count = self.documents.len() as f64;
        let words: usize = self.documents.iter().map(|(_, words)| words.len()).sum();
        let average = words as f64 / count;
        let frequencies: BTreeMap<&String, f64> = terms
            .iter()
            .map(|term| {
                let holds = |(_, words): &&(u32, Vec<String>)| words.contains(term);
                (term, self.documents.iter().filter(holds).count() as f64)
            })
            .collect();
        let mut hits = Vec::new();
        for (number, words) in &self.documents {
            let mut score = 0.0;
            for term in terms {
                let tf = words.iter().filter(|word| *word == term).count() as f64;
                let df = frequencies[term];
                let idf = (1.0 + (count - df + 0.5) / (df + 0.5)).ln();
                let length = words.len() as f64 / average;
                score += idf * tf * (K1 + 1.0) / (tf + K1 * (1.0 - B + B * length));
            }
            if score > 0.0 {
                hits.push((*number, score));
            }
        }
        hits.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        hits
    }
}

/// Returns the normalised discounted cumulative gain of the first `k` places: 1 is the best
/// order there is, 0 has nothing relevant. `None` when nothing at all is relevant.
///
/// **Source**: Järvelin and Kekäläinen, "Cumulated gain-based evaluation", 2002, with the gains
/// as given and the discount `log2(place + 1)`, places from 1.
pub fn ndcg(ranked: &[u32], gains: &BTreeMap<u32, f64>, k: usize) -> Option<f64> {
    let mut ideal: Vec<f64> = gains.values().copied().collect();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let best = discounted(ideal.into_iter().take(k));
    let mut seen = BTreeSet::new();
    let gained = ranked.iter().take(k).map(|document| {
        let first = seen.insert(*document);
        if first { gains.get(document).copied().unwrap_or(0.0) } else { 0.0 }
    });
    (best > 0.0).then(|| discounted(gained) / best)
}

fn discounted(gains: impl Iterator<Item = f64>) -> f64 {
    (1u32..).zip(gains).map(|(place, gain)| gain / f64::from(place + 1).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::{Bm25, ndcg};
    use std::collections::BTreeMap;

    #[test]
    fn a_hand_computed_order_and_gain_come_out() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let model = Bm25::new(vec![(7, words("a a b")), (8, words("b c c c c"))]);
        let hits = model.search(&words("a"));
        assert_eq!(hits.len(), 1);
        assert!((hits[0].1 - std::f64::consts::LN_2 * 4.4 / 2.975).abs() < 1e-12);
        let gains = BTreeMap::from([(1, 4.0), (2, 2.0)]);
        assert_eq!(ndcg(&[1, 2, 3], &gains, 10), Some(1.0));
        assert_eq!(ndcg(&[3, 4], &gains, 10), Some(0.0));
        // (4 / log2 3) / (4 + 2 / log2 3)
        let late = ndcg(&[9, 1], &gains, 10).unwrap();
        assert!((late - 2.523_719_014 / 5.261_859_507).abs() < 1e-9);
        assert_eq!(ndcg(&[1], &BTreeMap::new(), 10), None);
    }
}
