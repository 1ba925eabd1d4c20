//! How do the records of a table get columns of other types?
//!
//! They are copied, as of a snapshot from after everybody who wrote to the table had ended, in
//! commits of their own, into a table that nobody sees; then it takes the place of the other at
//! once. That runs in a task of its own, so that a client that goes away leaves nothing.

use std::rc::Rc;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr as Planned, ExprSchemable};
use datafusion::sql::sqlparser::ast::{Query, SelectItem};
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, Table};
use pieskieo_shards::ids::TableId;
use pieskieo_shards::key::Key;
use pieskieo_shards::value::{ColumnType, Value};

use super::alter::default_value;
use super::change::record_items;
use super::create_as::{Maker, check_views};
use super::syntax_tree::select;
use super::{fill, schema};
use crate::bind::{
    Alter, Retyped, Rewriting, alter_table, bind_using, is_assignable, lacking, not_rewritten,
    rewritten,
};
use crate::constraint::row_schema;
use crate::error::{Error, Result, code};
use crate::plan::Engine;
use crate::plan::constant::Constants;
use crate::syntax::AlterTable;

/// Runs an ALTER TABLE with changes of types.
///
/// **Cost**: reads and writes every record, unless its bytes stay as they are.
/// **Errors**: as `bind::alter_table`; a record whose value has none of the new type. Nothing has
/// changed then.
pub(super) async fn run(maker: &mut Maker, alter: &AlterTable) -> Result<()> {
    let (core, engine) = (maker.core.clone(), maker.engine.clone());
    let mut made = None;
    let current = core.catalog();
    schema::change_on(&core, &engine, |catalog| {
        let constants = Constants { engine: &engine, catalog: &current, params: &[] };
        let value_of = |text: &str, ty: &ColumnType| default_value(constants, text, ty);
        let Some(altered) = alter_table(catalog, alter, &value_of)? else { return Ok(None) };
        let Alter { next, before, rewriting, typed, .. } = altered;
        check_unread(&engine, catalog, before.id, &typed)
            .map_err(|error| error.at(alter.name.position))?;
        for column in rewriting.iter().flat_map(|rewriting| &rewriting.columns) {
            check_using(&engine, catalog, (&before, column), &next, rewriting.as_ref())?;
        }
        made = rewriting;
        Ok(Some(next))
    })
    .await?;
    let Some(rewriting) = made else { return Ok(()) };
    let done = copy(maker, &rewriting).await;
    if done.is_err() {
        let undo = |catalog: &Catalog| Ok(not_rewritten(catalog, &rewriting));
        // What cannot be taken back goes with the process.
        schema::change_on(&core, &engine, undo).await.ok();
    }
    done
}

async fn copy(maker: &mut Maker, rewriting: &Rewriting) -> Result<()> {
    // Who wrote to the table has let go of it, but a new snapshot may still be an older one.
    maker.core.all_visible().await?;
    let of = table_of(&maker.core.catalog(), rewriting.of)?;
    let query = |catalog: &Catalog, _: &Table| {
        let of = table_of(catalog, rewriting.of)?;
        query_of(catalog, &of, &rewriting.columns)
    };
    let read = |_: &Core, copy: &Table, batch: &RecordBatch, out: &mut Vec<Vec<Value>>| {
        values_of((&of, copy), batch, out)
    };
    let (_, since) = fill::fill(maker, rewriting.copy, query, read).await?;
    // The client is told what became of it, however long that takes.
    maker.stop.set_settling(true);
    let swap = |catalog: &Catalog| {
        let columns: Vec<usize> = rewriting.columns.iter().map(|one| one.position).collect();
        // Somebody may have made a view meanwhile.
        check_unread(&maker.engine, catalog, rewriting.of, &columns)?;
        rewritten(catalog, rewriting, since)
    };
    let swapped = schema::change_on(&maker.core, &maker.engine, swap).await;
    maker.stop.set_settling(false);
    match swapped? {
        Some(_) => Ok(()),
        None => Err(fill::gone()),
    }
}

/// Refuses another type of columns that views use.
///
/// **Errors**: `0A000`, as PostgreSQL.
fn check_unread(engine: &Engine, catalog: &Catalog, id: TableId, columns: &[usize]) -> Result<()> {
    let without = Arc::new(lacking(catalog, id, columns));
    check_views(engine, catalog, &without).map_err(|error| {
        let message = "cannot alter type of a column used by a view or rule";
        Error::new(code::FEATURE_NOT_SUPPORTED, message)
            .with_detail(format!("{}.", uppercased(&error.message)))
            .with_hint("Drop the view, and create it again afterwards.")
    })
}

fn uppercased(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn table_of(catalog: &Catalog, id: TableId) -> Result<Arc<Table>> {
    catalog.tables.get(&id).cloned().ok_or_else(fill::gone)
}

/// The query of a table's records, with the values that some columns will have.
fn query_of(catalog: &Catalog, of: &Arc<Table>, columns: &[Retyped]) -> Result<Query> {
    let mut items = record_items(of, &of.name, true);
    for column in columns {
        let Some(using) = &column.using else { continue };
        let expr = bind_using(catalog, of, using)?;
        // Behind the key and the version.
        if let Some(SelectItem::ExprWithAlias { expr: old, .. }) =
            items.get_mut(2 + column.position)
        {
            *old = expr;
        }
    }
    select(&of.name, &of.name, &[], items, None)
}

/// Reads records, and names the one that has no value of the new type.
fn values_of(
    (of, copy): (&Table, &Table),
    batch: &RecordBatch,
    out: &mut Vec<Vec<Value>>,
) -> Result<()> {
    let columns = batch.columns().get(2..).unwrap_or_default();
    for row in 0..batch.num_rows() {
        let mut values = Vec::with_capacity(copy.columns.len());
        for (column, array) in copy.columns.iter().zip(columns) {
            let value = Value::from_array(array.as_ref(), row, &column.ty);
            let value = value.and_then(|value| value.coerce(&column.ty)).map_err(|error| {
                let key = batch.column(0).as_binary::<i32>().value(row);
                let key = Key::from_bytes(key, &of.key_types(), of.routing);
                let key = key.map(|key| key.display(of)).unwrap_or_default();
                Error::from(error)
                    .with_detail(format!("Column \"{}\" of the record {key}.", column.name))
            });
            values.push(value?);
        }
        out.push(values);
    }
    Ok(())
}

/// Checks what a column will have.
///
/// **Errors**: 42804 for a value that is not assigned to its type by itself, 42803 for an
/// aggregate, 42P02 for a parameter.
fn check_using(
    engine: &Rc<Engine>,
    catalog: &Catalog,
    (before, column): (&Arc<Table>, &Retyped),
    next: &Catalog,
    rewriting: Option<&Rewriting>,
) -> Result<()> {
    let Some(using) = &column.using else { return Ok(()) };
    let copy = rewriting.and_then(|rewriting| next.tables.get(&rewriting.copy));
    let Some(to) = copy.map(|copy| &copy.columns[column.position].ty) else { return Ok(()) };
    let name = &column.name;
    let checked = || -> Result<()> {
        let catalog = Arc::new(catalog.clone());
        let schema = row_schema(before)?;
        let planned = engine.plan_expr(&catalog, bind_using(&catalog, before, using)?, &schema)?;
        let mut refused = None;
        planned.apply(|expr| {
            refused = refusal(expr);
            let stop = refused.is_some();
            Ok(if stop { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        if let Some(error) = refused {
            return Err(error);
        }
        let ty = planned.get_type(&schema)?;
        let from = ColumnType::of_arrow(&ty);
        let is_literal = matches!(planned, Planned::Literal(..));
        if is_literal || from.is_some_and(|from| is_assignable(&from, to)) {
            return Ok(());
        }
        let message = format!(
            "result of USING clause for column \"{}\" cannot be cast automatically to type {to}",
            name.text
        );
        Err(Error::new(code::DATATYPE_MISMATCH, message)
            .with_hint("You might need to add an explicit cast."))
    };
    checked().map_err(|mut error| {
        // A position within the expression means nothing to the client.
        error.position = None;
        error.at(name.position)
    })
}

/// Returns why an expression cannot give the value of a column.
fn refusal(expr: &Planned) -> Option<Error> {
    match expr {
        Planned::AggregateFunction(_) => {
            Some(Error::new(code::GROUPING_ERROR, "an aggregate in USING"))
        }
        Planned::WindowFunction(_) => {
            Some(Error::new(code::GROUPING_ERROR, "a window function in USING"))
        }
        Planned::Placeholder(_) => Some(
            Error::new(code::UNDEFINED_PARAMETER, "a parameter in USING")
                .with_hint("Write the value into the statement."),
        ),
        _ => None,
    }
}
