//! Which entries are in a range at a snapshot?

use std::ops::Bound;

use super::build::{ID_BYTES, OrderedIndex, Spans};
use crate::ids::{RecordId, Timestamp};
use crate::key::{KeyRange, MapKey};

/// One entry found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderedHit<'a> {
    /// The whole entry; a scan that stopped after it goes on from here.
    pub entry: &'a [u8],
    /// The record.
    pub record: RecordId,
}

impl<'a> OrderedHit<'a> {
    /// Returns the bytes of the columns, without the record id.
    pub fn order(&self) -> &'a [u8] {
        &self.entry[..self.entry.len() - ID_BYTES]
    }
}

impl OrderedIndex {
    /// Returns the entries in the range that are visible at the snapshot, in the range's order,
    /// after the entry `after` if one is given.
    pub fn scan<'a>(
        &'a self,
        range: &KeyRange,
        after: Option<&[u8]>,
        snapshot: Timestamp,
    ) -> Box<dyn Iterator<Item = OrderedHit<'a>> + 'a> {
        let Some((from, to)) = bounds(range, after) else {
            return Box::new(std::iter::empty());
        };
        let entries = self.entries.range::<[u8], _>((from, to));
        let visible = move |(entry, spans): (&'a MapKey, &'a Spans)| {
            let shown = spans.iter().any(|span| span.0 <= snapshot && snapshot < span.1);
            shown.then(|| hit(entry))
        };
        if range.descending {
            Box::new(entries.rev().filter_map(visible))
        } else {
            Box::new(entries.filter_map(visible))
        }
    }
}

/// A lower and an upper bound.
pub(crate) type Limits<'r> = (Bound<&'r [u8]>, Bound<&'r [u8]>);

/// Returns the bounds of what is left of a range after `after`; `None` when nothing is.
pub(crate) fn bounds<'r>(range: &'r KeyRange, after: Option<&'r [u8]>) -> Option<Limits<'r>> {
    let mut from = range.from.as_deref().map_or(Bound::Unbounded, Bound::Included);
    let mut to = range.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    match after {
        Some(after) if range.descending => to = Bound::Excluded(after),
        Some(after) => from = Bound::Excluded(after),
        None => {}
    }
    // A map's range refuses bounds that cross, and equal ones that are both excluded.
    let crosses = match (from, to) {
        (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to)) => from >= to,
        _ => false,
    };
    (!crosses).then_some((from, to))
}

fn hit(entry: &[u8]) -> OrderedHit<'_> {
    let record = match entry.last_chunk::<ID_BYTES>() {
        Some(raw) => RecordId(u32::from_be_bytes(*raw)),
        None => unreachable!("every entry ends with a record id"),
    };
    OrderedHit { entry, record }
}
