//! What tables, columns and indexes are there?

use pieskieo_shards::catalog::{Catalog, Index, IndexKind, Table, TableKind};
use pieskieo_shards::vector::Metric;

/// A table, as a person or a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableListing {
    /// Its name.
    pub name: String,
    /// `table`, `collection` or `edge`.
    pub kind: &'static str,
    /// Where edges start and end; `None` for other kinds.
    pub ends: Option<(String, String)>,
    /// Columns in order, hidden ones left out.
    pub columns: Vec<ColumnListing>,
    /// Names of the primary-key columns in key order; hidden ones too.
    pub key: Vec<String>,
    /// Indexes in creation order.
    pub indexes: Vec<IndexListing>,
}

/// A column of a [`TableListing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnListing {
    /// Its name.
    pub name: String,
    /// Its PQL type.
    pub type_name: String,
    /// Whether it takes nulls.
    pub nullable: bool,
    /// PQL text of its default.
    pub default: Option<String>,
}

/// An index of a [`TableListing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexListing {
    /// Its name.
    pub name: String,
    /// `btree`, `hnsw` or `text`.
    pub kind: &'static str,
    /// What it is over: columns, or paths into documents.
    pub columns: Vec<String>,
    /// Its options as `name = value`, comma separated.
    pub options: String,
}

/// Lists all tables by name.
pub fn listing(catalog: &Catalog) -> Vec<TableListing> {
    let mut tables: Vec<TableListing> =
        catalog.tables.values().map(|table| table_listing(catalog, table)).collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    tables
}

fn table_listing(catalog: &Catalog, table: &Table) -> TableListing {
    let name_of = |id| catalog.tables.get(id).map_or_else(String::new, |table| table.name.clone());
    let (kind, ends) = match &table.kind {
        TableKind::Relation => ("table", None),
        TableKind::Collection => ("collection", None),
        TableKind::Edge { source, target } => ("edge", Some((name_of(source), name_of(target)))),
    };
    let columns = table.columns.iter().filter(|column| !column.hidden).map(|column| {
        let type_name = crate::outcome::type_name(&column.ty.arrow());
        ColumnListing {
            name: column.name.clone(),
            type_name,
            nullable: !column.not_null,
            default: column.default.clone(),
        }
    });
    TableListing {
        name: table.name.clone(),
        kind,
        ends,
        columns: columns.collect(),
        key: table.key.iter().map(|column| table.columns[*column].name.clone()).collect(),
        indexes: table.indexes.iter().map(|index| index_listing(table, index)).collect(),
    }
}

fn index_listing(table: &Table, index: &Index) -> IndexListing {
    let name_of = |column: &usize| table.columns[*column].name.clone();
    let (kind, columns, options) = match &index.kind {
        IndexKind::Ordered { columns } => {
            ("btree", columns.iter().map(name_of).collect(), String::new())
        }
        IndexKind::Vector { column, metric, m, ef_construction, ef_search } => {
            let metric = match metric {
                Metric::L2 => "vector_l2_ops",
                Metric::Cosine => "vector_cosine_ops",
                Metric::InnerProduct => "vector_ip_ops",
            };
            let options = format!(
                "{metric}, m = {m}, ef_construction = {ef_construction}, ef_search = {ef_search}"
            );
            ("hnsw", vec![name_of(column)], options)
        }
        IndexKind::Text { fields, stem } => {
            let path = |field: &pieskieo_shards::catalog::TextField| {
                let mut path = vec![name_of(&field.column)];
                path.extend(field.path.iter().cloned());
                path.join(".")
            };
            ("text", fields.iter().map(path).collect(), format!("stem = {stem}"))
        }
    };
    IndexListing { name: index.name.clone(), kind, columns, options }
}
