//! Which groups are in memory, and how does a read get the others?
//!
//! Reads of a shard run without a pause over what is in memory. One that needs a group that is not
//! there notes which and stops with [`Error::NotLoaded`]; its caller loads what was noted and
//! begins again. What was loaded for a read is held in its [`Pins`] until it has come further, so
//! each attempt gets further than the one before, however small the cache is.
//!
//! The cache gives way in the manner of a clock: a group that was used since the hand last passed
//! stays.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::group::Group;
use super::run::{Run, Unread};
use crate::error::Error;

/// A group of a run.
pub(super) type GroupId = (u64, u32);

/// The groups one shard keeps in memory.
pub(crate) struct Cache {
    groups: HashMap<GroupId, usize, ahash::RandomState>,
    slots: Vec<Slot>,
    hand: usize,
    bytes: usize,
    bytes_max: usize,
    /// Reads that found their group.
    pub hits: Cell<u64>,
    /// Reads that did not.
    pub misses: Cell<u64>,
}

struct Slot {
    id: GroupId,
    group: Rc<Group>,
    used: Cell<bool>,
}

/// What one read holds on to, and what it lacks.
#[derive(Default)]
pub(crate) struct Pins {
    groups: HashMap<GroupId, Rc<Group>, ahash::RandomState>,
    wanted: Vec<Wanted>,
}

/// Neighbouring groups to be loaded.
pub(crate) struct Wanted {
    run: Rc<Run>,
    first: u32,
    count: u32,
}

/// What a read may reach.
#[derive(Clone, Copy)]
pub(crate) struct Reach<'a> {
    /// The shard's cache.
    pub cache: &'a RefCell<Cache>,
    /// The read's own.
    pub pins: &'a RefCell<Pins>,
}

impl Cache {
    /// Makes an empty cache of at most this many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            groups: HashMap::default(),
            slots: Vec::new(),
            hand: 0,
            bytes: 0,
            bytes_max,
            hits: Cell::new(0),
            misses: Cell::new(0),
        }
    }

    /// Returns the bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Sets how many bytes may be held.
    pub fn resize(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.shrink(0);
    }

    fn get(&self, id: GroupId) -> Option<Rc<Group>> {
        let slot = &self.slots[*self.groups.get(&id)?];
        slot.used.set(true);
        Some(slot.group.clone())
    }

    fn insert(&mut self, id: GroupId, group: Rc<Group>) {
        let bytes = group.memory_bytes();
        if bytes > self.bytes_max / 8 || self.groups.contains_key(&id) {
            return;
        }
        self.shrink(bytes);
        self.bytes += bytes;
        self.groups.insert(id, self.slots.len());
        self.slots.push(Slot { id, group, used: Cell::new(false) });
    }

    /// Makes room for `more` bytes.
    fn shrink(&mut self, more: usize) {
        while self.bytes + more > self.bytes_max && !self.slots.is_empty() {
            self.hand %= self.slots.len();
            if self.slots[self.hand].used.replace(false) {
                self.hand += 1;
            } else {
                self.evict(self.hand);
            }
        }
    }

    fn evict(&mut self, at: usize) {
        let slot = self.slots.swap_remove(at);
        self.groups.remove(&slot.id);
        self.bytes -= slot.group.memory_bytes();
        if let Some(moved) = self.slots.get(at) {
            self.groups.insert(moved.id, at);
        }
    }

    /// Forgets the groups of a run that is gone.
    pub fn forget(&mut self, run: &Run) {
        for group in 0..run.group_count() {
            if let Some(at) = self.groups.get(&(run.id().0, group)) {
                self.evict(*at);
            }
        }
    }
}

impl Pins {
    /// Lets go of what was needed so far.
    pub fn clear(&mut self) {
        self.groups.clear();
        self.wanted.clear();
    }

    /// Returns whether a read has stopped for want of a group.
    pub fn lacks(&self) -> bool {
        !self.wanted.is_empty()
    }
}

impl Reach<'_> {
    /// Returns a group, or notes that it and up to `ahead` groups behind it are wanted.
    ///
    /// **Errors**: `NotLoaded`.
    pub fn group(&self, run: &Rc<Run>, group: u32, ahead: u32) -> Result<Rc<Group>, Error> {
        let id = (run.id().0, group);
        if let Some(found) = self.pins.borrow().groups.get(&id) {
            return Ok(found.clone());
        }
        let cache = self.cache.borrow();
        if let Some(found) = cache.get(id) {
            cache.hits.set(cache.hits.get() + 1);
            return Ok(found);
        }
        let mut pins = self.pins.borrow_mut();
        let is_asked = |wanted: &Wanted| {
            let last = wanted.first + (wanted.count - 1);
            wanted.run.id() == run.id() && (wanted.first..=last).contains(&group)
        };
        // Work that looks for many things may miss one group for several of them.
        if !pins.wanted.iter().any(is_asked) {
            cache.misses.set(cache.misses.get() + 1);
            let count = (ahead + 1).min(run.group_count() - group);
            pins.wanted.push(Wanted { run: run.clone(), first: group, count });
        }
        Err(Error::NotLoaded)
    }
}

/// Loads what a read lacks.
///
/// **Cost**: a disk read for each, all at the same time.
/// **Errors**: `Storage`, `Corrupt` naming file and offset; what could be read is there.
pub(crate) async fn load(cache: &RefCell<Cache>, pins: &RefCell<Pins>) -> Result<(), Lacking> {
    let wanted = std::mem::take(&mut pins.borrow_mut().wanted);
    let reads = wanted.iter().map(|wanted| wanted.run.read(wanted.first, wanted.count));
    let mut loaded = Ok(());
    for (wanted, groups) in wanted.iter().zip(futures::future::join_all(reads).await) {
        let groups = match groups {
            Ok(groups) => groups,
            Err(unread) => {
                loaded = Err(Lacking { run: wanted.run.clone(), unread });
                continue;
            }
        };
        for (number, group) in (wanted.first..).zip(groups) {
            let (id, group) = ((wanted.run.id().0, number), Rc::new(group));
            cache.borrow_mut().insert(id, group.clone());
            pins.borrow_mut().groups.insert(id, group);
        }
    }
    loaded
}

/// What a read lacks and cannot get.
pub(crate) struct Lacking {
    /// The run it is of.
    pub run: Rc<Run>,
    /// Why.
    pub unread: Unread,
}

impl From<Lacking> for Error {
    fn from(lacking: Lacking) -> Self {
        lacking.unread.error
    }
}
