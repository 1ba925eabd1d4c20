//! The distance with 256-bit registers.
//!
//! Four sums per row hide the latency of the fused multiply-add. A query is compared with
//! two rows at a time: the misses of several rows overlap, and the next rows are asked for
//! meanwhile. Sums are laid out the same however many rows there are.

use std::arch::x86_64::{
    __m256, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    _mm256_sub_ps,
};

use super::dispatch::{Kernels, Rows};
use super::prefetch::prefetch;

/// Elements per register.
const LANES: usize = 8;
/// Independent sums per row.
const SUMS: usize = 4;
/// Rows compared at a time.
const ROWS: usize = 2;

/// Returns the kernels, if this processor can run them.
pub fn kernels() -> Option<Kernels> {
    let able = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    able.then_some(Kernels {
        name: "avx2",
        // SAFETY: only reachable through this table, which exists only if the features do.
        l2sq: |a, b| unsafe { one::<true>(a, b) },
        // SAFETY: as above.
        dot: |a, b| unsafe { one::<false>(a, b) },
        // SAFETY: as above.
        l2sq_many: |query, rows, slots, out| unsafe { many::<true>(query, rows, slots, out) },
        // SAFETY: as above.
        dot_many: |query, rows, slots, out| unsafe { many::<false>(query, rows, slots, out) },
    })
}

/// Returns the value for one pair; the shorter length counts.
#[target_feature(enable = "avx2,fma")]
fn one<const L2: bool>(a: &[f32], b: &[f32]) -> f32 {
    compare::<L2, 1>(a, [b])[0]
}

/// Writes the value for each row in `slots`.
#[target_feature(enable = "avx2,fma")]
fn many<const L2: bool>(query: &[f32], rows: Rows<'_>, slots: &[u32], out: &mut [f32]) {
    let (groups, rest) = slots.as_chunks::<ROWS>();
    let (out_groups, out_rest) = out.as_chunks_mut::<ROWS>();
    for (index, (slots, out)) in groups.iter().zip(out_groups).enumerate() {
        let next = groups.get(index + 1).map_or(rest, |group| group);
        for slot in next {
            prefetch(rows.row(*slot));
        }
        *out = compare::<L2, ROWS>(query, slots.map(|slot| rows.row(slot)));
    }
    for (slot, out) in rest.iter().zip(out_rest) {
        *out = compare::<L2, 1>(query, [rows.row(*slot)])[0];
    }
}

/// Returns the value for each of `N` rows; the shortest length counts.
#[expect(clippy::needless_range_loop, reason = "`part` and `row` name places in several arrays")]
#[inline]
#[target_feature(enable = "avx2,fma")]
fn compare<const L2: bool, const N: usize>(query: &[f32], rows: [&[f32]; N]) -> [f32; N] {
    let shared = rows.iter().fold(query.len(), |length, row| length.min(row.len()));
    let query = &query[..shared];
    let rows = rows.map(|row| &row[..shared]);
    let (query_blocks, query_rest) = query.as_chunks::<{ LANES * SUMS }>();
    let row_blocks = rows.map(|row| row.as_chunks::<{ LANES * SUMS }>().0);
    let mut sums = [[_mm256_setzero_ps(); SUMS]; N];
    for (block, query) in query_blocks.iter().enumerate() {
        for part in 0..SUMS {
            let a = load(query, part);
            for row in 0..N {
                let b = load(&row_blocks[row][block], part);
                sums[row][part] = add::<L2>(a, b, sums[row][part]);
            }
        }
    }
    let done = shared - query_rest.len();
    let (tails, last) = query_rest.as_chunks::<LANES>();
    for (part, query) in tails.iter().enumerate() {
        let a = load(query, 0);
        for row in 0..N {
            let b = load(&rows[row][done + part * LANES..], 0);
            sums[row][part] = add::<L2>(a, b, sums[row][part]);
        }
    }
    if !last.is_empty() {
        let a = padded(last);
        for row in 0..N {
            let b = padded(&rows[row][shared - last.len()..]);
            sums[row][SUMS - 1] = add::<L2>(load(&a, 0), load(&b, 0), sums[row][SUMS - 1]);
        }
    }
    sums.map(|[a, b, c, d]| reduce(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d))))
}

/// Returns `sum` plus the term of each lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add<const L2: bool>(a: __m256, b: __m256, sum: __m256) -> __m256 {
    if L2 {
        let difference = _mm256_sub_ps(a, b);
        _mm256_fmadd_ps(difference, difference, sum)
    } else {
        _mm256_fmadd_ps(a, b, sum)
    }
}

/// Returns the register at position `part` of `block`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(block: &[f32], part: usize) -> __m256 {
    let lanes = &block[part * LANES..][..LANES];
    // SAFETY: the slice holds the 8 elements that are read; any alignment is allowed.
    unsafe { _mm256_loadu_ps(lanes.as_ptr()) }
}

/// Returns the sum of the lanes.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn reduce(sum: __m256) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    // SAFETY: the array holds the 8 elements that are written; any alignment is allowed.
    unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), sum) };
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// Returns fewer than a register's elements followed by zeros, which add nothing to any sum.
fn padded(elements: &[f32]) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    lanes[..elements.len()].copy_from_slice(elements);
    lanes
}
