//! Which vectors are nearest?

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
