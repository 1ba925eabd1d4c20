//! How does a condition of a statement become a filter that a shard evaluates?

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::DataType;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::physical_expr::PhysicalExpr;
use pieskieo_shards::request::{RowFilter, ScanColumn, Wanted};

use super::columns::TableColumns;
use super::here::external;
use super::pipe::panicked;
use super::wanted::wanted;
use crate::error::{Error, code};
use crate::outcome::type_name;

/// A condition over the columns of one table, compiled.
///
/// Comparisons of numbers and times come first: a text or a document is read only of rows that pass
/// them.
#[derive(Debug)]
pub struct Predicate {
    columns: Vec<ScanColumn>,
    wanted: Vec<Wanted>,
    expr: Arc<dyn PhysicalExpr>,
    text: String,
    then: Option<Arc<Self>>,
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
        mut physical: impl FnMut(Expr, &DFSchema) -> Result<Arc<dyn PhysicalExpr>>,
    ) -> Result<Option<Arc<Self>>> {
        let Some(condition) = conjunction(filters.iter().cloned()) else { return Ok(None) };
        let wanted = wanted(table, filters);
        let text = condition.to_string();
        let (cheap, dear) = split(table, condition);
        let then = match (&cheap, dear) {
            (Some(_), Some(dear)) => {
                let text = dear.to_string();
                Some(Arc::new(Self::stage(table, dear, (Vec::new(), text), None, &mut physical)?))
            }
            (None, Some(dear)) => {
                let known = (wanted, text);
                return Self::stage(table, dear, known, None, &mut physical)
                    .map(Arc::new)
                    .map(Some);
            }
            (_, None) => None,
        };
        let Some(cheap) = cheap else { return Ok(None) };
        let first = Self::stage(table, cheap, (wanted, text), then, &mut physical)?;
        Ok(Some(Arc::new(first)))
    }

    fn stage(
        table: &TableColumns,
        condition: Expr,
        (wanted, text): (Vec<Wanted>, String),
        then: Option<Arc<Self>>,
        physical: &mut impl FnMut(Expr, &DFSchema) -> Result<Arc<dyn PhysicalExpr>>,
    ) -> Result<Self> {
        let mut positions = Vec::new();
        for column in condition.column_refs() {
            let position = table.position(&column.name).ok_or_else(|| {
                external(Error::internal(format!("a filter of unknown column {}", column.name)))
            })?;
            positions.push(position);
        }
        positions.sort_unstable();
        let schema = DFSchema::try_from(table.schema().project(&positions)?)?;
        let condition = condition.transform(strip_qualifier)?.data;
        let expr = physical(condition, &schema)?;
        let columns = positions.into_iter().map(|position| table.scan_column(position)).collect();
        Ok(Self { columns, wanted, expr, text, then, failure: Mutex::new(None) })
    }

    /// Returns the condition as a person would write it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns what rows that pass must pass too, because it costs more.
    pub fn dearer(&self) -> Option<&Arc<Self>> {
        self.then.as_ref()
    }

    /// Takes what went wrong, if anything did.
    pub fn take_failure(&self) -> Option<Error> {
        let own = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        own.or_else(|| self.then.as_ref().and_then(|then| then.take_failure()))
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

/// Splits a conjunction into what compares numbers and times, and the rest.
fn split(table: &TableColumns, condition: Expr) -> (Option<Expr>, Option<Expr>) {
    let (cheap, dear): (Vec<Expr>, Vec<Expr>) =
        split_conjunction_owned(condition).into_iter().partition(|part| is_cheap(table, part));
    (conjunction(cheap), conjunction(dear))
}

/// Whether a condition cannot fail, and reads nothing but fields of fixed width.
fn is_cheap(table: &TableColumns, part: &Expr) -> bool {
    let dear = part.exists(|expr| {
        Ok(match expr {
            Expr::Column(column) => table.position(&column.name).is_none_or(|position| {
                let ty = table.schema().field(position).data_type();
                !(ty.is_primitive() || *ty == DataType::Boolean)
            }),
            Expr::BinaryExpr(binary) => {
                // Those that have a mirror image compare.
                !(binary.op.is_logic_operator() || binary.op.swap().is_some())
            }
            Expr::Literal(..)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::Not(_)
            | Expr::InList(_)
            | Expr::Between(_) => false,
            _ => true,
        })
    });
    !dear.unwrap_or(true)
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

    fn then(&self) -> Option<&dyn RowFilter> {
        self.then.as_deref().map(|then| then as &dyn RowFilter)
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
