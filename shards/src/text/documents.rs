//! Which documents does a run hold, and who may see them?

use crate::ids::{RecordId, Timestamp};

/// Documents whose newest begin is kept together, so that looking for documents newer than a
/// snapshot touches few of them.
const BLOCK: usize = 256;

/// The documents of one run. A document's *slot* is its position here.
#[derive(Default)]
pub struct Documents {
    fields: usize,
    records: Vec<RecordId>,
    begins: Vec<Timestamp>,
    ends: Vec<Timestamp>,
    /// `[documents, fields]` row-major: words per field.
    lengths: Vec<u32>,
    /// Words per field, over all documents.
    totals: Vec<u64>,
    /// Slots whose end is known, in no order.
    ended: Vec<u32>,
    /// Newest begin of each block.
    newest: Vec<Timestamp>,
}

/// One document as a run stores it.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// The record it was read from.
    pub record: RecordId,
    /// First snapshot that sees it.
    pub begin: Timestamp,
    /// First snapshot that no longer sees it.
    pub end: Timestamp,
    /// Words per field.
    pub lengths: &'a [u32],
}

impl Documents {
    /// Returns an empty set of documents with this many fields.
    pub fn new(fields: usize) -> Self {
        Self { fields, totals: vec![0; fields], ..Self::default() }
    }

    /// Returns the number of slots.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns the number of documents that no snapshot at or after `watermark` sees.
    pub fn dead_count(&self, watermark: Timestamp) -> usize {
        self.ended.iter().filter(|&&slot| self.ends[slot as usize] <= watermark).count()
    }

    /// Appends a document and returns its slot.
    pub fn push(&mut self, document: Document<'_>) -> u32 {
        assert_eq!(document.lengths.len(), self.fields, "one length per field");
        let slot = u32::try_from(self.len()).expect("a run holds fewer than 2^32 documents");
        if self.len().is_multiple_of(BLOCK) {
            self.newest.push(document.begin);
        } else if let Some(newest) = self.newest.last_mut() {
            *newest = (*newest).max(document.begin);
        }
        self.records.push(document.record);
        self.begins.push(document.begin);
        self.ends.push(document.end);
        self.lengths.extend_from_slice(document.lengths);
        for (total, length) in self.totals.iter_mut().zip(document.lengths) {
            *total += u64::from(*length);
        }
        if document.end != Timestamp::MAX {
            self.ended.push(slot);
        }
        slot
    }

    /// Ends a current document.
    pub fn end(&mut self, slot: u32, end: Timestamp) {
        debug_assert_eq!(self.ends[slot as usize], Timestamp::MAX);
        self.ends[slot as usize] = end;
        self.ended.push(slot);
    }

    /// Returns the document in a slot.
    pub fn get(&self, slot: u32) -> Document<'_> {
        let index = slot as usize;
        Document {
            record: self.records[index],
            begin: self.begins[index],
            end: self.ends[index],
            lengths: &self.lengths[index * self.fields..(index + 1) * self.fields],
        }
    }

    /// Returns the record in a slot.
    pub fn record(&self, slot: u32) -> RecordId {
        self.records[slot as usize]
    }

    /// Returns whether a snapshot sees a document.
    pub fn visible(&self, slot: u32, snapshot: Timestamp) -> bool {
        let index = slot as usize;
        self.begins[index] <= snapshot && snapshot < self.ends[index]
    }

    /// Returns the slots a snapshot does not see, ascending.
    ///
    /// **Cost**: one comparison per 256 documents, plus the documents that have ended and have
    /// not been merged away.
    pub fn invisible(&self, snapshot: Timestamp) -> Vec<u32> {
        let mut slots: Vec<u32> = self
            .ended
            .iter()
            .copied()
            .filter(|&slot| self.ends[slot as usize] <= snapshot)
            .collect();
        for (block, newest) in self.newest.iter().enumerate() {
            if *newest > snapshot {
                let end = ((block + 1) * BLOCK).min(self.len());
                let later = (block * BLOCK..end).filter(|&index| self.begins[index] > snapshot);
                slots.extend(later.map(|index| index as u32));
            }
        }
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Returns the words of a document in the given fields, `None` = all.
    pub fn length(&self, slot: u32, fields: Option<&[usize]>) -> u32 {
        let lengths = self.get(slot).lengths;
        match fields {
            None => lengths.iter().sum(),
            Some(fields) => fields.iter().filter_map(|&field| lengths.get(field)).sum(),
        }
    }

    /// Returns the words of all documents in the given fields, `None` = all.
    pub fn total(&self, fields: Option<&[usize]>) -> u64 {
        match fields {
            None => self.totals.iter().sum(),
            Some(fields) => fields.iter().filter_map(|&field| self.totals.get(field)).sum(),
        }
    }

    /// Returns the bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.records.capacity() * size_of::<RecordId>()
            + (self.begins.capacity() + self.ends.capacity() + self.newest.capacity())
                * size_of::<Timestamp>()
            + (self.lengths.capacity() + self.ended.capacity()) * size_of::<u32>()
    }
}
