//! How does a column of many rows lie in one piece, and how do such columns become rows again?

use std::sync::Arc;

use super::layout::{HEADER_BYTES, RowLayout, VERSION, bitmap_bytes};

/// One column of neighbouring rows. Bitmaps have a bit per row, set for a null.
#[derive(Clone, Copy, Debug)]
pub enum Page<'a> {
    /// Every row has a null.
    Null,
    /// Every row has this field.
    Same(&'a [u8]),
    /// Fields of `width` bytes, one after the other, zeros for nulls.
    Fixed {
        /// Bytes of a field.
        width: usize,
        /// Which rows have a null; `None` = no row.
        nulls: Option<&'a [u8]>,
        /// `[rows * width]`.
        fields: &'a [u8],
    },
    /// Byte strings, one after the other, empty for nulls.
    Variable {
        /// Which rows have a null; `None` = no row.
        nulls: Option<&'a [u8]>,
        /// `[rows]` u32 little-endian: where each row's bytes end, the next row's begin there.
        ends: &'a [u8],
        /// The bytes.
        bytes: &'a [u8],
    },
}

impl<'a> Page<'a> {
    /// Returns the page of a column that was added after the rows were written.
    pub fn missing(layout: &'a RowLayout, column: usize) -> Self {
        layout.missing(column).map_or(Self::Null, Self::Same)
    }

    /// Returns the bytes of one row's field; `None` for a null.
    #[inline]
    pub fn cell(&self, row: usize) -> Option<&'a [u8]> {
        match *self {
            Page::Null => None,
            Page::Same(field) => Some(field),
            Page::Fixed { width, nulls, fields } => {
                (!is_null(nulls, row)).then(|| &fields[row * width..(row + 1) * width])
            }
            Page::Variable { nulls, ends, bytes } => (!is_null(nulls, row)).then(|| {
                let start = if row == 0 { 0 } else { end_at(ends, row - 1) };
                &bytes[start..end_at(ends, row)]
            }),
        }
    }

    /// Returns the bytes of neighbours in one piece, and where in it each of them ends; `None` when
    /// there are nulls or bytes of one width.
    pub fn piece(
        &self,
        from: usize,
        to: usize,
    ) -> Option<(&'a [u8], impl Iterator<Item = usize> + use<'a>)> {
        let Page::Variable { nulls: None, ends, bytes } = *self else { return None };
        let start = if from == 0 { 0 } else { end_at(ends, from - 1) };
        let end = if to == from { start } else { end_at(ends, to - 1) };
        let (ends, _) = ends[from * 4..to * 4].as_chunks::<4>();
        let ends = ends.iter().map(move |end| u32::from_le_bytes(*end) as usize - start);
        Some((&bytes[start..end], ends))
    }
}

/// Returns a row with these fields, as `encode` lays it out.
pub fn assemble<'a>(layout: &RowLayout, cell: impl Fn(usize) -> Option<&'a [u8]>) -> Arc<[u8]> {
    let count = layout.column_count();
    let fixed_at = HEADER_BYTES + bitmap_bytes(count);
    let variable_at = fixed_at + layout.widths[count];
    let mut out = vec![0_u8; variable_at];
    out[0] = VERSION;
    out[2..4].copy_from_slice(&(count as u16).to_le_bytes());
    for (column, field) in layout.fields.iter().enumerate() {
        let at = fixed_at + field.offset;
        let cell = cell(column);
        if cell.is_none() {
            out[HEADER_BYTES + column / 8] |= 1 << (column % 8);
        }
        let cell = cell.unwrap_or_default();
        if field.variable {
            out.extend_from_slice(cell);
            let end = (out.len() - variable_at) as u32;
            out[at..at + 4].copy_from_slice(&end.to_le_bytes());
        } else {
            out[at..at + cell.len()].copy_from_slice(cell);
        }
    }
    out.into()
}

fn is_null(nulls: Option<&[u8]>, row: usize) -> bool {
    nulls.is_some_and(|nulls| nulls[row / 8] >> (row % 8) & 1 == 1)
}

fn end_at(ends: &[u8], row: usize) -> usize {
    let at = row * 4;
    u32::from_le_bytes([ends[at], ends[at + 1], ends[at + 2], ends[at + 3]]) as usize
}
