//! What is left of a range?

use std::ops::Bound;

use crate::key::KeyRange;

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
