//! How does a condition of a statement become a filter that a shard evaluates?

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::DataType;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_expr::PhysicalExpr;
use pieskieo_shards::request::{RowFilter, ScanColumn, Wanted};

use super::columns::TableColumns;
use super::here::external;
use super::pipe::panicked;
use super::wanted::wanted;
use crate::error::{Error, code};
use crate::outcome::type_name;

/// A condition over the columns of one table, compiled.
#[derive(Debug)]
pub struct Predicate {
    columns: Vec<ScanColumn>,
    wanted: Vec<Wanted>,
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
        let wanted = wanted(table, filters);
        Ok(Some(Arc::new(Self { columns, wanted, expr, text, failure: Mutex::new(None) })))
    }

    /// Returns the condition as a person would write it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes what went wrong, if anything did.
    pub fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn compute(&self, batch: &RecordBatch) -> std::result::Result<BooleanArray, Error> {
        truth(&evaluate(self.expr.as_ref(), batch)?)
    }
}

/// Evaluates a compiled expression over a batch. Expressions come from clients and are evaluated
/// by a library: a panic in there is an error of the statement, not the end of the server.
///
/// **Errors**: whatever evaluating reports.
pub fn evaluate(
    expr: &dyn PhysicalExpr,
    batch: &RecordBatch,
) -> std::result::Result<ArrayRef, Error> {
    let work = || expr.evaluate(batch)?.into_array(batch.num_rows());
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(values) => Ok(values?),
        Err(cause) => Err(panicked(&*cause)),
    }
}

/// Reads the values of a condition.
///
/// **Errors**: `42804` for values that are not booleans. The type of a parameter is known only
/// when it has a value, so that planning cannot always say so.
pub fn truth(values: &ArrayRef) -> std::result::Result<BooleanArray, Error> {
    match values.data_type() {
        DataType::Boolean => Ok(values.as_boolean().clone()),
        DataType::Null => Ok(BooleanArray::new_null(values.len())),
        other => {
            let found = type_name(other);
            Err(Error::new(
                code::DATATYPE_MISMATCH,
                format!("a condition must be BOOL, not {found}"),
            )
            .with_hint("Compare the value with something, such as \"<> 0\"."))
        }
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

    fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    fn evaluate(
        &self,
        batch: &RecordBatch,
    ) -> std::result::Result<BooleanArray, pieskieo_shards::Error> {
        self.compute(batch).map_err(|error| {
            let message = error.message.clone();
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert(error);
            pieskieo_shards::Error::InvalidValue(message)
        })
    }
}
