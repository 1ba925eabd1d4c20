//! What is said of tables, views, indexes and their columns?
//!
//! Collections and edges are tables. Columns are counted as clients see them: hidden and dropped
//! ones have no place. Indexes of vectors and words have the classes of operators of `kind`.

use std::sync::Arc;

use pieskieo_shards::catalog::{Catalog, Content, IndexKind, Table, TableKind};
use pieskieo_shards::value::{ColumnType, Value};

use super::super::information::numbered;
use super::super::relation::{Relation, Rows, told};
use super::super::rule::has_key;
use super::columns::{ATTRDEF, ATTRIBUTE, CLASS, INDEX, NAMESPACE, SEQUENCE};
use super::kind::{Stored, class_of_operators};
use super::number::{self, Part};
use super::objects::{Body, Class, Objects, SCHEMAS, is_unique, place_of, type_of};
use super::schema::relation;
use crate::postgres::modifier;

/// The relations of this file.
pub(super) static RELATIONS: &[Relation] = &[
    relation("pg_namespace", 2615, NAMESPACE, namespaces),
    relation("pg_class", 1259, CLASS, classes),
    relation("pg_attribute", 1249, ATTRIBUTE, attributes),
    relation("pg_attrdef", 2604, ATTRDEF, defaults),
    relation("pg_index", 2610, INDEX, indexes),
    relation("pg_sequence", 2224, SEQUENCE, sequences),
];

/// Columns that PostgreSQL gives a sequence.
const SEQUENCE_WIDTH: usize = 3;

/// The collation of texts: that of the database.
const DEFAULT_COLLATION: i64 = 100;

fn namespaces(_: &Catalog, out: &mut Rows) {
    for (number, name) in SCHEMAS {
        out.push([
            ("oid", Value::BigInt(*number)),
            ("nspname", told(name)),
            ("nspowner", Value::BigInt(number::USER)),
        ]);
    }
}

fn classes(catalog: &Catalog, out: &mut Rows) {
    for class in &Objects::of(catalog).classes {
        let table = class.table().filter(|_| matches!(class.body, Body::Stored(_)));
        let has_index = table.is_some_and(|_| matches!(class.kind, "r" | "m"))
            && class.table().is_some_and(|table| !table.indexes.is_empty() || has_key(table));
        let checks = table.map_or(0, |table| table.checks().count());
        let referred = table
            .is_some_and(|table| !table.referrers.is_empty() || table.foreigns().next().is_some());
        let populated = table.is_none_or(|table| match &table.kind {
            TableKind::Materialized { content, .. } => {
                matches!(content, Content::Whole(_))
            }
            _ => true,
        });
        out.push([
            ("oid", Value::BigInt(class.number)),
            ("relname", told(&class.name)),
            ("relnamespace", Value::BigInt(class.schema)),
            ("reltype", Value::BigInt(0)),
            ("reloftype", Value::BigInt(0)),
            ("relowner", Value::BigInt(number::USER)),
            ("relam", Value::BigInt(class.access())),
            ("relfilenode", Value::BigInt(0)),
            ("reltablespace", Value::BigInt(0)),
            ("relpages", Value::Int(0)),
            // PostgreSQL's sign for "nobody has counted".
            ("reltuples", Value::Float(-1.0)),
            ("relallvisible", Value::Int(0)),
            ("reltoastrelid", Value::BigInt(0)),
            ("relhasindex", Value::Bool(has_index)),
            ("relisshared", Value::Bool(false)),
            ("relpersistence", told("p")),
            ("relkind", told(class.kind)),
            ("relnatts", Value::SmallInt(width(class))),
            ("relchecks", Value::SmallInt(i16::try_from(checks).unwrap_or(i16::MAX))),
            ("relhasrules", Value::Bool(class.kind == "v")),
            // PostgreSQL keeps foreign keys with triggers.
            ("relhastriggers", Value::Bool(referred)),
            ("relhassubclass", Value::Bool(false)),
            ("relrowsecurity", Value::Bool(false)),
            ("relforcerowsecurity", Value::Bool(false)),
            ("relispopulated", Value::Bool(populated)),
            ("relreplident", told(if class.kind == "r" { "d" } else { "n" })),
            ("relispartition", Value::Bool(false)),
            ("relrewrite", Value::BigInt(0)),
            ("relfrozenxid", Value::BigInt(0)),
            ("relminmxid", Value::BigInt(0)),
        ]);
    }
}

/// How many columns a class has.
fn width(class: &Class) -> i16 {
    let count = match &class.body {
        Body::Stored(_) if class.kind == "S" => SEQUENCE_WIDTH,
        Body::Stored(table) => table.columns.iter().filter(|column| !column.hidden).count(),
        Body::Key(_) | Body::Index(..) => class.index_columns().len(),
        Body::System(relation) => relation.columns.len(),
    };
    i16::try_from(count).unwrap_or(i16::MAX)
}

/// A column as `pg_attribute` has it.
struct Attribute<'a> {
    class: i64,
    name: &'a str,
    place: i16,
    ty: ColumnType,
    /// PostgreSQL's number for a type that we have not; 0 = that of `ty`.
    number: u32,
    not_null: bool,
    has_default: bool,
    is_identity: bool,
}

impl<'a> Attribute<'a> {
    /// A column that takes nulls and has no default.
    fn plain(class: i64, (name, place): (&'a str, i16), ty: ColumnType) -> Self {
        let number = 0;
        let (not_null, has_default, is_identity) = (false, false, false);
        Self { class, name, place, ty, number, not_null, has_default, is_identity }
    }
}

fn attributes(catalog: &Catalog, out: &mut Rows) {
    for class in &Objects::of(catalog).classes {
        let plain = |at: (_, _), ty: &ColumnType| Attribute::plain(class.number, at, ty.clone());
        match &class.body {
            Body::Stored(_) if class.kind == "S" => {
                let columns = [
                    ("last_value", ColumnType::BigInt),
                    ("log_cnt", ColumnType::BigInt),
                    ("is_called", ColumnType::Bool),
                ];
                for (at, (name, ty)) in columns.iter().enumerate() {
                    attribute(plain((name, place(at)), ty), out);
                }
            }
            Body::Stored(table) => {
                for (at, column) in table.columns.iter().enumerate() {
                    if column.hidden || column.altered.dropped {
                        continue;
                    }
                    let not_null =
                        column.not_null || (class.kind == "r" && table.key.contains(&at));
                    attribute(
                        Attribute {
                            not_null,
                            has_default: column.default.is_some() && !column.always,
                            is_identity: column.always,
                            ..plain((&column.name, place_of(table, at)), &column.ty)
                        },
                        out,
                    );
                }
            }
            Body::Key(table) | Body::Index(table, _) => {
                for (at, column) in class.index_columns().into_iter().enumerate() {
                    let column = &table.columns[column];
                    attribute(plain((&column.name, place(at)), &column.ty), out);
                }
            }
            Body::System(relation) => {
                for (at, column) in relation.columns.iter().enumerate() {
                    let number = column.number;
                    attribute(
                        Attribute { number, ..plain((column.name, place(at)), &column.ty()) },
                        out,
                    );
                }
            }
        }
    }
}

fn place(at: usize) -> i16 {
    i16::try_from(at + 1).unwrap_or(i16::MAX)
}

fn attribute(of: Attribute<'_>, out: &mut Rows) {
    let number = match of.number {
        0 => type_of(&of.ty),
        number => i64::from(number),
    };
    let stored = Stored::of(number);
    let is_list = matches!(of.ty, ColumnType::Array(_));
    out.push([
        ("attrelid", Value::BigInt(of.class)),
        ("attname", told(of.name)),
        ("atttypid", Value::BigInt(number)),
        ("attstattarget", Value::Int(-1)),
        ("attlen", Value::SmallInt(stored.bytes)),
        ("attnum", Value::SmallInt(of.place)),
        ("attndims", Value::Int(i32::from(is_list))),
        ("attcacheoff", Value::Int(-1)),
        ("atttypmod", Value::Int(modifier(&of.ty))),
        ("attbyval", Value::Bool(stored.by_value)),
        ("attalign", told(stored.align)),
        ("attstorage", told(stored.storage)),
        ("attcompression", told("")),
        ("attnotnull", Value::Bool(of.not_null)),
        ("atthasdef", Value::Bool(of.has_default)),
        ("atthasmissing", Value::Bool(false)),
        ("attidentity", told(if of.is_identity { "a" } else { "" })),
        ("attgenerated", told("")),
        ("attisdropped", Value::Bool(false)),
        ("attislocal", Value::Bool(true)),
        ("attinhcount", Value::Int(0)),
        ("attcollation", Value::BigInt(if stored.is_text { DEFAULT_COLLATION } else { 0 })),
    ]);
}

fn defaults(catalog: &Catalog, out: &mut Rows) {
    for table in catalog.listed() {
        for (at, column) in table.columns.iter().enumerate() {
            let Some(default) = &column.default else { continue };
            if column.hidden || column.altered.dropped || column.always {
                continue;
            }
            out.push([
                ("oid", Value::BigInt(default_number(table, at))),
                ("adrelid", Value::BigInt(number::of_table(table.id, Part::Whole))),
                ("adnum", Value::SmallInt(place_of(table, at))),
                ("adbin", told(default)),
            ]);
        }
    }
}

/// The number of a column's default. Nothing else looks it up: it need not be told from those of
/// constraints, which are numbers of other relations.
fn default_number(table: &Table, column: usize) -> i64 {
    number::of_name(table.id, &table.columns[column].name, |_| false)
}

fn indexes(catalog: &Catalog, out: &mut Rows) {
    for class in Objects::of(catalog).classes.iter().filter(|class| class.kind == "i") {
        let Some(table) = class.table() else { continue };
        let (is_unique, is_primary) = match &class.body {
            Body::Index(table, index) => (is_unique(table, index), false),
            _ => (true, true),
        };
        let columns = class.index_columns();
        let places = columns.iter().map(|&at| Value::SmallInt(place_of(table, at)));
        let operators = columns.iter().map(|&at| Value::BigInt(operators_of(class, table, at)));
        let collations = columns.iter().map(|&at| {
            let is_text = Stored::of(type_of(&table.columns[at].ty)).is_text;
            Value::BigInt(if is_text { DEFAULT_COLLATION } else { 0 })
        });
        let options = columns.iter().map(|_| Value::SmallInt(0));
        let count = i16::try_from(columns.len()).unwrap_or(i16::MAX);
        out.push([
            ("indexrelid", Value::BigInt(class.number)),
            ("indrelid", Value::BigInt(number::of_table(table.id, Part::Whole))),
            ("indnatts", Value::SmallInt(count)),
            ("indnkeyatts", Value::SmallInt(count)),
            ("indisunique", Value::Bool(is_unique)),
            ("indnullsnotdistinct", Value::Bool(false)),
            ("indisprimary", Value::Bool(is_primary)),
            ("indisexclusion", Value::Bool(false)),
            ("indimmediate", Value::Bool(true)),
            ("indisclustered", Value::Bool(false)),
            ("indisvalid", Value::Bool(true)),
            ("indcheckxmin", Value::Bool(false)),
            ("indisready", Value::Bool(true)),
            ("indislive", Value::Bool(true)),
            ("indisreplident", Value::Bool(false)),
            ("indkey", Value::Array(places.collect())),
            ("indcollation", Value::Array(collations.collect())),
            ("indclass", Value::Array(operators.collect())),
            ("indoption", Value::Array(options.collect())),
        ]);
    }
}

/// The class of operators of one column of an index.
fn operators_of(class: &Class, table: &Arc<Table>, column: usize) -> i64 {
    match &class.body {
        Body::Index(_, index) => match &index.kind {
            IndexKind::Vector { metric, .. } => {
                class_of_operators(super::definition::operators(*metric))
            }
            IndexKind::Text { .. } => class_of_operators("text_search_ops"),
            IndexKind::Ordered { .. } => ordering(table, column),
        },
        _ => ordering(table, column),
    }
}

fn ordering(table: &Table, column: usize) -> i64 {
    super::kind::ordering(type_of(&table.columns[column].ty))
}

fn sequences(catalog: &Catalog, out: &mut Rows) {
    for (table, shape) in numbered(catalog) {
        out.push([
            ("seqrelid", Value::BigInt(number::of_table(table.id, Part::Whole))),
            ("seqtypid", Value::BigInt(type_of(&ColumnType::BigInt))),
            ("seqstart", Value::BigInt(shape.start)),
            ("seqincrement", Value::BigInt(shape.increment)),
            ("seqmax", Value::BigInt(shape.max)),
            ("seqmin", Value::BigInt(shape.min)),
            ("seqcache", Value::BigInt(i64::from(shape.cache))),
            ("seqcycle", Value::Bool(shape.cycle)),
        ]);
    }
}
