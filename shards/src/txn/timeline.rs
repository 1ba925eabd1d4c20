//! Which commit was the last one at a point of time, and which tables were there?
//!
//! Commits are numbered, not timed. While the past is kept, a *moment* is noted again and again:
//! the wall clock, the last commit, and the number the next table will get. Tables get their
//! numbers in order and never again, so that a table is as old as the first moment whose number is
//! above its own; one that was emptied has another number (`catalog/truncate.rs`).
//!
//! ```text
//! edit    u8 format = 1
//!         u8 1 the past is kept, 0 it is not: the next start knows nothing of it
//!         u32 moments that are forgotten, oldest first
//!         u32 n | n new moments: u64 µs since 1970 | u64 commit | u32 number of the next table
//! ```
//! Numbers are little-endian (`codec`). A snapshot is an edit that forgets nothing and has every
//! moment. Of the moments that are left, the oldest says from where on the past can be read.

use std::collections::VecDeque;

use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::ids::{TableId, Timestamp};

const FORMAT: u8 = 1;

/// What was so at a point of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Microseconds since 1970 by the wall clock.
    pub wall: u64,
    /// The last commit.
    pub commit: Timestamp,
    /// Tables below this number have been made.
    pub tables: TableId,
}

/// Moments in order: each is later than the one before, and has no earlier commit.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    moments: VecDeque<Moment>,
}

/// A change of a timeline, as it is on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimelineEdit {
    /// Whether the past is kept.
    pub kept: bool,
    /// Moments that are forgotten, oldest first.
    pub forgotten: u32,
    /// Moments that are new.
    pub moments: Vec<Moment>,
}

impl Timeline {
    /// Carries an edit out.
    pub fn take(&mut self, edit: &TimelineEdit) {
        if !edit.kept {
            self.moments.clear();
            return;
        }
        let forgotten = (edit.forgotten as usize).min(self.moments.len());
        self.moments.drain(..forgotten);
        self.moments.extend(&edit.moments);
    }

    /// Returns the oldest moment.
    pub fn first(&self) -> Option<Moment> {
        self.moments.front().copied()
    }

    /// Returns the newest moment.
    pub fn last(&self) -> Option<Moment> {
        self.moments.back().copied()
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.moments.len()
    }

    /// Returns all moments as one edit.
    pub fn snapshot(&self) -> TimelineEdit {
        let moments = self.moments.iter().copied().collect();
        TimelineEdit { kept: !self.moments.is_empty(), forgotten: 0, moments }
    }

    /// Returns the last commit that is known to have been there at a point of time; `None` before
    /// the oldest moment.
    pub fn at(&self, wall: u64) -> Option<Timestamp> {
        let behind = self.moments.partition_point(|moment| moment.wall <= wall);
        Some(self.moments.get(behind.checked_sub(1)?)?.commit)
    }

    /// Returns how many moments are of no use to who asks for nothing before `wall`: the last one
    /// at or before it stays.
    pub fn outlived(&self, wall: u64) -> usize {
        self.moments.partition_point(|moment| moment.wall <= wall).saturating_sub(1)
    }

    /// Returns the commit from which on a table can be read; `None` = it is newer than the last
    /// moment. For one that was there at the oldest moment that is the moment's.
    pub fn since(&self, table: TableId) -> Option<Timestamp> {
        let first = self.moments.partition_point(|moment| moment.tables <= table);
        Some(self.moments.get(first)?.commit)
    }
}

impl TimelineEdit {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(16 + self.moments.len() * 20);
        out.u8(FORMAT);
        out.u8(u8::from(self.kept));
        out.u32(self.forgotten);
        out.count(self.moments.len());
        for moment in &self.moments {
            out.u64(moment.wall);
            out.u64(moment.commit.0);
            out.u32(moment.tables.0);
        }
        out.into_bytes()
    }

    /// Returns the edit these bytes hold.
    ///
    /// **Errors**: `Corrupt` for anything that `encode` does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut input = Reader::new(bytes, "history");
        if input.u8("format")? != FORMAT {
            return Err(input.corrupt("format"));
        }
        let kept = match input.u8("kept")? {
            0 => false,
            1 => true,
            _ => return Err(input.corrupt("kept")),
        };
        let mut edit = Self { kept, forgotten: input.u32("forgotten")?, moments: Vec::new() };
        for _ in 0..input.count("moments")? {
            let (wall, commit) = (input.u64("time")?, Timestamp(input.u64("commit")?));
            edit.moments.push(Moment { wall, commit, tables: TableId(input.u32("tables")?) });
        }
        input.finish()?;
        Ok(edit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(wall: u64, commit: u64, tables: u32) -> Moment {
        Moment { wall, commit: Timestamp(commit), tables: TableId(tables) }
    }

    fn timeline(moments: Vec<Moment>) -> Timeline {
        let mut timeline = Timeline::default();
        timeline.take(&TimelineEdit { kept: true, forgotten: 0, moments });
        timeline
    }

    #[test]
    fn a_time_is_that_of_the_last_moment_at_or_before_it() {
        let timeline = timeline(vec![moment(10, 3, 1), moment(20, 7, 1), moment(30, 7, 2)]);
        let cases = [(9, None), (10, Some(3)), (19, Some(3)), (20, Some(7)), (99, Some(7))];
        for (wall, commit) in cases {
            assert_eq!(timeline.at(wall), commit.map(Timestamp), "{wall}");
        }
        let outlived = [5, 10, 19, 20, 29, 30, 99].map(|wall| timeline.outlived(wall));
        assert_eq!(outlived, [0, 0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn a_table_is_as_old_as_the_first_moment_that_knows_its_number() {
        let timeline = timeline(vec![moment(10, 3, 2), moment(20, 7, 2), moment(30, 9, 5)]);
        let since = [1, 2, 4, 5].map(|table| timeline.since(TableId(table)));
        assert_eq!(since, [Some(3), Some(9), Some(9), None].map(|at| at.map(Timestamp)));
    }

    #[test]
    fn edits_survive_their_bytes_and_short_ones_are_refused() {
        let first = TimelineEdit { kept: true, forgotten: 0, moments: vec![moment(10, 3, 2)] };
        let next = TimelineEdit { kept: true, forgotten: 1, moments: vec![moment(20, 4, 2)] };
        let mut all = Timeline::default();
        for edit in [&first, &next, &TimelineEdit::default()] {
            let bytes = edit.encode();
            assert_eq!(TimelineEdit::decode(&bytes).expect("an edit"), *edit);
            for cut in 0..bytes.len() {
                assert!(matches!(TimelineEdit::decode(&bytes[..cut]), Err(Error::Corrupt(_))));
            }
            all.take(edit);
            let expected = if edit.kept { edit.moments.clone() } else { Vec::new() };
            assert_eq!(all.snapshot().moments, expected);
        }
    }
}
