//! How does what a join has read of one side narrow the scan of its other side?
//!
//! A hash join knows every key of its build side before it looks at its probe side. The planner's
//! library makes a condition of them that is always true until then (a *dynamic filter*); a scan
//! evaluates it where the records are, before it reads the other columns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_schema::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, DynamicFilterPhysicalExpr, Literal};
use pieskieo_shards::catalog::Table;
use pieskieo_shards::request::{RowFilter, ScanColumn, Wanted};

use super::predicate::{Predicate, evaluate, truth};

/// Rows after which it is known whether a condition is worth its time.
const TRIAL_ROWS: u64 = 65_536;

/// A condition that lets more of a hundred rows through is not.
const PASSING_MAX: u64 = 80;

/// What a join makes of its build side.
#[derive(Debug)]
pub struct Narrowing {
    /// A dynamic filter, over `columns`.
    expr: Arc<dyn PhysicalExpr>,
    columns: Vec<ScanColumn>,
    /// Rows it was asked about and rows that passed, since it knows something.
    asked: AtomicU64,
    passed: AtomicU64,
}

impl Narrowing {
    /// Takes a condition over the output of a scan, of these columns and this schema; `None` when it
    /// is no dynamic filter.
    ///
    /// **Errors**: internal, for columns the scan does not have.
    pub fn new(
        condition: &Arc<dyn PhysicalExpr>,
        columns: &[ScanColumn],
        schema: &SchemaRef,
    ) -> Result<Option<Self>> {
        if !condition.is::<DynamicFilterPhysicalExpr>() {
            return Ok(None);
        }
        let mut read: Vec<usize> = Vec::new();
        let expr = condition
            .clone()
            .transform_up(|expr| {
                let Some(column) = expr.downcast_ref::<Column>() else {
                    return Ok(Transformed::no(expr));
                };
                let at = column.index();
                if at >= columns.len() {
                    let text = format!("a scan without column {at} of {schema:?}");
                    return Err(DataFusionError::Internal(text));
                }
                let place = read.iter().position(|known| *known == at).unwrap_or_else(|| {
                    read.push(at);
                    read.len() - 1
                });
                Ok(Transformed::yes(Arc::new(Column::new(column.name(), place)) as _))
            })
            .data()?;
        let columns = read.into_iter().map(|at| columns[at]).collect();
        Ok(Some(Self { expr, columns, asked: AtomicU64::new(0), passed: AtomicU64::new(0) }))
    }

    /// Names the columns it is about.
    pub fn by(&self, table: &Table) -> String {
        let name = |column: &ScanColumn| match column {
            ScanColumn::Column(position) => table.columns[*position].name.clone(),
            other => format!("{other:?}").to_lowercase(),
        };
        self.columns.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// Whether the build side is known, and keeps enough rows away.
    fn is_worth_it(&self) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        if asked >= TRIAL_ROWS && self.passed.load(Ordering::Relaxed) * 100 > asked * PASSING_MAX {
            return false;
        }
        let filter = self.expr.downcast_ref::<DynamicFilterPhysicalExpr>();
        // It is the word "true" until then.
        filter.and_then(|filter| filter.current().ok()).is_some_and(|now| !now.is::<Literal>())
    }
}

impl RowFilter for Narrowing {
    fn columns(&self) -> &[ScanColumn] {
        &self.columns
    }

    fn evaluate(
        &self,
        batch: &RecordBatch,
    ) -> std::result::Result<BooleanArray, pieskieo_shards::Error> {
        let rows = batch.num_rows();
        if !self.is_worth_it() {
            return Ok(BooleanArray::new(BooleanBuffer::new_set(rows), None));
        }
        let passes = evaluate(self.expr.as_ref(), batch)
            .and_then(|values| truth(&values))
            .map_err(|error| pieskieo_shards::Error::Internal(error.message))?;
        self.asked.fetch_add(rows as u64, Ordering::Relaxed);
        self.passed.fetch_add(passes.true_count() as u64, Ordering::Relaxed);
        Ok(passes)
    }
}

/// Conditions that rows must pass one after the other.
#[derive(Debug)]
struct Stage {
    filter: Arc<dyn RowFilter>,
    then: Option<Arc<Self>>,
}

impl RowFilter for Stage {
    fn columns(&self) -> &[ScanColumn] {
        self.filter.columns()
    }

    fn wanted(&self) -> &[Wanted] {
        self.filter.wanted()
    }

    fn then(&self) -> Option<&dyn RowFilter> {
        self.then.as_deref().map(|then| then as &dyn RowFilter)
    }

    fn evaluate(
        &self,
        batch: &RecordBatch,
    ) -> std::result::Result<BooleanArray, pieskieo_shards::Error> {
        self.filter.evaluate(batch)
    }
}

/// Returns the filter of a scan: what joins make of their build sides comes behind the first of the
/// conditions, before those that are dearer to check.
pub fn row_filter(
    predicate: Option<&Arc<Predicate>>,
    narrowings: &[Arc<Narrowing>],
) -> Option<Arc<dyn RowFilter>> {
    let mut stages: Vec<Arc<dyn RowFilter>> = Vec::new();
    let mut next = predicate.cloned();
    while let Some(stage) = next {
        next = stage.dearer().cloned();
        stages.push(stage);
    }
    let behind = stages.len().min(1);
    let narrow = narrowings.iter().map(|narrowing| narrowing.clone() as Arc<dyn RowFilter>);
    stages.splice(behind..behind, narrow);
    let mut chain = None;
    for filter in stages.into_iter().rev() {
        chain = Some(Arc::new(Stage { filter, then: chain }));
    }
    chain.map(|chain| chain as Arc<dyn RowFilter>)
}
