//! How far apart are nodes while the graph is built and walked?
//!
//! By their codes as soon as there are any, by their vectors until then. The two are never mixed
//! within a walk.

use super::codes::{CodedQuery, Codes};
use super::vectors::Vectors;

/// What distances between nodes are taken from.
#[derive(Clone, Copy)]
pub struct Space<'a> {
    /// The vectors.
    pub vectors: &'a Vectors,
    /// Their codes.
    pub codes: Option<&'a Codes>,
}

/// Where distances are measured from.
#[derive(Clone, Copy)]
pub enum Origin<'a> {
    /// An encoded vector.
    Row(&'a [f32]),
    /// A vector to compare codes with.
    Code(&'a CodedQuery),
}

impl<'a> Space<'a> {
    /// Returns the origin at a query. `buffer` is written over.
    ///
    /// **Shapes**: `row: [stride]`.
    pub fn origin(self, row: &'a [f32], buffer: &'a mut CodedQuery) -> Origin<'a> {
        let Some(codes) = self.codes else { return Origin::Row(row) };
        codes.query(row, buffer);
        Origin::Code(buffer)
    }

    /// Returns the origin at a node. `buffer` is written over.
    #[inline]
    pub fn origin_at<'o>(self, slot: u32, buffer: &'o mut CodedQuery) -> Origin<'o>
    where
        'a: 'o,
    {
        let Some(codes) = self.codes else { return Origin::Row(self.vectors.row(slot)) };
        codes.query_at(slot, buffer);
        Origin::Code(buffer)
    }

    /// Writes the distance from `origin` to each of `slots` over `distances`.
    #[inline]
    pub fn distances(self, origin: Origin<'_>, slots: &[u32], distances: &mut Vec<f32>) {
        match (origin, self.codes) {
            (Origin::Code(query), Some(codes)) => codes.distances(query, slots, distances),
            (Origin::Row(row), _) => self.vectors.distances(row, slots, distances),
            (Origin::Code(_), None) => unreachable!("an origin is used in the space it is of"),
        }
    }
}
