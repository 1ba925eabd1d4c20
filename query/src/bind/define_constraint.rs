//! Which constraints does a CREATE make?

use std::sync::Arc;

use pieskieo_shards::catalog::{
    Action, Catalog, Constraint, ConstraintKind, Foreign, Index, IndexKind, Table, TableKind,
    Unique,
};
use pieskieo_shards::ids::{IndexId, TableId};

use super::define::{check_orderable, next_table};
use super::define_view::check_idle;
use super::query::Binder;
use crate::error::{Error, Result, code};
use crate::limits::{CONSTRAINTS_MAX, INDEX_COLUMNS_MAX, INDEXES_MAX, NAME_BYTES_MAX};
use crate::suggest;
use crate::syntax::{ConstraintDefinition, Name, Rule};

/// Adds declared constraints to a table of a catalog that is being made.
///
/// **Errors**: 42703, 42710, 42830 and other errors of the definitions.
pub(super) fn add_constraints(
    next: &mut Catalog,
    id: TableId,
    definitions: &[ConstraintDefinition],
) -> Result<()> {
    // Foreign keys may refer to unique constraints of the same table, whatever the order.
    let foreign =
        |definition: &&ConstraintDefinition| matches!(definition.rule, Rule::Foreign { .. });
    let first = definitions.iter().filter(|definition| !foreign(definition));
    for definition in first.chain(definitions.iter().filter(foreign)) {
        let added = add_constraint(next, id, definition);
        added.map_err(|error| error.at(definition.position))?;
    }
    Ok(())
}

/// Adds a constraint behind the others.
///
/// **Errors**: as [`add_constraints`].
pub(super) fn add_constraint(
    next: &mut Catalog,
    id: TableId,
    definition: &ConstraintDefinition,
) -> Result<()> {
    let table = table_of(next, id)?;
    if table.constraints.len() >= CONSTRAINTS_MAX {
        return Err(Error::new(code::PROGRAM_LIMIT, "the table has too many constraints")
            .with_detail(format!("The limit constraints_max is {CONSTRAINTS_MAX}.")));
    }
    match &definition.rule {
        Rule::Check { text, column } => {
            let names: Vec<&str> = column.iter().map(|column| column.text.as_str()).collect();
            let name = constraint_name(next, &table, definition, &names, "check")?;
            let kind = ConstraintKind::Check { text: text.clone() };
            push(next, id, Constraint { name, kind, validated: true, comment: None })
        }
        Rule::Unique { columns } => {
            let columns = positions(&table, columns, "unique constraint")?;
            let names = names_of(&table, &columns);
            let name = constraint_name(next, &table, definition, &names, "key")?;
            add_unique(next, id, &name, columns, None)
        }
        Rule::Foreign { columns, target, target_columns, on_delete, on_update } => {
            let columns = positions(&table, columns, "foreign key")?;
            let names = names_of(&table, &columns);
            let name = constraint_name(next, &table, definition, &names, "fkey")?;
            let foreign = foreign_key(next, &table, (columns, target, target_columns))?;
            let foreign = Foreign { on_delete: *on_delete, on_update: *on_update, ..foreign };
            check_actions(&table, &foreign)?;
            if table.index_over(&foreign.columns).is_none() {
                let index = free_name(next, &format!("{name}_idx"));
                push_index(next, id, &index, foreign.columns.clone())?;
            }
            let kind = ConstraintKind::Foreign(foreign);
            push(next, id, Constraint { name, kind, validated: true, comment: None })?;
            next.link();
            Ok(())
        }
    }
}

/// Adds a unique constraint, its index and its table of entries.
///
/// **Errors**: 42P17 for columns without an order, 54000 for limits.
pub(super) fn add_unique(
    next: &mut Catalog,
    id: TableId,
    name: &str,
    columns: Vec<usize>,
    filling: Option<u64>,
) -> Result<()> {
    let index = push_index(next, id, name, columns.clone())?;
    let entries = table_of(next, id)?.entries(name, &columns);
    let entries = next_table(next, entries);
    let unique = Unique { columns, entries, index, filling };
    let kind = ConstraintKind::Unique(unique);
    push(next, id, Constraint { name: name.to_owned(), kind, validated: true, comment: None })
}

fn table_of(next: &Catalog, id: TableId) -> Result<Arc<Table>> {
    let table = next.tables.get(&id).cloned();
    table.ok_or_else(|| Error::internal("a table that is being made went missing"))
}

fn push(next: &mut Catalog, id: TableId, constraint: Constraint) -> Result<()> {
    let mut table = table_of(next, id)?;
    Arc::make_mut(&mut table).constraints.push(Arc::new(constraint));
    next.tables.insert(id, table);
    Ok(())
}

fn push_index(next: &mut Catalog, id: TableId, name: &str, columns: Vec<usize>) -> Result<IndexId> {
    let mut table = table_of(next, id)?;
    if table.indexes.len() >= INDEXES_MAX {
        return Err(Error::new(code::PROGRAM_LIMIT, "the table has too many indexes")
            .with_detail(format!("The limit indexes_max is {INDEXES_MAX}.")));
    }
    let index = next.index_next;
    next.index_next = IndexId(index.0 + 1);
    let kind = IndexKind::Ordered { columns };
    let made = Index { id: index, name: name.to_owned(), kind, comment: None };
    Arc::make_mut(&mut table).indexes.push(Arc::new(made));
    next.tables.insert(id, table);
    Ok(index)
}

fn names_of<'t>(table: &'t Table, columns: &[usize]) -> Vec<&'t str> {
    columns.iter().map(|&column| table.columns[column].name.as_str()).collect()
}

/// Returns the positions of columns that have an order, each at most once.
fn positions(table: &Table, names: &[Name], what: &str) -> Result<Vec<usize>> {
    if names.len() > INDEX_COLUMNS_MAX {
        return Err(Error::new(code::PROGRAM_LIMIT, format!("the {what} has too many columns"))
            .with_detail(format!("The limit index_columns_max is {INDEX_COLUMNS_MAX}.")));
    }
    let mut positions = Vec::with_capacity(names.len());
    for name in names {
        let position = column_of(table, name)?;
        if positions.contains(&position) {
            let message = format!("column \"{}\" is in the {what} twice", name.text);
            return Err(Error::new(code::DUPLICATE_COLUMN, message).at(name.position));
        }
        check_orderable(&table.columns[position], name, what)?;
        positions.push(position);
    }
    Ok(positions)
}

pub(super) fn column_of(table: &Table, name: &Name) -> Result<usize> {
    table.column_named(&name.text).ok_or_else(|| {
        let names = table.live_columns().map(|column| column.name.as_str());
        Error::new(
            code::UNDEFINED_COLUMN,
            format!("column \"{}\" of table \"{}\" does not exist", name.text, table.name),
        )
        .with_suggestion(suggest::nearest(&name.text, names))
        .at(name.position)
    })
}

/// Returns the given name if it is free, or one made of table and columns.
fn constraint_name(
    next: &Catalog,
    table: &Table,
    definition: &ConstraintDefinition,
    columns: &[&str],
    ending: &str,
) -> Result<String> {
    let unique = matches!(definition.rule, Rule::Unique { .. });
    let taken = |name: &str| {
        table.constraints.iter().any(|constraint| constraint.name == name)
            || (unique && next.index_named(name).is_some())
    };
    if let Some(name) = &definition.name {
        if taken(&name.text) {
            let message = format!("constraint \"{}\" already exists", name.text);
            return Err(Error::new(code::DUPLICATE_OBJECT, message)
                .with_hint("Choose another name.")
                .at(name.position));
        }
        return Ok(name.text.clone());
    }
    let mut parts = vec![table.name.as_str()];
    parts.extend(columns);
    Ok(numbered(&format!("{}_{ending}", parts.join("_")), taken))
}

/// Returns a free index name.
fn free_name(next: &Catalog, base: &str) -> String {
    numbered(base, |name| next.index_named(name).is_some())
}

/// Returns a name that is not taken, with a number behind it if need be.
pub(super) fn numbered(base: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut end = base.len().min(NAME_BYTES_MAX);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = base[..end].to_owned();
    let mut number = 1_usize;
    while taken(&name) {
        let digits = number.to_string();
        let mut room = end.min(NAME_BYTES_MAX - digits.len());
        while !base.is_char_boundary(room) {
            room -= 1;
        }
        name = format!("{}{digits}", &base[..room]);
        number += 1;
    }
    name
}

/// Finds the key or unique constraint that a foreign key refers to.
fn foreign_key(
    next: &Catalog,
    table: &Table,
    (columns, target_name, target_names): (Vec<usize>, &Name, &[Name]),
) -> Result<Foreign> {
    let target = Binder::new(next).base_table(target_name)?;
    check_idle(target).map_err(|error| error.at(target_name.position))?;
    let shown = &target_name.text;
    if matches!(target.kind, TableKind::Edge { .. }) {
        return Err(Error::new(
            code::WRONG_OBJECT_TYPE,
            format!("\"{shown}\" is an edge and cannot be referred to"),
        )
        .at(target_name.position));
    }
    let wanted = match target_names {
        [] => target.key.clone(),
        names => names.iter().map(|name| column_of(target, name)).collect::<Result<_>>()?,
    };
    if wanted.len() != columns.len() {
        let message = "a foreign key has as many columns as it refers to";
        return Err(Error::new(code::INVALID_FOREIGN_KEY, message).with_detail(format!(
            "{} refer to {}.",
            columns.len(),
            wanted.len()
        )));
    }
    let same = |key: &[usize]| {
        key.len() == wanted.len() && key.iter().all(|column| wanted.contains(column))
    };
    let unique = || target.uniques().map(|(_, unique)| &unique.columns).find(|key| same(key));
    let key = if same(&target.key) { Some(&target.key) } else { unique() };
    let Some(key) = key else {
        let message = format!("no key or unique constraint of \"{shown}\" has these columns");
        return Err(Error::new(code::INVALID_FOREIGN_KEY, message)
            .with_hint("Refer to its PRIMARY KEY, or make the columns UNIQUE.")
            .at(target_name.position));
    };
    let mut foreign = Foreign {
        columns: Vec::with_capacity(key.len()),
        target: target.id,
        target_columns: key.clone(),
        on_delete: Action::NoAction,
        on_update: Action::NoAction,
    };
    for &part in key {
        let at = wanted.iter().position(|column| *column == part).unwrap_or_default();
        let (from, to) = (&table.columns[columns[at]], &target.columns[part]);
        if from.ty.plain() != to.ty.plain() {
            let message =
                format!("column \"{}\" cannot refer to \"{}\" of \"{shown}\"", from.name, to.name);
            return Err(Error::new(code::DATATYPE_MISMATCH, message)
                .with_detail("Their types differ.")
                .with_hint("Give both the same type."));
        }
        foreign.columns.push(columns[at]);
    }
    Ok(foreign)
}

/// Refuses actions that could never succeed, or that need what an action has not.
fn check_actions(table: &Table, foreign: &Foreign) -> Result<()> {
    for action in [foreign.on_delete, foreign.on_update] {
        for column in foreign.columns.iter().map(|&column| &table.columns[column]) {
            if action == Action::SetNull && column.not_null {
                let message =
                    format!("column \"{}\" is NOT NULL, SET NULL cannot work", column.name);
                return Err(Error::new(code::INVALID_TABLE_DEFINITION, message)
                    .with_hint("Leave NOT NULL out, or choose another action."));
            }
            let numbered = column.default.as_deref().is_some_and(super::names_sequence);
            if action == Action::SetDefault && numbered {
                return Err(Error::unsupported("SET DEFAULT of a column that a sequence numbers")
                    .with_hint("Choose another action."));
            }
        }
    }
    Ok(())
}

/// Refuses to drop an index that a constraint needs.
///
/// **Errors**: 2BP01.
pub(super) fn check_index_free(catalog: &Catalog, table: &Table, name: &Name) -> Result<()> {
    let mut without = table.clone();
    without.indexes.retain(|index| index.name != name.text);
    let dropped = unique_of_index(table, &name.text);
    let needed = |what: &str| {
        Err(Error::new(
            code::DEPENDENT_OBJECTS,
            format!("index \"{}\" is needed by {what}", name.text),
        )
        .with_hint("Drop the table that has the foreign key, or keep the index.")
        .at(name.position))
    };
    for (foreign, key) in table.foreigns() {
        if without.index_over(&key.columns).is_none() {
            return needed(&format!("foreign key \"{foreign}\""));
        }
    }
    let Some((_, unique)) = dropped else { return Ok(()) };
    for referrer in table.referrers.iter().filter_map(|id| catalog.tables.get(id)) {
        for (foreign, key) in referrer.foreigns() {
            let refers = key.target == table.id && key.target_columns == unique.columns;
            if refers && key.target_columns != table.key {
                return needed(&format!("foreign key \"{foreign}\" of \"{}\"", referrer.name));
            }
        }
    }
    Ok(())
}

/// Returns the unique constraint with this name, complete or not.
pub(crate) fn unique_named<'t>(table: &'t Table, name: &str) -> Option<&'t Unique> {
    unique_of_index(table, name).map(|(_, unique)| unique)
}

/// Returns the unique constraint whose index has this name, complete or not.
pub(super) fn unique_of_index<'t>(table: &'t Table, name: &str) -> Option<(&'t str, &'t Unique)> {
    table.constraints.iter().find_map(|constraint| match &constraint.kind {
        ConstraintKind::Unique(unique) if constraint.name == name => {
            Some((constraint.name.as_str(), unique))
        }
        _ => None,
    })
}
