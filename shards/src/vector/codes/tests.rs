//! Are errors of codes within their bounds, and do they stand for most of a vector?

use super::{CodedQuery, Codes, Training};
use crate::vector::distance::Kernels;
use crate::vector::encode::encode;
use crate::vector::options::{Metric, VectorOptions};
use crate::vector::vectors::Vectors;

/// Vectors whose elements vary less and less, around a mean that is not zero.
fn tapering(count: usize, dim: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut state = seed;
    let mut unit = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let element = |place: usize, x: f32| 3.0 + x * 20.0 / (1.0 + place as f32);
    (0..count).map(|_| (0..dim).map(|place| element(place, unit())).collect()).collect()
}

/// Returns codes and vectors of the same rows.
fn coded(metric: Metric, vectors: &[Vec<f32>]) -> (Codes, Vectors) {
    let options = VectorOptions::new(vectors[0].len(), metric);
    let mut training = Training::begin(&options);
    let mut row = Vec::new();
    for vector in vectors.iter().take(500) {
        encode(metric, vector, &mut row);
        training.take(&row);
    }
    let quantizer = loop {
        if let Some(quantizer) = training.step() {
            break quantizer;
        }
    };
    let mut codes = Codes::open(quantizer);
    let mut matrix = Vectors::open(row.len(), metric, Kernels::best());
    for (slot, vector) in vectors.iter().enumerate() {
        encode(metric, vector, &mut row);
        codes.put(slot as u32, &row);
        matrix.put(slot as u32, &row);
    }
    (codes, matrix)
}

#[test]
fn errors_are_within_their_bounds() {
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        for dim in [64, 100, 300, 1_100] {
            let mut vectors = tapering(700, dim, 1);
            // Beyond the reach of any byte.
            vectors
                .extend(tapering(20, dim, 2).iter().map(|v| v.iter().map(|x| x * 50.0).collect()));
            let (codes, matrix) = coded(metric, &vectors);
            let slots: Vec<u32> = (0..vectors.len() as u32).collect();
            let (mut query, mut row) = (CodedQuery::default(), Vec::new());
            let (mut found, mut truth, mut bounds) = (Vec::new(), Vec::new(), Vec::new());
            for vector in tapering(5, dim, 3).iter().chain(&vectors[698..700]) {
                encode(metric, vector, &mut row);
                assert!(codes.query_bounded(&row, &mut query));
                codes.distances(&query, &slots, &mut found);
                codes.bounds(&query, &slots, &mut bounds);
                matrix.distances(&row, &slots, &mut truth);
                let known = &truth[..700];
                let most = known.iter().fold(f32::MIN, |most, x| most.max(*x));
                let spread = known.iter().fold(0.0_f32, |spread, x| spread.max(most - x));
                let mut narrow = 0;
                for slot in 0..slots.len() {
                    let error = (found[slot] - truth[slot]).abs();
                    assert!(error <= bounds[slot], "{metric:?} {dim}: {error} {}", bounds[slot]);
                    narrow += usize::from(bounds[slot] < 0.5 * spread);
                }
                assert!(narrow > slots.len() / 2, "{metric:?} {dim}: bounds say something");
            }
        }
    }
}

#[test]
fn estimates_of_queries_and_of_nodes_are_close() {
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        for dim in [64, 300] {
            let vectors = tapering(600, dim, 4);
            let (codes, matrix) = coded(metric, &vectors);
            let slots: Vec<u32> = (0..600).collect();
            let (mut query, mut found, mut truth) = (CodedQuery::default(), Vec::new(), Vec::new());
            for slot in [0, 7, 599] {
                matrix.distances(matrix.row(slot), &slots, &mut truth);
                let spread = truth.iter().fold(0.0_f32, |most, x| most.max((x - truth[0]).abs()));
                let close = |found: &[f32]| {
                    let pairs = found.iter().zip(&truth);
                    pairs.map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max) < 0.1 * spread
                };
                codes.query_at(slot, &mut query);
                codes.distances(&query, &slots, &mut found);
                assert!(close(&found), "{metric:?} {dim} at a node");
                codes.query(matrix.row(slot), &mut query);
                codes.distances(&query, &slots, &mut found);
                assert!(close(&found), "{metric:?} {dim} at a query");
            }
        }
    }
}

#[test]
fn as_many_directions_are_kept_as_tell_vectors_apart() {
    let vectors = tapering(600, 600, 5);
    let (codes, _) = coded(Metric::L2, &vectors);
    // Nine tenths of the sum of 1/n^2 are within the first dozen: one line.
    assert_eq!(codes.memory_bytes() - codes.quantizer_bytes(), 600 * 64);
}
