//! What do the views say that join the others for people?

use pieskieo_shards::catalog::{Catalog, Content, Table, TableKind};
use pieskieo_shards::value::{ColumnType, Value};

use super::super::information::{DATABASE, numbered};
use super::super::relation::{PUBLIC, Relation, Rows, maybe, told};
use super::columns::{INDEXES, MATVIEWS, SEQUENCES, TABLES, VIEWS};
use super::objects::{Body, Class, Objects, schema_name, type_of};
use super::schema::relation;

/// The relations of this file.
pub(super) static RELATIONS: &[Relation] = &[
    relation("pg_tables", 12_033, TABLES, tables),
    relation("pg_views", 12_028, VIEWS, views),
    relation("pg_matviews", 12_038, MATVIEWS, materialized),
    relation("pg_indexes", 12_043, INDEXES, indexes),
    relation("pg_sequences", 12_048, SEQUENCES, sequences),
];

/// The classes of one kind, by schema and name.
fn of_kind<'o>(objects: &'o Objects, kind: &str) -> Vec<&'o Class> {
    let mut found: Vec<&Class> =
        objects.classes.iter().filter(|class| class.kind == kind).collect();
    found.sort_unstable_by(|a, b| (a.schema, &a.name).cmp(&(b.schema, &b.name)));
    found
}

fn has_index(objects: &Objects, table: &Table) -> bool {
    objects
        .classes
        .iter()
        .any(|class| matches!(&class.body, Body::Key(of) | Body::Index(of, _) if of.id == table.id))
}

fn tables(catalog: &Catalog, out: &mut Rows) {
    let objects = Objects::of(catalog);
    for class in of_kind(&objects, "r") {
        let referred = |table: &&std::sync::Arc<Table>| {
            !table.referrers.is_empty() || table.foreigns().next().is_some()
        };
        out.push([
            ("schemaname", maybe(schema_name(class.schema))),
            ("tablename", told(&class.name)),
            ("tableowner", told(DATABASE)),
            ("hasindexes", Value::Bool(class.table().is_some_and(|of| has_index(&objects, of)))),
            ("hasrules", Value::Bool(false)),
            ("hastriggers", Value::Bool(class.table().filter(referred).is_some())),
            ("rowsecurity", Value::Bool(false)),
        ]);
    }
}

fn views(catalog: &Catalog, out: &mut Rows) {
    let objects = Objects::of(catalog);
    for class in of_kind(&objects, "v") {
        let query = class.table().and_then(|table| table.view_query());
        out.push([
            ("schemaname", maybe(schema_name(class.schema))),
            ("viewname", told(&class.name)),
            ("viewowner", told(DATABASE)),
            ("definition", maybe(query.map(|query| format!(" {};", query.text)).as_deref())),
        ]);
    }
}

fn materialized(catalog: &Catalog, out: &mut Rows) {
    let objects = Objects::of(catalog);
    for class in of_kind(&objects, "m") {
        let Some(table) = class.table() else { continue };
        let TableKind::Materialized { query, content } = &table.kind else { continue };
        out.push([
            ("schemaname", told(PUBLIC)),
            ("matviewname", told(&class.name)),
            ("matviewowner", told(DATABASE)),
            ("hasindexes", Value::Bool(has_index(&objects, table))),
            ("ispopulated", Value::Bool(matches!(content, Content::Whole(_)))),
            ("definition", told(&format!(" {};", query.text))),
        ]);
    }
}

fn indexes(catalog: &Catalog, out: &mut Rows) {
    let objects = Objects::of(catalog);
    for class in of_kind(&objects, "i") {
        let Some(table) = class.table() else { continue };
        out.push([
            ("schemaname", told(PUBLIC)),
            ("tablename", told(&table.name)),
            ("indexname", told(&class.name)),
            ("indexdef", maybe(class.index_definition().as_deref())),
        ]);
    }
}

fn sequences(catalog: &Catalog, out: &mut Rows) {
    for (table, shape) in numbered(catalog) {
        out.push([
            ("schemaname", told(PUBLIC)),
            ("sequencename", told(&table.name)),
            ("sequenceowner", told(DATABASE)),
            ("data_type", Value::BigInt(type_of(&ColumnType::BigInt))),
            ("start_value", Value::BigInt(shape.start)),
            ("min_value", Value::BigInt(shape.min)),
            ("max_value", Value::BigInt(shape.max)),
            ("increment_by", Value::BigInt(shape.increment)),
            ("cycle", Value::Bool(shape.cycle)),
            ("cache_size", Value::BigInt(i64::from(shape.cache))),
        ]);
    }
}
