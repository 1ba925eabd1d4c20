//! Which kernels does this processor run, and over which rows?
//!
//! The choice is made once per index and kept as a table of function pointers: an indirect call
//! costs a few nanoseconds against some hundred for a distance.

use super::prefetch::prefetch;
use super::scalar;

/// A matrix of vectors: row `i` is `data[i * stride..][..stride]`.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// The rows one after the other, row-major.
    pub data: &'a [f32],
    /// Elements from one row to the next.
    pub stride: usize,
}

impl<'a> Rows<'a> {
    /// Returns row `index`.
    ///
    /// **Panics**: when there is no such row.
    #[inline]
    pub fn row(self, index: u32) -> &'a [f32] {
        &self.data[index as usize * self.stride..][..self.stride]
    }

    /// Asks the processor to fetch row `index`.
    #[inline]
    pub fn prefetch(self, index: u32) {
        prefetch(self.row(index));
    }
}

/// A kernel for one pair of arrays of the same length.
pub type One = fn(&[f32], &[f32]) -> f32;
/// A kernel for one query and many rows: `out[i]` becomes the value for row `slots[i]`.
/// `query` is as long as a row and `out` as long as `slots`.
pub type Many = fn(query: &[f32], rows: Rows<'_>, slots: &[u32], out: &mut [f32]);

/// The kernels of one instruction set.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// Name of the instruction set, for reports.
    pub name: &'static str,
    /// Squared Euclidean distance of one pair.
    pub l2sq: One,
    /// Dot product of one pair.
    pub dot: One,
    /// Squared Euclidean distances of many rows; same bits as `l2sq`.
    pub l2sq_many: Many,
    /// Dot products of many rows; same bits as `dot`.
    pub dot_many: Many,
}

impl Kernels {
    /// The kernels that run anywhere.
    pub const SCALAR: Self = Self {
        name: "scalar",
        l2sq: scalar::l2sq,
        dot: scalar::dot,
        l2sq_many: scalar::l2sq_many,
        dot_many: scalar::dot_many,
    };

    /// Returns the kernels this processor can run, fastest first.
    pub fn available() -> Vec<Self> {
        let mut kernels = Vec::with_capacity(3);
        #[cfg(target_arch = "x86_64")]
        {
            kernels.extend(super::avx512::kernels());
            kernels.extend(super::avx2::kernels());
        }
        kernels.push(Self::SCALAR);
        kernels
    }

    /// Returns the fastest kernels of this processor.
    pub fn best() -> Self {
        Self::available()[0]
    }
}
