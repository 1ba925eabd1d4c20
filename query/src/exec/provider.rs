//! How does the planner see a table?

use std::any::Any;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, Statistics};
use datafusion::datasource::{TableType, source_as_provider};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableSource as PlannerTable};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use pieskieo_shards::catalog::{Catalog, Table};

use super::choose::choose;
use super::columns::TableColumns;
use super::counts::Counts;
use super::here::external;
use super::nodes::{ScanParts, ShardScan};
use super::predicate::Predicate;

/// A table at one version of the catalog.
#[derive(Debug)]
pub struct TableSource {
    catalog: Arc<Catalog>,
    columns: TableColumns,
}

impl TableSource {
    /// Shows a table of the catalog to the planner.
    pub fn new(catalog: Arc<Catalog>, table: Arc<Table>) -> Self {
        Self { catalog, columns: TableColumns::new(table) }
    }

    /// Returns the table.
    pub fn table(&self) -> &Arc<Table> {
        self.columns.table()
    }
}

/// Returns the table a scan of a logical plan reads; `None` when it reads something else.
pub fn table_of(source: &Arc<dyn PlannerTable>) -> Option<Arc<Table>> {
    let provider = source_as_provider(source).ok()?;
    let any: &dyn Any = provider.as_ref();
    any.downcast_ref::<TableSource>().map(|source| source.table().clone())
}

#[async_trait]
impl TableProvider for TableSource {
    fn schema(&self) -> SchemaRef {
        self.columns.schema().clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if filter.is_volatile() || filter.contains_outer() {
                    TableProviderFilterPushDown::Unsupported
                } else {
                    TableProviderFilterPushDown::Exact
                }
            })
            .collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        None
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let table = self.table();
        let positions: Vec<usize> = match projection {
            Some(positions) => positions.clone(),
            None => (0..self.columns.schema().fields().len()).collect(),
        };
        let score = self.columns.schema().fields().len() - 1;
        let filtered = filters
            .iter()
            .flat_map(Expr::column_refs)
            .any(|column| column.name == super::columns::SCORE);
        let wants_score = filtered || (projection.is_some() && positions.contains(&score));
        let chosen = choose(&self.catalog, table, filters, wants_score).map_err(external)?;
        let schema = Arc::new(self.columns.schema().project(&positions)?);
        if chosen.shards.is_empty() {
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let counts = state.config().get_extension::<Counts>();
        let rows = counts.and_then(|counts| counts.estimate(table.id, &chosen.path, &chosen.rest));
        let predicate = Predicate::compile(&self.columns, &chosen.rest, |expr, schema| {
            state.create_physical_expr(expr, schema)
        })?;
        let columns = positions.iter().map(|at| self.columns.scan_column(*at)).collect();
        Ok(Arc::new(ShardScan::new(ScanParts {
            table: table.clone(),
            path: chosen.path,
            shards: chosen.shards,
            columns,
            schema,
            predicate,
            narrowings: Vec::new(),
            limit,
            rows,
            ways: chosen.ways,
        })))
    }
}
