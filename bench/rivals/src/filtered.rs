//! How fast and how complete are searches with a filter?
//!
//! The filter is "the label is X". The easy X is the query's own label, whose vectors are all
//! around; the hard one is another, whose vectors are elsewhere. Only ours is measured: hnswlib
//! has no promise to find `k`.

use pieskieo_shards::Error;
use pieskieo_shards::ids::RecordId;
use pieskieo_shards::vector::VectorIndex;

use crate::ann::{K, NOW};
use crate::npy::Matrix;
use crate::say;
use crate::stopwatch::Stopwatch;

/// Beam widths measured.
const BEAMS: &[usize] = &[32, 64, 128];
/// Queries measured: exact answers take their time.
const QUERY_MAX: usize = 500;

/// Labels of the vectors and of the queries.
pub struct Labels {
    /// One per vector.
    pub train: Matrix<f32>,
    /// One per query.
    pub queries: Matrix<f32>,
}

/// Measures searches for the query's own label and for another.
pub fn compare(index: &VectorIndex, queries: &Matrix<f32>, labels: &Labels) -> Result<(), String> {
    let highest = labels.train.data.iter().fold(0.0_f32, |highest, label| highest.max(*label));
    for (kind, shift) in [("same", 0.0), ("other", 1.0)] {
        let wanted = |query: usize| (labels.queries.data[query] + shift) % (highest + 1.0);
        let passes = |wanted: f32| {
            move |records: &[RecordId]| -> Result<Vec<bool>, Error> {
                let label = |record: &RecordId| labels.train.data[record.0 as usize];
                Ok(records.iter().map(|record| label(record) == wanted).collect())
            }
        };
        let rows = || queries.rows().take(QUERY_MAX).enumerate();
        let exact = |(query, row): (usize, &[f32])| {
            index.search_exact(row, K, NOW, Some(&mut passes(wanted(query))))
        };
        let (truth, rate) = timed(|| rows().map(exact).collect())?;
        say(&format!("{kind:5} label  exact    {rate:7.0} queries/s"));
        for ef in BEAMS {
            let search = |(query, row): (usize, &[f32])| {
                index.search(row, K, Some(*ef), NOW, Some(&mut passes(wanted(query))))
            };
            let (found, rate) = timed(|| rows().map(search).collect())?;
            let limit = |truth: &Answer| truth.last().map_or(f32::INFINITY, |(_, far)| *far);
            let pairs = found.iter().zip(&truth);
            let near = |(found, truth): (&Answer, &Answer)| {
                found.iter().filter(|(_, distance)| *distance <= limit(truth)).count()
            };
            let recall = pairs.map(near).sum::<usize>() as f64 / (truth.len() * K) as f64;
            say(&format!(
                "{kind:5} label  ef {ef:4}  recall@{K} {recall:.4}  {rate:7.0} queries/s"
            ));
        }
    }
    Ok(())
}

/// Records and distances.
type Answer = Vec<(RecordId, f32)>;

/// Returns the answers and how many were found per second.
fn timed(
    search: impl FnOnce() -> Result<Vec<Answer>, Error>,
) -> Result<(Vec<Answer>, f64), String> {
    let stopwatch = Stopwatch::start();
    let answers = search().map_err(|error| error.to_string())?;
    let rate = answers.len() as f64 / stopwatch.elapsed().as_secs_f64();
    Ok((answers, rate))
}
