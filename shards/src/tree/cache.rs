//! Which groups are in memory, and how does a read get the others?
//!
//! Reads of a shard run without a pause over what is in memory. One that needs a group that is not
//! there notes which and stops with [`Error::NotLoaded`]; its caller loads what was noted and
//! begins again. What was loaded for a read is held in its [`Pins`] until it has come further, so
//! each attempt gets further than the one before, however small the cache is.
//!
//! The cache gives way in the manner of a clock: a group that was used since the hand last passed
//! stays. Each run knows which of its groups are in memory, in order: a scan finds the next one
//! beside the last, where a table of all groups of the shard would be a cache miss of the
//! processor for each.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use super::group::Group;
use super::run::{Run, Unread};
use crate::error::Error;

/// A group of a run.
pub(super) type GroupId = (u64, u32);

/// The groups one shard keeps in memory.
pub(crate) struct Cache {
    slots: Vec<Slot>,
    hand: usize,
    bytes: usize,
    bytes_max: usize,
    /// Reads that found their group.
    pub hits: Cell<u64>,
    /// Reads that did not.
    pub misses: Cell<u64>,
}

/// A group that is in memory, unless its run is gone.
struct Slot {
    run: Weak<Run>,
    group: u32,
    bytes: usize,
}

/// The groups of a run that are in memory.
pub(super) struct Residents(RefCell<Vec<Resident>>);

#[derive(Default)]
struct Resident {
    group: Option<Rc<Group>>,
    /// Where in the cache's slots.
    slot: u32,
    used: Cell<bool>,
}

impl Residents {
    /// Makes room for so many groups, none of them in memory.
    pub fn new(groups: usize) -> Self {
        Self(RefCell::new((0..groups).map(|_| Resident::default()).collect()))
    }

    /// Returns the bytes held beside those of the groups.
    pub fn memory_bytes(&self) -> usize {
        self.0.borrow().len() * size_of::<Resident>()
    }

    fn get(&self, group: u32) -> Option<Rc<Group>> {
        let residents = self.0.borrow();
        let resident = residents.get(group as usize)?;
        let found = resident.group.clone()?;
        resident.used.set(true);
        Some(found)
    }

    fn put(&self, group: u32, resident: Resident) {
        if let Some(place) = self.0.borrow_mut().get_mut(group as usize) {
            *place = resident;
        }
    }

    fn is_used(&self, group: u32) -> bool {
        self.0.borrow().get(group as usize).is_some_and(|resident| resident.used.replace(false))
    }

    fn move_to(&self, group: u32, slot: usize) {
        if let Some(resident) = self.0.borrow_mut().get_mut(group as usize) {
            resident.slot = slot as u32;
        }
    }

    fn slots(&self) -> Vec<u32> {
        let residents = self.0.borrow();
        residents.iter().filter(|one| one.group.is_some()).map(|one| one.slot).collect()
    }
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

    fn insert(&mut self, run: &Rc<Run>, number: u32, group: Rc<Group>) {
        let bytes = group.memory_bytes();
        if bytes > self.bytes_max / 8 || run.resident.get(number).is_some() {
            return;
        }
        self.shrink(bytes);
        self.bytes += bytes;
        let (slot, used) = (self.slots.len() as u32, Cell::new(false));
        run.resident.put(number, Resident { group: Some(group), slot, used });
        self.slots.push(Slot { run: Rc::downgrade(run), group: number, bytes });
    }

    /// Makes room for `more` bytes.
    fn shrink(&mut self, more: usize) {
        while self.bytes + more > self.bytes_max && !self.slots.is_empty() {
            self.hand %= self.slots.len();
            let Slot { run, group, .. } = &self.slots[self.hand];
            if run.upgrade().is_some_and(|run| run.resident.is_used(*group)) {
                self.hand += 1;
            } else {
                self.evict(self.hand);
            }
        }
    }

    fn evict(&mut self, at: usize) {
        let Slot { run, group, bytes } = self.slots.swap_remove(at);
        if let Some(run) = run.upgrade() {
            run.resident.put(group, Resident::default());
        }
        self.bytes -= bytes;
        if let Some(moved) = self.slots.get(at)
            && let Some(run) = moved.run.upgrade()
        {
            run.resident.move_to(moved.group, at);
        }
    }

    /// Forgets the groups of a run that is gone.
    pub fn forget(&mut self, run: &Run) {
        let mut slots = run.resident.slots();
        // The last first: what takes its place is of another run, or has been moved already.
        slots.sort_unstable();
        slots.iter().rev().for_each(|at| self.evict(*at as usize));
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
        if let Some(found) = run.resident.get(group) {
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
            cache.borrow_mut().insert(&wanted.run, number, group.clone());
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
