//! Do searches find what they must?
//!
//! The oracle is a list of (record, vector, begin, end) and a full sort in double precision.

use std::collections::HashSet;

use proptest::prelude::*;

use super::{Metric, Revival, VectorIndex, VectorOptions};
use crate::Error;
use crate::ids::{RecordId, Timestamp};

/// A generator whose numbers depend on its seed only.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    /// Roughly normal: a sum of uniform numbers.
    fn normal(&mut self) -> f32 {
        (0..6).map(|_| self.unit()).sum::<f32>() - 3.0
    }
}

/// `count` vectors around forty centres, which depend on nothing but `dim`.
pub(super) fn clustered(count: usize, dim: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut random = Random(0);
    let centres: Vec<Vec<f32>> =
        (0..40).map(|_| (0..dim).map(|_| random.normal()).collect()).collect();
    let mut random = Random(seed);
    let mut around = |centre: &Vec<f32>| centre.iter().map(|x| x + 0.4 * random.normal()).collect();
    (0..count).map(|place| around(&centres[(place * 7919) % 40])).collect()
}

fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let wide = |v: &[f32]| -> Vec<f64> { v.iter().map(|x| f64::from(*x)).collect() };
    let (a, b) = (wide(a), wide(b));
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(x, y)| x * y).sum() };
    match metric {
        Metric::L2 => a.iter().zip(&b).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt(),
        Metric::InnerProduct => -dot(&a, &b),
        Metric::Cosine => 1.0 - dot(&a, &b) / (dot(&a, &a).sqrt() * dot(&b, &b).sqrt()),
    }
}

/// One version of a record's vector.
#[derive(Clone, Debug)]
struct Version {
    record: u32,
    vector: Vec<f32>,
    begin: u64,
    end: u64,
}

/// What the index must answer, the slow way.
#[derive(Default)]
pub(super) struct Model(Vec<Version>);

impl Model {
    fn nearest(&self, metric: Metric, query: &[f32], snapshot: u64) -> Vec<(u32, f64)> {
        let seen = self.0.iter().filter(|v| v.begin <= snapshot && snapshot < v.end);
        let mut found: Vec<(u32, f64)> =
            seen.map(|v| (v.record, distance(metric, query, &v.vector))).collect();
        found.sort_by(|a, b| {
            (a.1.is_nan(), b.1.is_nan()).0.cmp(&b.1.is_nan()).then_with(|| {
                if a.1.is_nan() { a.0.cmp(&b.0) } else { a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)) }
            })
        });
        found
    }
}

pub(super) fn fold_all(index: &mut VectorIndex) {
    assert!(!index.fold(&mut || true));
    assert_eq!(index.pending(), 0);
}

pub(super) fn filled(options: VectorOptions, vectors: &[Vec<f32>]) -> VectorIndex {
    let mut index = VectorIndex::open(options);
    for (record, vector) in vectors.iter().enumerate() {
        index.insert(RecordId(record as u32), vector, Timestamp(1));
    }
    index
}

/// Returns the share of the true `k` nearest found, with ties counted as found.
pub(super) fn recall(index: &VectorIndex, model: &Model, queries: &[Vec<f32>], k: usize) -> f64 {
    let metric = index.options().metric;
    let mut hits = 0;
    for query in queries {
        let found = index.search(query, k, None, Timestamp(5), None).unwrap();
        assert_eq!(found.len(), k);
        let truth = model.nearest(metric, query, 5);
        let limit = truth[k - 1].1 + 1e-5;
        hits += found.iter().filter(|(_, found)| f64::from(*found) <= limit).count();
    }
    hits as f64 / (queries.len() * k) as f64
}

pub(super) fn model_of(vectors: &[Vec<f32>]) -> Model {
    let versions = vectors.iter().enumerate().map(|(record, vector)| Version {
        record: record as u32,
        vector: vector.clone(),
        begin: 1,
        end: u64::MAX,
    });
    Model(versions.collect())
}

#[test]
fn recall_on_clustered_vectors_is_high() {
    // Inner product is no metric: the graph's neighbourhoods are less faithful to it.
    for (metric, dim, least) in [
        (Metric::L2, 32, 0.95),
        (Metric::Cosine, 32, 0.95),
        (Metric::InnerProduct, 24, 0.9),
        (Metric::L2, 3, 0.95),
        (Metric::Cosine, 100, 0.95),
    ] {
        let vectors = clustered(4_000, dim, 11);
        let queries = clustered(100, dim, 12);
        let mut index = filled(VectorOptions::new(dim, metric), &vectors);
        fold_all(&mut index);
        let recall = recall(&index, &model_of(&vectors), &queries, 10);
        assert!(recall >= least, "{metric:?} {dim}: recall {recall}");
        let records = (0..).map(RecordId).zip(&vectors);
        assert_eq!(index.verify(Timestamp(5), records), Vec::<String>::new());
    }
}

#[test]
fn a_new_vector_is_found_exactly_before_it_is_linked() {
    let vectors = clustered(2_000, 16, 3);
    let mut index = filled(VectorOptions::new(16, Metric::L2), &vectors);
    fold_all(&mut index);
    for (place, vector) in clustered(50, 16, 4).iter().enumerate() {
        let record = RecordId(10_000 + place as u32);
        index.insert(record, vector, Timestamp(2));
        let found = index.search(vector, 1, None, Timestamp(2), None).unwrap();
        assert_eq!(found, vec![(record, 0.0)]);
        let before = index.search(vector, 1, None, Timestamp(1), None).unwrap();
        assert_ne!(before[0].0, record);
    }
    assert_eq!(index.pending(), 50);
}

#[test]
fn an_old_snapshot_still_finds_what_was_removed() {
    let vectors = clustered(2_000, 16, 5);
    let mut index = filled(VectorOptions::new(16, Metric::L2), &vectors);
    fold_all(&mut index);
    let nearest = |index: &VectorIndex, record: usize, snapshot| {
        index.search(&vectors[record], 1, None, Timestamp(snapshot), None).unwrap()[0].0
    };
    for record in 0..500 {
        index.remove(RecordId(record), Timestamp(7));
    }
    for record in 0..500 {
        assert_eq!(nearest(&index, record, 6), RecordId(record as u32));
        assert_ne!(nearest(&index, record, 7), RecordId(record as u32));
    }
    assert_eq!(index.len(), 1_500);
    index.collect(Timestamp(7));
    fold_all(&mut index);
    let kept = (500..).map(RecordId).zip(&vectors[500..]);
    assert_eq!(index.verify(Timestamp(7), kept), Vec::<String>::new());
    for record in 500..2_000 {
        assert_eq!(nearest(&index, record, 7), RecordId(record as u32));
    }
}

#[test]
fn recall_survives_replacing_every_vector() {
    let mut vectors = clustered(3_000, 24, 6);
    let queries = clustered(100, 24, 8);
    let mut index = filled(VectorOptions::new(24, Metric::L2), &vectors);
    fold_all(&mut index);
    let fresh = clustered(6_000, 24, 7);
    for (place, vector) in fresh.iter().enumerate() {
        let record = (place * 7) % 3_000;
        index.remove(RecordId(record as u32), Timestamp(3));
        index.insert(RecordId(record as u32), vector, Timestamp(3));
        vectors[record].clone_from(vector);
        index.collect(Timestamp(3));
        if place % 50 == 0 {
            fold_all(&mut index);
        }
    }
    fold_all(&mut index);
    let recall = recall(&index, &model_of(&vectors), &queries, 10);
    assert!(recall >= 0.95, "recall {recall}");
    assert!(index.entries.slot_count() < 4_500, "slots are used again");
}

#[test]
fn a_filter_always_leaves_k() {
    let vectors = clustered(5_000, 16, 9);
    let mut index = filled(VectorOptions::new(16, Metric::L2), &vectors);
    let queries = clustered(20, 16, 10);
    fold_all(&mut index);
    for (place, vector) in clustered(100, 16, 14).iter().enumerate() {
        index.insert(RecordId(5_000 + place as u32), vector, Timestamp(1));
    }
    for modulus in [1, 2, 3, 10, 100, 1_000] {
        let (mut hits, mut wanted) = (0, 0);
        for query in &queries {
            let mut pass = |records: &[RecordId]| -> Result<Vec<bool>, Error> {
                assert!(records.len() <= 256);
                Ok(records.iter().map(|record| record.0 % modulus == 0).collect())
            };
            let k = 10.min(5_100_usize.div_ceil(modulus as usize));
            let now = Timestamp(1);
            let found = index.search(query, k, None, now, Some(&mut pass)).unwrap();
            let exact = index.search_exact(query, k, now, Some(&mut pass)).unwrap();
            assert_eq!(found.len(), k);
            assert!(found.iter().all(|(record, _)| record.0 % modulus == 0));
            assert!(found.is_sorted_by(|a, b| a.1 < b.1 || (a.1 == b.1 && a.0 < b.0)));
            wanted += k;
            hits += found.iter().filter(|hit| exact.contains(hit)).count();
        }
        let recall = hits as f64 / wanted as f64;
        assert!(recall >= 0.95, "one in {modulus} passes: recall {recall}");
    }
}

#[test]
fn a_failing_filter_fails_the_search() {
    let vectors = clustered(3_000, 8, 1);
    let mut index = filled(VectorOptions::new(8, Metric::L2), &vectors);
    fold_all(&mut index);
    let mut fail = |_: &[RecordId]| Err(Error::InvalidValue("no".to_owned()));
    assert!(index.search(&vectors[0], 3, None, Timestamp(1), Some(&mut fail)).is_err());
    assert!(index.search_exact(&vectors[0], 3, Timestamp(1), Some(&mut fail)).is_err());
    let mut short = |_: &[RecordId]| Ok(Vec::new());
    assert!(index.search(&vectors[0], 3, None, Timestamp(1), Some(&mut short)).is_err());
}

#[test]
fn equal_vectors_come_in_record_order_and_k_is_filled() {
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        let vectors = vec![vec![1.0, 2.0]; 3_000];
        let mut index = filled(VectorOptions::new(2, metric), &vectors);
        fold_all(&mut index);
        for k in [1, 10, 100, 3_000, 5_000] {
            let found = index.search(&[1.0, 2.0], k, None, Timestamp(1), None).unwrap();
            assert_eq!(found.len(), k.min(3_000), "{metric:?}");
            assert!(found.is_sorted());
        }
        let exact = index.search_exact(&[1.0, 2.0], 5, Timestamp(1), None).unwrap();
        let records: Vec<u32> = exact.iter().map(|(record, _)| record.0).collect();
        assert_eq!(records, [0, 1, 2, 3, 4]);
    }
}

#[test]
fn one_dimension_works() {
    let vectors: Vec<Vec<f32>> = (0..2_000).map(|place| vec![place as f32]).collect();
    let mut index = filled(VectorOptions::new(1, Metric::L2), &vectors);
    fold_all(&mut index);
    let found = index.search(&[700.2], 3, None, Timestamp(1), None).unwrap();
    let records: HashSet<u32> = found.iter().map(|(record, _)| record.0).collect();
    assert_eq!(records, HashSet::from([699, 700, 701]));
}

#[test]
fn vectors_without_a_distance_sort_last_and_break_nothing() {
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        let mut vectors = clustered(1_500, 4, 2);
        for special in [f32::NAN, f32::INFINITY, f32::MAX, 0.0] {
            vectors.push(vec![special; 4]);
        }
        let mut index = filled(VectorOptions::new(4, metric), &vectors);
        fold_all(&mut index);
        for query in [[0.1, 0.2, 0.3, 0.4], [0.0; 4], [f32::NAN; 4], [f32::MAX; 4]] {
            let all = index.search(&query, 2_000, None, Timestamp(1), None).unwrap();
            assert_eq!(all.len(), 1_504, "{metric:?} {query:?}");
            let first_nan = all.partition_point(|(_, distance)| !distance.is_nan());
            assert!(all[first_nan..].iter().all(|(_, distance)| distance.is_nan()));
            assert!(all[first_nan..].is_sorted_by_key(|(record, _)| *record));
            let top = index.search(&query, 10, None, Timestamp(1), None).unwrap();
            assert_eq!(top.len(), 10);
        }
        let records = (0..).map(RecordId).zip(&vectors);
        assert_eq!(index.verify(Timestamp(1), records), Vec::<String>::new());
    }
}

#[test]
fn removing_everything_leaves_an_index_that_works() {
    let vectors = clustered(1_000, 8, 1);
    let mut index = filled(VectorOptions::new(8, Metric::L2), &vectors);
    fold_all(&mut index);
    for record in 0..1_000 {
        index.remove(RecordId(record), Timestamp(2));
    }
    index.collect(Timestamp(2));
    assert!(index.search(&vectors[0], 5, None, Timestamp(2), None).unwrap().is_empty());
    // A vector is linked while every other node is forgotten.
    for (place, vector) in vectors.iter().enumerate() {
        index.insert(RecordId(5_000 + place as u32), vector, Timestamp(3));
    }
    fold_all(&mut index);
    assert_eq!(index.entries.slot_count(), 2_000);
    assert_eq!(index.verify(Timestamp(3), (5_000..).map(RecordId).zip(&vectors)), [""; 0]);
    assert_eq!(index.len(), 1_000);
}

#[test]
fn an_empty_index_answers() {
    let index = VectorIndex::open(VectorOptions::new(3, Metric::Cosine));
    assert!(index.is_empty());
    assert!(index.search(&[1.0, 0.0, 0.0], 3, None, Timestamp(9), None).unwrap().is_empty());
    let wrong = index.search(&[1.0], 3, None, Timestamp(9), None);
    assert!(matches!(wrong, Err(Error::InvalidValue(_))));
}

#[test]
fn options_out_of_range_are_named() {
    let good = VectorOptions::new(3, Metric::L2);
    assert!(good.checked().is_ok());
    for (bad, name) in [
        (VectorOptions { dim: 0, ..good }, "dimension"),
        (VectorOptions { dim: 16_385, ..good }, "16385"),
        (VectorOptions { m: 1, ..good }, "m is 1"),
        (VectorOptions { ef_construction: 8, ..good }, "ef_construction"),
        (VectorOptions { ef_search: 0, ..good }, "ef_search"),
    ] {
        let message = bad.checked().unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
}

/// One step of the model comparison.
#[derive(Clone, Debug)]
enum Step {
    Insert(u32, u8),
    Remove(u32),
    Fold(u8),
    Collect,
    Search(u8, u8, bool),
    /// Written to an image while records change, and read again.
    Image(Vec<(u32, u8, bool)>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u32..60, any::<u8>()).prop_map(|(record, seed)| Step::Insert(record, seed)),
        3 => (0_u32..60).prop_map(Step::Remove),
        3 => (0_u8..40).prop_map(Step::Fold),
        1 => Just(Step::Collect),
        2 => (any::<u8>(), 0_u8..80, any::<bool>()).prop_map(|(s, k, f)| Step::Search(s, k, f)),
        1 => proptest::collection::vec((0_u32..60, any::<u8>(), any::<bool>()), 0..8)
            .prop_map(Step::Image),
    ]
}

/// Vectors of few distinct values, so that duplicates and ties are common.
fn small_vector(seed: u8) -> Vec<f32> {
    (0..3).map(|place| f32::from(seed >> (2 * place) & 3)).collect()
}

/// Runs the steps on the index and on the model and compares every answer.
fn check_steps(metric: Metric, steps: Vec<Step>) {
    let mut index = VectorIndex::open(VectorOptions {
        m: 3,
        ef_construction: 6,
        ef_search: 2,
        ..VectorOptions::new(3, metric)
    });
    let mut model = Model::default();
    let (mut now, mut watermark) = (1, 0);
    for step in steps {
        now += 1;
        match step {
            Step::Insert(record, seed) => {
                end(&mut index, &mut model, record, now);
                index.insert(RecordId(record), &small_vector(seed), Timestamp(now));
                let vector = small_vector(seed);
                model.0.push(Version { record, vector, begin: now, end: u64::MAX });
            }
            Step::Remove(record) => end(&mut index, &mut model, record, now),
            Step::Fold(mut steps) => {
                index.fold(&mut || {
                    let go = steps > 0;
                    steps = steps.saturating_sub(1);
                    go
                });
            }
            Step::Collect => {
                watermark = now - (now - watermark) / 2;
                index.collect(Timestamp(watermark));
                model.0.retain(|version| version.end > watermark);
            }
            Step::Image(changes) => {
                index = imaged(index, &mut model, &changes, now);
                // Only what is current is in an image.
                watermark = now;
                model.0.retain(|version| version.end == u64::MAX);
            }
            Step::Search(seed, k, filtered) => {
                for snapshot in [watermark, (watermark + now) / 2, now] {
                    check_search(&index, &model, seed, usize::from(k), snapshot, filtered);
                }
            }
        }
        let current = model.0.iter().filter(|version| version.end == u64::MAX);
        let records = current.map(|version| (RecordId(version.record), &version.vector));
        assert_eq!(index.verify(Timestamp(now), records), Vec::<String>::new());
    }
}

/// Writes an image, block by block with changes in between, and returns the index that is read
/// from it, with the changed records indexed again.
fn imaged(
    mut index: VectorIndex,
    model: &mut Model,
    changes: &[(u32, u8, bool)],
    now: u64,
) -> VectorIndex {
    let keys: Vec<[u8; 4]> = (0..60_u32).map(u32::to_le_bytes).collect();
    let (head, mut portrayal) = index.begin_image();
    portrayal.set_block_slots(7);
    let mut blocks = Vec::new();
    let mut changed = HashSet::new();
    let mut changes = changes.iter();
    loop {
        if let Some((record, seed, present)) = changes.next() {
            changed.insert(*record);
            end(&mut index, model, *record, now);
            if *present {
                let vector = small_vector(*seed);
                index.insert(RecordId(*record), &vector, Timestamp(now));
                model.0.push(Version { record: *record, vector, begin: now, end: u64::MAX });
            }
            index.collect(Timestamp(now));
            index.fold(&mut || true);
        }
        let block = index.image_block(&mut portrayal, |record| &keys[record.0 as usize]);
        let Some(block) = block else { break };
        blocks.push(block);
    }
    index.end_image();
    for (record, seed, present) in changes {
        changed.insert(*record);
        end(&mut index, model, *record, now);
        if *present {
            let vector = small_vector(*seed);
            model.0.push(Version { record: *record, vector, begin: now, end: u64::MAX });
        }
    }
    let mut revival = Revival::begin(*index.options(), &head).unwrap();
    for block in &blocks {
        let known = &mut |key: &[u8]| {
            let record = u32::from_le_bytes(key.try_into().unwrap());
            (!changed.contains(&record)).then_some(RecordId(record))
        };
        revival.take(block, known).unwrap();
    }
    let mut revived = revival.finish().unwrap();
    for version in model.0.iter().filter(|version| version.end == u64::MAX) {
        if changed.contains(&version.record) {
            revived.insert(RecordId(version.record), &version.vector, Timestamp(version.begin));
        }
    }
    revived
}

fn end(index: &mut VectorIndex, model: &mut Model, record: u32, now: u64) {
    index.remove(RecordId(record), Timestamp(now));
    let open = |version: &&mut Version| version.record == record && version.end == u64::MAX;
    if let Some(version) = model.0.iter_mut().find(open) {
        version.end = now;
    }
}

fn check_search(
    index: &VectorIndex,
    model: &Model,
    seed: u8,
    k: usize,
    snapshot: u64,
    filtered: bool,
) {
    let query = small_vector(seed);
    let passes = |record: u32| !filtered || record.is_multiple_of(3);
    let mut pass = |records: &[RecordId]| -> Result<Vec<bool>, Error> {
        Ok(records.iter().map(|record| passes(record.0)).collect())
    };
    let mut truth = model.nearest(index.options().metric, &query, snapshot);
    truth.retain(|(record, _)| passes(*record));
    let exact = index.search_exact(&query, k, Timestamp(snapshot), Some(&mut pass)).unwrap();
    let found = index.search(&query, k, Some(1), Timestamp(snapshot), Some(&mut pass)).unwrap();
    assert_eq!(exact.len(), k.min(truth.len()));
    assert_eq!(found.len(), exact.len());
    for ((_, distance), (_, expected)) in exact.iter().zip(&truth) {
        let (distance, expected) = (f64::from(*distance), *expected);
        let close = (distance - expected).abs() < 1e-5 || (distance.is_nan() && expected.is_nan());
        assert!(close, "{distance} instead of {expected}");
    }
    let distinct: HashSet<RecordId> = found.iter().map(|(record, _)| *record).collect();
    assert_eq!(distinct.len(), found.len());
    let visible: HashSet<u32> = truth.iter().map(|(record, _)| *record).collect();
    assert!(found.iter().all(|(record, _)| visible.contains(&record.0)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_interleaving_agrees_with_the_model(
        metric in prop_oneof![
            Just(Metric::L2), Just(Metric::Cosine), Just(Metric::InnerProduct)
        ],
        steps in proptest::collection::vec(step(), 1..250),
    ) {
        check_steps(metric, steps);
    }
}

#[test]
fn an_image_has_every_link() {
    let vectors = clustered(1_500, 8, 1);
    let mut index = filled(VectorOptions::new(8, Metric::L2), &vectors);
    fold_all(&mut index);
    let keys: Vec<[u8; 4]> = (0..1_500_u32).map(u32::to_le_bytes).collect();
    let (head, mut portrayal) = index.begin_image();
    let mut revival = Revival::begin(*index.options(), &head).unwrap();
    let mut known = |key: &[u8]| Some(RecordId(u32::from_le_bytes(key.try_into().unwrap())));
    while let Some(block) = index.image_block(&mut portrayal, |record| &keys[record.0 as usize]) {
        revival.take(&block, &mut known).unwrap();
    }
    let revived = revival.finish().unwrap();
    assert_eq!(revived.pending(), 0);
    for slot in 0..1_500 {
        let (old, new) = (index.graph.links(), revived.graph.links());
        assert_eq!(old.level(slot), new.level(slot));
        for level in 0..=old.level(slot) {
            assert!(old.of(level, slot).eq(new.of(level, slot)));
        }
    }
    for query in vectors.iter().step_by(100) {
        let search = |index: &VectorIndex| index.search(query, 10, None, Timestamp(1), None);
        assert_eq!(search(&index).unwrap(), search(&revived).unwrap());
    }
}

#[test]
fn bytes_that_are_no_image_are_refused() {
    let mut index = filled(VectorOptions::new(4, Metric::L2), &clustered(20, 4, 1));
    index.fold(&mut || true);
    let (head, mut portrayal) = index.begin_image();
    let block = index.image_block(&mut portrayal, |_| &[7]).unwrap();
    let options = *index.options();
    let mut one = |_: &[u8]| Some(RecordId(1));
    let twice = Revival::begin(options, &head).unwrap().take(&block, &mut one);
    assert!(matches!(twice, Err(Error::Corrupt(_))), "one key for many slots");
    for other in [VectorOptions { dim: 5, ..options }, VectorOptions { m: 4, ..options }] {
        assert!(matches!(Revival::begin(other, &head), Err(Error::Corrupt(_))));
    }
    for cut in 0..head.len() {
        assert!(Revival::begin(options, &head[..cut]).is_err(), "{cut}");
    }
    // Whatever the bytes are, what comes of them is an error or a sound index.
    let mut random = Random(3);
    for _ in 0..3_000 {
        let mut block = block.clone();
        for _ in 0..=random.next() % 3 {
            let place = random.next() as usize % block.len();
            block[place] = random.next() as u8;
        }
        block.truncate(block.len() - (random.next() % 2) as usize * 3);
        let mut revival = Revival::begin(options, &head).unwrap();
        let mut next = 0;
        let mut known = |_: &[u8]| {
            next += 1;
            Some(RecordId(next))
        };
        if revival.take(&block, &mut known).is_ok()
            && let Ok(mut index) = revival.finish()
        {
            let mut findings = Vec::new();
            index.verify_links(&mut findings);
            assert_eq!(findings, Vec::<String>::new());
            index.search(&[0.0; 4], 3, None, Timestamp(1), None).unwrap();
            index.fold(&mut || true);
        }
    }
}

#[test]
fn the_same_operations_build_the_same_graph() {
    let vectors = clustered(1_500, 8, 1);
    let build = || {
        let mut index = filled(VectorOptions::new(8, Metric::L2), &vectors);
        fold_all(&mut index);
        let links = index.graph.links();
        let of = |slot| links.of(0, slot).collect::<Vec<u32>>();
        (0..1_500).map(of).collect::<Vec<_>>()
    };
    assert_eq!(build(), build());
}
