//! What tables, columns and indexes are there?

use pieskieo_shards::catalog::{
    Action, Catalog, ConstraintKind, Index, IndexKind, Table, TableKind,
};
use pieskieo_shards::vector::Metric;

/// A table, as a person or a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableListing {
    /// Its name.
    pub name: String,
    /// `table`, `collection`, `edge`, `view` or `materialized view`.
    pub kind: &'static str,
    /// Where edges start and end; `None` for other kinds.
    pub ends: Option<(String, String)>,
    /// Columns in order, hidden ones left out.
    pub columns: Vec<ColumnListing>,
    /// Names of the primary-key columns in key order; hidden ones too.
    pub key: Vec<String>,
    /// Indexes in creation order.
    pub indexes: Vec<IndexListing>,
    /// Constraints beside the primary key, in creation order.
    pub constraints: Vec<ConstraintListing>,
}

/// A constraint of a [`TableListing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstraintListing {
    /// Its name.
    pub name: String,
    /// `check`, `unique` or `foreign key`.
    pub kind: &'static str,
    /// As it would be written in CREATE TABLE.
    pub definition: String,
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

/// Lists all tables and views by name.
pub fn listing(catalog: &Catalog) -> Vec<TableListing> {
    let views = catalog.tables.values().filter(|table| table.is_view());
    let mut tables: Vec<TableListing> =
        catalog.listed().chain(views).map(|table| table_listing(catalog, table)).collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    tables
}

fn table_listing(catalog: &Catalog, table: &Table) -> TableListing {
    let name_of = |id| catalog.tables.get(id).map_or_else(String::new, |table| table.name.clone());
    let (kind, ends) = match &table.kind {
        TableKind::Relation => ("table", None),
        TableKind::Collection => ("collection", None),
        TableKind::Edge { source, target } => ("edge", Some((name_of(source), name_of(target)))),
        TableKind::View(_) => ("view", None),
        TableKind::Materialized { .. } => ("materialized view", None),
        TableKind::Entries { .. }
        | TableKind::Sequence(_)
        | TableKind::Answers
        | TableKind::Unfinished { .. } => ("hidden", None),
    };
    let columns = table.columns.iter().filter(|column| !column.hidden).map(|column| {
        let type_name = column.ty.to_string().replace(", ", ",");
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
        key: key_names(table),
        indexes: table.indexes.iter().map(|index| index_listing(table, index)).collect(),
        constraints: constraint_listings(catalog, table),
    }
}

/// Names of the key's columns; a view has none.
fn key_names(table: &Table) -> Vec<String> {
    let key = if table.is_view() { &[] } else { table.key.as_slice() };
    key.iter().map(|column| table.columns[*column].name.clone()).collect()
}

fn constraint_listings(catalog: &Catalog, table: &Table) -> Vec<ConstraintListing> {
    let names = |table: &Table, columns: &[usize]| {
        let names: Vec<&str> =
            columns.iter().map(|&column| table.columns[column].name.as_str()).collect();
        names.join(", ")
    };
    let listed = table.constraints.iter().filter_map(|constraint| {
        let (kind, definition) = match &constraint.kind {
            ConstraintKind::Check { text } => ("check", format!("CHECK ({text})")),
            ConstraintKind::Unique(unique) if unique.filling.is_some() => return None,
            ConstraintKind::Unique(unique) => {
                ("unique", format!("UNIQUE ({})", names(table, &unique.columns)))
            }
            ConstraintKind::Foreign(foreign) => {
                let target = catalog.tables.get(&foreign.target)?;
                let definition = format!(
                    "FOREIGN KEY ({}) REFERENCES {} ({}){}{}",
                    names(table, &foreign.columns),
                    target.name,
                    names(target, &foreign.target_columns),
                    action_clause("DELETE", foreign.on_delete),
                    action_clause("UPDATE", foreign.on_update)
                );
                ("foreign key", definition)
            }
        };
        let definition = match constraint.validated {
            true => definition,
            false => format!("{definition} NOT VALID"),
        };
        Some(ConstraintListing { name: constraint.name.clone(), kind, definition })
    });
    listed.collect()
}

/// What a foreign key does on an event, as it is written; empty for what needs no word.
pub(crate) fn action_clause(event: &str, action: Action) -> String {
    let word = match action {
        Action::NoAction => return String::new(),
        Action::Restrict => "RESTRICT",
        Action::Cascade => "CASCADE",
        Action::SetNull => "SET NULL",
        Action::SetDefault => "SET DEFAULT",
    };
    format!(" ON {event} {word}")
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
