//! How does a coordinator run a transaction?
//!
//! Writes are buffered here and validated by their owners at commit. Reads run at the snapshot
//! taken by [`Core::begin`]; a read that must see the transaction's own writes is preceded by
//! [`Transaction::flush`], which stages them at their owners.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use futures::future::join_all;
use pieskieo_io::rt::{self, Queue};

use super::buffer::{Buffer, Mark};
use super::clock::Lease;
use super::limits::SAVEPOINTS_MAX;
use super::two_phase;
use crate::actor::{Core, SchemaChange};
use crate::error::Error;
use crate::ids::{CatalogVersion, ShardId, Slot, TableId, Timestamp, TxnId};
use crate::key::{Key, KeyRange};
use crate::request::{Expect, ReadView, Reply, Request, Write, WriteOp};

/// A transaction, held by its coordinator. Dropping it aborts it in the background.
#[derive(Debug)]
pub struct Transaction {
    core: Rc<Core>,
    id: TxnId,
    /// Keeps the snapshot's versions from being collected.
    lease: Lease,
    /// Catalog that the writes to come are encoded with.
    planned: CatalogVersion,
    /// Oldest catalog that a buffered write is encoded with.
    oldest: Option<CatalogVersion>,
    buffer: Buffer,
    /// Ranges of keys that are emptied, by the shards that have records there.
    erased: Parts,
    /// Shards whose staging area holds writes of this transaction.
    staged: BTreeSet<ShardId>,
    isolation: Isolation,
    /// Shards that may remember what this transaction has read.
    read: BTreeSet<ShardId>,
    /// Points to go back to, oldest first. A name may occur again and then hides the older one.
    savepoints: Vec<(String, Mark)>,
}

/// There is no savepoint of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSavepoint;

/// What a commit promises about what the transaction has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// It is still so at the commit: transactions have the effect of some serial order.
    #[default]
    Serializable,
    /// It was so at the snapshot. Never refused for what it read.
    Snapshot,
}

/// A change of one edge record, from which the writes to the record and to its mirrors follow.
#[derive(Clone, Debug)]
pub struct EdgeWrite {
    /// The edge table.
    pub table: TableId,
    /// Key of the edge record, (`src`, `_id`).
    pub key: Key,
    /// Key of the node it starts at.
    pub source: Key,
    /// Key of the node it ends at before the change; `None` when the edge is new.
    pub target_before: Option<Key>,
    /// Key of the node it ends at after the change; `None` when the edge is deleted.
    pub target_after: Option<Key>,
    /// The encoded row; `None` when the edge is deleted.
    pub row: Option<Arc<[u8]>>,
    /// What must be true of the record's current version.
    pub expect: Expect,
}

impl Core {
    /// Begins a serializable transaction at the newest snapshot.
    pub fn begin(self: &Rc<Self>) -> Transaction {
        self.begin_with(Isolation::Serializable)
    }

    /// Begins a transaction at the newest snapshot.
    pub fn begin_with(self: &Rc<Self>, isolation: Isolation) -> Transaction {
        Transaction {
            id: self.next_txn(),
            lease: self.lease(),
            planned: self.catalog().version,
            oldest: None,
            buffer: Buffer::default(),
            erased: Parts::new(),
            staged: BTreeSet::new(),
            isolation,
            read: BTreeSet::new(),
            savepoints: Vec::new(),
            core: self.clone(),
        }
    }
}

impl Transaction {
    /// Returns the transaction's number.
    pub fn id(&self) -> TxnId {
        self.id
    }

    /// Returns what the transaction's reads see, on any shard: its snapshot, and its own writes if
    /// any were staged.
    pub fn view(&mut self) -> ReadView {
        self.view_at(self.core.shards())
    }

    /// As [`Transaction::view`], for reads of these shards and no other.
    pub fn view_at(&mut self, shards: impl IntoIterator<Item = ShardId>) -> ReadView {
        let validated = self.isolation == Isolation::Serializable;
        if validated {
            self.read.extend(shards);
        }
        let txn = (validated || !self.staged.is_empty()).then_some(self.id);
        ReadView { txn, validated, ..ReadView::at(self.lease.snapshot()) }
    }

    /// As [`Transaction::view_at`], for reads that must still be so at the commit whatever the
    /// isolation: those by which constraints are kept.
    pub fn validated_view_at(&mut self, shards: impl IntoIterator<Item = ShardId>) -> ReadView {
        self.read.extend(shards);
        ReadView { txn: Some(self.id), validated: true, ..ReadView::at(self.lease.snapshot()) }
    }

    /// Says which catalog the writes to come are encoded with. At first it is the one that was
    /// current when the transaction began.
    pub fn planned_with(&mut self, version: CatalogVersion) {
        self.planned = version;
    }

    /// Says that the transaction itself has changed the catalog `before` into `after`: what it has
    /// written so far agrees with that.
    pub fn carry(&mut self, before: CatalogVersion, after: CatalogVersion) {
        if self.oldest == Some(before) {
            self.oldest = Some(after);
        }
    }

    /// Returns whether the transaction has written to this table.
    pub fn has_written(&self, table: TableId) -> bool {
        self.buffer.has_written(table)
    }

    /// Returns whether the transaction has written anything.
    pub fn has_writes(&self) -> bool {
        !self.buffer.is_empty() || !self.erased.is_empty()
    }

    /// Buffers writes. A later write to a record supersedes an earlier one. For edge tables use
    /// [`Transaction::write_edge`], which adds the mirror.
    ///
    /// **Errors**: `DuplicateKey` for an insert of a record this transaction has already put;
    /// `TooLarge` when the transaction grows too large. Writes before the failing one stay
    /// buffered: abort.
    pub fn write(&mut self, writes: Vec<Write>) -> Result<(), Error> {
        let catalog = self.core.catalog();
        let oldest = self.oldest.map_or(self.planned, |oldest| oldest.min(self.planned));
        self.oldest = Some(oldest);
        for write in writes {
            self.buffer.add(&catalog, write)?;
        }
        Ok(())
    }

    /// Empties a range of keys of a table without indexes at the commit. `counts` says how many
    /// records each shard has there, of which the transaction has read that they are there. Nothing
    /// else may be written or read afterwards: neither sees it.
    ///
    /// **Cost**: one record in the log of each shard, however many records go.
    pub fn erase(
        &mut self,
        table: TableId,
        range: &KeyRange,
        counts: impl IntoIterator<Item = (ShardId, u64)>,
    ) {
        let oldest = self.oldest.map_or(self.planned, |oldest| oldest.min(self.planned));
        self.oldest = Some(oldest);
        let from: Arc<[u8]> = range.from.clone().unwrap_or_default().into();
        let to: Option<Arc<[u8]>> = range.to.clone().map(Into::into);
        for (shard, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            // Where it goes is said, not found by the slot.
            let key = Key::from_encoded(from.clone(), Slot(0));
            let op = WriteOp::Erase { to: to.clone(), count };
            let write = Write { table, key, op, expect: Expect::Any };
            self.erased.entry(shard).or_default().push(write);
        }
    }

    /// Buffers a change of an edge and of its mirrors.
    ///
    /// **Errors**: as [`Transaction::write`].
    pub fn write_edge(&mut self, edge: EdgeWrite) -> Result<(), Error> {
        self.write(edge.into_writes())
    }

    /// Returns an estimate of the bytes its writes take in memory.
    pub fn bytes(&self) -> usize {
        self.buffer.bytes()
    }

    /// Makes a point to go back to.
    ///
    /// **Errors**: `TooLarge` for too many of them.
    pub fn savepoint(&mut self, name: &str) -> Result<(), Error> {
        if self.savepoints.len() >= SAVEPOINTS_MAX {
            let text = format!("the transaction exceeds the limit of {SAVEPOINTS_MAX} savepoints");
            return Err(Error::TooLarge(text));
        }
        self.savepoints.push((name.to_owned(), self.buffer.mark()));
        Ok(())
    }

    /// Returns the names of the savepoints, oldest first.
    pub fn savepoints(&self) -> impl Iterator<Item = &str> {
        self.savepoints.iter().map(|(name, _)| name.as_str())
    }

    /// Forgets a savepoint and all after it; what was written since stays.
    ///
    /// **Errors**: [`NoSavepoint`].
    pub fn release(&mut self, name: &str) -> Result<(), NoSavepoint> {
        let position = self.position_of(name)?;
        for _ in self.savepoints.drain(position..) {
            self.buffer.release();
        }
        Ok(())
    }

    /// Forgets what was written since a savepoint, and all savepoints after it; it stays itself.
    /// What was read since is still validated.
    ///
    /// **Errors**: [`NoSavepoint`].
    pub async fn back_to(&mut self, name: &str) -> Result<(), NoSavepoint> {
        let position = self.position_of(name)?;
        for _ in self.savepoints.drain(position + 1..) {
            self.buffer.release();
        }
        let (_, mark) = &self.savepoints[position];
        self.buffer.back_to(*mark);
        let staged = std::mem::take(&mut self.staged);
        let (core, txn) = (&self.core, self.id);
        let unstages = staged.into_iter().map(|shard| core.call(shard, Request::Unstage { txn }));
        // Cannot be refused; a server that stops reads nothing any more.
        drop(join_all(unstages).await);
        Ok(())
    }

    fn position_of(&self, name: &str) -> Result<usize, NoSavepoint> {
        self.savepoints.iter().rposition(|(known, _)| known == name).ok_or(NoSavepoint)
    }

    /// Stages what was written since the last flush at its owners, so that reads with
    /// [`Transaction::view`] see it.
    ///
    /// **Errors**: whatever an owner's check of the writes finds. Abort then.
    pub async fn flush(&mut self) -> Result<(), Error> {
        let parts = self.buffer.unstaged(&self.core.catalog());
        let snapshot = self.lease.snapshot();
        self.staged.extend(parts.keys().copied());
        let (core, txn) = (&self.core, self.id);
        let stages = parts
            .into_iter()
            .map(|(shard, writes)| core.call(shard, Request::Stage { txn, snapshot, writes }));
        join_all(stages).await.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// As [`Transaction::flush`], unless all writes to these tables are staged already: reads of
    /// them and of no others see the transaction's own writes.
    ///
    /// **Errors**: as [`Transaction::flush`].
    pub async fn flush_of(&mut self, tables: &[TableId]) -> Result<(), Error> {
        if tables.iter().any(|table| self.buffer.is_fresh(*table)) {
            return self.flush().await;
        }
        Ok(())
    }

    /// Commits. Returns the commit timestamp once the commit is durable and visible to every
    /// later read in the process; for a transaction without writes, its snapshot.
    ///
    /// **Errors**: `Conflict` (retry; also when something it read was changed meanwhile),
    /// `DuplicateKey`, `StaleCatalog` (plan again): nothing was written. `OutcomeUnknown`: recovery will tell.
    pub async fn commit(self) -> Result<Timestamp, Error> {
        self.commit_all(None).await
    }

    /// As [`Transaction::commit`], together with a change of the schema.
    pub(crate) async fn commit_with(self, schema: SchemaChange) -> Result<Timestamp, Error> {
        self.commit_all(Some(schema)).await
    }

    async fn commit_all(mut self, schema: Option<SchemaChange>) -> Result<Timestamp, Error> {
        let core = self.core.clone();
        let snapshot = self.lease.snapshot();
        let mut parts = std::mem::take(&mut self.buffer).into_parts(&core.catalog());
        for (shard, erased) in std::mem::take(&mut self.erased) {
            parts.entry(shard).or_default().extend(erased);
        }
        let staged = std::mem::take(&mut self.staged);
        let read = std::mem::take(&mut self.read);
        if parts.is_empty() && schema.is_none() {
            forget(&core, self.id, staged.into_iter().chain(read));
            return Ok(snapshot);
        }
        forget(&core, self.id, staged.into_iter().filter(|shard| !parts.contains_key(shard)));
        let commit = two_phase::Commit {
            txn: self.id,
            snapshot,
            catalog: self.oldest.unwrap_or(self.planned),
            parts,
            read,
            lease: self.core.lease_at(snapshot),
            schema,
        };
        drop(self);
        let alone = commit.schema.is_none() && commit.parts.len() == 1;
        if alone && commit.read.iter().all(|at| commit.parts.contains_key(at)) {
            if commit.read.is_empty() {
                return one_shard(core, commit).await;
            }
            // Detached: the lease must outlive a client that goes away, until all is validated.
            return rt::spawn(Queue::Commit, "commit", one_shard(core, commit)).await;
        }
        // Detached: a client that goes away must not stop the protocol half-way.
        rt::spawn(Queue::Commit, "two-phase", two_phase::run(core, commit)).await
    }

    /// Aborts: forgets everything written and read.
    pub async fn abort(mut self) {
        let mut staged = std::mem::take(&mut self.staged);
        staged.append(&mut self.read);
        let (core, txn) = (self.core.clone(), self.id);
        drop(self);
        abort_at(core, txn, staged).await;
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let staged = std::mem::take(&mut self.staged);
        let read = std::mem::take(&mut self.read);
        forget(&self.core, self.id, staged.into_iter().chain(read));
    }
}

impl EdgeWrite {
    /// Returns the write of the record and those of its mirrors.
    pub fn into_writes(self) -> Vec<Write> {
        let Self { table, key, source, target_before, target_after, row, expect } = self;
        let mirror = |target: Key, present: bool| Write {
            table,
            key: key.clone(),
            op: WriteOp::Mirror { source: source.clone(), target, present },
            expect: Expect::Any,
        };
        let mut writes = Vec::with_capacity(3);
        let op = row.map_or(WriteOp::Delete, WriteOp::Put);
        writes.push(Write { table, key: key.clone(), op, expect });
        if target_before != target_after {
            writes.extend(target_before.map(|target| mirror(target, false)));
            writes.extend(target_after.map(|target| mirror(target, true)));
        }
        writes
    }
}

async fn one_shard(core: Rc<Core>, commit: two_phase::Commit) -> Result<Timestamp, Error> {
    let two_phase::Commit { txn, snapshot, catalog, parts, read, lease: _lease, .. } = commit;
    let (shard, writes) = parts.into_iter().next().expect("the caller counted one part");
    let validate = !read.is_empty();
    let request = Request::Commit { txn, snapshot, catalog, writes, validate };
    match core.call(shard, request).await {
        Ok(Reply::Committed(commit)) => Ok(commit),
        Err(error) => {
            // The request may not have reached its shard.
            forget(&core, txn, read.into_iter());
            Err(error)
        }
        Ok(other) => Err(Error::Internal(format!("a commit was answered with {other:?}"))),
    }
}

/// Tells shards in the background that they need not remember a transaction any more.
pub(super) fn forget(core: &Rc<Core>, txn: TxnId, shards: impl Iterator<Item = ShardId>) {
    let shards: BTreeSet<ShardId> = shards.collect();
    if !shards.is_empty() {
        rt::spawn(Queue::Commit, "abort", abort_at(core.clone(), txn, shards));
    }
}

async fn abort_at(core: Rc<Core>, txn: TxnId, shards: BTreeSet<ShardId>) {
    let aborts = shards.into_iter().map(|shard| core.call(shard, Request::Abort { txn }));
    for answer in join_all(aborts).await {
        if let Err(error) = answer {
            // What stays staged is dropped when it expires.
            tracing::debug!(%txn, %error, "could not forget staged writes");
        }
    }
}

/// What is committed where.
pub(crate) type Parts = BTreeMap<ShardId, Vec<Write>>;
