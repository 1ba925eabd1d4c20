//! What does a shard know after its files were opened and its log was read?
//!
//! What the last checkpoint contains is opened, not read; the log is read from there on.
//!
//! Every log is read alone and in order; all shards of all cores at the same time. Each log holds
//! the catalogs its records were written with, so a record is always read with its own schema.
//! Afterwards the cores exchange what one log cannot tell: the newest catalog (shard 0's) and the
//! decisions on transactions that were prepared here and settled nowhere.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use pieskieo_io::file::Dir;
use pieskieo_io::rt;
use pieskieo_io::time::{self, Monotonic};
use pieskieo_io::wal::{self, Lsn, Replay, StreamId, Wal, WalOptions};

use super::boot::StorageOptions;
use super::commit::apply_steps;
use super::fill;
use super::limits::REPLAY_RECORDS_PER_STEP;
use super::shard::{Pieces, Shard};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::ids::{ShardId, Timestamp, TxnId};
use crate::request::Write;
use crate::storage::{self, Checkpoint};
use crate::store::Store;
use crate::txn::{self, Record, Timeline};

/// What one core tells the others after it read its logs.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Transactions prepared here without an outcome, and whose log decides.
    pub(crate) in_doubt: Vec<(TxnId, ShardId)>,
    /// The newest catalog, from the core that has shard 0.
    pub(crate) catalog: Option<Arc<Catalog>>,
}

/// Decisions found in the logs of one core, for the transactions the others asked about.
pub(crate) type Verdicts = BTreeMap<TxnId, Timestamp>;

/// A shard whose log was read.
pub(crate) struct Replayed {
    pub(crate) shard: Rc<Shard>,
    /// Prepared transactions without an outcome.
    pub(crate) in_doubt: BTreeMap<TxnId, InDoubt>,
    /// Largest commit timestamp seen.
    pub(crate) last: Timestamp,
    /// Largest transaction number seen.
    pub(crate) txn_last: TxnId,
    /// A catalog that was decided and had not come into force here yet.
    decided: Option<Arc<Catalog>>,
    /// Writes replayed.
    replayed: u64,
}

/// A prepared transaction that waits for its outcome.
#[derive(Debug)]
pub(crate) struct InDoubt {
    pub(crate) home: ShardId,
    pub(crate) writes: Vec<Write>,
}

/// What a shard's log must be told after the verdicts are in.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) txn: TxnId,
    pub(crate) commit: Option<Timestamp>,
}

/// A shard whose files were opened and whose log was not read yet.
pub(crate) struct Opened {
    shard: Shard,
    log: Replay,
}

/// Where a shard's files are, and how they are opened.
pub(crate) struct Folders<'a> {
    /// The logs of all shards.
    pub(crate) logs: &'a Dir,
    /// One folder per shard.
    pub(crate) segments: &'a Dir,
    pub(crate) wal: &'a WalOptions,
    pub(crate) limits: StorageOptions,
    pub(crate) shard_count: u16,
    pub(crate) timeline: Arc<Mutex<Timeline>>,
}

/// Opens a shard's segments and log.
///
/// **Errors**: `Corrupt` naming file and LSN when the log or a segment is damaged; nothing is
/// changed then.
pub(crate) async fn open(folders: &Folders<'_>, id: ShardId) -> Result<Opened, Error> {
    let dir = folders.segments.subdir(&id.0.to_string()).await.map_err(disk)?;
    folders.segments.sync().await.map_err(disk)?;
    let shape = folders.limits.shape();
    let storage = storage::open(dir, folders.wal.database, id, shape).await?;
    let checkpoint = storage.checkpoint();
    let mut wal = folders.wal.clone();
    let mut catalog = Arc::new(Catalog::empty(folders.shard_count));
    if let Some(checkpoint) = &checkpoint {
        wal.start = checkpoint.lsn.next();
        wal.end_min = checkpoint.lsn;
        catalog = checkpoint.catalog.clone();
    }
    let opened = Wal::open(folders.logs, StreamId(id.0), &wal).await;
    let (wal, log) = opened.map_err(|error| log_error(id, &error))?;
    let mut store = Store::open(id, catalog);
    store.remember(folders.timeline.clone());
    let shard = Shard::new(Pieces { id, store, wal, storage, limits: folders.limits });
    restore(&shard, checkpoint).await?;
    Ok(Opened { shard, log })
}

/// Opens the runs, and takes over what the checkpoint says.
async fn restore(shard: &Shard, checkpoint: Option<Checkpoint>) -> Result<(), Error> {
    for placed in shard.storage.placed() {
        let run = Rc::new(shard.storage.files().open(placed.facts).await?);
        let is_known = shard.store.borrow_mut().restore(placed.tree, placed.level, run);
        if !is_known {
            // Dropped while its run was being written: the log, too, has the end of it.
            tracing::debug!(shard = %shard.id, tree = ?placed.tree, "a run without a tree");
        }
    }
    if let Some(checkpoint) = checkpoint {
        shard.store.borrow_mut().restore_live(&checkpoint.live);
        shard.store.borrow_mut().restore_erasures(checkpoint.erasures);
        shard.decisions.borrow_mut().extend(checkpoint.decisions);
    }
    Ok(())
}

/// Reads all of a shard's log.
///
/// **Errors**: as [`open`].
pub(crate) async fn replay(opened: Opened) -> Result<Replayed, Error> {
    let started = time::now();
    let Opened { shard, mut log } = opened;
    fill::restore(&shard).await?;
    let checkpoint = shard.storage.checkpoint();
    let mut replayed = Replayed {
        shard: Rc::new(shard),
        in_doubt: BTreeMap::new(),
        last: checkpoint.as_ref().map_or(Timestamp(0), |checkpoint| checkpoint.last),
        txn_last: checkpoint.as_ref().map_or(TxnId(0), |checkpoint| checkpoint.txn_last),
        decided: None,
        replayed: 0,
    };
    read_all(&mut replayed, &mut log).await?;
    if let Some(catalog) = replayed.decided.take() {
        replayed.follow(catalog).await?;
    }
    replayed.shard.counters.replayed.set(replayed.replayed);
    replayed.shard.counters.replay_ms.set(elapsed_ms(started));
    Ok(replayed)
}

async fn read_all(replayed: &mut Replayed, log: &mut Replay) -> Result<(), Error> {
    let id = replayed.shard.id;
    let mut since_yield = 0;
    while let Some((lsn, bytes)) = log.next().await.map_err(|error| log_error(id, &error))? {
        let record = txn::decode(&bytes).map_err(|error| at(id, lsn, error))?;
        replayed.take(record).await.map_err(|error| at(id, lsn, error))?;
        since_yield += 1;
        if since_yield >= REPLAY_RECORDS_PER_STEP {
            since_yield = 0;
            rt::yield_if_needed().await;
        }
    }
    Ok(())
}

impl Replayed {
    async fn take(&mut self, record: Record) -> Result<(), Error> {
        match record {
            Record::Catalog(catalog) => return self.follow(Arc::from(catalog)).await,
            Record::Commit { txn, commit, writes } => {
                self.saw(txn, Some(commit));
                self.apply(&writes, commit).await?;
            }
            Record::Prepare { txn, home, writes } => {
                self.saw(txn, None);
                self.in_doubt.insert(txn, InDoubt { home, writes });
            }
            Record::Decision { txn, commit } => {
                self.saw(txn, Some(commit));
                self.shard.decisions.borrow_mut().insert(txn, commit);
            }
            Record::Schema { txn, commit, catalog } => {
                self.saw(txn, Some(commit));
                self.shard.decisions.borrow_mut().insert(txn, commit);
                self.decided = Some(Arc::from(catalog));
            }
            Record::Outcome { txn, commit } => {
                self.saw(txn, commit);
                match (self.in_doubt.remove(&txn), commit) {
                    (Some(prepared), Some(commit)) => {
                        self.apply(&prepared.writes, commit).await?;
                    }
                    (Some(_), None) => {}
                    // Settled before the checkpoint, which contains it: had it been open then, the
                    // log would begin at its prepare.
                    (None, _) if self.shard.storage.checkpoint().is_some() => {}
                    (None, _) => {
                        return Err(Error::Corrupt(format!(
                            "the outcome of transaction {txn} has no prepare before it"
                        )));
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes a catalog the shard's own, unless the checkpoint is of a later moment than the record
    /// it lets the log begin at.
    async fn follow(&mut self, catalog: Arc<Catalog>) -> Result<(), Error> {
        let known = self.shard.store.borrow().catalog().version;
        if catalog.version > known {
            self.shard.adopt(&catalog).await?;
        }
        Ok(())
    }

    fn saw(&mut self, txn: TxnId, commit: Option<Timestamp>) {
        self.txn_last = self.txn_last.max(txn);
        self.last = self.last.max(commit.unwrap_or_default());
    }

    async fn apply(&mut self, writes: &[Write], commit: Timestamp) -> Result<(), Error> {
        self.replayed += writes.len() as u64;
        apply_steps(&self.shard, writes, commit).await
    }

    /// Applies the verdicts to the transactions in doubt; no verdict means rolled back.
    /// Returns the outcomes to be logged.
    ///
    /// **Errors**: `Storage`, `Corrupt` when a run cannot be read.
    pub(crate) async fn resolve(&mut self, verdicts: &Verdicts) -> Result<Vec<Outcome>, Error> {
        let mut outcomes = Vec::new();
        for (txn, prepared) in std::mem::take(&mut self.in_doubt) {
            let commit = verdicts.get(&txn).copied();
            if let Some(commit) = commit {
                self.saw(txn, Some(commit));
                self.apply(&prepared.writes, commit).await?;
            }
            outcomes.push(Outcome { txn, commit });
        }
        Ok(outcomes)
    }
}

fn disk(error: pieskieo_io::Error) -> Error {
    Error::Storage(error.to_string())
}

/// Returns what a failure of the log means while starting.
pub(crate) fn log_error(shard: ShardId, error: &wal::Error) -> Error {
    match error {
        wal::Error::Damaged(_) => Error::Corrupt(format!("shard {shard}: {error}")),
        _ => Error::Storage(format!("open the log of shard {shard}: {error}")),
    }
}

fn at(shard: ShardId, lsn: Lsn, error: Error) -> Error {
    let text = format!("replay the log of shard {shard} at LSN {lsn}: {error}");
    match error {
        // A segment could not be read: that says nothing about what is in it.
        Error::Storage(_) => Error::Storage(text),
        _ => Error::Corrupt(text),
    }
}

fn elapsed_ms(since: Monotonic) -> u64 {
    time::now().since(since).as_millis() as u64
}
