//! How would an object be written?
//!
//! As PostgreSQL prints it, because its programs take the texts apart.

use pieskieo_shards::catalog::{Catalog, Foreign, Index, IndexKind, Table};
use pieskieo_shards::vector::Metric;

use crate::coordinator::action_clause;
use crate::functions::is_keyword;

/// Returns a name as it must be written in a statement.
pub fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    match begins && name.chars().all(plain) && !is_keyword(name) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// Names of columns, comma separated.
pub(super) fn listed(table: &Table, columns: &[usize]) -> String {
    let names: Vec<String> =
        columns.iter().map(|&column| quoted(&table.columns[column].name)).collect();
    names.join(", ")
}

/// The positions of the columns of an index.
pub(super) fn index_columns(index: &Index) -> Vec<usize> {
    match &index.kind {
        IndexKind::Ordered { columns } => columns.clone(),
        IndexKind::Vector { column, .. } => vec![*column],
        IndexKind::Text { fields, .. } => fields.iter().map(|field| field.column).collect(),
    }
}

/// What stands in the brackets of CREATE INDEX, one text for each column.
pub(super) fn index_parts(table: &Table, index: &Index) -> Vec<String> {
    let name = |column: &usize| quoted(&table.columns[*column].name);
    match &index.kind {
        IndexKind::Ordered { columns } => columns.iter().map(name).collect(),
        IndexKind::Vector { column, metric, .. } => {
            vec![format!("{} {}", name(column), operators(*metric))]
        }
        IndexKind::Text { fields, .. } => {
            let path = |field: &pieskieo_shards::catalog::TextField| {
                let path = field.path.iter().map(|part| quoted(part));
                std::iter::once(name(&field.column)).chain(path).collect::<Vec<_>>().join(".")
            };
            fields.iter().map(path).collect()
        }
    }
}

/// The class of operators of a distance.
pub(super) fn operators(metric: Metric) -> &'static str {
    match metric {
        Metric::L2 => "vector_l2_ops",
        Metric::Cosine => "vector_cosine_ops",
        Metric::InnerProduct => "vector_ip_ops",
    }
}

/// The statement that would make an index.
pub(super) fn index(table: &Table, index: &Index, is_unique: bool) -> String {
    let (way, options) = match &index.kind {
        IndexKind::Ordered { .. } => ("btree", String::new()),
        IndexKind::Vector { m, ef_construction, .. } => {
            ("hnsw", format!(" WITH (m='{m}', ef_construction='{ef_construction}')"))
        }
        IndexKind::Text { stem: true, .. } => ("text", String::new()),
        IndexKind::Text { stem: false, .. } => ("text", " WITH (stem='false')".to_owned()),
    };
    let parts = index_parts(table, index).join(", ");
    statement(&index.name, table, is_unique, &format!("{way} ({parts}){options}"))
}

/// The statement that would make the index of a primary key.
pub(super) fn key_index(name: &str, table: &Table) -> String {
    statement(name, table, true, &format!("btree ({})", listed(table, &table.key)))
}

fn statement(name: &str, table: &Table, is_unique: bool, rest: &str) -> String {
    let unique = if is_unique { "UNIQUE " } else { "" };
    let (name, table) = (quoted(name), quoted(&table.name));
    format!("CREATE {unique}INDEX {name} ON public.{table} USING {rest}")
}

/// What a foreign key demands.
pub(super) fn foreign(catalog: &Catalog, table: &Table, foreign: &Foreign) -> String {
    let Some(target) = catalog.tables.get(&foreign.target) else { return String::new() };
    format!(
        "FOREIGN KEY ({}) REFERENCES {}({}){}{}",
        listed(table, &foreign.columns),
        quoted(&target.name),
        listed(target, &foreign.target_columns),
        action_clause("UPDATE", foreign.on_update),
        action_clause("DELETE", foreign.on_delete)
    )
}
