//! Does an index whose nodes have codes find what it must?

use super::tests::{clustered, filled, fold_all, model_of, recall};
use super::{Metric, Revival, VectorIndex, VectorOptions};
use crate::Error;
use crate::ids::{RecordId, Timestamp};

const NOW: Timestamp = Timestamp(5);

/// Vectors that differ as much in every direction: codes keep all their elements.
fn round(count: usize, dim: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut state = seed;
    let mut unit = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let mut normal = move || (0..6).map(|_| unit()).sum::<f32>() - 3.0;
    (0..count).map(|_| (0..dim).map(|_| normal()).collect()).collect()
}

fn coded(options: VectorOptions, vectors: &[Vec<f32>]) -> VectorIndex {
    let mut index = filled(options, vectors);
    fold_all(&mut index);
    assert!(index.codes.is_some() && index.coding.is_none());
    index
}

/// Returns what a scan without codes finds.
fn without_codes(
    index: &mut VectorIndex,
    query: &[f32],
    k: usize,
    modulus: u32,
) -> Vec<(RecordId, f32)> {
    let codes = index.codes.take();
    let mut pass = passing(modulus);
    let found = index.search_exact(query, k, NOW, Some(&mut pass)).unwrap();
    index.codes = codes;
    found
}

fn passing(modulus: u32) -> impl FnMut(&[RecordId]) -> Result<Vec<bool>, Error> {
    move |records| Ok(records.iter().map(|record| record.0.is_multiple_of(modulus)).collect())
}

#[test]
fn recall_by_codes_is_high() {
    for (metric, dim, is_round, least) in [
        (Metric::L2, 96, false, 0.97),
        (Metric::Cosine, 200, false, 0.97),
        (Metric::InnerProduct, 96, false, 0.9),
        (Metric::L2, 80, true, 0.9),
        (Metric::Cosine, 70, true, 0.9),
    ] {
        let make = if is_round { round } else { clustered };
        let (vectors, queries) = (make(2_500, dim, 11), make(60, dim, 12));
        let index = coded(VectorOptions::new(dim, metric), &vectors);
        let recall = recall(&index, &model_of(&vectors), &queries, 10);
        assert!(recall >= least, "{metric:?} {dim}: recall {recall}");
        let records = (0..).map(RecordId).zip(&vectors);
        assert_eq!(index.verify(NOW, records), Vec::<String>::new());
    }
}

#[test]
fn a_scan_of_codes_answers_as_one_of_vectors() {
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        for (dim, is_round) in [(96, false), (80, true)] {
            let make = if is_round { round } else { clustered };
            let mut vectors = make(1_500, dim, 3);
            // Equal ones, far ones, and some that no code stands for.
            vectors.extend_from_within(..20);
            vectors.extend(vectors[..20].to_vec().iter().map(|v| scaled(v, 300.0)));
            vectors.extend(vectors[..20].to_vec().iter().map(|v| scaled(v, 1e17)));
            vectors.push(vec![0.0; dim]);
            vectors.push(vec![f32::NAN; dim]);
            let mut index = coded(VectorOptions::new(dim, metric), &vectors);
            let mut queries = make(10, dim, 4);
            queries.extend([vectors[0].clone(), scaled(&vectors[1], 1e4), vec![0.0; dim]]);
            queries.extend([scaled(&vectors[1], 1e17), vec![f32::MAX; dim], vec![1e-30; dim]]);
            for (query, modulus) in queries.iter().zip([1, 3, 50].into_iter().cycle()) {
                for k in [1, 10, 200] {
                    let expected = without_codes(&mut index, query, k, modulus);
                    let mut pass = passing(modulus);
                    let found = index.search_exact(query, k, NOW, Some(&mut pass)).unwrap();
                    let bits = |found: &[(RecordId, f32)]| -> Vec<(RecordId, u32)> {
                        found.iter().map(|(record, far)| (*record, far.to_bits())).collect()
                    };
                    assert_eq!(bits(&found), bits(&expected), "{metric:?} {dim} {k} {modulus}");
                    let walked = index.search(query, k, None, NOW, Some(&mut pass)).unwrap();
                    assert_eq!(walked.len(), expected.len(), "{metric:?} {dim} {k} {modulus}");
                }
            }
        }
    }
}

fn scaled(vector: &[f32], factor: f32) -> Vec<f32> {
    vector.iter().map(|x| x * factor).collect()
}

#[test]
fn codes_follow_what_comes_goes_and_is_repaired() {
    let mut vectors = clustered(1_600, 64, 6);
    let mut index = coded(VectorOptions::new(64, Metric::L2), &vectors);
    for (place, vector) in clustered(1_600, 64, 7).iter().enumerate() {
        let record = (place * 7) % 1_600;
        index.remove(RecordId(record as u32), Timestamp(3));
        index.insert(RecordId(record as u32), vector, Timestamp(3));
        vectors[record].clone_from(vector);
        index.collect(Timestamp(3));
        if place % 100 == 0 {
            fold_all(&mut index);
        }
        if place == 800 {
            // Codes are made anew in the middle.
            index.coded_next = 0;
        }
    }
    fold_all(&mut index);
    let queries = clustered(60, 64, 8);
    let recall = recall(&index, &model_of(&vectors), &queries, 10);
    assert!(recall >= 0.95, "recall {recall}");
    assert!(index.entries.slot_count() < 3_000, "slots are used again");
    let kept = (0..).map(RecordId).zip(&vectors);
    assert_eq!(index.verify(NOW, kept), Vec::<String>::new());
    for query in &queries {
        let expected = without_codes(&mut index, query, 10, 1);
        assert_eq!(index.search_exact(query, 10, NOW, None).unwrap(), expected);
    }
}

#[test]
fn an_index_from_an_image_gets_its_codes_again() {
    let vectors = clustered(1_200, 96, 1);
    let mut index = coded(VectorOptions::new(96, Metric::Cosine), &vectors);
    let keys: Vec<[u8; 4]> = (0..1_200_u32).map(u32::to_le_bytes).collect();
    let (head, mut portrayal) = index.begin_image();
    let mut revival = Revival::begin(*index.options(), &head).unwrap();
    let mut known = |key: &[u8]| Some(RecordId(u32::from_le_bytes(key.try_into().unwrap())));
    while let Some(block) = index.image_block(&mut portrayal, |record| &keys[record.0 as usize]) {
        revival.take(&block, &mut known).unwrap();
    }
    let mut revived = revival.finish().unwrap();
    let queries = clustered(30, 96, 2);
    assert!(revived.codes.is_none());
    let model = model_of(&vectors);
    assert!(recall(&revived, &model, &queries, 10) >= 0.97);
    fold_all(&mut revived);
    assert!(revived.codes.is_some());
    assert!(recall(&revived, &model, &queries, 10) >= 0.97);
}

#[test]
fn equal_vectors_have_codes_too() {
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        let vectors = vec![vec![2.0; 64]; 1_300];
        let index = coded(VectorOptions::new(64, metric), &vectors);
        let found = index.search(&vectors[0], 10, None, NOW, None).unwrap();
        assert_eq!(found.len(), 10, "{metric:?}");
        let exact = index.search_exact(&vectors[0], 5, NOW, None).unwrap();
        let records: Vec<u32> = exact.iter().map(|(record, _)| record.0).collect();
        assert_eq!(records, [0, 1, 2, 3, 4]);
    }
}

#[test]
fn short_vectors_have_no_codes() {
    let mut index = filled(VectorOptions::new(63, Metric::L2), &clustered(1_100, 63, 1));
    fold_all(&mut index);
    assert!(index.codes.is_none());
}
