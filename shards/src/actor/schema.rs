//! How does a schema change reach every shard?
//!
//! One change at a time in the process. Shard 0's log makes it durable, then every core installs
//! it in its shards, each of which logs it too: a shard's log is read with the schemas it holds
//! itself. A crash in between is healed at start, when shard 0's catalog is installed where it is
//! missing.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::lock::OwnedMutexGuard;
use pieskieo_io::rt::{self, Queue};

use super::core::Core;
use crate::catalog::Catalog;
use crate::error::Error;
use crate::ids::ShardId;
use crate::request::{Reply, Request};

/// Pause after a log had no room for a catalog.
const RETRY: Duration = Duration::from_millis(20);

/// Shard 0 logs and lives with the new catalog from here on.
const OWNER: ShardId = ShardId(0);

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
        let next = Arc::new(change(&self.catalog())?);
        // Detached: a client that goes away must not leave some shards without the change.
        let run = publish(self.clone(), next, turn);
        rt::spawn(Queue::Commit, "schema", run).await
    }
}

async fn publish(
    core: Rc<Core>,
    next: Arc<Catalog>,
    turn: OwnedMutexGuard<()>,
) -> Result<Arc<Catalog>, Error> {
    core.call(OWNER, Request::ChangeCatalog { next: next.clone() }).await?;
    let installs = (0..core.core_count()).map(|number| {
        // A core's own number is the shard of that number's core, whether that shard exists or not.
        core.call(ShardId(number), Request::InstallCatalog { next: next.clone() })
    });
    for answer in join_all(installs).await {
        answer.map_err(|error| core.fail(error))?;
    }
    // Where the past is kept: it says from where on the new tables can be read.
    core.call(OWNER, Request::Remember).await?;
    drop(turn);
    Ok(next)
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
        rt::yield_if_needed().await;
    }
    core.adopt_catalog(next);
    Ok(Reply::Done)
}
