//! How does what is in memory become runs, and the log short?
//!
//! ```text
//! freeze      all trees at once; C = the last record of the log they contain wholly
//! write       a run per tree that was written to, a list of keys per image (`image.rs`)
//! wait        until the log is durable up to the moment of the freeze
//! edit        the manifest: runs, images, checkpoint C   <- the commit point
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
use pieskieo_io::segment::SegmentId;
use pieskieo_io::wal::Lsn;

use super::admit::Work;
use super::core::Core;
use super::image;
use super::shard::{Prepared, Shard};
use crate::error::Error;
use crate::ids::Timestamp;
use crate::request::{Reply, Request};
use crate::storage::{Checkpoint, Edit, ImageName, Imaged, Part, Placed, TreeName};
use crate::store::{Changed, Frozen};
use crate::tree::{Erasure, Plan, Run, flush, merge};

/// Milliseconds between two looks at what there is to write.
const LOOK_MS: u64 = 20;
/// Pause after segments could not be written.
const RETRY_MS: u64 = 1000;

/// Writes runs until the task is cancelled.
pub(crate) async fn run(core: Rc<Core>, shard: Rc<Shard>) {
    repeat(&core, &shard, Some(Work::Checkpoint), async || {
        shard.measure();
        if shard.is_checkpoint_due(core.clock().horizon()) {
            checkpoint(&core, &shard).await
        } else {
            Ok(())
        }
    })
    .await;
}

/// Writes images of indexes until the task is cancelled. Without room on the disk there is none:
/// nobody is refused for it.
pub(crate) async fn run_images(core: Rc<Core>, shard: Rc<Shard>) {
    repeat(&core, &shard, None, async || image::write_due(&shard).await).await;
}

/// Merges runs until the task is cancelled. Beside [`run`]: a long merge keeps nobody from writing.
pub(crate) async fn run_merges(core: Rc<Core>, shard: Rc<Shard>) {
    repeat(&core, &shard, Some(Work::Merges), async || merge_due(&core, &shard).await).await;
}

async fn repeat(
    core: &Rc<Core>,
    shard: &Rc<Shard>,
    work: Option<Work>,
    step: impl AsyncFn() -> Result<(), Error>,
) {
    loop {
        rt::sleep(Duration::from_millis(LOOK_MS)).await;
        let outcome = step().await;
        if let Some(work) = work {
            shard.note_room(work, &outcome);
        }
        match outcome {
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
        let next = shard.store.borrow_mut().plan_merge(level_bytes, core.clock().horizon());
        let Some((tree, plan)) = next else { return Ok(()) };
        merge_runs(core, shard, tree, plan).await?;
    }
}

/// A checkpoint that was begun. Until it is in the manifest it is tried again as it is: what was
/// written since its moment is not in it.
pub(crate) struct Begun {
    frozen: Vec<Frozen>,
    checkpoint: Checkpoint,
    /// The last record of the log at that moment.
    log_end: Lsn,
    /// Up to where records may forget, and everything else.
    horizon: Timestamp,
    watermark: Timestamp,
    /// Trees that are written.
    done: usize,
    added: Vec<Placed>,
    /// Keys to be listed beside images, and how many of the lists are written.
    changed: Vec<Changed>,
    listed: usize,
    /// New images and lists.
    images: Vec<Imaged>,
    /// Images that are replaced, or of no use any more, with their lists.
    images_gone: Vec<SegmentId>,
    /// Finished images of indexes that have gone.
    images_late: Vec<SegmentId>,
}

impl Begun {
    /// Up to where a tree may forget.
    fn upto(&self, tree: TreeName) -> Timestamp {
        if tree.part.keeps_past() { self.horizon } else { self.watermark }
    }
}

/// Writes everything that is in memory into runs, or goes on with what was begun.
///
/// **Errors**: `Storage`, `DiskFull`: nothing has changed, try again;
/// `OutcomeUnknown`: the process must stop.
pub(crate) async fn checkpoint(core: &Rc<Core>, shard: &Rc<Shard>) -> Result<(), Error> {
    let before = shard.begun.borrow_mut().take();
    let begun = match before {
        Some(begun) => Some(begun),
        None => begin(core, shard).await?,
    };
    let Some(mut begun) = begun else { return Ok(()) };
    match carry_out(core, shard, &mut begun).await {
        Ok(()) => Ok(()),
        Err(error) => {
            shard.begun.replace(Some(begun));
            Err(error)
        }
    }
}

/// Freezes what is in memory; `None` when this is not the moment for it.
async fn begin(core: &Rc<Core>, shard: &Rc<Shard>) -> Result<Option<Begun>, Error> {
    let needed = needed_decisions(core).await?;
    if !shard.closed.borrow().is_empty() {
        // An index that is being filled is not what the catalog says it is.
        return Ok(None);
    }
    // From here to the end nothing else runs: one moment for all trees.
    let mut store = shard.store.borrow_mut();
    let lsn = shard.contained();
    let mut decisions = shard.decisions.borrow_mut();
    decisions.retain(|_, commit| *commit > needed);
    let checkpoint = Checkpoint {
        lsn,
        last: core.clock().latest(),
        txn_last: core.latest_txn(),
        catalog: store.catalog().clone(),
        live: store.stats().records,
        decisions: decisions.iter().map(|(txn, commit)| (*txn, *commit)).collect(),
        erasures: store.all_erasures(),
    };
    let finished = shard.images.take();
    let names: Vec<ImageName> = finished.iter().map(|image| image.name).collect();
    let changed = store.take_changes(&names);
    let kept: Vec<ImageName> = changed.iter().map(|changed| changed.name).collect();
    let renewed = changed.iter().filter(|changed| changed.is_new);
    let renewed: Vec<ImageName> = renewed.map(|changed| changed.name).collect();
    let (images, late): (Vec<_>, Vec<_>) =
        finished.into_iter().partition(|image| renewed.contains(&image.name));
    Ok(Some(Begun {
        frozen: store.freeze(shard.wal.last_lsn()),
        images_gone: image::replaced(shard, &kept, &renewed),
        images_late: late.iter().map(|image| image.seal.id).collect(),
        changed,
        listed: 0,
        images,
        checkpoint,
        log_end: shard.wal.last_lsn(),
        horizon: core.clock().horizon(),
        watermark: core.clock().watermark(),
        done: 0,
        added: Vec::new(),
    }))
}

async fn carry_out(core: &Rc<Core>, shard: &Rc<Shard>, begun: &mut Begun) -> Result<(), Error> {
    let files = shard.storage.files();
    while let Some(Frozen { tree, layout, memory, is_all }) = begun.frozen.get(begun.done) {
        let upto = begun.upto(*tree);
        // Those that this checkpoint names.
        let erasures = begun.checkpoint.erasures.iter().filter(|_| tree.part == Part::Records);
        let mine = erasures.filter(|(table, _)| *table == tree.table);
        let erased: Vec<Erasure> = mine.map(|(_, erasure)| erasure.clone()).collect();
        let facts = flush(files, layout, memory, (upto, &erased), *is_all).await?;
        begun.added.extend(facts.into_iter().map(|facts| Placed { tree: *tree, level: 0, facts }));
        begun.done += 1;
    }
    while let Some(Changed { name, keys, .. }) = begun.changed.get(begun.listed) {
        if !keys.is_empty() {
            begun.images.push(image::write_keys(shard, *name, keys).await?);
        }
        begun.listed += 1;
    }
    // Not only up to C: what was frozen half applied would stay half if its record were lost.
    if begun.log_end.0 > 0 {
        shard.durable(core, begun.log_end).await?;
    }
    let mut runs = Vec::new();
    for placed in &begun.added {
        match files.open(placed.facts.clone()).await {
            Ok(run) => runs.push((placed.tree, Rc::new(run))),
            // The disk has not what it took. As it is the checkpoint would never end.
            Err(error @ Error::Corrupt(_)) => {
                let written = begun.added.drain(..).map(|placed| placed.facts.seal.id);
                let written: Vec<SegmentId> = written.collect();
                begun.done = 0;
                files.remove_all(&written).await;
                return Err(error);
            }
            Err(error) => return Err(error),
        }
    }
    let checkpoint = begun.checkpoint.clone();
    let names = shard.store.borrow().tree_names();
    let placed = shard.storage.placed();
    let removed = placed
        .iter()
        // A table may have been dropped since the moment of the checkpoint: its log record is
        // replayed, and wants to drop it again.
        .filter(|run| !names.contains(&run.tree) && !has_tree(&checkpoint, run.tree))
        .map(|run| run.facts.seal.id)
        .chain(begun.images_gone.iter().copied())
        .collect();
    let (added, images) = (begun.added.clone(), begun.images.clone());
    shard.storage.commit(Edit { checkpoint: Some(checkpoint), removed, added, images }).await?;
    files.remove_all(&begun.images_late).await;
    shard.store.borrow_mut().flushed(&begun.frozen, runs, |tree| begun.upto(tree));
    let lsn = begun.checkpoint.lsn;
    shard.store.borrow_mut().checkpointed(lsn, &begun.checkpoint.erasures);
    shard.wal.release(lsn.next());
    shard.checkpointed();
    tracing::debug!(shard = %shard.id, %lsn, trees = begun.frozen.len(), "checkpoint");
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
    let clock = core.clock();
    let upto = if tree.part.keeps_past() { clock.horizon() } else { clock.watermark() };
    let (regarded, erased) = shard.store.borrow_mut().regarded(tree, upto);
    let merged = merge(shard.storage.files(), &layout, &plan, (upto, &erased)).await?;
    let place = |facts| Placed { tree, level: plan.level, facts };
    let added: Vec<Placed> = merged.into_iter().map(place).collect();
    let ids: Vec<_> = added.iter().map(|placed| placed.facts.seal.id).collect();
    let mut runs = Vec::new();
    for placed in &added {
        match shard.storage.files().open(placed.facts.clone()).await {
            Ok(run) => runs.push(Rc::new(run)),
            Err(error) => {
                shard.storage.files().remove_all(&ids).await;
                return Err(error);
            }
        }
    }
    let inputs: Vec<Rc<Run>> = plan.inputs.iter().flatten().cloned().collect();
    let removed = inputs.iter().map(|run| run.id()).collect();
    let edit = Edit { removed, added, ..Edit::default() };
    let committed = shard.storage.commit(edit).await;
    if let Err(error @ Error::DiskFull(_)) = committed {
        shard.storage.files().remove_all(&ids).await;
        return Err(error);
    }
    committed?;
    shard.store.borrow_mut().merged(tree, &plan, (runs, regarded));
    if shard.store.borrow_mut().tree_layout(tree).is_none() {
        // Dropped meanwhile, and what was made of its runs with it.
        shard.look_for_dropped();
    }
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
    if let Err(error) = shard.make_up(&core) {
        tracing::debug!(shard = %shard.id, %error, "decisions are kept: an outcome is owed");
    }
    // Before the wait: what is made up for meanwhile is not durable at its end.
    let owed = shard.first_owed();
    let last = shard.wal.last_lsn();
    if last.0 > 0 {
        shard.durable(&core, last).await?;
    }
    let upto = owed.map_or(snapshot, |(commit, _)| snapshot.min(Timestamp(commit.0 - 1)));
    Ok(Reply::Settled(upto))
}

impl Shard {
    /// Returns the last record of the log that memory contains wholly, with all before it.
    fn contained(&self) -> Lsn {
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
