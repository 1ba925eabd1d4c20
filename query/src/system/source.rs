//! How does the planner see a relation, and how does a plan get its rows?

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as Planned;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNodeRecursion};
use datafusion::datasource::{TableType, provider_as_source, source_as_provider};
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan, TableSource as PlannerTable};
use datafusion::physical_plan::ExecutionPlan;

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
    /// Its rows, once the plan is about to run.
    rows: Option<RecordBatch>,
}

impl SystemSource {
    /// Shows a relation to the planner.
    pub fn new(relation: &'static Relation) -> Self {
        Self { relation, rows: None }
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
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Planned<Arc<dyn ExecutionPlan>> {
        let Some(rows) = &self.rows else {
            let message = format!("{} is read without its rows", self.relation.full_name());
            return Err(external(Error::internal(message)));
        };
        let rows = match projection {
            Some(columns) => rows.project(columns)?,
            None => rows.clone(),
        };
        Ok(Arc::new(SystemScan::new(self.relation.full_name(), rows)))
    }
}

/// Returns the relation of the system that a scan of a logical plan reads.
fn relation_of(source: &Arc<dyn PlannerTable>) -> Option<&'static Relation> {
    let provider = source_as_provider(source).ok()?;
    let any: &dyn Any = provider.as_ref();
    any.downcast_ref::<SystemSource>().map(|source| source.relation)
}

/// Returns whether a plan reads a relation of the system.
///
/// **Errors**: none in practice.
pub fn reads_system(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |=
            matches!(node, LogicalPlan::TableScan(scan) if relation_of(&scan.source).is_some());
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Gives a plan the rows of the relations of the system that it reads: each relation once.
///
/// **Cost**: memory in proportion to the catalog, or to what is asked of cores and shards.
///
/// **Errors**: a core or shard that does not answer.
pub async fn fill(request: &Request<'_>, plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut relations: Vec<&'static Relation> = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(relation) = relation_of(&scan.source)
            && !relations.iter().any(|known| std::ptr::eq(*known, relation))
        {
            relations.push(relation);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut filled: HashMap<String, Arc<dyn PlannerTable>> = HashMap::new();
    for relation in relations {
        let mut rows = Rows::new(relation);
        match relation.source {
            Source::Catalog(gather) => gather(request.catalog(), &mut rows),
            Source::Live(topic) => live::gather(request, topic, &mut rows).await?,
        }
        let source = SystemSource { relation, rows: Some(rows.finish()?) };
        filled.insert(relation.full_name(), provider_as_source(Arc::new(source)));
    }
    let put = |node: LogicalPlan| {
        let LogicalPlan::TableScan(scan) = node else { return Ok(Transformed::no(node)) };
        let source = relation_of(&scan.source).and_then(|of| filled.get(&of.full_name()).cloned());
        Ok(match source {
            Some(source) => Transformed::yes(LogicalPlan::TableScan(TableScan { source, ..scan })),
            None => Transformed::no(LogicalPlan::TableScan(scan)),
        })
    };
    Ok(plan.transform_up_with_subqueries(put).data()?)
}
