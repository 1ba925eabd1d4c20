//! How long do builds take, and how many queries per second at which recall?
//!
//! Every engine gets the same vectors in the same order on the same core. Searches alternate
//! between the engines, round by round; the best round counts, as it was disturbed least.

use std::path::Path;
use std::time::Duration;

use pieskieo_shards::ids::{RecordId, Timestamp};
use pieskieo_shards::vector::{Metric, VectorIndex, VectorOptions};

use crate::filtered::{self, Labels};
use crate::hnswlib::Hnswlib;
use crate::npy::{self, Matrix};
use crate::stopwatch::Stopwatch;
use crate::{Flags, say};

/// Neighbours asked for.
pub const K: usize = 10;
/// Beam widths measured.
const BEAMS: &[usize] = &[16, 32, 64, 128, 256];
/// Everything is inserted and searched at one moment.
pub const NOW: Timestamp = Timestamp(1);

/// Answers one query with `K` labels, given a beam width.
type Search<'a> = Box<dyn Fn(&[f32], usize) -> Vec<u32> + 'a>;

/// Runs the comparison.
pub fn run(flags: &Flags<'_>) -> Result<(), String> {
    let file = |name: &str| flags.text(name).ok_or_else(|| format!("{name} names a file"));
    let train = npy::read(Path::new(file("--train")?))?;
    let queries = npy::read(Path::new(file("--queries")?))?;
    let metric = match flags.text("--metric") {
        None | Some("l2") => Metric::L2,
        Some("cosine") => Metric::Cosine,
        Some(other) => return Err(format!("--metric {other} is neither l2 nor cosine")),
    };
    let options = VectorOptions {
        m: flags.number("--m", 16)?,
        ef_construction: flags.number("--ef-construction", 200)?,
        ..VectorOptions::new(train.columns, metric)
    };
    let rounds = flags.number("--rounds", 3)?;
    let (count, dim) = (train.len(), train.columns);
    say(&format!("{count} x {dim}, {metric:?}, m {}, k {K}", options.m));

    let (ours, took) = build_ours(options, &train);
    let bytes = ours.memory_bytes() as f64 / f64::from(1 << 20);
    say(&format!("build pieskieo {:6.1} s  {bytes:.0} MiB", took.as_secs_f64()));
    let theirs = if flags.text("--rivals") == Some("no") {
        None
    } else {
        let (theirs, took) = build_hnswlib(options, &train);
        say(&format!("build hnswlib  {:6.1} s", took.as_secs_f64()));
        Some(theirs)
    };
    let truth = match flags.text("--truth") {
        Some(path) => labels(&npy::read(Path::new(path))?),
        None => exact(&ours, &queries),
    };

    if let (Some(train), Some(of_queries)) = (flags.text("--labels"), flags.text("--query-labels"))
    {
        let (train, of_queries) = (npy::read(Path::new(train))?, npy::read(Path::new(of_queries))?);
        return filtered::compare(&ours, &queries, &Labels { train, queries: of_queries });
    }

    let mut engines: Vec<(&str, Search<'_>)> = vec![(
        "pieskieo",
        Box::new(|query, ef| {
            let found = ours.search(query, K, Some(ef), NOW, None).unwrap_or_default();
            found.into_iter().map(|(record, _)| record.0).collect()
        }),
    )];
    if let Some(theirs) = &theirs {
        let search = move |query: &[f32], ef| theirs.search(&prepared(metric, query), K, ef);
        engines.push(("hnswlib", Box::new(search)));
    }
    for ef in beams(flags)? {
        compare(&engines, ef, rounds, (&train, &queries, &truth), metric);
    }
    Ok(())
}

/// Returns the beam widths to measure.
fn beams(flags: &Flags<'_>) -> Result<Vec<usize>, String> {
    let Some(text) = flags.text("--beams") else { return Ok(BEAMS.to_vec()) };
    let number = |part: &str| part.parse().map_err(|_| format!("--beams {text} is no list"));
    text.split(',').map(number).collect()
}

/// Searches all queries with every engine in turn and prints the best round of each.
fn compare(
    engines: &[(&str, Search<'_>)],
    ef: usize,
    rounds: usize,
    (train, queries, truth): (&Matrix<f32>, &Matrix<f32>, &[Vec<u32>]),
    metric: Metric,
) {
    let mut best = vec![Duration::MAX; engines.len()];
    let mut found = vec![Vec::new(); engines.len()];
    for _ in 0..rounds {
        for (place, (_, search)) in engines.iter().enumerate() {
            let start = Stopwatch::start();
            found[place] = queries.rows().map(|query| search(query, ef)).collect::<Vec<_>>();
            best[place] = best[place].min(start.elapsed());
        }
    }
    for (place, (name, _)) in engines.iter().enumerate() {
        let recall = recall(&found[place], (train, queries, truth), metric);
        let rate = queries.len() as f64 / best[place].as_secs_f64();
        say(&format!("ef {ef:4}  {name:9} recall@{K} {recall:.4}  {rate:7.0} queries/s"));
    }
}

/// Returns the share of the true nearest that was found; whatever is as near as the `K`-th
/// counts, so that ties do not depend on who breaks them how.
fn recall(
    found: &[Vec<u32>],
    (train, queries, truth): (&Matrix<f32>, &Matrix<f32>, &[Vec<u32>]),
    metric: Metric,
) -> f64 {
    let mut hits = 0;
    for ((found, truth), query) in found.iter().zip(truth).zip(queries.rows()) {
        let query = prepared(metric, query);
        let distance = |label: u32| {
            let row = prepared(metric, train.row(label as usize));
            let squares = row.iter().zip(&query).map(|(x, y)| f64::from(x - y).powi(2));
            squares.sum::<f64>()
        };
        let limit = distance(truth[K - 1]) * (1.0 + 1e-6) + 1e-9;
        hits += found.iter().filter(|label| distance(**label) <= limit).count();
    }
    hits as f64 / (found.len() * K) as f64
}

fn build_ours(options: VectorOptions, train: &Matrix<f32>) -> (VectorIndex, Duration) {
    let start = Stopwatch::start();
    let mut index = VectorIndex::open(options);
    for (label, vector) in train.rows().enumerate() {
        index.insert(RecordId(label as u32), vector, NOW);
    }
    index.fold(&mut || true);
    (index, start.elapsed())
}

fn build_hnswlib(options: VectorOptions, train: &Matrix<f32>) -> (Hnswlib, Duration) {
    let l2 = options.metric == Metric::L2;
    let start = Stopwatch::start();
    let mut index =
        Hnswlib::open(l2, train.columns, train.len(), options.m, options.ef_construction);
    for (label, vector) in train.rows().enumerate() {
        index.insert(&prepared(options.metric, vector), label);
    }
    (index, start.elapsed())
}

/// Returns the vector as a rival without a cosine metric wants it: at unit length.
fn prepared(metric: Metric, vector: &[f32]) -> Vec<f32> {
    if metric != Metric::Cosine {
        return vector.to_vec();
    }
    let norm = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    vector.iter().map(|x| (f64::from(*x) / norm) as f32).collect()
}

fn labels(truth: &Matrix<f32>) -> Vec<Vec<u32>> {
    truth.rows().map(|row| row.iter().map(|label| *label as u32).collect()).collect()
}

fn exact(index: &VectorIndex, queries: &Matrix<f32>) -> Vec<Vec<u32>> {
    let search = |query| index.search_exact(query, K, NOW, None).unwrap_or_default();
    let numbers = |query| search(query).into_iter().map(|(record, _)| record.0).collect();
    queries.rows().map(numbers).collect()
}
