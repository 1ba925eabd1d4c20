//! When is a commit visible to everybody, and which versions can nobody see any more?
//!
//! One clock for the process, without a lock. Definitions:
//!
//! * `next` is the smallest timestamp that was never handed out.
//! * A timestamp is **pending** from before it is handed out until its writes are durable and
//!   applied on every shard it touches. Each core publishes a lower bound of its pending
//!   timestamps (`pending_low`, `MAX` when there are none).
//! * `snapshot() = min(next, every pending_low) - 1`, made monotone through `visible`.
//!
//! Invariants, each needed by a reader somewhere:
//!
//! 1. *No commit appears below a snapshot after it was taken.* A core publishes a bound before it
//!    takes a timestamp. A reader loads `next` first and the bounds afterwards: if it misses the
//!    bound, the timestamp was taken after the reader's load of `next` and lies above its result.
//! 2. *Snapshots never go back.* A bound may be stale (lower than timestamps others already
//!    finished); a value once found valid stays valid, so the maximum of all values found is.
//! 3. *A commit is acknowledged only when `snapshot()` has reached it*, so every read that starts
//!    after the acknowledgement, on any core, sees it.
//! 4. *No version that a lease can see is collected.* The same two-step order with `oldest`: a core
//!    publishes a lower bound of its leases before it takes the snapshot; `watermark()` loads
//!    `visible` before the bounds.
//! 5. *No version that a lease of the past can see is collected from the records.* A core publishes
//!    the lease in `past`, then looks whether it is at or above `floor`; `horizon()` loads `floor`
//!    before it loads `past`. Indexes are collected by the watermark: they say nothing of the past.
//! 6. *The number of a commit means the same after a restart.* A timestamp whose commit was refused
//!    leaves nothing on disk, so the clock may hand it out again after a restart. `last_commit()` is
//!    the last one that left something, and no other number is told to anybody.
//!
//! All accesses are sequentially consistent: publish-then-load on both sides must not reorder.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::task::Poll;

use futures::channel::oneshot;
use futures::task::AtomicWaker;

use crate::ids::Timestamp;
use crate::request::ReadView;

const NONE: u64 = u64::MAX;

/// The part of the clock that all cores share.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Smallest timestamp never handed out.
    next: AtomicU64,
    /// Largest snapshot found so far.
    visible: AtomicU64,
    /// Largest timestamp of which the disk knows.
    committed: AtomicU64,
    /// Lowest snapshot of the past that may be leased; `NONE` = the past is not kept.
    floor: AtomicU64,
    /// Set for good when the process can no longer finish its commits.
    stopped: AtomicBool,
    /// What each core publishes.
    cores: Box<[Published]>,
}

/// What one core publishes. On its own cache lines: it is written at every commit.
#[derive(Debug)]
#[repr(align(128))]
struct Published {
    /// At or below every pending timestamp of this core.
    pending_low: AtomicU64,
    /// Lowest timestamp somebody on this core waits for.
    awaited: AtomicU64,
    /// At or below every snapshot leased on this core.
    oldest: AtomicU64,
    /// At or below every snapshot of the past leased on this core.
    past: AtomicU64,
    /// Wakes the task that releases this core's waiters.
    waker: AtomicWaker,
}

/// One core's handle of the clock.
#[derive(Debug)]
pub(crate) struct CoreClock {
    shared: Arc<Clock>,
    core: usize,
    /// Timestamps taken on this core and not finished.
    pending: RefCell<BTreeSet<u64>>,
    /// Who waits for which timestamp; the second number tells waiters for the same one apart.
    waiters: RefCell<BTreeMap<(u64, u64), oneshot::Sender<()>>>,
    /// Leased snapshots and how many leases each has.
    leases: RefCell<BTreeMap<u64, usize>>,
    /// The same for snapshots of the past.
    past: RefCell<BTreeMap<u64, usize>>,
}

/// Keeps the versions of one snapshot from being collected while it lives.
#[derive(Debug)]
pub struct Lease {
    clock: Rc<CoreClock>,
    snapshot: Timestamp,
    /// Whether only the records are kept, and not what indexes know.
    past: bool,
}

/// The clock will not reach the awaited timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

impl Clock {
    /// Returns a clock for this many cores, at the beginning of time.
    pub(crate) fn new(cores: usize) -> Arc<Self> {
        let published = || Published {
            pending_low: AtomicU64::new(NONE),
            awaited: AtomicU64::new(NONE),
            oldest: AtomicU64::new(NONE),
            past: AtomicU64::new(NONE),
            waker: AtomicWaker::new(),
        };
        Arc::new(Self {
            next: AtomicU64::new(1),
            visible: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            floor: AtomicU64::new(NONE),
            stopped: AtomicBool::new(false),
            cores: (0..cores).map(|_| published()).collect(),
        })
    }

    /// Makes every later timestamp larger than `seen`. Only while nothing is pending.
    pub(crate) fn raise(&self, seen: Timestamp) {
        self.next.fetch_max(seen.0 + 1, SeqCst);
        self.committed.fetch_max(seen.0, SeqCst);
    }

    /// Says from which snapshot on the past is kept. What lies below may be collected from now on:
    /// the floor never goes down again once anything may have been.
    pub(crate) fn set_floor(&self, floor: Timestamp) {
        self.floor.store(floor.0, SeqCst);
    }

    /// Returns the lowest snapshot of the past that may be leased; `None` = the past is not kept.
    pub(crate) fn floor(&self) -> Option<Timestamp> {
        Some(self.floor.load(SeqCst)).filter(|floor| *floor != NONE).map(Timestamp)
    }

    /// Returns the last commit that everybody sees and that is known on disk: the snapshot shows
    /// what it shows.
    pub(crate) fn last_commit(&self) -> Timestamp {
        // First the snapshot: what is at or below it was noted in `committed` before.
        let snapshot = self.snapshot();
        Timestamp(self.committed.load(SeqCst).min(snapshot))
    }

    /// Tells all who wait for a timestamp, now or later, that it may never come.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, SeqCst);
        for core in &self.cores {
            core.waker.wake();
        }
    }

    fn snapshot(&self) -> u64 {
        let mut low = self.next.load(SeqCst);
        for core in &self.cores {
            low = low.min(core.pending_low.load(SeqCst));
        }
        let found = low - 1;
        let known = self.visible.load(SeqCst);
        if found <= known { known } else { self.visible.fetch_max(found, SeqCst).max(found) }
    }
}

impl CoreClock {
    /// Returns the handle of core number `core`.
    pub(crate) fn new(shared: Arc<Clock>, core: usize) -> Rc<Self> {
        assert!(core < shared.cores.len(), "core {core} is not one of the clock's");
        Rc::new(Self {
            shared,
            core,
            pending: RefCell::default(),
            waiters: RefCell::default(),
            leases: RefCell::default(),
            past: RefCell::default(),
        })
    }

    fn mine(&self) -> &Published {
        &self.shared.cores[self.core]
    }

    /// Returns the newest snapshot: everything at or below it is durable, applied and final.
    pub(crate) fn snapshot(&self) -> Timestamp {
        Timestamp(self.shared.snapshot())
    }

    /// Returns a timestamp at or above every one that was handed out.
    pub(crate) fn latest(&self) -> Timestamp {
        Timestamp(self.shared.next.load(SeqCst) - 1)
    }

    /// Hands out a commit timestamp, which stays invisible until [`CoreClock::finish`].
    pub(crate) fn take(&self) -> Timestamp {
        let mut pending = self.pending.borrow_mut();
        if pending.is_empty() {
            let bound = self.shared.next.load(SeqCst);
            self.mine().pending_low.store(bound, SeqCst);
        }
        let taken = self.shared.next.fetch_add(1, SeqCst);
        pending.insert(taken);
        Timestamp(taken)
    }

    /// Ends the pending time of a timestamp whose writes are durable and applied everywhere.
    pub(crate) fn finish(&self, timestamp: Timestamp) {
        self.shared.committed.fetch_max(timestamp.0, SeqCst);
        self.discard(timestamp);
    }

    /// Ends the pending time of a timestamp that has no writes.
    pub(crate) fn discard(&self, timestamp: Timestamp) {
        let low = {
            let mut pending = self.pending.borrow_mut();
            assert!(pending.remove(&timestamp.0), "timestamp {timestamp} is not pending here");
            pending.first().copied().unwrap_or(NONE)
        };
        self.mine().pending_low.store(low, SeqCst);
        let snapshot = self.shared.snapshot();
        self.release(snapshot);
        for (number, core) in self.shared.cores.iter().enumerate() {
            if number != self.core && core.awaited.load(SeqCst) <= snapshot {
                core.waker.wake();
            }
        }
    }

    /// Resolves once `snapshot()` has reached `timestamp`.
    ///
    /// **Errors**: [`Stopped`] when the clock will not get there because a log failed or the
    /// process shuts down; whether the commit survives is then for recovery to say.
    pub(crate) async fn visible(&self, timestamp: Timestamp) -> Result<(), Stopped> {
        if self.shared.snapshot() >= timestamp.0 {
            return Ok(());
        }
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiters = self.waiters.borrow_mut();
            let place = waiters
                .range((timestamp.0, 0)..=(timestamp.0, u64::MAX))
                .next_back()
                .map_or(0, |((_, place), _)| place + 1);
            waiters.insert((timestamp.0, place), sender);
            let lowest = waiters.first_key_value().map_or(NONE, |((low, _), _)| *low);
            self.mine().awaited.store(lowest, SeqCst);
        }
        // The clock may have passed, or stopped, between the check and the registration.
        self.turn();
        receiver.await.map_err(|_| Stopped)
    }

    /// Wakes this core's waiters when other cores move the clock. Runs until it is dropped.
    pub(crate) async fn run(self: Rc<Self>) {
        poll_fn(|ctx| {
            self.mine().waker.register(ctx.waker());
            self.turn();
            Poll::<()>::Pending
        })
        .await;
    }

    fn turn(&self) {
        self.release(self.shared.snapshot());
        if self.shared.stopped.load(SeqCst) {
            let abandoned = std::mem::take(&mut *self.waiters.borrow_mut());
            drop(abandoned);
        }
    }

    fn release(&self, snapshot: u64) {
        let mut waiters = self.waiters.borrow_mut();
        if waiters.first_key_value().is_none_or(|((low, _), _)| *low > snapshot) {
            return;
        }
        let rest = waiters.split_off(&(snapshot + 1, 0));
        let released = std::mem::replace(&mut *waiters, rest);
        let lowest = waiters.first_key_value().map_or(NONE, |((low, _), _)| *low);
        drop(waiters);
        self.mine().awaited.store(lowest, SeqCst);
        for (_, sender) in released {
            // A waiter that went away no longer cares.
            sender.send(()).ok();
        }
    }

    /// Leases the newest snapshot.
    pub(crate) fn lease(self: &Rc<Self>) -> Lease {
        let mut leases = self.leases.borrow_mut();
        if leases.is_empty() {
            let bound = self.shared.visible.load(SeqCst);
            self.mine().oldest.store(bound, SeqCst);
        }
        let snapshot = self.shared.snapshot();
        *leases.entry(snapshot).or_insert(0) += 1;
        drop(leases);
        Lease { clock: self.clone(), snapshot: Timestamp(snapshot), past: false }
    }

    /// Leases a snapshot that somebody else holds a lease of, so that it outlives theirs.
    pub(crate) fn lease_at(self: &Rc<Self>, snapshot: Timestamp) -> Lease {
        let mut leases = self.leases.borrow_mut();
        *leases.entry(snapshot.0).or_insert(0) += 1;
        let low = leases.first_key_value().map_or(NONE, |(low, _)| *low);
        drop(leases);
        self.mine().oldest.store(low, SeqCst);
        Lease { clock: self.clone(), snapshot, past: false }
    }

    /// Leases the records of a snapshot of the past; `None` when they are not kept any more.
    pub(crate) fn lease_past(self: &Rc<Self>, snapshot: Timestamp) -> Option<Lease> {
        let lease = self.lease_past_at(snapshot);
        // Published before the look at the floor: whoever raises it afterwards sees the lease.
        let floor = self.shared.floor()?;
        (snapshot >= floor).then_some(lease)
    }

    /// As [`CoreClock::lease_past`], of a snapshot that somebody else holds such a lease of.
    pub(crate) fn lease_past_at(self: &Rc<Self>, snapshot: Timestamp) -> Lease {
        let mut past = self.past.borrow_mut();
        *past.entry(snapshot.0).or_insert(0) += 1;
        let low = past.first_key_value().map_or(NONE, |(low, _)| *low);
        drop(past);
        self.mine().past.store(low, SeqCst);
        Lease { clock: self.clone(), snapshot, past: true }
    }

    /// Returns up to where records may forget: no lease is below, and no snapshot that may still
    /// be leased. At or below the watermark.
    pub(crate) fn horizon(&self) -> Timestamp {
        let mut low = self.watermark().0.min(self.shared.floor.load(SeqCst));
        for core in &self.shared.cores {
            low = low.min(core.past.load(SeqCst));
        }
        Timestamp(low)
    }

    /// Returns the collection watermark: no lease, present or future, is below it. A version whose
    /// end is at or below it can be seen by nobody.
    pub(crate) fn watermark(&self) -> Timestamp {
        self.shared.snapshot();
        let mut low = self.shared.visible.load(SeqCst);
        for core in &self.shared.cores {
            low = low.min(core.oldest.load(SeqCst));
        }
        Timestamp(low)
    }

    fn unlease(&self, snapshot: Timestamp, past: bool) {
        let (leases, published) = match past {
            false => (&self.leases, &self.mine().oldest),
            true => (&self.past, &self.mine().past),
        };
        let mut leases = leases.borrow_mut();
        if let Some(count) = leases.get_mut(&snapshot.0) {
            *count -= 1;
            if *count == 0 {
                leases.remove(&snapshot.0);
            }
        }
        let low = leases.first_key_value().map_or(NONE, |(low, _)| *low);
        drop(leases);
        published.store(low, SeqCst);
    }
}

impl Lease {
    /// Returns the leased snapshot.
    pub fn snapshot(&self) -> Timestamp {
        self.snapshot
    }

    /// Returns what a reader with this lease sees.
    pub fn view(&self) -> ReadView {
        ReadView { past: self.past, ..ReadView::at(self.snapshot) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.clock.unlease(self.snapshot, self.past);
    }
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
