//! How do the elements of an array lie in its bytes?
//!
//! ```text
//! offset  bytes          content
//! 0       4              elements n, u32 little-endian
//! 4       ceil(n / 8)    null bitmap: bit i % 8 of byte i / 8 is set when element i is null
//! ..      n * width      fields of a fixed width, zeros for nulls; else
//! ..      4 n            where the bytes of each element end, those of the next begin there
//! ..      the last end   the bytes of the elements
//! ```
//!
//! That is a page (`page`): the elements of an array are a column of as many rows.

use std::sync::Arc;

use super::column::Pages;
use super::encode::put as put_value;
use super::layout::{bitmap_bytes, width_of};
use super::page::Page;
use super::view::{corrupt, value_of};
use crate::error::Error;
use crate::value::{ColumnType, Value};

/// The elements of one array, checked: every cell is within the bytes.
pub(super) struct Elements<'a> {
    /// How many.
    pub count: usize,
    page: Page<'a>,
}

impl Pages for Elements<'_> {
    fn page(&self, _column: usize) -> Option<Page<'_>> {
        Some(self.page)
    }
}

impl<'a> Elements<'a> {
    /// Finds the elements in an array's bytes.
    ///
    /// **Errors**: `Corrupt` when they are not laid out as an array of this type.
    pub fn read(bytes: &'a [u8], element: &ColumnType) -> Result<Self, Error> {
        let bad = || corrupt("an array of another layout");
        let (count, rest) = bytes.split_first_chunk::<4>().ok_or_else(bad)?;
        let count = u32::from_le_bytes(*count) as usize;
        let (nulls, rest) = rest.split_at_checked(bitmap_bytes(count)).ok_or_else(bad)?;
        let nulls = nulls.iter().any(|byte| *byte != 0).then_some(nulls);
        let (width, variable) = width_of(element);
        let page = if variable {
            let (ends, bytes) = rest.split_at_checked(count.saturating_mul(4)).ok_or_else(bad)?;
            let (chunks, _) = ends.as_chunks::<4>();
            let mut last = 0;
            for end in chunks.iter().map(|end| u32::from_le_bytes(*end)) {
                if end < last {
                    return Err(bad());
                }
                last = end;
            }
            if last as usize != bytes.len() {
                return Err(bad());
            }
            Page::Variable { nulls, ends, bytes }
        } else {
            if rest.len() != count.saturating_mul(width) {
                return Err(bad());
            }
            Page::Fixed { width, nulls, fields: rest }
        };
        Ok(Self { count, page })
    }
}

/// Appends the bytes of an array.
pub(super) fn put(out: &mut Vec<u8>, items: &[Value], element: &ColumnType) {
    out.extend_from_slice(&(items.len() as u32).to_le_bytes());
    let nulls = out.len();
    out.resize(nulls + bitmap_bytes(items.len()), 0);
    for (position, _) in items.iter().enumerate().filter(|(_, item)| item.is_null()) {
        out[nulls + position / 8] |= 1 << (position % 8);
    }
    let (width, variable) = width_of(element);
    let fields = out.len();
    out.resize(fields + items.len() * width, 0);
    let bytes = out.len();
    for (position, item) in items.iter().enumerate() {
        let at = fields + position * width;
        put_value(out, at, item, element);
        if variable {
            let end = (out.len() - bytes) as u32;
            out[at..at + 4].copy_from_slice(&end.to_le_bytes());
        }
    }
}

/// Returns the elements of an array.
///
/// **Errors**: `Corrupt` when the bytes are not an array of this type.
pub(super) fn values(bytes: &[u8], element: &ColumnType) -> Result<Arc<[Value]>, Error> {
    let elements = Elements::read(bytes, element)?;
    (0..elements.count)
        .map(|row| match elements.page.cell(row) {
            Some(field) => value_of(element, field),
            None => Ok(Value::Null),
        })
        .collect()
}
