//! How does a shard validate, log and apply what it is asked to commit?
//!
//! Small transactions are validated, logged and applied without a pause in between, so nothing can
//! come between check and change. Large ones lock their places first and take a breath every
//! [`WRITES_PER_STEP`] writes; whoever meets a lock gets a conflict at once, nobody waits.
//!
//! The timestamp is taken before the record is appended and without a pause between the two: the
//! order of commits in a shard's log is the order of their timestamps.

use std::rc::Rc;

use pieskieo_io::rt;

use super::core::Core;
use super::fill;
use super::loading::loaded;
use super::shard::{Counters, Prepared, Shard};
use crate::error::Error;
use crate::ids::{CatalogVersion, ShardId, TableId, Timestamp, TxnId};
use crate::request::{Decision, Reply, Write};
use crate::store::{Before, Others};
use crate::tree::Reach;
use crate::txn::{self, Place, WRITES_PER_STEP};

/// What a transaction asks a shard to make durable.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) txn: TxnId,
    pub(crate) snapshot: Timestamp,
    pub(crate) catalog: CatalogVersion,
    pub(crate) writes: Vec<Write>,
    /// Whether what was read here is validated too.
    pub(crate) validate: bool,
}

/// The locks of one transaction; released when dropped.
pub(crate) struct Locks {
    shard: Rc<Shard>,
    places: Vec<Place>,
}

impl Drop for Locks {
    fn drop(&mut self) {
        let mut locks = self.shard.locks.borrow_mut();
        for place in &self.places {
            locks.remove(place);
        }
    }
}

/// Commits a transaction of this shard alone. Resolves when it is durable and visible.
pub(crate) async fn commit(
    core: Rc<Core>,
    shard: Rc<Shard>,
    proposal: Proposal,
) -> Result<Reply, Error> {
    let txn = proposal.txn;
    let committed = try_commit(core, &shard, proposal).await;
    // Refused or not, what it read here is of no use to anybody any more.
    shard.store.borrow().forget_reads(txn);
    committed
}

async fn try_commit(core: Rc<Core>, shard: &Rc<Shard>, proposal: Proposal) -> Result<Reply, Error> {
    core.check_running()?;
    unstage(shard, proposal.txn);
    let Proposal { txn, writes, .. } = &proposal;
    shard.admit(writes).await?;
    fill::wait_open(shard, writes).await;
    let is_small = writes.len() <= WRITES_PER_STEP;
    let locks = if is_small { None } else { Some(lock_and_validate(shard, &proposal).await?) };
    let before = loop {
        let validated = loaded(shard, |reach| {
            if is_small && fill::is_closed(shard, writes) {
                return Ok(None);
            }
            let before = if is_small { validate(shard, reach, &proposal)? } else { Vec::new() };
            if proposal.validate {
                validate_reads(shard, reach, *txn, proposal.snapshot)?;
            }
            Ok(Some(before))
        });
        // From here until it is applied a small commit is one step: nothing waits.
        match counted(shard, validated.await)? {
            Some(before) => break before,
            // Closed while a group was loaded.
            None => fill::wait_open(shard, writes).await,
        }
    };
    let commit = core.clock().take();
    let record = txn::encode_commit(*txn, commit, writes);
    // Nothing is logged when the log refuses: the timestamp belongs to nobody.
    let lsn = shard.append(&core, &record).inspect_err(|_| core.clock().discard(commit))?;
    match &locks {
        None => apply_all(shard, writes, before, commit),
        Some(_) => {
            shard.applying.borrow_mut().insert(lsn);
            apply_in_steps(&core, shard, writes, commit).await?;
            shard.applying.borrow_mut().remove(&lsn);
        }
    }
    drop(locks);
    shard.durable(&core, lsn).await?;
    core.clock().finish(commit);
    Counters::count(&shard.counters.commits);
    shard.work.notify();
    core.visible(commit).await?;
    Ok(Reply::Committed(commit))
}

/// Notes, before anything else runs, that a prepare has begun.
pub(crate) fn announce(shard: &Shard, txn: TxnId) {
    shard.prepared.borrow_mut().insert(txn, Prepared::Starting(false));
}

/// First phase. Resolves when the prepare is durable; the locks stay until [`finish`].
pub(crate) async fn prepare(
    core: Rc<Core>,
    shard: Rc<Shard>,
    home: ShardId,
    proposal: Proposal,
) -> Result<Reply, Error> {
    let prepared = try_prepare(&core, &shard, home, proposal).await;
    match prepared {
        Ok(lsn) => {
            shard.durable(&core, lsn).await?;
            Ok(Reply::Done)
        }
        Err((txn, error)) => {
            shard.prepared.borrow_mut().remove(&txn);
            Err(error)
        }
    }
}

async fn try_prepare(
    core: &Rc<Core>,
    shard: &Rc<Shard>,
    home: ShardId,
    proposal: Proposal,
) -> Result<pieskieo_io::wal::Lsn, (TxnId, Error)> {
    let txn = proposal.txn;
    let refuse = |error: Error| (txn, error);
    core.check_running().map_err(refuse)?;
    unstage(shard, txn);
    if fill::is_closed(shard, &proposal.writes) {
        let table = proposal.writes.first().map(|write| write.table).unwrap_or_default();
        return Err(refuse(locked(shard.store.borrow().catalog(), table)));
    }
    shard.admit(&proposal.writes).await.map_err(refuse)?;
    let mut locks = lock_and_validate(shard, &proposal).await.map_err(refuse)?;
    if matches!(shard.prepared.borrow().get(&txn), Some(Prepared::Starting(true)) | None) {
        return Err(refuse(Error::Cancelled("the coordinator gave up".into())));
    }
    let record = txn::encode_prepare(txn, home, &proposal.writes);
    let lsn = shard.append(core, &record).map_err(refuse)?;
    // The locks live on in the shard: `finish` releases them by place.
    locks.places.clear();
    let ready = Prepared::Ready(proposal.writes.into(), lsn);
    shard.prepared.borrow_mut().insert(txn, ready);
    Ok(lsn)
}

/// Home shard: logs the decision, and the schema that comes with it. Resolves when it is durable,
/// which is the commit point.
pub(crate) async fn decide(
    core: Rc<Core>,
    shard: Rc<Shard>,
    decision: Decision,
) -> Result<Reply, Error> {
    core.check_running()?;
    let Decision { txn, commit, catalog } = decision;
    let lsn = match catalog {
        None => shard.append_settling(&core, &txn::encode_decision(txn, commit))?,
        Some(catalog) => {
            let lsn = shard.append(&core, &txn::encode_schema(txn, commit, &catalog))?;
            // Until it is in force, a checkpoint would be of the schema before it.
            shard.applying.borrow_mut().insert(lsn);
            shard.decided.set(Some(lsn));
            lsn
        }
    };
    shard.decisions.borrow_mut().insert(txn, commit);
    shard.durable(&core, lsn).await?;
    Ok(Reply::Done)
}

/// Second phase: applies or rolls back. The outcome record is lazy: until it is durable, recovery
/// asks the home log again and gets the same answer.
pub(crate) async fn finish(
    core: Rc<Core>,
    shard: Rc<Shard>,
    txn: TxnId,
    commit: Option<Timestamp>,
) -> Result<Reply, Error> {
    forget(&shard, txn);
    let writes = {
        let mut prepared = shard.prepared.borrow_mut();
        match prepared.get_mut(&txn) {
            Some(Prepared::Starting(given_up)) if commit.is_none() => {
                *given_up = true;
                return Ok(Reply::Done);
            }
            // A refused prepare left nothing to roll back.
            None if commit.is_none() => return Ok(Reply::Done),
            Some(Prepared::Ready(writes, _)) => writes.clone(),
            Some(Prepared::Starting(_)) | None => {
                return Err(core.fail(Error::Internal(format!(
                    "shard {} was told to commit transaction {txn}, which it never prepared",
                    shard.id
                ))));
            }
        }
    };
    if let Some(commit) = commit {
        apply_in_steps(&core, &shard, &writes, commit).await?;
        Counters::count(&shard.counters.commits);
    }
    shard.prepared.borrow_mut().remove(&txn);
    drop(Locks { shard: shard.clone(), places: writes.iter().map(Place::of).collect() });
    shard.log_outcome(&core, txn, commit);
    shard.work.notify();
    Ok(Reply::Done)
}

/// Adds writes to the transaction's staging area.
pub(crate) async fn stage(
    shard: Rc<Shard>,
    txn: TxnId,
    snapshot: Timestamp,
    writes: Vec<Write>,
) -> Result<Reply, Error> {
    shard.staged.borrow_mut().insert(txn, snapshot);
    let staged =
        loaded(&shard, |reach| shard.store.borrow_mut().stage(reach, txn, &writes, snapshot));
    counted(&shard, staged.await)?;
    Ok(Reply::Done)
}

/// Forgets what the transaction staged and read.
pub(crate) fn forget(shard: &Shard, txn: TxnId) {
    unstage(shard, txn);
    shard.store.borrow().forget_reads(txn);
}

/// Forgets what the transaction staged.
pub(crate) fn unstage(shard: &Shard, txn: TxnId) {
    if shard.staged.borrow_mut().remove(&txn).is_some() {
        drop(shard.store.borrow_mut().unstage(txn));
    }
}

/// Between the phases: says whether what the transaction read here is still so. Whoever changes it
/// from now on takes a later timestamp than the transaction has, so nothing is locked.
pub(crate) async fn validate_read(
    shard: Rc<Shard>,
    txn: TxnId,
    snapshot: Timestamp,
) -> Result<Reply, Error> {
    let validated = loaded(&shard, |reach| validate_reads(&shard, reach, txn, snapshot));
    let result = counted(&shard, validated.await);
    shard.store.borrow().forget_reads(txn);
    result.map(|()| Reply::Done)
}

fn validate_reads(
    shard: &Shard,
    reach: Reach<'_>,
    txn: TxnId,
    snapshot: Timestamp,
) -> Result<(), Error> {
    let locks = shard.locks.borrow();
    let prepared = shard.prepared.borrow();
    let foreign = |table: TableId| {
        let of_table = move |place: &Place, owner: TxnId| owner != txn && place.table() == table;
        locks.all().filter(move |(place, owner)| of_table(place, *owner))
    };
    let holds = |place: &Place| locks.holder(place).is_some_and(|owner| owner != txn);
    let writes = |table: TableId| {
        if locks.is_empty() {
            return Some(Vec::new());
        }
        let mut known = Vec::new();
        for (_, prepared) in prepared.iter().filter(|(other, _)| **other != txn) {
            let Prepared::Ready(writes, _) = prepared else { continue };
            let records = writes.iter().filter(|write| Place::of(write).target().is_none());
            known.extend(records.filter(|write| write.table == table).cloned());
        }
        let held = foreign(table).filter(|(place, _)| place.target().is_none()).count();
        // Large transactions lock in steps before it is known that they prepare.
        (held == known.len()).then_some(known)
    };
    let places = |table: TableId| foreign(table).map(|(place, _)| place.clone()).collect();
    let others = Others { holds: &holds, writes: &writes, places: &places };
    shard.store.borrow().validate(reach, txn, snapshot, &others)
}

fn validate(
    shard: &Shard,
    reach: Reach<'_>,
    proposal: &Proposal,
) -> Result<Vec<Option<Before>>, Error> {
    shard.check_catalog(proposal.catalog, &proposal.writes)?;
    let locks = shard.locks.borrow();
    let store = shard.store.borrow();
    let before = store.before(reach, &proposal.writes)?;
    for (write, before) in proposal.writes.iter().zip(&before) {
        if !locks.is_empty() && locks.holder(&Place::of(write)).is_some() {
            return Err(locked(store.catalog(), write.table));
        }
        store.check(write, before.as_ref(), proposal.snapshot)?;
    }
    Ok(before)
}

async fn lock_and_validate(shard: &Rc<Shard>, proposal: &Proposal) -> Result<Locks, Error> {
    counted(shard, shard.check_catalog(proposal.catalog, &proposal.writes))?;
    let mut held = Locks { shard: shard.clone(), places: Vec::new() };
    for step in proposal.writes.chunks(WRITES_PER_STEP) {
        let locked = loaded(shard, |reach| lock_step(&mut held, reach, proposal, step));
        counted(shard, locked.await)?;
        rt::yield_if_needed().await;
    }
    // The schema may have changed in a pause.
    counted(shard, shard.check_catalog(proposal.catalog, &proposal.writes))?;
    Ok(held)
}

fn lock_step(
    held: &mut Locks,
    reach: Reach<'_>,
    proposal: &Proposal,
    step: &[Write],
) -> Result<(), Error> {
    let shard = &held.shard;
    let mut locks = shard.locks.borrow_mut();
    let store = shard.store.borrow();
    let before = store.before(reach, step)?;
    for (write, before) in step.iter().zip(&before) {
        let place = Place::of(write);
        if locks.holder(&place).is_some() {
            return Err(locked(store.catalog(), write.table));
        }
        store.check(write, before.as_ref(), proposal.snapshot)?;
        locks.insert(place.clone(), proposal.txn);
        held.places.push(place);
    }
    Ok(())
}

fn locked(catalog: &crate::catalog::Catalog, table: TableId) -> Error {
    let table = catalog.tables.get(&table).map_or_else(String::new, |table| table.name.clone());
    Error::Conflict { table, winner: None }
}

/// Counts a refusal that another transaction caused.
fn counted<T>(shard: &Shard, result: Result<T, Error>) -> Result<T, Error> {
    if matches!(result, Err(Error::Conflict { .. })) {
        Counters::count(&shard.counters.conflicts);
    }
    result
}

fn apply_all(shard: &Shard, writes: &[Write], before: Vec<Option<Before>>, commit: Timestamp) {
    let mut store = shard.store.borrow_mut();
    for (write, before) in writes.iter().zip(before) {
        // A table may be dropped while a large transaction pauses: its records went with it.
        store.apply(write, before, commit);
    }
}

/// Applies writes whose places are held, or while the log is replayed.
///
/// **Errors**: when the disk cannot be read; the process stops, because the log holds the writes.
pub(crate) async fn apply_in_steps(
    core: &Core,
    shard: &Shard,
    writes: &[Write],
    commit: Timestamp,
) -> Result<(), Error> {
    let applied = apply_steps(shard, writes, commit).await;
    applied.map_err(|error| core.fail(Error::OutcomeUnknown(error.to_string())))
}

/// As [`apply_in_steps`], for who knows what an error means.
pub(crate) async fn apply_steps(
    shard: &Shard,
    writes: &[Write],
    commit: Timestamp,
) -> Result<(), Error> {
    for step in writes.chunks(WRITES_PER_STEP) {
        let before = loaded(shard, |reach| shard.store.borrow().before(reach, step)).await?;
        apply_all(shard, step, before, commit);
        rt::yield_if_needed().await;
    }
    Ok(())
}
