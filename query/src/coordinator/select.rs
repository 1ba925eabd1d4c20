//! How does a query give rows?

use std::any::Any;
use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Query;
use futures::StreamExt;
use pieskieo_shards::catalog::Catalog;

use super::native;
use super::request::Request;
use super::shape::{self, Shape};
use crate::error::{Error, Result, code};
use crate::exec::scope::Scope;
use crate::options::SessionOptions;
use crate::outcome::{Outcome, Rows, StatementKind};
use crate::plan::Engine;
use crate::plan::params::bind_params;
use crate::system::{fill, reads_moment};

/// A query ready to run: planned, with placeholders for its parameters.
#[derive(Debug)]
pub struct Reads {
    /// The plan.
    pub plan: LogicalPlan,
    /// How it is answered without the plan, if it can be.
    pub shape: Option<Shape>,
    /// Whether it reads relations of the system that change by the moment.
    pub reads_moment: bool,
}

impl Reads {
    /// Plans a bound query.
    ///
    /// **Errors**: names and types that do not fit.
    pub fn new(engine: &Engine, catalog: &Arc<Catalog>, query: Query) -> Result<Self> {
        let plan = engine.plan(catalog, query)?;
        let shape = shape::recognise(&plan);
        let reads_moment = reads_moment(&plan)?;
        Ok(Self { plan, shape, reads_moment })
    }

    /// Returns the plan of one run: with its parameters, and with the rows of the moment.
    ///
    /// **Errors**: parameters that do not fit; a core or shard that does not answer.
    pub async fn to_run(&self, request: &Request<'_>) -> Result<LogicalPlan> {
        let plan = bind_params(&self.plan, request.params())?;
        if !self.reads_moment {
            return Ok(plan);
        }
        Box::pin(fill(request, plan)).await
    }
}

/// Runs a query. `keep` lives until its rows are read or dropped.
///
/// **Errors**: whatever planning and the first steps report; the rest comes with the rows.
pub async fn run(
    request: &Request<'_>,
    reads: &Reads,
    scope: Scope,
    keep: impl Any,
) -> Result<Outcome> {
    if request.native()
        && let Some(shape) = &reads.shape
        && let Some(batch) = native::run(request, shape, &scope).await?
    {
        let rows = Rows::Collected(vec![batch.clone()]);
        return Ok(Outcome::with_rows(StatementKind::Select, batch.schema(), rows));
    }
    // On the heap, so that a native answer does not carry the room a plan needs.
    Box::pin(planned(request, reads, scope, keep)).await
}

/// Runs a query by its plan.
async fn planned(
    request: &Request<'_>,
    reads: &Reads,
    scope: Scope,
    keep: impl Any,
) -> Result<Outcome> {
    let plan = reads.to_run(request).await?;
    let (plan, running) = request.planning().start(&plan, scope, keep).await?;
    let schema = plan.schema();
    request.measuring.keep_plan(plan);
    Ok(Outcome::with_rows(StatementKind::Select, schema, Rows::Stream(Box::pin(running))))
}

/// Reads all rows of an answer, within the limits of a collected one.
///
/// **Errors**: `54000` when there are too many.
pub async fn collect(outcome: Outcome, options: &SessionOptions) -> Result<Outcome> {
    let Outcome { kind, columns, schema, rows, affected } = outcome;
    let Rows::Stream(mut stream) = rows else {
        return Ok(Outcome { kind, columns, schema, rows, affected });
    };
    let mut batches = Vec::new();
    let (mut row_count, mut bytes) = (0, 0);
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        row_count += batch.num_rows();
        bytes += batch.get_array_memory_size();
        check("rows_max", row_count, options.rows_max)?;
        check("result_bytes_max", bytes, options.result_bytes_max)?;
        batches.push(batch);
    }
    Ok(Outcome { kind, columns, schema, rows: Rows::Collected(batches), affected })
}

fn check(name: &str, found: usize, limit: usize) -> Result<()> {
    if found <= limit {
        return Ok(());
    }
    Err(Error::new(code::PROGRAM_LIMIT, format!("the answer exceeds {name} = {limit}"))
        .with_hint("Add a LIMIT, or ask for a stream."))
}

/// Returns the rows as batches.
///
/// **Errors**: internal, when they were not collected.
pub fn collected(outcome: Outcome) -> Result<Vec<RecordBatch>> {
    match outcome.rows {
        Rows::Collected(batches) => Ok(batches),
        Rows::Stream(_) => Err(Error::internal("rows were not collected")),
    }
}
