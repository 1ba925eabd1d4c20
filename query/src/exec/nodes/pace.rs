//! How does an operator that never waits leave time for others, and stop when it is told to?
//!
//! Joins, sorts and the like can give batch after batch without ever waiting for anything, and
//! what consumes them asks for the next one in a loop: nothing else would run on this core until
//! they end. A pace between them looks at the clock and at the statement's `Stop` at every batch.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions, Statistics,
};
use futures::{Stream, StreamExt};
use pieskieo_io::rt;
use pieskieo_io::time::{self, Monotonic};

use super::only_child;
use crate::exec::here::external;
use crate::exec::scope::{Scope, Stop};

/// Rows of the first slice: the other side of a join may have millions.
const SLICE_ROWS: usize = 1;

/// Time that the work on one slice should take: less, and slices grow; more than twice of it, and
/// they shrink.
const SLICE_TIME: Duration = Duration::from_millis(2);

thread_local! {
    /// The time of the operator that computes now, kept by the pace above it.
    static BUSY: Cell<Option<Busy>> = const { Cell::new(None) };
}

/// Passes on the batches of its input, gives way to other work in between, and fails when the
/// statement must stop.
#[derive(Debug, Clone)]
pub struct Pace {
    input: Arc<dyn ExecutionPlan>,
    /// Whether batches are cut so small that the consumer's work on one stays short.
    slices: bool,
}

impl Pace {
    /// Paces what an operator gives.
    pub fn of(input: Arc<dyn ExecutionPlan>) -> Self {
        Self { input, slices: false }
    }

    /// Paces what an operator takes whose work on one batch may be many times the batch, such as a
    /// join that compares each row with all of its other side.
    pub fn sliced(input: Arc<dyn ExecutionPlan>) -> Self {
        Self { input, slices: true }
    }
}

impl DisplayAs for Pace {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pace")
    }
}

impl ExecutionPlan for Pace {
    fn name(&self) -> &str {
        "Pace"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self { input: only_child(children)?, slices: self.slices }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self { input: only_child(children)?, slices: self.slices }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let stop = Scope::of(&context)?.stop.clone();
        let input = self.input.execute(partition, context)?;
        let slicer = self.slices.then(Slicer::default);
        Ok(Box::pin(Paced { input, stop, slicer, gave_way: false, took: Duration::ZERO }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        None
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        Ok(inputs[0].clone())
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}

struct Paced {
    input: SendableRecordBatchStream,
    stop: Stop,
    slicer: Option<Slicer>,
    /// Others had their turn: the next batch is due, whatever the clock says.
    gave_way: bool,
    /// How long the input has computed.
    took: Duration,
}

/// How long an operator has computed, whatever passed while it waited.
#[derive(Clone, Copy)]
struct Busy {
    /// Until it was asked last.
    before: Duration,
    /// When it was asked last.
    since: Monotonic,
}

impl Busy {
    fn sum(self) -> Duration {
        self.before + self.since.elapsed()
    }

    fn of_now() -> Duration {
        BUSY.get().map_or(Duration::ZERO, Self::sum)
    }
}

impl Stream for Paced {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Err(error) = self.stop.check() {
            return Poll::Ready(Some(Err(external(error))));
        }
        if !std::mem::replace(&mut self.gave_way, true) && rt::need_preempt() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.gave_way = false;
        if let Some(slice) = self.slicer.as_mut().and_then(Slicer::next) {
            return Poll::Ready(Some(Ok(slice)));
        }
        let busy = Busy { before: self.took, since: time::now() };
        let outer = BUSY.replace(Some(busy));
        let polled = self.input.poll_next_unpin(cx);
        BUSY.set(outer);
        self.took = busy.sum();
        let batch = std::task::ready!(polled);
        Poll::Ready(match (batch, self.slicer.as_mut()) {
            (Some(Ok(batch)), Some(slicer)) => Some(Ok(slicer.cut(batch))),
            (batch, _) => batch,
        })
    }
}

impl RecordBatchStream for Paced {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}

/// Cuts batches by how long the work on the slices before took.
struct Slicer {
    rest: Option<RecordBatch>,
    /// Rows of a slice.
    rows: usize,
    /// How long the consumer had computed when it got the slice it works on.
    given: Option<Duration>,
}

impl Default for Slicer {
    fn default() -> Self {
        Self { rest: None, rows: SLICE_ROWS, given: None }
    }
}

impl Slicer {
    /// Returns the next slice of the batch in hand.
    fn next(&mut self) -> Option<RecordBatch> {
        if let Some(given) = self.given.take() {
            let took = Busy::of_now().saturating_sub(given);
            if took < SLICE_TIME {
                self.rows = self.rows.saturating_mul(2).min(super::BATCH_ROWS);
            } else if took > 2 * SLICE_TIME {
                self.rows = (self.rows / 2).max(1);
            }
        }
        let rest = self.rest.take()?;
        Some(self.cut(rest))
    }

    /// Takes a batch in hand and returns its first slice.
    fn cut(&mut self, batch: RecordBatch) -> RecordBatch {
        self.given = Some(Busy::of_now());
        if batch.num_rows() <= self.rows {
            return batch;
        }
        self.rest = Some(batch.slice(self.rows, batch.num_rows() - self.rows));
        batch.slice(0, self.rows)
    }
}
