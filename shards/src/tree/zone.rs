//! Which groups of a run cannot hold what a filter looks for?
//!
//! Neighbouring groups are a zone. Of each column whose values have ranks (`row/rank.rs`) a zone
//! knows the lowest and the highest, over all versions, so that a scan whose filter wants others
//! passes it without reading it. A run without zones, or with damaged ones, is read whole.
//!
//! ```text
//! offset  bytes    content
//! 0       4        groups of a zone
//! 4       4        zones n
//! 8       4        columns c
//! ..      4 c      their numbers
//! ..      n        1 = the last key of the zone has older versions in the next
//! ..      16 n c   by zone and column: lowest and highest rank, the first above the second where
//!                  all are null
//! ```

use super::limits::ZONE_GROUPS;
use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::request::Wanted;
use crate::row::{RowLayout, has_rank, rank_of_field};

/// Of no value.
const NOTHING: (u64, u64) = (u64::MAX, 0);
/// Of values of which some have no rank.
const ANYTHING: (u64, u64) = (0, u64::MAX);

/// The zones of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Zones {
    groups: u32,
    columns: Vec<u32>,
    /// Whether the last key of a zone goes on in the next.
    goes_on: Vec<bool>,
    /// By zone and column.
    limits: Vec<(u64, u64)>,
}

impl Zones {
    /// Returns the group behind the zone that begins with `group`, when no row in it is wanted and
    /// all versions of its keys are in it.
    pub fn passed(&self, group: u32, group_count: u32, wanted: &[Wanted]) -> Option<u32> {
        if self.groups == 0 || !group.is_multiple_of(self.groups) {
            return None;
        }
        let zone = (group / self.groups) as usize;
        if *self.goes_on.get(zone)? {
            return None;
        }
        let limits = &self.limits[zone * self.columns.len()..];
        let is_unwanted = |wanted: &Wanted| {
            let position = self.columns.iter().position(|column| *column as usize == wanted.column);
            position.is_some_and(|position| {
                let (low, high) = limits[position];
                low > high || high < wanted.low || wanted.high < low
            })
        };
        wanted.iter().any(is_unwanted).then(|| (group + self.groups).min(group_count))
    }

    /// Returns the bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.columns.len() * 4 + self.goes_on.len() + self.limits.len() * 16
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(12 + self.memory_bytes());
        out.u32(self.groups);
        out.u32(self.goes_on.len() as u32);
        out.u32(self.columns.len() as u32);
        self.columns.iter().for_each(|column| out.u32(*column));
        let flags: Vec<u8> = self.goes_on.iter().map(|goes_on| u8::from(*goes_on)).collect();
        out.raw(&flags);
        for (low, high) in &self.limits {
            out.u64(*low);
            out.u64(*high);
        }
        out.into_bytes()
    }

    /// Reads the zones of a run of so many groups.
    ///
    /// **Errors**: `Corrupt`.
    pub fn decode(bytes: &[u8], group_count: u32) -> Result<Self, Error> {
        let mut input = Reader::new(bytes, "zones of a segment");
        let (groups, zones, columns) =
            (input.u32("size")?, input.u32("count")? as usize, input.u32("columns")? as usize);
        let limits = zones.saturating_mul(columns);
        let expected = columns.saturating_mul(4).saturating_add(zones);
        if groups == 0
            || group_count.div_ceil(groups) as usize != zones
            || bytes.len() != limits.saturating_mul(16).saturating_add(expected + 12)
        {
            return Err(input.corrupt("length"));
        }
        let mut out = Self { groups, ..Self::default() };
        for _ in 0..columns {
            out.columns.push(input.u32("column")?);
        }
        for _ in 0..zones {
            out.goes_on.push(input.u8("flag")? != 0);
        }
        for _ in 0..limits {
            out.limits.push((input.u64("lowest")?, input.u64("highest")?));
        }
        Ok(out)
    }
}

/// Gathers zones while a run is written.
pub(super) struct ZoneWriter<'l> {
    layout: &'l RowLayout,
    zones: Zones,
    /// Groups of the last zone so far; 0 = the next group begins one.
    filled: u32,
}

impl<'l> ZoneWriter<'l> {
    pub fn new(layout: &'l RowLayout) -> Self {
        let ranked = |column: &usize| has_rank(layout.column_type(*column));
        let columns = (0..layout.column_count()).filter(ranked).map(|column| column as u32);
        let zones = Zones { groups: ZONE_GROUPS, columns: columns.collect(), ..Zones::default() };
        Self { layout, zones, filled: 0 }
    }

    /// Says that the next group begins with the key the last one ended with.
    pub fn key_goes_on(&mut self) {
        if self.filled == 0
            && let Some(goes_on) = self.zones.goes_on.last_mut()
        {
            *goes_on = true;
        }
    }

    /// Adds a group; `visit` gives the fields of a column that are not null.
    pub fn push(&mut self, visit: impl Fn(usize, &mut dyn FnMut(&[u8]))) {
        let columns = self.zones.columns.len();
        if self.filled == 0 {
            self.zones.goes_on.push(false);
            self.zones.limits.extend(std::iter::repeat_n(NOTHING, columns));
        }
        self.filled = (self.filled + 1) % ZONE_GROUPS;
        let first = self.zones.limits.len() - columns;
        for (column, limits) in self.zones.columns.iter().zip(&mut self.zones.limits[first..]) {
            let ty = self.layout.column_type(*column as usize);
            visit(*column as usize, &mut |field| {
                let (low, high) = *limits;
                *limits = match rank_of_field(ty, field) {
                    Some(rank) => (low.min(rank), high.max(rank)),
                    None => ANYTHING,
                };
            });
        }
    }

    /// Returns the zones; a run whose columns have none of it has no zones.
    pub fn finish(self) -> Option<Zones> {
        (!self.zones.columns.is_empty()).then_some(self.zones)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones() -> Zones {
        let limits = vec![(5, 9), NOTHING, (20, 30), (1, 2), ANYTHING, (7, 7)];
        Zones { groups: 4, columns: vec![1, 3], goes_on: vec![false, true, false], limits }
    }

    #[test]
    fn a_zone_is_passed_when_nothing_in_it_is_wanted() {
        let wanted = |column, low, high| [Wanted { column, low, high }];
        let passed = |group, wanted: &[Wanted]| zones().passed(group, 10, wanted);
        assert_eq!(passed(0, &wanted(1, 10, 99)), Some(4));
        assert_eq!(passed(0, &wanted(1, 0, 4)), Some(4));
        assert_eq!(passed(0, &wanted(1, 9, 9)), None, "its highest");
        assert_eq!(passed(0, &wanted(3, 0, u64::MAX)), Some(4), "nulls pass no comparison");
        assert_eq!(passed(0, &wanted(2, 0, 0)), None, "nothing is known of the column");
        assert_eq!(passed(1, &wanted(1, 10, 99)), None, "in the midst of a zone");
        assert_eq!(passed(4, &wanted(1, 0, 0)), None, "a key goes on behind it");
        assert_eq!(passed(8, &wanted(1, 0, 0)), None, "values without rank");
        assert_eq!(passed(8, &wanted(3, 8, 8)), Some(10), "the last zone is shorter");
        assert_eq!(passed(12, &wanted(1, 0, 0)), None, "there is no such zone");
        assert_eq!(Zones::default().passed(0, 10, &wanted(1, 0, 0)), None);
    }

    #[test]
    fn zones_are_read_as_they_were_written() {
        let bytes = zones().encode();
        assert_eq!(Zones::decode(&bytes, 10).unwrap(), zones());
        assert!(Zones::decode(&bytes, 13).is_err(), "of another run");
        for end in 0..bytes.len() {
            assert!(Zones::decode(&bytes[..end], 10).is_err(), "cut off at {end}");
        }
        let mut wild = bytes;
        wild[4..12].copy_from_slice(&[0xff; 8]);
        assert!(Zones::decode(&wild, 10).is_err());
    }
}
