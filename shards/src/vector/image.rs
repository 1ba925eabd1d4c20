//! Which bytes hold an index while the process is away, and how do they become one again?
//!
//! ```text
//! head    u8 1, vectors | u8 format = 1 | u32 dim | u8 metric | u32 m
//!         u64 state of the levels' generator | u32 slots
//! block   u32 first slot | u32 n | n slots
//! slot    u8 place: 0 free | 1 delta | 2 linked | 3 stray | 4 dead
//!         1, 2, 3   blob key
//!         1 to 4    dim x f32, the vector as it is compared
//!         2, 4      u8 level | for levels 0 to level: u16 n | n x u32 neighbours
//! ```
//!
//! An image is written block by block while the index is used. Its slots are those there were when
//! it was begun, and links stand still until it is finished ([`VectorIndex::begin_image`]); which
//! entries are current may change in between, so who loads it says which keys to leave out. Their
//! nodes stay as forgotten ones: walks pass through them until the graph is repaired.
//!
//! Absent on purpose: versions. An image has what was current; no snapshot outlives the process.

use std::collections::HashSet;

use super::build::VectorIndex;
use super::encode::stride;
use super::entries::Place;
use super::options::{Metric, VectorOptions};
use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::ids::{RecordId, Timestamp};
use crate::image::{Model, other_options};

/// Bytes after which a block ends: copied in one step, in about 50 microseconds (estimate).
const BLOCK_BYTES: usize = 256 << 10;
/// Slots of one block at most: free ones take a byte.
const BLOCK_SLOTS_MAX: usize = 4096;
/// Highest level that is believed.
const LEVEL_MAX: usize = 16;

const FREE: u8 = 0;
const DELTA: u8 = 1;
const LINKED: u8 = 2;
const STRAY: u8 = 3;
const DEAD: u8 = 4;

/// An image being written: which slot is next, and how many there are.
#[derive(Debug)]
pub(crate) struct Portrayal {
    next: u32,
    count: u32,
    /// Slots of one block at most.
    block_slots: usize,
}

/// An index being read from an image.
pub(crate) struct Revival {
    index: VectorIndex,
    count: u32,
    records: HashSet<RecordId, ahash::RandomState>,
    /// The next slot whose links are checked.
    checked: u32,
    elements: Vec<f32>,
}

impl Portrayal {
    #[cfg(test)]
    pub fn set_block_slots(&mut self, count: usize) {
        self.block_slots = count;
    }
}

impl VectorIndex {
    /// Begins an image: until it is ended, links stand still and what is inserted waits.
    pub(crate) fn begin_image(&mut self) -> (Vec<u8>, Portrayal) {
        self.is_held = true;
        let count = self.entries.slot_count() as u32;
        let VectorOptions { dim, metric, m, .. } = self.options;
        let mut out = Model::Vectors.begin_head();
        out.count(dim);
        out.u8(number_of(metric));
        out.count(m);
        out.u64(self.graph.random());
        out.u32(count);
        (out.into_bytes(), Portrayal { next: 0, count, block_slots: BLOCK_SLOTS_MAX })
    }

    /// Lets links change again.
    pub(crate) fn end_image(&mut self) {
        self.is_held = false;
    }

    /// Returns the next block of an image; `None` after the last.
    ///
    /// **Cost**: copies about 256 KiB, or one slot.
    pub(crate) fn image_block<'k>(
        &self,
        portrayal: &mut Portrayal,
        key_of: impl Fn(RecordId) -> &'k [u8],
    ) -> Option<Vec<u8>> {
        let first = portrayal.next;
        if first >= portrayal.count {
            return None;
        }
        let mut slots = Writer::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 4);
        let mut count = 0;
        let slots_max = ((portrayal.count - first) as usize).min(portrayal.block_slots);
        while count < slots_max && slots.len() < BLOCK_BYTES {
            self.put_slot(first + count as u32, &key_of, &mut slots);
            count += 1;
        }
        portrayal.next += count as u32;
        let mut out = Writer::with_capacity(8 + slots.len());
        out.u32(first);
        out.count(count);
        out.raw(&slots.into_bytes());
        Some(out.into_bytes())
    }

    fn put_slot<'k>(&self, slot: u32, key_of: &impl Fn(RecordId) -> &'k [u8], out: &mut Writer) {
        let entry = self.entries.get(slot);
        let is_current = entry.end == Timestamp::MAX;
        let place = match entry.place {
            Place::Delta if is_current => DELTA,
            Place::Stray if is_current => STRAY,
            Place::Linked if is_current => LINKED,
            Place::Linked | Place::Dead => DEAD,
            Place::Delta | Place::Stray | Place::Free => FREE,
        };
        out.u8(place);
        if place == FREE {
            return;
        }
        if place != DEAD {
            out.blob(key_of(entry.record));
        }
        let row = &self.vectors.row(slot)[..self.options.dim];
        row.iter().for_each(|element| out.u32(element.to_bits()));
        if place == DELTA || place == STRAY {
            return;
        }
        let links = self.graph.links();
        let level = links.level(slot);
        out.u8(level as u8);
        for level in 0..=level {
            let count = links.of(level, slot).count();
            out.u16(count as u16);
            links.of(level, slot).for_each(|neighbor| out.u32(neighbor));
        }
    }
}

impl Revival {
    /// Begins to read an image for an index of these options.
    ///
    /// **Errors**: `Corrupt` when it is none, or one of other options.
    pub(crate) fn begin(options: VectorOptions, head: &[u8]) -> Result<Self, Error> {
        let mut input = Model::Vectors.open_head(head)?;
        let dim = input.count("dimension")?;
        let metric = input.u8("metric")?;
        let m = input.count("links")?;
        if (dim, metric, m) != (options.dim, number_of(options.metric), options.m) {
            return Err(other_options());
        }
        let mut index = VectorIndex::open(options);
        index.graph.set_random(input.u64("state of the generator")?);
        let count = input.u32("slots")?;
        input.finish()?;
        let records = HashSet::default();
        Ok(Self { index, count, records, checked: 0, elements: Vec::new() })
    }

    /// Takes the next block in. `known` gives a key its number, or `None` when the entry is to be
    /// left out.
    ///
    /// **Errors**: `Corrupt`.
    pub(crate) fn take(
        &mut self,
        block: &[u8],
        known: &mut dyn FnMut(&[u8]) -> Option<RecordId>,
    ) -> Result<(), Error> {
        let mut input = Reader::new(block, "block of a vector image");
        let first = input.u32("first slot")?;
        if first as usize != self.index.entries.slot_count() {
            return Err(input.corrupt("first slot"));
        }
        for _ in 0..input.count("slots")? {
            if self.index.entries.slot_count() >= self.count as usize {
                return Err(input.corrupt("slots"));
            }
            self.take_slot(&mut input, known)?;
        }
        input.finish()
    }

    fn take_slot(
        &mut self,
        input: &mut Reader<'_>,
        known: &mut dyn FnMut(&[u8]) -> Option<RecordId>,
    ) -> Result<(), Error> {
        let (dim, stride) = (self.index.options.dim, stride(self.index.options.dim));
        let place = input.u8("place")?;
        let record = match place {
            DELTA | LINKED | STRAY => known(input.blob("key")?),
            DEAD | FREE => None,
            _ => return Err(input.corrupt("place")),
        };
        if record.is_some_and(|record| !self.records.insert(record)) {
            return Err(input.corrupt("key, it is there twice"));
        }
        self.elements.clear();
        if place != FREE {
            for _ in 0..dim {
                self.elements.push(f32::from_bits(input.u32("vector")?));
            }
        }
        self.elements.resize(stride, 0.0);
        let to_be = match (place, record) {
            (DELTA, Some(_)) => Place::Delta,
            (STRAY, Some(_)) => Place::Stray,
            (LINKED, Some(_)) => Place::Linked,
            (LINKED | DEAD, _) => Place::Dead,
            _ => Place::Free,
        };
        let index = &mut self.index;
        let slot = index.entries.restore(record, to_be);
        index.vectors.put(slot, &self.elements);
        match to_be {
            Place::Delta => index.delta.push_back(slot),
            Place::Stray => index.strays.push(slot),
            Place::Linked => index.linked_count += 1,
            Place::Dead => index.dead.push(slot),
            Place::Free => {}
        }
        if place == LINKED || place == DEAD {
            self.take_links(input, slot)?;
        }
        Ok(())
    }

    fn take_links(&mut self, input: &mut Reader<'_>, slot: u32) -> Result<(), Error> {
        let level = usize::from(input.u8("level")?);
        if level > LEVEL_MAX {
            return Err(input.corrupt("level"));
        }
        let graph = &mut self.index.graph;
        graph.restore(slot, level);
        let mut neighbors = Vec::new();
        for level in 0..=level {
            let count = usize::from(input.u16("neighbours")?);
            if count > graph.links().capacity(level) {
                return Err(input.corrupt("neighbours"));
            }
            neighbors.clear();
            for _ in 0..count {
                neighbors.push(input.u32("neighbour")?);
            }
            graph.restore_links(level, slot, &neighbors);
        }
        Ok(())
    }

    /// Drops links that lead nowhere, some nodes at a time; returns whether there are more.
    pub(crate) fn check(&mut self, node_count: usize) -> bool {
        let VectorIndex { entries, graph, .. } = &mut self.index;
        let end = (self.checked as usize).saturating_add(node_count).min(graph.slot_count()) as u32;
        let is_node = |slot: u32| {
            (slot as usize) < entries.slot_count()
                && matches!(entries.get(slot).place, Place::Linked | Place::Dead)
        };
        for slot in (self.checked..end).filter(|slot| is_node(*slot)) {
            graph.drop_loose(slot, is_node);
        }
        self.checked = end;
        (end as usize) < graph.slot_count()
    }

    /// Returns the index.
    ///
    /// **Errors**: `Corrupt` when blocks are missing.
    pub(crate) fn finish(mut self) -> Result<VectorIndex, Error> {
        if self.index.entries.slot_count() != self.count as usize {
            return Err(Error::Corrupt("the vector image ends too early".into()));
        }
        while self.check(usize::MAX) {}
        let VectorIndex { entries, graph, .. } = &mut self.index;
        graph.enter_at_highest(|slot| entries.get(slot).place == Place::Linked);
        Ok(self.index)
    }
}

fn number_of(metric: Metric) -> u8 {
    match metric {
        Metric::L2 => 0,
        Metric::Cosine => 1,
        Metric::InnerProduct => 2,
    }
}
