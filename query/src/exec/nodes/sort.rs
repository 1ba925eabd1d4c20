//! How are rows sorted in memory without holding up the core?
//!
//! DataFusion's sort takes all rows and then orders them at one go, which for millions is seconds.
//! This one orders a run as soon as there are so many rows, and merges runs batch by batch.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{LexOrdering, PhysicalExpr};
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::sorts::sort::{SortExec, sort_batch_chunked};
use datafusion::physical_plan::sorts::streaming_merge::StreamingMergeBuilder;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions, Statistics,
};
use futures::{StreamExt, TryStreamExt};
use pieskieo_io::rt;

use crate::exec::here::external;
use crate::exec::scope::{Scope, Stop};

/// Rows of a run: about ten milliseconds of sorting, estimated.
const RUN_ROWS: usize = 65_536;

/// Sorts in memory, run by run. Takes the place of a `SortExec` that keeps all rows.
#[derive(Debug, Clone)]
pub struct Sort {
    sort: SortExec,
    metrics: ExecutionPlanMetricsSet,
}

impl Sort {
    /// Takes the place of `sort`, which must not have a limit: the best few are kept as they come.
    pub fn instead_of(sort: &SortExec) -> Self {
        Self { sort: sort.clone(), metrics: ExecutionPlanMetricsSet::new() }
    }

    fn over(&self, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let sort = replace_children_if_necessary(Arc::new(self.sort.clone()), children)?;
        match sort.downcast_ref::<SortExec>() {
            Some(sort) => Ok(Arc::new(Self::instead_of(sort))),
            None => internal_err!("a sort over another input is no sort"),
        }
    }
}

impl DisplayAs for Sort {
    fn fmt_as(&self, how: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sort.fmt_as(how, f)
    }
}

impl ExecutionPlan for Sort {
    fn name(&self) -> &str {
        "Sort"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.sort.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.sort.children()
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.sort.apply_expressions(f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let stop = Scope::of(&context)?.stop.clone();
        let work = Work {
            schema: self.schema(),
            order: self.sort.expr().clone(),
            batch_rows: context.session_config().batch_size(),
            memory: MemoryConsumer::new("Sort").register(context.memory_pool()),
            metrics: BaselineMetrics::new(&self.metrics, partition),
            runs: Vec::new(),
        };
        let input = self.sort.input().execute(partition, context)?;
        let sorted = futures::stream::once(work.sort(input, stop)).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), sorted)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.sort.statistics_from_inputs(inputs, args)
    }
}

/// A sort under way.
struct Work {
    schema: SchemaRef,
    order: LexOrdering,
    batch_rows: usize,
    memory: MemoryReservation,
    metrics: BaselineMetrics,
    runs: Vec<Run>,
}

/// Rows in order, and the memory they are counted with.
struct Run {
    batches: Vec<RecordBatch>,
    memory: MemoryReservation,
}

impl Work {
    async fn sort(
        mut self,
        mut input: SendableRecordBatchStream,
        stop: Stop,
    ) -> Result<SendableRecordBatchStream> {
        let (mut next, mut rows) = (Vec::new(), 0);
        while let Some(batch) = input.next().await {
            let batch = batch?;
            // It is there once as it came and, while a run is made of it, once in order.
            self.memory.try_grow(2 * get_record_batch_memory_size(&batch))?;
            rows += batch.num_rows();
            next.push(batch);
            if rows >= RUN_ROWS {
                self.add_run(&mut next)?;
                rows = 0;
            }
            stop.check().map_err(external)?;
            rt::yield_if_needed().await;
        }
        drop(input);
        self.add_run(&mut next)?;
        self.merge()
    }

    /// Orders the rows in hand.
    fn add_run(&mut self, rows: &mut Vec<RecordBatch>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let timer = self.metrics.elapsed_compute().timer();
        let whole = concat_batches(&self.schema, &*rows)?;
        rows.clear();
        let batches = sort_batch_chunked(&whole, &self.order, self.batch_rows)?;
        drop(whole);
        timer.done();
        let bytes = batches.iter().map(get_record_batch_memory_size).sum();
        let memory = self.memory.take();
        memory.try_resize(bytes)?;
        self.runs.push(Run { batches, memory });
        Ok(())
    }

    fn merge(self) -> Result<SendableRecordBatchStream> {
        let Self { schema, order, batch_rows, memory, metrics, runs } = self;
        let mut streams: Vec<_> = runs.into_iter().map(|run| run.stream(schema.clone())).collect();
        let sorted = match (streams.len(), streams.pop()) {
            (_, None) => Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::empty())),
            (1, Some(only)) => {
                let counted = only.inspect(move |batch| {
                    if let Ok(batch) = batch {
                        metrics.record_output(batch.num_rows());
                    }
                });
                Box::pin(RecordBatchStreamAdapter::new(schema, counted))
                    as SendableRecordBatchStream
            }
            (_, Some(last)) => {
                streams.push(last);
                StreamingMergeBuilder::new()
                    .with_streams(streams)
                    .with_schema(schema)
                    .with_expressions(&order)
                    .with_metrics(metrics)
                    .with_batch_size(batch_rows)
                    .with_reservation(memory)
                    .build()?
            }
        };
        Ok(sorted)
    }
}

impl Run {
    /// Gives the rows; their memory is free when they are gone.
    fn stream(self, schema: SchemaRef) -> SendableRecordBatchStream {
        let Self { batches, memory } = self;
        let batches = futures::stream::unfold(
            (batches.into_iter(), memory),
            async |(mut batches, memory)| {
                let batch = batches.next()?;
                // What is left is counted; more than that is not known of a slice.
                memory.try_shrink(get_record_batch_memory_size(&batch)).ok();
                Some((Ok(batch), (batches, memory)))
            },
        );
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }
}
