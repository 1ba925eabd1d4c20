//! How are edges followed from many nodes at once, level by level?
//!
//! The frontier of each level is split by owner, the owners answer in parallel, and the walk
//! decides what comes next. Nothing is read but edges.

use std::collections::BTreeMap;
use std::rc::Rc;

use pieskieo_io::rt;
use pieskieo_shards::actor::Core;
use pieskieo_shards::graph::{Bfs, Paths, TraverseOptions};
use pieskieo_shards::ids::{ShardId, TableId};
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Direction, Neighbor, Reply, Request};

use super::scope::Scope;
use crate::error::{Error, Result};

/// Nodes asked about in one request, so that an answer stays small: some 100 edges each make
/// about 10 MB (estimate).
const NODES_PER_REQUEST: usize = 4096;

/// What is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hops {
    /// The edge table.
    pub edge: TableId,
    /// Which way, as a number for comparing: 0 out, 1 in, 2 both.
    way: u8,
    /// Fewest edges.
    pub min: u32,
    /// Most edges.
    pub max: u32,
    /// Every path, or every node once.
    pub mode: Mode,
}

/// What one result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// Every path in which no edge occurs twice.
    Paths,
    /// Every node once per start, at its smallest depth.
    Nodes,
}

/// One result of an expansion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Position of the start.
    pub start: u32,
    /// The node reached.
    pub node: Key,
    /// Edges on the way; empty in mode `Nodes`.
    pub edges: Vec<Key>,
    /// How many edges away.
    pub depth: u32,
}

impl Hops {
    /// Describes an expansion.
    pub fn new(edge: TableId, direction: Direction, min: u32, max: u32, mode: Mode) -> Self {
        let way = match direction {
            Direction::Out => 0,
            Direction::In => 1,
            Direction::Both => 2,
        };
        Self { edge, way, min, max, mode }
    }

    /// Returns which way edges are followed.
    pub fn direction(&self) -> Direction {
        match self.way {
            0 => Direction::Out,
            1 => Direction::In,
            _ => Direction::Both,
        }
    }
}

/// Follows edges from each of `starts`. Results come by start.
///
/// **Errors**: the limit on edges looked at, cancellation, and whatever the shards report.
pub async fn expand(
    core: &Rc<Core>,
    scope: &Scope,
    hops: Hops,
    starts: &[Key],
) -> Result<Vec<Found>> {
    let options = TraverseOptions::depths(hops.min, hops.max);
    let mut found = match hops.mode {
        Mode::Paths => paths(core, scope, hops, starts, options).await?,
        Mode::Nodes => nodes(core, scope, hops, starts, options).await?,
    };
    found.sort_by_key(|found| found.start);
    Ok(found)
}

async fn paths(
    core: &Rc<Core>,
    scope: &Scope,
    hops: Hops,
    starts: &[Key],
    options: TraverseOptions,
) -> Result<Vec<Found>> {
    let mut walk = Paths::open(starts, options);
    let mut found = Vec::new();
    loop {
        for path in walk.advance() {
            let depth = path.edges.len() as u32;
            let Some(node) = path.nodes.into_iter().next_back() else { continue };
            found.push(Found { start: path.start, node, edges: path.edges, depth });
        }
        if walk.frontier().is_empty() {
            return Ok(found);
        }
        let frontier = walk.frontier().to_vec();
        for neighbors in neighbors(core, scope, hops, &frontier).await? {
            walk.accept(&neighbors)?;
            rt::yield_if_needed().await;
        }
    }
}

async fn nodes(
    core: &Rc<Core>,
    scope: &Scope,
    hops: Hops,
    starts: &[Key],
    options: TraverseOptions,
) -> Result<Vec<Found>> {
    let mut walk = Bfs::open(starts, options);
    let mut found = Vec::new();
    loop {
        found.extend(walk.advance().into_iter().map(|reached| Found {
            start: reached.start,
            node: reached.node,
            edges: Vec::new(),
            depth: reached.depth,
        }));
        if walk.frontier().is_empty() {
            return Ok(found);
        }
        let frontier = walk.frontier().to_vec();
        for neighbors in neighbors(core, scope, hops, &frontier).await? {
            walk.accept(&neighbors)?;
            rt::yield_if_needed().await;
        }
    }
}

/// Asks the owners of a frontier for its edges. `from` in the answers is a position in it.
async fn neighbors(
    core: &Rc<Core>,
    scope: &Scope,
    hops: Hops,
    frontier: &[Key],
) -> Result<Vec<Vec<Neighbor>>> {
    scope.stop.check()?;
    let mut owned: BTreeMap<ShardId, Vec<u32>> = BTreeMap::new();
    for (position, key) in (0u32..).zip(frontier) {
        owned.entry(scope.catalog.shard_of(key.slot())).or_default().push(position);
    }
    let parts: Vec<(ShardId, Vec<u32>)> = owned
        .into_iter()
        .flat_map(|(shard, positions)| {
            let parts: Vec<Vec<u32>> =
                positions.chunks(NODES_PER_REQUEST).map(<[u32]>::to_vec).collect();
            parts.into_iter().map(move |part| (shard, part))
        })
        .collect();
    let requests = parts.iter().map(|(shard, positions)| {
        let nodes = positions.iter().map(|at| frontier[*at as usize].clone()).collect();
        let request = Request::Expand {
            edge: hops.edge,
            direction: hops.direction(),
            nodes,
            view: scope.view,
        };
        (*shard, request)
    });
    let replies = core.call_all(requests).await?;
    let mut answers = Vec::with_capacity(replies.len());
    for (reply, (_, positions)) in replies.into_iter().zip(&parts) {
        let Reply::Neighbors(mut neighbors) = reply else {
            return Err(Error::internal("an expansion was answered with something else"));
        };
        for neighbor in &mut neighbors {
            let asked = positions.get(neighbor.from as usize).copied();
            neighbor.from = asked.ok_or_else(|| Error::internal("an edge of another node"))?;
        }
        answers.push(neighbors);
    }
    Ok(answers)
}
