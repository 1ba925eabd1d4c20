//! What does a core do with a request for one of its shards?
//!
//! What can be answered at once is. Everything else becomes a future that owns what it needs and
//! holds no borrow while it waits. Requests that change something run detached from their caller:
//! a client that goes away must not stop a commit half-way.

use std::rc::Rc;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use pieskieo_io::rt::{self, CoreId, Queue};

use super::checkpoint;
use super::commit::{self, Proposal};
use super::core::Core;
use super::history;
use super::limits::{
    EXPAND_NODES_PER_STEP, NEIGHBORS_MAX, SCAN_BATCH_ROWS, SCAN_BYTES_MAX, SCAN_ROWS_MAX,
};
use super::loading::{load_missing, loaded};
use super::mailbox::Envelope;
use super::schema;
use super::shard::Shard;
use super::verify;
use crate::error::Error;
use crate::ids::{IndexId, ShardId, TableId};
use crate::key::Key;
use crate::request::{Direction, Fragment, ReadView, Reply, Request, ScanSpec};
use crate::store::{Cursor, PastEdges, PastStats};
use crate::text::TextQuery;

/// How a request goes on.
pub(crate) enum Work {
    /// It is answered.
    Ready(Result<Reply, Error>),
    /// It reads on, in this queue.
    Read(LocalBoxFuture<'static, Result<Reply, Error>>),
    /// It changes something: it must run to its end.
    Change(LocalBoxFuture<'static, Result<Reply, Error>>),
}

/// A collected scan in progress.
struct Collect {
    shard: Rc<Shard>,
    cursor: Cursor,
    schema: SchemaRef,
    /// Whether the rows are counted only.
    counts: bool,
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

/// Carries out a request of this core's own code.
pub(crate) async fn local(
    core: &Rc<Core>,
    shard: ShardId,
    request: Request,
) -> Result<Reply, Error> {
    match start(core, shard, request) {
        Work::Ready(result) => result,
        Work::Read(reading) => reading.await,
        Work::Change(change) => rt::spawn(Queue::Commit, "change", change).await,
    }
}

/// Carries out a request of another core and answers it.
pub(crate) fn remote(core: &Rc<Core>, from: CoreId, envelope: Envelope) {
    let Envelope { id, shard, request } = envelope;
    let (queue, name, work) = match start(core, shard, request) {
        Work::Ready(result) => return core.mailbox().answer(from, id, result),
        Work::Read(reading) => (Queue::Query, "read", reading),
        Work::Change(change) => (Queue::Commit, "change", change),
    };
    let core = core.clone();
    rt::spawn(queue, name, async move {
        let result = work.await;
        core.mailbox().answer(from, id, result);
    });
}

/// Begins a request.
pub(crate) fn start(core: &Rc<Core>, to: ShardId, request: Request) -> Work {
    if let Request::InstallCatalog { next } = request {
        return change(schema::install(core.clone(), next));
    }
    if let Request::Remember = request {
        return change(history::remember(core.clone()));
    }
    let shard = match core.shard(to) {
        Ok(shard) => shard.clone(),
        Err(error) => return Work::Ready(Err(error)),
    };
    let (core, ready) = (core.clone(), Work::Ready);
    match request {
        Request::Scan(spec) => scan(shard, spec, false),
        Request::Count(spec) => scan(shard, spec, true),
        Request::RecordCounts(tables) => {
            ready(Ok(Reply::RecordCounts(shard.store.borrow().record_counts(&tables))))
        }
        Request::Expand { edge, direction, nodes, view } => {
            Work::Read(expand(shard, edge, direction, nodes, view).boxed_local())
        }
        Request::TextStats { table, index, query, view } if view.past => {
            let counting = PastStats::new(table, index, query, view);
            Work::Read(count_past(shard, counting).boxed_local())
        }
        Request::TextStats { table, index, query, view } => {
            at_once_or_read(text_stats(shard, (table, index), query, view))
        }
        Request::Fragment(fragment) => ready(run_fragment(to, fragment)),
        Request::Stage { txn, snapshot, writes } => {
            at_once_or_change(commit::stage(shard, txn, snapshot, writes))
        }
        Request::Commit { txn, snapshot, catalog, writes, validate } => {
            let proposal = Proposal { txn, snapshot, catalog, writes, validate };
            change(commit::commit(core, shard, proposal))
        }
        Request::Prepare { txn, snapshot, catalog, home, writes } => {
            commit::announce(&shard, txn);
            // What was read is validated when the timestamp has been taken.
            let proposal = Proposal { txn, snapshot, catalog, writes, validate: false };
            change(commit::prepare(core, shard, home, proposal))
        }
        Request::Validate { txn, snapshot } => {
            at_once_or_change(commit::validate_read(shard, txn, snapshot))
        }
        Request::Decide(decision) => change(commit::decide(core, shard, decision)),
        Request::Finish { txn, commit } => change(commit::finish(core, shard, txn, commit)),
        Request::Unstage { txn } => {
            commit::unstage(&shard, txn);
            ready(Ok(Reply::Done))
        }
        Request::Abort { txn } => {
            commit::forget(&shard, txn);
            ready(Ok(Reply::Done))
        }
        Request::ChangeCatalog { next } => change(schema::change(core, next)),
        Request::InstallCatalog { .. } | Request::Remember => {
            ready(Err(Error::Internal("answered above".into())))
        }
        Request::Stats => ready(Ok(Reply::Stats(Box::new(shard.stats())))),
        Request::Settled => Work::Read(checkpoint::settled(core, shard).boxed_local()),
        Request::Verify { table } => Work::Read(verify::run(core, shard, table).boxed_local()),
    }
}

async fn text_stats(
    shard: Rc<Shard>,
    (table, index): (TableId, IndexId),
    query: Arc<TextQuery>,
    view: ReadView,
) -> Result<Reply, Error> {
    let stats =
        loaded(&shard, |reach| shard.store.borrow().text_stats(reach, table, index, &query, view));
    stats.await.map(Reply::TextStats)
}

/// Reads as far as nothing has to be loaded, and goes on as a task only then.
fn at_once_or_read(read: impl Future<Output = Result<Reply, Error>> + 'static) -> Work {
    let mut read = read.boxed_local();
    match (&mut read).now_or_never() {
        Some(result) => Work::Ready(result),
        None => Work::Read(read),
    }
}

/// As [`at_once_or_read`], for what must run to its end.
fn at_once_or_change(change: impl Future<Output = Result<Reply, Error>> + 'static) -> Work {
    let mut change = change.boxed_local();
    match (&mut change).now_or_never() {
        Some(result) => Work::Ready(result),
        None => Work::Change(change),
    }
}

fn change(work: impl Future<Output = Result<Reply, Error>> + 'static) -> Work {
    Work::Change(work.boxed_local())
}

fn run_fragment(shard: ShardId, fragment: Box<dyn Fragment>) -> Result<Reply, Error> {
    rt::spawn(Queue::Query, "fragment", async move { fragment.start(shard) });
    Ok(Reply::Done)
}

/// Small scans end here; larger ones go on as a task.
fn scan(shard: Rc<Shard>, spec: ScanSpec, counts: bool) -> Work {
    let mut collect = match Collect::open(shard, spec, counts) {
        Ok(collect) => collect,
        Err(error) => return Work::Ready(Err(error)),
    };
    let mut state = collect.steps();
    match state {
        Ok(true) => Work::Ready(Ok(collect.into_reply())),
        Ok(false) | Err(Error::NotLoaded) => Work::Read(
            async move {
                loop {
                    match state {
                        Ok(true) => return Ok(collect.into_reply()),
                        Ok(false) => rt::yield_now().await,
                        Err(Error::NotLoaded) => {
                            load_missing(&collect.shard, collect.cursor.pins()).await?;
                        }
                        Err(error) => return Err(error),
                    }
                    state = collect.steps();
                }
            }
            .boxed_local(),
        ),
        Err(error) => Work::Ready(Err(error)),
    }
}

impl Collect {
    fn open(shard: Rc<Shard>, spec: ScanSpec, counts: bool) -> Result<Self, Error> {
        let cursor = shard.store.borrow().open_scan(spec)?;
        let schema = cursor.schema().clone();
        Ok(Self { shard, cursor, schema, counts, batches: Vec::new(), rows: 0, bytes: 0 })
    }

    /// Reads until the end or until the core is wanted elsewhere. Returns whether it is the end.
    fn steps(&mut self) -> Result<bool, Error> {
        while !self.step()? {
            if rt::need_preempt() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads one batch. Returns whether the scan is at its end.
    fn step(&mut self) -> Result<bool, Error> {
        let next = self.shard.store.borrow().next_batch(&mut self.cursor, SCAN_BATCH_ROWS)?;
        let Some(batch) = next else { return Ok(true) };
        if batch.num_rows() == 0 {
            return Ok(false);
        }
        self.rows += batch.num_rows();
        if self.counts {
            return Ok(false);
        }
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
        if self.rows > SCAN_ROWS_MAX {
            return Err(too_large("rows", SCAN_ROWS_MAX));
        }
        if self.bytes > SCAN_BYTES_MAX {
            return Err(too_large("bytes", SCAN_BYTES_MAX));
        }
        Ok(false)
    }

    fn into_reply(self) -> Reply {
        if self.counts {
            return Reply::Count(self.rows as u64);
        }
        Reply::Batches { schema: self.schema, batches: self.batches }
    }
}

async fn expand(
    shard: Rc<Shard>,
    edge: TableId,
    direction: Direction,
    nodes: Vec<Key>,
    view: ReadView,
) -> Result<Reply, Error> {
    if view.past {
        return expand_past(shard, PastEdges::new(edge, direction, nodes, view)).await;
    }
    let mut found = Vec::new();
    for (step, nodes) in nodes.chunks(EXPAND_NODES_PER_STEP).enumerate() {
        let first = (step * EXPAND_NODES_PER_STEP) as u32;
        let neighbors = shard.store.borrow().expand(edge, direction, nodes, view)?;
        found.extend(neighbors.into_iter().map(|mut neighbor| {
            neighbor.from += first;
            neighbor
        }));
        if found.len() > NEIGHBORS_MAX {
            return Err(too_large("edges", NEIGHBORS_MAX));
        }
        rt::yield_if_needed().await;
    }
    Ok(Reply::Neighbors(found))
}

async fn expand_past(shard: Rc<Shard>, mut walk: PastEdges) -> Result<Reply, Error> {
    while !loaded(&shard, |reach| walk.step(&shard.store.borrow(), reach)).await? {
        if walk.found.len() > NEIGHBORS_MAX {
            return Err(too_large("edges", NEIGHBORS_MAX));
        }
        rt::yield_if_needed().await;
    }
    Ok(Reply::Neighbors(walk.found))
}

async fn count_past(shard: Rc<Shard>, mut counting: PastStats) -> Result<Reply, Error> {
    while !loaded(&shard, |reach| counting.step(&shard.store.borrow(), reach)).await? {
        rt::yield_if_needed().await;
    }
    Ok(Reply::TextStats(counting.stats))
}

fn too_large(unit: &str, limit: usize) -> Error {
    Error::TooLarge(format!("the answer of one shard exceeds the limit of {limit} {unit}"))
}
