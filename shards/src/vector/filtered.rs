//! And which of those that pass a filter?
//!
//! The walk first ignores the filter. The nearer half of its beam, together with the delta, is
//! judged nearest first; if fewer than `k` pass, the walk goes on where it stopped with a beam
//! as wide as the pass rate seen so far asks for. As soon as that is estimated to be dearer
//! than judging every visible entry and comparing those that pass, it is a scan instead. Only
//! the nearer half is used because the far end of a beam has gaps.

use std::collections::HashMap;

use super::build::{SearchScratch, VectorIndex};
use super::candidate::Candidate;
use super::search::{Filter, Search, WALK_DISTANCES};
use crate::Error;

/// Most candidates judged at a time.
const JUDGE_BATCH_MAX: usize = 256;
/// Fewest candidates judged at a time: smaller batches cost more in calls than they save.
const JUDGE_BATCH_MIN: usize = 32;
/// Nanoseconds to judge one record. An estimate: columns are gathered and a compiled predicate
/// runs over them.
const JUDGE_NS: f64 = 60.0;
/// Nanoseconds of one distance: some to begin with and some per dimension. Measured with
/// `pieskieo-rivals kernels` at 384 and 784 dimensions, rows in memory, AMD EPYC Zen 5.
const DISTANCE_NS: (f64, f64) = (15.0, 0.17);

/// What the filter said so far.
#[derive(Default)]
struct Verdicts {
    /// By slot. Only looked up, never iterated.
    known: HashMap<u32, bool, ahash::RandomState>,
    passed_count: usize,
}

impl VectorIndex {
    pub(super) fn search_filtered(
        &self,
        search: &Search<'_>,
        mut filter: Filter<'_>,
        scratch: &mut SearchScratch,
    ) -> Result<Vec<Candidate>, Error> {
        let waiting = self.delta.iter().chain(&self.strays).copied();
        let delta = self.sorted_visible(search, waiting);
        let mut verdicts = Verdicts::default();
        let mut beam = Vec::new();
        let mut ef = search.ef;
        self.begin_walk(search, scratch, true);
        loop {
            self.advance_walk(search, scratch, ef);
            self.beam_into(search, &scratch.walk, &mut beam);
            let nearer = trusted(&beam, &delta, scratch.walk.exhausted());
            let passing = self.judge(&nearer, search.k, &mut filter, &mut verdicts)?;
            if passing.len() >= search.k {
                return Ok(passing);
            }
            let wanted = verdicts.beam_wanted(search.k);
            let stuck = scratch.walk.exhausted() || beam.len() < ef;
            if stuck || self.scan_is_cheaper(wanted, &verdicts) {
                return self.scan(search, Some(filter));
            }
            // One step is at most eightfold: the pass rate is known better after it.
            ef = (wanted as usize).clamp(ef * 2, ef * 8);
            scratch.walk.widen(ef);
        }
    }

    /// Judges `candidates` in order until `k` pass; returns those, as records, nearest first.
    fn judge(
        &self,
        candidates: &[Candidate],
        k: usize,
        filter: &mut Filter<'_>,
        verdicts: &mut Verdicts,
    ) -> Result<Vec<Candidate>, Error> {
        let mut passing = Vec::new();
        let mut rest = candidates;
        while !rest.is_empty() && passing.len() < k {
            let missing = k - passing.len();
            let size = (2 * missing).clamp(JUDGE_BATCH_MIN, JUDGE_BATCH_MAX).min(rest.len());
            let (batch, later) = rest.split_at(size);
            rest = later;
            let unknown = |found: &&Candidate| !verdicts.known.contains_key(&found.number());
            let new: Vec<Candidate> = batch.iter().filter(unknown).copied().collect();
            if !new.is_empty() {
                for (found, passes) in new.iter().zip(self.passing_candidates(&new, filter)?) {
                    verdicts.known.insert(found.number(), passes);
                    verdicts.passed_count += usize::from(passes);
                }
            }
            let passed = batch.iter().filter(|found| verdicts.known[&found.number()]);
            passing.extend(passed.map(|found| self.report(*found)));
        }
        passing.sort_unstable();
        passing.truncate(k);
        Ok(passing)
    }

    /// Estimates whether a scan is cheaper than a walk with a beam of `ef`.
    fn scan_is_cheaper(&self, ef: f64, verdicts: &Verdicts) -> bool {
        let visible = (self.linked_count + self.delta.len()) as f64;
        let distance = DISTANCE_NS.0 + DISTANCE_NS.1 * self.options.dim as f64;
        let scan = visible * (JUDGE_NS + verdicts.pass_rate() * distance);
        // Half of the beam is judged.
        let walk = ef * (WALK_DISTANCES as f64 * distance + JUDGE_NS / 2.0);
        walk > scan
    }
}

impl Verdicts {
    /// Returns the share that passes, as far as known, never zero. When none of a few dozen
    /// near the query passed, the matches are likely elsewhere: the guess is low.
    fn pass_rate(&self) -> f64 {
        (self.passed_count as f64 + 0.1) / (self.known.len() as f64 + 1.0)
    }

    /// Returns the beam whose nearer half should hold `k` that pass, with a quarter to spare.
    fn beam_wanted(&self, k: usize) -> f64 {
        2.5 * k as f64 / self.pass_rate()
    }
}

/// Merges the nearer half of the beam with the delta entries that are as near; all of both when
/// the walk has seen everything.
fn trusted(beam: &[Candidate], delta: &[Candidate], exhausted: bool) -> Vec<Candidate> {
    let nearer = if exhausted { beam } else { &beam[..beam.len().div_ceil(2)] };
    let limit = if exhausted { None } else { nearer.last() };
    let near = |found: &&Candidate| limit.is_none_or(|limit| *found <= limit);
    let mut merged: Vec<Candidate> = delta.iter().take_while(near).copied().collect();
    merged.extend_from_slice(nearer);
    merged.sort_unstable();
    merged
}
