//! How are records fetched by key for a stream of keys?

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;
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
use pieskieo_shards::request::ScanColumn;

use super::only_child;
use crate::exec::columns::TableColumns;
use crate::exec::fetch::{fetch, rows_at};
use crate::exec::here::{self, external};
use crate::exec::pipe::{Outlet, pipe};
use crate::exec::scope::Scope;

/// What is looked up for each input row.
#[derive(Clone, Debug)]
pub struct LookupParts {
    /// The table.
    pub columns: TableColumns,
    /// Position of the input column with the encoded key.
    pub key: usize,
    /// Positions of the table's columns that are fetched, ascending; the others come out null
    /// because nobody looks at them.
    pub needed: Vec<usize>,
}

/// Adds to every input row the record its key names; rows without a record are dropped.
#[derive(Debug, Clone)]
pub struct LookupExec {
    input: Arc<dyn ExecutionPlan>,
    parts: LookupParts,
    schema: SchemaRef,
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

impl LookupExec {
    /// Makes the operator; `schema` is that of its output.
    pub fn new(input: Arc<dyn ExecutionPlan>, parts: LookupParts, schema: SchemaRef) -> Self {
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

impl DisplayAs for LookupExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.parts.columns.schema();
        let names: Vec<&str> =
            self.parts.needed.iter().map(|at| all.field(*at).name().as_str()).collect();
        let table = &self.parts.columns.table().name;
        write!(f, "Lookup {table}: by primary key, columns=[{}]", names.join(", "))
    }
}

impl ExecutionPlan for LookupExec {
    fn name(&self) -> &str {
        "Lookup"
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
        drop(rt::spawn(Queue::Query, "lookup", async move {
            outlet.feed(async |outlet| work.run(input, outlet).await).await;
        }));
        Ok(stream)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

struct Work {
    parts: LookupParts,
    schema: SchemaRef,
    scope: Arc<Scope>,
    rows: Count,
}

impl Work {
    async fn run(&self, mut input: SendableRecordBatchStream, outlet: &mut Outlet) -> Result<()> {
        let core = here::core()?;
        let _lease = core.lease_of(self.scope.view);
        let columns: Vec<ScanColumn> =
            self.parts.needed.iter().map(|at| self.parts.columns.scan_column(*at)).collect();
        let table = self.parts.columns.table();
        while let Some(batch) = input.next().await {
            let batch = batch?;
            let keys = self.keys(&batch)?;
            let fetched =
                fetch(&core, &self.scope, table, &columns, &keys).await.map_err(external)?;
            let out = self.output(&batch, &fetched.columns, &fetched.rows)?;
            self.rows.add(out.num_rows());
            if out.num_rows() > 0 && !outlet.send(out).await {
                return Ok(());
            }
        }
        Ok(())
    }

    fn keys(&self, batch: &RecordBatch) -> Result<Vec<Key>> {
        let table = self.parts.columns.table();
        let types = table.key_types();
        let keys = batch.column(self.parts.key).as_binary::<i32>();
        keys.iter()
            .map(|bytes| {
                Key::from_bytes(bytes.unwrap_or_default(), &types, table.routing).map_err(external)
            })
            .collect()
    }

    fn output(
        &self,
        batch: &RecordBatch,
        columns: &[ArrayRef],
        rows: &[Option<u32>],
    ) -> Result<RecordBatch> {
        let hits = || (0u32..).zip(rows).filter_map(|(input, row)| Some((input, (*row)?)));
        let inputs = UInt32Array::from_iter_values(hits().map(|(input, _)| input));
        let records = UInt32Array::from_iter_values(hits().map(|(_, record)| record));
        let mut out = rows_at(batch, &inputs).map_err(external)?;
        let mut fetched = self.parts.needed.iter().zip(columns).peekable();
        for (position, field) in self.parts.columns.schema().fields().iter().enumerate() {
            match fetched.next_if(|(at, _)| **at == position) {
                Some((_, column)) => out.push(take(column, &records, None)?),
                None => out.push(new_null_array(field.data_type(), inputs.len())),
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(inputs.len()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), out, &options)?)
    }
}
