//! How do the runs act as one index?

use super::build::Builder;
use super::documents::Documents;
use super::merge::Merge;
use super::options::{BUILD_WORDS_MAX, FOLD_DOCUMENTS_MIN, TextOptions};
use super::postings::Run;
use super::seal::{Lists, Sealed, SealedId};
use crate::ids::{RecordId, Timestamp};

/// The text index of one shard's copy of one table.
pub struct TextIndex {
    pub(super) options: TextOptions,
    pub(super) builder: Builder,
    pub(super) sealed: Vec<Sealed>,
    merge: Option<Merge>,
    /// Where each record's current document is, by record.
    places: Vec<Place>,
    watermark: Timestamp,
    sealed_next: u32,
    current: usize,
    /// Whether an image is being written: nothing is merged.
    pub(super) is_held: bool,
}

/// Where a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The record has no current document.
    Nowhere,
    /// In the mutable run.
    Built(u32),
    /// In a sealed run.
    Sealed(SealedId, u32),
}

impl TextIndex {
    /// Returns an empty index.
    ///
    /// **Panics** when the number of fields is 0 or above the maximum of 256.
    pub fn open(options: TextOptions) -> Self {
        let builder = Builder::open(options.fields, options.stem);
        Self {
            options,
            builder,
            sealed: Vec::new(),
            merge: None,
            places: Vec::new(),
            watermark: Timestamp(0),
            sealed_next: 0,
            current: 0,
            is_held: false,
        }
    }

    /// Adds a record's texts, one per field, visible from `begin` on. A current document of the
    /// record ends there. A record whose fields are all `None` is not a document.
    ///
    /// **Cost**: one hash lookup per word; now and then a few milliseconds to seal the mutable
    /// run. Searches find the document at once.
    pub fn insert(&mut self, record: RecordId, fields: &[Option<&str>], begin: Timestamp) {
        if let Some(before) = self.current_begin(record) {
            // Two texts of one moment: the first one is never seen.
            self.end_current(record, begin.max(before));
        }
        if fields.iter().all(Option::is_none) {
            return;
        }
        let slot = self.builder.insert(record, fields, begin);
        self.put_place(record, Place::Built(slot));
        self.current += 1;
        if self.builder.word_count() >= BUILD_WORDS_MAX {
            self.seal();
        }
    }

    /// Ends a record's current document: snapshots at or after `end` no longer see it. Does
    /// nothing when there is none or when it began at or after `end`, so that the old text may be
    /// removed after the new one was inserted.
    pub fn remove(&mut self, record: RecordId, end: Timestamp) {
        if self.current_begin(record).is_some_and(|begin| begin < end) {
            self.end_current(record, end);
        }
    }

    /// Seals and merges in the background. `budget` is asked between small steps and returns
    /// whether to go on. Returns whether work is left. Nothing is merged while an image is written.
    ///
    /// **Cost**: one step is a term of a merge, or sealing the mutable run.
    pub fn fold(&mut self, budget: &mut dyn FnMut() -> bool) -> bool {
        if self.builder.documents().len() >= FOLD_DOCUMENTS_MIN {
            self.seal();
        }
        if self.is_held {
            return false;
        }
        loop {
            if self.merge.is_none() {
                self.merge = Merge::plan(&self.sealed, self.watermark);
            }
            let Some(mut merge) = self.merge.take() else { return false };
            if !merge.step(&self.sealed, budget) {
                self.merge = Some(merge);
                return true;
            }
            self.install(merge);
        }
    }

    /// Promises that no snapshot before `watermark` will be asked for again: later folds drop
    /// what only those could see. Returns how many documents that is.
    pub fn collect(&mut self, watermark: Timestamp) -> usize {
        self.watermark = self.watermark.max(watermark);
        let dead = self.runs().map(|run| run.documents().dead_count(self.watermark));
        dead.sum()
    }

    /// Returns the number of documents that are not yet in a sealed run.
    pub fn pending(&self) -> usize {
        self.builder.documents().len()
    }

    /// Returns the number of current documents.
    pub fn len(&self) -> usize {
        self.current
    }

    /// Returns whether there are no current documents.
    pub fn is_empty(&self) -> bool {
        self.current == 0
    }

    /// Returns the options it was opened with.
    pub fn options(&self) -> &TextOptions {
        &self.options
    }

    /// Returns the bytes held.
    pub fn memory_bytes(&self) -> usize {
        let sealed: usize = self.sealed.iter().map(Sealed::memory_bytes).sum();
        self.builder.memory_bytes()
            + sealed
            + self.merge.as_ref().map_or(0, Merge::memory_bytes)
            + self.places.capacity() * size_of::<Place>()
    }

    /// Returns the sealed runs, then the mutable one.
    pub(super) fn runs(&self) -> impl Iterator<Item = &dyn Run> {
        let sealed = self.sealed.iter().map(|run| run as &dyn Run);
        sealed.chain(std::iter::once(&self.builder as &dyn Run))
    }

    /// Seals the mutable run, whatever its size.
    pub(super) fn seal(&mut self) {
        let fresh = Builder::open(self.options.fields, self.options.stem);
        let builder = std::mem::replace(&mut self.builder, fresh);
        let id = self.next_id();
        self.adopt(Sealed::from_builder(id, builder));
    }

    /// Takes over a sealed run as an image has it.
    pub(super) fn restore(&mut self, documents: Documents, lists: Lists) {
        let current =
            (0..documents.len() as u32).filter(|slot| documents.get(*slot).end == Timestamp::MAX);
        self.current += current.count();
        let id = self.next_id();
        self.adopt(Sealed::new(id, documents, lists));
    }

    fn install(&mut self, merge: Merge) {
        let merged = merge.finish(&self.sealed, self.options.fields);
        self.sealed.retain(|run| !merged.sources.contains(&run.id));
        if merged.documents.len() > 0 {
            let id = self.next_id();
            self.adopt(Sealed::new(id, merged.documents, merged.lists));
        }
    }

    /// Takes a new sealed run in and points the places of its current documents at it.
    fn adopt(&mut self, run: Sealed) {
        for slot in 0..run.documents.len() as u32 {
            let document = run.documents.get(slot);
            if document.end == Timestamp::MAX {
                self.put_place(document.record, Place::Sealed(run.id, slot));
            }
        }
        self.sealed.push(run);
    }

    fn next_id(&mut self) -> SealedId {
        self.sealed_next += 1;
        SealedId(self.sealed_next)
    }

    fn current_begin(&self, record: RecordId) -> Option<Timestamp> {
        let document = match self.place(record) {
            Place::Nowhere => return None,
            Place::Built(slot) => self.builder.documents().get(slot),
            Place::Sealed(id, slot) => {
                self.sealed.iter().find(|run| run.id == id)?.documents.get(slot)
            }
        };
        Some(document.begin)
    }

    fn end_current(&mut self, record: RecordId, end: Timestamp) {
        match self.place(record) {
            Place::Nowhere => return,
            Place::Built(slot) => self.builder.end(slot, end),
            Place::Sealed(id, slot) => {
                let run = self.sealed.iter_mut().find(|run| run.id == id);
                run.expect("places name runs that exist").documents.end(slot, end);
            }
        }
        self.put_place(record, Place::Nowhere);
        self.current -= 1;
    }

    fn place(&self, record: RecordId) -> Place {
        self.places.get(record.0 as usize).copied().unwrap_or(Place::Nowhere)
    }

    fn put_place(&mut self, record: RecordId, place: Place) {
        let index = record.0 as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, Place::Nowhere);
        }
        self.places[index] = place;
    }
}
