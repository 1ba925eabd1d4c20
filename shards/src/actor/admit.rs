//! May a write come in, and what does it wait for?
//!
//! | what is short | what happens |
//! | --- | --- |
//! | memory, by what was written lately | it is made into segments; writers wait while there is too much |
//! | memory, by indexes | the cache shrinks and segments are made sooner; at last writers are refused |
//! | room on the disk | writers are refused until the work that failed for it has succeeded |
//!
//! Reads are answered in all three cases, and so are writes that only delete when memory is short.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use pieskieo_io::rt;

use super::limits::{CACHE_BYTES_MIN, FLUSH_BYTES_MIN};
use super::shard::Shard;
use crate::error::Error;
use crate::ids::Timestamp;
use crate::request::{Write, WriteOp};

/// Pause of a writer who waits for room in memory.
const ROOM_WAIT_MS: u64 = 2;
/// Looks at what was written between two looks at everything in memory.
const LOOKS_PER_MEASURE: u32 = 10;

/// What a shard knows about room in memory and on the disk.
#[derive(Default)]
pub(crate) struct Pressure {
    /// Bytes written since the last checkpoint that are only in memory and in the log.
    written: Cell<usize>,
    /// Bytes in memory that no checkpoint frees.
    fixed: Cell<usize>,
    looks: Cell<u32>,
    /// Why checkpoints and merges cannot be carried out for want of room on the disk.
    disk_full: RefCell<[Option<String>; 2]>,
}

/// Work that needs room on the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Checkpoint,
    Merges,
}

impl Shard {
    /// Looks how much there is in memory, and gives the cache what is left.
    pub(crate) fn measure(&self) {
        let pressure = &self.pressure;
        pressure.written.set(self.store.borrow().hot_bytes());
        let looks = pressure.looks.get();
        pressure.looks.set((looks + 1) % LOOKS_PER_MEASURE);
        if looks == 0 {
            let memory = self.store.borrow().memory();
            pressure.fixed.set(usize::try_from(memory.fixed()).unwrap_or(usize::MAX));
            self.cache.borrow_mut().resize(self.cache_bytes());
        }
    }

    /// Returns whether enough was written to make it into runs, or something was dropped.
    pub(crate) fn is_checkpoint_due(&self, horizon: Timestamp) -> bool {
        let begun = self.begun.borrow().is_some() || !self.images.borrow().is_empty();
        let emptied = || self.store.borrow().wants_checkpoint(horizon);
        if begun || self.dropped.get() || emptied() {
            return true;
        }
        let log = self.wal.stats().frame_bytes - self.log_bytes.get();
        let written = self.pressure.written.get();
        written > 0 && (written >= self.flush_bytes() || log >= self.limits.log_bytes)
    }

    /// Notes whether work on segments found room on the disk.
    pub(crate) fn note_room(&self, work: Work, outcome: &Result<(), Error>) {
        let full = match outcome {
            Err(Error::DiskFull(cause)) => Some(cause.clone()),
            _ => None,
        };
        let slot = &mut self.pressure.disk_full.borrow_mut()[work as usize];
        match (&slot, &full) {
            (None, Some(cause)) => {
                tracing::error!(shard = %self.id, cause, "the disk is full: writes are refused");
            }
            (Some(_), None) => {
                tracing::info!(shard = %self.id, ?work, "there is room on the disk again");
            }
            _ => {}
        }
        *slot = full;
    }

    /// Returns whether writes are refused for want of room on the disk.
    pub(crate) fn is_disk_full(&self) -> bool {
        let is_log_full = matches!(self.wal.space(), pieskieo_io::wal::Space::Full { .. });
        is_log_full || self.pressure.disk_full.borrow().iter().any(Option::is_some)
    }

    /// Lets a write in, as soon as there is room for it in memory.
    ///
    /// **Errors**: `DiskFull`, `OutOfMemory`: nothing was written, retry later.
    pub(crate) async fn admit(&self, writes: &[Write]) -> Result<(), Error> {
        loop {
            if let Some(cause) = self.pressure.disk_full.borrow().iter().flatten().next() {
                return Err(Error::DiskFull(format!("shard {}: {cause}", self.id)));
            }
            let (fixed, most) = (self.pressure.fixed.get(), self.limits.memory_bytes);
            if fixed > most / 8 * 7 && !writes.iter().all(frees_memory) {
                return Err(Error::OutOfMemory(format!(
                    "shard {}: indexes and filters take {fixed} bytes of memory, of {most} that \
                     the shard may have for everything",
                    self.id
                )));
            }
            if self.pressure.written.get() <= self.written_bytes_max() {
                return Ok(());
            }
            rt::sleep(Duration::from_millis(ROOM_WAIT_MS)).await;
        }
    }

    /// Returns what is left once everything that cannot be freed is in memory.
    fn free_bytes(&self) -> usize {
        self.limits.memory_bytes.saturating_sub(self.pressure.fixed.get())
    }

    fn flush_bytes(&self) -> usize {
        let most = (self.free_bytes() / 8).max(FLUSH_BYTES_MIN);
        self.limits.flush_bytes.min(most)
    }

    fn written_bytes_max(&self) -> usize {
        self.limits.hot_bytes_max.min(self.flush_bytes().saturating_mul(4))
    }

    /// What writes do not need now, and will not until it is looked again.
    fn cache_bytes(&self) -> usize {
        let soon = self.pressure.written.get().saturating_add(self.flush_bytes());
        let left = self.free_bytes().saturating_sub(soon.min(self.written_bytes_max()));
        self.limits.cache_bytes.min(left.max(CACHE_BYTES_MIN))
    }
}

fn frees_memory(write: &Write) -> bool {
    matches!(
        write.op,
        WriteOp::Delete | WriteOp::Erase { .. } | WriteOp::Mirror { present: false, .. }
    )
}
