//! How does a table change its shape?
//!
//! The next catalog is in force at once. What existing records must keep is then looked at, with a
//! snapshot from after the change, when nobody writes any more who does not know it; at last it is
//! said to hold, or all of the statement is taken back.

use std::rc::Rc;
use std::sync::Arc;

use arrow_array::Array;
use datafusion::sql::sqlparser::ast::Query;
use pieskieo_io::rt::{self, Queue};
use pieskieo_shards::Error as ShardError;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, Constraint, ConstraintKind, Table};
use pieskieo_shards::value::{ColumnType, Value};

use super::create_as::Maker;
use super::request::Request;
use super::select::{Reads, collect, collected};
use super::{alter_type, schema};
use crate::bind::{Alter, Pending, alter_table, breaking, settled, undone};
use crate::constraint::fill;
use crate::error::{Error, Result, code};
use crate::outcome::{Outcome, StatementKind};
use crate::plan::constant::Constants;
use crate::syntax::{AlterTable, Alteration, parse_expression};

/// Runs an ALTER TABLE. Returns when every shard has the change, and it holds.
///
/// **Cost**: nothing is rewritten; constraints read the table once.
/// **Errors**: a definition that does not fit; 23502, 23503, 23505, 23514 for records that do not
/// keep it. Nothing has changed then.
pub async fn run(request: &Request<'_>, alter: &AlterTable) -> Result<Outcome> {
    let nothing = Outcome::without_rows(StatementKind::Schema, None);
    if alter.actions.iter().any(|action| matches!(action, Alteration::SetType { .. })) {
        let alter = alter.clone();
        let maker = Maker::new(request)?;
        maker.detached(async move |maker| alter_type::run(maker, &alter).await).await?;
        return Ok(nothing);
    }
    let mut made = None;
    let define = |catalog: &Catalog| {
        let value_of = |text: &str, ty: &ColumnType| default_value(request.constants(), text, ty);
        let Some(Alter { next, before, pending, .. }) = alter_table(catalog, alter, &value_of)?
        else {
            return Ok(None);
        };
        made = Some((before, pending));
        Ok(Some(next))
    };
    let changed = schema::change(request, define).await?;
    let (Some(catalog), Some((before, pending))) = (changed, made) else { return Ok(nothing) };
    if pending.is_empty() {
        return Ok(nothing);
    }
    let Some(after) = catalog.tables.get(&before.id).cloned() else { return Ok(nothing) };
    let mut unsettled =
        Unsettled { core: request.core().clone(), before, after, is_settled: false };
    for one in &pending {
        if let Err(error) = look(request, &unsettled.after, one).await {
            unsettled.is_settled = true;
            undo(&unsettled.core, &unsettled.before, &unsettled.after).await?;
            return Err(error);
        }
    }
    unsettled.is_settled = true;
    let id = unsettled.after.id;
    let gone = || ShardError::Cancelled("the table was dropped meanwhile".into());
    let next = |catalog: &Catalog| settled(catalog, id, &pending).ok_or_else(gone);
    request.core().change_catalog(next).await?;
    Ok(nothing)
}

/// Takes the change back when the client does not wait for its end.
struct Unsettled {
    core: Rc<Core>,
    before: Arc<Table>,
    after: Arc<Table>,
    is_settled: bool,
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let (core, before, after) = (self.core.clone(), self.before.clone(), self.after.clone());
        let undoing = async move {
            if let Err(error) = undo(&core, &before, &after).await {
                tracing::warn!(table = %after.name, %error, "an ALTER TABLE was not taken back");
            }
        };
        drop(rt::spawn(Queue::Commit, "undo alter", undoing));
    }
}

async fn undo(core: &Rc<Core>, before: &Table, after: &Table) -> Result<()> {
    let mut gone = false;
    let changed = core.change_catalog(|catalog| {
        undone(catalog, before, after).ok_or_else(|| {
            gone = true;
            ShardError::Cancelled("the table is gone".into())
        })
    });
    match changed.await {
        Err(_) if gone => Ok(()),
        changed => Ok(changed.map(drop)?),
    }
}

/// Returns the value that rows from before a column have in it.
///
/// **Errors**: a value that does not fit; 0A000 for one that is another for every row.
pub(super) fn default_value(
    constants: Constants<'_>,
    text: &str,
    ty: &ColumnType,
) -> Result<Value> {
    let expr = parse_expression(text)?;
    if constants.is_volatile(&expr)? {
        return Err(Error::unsupported("ADD COLUMN with a default that differs from row to row")
            .with_hint("Add the column, UPDATE it, then ALTER COLUMN ... SET DEFAULT."));
    }
    constants.value(&expr, ty)
}

/// Looks whether existing records keep what is pending.
async fn look(request: &Request<'_>, table: &Arc<Table>, pending: &Pending) -> Result<()> {
    if let Pending::Unique(name) = pending {
        // Detached: a client that goes away must not leave the table closed to writers.
        let fill = fill(request.core().clone(), name.clone());
        return rt::spawn(Queue::Commit, "unique index", fill).await;
    }
    // Who wrote without knowing of it has let go of the table, but a new snapshot may still be an
    // older one.
    request.core().all_visible().await?;
    let fresh = request.fresh();
    let catalog = fresh.catalog().clone();
    let Some(table) = catalog.tables.get(&table.id).cloned() else { return Ok(()) };
    let rule = table.constraints.iter().find(|rule| rule.name == pending.rule());
    let Some(rule) = rule.filter(|rule| !rule.validated) else { return Ok(()) };
    let Some(query) = breaking(&catalog, &table, rule)? else { return Ok(()) };
    let Some(values) = first_row(fresh, query).await? else { return Ok(()) };
    Err(match pending {
        Pending::NotNull { column, .. } => {
            let column = table.columns.iter().find(|one| one.id == *column);
            contains_nulls(&table, column.map_or("", |column| column.name.as_str()))
        }
        _ => broken(&catalog, &table, rule, &values),
    })
}

/// Returns the first row of a query, as texts.
async fn first_row(request: Request<'_>, query: Query) -> Result<Option<Vec<String>>> {
    let reads = Reads::new(request.engine(), request.catalog(), query)?;
    let options = request.options();
    let outcome = request.stream(&reads, None).await?;
    let batches = collected(collect(outcome, options).await?)?;
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
    let shown = batch.columns().iter().map(|array| shown(array.as_ref()));
    Ok(Some(shown.collect()))
}

fn shown(array: &dyn Array) -> String {
    let formatted = arrow_cast::display::array_value_to_string(array, 0);
    formatted.unwrap_or_default()
}

fn contains_nulls(table: &Table, column: &str) -> Error {
    let message = format!("column \"{column}\" of table \"{}\" contains null values", table.name);
    Error::new(code::NOT_NULL_VIOLATION, message)
        .with_hint("UPDATE these records first, or give the column a DEFAULT.")
}

fn broken(catalog: &Catalog, table: &Table, rule: &Constraint, values: &[String]) -> Error {
    let name = &rule.name;
    match &rule.kind {
        ConstraintKind::Foreign(foreign) => {
            let names = foreign.columns.iter().map(|&column| table.columns[column].name.as_str());
            let key = format!("({})=({})", names.collect::<Vec<_>>().join(", "), values.join(", "));
            let target = catalog.tables.get(&foreign.target);
            let target = target.map_or("", |target| target.name.as_str());
            let message =
                format!("table \"{}\" violates foreign key constraint \"{name}\"", table.name);
            Error::new(code::FOREIGN_KEY_VIOLATION, message)
                .with_detail(format!("Key {key} is not present in table \"{target}\"."))
                .of_constraint(name)
        }
        _ => {
            let message =
                format!("check constraint \"{name}\" of table \"{}\" is violated", table.name);
            Error::new(code::CHECK_VIOLATION, message)
                .with_detail("Some record does not keep it.")
                .with_hint("Change these records first, or add it NOT VALID.")
                .of_constraint(name)
        }
    }
}
