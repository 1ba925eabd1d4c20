//! How are the rows of a relation of the system read?
//!
//! They are in memory, all of them, and part of the plan: whichever core drives it reads them.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::common::Result;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    ReplaceChildrenOptions, Statistics,
};

/// Reads rows that are there, in one partition.
#[derive(Debug, Clone)]
pub struct SystemScan {
    name: String,
    rows: RecordBatch,
    /// The rows' part of the memory for queries, for as long as the plan lives.
    memory: Arc<MemoryReservation>,
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

impl SystemScan {
    /// Makes the operator.
    pub fn new(name: String, rows: RecordBatch, memory: MemoryReservation) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(rows.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        let metrics = ExecutionPlanMetricsSet::new();
        let (memory, properties) = (Arc::new(memory), Arc::new(properties));
        Self { name, rows, memory, metrics, properties }
    }
}

impl DisplayAs for SystemScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.rows.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "Scan {}: the system, columns=[{}]", self.name, names.join(", "))
    }
}

impl ExecutionPlan for SystemScan {
    fn name(&self) -> &str {
        "SystemScan"
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
        let step = context.session_config().batch_size().max(1);
        let (rows, count) = (self.rows.clone(), self.rows.num_rows());
        let memory = self.memory.clone();
        let told = MetricBuilder::new(&self.metrics).output_rows(partition);
        let batches = (0..count).step_by(step).map(move |from| {
            let batch = rows.slice(from, step.min(count - from));
            told.add(batch.num_rows());
            Ok(batch)
        });
        // Rows that are on their way hold their memory, whatever becomes of the plan.
        let batches = batches.inspect(move |_| _ = &memory);
        let stream = futures::stream::iter(batches);
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.rows.schema(), stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut known = Statistics::new_unknown(&self.rows.schema());
        known.num_rows = Precision::Exact(self.rows.num_rows());
        known.total_byte_size = Precision::Inexact(self.rows.get_array_memory_size());
        Ok(Arc::new(known))
    }
}
