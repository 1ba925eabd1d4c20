//! What belongs to one shard?
//!
//! The records and indexes (`Store`), the log, and the transactions that are half done. All of it
//! is touched on one core only. No borrow is held over an await: state is reached through short
//! closures.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use pieskieo_io::wal::{self, Lsn, Wal};

use super::core::Core;
use super::recover::Replayed;
use super::signal::Signal;
use crate::catalog::{Catalog, Table};
use crate::error::Error;
use crate::ids::{CatalogVersion, ShardId, TableId, Timestamp, TxnId};
use crate::request::{ShardStats, Write};
use crate::store::Store;
use crate::txn::{self, Place};

/// One slice of every table, its log and its open transactions.
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    pub(crate) store: RefCell<Store>,
    pub(crate) wal: Wal,
    /// Places that a transaction in the middle of committing holds.
    pub(crate) locks: RefCell<AHashMap<Place, TxnId>>,
    /// Transactions between prepare and finish.
    pub(crate) prepared: RefCell<BTreeMap<TxnId, Prepared>>,
    /// Transactions with staged writes, and the snapshots they lease until they have ended.
    pub(crate) staged: RefCell<BTreeMap<TxnId, Timestamp>>,
    /// The catalog version from which on writes to each table are understood.
    shapes: RefCell<BTreeMap<TableId, CatalogVersion>>,
    pub(crate) counters: Counters,
    /// Raised when there may be something to fold or collect.
    pub(crate) work: Signal,
}

/// A transaction that has asked this shard to prepare.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// Validation is under way. `true` = the coordinator has given up meanwhile.
    Starting(bool),
    /// Validated, locked and in the log.
    Ready(Arc<[Write]>),
}

/// What the shard counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: Cell<u64>,
    pub(crate) conflicts: Cell<u64>,
    pub(crate) replayed: Cell<u64>,
    pub(crate) replay_ms: Cell<u64>,
}

impl Counters {
    /// Adds one.
    pub(crate) fn count(cell: &Cell<u64>) {
        cell.set(cell.get() + 1);
    }
}

impl Shard {
    /// Puts a replayed shard into service.
    pub(crate) fn new(replayed: Replayed) -> Self {
        let Replayed { id, mut store, wal, .. } = replayed;
        store.serve();
        let catalog = store.catalog().clone();
        let shapes = catalog.tables.keys().map(|&table| (table, catalog.version)).collect();
        let counters = Counters::default();
        counters.replayed.set(replayed.replayed);
        counters.replay_ms.set(replayed.replay_ms);
        Self {
            id,
            store: RefCell::new(store),
            wal,
            locks: RefCell::default(),
            prepared: RefCell::default(),
            staged: RefCell::default(),
            shapes: RefCell::new(shapes),
            counters,
            work: Signal::default(),
        }
    }

    /// Checks that writes encoded with catalog `planned` mean today what they meant then.
    ///
    /// **Errors**: `StaleCatalog` when a table was dropped or its columns changed since.
    pub(crate) fn check_catalog(
        &self,
        planned: CatalogVersion,
        writes: &[Write],
    ) -> Result<(), Error> {
        let current = self.store.borrow().catalog().version;
        let shapes = self.shapes.borrow();
        // Runs of writes to one table are the rule.
        let mut last = None;
        for write in writes {
            if last != Some(write.table) {
                let since = shapes.get(&write.table);
                if since.is_none_or(|&since| since > planned && planned < current) {
                    return Err(Error::StaleCatalog { current });
                }
                last = Some(write.table);
            }
        }
        Ok(())
    }

    /// Logs a catalog and makes it the shard's own. A version it already has is left alone.
    /// Returns where the log must be durable for the change to survive.
    pub(crate) fn install(&self, core: &Core, next: &Arc<Catalog>) -> Result<Option<Lsn>, Error> {
        let current = self.store.borrow().catalog().clone();
        if current.version >= next.version {
            return Ok(None);
        }
        let lsn = self.append(core, &txn::encode_catalog_record(next))?;
        // A logged schema that memory does not follow would be two truths.
        self.adopt(next).map_err(|error| core.fail(error))?;
        Ok(Some(lsn))
    }

    /// Makes a logged catalog the shard's own.
    pub(crate) fn adopt(&self, next: &Arc<Catalog>) -> Result<(), Error> {
        let current = self.store.borrow().catalog().clone();
        self.store.borrow_mut().install(next.clone())?;
        let mut shapes = self.shapes.borrow_mut();
        shapes.retain(|table, _| next.tables.contains_key(table));
        for (id, table) in &next.tables {
            let same = current.tables.get(id).is_some_and(|old| same_shape(old, table));
            if !same {
                shapes.insert(*id, next.version);
            }
        }
        self.work.notify();
        Ok(())
    }

    /// Appends a record to the log.
    ///
    /// **Errors**: `OutcomeUnknown` when the log is fenced, which stops the process; otherwise
    /// nothing was written and the error says who can remedy it.
    pub(crate) fn append(&self, core: &Core, record: &[u8]) -> Result<Lsn, Error> {
        self.wal.append(record).map_err(|error| self.log_error(core, &error))
    }

    /// Appends a record that ends what was begun: it may use the room a full disk has left.
    ///
    /// **Errors**: as [`Shard::append`].
    pub(crate) fn append_settling(&self, core: &Core, record: &[u8]) -> Result<Lsn, Error> {
        self.wal.append_settling(record).map_err(|error| self.log_error(core, &error))
    }

    /// Waits until the log is durable up to and including `lsn`.
    ///
    /// **Errors**: `OutcomeUnknown`; the process stops.
    pub(crate) async fn durable(&self, core: &Core, lsn: Lsn) -> Result<(), Error> {
        self.wal.durable(lsn).await.map_err(|error| core.fail(unknown(self.id, &error)))
    }

    fn log_error(&self, core: &Core, error: &wal::Error) -> Error {
        match error {
            wal::Error::Full { .. } | wal::Error::Busy { .. } => {
                Error::Overloaded(format!("shard {}: {error}", self.id))
            }
            wal::Error::TooLarge { .. } => Error::InvalidValue(error.to_string()),
            wal::Error::Closed => Error::Cancelled("the server is shutting down".into()),
            _ => core.fail(unknown(self.id, error)),
        }
    }

    /// Returns the shard's counters.
    pub(crate) fn stats(&self) -> ShardStats {
        let store = self.store.borrow().stats();
        let log = self.wal.stats();
        ShardStats {
            shard: self.id,
            records: store.records,
            memory_bytes: store.memory_bytes,
            log_bytes: log.frame_bytes,
            log_flushes: log.frames,
            commits: self.counters.commits.get(),
            conflicts: self.counters.conflicts.get(),
            vectors_pending: store.vectors_pending,
            replayed: self.counters.replayed.get(),
            replay_ms: self.counters.replay_ms.get(),
        }
    }
}

fn unknown(shard: ShardId, error: &wal::Error) -> Error {
    Error::OutcomeUnknown(format!("shard {shard}: {error}"))
}

/// Rows of both tables have the same bytes for the same values.
fn same_shape(old: &Table, new: &Table) -> bool {
    let same_rows = old.columns == new.columns && old.key == new.key && old.routing == new.routing;
    // Writes that did not know of a constraint, or of who refers to their records, did not keep it.
    same_rows && old.constraints == new.constraints && old.referrers == new.referrers
}
