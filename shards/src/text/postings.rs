//! Which documents hold a term, and where?

use std::borrow::Cow;

use super::documents::Documents;
use super::encode::{Positions, field_of};

/// Looking at one document costs about as much as sorting a sixteenth of an entry (estimate).
const SORT_COST: usize = 16;

/// One document of a term's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The document.
    pub slot: u32,
    /// Occurrences in it, at least 1.
    pub count: u32,
    /// Where its positions begin in the list's position bytes.
    pub start: u32,
}

/// One term's list: entries ascend by slot.
#[derive(Clone, Copy)]
pub struct Postings<'a> {
    /// The documents.
    pub entries: &'a [Entry],
    /// Positions of all of them, see `encode.rs`.
    pub positions: &'a [u8],
}

/// What a search asks of a run, whether it is still being built or sealed.
pub trait Run {
    /// Returns its documents.
    fn documents(&self) -> &Documents;
    /// Returns a term's list.
    fn postings(&self, term: &str) -> Option<Postings<'_>>;
    /// Returns the lists of all terms that begin with `prefix`.
    fn prefixed(&self, prefix: &str) -> Vec<Postings<'_>>;
    /// Returns the lists of all terms within `distance` edits of `term`.
    fn near(&self, term: &str, distance: usize) -> Vec<Postings<'_>>;
}

impl<'a> Postings<'a> {
    /// Returns the positions of one entry.
    pub fn positions_of(&self, entry: &Entry) -> Positions<'a> {
        Positions::new(&self.positions[entry.start as usize..], entry.count)
    }

    /// Returns the entries with occurrences in the given fields, `None` = all.
    pub fn within(&self, fields: Option<&[usize]>) -> Cow<'a, [Entry]> {
        let Some(fields) = fields else { return Cow::Borrowed(self.entries) };
        let mut kept = Vec::new();
        for entry in self.entries {
            let positions = self.positions_of(entry);
            let count = positions.filter(|&at| fields.contains(&field_of(at))).count() as u32;
            if count > 0 {
                kept.push(Entry { count, ..*entry });
            }
        }
        Cow::Owned(kept)
    }
}

/// Adds up several lists of a run with `documents` documents: one entry per document, with the
/// sum of its occurrences.
///
/// **Cost**: a pass over the lists, and either a sort of them or a pass over the documents.
pub fn union(lists: &[Postings<'_>], fields: Option<&[usize]>, documents: usize) -> Vec<Entry> {
    let total: usize = lists.iter().map(|list| list.entries.len()).sum();
    if total * SORT_COST > documents {
        return counted(lists, fields, documents);
    }
    let mut all = Vec::with_capacity(total);
    for list in lists {
        all.extend_from_slice(&list.within(fields));
    }
    all.sort_unstable_by_key(|entry| entry.slot);
    all.dedup_by(|later, kept| {
        let same = later.slot == kept.slot;
        if same {
            kept.count += later.count;
        }
        same
    });
    all
}

/// Adds up lists in an array over all documents.
fn counted(lists: &[Postings<'_>], fields: Option<&[usize]>, documents: usize) -> Vec<Entry> {
    let mut counts = vec![0u32; documents];
    for list in lists {
        for entry in list.within(fields).iter() {
            counts[entry.slot as usize] += entry.count;
        }
    }
    let found = (0u32..).zip(counts).filter(|(_, count)| *count > 0);
    found.map(|(slot, count)| Entry { slot, count, start: 0 }).collect()
}

/// Returns how many of the ascending `slots` occur in the list.
///
/// **Cost**: the smaller of a pass over both and one binary search per slot.
pub fn count_of(entries: &[Entry], slots: &[u32]) -> usize {
    let searched = slots.len() * (entries.len().max(1).ilog2() as usize + 1);
    if searched < entries.len() + slots.len() {
        return slots.iter().filter(|slot| find(entries, **slot).is_some()).count();
    }
    let mut slots = slots.iter().peekable();
    let mut found = 0;
    for entry in entries {
        while slots.next_if(|slot| **slot < entry.slot).is_some() {}
        found += usize::from(slots.peek() == Some(&&entry.slot));
    }
    found
}

/// Returns the entry of a document.
pub fn find(entries: &[Entry], slot: u32) -> Option<&Entry> {
    let index = entries.binary_search_by_key(&slot, |entry| entry.slot).ok()?;
    entries.get(index)
}

/// Returns the part of `entries` that starts at the first slot at or after `slot`, looking in
/// steps that double, so that short jumps are cheap.
pub fn seek(entries: &[Entry], slot: u32) -> &[Entry] {
    let mut step = 1;
    let mut low = 0;
    while low + step < entries.len() && entries[low + step].slot < slot {
        low += step;
        step *= 2;
    }
    let high = (low + step + 1).min(entries.len());
    let skip = entries[low..high].partition_point(|entry| entry.slot < slot);
    &entries[low + skip..]
}
