//! What do the tasks of one stream share?
//!
//! One `State` behind a `RefCell`, borrowed only between awaits. The writer owns the active file,
//! the keeper prepares spares, callers append and wait; nobody else touches the stream.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use crate::file::File;

use super::body::Packer;
use super::error::{Error, Fence, Result};
use super::limits;
use super::notify::Notify;
use super::options::WalOptions;
use super::position::Lsn;

/// Whether the stream takes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The replay has not reached the end.
    Replaying,
    Open,
    /// No more records; what waits is written, then the tasks end.
    Closing,
}

/// A file ready to become the active one: zero-written or recycled, its header wiped.
#[derive(Clone, Debug)]
pub(super) struct Spare {
    pub name: String,
    pub file: Rc<File>,
}

/// A file of the log that is no longer written to.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub name: String,
    /// First LSN of the file after it.
    pub end: Lsn,
}

/// Counters of one stream since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalStats {
    /// Records appended.
    pub records: u64,
    /// Their bytes, without framing.
    pub record_bytes: u64,
    /// Frames written, confirmations included.
    pub frames: u64,
    /// Their bytes, with headers and padding.
    pub frame_bytes: u64,
    /// Empty frames written when idle.
    pub confirmations: u64,
    /// Files begun.
    pub rotations: u64,
    /// Microseconds spent in writes and syncs, summed.
    pub flush_us: u64,
    /// Longest write and sync in microseconds.
    pub flush_us_max: u64,
    /// Last record appended.
    pub last: Lsn,
    /// Last durable record.
    pub durable: Lsn,
    /// Bytes appended and not yet written.
    pub pending_bytes: u64,
    /// Files of the log, the active one included.
    pub files: u64,
    /// Spare files ready.
    pub spares: u64,
}

/// Whether there is room for more log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Space {
    /// Spare files are ready or being made.
    Ready,
    /// No spare file can be made; what is left in the prepared ones is still used.
    Low {
        /// Bytes left.
        bytes_left: u64,
        /// What the operating system said.
        cause: String,
    },
    /// Only the reserve for finishing what was begun is left: `append` refuses.
    Full {
        /// Bytes left.
        bytes_left: u64,
        /// What the operating system said.
        cause: String,
    },
}

#[derive(Debug)]
pub(super) struct State {
    pub phase: Phase,
    pub packer: Packer,
    pub durable: Lsn,
    pub fence: Option<Arc<Fence>>,
    pub stats: WalStats,
    pub spares: VecDeque<Spare>,
    /// Whether the writer waits for one: what it is to write is not in `packer` any more.
    pub is_spare_awaited: bool,
    /// Why the last preparation of a spare failed, until one succeeds.
    pub blocked: Option<String>,
    /// Bytes left in the active file.
    pub active_left: u64,
    pub sealed: VecDeque<Sealed>,
    pub released: Lsn,
    pub next_slot: u32,
    /// Whether the writer has ended; the keeper follows it.
    pub writer_ended: bool,
    waiters: BTreeMap<(Lsn, u64), Waker>,
    next_waiter: u64,
}

/// The shared state and the bells of its tasks.
#[derive(Debug)]
pub(super) struct Shared {
    pub state: RefCell<State>,
    pub options: WalOptions,
    /// Rung when there is something to write, a spare is ready, or the stream closes.
    pub writer: Notify,
    /// Rung when a spare was taken, files were released, or the stream closes.
    pub keeper: Notify,
}

impl Shared {
    pub(super) fn new(options: WalOptions, next_slot: u32) -> Rc<Self> {
        let packer = Packer::new(options.body_bytes_max(), Lsn::FIRST);
        let state = State {
            phase: Phase::Replaying,
            packer,
            durable: Lsn::ZERO,
            fence: None,
            stats: WalStats::default(),
            spares: VecDeque::new(),
            is_spare_awaited: false,
            blocked: None,
            active_left: 0,
            sealed: VecDeque::new(),
            released: options.start,
            next_slot,
            writer_ended: false,
            waiters: BTreeMap::new(),
            next_waiter: 0,
        };
        let (writer, keeper) = (Notify::default(), Notify::default());
        Rc::new(Self { state: RefCell::new(state), options, writer, keeper })
    }

    /// Returns the room left, in bytes of frames, and why no more can be made.
    pub(super) fn space(&self) -> Space {
        let state = self.state.borrow();
        let Some(cause) = state.blocked.clone() else { return Space::Ready };
        let bytes_left = state.room(&self.options);
        if bytes_left <= reserve_bytes(&self.options) {
            Space::Full { bytes_left, cause }
        } else {
            Space::Low { bytes_left, cause }
        }
    }
}

/// Returns the room kept for finishing what was begun once the disk is full.
pub(super) fn reserve_bytes(options: &WalOptions) -> u64 {
    options.file_bytes / 4
}

impl State {
    /// Returns the error every call gets once the stream failed or closed.
    pub(super) fn check_usable(&self) -> Result<()> {
        if let Some(fence) = &self.fence {
            return Err(Error::Fenced(fence.clone()));
        }
        match self.phase {
            Phase::Replaying => Err(Error::NotReplayed),
            Phase::Closing => Err(Error::Closed),
            Phase::Open => Ok(()),
        }
    }

    /// Returns the bytes of frames that still fit the active and the spare files, less what
    /// already waits. A file's end may be too short for a frame, hence one frame less per file.
    pub(super) fn room(&self, options: &WalOptions) -> u64 {
        let waste = options.frame_bytes_max as u64;
        let per_spare = options.file_bytes.saturating_sub(waste);
        let prepared = self.spares.len() as u64 * per_spare;
        let total = self.active_left.saturating_sub(waste) + prepared;
        total.saturating_sub(self.packer.bytes() as u64)
    }

    /// Returns the bytes that may still wait.
    pub(super) fn pending_room(&self) -> usize {
        limits::PENDING_BYTES_MAX.saturating_sub(self.packer.bytes())
    }

    /// Registers a task that waits for `lsn`, in the place of its earlier registration.
    pub(super) fn wait(&mut self, lsn: Lsn, ticket: &mut Option<u64>, waker: &Waker) {
        let number = *ticket.get_or_insert_with(|| {
            self.next_waiter += 1;
            self.next_waiter
        });
        self.waiters.insert((lsn, number), waker.clone());
    }

    /// Moves the durable prefix and wakes whoever waited for it.
    pub(super) fn advance_durable(&mut self, lsn: Lsn) {
        if lsn <= self.durable {
            return;
        }
        self.durable = lsn;
        let later = self.waiters.split_off(&(lsn.next(), 0));
        for waker in std::mem::replace(&mut self.waiters, later).into_values() {
            waker.wake();
        }
    }

    /// Closes the stream for good: what waits will never be written, and everyone is told.
    pub(super) fn fail(&mut self, fence: Fence) {
        if self.fence.is_none() {
            self.fence = Some(Arc::new(fence));
        }
        self.packer.clear();
        for waker in std::mem::take(&mut self.waiters).into_values() {
            waker.wake();
        }
    }
}
