//! How are records updated and deleted?
//!
//! A query reads what is to be changed, with keys, versions and new values; the writes expect the
//! versions that were read.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use datafusion::common::DFSchema;
use datafusion::sql::sqlparser::ast::{Expr, Query, SelectItem};
use pieskieo_shards::catalog::{Table, TableKind};
use pieskieo_shards::document::{self, Change, Edit, PathStep};
use pieskieo_shards::ids::Timestamp;
use pieskieo_shards::key::Key;
use pieskieo_shards::request::Expect;
use pieskieo_shards::value::{ColumnType, Value};

use super::defaults::Defaults;
use super::erase;
use super::request::Request;
use super::returning;
use super::syntax_tree::{column, item, select};
use super::write::{self, Moved, Old};
use crate::constraint::Changes;
use crate::error::{Error, Result, code};
use crate::exec::columns::{KEY, VERSION};
use crate::exec::predicate::{evaluate as evaluate_expr, truth};
use crate::outcome::{Outcome, StatementKind};
use crate::plan::constant::Constants;
use crate::result::column_type;
use crate::syntax::{Assignment, Delete, Operation, TargetStep, Update};

/// Rows changed between two chances for other tasks.
const ROWS_PER_STEP: usize = 256;

/// Runs an UPDATE whose query is `reads`.
///
/// **Errors**: values that do not fit, conflicts with other transactions.
pub async fn update(
    request: &mut Request<'_>,
    update: &Update,
    reads: &super::Reads,
) -> Result<Outcome> {
    let table = request.table(&update.table)?;
    let assignments = Assignments::new(&table, &update.assignments)?;
    let batches = request.collect(reads).await?;
    let defaults = Defaults::new(request, &table)?;
    let count = batches.iter().map(RecordBatch::num_rows).sum();
    defaults.reserve(request, |column| assignments.count(column, count)).await?;
    let mut changes = Changes::new(&table);
    let mut seen = HashSet::<Key, ahash::RandomState>::default();
    let mut written = Vec::new();
    let mut sources = Vec::new();
    // Records that change their keys arrive only when all have left theirs: `SET id = id + 1`
    // moves each to where the next one was.
    let mut moved = Vec::new();
    for (part, batch) in batches.iter().enumerate() {
        let first = 2 + table.columns.len();
        for row in 0..batch.num_rows() {
            let old = old_row(&table, batch, row)?;
            // Joined to several rows, a record takes the values of the first.
            if !seen.insert(old.key.clone()) {
                continue;
            }
            let change = assignments.row(&batch.columns()[first..], row)?;
            let Assigned::Row(values) = change.apply(request, &defaults, &old.values)? else {
                continue;
            };
            if write::update(request.transaction(), &table, &old, &values)? == Moved::Left {
                moved.push(written.len());
            }
            changes.updated(&old, &values);
            written.push(values);
            sources.push((part, row));
            if written.len() % ROWS_PER_STEP == 0 {
                pieskieo_io::rt::yield_if_needed().await;
            }
        }
    }
    for position in moved {
        write::insert(request.transaction(), &table, &written[position], Expect::Absent)?;
    }
    request.settle_changes(changes).await?;
    let affected = written.len() as u64;
    let alias = update.alias.as_ref().unwrap_or(&update.table).text.as_str();
    let joined = returning::joined(&update.returning, &table, alias);
    let joined = returning::rows_of(&joined, reads.plan.schema(), &batches, &sources)?;
    let list = (StatementKind::Update, update.returning.as_slice());
    let rows = returning::Written { table: &table, alias, rows: &written, joined };
    returning::outcome(request.constants(), list, rows, affected)
}

/// Runs a DELETE whose query is `reads`.
///
/// **Errors**: conflicts with other transactions.
pub async fn delete(
    request: &mut Request<'_>,
    delete: &Delete,
    reads: &super::Reads,
) -> Result<Outcome> {
    let table = request.table(&delete.table)?;
    if let Some(outcome) = erase::run(request, delete, &table, reads).await? {
        return Ok(outcome);
    }
    let batches = request.collect(reads).await?;
    let mut seen = HashSet::<Key, ahash::RandomState>::default();
    let mut changes = Changes::new(&table);
    let mut gone = Vec::new();
    let mut sources = Vec::new();
    for (part, batch) in batches.iter().enumerate() {
        for row in 0..batch.num_rows() {
            let old = old_row(&table, batch, row)?;
            if !seen.insert(old.key.clone()) {
                continue;
            }
            write::delete(request.transaction(), &table, &old)?;
            changes.deleted(&old);
            gone.push(old.values);
            sources.push((part, row));
            if gone.len() % ROWS_PER_STEP == 0 {
                pieskieo_io::rt::yield_if_needed().await;
            }
        }
    }
    request.settle_changes(changes).await?;
    let affected = gone.len() as u64;
    let alias = delete.alias.as_ref().unwrap_or(&delete.table).text.as_str();
    let joined = returning::joined(&delete.returning, &table, alias);
    let joined = returning::rows_of(&joined, reads.plan.schema(), &batches, &sources)?;
    let list = (StatementKind::Delete, delete.returning.as_slice());
    let rows = returning::Written { table: &table, alias, rows: &gone, joined };
    returning::outcome(request.constants(), list, rows, affected)
}

/// Returns the query that reads what an UPDATE changes: key, version, all columns, new values.
///
/// **Errors**: none in practice.
pub fn update_query(table: &Table, update: &Update) -> Result<Query> {
    let alias = update.alias.as_ref().unwrap_or(&update.table).text.as_str();
    let mut items = record_items(table, alias, true);
    for (number, assignment) in update.assignments.iter().enumerate() {
        let shown = format!("__set{number}");
        let null = Expr::value(datafusion::sql::sqlparser::ast::Value::Null);
        items.push(item(assignment.value.clone().unwrap_or(null), &shown));
    }
    items.extend(returning::items_of(&returning::joined(&update.returning, table, alias)));
    select(&table.name, alias, &update.from, items, update.filter.clone())
}

/// Returns the query that reads what a DELETE deletes: key, version, and the columns when anybody
/// needs them.
///
/// **Errors**: none in practice.
pub fn delete_query(table: &Table, delete: &Delete) -> Result<Query> {
    let alias = delete.alias.as_ref().unwrap_or(&delete.table).text.as_str();
    let known = matches!(table.kind, TableKind::Edge { .. }) || Changes::are_watched(table);
    let mut items = record_items(table, alias, known || !delete.returning.is_empty());
    items.extend(returning::items_of(&returning::joined(&delete.returning, table, alias)));
    select(&table.name, alias, &delete.using, items, delete.filter.clone())
}

/// The key, the version and, if wanted, all columns of a table.
pub fn record_items(table: &Table, alias: &str, all: bool) -> Vec<SelectItem> {
    let mut items = vec![column(alias, KEY, "__key"), column(alias, VERSION, "__version")];
    if all {
        let columns = table.columns.iter().enumerate();
        items
            .extend(columns.map(|(number, declared)| {
                column(alias, &declared.name, &format!("__old{number}"))
            }));
    }
    items
}

/// Reads a record from what [`record_items`] gave.
///
/// **Errors**: a damaged key or value.
pub(super) fn old_row(table: &Table, batch: &RecordBatch, row: usize) -> Result<Old> {
    let bytes = batch.column(0).as_binary::<i32>().value(row);
    let key = Key::from_bytes(bytes, &table.key_types(), table.routing)?;
    let version = Timestamp(batch.column(1).as_primitive::<UInt64Type>().value(row));
    let columns = batch.columns().get(2..).unwrap_or_default();
    let values = table.columns.iter().zip(columns);
    let values = values
        .map(|(column, array)| Value::from_array(array.as_ref(), row, &column.ty))
        .collect::<std::result::Result<_, _>>()?;
    Ok(Old { key, version, values })
}

/// The targets of a SET list.
#[derive(Debug)]
pub struct Assignments<'a> {
    list: Vec<(Place, &'a Assignment)>,
}

/// Where an assigned value goes.
#[derive(Clone, Debug)]
enum Place {
    Column(usize, ColumnType),
    /// Into a JSON column, along a path.
    Path(PathPlace),
}

/// Where in a JSON column a value goes, and what happens there.
#[derive(Clone, Debug)]
struct PathPlace {
    column: usize,
    /// The column's name, for messages; `None` for the open fields of a collection.
    named: Option<String>,
    path: Vec<PathStep>,
    operation: Operation,
}

/// New values of one row; `None` = the default.
#[derive(Debug)]
pub struct RowChange {
    places: Vec<(Place, Option<Value>)>,
    /// Whether the row is changed at all.
    wanted: bool,
}

/// What became of a row.
#[derive(Debug)]
pub enum Assigned {
    /// It has these values now.
    Row(Vec<Value>),
    /// A condition left it as it is.
    Unchanged,
}

impl<'a> Assignments<'a> {
    /// Finds the targets of a SET list.
    ///
    /// **Errors**: a column that does not exist.
    pub fn new(table: &Table, list: &'a [Assignment]) -> Result<Self> {
        let list = list.iter().map(|assignment| Ok((place_of(table, assignment)?, assignment)));
        Ok(Self { list: list.collect::<Result<_>>()? })
    }

    /// Returns how many defaults of a column so many rows take.
    pub fn count(&self, column: usize, rows: usize) -> usize {
        let takes = |(place, assignment): &&(Place, &Assignment)| {
            assignment.value.is_none() && matches!(place, Place::Column(at, _) if *at == column)
        };
        self.list.iter().filter(takes).count() * rows
    }

    /// Returns the change of one row, given the arrays of the new values.
    ///
    /// **Errors**: a value that does not fit its column.
    pub fn row(&self, values: &[ArrayRef], row: usize) -> Result<RowChange> {
        let places = self.list.iter().zip(values).map(|((place, assignment), array)| {
            if assignment.value.is_none() {
                return Ok((place.clone(), None));
            }
            Ok((place.clone(), Some(assigned(place, array, row)?)))
        });
        Ok(RowChange { places: places.collect::<Result<_>>()?, wanted: true })
    }

    /// Evaluates the SET list over a batch and returns the change of each row.
    ///
    /// **Errors**: whatever evaluating reports.
    pub fn evaluate(
        &self,
        constants: Constants<'_>,
        batch: &RecordBatch,
        schema: &DFSchema,
        filter: Option<&Expr>,
    ) -> Result<Vec<RowChange>> {
        let evaluate = |expr: &Expr| -> Result<ArrayRef> {
            let planned = constants.engine.plan_expr(constants.catalog, expr.clone(), schema)?;
            let compiled = constants.engine.compile(constants.with_params(planned)?, schema)?;
            evaluate_expr(compiled.as_ref(), batch)
        };
        let null = Expr::value(datafusion::sql::sqlparser::ast::Value::Null);
        let values = self
            .list
            .iter()
            .map(|(_, assignment)| evaluate(assignment.value.as_ref().unwrap_or(&null)));
        let values: Vec<ArrayRef> = values.collect::<Result<_>>()?;
        let wanted = filter.map(evaluate).transpose()?;
        let wanted = wanted.as_ref().map(truth).transpose()?;
        (0..batch.num_rows())
            .map(|row| {
                let mut change = self.row(&values, row)?;
                if let Some(wanted) = &wanted {
                    change.wanted = wanted.is_valid(row) && wanted.value(row);
                }
                Ok(change)
            })
            .collect()
    }
}

impl RowChange {
    /// Returns the row after the change.
    ///
    /// **Errors**: a path that does not lead anywhere, a default that cannot be evaluated.
    pub fn apply(
        self,
        request: &Request<'_>,
        defaults: &Defaults,
        old: &[Value],
    ) -> Result<Assigned> {
        if !self.wanted {
            return Ok(Assigned::Unchanged);
        }
        let mut values = old.to_vec();
        let mut places = self.places.into_iter().peekable();
        while let Some((place, value)) = places.next() {
            match (place, value) {
                (Place::Column(position, _), Some(value)) => values[position] = value,
                (Place::Column(position, _), None) => {
                    values[position] = defaults.value(request, position)?;
                }
                (Place::Path(place), value) => {
                    // All changes of one document read and write it once.
                    let column = place.column;
                    let mut edits = vec![(place, value)];
                    let same = |(next, _): &(Place, _)| match next {
                        Place::Path(next) => next.column == column,
                        Place::Column(..) => false,
                    };
                    while let Some((Place::Path(place), value)) = places.next_if(same) {
                        edits.push((place, value));
                    }
                    values[column] = edited(&values[column], &edits)?;
                }
            }
        }
        Ok(Assigned::Row(values))
    }
}

/// Returns a document after changes of its parts.
fn edited(before: &Value, edits: &[(PathPlace, Option<Value>)]) -> Result<Value> {
    let nothing = document::encode("null")?;
    let bytes = match before {
        Value::Json(bytes) => bytes,
        // Nothing can be removed from nothing.
        _ if edits.iter().all(removes) => return Ok(Value::Null),
        _ => &nothing,
    };
    let changes = edits.iter().map(|(place, given)| {
        let value = match given {
            Some(Value::Json(value)) => value,
            _ => &nothing,
        };
        let edit = match place.operation {
            // The default of a field is not to be there.
            Operation::Set if given.is_none() => Edit::Unset,
            Operation::Set => Edit::Set(value),
            Operation::Unset => Edit::Unset,
            Operation::Push => Edit::Push(value),
            Operation::Pull => Edit::Pull(value),
            Operation::AddToSet => Edit::AddToSet(value),
            Operation::Increment => Edit::Increment(value),
        };
        Change { path: &place.path, edit }
    });
    let changes: Vec<Change<'_>> = changes.collect();
    let changed = document::change(bytes, &changes).map_err(|error| {
        let mut error = Error::from(error);
        if let Some(named) = edits.first().and_then(|(place, _)| place.named.as_ref()) {
            error.message = format!("column \"{named}\": {}", error.message);
        }
        error
    })?;
    Ok(Value::Json(changed))
}

fn removes((place, value): &(PathPlace, Option<Value>)) -> bool {
    match place.operation {
        Operation::Set => value.is_none(),
        Operation::Unset | Operation::Pull => true,
        Operation::Push | Operation::AddToSet | Operation::Increment => false,
    }
}

fn place_of(table: &Table, assignment: &Assignment) -> Result<Place> {
    let first = &assignment.target;
    let operation = assignment.operation;
    let field = |name: &crate::syntax::Name| PathStep::Field(name.text.as_str().into());
    let steps = assignment.path.iter().map(|step| match step {
        TargetStep::Field(name) => field(name),
        TargetStep::Index(index) => PathStep::Index(*index),
    });
    match table.column_named(&first.text) {
        Some(position) if assignment.path.is_empty() && operation == Operation::Set => {
            Ok(Place::Column(position, table.columns[position].ty.clone()))
        }
        Some(column) if table.columns[column].ty == ColumnType::Json => {
            let named = Some(table.columns[column].name.clone());
            Ok(Place::Path(PathPlace { column, named, path: steps.collect(), operation }))
        }
        None if table.kind == TableKind::Collection => {
            let column = table.columns.len() - 1;
            let path = std::iter::once(field(first)).chain(steps).collect();
            Ok(Place::Path(PathPlace { column, named: None, path, operation }))
        }
        _ => Err(Error::new(
            code::UNDEFINED_COLUMN,
            format!("column \"{}\" of table \"{}\" does not exist", first.text, table.name),
        )
        .at(first.position)),
    }
}

/// Reads an assigned value as its place stores it.
fn assigned(place: &Place, array: &ArrayRef, row: usize) -> Result<Value> {
    match place {
        Place::Column(_, ty) => Ok(Value::from_array(array.as_ref(), row, ty)?),
        Place::Path(..) => {
            let Some(from) = column_type(array.data_type()) else {
                let value = Value::from_array(array.as_ref(), row, &ColumnType::Json)?;
                return Ok(value);
            };
            let value = Value::from_array(array.as_ref(), row, &from)?;
            Ok(match value {
                Value::Json(bytes) => Value::Json(bytes),
                Value::Null => Value::Json(document::encode("null")?),
                other => Value::Json(document::from_value(&other, &from)?),
            })
        }
    }
}
