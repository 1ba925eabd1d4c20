//! Where do vectors lie, and how far are they from a query?
//!
//! Row `slot` of one contiguous matrix on huge pages. Distances here are for comparing only:
//! the squared distance under L2, the negative dot product otherwise; [`Vectors::reported`]
//! turns them into what a user sees.

use pieskieo_io::arena::HugeVec;

use super::distance::{Kernels, Rows};
use super::options::Metric;

/// The vectors of an index.
pub struct Vectors {
    data: HugeVec<f32>,
    /// Elements per row, a multiple of a cache line.
    stride: usize,
    metric: Metric,
    kernels: Kernels,
}

impl Vectors {
    /// Returns an empty matrix with rows of `stride` elements.
    pub fn open(stride: usize, metric: Metric, kernels: Kernels) -> Self {
        Self { data: HugeVec::new(), stride, metric, kernels }
    }

    /// Writes `row` at `slot`, at most one past the last.
    pub fn put(&mut self, slot: u32, row: &[f32]) {
        debug_assert_eq!(row.len(), self.stride);
        let start = slot as usize * self.stride;
        if start == self.data.len() {
            self.data.extend_from_slice(row);
        } else {
            self.data[start..][..self.stride].copy_from_slice(row);
        }
    }

    /// Returns the row at `slot`.
    #[inline]
    pub fn row(&self, slot: u32) -> &[f32] {
        self.rows().row(slot)
    }

    #[inline]
    fn rows(&self) -> Rows<'_> {
        Rows { data: &self.data, stride: self.stride }
    }

    /// Writes the distance from `query` to each of `slots` over `distances`.
    ///
    /// **Cost**: one kernel call; no allocation once `distances` has grown.
    #[inline]
    pub fn distances(&self, query: &[f32], slots: &[u32], distances: &mut Vec<f32>) {
        distances.resize(slots.len(), 0.0);
        match self.metric {
            Metric::L2 => (self.kernels.l2sq_many)(query, self.rows(), slots, distances),
            Metric::Cosine | Metric::InnerProduct => {
                (self.kernels.dot_many)(query, self.rows(), slots, distances);
                for distance in distances {
                    *distance = -*distance;
                }
            }
        }
    }

    /// Returns the distance as users know it, from the one used for comparing.
    pub fn reported(&self, distance: f32) -> f32 {
        match self.metric {
            Metric::L2 => distance.sqrt(),
            Metric::Cosine => (1.0 + distance).clamp(0.0, 2.0),
            Metric::InnerProduct => distance,
        }
    }

    /// Returns the bytes in use.
    pub fn memory_bytes(&self) -> usize {
        self.data.memory_bytes()
    }
}
