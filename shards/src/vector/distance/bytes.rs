//! How is a query of small integers compared with rows of bytes?
//!
//! The dot product of a row of `u8` with a query of `i8` is an integer: every instruction set says
//! exactly the same. Rows are whole cache lines; what is no element is zero in the query.

use super::prefetch::prefetch;

/// Bytes of a cache line, of which rows are multiples.
pub const LINE_BYTES: usize = 64;

/// A matrix of bytes: row `i` is `data[i * stride..][..stride]`.
#[derive(Clone, Copy)]
pub struct ByteRows<'a> {
    /// The rows one after the other.
    pub data: &'a [u8],
    /// Bytes from one row to the next, a multiple of [`LINE_BYTES`].
    pub stride: usize,
}

impl<'a> ByteRows<'a> {
    /// Returns row `index`.
    ///
    /// **Panics**: when there is no such row.
    #[inline]
    pub fn row(self, index: u32) -> &'a [u8] {
        &self.data[index as usize * self.stride..][..self.stride]
    }

    /// Asks the processor to fetch row `index`.
    #[inline]
    pub fn prefetch(self, index: u32) {
        prefetch(self.row(index));
    }
}

/// A kernel for one query and many rows: `out[i]` becomes the dot product with row `slots[i]`.
/// `query` is as long as a row, at most 32,768, and `out` as long as `slots`.
pub type DotBytes = fn(query: &[i8], rows: ByteRows<'_>, slots: &[u32], out: &mut [i32]);

/// The byte kernel of one instruction set.
#[derive(Clone, Copy)]
pub struct ByteKernel {
    /// Name of the instruction set, for reports.
    pub name: &'static str,
    /// Dot products of many rows.
    pub dot_many: DotBytes,
}

impl ByteKernel {
    /// The kernel that runs anywhere.
    pub const SCALAR: Self = Self { name: "scalar", dot_many };

    /// Returns the kernels this processor can run, fastest first.
    pub fn available() -> Vec<Self> {
        let mut kernels = Vec::with_capacity(3);
        #[cfg(target_arch = "x86_64")]
        {
            kernels.extend(super::bytes_avx512::kernel());
            kernels.extend(super::bytes_avx2::kernel());
        }
        kernels.push(Self::SCALAR);
        kernels
    }

    /// Returns the fastest kernel of this processor.
    pub fn best() -> Self {
        Self::available()[0]
    }
}

fn dot_many(query: &[i8], rows: ByteRows<'_>, slots: &[u32], out: &mut [i32]) {
    for (slot, value) in slots.iter().zip(out) {
        let pairs = rows.row(*slot).iter().zip(query);
        *value = pairs.map(|(x, y)| i32::from(*x) * i32::from(*y)).sum();
    }
}
