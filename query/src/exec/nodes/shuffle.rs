//! How do rows get to the partition where their values belong?

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::coalesce::BatchCoalescer;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, Time,
};
use datafusion::physical_plan::repartition::BatchPartitioner;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PlanProperties, ReplaceChildrenOptions, apply_expression_roots,
};
use futures::stream::select_all;
use futures::{FutureExt, StreamExt};
use pieskieo_io::rt::{self, Queue};
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::request::Fragment;

use super::only_child;
use crate::exec::here::external;
use crate::exec::home::home;
use crate::exec::panicked;
use crate::exec::piece::dispatch;
use crate::exec::pipe::{Excuse, Outlet, excused_pipe};
use crate::exec::scope::Scope;
use crate::exec::spread::Spread;
use crate::plan::Means;

/// Runs every partition of its input on the core of that partition's shard and sends each row to the
/// partition its values hash to, which is read on the core of the shard of that number. Takes the
/// place of DataFusion's `RepartitionExec`.
#[derive(Debug, Clone)]
pub struct Shuffle {
    input: Arc<dyn ExecutionPlan>,
    by: Vec<Arc<dyn PhysicalExpr>>,
    count: usize,
    /// What each partition will read, once the first of them is started.
    parts: Arc<Mutex<Option<Parts>>>,
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

/// One stream of each input for each partition; `None` = taken.
struct Parts(Vec<Option<Vec<SendableRecordBatchStream>>>);

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Parts").field(&self.0.len()).finish()
    }
}

impl Shuffle {
    /// Sends the rows of `input` to `count` partitions by the values of `by`.
    pub fn new(
        input: Arc<dyn ExecutionPlan>,
        by: Vec<Arc<dyn PhysicalExpr>>,
        count: usize,
    ) -> Self {
        let mut equivalence = input.equivalence_properties().clone();
        equivalence.clear_orderings();
        equivalence.clear_per_partition_constants();
        let properties = PlanProperties::new(
            equivalence,
            Partitioning::Hash(by.clone(), count),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self {
            input,
            by,
            count,
            parts: Arc::default(),
            metrics: ExecutionPlanMetricsSet::new(),
            properties: Arc::new(properties),
        }
    }

    /// Starts all partitions of the input.
    fn start(&self, context: &Arc<TaskContext>) -> Result<Parts> {
        let mut parts: Vec<Vec<SendableRecordBatchStream>> =
            (0..self.count).map(|_| Vec::new()).collect();
        for input in 0..self.input.output_partitioning().partition_count() {
            let excuse = Excuse::default();
            let mut outlets = Vec::with_capacity(self.count);
            for part in &mut parts {
                let (outlet, batches) = excused_pipe(self.schema(), &excuse);
                outlets.push(outlet);
                part.push(batches);
            }
            let division = Division {
                plan: self.input.clone(),
                partition: input,
                by: self.by.clone(),
                context: context.clone(),
                time: MetricBuilder::new(&self.metrics).subset_time("divide_time", input),
                outlets,
            };
            dispatch(home(self.input.as_ref(), input), Box::new(division), excuse)?;
        }
        Ok(Parts(parts.into_iter().map(Some).collect()))
    }
}

impl DisplayAs for Shuffle {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by: Vec<String> = self.by.iter().map(ToString::to_string).collect();
        write!(f, "Shuffle: partitions={}, by=[{}]", self.count, by.join(", "))
    }
}

impl ExecutionPlan for Shuffle {
    fn name(&self) -> &str {
        "Shuffle"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(&self.by, f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(only_child(children)?, self.by.clone(), self.count)))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(only_child(children)?, self.by.clone(), self.count)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let taken = {
            // Streams are whole whoever panicked meanwhile.
            let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
            if parts.is_none() {
                *parts = Some(self.start(&context)?);
            }
            parts.as_mut().and_then(|parts| parts.0.get_mut(partition)?.take())
        };
        let Some(streams) = taken else {
            return internal_err!("partition {partition} of a shuffle was asked for twice");
        };
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let merged = select_all(streams).inspect(move |batch| {
            if let Ok(batch) = batch {
                metrics.record_output(batch.num_rows());
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), merged)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}

/// One partition of the input, on its way to where it runs.
struct Division {
    plan: Arc<dyn ExecutionPlan>,
    partition: usize,
    by: Vec<Arc<dyn PhysicalExpr>>,
    context: Arc<TaskContext>,
    time: Time,
    outlets: Vec<Outlet>,
}

impl Fragment for Division {
    fn start(self: Box<Self>, _shard: ShardId) {
        // Detached: it ends when its work does, or when nobody listens.
        drop(rt::spawn(Queue::Query, "shuffle", self.run()));
    }
}

impl Division {
    async fn run(mut self: Box<Self>) {
        let memory = MemoryConsumer::new("Shuffle").register(self.context.memory_pool());
        let means = self.context.session_config().get_extension::<Means>();
        let is_patient = means.is_some_and(|means| *means == Means::Disk);
        let mut spread = Spread::new(std::mem::take(&mut self.outlets), memory, is_patient);
        let work = AssertUnwindSafe(self.divide(&mut spread)).catch_unwind().await;
        spread.end(work.unwrap_or_else(|cause| Err(external(panicked(&*cause))))).await;
    }

    async fn divide(self: Box<Self>, spread: &mut Spread) -> Result<()> {
        let Self { plan, partition, by, context, time, outlets: _ } = *self;
        let stop = Scope::of(&context)?.stop.clone();
        let mut pieces =
            Pieces::new(&plan.schema(), spread.count(), context.session_config().batch_size());
        let mut divider = BatchPartitioner::new_hash_partitioner(by, spread.count(), time)?;
        let mut batches = plan.execute(partition, context)?;
        while let Some(batch) = spread.next(&mut batches).await {
            for piece in divider.partition_iter(batch?)? {
                let (to, piece) = piece?;
                pieces.add(to, piece, spread)?;
            }
            if !spread.room().await {
                return Ok(());
            }
            stop.check().map_err(external)?;
            rt::yield_if_needed().await;
        }
        pieces.finish(spread)
    }
}

/// What was divided, until it is enough for a batch: operators cost by the batch as well as by the
/// row.
struct Pieces(Vec<BatchCoalescer>);

impl Pieces {
    fn new(schema: &SchemaRef, count: usize, batch_rows: usize) -> Self {
        // What is half of a batch goes as it is, without being copied.
        let coalescer = || {
            BatchCoalescer::new(schema.clone(), batch_rows)
                .with_biggest_coalesce_batch_size(Some(batch_rows / 2))
        };
        Self((0..count).map(|_| coalescer()).collect())
    }

    fn add(&mut self, to: usize, piece: RecordBatch, spread: &mut Spread) -> Result<()> {
        self.0[to].push_batch(piece)?;
        self.send(to, spread)
    }

    fn send(&mut self, to: usize, spread: &mut Spread) -> Result<()> {
        while let Some(batch) = self.0[to].next_completed_batch() {
            spread.push(to, batch)?;
        }
        Ok(())
    }

    fn finish(mut self, spread: &mut Spread) -> Result<()> {
        for to in 0..self.0.len() {
            self.0[to].finish_buffered_batch()?;
            self.send(to, spread)?;
        }
        Ok(())
    }
}
