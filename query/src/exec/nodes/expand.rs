//! How are edges followed from a stream of nodes?

use std::fmt;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{
    Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet,
};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, ExecutionPlanProperties,
    Partitioning, PlanProperties, ReplaceChildrenOptions,
};
use futures::StreamExt;
use pieskieo_io::rt::{self, Queue};
use pieskieo_shards::key::Key;
use pieskieo_shards::value::ColumnType;

use super::only_child;
use crate::exec::expand::{Found, Hops, expand};
use crate::exec::fetch::rows_at;
use crate::exec::here::{self, external};
use crate::exec::pipe::{Outlet, pipe};
use crate::exec::scope::Scope;

/// Rows of one output batch.
const BATCH_ROWS: usize = 8192;

/// What an expansion does with each input row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExpandParts {
    /// What is followed.
    pub hops: Hops,
    /// Position of the input column with the start's encoded key.
    pub source: usize,
    /// Types of the key of the nodes started from.
    pub source_key: Vec<ColumnType>,
    /// Positions of input columns with lists of edges that must not be followed again.
    pub avoid: Vec<usize>,
    /// Name of the edge table, for EXPLAIN.
    pub edge_name: String,
}

/// Follows edges from every input row. The output is the input row, then the reached node's key,
/// the depth, the last edge's key and the list of all edges' keys.
#[derive(Debug, Clone)]
pub struct ExpandExec {
    input: Arc<dyn ExecutionPlan>,
    parts: ExpandParts,
    schema: SchemaRef,
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

impl ExpandExec {
    /// Makes the operator; `schema` is that of its output.
    pub fn new(input: Arc<dyn ExecutionPlan>, parts: ExpandParts, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            input.boundedness(),
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        let metrics = ExecutionPlanMetricsSet::new();
        Self { input, parts, schema, metrics, properties: Arc::new(properties) }
    }
}

impl DisplayAs for ExpandExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hops = &self.parts.hops;
        write!(f, "Expand {}: {:?}", self.parts.edge_name, hops.direction())?;
        write!(f, ", hops={}..{}, one row per {:?}", hops.min, hops.max, hops.mode)
    }
}

impl ExecutionPlan for ExpandExec {
    fn name(&self) -> &str {
        "Expand"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition]
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
        let input = only_child(children)?;
        Ok(Arc::new(Self::new(input, self.parts.clone(), self.schema.clone())))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_child(children)?;
        Ok(Arc::new(Self::new(input, self.parts.clone(), self.schema.clone())))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let (outlet, _, stream) = pipe(self.schema.clone());
        let scope = Scope::of(&context)?;
        let input = self.input.execute(0, context)?;
        let rows = MetricBuilder::new(&self.metrics).output_rows(partition);
        let work = Work { parts: self.parts.clone(), schema: self.schema.clone(), scope, rows };
        // Detached: it ends with its input, or when nobody listens.
        drop(rt::spawn(Queue::Query, "expand", async move {
            outlet.feed(async |outlet| work.run(input, outlet).await).await;
        }));
        Ok(stream)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

struct Work {
    parts: ExpandParts,
    schema: SchemaRef,
    scope: Arc<Scope>,
    rows: Count,
}

impl Work {
    async fn run(&self, mut input: SendableRecordBatchStream, outlet: &mut Outlet) -> Result<()> {
        let core = here::core()?;
        let _lease = core.lease_of(self.scope.view);
        while let Some(batch) = input.next().await {
            let batch = batch?;
            let starts = self.starts(&batch)?;
            let found =
                expand(&core, &self.scope, self.parts.hops, &starts).await.map_err(external)?;
            let found = self.without_repeats(&batch, found);
            for found in found.chunks(BATCH_ROWS) {
                let out = self.output(&batch, found)?;
                self.rows.add(out.num_rows());
                if !outlet.send(out).await {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn starts(&self, batch: &RecordBatch) -> Result<Vec<Key>> {
        let keys = batch.column(self.parts.source).as_binary::<i32>();
        let types = &self.parts.source_key;
        keys.iter()
            .map(|bytes| {
                Key::from_bytes(bytes.unwrap_or_default(), types, types.len()).map_err(external)
            })
            .collect()
    }

    /// Drops paths that follow an edge an earlier part of the pattern has followed.
    fn without_repeats(&self, batch: &RecordBatch, mut found: Vec<Found>) -> Vec<Found> {
        for column in &self.parts.avoid {
            let used = batch.column(*column).as_list::<i32>();
            found.retain(|found| {
                let used = used.value(found.start as usize);
                let used = used.as_binary::<i32>();
                !used
                    .iter()
                    .flatten()
                    .any(|used| found.edges.iter().any(|edge| edge.bytes() == used))
            });
        }
        found
    }

    fn output(&self, batch: &RecordBatch, found: &[Found]) -> Result<RecordBatch> {
        let rows = UInt32Array::from_iter_values(found.iter().map(|found| found.start));
        let mut columns = rows_at(batch, &rows).map_err(external)?;
        let mut nodes = BinaryBuilder::with_capacity(found.len(), found.len() * 9);
        let mut depths = Int64Builder::with_capacity(found.len());
        let mut last = BinaryBuilder::with_capacity(found.len(), found.len() * 17);
        let mut edges = ListBuilder::new(BinaryBuilder::new());
        for found in found {
            nodes.append_value(found.node.bytes());
            depths.append_value(i64::from(found.depth));
            last.append_option(found.edges.last().map(Key::bytes));
            for edge in &found.edges {
                edges.values().append_value(edge.bytes());
            }
            edges.append(true);
        }
        let made: [ArrayRef; 4] = [
            Arc::new(nodes.finish()),
            Arc::new(depths.finish()),
            Arc::new(last.finish()),
            Arc::new(edges.finish()),
        ];
        columns.extend(made);
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}
