//! What can the code on one executor do?
//!
//! A [`Core`] is the executor's handle of the engine: it reaches local shards directly and all
//! others by request, begins transactions, changes the schema.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use futures::future::join_all;
use pieskieo_io::file::DirLock;
use pieskieo_io::rt::{self, CoreId, Task};
use pieskieo_io::time;

use super::boot::Shared;
use super::history::HistoryFile;
use super::loading::load_missing;
use super::mailbox::Mailbox;
use super::meta::Meta;
use super::serve;
use super::shard::Shard;
use crate::catalog::Catalog;
use crate::error::Error;
use crate::ids::{ShardId, Slot, Timestamp, TxnId};
use crate::request::{Reply, Request, ShardStats};
use crate::store::{Cursor, Store};
use crate::txn::{CoreClock, Lease, TXN_IDS_PER_LEASE};

thread_local! {
    /// The cores of this thread: one in production, all of them in the simulator.
    static CORES: RefCell<BTreeMap<CoreId, Weak<Core>>> = const { RefCell::new(BTreeMap::new()) };
}

/// One executor's handle of the engine.
pub struct Core {
    id: CoreId,
    shared: Arc<Shared>,
    meta: Meta,
    /// Keeps other processes out of the data directory; core 0 has it.
    _lock: Option<DirLock>,
    clock: Rc<CoreClock>,
    mailbox: Mailbox,
    /// The shards homed here.
    shards: BTreeMap<ShardId, Rc<Shard>>,
    catalog: RefCell<Arc<Catalog>>,
    /// Transaction numbers leased to this core.
    txns: Cell<(u64, u64)>,
    /// Milliseconds and sequence of the last generated record id.
    last_id: Cell<u64>,
    /// What is known of the past; core 0 has it, where the past is kept.
    history: Option<HistoryFile>,
    /// Everything this core keeps running.
    tasks: RefCell<Vec<Task<()>>>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A core's pieces, as opening has made them.
pub(crate) struct Pieces {
    pub(crate) id: CoreId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) meta: Meta,
    pub(crate) lock: Option<DirLock>,
    pub(crate) clock: Rc<CoreClock>,
    pub(crate) mailbox: Mailbox,
    pub(crate) shards: BTreeMap<ShardId, Rc<Shard>>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) history: Option<HistoryFile>,
}

impl Core {
    pub(crate) fn assemble(pieces: Pieces) -> Rc<Self> {
        let Pieces { id, shared, meta, lock, clock, mailbox, shards, catalog, history } = pieces;
        let core = Rc::new(Self {
            id,
            shared,
            meta,
            _lock: lock,
            clock,
            mailbox,
            shards,
            catalog: RefCell::new(catalog),
            txns: Cell::new((0, 0)),
            last_id: Cell::new(0),
            history,
            tasks: RefCell::default(),
        });
        CORES.with_borrow_mut(|cores| cores.insert(id, Rc::downgrade(&core)));
        core
    }

    /// Returns the handle of the executor this code runs on; `None` before it is open and after it
    /// is closed.
    pub fn current() -> Option<Rc<Self>> {
        CORES.with_borrow(|cores| cores.get(&rt::core()).and_then(Weak::upgrade))
    }

    /// Runs `read` on a shard of the executor this code runs on. `read` must not wait.
    ///
    /// **Errors**: `Internal` when no core is open here or the shard lives elsewhere.
    pub fn with_local_shard<R>(shard: ShardId, read: impl FnOnce(&Store) -> R) -> Result<R, Error> {
        let core = Self::current()
            .ok_or_else(|| Error::Internal("no core is open on this executor".into()))?;
        core.with_shard(shard, read)
    }

    /// Runs `read` on one of this core's shards. `read` must not wait.
    ///
    /// **Errors**: `Internal` when the shard lives elsewhere.
    pub fn with_shard<R>(
        &self,
        shard: ShardId,
        read: impl FnOnce(&Store) -> R,
    ) -> Result<R, Error> {
        Ok(read(&self.shard(shard)?.store.borrow()))
    }

    /// Returns the next rows of a scan of one of this core's shards; `None` when it is over.
    ///
    /// **Cost**: as [`Store::next_batch`], and a disk read where records are not in memory.
    /// **Errors**: as [`Store::next_batch`]; `Storage` and `Corrupt` when the disk fails.
    pub async fn next_batch(
        &self,
        shard: ShardId,
        cursor: &mut Cursor,
        rows_max: usize,
    ) -> Result<Option<RecordBatch>, Error> {
        let shard = self.shard(shard)?;
        loop {
            let next = shard.store.borrow().next_batch(cursor, rows_max);
            match next {
                Err(Error::NotLoaded) => load_missing(shard, cursor.pins()).await?,
                next => return next,
            }
        }
    }

    /// Returns which executor this is.
    pub fn id(&self) -> CoreId {
        self.id
    }

    /// Returns the number of executors.
    pub fn core_count(&self) -> u16 {
        self.shared.options.cores
    }

    /// Returns the number of shards.
    pub fn shard_count(&self) -> u16 {
        self.meta.shard_count
    }

    /// Returns all shards, in order.
    pub fn shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.meta.shard_count).map(ShardId)
    }

    /// Returns the identity of the data directory.
    pub fn database(&self) -> [u8; 16] {
        self.meta.uuid
    }

    /// Returns the shard that owns a slot.
    pub fn owner(&self, slot: Slot) -> ShardId {
        self.catalog.borrow().shard_of(slot)
    }

    /// Returns the executor a shard lives on.
    pub fn core_of(&self, shard: ShardId) -> CoreId {
        CoreId(shard.0 % self.core_count())
    }

    /// Returns whether a shard lives on this executor.
    pub fn is_local(&self, shard: ShardId) -> bool {
        self.core_of(shard) == self.id
    }

    /// Returns the schema in force.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.borrow().clone()
    }

    /// Returns the newest snapshot. It sees every commit that was acknowledged anywhere before.
    /// Versions that only it can see may be collected: reads that wait hold a
    /// [`Core::lease`].
    pub fn snapshot(&self) -> Timestamp {
        self.clock.snapshot()
    }

    /// Leases the newest snapshot: its versions stay until the lease is dropped.
    pub fn lease(&self) -> Lease {
        self.clock.lease()
    }

    /// Leases a snapshot that somebody else holds a lease of, so that a fragment may outlive the
    /// statement that started it.
    pub fn lease_at(&self, snapshot: Timestamp) -> Lease {
        self.clock.lease_at(snapshot)
    }

    /// Waits until `snapshot()` has reached every commit that has begun: for who must see what
    /// others have written whose locks are free already.
    ///
    /// **Errors**: as [`Core::visible`].
    pub async fn all_visible(&self) -> Result<(), Error> {
        self.visible(self.clock.latest()).await
    }

    /// Waits until `snapshot()` has reached a commit: for a retry that lost to it.
    ///
    /// **Errors**: `OutcomeUnknown` when a log failed meanwhile.
    pub async fn visible(&self, commit: Timestamp) -> Result<(), Error> {
        self.clock.visible(commit).await.map_err(|_| {
            let cause = self.shared.failure.cause();
            let closing = || Error::OutcomeUnknown("the server is shutting down".into());
            cause.map_or_else(closing, outcome_unknown)
        })
    }

    /// Asks a shard, wherever it lives.
    ///
    /// **Errors**: what the shard answers; `Overloaded` at once when too much waits for it;
    /// `Cancelled` (`OutcomeUnknown` for a commit) when it does not answer within 30 s. Fragments
    /// and whatever ends a transaction have no deadline.
    pub async fn call(self: &Rc<Self>, shard: ShardId, request: Request) -> Result<Reply, Error> {
        let to = self.core_of(shard);
        if to == self.id {
            serve::local(self, shard, request).await
        } else {
            self.mailbox.call(to, shard, request).await
        }
    }

    /// Asks several shards at once and returns their answers in the order of the requests.
    ///
    /// **Errors**: the first in that order. All are waited for.
    pub async fn call_all(
        self: &Rc<Self>,
        requests: impl IntoIterator<Item = (ShardId, Request)>,
    ) -> Result<Vec<Reply>, Error> {
        let mut requests: Vec<_> = requests.into_iter().enumerate().collect();
        // A call of a shard on this core does its work at once: the others are sent before.
        requests.sort_by_key(|(_, (shard, _))| self.core_of(*shard) == self.id);
        let calls = requests.into_iter().map(|(position, (shard, request))| async move {
            (position, self.call(shard, request).await)
        });
        let mut answers = join_all(calls).await;
        answers.sort_unstable_by_key(|(position, _)| *position);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Returns the counters of every shard, in order.
    ///
    /// **Errors**: as [`Core::call`].
    pub async fn stats(self: &Rc<Self>) -> Result<Vec<ShardStats>, Error> {
        let replies = self.call_all(self.shards().map(|shard| (shard, Request::Stats))).await?;
        let stats = replies.into_iter().filter_map(|reply| match reply {
            Reply::Stats(stats) => Some(*stats),
            _ => None,
        });
        Ok(stats.collect())
    }

    /// Returns a fresh positive number for a generated `_id`: milliseconds since 1970 (42 bits),
    /// core (9 bits), sequence (12 bits). Unique over cores and restarts as long as the wall clock
    /// does not go back across a restart.
    pub fn generate_id(&self) -> i64 {
        let now_ms = time::wall().0 / 1000;
        let next = (self.last_id.get() + 1).max(now_ms << 12);
        self.last_id.set(next);
        let (ms, sequence) = (next >> 12, next & 0xfff);
        (((ms & ((1 << 42) - 1)) << 21) | (u64::from(self.id.0 & 0x1ff) << 12) | sequence) as i64
    }

    /// Resolves when something failed for good: stop the process then, recovery comes next.
    pub async fn failed(&self) -> Error {
        self.shared.failure.wait().await
    }

    /// Records that something failed for good: no shard takes writes any more, and whoever waits
    /// for [`Core::failed`] is told. Returns what is told to whoever was in the middle of a write:
    /// that nobody knows what became of it, whatever failed.
    pub(crate) fn fail(&self, error: Error) -> Error {
        if !self.shared.failure.is_raised() {
            tracing::error!(core = self.id.0, %error, "stopping, restart to recover");
        }
        self.shared.fail(error.clone());
        outcome_unknown(error)
    }

    /// Refuses when something failed for good.
    pub(crate) fn check_running(&self) -> Result<(), Error> {
        if self.shared.failure.is_raised() {
            let cause = self.shared.failure.cause().map_or_else(String::new, |e| e.to_string());
            return Err(Error::Storage(format!("writes are refused after a failure: {cause}")));
        }
        Ok(())
    }

    /// Returns a fresh transaction number.
    pub(crate) fn next_txn(&self) -> TxnId {
        let (mut next, mut end) = self.txns.get();
        if next == end {
            next = self.shared.txn_next.fetch_add(TXN_IDS_PER_LEASE, Ordering::Relaxed);
            end = next + TXN_IDS_PER_LEASE;
        }
        self.txns.set((next + 1, end));
        TxnId(next)
    }

    /// Returns a number at or above every transaction number that was handed out.
    pub(crate) fn latest_txn(&self) -> TxnId {
        TxnId(self.shared.txn_next.load(Ordering::SeqCst) - 1)
    }

    pub(crate) fn clock(&self) -> &Rc<CoreClock> {
        &self.clock
    }

    pub(crate) fn history(&self) -> Option<&HistoryFile> {
        self.history.as_ref()
    }

    pub(crate) fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn shards_here(&self) -> impl Iterator<Item = &Rc<Shard>> {
        self.shards.values()
    }

    pub(crate) fn shard(&self, shard: ShardId) -> Result<&Rc<Shard>, Error> {
        self.shards.get(&shard).ok_or_else(|| {
            Error::Internal(format!("shard {shard} does not live on core {}", self.id.0))
        })
    }

    pub(crate) fn adopt_catalog(&self, next: Arc<Catalog>) {
        let mut catalog = self.catalog.borrow_mut();
        if next.version > catalog.version {
            *catalog = next;
        }
    }

    /// Starts a task that lives until the core closes.
    pub(crate) fn keep(&self, task: Task<()>) {
        self.tasks.borrow_mut().push(task);
    }

    pub(crate) fn take_tasks(&self) -> Vec<Task<()>> {
        std::mem::take(&mut *self.tasks.borrow_mut())
    }
}

/// A full disk says that nothing was written; as the cause of a stop it says nothing of the kind.
fn outcome_unknown(cause: Error) -> Error {
    match cause {
        Error::OutcomeUnknown(_) => cause,
        _ => Error::OutcomeUnknown(cause.to_string()),
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // A thread that ends has dropped its registry before.
        CORES.try_with(|cores| cores.borrow_mut().retain(|_, core| core.strong_count() > 0)).ok();
    }
}
