//! How do the pages act as one structure?

use super::build::{End, Link, Page};
use super::encode::{EdgeName, name_of};
use super::nodes::{NodeId, Nodes};
use super::options::PAGE_NODES;
use crate::ids::Timestamp;
use crate::key::Key;
use crate::request::Direction;

/// Out- and in-edges of one edge table on one shard.
pub struct Adjacency {
    pub(super) nodes: Nodes,
    pub(super) out: Side,
    pub(super) into: Side,
    watermark: Timestamp,
}

/// The edges of all nodes on one side.
pub(super) struct Side {
    pub(super) end: End,
    pub(super) pages: Vec<Page>,
    pub(super) current: usize,
    /// Next page `fold` looks at.
    sweep: usize,
}

/// One edge by its three keys.
#[derive(Clone, Copy)]
pub(super) struct Ends<'a> {
    pub at: &'a Key,
    pub other: &'a Key,
    pub name: EdgeName,
}

impl Adjacency {
    /// Returns an empty structure.
    pub fn open() -> Self {
        Self {
            nodes: Nodes::new(),
            out: Side::new(End::Source),
            into: Side::new(End::Target),
            watermark: Timestamp(0),
        }
    }

    /// Adds an edge on the shard of its source. A new version of an edge that goes to the same
    /// target needs no call; one that goes elsewhere is removed and inserted.
    ///
    /// **Panics** when `edge` is not an edge key of `source`.
    pub fn insert_out(&mut self, source: &Key, target: &Key, edge: &Key, begin: Timestamp) {
        let ends = Ends { at: source, other: target, name: name_of(source, edge) };
        self.out.insert(&mut self.nodes, ends, begin);
    }

    /// Adds an edge on the shard of its target.
    ///
    /// **Panics** when `edge` is not an edge key of `source`.
    pub fn insert_in(&mut self, target: &Key, source: &Key, edge: &Key, begin: Timestamp) {
        let ends = Ends { at: target, other: source, name: name_of(source, edge) };
        self.into.insert(&mut self.nodes, ends, begin);
    }

    /// Ends an edge on the shard of its source. Returns whether it was current there.
    pub fn remove_out(&mut self, source: &Key, target: &Key, edge: &Key, end: Timestamp) -> bool {
        let ends = Ends { at: source, other: target, name: name_of(source, edge) };
        self.out.remove(&self.nodes, ends, end)
    }

    /// Ends an edge on the shard of its target. Returns whether it was current there.
    pub fn remove_in(&mut self, target: &Key, source: &Key, edge: &Key, end: Timestamp) -> bool {
        let ends = Ends { at: target, other: source, name: name_of(source, edge) };
        self.into.remove(&self.nodes, ends, end)
    }

    /// Returns the number of a node's edges at a snapshot; with `Both`, a loop counts twice.
    pub fn degree(&self, direction: Direction, node: &Key, snapshot: Timestamp) -> usize {
        let Some(node) = self.nodes.find(node) else { return 0 };
        self.sides(direction)
            .filter_map(|side| side.page(node))
            .map(|page| page.degree(node, snapshot))
            .sum()
    }

    /// Returns the number of current edges whose source is on this shard.
    pub fn len(&self) -> usize {
        self.out.current
    }

    /// Returns whether there are no current edges whose source is on this shard.
    pub fn is_empty(&self) -> bool {
        self.out.current == 0
    }

    /// Returns the number of current edges whose target is on this shard.
    pub fn mirror_count(&self) -> usize {
        self.into.current
    }

    /// Returns the bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.nodes.memory_bytes() + self.out.memory_bytes() + self.into.memory_bytes()
    }

    /// Promises that no snapshot before `watermark` will be asked for again, and lets the next
    /// folds pass over all pages once more to drop what only those could see.
    pub fn collect(&mut self, watermark: Timestamp) {
        self.watermark = self.watermark.max(watermark);
        self.out.sweep = 0;
        self.into.sweep = 0;
    }

    /// Packs pages in the background. `budget` is asked before each page and returns whether to
    /// go on. Returns whether work is left; after `false`, nothing until the next
    /// [`Adjacency::collect`].
    ///
    /// **Cost**: one step is a page, 64 nodes with their edges.
    pub fn fold(&mut self, budget: &mut dyn FnMut() -> bool) -> bool {
        let Self { nodes, out, into, watermark } = self;
        out.fold(nodes, *watermark, budget) || into.fold(nodes, *watermark, budget)
    }

    /// Returns the sides a direction looks at.
    pub(super) fn sides(&self, direction: Direction) -> impl Iterator<Item = &Side> {
        let out = direction != Direction::In;
        let into = direction != Direction::Out;
        out.then_some(&self.out).into_iter().chain(into.then_some(&self.into))
    }
}

impl Side {
    fn new(end: End) -> Self {
        Self { end, pages: Vec::new(), current: 0, sweep: 0 }
    }

    /// Returns which end of its edges this side's nodes are.
    pub(super) fn end(&self) -> End {
        self.end
    }

    /// Returns the page of a node, if any edge of the page's nodes was ever added.
    pub(super) fn page(&self, node: NodeId) -> Option<&Page> {
        self.pages.get(node.0 as usize / PAGE_NODES)
    }

    pub(super) fn insert(&mut self, nodes: &mut Nodes, ends: Ends<'_>, begin: Timestamp) {
        let node = nodes.intern(ends.at);
        let link = Link { other: nodes.intern(ends.other), name: ends.name };
        let page = node.0 as usize / PAGE_NODES;
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, Page::default);
        }
        self.pages[page].insert(nodes, self.end, node, link, begin);
        self.current += 1;
    }

    fn remove(&mut self, nodes: &Nodes, ends: Ends<'_>, end: Timestamp) -> bool {
        let (Some(node), Some(other)) = (nodes.find(ends.at), nodes.find(ends.other)) else {
            return false;
        };
        let link = Link { other, name: ends.name };
        let Some(page) = self.pages.get_mut(node.0 as usize / PAGE_NODES) else { return false };
        let removed = page.remove(nodes, self.end, node, link, end);
        self.current -= usize::from(removed);
        removed
    }

    fn fold(
        &mut self,
        nodes: &Nodes,
        watermark: Timestamp,
        budget: &mut dyn FnMut() -> bool,
    ) -> bool {
        while let Some(page) = self.pages.get_mut(self.sweep) {
            if page.is_loose() {
                if !budget() {
                    return true;
                }
                page.pack(nodes, self.end, watermark);
            }
            self.sweep += 1;
        }
        false
    }

    fn memory_bytes(&self) -> usize {
        self.pages.iter().map(Page::memory_bytes).sum()
    }
}
