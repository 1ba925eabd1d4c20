//! How are vectors compared by a few bytes each, and how wrong can that be?
//!
//! A vector minus the mean is turned so that its first coordinates hold most of what tells vectors
//! apart, and those are kept as bytes:
//!
//! ```text
//! row of codes   n bytes | zeros | f32 bias | bf16 beyond | bf16 rounding      whole cache lines
//! n              coordinates along the directions of largest variance, or all elements
//! bias           what the distance has that does not depend on the query
//! beyond         length of what the coordinates leave out, rounded up
//! rounding       length of what the bytes leave out of the coordinates, rounded up
//! ```
//!
//! * The estimated distance leaves out the product of what both vectors have beyond their
//!   coordinates. It steers walks; what they find is compared with the vectors themselves.
//! * The true distance differs from it by no more than [`Codes::bounds`] says (Cauchy and Schwarz):
//!   a scan compares only vectors that could be among the nearest, and is exact.
//! * Directions are learned from vectors that are in the graph, in small steps, and again when
//!   there are many times as many. Codes are not stored: they are made anew after a start.
//!
//! **Source**: the coordinates are those of LeanVec (Tepper et al., 2023, "LeanVec: searching
//! vectors faster by making them fit") for queries that are distributed as the vectors are, that
//! is principal components; the bound is ours.
//!
//! | file | question |
//! | --- | --- |
//! | `quantizer` | Which bytes stand for a vector? |
//! | `training` | Along which directions do vectors differ most? |
//! | `matrix` | Where do codes lie, and how far are they from a query? |

mod matrix;
mod quantizer;
#[cfg(test)]
mod tests;
mod training;

pub use matrix::{CodedQuery, Codes};
pub use training::Training;
