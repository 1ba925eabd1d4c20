//! How does a page take edges in and pack them?

use std::cmp::Ordering;
use std::ops::Range;

use super::encode::EdgeName;
use super::nodes::{NodeId, Nodes, prefix};
use super::options::{FRESH_MAX, FRESH_MIN, PAGE_NODES};
use crate::ids::Timestamp;

/// Which end of its edges a page's nodes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The page lists edges that leave its nodes.
    Source,
    /// The page lists edges that arrive at its nodes.
    Target,
}

/// An edge as seen from a node at one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The node at the other end.
    pub other: NodeId,
    /// The edge's name among those of its source.
    pub name: EdgeName,
}

/// An edge of one of a page's nodes with its validity.
#[derive(Clone, Copy, Debug)]
struct Edge {
    node: NodeId,
    link: Link,
    begin: Timestamp,
    end: Timestamp,
}

/// The edges of [`PAGE_NODES`] nodes, on one side.
#[derive(Default)]
pub struct Page {
    /// `[PAGE_NODES + 1]`: where each node's packed edges start; empty when nothing is packed.
    starts: Vec<u32>,
    others: Vec<NodeId>,
    names: Vec<EdgeName>,
    /// Per packed edge; absent when every snapshot that may be asked for is at or after all.
    begins: Option<Vec<Timestamp>>,
    /// Per packed edge; absent when none has ended.
    ends: Option<Vec<Timestamp>>,
    /// Not yet packed, in order of arrival.
    fresh: Vec<Edge>,
}

impl Page {
    /// Adds an edge; packs the page when as many are fresh as packed, within bounds.
    pub fn insert(&mut self, nodes: &Nodes, side: End, node: NodeId, link: Link, begin: Timestamp) {
        self.fresh.push(Edge { node, link, begin, end: Timestamp::MAX });
        if self.fresh.len() >= self.others.len().clamp(FRESH_MIN, FRESH_MAX) {
            self.pack(nodes, side, Timestamp(0));
        }
    }

    /// Ends the current version of an edge. Returns whether there was one.
    pub fn remove(
        &mut self,
        nodes: &Nodes,
        side: End,
        node: NodeId,
        link: Link,
        end: Timestamp,
    ) -> bool {
        let current =
            |edge: &&mut Edge| edge.node == node && edge.link == link && edge.end == Timestamp::MAX;
        if let Some(edge) = self.fresh.iter_mut().find(current) {
            edge.end = end;
            return true;
        }
        let Some(index) = self.find_packed(nodes, side, node, link) else { return false };
        let count = self.others.len();
        self.ends.get_or_insert_with(|| vec![Timestamp::MAX; count])[index] = end;
        true
    }

    /// Appends a node's edges at a snapshot to `found`, in edge-key order.
    pub fn visible(
        &self,
        nodes: &Nodes,
        side: End,
        node: NodeId,
        snapshot: Timestamp,
        found: &mut Vec<Link>,
    ) {
        let start = found.len();
        found.extend(self.visible_packed(node, snapshot).map(|index| self.link(index)));
        let packed = found.len();
        found.extend(self.visible_fresh(node, snapshot));
        if found.len() > packed {
            found[start..].sort_by(|a, b| compare(nodes, side, *a, *b));
        }
    }

    /// Returns the number of a node's edges at a snapshot.
    pub fn degree(&self, node: NodeId, snapshot: Timestamp) -> usize {
        let packed = if self.begins.is_none() && self.ends.is_none() {
            self.packed(node).len()
        } else {
            self.visible_packed(node, snapshot).count()
        };
        packed + self.visible_fresh(node, snapshot).count()
    }

    /// Returns the current edges that are not packed, in order of arrival.
    pub fn fresh_current(&self) -> impl Iterator<Item = (NodeId, Link)> + '_ {
        let current = self.fresh.iter().filter(|edge| edge.end == Timestamp::MAX);
        current.map(|edge| (edge.node, edge.link))
    }

    /// Returns the current packed edges of a node, in order; those behind `after` when given.
    pub fn packed_current(
        &self,
        nodes: &Nodes,
        side: End,
        node: NodeId,
        after: Option<Link>,
    ) -> impl Iterator<Item = Link> + '_ {
        let range = self.packed(node);
        let first = after.map_or(range.start, |after| {
            let is_passed = |index: usize| compare(nodes, side, self.link(index), after).is_le();
            partition_point(range.clone(), is_passed)
        });
        let current = (first..range.end).filter(|index| self.end(*index) == Timestamp::MAX);
        current.map(|index| self.link(index))
    }

    /// Appends an edge to a page that is read from an image: of a node not before the last one's,
    /// behind that node's others. [`Page::finish`] has to follow.
    pub fn restore(&mut self, node: NodeId, link: Link) {
        self.restore_starts(place(node));
        self.others.push(link.other);
        self.names.push(link.name);
    }

    /// Adds an edge that stands nowhere in particular to a page that is read from an image.
    pub fn restore_fresh(&mut self, node: NodeId, link: Link) {
        let (begin, end) = (Timestamp(0), Timestamp::MAX);
        self.fresh.push(Edge { node, link, begin, end });
    }

    /// Completes a page that was read from an image. An edge that is there both packed and fresh is
    /// one edge: the page it was copied from was packed in between.
    pub fn finish(&mut self, nodes: &Nodes, side: End) {
        self.restore_starts(PAGE_NODES);
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.retain(|edge| self.find_packed(nodes, side, edge.node, edge.link).is_none());
        if !fresh.is_empty() {
            self.fresh = fresh;
            self.pack(nodes, side, Timestamp(0));
        }
    }

    /// Returns the number of edges, ended ones included.
    pub fn edge_count(&self) -> usize {
        self.others.len() + self.fresh.len()
    }

    fn restore_starts(&mut self, place: usize) {
        self.starts.resize(self.starts.len().max(place + 1), self.others.len() as u32);
    }

    /// Returns where the current version of a packed edge is.
    fn find_packed(&self, nodes: &Nodes, side: End, node: NodeId, link: Link) -> Option<usize> {
        let range = self.packed(node);
        let before = |index: usize| compare(nodes, side, self.link(index), link).is_lt();
        let first = partition_point(range.clone(), before);
        let same = (first..range.end).take_while(|&index| self.names[index] == link.name);
        same.into_iter()
            .find(|&index| self.others[index] == link.other && self.end(index) == Timestamp::MAX)
    }

    /// Returns whether packing now could free memory or speed up lookups.
    pub fn is_loose(&self) -> bool {
        !self.fresh.is_empty() || self.begins.is_some() || self.ends.is_some()
    }

    /// Packs all edges, leaving out those that no snapshot at or after `watermark` sees.
    ///
    /// **Cost**: a pass over the page's edges and a sort of the fresh ones.
    pub fn pack(&mut self, nodes: &Nodes, side: End, watermark: Timestamp) {
        let fresh = std::mem::take(&mut self.fresh);
        let mut fresh: Vec<(u64, Edge)> =
            fresh.into_iter().map(|edge| (edge_prefix(nodes, side, edge.link), edge)).collect();
        fresh.sort_by(|(a_prefix, a), (b_prefix, b)| {
            let by_prefix = place(a.node).cmp(&place(b.node)).then(a_prefix.cmp(b_prefix));
            by_prefix.then_with(|| compare(nodes, side, a.link, b.link))
        });
        let count = self.others.len() + fresh.len();
        let mut next = Packer::with_capacity(count, watermark);
        let mut fresh = fresh.into_iter().peekable();
        for node in 0..PAGE_NODES {
            for index in self.packed_at(node) {
                let edge = self.edge(index, node);
                if fresh.peek().is_some_and(|(_, fresh)| place(fresh.node) == node) {
                    let own = edge_prefix(nodes, side, edge.link);
                    let earlier = |(prefix, fresh): &(u64, Edge)| {
                        let order = prefix.cmp(&own);
                        let order = order.then_with(|| compare(nodes, side, fresh.link, edge.link));
                        place(fresh.node) == node && order.is_lt()
                    };
                    while let Some((_, edge)) = fresh.next_if(earlier) {
                        next.push(edge);
                    }
                }
                next.push(edge);
            }
            while let Some((_, rest)) = fresh.next_if(|(_, edge)| place(edge.node) == node) {
                next.push(rest);
            }
            next.page.starts.push(next.page.others.len() as u32);
        }
        *self = next.finish();
    }

    /// Returns the bytes held.
    pub fn memory_bytes(&self) -> usize {
        let times = |times: &Option<Vec<Timestamp>>| {
            times.as_ref().map_or(0, |times| times.capacity() * size_of::<Timestamp>())
        };
        size_of::<Self>()
            + self.starts.capacity() * size_of::<u32>()
            + self.others.capacity() * size_of::<NodeId>()
            + self.names.capacity() * size_of::<EdgeName>()
            + times(&self.begins)
            + times(&self.ends)
            + self.fresh.capacity() * size_of::<Edge>()
    }

    fn visible_packed(
        &self,
        node: NodeId,
        snapshot: Timestamp,
    ) -> impl Iterator<Item = usize> + '_ {
        self.packed(node)
            .filter(move |&index| self.begin(index) <= snapshot && snapshot < self.end(index))
    }

    fn visible_fresh(&self, node: NodeId, snapshot: Timestamp) -> impl Iterator<Item = Link> + '_ {
        self.fresh
            .iter()
            .filter(move |edge| edge.node == node && edge.begin <= snapshot && snapshot < edge.end)
            .map(|edge| edge.link)
    }

    fn packed(&self, node: NodeId) -> Range<usize> {
        self.packed_at(place(node))
    }

    fn packed_at(&self, place: usize) -> Range<usize> {
        match self.starts.get(place..place + 2) {
            Some(&[start, end]) => start as usize..end as usize,
            _ => 0..0,
        }
    }

    fn link(&self, index: usize) -> Link {
        Link { other: self.others[index], name: self.names[index] }
    }

    fn begin(&self, index: usize) -> Timestamp {
        self.begins.as_ref().map_or(Timestamp(0), |begins| begins[index])
    }

    fn end(&self, index: usize) -> Timestamp {
        self.ends.as_ref().map_or(Timestamp::MAX, |ends| ends[index])
    }

    fn edge(&self, index: usize, place: usize) -> Edge {
        let (begin, end) = (self.begin(index), self.end(index));
        Edge { node: NodeId(place as u32), link: self.link(index), begin, end }
    }
}

/// A page being packed.
struct Packer {
    page: Page,
    begins: Vec<Timestamp>,
    ends: Vec<Timestamp>,
    watermark: Timestamp,
}

impl Packer {
    fn with_capacity(count: usize, watermark: Timestamp) -> Self {
        let mut starts = Vec::with_capacity(PAGE_NODES + 1);
        starts.push(0);
        let (others, names) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let page = Page { starts, others, names, ..Page::default() };
        Self { page, begins: Vec::new(), ends: Vec::new(), watermark }
    }

    fn push(&mut self, edge: Edge) {
        if edge.end <= self.watermark {
            return;
        }
        let index = self.page.others.len();
        self.page.others.push(edge.link.other);
        self.page.names.push(edge.link.name);
        if edge.begin > self.watermark || !self.begins.is_empty() {
            self.begins.resize(index, Timestamp(0));
            self.begins.push(if edge.begin > self.watermark { edge.begin } else { Timestamp(0) });
        }
        if edge.end != Timestamp::MAX || !self.ends.is_empty() {
            self.ends.resize(index, Timestamp::MAX);
            self.ends.push(edge.end);
        }
    }

    fn finish(mut self) -> Page {
        self.page.begins = (!self.begins.is_empty()).then_some(self.begins);
        self.page.ends = (!self.ends.is_empty()).then_some(self.ends);
        self.page
    }
}

/// Returns where in its page a node is.
pub fn place(node: NodeId) -> usize {
    node.0 as usize % PAGE_NODES
}

/// Compares two edges of one node by their keys.
pub fn compare(nodes: &Nodes, side: End, a: Link, b: Link) -> Ordering {
    if side == End::Target && a.other != b.other {
        return nodes.key(a.other).bytes().cmp(nodes.key(b.other).bytes());
    }
    a.name.cmp(&b.name)
}

/// Returns a number that compares like two edges of one node do, except that it may be equal for
/// different edges.
fn edge_prefix(nodes: &Nodes, side: End, link: Link) -> u64 {
    match side {
        End::Source => link.name.0,
        End::Target => prefix(nodes.key(link.other)),
    }
}

fn partition_point(range: Range<usize>, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
