//! How does a schema change reach every shard?
//!
//! One change at a time in the process. Shard 0's log makes it durable, then every core installs
//! it in its shards, each of which logs it too: a shard's log is read with the schemas it holds
//! itself. A crash in between is healed at start, when shard 0's catalog is installed where it is
//! missing.
//!
//! A change that comes with a transaction's writes is durable with the decision on them
//! (`txn/two_phase`), and installed when they are applied.

use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use futures::lock::OwnedMutexGuard;
use pieskieo_io::rt::{self, Queue};

use super::core::Core;
use crate::catalog::Catalog;
use crate::error::Error;
use crate::ids::{ShardId, Timestamp};
use crate::request::{Reply, Request};
use crate::txn::Transaction;

/// Pause after a log had no room for a catalog.
const RETRY: Duration = Duration::from_millis(20);

/// Shard 0 logs and lives with the new catalog from here on.
pub(crate) const OWNER: ShardId = ShardId(0);

impl Core {
    /// Changes the schema: `change` gets the current catalog and returns the next one, whose
    /// version must be the current plus one. Returns when the change is durable and every shard
    /// has it.
    ///
    /// **Errors**: what `change` returns; `StaleCatalog` when the version is not the next one.
    pub async fn change_catalog(
        self: &Rc<Self>,
        change: impl FnOnce(&Catalog) -> Result<Catalog, Error>,
    ) -> Result<Arc<Catalog>, Error> {
        let turn = self.shared().schema.clone().lock_owned().await;
        let next = Arc::new(self.numbered(&self.catalog(), change)?);
        // Detached: a client that goes away must not leave some shards without the change.
        let run = publish(self.clone(), next, turn);
        rt::spawn(Queue::Commit, "schema", run).await
    }

    /// Commits a transaction and a change of the schema with it: both are durable or neither is,
    /// and both are seen from the same moment on. Returns the commit's timestamp.
    ///
    /// **Errors**: as [`Core::change_catalog`] and [`Transaction::commit`]; neither has happened.
    pub async fn commit_with(
        self: &Rc<Self>,
        txn: Transaction,
        change: impl FnOnce(&Catalog) -> Result<Catalog, Error>,
    ) -> Result<Timestamp, Error> {
        let turn = self.shared().schema.clone().lock_owned().await;
        let next = Arc::new(self.numbered(&self.catalog(), change)?);
        txn.commit_with(SchemaChange { next, turn }).await
    }

    /// Makes a changed catalog that is not in force: nobody else is given the numbers that its new
    /// tables and indexes have.
    ///
    /// **Errors**: those of `change`.
    pub fn numbered<T: Numbered, E>(
        &self,
        catalog: &Catalog,
        change: impl FnOnce(&Catalog) -> Result<T, E>,
    ) -> Result<T, E> {
        let shared = self.shared();
        let mut used = shared.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lifted = catalog.clone();
        lifted.table_next = lifted.table_next.max(used.0);
        lifted.index_next = lifted.index_next.max(used.1);
        let next = change(&lifted)?;
        if let Some(next) = next.catalog() {
            *used = (used.0.max(next.table_next), used.1.max(next.index_next));
        }
        Ok(next)
    }
}

/// What a change of a catalog may give: a catalog, or nothing.
pub trait Numbered {
    /// Returns the catalog.
    fn catalog(&self) -> Option<&Catalog>;
}

impl Numbered for Catalog {
    fn catalog(&self) -> Option<&Catalog> {
        Some(self)
    }
}

impl Numbered for Option<Catalog> {
    fn catalog(&self) -> Option<&Catalog> {
        self.as_ref()
    }
}

/// The schema that a transaction leaves behind, and the right to change it.
#[derive(Debug)]
pub(crate) struct SchemaChange {
    pub(crate) next: Arc<Catalog>,
    turn: OwnedMutexGuard<()>,
}

impl SchemaChange {
    /// Puts the catalog in force everywhere, when it is durable.
    ///
    /// **Errors**: `OutcomeUnknown`, and the process stops.
    pub(crate) async fn install(&self, core: &Rc<Core>) -> Result<(), Error> {
        spread(core, self.next.clone()).await
    }

    /// Lets others change the schema, when the commit is not pending any more.
    ///
    /// **Errors**: as [`SchemaChange::install`].
    pub(crate) async fn end(self, core: &Rc<Core>) -> Result<(), Error> {
        remember(core).await?;
        drop(self.turn);
        Ok(())
    }
}

async fn publish(
    core: Rc<Core>,
    next: Arc<Catalog>,
    turn: OwnedMutexGuard<()>,
) -> Result<Arc<Catalog>, Error> {
    core.call(OWNER, Request::ChangeCatalog { next: next.clone() }).await?;
    spread(&core, next.clone()).await?;
    remember(&core).await?;
    drop(turn);
    Ok(next)
}

/// Installs a durable catalog on every core.
async fn spread(core: &Rc<Core>, next: Arc<Catalog>) -> Result<(), Error> {
    let installs = (0..core.core_count()).map(|number| {
        // A core's own number is the shard of that number's core, whether that shard exists or not.
        core.call(ShardId(number), Request::InstallCatalog { next: next.clone() })
    });
    for answer in join_all(installs).await {
        answer.map_err(|error| core.fail(error))?;
    }
    Ok(())
}

/// Where the past is kept: says from where on new tables can be read. That is a commit of its own,
/// which nobody sees before those that are pending.
async fn remember(core: &Rc<Core>) -> Result<(), Error> {
    core.call(OWNER, Request::Remember).await.map(drop)
}

/// Shard 0: makes the next catalog durable and installs it there.
pub(crate) async fn change(core: Rc<Core>, next: Arc<Catalog>) -> Result<Reply, Error> {
    core.check_running()?;
    let shard = core.shard(OWNER)?;
    let current = core.catalog();
    let follows = next.version.0 == current.version.0 + 1;
    if !follows || next.shard_count != current.shard_count {
        return Err(Error::StaleCatalog { current: current.version });
    }
    if let Some(lsn) = shard.install(&core, &next).await? {
        shard.durable(&core, lsn).await?;
    }
    core.adopt_catalog(next);
    Ok(Reply::Done)
}

/// Installs a catalog that is durable at shard 0 in every shard of this core. Where the disk has no
/// room for it, it waits for some: it is in force already.
pub(crate) async fn install(core: Rc<Core>, next: Arc<Catalog>) -> Result<Reply, Error> {
    for shard in core.shards_here() {
        while let Err(error) = shard.follow(&core, &next).await {
            if !matches!(error, Error::DiskFull(_) | Error::Overloaded(_)) {
                return Err(error);
            }
            tracing::warn!(shard = %shard.id, %error, "a schema change waits for room");
            rt::sleep(RETRY).await;
        }
        shard.end_decided();
        rt::yield_if_needed().await;
    }
    core.adopt_catalog(next);
    Ok(Reply::Done)
}
