//! The dot product of bytes with 256-bit registers.
//!
//! Bytes are widened to 16 bits before they are multiplied: the instruction that multiplies bytes
//! saturates.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm256_add_epi32, _mm256_cvtepi8_epi16,
    _mm256_cvtepu8_epi16, _mm256_madd_epi16, _mm256_setzero_si256, _mm256_storeu_si256,
};

use super::bytes::{ByteKernel, ByteRows};

/// Bytes widened at a time.
const PART: usize = 16;

/// Returns the kernel, if this processor can run it.
pub fn kernel() -> Option<ByteKernel> {
    is_x86_feature_detected!("avx2").then_some(ByteKernel {
        name: "avx2",
        // SAFETY: only reachable through this table, which exists only if the features do.
        dot_many: |query, rows, slots, out| unsafe { many(query, rows, slots, out) },
    })
}

#[target_feature(enable = "avx2")]
fn many(query: &[i8], rows: ByteRows<'_>, slots: &[u32], out: &mut [i32]) {
    for slot in slots {
        rows.prefetch(*slot);
    }
    for (slot, out) in slots.iter().zip(out) {
        *out = dot(query, rows.row(*slot));
    }
}

/// Returns the dot product; the shorter length counts, in whole parts.
#[inline]
#[target_feature(enable = "avx2")]
fn dot(query: &[i8], row: &[u8]) -> i32 {
    let parts = query.as_chunks::<PART>().0.iter().zip(row.as_chunks::<PART>().0);
    let mut sums = [_mm256_setzero_si256(); 2];
    for (place, (query, row)) in parts.enumerate() {
        let query = _mm256_cvtepi8_epi16(load(query));
        let row = _mm256_cvtepu8_epi16(load(row));
        let sum = &mut sums[place % 2];
        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(query, row));
    }
    reduce(_mm256_add_epi32(sums[0], sums[1]))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load<T>(part: &[T; PART]) -> __m128i {
    const { assert!(size_of::<T>() == 1, "sixteen bytes are read") };
    // SAFETY: the array holds the 16 bytes that are read; any alignment is allowed.
    unsafe { _mm_loadu_si128(part.as_ptr().cast()) }
}

/// Returns the sum of the lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn reduce(sum: __m256i) -> i32 {
    let mut lanes = [0_i32; 8];
    // SAFETY: the array holds the 32 bytes that are written; any alignment is allowed.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), sum) };
    lanes.iter().sum()
}
