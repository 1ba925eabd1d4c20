//! How does a plan start, and how do its rows come out?

use std::any::Any;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use futures::{Stream, StreamExt};
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::Table;
use pieskieo_shards::request::{Reply, Request};
use pieskieo_shards::text::TextStats;

use super::nodes::ShardScan;
use super::path::{Matching, ScanPath};
use super::piece::run_at;
use super::scope::{Scope, Stop};
use crate::error::{Error, Result, code};
use crate::plan::{Engine, Means};

/// The rows of a running plan. Dropping them stops the plan on every core.
pub struct Running {
    batches: SendableRecordBatchStream,
    /// What came before anybody asked.
    first: Option<RecordBatch>,
    stop: Stop,
    /// It has ended or failed: nothing comes any more.
    is_over: bool,
    /// What must live as long as the plan runs, such as the lease of its snapshot.
    _keep: Box<dyn Any>,
}

/// What queries are planned and started with.
pub struct Planning<'a> {
    /// The core that coordinates.
    pub core: &'a Rc<Core>,
    /// Its planner.
    pub engine: &'a Engine,
    /// Rows of scans from which on all cores join, group and sort.
    pub parallel_rows: u64,
}

impl Planning<'_> {
    /// Plans a query for memory: for one core that joins and groups, or for all, when that is so many
    /// rows that sharing them costs less.
    ///
    /// **Errors**: whatever planning refuses.
    pub async fn plan(&self, query: &LogicalPlan) -> Result<(Arc<dyn ExecutionPlan>, Means)> {
        self.engine.counts().refresh(self.core, query).await?;
        let plan = self.engine.physical(query, Means::Memory).await?;
        if self.engine.has_cores()
            && rows_read(&plan) >= self.parallel_rows
            // Not every plan can be made so; that for one core can always run.
            && let Ok(shared) = self.engine.physical(query, Means::Cores).await
        {
            return Ok((shared, Means::Cores));
        }
        Ok((plan, Means::Memory))
    }

    /// Plans a query, starts it and waits for the first of its rows. `keep` lives until the rows are
    /// dropped. What does not fit in memory is planned and started again for disk; nobody has seen a
    /// row until then.
    ///
    /// **Errors**: whatever planning and the first steps of the plan refuse.
    pub async fn start(
        &self,
        query: &LogicalPlan,
        scope: Scope,
        keep: impl Any,
    ) -> Result<(Arc<dyn ExecutionPlan>, Running)> {
        let Self { core, engine, .. } = *self;
        let (mut plan, means) = self.plan(query).await?;
        let first_try = Scope { stop: scope.stop.child(), ..scope.clone() };
        let mut running = begin(core, engine, &plan, first_try, means).await;
        if let Err(refusal) = &running
            && refusal.code == code::OUT_OF_MEMORY.code
            && engine.has_disk()
            // Not every plan can be made for disk; what is told then is that memory is short.
            && let Ok(other) = engine.physical(query, Means::Disk).await
        {
            plan = other;
            running = begin(core, engine, &plan, scope, Means::Disk).await;
        }
        let mut running = running?;
        running._keep = Box::new(keep);
        Ok((plan, running))
    }
}

/// Returns how many rows scans bring, about.
fn rows_read(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let rows =
        plan.downcast_ref::<ShardScan>().map_or(0, |scan| scan.parts().estimate().unwrap_or(0));
    let below = plan.children().into_iter().map(rows_read);
    below.fold(rows, u64::saturating_add)
}

/// Starts a plan and waits for the first of its rows.
async fn begin(
    core: &Rc<Core>,
    engine: &Engine,
    plan: &Arc<dyn ExecutionPlan>,
    scope: Scope,
    means: Means,
) -> Result<Running> {
    gather_statistics(core, plan, &scope).await?;
    let stop = scope.stop.clone();
    let batches = run_at(None, plan, 0, &engine.task(scope, means))?;
    let mut running = Running { batches, first: None, stop, is_over: false, _keep: Box::new(()) };
    running.first = running.next().await.transpose()?;
    Ok(running)
}

impl Stream for Running {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.is_over {
            return Poll::Ready(None);
        }
        let next = std::task::ready!(self.batches.poll_next_unpin(cx));
        self.is_over = !matches!(next, Some(Ok(_)));
        Poll::Ready(next.map(|batch| batch.map_err(Error::from)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Gathers the statistics of every text search in the plan, at the statement's snapshot.
async fn gather_statistics(
    core: &Rc<Core>,
    plan: &Arc<dyn ExecutionPlan>,
    scope: &Scope,
) -> Result<()> {
    let mut searches = Vec::new();
    collect_searches(plan, &mut searches);
    for (table, search) in searches {
        let stats = statistics(core, &table, &search, scope).await?;
        // Set once per run; the same search elsewhere in the plan has the same statistics.
        search.stats.set(Arc::new(stats)).ok();
    }
    Ok(())
}

fn collect_searches(plan: &Arc<dyn ExecutionPlan>, out: &mut Vec<(Arc<Table>, Matching)>) {
    if let Some(scan) = plan.downcast_ref::<ShardScan>()
        && let ScanPath::Matching(matching) = &scan.parts().path
    {
        out.push((scan.parts().table.clone(), matching.clone()));
    }
    for child in plan.children() {
        collect_searches(child, out);
    }
}

/// Sums the statistics of a text search over all shards.
///
/// **Errors**: whatever a shard refuses.
pub async fn statistics(
    core: &Rc<Core>,
    table: &Table,
    search: &Matching,
    scope: &Scope,
) -> Result<TextStats> {
    let requests = core.shards().map(|shard| {
        let request = Request::TextStats {
            table: table.id,
            index: search.index,
            query: search.query.clone(),
            view: scope.view,
        };
        (shard, request)
    });
    let mut sum = TextStats::default();
    for reply in core.call_all(requests).await? {
        let Reply::TextStats(stats) = reply else {
            return Err(Error::internal("statistics were answered with something else"));
        };
        sum.add(&stats);
    }
    Ok(sum)
}
