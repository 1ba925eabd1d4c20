//! Which catalog does a DROP make?

use std::collections::BTreeSet;
use std::sync::Arc;

use pieskieo_shards::catalog::{Catalog, Constraint, ConstraintKind, Rewrite, Table, TableKind};
use pieskieo_shards::ids::TableId;

use super::alter_rename::no_index;
use super::define::{drop_unique, successor};
use super::define_constraint::check_index_free;
use super::define_sequence::default_sequences;
use super::define_view::check_idle;
use super::pattern::ends;
use super::query::Binder;
use crate::error::{Error, Result, code};
use crate::syntax::{Drop, DropKind, Name};

/// `DROP TABLE` and other kinds of table.
///
/// **Errors**: 42P01, 42809, 2BP01.
pub(super) fn drop_tables(catalog: &Catalog, drop: &Drop) -> Result<Option<Catalog>> {
    let mut next = successor(catalog);
    let mut changed = false;
    let mut along = BTreeSet::new();
    for name in &drop.names {
        let found = |catalog: &Catalog| {
            let table = catalog.table_named(&name.text);
            table.or_else(|| catalog.view_named(&name.text)).cloned()
        };
        let table = match found(&next) {
            Some(table) => table,
            None if drop.if_exists => continue,
            // With one that was named before.
            None if found(catalog).is_some_and(|table| along.contains(&table.id)) => continue,
            None => return Err(Binder::new(&next).no_table(name)),
        };
        check_kind(&table, drop.kind, name, "DROP")?;
        check_referrers(&mut next, &table, drop, name)?;
        check_owned(&next, &table, drop, name)?;
        drop_views(&mut next, &table, (drop, name), &mut along)?;
        remove_table(&mut next, &table);
        changed = true;
        if let Some(edge) = next.tables.values().find(|edge| {
            let joined = ends(edge).is_some_and(|(a, b)| a == table.id || b == table.id);
            joined && drop.names.iter().all(|name| name.text != edge.name)
        }) {
            return Err(Error::new(
                code::DEPENDENT_OBJECTS,
                format!("table \"{}\" is joined by edge \"{}\"", table.name, edge.name),
            )
            .with_hint(format!("Send DROP EDGE {} first.", edge.name))
            .at(name.position));
        }
    }
    next.link();
    Ok(changed.then_some(next))
}

/// Refuses to drop a table whose sequences number columns of tables that stay.
fn check_owned(next: &Catalog, table: &Table, drop: &Drop, name: &Name) -> Result<()> {
    let stays = |other: &&Arc<Table>| drop.names.iter().all(|name| name.text != other.name);
    for other in next.listed().filter(stays) {
        for default in other.columns.iter().filter_map(|column| column.default.as_ref()) {
            for sequence in default_sequences(next, default)? {
                let Some(TableKind::Sequence(shape)) =
                    next.tables.get(&sequence).map(|sequence| &sequence.kind)
                else {
                    continue;
                };
                if shape.owner == Some(table.id) {
                    let (owner, other) = (&table.name, &other.name);
                    let message =
                        format!("a sequence of table \"{owner}\" numbers table \"{other}\"");
                    return Err(Error::new(code::DEPENDENT_OBJECTS, message)
                        .with_hint(format!("Drop table \"{other}\" first."))
                        .at(name.position));
                }
            }
        }
    }
    Ok(())
}

/// Drops the views that read a table, if that was said, or refuses to leave them.
fn drop_views(
    next: &mut Catalog,
    table: &Table,
    (drop, name): (&Drop, &Name),
    along: &mut BTreeSet<TableId>,
) -> Result<()> {
    let mut open = vec![table.id];
    while let Some(id) = open.pop() {
        let views: Vec<Arc<Table>> = next.views_of(id).cloned().collect();
        for view in views {
            let named = drop.names.iter().any(|name| name.text == view.name);
            if !named && !drop.cascade {
                let kind = if view.is_view() { "view" } else { "materialized view" };
                let (what, table, view) = (kind_word(&table.kind), &table.name, &view.name);
                let message = format!("{kind} \"{view}\" reads {what} \"{table}\"");
                return Err(Error::new(code::DEPENDENT_OBJECTS, message)
                    .with_hint(format!(
                        "Drop {kind} {view} first, or write CASCADE to drop it too."
                    ))
                    .at(name.position));
            }
            if drop.cascade && along.insert(view.id) {
                open.push(view.id);
            }
        }
    }
    for id in along.iter() {
        if let Some(view) = next.tables.get(id).cloned() {
            remove_table(next, &view);
        }
    }
    Ok(())
}

/// Removes a table and what the engine keeps for it.
pub(super) fn remove_table(next: &mut Catalog, table: &Table) {
    let copies = next.tables.values().filter(|copy| match copy.rewrite {
        Some(Rewrite::Copy { of, .. }) => of == table.id,
        _ => false,
    });
    let gone: Vec<TableId> = copies.map(|copy| copy.id).chain([table.id]).collect();
    next.tables.retain(|id, hidden| match &hidden.kind {
        TableKind::Entries { of } => !gone.contains(of),
        TableKind::Sequence(shape) => shape.owner.is_none_or(|owner| !gone.contains(&owner)),
        _ => !gone.contains(id),
    });
}

/// Drops the foreign keys that refer to a table, if that was said, or refuses to leave them.
fn check_referrers(next: &mut Catalog, table: &Table, drop: &Drop, name: &Name) -> Result<()> {
    for id in table.referrers.iter().filter(|id| **id != table.id) {
        let Some(referrer) = next.tables.get(id).cloned() else { continue };
        if drop.names.iter().any(|name| name.text == referrer.name) {
            continue;
        }
        let refers = |constraint: &Arc<Constraint>| {
            let ConstraintKind::Foreign(foreign) = &constraint.kind else { return false };
            foreign.target == table.id
        };
        if let Some(foreign) = referrer.constraints.iter().find(|one| refers(one))
            && !drop.cascade
        {
            let message = format!(
                "foreign key \"{}\" of table \"{}\" refers to table \"{}\"",
                foreign.name, referrer.name, table.name
            );
            return Err(Error::new(code::DEPENDENT_OBJECTS, message)
                .with_hint("Drop that table first, or write CASCADE to drop the foreign key.")
                .at(name.position));
        }
        let mut without = referrer.as_ref().clone();
        without.constraints.retain(|constraint| !refers(constraint));
        next.tables.insert(without.id, Arc::new(without));
    }
    Ok(())
}

/// Refuses a table of another kind than a statement says. `verb` is what the statement begins with.
pub(super) fn check_kind(table: &Table, kind: DropKind, name: &Name, verb: &str) -> Result<()> {
    let word = kind_word(&table.kind);
    let is = match table.kind {
        TableKind::Relation => DropKind::Table,
        TableKind::Collection => DropKind::Collection,
        TableKind::Edge { .. } => DropKind::Edge,
        TableKind::View(_) => DropKind::View,
        TableKind::Materialized { .. } => DropKind::MaterializedView,
        _ => DropKind::Sequence,
    };
    let view = matches!(is, DropKind::View | DropKind::MaterializedView);
    if (kind == DropKind::Table && !view) || kind == is {
        return Ok(());
    }
    Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{}\" is a {word}", table.name))
        .with_hint(format!("Use {verb} {} {}.", word.to_uppercase(), table.name))
        .at(name.position))
}

/// Returns what a table is called in a sentence.
pub fn kind_word(kind: &TableKind) -> &'static str {
    match kind {
        TableKind::Relation => "table",
        TableKind::Collection => "collection",
        TableKind::Edge { .. } => "edge",
        TableKind::View(_) => "view",
        TableKind::Materialized { .. } => "materialized view",
        _ => "sequence",
    }
}

/// `DROP INDEX`.
///
/// **Errors**: 42704, 2BP01.
pub(super) fn drop_indexes(catalog: &Catalog, drop: &Drop) -> Result<Option<Catalog>> {
    let mut next = successor(catalog);
    let mut changed = false;
    for name in &drop.names {
        let found = next.index_named(&name.text).map(|(table, _)| table.clone());
        let Some(table) = found else {
            if drop.if_exists {
                continue;
            }
            return Err(no_index(catalog, name));
        };
        check_index_free(&next, &table, name)?;
        check_idle(&table).map_err(|error| error.at(name.position))?;
        drop_unique(&mut next, &table, &name.text);
        changed = true;
    }
    Ok(changed.then_some(next))
}
