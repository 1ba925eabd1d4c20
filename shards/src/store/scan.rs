//! Which rows does a scan return next?

use std::sync::Arc;

use arrow_array::RecordBatch;

use super::batch::{Rows, filter_rows};
use super::cursor::{Cursor, Hit, Overlay, Place, Source};
use super::install::Store;
use super::past::Sorting;
use super::table::TableStore;
use crate::error::Error;
use crate::ids::{IndexId, Timestamp};
use crate::key::{Key, KeyRange};
use crate::ordered::parts_of;
use crate::request::Wanted;
use crate::tree::{Held, Item, Reach, Window};

/// Records looked up one by one in a batch: each may need a group of its own in memory.
const LOOK_UPS_MAX: usize = 256;

impl Store {
    /// Returns the next rows, at most `rows_max`; `None` when the scan is over. A batch may be
    /// empty: the rows looked at did not pass the filter, and the caller gets a chance to yield.
    ///
    /// **Cost**: looks at no more than `rows_max` visible records per call, plus the invisible
    /// ones between them.
    /// **Errors**: `NotLoaded`: load what the cursor lacks and call again; `StaleCatalog` when the
    /// table or index was dropped; whatever the filter reports.
    pub fn next_batch(
        &self,
        cursor: &mut Cursor,
        rows_max: usize,
    ) -> Result<Option<RecordBatch>, Error> {
        let table = self.table(cursor.table)?;
        let pins = cursor.pins.clone();
        let reach = Reach { cache: &self.cache, pins: &pins };
        let next = next(table, reach, cursor, rows_max)?;
        pins.borrow_mut().clear();
        Ok(next)
    }
}

impl Cursor {
    /// Looks at the next records of an access that must see all of them before it gives any;
    /// returns `false` when it may give some.
    fn looks_on(&mut self, table: &TableStore, reach: Reach<'_>) -> Result<bool, Error> {
        match &self.source {
            _ if self.remaining == 0 => return Ok(false),
            Source::Comparing(_) => self.compare_some(table, reach)?,
            Source::Searching(_) => self.search_some(table, reach)?,
            Source::Sorting(sorting) if !sorting.is_ready() => self.sort_some(table, reach)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn next(
    table: &TableStore,
    reach: Reach<'_>,
    cursor: &mut Cursor,
    rows_max: usize,
) -> Result<Option<RecordBatch>, Error> {
    cursor.start(table, reach)?;
    if cursor.looks_on(table, reach)? {
        let none = Rows::default();
        return none.batch(table, &cursor.columns, &cursor.schema, cursor.measure).map(Some);
    }
    let wanted = match &cursor.filter {
        // With a filter, how many rows to look at for a small limit is unknown: look ahead.
        Some(_) => rows_max,
        None => rows_max.min(cursor.remaining),
    };
    if wanted == 0 || cursor.remaining == 0 {
        return Ok(None);
    }
    let Cursor { source, overlay, filter, .. } = cursor;
    let mut rows = Rows::default();
    let passing = filter.as_ref().map_or(&[][..], |(filter, _)| filter.wanted());
    let snapshot = cursor.snapshot;
    let mut fetch = Fetch { table, reach, snapshot, wanted, passing, rows: &mut rows };
    let more = fetch.from(source, overlay)?;
    if rows.is_empty() && !more {
        return Ok(None);
    }
    if let Some((filter, schema)) = filter {
        filter_rows(table, &mut rows, &**filter, schema, cursor.measure)?;
        rows.truncate(cursor.remaining);
    }
    cursor.remaining -= rows.len();
    rows.batch(table, &cursor.columns, &cursor.schema, cursor.measure).map(Some)
}

/// One call's collection of rows.
struct Fetch<'f> {
    table: &'f TableStore,
    reach: Reach<'f>,
    snapshot: Timestamp,
    wanted: usize,
    /// What rows that pass the filter have.
    passing: &'f [Wanted],
    rows: &'f mut Rows,
}

/// What an ordered access comes to next.
enum Next {
    /// A record by its key, found under an entry.
    Record { entry: Vec<u8>, key: Arc<[u8]> },
    /// Position in the overlay's rows.
    Staged(usize),
}

impl Fetch<'_> {
    /// Adds up to `wanted` visible rows; returns whether there may be more.
    fn from(&mut self, source: &mut Source, overlay: &mut Overlay) -> Result<bool, Error> {
        match source {
            Source::Keys { keys, next } => self.keys(keys, next),
            Source::KeyRange { range, after } => self.key_range(range, after, overlay),
            Source::Index { index, range, after } => self.index(*index, range, after, overlay),
            Source::Hits { hits, next } => self.hits(hits, next, overlay),
            Source::Sorting(sorting) => self.sorted(sorting),
            Source::Start(_) | Source::Comparing(_) | Source::Searching(_) => {
                Err(Error::Internal("a search gives rows only at its end".into()))
            }
        }
    }

    fn room(&self) -> usize {
        self.wanted - self.rows.len()
    }

    fn keys(&mut self, keys: &[Key], next: &mut usize) -> Result<bool, Error> {
        let end = keys.len().min(*next + self.wanted.min(LOOK_UPS_MAX));
        let keys_now = keys[*next..end].iter().map(Key::bytes);
        for (key, found) in keys[*next..end].iter().zip(self.look_up(keys_now)?) {
            if let Some((version, row)) = found {
                self.rows.push(key.bytes(), version, row, 0.0);
            }
        }
        *next = end;
        Ok(end < keys.len())
    }

    /// Adds rows that a walk over all records has put in order.
    fn sorted(&mut self, sorting: &mut Sorting) -> Result<bool, Error> {
        let room = self.room().min(LOOK_UPS_MAX);
        let entries = sorting.found(room);
        let keys = entries.iter().filter_map(|entry| Some(parts_of(entry)?.1));
        for (entry, found) in entries.iter().zip(self.look_up(keys)?) {
            if let (Some((_, key)), Some((version, row))) = (parts_of(entry), found) {
                self.rows.push(key, version, row, 0.0);
            }
        }
        let taken = entries.len();
        Ok(sorting.pass(taken))
    }

    fn hits(&mut self, hits: &[Hit], next: &mut usize, overlay: &Overlay) -> Result<bool, Error> {
        let end = hits.len().min(*next + self.wanted.min(LOOK_UPS_MAX));
        let hits_now = &hits[*next..end];
        let keys = hits_now.iter().filter_map(|hit| match &hit.place {
            Place::Record(key) => Some(&**key),
            Place::Staged(_) => None,
        });
        let mut found = self.look_up(keys)?.into_iter();
        for hit in hits_now {
            match &hit.place {
                Place::Record(key) => {
                    if let Some((version, row)) = found.next().flatten() {
                        self.rows.push(key, version, row, hit.measure);
                    }
                }
                Place::Staged(position) => self.push_staged(overlay, *position, hit.measure),
            }
        }
        *next = end;
        Ok(end < hits.len())
    }

    /// Looks records up by key; `None` where the snapshot sees none.
    ///
    /// **Errors**: `NotLoaded`, after the groups of all of them were asked for.
    fn look_up<'k>(
        &self,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<(Timestamp, Held)>>, Error> {
        let mut lacks = false;
        let mut found = Vec::with_capacity(keys.size_hint().0);
        for key in keys {
            match self.table.get(self.reach, key, self.snapshot) {
                Err(Error::NotLoaded) => lacks = true,
                version => found.push(version?.and_then(|found| Some((found.begin, found.row?)))),
            }
        }
        if lacks { Err(Error::NotLoaded) } else { Ok(found) }
    }

    fn key_range(
        &mut self,
        range: &KeyRange,
        after: &mut Option<Vec<u8>>,
        overlay: &mut Overlay,
    ) -> Result<bool, Error> {
        let mut last = after.take();
        let from = last.clone();
        let (after_key, snapshot, wanted) = (from.as_deref(), self.snapshot, self.passing);
        let window = Window { range, after: after_key, snapshot, wanted };
        let (table, reach, room) = (self.table, self.reach, self.room());
        let mut ends_in_span = false;
        let over = table.records.scan(reach, window, room, &mut |item| {
            ends_in_span = matches!(item, Item::Span { .. }) && overlay.hidden.is_empty();
            if let (Item::Span { group, from, to }, true) = (&item, ends_in_span) {
                self.rows.push_span(group, *from, *to);
                return Ok(self.room());
            }
            item.each(&mut |key, begin, row| {
                self.staged_before(key, range.descending, overlay);
                if self.room() == 0 {
                    return Ok::<_, Error>(false);
                }
                if !overlay.hidden.contains(key) {
                    self.rows.push(key, begin, row.held(), 0.0);
                }
                let last = last.get_or_insert_default();
                last.clear();
                last.extend_from_slice(key);
                Ok(self.room() > 0)
            })?;
            Ok(self.room())
        });
        if ends_in_span {
            self.rows.last_key_into(last.get_or_insert_default());
        }
        *after = last;
        match over {
            Ok(true) => Ok(self.staged_rest(overlay)),
            Ok(false) => Ok(true),
            // What was read so far is a batch; the next call asks for the rest.
            Err(Error::NotLoaded) if !self.rows.is_empty() => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn index(
        &mut self,
        index: IndexId,
        range: &KeyRange,
        after: &mut Option<Vec<u8>>,
        overlay: &mut Overlay,
    ) -> Result<bool, Error> {
        let room = self.room().min(LOOK_UPS_MAX);
        let (found, staged, is_over) =
            self.entries(index, range, after.as_deref(), overlay, room)?;
        let keys = found.iter().filter_map(|next| match next {
            Next::Record { key, .. } => Some(&**key),
            Next::Staged(_) => None,
        });
        let mut records = self.look_up(keys)?.into_iter();
        for next in found {
            match next {
                Next::Staged(position) => self.push_staged(overlay, position, 0.0),
                Next::Record { entry, key } => {
                    if let Some((version, row)) = records.next().flatten()
                        && !overlay.hidden.contains(&key)
                    {
                        self.rows.push(&key, version, row, 0.0);
                    }
                    *after = Some(entry);
                }
            }
        }
        overlay.next = staged;
        if is_over { Ok(self.staged_rest(overlay)) } else { Ok(true) }
    }

    /// Returns the next entries of an index with the staged rows among them, at most `room`; the
    /// first staged row behind them; whether the range ends there.
    fn entries(
        &self,
        index: IndexId,
        range: &KeyRange,
        after: Option<&[u8]>,
        overlay: &Overlay,
        room: usize,
    ) -> Result<(Vec<Next>, usize, bool), Error> {
        let tree = &self.table.ordered(index)?.tree;
        let window = Window { range, after, snapshot: self.snapshot, wanted: &[] };
        let (mut found, mut staged) = (Vec::with_capacity(room.min(64)), overlay.next);
        let over = tree.scan(self.reach, window, room, &mut |item| {
            item.each(&mut |entry, _, _| {
                let Some((order, key)) = parts_of(entry) else {
                    return Err(Error::Corrupt("an index entry without a key".into()));
                };
                while found.len() < room
                    && overlay.is_staged_before(staged, order, range.descending)
                {
                    found.push(Next::Staged(staged));
                    staged += 1;
                }
                if found.len() == room {
                    return Ok(false);
                }
                found.push(Next::Record { entry: entry.to_vec(), key: key.into() });
                Ok(found.len() < room)
            })?;
            Ok(room - found.len())
        });
        match over {
            Ok(over) => Ok((found, staged, over)),
            Err(Error::NotLoaded) if !found.is_empty() => Ok((found, staged, false)),
            Err(error) => Err(error),
        }
    }

    /// Adds the staged rows that come before a committed one in the range's order.
    fn staged_before(&mut self, order: &[u8], descending: bool, overlay: &mut Overlay) {
        while self.room() > 0 && overlay.is_staged_before(overlay.next, order, descending) {
            self.push_staged(overlay, overlay.next, 0.0);
            overlay.next += 1;
        }
    }

    /// Adds the staged rows that are left; returns whether there was no room for all.
    fn staged_rest(&mut self, overlay: &mut Overlay) -> bool {
        while overlay.next < overlay.rows.len() {
            if self.room() == 0 {
                return true;
            }
            self.push_staged(overlay, overlay.next, 0.0);
            overlay.next += 1;
        }
        false
    }

    fn push_staged(&mut self, overlay: &Overlay, position: usize, measure: f64) {
        let staged = &overlay.rows[position];
        let row = Held::Bytes(staged.row.clone());
        self.rows.push(staged.key.bytes(), staged.version, row, measure);
    }
}

impl Overlay {
    /// Returns whether a staged row comes before a committed one in the range's order.
    fn is_staged_before(&self, position: usize, order: &[u8], descending: bool) -> bool {
        self.rows.get(position).is_some_and(|row| {
            if descending { row.order.as_slice() > order } else { row.order.as_slice() < order }
        })
    }
}
