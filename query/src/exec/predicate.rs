//! How does a condition of a statement become a filter that a shard evaluates?

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::{BooleanArray, RecordBatch};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_expr::PhysicalExpr;
use pieskieo_shards::request::{RowFilter, ScanColumn};

use super::columns::TableColumns;
use super::here::external;
use crate::error::Error;

/// A condition over the columns of one table, compiled.
#[derive(Debug)]
pub struct Predicate {
    columns: Vec<ScanColumn>,
    expr: Arc<dyn PhysicalExpr>,
    text: String,
    /// What went wrong first. A shard's error has no place for our codes.
    failure: Mutex<Option<Error>>,
}

impl Predicate {
    /// Compiles the conjunction of `filters`, whose columns are those of `table` without
    /// qualifiers; `None` when there are no filters.
    ///
    /// **Errors**: whatever the planner finds wrong with them.
    pub fn compile(
        table: &TableColumns,
        filters: &[Expr],
        physical: impl FnOnce(Expr, &DFSchema) -> Result<Arc<dyn PhysicalExpr>>,
    ) -> Result<Option<Arc<Self>>> {
        let Some(condition) = conjunction(filters.iter().cloned()) else { return Ok(None) };
        let mut positions = Vec::new();
        for column in condition.column_refs() {
            let position = table.position(&column.name).ok_or_else(|| {
                external(Error::internal(format!("a filter of unknown column {}", column.name)))
            })?;
            positions.push(position);
        }
        positions.sort_unstable();
        let schema = DFSchema::try_from(table.schema().project(&positions)?)?;
        let text = condition.to_string();
        let condition = condition.transform(strip_qualifier)?.data;
        let expr = physical(condition, &schema)?;
        let columns = positions.into_iter().map(|position| table.scan_column(position)).collect();
        Ok(Some(Arc::new(Self { columns, expr, text, failure: Mutex::new(None) })))
    }

    /// Returns the condition as a person would write it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes what went wrong, if anything did.
    pub fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn compute(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let values = self.expr.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(values.as_boolean().clone())
    }
}

fn strip_qualifier(expr: Expr) -> Result<datafusion::common::tree_node::Transformed<Expr>> {
    use datafusion::common::tree_node::Transformed;
    Ok(match expr {
        Expr::Column(Column { relation: Some(_), name, .. }) => {
            Transformed::yes(Expr::Column(Column::new_unqualified(name)))
        }
        other => Transformed::no(other),
    })
}

impl RowFilter for Predicate {
    fn columns(&self) -> &[ScanColumn] {
        &self.columns
    }

    fn evaluate(
        &self,
        batch: &RecordBatch,
    ) -> std::result::Result<BooleanArray, pieskieo_shards::Error> {
        self.compute(batch).map_err(|error| {
            let error = Error::from(error);
            let message = error.message.clone();
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert(error);
            pieskieo_shards::Error::InvalidValue(message)
        })
    }
}
