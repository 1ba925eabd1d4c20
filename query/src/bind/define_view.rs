//! Which catalog does a view, or a table made from a query, make?
//!
//! What is to hold records is made `Unfinished` first, which nobody sees, and takes its place when
//! all records are there. A materialized view that holds nothing is filled under a new number, so
//! that nothing is left of an attempt before.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Query, visit_expressions};
use pieskieo_shards::catalog::{
    Catalog, Column, Content, Rewrite, Table, TableKind, Truncation, ViewQuery, ViewRead,
};
use pieskieo_shards::ids::{ColumnId, TableId, Timestamp};
use pieskieo_shards::value::ColumnType;

use super::define::{
    generated, is_free, next_table, plain, process, refuse_made_names, successor, table,
};
use super::define_drop::remove_table;
use super::define_sequence::sequence_function;
use super::query::Binder;
use super::view::shown_of;
use crate::error::{Error, Result, code};
use crate::limits::{COLUMNS_MAX, VIEW_BYTES_MAX};
use crate::syntax::{CreateAs, MadeKind, Name};

/// A query that something is made of, bound.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The query.
    pub query: Query,
    /// What it reads.
    pub reads: Vec<ViewRead>,
}

/// What a CREATE from a query has made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The next catalog.
    pub catalog: Catalog,
    /// The table that is to be filled, if one is.
    pub fills: Option<TableId>,
}

/// Returns whether a CREATE from a query has anything to do.
///
/// **Errors**: 42P07, 42809 for OR REPLACE of something that is no view.
pub fn makes_something(catalog: &Catalog, create: &CreateAs) -> Result<bool> {
    let name = &create.name;
    if create.or_replace {
        if catalog.view_named(&name.text).is_some() {
            return Ok(true);
        }
        if catalog.table_named(&name.text).is_some() {
            let message = format!("\"{}\" is not a view", name.text);
            return Err(Error::new(code::WRONG_OBJECT_TYPE, message)
                .with_hint("Choose another name.")
                .at(name.position));
        }
    }
    is_free(catalog, name, create.if_not_exists)
}

/// Binds the query that something is made of.
///
/// **Errors**: those of the query; 0A000 for numbers of sequences, 54000 for a text that is too
/// long to be kept.
pub fn bind_definition(catalog: &Catalog, create: &CreateAs) -> Result<Definition> {
    let kept = create.kind != MadeKind::Table;
    if kept && create.text.len() > VIEW_BYTES_MAX {
        let message = format!("the query has {} bytes", create.text.len());
        return Err(Error::new(code::PROGRAM_LIMIT, message)
            .with_detail(format!("The limit view_bytes_max is {VIEW_BYTES_MAX}."))
            .with_hint("Put a part of it into a view of its own."));
    }
    let mut binder = Binder::new(catalog);
    if kept {
        binder.note_reads(create.text.len(), create.nesting + 1)?;
    }
    let (query, _) =
        super::statement::with_stack(|| binder.bind_defined(create.query.as_ref().clone()))?;
    let numbers = super::statement::with_stack(|| {
        visit_expressions(&query, |expr| match sequence_function(expr) {
            Some((name, _)) => ControlFlow::Break(name),
            None => ControlFlow::Continue(()),
        })
    });
    if let ControlFlow::Break(name) = numbers {
        return Err(Error::unsupported(format!(
            "{name}() in the query of a {}",
            create.kind.word()
        ))
        .with_hint("Let a column of the table be numbered: GENERATED ALWAYS AS IDENTITY."));
    }
    Ok(Definition { query, reads: binder.reads() })
}

/// Binds the query that something is made of, to be run.
///
/// **Errors**: those of the query.
pub fn bind_query_of(catalog: &Catalog, create: &CreateAs) -> Result<Query> {
    let mut binder = Binder::new(catalog);
    let query = create.query.as_ref().clone();
    super::statement::with_stack(|| binder.bind_defined(query)).map(|(query, _)| query)
}

/// Binds the query of a view, to be run.
///
/// **Errors**: what has become of what it reads.
pub fn bind_view(catalog: &Catalog, view: &Table) -> Result<Query> {
    let mut binder = Binder::new(catalog);
    super::statement::with_stack(|| binder.view_query(view)).map(|(query, _)| query)
}

/// As [`bind_view`], for the definition alone: what it reads need not be populated.
///
/// **Errors**: as [`bind_view`].
pub fn bind_view_definition(catalog: &Catalog, view: &Table) -> Result<Query> {
    let mut binder = Binder::new(catalog);
    binder.note_reads(0, 0)?;
    super::statement::with_stack(|| binder.view_query(view)).map(|(query, _)| query)
}

/// Returns the catalog with what a query makes, given the columns that the query has.
///
/// **Errors**: 42P16 for an OR REPLACE that does not only add columns, 42P17 for a view that would
/// read itself, 42701, 42601 and 54011 for its columns.
pub fn define_made(
    catalog: &Catalog,
    create: &CreateAs,
    (columns, reads): (Vec<(String, ColumnType)>, Vec<ViewRead>),
) -> Result<Made> {
    let columns = named(create, columns)?;
    let query = ViewQuery { text: create.text.clone(), reads };
    let mut next = successor(catalog);
    let becomes = match create.kind {
        MadeKind::View => {
            let replaced = catalog.view_named(&create.name.text).cloned();
            let made = view(catalog, create, (columns, query), replaced.as_deref())?;
            match replaced {
                Some(_) => drop(next.tables.insert(made.id, Arc::new(made))),
                None => drop(next_table(&mut next, made)),
            }
            return Ok(Made { catalog: next, fills: None });
        }
        MadeKind::MaterializedView => TableKind::Materialized { query, content: Content::Nothing },
        MadeKind::Table => TableKind::Relation,
    };
    let mut columns = columns;
    refuse_made_names(columns.iter().map(|column| column.name.as_str()), create.name.position)?;
    columns.push(generated("_id", ColumnType::BigInt, true));
    let key = vec![columns.len() - 1];
    let kind = match create.with_data {
        true => TableKind::Unfinished { process: process(), becomes: Box::new(becomes) },
        false => becomes,
    };
    let id = next_table(&mut next, table(&create.name, kind, columns, key, None));
    Ok(Made { catalog: next, fills: create.with_data.then_some(id) })
}

/// The columns, under the names that were given.
fn named(create: &CreateAs, columns: Vec<(String, ColumnType)>) -> Result<Vec<Column>> {
    let position = create.name.position;
    if columns.len() > COLUMNS_MAX {
        let message = format!("the query has {} columns", columns.len());
        return Err(Error::new(code::TOO_MANY_COLUMNS, message)
            .with_detail(format!("The limit columns_max is {COLUMNS_MAX}."))
            .at(position));
    }
    if columns.is_empty() {
        return Err(
            Error::new(code::INVALID_TABLE_DEFINITION, "the query has no column").at(position)
        );
    }
    if let Some(name) = create.columns.get(columns.len()) {
        let message = "too many column names were specified";
        return Err(Error::new(code::SYNTAX_ERROR, message)
            .with_detail(format!("The query has {} columns.", columns.len()))
            .at(name.position));
    }
    let mut seen = BTreeSet::new();
    let mut all = Vec::with_capacity(columns.len());
    for (index, (own, ty)) in columns.into_iter().enumerate() {
        let given = create.columns.get(index);
        let name = given.map_or(own, |name| name.text.clone());
        if !seen.insert(name.clone()) {
            let message = format!("column \"{name}\" is named twice");
            return Err(Error::new(code::DUPLICATE_COLUMN, message)
                .with_hint("Give one of them another name with AS.")
                .at(given.map_or(position, |name| name.position)));
        }
        all.push(Column { not_null: false, id: ColumnId(index as u32), ..plain(&name, ty) });
    }
    Ok(all)
}

fn view(
    catalog: &Catalog,
    create: &CreateAs,
    (columns, query): (Vec<Column>, ViewQuery),
    replaced: Option<&Table>,
) -> Result<Table> {
    if let Some(old) = replaced {
        check_replaced(old, &columns).map_err(|error| error.at(create.name.position))?;
        if reaches(catalog, &query, old.id) {
            let message = format!("view \"{}\" would read itself", old.name);
            return Err(Error::new(code::INVALID_OBJECT_DEFINITION, message)
                .with_hint("Read the tables that it was made of.")
                .at(create.name.position));
        }
    }
    let mut made = table(&create.name, TableKind::View(query), columns, vec![0], None);
    if let Some(old) = replaced {
        (made.id, made.comment) = (old.id, old.comment.clone());
        for (made, old) in made.columns.iter_mut().zip(&old.columns) {
            made.comment.clone_from(&old.comment);
        }
    }
    Ok(made)
}

/// A view that takes the place of another has its columns, and may have more behind them.
fn check_replaced(old: &Table, columns: &[Column]) -> Result<()> {
    let refuse = |message: String, hint: &str| {
        Err(Error::new(code::INVALID_TABLE_DEFINITION, message).with_hint(hint))
    };
    let hint = "Drop the view first, or give the new one another name.";
    if columns.len() < old.columns.len() {
        return refuse("cannot drop columns from a view".to_owned(), hint);
    }
    for (old, new) in old.columns.iter().zip(columns) {
        let name = &old.name;
        if *name != new.name {
            let to = &new.name;
            let message = format!("cannot change the name of view column \"{name}\" to \"{to}\"");
            return refuse(message, "New columns stand behind the old ones.");
        }
        if old.ty != new.ty {
            let shown = |ty: &ColumnType| crate::outcome::type_name(&ty.arrow());
            let (from, to) = (shown(&old.ty), shown(&new.ty));
            let message =
                format!("cannot change the type of view column \"{name}\" from {from} to {to}");
            return refuse(message, hint);
        }
    }
    Ok(())
}

/// Whether a query reads a view, itself or through others.
fn reaches(catalog: &Catalog, query: &ViewQuery, wanted: TableId) -> bool {
    let mut known = BTreeSet::new();
    let mut open: Vec<TableId> = query.reads.iter().map(|read| read.table).collect();
    while let Some(id) = open.pop() {
        if id == wanted {
            return true;
        }
        if !known.insert(id) {
            continue;
        }
        let below = catalog.tables.get(&id).and_then(|table| table.view_query());
        open.extend(below.into_iter().flat_map(|query| &query.reads).map(|read| read.table));
    }
    false
}

/// Returns the materialized view with this name.
///
/// **Errors**: 42P01, 42809.
pub fn materialized<'c>(catalog: &'c Catalog, name: &Name) -> Result<(&'c Arc<Table>, Content)> {
    let table = Binder::new(catalog).table(name)?;
    match table.kind {
        TableKind::Materialized { content, .. } => Ok((table, content)),
        _ => Err(Error::new(
            code::WRONG_OBJECT_TYPE,
            format!("\"{}\" is not a materialized view", name.text),
        )
        .at(name.position)),
    }
}

/// Returns the catalog in which a materialized view that holds nothing is being filled, and its
/// number there.
///
/// **Errors**: as [`materialized`], and as [`check_idle`].
pub fn refilling(catalog: &Catalog, name: &Name) -> Result<(Catalog, TableId)> {
    let (table, content) = materialized(catalog, name)?;
    check_idle(table).map_err(|error| error.at(name.position))?;
    if let Content::Whole(_) = content {
        return Err(Error::internal("a materialized view that is whole was to be filled"));
    }
    Ok(renewed(catalog, table, Content::Filling(process())))
}

/// Returns the catalog in which a materialized view holds nothing.
///
/// **Errors**: as [`refilling`].
pub fn without_data(catalog: &Catalog, name: &Name) -> Result<Catalog> {
    let (table, _) = materialized(catalog, name)?;
    check_idle(table).map_err(|error| error.at(name.position))?;
    Ok(renewed(catalog, table, Content::Nothing).0)
}

/// Refuses what would disturb the filling of a materialized view, or the rewriting of a table.
///
/// **Errors**: 55006 while this process does it.
pub fn check_idle(table: &Table) -> Result<()> {
    if let Some(Rewrite::Source { process: of }) = table.rewrite
        && of == process()
    {
        let message = format!("the records of table \"{}\" are being rewritten", table.name);
        return Err(
            Error::new(code::OBJECT_IN_USE, message).with_hint("Wait until ALTER TABLE has ended.")
        );
    }
    match table.kind {
        TableKind::Materialized { content: Content::Filling(of), .. } if of == process() => {
            let message = format!("materialized view \"{}\" is being filled", table.name);
            Err(Error::new(code::OBJECT_IN_USE, message).with_hint("Wait until it is."))
        }
        _ => Ok(()),
    }
}

/// The catalog in which a materialized view is empty, under a new number, in this state.
fn renewed(catalog: &Catalog, table: &Table, content: Content) -> (Catalog, TableId) {
    let tables = BTreeSet::from([table.id]);
    let truncation = Truncation { tables, restarts: false, process: process() };
    let mut next = catalog.truncated(&truncation);
    let id = next.table_named(&table.name).map_or(table.id, |table| table.id);
    set_content(&mut next, id, content);
    (next, id)
}

fn set_content(next: &mut Catalog, id: TableId, to: Content) {
    let Some(table) = next.tables.get_mut(&id) else { return };
    if let TableKind::Materialized { content, .. } = &mut Arc::make_mut(table).kind {
        *content = to;
    }
}

/// Returns the catalog in which what was filled, last by the commit `since`, is to be seen; `None`
/// when it is not there any more.
///
/// **Errors**: 42P01 when something that a materialized view reads was dropped meanwhile.
pub fn filled(catalog: &Catalog, id: TableId, since: Timestamp) -> Result<Option<Catalog>> {
    let Some(table) = catalog.tables.get(&id) else { return Ok(None) };
    let mut next = successor(catalog);
    if let TableKind::Unfinished { becomes, .. } = &table.kind {
        let made = Table { kind: becomes.as_ref().clone(), ..table.as_ref().clone() };
        check_reads(catalog, &made)?;
        next.tables.insert(id, Arc::new(made));
    }
    set_content(&mut next, id, Content::Whole(since));
    Ok(Some(next))
}

fn check_reads(catalog: &Catalog, made: &Table) -> Result<()> {
    let reads = made.view_query().into_iter().flat_map(|query| &query.reads);
    for read in reads {
        let same = |column: &(ColumnId, String)| {
            let table = catalog.tables.get(&read.table);
            table.is_some_and(|table| table.live_columns().any(|one| one.id == column.0))
        };
        if !read.columns.iter().all(same) {
            let message = format!("table \"{}\" was changed or dropped meanwhile", read.name);
            return Err(Error::new(code::UNDEFINED_TABLE, message).with_hint("Send it again."));
        }
    }
    Ok(())
}

/// Returns the catalog without what was to be filled and could not be; `None` when it is not there
/// any more.
pub fn emptied(catalog: &Catalog, id: TableId) -> Option<Catalog> {
    let table = catalog.tables.get(&id)?;
    if let TableKind::Unfinished { .. } = table.kind {
        let mut next = successor(catalog);
        remove_table(&mut next, table);
        return Some(next);
    }
    Some(renewed(catalog, table, Content::Nothing).0)
}

/// Returns whether the columns that a query gives are those that a view has.
pub fn gives_columns(view: &Table, columns: &[(String, ColumnType)]) -> bool {
    let mut given = columns.iter().map(|(_, ty)| ty);
    shown_of(view).all(|column| given.next() == Some(&column.ty))
}
