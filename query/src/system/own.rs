//! What is in `pieskieo` that follows from the catalog?

use pieskieo_shards::catalog::Catalog;
use pieskieo_shards::value::Value;

use super::information::{listed, numbered};
use super::relation::{
    Column, OWN, Relation, Rows, Source, bigint, boolean, int, maybe, place, text, told,
};
use super::rule::{has_key, key_name};
use crate::coordinator::{TableListing, listing};

/// The relations of this file.
pub(super) static RELATIONS: &[Relation] = &[
    relation("columns", COLUMNS, columns),
    relation("indexes", INDEXES, indexes),
    relation("constraints", CONSTRAINTS, constraints),
    relation("sequences", SEQUENCES, sequences),
];

const fn relation(
    name: &'static str,
    columns: &'static [Column],
    rows: fn(&Catalog, &mut Rows),
) -> Relation {
    Relation { schema: OWN, name, columns, source: Source::Catalog(rows) }
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
];

const INDEXES: &[Column] = &[
    text("table_name"),
    text("name"),
    text("kind"),
    boolean("is_unique"),
    text("columns"),
    text("options"),
];

const CONSTRAINTS: &[Column] =
    &[text("table_name"), text("name"), text("kind"), text("definition")];

const SEQUENCES: &[Column] = &[
    text("name"),
    bigint("start_value"),
    bigint("increment"),
    bigint("min_value"),
    bigint("max_value"),
    bigint("cache"),
    boolean("cycle"),
    text("owner"),
];

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
            out.push([
                ("table_name", told(&table)),
                ("name", told(&index.name)),
                ("kind", told(index.kind)),
                ("is_unique", Value::Bool(is_unique)),
                ("columns", told(&index.columns.join(", "))),
                ("options", told(&index.options)),
            ]);
        }
    }
}

fn constraints(catalog: &Catalog, out: &mut Rows) {
    for TableListing { name: table, key, constraints, .. } in listing(catalog) {
        let mut push = |name: &str, kind: &str, definition: &str| {
            out.push([
                ("table_name", told(&table)),
                ("name", told(name)),
                ("kind", told(kind)),
                ("definition", told(definition)),
            ]);
        };
        if let Some(stored) = catalog.table_named(&table).filter(|stored| has_key(stored)) {
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
        ]);
    }
}
