//! Which catalog does a CREATE, DROP or TRUNCATE make?

use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use datafusion::sql::sqlparser::ast::{Expr, Value, visit_expressions};
use pieskieo_shards::catalog::{
    Altered, Catalog, Column, Constraint, ConstraintKind, Index, IndexKind, Table, TableKind,
};
use pieskieo_shards::ids::{CatalogVersion, ColumnId, IndexId, TableId};
use pieskieo_shards::value::ColumnType;

use super::alter_rename::rename_index;
use super::define_constraint::{add_constraints, add_unique, check_index_free, unique_of_index};
use super::define_index::{index_kind, index_name};
use super::define_sequence::{
    add_identities, create_sequence, default_sequences, drop_sequences, is_taken,
};
use super::pattern::ends;
use super::query::Binder;
use super::scope::{DOCUMENT, Scope};
use super::truncate::truncate_tables;
use crate::error::{Error, Result, code};
use crate::limits::{COLUMNS_MAX, INDEX_COLUMNS_MAX, INDEXES_MAX};
use crate::suggest;
use crate::syntax::{
    Body, ColumnDefinition, CreateCollection, CreateEdge, CreateIndex, CreateTable, Drop, DropKind,
    Name, Statement, parse_expression,
};

/// Names of columns that the engine makes.
pub(super) const RESERVED: &[&str] = &["_depth", "_distance", "_key", "_score", "_version"];

/// What a vector index gets where its WITH says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexDefaults {
    /// Links per node.
    pub m: usize,
    /// Beam width while building.
    pub ef_construction: usize,
    /// Beam width while searching.
    pub ef_search: usize,
}

impl Default for IndexDefaults {
    fn default() -> Self {
        Self { m: 16, ef_construction: 200, ef_search: 64 }
    }
}

/// Returns the catalog after a CREATE, DROP or TRUNCATE, or `None` when nothing changes because of
/// IF (NOT) EXISTS.
///
/// # Errors
///
/// 42P07, 42P01, 42701, 42703 and other errors of the definition; XX000 for other statements.
pub fn define(
    catalog: &Catalog,
    statement: &Statement,
    defaults: IndexDefaults,
) -> Result<Option<Catalog>> {
    match statement {
        Statement::CreateTable(create) => create_table(catalog, create),
        Statement::CreateCollection(create) => create_collection(catalog, create),
        Statement::CreateEdge(create) => create_edge(catalog, create),
        Statement::CreateIndex(create) => create_index(catalog, create, defaults),
        Statement::CreateSequence(create) => create_sequence(catalog, create),
        Statement::Drop(drop) => match drop.kind {
            DropKind::Index => drop_indexes(catalog, drop),
            DropKind::Sequence => drop_sequences(catalog, drop),
            _ => drop_tables(catalog, drop),
        },
        Statement::Truncate(truncate) => truncate_tables(catalog, truncate),
        Statement::RenameIndex(rename) => rename_index(catalog, rename),
        _ => Err(Error::internal("not a statement that changes the catalog")),
    }
}

/// The next catalog, to be changed before anyone sees it.
pub(super) fn successor(catalog: &Catalog) -> Catalog {
    Catalog { version: CatalogVersion(catalog.version.0 + 1), ..catalog.clone() }
}

/// Adds a table under the next number.
pub(super) fn next_table(next: &mut Catalog, mut table: Table) -> TableId {
    let id = next.table_next;
    table.id = id;
    next.table_next = TableId(id.0 + 1);
    next.tables.insert(id, Arc::new(table));
    id
}

fn with_table(catalog: &Catalog, table: Table, body: &Body) -> Result<Option<Catalog>> {
    let mut next = successor(catalog);
    let id = next_table(&mut next, table);
    add_identities(&mut next, id, &body.columns)?;
    add_constraints(&mut next, id, &body.constraints)?;
    Ok(Some(next))
}

/// Whether the name is free; `Ok(false)` when IF NOT EXISTS makes that no error.
fn is_free(catalog: &Catalog, name: &Name, if_not_exists: bool) -> Result<bool> {
    if !is_taken(catalog, &name.text) {
        return Ok(true);
    }
    let table = catalog.table_named(&name.text).is_some();
    if if_not_exists && table {
        return Ok(false);
    }
    let what = if table { "table" } else { "sequence" };
    Err(Error::new(code::DUPLICATE_TABLE, format!("{what} \"{}\" already exists", name.text))
        .with_hint("Choose another name, or write IF NOT EXISTS.")
        .at(name.position))
}

fn create_table(catalog: &Catalog, create: &CreateTable) -> Result<Option<Catalog>> {
    if !is_free(catalog, &create.name, create.if_not_exists)? {
        return Ok(None);
    }
    let body = &create.body;
    let mut columns = columns(catalog, &body.columns, &body.key)?;
    if columns.is_empty() {
        return Err(Error::new(code::INVALID_TABLE_DEFINITION, "a table needs a column")
            .with_hint("Use CREATE COLLECTION for records without declared columns.")
            .at(create.name.position));
    }
    let key = if body.key.is_empty() {
        refuse_columns(&body.columns, &["_id"])?;
        columns.push(generated("_id", ColumnType::BigInt, true));
        vec![columns.len() - 1]
    } else {
        key_positions(&mut columns, &body.key)?
    };
    let table = table(&create.name, TableKind::Relation, columns, key, None);
    with_table(catalog, table, body)
}

fn create_collection(catalog: &Catalog, create: &CreateCollection) -> Result<Option<Catalog>> {
    if !is_free(catalog, &create.name, create.if_not_exists)? {
        return Ok(None);
    }
    let body = &create.body;
    refuse_columns(&body.columns, &[DOCUMENT])?;
    let mut columns = columns(catalog, &body.columns, &body.key)?;
    let key = if body.key.is_empty() {
        refuse_columns(&body.columns, &["_id"])?;
        columns.insert(0, generated("_id", ColumnType::Text, false));
        vec![0]
    } else {
        key_positions(&mut columns, &body.key)?
    };
    columns.push(Column { not_null: false, ..plain(DOCUMENT, ColumnType::Json) });
    let table = table(&create.name, TableKind::Collection, columns, key, None);
    with_table(catalog, table, body)
}

fn create_edge(catalog: &Catalog, create: &CreateEdge) -> Result<Option<Catalog>> {
    if !is_free(catalog, &create.name, create.if_not_exists)? {
        return Ok(None);
    }
    refuse_columns(&create.body.columns, &["src", "dst", "_id"])?;
    let (source, source_type) = end(catalog, &create.source)?;
    let (target, target_type) = end(catalog, &create.target)?;
    let mut all = vec![
        plain("src", source_type),
        plain("dst", target_type),
        generated("_id", ColumnType::BigInt, true),
    ];
    all.extend(columns(catalog, &create.body.columns, &[])?);
    let kind = TableKind::Edge { source, target };
    with_table(catalog, table(&create.name, kind, all, vec![0, 2], Some(1)), &create.body)
}

/// The table an edge joins and the type of its key.
fn end(catalog: &Catalog, name: &Name) -> Result<(TableId, ColumnType)> {
    let table = Binder::new(catalog).table(name)?;
    if ends(table).is_some() {
        return Err(Error::new(
            code::WRONG_OBJECT_TYPE,
            format!("\"{}\" is an edge and cannot be joined by another edge", name.text),
        )
        .at(name.position));
    }
    match table.key.as_slice() {
        [position] => Ok((table.id, table.columns[*position].ty.clone())),
        _ => Err(Error::unsupported(format!(
            "an edge to \"{}\", whose key has several columns,",
            name.text
        ))
        .with_hint("Give the table a key of one column.")
        .at(name.position)),
    }
}

fn table(
    name: &Name,
    kind: TableKind,
    mut columns: Vec<Column>,
    key: Vec<usize>,
    routing: Option<usize>,
) -> Table {
    for (position, column) in columns.iter_mut().enumerate() {
        column.id = ColumnId(position as u32);
    }
    let routing = routing.unwrap_or(key.len());
    Table {
        id: TableId(0),
        name: name.text.clone(),
        kind,
        columns,
        key,
        routing,
        indexes: vec![],
        constraints: vec![],
        referrers: vec![],
    }
}

fn plain(name: &str, ty: ColumnType) -> Column {
    Column {
        id: ColumnId(0),
        name: name.to_owned(),
        ty,
        not_null: true,
        default: None,
        hidden: false,
        generated: false,
        always: false,
        altered: Altered::default(),
    }
}

fn generated(name: &str, ty: ColumnType, hidden: bool) -> Column {
    Column { hidden, generated: true, ..plain(name, ty) }
}

fn refuse_columns(columns: &[ColumnDefinition], taken: &[&str]) -> Result<()> {
    columns.iter().try_for_each(|column| refuse_names(&column.name, taken))
}

/// Refuses a new name that columns of the server's making have.
pub(super) fn refuse_names(name: &Name, taken: &[&str]) -> Result<()> {
    if !taken.contains(&name.text.as_str()) {
        return Ok(());
    }
    let message = format!("column \"{}\" is made by the server here", name.text);
    Err(Error::new(code::DUPLICATE_COLUMN, message)
        .with_hint("Choose another name.")
        .at(name.position))
}

/// Declared columns, checked.
pub(super) fn columns(
    catalog: &Catalog,
    definitions: &[ColumnDefinition],
    key: &[Name],
) -> Result<Vec<Column>> {
    if definitions.len() > COLUMNS_MAX {
        return Err(Error::new(
            code::TOO_MANY_COLUMNS,
            format!("the table has {} columns", definitions.len()),
        )
        .with_detail(format!("The limit columns_max is {COLUMNS_MAX}.")));
    }
    refuse_columns(definitions, RESERVED)?;
    for name in key {
        if !definitions.iter().any(|column| column.name.text == name.text) {
            let names = definitions.iter().map(|column| column.name.text.as_str());
            return Err(Error::new(
                code::UNDEFINED_COLUMN,
                format!("column \"{}\" of the key does not exist", name.text),
            )
            .with_suggestion(suggest::nearest(&name.text, names))
            .at(name.position));
        }
    }
    let mut columns: Vec<Column> = Vec::with_capacity(definitions.len());
    for definition in definitions {
        let name = &definition.name;
        if columns.iter().any(|column| column.name == name.text) {
            return Err(Error::new(
                code::DUPLICATE_COLUMN,
                format!("column \"{}\" is declared twice", name.text),
            )
            .at(name.position));
        }
        if let Some(default) = &definition.default {
            let mut expr = parse_expression(default)?;
            if has_placeholder(&expr) {
                let message = format!("the default of column \"{}\" has a parameter", name.text);
                return Err(Error::new(code::UNDEFINED_PARAMETER, message)
                    .with_hint("Write the value into the definition.")
                    .at(name.position));
            }
            let bound = Binder::new(catalog).bind_expr(&mut expr, &Scope::default());
            bound.and_then(|_| default_sequences(catalog, default)).map_err(|mut error| {
                error.position = None;
                error.at(name.position)
            })?;
        }
        columns.push(Column {
            not_null: definition.not_null,
            default: definition.default.clone(),
            ..plain(&name.text, definition.ty.clone())
        });
    }
    Ok(columns)
}

/// A default is kept in the catalog and evaluated with other statements, whose parameters would
/// be taken for its own.
fn has_placeholder(expr: &Expr) -> bool {
    visit_expressions(expr, |expr| match expr {
        Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// Positions of the key's columns, which become NOT NULL.
fn key_positions(columns: &mut [Column], key: &[Name]) -> Result<Vec<usize>> {
    if key.len() > INDEX_COLUMNS_MAX {
        return Err(Error::new(code::PROGRAM_LIMIT, "the key has too many columns")
            .with_detail(format!("The limit index_columns_max is {INDEX_COLUMNS_MAX}.")));
    }
    let mut positions = Vec::with_capacity(key.len());
    for name in key {
        let Some(position) = columns.iter().position(|column| column.name == name.text) else {
            return Err(Error::internal("a key column went missing"));
        };
        if positions.contains(&position) {
            return Err(Error::new(
                code::DUPLICATE_COLUMN,
                format!("column \"{}\" is in the key twice", name.text),
            )
            .at(name.position));
        }
        check_orderable(&columns[position], name, "key")?;
        columns[position].not_null = true;
        positions.push(position);
    }
    Ok(positions)
}

/// Refuses columns whose values have no order.
pub(super) fn check_orderable(column: &Column, name: &Name, what: &str) -> Result<()> {
    let ty = match column.ty {
        ColumnType::Json => "JSON",
        ColumnType::Vector(_) => "VECTOR",
        _ => return Ok(()),
    };
    Err(Error::new(
        code::INVALID_OBJECT_DEFINITION,
        format!("column \"{}\" is of type {ty} and cannot be part of a {what}", column.name),
    )
    .at(name.position))
}

fn create_index(
    catalog: &Catalog,
    create: &CreateIndex,
    defaults: IndexDefaults,
) -> Result<Option<Catalog>> {
    let table = Binder::new(catalog).table(&create.table)?;
    let name = match &create.name {
        Some(name) => name.text.clone(),
        None => index_name(catalog, table, &create.definition),
    };
    let left = unique_of_index(table, &name)
        .is_some_and(|(_, unique)| unique.filling.is_some_and(|filling| filling != process()));
    if left {
        // A process ended while it made this index.
        let mut without = successor(catalog);
        drop_unique(&mut without, table, &name);
        without.version = catalog.version;
        return create_index(&without, create, defaults);
    }
    if catalog.index_named(&name).is_some() {
        if create.if_not_exists {
            return Ok(None);
        }
        return Err(Error::new(code::DUPLICATE_TABLE, format!("index \"{name}\" already exists"))
            .with_hint("Choose another name, or write IF NOT EXISTS.")
            .at(create.name.as_ref().map_or(0, |name| name.position)));
    }
    if table.indexes.len() >= INDEXES_MAX {
        return Err(Error::new(code::PROGRAM_LIMIT, "the table has too many indexes")
            .with_detail(format!("The limit indexes_max is {INDEXES_MAX}."))
            .at(create.table.position));
    }
    let kind = index_kind(table, &create.definition, defaults)?;
    let mut next = successor(catalog);
    if let (true, IndexKind::Ordered { columns }) = (create.unique, &kind) {
        add_unique(&mut next, table.id, &name, columns.clone(), Some(process()))?;
        return Ok(Some(next));
    }
    let index = Index { id: next.index_next, name, kind };
    next.index_next = IndexId(next.index_next.0 + 1);
    let mut changed = table.as_ref().clone();
    changed.indexes.push(Arc::new(index));
    next.tables.insert(changed.id, Arc::new(changed));
    Ok(Some(next))
}

fn drop_tables(catalog: &Catalog, drop: &Drop) -> Result<Option<Catalog>> {
    let mut next = successor(catalog);
    let mut changed = false;
    for name in &drop.names {
        let table = match next.table_named(&name.text) {
            Some(table) => table.clone(),
            None if drop.if_exists => continue,
            None => {
                return Err(Binder::new(&next)
                    .table(name)
                    .err()
                    .unwrap_or_else(|| Error::internal("a table was there and was not")));
            }
        };
        check_kind(&table, drop.kind, name)?;
        check_referrers(&mut next, &table, drop, name)?;
        check_owned(&next, &table, drop, name)?;
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

/// Removes a table and what the engine keeps for it.
fn remove_table(next: &mut Catalog, table: &Table) {
    next.tables.remove(&table.id);
    next.tables.retain(|_, hidden| match &hidden.kind {
        TableKind::Entries { of } => *of != table.id,
        TableKind::Sequence(shape) => shape.owner != Some(table.id),
        _ => true,
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

fn check_kind(table: &Table, kind: DropKind, name: &Name) -> Result<()> {
    let (is, word) = match table.kind {
        TableKind::Relation => (DropKind::Table, "table"),
        TableKind::Collection => (DropKind::Collection, "collection"),
        TableKind::Edge { .. } => (DropKind::Edge, "edge"),
        TableKind::Entries { .. } | TableKind::Sequence(_) | TableKind::Answers => {
            (DropKind::Sequence, "sequence")
        }
    };
    if kind == DropKind::Table || kind == is {
        return Ok(());
    }
    Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{}\" is a {word}", table.name))
        .with_hint(format!("Use DROP {} {}.", word.to_uppercase(), table.name))
        .at(name.position))
}

fn drop_indexes(catalog: &Catalog, drop: &Drop) -> Result<Option<Catalog>> {
    let mut next = successor(catalog);
    let mut changed = false;
    for name in &drop.names {
        let found = next.index_named(&name.text).map(|(table, _)| table.clone());
        let Some(table) = found else {
            if drop.if_exists {
                continue;
            }
            let names = catalog.listed().flat_map(|table| table.indexes.iter());
            let names = names.map(|index| index.name.as_str());
            return Err(Error::new(
                code::UNDEFINED_OBJECT,
                format!("index \"{}\" does not exist", name.text),
            )
            .with_suggestion(suggest::nearest(&name.text, names))
            .at(name.position));
        };
        check_index_free(&next, &table, name)?;
        drop_unique(&mut next, &table, &name.text);
        changed = true;
    }
    Ok(changed.then_some(next))
}

/// Removes an index, and the unique constraint it belongs to, if it does.
pub(super) fn drop_unique(next: &mut Catalog, table: &Table, name: &str) {
    let mut without = table.clone();
    without.indexes.retain(|index| index.name != name);
    if let Some((_, unique)) = unique_of_index(table, name) {
        next.tables.remove(&unique.entries);
        without.constraints.retain(|constraint| {
            constraint.name != name || !matches!(constraint.kind, ConstraintKind::Unique(_))
        });
    }
    next.tables.insert(without.id, Arc::new(without));
}

/// Returns the catalog in which a unique constraint that was being filled is in force, or, if
/// existing records break it, gone; `None` when it is not there any more.
pub fn settle_unique(catalog: &Catalog, name: &str, holds: bool) -> Option<Catalog> {
    let (table, _) = catalog.index_named(name)?;
    let (_, unique) = unique_of_index(table, name)?;
    unique.filling?;
    let mut next = successor(catalog);
    if !holds {
        drop_unique(&mut next, table, name);
        return Some(next);
    }
    let mut changed = table.as_ref().clone();
    for constraint in &mut changed.constraints {
        if constraint.name == name
            && let ConstraintKind::Unique(unique) = &mut Arc::make_mut(constraint).kind
        {
            unique.filling = None;
        }
    }
    next.tables.insert(changed.id, Arc::new(changed));
    Some(next)
}

/// Returns the unique index that a CREATE has left to be filled.
pub fn unfilled(catalog: &Catalog, statement: &Statement) -> Option<String> {
    let Statement::CreateIndex(CreateIndex { table, unique: true, .. }) = statement else {
        return None;
    };
    let table = catalog.table_named(&table.text)?;
    table.constraints.iter().rev().find_map(|constraint| match &constraint.kind {
        ConstraintKind::Unique(unique) if unique.filling == Some(process()) => {
            Some(constraint.name.clone())
        }
        _ => None,
    })
}

/// Returns a number that no other process has, for what a process leaves unfinished.
pub fn process() -> u64 {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| pieskieo_io::time::random_u64() | 1);
    *PROCESS
}
