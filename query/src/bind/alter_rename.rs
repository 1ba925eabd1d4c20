//! What has another name after a RENAME?
//!
//! Tables and columns are numbers in the catalog; only conditions are kept as text.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, Ident, visit_expressions, visit_expressions_mut};
use pieskieo_shards::catalog::{Catalog, ConstraintKind, Index, Table};
use pieskieo_shards::ids::TableId;

use super::build;
use super::define::{RESERVED, refuse_names, successor};
use super::define_sequence::is_taken;
use super::define_view::check_idle;
use crate::error::{Error, Result, code};
use crate::suggest;
use crate::syntax::{Name, RenameIndex, kept_text, name_of, parse_expression};

/// `RENAME COLUMN column TO to`.
///
/// **Errors**: 42701.
pub(super) fn rename_column(
    next: &mut Catalog,
    id: TableId,
    column: &Name,
    to: &Name,
) -> Result<()> {
    refuse_names(to, RESERVED)?;
    let mut table = table_of(next, id)?;
    if table.column_named(&to.text).is_some() {
        let message = format!("column \"{}\" of table \"{}\" exists", to.text, table.name);
        return Err(Error::new(code::DUPLICATE_COLUMN, message)
            .with_hint("Choose another name.")
            .at(to.position));
    }
    let Some(position) = table.column_named(&column.text) else {
        return Err(Error::internal("a column that is being renamed went missing"));
    };
    let changed = Arc::make_mut(&mut table);
    rewrite_checks(changed, |idents, of| {
        if let Some(place) = place_of(idents, of, &column.text) {
            idents[place] = build::ident(&to.text);
        }
    })?;
    changed.columns[position].name.clone_from(&to.text);
    for constraint in &changed.constraints {
        let ConstraintKind::Unique(unique) = &constraint.kind else { continue };
        let part = unique.columns.iter().position(|column| *column == position);
        if let (Some(part), Some(entries)) = (part, next.tables.get_mut(&unique.entries)) {
            Arc::make_mut(entries).columns[part].name.clone_from(&to.text);
        }
    }
    next.tables.insert(id, table);
    Ok(())
}

/// `RENAME TO to`.
///
/// **Errors**: 42P07.
pub(super) fn rename_table(next: &mut Catalog, id: TableId, to: &Name) -> Result<()> {
    let mut table = table_of(next, id)?;
    if is_taken(next, &to.text) {
        let message = format!("\"{}\" already exists", to.text);
        return Err(Error::new(code::DUPLICATE_TABLE, message)
            .with_hint("Choose another name.")
            .at(to.position));
    }
    let changed = Arc::make_mut(&mut table);
    rewrite_checks(changed, |idents, of| {
        if let [first, _, ..] = idents
            && name_of(first).text == of
        {
            *first = build::ident(&to.text);
        }
    })?;
    changed.name.clone_from(&to.text);
    next.tables.insert(id, table);
    Ok(())
}

/// Gives a constraint another name, and its index.
///
/// **Errors**: 42710, 42P07.
pub(super) fn rename_constraint(
    next: &mut Catalog,
    id: TableId,
    constraint: &str,
    to: &Name,
) -> Result<()> {
    let mut table = table_of(next, id)?;
    if table.constraints.iter().any(|other| other.name == to.text) {
        let message = format!("constraint \"{}\" already exists", to.text);
        return Err(Error::new(code::DUPLICATE_OBJECT, message)
            .with_hint("Choose another name.")
            .at(to.position));
    }
    let changed = Arc::make_mut(&mut table);
    let Some(found) = changed.constraints.iter_mut().find(|one| one.name == constraint) else {
        return Err(Error::internal("a constraint that is being renamed went missing"));
    };
    let found = Arc::make_mut(found);
    found.name.clone_from(&to.text);
    if let ConstraintKind::Unique(unique) = &found.kind {
        check_index_name(next, to)?;
        for index in changed.indexes.iter_mut().filter(|index| index.id == unique.index) {
            Arc::make_mut(index).name.clone_from(&to.text);
        }
        if let Some(entries) = next.tables.get_mut(&unique.entries) {
            Arc::make_mut(entries).name.clone_from(&to.text);
        }
    }
    next.tables.insert(id, table);
    Ok(())
}

/// `ALTER INDEX name RENAME TO to`.
///
/// **Errors**: 42704, 42P07.
pub(super) fn rename_index(catalog: &Catalog, rename: &RenameIndex) -> Result<Option<Catalog>> {
    let RenameIndex { name, to } = rename;
    let Some((table, index)) = catalog.index_named(&name.text) else {
        return Err(no_index(catalog, name));
    };
    check_idle(table).map_err(|error| error.at(name.position))?;
    let mut next = successor(catalog);
    let unique = table.constraints.iter().find(|constraint| match &constraint.kind {
        ConstraintKind::Unique(unique) => unique.index == index.id,
        _ => false,
    });
    match unique {
        Some(unique) => rename_constraint(&mut next, table.id, &unique.name, to)?,
        None => {
            check_index_name(&next, to)?;
            let mut table = table.clone();
            let is_it = |one: &&mut Arc<Index>| one.id == index.id;
            if let Some(index) = Arc::make_mut(&mut table).indexes.iter_mut().find(is_it) {
                Arc::make_mut(index).name.clone_from(&to.text);
            }
            next.tables.insert(table.id, table);
        }
    }
    Ok(Some(next))
}

/// Returns the error for an index that does not exist.
pub(super) fn no_index(catalog: &Catalog, name: &Name) -> Error {
    let names = catalog.listed().flat_map(|table| table.indexes.iter());
    let names = names.map(|index| index.name.as_str());
    let message = format!("index \"{}\" does not exist", name.text);
    Error::new(code::UNDEFINED_OBJECT, message)
        .with_suggestion(suggest::nearest(&name.text, names))
        .at(name.position)
}

fn check_index_name(next: &Catalog, to: &Name) -> Result<()> {
    if next.index_named(&to.text).is_none() {
        return Ok(());
    }
    Err(Error::new(code::DUPLICATE_TABLE, format!("index \"{}\" already exists", to.text))
        .with_hint("Choose another name.")
        .at(to.position))
}

fn table_of(next: &Catalog, id: TableId) -> Result<Arc<Table>> {
    let table = next.tables.get(&id).cloned();
    table.ok_or_else(|| Error::internal("a table that is being altered went missing"))
}

/// Whether a condition names a column of its table.
///
/// **Errors**: internal, for a condition that cannot be read.
pub(super) fn mentions(text: &str, table: &str, column: &str) -> Result<bool> {
    let expr = parse_expression(text)?;
    let found = visit_expressions(&expr, |expr| {
        let place = match expr {
            Expr::Identifier(ident) => place_of(std::slice::from_ref(ident), table, column),
            Expr::CompoundIdentifier(idents) => place_of(idents, table, column),
            _ => None,
        };
        if place.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    Ok(found.is_break())
}

/// Where in a dotted name a column of the table is named.
fn place_of(idents: &[Ident], table: &str, column: &str) -> Option<usize> {
    let is = |place: usize, text: &str| {
        idents.get(place).is_some_and(|ident| name_of(ident).text == text)
    };
    if is(0, table) && is(1, column) {
        return Some(1);
    }
    is(0, column).then_some(0)
}

/// Changes names in the conditions of a table. `change` gets the parts of a name, and the table's.
fn rewrite_checks(table: &mut Table, change: impl Fn(&mut [Ident], &str)) -> Result<()> {
    for constraint in &mut table.constraints {
        let ConstraintKind::Check { text } = &constraint.kind else { continue };
        let mut expr = parse_expression(text)?;
        let _ = visit_expressions_mut(&mut expr, |expr| {
            match expr {
                Expr::Identifier(ident) => change(std::slice::from_mut(ident), &table.name),
                Expr::CompoundIdentifier(idents) => change(idents, &table.name),
                _ => {}
            }
            ControlFlow::<()>::Continue(())
        });
        let text = kept_text(&expr);
        Arc::make_mut(constraint).kind = ConstraintKind::Check { text };
    }
    Ok(())
}
