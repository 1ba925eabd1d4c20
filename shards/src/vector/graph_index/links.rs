//! Who are a node's neighbours?
//!
//! Level 0 is one flat array, `2m` numbers per slot, unused ones `NONE` and last; with the
//! default m = 16 a node's list is exactly two cache lines. The few nodes that rise above
//! level 0 have an array of `m` numbers per level of their own.

use pieskieo_io::arena::HugeVec;

use crate::vector::distance::prefetch;
use crate::vector::entries::NONE;

/// The links of every slot.
pub struct Links {
    m: usize,
    ground: HugeVec<u32>,
    /// Levels 1 and up of each slot, `m` numbers each.
    upper: Vec<Box<[u32]>>,
}

impl Links {
    /// Returns an empty set of links with `2m` places on level 0 and `m` above.
    pub fn open(m: usize) -> Self {
        Self { m, ground: HugeVec::new(), upper: Vec::new() }
    }

    /// Returns the places a node has on `level`.
    pub fn capacity(&self, level: usize) -> usize {
        if level == 0 { 2 * self.m } else { self.m }
    }

    /// Gives `slot` empty lists on levels `0..=level`.
    pub fn place(&mut self, slot: u32, level: usize) {
        let slot = slot as usize;
        let stride = self.capacity(0);
        if slot >= self.upper.len() {
            self.upper.resize_with(slot + 1, Box::default);
            self.ground.resize((slot + 1) * stride, NONE);
        }
        self.ground[slot * stride..][..stride].fill(NONE);
        self.upper[slot] = vec![NONE; level * self.m].into_boxed_slice();
    }

    /// Returns the highest level of `slot`.
    pub fn level(&self, slot: u32) -> usize {
        self.upper[slot as usize].len() / self.m
    }

    /// Returns the places of `slot` on `level`; `NONE` and everything after it is unused.
    #[inline]
    fn places(&self, level: usize, slot: u32) -> &[u32] {
        if level == 0 {
            let stride = 2 * self.m;
            &self.ground[slot as usize * stride..][..stride]
        } else {
            &self.upper[slot as usize][(level - 1) * self.m..][..self.m]
        }
    }

    #[inline]
    fn places_mut(&mut self, level: usize, slot: u32) -> &mut [u32] {
        if level == 0 {
            let stride = 2 * self.m;
            &mut self.ground[slot as usize * stride..][..stride]
        } else {
            &mut self.upper[slot as usize][(level - 1) * self.m..][..self.m]
        }
    }

    /// Returns the neighbours of `slot` on `level`.
    #[inline]
    pub fn of(&self, level: usize, slot: u32) -> impl Iterator<Item = u32> {
        self.places(level, slot).iter().copied().take_while(|neighbor| *neighbor != NONE)
    }

    /// Asks the processor for the level 0 list of `slot`.
    #[inline]
    pub fn prefetch(&self, slot: u32) {
        prefetch(self.places(0, slot));
    }

    /// Makes `neighbors` the list of `slot` on `level`; they must fit.
    pub fn set(&mut self, level: usize, slot: u32, neighbors: impl Iterator<Item = u32>) {
        let places = self.places_mut(level, slot);
        let mut used = 0;
        for (place, neighbor) in places.iter_mut().zip(neighbors) {
            *place = neighbor;
            used += 1;
        }
        places[used..].fill(NONE);
    }

    /// Appends `neighbor` if a place is left; returns whether it was.
    pub fn append(&mut self, level: usize, slot: u32, neighbor: u32) -> bool {
        let places = self.places_mut(level, slot);
        let Some(place) = places.iter_mut().find(|place| **place == NONE) else { return false };
        *place = neighbor;
        true
    }

    /// Drops the neighbours of `slot` on `level` that `keeps` refuses.
    pub fn retain(&mut self, level: usize, slot: u32, keeps: impl Fn(u32) -> bool) {
        let places = self.places_mut(level, slot);
        let mut used = 0;
        for place in 0..places.len() {
            let neighbor = places[place];
            if neighbor != NONE && keeps(neighbor) {
                places[used] = neighbor;
                used += 1;
            }
        }
        places[used..].fill(NONE);
    }

    /// Returns an estimate of the bytes in use.
    pub fn memory_bytes(&self) -> usize {
        let upper: usize = self.upper.iter().map(|lists| lists.len() * size_of::<u32>()).sum();
        self.ground.memory_bytes() + upper + self.upper.len() * size_of::<Box<[u32]>>()
    }
}
