//! How do new rows become records?

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use datafusion::sql::sqlparser::ast::Expr;
use pieskieo_shards::catalog::{Table, TableKind};
use pieskieo_shards::document::{self, Change, PathStep};
use pieskieo_shards::request::Expect;
use pieskieo_shards::value::{ColumnType, Value};

use super::conflict;
use super::defaults::{Defaults, check_not_given};
use super::request::Request;
use super::returning;
use super::write;
use crate::constraint::Changes;
use crate::error::{Error, Result, code};
use crate::outcome::{Outcome, StatementKind};
use crate::result::column_type;
use crate::syntax::{Insert, InsertSource, Name};

/// Rows inserted between two chances for other tasks.
const ROWS_PER_STEP: usize = 256;

/// Where a value of an inserted row goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Into this column.
    Column(usize),
    /// Into this field of the document of a collection.
    Field(Arc<str>),
    /// The whole document of a collection.
    Document,
}

/// Runs an INSERT.
///
/// **Errors**: values that do not fit, duplicate keys.
pub async fn run(request: &mut Request<'_>, insert: &Insert) -> Result<Outcome> {
    let table = request.table(&insert.table)?;
    let targets = targets(&table, &insert.columns)?;
    let rows = match &insert.source {
        InsertSource::Values(values) => {
            let mut rows = Vec::with_capacity(values.len());
            for (position, values) in values.iter().enumerate() {
                if !insert.columns.is_empty() || values.len() > targets.len() {
                    check_count(targets.len(), values.len())?;
                }
                rows.push(row_of_values(request, &table, &targets, values)?);
                if position % ROWS_PER_STEP == ROWS_PER_STEP - 1 {
                    pieskieo_io::rt::yield_if_needed().await;
                }
            }
            rows
        }
        InsertSource::Defaults => vec![empty_row(&table)],
        InsertSource::Query(query) => {
            let batches = Box::pin(request.collect_query(query.as_ref().clone())).await?;
            let mut rows = Vec::new();
            for batch in batches {
                if !insert.columns.is_empty() || batch.num_columns() > targets.len() {
                    check_count(targets.len(), batch.num_columns())?;
                }
                rows_of_batch(&table, &targets, &batch, &mut rows)?;
                pieskieo_io::rt::yield_if_needed().await;
            }
            rows
        }
    };
    if !insert.overriding {
        check_given(&table, &rows)?;
    }
    let defaults = Defaults::new(request, &table)?;
    defaults.reserve_for(request, &rows).await?;
    let rows = rows.into_iter().map(|row| finish(request, &table, &defaults, row));
    let rows: Vec<Vec<Value>> = rows.collect::<Result<_>>()?;
    let (written, affected) = match &insert.on_conflict {
        None => {
            let txn = request.transaction();
            for (position, row) in rows.iter().enumerate() {
                write::insert(txn, &table, row, Expect::Absent)?;
                if position % ROWS_PER_STEP == ROWS_PER_STEP - 1 {
                    pieskieo_io::rt::yield_if_needed().await;
                }
            }
            let mut changes = Changes::new(&table);
            rows.iter().for_each(|row| changes.inserted(row));
            request.settle_changes(changes).await?;
            let affected = rows.len() as u64;
            (rows, affected)
        }
        Some(rule) => conflict::run(request, &table, insert, rule, rows).await?,
    };
    let alias = insert.alias.as_ref().unwrap_or(&insert.table).text.as_str();
    let list = (StatementKind::Insert, insert.returning.as_slice());
    let rows = returning::Written { table: &table, alias, rows: &written, joined: Vec::new() };
    returning::outcome(request.constants(), list, rows, affected)
}

/// The columns the values are for.
pub(super) fn targets(table: &Table, names: &[Name]) -> Result<Vec<Target>> {
    let open = table.kind == TableKind::Collection;
    if names.is_empty() {
        if open {
            return Ok(vec![Target::Document]);
        }
        let shown = table.columns.iter().enumerate().filter(|(_, column)| !column.hidden);
        return Ok(shown.map(|(position, _)| Target::Column(position)).collect());
    }
    names
        .iter()
        .map(|name| match table.column_named(&name.text) {
            Some(position) if open && position == table.columns.len() - 1 => Ok(Target::Document),
            Some(position) => Ok(Target::Column(position)),
            None if open => Ok(Target::Field(name.text.as_str().into())),
            None => Err(Error::new(
                code::UNDEFINED_COLUMN,
                format!("column \"{}\" of table \"{}\" does not exist", name.text, table.name),
            )
            .at(name.position)),
        })
        .collect()
}

fn empty_row(table: &Table) -> Vec<Option<Value>> {
    vec![None; table.columns.len()]
}

/// Reads a row of VALUES. Where no columns are named, the last ones may be left out.
fn row_of_values(
    request: &Request<'_>,
    table: &Table,
    targets: &[Target],
    values: &[Option<Expr>],
) -> Result<Vec<Option<Value>>> {
    let constants = request.constants();
    let mut row = empty_row(table);
    for (target, value) in targets.iter().zip(values) {
        let Some(expr) = value else { continue };
        let value = match target {
            Target::Field(_) => constants.field(expr),
            target => constants.value(expr, &type_of(table, target)),
        };
        let value = value.map_err(|error| in_column(table, target, error))?;
        place(table, &mut row, target, value)?;
    }
    Ok(row)
}

fn rows_of_batch(
    table: &Table,
    targets: &[Target],
    batch: &RecordBatch,
    out: &mut Vec<Vec<Option<Value>>>,
) -> Result<()> {
    for at in 0..batch.num_rows() {
        let given = std::iter::repeat(true);
        out.push(row_of_arrays(table, targets, batch.columns(), given, at)?);
    }
    Ok(())
}

/// Reads one row of what is inserted; `given` says which values are not DEFAULT.
pub(super) fn row_of_arrays(
    table: &Table,
    targets: &[Target],
    columns: &[ArrayRef],
    given: impl Iterator<Item = bool>,
    at: usize,
) -> Result<Vec<Option<Value>>> {
    let mut row = empty_row(table);
    for ((target, column), given) in targets.iter().zip(columns).zip(given) {
        if given {
            let ty = type_of(table, target);
            let value = match (column_type(column.data_type()), &ty) {
                // A value of any type is a JSON value; a text is not read as one.
                (Some(from), ColumnType::Json) if from != ColumnType::Json => {
                    Value::from_array(column.as_ref(), at, &from)
                        .and_then(|value| document::from_value(&value, &from).map(Value::Json))
                }
                _ => Value::from_array(column.as_ref(), at, &ty),
            };
            let value = value.map_err(|error| in_column(table, target, error.into()))?;
            place(table, &mut row, target, value)?;
        }
    }
    Ok(row)
}

fn check_count(wanted: usize, given: usize) -> Result<()> {
    if wanted == given {
        return Ok(());
    }
    let what = if given > wanted { "more" } else { "fewer" };
    let message = format!("INSERT has {what} values than columns");
    Err(Error::new(code::SYNTAX_ERROR, message)
        .with_detail(format!("{wanted} columns are named, {given} values are given.")))
}

fn type_of(table: &Table, target: &Target) -> ColumnType {
    match target {
        Target::Column(position) => table.columns[*position].ty.clone(),
        Target::Field(_) | Target::Document => ColumnType::Json,
    }
}

fn in_column(table: &Table, target: &Target, error: Error) -> Error {
    let name = match target {
        Target::Column(position) => table.columns[*position].name.as_str(),
        Target::Field(name) => name,
        Target::Document => "doc",
    };
    if error.detail.is_some() {
        return error;
    }
    error.with_detail(format!("Column \"{name}\" of table \"{}\".", table.name))
}

/// Puts a value where it belongs. A document fills declared columns of a collection too.
fn place(table: &Table, row: &mut [Option<Value>], target: &Target, value: Value) -> Result<()> {
    match target {
        Target::Column(position) => row[*position] = Some(value),
        Target::Document => {
            let Value::Json(bytes) = value else { return Ok(()) };
            let json = document::to_json_value(&bytes);
            let lifted = document::lift_json(table, &json)?;
            for (place, value) in row.iter_mut().zip(lifted) {
                if !value.is_null() {
                    *place = Some(value);
                }
            }
        }
        Target::Field(name) => {
            let Value::Json(bytes) = value else { return Ok(()) };
            let last = row.len() - 1;
            let before = match row[last].take() {
                Some(Value::Json(before)) => before,
                _ => document::encode("{}")?,
            };
            let path = [PathStep::Field(name.clone())];
            let change = Change { path: &path, value: Some(&bytes) };
            row[last] = Some(Value::Json(document::change(&before, &[change])?));
        }
    }
    Ok(())
}

/// Refuses values for columns that are always numbered.
pub(super) fn check_given(table: &Table, rows: &[Vec<Option<Value>>]) -> Result<()> {
    for position in 0..table.columns.len() {
        if table.columns[position].always && rows.iter().any(|row| row[position].is_some()) {
            check_not_given(table, position)?;
        }
    }
    Ok(())
}

/// Fills in what was not given: defaults, fresh ids, an empty document.
///
/// **Errors**: a default that cannot be evaluated.
pub(super) fn finish(
    request: &Request<'_>,
    table: &Table,
    defaults: &Defaults,
    row: Vec<Option<Value>>,
) -> Result<Vec<Value>> {
    row.into_iter()
        .enumerate()
        .map(|(position, value)| match value {
            Some(value) if !value.is_null() || !table.columns[position].generated => Ok(value),
            _ => defaults.value(request, position),
        })
        .collect()
}
