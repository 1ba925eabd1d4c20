//! The dot product of bytes with 512-bit registers and VNNI.
//!
//! One instruction multiplies and adds 64 pairs, so a row of two lines costs less than its way
//! here: all rows are asked for first, and four are added up at a time.

use std::arch::x86_64::{
    __m512i, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_reduce_add_epi32, _mm512_setzero_si512,
};

use super::bytes::{ByteKernel, ByteRows, LINE_BYTES};

/// Rows compared at a time.
const ROWS: usize = 4;

/// Returns the kernel, if this processor can run it.
pub fn kernel() -> Option<ByteKernel> {
    let able = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni");
    able.then_some(ByteKernel {
        name: "avx512vnni",
        // SAFETY: only reachable through this table, which exists only if the features do.
        dot_many: |query, rows, slots, out| unsafe { many(query, rows, slots, out) },
    })
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn many(query: &[i8], rows: ByteRows<'_>, slots: &[u32], out: &mut [i32]) {
    for slot in slots {
        rows.prefetch(*slot);
    }
    let query = query.as_chunks::<LINE_BYTES>().0;
    let (groups, rest) = slots.as_chunks::<ROWS>();
    let (out_groups, out_rest) = out.as_chunks_mut::<ROWS>();
    for (slots, out) in groups.iter().zip(out_groups) {
        let [a, b, c, d] = *slots;
        *out = dot(query, [rows.row(a), rows.row(b), rows.row(c), rows.row(d)]);
    }
    for (slot, out) in rest.iter().zip(out_rest) {
        *out = dot(query, [rows.row(*slot)])[0];
    }
}

/// Returns the dot product with each of `N` rows, none of them shorter than the query.
/// Loops, not closures: those would not be compiled for the features.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn dot<const N: usize>(query: &[[i8; LINE_BYTES]], rows: [&[u8]; N]) -> [i32; N] {
    let mut lines: [&[[u8; LINE_BYTES]]; N] = [&[]; N];
    for row in 0..N {
        lines[row] = &rows[row].as_chunks::<LINE_BYTES>().0[..query.len()];
    }
    let mut sums = [_mm512_setzero_si512(); N];
    for line in 0..query.len() {
        let query = load_signed(&query[line]);
        for row in 0..N {
            sums[row] = _mm512_dpbusd_epi32(sums[row], load(&lines[row][line]), query);
        }
    }
    let mut dots = [0; N];
    for row in 0..N {
        dots[row] = _mm512_reduce_add_epi32(sums[row]);
    }
    dots
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(line: &[u8; LINE_BYTES]) -> __m512i {
    // SAFETY: the array holds the 64 bytes that are read; any alignment is allowed.
    unsafe { _mm512_loadu_si512(line.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_signed(line: &[i8; LINE_BYTES]) -> __m512i {
    // SAFETY: the array holds the 64 bytes that are read; any alignment is allowed.
    unsafe { _mm512_loadu_si512(line.as_ptr().cast()) }
}
