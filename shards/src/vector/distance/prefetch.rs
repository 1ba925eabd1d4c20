//! How is a row asked for before it is needed?

/// Elements per 64-byte cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 16;

/// Asks for every cache line of `row`.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn prefetch<T>(row: &[T]) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    for line in row.chunks(LINE * size_of::<f32>() / size_of::<T>().max(1)) {
        // SAFETY: a prefetch is a hint; the address lies within a live slice.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
}

/// Does nothing: the portable kernels leave it to the processor.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub fn prefetch<T>(_row: &[T]) {}
