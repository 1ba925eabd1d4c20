//! Which visible records are nearest?
//!
//! The graph's beam, the delta and the strays are put together, nearest first, ties by record.
//! A search that cannot trust the walk scans every visible entry instead: a query that is not
//! finite, an index so small that a scan is no dearer, a delta larger than the graph, or a walk
//! that brought fewer than `k`.

use super::build::{SearchScratch, VectorIndex};
use super::candidate::{Candidate, Nearest};
use super::coding::is_node;
use super::encode::encode;
use super::graph_index::{Terrain, Walk, descend};
use super::options::Metric;
use super::sieve::Sieve;
use super::space::Origin;
use crate::Error;
use crate::ids::{RecordId, Timestamp};

/// Tells which of the given records pass, one answer per record in the same order.
pub type Filter<'a> = &'a mut dyn FnMut(&[RecordId]) -> Result<Vec<bool>, Error>;

/// Entries compared, and records filtered, at a time in a scan.
const SCAN_BATCH: usize = 256;
/// A walk computes about this many distances per place in its beam.
pub(super) const WALK_DISTANCES: usize = 8;
/// A walk gives up for a scan when it has seen this many times its beam and more than an eighth
/// of the graph: most of what it meets is invisible.
const VISIT_FACTOR: usize = 64;

/// Nodes beside the beam that a walk by codes compares: what the codes put out of a narrow beam by
/// mistake is among them.
const SURPLUS: usize = 16;
/// Vectors compared between two looks at whether the rest is worth it.
const COMPARED_TOGETHER: usize = 8;
/// So many standard deviations from the mean, an error of the codes is unlikely.
const ERROR_DEVIATIONS: f64 = 4.0;
/// Fewest errors that say anything about others.
const ERRORS_MIN: f64 = 24.0;

/// What codes were wrong by so far.
#[derive(Default)]
struct Errors {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Errors {
    fn add(&mut self, error: f32) {
        let error = f64::from(error);
        self.count += 1.0;
        self.sum += error;
        self.squares += error * error;
    }

    /// Returns what a distance is lower by than its estimate at most, likely.
    fn lowest(&self) -> f32 {
        if self.count < ERRORS_MIN {
            return f32::NEG_INFINITY;
        }
        let mean = self.sum / self.count;
        let variance = (self.squares / self.count - mean * mean).max(0.0);
        (mean - ERROR_DEVIATIONS * variance.sqrt()) as f32
    }
}

/// One search.
pub(super) struct Search<'a> {
    /// The encoded query.
    pub query: &'a [f32],
    /// Records wanted.
    pub k: usize,
    /// Beam width.
    pub ef: usize,
    /// Which entries are seen.
    pub snapshot: Timestamp,
}

impl VectorIndex {
    /// Returns the `k` records nearest to `query` among those that `snapshot` sees and that pass
    /// the filter, nearest first, ties by record, NaN last. Exactly `k` whenever that many
    /// exist; otherwise all of them. Nearly always the true nearest: `ef` decides how nearly.
    ///
    /// **Shapes**: `query: [dim]`. The filter gets batches of at most 256 records.
    /// **Units**: Euclidean distance, one minus cosine, or negative inner product.
    /// **Cost**: about `8 * ef` distances plus one per delta entry; with a filter more, at most
    /// about that of [`VectorIndex::search_exact`] twice.
    /// **Errors**: `InvalidValue` for a query of the wrong dimension; whatever the filter fails
    /// with.
    pub fn search(
        &self,
        query: &[f32],
        k: usize,
        ef: Option<usize>,
        snapshot: Timestamp,
        filter: Option<Filter<'_>>,
    ) -> Result<Vec<(RecordId, f32)>, Error> {
        let ef = ef.unwrap_or(self.options.ef_search).max(k);
        self.run(query, k, ef, snapshot, filter, false)
    }

    /// Like [`VectorIndex::search`], but compares every visible entry: always the true nearest.
    ///
    /// **Cost**: one distance per visible entry that passes.
    /// **Errors**: as `search`.
    pub fn search_exact(
        &self,
        query: &[f32],
        k: usize,
        snapshot: Timestamp,
        filter: Option<Filter<'_>>,
    ) -> Result<Vec<(RecordId, f32)>, Error> {
        self.run(query, k, k, snapshot, filter, true)
    }

    fn run(
        &self,
        query: &[f32],
        k: usize,
        ef: usize,
        snapshot: Timestamp,
        filter: Option<Filter<'_>>,
        exact: bool,
    ) -> Result<Vec<(RecordId, f32)>, Error> {
        let dim = self.options.dim;
        if query.len() != dim {
            let found = query.len();
            return Err(Error::InvalidValue(format!("expected {dim} dimensions, not {found}")));
        }
        if k == 0 {
            return Ok(Vec::new());
        }
        let mut scratch = self.scratch.take().unwrap_or_default();
        let mut row = std::mem::take(&mut scratch.row);
        let linkable = encode(self.options.metric, query, &mut row);
        let search = Search { query: &row, k, ef, snapshot };
        let scan = exact
            || !linkable
            || ef.saturating_mul(WALK_DISTANCES) >= self.linked_count
            || self.delta.len() >= self.linked_count;
        let found = match filter {
            _ if scan => self.scan(&search, filter),
            Some(filter) => self.search_filtered(&search, filter, &mut scratch),
            None => self.search_all(&search, &mut scratch),
        };
        scratch.row = row;
        self.scratch.set(Some(scratch));
        let named = |found: Candidate| (RecordId(found.number()), found.distance());
        Ok(found?.into_iter().map(named).collect())
    }

    fn search_all(
        &self,
        search: &Search<'_>,
        scratch: &mut SearchScratch,
    ) -> Result<Vec<Candidate>, Error> {
        let is_coded = self.codes.is_some();
        self.begin_walk(search, scratch, is_coded);
        self.advance_walk(search, scratch, search.ef);
        let mut beam = Vec::new();
        let mut nearest = Nearest::new(search.k);
        if is_coded {
            scratch.walk.beam_and_more_into(SURPLUS, &mut beam);
            self.compare(search, &beam, &mut nearest);
        } else {
            scratch.walk.beam_into(&mut beam);
            beam.iter().for_each(|found| nearest.offer(self.report(*found)));
        }
        self.offer_visible(search, self.delta.iter().copied(), &mut nearest);
        // Under cosine every stray is at distance NaN, of use only if nothing else is left.
        if self.options.metric != Metric::Cosine || nearest.len() < search.k {
            self.offer_visible(search, self.strays.iter().copied(), &mut nearest);
        }
        if nearest.len() < search.k {
            return self.scan(search, None);
        }
        Ok(nearest.into_sorted())
    }

    /// Compares what a walk by codes found with the query itself, nearest first, until the rest is
    /// unlikely to be among the nearest.
    fn compare(&self, search: &Search<'_>, beam: &[Candidate], nearest: &mut Nearest) {
        let (mut slots, mut distances) = (Vec::with_capacity(COMPARED_TOGETHER), Vec::new());
        let mut best = Nearest::new(search.k);
        let mut errors = Errors::default();
        for group in beam.chunks(COMPARED_TOGETHER) {
            if group[0].distance() + errors.lowest() > best.limit() {
                break;
            }
            slots.clear();
            slots.extend(group.iter().map(|found| found.number()));
            self.vectors.distances(search.query, &slots, &mut distances);
            for (found, distance) in group.iter().zip(&distances) {
                errors.add(distance - found.distance());
                let found = Candidate::new(*distance, found.number());
                best.offer(found);
                nearest.offer(self.report(found));
            }
        }
    }

    /// Puts the walk at the nearest node found on the upper levels.
    pub(super) fn begin_walk(
        &self,
        search: &Search<'_>,
        scratch: &mut SearchScratch,
        resumable: bool,
    ) {
        let SearchScratch { walk, descent, query, .. } = scratch;
        let query = self.space().origin(search.query, query);
        let on = Terrain { graph: &self.graph, space: self.space(), query };
        let Some(entry) = self.graph.entry() else { return };
        let start = descend(on, entry, 0, descent);
        let admits = |slot| self.entries.get(slot).visible(search.snapshot);
        walk.begin(on, &[start], resumable, admits);
    }

    /// Walks until the beam holds the nearest `ef` visible nodes.
    pub(super) fn advance_walk(&self, search: &Search<'_>, scratch: &mut SearchScratch, ef: usize) {
        let SearchScratch { walk, query, .. } = scratch;
        let query = match self.codes {
            Some(_) => Origin::Code(query),
            None => Origin::Row(search.query),
        };
        let on = Terrain { graph: &self.graph, space: self.space(), query };
        let visit_max = (ef * VISIT_FACTOR).max(self.graph.slot_count() / 8);
        if self.entries.all_visible(search.snapshot) {
            walk.advance(on, 0, ef, visit_max, |_| true);
        } else {
            let admits = |slot| self.entries.get(slot).visible(search.snapshot);
            walk.advance(on, 0, ef, visit_max, admits);
        }
    }

    /// Writes the beam over `found`, nearest first, by the distances of the vectors themselves.
    pub(super) fn beam_into(&self, search: &Search<'_>, walk: &Walk, found: &mut Vec<Candidate>) {
        walk.beam_into(found);
        if self.codes.is_none() {
            return;
        }
        let slots: Vec<u32> = found.iter().map(|found| found.number()).collect();
        let mut distances = Vec::new();
        self.vectors.distances(search.query, &slots, &mut distances);
        let pairs = slots.iter().zip(&distances);
        found.clear();
        found.extend(pairs.map(|(slot, distance)| Candidate::new(*distance, *slot)));
        found.sort_unstable();
    }

    /// Turns a slot at a comparing distance into its record at the distance users know.
    pub(super) fn report(&self, found: Candidate) -> Candidate {
        let record = self.entries.get(found.number()).record;
        Candidate::new(self.vectors.reported(found.distance()), record.0)
    }

    fn offer_visible(
        &self,
        search: &Search<'_>,
        slots: impl Iterator<Item = u32>,
        nearest: &mut Nearest,
    ) {
        let seen = |slot: &u32| self.entries.get(*slot).visible(search.snapshot);
        let slots: Vec<u32> = slots.filter(seen).collect();
        let mut distances = Vec::new();
        for batch in slots.chunks(SCAN_BATCH) {
            self.vectors.distances(search.query, batch, &mut distances);
            for (slot, distance) in batch.iter().zip(&distances) {
                nearest.offer(self.report(Candidate::new(*distance, *slot)));
            }
        }
    }

    /// Finds the nearest of all visible entries that pass, by comparing those that may be.
    pub(super) fn scan(
        &self,
        search: &Search<'_>,
        mut filter: Option<Filter<'_>>,
    ) -> Result<Vec<Candidate>, Error> {
        let mut nearest = Nearest::new(search.k);
        let codes = self.codes.as_deref();
        let mut sieve = codes.and_then(|codes| Sieve::open(codes, search.query, search.k));
        let visible: Vec<u32> = self.entries.visible(search.snapshot).collect();
        for batch in visible.chunks(SCAN_BATCH) {
            let mut passing = match &mut filter {
                None => batch.to_vec(),
                Some(filter) => self.passing(batch, filter)?,
            };
            if let Some(sieve) = &mut sieve {
                let (nodes, others): (Vec<u32>, Vec<u32>) =
                    passing.into_iter().partition(|slot| is_node(&self.entries, *slot));
                sieve.offer(&nodes);
                passing = others;
            }
            self.offer_visible(search, passing.into_iter(), &mut nearest);
        }
        if let Some(sieve) = sieve {
            let offer = |found| nearest.offer(self.report(found));
            sieve.finish(search.k, &self.vectors, search.query, offer);
        }
        Ok(nearest.into_sorted())
    }

    /// Returns those of `slots` whose records pass.
    fn passing(&self, slots: &[u32], filter: &mut Filter<'_>) -> Result<Vec<u32>, Error> {
        let records: Vec<RecordId> =
            slots.iter().map(|slot| self.entries.get(*slot).record).collect();
        let verdicts = filter(&records)?;
        if verdicts.len() != records.len() {
            let (found, expected) = (verdicts.len(), records.len());
            return Err(Error::Internal(format!("{found} verdicts for {expected} records")));
        }
        let judged = slots.iter().zip(verdicts);
        Ok(judged.filter_map(|(slot, passes)| passes.then_some(*slot)).collect())
    }

    /// Like [`VectorIndex::passing`] for candidates, keeping their order.
    pub(super) fn passing_candidates(
        &self,
        candidates: &[Candidate],
        filter: &mut Filter<'_>,
    ) -> Result<Vec<bool>, Error> {
        let slots: Vec<u32> = candidates.iter().map(|found| found.number()).collect();
        let passing = self.passing(&slots, filter)?;
        let mut passing = passing.into_iter().peekable();
        Ok(slots.iter().map(|slot| passing.next_if_eq(slot).is_some()).collect())
    }

    /// Returns the visible ones of `slots` as candidates, nearest first.
    pub(super) fn sorted_visible(
        &self,
        search: &Search<'_>,
        slots: impl Iterator<Item = u32>,
    ) -> Vec<Candidate> {
        let seen = |slot: &u32| self.entries.get(*slot).visible(search.snapshot);
        let slots: Vec<u32> = slots.filter(seen).collect();
        let mut distances = Vec::new();
        self.vectors.distances(search.query, &slots, &mut distances);
        let pairs = slots.iter().zip(&distances);
        let mut sorted: Vec<Candidate> =
            pairs.map(|(slot, distance)| Candidate::new(*distance, *slot)).collect();
        sorted.sort_unstable();
        sorted
    }
}
