//! Which bytes hold the adjacency while the process is away, and how do they become one again?
//!
//! ```text
//! head    u8 3, edges | u8 format = 1 | u32 nodes
//! block   u8 1, nodes | u32 first number | u32 n | n x (blob key, u16 slot)
//!         u8 2, out, or 3, in | u32 n | n lists
//!         u8 4, the end | u64 edges out | u64 edges in
//! list    u32 node | u8 0 in the order of edge keys, 1 fresh | u32 n | n edges
//! edge    u32 the other node | u64 name (`encode.rs`)
//! ```
//!
//! All nodes come first, then the edges that leave them, then those that arrive, page by page; of a
//! page its fresh edges first. An image is written block by block while the adjacency is used. Its
//! nodes are those there were when it was begun. Edges may come and go, and pages may be packed
//! meanwhile: an edge that was fresh may then be in the image twice, which makes one edge of it;
//! edges that changed are for who loads the image to name, and are left out.
//!
//! Numbers of nodes are never given back while the process runs. When most nodes of an image have
//! no edge, what was read is numbered anew.
//!
//! Absent on purpose: versions. An image has what was current; no snapshot outlives the process.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use super::adjacency::{Adjacency, Ends, Side};
use super::build::{End, Link, Page};
use super::encode::{EdgeName, INTO, OUT};
use super::nodes::NodeId;
use super::options::PAGE_NODES;
use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::ids::{Slot, Timestamp};
use crate::image::Model;
use crate::key::Key;
use crate::ordered::entry_of;

/// Bytes after which a block ends: copied in one step.
const BLOCK_BYTES: usize = 128 << 10;
/// Edges of one list at most.
const LIST_EDGES_MAX: usize = 4096;
/// Nodes below which numbers without edges are left as they are.
const WASTED_NODES_MIN: usize = 1024;

const NODES: u8 = 1;
const OUT_EDGES: u8 = 2;
const IN_EDGES: u8 = 3;
const CLOSE: u8 = 4;

const IN_ORDER: u8 = 0;
const FRESH: u8 = 1;

/// An image being written: what is next.
#[derive(Debug)]
pub(crate) struct Portrayal {
    /// Nodes there were when it was begun.
    count: u32,
    part: Part,
    /// Edges written, out and in.
    edges: [u64; 2],
    /// Bytes after which a block ends.
    block_bytes: usize,
    /// Edges of one list at most.
    list_edges: usize,
}

#[derive(Debug)]
enum Part {
    /// Nodes from this number on.
    Nodes(u32),
    Edges(End, Cursor),
    Close,
    Over,
}

/// Where in a side the image is.
#[derive(Debug, Default)]
struct Cursor {
    page: usize,
    /// Whether the page's fresh edges are written.
    is_begun: bool,
    /// The node in its page, and the last of its edges that is written.
    place: usize,
    after: Option<Link>,
}

/// An adjacency being read from an image.
pub(crate) struct Revival {
    adjacency: Adjacency,
    count: u32,
    /// Edges read, out and in, left out or not.
    edges: [u64; 2],
    /// The kind of block read last.
    part: u8,
    /// The page being read of the side being read, its number, and its last node in order.
    page: Page,
    number: usize,
    last: Option<NodeId>,
    /// Which nodes have an edge, and how many do.
    linked: Vec<bool>,
    linked_count: usize,
    renumbering: Option<Renumbering>,
    /// The key that is looked for among those to be left out.
    sought: Vec<u8>,
}

/// An adjacency with as many numbers as nodes, being made of one with more.
struct Renumbering {
    adjacency: Adjacency,
    end: End,
    page: usize,
}

impl Portrayal {
    #[cfg(test)]
    pub fn set_sizes(&mut self, block_bytes: usize, list_edges: usize) {
        (self.block_bytes, self.list_edges) = (block_bytes, list_edges);
    }
}

impl Adjacency {
    /// Begins an image.
    pub(crate) fn begin_image(&self) -> (Vec<u8>, Portrayal) {
        let count = self.nodes.len() as u32;
        let mut out = Model::Edges.begin_head();
        out.u32(count);
        let (block_bytes, list_edges) = (BLOCK_BYTES, LIST_EDGES_MAX);
        let part = Part::Nodes(0);
        let portrayal = Portrayal { count, part, edges: [0; 2], block_bytes, list_edges };
        (out.into_bytes(), portrayal)
    }

    /// Returns the next block of an image; `None` after the last.
    ///
    /// **Cost**: copies about 128 KiB, or the fresh edges of a page.
    pub(crate) fn image_block(&self, portrayal: &mut Portrayal) -> Option<Vec<u8>> {
        loop {
            match &mut portrayal.part {
                Part::Nodes(next) if *next < portrayal.count => {
                    return Some(self.put_nodes(next, portrayal.count, portrayal.block_bytes));
                }
                Part::Nodes(_) => {
                    portrayal.part = Part::Edges(End::Source, Cursor::default());
                }
                Part::Edges(end, _) => {
                    let end = *end;
                    if let Some(block) = self.put_edges(end, portrayal) {
                        return Some(block);
                    }
                    portrayal.part = match end {
                        End::Source => Part::Edges(End::Target, Cursor::default()),
                        End::Target => Part::Close,
                    };
                }
                Part::Close => {
                    portrayal.part = Part::Over;
                    let mut out = Writer::with_capacity(17);
                    out.u8(CLOSE);
                    portrayal.edges.iter().for_each(|count| out.u64(*count));
                    return Some(out.into_bytes());
                }
                Part::Over => return None,
            }
        }
    }

    fn put_nodes(&self, next: &mut u32, count: u32, block_bytes: usize) -> Vec<u8> {
        let first = *next;
        let mut nodes = Writer::with_capacity(block_bytes + block_bytes / 4);
        while *next < count && nodes.len() < block_bytes {
            let key = self.nodes.key(NodeId(*next));
            nodes.blob(key.bytes());
            nodes.u16(key.slot().0);
            *next += 1;
        }
        let mut out = Writer::with_capacity(9 + nodes.len());
        out.u8(NODES);
        out.u32(first);
        out.u32(*next - first);
        out.raw(&nodes.into_bytes());
        out.into_bytes()
    }

    /// Returns the next edges of a side; `None` when there are no more.
    fn put_edges(&self, end: End, portrayal: &mut Portrayal) -> Option<Vec<u8>> {
        let Part::Edges(_, cursor) = &mut portrayal.part else { return None };
        let side = self.side(end);
        let mut lists = Lists::with_capacity(portrayal.block_bytes);
        let pages = side.pages.len().min((portrayal.count as usize).div_ceil(PAGE_NODES));
        while cursor.page < pages && lists.out.len() < portrayal.block_bytes {
            let page = &side.pages[cursor.page];
            // A node that came after the image was begun has come with an edge, and that one is
            // left out by who loads the image.
            let is_known = |node: NodeId| node.0 < portrayal.count;
            if !cursor.is_begun {
                cursor.is_begun = true;
                for (node, link) in page.fresh_current() {
                    if is_known(node) && is_known(link.other) {
                        lists.put(node, FRESH, &[link]);
                    }
                }
            }
            let node = NodeId((cursor.page * PAGE_NODES + cursor.place) as u32);
            if cursor.place == PAGE_NODES || !is_known(node) {
                *cursor = Cursor { page: cursor.page + 1, ..Cursor::default() };
                continue;
            }
            let edges = page.packed_current(&self.nodes, end, node, cursor.after);
            let known = edges.filter(|link| is_known(link.other));
            let list: Vec<Link> = known.take(portrayal.list_edges).collect();
            match list.last() {
                Some(last) => {
                    cursor.after = Some(*last);
                    lists.put(node, IN_ORDER, &list);
                }
                None => (cursor.place, cursor.after) = (cursor.place + 1, None),
            }
        }
        portrayal.edges[usize::from(end == End::Target)] += lists.edges;
        lists.into_block(if end == End::Source { OUT_EDGES } else { IN_EDGES })
    }

    fn side(&self, end: End) -> &Side {
        if end == End::Source { &self.out } else { &self.into }
    }
}

/// Lists on their way into a block.
struct Lists {
    out: Writer,
    count: usize,
    edges: u64,
}

impl Lists {
    fn with_capacity(bytes: usize) -> Self {
        Self { out: Writer::with_capacity(bytes + bytes / 4), count: 0, edges: 0 }
    }

    fn put(&mut self, node: NodeId, form: u8, links: &[Link]) {
        self.out.u32(node.0);
        self.out.u8(form);
        self.out.count(links.len());
        for link in links {
            self.out.u32(link.other.0);
            self.out.u64(link.name.0);
        }
        self.count += 1;
        self.edges += links.len() as u64;
    }

    fn into_block(self, kind: u8) -> Option<Vec<u8>> {
        if self.count == 0 {
            return None;
        }
        let mut out = Writer::with_capacity(5 + self.out.len());
        out.u8(kind);
        out.count(self.count);
        out.raw(&self.out.into_bytes());
        Some(out.into_bytes())
    }
}

impl Revival {
    /// Begins to read an image.
    ///
    /// **Errors**: `Corrupt` when it is none of an adjacency.
    pub(crate) fn begin(head: &[u8]) -> Result<Self, Error> {
        let mut input = Model::Edges.open_head(head)?;
        let count = input.u32("nodes")?;
        input.finish()?;
        Ok(Self {
            adjacency: Adjacency::open(),
            count,
            edges: [0; 2],
            part: NODES,
            page: Page::default(),
            number: 0,
            last: None,
            linked: Vec::new(),
            linked_count: 0,
            renumbering: None,
            sought: Vec::new(),
        })
    }

    /// Takes the next block in, without the edges whose keys ([`super::Changed`]) are `changed`.
    ///
    /// **Errors**: `Corrupt`.
    pub(crate) fn take(
        &mut self,
        block: &[u8],
        changed: &BTreeSet<Arc<[u8]>>,
    ) -> Result<(), Error> {
        let mut input = Reader::new(block, "block of an image of edges");
        let kind = input.u8("kind")?;
        if kind < self.part || kind > CLOSE || self.part == CLOSE {
            return Err(input.corrupt("kind"));
        }
        if kind == NODES {
            self.take_nodes(&mut input)?;
            return input.finish();
        }
        if self.adjacency.nodes.len() != self.count as usize {
            return Err(input.corrupt("nodes"));
        }
        if kind != self.part {
            self.finish_page();
            (self.part, self.number) = (kind, 0);
        }
        if kind == CLOSE {
            let edges = [input.u64("edges out")?, input.u64("edges in")?];
            if edges != self.edges {
                return Err(input.corrupt("edges"));
            }
            return input.finish();
        }
        for _ in 0..input.count("lists")? {
            self.take_list(&mut input, changed)?;
        }
        input.finish()
    }

    fn take_nodes(&mut self, input: &mut Reader<'_>) -> Result<(), Error> {
        let nodes = &mut self.adjacency.nodes;
        if input.u32("first number")? as usize != nodes.len() {
            return Err(input.corrupt("first number"));
        }
        for _ in 0..input.count("nodes")? {
            let (key, slot) = (input.blob("key")?, Slot(input.u16("slot")?));
            let next = nodes.len();
            let node = nodes.intern(&Key::from_encoded(Arc::from(key), slot));
            if node.0 as usize != next || next >= self.count as usize {
                return Err(input.corrupt("key, it is there twice or too many"));
            }
        }
        self.linked.resize(nodes.len(), false);
        Ok(())
    }

    fn take_list(
        &mut self,
        input: &mut Reader<'_>,
        changed: &BTreeSet<Arc<[u8]>>,
    ) -> Result<(), Error> {
        let end = self.end();
        let node = NodeId(input.u32("node")?);
        let form = input.u8("form")?;
        let number = node.0 as usize / PAGE_NODES;
        if number > self.number {
            self.finish_page();
            self.number = number;
        }
        let is_next = match form {
            IN_ORDER => self.last.is_none_or(|last| last <= node),
            FRESH => self.last.is_none(),
            _ => false,
        };
        if node.0 >= self.count || number < self.number || !is_next {
            return Err(input.corrupt("node"));
        }
        let may_change = self.may_change(end, node, changed);
        let count = input.count("edges")?;
        self.edges[usize::from(end == End::Target)] += count as u64;
        for _ in 0..count {
            let (other, name) = (NodeId(input.u32("other node")?), EdgeName(input.u64("name")?));
            if other.0 >= self.count {
                return Err(input.corrupt("other node"));
            }
            let link = Link { other, name };
            if may_change && self.is_changed(end, node, link, changed) {
                continue;
            }
            for node in [node, other] {
                let is_linked = &mut self.linked[node.0 as usize];
                self.linked_count += usize::from(!*is_linked);
                *is_linked = true;
            }
            match form {
                IN_ORDER => self.page.restore(node, link),
                _ => self.page.restore_fresh(node, link),
            }
        }
        if form == IN_ORDER {
            self.last = Some(node);
        }
        Ok(())
    }

    /// Returns whether some edge of a node may be among those that changed.
    fn may_change(&mut self, end: End, node: NodeId, changed: &BTreeSet<Arc<[u8]>>) -> bool {
        self.sought.clear();
        self.sought.push(if end == End::Source { OUT } else { INTO });
        self.sought.extend_from_slice(self.adjacency.nodes.key(node).bytes());
        let sought = &*self.sought;
        let mut from = changed.range::<[u8], _>((Bound::Included(sought), Bound::Unbounded));
        from.next().is_some_and(|key| key.starts_with(sought))
    }

    fn is_changed(
        &mut self,
        end: End,
        node: NodeId,
        link: Link,
        changed: &BTreeSet<Arc<[u8]>>,
    ) -> bool {
        let nodes = &self.adjacency.nodes;
        let (node, other, name) = (nodes.key(node), nodes.key(link.other), link.name.0);
        let source = if end == End::Source { node } else { other };
        let edge = [source.bytes(), &name.to_be_bytes()].concat();
        self.sought.clear();
        match end {
            End::Source => {
                self.sought.push(OUT);
                self.sought.extend_from_slice(&edge);
            }
            End::Target => {
                self.sought.push(INTO);
                self.sought.extend_from_slice(&entry_of(node.bytes(), &edge));
            }
        }
        changed.contains(&*self.sought)
    }

    fn end(&self) -> End {
        if self.part == OUT_EDGES { End::Source } else { End::Target }
    }

    fn finish_page(&mut self) {
        let mut page = std::mem::take(&mut self.page);
        self.last = None;
        if page.edge_count() == 0 {
            return;
        }
        let end = self.end();
        page.finish(&self.adjacency.nodes, end);
        let Adjacency { out, into, .. } = &mut self.adjacency;
        let side = if end == End::Source { out } else { into };
        side.current += page.edge_count();
        side.pages.resize_with(self.number, Page::default);
        side.pages.push(page);
    }

    /// Numbers nodes anew when most have no edge, a page at a time; returns whether there is more
    /// to do.
    pub(crate) fn check(&mut self) -> bool {
        let count = self.adjacency.nodes.len();
        let Some(renumbering) = &mut self.renumbering else {
            if count < WASTED_NODES_MIN || self.linked_count > count / 2 {
                return false;
            }
            let (adjacency, end) = (Adjacency::open(), End::Source);
            self.renumbering = Some(Renumbering { adjacency, end, page: 0 });
            return true;
        };
        let Renumbering { adjacency: target, end, page: number } = renumbering;
        let Some(page) = self.adjacency.side(*end).pages.get(*number) else {
            if *end == End::Source {
                (*end, *number) = (End::Target, 0);
                return true;
            }
            self.adjacency = std::mem::replace(target, Adjacency::open());
            self.renumbering = None;
            // From now on every number has an edge.
            self.linked_count = self.adjacency.nodes.len();
            return false;
        };
        let nodes = &self.adjacency.nodes;
        let side = if *end == End::Source { &mut target.out } else { &mut target.into };
        let first = *number * PAGE_NODES;
        for node in (first..nodes.len().min(first + PAGE_NODES)).map(|node| NodeId(node as u32)) {
            for link in page.packed_current(nodes, *end, node, None) {
                let (at, other) = (nodes.key(node), nodes.key(link.other));
                let ends = Ends { at, other, name: link.name };
                side.insert(&mut target.nodes, ends, Timestamp(0));
            }
        }
        *number += 1;
        true
    }

    /// Returns the adjacency.
    ///
    /// **Errors**: `Corrupt` when blocks are missing.
    pub(crate) fn finish(mut self) -> Result<Adjacency, Error> {
        if self.part != CLOSE {
            return Err(Error::Corrupt("the image of edges ends too early".into()));
        }
        while self.check() {}
        Ok(self.adjacency)
    }
}
