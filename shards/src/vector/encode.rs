//! In which form is a vector compared?
//!
//! Rows are padded with zeros to whole cache lines, which changes no distance. Under the cosine
//! metric a row is scaled to unit length, so that its dot product is the cosine; a vector
//! without direction (zero, or not finite) becomes NaN throughout and is at distance NaN from
//! everything.

use super::options::Metric;

/// Elements per 64-byte cache line.
const LINE: usize = 16;

/// Returns the elements of a padded row.
pub fn stride(dim: usize) -> usize {
    dim.next_multiple_of(LINE)
}

/// Writes the row for `vector` over `row` and returns whether a graph may hold it: every
/// distance between two such rows is a number below infinity.
///
/// **Shapes**: `vector: [dim]`, `row` becomes `[stride(dim)]`.
pub fn encode(metric: Metric, vector: &[f32], row: &mut Vec<f32>) -> bool {
    row.clear();
    let squared: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    let linkable = match metric {
        Metric::L2 | Metric::InnerProduct => {
            row.extend_from_slice(vector);
            // |a - b|^2 <= 2 |a|^2 + 2 |b|^2 and |ab| <= max(|a|, |b|)^2.
            squared < f64::from(f32::MAX) / 4.0
        }
        Metric::Cosine if squared > 0.0 && squared.is_finite() => {
            let norm = squared.sqrt();
            row.extend(vector.iter().map(|x| (f64::from(*x) / norm) as f32));
            true
        }
        Metric::Cosine => {
            row.resize(vector.len(), f32::NAN);
            false
        }
    };
    row.resize(stride(vector.len()), 0.0);
    linkable
}
