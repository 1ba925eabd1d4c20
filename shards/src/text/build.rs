//! How do documents enter the mutable run?

use ahash::RandomState;
use std::collections::HashMap;

use super::dictionary::is_near;
use super::documents::{Document, Documents};
use super::encode::{position, put};
use super::options::FIELDS_MAX;
use super::postings::{Entry, Postings, Run};
use super::tokenize::{Analyzer, words};
use crate::ids::{RecordId, Timestamp};

/// The run that documents are added to: a hash dictionary and one growing list per term.
pub struct Builder {
    documents: Documents,
    analyzer: Analyzer,
    /// Lower-case words to term numbers; only used when terms are stems.
    words: HashMap<Box<str>, u32, RandomState>,
    /// Terms to term numbers.
    terms: HashMap<Box<str>, u32, RandomState>,
    lists: Vec<List>,
    word_count: u64,
    lengths: Vec<u32>,
}

/// One term's growing list.
#[derive(Default)]
struct List {
    entries: Vec<Entry>,
    positions: Vec<u8>,
    /// Position of the last occurrence in the last document.
    last: u32,
}

impl Builder {
    /// Returns an empty run.
    pub fn open(fields: usize, stem: bool) -> Self {
        assert!((1..=FIELDS_MAX).contains(&fields), "a text index has 1 to {FIELDS_MAX} fields");
        Self {
            documents: Documents::new(fields),
            analyzer: Analyzer::new(stem),
            words: HashMap::with_hasher(seeded()),
            terms: HashMap::with_hasher(seeded()),
            lists: Vec::new(),
            word_count: 0,
            lengths: vec![0; fields],
        }
    }

    /// Adds a document and returns its slot.
    ///
    /// **Cost**: one hash lookup per word; stems are computed once per distinct word.
    pub fn insert(&mut self, record: RecordId, fields: &[Option<&str>], begin: Timestamp) -> u32 {
        assert_eq!(fields.len(), self.lengths.len(), "one text or none per field");
        let slot = self.documents.len() as u32;
        let mut lengths = std::mem::take(&mut self.lengths);
        for (field, text) in fields.iter().enumerate() {
            lengths[field] = words(text.unwrap_or(""), |offset, word| {
                let term = self.term_number(word);
                self.lists[term as usize].push(slot, position(field, offset));
            });
            self.word_count += u64::from(lengths[field]);
        }
        let end = Timestamp::MAX;
        let pushed = self.documents.push(Document { record, begin, end, lengths: &lengths });
        self.lengths = lengths;
        assert_eq!(pushed, slot, "slots are handed out in order");
        slot
    }

    /// Ends a current document.
    pub fn end(&mut self, slot: u32, end: Timestamp) {
        self.documents.end(slot, end);
    }

    /// Returns the words of all documents.
    pub fn word_count(&self) -> u64 {
        self.word_count
    }

    /// Returns every term with its list, sorted by term.
    pub fn sorted(&self) -> Vec<(&str, Postings<'_>)> {
        let mut terms: Vec<_> =
            self.terms.iter().map(|(term, number)| (&**term, self.list(*number))).collect();
        terms.sort_unstable_by_key(|(term, _)| *term);
        terms
    }

    /// Takes the documents out, leaving the run unusable.
    pub fn into_documents(self) -> Documents {
        self.documents
    }

    /// Returns the bytes held (the maps' share is an estimate).
    pub fn memory_bytes(&self) -> usize {
        let lists: usize = self
            .lists
            .iter()
            .map(|list| list.entries.capacity() * size_of::<Entry>() + list.positions.capacity())
            .sum();
        let entry = size_of::<(Box<str>, u32)>() + 16;
        self.documents.memory_bytes()
            + lists
            + self.lists.capacity() * size_of::<List>()
            + (self.words.capacity() + self.terms.capacity()) * entry
    }

    fn term_number(&mut self, word: &str) -> u32 {
        if !self.analyzer.stems() {
            return number(&mut self.terms, &mut self.lists, word);
        }
        if let Some(known) = self.words.get(word) {
            return *known;
        }
        let term = number(&mut self.terms, &mut self.lists, &self.analyzer.term(word));
        self.words.insert(word.into(), term);
        term
    }

    fn list(&self, number: u32) -> Postings<'_> {
        let list = &self.lists[number as usize];
        Postings { entries: &list.entries, positions: &list.positions }
    }

    /// Returns the lists of the terms that pass, in term order.
    fn matching(&self, pass: impl Fn(&str) -> bool) -> Vec<Postings<'_>> {
        let mut terms: Vec<_> = self.terms.iter().filter(|(term, _)| pass(term)).collect();
        terms.sort_unstable();
        terms.into_iter().map(|(_, number)| self.list(*number)).collect()
    }
}

impl Run for Builder {
    fn documents(&self) -> &Documents {
        &self.documents
    }

    fn postings(&self, term: &str) -> Option<Postings<'_>> {
        self.terms.get(term).map(|number| self.list(*number))
    }

    fn prefixed(&self, prefix: &str) -> Vec<Postings<'_>> {
        self.matching(|term| term.starts_with(prefix))
    }

    fn near(&self, term: &str, distance: usize) -> Vec<Postings<'_>> {
        self.matching(|other| is_near(term, other, distance))
    }
}

impl List {
    fn push(&mut self, slot: u32, position: u32) {
        match self.entries.last_mut() {
            Some(entry) if entry.slot == slot => {
                entry.count += 1;
                put(&mut self.positions, position - self.last);
            }
            _ => {
                let start = self.positions.len() as u32;
                self.entries.push(Entry { slot, count: 1, start });
                put(&mut self.positions, position);
            }
        }
        self.last = position;
    }
}

fn number(
    terms: &mut HashMap<Box<str>, u32, RandomState>,
    lists: &mut Vec<List>,
    term: &str,
) -> u32 {
    if let Some(known) = terms.get(term) {
        return *known;
    }
    let next = lists.len() as u32;
    terms.insert(term.into(), next);
    lists.push(List::default());
    next
}

/// Fixed seeds: the order of the maps never shows, and a run holds few enough words that chosen
/// collisions cost little.
fn seeded() -> RandomState {
    RandomState::with_seeds(0x7065_7363, 0x6965_6b6f, 0x7465_7874, 0x7275_6e73)
}
