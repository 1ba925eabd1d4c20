//! Which bytes hold an index while the process is away, and how do they become one again?
//!
//! ```text
//! head    u8 2, texts | u8 format = 1 | u32 fields | u8 stems | u32 runs
//! block   u8 1, documents | u32 run | u32 n | n documents
//!         u8 2, terms     | u32 run | u32 n | n pieces of terms, which ascend
//! document  u8 0 it has ended  or  u8 1, blob key
//!           fields x u32, words
//! piece     u8 1 the next piece is of the same term, 0 otherwise | blob term
//!           u32 n | n entries: u32 document, u32 occurrences
//!           blob positions of all of them (`encode.rs`)
//! ```
//!
//! What is sealed does not change but for the ends of documents, so an image is the sealed runs
//! there were when it was begun; the mutable run is sealed first, and nothing is merged until the
//! image is finished. Which documents have ended may change while it is written, so who loads it
//! says which keys to leave out. The documents of a run come before its terms.

use std::collections::HashSet;

use super::documents::{Document, Documents};
use super::index::TextIndex;
use super::options::TextOptions;
use super::seal::{Lists, Sealed, SealedId};
use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::ids::{RecordId, Timestamp};
use crate::image::{Model, other_options};

/// Bytes after which a block ends: copied in one step.
const BLOCK_BYTES: usize = 128 << 10;
/// Entries of one piece at most.
const PIECE_ENTRIES_MAX: usize = 4096;

const DOCUMENTS: u8 = 1;
const TERMS: u8 = 2;

/// An image being written: what is next.
#[derive(Debug)]
pub(crate) struct Portrayal {
    runs: Vec<SealedId>,
    run: usize,
    /// Documents of the run that are written.
    documents: u32,
    /// Terms of the run that are written, and entries of the next one.
    terms: usize,
    entries: usize,
    /// Bytes after which a block ends.
    block_bytes: usize,
}

/// An index being read from an image.
pub(crate) struct Revival {
    index: TextIndex,
    runs: u32,
    /// The run being read, and how many are before it.
    run: Option<Half>,
    done: u32,
    records: HashSet<RecordId, ahash::RandomState>,
}

/// A run of which more is to come.
#[derive(Default)]
struct Half {
    documents: Documents,
    lists: Lists,
    /// The term read last, and whether there is more of it.
    term: String,
    is_open: bool,
    last_slot: Option<u32>,
}

impl Portrayal {
    #[cfg(test)]
    pub fn set_block_bytes(&mut self, bytes: usize) {
        self.block_bytes = bytes;
    }
}

impl TextIndex {
    /// Begins an image: until it is ended, nothing is merged.
    ///
    /// **Cost**: seals the mutable run, a few milliseconds at most.
    pub(crate) fn begin_image(&mut self) -> (Vec<u8>, Portrayal) {
        if self.pending() > 0 {
            self.seal();
        }
        self.is_held = true;
        let runs = self.sealed.iter().filter(|run| run.documents.len() > 0);
        let runs: Vec<SealedId> = runs.map(|run| run.id).collect();
        let mut out = Model::Texts.begin_head();
        out.count(self.options.fields);
        out.u8(u8::from(self.options.stem));
        out.count(runs.len());
        let block_bytes = BLOCK_BYTES;
        let next = Portrayal { runs, run: 0, documents: 0, terms: 0, entries: 0, block_bytes };
        (out.into_bytes(), next)
    }

    /// Lets runs be merged again.
    pub(crate) fn end_image(&mut self) {
        self.is_held = false;
    }

    /// Returns the next block of an image; `None` after the last.
    ///
    /// **Cost**: copies about 128 KiB, or 4096 entries of one term.
    pub(crate) fn image_block<'k>(
        &self,
        portrayal: &mut Portrayal,
        key_of: impl Fn(RecordId) -> &'k [u8],
    ) -> Option<Vec<u8>> {
        loop {
            let id = *portrayal.runs.get(portrayal.run)?;
            let run = self.sealed.iter().find(|run| run.id == id);
            let run = run.expect("runs stay while an image is written");
            let number = portrayal.run as u32;
            let (kind, count, content) = if (portrayal.documents as usize) < run.documents.len() {
                let (count, content) = put_documents(run, portrayal, &key_of);
                (DOCUMENTS, count, content)
            } else if portrayal.terms < run.term_count() {
                let (count, content) = put_terms(run, portrayal);
                (TERMS, count, content)
            } else {
                portrayal.run += 1;
                (portrayal.documents, portrayal.terms, portrayal.entries) = (0, 0, 0);
                continue;
            };
            let mut out = Writer::with_capacity(9 + content.len());
            out.u8(kind);
            out.u32(number);
            out.count(count);
            out.raw(&content);
            return Some(out.into_bytes());
        }
    }
}

fn put_documents<'k>(
    run: &Sealed,
    portrayal: &mut Portrayal,
    key_of: &impl Fn(RecordId) -> &'k [u8],
) -> (usize, Vec<u8>) {
    let (mut out, mut count) = (Writer::with_capacity(portrayal.block_bytes), 0);
    while (portrayal.documents as usize) < run.documents.len() && out.len() < portrayal.block_bytes
    {
        let document = run.documents.get(portrayal.documents);
        let is_current = document.end == Timestamp::MAX;
        out.u8(u8::from(is_current));
        if is_current {
            out.blob(key_of(document.record));
        }
        document.lengths.iter().for_each(|length| out.u32(*length));
        portrayal.documents += 1;
        count += 1;
    }
    (count, out.into_bytes())
}

fn put_terms(run: &Sealed, portrayal: &mut Portrayal) -> (usize, Vec<u8>) {
    let (mut out, mut count) = (Writer::with_capacity(portrayal.block_bytes), 0);
    while portrayal.terms < run.term_count() && out.len() < portrayal.block_bytes {
        let (term, postings) = run.term(portrayal.terms);
        let first = portrayal.entries;
        let end = (first + PIECE_ENTRIES_MAX).min(postings.entries.len());
        let start_of = |entry: usize| {
            let entry = postings.entries.get(entry);
            entry.map_or(postings.positions.len(), |entry| entry.start as usize)
        };
        let is_last = end == postings.entries.len();
        out.u8(u8::from(!is_last));
        out.text(term);
        out.count(end - first);
        for entry in &postings.entries[first..end] {
            out.u32(entry.slot);
            out.u32(entry.count);
        }
        out.blob(&postings.positions[start_of(first)..start_of(end)]);
        portrayal.entries = if is_last { 0 } else { end };
        portrayal.terms += usize::from(is_last);
        count += 1;
    }
    (count, out.into_bytes())
}

impl Revival {
    /// Begins to read an image for an index of these options.
    ///
    /// **Errors**: `Corrupt` when it is none, or one of other options.
    pub(crate) fn begin(options: TextOptions, head: &[u8]) -> Result<Self, Error> {
        let mut input = Model::Texts.open_head(head)?;
        let fields = input.count("fields")?;
        let stem = input.u8("stems")?;
        if fields != options.fields || stem != u8::from(options.stem) {
            return Err(other_options());
        }
        let runs = input.u32("runs")?;
        input.finish()?;
        let (index, records) = (TextIndex::open(options), HashSet::default());
        Ok(Self { index, runs, run: None, done: 0, records })
    }

    /// Takes the next block in. `known` gives a key its number, or `None` when the document is to
    /// be left out.
    ///
    /// **Errors**: `Corrupt`.
    pub(crate) fn take(
        &mut self,
        block: &[u8],
        known: &mut dyn FnMut(&[u8]) -> Option<RecordId>,
    ) -> Result<(), Error> {
        let mut input = Reader::new(block, "block of a text image");
        let kind = input.u8("kind")?;
        let number = input.u32("run")?;
        if self.run.is_some() && number == self.done + 1 {
            self.finish_run()?;
        }
        if number != self.done || number >= self.runs {
            return Err(input.corrupt("run"));
        }
        let fields = self.index.options.fields;
        let fresh = || Half { documents: Documents::new(fields), ..Half::default() };
        let mut half = self.run.take().unwrap_or_else(fresh);
        for _ in 0..input.count("count")? {
            match kind {
                DOCUMENTS if half.term.is_empty() => {
                    half.take_document(&mut input, fields, known, &mut self.records)?;
                }
                TERMS => half.take_piece(&mut input)?,
                _ => return Err(input.corrupt("kind")),
            }
        }
        self.run = Some(half);
        input.finish()
    }

    fn finish_run(&mut self) -> Result<(), Error> {
        let Some(half) = self.run.take() else { return Ok(()) };
        if half.is_open {
            return Err(Error::Corrupt("the text image ends within a term".into()));
        }
        self.done += 1;
        self.index.restore(half.documents, half.lists);
        Ok(())
    }

    /// Returns the index.
    ///
    /// **Errors**: `Corrupt` when blocks are missing.
    pub(crate) fn finish(mut self) -> Result<TextIndex, Error> {
        self.finish_run()?;
        if self.done != self.runs {
            return Err(Error::Corrupt("the text image ends too early".into()));
        }
        Ok(self.index)
    }
}

impl Half {
    fn take_document(
        &mut self,
        input: &mut Reader<'_>,
        fields: usize,
        known: &mut dyn FnMut(&[u8]) -> Option<RecordId>,
        records: &mut HashSet<RecordId, ahash::RandomState>,
    ) -> Result<(), Error> {
        let record = match input.u8("end")? {
            0 => None,
            1 => known(input.blob("key")?),
            _ => return Err(input.corrupt("end")),
        };
        if record.is_some_and(|record| !records.insert(record)) {
            return Err(input.corrupt("key, it is there twice"));
        }
        let mut lengths = Vec::with_capacity(fields);
        for _ in 0..fields {
            lengths.push(input.u32("words")?);
        }
        let end = if record.is_some() { Timestamp::MAX } else { Timestamp(0) };
        let (record, begin) = (record.unwrap_or_default(), Timestamp(0));
        self.documents.push(Document { record, begin, end, lengths: &lengths });
        Ok(())
    }

    fn take_piece(&mut self, input: &mut Reader<'_>) -> Result<(), Error> {
        let is_open = match input.u8("continuation")? {
            0 => false,
            1 => true,
            _ => return Err(input.corrupt("continuation")),
        };
        let term = input.text("term")?;
        let is_next = if self.is_open { self.term == term } else { self.term.as_str() < term };
        if !is_next {
            return Err(input.corrupt("order of terms"));
        }
        let mut entries = Vec::new();
        for _ in 0..input.count("entries")? {
            let (slot, count) = (input.u32("document")?, input.u32("occurrences")?);
            let is_after = self.last_slot.is_none_or(|last| last < slot);
            if !is_after || slot as usize >= self.documents.len() || count == 0 {
                return Err(input.corrupt("entry"));
            }
            self.last_slot = Some(slot);
            entries.push((slot, count));
        }
        let bad = input.corrupt("positions");
        let mut positions = input.blob("positions")?;
        for (slot, count) in entries {
            let bytes = bytes_of(positions, count).ok_or_else(|| bad.clone())?;
            let (own, rest) = positions.split_at(bytes);
            if !self.lists.restore(slot, count, own) {
                return Err(bad);
            }
            positions = rest;
        }
        if !positions.is_empty() {
            return Err(bad);
        }
        self.term.clear();
        self.term.push_str(term);
        self.is_open = is_open;
        if !is_open {
            self.lists.finish_term(term);
            self.last_slot = None;
        }
        Ok(())
    }
}

/// Returns the bytes that `count` positions take at the front of `bytes`; `None` when there are
/// fewer, or one of them is no 32-bit number.
fn bytes_of(bytes: &[u8], count: u32) -> Option<usize> {
    let mut at = 0;
    for _ in 0..count {
        let own = bytes.get(at..)?.iter().take(NUMBER_BYTES_MAX);
        at += own.take_while(|byte| **byte & 0x80 != 0).count();
        let is_whole = bytes.get(at)? & 0x80 == 0;
        if !is_whole {
            return None;
        }
        at += 1;
    }
    Some(at)
}

/// Bytes before the last one of a number of 32 bits, seven in each.
const NUMBER_BYTES_MAX: usize = 4;
