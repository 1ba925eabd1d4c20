//! Which distance kernel is fastest, near and far from the caches?
//!
//! Each kernel compares one query with the same pseudo-random rows: all of a large matrix, whose
//! rows come from memory, and a few dozen, which stay in the caches.

use std::hint::black_box;

use pieskieo_shards::vector::distance::{Kernels, Rows};
use simsimd::SpatialSimilarity;

use crate::stopwatch::Stopwatch;
use crate::{Flags, say};

/// Rows compared per measurement.
const COMPARED: usize = 1_000_000;
/// Rows that stay in the caches.
const NEAR_ROWS: usize = 32;
/// Rows a step of a graph search compares.
const STEP_ROWS: usize = 16;

/// Compares a query with some rows and returns a sum nobody needs.
type Kernel<'a> = Box<dyn Fn(&[f32], Rows<'_>, &[u32]) -> f32 + 'a>;

/// Runs the comparison.
pub fn run(flags: &Flags<'_>) -> Result<(), String> {
    let dim = flags.number("--dim", 784)?;
    let rows = flags.number("--rows", 60_000)?;
    let data: Vec<f32> = (0..rows * dim).map(|place| (place * 7919 % 251) as f32).collect();
    let query: Vec<f32> = (0..dim).map(|place| (place * 31 % 17) as f32).collect();
    let kernels = kernels();
    for (place, count) in [("memory", rows), ("cache", NEAR_ROWS.min(rows))] {
        let slots: Vec<u32> =
            (0..COMPARED).map(|step| (step.wrapping_mul(2_654_435_761) % count) as u32).collect();
        let rows = Rows { data: &data, stride: dim };
        for round in 1..=3 {
            for (name, kernel) in &kernels {
                let start = Stopwatch::start();
                for step in slots.chunks(STEP_ROWS) {
                    black_box(kernel(black_box(&query), rows, step));
                }
                let each = start.elapsed().as_nanos() as f64 / COMPARED as f64;
                say(&format!("{place:6} round {round}  {name:18} {each:7.1} ns"));
            }
        }
    }
    Ok(())
}

fn kernels<'a>() -> Vec<(String, Kernel<'a>)> {
    let mut list: Vec<(String, Kernel<'a>)> = Vec::new();
    for ours in Kernels::available() {
        list.push((
            format!("{} l2sq many", ours.name),
            Box::new(move |query, rows, slots| {
                let mut out = [0.0; STEP_ROWS];
                (ours.l2sq_many)(query, rows, slots, &mut out[..slots.len()]);
                out.iter().sum()
            }),
        ));
        list.push((
            format!("{} l2sq one", ours.name),
            Box::new(move |query, rows, slots| {
                slots.iter().map(|slot| (ours.l2sq)(query, rows.row(*slot))).sum()
            }),
        ));
    }
    list.push((
        "simsimd l2sq".to_owned(),
        Box::new(|query, rows, slots| {
            let one = |slot: &u32| f32::l2sq(query, rows.row(*slot)).unwrap_or_default() as f32;
            slots.iter().map(one).sum()
        }),
    ));
    list
}
