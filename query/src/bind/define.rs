//! Which catalog does a CREATE or DROP make?

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, Value, visit_expressions};
use pieskieo_shards::catalog::{Catalog, Column, Index, Table, TableKind};
use pieskieo_shards::ids::{CatalogVersion, ColumnId, IndexId, TableId};
use pieskieo_shards::value::ColumnType;

use super::define_index::{index_kind, index_name};
use super::pattern::ends;
use super::query::Binder;
use super::scope::{DOCUMENT, Scope};
use crate::error::{Error, Result, code};
use crate::limits::{COLUMNS_MAX, INDEX_COLUMNS_MAX, INDEXES_MAX};
use crate::suggest;
use crate::syntax::{
    ColumnDefinition, CreateCollection, CreateEdge, CreateIndex, CreateTable, Drop, DropKind, Name,
    Statement, parse_expression,
};

/// Names of columns that the engine makes.
const RESERVED: &[&str] = &["_depth", "_distance", "_key", "_score", "_version"];

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

/// Returns the catalog after a CREATE or DROP, or `None` when nothing changes because of
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
        Statement::Drop(drop) => match drop.kind {
            DropKind::Index => drop_indexes(catalog, drop),
            _ => drop_tables(catalog, drop),
        },
        _ => Err(Error::internal("not a statement that changes the catalog")),
    }
}

/// The next catalog, to be changed before anyone sees it.
fn successor(catalog: &Catalog) -> Catalog {
    Catalog { version: CatalogVersion(catalog.version.0 + 1), ..catalog.clone() }
}

fn with_table(catalog: &Catalog, mut table: Table) -> Catalog {
    let mut next = successor(catalog);
    table.id = next.table_next;
    next.table_next = TableId(next.table_next.0 + 1);
    next.tables.insert(table.id, Arc::new(table));
    next
}

/// Whether the name is free; `Ok(false)` when IF NOT EXISTS makes that no error.
fn is_free(catalog: &Catalog, name: &Name, if_not_exists: bool) -> Result<bool> {
    match catalog.table_named(&name.text) {
        None => Ok(true),
        Some(_) if if_not_exists => Ok(false),
        Some(_) => Err(Error::new(
            code::DUPLICATE_TABLE,
            format!("table \"{}\" already exists", name.text),
        )
        .with_hint("Choose another name, or write IF NOT EXISTS.")
        .at(name.position)),
    }
}

fn create_table(catalog: &Catalog, create: &CreateTable) -> Result<Option<Catalog>> {
    if !is_free(catalog, &create.name, create.if_not_exists)? {
        return Ok(None);
    }
    let mut columns = columns(catalog, &create.columns, &create.key)?;
    if columns.is_empty() {
        return Err(Error::new(code::INVALID_TABLE_DEFINITION, "a table needs a column")
            .with_hint("Use CREATE COLLECTION for records without declared columns.")
            .at(create.name.position));
    }
    let key = if create.key.is_empty() {
        refuse_columns(&create.columns, &["_id"])?;
        columns.push(generated("_id", ColumnType::BigInt, true));
        vec![columns.len() - 1]
    } else {
        key_positions(&mut columns, &create.key)?
    };
    Ok(Some(with_table(catalog, table(&create.name, TableKind::Relation, columns, key, None))))
}

fn create_collection(catalog: &Catalog, create: &CreateCollection) -> Result<Option<Catalog>> {
    if !is_free(catalog, &create.name, create.if_not_exists)? {
        return Ok(None);
    }
    refuse_columns(&create.columns, &[DOCUMENT])?;
    let mut columns = columns(catalog, &create.columns, &create.key)?;
    let key = if create.key.is_empty() {
        refuse_columns(&create.columns, &["_id"])?;
        columns.insert(0, generated("_id", ColumnType::Text, false));
        vec![0]
    } else {
        key_positions(&mut columns, &create.key)?
    };
    columns.push(Column { not_null: false, ..plain(DOCUMENT, ColumnType::Json) });
    Ok(Some(with_table(catalog, table(&create.name, TableKind::Collection, columns, key, None))))
}

fn create_edge(catalog: &Catalog, create: &CreateEdge) -> Result<Option<Catalog>> {
    if !is_free(catalog, &create.name, create.if_not_exists)? {
        return Ok(None);
    }
    refuse_columns(&create.columns, &["src", "dst", "_id"])?;
    let (source, source_type) = end(catalog, &create.source)?;
    let (target, target_type) = end(catalog, &create.target)?;
    let mut all = vec![
        plain("src", source_type),
        plain("dst", target_type),
        generated("_id", ColumnType::BigInt, true),
    ];
    all.extend(columns(catalog, &create.columns, &[])?);
    let kind = TableKind::Edge { source, target };
    Ok(Some(with_table(catalog, table(&create.name, kind, all, vec![0, 2], Some(1)))))
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
    Table { id: TableId(0), name: name.text.clone(), kind, columns, key, routing, indexes: vec![] }
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
    }
}

fn generated(name: &str, ty: ColumnType, hidden: bool) -> Column {
    Column { hidden, generated: true, ..plain(name, ty) }
}

fn refuse_columns(columns: &[ColumnDefinition], taken: &[&str]) -> Result<()> {
    match columns.iter().find(|column| taken.contains(&column.name.text.as_str())) {
        Some(column) => Err(Error::new(
            code::DUPLICATE_COLUMN,
            format!("column \"{}\" is made by the server here", column.name.text),
        )
        .with_hint("Choose another name.")
        .at(column.name.position)),
        None => Ok(()),
    }
}

/// Declared columns, checked.
fn columns(
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
            Binder::new(catalog).bind_expr(&mut expr, &Scope::default()).map_err(|mut error| {
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
        next.tables.remove(&table.id);
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
    Ok(changed.then_some(next))
}

fn check_kind(table: &Table, kind: DropKind, name: &Name) -> Result<()> {
    let (is, word) = match table.kind {
        TableKind::Relation => (DropKind::Table, "table"),
        TableKind::Collection => (DropKind::Collection, "collection"),
        TableKind::Edge { .. } => (DropKind::Edge, "edge"),
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
            let names = catalog.tables.values().flat_map(|table| table.indexes.iter());
            let names = names.map(|index| index.name.as_str());
            return Err(Error::new(
                code::UNDEFINED_OBJECT,
                format!("index \"{}\" does not exist", name.text),
            )
            .with_suggestion(suggest::nearest(&name.text, names))
            .at(name.position));
        };
        let mut without = table.as_ref().clone();
        without.indexes.retain(|index| index.name != name.text);
        next.tables.insert(without.id, Arc::new(without));
        changed = true;
    }
    Ok(changed.then_some(next))
}
