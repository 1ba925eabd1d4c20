//! What is in `pieskieo` that follows from the catalog?

use std::sync::Arc;

use pieskieo_shards::catalog::{Catalog, Constraint, Index, Table};
use pieskieo_shards::value::Value;

use super::information::{listed, numbered};
use super::relation::{
    Column, OWN, Relation, Rows, Source, bigint, boolean, int, maybe, place, text, told,
};
use super::rule::{has_key, key_name};
use crate::bind::kind_word;
use crate::coordinator::{TableListing, listing};

/// The relations of this file.
pub(super) static RELATIONS: &[Relation] = &[
    relation("columns", COLUMNS, columns),
    relation("indexes", INDEXES, indexes),
    relation("constraints", CONSTRAINTS, constraints),
    relation("sequences", SEQUENCES, sequences),
    relation("comments", COMMENTS, comments),
];

const fn relation(
    name: &'static str,
    columns: &'static [Column],
    rows: fn(&Catalog, &mut Rows),
) -> Relation {
    Relation { schema: OWN, name, columns, source: Source::Catalog(rows), number: 0 }
}

const COLUMNS: &[Column] = &[
    text("table_name"),
    text("name"),
    int("position"),
    text("type"),
    boolean("nullable"),
    text("default"),
    boolean("generated_always"),
    int("key_position"),
    text("comment"),
];

const INDEXES: &[Column] = &[
    text("table_name"),
    text("name"),
    text("kind"),
    boolean("is_unique"),
    text("columns"),
    text("options"),
    text("comment"),
];

const CONSTRAINTS: &[Column] =
    &[text("table_name"), text("name"), text("kind"), text("definition"), text("comment")];

const SEQUENCES: &[Column] = &[
    text("name"),
    bigint("start_value"),
    bigint("increment"),
    bigint("min_value"),
    bigint("max_value"),
    bigint("cache"),
    boolean("cycle"),
    text("owner"),
    text("comment"),
];

const COMMENTS: &[Column] = &[text("kind"), text("table_name"), text("name"), text("comment")];

fn columns(catalog: &Catalog, out: &mut Rows) {
    for table in listed(catalog) {
        let shown = table.columns.iter().enumerate().filter(|(_, column)| !column.hidden);
        for (position, (at, column)) in shown.enumerate() {
            let key = table.key.iter().position(|&key| key == at);
            out.push([
                ("table_name", told(&table.name)),
                ("name", told(&column.name)),
                ("position", place(position)),
                ("type", told(&column.ty.to_string().replace(", ", ","))),
                ("nullable", Value::Bool(!column.not_null)),
                ("default", maybe(column.default.as_deref())),
                ("generated_always", Value::Bool(column.always)),
                ("key_position", key.map_or(Value::Null, place)),
                ("comment", maybe(column.comment.as_deref())),
            ]);
        }
    }
}

fn indexes(catalog: &Catalog, out: &mut Rows) {
    for TableListing { name: table, indexes, .. } in listing(catalog) {
        let stored = catalog.table_named(&table);
        for index in indexes {
            // The index of a unique constraint has its name.
            let is_unique =
                stored.is_some_and(|table| table.uniques().any(|(unique, _)| unique == index.name));
            let named = |one: &&Arc<Index>| one.name == index.name;
            let named = stored.and_then(|table| table.indexes.iter().find(named));
            out.push([
                ("table_name", told(&table)),
                ("name", told(&index.name)),
                ("kind", told(index.kind)),
                ("is_unique", Value::Bool(is_unique)),
                ("columns", told(&index.columns.join(", "))),
                ("options", told(&index.options)),
                ("comment", maybe(named.and_then(|index| index.comment.as_deref()))),
            ]);
        }
    }
}

fn constraints(catalog: &Catalog, out: &mut Rows) {
    for TableListing { name: table, key, constraints, .. } in listing(catalog) {
        let stored = catalog.table_named(&table);
        let mut push = |name: &str, kind: &str, definition: &str| {
            let named = |one: &&Arc<Constraint>| one.name == name;
            let named = stored.and_then(|table| table.constraints.iter().find(named));
            out.push([
                ("table_name", told(&table)),
                ("name", told(name)),
                ("kind", told(kind)),
                ("definition", told(definition)),
                ("comment", maybe(named.and_then(|one| one.comment.as_deref()))),
            ]);
        };
        if let Some(stored) = stored.filter(|stored| has_key(stored)) {
            let definition = format!("PRIMARY KEY ({})", key.join(", "));
            push(&key_name(stored), "primary key", &definition);
        }
        constraints.iter().for_each(|one| push(&one.name, one.kind, &one.definition));
    }
}

fn sequences(catalog: &Catalog, out: &mut Rows) {
    for (table, shape) in numbered(catalog) {
        let owner = shape.owner.and_then(|owner| catalog.tables.get(&owner));
        out.push([
            ("name", told(&table.name)),
            ("start_value", Value::BigInt(shape.start)),
            ("increment", Value::BigInt(shape.increment)),
            ("min_value", Value::BigInt(shape.min)),
            ("max_value", Value::BigInt(shape.max)),
            ("cache", Value::BigInt(i64::from(shape.cache))),
            ("cycle", Value::Bool(shape.cycle)),
            ("owner", maybe(owner.map(|owner| owner.name.as_str()))),
            ("comment", maybe(table.comment.as_deref())),
        ]);
    }
}

/// Every comment there is, by the table it is about.
fn comments(catalog: &Catalog, out: &mut Rows) {
    let views = catalog.tables.values().filter(|table| table.is_view());
    let sequences = numbered(catalog).into_iter().map(|(sequence, _)| sequence);
    let mut tables: Vec<&Table> = catalog.listed().chain(views).map(AsRef::as_ref).collect();
    tables.extend(sequences);
    tables.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    for table in tables {
        let mut push = |kind: &str, name: &str, comment: &Option<Arc<str>>| {
            let Some(comment) = comment else { return };
            out.push([
                ("kind", told(kind)),
                ("table_name", told(&table.name)),
                ("name", told(name)),
                ("comment", told(comment)),
            ]);
        };
        push(kind_word(&table.kind), &table.name, &table.comment);
        for column in table.live_columns() {
            push("column", &column.name, &column.comment);
        }
        for index in &table.indexes {
            push("index", &index.name, &index.comment);
        }
        for constraint in &table.constraints {
            push("constraint", &constraint.name, &constraint.comment);
        }
    }
}
