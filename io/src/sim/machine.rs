//! Whose turn is it?
//!
//! One of the tasks that are ready, of any core and queue, chosen by the seed. A poll takes a
//! short random time, so that deadlines come closer while work is done.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::Rng;

use super::disk::Disk;
use super::network::Network;
use super::options::SimOptions;
use crate::rt::Timers;
use crate::rt::{Core, Record, enter};
use crate::time::{WallTime, seeded_by};

/// Wall clock at the start of every world: 2026-01-01 00:00 UTC.
const WALL_START_US: u64 = 1_767_225_600_000_000;
/// Longest time a poll takes.
const POLL_NANOS_MAX: u64 = 20_000;
/// One question in this many is answered "yes, let others go first".
const PREEMPT_ONE_IN: u64 = 8;

/// Numbers of the tasks that are ready.
type Ready = Arc<Mutex<Vec<u64>>>;

/// The machine's inside, shared with the tasks on it.
pub(crate) struct Machine {
    pub(crate) timers: Timers,
    pub(crate) disk: RefCell<Disk>,
    pub(crate) network: RefCell<Network>,
    pub(crate) options: RefCell<SimOptions>,
    /// A power cut happened during this run.
    pub(crate) crashed: Cell<bool>,
    /// Disk operations of this run.
    pub(crate) operations: Cell<u64>,
    nanos: Cell<u64>,
    generator: RefCell<ChaCha12Rng>,
    trace: Cell<u64>,
    ready: Ready,
    tasks: RefCell<BTreeMap<u64, SimTask>>,
    task_next: Cell<u64>,
}

struct SimTask {
    core: Rc<Core>,
    record: Rc<Record>,
    signal: Arc<Signal>,
}

/// Puts a task on the list of those that are ready.
struct Signal {
    task: u64,
    listed: AtomicBool,
    ready: Ready,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.listed.swap(true, Ordering::AcqRel) {
            self.ready.lock().unwrap_or_else(PoisonError::into_inner).push(self.task);
        }
    }
}

impl Machine {
    pub(crate) fn new(seed: u64, options: SimOptions) -> Rc<Self> {
        Rc::new(Self {
            timers: Timers::default(),
            disk: RefCell::default(),
            network: RefCell::default(),
            options: RefCell::new(options),
            crashed: Cell::new(false),
            operations: Cell::new(0),
            nanos: Cell::new(0),
            generator: RefCell::new(seeded_by(seed, 0)),
            trace: Cell::new(0xcbf2_9ce4_8422_2325),
            ready: Ready::default(),
            tasks: RefCell::default(),
            task_next: Cell::new(0),
        })
    }

    /// Returns the nanoseconds since the world began.
    pub(crate) fn now(&self) -> u64 {
        self.nanos.get()
    }

    pub(crate) fn wall(&self) -> WallTime {
        WallTime(WALL_START_US + self.now() / 1000)
    }

    /// Moves the clock forward to `nanos`, if it is not there yet.
    pub(crate) fn advance_to(&self, nanos: u64) {
        self.nanos.set(self.nanos.get().max(nanos));
    }

    /// Returns a number below `bound`, which is at least 1.
    pub(crate) fn pick(&self, bound: u64) -> u64 {
        self.generator.borrow_mut().next_u64() % bound
    }

    /// Returns `true` in `ppm` of a million cases.
    pub(crate) fn chance(&self, ppm: u32) -> bool {
        ppm > 0 && self.pick(1_000_000) < u64::from(ppm)
    }

    /// Returns a new seed for something that has its own randomness.
    pub(crate) fn fork(&self) -> u64 {
        self.generator.borrow_mut().next_u64()
    }

    pub(crate) fn need_preempt(&self) -> bool {
        self.pick(PREEMPT_ONE_IN) == 0
    }

    /// Adds an event to the trace.
    pub(crate) fn note(&self, event: u64) {
        // FNV-1a over whole words, with a shift so that high bits reach low ones.
        let mixed = (self.trace.get() ^ event).wrapping_mul(0x0000_0100_0000_01b3);
        self.trace.set(mixed ^ (mixed >> 29));
    }

    pub(crate) fn trace(&self) -> u64 {
        self.trace.get()
    }

    /// Takes a task of `core` in.
    pub(crate) fn spawn(&self, core: &Rc<Core>, record: &Rc<Record>) {
        let task = self.task_next.get();
        self.task_next.set(task + 1);
        let (ready, listed) = (self.ready.clone(), AtomicBool::new(false));
        let signal = Arc::new(Signal { task, listed, ready });
        signal.wake_by_ref();
        let entry = SimTask { core: core.clone(), record: record.clone(), signal };
        self.tasks.borrow_mut().insert(task, entry);
    }

    /// Polls one task that is ready; `false` when none is.
    pub(crate) fn step(&self) -> bool {
        let task = {
            let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
            if ready.is_empty() {
                return false;
            }
            let index = self.pick(ready.len() as u64) as usize;
            ready.swap_remove(index)
        };
        let found = {
            let tasks = self.tasks.borrow();
            tasks
                .get(&task)
                .map(|entry| (entry.core.clone(), entry.record.clone(), entry.signal.clone()))
        };
        let Some((core, record, signal)) = found else { return true };
        self.advance_to(self.now() + 1 + self.pick(POLL_NANOS_MAX));
        self.note(task);
        self.note(u64::from(core.id.0) << 48 | self.now());
        signal.listed.store(false, Ordering::Release);
        let waker = Waker::from(signal);
        let entered = enter(core.clone());
        let polled = record.poll(&core, &mut Context::from_waker(&waker));
        drop(entered);
        if polled == Poll::Ready(()) {
            let gone = self.tasks.borrow_mut().remove(&task);
            drop(gone);
        }
        self.timers.fire(self.now());
        true
    }

    /// Forgets every task, timer and connection; the disk stays.
    pub(crate) fn end_run(&self) {
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        drop(tasks);
        self.timers.clear();
        let network = std::mem::take(&mut *self.network.borrow_mut());
        drop(network);
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
