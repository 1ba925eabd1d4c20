//! What does a shard know after its log was read?
//!
//! Every log is read alone and in order; all shards of all cores at the same time. Each log holds
//! the catalogs its records were written with, so a record is always read with its own schema.
//! Afterwards the cores exchange what one log cannot tell: the newest catalog (shard 0's) and the
//! decisions on transactions that were prepared here and settled nowhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use pieskieo_io::file::Dir;
use pieskieo_io::rt;
use pieskieo_io::time::{self, Monotonic};
use pieskieo_io::wal::{self, Lsn, Replay, StreamId, Wal, WalOptions};

use super::limits::REPLAY_RECORDS_PER_STEP;
use crate::catalog::Catalog;
use crate::error::Error;
use crate::ids::{ShardId, Timestamp, TxnId};
use crate::request::Write;
use crate::store::Store;
use crate::txn::{self, Record};

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
    pub(crate) id: ShardId,
    pub(crate) store: Store,
    pub(crate) wal: Wal,
    /// Prepared transactions without an outcome.
    pub(crate) in_doubt: BTreeMap<TxnId, InDoubt>,
    /// Decisions this log holds, as home of their transactions.
    pub(crate) decisions: AHashMap<TxnId, Timestamp>,
    /// Largest commit timestamp seen.
    pub(crate) last: Timestamp,
    /// Largest transaction number seen.
    pub(crate) txn_last: TxnId,
    /// Writes replayed.
    pub(crate) replayed: u64,
    /// How long it took.
    pub(crate) replay_ms: u64,
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

/// A log that was opened and not read yet.
pub(crate) struct Opened {
    pub(crate) id: ShardId,
    pub(crate) wal: Wal,
    pub(crate) log: Replay,
}

/// Opens a shard's log.
///
/// **Errors**: `Corrupt` naming file and LSN when the log is damaged; nothing is changed then.
pub(crate) async fn open(dir: &Dir, id: ShardId, options: &WalOptions) -> Result<Opened, Error> {
    let opened = Wal::open(dir, StreamId(id.0), options).await;
    let (wal, log) = opened.map_err(|error| log_error(id, &error))?;
    Ok(Opened { id, wal, log })
}

/// Reads all of a shard's log.
///
/// **Errors**: as [`open`].
pub(crate) async fn replay(opened: Opened, shard_count: u16) -> Result<Replayed, Error> {
    let started = time::now();
    let Opened { id, wal, mut log } = opened;
    let mut shard = Replayed {
        id,
        store: Store::open(id, Arc::new(Catalog::empty(shard_count))),
        wal,
        in_doubt: BTreeMap::new(),
        decisions: AHashMap::new(),
        last: Timestamp(0),
        txn_last: TxnId(0),
        replayed: 0,
        replay_ms: 0,
    };
    read_all(&mut shard, &mut log).await?;
    shard.replay_ms = elapsed_ms(started);
    Ok(shard)
}

async fn read_all(shard: &mut Replayed, log: &mut Replay) -> Result<(), Error> {
    let mut since_yield = 0;
    while let Some((lsn, bytes)) = log.next().await.map_err(|error| log_error(shard.id, &error))? {
        let record = txn::decode(&bytes).and_then(|record| shard.take(record));
        record.map_err(|error| at(shard.id, lsn, error))?;
        since_yield += 1;
        if since_yield >= REPLAY_RECORDS_PER_STEP {
            since_yield = 0;
            rt::yield_if_needed().await;
        }
    }
    Ok(())
}

impl Replayed {
    fn take(&mut self, record: Record) -> Result<(), Error> {
        match record {
            Record::Catalog(catalog) => return self.store.install(Arc::from(catalog)),
            Record::Commit { txn, commit, writes } => {
                self.saw(txn, Some(commit));
                self.apply(&writes, commit);
            }
            Record::Prepare { txn, home, writes } => {
                self.saw(txn, None);
                self.in_doubt.insert(txn, InDoubt { home, writes });
            }
            Record::Decision { txn, commit } => {
                self.saw(txn, Some(commit));
                self.decisions.insert(txn, commit);
            }
            Record::Outcome { txn, commit } => {
                self.saw(txn, commit);
                let Some(prepared) = self.in_doubt.remove(&txn) else {
                    return Err(Error::Corrupt(format!(
                        "the outcome of transaction {txn} has no prepare before it"
                    )));
                };
                if let Some(commit) = commit {
                    self.apply(&prepared.writes, commit);
                }
            }
        }
        Ok(())
    }

    fn saw(&mut self, txn: TxnId, commit: Option<Timestamp>) {
        self.txn_last = self.txn_last.max(txn);
        self.last = self.last.max(commit.unwrap_or_default());
    }

    fn apply(&mut self, writes: &[Write], commit: Timestamp) {
        let catalog = self.store.catalog().clone();
        for write in writes {
            // A table may have been dropped between the prepare and its outcome.
            if catalog.tables.contains_key(&write.table) {
                self.store.apply(write, commit);
            }
        }
        self.replayed += writes.len() as u64;
    }

    /// Applies the verdicts to the transactions in doubt; no verdict means rolled back.
    /// Returns the outcomes to be logged.
    pub(crate) fn resolve(&mut self, verdicts: &Verdicts) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for (txn, prepared) in std::mem::take(&mut self.in_doubt) {
            let commit = verdicts.get(&txn).copied();
            if let Some(commit) = commit {
                self.saw(txn, Some(commit));
                self.apply(&prepared.writes, commit);
            }
            outcomes.push(Outcome { txn, commit });
        }
        outcomes
    }
}

/// Returns what a failure of the log means while starting.
pub(crate) fn log_error(shard: ShardId, error: &wal::Error) -> Error {
    match error {
        wal::Error::Damaged(_) => Error::Corrupt(format!("shard {shard}: {error}")),
        _ => Error::Storage(format!("open the log of shard {shard}: {error}")),
    }
}

fn at(shard: ShardId, lsn: Lsn, error: Error) -> Error {
    Error::Corrupt(format!("replay the log of shard {shard} at LSN {lsn}: {error}"))
}

fn elapsed_ms(since: Monotonic) -> u64 {
    time::now().since(since).as_millis() as u64
}
