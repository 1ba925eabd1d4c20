//! How does a run become sorted and packed?
//!
//! A sealed run keeps all lists in two arrays, term after term:
//!
//! ```text
//! dictionary   term 0 | term 1 | ...            sorted
//! extents      (entry end, byte end) per term
//! entries      slot, count, start | ...         12 bytes a document of a term
//! positions    differences ...                  about 1 byte a word
//! ```
//!
//! Only the ends of documents change after sealing.

use std::ops::Range;

use super::build::Builder;
use super::dictionary::Dictionary;
use super::documents::Documents;
use super::encode::put;
use super::postings::{Entry, Postings, Run};

/// Names a sealed run within its index; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedId(pub u32);

/// An immutable run.
pub struct Sealed {
    /// Its name.
    pub id: SealedId,
    /// Its documents; their ends may still be set.
    pub documents: Documents,
    lists: Lists,
}

/// The dictionary and lists of a sealed run, also while a merge is writing them.
#[derive(Default)]
pub struct Lists {
    dictionary: Dictionary,
    extents: Vec<Extent>,
    entries: Vec<Entry>,
    positions: Vec<u8>,
}

/// Where one term's part of the arrays ends; it starts where the term before it ends.
#[derive(Clone, Copy, Default)]
struct Extent {
    entries: usize,
    positions: usize,
}

impl Sealed {
    /// Packs a mutable run.
    pub fn from_builder(id: SealedId, builder: Builder) -> Self {
        let mut lists = Lists::default();
        for (term, postings) in builder.sorted() {
            lists.append(postings, Some);
            lists.finish_term(term);
        }
        Self::new(id, builder.into_documents(), lists)
    }

    /// Puts finished lists and their documents together.
    pub fn new(id: SealedId, documents: Documents, mut lists: Lists) -> Self {
        lists.entries.shrink_to_fit();
        lists.positions.shrink_to_fit();
        Self { id, documents, lists }
    }

    /// Returns the number of terms.
    pub fn term_count(&self) -> usize {
        self.lists.dictionary.len()
    }

    /// Returns the term with this rank and its list.
    pub fn term(&self, ordinal: usize) -> (&str, Postings<'_>) {
        (self.lists.dictionary.get(ordinal), self.lists.postings(ordinal))
    }

    /// Returns the bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.documents.memory_bytes() + self.lists.memory_bytes()
    }

    fn lists_of(&self, ordinals: Range<usize>) -> Vec<Postings<'_>> {
        ordinals.map(|ordinal| self.lists.postings(ordinal)).collect()
    }
}

impl Run for Sealed {
    fn documents(&self) -> &Documents {
        &self.documents
    }

    fn postings(&self, term: &str) -> Option<Postings<'_>> {
        self.lists.dictionary.find(term).map(|ordinal| self.lists.postings(ordinal))
    }

    fn prefixed(&self, prefix: &str) -> Vec<Postings<'_>> {
        self.lists_of(self.lists.dictionary.prefixed(prefix))
    }

    fn near(&self, term: &str, distance: usize) -> Vec<Postings<'_>> {
        let ordinals = self.lists.dictionary.near(term, distance);
        ordinals.into_iter().map(|ordinal| self.lists.postings(ordinal)).collect()
    }
}

impl Lists {
    /// Appends documents to the term being written, each under the slot that `place` gives it;
    /// those without one are left out. Slots must ascend over all calls for one term.
    pub fn append(&mut self, postings: Postings<'_>, place: impl Fn(u32) -> Option<u32>) {
        let base = self.done().positions;
        for entry in postings.entries {
            let Some(slot) = place(entry.slot) else { continue };
            let start = u32::try_from(self.positions.len() - base)
                .expect("the positions of one term in one run take less than 4 GiB");
            self.entries.push(Entry { slot, count: entry.count, start });
            let mut last = 0;
            for at in postings.positions_of(entry) {
                put(&mut self.positions, at - last);
                last = at;
            }
        }
    }

    /// Appends an entry to the term being written, with its positions as they are; returns whether
    /// there was room. Slots must ascend.
    pub fn restore(&mut self, slot: u32, count: u32, positions: &[u8]) -> bool {
        let Ok(start) = u32::try_from(self.positions.len() - self.done().positions) else {
            return false;
        };
        self.entries.push(Entry { slot, count, start });
        self.positions.extend_from_slice(positions);
        true
    }

    /// Ends the term being written; a term without documents is left out.
    pub fn finish_term(&mut self, term: &str) {
        if self.entries.len() == self.done().entries {
            return;
        }
        self.dictionary.push(term);
        self.extents.push(Extent { entries: self.entries.len(), positions: self.positions.len() });
    }

    fn done(&self) -> Extent {
        self.extents.last().copied().unwrap_or_default()
    }

    fn postings(&self, ordinal: usize) -> Postings<'_> {
        let start = if ordinal == 0 { Extent::default() } else { self.extents[ordinal - 1] };
        let end = self.extents[ordinal];
        Postings {
            entries: &self.entries[start.entries..end.entries],
            positions: &self.positions[start.positions..end.positions],
        }
    }

    /// Returns the bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.dictionary.memory_bytes()
            + self.extents.capacity() * size_of::<Extent>()
            + self.entries.capacity() * size_of::<Entry>()
            + self.positions.capacity()
    }
}
