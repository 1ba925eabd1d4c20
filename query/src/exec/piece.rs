//! How does one partition of a plan run on the core of its shard?

use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use pieskieo_io::rt::{self, Queue};
use pieskieo_shards::actor::Core;
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::request::{Fragment, Request};

use super::here::{self, external};
use super::pipe::{Excuse, Outlet, pipe};
use super::scope::Scope;

/// One partition of a plan, on its way to where it runs.
struct Piece {
    plan: Arc<dyn ExecutionPlan>,
    partition: usize,
    context: Arc<TaskContext>,
    outlet: Outlet,
}

impl Fragment for Piece {
    fn start(self: Box<Self>, _shard: ShardId) {
        // Detached: it ends when its work does, or when nobody listens.
        drop(rt::spawn(Queue::Query, "fragment", self.run()));
    }
}

impl Piece {
    async fn run(self: Box<Self>) {
        let Self { plan, partition, context, outlet } = *self;
        outlet
            .feed(async |outlet| {
                let stop = Scope::of(&context)?.stop.clone();
                let mut batches = plan.execute(partition, context)?;
                while let Some(batch) = batches.next().await {
                    if !send_nonempty(outlet, batch?).await {
                        break;
                    }
                    stop.check().map_err(external)?;
                    rt::yield_if_needed().await;
                }
                Ok(())
            })
            .await;
    }
}

async fn send_nonempty(outlet: &mut Outlet, batch: RecordBatch) -> bool {
    batch.num_rows() == 0 || outlet.send(batch).await
}

/// Runs partition `partition` of `plan` on the core of `shard` (`None` = this core) and returns
/// its batches. Dropping the stream ends the work.
///
/// The work starts at once, not when the stream is first polled: every partition of a plan must
/// be under way for any of them to end, because they share the build sides of joins.
pub fn run_at(
    shard: Option<ShardId>,
    plan: &Arc<dyn ExecutionPlan>,
    partition: usize,
    context: &Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let (outlet, excuse, stream) = pipe(plan.schema());
    let piece = Box::new(Piece { plan: plan.clone(), partition, context: context.clone(), outlet });
    dispatch(shard, piece, excuse)?;
    Ok(stream)
}

/// Starts a fragment on the core of `shard`.
pub fn dispatch(shard: Option<ShardId>, fragment: Box<dyn Fragment>, excuse: Excuse) -> Result<()> {
    let core = here::core()?;
    match shard {
        Some(shard) if !core.is_local(shard) => {
            drop(rt::spawn(Queue::Query, "dispatch", send(core, shard, fragment, excuse)));
        }
        local => fragment.start(local.unwrap_or_default()),
    }
    Ok(())
}

async fn send(
    core: std::rc::Rc<Core>,
    shard: ShardId,
    fragment: Box<dyn Fragment>,
    excuse: Excuse,
) {
    if let Err(error) = core.call(shard, Request::Fragment(fragment)).await {
        excuse.give(error.into());
    }
}
