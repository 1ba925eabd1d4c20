//! How is a plan shown?
//!
//! One line per operator, inputs indented below it. A query of a simple shape shows which read it
//! is instead. With ANALYZE the query runs first and every operator says how many rows it gave.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use futures::StreamExt;
use pieskieo_io::time;
use serde_json::{Value as Json, json};

use super::native;
use super::request::Request;
use super::shape::{Operand, Shape};
use crate::error::{Error, Result};
use crate::exec::nodes::Pace;
use crate::exec::rules::index_for;
use crate::outcome::{Outcome, Rows, StatementKind};
use crate::prepared::Ready;
use crate::syntax::{Explain, Statement};

/// Runs an EXPLAIN.
///
/// **Errors**: as the statement explained.
pub async fn run(request: &mut Request<'_>, explain: &Explain, ready: &Ready) -> Result<Outcome> {
    if let Statement::BoundMerge(_) = explain.statement.as_ref() {
        return Err(Error::unsupported("EXPLAIN of a MERGE")
            .with_hint("Explain the joins of its source and table."));
    }
    let changes = changes(&explain.statement);
    if explain.analyze && changes.is_some() {
        return Err(Error::unsupported("EXPLAIN ANALYZE of a statement that changes records")
            .with_hint("Use EXPLAIN without ANALYZE: it changes nothing."));
    }
    let mut steps = Vec::new();
    let depth = match &changes {
        Some(line) => {
            steps.push((0, line.clone()));
            1
        }
        None => 0,
    };
    if let Some(reads) = &ready.query {
        let shape = reads.shape.as_ref().filter(|_| request.native());
        match shape {
            Some(shape) if !explain.analyze || native_time(request, shape).await?.is_some() => {
                steps.push((depth, describe(request, shape)));
                if explain.analyze
                    && let Some(line) = native_time(request, shape).await?
                {
                    steps.push((depth, line));
                }
            }
            _ => plan_steps(request, explain, reads, depth, &mut steps).await?,
        }
    }
    answer(explain.json, &steps)
}

async fn plan_steps(
    request: &mut Request<'_>,
    explain: &Explain,
    reads: &super::Reads,
    depth: usize,
    steps: &mut Vec<(usize, String)>,
) -> Result<()> {
    let query = reads.to_run(request).await?;
    let (mut plan, _) = request.planning().plan(&query).await?;
    let mut total = None;
    if explain.analyze {
        let began = time::now();
        let mut scope = request.scope().await?;
        scope.stop = request.stop().child();
        let (ran, mut running) = request.planning().start(&query, scope, ()).await?;
        plan = ran;
        let mut rows = 0;
        while let Some(batch) = running.next().await {
            rows += batch?.num_rows();
        }
        total = Some(format!("{rows} rows in {} us", began.elapsed().as_micros()));
    }
    lines(&plan, depth, explain.analyze, steps);
    steps.extend(total.map(|total| (depth, total)));
    Ok(())
}

/// Runs a query of a simple shape and says how long it took; `None` when a plan must answer it.
async fn native_time(request: &mut Request<'_>, shape: &Shape) -> Result<Option<String>> {
    let began = time::now();
    let mut scope = request.scope().await?;
    scope.stop = request.stop().child();
    let batch = native::run(request, shape, &scope).await?;
    let micros = began.elapsed().as_micros();
    Ok(batch.map(|batch| format!("{} rows in {micros} us", batch.num_rows())))
}

fn changes(statement: &Statement) -> Option<String> {
    match statement {
        Statement::Insert(insert) => Some(format!("Insert into {}", insert.table.text)),
        Statement::Update(update) => Some(format!("Update {}", update.table.text)),
        Statement::Delete(delete) => Some(format!("Delete from {}", delete.table.text)),
        _ => None,
    }
}

fn describe(request: &Request<'_>, shape: &Shape) -> String {
    let shards = request.catalog().shard_count;
    match shape {
        Shape::Key(key) => {
            let table = key.body.columns.table();
            let named = table.key.iter().zip(&key.key);
            let named = named.map(|(column, operand)| {
                format!("{} = {}", table.columns[*column].name, shown(operand))
            });
            let conditions: Vec<String> = named.collect();
            let rest: Vec<String> = key.body.rest.iter().map(ToString::to_string).collect();
            let filter = filter(&rest);
            format!("Read {}: primary key {}{filter}", table.name, conditions.join(", "))
        }
        Shape::Nearest(nearest) => {
            let table = nearest.body.columns.table();
            let index = index_for(table, nearest.column, nearest.metric)
                .and_then(|id| table.index(id))
                .map_or("no index, every vector compared".to_owned(), |index| {
                    format!("index {}", index.name)
                });
            let rest: Vec<String> = nearest.body.rest.iter().map(ToString::to_string).collect();
            let column = &table.columns[nearest.column].name;
            format!(
                "Nearest {} of {}.{column}: {index}, {:?}, shards={shards}{}",
                shown(&nearest.k),
                table.name,
                nearest.metric,
                filter(&rest)
            )
        }
    }
}

/// Returns what EXPLAIN ANALYZE would show of a plan that ran.
pub(crate) fn plan_lines(plan: &Arc<dyn ExecutionPlan>) -> Vec<String> {
    let mut steps = Vec::new();
    lines(plan, 0, true, &mut steps);
    indented(&steps)
}

/// Returns what EXPLAIN would show of a statement that ran: by its plan, if it had one.
pub(super) fn told(request: &Request<'_>, ready: &Ready) -> Vec<String> {
    let mut steps: Vec<(usize, String)> =
        changes(&ready.statement).map(|line| (0, line)).into_iter().collect();
    let depth = steps.len();
    if let Some(plan) = request.measuring.take_plan() {
        lines(&plan, depth, true, &mut steps);
    } else if let Some(shape) = ready.query.as_ref().and_then(|reads| reads.shape.as_ref()) {
        steps.push((depth, describe(request, shape)));
    }
    indented(&steps)
}

fn indented(steps: &[(usize, String)]) -> Vec<String> {
    steps.iter().map(|(depth, line)| format!("{}{line}", "  ".repeat(*depth))).collect()
}

fn filter(conditions: &[String]) -> String {
    if conditions.is_empty() {
        return String::new();
    }
    format!(", filter={}", conditions.join(" AND "))
}

fn shown(operand: &Operand) -> String {
    match operand {
        Operand::Literal(value) => value.to_string(),
        Operand::Param(name) => name.clone(),
    }
}

fn lines(
    plan: &Arc<dyn ExecutionPlan>,
    depth: usize,
    analyze: bool,
    out: &mut Vec<(usize, String)>,
) {
    if plan.is::<Pace>() {
        // It does nothing with the rows.
        plan.children().into_iter().for_each(|child| lines(child, depth, analyze, out));
        return;
    }
    let mut line = displayable(plan.as_ref()).one_line().to_string().trim_end().to_owned();
    if analyze && let Some(rows) = plan.metrics().and_then(|metrics| metrics.output_rows()) {
        // Writing to a string cannot fail.
        let _ = write!(line, ", rows={rows}");
    }
    let spilled = plan.metrics().filter(|_| analyze).and_then(|metrics| metrics.spilled_bytes());
    if let Some(bytes) = spilled.filter(|&bytes| bytes > 0) {
        let _ = write!(line, ", on disk={bytes} bytes");
    }
    out.push((depth, line));
    for child in plan.children() {
        lines(child, depth + 1, analyze, out);
    }
}

fn answer(json: bool, steps: &[(usize, String)]) -> Result<Outcome> {
    let texts: Vec<String> =
        if json { vec![tree(steps, 0, &mut 0).to_string()] } else { indented(steps) };
    let schema = Arc::new(Schema::new(vec![Field::new("plan", DataType::Utf8, false)]));
    let column = Arc::new(StringArray::from(texts));
    let batch = RecordBatch::try_new(schema.clone(), vec![column])?;
    Ok(Outcome::with_rows(StatementKind::Explain, schema, Rows::Collected(vec![batch])))
}

/// The steps from `next` on that are at `depth`, with those below them as inputs.
fn tree(steps: &[(usize, String)], depth: usize, next: &mut usize) -> Json {
    let mut nodes = Vec::new();
    while let Some((at, line)) = steps.get(*next)
        && *at >= depth
    {
        *next += 1;
        let inputs = tree(steps, depth + 1, next);
        nodes.push(json!({ "step": line, "inputs": inputs }));
    }
    Json::Array(nodes)
}
