//! What is the distance, on any processor?
//!
//! Sixteen independent sums, so that the compiler may use whatever vector registers it is
//! allowed to assume. The oracle of the other kernels, up to rounding.

use super::dispatch::Rows;

/// Independent partial sums.
const LANES: usize = 16;

/// Returns the squared Euclidean distance; the shorter length counts.
pub fn l2sq(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |x, y| {
        let difference = x - y;
        difference * difference
    })
}

/// Returns the dot product; the shorter length counts.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |x, y| x * y)
}

/// Writes the squared Euclidean distance of each row in `slots`.
pub fn l2sq_many(query: &[f32], rows: Rows<'_>, slots: &[u32], out: &mut [f32]) {
    for (slot, value) in slots.iter().zip(out) {
        *value = l2sq(query, rows.row(*slot));
    }
}

/// Writes the dot product of each row in `slots`.
pub fn dot_many(query: &[f32], rows: Rows<'_>, slots: &[u32], out: &mut [f32]) {
    for (slot, value) in slots.iter().zip(out) {
        *value = dot(query, rows.row(*slot));
    }
}

#[inline]
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let shared = a.len().min(b.len());
    let (a, a_rest) = a[..shared].as_chunks::<LANES>();
    let (b, b_rest) = b[..shared].as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += term(a[lane], b[lane]);
        }
    }
    for (lane, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] += term(*x, *y);
    }
    sums.iter().sum()
}
