//! What may be chosen about an index?

use crate::Error;

/// Most dimensions of a vector.
pub const DIM_MAX: usize = 16_384;
/// Most links per node and level: a search costs about this many distances per step.
const LINKS_MAX: usize = 128;
/// Widest beam: its heaps stay within a few hundred KiB.
const BEAM_MAX: usize = 4_096;

/// A distance between vectors; smaller is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Euclidean distance, `<->`.
    L2,
    /// One minus cosine similarity, `<=>`. The distance to a zero vector is NaN and sorts last.
    Cosine,
    /// Negative inner product, `<#>`.
    InnerProduct,
}

/// The shape of one vector index. Plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorOptions {
    /// Elements per vector, `1..=16384`.
    pub dim: usize,
    /// What "near" means.
    pub metric: Metric,
    /// Links per node on the upper levels, twice as many on level 0. `2..=128`, default 16.
    /// More links: better recall in many dimensions, more memory (8 bytes each), slower build.
    pub m: usize,
    /// Beam width while linking, `m..=4096`, default 200. Wider: better recall, slower build.
    pub ef_construction: usize,
    /// Beam width of a search that names none, `1..=4096`, default 64. Wider: better recall,
    /// slower search.
    pub ef_search: usize,
    /// Decides the nodes' levels. Any number; the same seed gives the same graph.
    pub seed: u64,
}

impl VectorOptions {
    /// Returns the defaults for a column of `dim` elements.
    pub const fn new(dim: usize, metric: Metric) -> Self {
        Self { dim, metric, m: 16, ef_construction: 200, ef_search: 64, seed: 0x5EED }
    }

    /// Returns the options if every one is within its range.
    ///
    /// **Errors**: `InvalidValue` names the option, its value and the range.
    pub fn checked(self) -> Result<Self, Error> {
        within("dimension of the vector", self.dim, 1, DIM_MAX)?;
        within("m", self.m, 2, LINKS_MAX)?;
        within("ef_construction", self.ef_construction, self.m, BEAM_MAX)?;
        within("ef_search", self.ef_search, 1, BEAM_MAX)?;
        Ok(self)
    }
}

fn within(name: &str, value: usize, min: usize, max: usize) -> Result<(), Error> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Error::InvalidValue(format!("{name} is {value} but must lie between {min} and {max}")))
}
