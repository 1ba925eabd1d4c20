//! Which catalog does a CREATE make?

use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use datafusion::sql::sqlparser::ast::{Expr, Value, visit_expressions};
use pieskieo_shards::catalog::{
    Altered, Catalog, Column, ConstraintKind, Index, IndexKind, Rewrite, Table, TableKind,
};
use pieskieo_shards::ids::{CatalogVersion, ColumnId, IndexId, TableId};
use pieskieo_shards::value::ColumnType;

use super::alter_rename::rename_index;
use super::comment::set_comment;
use super::define_constraint::{add_constraints, add_unique, unique_of_index};
use super::define_drop::{drop_indexes, drop_tables, remove_table};
use super::define_index::{index_kind, index_name};
use super::define_sequence::{
    add_identities, create_sequence, default_sequences, drop_sequences, is_taken,
};
use super::define_view::check_idle;
use super::pattern::ends;
use super::query::Binder;
use super::scope::{DOCUMENT, Scope};
use super::truncate::truncate_tables;
use crate::error::{Error, Result, code};
use crate::limits::{COLUMNS_MAX, INDEX_COLUMNS_MAX, INDEXES_MAX};
use crate::suggest;
use crate::syntax::{
    Body, ColumnDefinition, CreateCollection, CreateEdge, CreateIndex, CreateTable, DropKind, Name,
    Statement, parse_expression,
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
        Statement::Comment(comment) => set_comment(catalog, comment),
        _ => Err(Error::internal("not a statement that changes the catalog")),
    }
}

/// The next catalog, to be changed before anyone sees it. What another process has not finished
/// is not in it.
pub fn successor(catalog: &Catalog) -> Catalog {
    let mut next = Catalog { version: CatalogVersion(catalog.version.0 + 1), ..catalog.clone() };
    next.tables.retain(|_, table| match table.kind {
        TableKind::Unfinished { process: of, .. } => of == process(),
        _ => true,
    });
    next.drafted.clear();
    forget_rewrites(&mut next);
    next
}

/// Forgets what another process has begun to rewrite.
fn forget_rewrites(next: &mut Catalog) {
    let left = next.tables.values().filter(|table| match table.rewrite {
        Some(
            Rewrite::Source { process: of }
            | Rewrite::Copy { process: of, .. }
            | Rewrite::Begun { process: of },
        ) => of != process(),
        None => false,
    });
    let left: Vec<Arc<Table>> = left.cloned().collect();
    for mut table in left {
        if table.is_hidden() {
            remove_table(next, &table);
            continue;
        }
        Arc::make_mut(&mut table).rewrite = None;
        next.tables.insert(table.id, table);
    }
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
pub(super) fn is_free(catalog: &Catalog, name: &Name, if_not_exists: bool) -> Result<bool> {
    if !is_taken(catalog, &name.text) {
        return Ok(true);
    }
    let view = catalog.view_named(&name.text).is_some();
    let table = !view && catalog.sequence_named(&name.text).is_none();
    if if_not_exists && (table || view) {
        return Ok(false);
    }
    let what = match (table, view) {
        (true, _) => "table",
        (_, true) => "view",
        _ => "sequence",
    };
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
    let table = Binder::new(catalog).base_table(name)?;
    check_idle(table).map_err(|error| error.at(name.position))?;
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

pub(super) fn table(
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
        comment: None,
        rewrite: None,
        since: None,
    }
}

pub(super) fn plain(name: &str, ty: ColumnType) -> Column {
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
        comment: None,
    }
}

pub(super) fn generated(name: &str, ty: ColumnType, hidden: bool) -> Column {
    Column { hidden, generated: true, ..plain(name, ty) }
}

/// Refuses names of columns that the server makes, for a table without a declared key.
pub(super) fn refuse_made_names<'n>(
    names: impl Iterator<Item = &'n str>,
    position: usize,
) -> Result<()> {
    let mut taken = names.filter(|name| *name == "_id" || RESERVED.contains(name));
    match taken.next() {
        Some(name) => Err(made_by_server(name).with_hint("Rename it with AS.").at(position)),
        None => Ok(()),
    }
}

fn made_by_server(name: &str) -> Error {
    Error::new(code::DUPLICATE_COLUMN, format!("column \"{name}\" is made by the server here"))
}

fn refuse_columns(columns: &[ColumnDefinition], taken: &[&str]) -> Result<()> {
    columns.iter().try_for_each(|column| refuse_names(&column.name, taken))
}

/// Refuses a new name that columns of the server's making have.
pub(super) fn refuse_names(name: &Name, taken: &[&str]) -> Result<()> {
    if !taken.contains(&name.text.as_str()) {
        return Ok(());
    }
    Err(made_by_server(&name.text).with_hint("Choose another name.").at(name.position))
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
    let table = indexed(catalog, &create.table)?;
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
    let index = Index { id: next.index_next, name, kind, comment: None };
    next.index_next = IndexId(next.index_next.0 + 1);
    let mut changed = table.as_ref().clone();
    changed.indexes.push(Arc::new(index));
    next.tables.insert(changed.id, Arc::new(changed));
    Ok(Some(next))
}

/// The table that gets an index.
fn indexed<'c>(catalog: &'c Catalog, name: &Name) -> Result<&'c Arc<Table>> {
    if catalog.view_named(&name.text).is_some() {
        let message = format!("cannot create an index on view \"{}\"", name.text);
        return Err(Error::new(code::WRONG_OBJECT_TYPE, message)
            .with_hint("Index the tables it reads, or make it a materialized view.")
            .at(name.position));
    }
    let table = Binder::new(catalog).table(name)?;
    check_idle(table).map_err(|error| error.at(name.position))?;
    Ok(table)
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
