//! Do new rows pass the conditions of their table?

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::{Array, BooleanArray};
use arrow_schema::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, TableReference};
use datafusion::logical_expr::{Expr, ExprSchemable, Volatility};
use datafusion::physical_expr::PhysicalExpr;
use pieskieo_shards::catalog::{Catalog, Table};
use pieskieo_shards::ids::{CatalogVersion, TableId};
use pieskieo_shards::value::Value;

use super::settle::{Changes, Ground};
use crate::bind::bind_check;
use crate::coordinator::returning::{batch_of, schema_of};
use crate::error::{Error, Result, code};
use crate::exec::predicate::{evaluate, truth};
use crate::plan::Engine;
use crate::syntax::parse_expression;

/// The conditions of one table, by name.
type Conditions = Rc<Vec<(String, Arc<dyn PhysicalExpr>)>>;

thread_local! {
    /// Conditions are compiled once per catalog, as plans are (`prepared.rs`).
    static COMPILED: RefCell<(CatalogVersion, HashMap<TableId, Conditions>)> =
        RefCell::new((CatalogVersion(0), HashMap::new()));
}

/// Evaluates the conditions over new and changed rows.
///
/// **Errors**: 23514 with the first row that fails; whatever evaluating reports.
pub(super) fn rows(ground: &Ground, changes: &Changes) -> Result<()> {
    let table = &changes.table;
    if table.checks().next().is_none() {
        return Ok(());
    }
    let rows: Vec<Vec<Value>> =
        changes.rows.iter().filter_map(|change| change.new.clone()).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let batch = batch_of(table, &rows)?;
    for (name, condition) in compiled(ground, table)?.iter() {
        let passes: BooleanArray = truth(&evaluate(condition.as_ref(), &batch)?)?;
        let failed = (0..rows.len()).find(|&row| passes.is_valid(row) && !passes.value(row));
        if let Some(failed) = failed {
            return Err(violation(table, name, &rows[failed]));
        }
    }
    Ok(())
}

fn violation(table: &Table, name: &str, row: &[Value]) -> Error {
    let shown = table.columns.iter().zip(row).filter(|(column, _)| !column.hidden);
    let shown: Vec<String> = shown
        .map(|(column, value)| match value {
            Value::Null => "null".to_owned(),
            value => value.render(&column.ty),
        })
        .collect();
    let message = format!("a row of table \"{}\" violates check constraint \"{name}\"", table.name);
    Error::new(code::CHECK_VIOLATION, message)
        .with_detail(format!("Failing row contains ({}).", shown.join(", ")))
        .of_constraint(name)
}

fn compiled(ground: &Ground, table: &Arc<Table>) -> Result<Conditions> {
    let version = ground.catalog.version;
    let known =
        COMPILED.with_borrow(
            |(of, known)| {
                if *of == version { known.get(&table.id).cloned() } else { None }
            },
        );
    if let Some(known) = known {
        return Ok(known);
    }
    let schema = row_schema(table)?;
    let mut conditions = Vec::new();
    for (name, text) in table.checks() {
        let planned = planned(&ground.engine, &ground.catalog, table, text)?;
        conditions.push((name.to_owned(), ground.engine.compile(planned, &schema)?));
    }
    let conditions = Rc::new(conditions);
    COMPILED.with_borrow_mut(|(of, known)| {
        if *of != version {
            (*of, *known) = (version, HashMap::new());
        }
        known.insert(table.id, conditions.clone());
    });
    Ok(conditions)
}

/// Returns what an expression over the rows of a table refers to.
///
/// **Errors**: none in practice.
pub fn row_schema(table: &Table) -> Result<DFSchema> {
    // Not read as text, which would make it lower case.
    let name = TableReference::bare(table.name.as_str());
    Ok(DFSchema::try_from_qualified_schema(name, &schema_of(table))?)
}

fn planned(
    engine: &Engine,
    catalog: &Arc<Catalog>,
    table: &Arc<Table>,
    text: &str,
) -> Result<Expr> {
    let mut condition = parse_expression(text)?;
    bind_check(catalog, table, &mut condition)?;
    Ok(engine.plan_expr(catalog, condition, &row_schema(table)?)?)
}

/// Checks the conditions that `next` has and `current` has not.
///
/// **Errors**: those of the names and types in a condition; 42803 for an aggregate, 42P17 for
/// what is not the same at all times, 42804 for what is not true or false, 42P02 for a parameter.
pub fn check_definitions(engine: &Engine, current: &Catalog, next: &Arc<Catalog>) -> Result<()> {
    for (id, table) in &next.tables {
        let known = current.tables.get(id);
        let is_known = |check: &(&str, &str)| {
            known.is_some_and(|known| known.checks().any(|known| known == *check))
        };
        for (name, text) in table.checks().filter(|check| !is_known(check)) {
            let definition = check_definition(engine, next, table, text);
            definition.map_err(|mut error| {
                // A position within the condition means nothing to the client.
                error.position = None;
                error.detail.get_or_insert_with(|| format!("In CHECK constraint \"{name}\"."));
                error
            })?;
        }
    }
    Ok(())
}

fn check_definition(
    engine: &Engine,
    next: &Arc<Catalog>,
    table: &Arc<Table>,
    text: &str,
) -> Result<()> {
    let schema = row_schema(table)?;
    let planned = planned(engine, next, table, text)?;
    let mut refused = None;
    planned.apply(|expr| {
        refused = refusal(expr);
        Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    if let Some(error) = refused {
        return Err(error);
    }
    let ty = planned.get_type(&schema)?;
    if !matches!(ty, DataType::Boolean | DataType::Null) {
        return Err(Error::new(code::DATATYPE_MISMATCH, "the condition is not true or false"));
    }
    engine.compile(planned, &schema)?;
    Ok(())
}

/// Returns why an expression cannot be part of a condition.
fn refusal(expr: &Expr) -> Option<Error> {
    match expr {
        Expr::AggregateFunction(_) => {
            Some(Error::new(code::GROUPING_ERROR, "an aggregate in a CHECK constraint"))
        }
        Expr::WindowFunction(_) => {
            Some(Error::new(code::GROUPING_ERROR, "a window function in a CHECK constraint"))
        }
        Expr::Placeholder(_) => Some(
            Error::new(code::UNDEFINED_PARAMETER, "a parameter in a CHECK constraint")
                .with_hint("Write the value into the definition."),
        ),
        Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
            let message = format!("{}() is not the same at all times", call.func.name());
            Some(
                Error::new(code::INVALID_OBJECT_DEFINITION, message)
                    .with_hint("A condition may depend on the row only."),
            )
        }
        _ => None,
    }
}
