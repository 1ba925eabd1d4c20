//! How are the records of a table read, one partition per shard?
//!
//! A partition's work runs in the scan queue of the core that owns the shard, whoever asks; its
//! batches arrive through a pipe. So a scan never holds up a core for longer than one batch, and
//! what consumes it may be driven from any core.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, SchemaRef};
use arrow_select::concat::concat_batches;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::metrics::{
    Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet,
};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    ReplaceChildrenOptions, Statistics,
};
use pieskieo_io::rt::{self, Queue};
use pieskieo_shards::catalog::Table;
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::request::{Fragment, ScanColumn, ScanSpec};

use crate::error::Error;
use crate::exec::choose::Ways;
use crate::exec::here::{self, external};
use crate::exec::narrow::{Narrowing, row_filter};
use crate::exec::path::ScanPath;
use crate::exec::piece::dispatch;
use crate::exec::pipe::{Outlet, pipe};
use crate::exec::predicate::Predicate;
use crate::exec::scope::{Scope, Stop};

/// Rows of one batch: about a millisecond of work, estimated.
pub const BATCH_ROWS: usize = 8192;

/// Batches a scan looks at for one that it sends, about a millisecond each.
const LOOKS_MAX: usize = 32;

/// What a scan is made of.
#[derive(Clone, Debug)]
pub struct ScanParts {
    /// The table.
    pub table: Arc<Table>,
    /// How records are found.
    pub path: ScanPath,
    /// Where they can be: partition `i` reads `shards[i]`. Not empty.
    pub shards: Vec<ShardId>,
    /// The output columns.
    pub columns: Vec<ScanColumn>,
    /// Their schema.
    pub schema: SchemaRef,
    /// Rows must pass this.
    pub predicate: Option<Arc<Predicate>>,
    /// What joins will know of the rows they can use.
    pub narrowings: Vec<Arc<Narrowing>>,
    /// Most rows wanted of each shard.
    pub limit: Option<usize>,
    /// Rows that pass, of all shards, estimated; `None` = nothing is known.
    pub rows: Option<u64>,
    /// Ways to read in an order.
    pub ways: Ways,
}

impl ScanParts {
    /// Returns how many rows all shards bring, about; `None` = nothing is known.
    pub fn estimate(&self) -> Option<u64> {
        let best = match &self.path {
            ScanPath::Nearest(nearest) => Some(nearest.k),
            ScanPath::Matching(matching) => matching.k,
            _ => None,
        };
        let of_each = best.into_iter().chain(self.limit).min();
        let most = of_each.map(|rows| rows.saturating_mul(self.shards.len()) as u64);
        self.rows.map(|rows| most.map_or(rows, |most| rows.min(most)))
    }
}

/// Reads records where they are.
#[derive(Debug, Clone)]
pub struct ShardScan {
    parts: ScanParts,
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

impl ShardScan {
    /// Makes the operator.
    pub fn new(parts: ScanParts) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(parts.schema.clone()),
            Partitioning::UnknownPartitioning(parts.shards.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self { parts, metrics: ExecutionPlanMetricsSet::new(), properties: Arc::new(properties) }
    }

    /// Returns what the scan is made of.
    pub fn parts(&self) -> &ScanParts {
        &self.parts
    }

    /// Returns the shard each partition reads.
    pub fn shards(&self) -> &[ShardId] {
        &self.parts.shards
    }

    fn spec(&self, shard: ShardId, scope: &Scope) -> std::result::Result<ScanSpec, Error> {
        let parts = &self.parts;
        // What a transaction validates at its commit must not depend on what it has forgotten by then.
        let narrowings = if scope.view.validated { &[][..] } else { &parts.narrowings };
        let filter = row_filter(parts.predicate.as_ref(), narrowings);
        Ok(ScanSpec {
            table: parts.table.id,
            access: parts.path.access(&parts.table, shard, scope)?,
            columns: parts.columns.clone(),
            view: scope.view,
            filter,
            limit: parts.limit,
        })
    }
}

impl DisplayAs for ShardScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &self.parts;
        let names: Vec<&str> =
            parts.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "Scan {}: {}", parts.table.name, parts.path.describe(&parts.table))?;
        write!(f, ", shards={}, columns=[{}]", parts.shards.len(), names.join(", "))?;
        if let Some(predicate) = &parts.predicate {
            write!(f, ", filter={}", predicate.text())?;
        }
        if !parts.narrowings.is_empty() {
            let by = parts.narrowings.iter().map(|narrowing| narrowing.by(&parts.table));
            write!(f, ", narrowed by joins on [{}]", by.collect::<Vec<_>>().join(", "))?;
        }
        match parts.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for ShardScan {
    fn name(&self) -> &str {
        "ShardScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let scope = Scope::of(&context)?;
        let shard = self.parts.shards[partition];
        let (outlet, excuse, stream) = pipe(self.parts.schema.clone());
        let work = Work {
            spec: self.spec(shard, &scope).map_err(external)?,
            predicate: self.parts.predicate.clone(),
            stop: scope.stop.clone(),
            batch_rows: context.session_config().batch_size(),
            rows: MetricBuilder::new(&self.metrics).output_rows(partition),
        };
        dispatch(Some(shard), Box::new(Scan { work, outlet }), excuse)?;
        Ok(stream)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let schema = &self.parts.schema;
        let mut known = Statistics::new_unknown(schema);
        if let Some(rows) = self.parts.estimate() {
            let parts = args.partition().map_or(1, |_| self.parts.shards.len() as u64);
            let rows = usize::try_from(rows / parts).unwrap_or(usize::MAX);
            let row_bytes: usize = schema.fields().iter().map(|field| value_bytes(field)).sum();
            known.num_rows = Precision::Inexact(rows);
            known.total_byte_size = Precision::Inexact(rows.saturating_mul(row_bytes));
        }
        Ok(Arc::new(known))
    }

    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        asked: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        // Static conditions have come here before. Of a scan that ends after so many rows, those are
        // the ones wanted, whoever joins them.
        let takes = phase == FilterPushdownPhase::Post
            && self.parts.limit.is_none()
            && !matches!(self.parts.path, ScanPath::Nearest(_) | ScanPath::Matching(_));
        if !takes {
            return Ok(FilterPushdownPropagation::all_unsupported(asked));
        }
        let mut parts = self.parts.clone();
        for condition in &asked.parent_filters {
            let narrowing = Narrowing::new(&condition.filter, &parts.columns, &parts.schema)?;
            parts.narrowings.extend(narrowing.map(Arc::new));
        }
        // Whoever asks checks again: before the build side is known, all rows pass.
        let answer = FilterPushdownPropagation::all_unsupported(asked);
        Ok(answer.with_updated_node(Arc::new(Self::new(parts))))
    }

    fn fetch(&self) -> Option<usize> {
        self.parts.limit
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        let parts = ScanParts { limit, ..self.parts.clone() };
        Some(Arc::new(Self::new(parts)))
    }
}

/// Bytes of a value in memory; those of texts and documents are a guess.
fn value_bytes(field: &Field) -> usize {
    match field.data_type() {
        DataType::FixedSizeList(item, length) => {
            item.data_type().primitive_width().unwrap_or(1) * usize::try_from(*length).unwrap_or(0)
        }
        other => other.primitive_width().unwrap_or(24),
    }
}

/// One shard's part of a scan, on its way there.
struct Scan {
    work: Work,
    outlet: Outlet,
}

/// What a scan does where it runs.
struct Work {
    spec: ScanSpec,
    predicate: Option<Arc<Predicate>>,
    stop: Stop,
    batch_rows: usize,
    rows: Count,
}

impl Fragment for Scan {
    fn start(self: Box<Self>, shard: ShardId) {
        // Detached: it ends with the last row, or when nobody listens.
        drop(rt::spawn(Queue::Scan, "scan", self.run(shard)));
    }
}

impl Scan {
    async fn run(self: Box<Self>, shard: ShardId) {
        let Self { work, outlet } = *self;
        outlet.feed(async |outlet| scan(shard, work, outlet).await).await;
    }
}

async fn scan(shard: ShardId, work: Work, outlet: &mut Outlet) -> Result<()> {
    let Work { spec, predicate, stop, batch_rows, rows } = work;
    // Who wants few rows wants them soon.
    let promptly = spec.limit.is_some();
    let core = here::core()?;
    // The statement may end before this task notices: its versions must stay until then.
    let _lease = core.lease_of(spec.view);
    // What a filter found wrong has a code that a shard's error has no place for.
    let explain = |error: pieskieo_shards::Error| {
        let failure = predicate.as_ref().and_then(|predicate| predicate.take_failure());
        failure.map_or_else(|| external(error), external)
    };
    let opened = core.with_shard(shard, |store| store.open_scan(spec)).map_err(external)?;
    let mut cursor = opened.map_err(&explain)?;
    let mut small = Small::new(if promptly { 0 } else { batch_rows / 2 });
    loop {
        stop.check().map_err(external)?;
        let next = core.next_batch(shard, &mut cursor, batch_rows).await;
        let next = next.map_err(&explain)?;
        let is_over = next.is_none();
        rows.add(next.as_ref().map_or(0, RecordBatch::num_rows));
        if let Some(batch) = small.add(next)?
            && !outlet.send(batch).await
        {
            return Ok(());
        }
        if is_over || outlet.is_closed() {
            return Ok(());
        }
        rt::yield_if_needed().await;
    }
}

/// Batches of few rows, as a filter leaves them, on their way to become one: what a batch costs
/// behind a scan hardly depends on its rows.
struct Small {
    waiting: Vec<RecordBatch>,
    rows: usize,
    /// Rows that are enough.
    enough: usize,
    /// Looks since the first of them.
    looks: usize,
}

impl Small {
    fn new(enough: usize) -> Self {
        Self { waiting: Vec::new(), rows: 0, enough, looks: 0 }
    }

    /// Adds a batch; `None` = there are no more. Returns one that is to be sent.
    fn add(&mut self, batch: Option<RecordBatch>) -> Result<Option<RecordBatch>> {
        let is_over = batch.is_none();
        if let Some(batch) = batch.filter(|batch| batch.num_rows() > 0) {
            self.rows += batch.num_rows();
            self.waiting.push(batch);
        }
        self.looks += usize::from(!self.waiting.is_empty());
        if !is_over && self.rows < self.enough && self.looks < LOOKS_MAX {
            return Ok(None);
        }
        (self.rows, self.looks) = (0, 0);
        match self.waiting.len() {
            0 => Ok(None),
            1 => Ok(self.waiting.pop()),
            _ => {
                let waiting = std::mem::take(&mut self.waiting);
                Ok(Some(concat_batches(waiting[0].schema_ref(), &waiting)?))
            }
        }
    }
}
