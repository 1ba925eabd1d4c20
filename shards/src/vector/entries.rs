//! Which record does each slot hold, and when is it visible?
//!
//! A slot is a row of the vector matrix and a node number of the graph. A record's entries form
//! a chain from the newest to the oldest, at most one of them visible at any snapshot.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::ids::{RecordId, Timestamp};

/// No slot: the end of a chain, or an unused link.
pub const NONE: u32 = u32::MAX;

/// Where an entry is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: the slot may be given to a new entry.
    Free,
    /// In the delta, waiting to be linked.
    Delta,
    /// In the graph.
    Linked,
    /// Among the vectors that no graph may hold.
    Stray,
    /// Forgotten, but still a node that walks pass through.
    Dead,
}

/// One slot.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// First snapshot that sees the entry.
    pub begin: Timestamp,
    /// First snapshot that no longer does.
    pub end: Timestamp,
    /// The record whose vector it is.
    pub record: RecordId,
    /// Slot of the record's next older entry.
    older: u32,
    /// Where the entry is found.
    pub place: Place,
}

impl Entry {
    /// Returns whether `snapshot` sees the entry.
    #[inline]
    pub fn visible(&self, snapshot: Timestamp) -> bool {
        self.begin <= snapshot && snapshot < self.end
    }
}

/// The slots of an index.
#[derive(Default)]
pub struct Entries {
    slots: Vec<Entry>,
    free: Vec<u32>,
    /// Newest slot of every record that has one. Only looked up, never iterated.
    newest: HashMap<RecordId, u32, ahash::RandomState>,
    /// Ended entries that are not forgotten yet, earliest end first.
    ended: BinaryHeap<Reverse<(Timestamp, u32)>>,
    /// Entries without an end.
    current_count: usize,
    /// The latest begin of any entry ever made.
    latest: Timestamp,
    /// Whether some slot was ever forgotten or restored as one nobody sees.
    has_unseen: bool,
}

impl Entries {
    /// Makes a slot for `record`, visible from `begin`, and returns it.
    pub fn add(&mut self, record: RecordId, begin: Timestamp, place: Place) -> u32 {
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        assert!(slot < NONE, "an index holds fewer than 2^32 - 1 entries");
        let older = self.newest.insert(record, slot).unwrap_or(NONE);
        let entry = Entry { begin, end: Timestamp::MAX, record, older, place };
        if slot as usize == self.slots.len() {
            self.slots.push(entry);
        } else {
            self.slots[slot as usize] = entry;
        }
        self.current_count += 1;
        self.latest = self.latest.max(begin);
        slot
    }

    /// Returns whether `snapshot` sees every slot, as far as that is known at once.
    pub fn all_visible(&self, snapshot: Timestamp) -> bool {
        self.latest <= snapshot && !self.has_unseen && self.ended.is_empty()
    }

    /// Makes the next slot as an image has it: an entry that every snapshot sees, or none.
    pub fn restore(&mut self, record: Option<RecordId>, place: Place) -> u32 {
        let slot = self.slots.len() as u32;
        let (begin, end) = match record {
            Some(_) => (Timestamp(0), Timestamp::MAX),
            None => (Timestamp::MAX, Timestamp(0)),
        };
        if let Some(record) = record {
            self.newest.insert(record, slot);
            self.current_count += 1;
        }
        self.has_unseen |= record.is_none();
        let record = record.unwrap_or_default();
        self.slots.push(Entry { begin, end, record, older: NONE, place });
        if place == Place::Free {
            self.free.push(slot);
        }
        slot
    }

    /// Ends the record's newest entry at `end`; returns whether there was one without an end.
    pub fn end(&mut self, record: RecordId, end: Timestamp) -> bool {
        let Some(&slot) = self.newest.get(&record) else { return false };
        let entry = &mut self.slots[slot as usize];
        if entry.end != Timestamp::MAX {
            return false;
        }
        entry.end = end;
        self.ended.push(Reverse((end, slot)));
        self.current_count -= 1;
        true
    }

    /// Returns the slot of the record's entry that `snapshot` sees.
    pub fn find(&self, record: RecordId, snapshot: Timestamp) -> Option<u32> {
        let mut slot = self.newest.get(&record).copied().unwrap_or(NONE);
        while slot != NONE {
            let entry = &self.slots[slot as usize];
            if entry.visible(snapshot) {
                return Some(slot);
            }
            slot = entry.older;
        }
        None
    }

    /// Takes the next entry that ended at or before `watermark` out of its record's chain and
    /// returns its slot. No snapshot at or after `watermark` sees it.
    pub fn forget_next(&mut self, watermark: Timestamp) -> Option<u32> {
        let Reverse((end, slot)) = *self.ended.peek()?;
        if end > watermark {
            return None;
        }
        self.ended.pop();
        self.unchain(slot);
        self.has_unseen = true;
        let entry = &mut self.slots[slot as usize];
        (entry.begin, entry.end) = (Timestamp::MAX, Timestamp(0));
        Some(slot)
    }

    fn unchain(&mut self, slot: u32) {
        let Entry { record, older, .. } = self.slots[slot as usize];
        let mut newer = self.newest.get(&record).copied().unwrap_or(NONE);
        if newer == slot {
            if older == NONE {
                self.newest.remove(&record);
            } else {
                self.newest.insert(record, older);
            }
            return;
        }
        while newer != NONE {
            let entry = &mut self.slots[newer as usize];
            if entry.older == slot {
                entry.older = older;
                return;
            }
            newer = entry.older;
        }
    }

    /// Gives a forgotten slot to later entries.
    pub fn release(&mut self, slot: u32) {
        self.slots[slot as usize].place = Place::Free;
        self.free.push(slot);
    }

    /// Records where the slot's entry is found from here on.
    pub fn set_place(&mut self, slot: u32, place: Place) {
        self.slots[slot as usize].place = place;
    }

    /// Returns the entry at `slot`.
    #[inline]
    pub fn get(&self, slot: u32) -> &Entry {
        &self.slots[slot as usize]
    }

    /// Returns the slots ever made, free ones included.
    pub fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// Returns the entries without an end.
    pub fn current_count(&self) -> usize {
        self.current_count
    }

    /// Returns every slot that `snapshot` sees, ascending.
    pub fn visible(&self, snapshot: Timestamp) -> impl Iterator<Item = u32> {
        let entries = self.slots.iter().enumerate();
        entries.filter(move |(_, entry)| entry.visible(snapshot)).map(|(slot, _)| slot as u32)
    }

    /// Returns an estimate of the bytes in use.
    pub fn memory_bytes(&self) -> usize {
        self.slots.len() * size_of::<Entry>()
            + self.newest.len() * (size_of::<(RecordId, u32)>() + 1)
            + self.ended.len() * size_of::<(Timestamp, u32)>()
            + self.free.len() * size_of::<u32>()
    }
}
