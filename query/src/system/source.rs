//! How does the planner see a relation, and how does a plan get its rows?

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as Planned;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNodeRecursion};
use datafusion::datasource::{TableType, provider_as_source, source_as_provider};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan, TableSource as PlannerTable};
use datafusion::physical_plan::ExecutionPlan;
use pieskieo_shards::catalog::Catalog;

use super::live;
use super::relation::{Relation, Rows, Source};
use crate::coordinator::Request;
use crate::error::{Error, Result};
use crate::exec::here::external;
use crate::exec::nodes::SystemScan;

/// A relation of the system as the planner sees it.
#[derive(Clone, Debug)]
pub struct SystemSource {
    relation: &'static Relation,
    catalog: Arc<Catalog>,
    /// Its rows, if they change by the moment and the plan is about to run.
    rows: Option<RecordBatch>,
}

impl SystemSource {
    /// Shows a relation to the planner.
    pub fn new(relation: &'static Relation, catalog: Arc<Catalog>) -> Self {
        Self { relation, catalog, rows: None }
    }

    /// Returns its rows, of the columns at these positions.
    fn gather(&self, wanted: Option<&[usize]>) -> Result<RecordBatch> {
        match (&self.rows, self.relation.source) {
            (Some(rows), _) => Ok(match wanted {
                Some(wanted) => rows.project(wanted)?,
                None => rows.clone(),
            }),
            (None, Source::Catalog(gather)) => {
                let mut rows = Rows::new(self.relation, wanted);
                gather(&self.catalog, &mut rows);
                rows.finish()
            }
            (None, Source::Live(_)) => {
                let name = self.relation.full_name();
                Err(Error::internal(format!("{name} is read without its rows")))
            }
        }
    }
}

#[async_trait]
impl TableProvider for SystemSource {
    fn schema(&self) -> SchemaRef {
        self.relation.arrow()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Planned<Arc<dyn ExecutionPlan>> {
        let rows = self.gather(projection.map(Vec::as_slice)).map_err(external)?;
        let name = self.relation.full_name();
        // What is held is the statement's, as what its joins hold is.
        let memory = MemoryConsumer::new(&name).register(&state.runtime_env().memory_pool);
        memory.try_grow(rows.get_array_memory_size())?;
        Ok(Arc::new(SystemScan::new(name, rows, memory)))
    }
}

/// Returns the relation that a scan of a logical plan reads, if its rows change by the moment.
fn live_relation(source: &Arc<dyn PlannerTable>) -> Option<SystemSource> {
    let provider = source_as_provider(source).ok()?;
    let any: &dyn Any = provider.as_ref();
    let source = any.downcast_ref::<SystemSource>()?;
    matches!(source.relation.source, Source::Live(_)).then(|| source.clone())
}

/// Returns whether a plan reads a relation whose rows change by the moment.
///
/// **Errors**: none in practice.
pub fn reads_moment(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found |= live_relation(&scan.source).is_some();
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Gives a plan the rows of the relations that change by the moment: each is asked for once.
///
/// **Cost**: memory in proportion to what cores and shards answer.
///
/// **Errors**: a core or shard that does not answer.
pub async fn fill(request: &Request<'_>, plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut relations: BTreeMap<String, SystemSource> = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(source) = live_relation(&scan.source)
        {
            relations.insert(source.relation.full_name(), source);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut filled: BTreeMap<String, Arc<dyn PlannerTable>> = BTreeMap::new();
    for (name, source) in relations {
        let mut rows = Rows::new(source.relation, None);
        if let Source::Live(topic) = source.relation.source {
            live::gather(request, topic, &mut rows).await?;
        }
        let source = SystemSource { rows: Some(rows.finish()?), ..source };
        filled.insert(name, provider_as_source(Arc::new(source)));
    }
    let put = |node: LogicalPlan| {
        let LogicalPlan::TableScan(scan) = node else { return Ok(Transformed::no(node)) };
        let source = live_relation(&scan.source);
        let source = source.and_then(|of| filled.get(&of.relation.full_name()).cloned());
        Ok(match source {
            Some(source) => Transformed::yes(LogicalPlan::TableScan(TableScan { source, ..scan })),
            None => Transformed::no(LogicalPlan::TableScan(scan)),
        })
    };
    Ok(plan.transform_up_with_subqueries(put).data()?)
}
