//! How does a node find its neighbours?

use super::links::Links;
use super::search::{Descent, Terrain, Walk, descend};
use crate::vector::candidate::Candidate;
use crate::vector::codes::CodedQuery;
use crate::vector::options::VectorOptions;
use crate::vector::space::Space;

/// Highest level a node can have; with m = 2 one node in 65,536 reaches it.
const LEVEL_MAX: usize = 16;
/// Selected neighbours compared with a candidate before the first chance to reject it.
const COMPARED_TOGETHER: usize = 4;

/// A graph over slots. Where these lie is the index's to know and passed to every call.
pub struct Graph {
    links: Links,
    /// A node of the highest level, where every walk begins.
    entry: Option<u32>,
    ef_construction: usize,
    m: usize,
    /// State of the generator that draws levels.
    random: u64,
    /// One past the highest slot ever linked.
    slot_count: usize,
    pub(super) scratch: Scratch,
}

/// Buffers of insertion, reused between insertions.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) walk: Walk,
    pub(super) descent: Descent,
    pub(super) found: Vec<Candidate>,
    pub(super) chosen: Vec<Candidate>,
    chosen_slots: Vec<u32>,
    distances: Vec<f32>,
    /// The node that is linked, and nodes compared with others.
    pub(super) query: CodedQuery,
    other: CodedQuery,
    /// Neighbours of a full node and their distances to it.
    slots: Vec<u32>,
    rivals: Vec<Candidate>,
}

impl Graph {
    /// Returns an empty graph.
    pub fn open(options: &VectorOptions) -> Self {
        Self {
            links: Links::open(options.m),
            entry: None,
            ef_construction: options.ef_construction,
            m: options.m,
            random: options.seed,
            slot_count: 0,
            scratch: Scratch::default(),
        }
    }

    /// Returns the links of every node.
    #[inline]
    pub fn links(&self) -> &Links {
        &self.links
    }

    pub(super) fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }

    /// Returns the node where walks begin, if there is any node.
    pub fn entry(&self) -> Option<u32> {
        self.entry
    }

    /// Returns one past the highest slot ever linked.
    #[inline]
    pub fn slot_count(&self) -> usize {
        self.slot_count
    }

    /// Returns an estimate of the bytes in use.
    pub fn memory_bytes(&self) -> usize {
        self.links.memory_bytes()
    }

    /// Returns the state of the generator that draws levels.
    pub fn random(&self) -> u64 {
        self.random
    }

    /// Sets the state of the generator that draws levels.
    pub fn set_random(&mut self, random: u64) {
        self.random = random;
    }

    /// Makes `slot` a node without links.
    pub fn restore(&mut self, slot: u32, level: usize) {
        self.slot_count = self.slot_count.max(slot as usize + 1);
        self.links.place(slot, level);
    }

    /// Makes `neighbors`, which fit, the links of a node, checked or not.
    pub fn restore_links(&mut self, level: usize, slot: u32, neighbors: &[u32]) {
        self.links.set(level, slot, neighbors.iter().copied());
    }

    /// Drops the links of a node that lead to itself, to no node of their level, or twice to one.
    pub fn drop_loose(&mut self, slot: u32, is_node: impl Fn(u32) -> bool) {
        let mut kept: Vec<u32> = Vec::new();
        for level in 0..=self.links.level(slot) {
            kept.clear();
            for neighbor in self.links.of(level, slot) {
                let leads = neighbor != slot
                    && is_node(neighbor)
                    && self.links.level(neighbor) >= level
                    && !kept.contains(&neighbor);
                if leads {
                    kept.push(neighbor);
                }
            }
            if kept.len() < self.links.of(level, slot).count() {
                self.links.set(level, slot, kept.iter().copied());
            }
        }
    }

    /// Links `slot`, choosing neighbours among the nodes that `alive` accepts.
    ///
    /// **Cost**: about `10 * ef_construction` distances.
    /// **Source**: Malkov and Yashunin 2018, algorithm 1.
    pub fn insert(&mut self, space: Space<'_>, slot: u32, alive: impl Fn(u32) -> bool + Copy) {
        let level = self.draw_level();
        self.slot_count = self.slot_count.max(slot as usize + 1);
        self.links.place(slot, level);
        if !self.insert_below(space, (level, slot), alive) {
            // Every node within reach of the entry is forgotten: begin at a live one.
            self.enter_at_highest(|node| node != slot && alive(node));
            self.insert_below(space, (level, slot), alive);
        }
        if self.entry.is_none_or(|entry| self.links.level(entry) < level) {
            self.entry = Some(slot);
        }
    }

    /// Links `slot` on `level` and all below; returns whether a live node was found, or there is
    /// none to begin at.
    fn insert_below(
        &mut self,
        space: Space<'_>,
        (level, slot): (usize, u32),
        alive: impl Fn(u32) -> bool + Copy,
    ) -> bool {
        let Some(entry) = self.entry else { return true };
        let top = self.links.level(entry);
        let mut scratch = std::mem::take(&mut self.scratch);
        let query = space.origin_at(slot, &mut scratch.query);
        let on = Terrain { graph: self, space, query };
        let start = descend(on, entry, level, &mut scratch.descent);
        scratch.found.clear();
        scratch.found.push(start);
        let mut linked = false;
        for level in (0..=level.min(top)).rev() {
            linked = self.link_level(space, (level, slot), alive, &mut scratch);
        }
        self.scratch = scratch;
        linked
    }

    /// Makes a node of the highest level among those that `alive` accepts the entry.
    ///
    /// **Cost**: looks at every slot.
    pub fn enter_at_highest(&mut self, alive: impl Fn(u32) -> bool) {
        let live = (0..self.slot_count as u32).filter(|slot| alive(*slot));
        self.entry = live.max_by_key(|slot| self.links.level(*slot));
    }

    /// Finds neighbours on one level, from `scratch.found` on, and links both ways. Leaves the
    /// nodes found in `scratch.found`, where the level below begins; if none is alive, leaves
    /// it as it was and returns `false`.
    pub(super) fn link_level(
        &mut self,
        space: Space<'_>,
        (level, slot): (usize, u32),
        alive: impl Fn(u32) -> bool + Copy,
        scratch: &mut Scratch,
    ) -> bool {
        let admits = |node| node != slot && alive(node);
        let query = space.origin_at(slot, &mut scratch.query);
        let on = Terrain { graph: self, space, query };
        scratch.walk.begin(on, &scratch.found, false, admits);
        scratch.walk.advance(on, level, self.ef_construction, usize::MAX, admits);
        scratch.walk.beam_into(&mut scratch.rivals);
        if scratch.rivals.is_empty() {
            return false;
        }
        std::mem::swap(&mut scratch.found, &mut scratch.rivals);
        select(space, self.m, scratch);
        self.links.set(level, slot, scratch.chosen.iter().map(|chosen| chosen.number()));
        self.link_back(space, (level, slot), alive, scratch);
        true
    }

    /// Links every node in `scratch.chosen` to `slot`, thinning lists that are full.
    pub(super) fn link_back(
        &mut self,
        space: Space<'_>,
        (level, slot): (usize, u32),
        alive: impl Fn(u32) -> bool + Copy,
        scratch: &mut Scratch,
    ) {
        let chosen = std::mem::take(&mut scratch.chosen);
        let found = std::mem::take(&mut scratch.found);
        for neighbor in &chosen {
            let node = neighbor.number();
            if self.links.of(level, node).any(|known| known == slot)
                || self.links.append(level, node, slot)
            {
                continue;
            }
            scratch.slots.clear();
            scratch.slots.extend(self.links.of(level, node).filter(|known| alive(*known)));
            let from = space.origin_at(node, &mut scratch.other);
            space.distances(from, &scratch.slots, &mut scratch.distances);
            scratch.found.clear();
            scratch.found.push(Candidate::new(neighbor.distance(), slot));
            let known = scratch.slots.iter().zip(&scratch.distances);
            scratch.found.extend(known.map(|(slot, distance)| Candidate::new(*distance, *slot)));
            scratch.found.sort_unstable();
            select(space, self.links.capacity(level), scratch);
            self.links.set(level, node, scratch.chosen.iter().map(|kept| kept.number()));
        }
        scratch.chosen = chosen;
        scratch.found = found;
    }

    /// Draws the level of a new node: each level holds one `m`-th of the one below.
    fn draw_level(&mut self) -> usize {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        let uniform = ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        let level = -uniform.ln() / (self.m as f64).ln();
        (level as usize).min(LEVEL_MAX)
    }
}

/// Writes to `scratch.chosen` at most `count_max` of `scratch.found` (nearest first) such that
/// none is nearer to an earlier choice than to the node they are chosen for: links that lead
/// into different directions.
///
/// **Source**: Malkov and Yashunin 2018, algorithm 4, without its optional extensions.
pub(super) fn select(space: Space<'_>, count_max: usize, scratch: &mut Scratch) {
    scratch.chosen.clear();
    scratch.chosen_slots.clear();
    for candidate in &scratch.found {
        if scratch.chosen.len() == count_max {
            break;
        }
        let from = space.origin_at(candidate.number(), &mut scratch.other);
        let limit = candidate.distance();
        let mut groups = scratch.chosen_slots.chunks(COMPARED_TOGETHER);
        let redundant = groups.any(|group| {
            space.distances(from, group, &mut scratch.distances);
            scratch.distances.iter().any(|distance| *distance < limit)
        });
        if !redundant {
            scratch.chosen.push(*candidate);
            scratch.chosen_slots.push(candidate.number());
        }
    }
}
