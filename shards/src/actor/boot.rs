//! What do the cores of a process share, and how do they start together?
//!
//! [`Boot`] is made once, on any thread, before the executors start; each executor takes its
//! [`CoreBoot`] and opens its [`super::Core`] with it. What is shared afterwards: the commit clock,
//! the lanes, the counter of transaction numbers, and one failure flag.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;
use pieskieo_io::rt::{self, CoreId, MeshEnd};
use pieskieo_io::wal::WalOptions;

use super::limits::{CONTROL_PER_PEER, REQUESTS_PER_PEER};
use super::mailbox::{Answer, Envelope};
use super::meta::Meta;
use super::recover::{Survey, Verdicts};
use super::rendezvous::Rendezvous;
use crate::error::Error;
use crate::ids::{IndexId, TableId};
use crate::tree::Shape;
use crate::txn::{Clock, Timeline};

/// How to open a data directory.
#[derive(Clone, Debug)]
pub struct BootOptions {
    /// The data directory; created when absent.
    pub path: PathBuf,
    /// Number of executors. More than there are shards is allowed: the others coordinate.
    pub cores: u16,
    /// Number of shards. `None` = what the directory has, one per core for a new one.
    pub shard_count: Option<u16>,
    /// Options of every shard's log.
    pub wal: WalOptions,
    /// Options of every shard's segments.
    pub storage: StorageOptions,
}

/// How much of a shard is kept in memory, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct StorageOptions {
    /// Bytes written to a shard after which they are made into segments. Default 64 MiB.
    pub flush_bytes: usize,
    /// Bytes written to a shard and not yet in segments above which writers wait. Default 256 MiB.
    pub hot_bytes_max: usize,
    /// Bytes of a shard's log after which it is made shorter. Default 512 MiB.
    pub log_bytes: u64,
    /// Bytes a shard may have in memory altogether: when indexes leave less than the other
    /// limits, those shrink, and at last writes are refused. Default 1 GiB.
    pub memory_bytes: usize,
    /// Bytes of row groups a shard keeps in memory at most. Default 256 MiB.
    pub cache_bytes: usize,
    /// Bytes a row group aims at, before compression. Default 8 KiB.
    pub group_bytes: usize,
    /// Bytes a segment aims at. Default 32 MiB.
    pub run_bytes: u64,
    /// Bytes of the first level of segments that share no key; each level below is eight times
    /// larger. Default 128 MiB.
    pub level_bytes: u64,
    /// Entries from which on a vector or text index has an image on disk. Below, filling it from
    /// records at start is as fast. `usize::MAX`: images are neither written nor read. Default 1024.
    pub image_entries_min: usize,
    /// How long the records of the past can be read. Zero, the default: not at all. Every version
    /// written within this time stays on disk.
    pub retention: Duration,
}

impl StorageOptions {
    pub(crate) fn shape(&self) -> Shape {
        let Self { group_bytes, run_bytes, level_bytes, .. } = *self;
        Shape { group_bytes, run_bytes, level_bytes }
    }
}

impl Default for StorageOptions {
    fn default() -> Self {
        let Shape { group_bytes, run_bytes, level_bytes } = Shape::default();
        Self {
            flush_bytes: 64 << 20,
            hot_bytes_max: 256 << 20,
            log_bytes: 512 << 20,
            memory_bytes: 1 << 30,
            cache_bytes: 256 << 20,
            group_bytes,
            run_bytes,
            level_bytes,
            image_entries_min: 1024,
            retention: Duration::ZERO,
        }
    }
}

/// Everything the cores of one process need to find each other.
#[derive(Debug)]
pub struct Boot {
    cores: Mutex<Vec<Option<CoreBoot>>>,
    shared: Arc<Shared>,
}

/// What one executor needs to open its [`super::Core`].
#[derive(Debug)]
pub struct CoreBoot {
    pub(crate) core: CoreId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) requests: MeshEnd<Envelope>,
    pub(crate) answers: MeshEnd<Answer>,
}

/// What all cores of one process share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: BootOptions,
    pub(crate) clock: Arc<Clock>,
    /// What is known of the past; empty where it is not kept.
    pub(crate) timeline: Arc<Mutex<Timeline>>,
    /// Next transaction number not leased to a core.
    pub(crate) txn_next: AtomicU64,
    /// Held while the schema changes. Not on the data path.
    pub(crate) schema: Arc<futures::lock::Mutex<()>>,
    /// Next numbers of a table and an index that nobody was given, in a catalog or for one.
    pub(crate) numbers: Mutex<(TableId, IndexId)>,
    pub(crate) failure: Failure,
    pub(crate) described: Rendezvous<Option<Meta>>,
    pub(crate) surveyed: Rendezvous<Survey>,
    pub(crate) judged: Rendezvous<Verdicts>,
    pub(crate) settled: Rendezvous<()>,
    pub(crate) opened: Rendezvous<()>,
    pub(crate) closed: Rendezvous<()>,
    /// By core: it answers nobody any more.
    pub(crate) left: Arc<[AtomicBool]>,
}

/// The first thing that went wrong for good.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    cause: OnceLock<Error>,
    raised: AtomicBool,
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
}

impl Boot {
    /// Prepares lanes and clock for `options.cores` executors.
    ///
    /// **Errors**: `InvalidValue` when there are no cores.
    pub fn new(options: BootOptions) -> Result<Self, Error> {
        let cores = usize::from(options.cores);
        if cores == 0 {
            return Err(Error::InvalidValue("at least one core is needed".into()));
        }
        let shared = Arc::new(Shared {
            clock: Clock::new(cores),
            timeline: Arc::default(),
            txn_next: AtomicU64::new(1),
            numbers: Mutex::default(),
            schema: Arc::default(),
            failure: Failure::default(),
            described: Rendezvous::new(cores),
            surveyed: Rendezvous::new(cores),
            judged: Rendezvous::new(cores),
            settled: Rendezvous::new(cores),
            opened: Rendezvous::new(cores),
            closed: Rendezvous::new(cores),
            left: (0..cores).map(|_| AtomicBool::new(false)).collect(),
            options,
        });
        let capacity = REQUESTS_PER_PEER + CONTROL_PER_PEER;
        let requests = rt::mesh::<Envelope>(cores, capacity);
        let answers = rt::mesh::<Answer>(cores, capacity);
        let ends = requests.into_iter().zip(answers).zip(0..);
        let cores = ends
            .map(|((requests, answers), number)| {
                let core = CoreId(number);
                Some(CoreBoot { core, shared: shared.clone(), requests, answers })
            })
            .collect();
        Ok(Self { cores: Mutex::new(cores), shared })
    }

    /// Hands out the part of one executor, once.
    ///
    /// **Errors**: `Internal` for a core that does not exist or was handed out before.
    pub fn take(&self, core: CoreId) -> Result<CoreBoot, Error> {
        let mut cores = self.cores.lock().unwrap_or_else(PoisonError::into_inner);
        cores
            .get_mut(usize::from(core.0))
            .and_then(Option::take)
            .ok_or_else(|| Error::Internal(format!("core {} cannot be opened (again)", core.0)))
    }

    /// Returns what made the process stop serving, if anything did.
    pub fn failure(&self) -> Option<Error> {
        self.shared.failure.cause()
    }
}

impl Shared {
    /// Records a failure for good and tells everybody who waits. The first one counts.
    pub(crate) fn fail(&self, error: Error) {
        if self.failure.cause.set(error).is_ok() {
            self.failure.raised.store(true, Ordering::SeqCst);
            let waiting = {
                let mut waiting =
                    self.failure.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *waiting)
            };
            for sender in waiting {
                // Who stopped waiting is told nothing.
                sender.send(()).ok();
            }
            self.clock.stop();
        }
    }

    /// Ends every meeting that not everybody came to.
    pub(crate) fn abandon(&self, error: &Error) {
        self.described.abandon(error);
        self.surveyed.abandon(error);
        self.judged.abandon(error);
        self.settled.abandon(error);
        self.opened.abandon(error);
        self.closed.abandon(error);
    }
}

impl Failure {
    /// Returns whether something failed for good. Cheap.
    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// Returns what failed.
    pub(crate) fn cause(&self) -> Option<Error> {
        self.cause.get().cloned()
    }

    /// Resolves when something fails for good.
    pub(crate) async fn wait(&self) -> Error {
        loop {
            let receiver = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(error) = self.cause() {
                    return error;
                }
                let (sender, receiver) = oneshot::channel();
                waiting.push(sender);
                receiver
            };
            // Answered or not, the loop looks at the cause.
            receiver.await.ok();
        }
    }
}
