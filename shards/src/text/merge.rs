//! How do runs become fewer and lose their dead?
//!
//! Sealed runs fall into size classes, each four times the one below. When a class holds
//! [`MERGE_WIDTH`] runs they become one; a run of which a quarter is dead is rewritten alone.
//! A merge goes term by term, so it stops and resumes anywhere; searches use the old runs until
//! it is done. Documents that end meanwhile keep their end: ends are read when it is done.

use super::documents::{Document, Documents};
use super::options::{FOLD_DOCUMENTS_MIN, MERGE_WIDTH};
use super::seal::{Lists, Sealed, SealedId};
use crate::ids::Timestamp;

/// Fewest dead documents worth a rewrite.
const DEAD_MIN: usize = 64;

/// A merge under way.
pub struct Merge {
    sources: Vec<Source>,
    lists: Lists,
}

/// One run being merged.
struct Source {
    id: SealedId,
    /// Rank of the next term to be copied.
    next: usize,
    /// New slot of each document, `None` for the dead.
    slots: Vec<Option<u32>>,
}

/// What a finished merge hands over.
pub struct Merged {
    /// The runs it replaces.
    pub sources: Vec<SealedId>,
    /// The documents that were kept, with their current ends.
    pub documents: Documents,
    /// Their lists.
    pub lists: Lists,
}

impl Merge {
    /// Chooses what to merge, `None` if nothing is worth it. Documents that no snapshot at or
    /// after `watermark` sees will be left out.
    pub fn plan(runs: &[Sealed], watermark: Timestamp) -> Option<Self> {
        let mut classes: Vec<Vec<&Sealed>> = Vec::new();
        for run in runs {
            let class = class_of(run.documents.len());
            if classes.len() <= class {
                classes.resize_with(class + 1, Vec::new);
            }
            classes[class].push(run);
        }
        if let Some(full) = classes.into_iter().find(|class| class.len() >= MERGE_WIDTH) {
            return Some(Self::of(&full, watermark));
        }
        let worn = runs.iter().find(|run| {
            let dead = run.documents.dead_count(watermark);
            dead >= DEAD_MIN && dead * 4 >= run.documents.len()
        })?;
        Some(Self::of(&[worn], watermark))
    }

    fn of(runs: &[&Sealed], watermark: Timestamp) -> Self {
        let mut next_slot = 0;
        let sources = runs.iter().map(|run| {
            let slots = (0..run.documents.len() as u32).map(|slot| {
                let alive = run.documents.get(slot).end > watermark;
                next_slot += u32::from(alive);
                alive.then(|| next_slot - 1)
            });
            Source { id: run.id, next: 0, slots: slots.collect() }
        });
        Self { sources: sources.collect(), lists: Lists::default() }
    }

    /// Copies terms until all are copied (`true`) or the budget says stop (`false`).
    pub fn step(&mut self, runs: &[Sealed], budget: &mut dyn FnMut() -> bool) -> bool {
        let runs: Vec<&Sealed> = self.sources.iter().map(|source| find(runs, source.id)).collect();
        loop {
            let ahead = self.sources.iter().zip(&runs);
            let ahead = ahead.filter(|(source, run)| source.next < run.term_count());
            let Some(term) = ahead.map(|(source, run)| run.term(source.next).0).min() else {
                return true;
            };
            if !budget() {
                return false;
            }
            for (source, run) in self.sources.iter_mut().zip(&runs) {
                if source.next == run.term_count() {
                    continue;
                }
                let (own, postings) = run.term(source.next);
                if own == term {
                    let slots = &source.slots;
                    self.lists.append(postings, |slot| slots[slot as usize]);
                    source.next += 1;
                }
            }
            self.lists.finish_term(term);
        }
    }

    /// Collects the documents once all terms are copied.
    pub fn finish(self, runs: &[Sealed], fields: usize) -> Merged {
        let mut documents = Documents::new(fields);
        for source in &self.sources {
            let run = find(runs, source.id);
            for (slot, new) in (0u32..).zip(&source.slots) {
                let Some(new) = new else { continue };
                let document: Document<'_> = run.documents.get(slot);
                let pushed = documents.push(document);
                assert_eq!(pushed, *new, "slots are handed out in source order");
            }
        }
        let sources = self.sources.into_iter().map(|source| source.id).collect();
        Merged { sources, documents, lists: self.lists }
    }

    /// Returns the bytes held.
    pub fn memory_bytes(&self) -> usize {
        let slots: usize = self.sources.iter().map(|source| source.slots.capacity()).sum();
        slots * size_of::<Option<u32>>() + self.lists.memory_bytes()
    }
}

fn class_of(documents: usize) -> usize {
    let units = (documents / FOLD_DOCUMENTS_MIN).max(1);
    (units.ilog2() / 2) as usize
}

fn find(runs: &[Sealed], id: SealedId) -> &Sealed {
    runs.iter().find(|run| run.id == id).expect("a merge's sources stay until it is finished")
}
