//! How does a shard append to its log and learn that a record is durable?

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::rt::Task;

use super::error::{Error, Result};
use super::limits;
use super::position::Lsn;
use super::state::{Phase, Shared, Space, State, WalStats, reserve_bytes};

/// One stream of the log. Belongs to the core that opened it.
///
/// Dropping it stops the stream after what was appended is written; only `close` reports whether
/// that succeeded.
#[derive(Debug)]
pub struct Wal {
    pub(super) shared: Rc<Shared>,
    /// The writer and the keeper, once the replay is done.
    pub(super) tasks: Rc<RefCell<Vec<Task<()>>>>,
}

impl Wal {
    /// Reserves the next LSN for `record` and buffers it. Follow with [`Wal::durable`].
    ///
    /// **Cost**: one copy of the record. Never waits.
    ///
    /// **Errors**: `NotReplayed`, `Closed`, `TooLarge`; `Full` and `Busy` (nothing was written,
    /// retry later); `Fenced`.
    pub fn append(&self, record: &[u8]) -> Result<Lsn> {
        self.append_within(record, reserve_bytes(&self.shared.options))
    }

    /// Like [`Wal::append`], but may use the room kept for finishing what was begun when the disk
    /// is full: decisions, ends of prepared transactions.
    ///
    /// **Errors**: as `append`.
    pub fn append_settling(&self, record: &[u8]) -> Result<Lsn> {
        self.append_within(record, 0)
    }

    fn append_within(&self, record: &[u8], reserve: u64) -> Result<Lsn> {
        let mut state = self.shared.state.borrow_mut();
        state.check_usable()?;
        let bytes = record.len();
        if bytes > limits::RECORD_BYTES_MAX {
            return Err(Error::TooLarge { bytes, bytes_max: limits::RECORD_BYTES_MAX });
        }
        if state.pending_room() < bytes {
            let (bytes, bytes_max) = (state.packer.bytes(), limits::PENDING_BYTES_MAX);
            return Err(Error::Busy { bytes, bytes_max });
        }
        if let Some(cause) = &state.blocked {
            let bytes_left = state.room(&self.shared.options);
            if bytes_left < reserve + bytes as u64 {
                return Err(Error::Full { bytes_left, cause: cause.clone() });
            }
        }
        let lsn = state.packer.push(record);
        state.stats.records += 1;
        state.stats.record_bytes += bytes as u64;
        drop(state);
        self.shared.writer.set();
        Ok(lsn)
    }

    /// Resolves when every record up to `lsn` is durable, or with `Fenced` when that will never
    /// be known. Dropping the future loses nothing.
    ///
    /// **Panics**: when `lsn` was never appended.
    pub fn durable(&self, lsn: Lsn) -> Durable {
        let next = self.shared.state.borrow().packer.next_lsn();
        assert!(lsn < next, "LSN {lsn} was never appended, the next one is {next}");
        Durable { shared: self.shared.clone(), lsn, ticket: None }
    }

    /// Allows files that hold only records below `up_to` to be used again. The caller must hold
    /// everything below `up_to` durably elsewhere and pass it as `start` from then on.
    pub fn release(&self, up_to: Lsn) {
        let mut state = self.shared.state.borrow_mut();
        if up_to > state.released {
            state.released = up_to;
            drop(state);
            self.shared.keeper.set();
        }
    }

    /// Returns whether there is room for more log.
    pub fn space(&self) -> Space {
        self.shared.space()
    }

    /// Returns the failure that closed the stream for good, if any.
    pub fn failure(&self) -> Option<Error> {
        self.shared.state.borrow().fence.clone().map(Error::Fenced)
    }

    /// Returns the last record appended; zero when there is none.
    pub fn last_lsn(&self) -> Lsn {
        self.shared.state.borrow().packer.next_lsn().previous()
    }

    /// Returns the last durable record; zero when there is none.
    pub fn durable_lsn(&self) -> Lsn {
        self.shared.state.borrow().durable
    }

    /// Returns the stream's counters.
    pub fn stats(&self) -> WalStats {
        let state = self.shared.state.borrow();
        WalStats {
            last: state.packer.next_lsn().previous(),
            durable: state.durable,
            pending_bytes: state.packer.bytes() as u64,
            files: state.sealed.len() as u64 + u64::from(state.phase != Phase::Replaying),
            spares: state.spares.len() as u64,
            ..state.stats
        }
    }

    /// Writes what was appended, confirms it, closes the files and ends the stream's tasks.
    ///
    /// **Errors**: `Fenced` when something appended may not be durable.
    pub async fn close(&self) -> Result<()> {
        self.begin_closing();
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        for task in tasks {
            task.await;
        }
        self.failure().map_or(Ok(()), Err)
    }

    fn begin_closing(&self) {
        {
            let mut state = self.shared.state.borrow_mut();
            state.phase = Phase::Closing;
            // What the disk said a while ago is asked once more, before the log gives up.
            state.blocked = None;
        }
        self.shared.writer.set();
        self.shared.keeper.set();
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        self.begin_closing();
    }
}

/// Resolves when a record is durable. See [`Wal::durable`].
#[derive(Debug)]
pub struct Durable {
    shared: Rc<Shared>,
    lsn: Lsn,
    /// The registration among the waiters, once there is one.
    ticket: Option<u64>,
}

impl Future for Durable {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut guard = this.shared.state.borrow_mut();
        let state: &mut State = &mut guard;
        if state.durable >= this.lsn {
            return Poll::Ready(Ok(()));
        }
        if let Some(fence) = &state.fence {
            return Poll::Ready(Err(Error::Fenced(fence.clone())));
        }
        state.wait(this.lsn, &mut this.ticket, context.waker());
        Poll::Pending
    }
}
