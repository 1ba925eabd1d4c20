//! How do versions become a row group?

use super::group::{
    DELETIONS, DISTINCT, FORM_FIXED, FORM_NULL, FORM_VARIABLE, HEADER_BYTES, PAGE_HEADER_BYTES,
};
use super::limits::GROUP_ROWS_MAX;
use super::version::{Content, Row};
use crate::error::Error;
use crate::ids::Timestamp;
use crate::row::{RowLayout, RowView};

/// Collects versions, by key ascending and begin descending, and lays them out.
pub(super) struct GroupWriter<'l> {
    layout: &'l RowLayout,
    bytes_wanted: usize,
    keys: Vec<u8>,
    key_ends: Vec<u32>,
    begins: Vec<u64>,
    deletions: Vec<bool>,
    has_deletions: bool,
    is_distinct: bool,
    columns: Vec<Column>,
    cell_bytes: usize,
}

/// One column on its way into a page.
struct Column {
    /// Bytes of a fixed field; `None` = variable.
    width: Option<usize>,
    nulls: Vec<bool>,
    null_count: usize,
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl<'l> GroupWriter<'l> {
    pub fn new(layout: &'l RowLayout, bytes_wanted: usize) -> Self {
        let column = |column| Column {
            width: layout.width(column),
            nulls: Vec::new(),
            null_count: 0,
            ends: Vec::new(),
            bytes: Vec::new(),
        };
        Self {
            layout,
            bytes_wanted,
            keys: Vec::new(),
            key_ends: Vec::new(),
            begins: Vec::new(),
            deletions: Vec::new(),
            has_deletions: false,
            is_distinct: true,
            columns: (0..layout.column_count()).map(column).collect(),
            cell_bytes: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.begins.is_empty()
    }

    /// Returns whether the group is as large as a group should be.
    pub fn is_full(&self) -> bool {
        let bytes = self.keys.len() + self.begins.len() * 8 + self.cell_bytes;
        bytes >= self.bytes_wanted || self.begins.len() >= GROUP_ROWS_MAX
    }

    /// Adds a version.
    ///
    /// **Errors**: `Corrupt` when its row is not one of the layout.
    pub fn push(
        &mut self,
        key: &[u8],
        begin: Timestamp,
        content: Content<'_>,
    ) -> Result<(), Error> {
        if self.last_key() == Some(key) {
            self.is_distinct = false;
        }
        self.keys.extend_from_slice(key);
        self.key_ends.push(self.keys.len() as u32);
        self.begins.push(begin.0);
        let is_deletion = matches!(content, Content::Deleted);
        self.deletions.push(is_deletion);
        self.has_deletions |= is_deletion;
        match content {
            Content::Deleted => self.push_cells(|_| Ok(None)),
            Content::Row(Row::Bytes(bytes)) => {
                if self.columns.is_empty() {
                    return Ok(());
                }
                let layout = self.layout;
                let view = RowView::new(bytes, layout)?;
                self.push_cells(|column| {
                    let is_null = view.is_null(column);
                    if is_null { Ok(None) } else { view.raw(layout, column).map(Some) }
                })
            }
            Content::Row(Row::Packed(group, row)) => {
                let layout = self.layout;
                self.push_cells(|column| Ok(group.cell(layout, row, column)))
            }
        }
    }

    /// Visits the fields of a column of fixed width that are not null.
    pub fn each_field(&self, column: usize, visit: &mut dyn FnMut(&[u8])) {
        let column = &self.columns[column];
        let Some(width) = column.width.filter(|width| *width > 0) else { return };
        let fields = column.bytes.chunks_exact(width).zip(&column.nulls);
        fields.filter(|(_, is_null)| !**is_null).for_each(|(field, _)| visit(field));
    }

    /// Returns the bytes of the group and begins the next one.
    pub fn finish(&mut self) -> Vec<u8> {
        let rows = self.begins.len();
        let prefix = self.shared_prefix();
        let low = self.begins.iter().copied().min().unwrap_or(0);
        let high = self.begins.iter().copied().max().unwrap_or(0);
        let width = match high - low {
            0 => 0_usize,
            1..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        };
        let key_bytes = self.keys.len() - prefix * rows;
        let mut flags = 0;
        if self.is_distinct {
            flags |= DISTINCT;
        }
        if self.has_deletions {
            flags |= DELETIONS;
        }
        let mut out = Vec::with_capacity(
            HEADER_BYTES + self.keys.len() + rows * (5 + width) + self.cell_bytes * 2,
        );
        out.extend_from_slice(&(rows as u32).to_le_bytes());
        out.extend_from_slice(&(self.columns.len() as u16).to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&(prefix as u32).to_le_bytes());
        out.extend_from_slice(&(key_bytes as u32).to_le_bytes());
        out.extend_from_slice(&low.to_le_bytes());
        out.extend_from_slice(&high.to_le_bytes());
        out.extend_from_slice(&[width as u8, 0, 0, 0, 0, 0, 0, 0]);
        assert!(out.len() == HEADER_BYTES, "the header has its length");
        out.extend_from_slice(&self.keys[..prefix]);
        self.put_keys(prefix, &mut out);
        for begin in &self.begins {
            out.extend_from_slice(&(begin - low).to_le_bytes()[..width]);
        }
        if self.has_deletions {
            put_bitmap(&self.deletions, &mut out);
        }
        for column in &mut self.columns {
            column.finish(rows, &mut out);
        }
        self.clear();
        out
    }

    fn last_key(&self) -> Option<&[u8]> {
        let count = self.key_ends.len();
        let end = *self.key_ends.last()? as usize;
        let start = if count < 2 { 0 } else { self.key_ends[count - 2] as usize };
        Some(&self.keys[start..end])
    }

    fn push_cells<'a>(
        &mut self,
        cell: impl Fn(usize) -> Result<Option<&'a [u8]>, Error>,
    ) -> Result<(), Error> {
        for (number, column) in self.columns.iter_mut().enumerate() {
            let cell = cell(number)?;
            self.cell_bytes += column.push(cell)?;
        }
        Ok(())
    }

    /// Keys are in order: what the first and the last share, all share.
    fn shared_prefix(&self) -> usize {
        let Some(first_end) = self.key_ends.first() else { return 0 };
        let first = &self.keys[..*first_end as usize];
        let last = self.last_key().unwrap_or_default();
        first.iter().zip(last).take_while(|(a, b)| a == b).count()
    }

    fn put_keys(&self, prefix: usize, out: &mut Vec<u8>) {
        let mut end = 0_u32;
        let mut start = 0;
        for key_end in &self.key_ends {
            end += *key_end - start - prefix as u32;
            start = *key_end;
            out.extend_from_slice(&end.to_le_bytes());
        }
        let mut start = 0;
        for key_end in &self.key_ends {
            out.extend_from_slice(&self.keys[start + prefix..*key_end as usize]);
            start = *key_end as usize;
        }
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.key_ends.clear();
        self.begins.clear();
        self.deletions.clear();
        self.has_deletions = false;
        self.is_distinct = true;
        self.cell_bytes = 0;
    }
}

impl Column {
    /// Adds a field, returns the bytes it takes.
    fn push(&mut self, cell: Option<&[u8]>) -> Result<usize, Error> {
        self.nulls.push(cell.is_none());
        self.null_count += usize::from(cell.is_none());
        let cell = cell.unwrap_or_default();
        let before = self.bytes.len();
        self.bytes.extend_from_slice(cell);
        match self.width {
            Some(width) => {
                if !cell.is_empty() && cell.len() != width {
                    return Err(Error::Corrupt("write row group: a field of another width".into()));
                }
                self.bytes.resize(before + width, 0);
                Ok(width)
            }
            None => {
                self.ends.push(self.bytes.len() as u32);
                Ok(cell.len() + 4)
            }
        }
    }

    fn finish(&mut self, rows: usize, out: &mut Vec<u8>) {
        let start = out.len();
        let has_nulls = u8::from(self.null_count > 0);
        if self.null_count == rows {
            out.extend_from_slice(&[FORM_NULL, 0, 0, 0]);
        } else if let Some(width) = self.width {
            out.extend_from_slice(&[FORM_FIXED, width as u8, has_nulls, 0]);
        } else {
            out.extend_from_slice(&[FORM_VARIABLE, 0, has_nulls, 0]);
        }
        assert!(out.len() == start + PAGE_HEADER_BYTES, "the page header has its length");
        if self.null_count < rows {
            if self.null_count > 0 {
                put_bitmap(&self.nulls, out);
            }
            self.ends.iter().for_each(|end| out.extend_from_slice(&end.to_le_bytes()));
            out.extend_from_slice(&self.bytes);
        }
        self.nulls.clear();
        self.null_count = 0;
        self.ends.clear();
        self.bytes.clear();
    }
}

fn put_bitmap(bits: &[bool], out: &mut Vec<u8>) {
    for chunk in bits.chunks(8) {
        let byte =
            chunk.iter().enumerate().fold(0_u8, |byte, (at, bit)| byte | u8::from(*bit) << at);
        out.push(byte);
    }
}
