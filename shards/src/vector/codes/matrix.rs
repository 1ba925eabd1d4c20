//! Where do codes lie, and how far are they from a query?

use pieskieo_io::arena::HugeVec;

use super::quantizer::{Projection, Quantizer, TAIL_BYTES, Tail, step_of, tail, to_steps};
use crate::vector::distance::{ByteKernel, ByteRows};

/// Rows compared at a time: a node's links, and the lines of so many rows fit the first cache.
const BATCH: usize = 64;
/// The codes of an index, one row per slot; rows of slots that are no nodes mean nothing.
pub struct Codes {
    quantizer: Quantizer,
    kernel: ByteKernel,
    rows: HugeVec<u8>,
    row_bytes: usize,
    /// Length of the longest vector a code with a bounded error stands for.
    longest: f32,
    projection: Projection,
    code: Vec<u8>,
}

/// A query to compare codes with.
#[derive(Clone, Debug, Default)]
pub struct CodedQuery {
    bytes: Vec<i8>,
    /// The distance is `base + bias + slope * dot`.
    base: f32,
    slope: f32,
    /// Bounds of the error: `factor * (beyond * row's beyond + length * row's rounding + slack)`.
    beyond: f32,
    length: f32,
    slack: f32,
    factor: f32,
    projection: Projection,
}

impl Codes {
    /// Returns no codes.
    pub fn open(quantizer: Quantizer) -> Self {
        let row_bytes = quantizer.row_bytes();
        Self {
            quantizer,
            kernel: ByteKernel::best(),
            rows: HugeVec::new(),
            row_bytes,
            longest: 0.0,
            projection: Projection::default(),
            code: vec![0; row_bytes],
        }
    }

    /// Writes the code of `row` at `slot`.
    ///
    /// **Shapes**: `row: [stride]`.
    pub fn put(&mut self, slot: u32, row: &[f32]) {
        let length = self.quantizer.encode(row, &mut self.projection, &mut self.code);
        self.longest = self.longest.max(length);
        let start = slot as usize * self.row_bytes;
        if start + self.row_bytes > self.rows.len() {
            self.rows.resize(start + self.row_bytes, 0);
        }
        self.rows[start..][..self.row_bytes].copy_from_slice(&self.code);
    }

    #[inline]
    fn rows(&self) -> ByteRows<'_> {
        ByteRows { data: &self.rows, stride: self.row_bytes }
    }

    /// Makes `query` the one for a vector; [`Codes::bounds`] knows nothing of it.
    ///
    /// **Shapes**: `row: [stride]`.
    pub fn query(&self, row: &[f32], query: &mut CodedQuery) {
        self.quantizer.project_quickly(row, &mut query.projection);
        self.place(query);
        query.slack = f32::INFINITY;
    }

    /// Makes `query` the one for a vector, with bounds of its errors; returns whether there are any.
    ///
    /// **Shapes**: `row: [stride]`.
    pub fn query_bounded(&self, row: &[f32], query: &mut CodedQuery) -> bool {
        self.quantizer.project(row, &mut query.projection);
        let Some(rounding) = self.quantizer.rounding(&query.projection) else { return false };
        let step = self.place(query);
        let CodedQuery { bytes, projection, .. } = query;
        let (mut left_out, mut squared) = (0.0_f32, 0.0_f32);
        for (byte, coordinate) in bytes.iter().zip(&projection.coordinates) {
            let shown = f32::from(*byte) * step;
            left_out += (coordinate - shown) * (coordinate - shown);
            squared += coordinate * coordinate;
        }
        query.beyond = projection.beyond();
        query.length = squared.sqrt();
        query.slack = left_out.sqrt() * self.longest + rounding;
        true
    }

    /// Puts the bytes of a query that was projected in place; returns what one step stands for.
    fn place(&self, query: &mut CodedQuery) -> f32 {
        let CodedQuery { bytes, projection, .. } = query;
        let step = step_of(&projection.coordinates);
        bytes.clear();
        bytes.resize(self.row_bytes, 0);
        let sum = to_steps(&projection.coordinates, step, bytes);
        let (factor, base) = self.quantizer.terms(self.quantizer.bias(projection));
        query.factor = factor;
        query.slope = -factor * self.quantizer.step() * step;
        query.base = base - query.slope * 128.0 * sum as f32;
        step
    }

    /// Makes `query` the one for the vector of `slot`.
    pub fn query_at(&self, slot: u32, query: &mut CodedQuery) {
        let row = self.rows().row(slot);
        query.bytes.clear();
        query.bytes.extend(row.iter().map(|byte| (byte ^ 128).cast_signed()));
        query.bytes[self.quantizer.count()..].fill(0);
        let sum: i32 = query.bytes.iter().map(|steps| i32::from(*steps)).sum();
        let step = self.quantizer.step();
        let (factor, base) = self.quantizer.terms(tail(row).bias);
        query.slope = -factor * step * step;
        query.base = base - query.slope * 128.0 * sum as f32;
    }

    /// Writes the estimated distance from `query` to each of `slots` over `distances`.
    #[inline]
    pub fn distances(&self, query: &CodedQuery, slots: &[u32], distances: &mut Vec<f32>) {
        distances.clear();
        let mut dots = [0; BATCH];
        for slots in slots.chunks(BATCH) {
            let dots = &mut dots[..slots.len()];
            (self.kernel.dot_many)(&query.bytes, self.rows(), slots, dots);
            let pairs = slots.iter().zip(dots);
            distances.extend(
                pairs.map(|(slot, dot)| query.base + self.bias(*slot) + query.slope * *dot as f32),
            );
        }
    }

    #[inline]
    fn bias(&self, slot: u32) -> f32 {
        let end = (slot as usize + 1) * self.row_bytes - TAIL_BYTES;
        let bytes = self.rows[end..].first_chunk::<4>();
        bytes.map_or(0.0, |bytes| f32::from_le_bytes(*bytes))
    }

    /// Writes how far from the truth each of these estimates may be over `bounds`. `query` comes
    /// from [`Codes::query_bounded`].
    pub fn bounds(&self, query: &CodedQuery, slots: &[u32], bounds: &mut Vec<f32>) {
        bounds.clear();
        bounds.extend(slots.iter().map(|slot| {
            let Tail { beyond, rounding, .. } = tail(self.rows().row(*slot));
            query.factor * (query.beyond * beyond + query.length * rounding + query.slack)
        }));
    }

    /// Returns the bytes of what is there once, however many codes there are.
    #[cfg(test)]
    pub fn quantizer_bytes(&self) -> usize {
        self.quantizer.memory_bytes()
    }

    /// Returns the bytes in use.
    pub fn memory_bytes(&self) -> usize {
        self.rows.memory_bytes() + self.quantizer.memory_bytes()
    }
}
