//! How does a core come into service, and how does it leave?
//!
//! The cores of a process open together, in step:
//!
//! 1. Core 0 reads or writes the data directory's description; all learn it.
//! 2. Each replays the logs of its shards.
//! 3. They exchange which transactions are in doubt, and the newest catalog.
//! 4. Each answers for the logs it has; each settles its own shards and logs that.
//! 5. Core 0 opens what is known of the past.
//! 6. When all are done, each starts its tasks.
//!
//! A failure of one core is the failure of all: none serves half a database.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use pieskieo_io::file::{Dir, DirLock};
use pieskieo_io::rt::{self, Queue};
use pieskieo_io::wal::WalOptions;

use super::boot::{CoreBoot, Shared};
use super::core::{Core, Pieces};
use super::limits::{CLOSE_SECONDS_MAX, DEADLINE_CHECK_MS};
use super::mailbox::Mailbox;
use super::meta::{self, LOG_FOLDER, Meta, SEGMENT_FOLDER};
use super::recover::{self, Folders, Opened, Outcome, Replayed, Survey, Verdicts};
use super::shard::Shard;
use super::{checkpoint, history, maintain, serve};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::ids::{ShardId, TxnId};
use crate::txn::CoreClock;

/// Tells the other cores when this one goes away before it got through.
struct Attempt {
    shared: Arc<Shared>,
    core: u16,
    done: bool,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.done {
            let text = format!("core {} stopped while opening", self.core);
            self.shared.abandon(&Error::Storage(text));
        }
    }
}

/// Shards that are settled but not yet in service, and what their logs must be told.
type Settled = Vec<(Replayed, Vec<Outcome>)>;

impl Core {
    /// Opens this executor's part of the data directory. Every core of the [`super::Boot`] must
    /// open; each returns when all have recovered.
    ///
    /// **Errors**: `Corrupt` naming file and LSN for a damaged log, `InvalidValue` when another
    /// number of shards was asked for than the directory has, `Storage` for the layer below. One
    /// core's error is returned by all.
    pub async fn open(boot: CoreBoot) -> Result<Rc<Self>, Error> {
        let (shared, core) = (boot.shared.clone(), boot.core.0);
        let mut attempt = Attempt { shared: shared.clone(), core, done: false };
        let opened = Self::open_in_step(boot).await;
        if let Err(error) = &opened {
            shared.abandon(error);
        }
        attempt.done = true;
        opened
    }

    async fn open_in_step(boot: CoreBoot) -> Result<Rc<Self>, Error> {
        let CoreBoot { core: id, shared, requests, answers } = boot;
        let number = usize::from(id.0);
        let (meta, owned) = describe(&shared, number).await?;
        let (lock, first) = owned.unzip();
        let replayed = replay_all(&shared, &meta, number, first).await;
        let (settled, catalog) = settle(&shared, number, replayed).await?;
        // All have raised the clock.
        shared.settled.meet(number, Ok(())).await?;
        let history = match number {
            0 => history::open(&shared, &meta, &catalog).await,
            _ => Ok(None),
        };
        let (history, known) = match history {
            Ok(history) => (history, Ok(())),
            Err(error) => (None, Err(error)),
        };
        let clock = CoreClock::new(shared.clock.clone(), number);
        let mut shards = BTreeMap::new();
        let mut outcomes = Vec::new();
        for (replayed, told) in settled {
            let shard = replayed.shard;
            shard.serve();
            outcomes.push((shard.clone(), told));
            shards.insert(shard.id, shard);
        }
        let mailbox = Mailbox::new(requests, answers, shared.left.clone());
        let shared = shared.clone();
        let pieces = Pieces { id, shared, meta, lock, clock, mailbox, shards, catalog, history };
        let core = Self::assemble(pieces);
        let shared = core.shared();
        let logged = match known {
            Ok(()) => log_outcomes(&core, outcomes).await,
            Err(error) => Err(error),
        };
        shared.opened.meet(number, logged).await?;
        core.start_tasks();
        Ok(core)
    }

    fn start_tasks(self: &Rc<Self>) {
        let core = self.clone();
        self.keep(rt::spawn(Queue::Lanes, "requests", async move {
            while let Some((from, envelope)) = core.mailbox().next_request().await {
                serve::remote(&core, from, envelope);
                rt::yield_if_needed().await;
            }
        }));
        let core = self.clone();
        self.keep(rt::spawn(Queue::Lanes, "answers", async move {
            while core.mailbox().take_answer().await {
                rt::yield_if_needed().await;
            }
        }));
        let core = self.clone();
        self.keep(rt::spawn(Queue::Lanes, "deadlines", async move {
            loop {
                rt::sleep(Duration::from_millis(DEADLINE_CHECK_MS)).await;
                core.mailbox().expire();
            }
        }));
        self.keep(rt::spawn(Queue::Commit, "clock", self.clock().clone().run()));
        if !self.shared().options.storage.retention.is_zero() {
            let run = history::run_collection(self.clone());
            self.keep(rt::spawn(Queue::Maintenance, "collection", run));
        }
        if self.history().is_some() {
            let run = history::run(self.clone());
            self.keep(rt::spawn(Queue::Maintenance, "history", run));
        }
        for shard in self.shards_here() {
            shard.work.notify();
            let run = maintain::run(self.clone(), shard.clone());
            self.keep(rt::spawn(Queue::Maintenance, "maintain", run));
            let run = checkpoint::run(self.clone(), shard.clone());
            self.keep(rt::spawn(Queue::Maintenance, "checkpoint", run));
            let run = checkpoint::run_images(self.clone(), shard.clone());
            self.keep(rt::spawn(Queue::Maintenance, "images", run));
            let run = checkpoint::run_merges(self.clone(), shard.clone());
            self.keep(rt::spawn(Queue::Maintenance, "merge", run));
        }
    }

    /// Leaves service: waits for the other cores to leave too, stops this core's tasks, closes
    /// its logs. What was committed before is durable; calls still open are answered `Cancelled`.
    ///
    /// **Errors**: `Storage` when a log cannot be closed; everything acknowledged is safe anyway.
    pub async fn close(&self) -> Result<(), Error> {
        let shared = self.shared();
        let everybody = shared.closed.meet(usize::from(self.id().0), Ok(()));
        if rt::timeout(Duration::from_secs(CLOSE_SECONDS_MAX), everybody).await.is_err() {
            tracing::warn!(core = self.id().0, "closing without waiting for the other cores");
        }
        shared.clock.stop();
        // An edit of a manifest that has begun is not cut off.
        let mut turns = Vec::new();
        for shard in self.shards_here() {
            turns.push(shard.storage.turn().await);
        }
        let history = match self.history() {
            Some(file) => Some(file.turn().await),
            None => None,
        };
        shared.left[usize::from(self.id().0)].store(true, Ordering::SeqCst);
        for task in self.take_tasks() {
            task.cancel().await;
        }
        drop((turns, history));
        self.mailbox().clear();
        let closes = self.shards_here().map(|shard| shard.wal.close());
        for closed in join_all(closes).await {
            closed.map_err(|error| Error::Storage(format!("close the log: {error}")))?;
        }
        Ok(())
    }
}

/// What core 0 brings from step 1.
type Owned = (DirLock, Opened);

/// Step 1. Core 0 also keeps other processes out of the directory, and opens the first log alone:
/// the first opening ever measures the disk and remembers the result for all logs.
async fn describe(shared: &Shared, number: usize) -> Result<(Meta, Option<Owned>), Error> {
    let (brings, owned) = if number == 0 {
        match create_or_open(shared).await {
            Ok((meta, owned)) => (Ok(Some(meta)), Some(owned)),
            Err(error) => (Err(error), None),
        }
    } else {
        (Ok(None), None)
    };
    let brought = shared.described.meet(number, brings).await?;
    let meta = brought.iter().find_map(|meta| Option::clone(meta));
    let meta = meta.ok_or_else(|| Error::Internal("core 0 brought no description".into()))?;
    Ok((meta, owned))
}

async fn create_or_open(shared: &Shared) -> Result<(Meta, Owned), Error> {
    let options = &shared.options;
    let dir = Dir::create(&options.path).await.map_err(storage)?;
    let lock = dir.lock().await.map_err(storage)?;
    let meta = meta::open_or_create(&dir, options.shard_count, options.cores).await?;
    let logs = dir.subdir(LOG_FOLDER).await.map_err(storage)?;
    let segments = dir.subdir(SEGMENT_FOLDER).await.map_err(storage)?;
    dir.sync().await.map_err(storage)?;
    let wal = log_options(shared, &meta);
    let folders = folders(shared, &meta, (&logs, &segments), &wal);
    let first = recover::open(&folders, ShardId(0)).await?;
    Ok((meta, (lock, first)))
}

fn folders<'a>(
    shared: &Shared,
    meta: &Meta,
    (logs, segments): (&'a Dir, &'a Dir),
    wal: &'a WalOptions,
) -> Folders<'a> {
    let (limits, shard_count) = (shared.options.storage, meta.shard_count);
    Folders { logs, segments, wal, limits, shard_count, timeline: shared.timeline.clone() }
}

fn log_options(shared: &Shared, meta: &Meta) -> WalOptions {
    WalOptions { database: meta.uuid, ..shared.options.wal.clone() }
}

/// Step 2.
async fn replay_all(
    shared: &Shared,
    meta: &Meta,
    number: usize,
    mut first: Option<Opened>,
) -> Result<Vec<Replayed>, Error> {
    let dir = Dir::open(&shared.options.path).await.map_err(storage)?;
    let logs = dir.subdir(LOG_FOLDER).await.map_err(storage)?;
    let segments = dir.subdir(SEGMENT_FOLDER).await.map_err(storage)?;
    let wal = log_options(shared, meta);
    let folders = &folders(shared, meta, (&logs, &segments), &wal);
    let mine = (0..meta.shard_count)
        .filter(|shard| usize::from(shard % shared.options.cores) == number)
        .map(|shard| {
            let opened = first.take();
            async move {
                let opened = match opened {
                    Some(opened) => opened,
                    None => recover::open(folders, ShardId(shard)).await?,
                };
                recover::replay(opened).await
            }
        });
    try_join_all(mine).await
}

/// Steps 3 and 4, up to logging the outcomes.
async fn settle(
    shared: &Shared,
    number: usize,
    replayed: Result<Vec<Replayed>, Error>,
) -> Result<(Settled, Arc<Catalog>), Error> {
    let (mut replayed, survey) = match replayed {
        Ok(replayed) => {
            let survey = survey(&replayed);
            (replayed, Ok(survey))
        }
        Err(error) => (Vec::new(), Err(error)),
    };
    let surveys = shared.surveyed.meet(number, survey).await?;
    let verdicts = judge(&replayed, &surveys);
    let judged = shared.judged.meet(number, Ok(verdicts)).await?;
    let verdicts: Verdicts =
        judged.iter().flat_map(|found| found.iter().map(|(txn, at)| (*txn, *at))).collect();
    let catalog = surveys.iter().find_map(|survey| survey.catalog.clone());
    let catalog = catalog.ok_or_else(|| Error::Internal("nobody has shard 0".into()))?;
    let mut settled = Vec::new();
    for mut shard in replayed.drain(..) {
        let outcomes = shard.resolve(&verdicts).await?;
        check_catalog(&shard, &catalog)?;
        shared.clock.raise(shard.last);
        shared.txn_next.fetch_max(shard.txn_last.0 + 1, Ordering::SeqCst);
        settled.push((shard, outcomes));
    }
    Ok((settled, catalog))
}

fn survey(replayed: &[Replayed]) -> Survey {
    let in_doubt = replayed
        .iter()
        .flat_map(|shard| shard.in_doubt.iter().map(|(txn, doubt)| (*txn, doubt.home)))
        .collect();
    let owner = replayed.iter().find(|replayed| replayed.shard.id == ShardId(0));
    let catalog = |replayed: &Replayed| replayed.shard.store.borrow().catalog().clone();
    Survey { in_doubt, catalog: owner.map(catalog) }
}

/// Answers, from this core's logs, what the others are in doubt about.
fn judge(replayed: &[Replayed], surveys: &[Arc<Survey>]) -> Verdicts {
    let asked = surveys.iter().flat_map(|survey| survey.in_doubt.iter());
    asked
        .filter_map(|(txn, home)| {
            let home = replayed.iter().find(|replayed| replayed.shard.id == *home)?;
            home.shard.decisions.borrow().get(txn).map(|commit| (*txn, *commit))
        })
        .collect()
}

fn check_catalog(shard: &Replayed, newest: &Catalog) -> Result<(), Error> {
    let shard = &shard.shard;
    let known = shard.store.borrow().catalog().version;
    if known > newest.version {
        return Err(Error::Corrupt(format!(
            "shard {} has catalog {known}, shard 0 ends at {}: the end of its log, 00000-*.wal, is \
             lost; restore the data folder from a backup",
            shard.id, newest.version
        )));
    }
    Ok(())
}

/// Logs what the settlement decided. Lazy: the next recovery would decide the same again.
async fn log_outcomes(
    core: &Rc<Core>,
    outcomes: Vec<(Rc<Shard>, Vec<Outcome>)>,
) -> Result<(), Error> {
    let newest = core.catalog();
    for (shard, outcomes) in outcomes {
        // They are of before the catalog, which may empty their tables.
        for Outcome { txn, commit } in outcomes {
            shard.log_outcome(core, txn, commit);
            report(&shard, txn, commit.is_some());
        }
        shard.follow(core, &newest).await?;
        rt::yield_if_needed().await;
    }
    Ok(())
}

fn report(shard: &Shard, txn: TxnId, committed: bool) {
    let outcome = if committed { "committed" } else { "rolled back" };
    tracing::info!(shard = %shard.id, %txn, outcome, "settled a transaction in doubt");
}

fn storage(error: impl std::fmt::Display) -> Error {
    Error::Storage(error.to_string())
}
