//! Which parameters does a statement take, and which columns does it answer?
//!
//! Nothing runs: a query is planned with nulls of its parameters' types, a RETURNING list is
//! evaluated over no rows.

use std::rc::Rc;

use datafusion::common::DFSchema;
use datafusion::sql::sqlparser::ast::{Expr, Value as Literal};
use pieskieo_shards::catalog::Table;
use pieskieo_shards::value::{ColumnType, Value};

use super::infer::{self, Types};
use super::oid::WireColumn;
use super::own_type::column_numbers;
use crate::bind::{bind, merge_select};
use crate::coordinator::returning::{self, Written};
use crate::coordinator::{Reads, Request, described_setting, record_items, sequences_stand_in};
use crate::error::Result;
use crate::outcome::{Outcome, Param, StatementKind};
use crate::plan::params::bind_params;
use crate::prepared::{Item, Ready};
use crate::syntax::{
    Assignment, Insert, InsertSource, Merge, MergeAction, MergeQuery, OnConflict, Operation,
    Statement,
};

/// The name of the column that EXPLAIN answers.
const PLAN: &str = "plan";

/// Returns the statement bound and planned, without taking numbers of sequences.
///
/// **Errors**: names and types that do not fit.
pub fn ready(request: &Request<'_>, item: &Item) -> Result<Rc<Ready>> {
    if !item.calls_sequences() {
        return item.ready(request.engine(), request.catalog());
    }
    let mut statement = item.parsed.statement.clone();
    sequences_stand_in(&mut statement);
    let statement = bind(request.catalog(), statement)?;
    Ok(Rc::new(Ready::new(request.engine(), request.catalog(), statement)?))
}

/// Returns the types of a statement's parameters; `declared` are those its client has said.
///
/// **Errors**: names and types that do not fit.
pub fn parameters(
    request: &Request<'_>,
    item: &Item,
    declared: &[Option<ColumnType>],
) -> Result<Vec<ColumnType>> {
    let ready = ready(request, item)?;
    let count = item.parsed.parameter_count.max(declared.len());
    let mut found = Types::new();
    for (position, ty) in declared.iter().enumerate() {
        if let Some(ty) = ty {
            found.insert(position + 1, ty.arrow());
        }
    }
    if count > 0 {
        of_statement(request, &ready.statement, &mut found)?;
        if let Some(reads) = &ready.query {
            infer::of_plan(&reads.plan, &mut found)?;
        }
    }
    let known = |position: usize| match declared.get(position) {
        Some(Some(ty)) => Some(ty.clone()),
        _ => found.get(&(position + 1)).and_then(ColumnType::of_arrow),
    };
    Ok((0..count).map(|position| known(position).unwrap_or(ColumnType::Text)).collect())
}

/// Adds what a statement says of its parameters beside the query it reads with.
fn of_statement(request: &Request<'_>, statement: &Statement, found: &mut Types) -> Result<()> {
    match statement {
        Statement::Insert(insert) => of_insert(request, insert, found),
        Statement::Update(update) => {
            let table = request.table(&update.table)?;
            of_assignments(request, &table, &update.assignments, found);
            Ok(())
        }
        Statement::BoundMerge(bound) => of_merge(request, &bound.merge, &bound.queries, found),
        Statement::Explain(explain) => of_statement(request, &explain.statement, found),
        _ => Ok(()),
    }
}

fn of_insert(request: &Request<'_>, insert: &Insert, found: &mut Types) -> Result<()> {
    let table = request.table(&insert.table)?;
    let names = insert.columns.iter().map(|name| name.text.as_str());
    let types = targets(&table, names);
    match &insert.source {
        InsertSource::Values(rows) => {
            for row in rows {
                for (value, ty) in row.iter().zip(&types) {
                    of_value(request, value.as_ref(), ty.as_ref(), found);
                }
            }
        }
        InsertSource::Query(query) => {
            let plan = request.engine().plan(request.catalog(), query.as_ref().clone())?;
            infer::of_plan(&plan, found)?;
            // What is only passed on has the type of the column it is for.
            infer::of_outputs(&plan, types.iter().map(Option::as_ref), found)?;
        }
        InsertSource::Defaults => {}
    }
    if let Some(OnConflict::DoUpdate { assignments, .. }) = &insert.on_conflict {
        of_assignments(request, &table, assignments, found);
    }
    Ok(())
}

/// The types of the columns that values are for; `None` for fields of documents.
fn targets<'n>(
    table: &Table,
    names: impl ExactSizeIterator<Item = &'n str>,
) -> Vec<Option<ColumnType>> {
    if names.len() == 0 {
        let shown = table.columns.iter().filter(|column| !column.hidden);
        return shown.map(|column| Some(column.ty.clone())).collect();
    }
    let ty = |name| table.column_named(name).map(|position| table.columns[position].ty.clone());
    names.map(ty).collect()
}

fn of_assignments(
    request: &Request<'_>,
    table: &Table,
    assignments: &[Assignment],
    found: &mut Types,
) {
    for assignment in assignments.iter().filter(|one| one.operation == Operation::Set) {
        let ty = match assignment.path.is_empty() {
            true => table.column_named(&assignment.target.text),
            false => None,
        };
        let ty = ty.map(|position| &table.columns[position].ty);
        of_value(request, assignment.value.as_ref(), ty, found);
    }
}

fn of_merge(
    request: &Request<'_>,
    merge: &Merge,
    queries: &[MergeQuery],
    found: &mut Types,
) -> Result<()> {
    let table = request.table(&merge.table)?;
    let alias = merge.alias.as_ref().unwrap_or(&merge.table).text.as_str();
    for query in queries {
        for clause in &query.clauses {
            match &clause.action {
                MergeAction::Insert { columns, values } => {
                    let types = targets(&table, columns.iter().map(|name| name.text.as_str()));
                    for (value, ty) in values.iter().zip(&types) {
                        of_value(request, value.as_ref(), ty.as_ref(), found);
                    }
                }
                MergeAction::Update(assignments) => {
                    of_assignments(request, &table, assignments, found);
                }
                MergeAction::Delete | MergeAction::Nothing => {}
            }
        }
        let select = merge_select(query, (&table, alias), record_items(&table, alias, true));
        let plan = request.engine().plan(request.catalog(), select)?;
        infer::of_plan(&plan, found)?;
    }
    Ok(())
}

/// Adds what a value says of its parameters: one that is a value itself has the type of the column
/// it is for.
fn of_value(
    request: &Request<'_>,
    value: Option<&Expr>,
    ty: Option<&ColumnType>,
    found: &mut Types,
) {
    match value {
        None => {}
        Some(Expr::Nested(inner)) => of_value(request, Some(inner), ty, found),
        Some(Expr::Value(value)) => {
            let number = match &value.value {
                Literal::Placeholder(name) => name.trim_start_matches('$').parse().ok(),
                _ => None,
            };
            if let (Some(number), Some(ty)) = (number, ty) {
                found.entry(number).or_insert_with(|| ty.arrow());
            }
        }
        Some(other) => {
            // One that depends on columns is part of the statement's query.
            let none = DFSchema::empty();
            let planned = request.engine().plan_expr(request.catalog(), other.clone(), &none);
            if let Ok(planned) = planned {
                infer::of_expr(&planned, &none, found).ok();
            }
        }
    }
}

/// Returns the columns that a statement answers, given the types of its parameters; `None` for one
/// without an answer.
///
/// **Errors**: names and types that do not fit.
pub fn columns(
    request: &Request<'_>,
    item: &Item,
    types: &[ColumnType],
) -> Result<Option<Vec<WireColumn>>> {
    let ready = ready(request, item)?;
    let nothing = |ty: &ColumnType| Param::Typed { value: Value::Null, ty: ty.clone() };
    let nulls: Vec<Param> = types.iter().map(nothing).collect();
    match &ready.statement {
        Statement::Query(_) => of_query(request, ready.reads()?, &nulls).map(Some),
        Statement::Explain(_) => Ok(Some(vec![text(PLAN)])),
        Statement::Show(show) => Ok(of_outcome(&described_setting(request, show)?)),
        _ => of_returning(request, &ready, &nulls),
    }
}

fn text(name: &str) -> WireColumn {
    WireColumn::of_arrow(name, &ColumnType::Text.arrow())
}

fn of_query(request: &Request<'_>, reads: &Reads, nulls: &[Param]) -> Result<Vec<WireColumn>> {
    let plan = bind_params(&reads.plan, nulls)?;
    let optimized = request.engine().optimized(&plan)?;
    let fields = reads.plan.schema().fields().iter().zip(optimized.schema().fields());
    let numbers = column_numbers(&reads.plan);
    let fields = fields.zip(numbers.into_iter().chain(std::iter::repeat(None)));
    Ok(fields
        .map(|((named, typed), number)| WireColumn::of_field(named.name(), typed).known_as(number))
        .collect())
}

fn of_outcome(outcome: &Outcome) -> Option<Vec<WireColumn>> {
    let fields = outcome.schema.fields();
    (!fields.is_empty()).then(|| {
        fields.iter().map(|field| WireColumn::of_arrow(field.name(), field.data_type())).collect()
    })
}

/// The columns of a RETURNING list.
fn of_returning(
    request: &Request<'_>,
    ready: &Ready,
    nulls: &[Param],
) -> Result<Option<Vec<WireColumn>>> {
    let (table, alias, items, kind) = match &ready.statement {
        Statement::Insert(insert) => {
            (&insert.table, &insert.alias, &insert.returning, StatementKind::Insert)
        }
        Statement::Update(update) => {
            (&update.table, &update.alias, &update.returning, StatementKind::Update)
        }
        Statement::Delete(delete) => {
            (&delete.table, &delete.alias, &delete.returning, StatementKind::Delete)
        }
        Statement::BoundMerge(bound) => {
            let merge = &bound.merge;
            (&merge.table, &merge.alias, &merge.returning, StatementKind::Merge)
        }
        _ => return Ok(None),
    };
    if items.is_empty() {
        return Ok(None);
    }
    let alias = alias.as_ref().unwrap_or(table).text.as_str();
    let table = request.table(table)?;
    let joined = match &ready.query {
        Some(reads) => {
            let joined = returning::joined(items, &table, alias);
            returning::rows_of(&joined, reads.plan.schema(), &[], &[])?
        }
        None => Vec::new(),
    };
    let written = Written { table: &table, alias, rows: &[], joined };
    let constants = crate::plan::constant::Constants { params: nulls, ..request.constants() };
    let outcome = returning::outcome(constants, (kind, items.as_slice()), written, 0)?;
    Ok(of_outcome(&outcome))
}
