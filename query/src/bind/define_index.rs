//! Which index does a CREATE INDEX make?

use std::ops::RangeInclusive;

use pieskieo_shards::catalog::{Catalog, IndexKind, Table, TableKind, TextField};
use pieskieo_shards::value::ColumnType;

use super::define::{IndexDefaults, check_orderable};
use crate::error::{Error, Result, code};
use crate::limits::{HNSW_EF_CONSTRUCTION, HNSW_EF_SEARCH, HNSW_M, INDEX_COLUMNS_MAX};
use crate::suggest;
use crate::syntax::{IndexDefinition, IndexField, Name};

/// Returns what an index answers.
///
/// **Errors**: 42703 for unknown columns, 42P17 for columns of the wrong type, 22023 for options
/// out of range.
pub(super) fn index_kind(
    table: &Table,
    definition: &IndexDefinition,
    defaults: IndexDefaults,
) -> Result<IndexKind> {
    match definition {
        IndexDefinition::Ordered { columns } => {
            check_count(columns.len())?;
            let mut positions = Vec::with_capacity(columns.len());
            for name in columns {
                let position = column(table, name)?;
                check_orderable(&table.columns[position], name, "ordered index")?;
                if positions.contains(&position) {
                    return Err(Error::new(
                        code::DUPLICATE_COLUMN,
                        format!("column \"{}\" is in the index twice", name.text),
                    )
                    .at(name.position));
                }
                positions.push(position);
            }
            Ok(IndexKind::Ordered { columns: positions })
        }
        IndexDefinition::Vector { column: name, metric, m, ef_construction, ef_search } => {
            let position = column(table, name)?;
            if !matches!(table.columns[position].ty, ColumnType::Vector(_)) {
                return Err(Error::new(
                    code::INVALID_OBJECT_DEFINITION,
                    format!("column \"{}\" is not a vector", name.text),
                )
                .with_hint("An hnsw index needs a column of type VECTOR(n).")
                .at(name.position));
            }
            let at = name.position;
            Ok(IndexKind::Vector {
                column: position,
                metric: *metric,
                m: within("m", m.unwrap_or(defaults.m), HNSW_M, at)?,
                ef_construction: within(
                    "ef_construction",
                    ef_construction.unwrap_or(defaults.ef_construction),
                    HNSW_EF_CONSTRUCTION,
                    at,
                )?,
                ef_search: within(
                    "ef_search",
                    ef_search.unwrap_or(defaults.ef_search),
                    HNSW_EF_SEARCH,
                    at,
                )?,
            })
        }
        IndexDefinition::Text { fields, stem } => {
            check_count(fields.len())?;
            let fields =
                fields.iter().map(|field| text_field(table, field)).collect::<Result<_>>()?;
            Ok(IndexKind::Text { fields, stem: *stem })
        }
    }
}

/// Returns a free name for an index without one: `table_column_idx`.
pub(super) fn index_name(catalog: &Catalog, table: &Table, definition: &IndexDefinition) -> String {
    let columns: Vec<String> = match definition {
        IndexDefinition::Ordered { columns } => {
            columns.iter().map(|name| name.text.clone()).collect()
        }
        IndexDefinition::Vector { column, .. } => vec![column.text.clone()],
        IndexDefinition::Text { fields, .. } => {
            let last = fields.iter().filter_map(|field| field.path.last());
            last.map(|name| name.text.clone()).collect()
        }
    };
    let base = format!("{}_{}_idx", table.name, columns.join("_"));
    let mut name = base.clone();
    let mut number = 1_usize;
    while catalog.index_named(&name).is_some() {
        name = format!("{base}{number}");
        number += 1;
    }
    name
}

fn check_count(count: usize) -> Result<()> {
    if count <= INDEX_COLUMNS_MAX {
        return Ok(());
    }
    Err(Error::new(code::PROGRAM_LIMIT, "the index has too many columns")
        .with_detail(format!("The limit index_columns_max is {INDEX_COLUMNS_MAX}.")))
}

fn within(
    name: &str,
    value: usize,
    range: RangeInclusive<usize>,
    position: usize,
) -> Result<usize> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (min, max) = (range.start(), range.end());
    Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("{name} = {value} is out of range"))
        .with_hint(format!("Use {min} to {max}."))
        .at(position))
}

fn column(table: &Table, name: &Name) -> Result<usize> {
    table.column_named(&name.text).ok_or_else(|| {
        let error = Error::new(
            code::UNDEFINED_COLUMN,
            format!("column \"{}\" of table \"{}\" does not exist", name.text, table.name),
        )
        .at(name.position);
        if table.kind == TableKind::Collection {
            return error.with_hint("Declare the field as a column of the collection.");
        }
        let names = table.columns.iter().filter(|column| !column.hidden);
        let names = names.map(|column| column.name.as_str());
        error.with_suggestion(suggest::nearest(&name.text, names))
    })
}

/// A text column, a path into a JSON column, or an open field of a collection.
fn text_field(table: &Table, field: &IndexField) -> Result<TextField> {
    let Some((first, rest)) = field.path.split_first() else {
        return Err(Error::internal("an index field without a name"));
    };
    let path = |names: &[Name]| names.iter().map(|name| name.text.clone()).collect::<Vec<_>>();
    let Some(position) = table.column_named(&first.text) else {
        if table.kind == TableKind::Collection {
            // An open field: the document is the last column.
            return Ok(TextField { column: table.columns.len() - 1, path: path(&field.path) });
        }
        return column(table, first).map(|column| TextField { column, path: path(rest) });
    };
    match (&table.columns[position].ty, rest.is_empty()) {
        (ColumnType::Text | ColumnType::Varchar(_), true) => {
            Ok(TextField { column: position, path: Vec::new() })
        }
        (ColumnType::Json, false) => Ok(TextField { column: position, path: path(rest) }),
        (ColumnType::Json, true) => Err(Error::new(
            code::INVALID_OBJECT_DEFINITION,
            format!("a text index of \"{}\" needs a field of the document", first.text),
        )
        .with_hint(format!("Write {}.field.", first.text))
        .at(first.position)),
        _ => Err(Error::new(
            code::INVALID_OBJECT_DEFINITION,
            format!("column \"{}\" is not text", first.text),
        )
        .with_hint("A text index needs columns of type TEXT or fields of documents.")
        .at(first.position)),
    }
}
