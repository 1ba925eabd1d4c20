//! How do several shards commit one transaction together?
//!
//! 1. **Prepare** at every participant, in parallel: validate, lock, log. Any refusal ends the
//!    transaction: every participant rolls back.
//! 2. Take the commit timestamp. From here on it is pending, hence invisible.
//! 3. **Validate** wherever something was read, in parallel: it must still be so.
//! 4. **Decide** at the home shard: one record in its log. Durable = committed.
//! 5. **Finish** at every participant, in parallel: apply, unlock, log the outcome lazily.
//! 6. If it changes the schema: install the catalog on every core. It was in the record of 4,
//!    in shard 0's log.
//! 7. End the pending time; acknowledge when the process-wide snapshot has reached it.
//!
//! A crash before 4 is durable rolls back; after, recovery finishes (`MVCC.md` has the table).
//! A failure of 4 to 6 while running leaves the timestamp pending for good and stops the process.

use std::collections::BTreeSet;
use std::rc::Rc;

use futures::future::join_all;

use super::clock::Lease;
use super::transaction::{Parts, forget};
use crate::actor::{Core, OWNER, SchemaChange};
use crate::error::Error;
use crate::ids::{CatalogVersion, ShardId, Timestamp, TxnId};
use crate::request::{Decision, Request};

/// A transaction ready to be committed.
#[derive(Debug)]
pub(crate) struct Commit {
    /// The transaction.
    pub(crate) txn: TxnId,
    /// Its snapshot.
    pub(crate) snapshot: Timestamp,
    /// The oldest catalog any of its writes is encoded with.
    pub(crate) catalog: CatalogVersion,
    /// Its writes by owner.
    pub(crate) parts: Parts,
    /// Where it has read what must still be so.
    pub(crate) read: BTreeSet<ShardId>,
    /// Keeps what changed since the snapshot from being forgotten before it was validated.
    pub(crate) lease: Lease,
    /// The schema it leaves behind, if it changes it.
    pub(crate) schema: Option<SchemaChange>,
}

/// Runs the protocol to its end.
pub(crate) async fn run(core: Rc<Core>, commit: Commit) -> Result<Timestamp, Error> {
    let Commit { txn, snapshot, catalog, parts, read, lease, schema } = commit;
    let shards: Vec<ShardId> = parts.keys().copied().collect();
    let home = if schema.is_some() { OWNER } else { home_of(&core, &shards) };
    let prepares = parts.into_iter().map(|(shard, writes)| {
        core.call(shard, Request::Prepare { txn, snapshot, catalog, home, writes })
    });
    let refusal = join_all(prepares).await.into_iter().filter_map(Result::err).min_by_key(rank);
    if let Some(error) = refusal {
        finish(&core, txn, &shards, None).await?;
        forget(&core, txn, read.difference(&shards.iter().copied().collect()).copied());
        return Err(error);
    }
    let taken = core.clock().take();
    if let Err(error) = validate(&core, txn, snapshot, &read).await {
        if let Err(error) = finish(&core, txn, &shards, None).await {
            return Err(core.fail(error));
        }
        core.clock().discard(taken);
        // Not every request to validate may have reached its shard.
        forget(&core, txn, read.into_iter());
        return Err(error);
    }
    drop(lease);
    let next = schema.as_ref().map(|schema| schema.next.clone());
    let decide = Request::Decide(Decision { txn, commit: taken, catalog: next });
    if let Err(error) = core.call(home, decide).await {
        return Err(undecided(&core, txn, &shards, taken, error).await);
    }
    if let Err(error) = finish(&core, txn, &shards, Some(taken)).await {
        return Err(core.fail(error));
    }
    if let Some(schema) = &schema
        && let Err(error) = schema.install(&core).await
    {
        return Err(core.fail(error));
    }
    core.clock().finish(taken);
    if let Some(schema) = schema {
        schema.end(&core).await?;
    }
    core.visible(taken).await?;
    Ok(taken)
}

/// Every owner says whether what the transaction read there is still so. All are asked and all
/// forget it.
async fn validate(
    core: &Rc<Core>,
    txn: TxnId,
    snapshot: Timestamp,
    read: &BTreeSet<ShardId>,
) -> Result<(), Error> {
    let asked = read.iter().map(|&shard| core.call(shard, Request::Validate { txn, snapshot }));
    let refusal = join_all(asked).await.into_iter().filter_map(Result::err).min_by_key(rank);
    refusal.map_or(Ok(()), Err)
}

/// The home log took no decision. If it refused the record (disk full, too much waiting) there is
/// none and all roll back; if it failed, nobody can tell, and the process is stopping already.
async fn undecided(
    core: &Rc<Core>,
    txn: TxnId,
    shards: &[ShardId],
    taken: Timestamp,
    error: Error,
) -> Error {
    match error {
        Error::Overloaded(_)
        | Error::DiskFull(_)
        | Error::OutOfMemory(_)
        // A schema that is too large for one record.
        | Error::InvalidValue(_) => {}
        _ => return core.fail(error),
    }
    if let Err(error) = finish(core, txn, shards, None).await {
        return core.fail(error);
    }
    core.clock().discard(taken);
    error
}

/// A participant on the coordinator's own core saves the decision a trip between cores.
fn home_of(core: &Core, shards: &[ShardId]) -> ShardId {
    let local = shards.iter().copied().find(|&shard| core.is_local(shard));
    local.unwrap_or(shards[0])
}

/// A duplicate key, an invalid value or too much at once is the user's to mend whatever else happened; a conflict
/// only says to try again.
fn rank(error: &Error) -> u8 {
    match error {
        Error::DuplicateKey { .. } | Error::InvalidValue(_) | Error::TooLarge(_) => 0,
        Error::StaleCatalog { .. } => 1,
        Error::Conflict { .. } => 2,
        Error::Overloaded(_) | Error::DiskFull(_) | Error::OutOfMemory(_) | Error::Cancelled(_) => {
            3
        }
        Error::OutcomeUnknown(_)
        | Error::Corrupt(_)
        | Error::Storage(_)
        | Error::SnapshotTooOld(_)
        | Error::NotYet(_)
        | Error::NotLoaded
        | Error::Internal(_) => 4,
    }
}

async fn finish(
    core: &Rc<Core>,
    txn: TxnId,
    shards: &[ShardId],
    commit: Option<Timestamp>,
) -> Result<(), Error> {
    let finishes = shards.iter().map(|&shard| core.call(shard, Request::Finish { txn, commit }));
    join_all(finishes).await.into_iter().try_for_each(|answer| answer.map(drop))
}
