//! How does what is in memory become runs, and the log short?
//!
//! ```text
//! freeze      all trees at once; C = the last record of the log they contain wholly
//! write       a run per tree that was written to
//! wait        until the log is durable up to C
//! edit        the manifest: new runs, checkpoint C       <- the commit point
//! install     the runs in the trees, the frozen memory goes
//! release     the log up to C
//! ```
//!
//! C lies before every record that is still being applied and before every prepare without an
//! outcome, so that replay from C + 1 meets both halves or none. What lies behind C and was frozen
//! nevertheless is replayed over runs that hold it: applying twice changes nothing.
//!
//! A home shard's decisions live in its log. Those that some participant may still have to ask for
//! are carried over in the checkpoint: a decision is needed until every participant has a durable
//! outcome, which [`settled`] tells.

use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::rt;

use super::core::Core;
use super::shard::{Prepared, Shard};
use crate::error::Error;
use crate::ids::Timestamp;
use crate::request::{Reply, Request};
use crate::storage::{Checkpoint, Edit, Part, Placed, TreeName};
use crate::tree::{Plan, Run, flush, merge};

/// Milliseconds between two looks at what there is to write.
const LOOK_MS: u64 = 20;
/// Pause after segments could not be written.
const RETRY_MS: u64 = 1000;

/// Writes runs until the task is cancelled.
pub(crate) async fn run(core: Rc<Core>, shard: Rc<Shard>) {
    repeat(&core, &shard, async || {
        shard.measure();
        if shard.is_checkpoint_due() { checkpoint(&core, &shard).await } else { Ok(()) }
    })
    .await;
}

/// Merges runs until the task is cancelled. Beside [`run`]: a long merge keeps nobody from writing.
pub(crate) async fn run_merges(core: Rc<Core>, shard: Rc<Shard>) {
    repeat(&core, &shard, async || merge_due(&core, &shard).await).await;
}

async fn repeat(core: &Rc<Core>, shard: &Rc<Shard>, step: impl AsyncFn() -> Result<(), Error>) {
    loop {
        rt::sleep(Duration::from_millis(LOOK_MS)).await;
        match step().await {
            Ok(()) => {}
            // Whether the manifest has it is unknown: recovery finds out.
            Err(error @ Error::OutcomeUnknown(_)) => {
                core.fail(error);
                return;
            }
            // Nothing has changed. What was frozen stays in memory and in the log.
            Err(error) => {
                tracing::warn!(shard = %shard.id, %error, "segments cannot be written, trying again");
                rt::sleep(Duration::from_millis(RETRY_MS)).await;
            }
        }
    }
}

async fn merge_due(core: &Rc<Core>, shard: &Rc<Shard>) -> Result<(), Error> {
    loop {
        let level_bytes = shard.storage.files().shape().level_bytes;
        let next = shard.store.borrow_mut().plan_merge(level_bytes);
        let Some((tree, plan)) = next else { return Ok(()) };
        merge_runs(core, shard, tree, plan).await?;
    }
}

/// Writes everything that is in memory into runs.
///
/// **Errors**: `Storage` when the disk fails or is full.
pub(crate) async fn checkpoint(core: &Rc<Core>, shard: &Rc<Shard>) -> Result<(), Error> {
    let needed = needed_decisions(core).await?;
    if !shard.closed.borrow().is_empty() {
        // An index that is being filled is not what the catalog says it is.
        return Ok(());
    }
    // From here to the end of the block nothing else runs: one moment for all trees.
    let (frozen, checkpoint, watermark) = {
        let mut store = shard.store.borrow_mut();
        let lsn = shard.contained();
        let decisions = {
            let mut decisions = shard.decisions.borrow_mut();
            decisions.retain(|_, commit| *commit > needed);
            decisions.iter().map(|(txn, commit)| (*txn, *commit)).collect()
        };
        let checkpoint = Checkpoint {
            lsn,
            last: core.clock().latest(),
            txn_last: core.latest_txn(),
            catalog: store.catalog().clone(),
            live: store.stats().records,
            decisions,
        };
        shard.outcome_lost.set(Timestamp::MAX);
        (store.freeze(), checkpoint, core.clock().watermark())
    };
    let mut added = Vec::new();
    for frozen in &frozen {
        let layout = frozen.layout.clone();
        let files = shard.storage.files();
        let facts = flush(files, &layout, &frozen.memory, watermark, frozen.is_all).await?;
        added.extend(facts.into_iter().map(|facts| Placed { tree: frozen.tree, level: 0, facts }));
    }
    let lsn = checkpoint.lsn;
    if lsn.0 > 0 {
        shard.durable(core, lsn).await?;
    }
    let mut runs = Vec::new();
    for placed in &added {
        let run = Rc::new(shard.storage.files().open(placed.facts.clone()).await?);
        runs.push((placed.tree, run));
    }
    let names = shard.store.borrow().tree_names();
    let removed: Vec<_> = shard
        .storage
        .placed()
        .iter()
        // A table may have been dropped since the moment of the checkpoint: its log record is
        // replayed, and wants to drop it again.
        .filter(|run| !names.contains(&run.tree) && !has_tree(&checkpoint, run.tree))
        .map(|run| run.facts.seal.id)
        .collect();
    let edit = Edit { checkpoint: Some(checkpoint), removed, added };
    shard.storage.commit(edit).await?;
    shard.store.borrow_mut().flushed(&frozen, runs);
    shard.wal.release(lsn.next());
    shard.checkpointed();
    tracing::debug!(shard = %shard.id, %lsn, trees = frozen.len(), "checkpoint");
    Ok(())
}

fn has_tree(checkpoint: &Checkpoint, tree: TreeName) -> bool {
    let table = checkpoint.catalog.tables.get(&tree.table);
    table.is_some_and(|table| match tree.part {
        Part::Records | Part::Mirrors => true,
        Part::Ordered(index) => table.index(index).is_some(),
    })
}

async fn merge_runs(
    core: &Rc<Core>,
    shard: &Rc<Shard>,
    tree: TreeName,
    plan: Plan,
) -> Result<(), Error> {
    let Some(layout) = shard.store.borrow_mut().tree_layout(tree) else { return Ok(()) };
    let watermark = core.clock().watermark();
    let merged = merge(shard.storage.files(), &layout, &plan, watermark).await?;
    let place = |facts| Placed { tree, level: plan.level, facts };
    let added: Vec<Placed> = merged.into_iter().map(place).collect();
    let mut runs = Vec::new();
    for placed in &added {
        runs.push(Rc::new(shard.storage.files().open(placed.facts.clone()).await?));
    }
    let inputs: Vec<Rc<Run>> = plan.inputs.iter().flatten().cloned().collect();
    let removed = inputs.iter().map(|run| run.id()).collect();
    shard.storage.commit(Edit { checkpoint: None, removed, added }).await?;
    shard.store.borrow_mut().merged(tree, &plan, runs);
    for run in &inputs {
        shard.cache.borrow_mut().forget(run);
    }
    Ok(())
}

/// Returns the timestamp up to which no participant needs a decision any more.
async fn needed_decisions(core: &Rc<Core>) -> Result<Timestamp, Error> {
    let asked = core.shards().map(|shard| (shard, Request::Settled));
    let mut lowest = Timestamp::MAX;
    for reply in core.call_all(asked).await? {
        if let Reply::Settled(upto) = reply {
            lowest = lowest.min(upto);
        }
    }
    Ok(lowest)
}

/// Says up to which timestamp everything that was prepared here has a durable outcome.
pub(crate) async fn settled(core: Rc<Core>, shard: Rc<Shard>) -> Result<Reply, Error> {
    // What this snapshot shows is applied everywhere, and its outcomes are in the logs.
    let snapshot = core.snapshot();
    let last = shard.wal.last_lsn();
    if last.0 > 0 {
        shard.durable(&core, last).await?;
    }
    let lost = shard.outcome_lost.get();
    Ok(Reply::Settled(snapshot.min(Timestamp(lost.0.saturating_sub(1)))))
}

impl Shard {
    /// Returns the last record of the log that memory contains wholly, with all before it.
    fn contained(&self) -> pieskieo_io::wal::Lsn {
        let mut first_open = self.wal.last_lsn().next();
        if let Some(lsn) = self.applying.borrow().first() {
            first_open = first_open.min(*lsn);
        }
        for prepared in self.prepared.borrow().values() {
            if let Prepared::Ready(_, lsn) = prepared {
                first_open = first_open.min(*lsn);
            }
        }
        first_open.previous()
    }
}
