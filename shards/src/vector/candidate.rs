//! How are entries ordered by distance?
//!
//! A distance and a number packed into one integer, so that heaps compare a single word:
//!
//! ```text
//! bits 63..32  the distance, mapped so that unsigned order is numeric order, NaN last
//! bits 31..0   a slot or a record, which breaks ties
//! ```

use std::collections::BinaryHeap;

/// The key of NaN, after every number and infinity.
const NAN_KEY: u32 = u32::MAX;
/// The sign bit of an `f32`.
const SIGN: u32 = 1 << 31;

/// A number at a distance; smaller is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate(u64);

impl Candidate {
    /// Packs a distance and a number.
    #[inline]
    pub fn new(distance: f32, number: u32) -> Self {
        Self(u64::from(key(distance)) << 32 | u64::from(number))
    }

    /// Returns the slot or record.
    #[inline]
    pub fn number(self) -> u32 {
        self.0 as u32
    }

    /// Returns the distance.
    #[inline]
    pub fn distance(self) -> f32 {
        let key = (self.0 >> 32) as u32;
        if key == NAN_KEY {
            f32::NAN
        } else if key & SIGN != 0 {
            f32::from_bits(key & !SIGN)
        } else {
            f32::from_bits(!key)
        }
    }
}

/// The nearest few of everything offered.
pub struct Nearest {
    count_max: usize,
    /// Farthest on top.
    heap: BinaryHeap<Candidate>,
}

impl Nearest {
    /// Returns an empty collection that keeps the `count_max` nearest.
    pub fn new(count_max: usize) -> Self {
        Self { count_max, heap: BinaryHeap::new() }
    }

    /// Keeps `candidate` if it is among the nearest so far.
    #[inline]
    pub fn offer(&mut self, candidate: Candidate) {
        if self.heap.len() < self.count_max {
            self.heap.push(candidate);
        } else if let Some(mut farthest) = self.heap.peek_mut()
            && candidate < *farthest
        {
            *farthest = candidate;
        }
    }

    /// Returns the distance beyond which nothing more is kept: infinity while there is room, NaN
    /// when what is kept is none itself.
    #[inline]
    pub fn limit(&self) -> f32 {
        match self.heap.peek() {
            Some(farthest) if self.heap.len() >= self.count_max => farthest.distance(),
            _ => f32::INFINITY,
        }
    }

    /// Returns how many are kept.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Returns what was kept, nearest first.
    pub fn into_sorted(self) -> Vec<Candidate> {
        self.heap.into_sorted_vec()
    }
}

/// Maps a distance to an integer of the same order. Both zeros have the same key.
#[inline]
fn key(distance: f32) -> u32 {
    if distance.is_nan() {
        return NAN_KEY;
    }
    let bits = (distance + 0.0).to_bits();
    if bits & SIGN != 0 { !bits } else { bits | SIGN }
}

#[cfg(test)]
mod tests {
    use super::Candidate;

    #[test]
    fn order_is_numeric_with_nan_last_and_ties_by_number() {
        let ascending = [
            (f32::NEG_INFINITY, 9),
            (f32::MIN, 3),
            (-1.0, 0),
            (-f32::MIN_POSITIVE, 0),
            (-0.0, 4),
            (0.0, 5),
            (1e-40, 0),
            (1.0, 1),
            (1.0, 2),
            (f32::INFINITY, 0),
            (f32::NAN, 0),
            (-f32::NAN, 1),
        ];
        let packed = ascending.map(|(distance, number)| Candidate::new(distance, number));
        assert!(packed.is_sorted());
        for (candidate, (distance, number)) in packed.iter().zip(ascending) {
            assert_eq!(candidate.number(), number);
            assert!(candidate.distance() == distance || distance.is_nan());
            assert_eq!(candidate.distance().is_nan(), distance.is_nan());
        }
    }
}
