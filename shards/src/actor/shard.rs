//! What belongs to one shard?
//!
//! The records and indexes (`Store`), the log, and the transactions that are half done. All of it
//! is touched on one core only. No borrow is held over an await: state is reached through short
//! closures.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pieskieo_io::rt;
use pieskieo_io::wal::{self, Lsn, Wal};

use super::admit::Pressure;
use super::boot::StorageOptions;
use super::checkpoint::Begun;
use super::core::Core;
use super::fill;
use super::locks::LockTable;
use super::signal::Signal;
use crate::catalog::{Catalog, Column, Table};
use crate::error::Error;
use crate::ids::{CatalogVersion, ShardId, TableId, Timestamp, TxnId};
use crate::request::{ShardStats, Write};
use crate::storage::{Imaged, Storage};
use crate::store::{Build, Store};
use crate::tree::Cache;
use crate::txn;

/// Pause between two looks whether a snapshot shows what was erased.
const ERASURE_WAIT: Duration = Duration::from_millis(5);

/// One slice of every table, its log and its open transactions.
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    pub(crate) store: RefCell<Store>,
    pub(crate) wal: Wal,
    /// Places that a transaction in the middle of committing holds.
    pub(crate) locks: RefCell<LockTable>,
    /// Transactions between prepare and finish.
    pub(crate) prepared: RefCell<BTreeMap<TxnId, Prepared>>,
    /// Transactions with staged writes, and the snapshots they lease until they have ended.
    pub(crate) staged: RefCell<BTreeMap<TxnId, Timestamp>>,
    /// The catalog version from which on writes to each table are understood.
    shapes: RefCell<BTreeMap<TableId, CatalogVersion>>,
    /// Tables whose new indexes are being filled: nobody writes to them.
    pub(crate) closed: RefCell<BTreeSet<TableId>>,
    /// What is on disk besides the log.
    pub(crate) storage: Storage,
    /// Groups of runs that are in memory; the store has it too.
    pub(crate) cache: Rc<RefCell<Cache>>,
    /// Records of the log that are being applied in steps.
    pub(crate) applying: RefCell<BTreeSet<Lsn>>,
    /// The record of a catalog that is decided and not yet in force here.
    pub(crate) decided: Cell<Option<Lsn>>,
    /// Decisions of transactions whose home this is, until nobody needs them.
    pub(crate) decisions: RefCell<BTreeMap<TxnId, Timestamp>>,
    /// Commits whose outcome could not be logged yet.
    pub(crate) outcomes_owed: RefCell<BTreeMap<Timestamp, TxnId>>,
    /// A checkpoint that could not be carried out yet.
    pub(crate) begun: RefCell<Option<Begun>>,
    pub(crate) pressure: Pressure,
    /// Bytes of the log when the last checkpoint was made.
    pub(crate) log_bytes: Cell<u64>,
    /// Images that are written and that the next checkpoint names.
    pub(crate) images: RefCell<Vec<Imaged>>,
    /// Whether the manifest names runs of trees that are gone.
    pub(crate) dropped: Cell<bool>,
    pub(crate) limits: StorageOptions,
    pub(crate) counters: Counters,
    /// Raised when there may be something to fold or collect.
    pub(crate) work: Signal,
}

/// What a shard is made of.
pub(crate) struct Pieces {
    pub(crate) id: ShardId,
    pub(crate) store: Store,
    pub(crate) wal: Wal,
    pub(crate) storage: Storage,
    pub(crate) limits: StorageOptions,
}

/// A transaction that has asked this shard to prepare.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// Validation is under way. `true` = the coordinator has given up meanwhile.
    Starting(bool),
    /// Validated, locked and in the log, at this place.
    Ready(Arc<[Write]>, Lsn),
}

/// What the shard counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: Cell<u64>,
    pub(crate) conflicts: Cell<u64>,
    pub(crate) replayed: Cell<u64>,
    pub(crate) replay_ms: Cell<u64>,
    pub(crate) image_ms: Cell<u64>,
    pub(crate) indexes_rebuilt: Cell<u64>,
}

impl Counters {
    /// Adds one.
    pub(crate) fn count(cell: &Cell<u64>) {
        cell.set(cell.get() + 1);
    }
}

impl Shard {
    /// Makes a shard whose log has not been read yet.
    pub(crate) fn new(pieces: Pieces) -> Self {
        let Pieces { id, store, wal, storage, limits } = pieces;
        let cache = store.cache().clone();
        cache.borrow_mut().resize(limits.cache_bytes);
        Self {
            id,
            cache,
            store: RefCell::new(store),
            wal,
            storage,
            closed: RefCell::default(),
            applying: RefCell::default(),
            decided: Cell::default(),
            decisions: RefCell::default(),
            outcomes_owed: RefCell::default(),
            begun: RefCell::default(),
            pressure: Pressure::default(),
            log_bytes: Cell::new(0),
            images: RefCell::default(),
            dropped: Cell::new(false),
            limits,
            locks: RefCell::default(),
            prepared: RefCell::default(),
            staged: RefCell::default(),
            shapes: RefCell::default(),
            counters: Counters::default(),
            work: Signal::default(),
        }
    }

    /// Puts the shard into service, after its log was read.
    pub(crate) fn serve(&self) {
        let mut store = self.store.borrow_mut();
        store.serve();
        let catalog = store.catalog().clone();
        let shapes = catalog.tables.keys().map(|&table| (table, catalog.version)).collect();
        self.shapes.replace(shapes);
        drop(store);
        self.look_for_dropped();
    }

    /// Looks whether the files of dropped tables can be given back.
    pub(crate) fn look_for_dropped(&self) {
        let trees: BTreeSet<_> = self.store.borrow().tree_names().into_iter().collect();
        self.dropped.set(self.storage.has_run_of(|tree| !trees.contains(tree)));
    }

    /// Notes that everything was made into runs.
    pub(crate) fn checkpointed(&self) {
        self.log_bytes.set(self.wal.stats().frame_bytes);
        self.measure();
        self.look_for_dropped();
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

    /// Logs a catalog and makes it the shard's own; fills new indexes. A version it already has is
    /// left alone. Returns where the log must be durable for the change to survive.
    ///
    /// **Errors**: as [`Shard::append`]; `OutcomeUnknown` when memory cannot follow the log.
    pub(crate) async fn install(
        self: &Rc<Self>,
        core: &Core,
        next: &Arc<Catalog>,
    ) -> Result<Option<Lsn>, Error> {
        self.install_by(core, next, Self::append).await
    }

    /// As [`Shard::install`], for a catalog that is in force already: it may use the room a full
    /// disk has left.
    pub(crate) async fn follow(
        self: &Rc<Self>,
        core: &Core,
        next: &Arc<Catalog>,
    ) -> Result<(), Error> {
        let append = |shard: &Self, core: &Core, record: &[u8]| {
            shard.make_up(core)?;
            shard.append_settling(core, record)
        };
        self.install_by(core, next, append).await.map(drop)
    }

    async fn install_by(
        self: &Rc<Self>,
        core: &Core,
        next: &Arc<Catalog>,
        append: impl Fn(&Self, &Core, &[u8]) -> Result<Lsn, Error>,
    ) -> Result<Option<Lsn>, Error> {
        let gaining = self.store.borrow().to_be_indexed(next);
        let ruled = self.store.borrow().to_be_ruled(next);
        let closed = loop {
            let tables = gaining.iter().chain(&ruled).copied().collect();
            let closed = fill::close(self, tables).await;
            // A new index answers snapshots from before it, but knows nothing of records that went
            // with their range: until no snapshot shows these.
            if !self.store.borrow().is_erased_lately(&gaining) {
                break closed;
            }
            drop(closed);
            self.work.notify();
            rt::sleep(ERASURE_WAIT).await;
        };
        let current = self.store.borrow().catalog().clone();
        if current.version >= next.version {
            return Ok(None);
        }
        let lsn = append(self, core, &txn::encode_catalog_record(next))?;
        // A logged schema that memory does not follow would be two truths.
        self.adopt(next).await.map_err(|error| core.fail(error))?;
        drop(closed);
        Ok(Some(lsn))
    }

    /// Says that the catalog that was decided is in force here.
    pub(crate) fn end_decided(&self) {
        if let Some(lsn) = self.decided.take() {
            self.applying.borrow_mut().remove(&lsn);
        }
    }

    /// Makes a logged catalog the shard's own, and fills new indexes.
    pub(crate) async fn adopt(&self, next: &Arc<Catalog>) -> Result<(), Error> {
        let builds = self.adopt_shapes(next);
        fill::build(self, builds).await
    }

    fn adopt_shapes(&self, next: &Arc<Catalog>) -> Vec<Build> {
        let current = self.store.borrow().catalog().clone();
        let builds = self.store.borrow_mut().install(next.clone());
        let mut shapes = self.shapes.borrow_mut();
        shapes.retain(|table, _| next.tables.contains_key(table));
        for (id, table) in &next.tables {
            let same = current.tables.get(id).is_some_and(|old| same_shape(old, table));
            if !same {
                // Who made it may have begun before: nobody else writes to it.
                let since = if table.is_begun() { CatalogVersion(0) } else { next.version };
                shapes.insert(*id, since);
            }
        }
        drop(shapes);
        self.look_for_dropped();
        self.work.notify();
        builds
    }

    /// Appends a record to the log, after the outcomes that are owed to it.
    ///
    /// Recovery applies what has no outcome after all that was logged. So nothing may be logged
    /// that stands on writes without one.
    ///
    /// **Errors**: `OutcomeUnknown` when the log is fenced, which stops the process; otherwise
    /// the record was not written and the error says who can remedy it.
    pub(crate) fn append(&self, core: &Core, record: &[u8]) -> Result<Lsn, Error> {
        self.make_up(core)?;
        self.wal.append(record).map_err(|error| self.log_error(core, &error))
    }

    /// Appends a record that ends what was begun: it may use the room a full disk has left.
    ///
    /// **Errors**: as [`Shard::append`].
    pub(crate) fn append_settling(&self, core: &Core, record: &[u8]) -> Result<Lsn, Error> {
        self.wal.append_settling(record).map_err(|error| self.log_error(core, &error))
    }

    /// Logs what became of a prepared transaction, or owes it to the log: without room for it
    /// recovery asks the home shard.
    pub(crate) fn log_outcome(&self, core: &Core, txn: TxnId, commit: Option<Timestamp>) {
        let logged = self.append_settling(core, &txn::encode_outcome(txn, commit));
        let Err(error) = logged else { return };
        tracing::warn!(shard = %self.id, %txn, %error, "outcome not logged, recovery will ask");
        if let Some(commit) = commit {
            self.outcomes_owed.borrow_mut().insert(commit, txn);
        }
    }

    /// Logs the outcomes that are owed.
    ///
    /// **Errors**: as [`Shard::append`]; the rest is still owed.
    pub(crate) fn make_up(&self, core: &Core) -> Result<(), Error> {
        while let Some((commit, txn)) = self.first_owed() {
            self.append_settling(core, &txn::encode_outcome(txn, Some(commit)))?;
            self.outcomes_owed.borrow_mut().remove(&commit);
        }
        Ok(())
    }

    pub(crate) fn first_owed(&self) -> Option<(Timestamp, TxnId)> {
        let owed = self.outcomes_owed.borrow();
        owed.first_key_value().map(|(commit, txn)| (*commit, *txn))
    }

    /// Waits until the log is durable up to and including `lsn`.
    ///
    /// **Errors**: `OutcomeUnknown`; the process stops.
    pub(crate) async fn durable(&self, core: &Core, lsn: Lsn) -> Result<(), Error> {
        self.wal.durable(lsn).await.map_err(|error| core.fail(unknown(self.id, &error)))
    }

    fn log_error(&self, core: &Core, error: &wal::Error) -> Error {
        match error {
            wal::Error::Full { .. } => Error::DiskFull(format!("shard {}: {error}", self.id)),
            wal::Error::Busy { .. } => Error::Overloaded(format!("shard {}: {error}", self.id)),
            wal::Error::TooLarge { .. } => Error::InvalidValue(error.to_string()),
            wal::Error::Closed => Error::Cancelled("the server is shutting down".into()),
            _ => core.fail(unknown(self.id, error)),
        }
    }

    /// Returns the shard's counters.
    pub(crate) fn stats(&self) -> ShardStats {
        let store = self.store.borrow().stats();
        let log = self.wal.stats();
        let (images, image_bytes) = self.storage.image_facts();
        ShardStats {
            shard: self.id,
            records: store.records,
            memory: store.memory,
            memory_bytes_max: self.limits.memory_bytes as u64,
            is_disk_full: self.is_disk_full(),
            segment_bytes: self.storage.file_bytes(),
            segments: self.storage.run_count() as u64,
            cache_bytes: self.cache.borrow().bytes() as u64,
            cache_hits: self.cache.borrow().hits.get(),
            cache_misses: self.cache.borrow().misses.get(),
            log_bytes: log.frame_bytes,
            log_flushes: log.frames,
            commits: self.counters.commits.get(),
            conflicts: self.counters.conflicts.get(),
            vectors_pending: store.vectors_pending,
            replayed: self.counters.replayed.get(),
            replay_ms: self.counters.replay_ms.get(),
            images,
            image_bytes,
            image_ms: self.counters.image_ms.get(),
            indexes_rebuilt: self.counters.indexes_rebuilt.get(),
        }
    }
}

fn unknown(shard: ShardId, error: &wal::Error) -> Error {
    Error::OutcomeUnknown(format!("shard {shard}: {error}"))
}

/// What is said of columns changes nothing for those who write.
fn same_columns(old: &Table, new: &Table) -> bool {
    let same = |(old, new): (&Column, &Column)| {
        old == new
            || Column { comment: None, ..old.clone() } == Column { comment: None, ..new.clone() }
    };
    old.columns.len() == new.columns.len() && old.columns.iter().zip(&new.columns).all(same)
}

/// Rows of both tables have the same bytes for the same values.
fn same_shape(old: &Table, new: &Table) -> bool {
    let same_rows = same_columns(old, new) && old.key == new.key && old.routing == new.routing;
    // Writes that did not know of a constraint, or of who refers to their records, did not keep it.
    // Those that knew of one more looked for nothing.
    let known = |referrer| old.referrers.contains(referrer);
    let same_rules = old.constraints == new.constraints && new.referrers.iter().all(known);
    // Nor do they find their way into a copy of the records.
    same_rows && same_rules && old.rewrite == new.rewrite
}
