//! How do vectors come in, move into the graph and leave?
//!
//! An insertion costs one copy: the vector joins the delta, which every search scans. A
//! background task calls [`VectorIndex::fold`], which links delta entries into the graph one by
//! one, gives nodes codes, and [`VectorIndex::collect`] once no snapshot needs what has ended; when a fifth of the
//! graph is forgotten, `fold` also repairs it, again in small steps.

use std::cell::Cell;
use std::collections::VecDeque;

use super::codes::{CodedQuery, Codes};
use super::coding::{Coding, NODES_MIN};
use super::distance::Kernels;
use super::encode::{encode, stride};
use super::entries::{Entries, Place};
use super::graph_index::{Descent, Graph, Heal, Walk};
use super::options::VectorOptions;
use super::space::Space;
use super::vectors::Vectors;
use crate::ids::{RecordId, Timestamp};

/// A repair begins when one node in this many is forgotten: walks then waste a fifth of their
/// distances.
const DEAD_SHARE: usize = 5;
/// Nodes looked at per repair step; few of them need distances computed.
const HEAL_STEP_NODES: usize = 8;

/// A vector index over one column of one shard.
pub struct VectorIndex {
    pub(super) options: VectorOptions,
    pub(super) entries: Entries,
    pub(super) vectors: Vectors,
    pub(super) graph: Graph,
    /// Codes of the nodes, once there are enough.
    pub(super) codes: Option<Box<Codes>>,
    /// Codes in the making.
    pub(super) coding: Option<Coding>,
    /// Linked entries at which codes are made next.
    pub(super) coded_next: usize,
    /// Slots waiting to be linked, oldest first.
    pub(super) delta: VecDeque<u32>,
    /// Slots that no graph may hold.
    pub(super) strays: Vec<u32>,
    /// Linked slots whose entries are not forgotten.
    pub(super) linked_count: usize,
    /// Forgotten slots that are still nodes.
    pub(super) dead: Vec<u32>,
    /// The repair going on, and how many of the dead it will free.
    heal: Option<Heal>,
    /// Whether an image is being written: links stand still.
    pub(super) is_held: bool,
    /// Buffers of searches; taken while one runs, so that a nested one makes its own.
    pub(super) scratch: Cell<Option<Box<SearchScratch>>>,
    /// The encoded form of the vector being inserted.
    row: Vec<f32>,
}

/// Buffers of a search, reused between searches.
#[derive(Default)]
pub(super) struct SearchScratch {
    pub(super) walk: Walk,
    pub(super) descent: Descent,
    pub(super) row: Vec<f32>,
    pub(super) query: CodedQuery,
}

impl VectorIndex {
    /// Returns an empty index.
    ///
    /// **Panics**: when an option is out of range; see [`VectorOptions::checked`].
    pub fn open(options: VectorOptions) -> Self {
        assert!(options.checked().is_ok(), "the caller checks options: {options:?}");
        Self {
            options,
            entries: Entries::default(),
            vectors: Vectors::open(stride(options.dim), options.metric, Kernels::best()),
            graph: Graph::open(&options),
            codes: None,
            coding: None,
            coded_next: NODES_MIN,
            delta: VecDeque::new(),
            strays: Vec::new(),
            linked_count: 0,
            dead: Vec::new(),
            heal: None,
            is_held: false,
            scratch: Cell::default(),
            row: Vec::new(),
        }
    }

    /// Returns the options the index was opened with.
    pub fn options(&self) -> &VectorOptions {
        &self.options
    }

    /// Adds the record's vector, visible from `begin`. Searches find it at once. A record whose
    /// vector changes is removed first, at the same moment.
    ///
    /// **Shapes**: `vector: [dim]`.
    /// **Cost**: one copy of the vector.
    /// **Panics**: when the dimension is wrong.
    pub fn insert(&mut self, record: RecordId, vector: &[f32], begin: Timestamp) {
        assert_eq!(vector.len(), self.options.dim, "the caller checks the dimension");
        let linkable = encode(self.options.metric, vector, &mut self.row);
        let place = if linkable { Place::Delta } else { Place::Stray };
        let slot = self.entries.add(record, begin, place);
        self.vectors.put(slot, &self.row);
        if linkable {
            self.delta.push_back(slot);
        } else {
            self.strays.push(slot);
        }
    }

    /// Ends the record's current entry: snapshots from `end` on no longer see it. Does nothing
    /// when there is none.
    pub fn remove(&mut self, record: RecordId, end: Timestamp) {
        self.entries.end(record, end);
    }

    /// Moves delta entries into the graph and repairs it, step by step until `budget` returns
    /// `false`; returns whether more is to do. Nothing is while an image is written.
    ///
    /// **Cost**: a step is about `10 * ef_construction` distances.
    pub fn fold(&mut self, budget: &mut dyn FnMut() -> bool) -> bool {
        if self.is_held {
            return false;
        }
        while !self.delta.is_empty() || self.heal_is_due() || self.coding_is_due() {
            if !budget() {
                return true;
            }
            if self.coding_is_due() {
                self.coding_step();
                continue;
            }
            if let Some(slot) = self.delta.pop_front() {
                self.link(slot);
            }
            if self.heal_is_due() {
                self.heal_step();
            }
        }
        false
    }

    fn link(&mut self, slot: u32) {
        if let Some(codes) = &mut self.codes {
            codes.put(slot, self.vectors.row(slot));
        }
        let (entries, whole) = (&self.entries, self.dead.is_empty());
        let alive = |node| whole || entries.get(node).place == Place::Linked;
        let space = Space { vectors: &self.vectors, codes: self.codes.as_deref() };
        self.graph.insert(space, slot, alive);
        self.entries.set_place(slot, Place::Linked);
        self.linked_count += 1;
    }

    fn heal_is_due(&self) -> bool {
        let node_count = self.linked_count + self.dead.len();
        self.heal.is_some() || (!self.dead.is_empty() && self.dead.len() * DEAD_SHARE >= node_count)
    }

    fn heal_step(&mut self) {
        let mut heal = self.heal.take().unwrap_or_else(|| Heal::begin(self.dead.clone()));
        let entries = &self.entries;
        let alive = |node| entries.get(node).place == Place::Linked;
        let space = Space { vectors: &self.vectors, codes: self.codes.as_deref() };
        match heal.step(&mut self.graph, space, HEAL_STEP_NODES, alive) {
            None => self.heal = Some(heal),
            Some(freed) => {
                // Slots forgotten since the pass began were appended behind these.
                self.dead.drain(..freed.len());
                for slot in freed {
                    self.entries.release(slot);
                }
            }
        }
    }

    /// Forgets entries that ended at or before `watermark`: no search will name an older
    /// snapshot.
    ///
    /// **Cost**: a few steps per forgotten entry, and one scan of the delta if any was in it.
    pub fn collect(&mut self, watermark: Timestamp) {
        let mut freed = Vec::new();
        while let Some(slot) = self.entries.forget_next(watermark) {
            if self.entries.get(slot).place == Place::Linked {
                self.linked_count -= 1;
                self.dead.push(slot);
            } else {
                freed.push(slot);
            }
            self.entries.set_place(slot, Place::Dead);
        }
        if !freed.is_empty() {
            let entries = &self.entries;
            self.delta.retain(|slot| entries.get(*slot).place == Place::Delta);
            self.strays.retain(|slot| entries.get(*slot).place == Place::Stray);
        }
        for slot in freed {
            self.entries.release(slot);
        }
    }

    /// Returns how many entries wait to be linked. Searches scan all of them.
    pub fn pending(&self) -> usize {
        self.delta.len()
    }

    /// Returns how many records have a vector now.
    pub fn len(&self) -> usize {
        self.entries.current_count()
    }

    /// Returns whether no record has a vector now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns an estimate of the bytes in use.
    pub fn memory_bytes(&self) -> usize {
        let waiting = self.delta.len() + self.strays.len() + self.dead.len();
        self.vectors.memory_bytes()
            + self.graph.memory_bytes()
            + self.codes.as_ref().map_or(0, |codes| codes.memory_bytes())
            + self.entries.memory_bytes()
            + waiting * size_of::<u32>()
    }

    /// Returns the record's vector as `snapshot` sees it: as it was inserted, under the cosine
    /// metric scaled to unit length, or all NaN if it has no direction.
    pub fn vector(&self, record: RecordId, snapshot: Timestamp) -> Option<&[f32]> {
        let slot = self.entries.find(record, snapshot)?;
        Some(&self.vectors.row(slot)[..self.options.dim])
    }
}
