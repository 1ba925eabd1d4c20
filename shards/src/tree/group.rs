//! Which bytes are a row group?
//!
//! A group holds neighbouring versions of a tree, by key ascending and begin descending, with
//! every column in a page of its own, so that one read fetches a record and a scan takes a column
//! as it lies.
//!
//! ```text
//! offset  bytes         content
//! 0       4             versions n
//! 4       2             columns c
//! 6       2             flags: 1 = no key twice, 2 = some version is a deletion
//! 8       4             bytes of the prefix that all keys share
//! 12      4             bytes of all keys without it
//! 16      8             lowest begin
//! 24      8             highest begin
//! 32      1             bytes of a begin w: 0, 1, 2, 4 or 8
//! 33      7             0
//! 40      ..            prefix
//! ..      4 n           ends of the keys without the prefix
//! ..      ..            the keys without the prefix
//! ..      w n           begins, less the lowest
//! ..      ceil(n / 8)   bitmap of deletions, if the flag says so
//! ..                    c pages
//!
//! page    1             form: 0 = all null, 1 = fixed, 2 = variable
//!         1             bytes of a fixed field f
//!         1             1 = a bitmap of nulls follows
//!         1             0
//!         ceil(n / 8)   bitmap of nulls, if there is one: bit set = null
//!         f n           fixed: the fields, zeros for nulls
//!         4 n, ..       variable: ends, then the bytes
//! ```
//! Numbers are little-endian. A group written before a column was added has fewer pages; the
//! column reads as what the catalog says of such rows, or null.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::error::Error;
use crate::ids::Timestamp;
use crate::row::{Page, Pages, RowLayout, assemble};

pub(super) const HEADER_BYTES: usize = 40;
pub(super) const DISTINCT: u16 = 1;
pub(super) const DELETIONS: u16 = 2;

pub(super) const FORM_NULL: u8 = 0;
pub(super) const FORM_FIXED: u8 = 1;
pub(super) const FORM_VARIABLE: u8 = 2;
pub(super) const PAGE_HEADER_BYTES: usize = 4;

/// An open group: checked once, then read without copying.
pub(crate) struct Group {
    bytes: Vec<u8>,
    rows: u32,
    flags: u16,
    /// Whether no version in the next group of the run has the key of the last here.
    is_cut_between_keys: bool,
    begin_low: u64,
    begin_high: u64,
    begin_width: u8,
    prefix: Range<u32>,
    key_ends: u32,
    keys: u32,
    begins: u32,
    deletions: u32,
    pages: SmallVec<[PagePlace; PAGES_INLINE]>,
}

/// Where a page's parts are. A scan meets one in each group it takes a column from, and seldom
/// finds it in the processor's caches: it is small, and lies in the group itself.
#[derive(Clone, Copy, Debug)]
struct PagePlace {
    form: u8,
    width: u8,
    /// 0, where no page is, for none.
    nulls: u32,
    /// Fields, or ends.
    fixed: u32,
    /// Bytes of a variable page.
    variable: (u32, u32),
}

/// Columns of which a group has the places in itself.
const PAGES_INLINE: usize = 8;

impl Group {
    /// Opens the bytes of a group.
    ///
    /// **Cost**: a pass over the ends of keys and of variable columns.
    /// **Errors**: `Corrupt` when they are none.
    pub fn open(bytes: Vec<u8>) -> Result<Self, Error> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(corrupt("length"));
        }
        let mut walk = Walk { bytes: &bytes, at: 0 };
        let rows = walk.u32()? as usize;
        let columns = walk.u16()?;
        let flags = walk.u16()?;
        let prefix_bytes = walk.u32()? as usize;
        let key_bytes = walk.u32()? as usize;
        let (begin_low, begin_high) = (walk.u64()?, walk.u64()?);
        let begin_width = walk.u8()?;
        walk.skip(7)?;
        if rows == 0 || !matches!(begin_width, 0 | 1 | 2 | 4 | 8) || begin_low > begin_high {
            return Err(corrupt("header"));
        }
        let prefix = walk.range(prefix_bytes)?;
        let key_ends = walk.ends(rows, key_bytes)?;
        let keys = walk.skip(key_bytes)?;
        let begins = walk.skip(usize::from(begin_width) * rows)?;
        let has_deletions = flags & DELETIONS != 0;
        let deletions = walk.skip(if has_deletions { rows.div_ceil(8) } else { 0 })?;
        let mut pages =
            SmallVec::with_capacity(usize::from(columns).min(bytes.len() / PAGE_HEADER_BYTES));
        for _ in 0..columns {
            pages.push(walk.page(rows)?);
        }
        if walk.at != bytes.len() {
            return Err(corrupt("length"));
        }
        Ok(Self {
            rows: rows as u32,
            flags,
            is_cut_between_keys: false,
            begin_low,
            begin_high,
            begin_width,
            prefix: prefix.start as u32..prefix.end as u32,
            key_ends: key_ends as u32,
            keys: keys as u32,
            begins: begins as u32,
            deletions: deletions as u32,
            pages,
            bytes,
        })
    }

    /// Notes with which key the next group of the run begins, if there is one.
    pub fn precedes(&mut self, next: Option<&[u8]>) {
        let last = self.rows() - 1;
        self.is_cut_between_keys = next.is_none_or(|next| self.compare(last, next).is_ne());
    }

    /// Returns whether the versions of its last key are all in this group of the run.
    pub fn is_cut_between_keys(&self) -> bool {
        self.is_cut_between_keys
    }

    /// Returns the number of versions.
    pub fn rows(&self) -> usize {
        self.rows as usize
    }

    /// Returns the bytes held.
    pub fn memory_bytes(&self) -> usize {
        let pages = if self.pages.spilled() { self.pages.capacity() } else { 0 };
        self.bytes.capacity() + pages * size_of::<PagePlace>() + size_of::<Self>()
    }

    /// Returns the latest begin of a version.
    pub fn newest(&self) -> Timestamp {
        Timestamp(self.begin_high)
    }

    /// Returns whether every version is the newest of its key and shown at the snapshot, as far
    /// as this group tells.
    pub fn is_plain(&self, snapshot: Timestamp) -> bool {
        self.flags == DISTINCT && self.begin_high <= snapshot.0
    }

    /// Returns the prefix all keys share, and what follows it in one of them.
    pub fn key(&self, row: usize) -> (&[u8], &[u8]) {
        let start = if row == 0 { 0 } else { self.key_end(row - 1) };
        let (keys, end) = (self.keys as usize, self.key_end(row));
        let prefix = self.prefix.start as usize..self.prefix.end as usize;
        (&self.bytes[prefix], &self.bytes[keys + start..keys + end])
    }

    /// Replaces `out` by the key of a version.
    pub fn key_into(&self, row: usize, out: &mut Vec<u8>) {
        let (prefix, rest) = self.key(row);
        out.clear();
        out.extend_from_slice(prefix);
        out.extend_from_slice(rest);
    }

    /// Returns since when a version holds.
    pub fn begin(&self, row: usize) -> Timestamp {
        let at = self.begins as usize + row * usize::from(self.begin_width);
        let offset = match self.begin_width {
            0 => 0,
            1 => u64::from(self.bytes[at]),
            2 => u64::from(u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])),
            4 => u64::from(u32_at(&self.bytes, at)),
            _ => u64::from(u32_at(&self.bytes, at)) | u64::from(u32_at(&self.bytes, at + 4)) << 32,
        };
        Timestamp(self.begin_low.saturating_add(offset))
    }

    /// Returns whether a version says that the key is gone.
    pub fn is_deletion(&self, row: usize) -> bool {
        self.flags & DELETIONS != 0 && bit(&self.bytes[self.deletions as usize..], row)
    }

    /// Compares the key of a version with `key`.
    pub fn compare(&self, row: usize, key: &[u8]) -> Ordering {
        let (prefix, rest) = self.key(row);
        let shared = prefix.len().min(key.len());
        // A key that ends within the prefix is the smaller one, and compares so here.
        prefix.cmp(&key[..shared]).then_with(|| rest.cmp(&key[shared..]))
    }

    /// Returns the first version at or after (`key`, `begin`), by key ascending and begin
    /// descending; `rows()` when there is none.
    pub fn seek(&self, key: &[u8], begin: Timestamp) -> usize {
        let (mut low, mut high) = (0, self.rows());
        while low < high {
            let middle = low + (high - low) / 2;
            let order = self.compare(middle, key).then_with(|| begin.cmp(&self.begin(middle)));
            if order == Ordering::Less {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// As [`Self::seek`], and quick where all versions are before the place, as in most groups of a
    /// scan.
    pub fn end_before(&self, key: &[u8], begin: Timestamp) -> usize {
        let rows = self.rows();
        if self.compare(rows - 1, key).is_lt() { rows } else { self.seek(key, begin) }
    }

    /// Returns the bytes of one field; `None` for a null.
    pub fn cell<'a>(
        &'a self,
        layout: &'a RowLayout,
        row: usize,
        column: usize,
    ) -> Option<&'a [u8]> {
        let page = self.page(column);
        page.unwrap_or_else(|| Page::missing(layout, column)).cell(row)
    }

    /// Returns a version's row as it is written elsewhere.
    pub fn row(&self, layout: &RowLayout, row: usize) -> Arc<[u8]> {
        assemble(layout, |column| self.cell(layout, row, column))
    }

    fn key_end(&self, row: usize) -> usize {
        u32_at(&self.bytes, self.key_ends as usize + row * 4) as usize
    }
}

impl Pages for Group {
    fn page(&self, column: usize) -> Option<Page<'_>> {
        let place = self.pages.get(column)?;
        let part = |at: u32, bytes: usize| &self.bytes[at as usize..at as usize + bytes];
        let nulls = (place.nulls > 0).then(|| part(place.nulls, self.rows().div_ceil(8)));
        Some(match place.form {
            FORM_FIXED => {
                let width = usize::from(place.width);
                Page::Fixed { width, nulls, fields: part(place.fixed, width * self.rows()) }
            }
            FORM_VARIABLE => {
                let ends = part(place.fixed, 4 * self.rows());
                let (from, to) = place.variable;
                Page::Variable { nulls, ends, bytes: &self.bytes[from as usize..to as usize] }
            }
            _ => Page::Null,
        })
    }
}

/// Goes through the bytes of a group, checking that they are there.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn skip(&mut self, count: usize) -> Result<usize, Error> {
        Ok(self.range(count)?.start)
    }

    fn range(&mut self, count: usize) -> Result<Range<usize>, Error> {
        let start = self.at;
        let end = start.checked_add(count).filter(|end| *end <= self.bytes.len());
        self.at = end.ok_or_else(|| corrupt("length"))?;
        Ok(start..self.at)
    }

    fn u8(&mut self) -> Result<u8, Error> {
        let at = self.skip(1)?;
        Ok(self.bytes[at])
    }

    fn u16(&mut self) -> Result<u16, Error> {
        Ok(u16::from(self.u8()?) | u16::from(self.u8()?) << 8)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        let at = self.skip(4)?;
        Ok(u32_at(self.bytes, at))
    }

    fn u64(&mut self) -> Result<u64, Error> {
        Ok(u64::from(self.u32()?) | u64::from(self.u32()?) << 32)
    }

    /// Passes `rows` ends that never go back and reach `total`.
    fn ends(&mut self, rows: usize, total: usize) -> Result<usize, Error> {
        let start = self.skip(rows.checked_mul(4).ok_or_else(|| corrupt("length"))?)?;
        let mut last = 0;
        for chunk in self.bytes[start..self.at].chunks_exact(4) {
            let end = u32_at(chunk, 0) as usize;
            if end < last {
                return Err(corrupt("order of ends"));
            }
            last = end;
        }
        if last == total { Ok(start) } else { Err(corrupt("last end")) }
    }

    fn page(&mut self, rows: usize) -> Result<PagePlace, Error> {
        let (form, width, has_nulls) = (self.u8()?, self.u8()?, self.u8()?);
        self.skip(1)?;
        let nulls = if has_nulls == 0 { 0 } else { self.skip(rows.div_ceil(8))? };
        let (fixed, variable) = match form {
            FORM_NULL => (self.at, 0..0),
            FORM_FIXED => (self.skip(usize::from(width) * rows)?, 0..0),
            FORM_VARIABLE => {
                let last = self.at + 4 * (rows - 1);
                if last + 4 > self.bytes.len() {
                    return Err(corrupt("length"));
                }
                let total = u32_at(self.bytes, last) as usize;
                (self.ends(rows, total)?, self.range(total)?)
            }
            _ => return Err(corrupt("form of a page")),
        };
        // Less than the length, which was looked at first.
        let variable = (variable.start as u32, variable.end as u32);
        Ok(PagePlace { form, width, nulls: nulls as u32, fixed: fixed as u32, variable })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn bit(bitmap: &[u8], at: usize) -> bool {
    bitmap[at / 8] >> (at % 8) & 1 == 1
}

fn corrupt(what: &str) -> Error {
    Error::Corrupt(format!("read row group: bad {what}"))
}
