//! How are positions written as bytes?
//!
//! A position is `field << OFFSET_BITS | offset`, so that words of different fields are never
//! neighbours. A document's positions of one term ascend and are written as differences, seven
//! bits a byte, low bits first, the high bit set on all bytes but the last. The first difference
//! is from zero.

use super::options::OFFSET_BITS;

/// Returns the position of word `offset` in field `field`.
pub fn position(field: usize, offset: u32) -> u32 {
    (field as u32) << OFFSET_BITS | offset
}

/// Returns the field a position is in.
pub fn field_of(position: u32) -> usize {
    (position >> OFFSET_BITS) as usize
}

/// Appends one difference.
pub fn put(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// The positions of one term in one document, ascending.
#[derive(Clone)]
pub struct Positions<'a> {
    bytes: &'a [u8],
    left: u32,
    last: u32,
}

impl<'a> Positions<'a> {
    /// Reads `count` positions from the front of `bytes`.
    pub fn new(bytes: &'a [u8], count: u32) -> Self {
        Self { bytes, left: count, last: 0 }
    }
}

impl Iterator for Positions<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let mut shift = 0;
        let mut value = 0u32;
        loop {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
        self.last = self.last.wrapping_add(value);
        Some(self.last)
    }
}
