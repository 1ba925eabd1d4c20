//! Which vectors are nearest, and how many of them were found?

/// A distance; smaller is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// Euclidean.
    L2,
    /// One minus the cosine of the angle; NaN with a zero vector, which sorts last.
    Cosine,
    /// Negative inner product.
    InnerProduct,
}

impl Distance {
    /// Returns the distance of two vectors of one length, summed in f64.
    pub fn between(self, a: &[f32], b: &[f32]) -> f64 {
        let pairs = || a.iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
        let dot: f64 = pairs().map(|(x, y)| x * y).sum();
        match self {
            Self::L2 => pairs().map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt(),
            Self::InnerProduct => -dot,
            Self::Cosine => {
                let a: f64 = pairs().map(|(x, _)| x * x).sum();
                let b: f64 = pairs().map(|(_, y)| y * y).sum();
                1.0 - dot / (a.sqrt() * b.sqrt())
            }
        }
    }
}

/// Returns the positions and distances of the `k` vectors nearest to `query`, nearest first,
/// equal distances by position.
pub fn nearest<'a>(
    vectors: impl Iterator<Item = &'a [f32]>,
    query: &[f32],
    distance: Distance,
    k: usize,
) -> Vec<(usize, f64)> {
    let mut all: Vec<(usize, f64)> =
        vectors.map(|vector| distance.between(vector, query)).enumerate().collect();
    // A NaN may carry either sign; `total_cmp` would put the negative one first.
    let key = |value: f64| if value.is_nan() { f64::INFINITY } else { value };
    all.sort_by(|a, b| {
        let nan = a.1.is_nan().cmp(&b.1.is_nan());
        nan.then(key(a.1).total_cmp(&key(b.1))).then(a.0.cmp(&b.0))
    });
    all.truncate(k);
    all
}

/// Returns the share of the true `k` nearest that are among the first `k` found, `0..=1`.
pub fn recall<T: PartialEq>(found: &[T], truth: &[T], k: usize) -> f64 {
    let truth = &truth[..k.min(truth.len())];
    let found = &found[..k.min(found.len())];
    if truth.is_empty() {
        return 1.0;
    }
    truth.iter().filter(|id| found.contains(id)).count() as f64 / truth.len() as f64
}

#[cfg(test)]
mod tests {
    use super::{Distance, nearest, recall};

    #[test]
    fn distances_and_order_are_those_of_the_book() {
        let vectors: [&[f32]; 3] = [&[0.0, 0.0], &[3.0, 4.0], &[1.0, 0.0]];
        let order = |distance, query: &[f32]| {
            let hits = nearest(vectors.iter().copied(), query, distance, 3);
            hits.into_iter().map(|(position, _)| position).collect::<Vec<_>>()
        };
        assert_eq!(Distance::L2.between(vectors[0], vectors[1]), 5.0);
        assert_eq!(order(Distance::L2, &[0.0, 0.0]), [0, 2, 1]);
        assert_eq!(order(Distance::Cosine, &[2.0, 0.0]), [2, 1, 0]);
        assert_eq!(order(Distance::InnerProduct, &[1.0, 0.0]), [1, 2, 0]);
        assert_eq!(recall(&[1, 2, 9], &[2, 3, 1], 2), 0.5);
        assert_eq!(recall::<u32>(&[], &[], 10), 1.0);
    }
}
