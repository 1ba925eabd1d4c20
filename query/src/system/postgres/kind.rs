//! What is said of types, and of what orders and compares their values?
//!
//! The types are those of `postgres::oid`, each with that of its arrays, and no others: what a
//! table's rows are has no type of its own. The names of functions that read and write values are
//! PostgreSQL's, for clients that choose by them.

use pieskieo_shards::catalog::Catalog;
use pieskieo_shards::value::Value;

use super::super::relation::{Relation, Rows, maybe, told};
use super::columns::{AM, CAST, COLLATION, OPCLASS, OPERATOR, TYPE};
use super::number;
use super::schema::relation;
use crate::postgres::{BuiltIn, by_oid, known};

/// The relations of this file.
pub(super) static RELATIONS: &[Relation] = &[
    relation("pg_type", 1247, TYPE, types),
    relation("pg_am", 2601, AM, access_methods),
    relation("pg_opclass", 2616, OPCLASS, operator_classes),
    relation("pg_operator", 2617, OPERATOR, operators),
    relation("pg_collation", 3456, COLLATION, collations),
    relation("pg_cast", 2605, CAST, |_, _| {}),
];

/// How PostgreSQL keeps values of a type.
pub(super) struct Stored {
    /// Bytes of a value; -1 when they differ.
    pub bytes: i16,
    /// Whether it is passed by value.
    pub by_value: bool,
    /// PostgreSQL's letter for where a value may begin.
    pub align: &'static str,
    /// PostgreSQL's letter for how large values are kept.
    pub storage: &'static str,
    /// Whether values are texts, which have a collation.
    pub is_text: bool,
}

impl Stored {
    /// Returns how values of the type with a number are kept; of one that is not known, as arrays.
    pub fn of(number: i64) -> Self {
        let known = u32::try_from(number).ok().and_then(by_oid);
        let bytes = known.map_or(-1, |known| known.bytes);
        let align = match known.map(|known| (known.name, known.bytes)) {
            Some(("name" | "uuid" | "unknown", _) | (_, 1)) => "c",
            Some((_, 2)) => "s",
            Some(("aclitem", _)) => "i",
            Some((_, 8 | 12 | 16)) => "d",
            _ => "i",
        };
        let storage = match known.map(|known| known.name) {
            Some("numeric") => "m",
            Some("int2vector" | "oidvector" | "unknown") => "p",
            _ if bytes > 0 => "p",
            _ => "x",
        };
        let is_text = matches!(known.map(|known| known.name), Some("text" | "varchar" | "bpchar"));
        Self { bytes, by_value: matches!(bytes, 1 | 2 | 4 | 8), align, storage, is_text }
    }
}

fn types(_: &Catalog, out: &mut Rows) {
    for known in known() {
        scalar(known, out);
        if known.array != 0 {
            array(known, out);
        }
    }
}

/// One row of `pg_type`.
struct Type<'a> {
    number: u32,
    name: &'a str,
    category: char,
    element: u32,
    array: u32,
    schema: i64,
    /// The beginning of the names of its functions.
    functions: String,
}

/// The schema a type is in: that of an extension is the users'.
fn schema_of(known: &BuiltIn) -> i64 {
    match known.name {
        "vector" => number::PUBLIC_SCHEMA,
        _ => number::CATALOG_SCHEMA,
    }
}

fn scalar(known: &BuiltIn, out: &mut Rows) {
    let element = match known.name {
        "int2vector" => 21,
        "oidvector" => 26,
        "name" => 18,
        _ => 0,
    };
    let by_itself = matches!(
        known.name,
        "json"
            | "jsonb"
            | "pg_node_tree"
            | "date"
            | "time"
            | "timestamp"
            | "timestamptz"
            | "interval"
            | "numeric"
            | "uuid"
            | "record"
            | "void"
            | "vector"
    );
    let functions = format!("{}{}", known.name, if by_itself { "_" } else { "" });
    let (number, array, category) = (known.oid, known.array, known.category);
    let schema = schema_of(known);
    push(&Type { number, name: known.name, category, element, array, schema, functions }, out);
}

fn array(known: &BuiltIn, out: &mut Rows) {
    let name = format!("_{}", known.name);
    let (number, element, schema) = (known.array, known.oid, schema_of(known));
    let functions = "array_".to_owned();
    let category = 'A';
    push(&Type { number, name: &name, category, element, array: 0, schema, functions }, out);
}

fn push(of: &Type<'_>, out: &mut Rows) {
    let stored = Stored::of(i64::from(of.number));
    let is_pseudo = matches!(of.category, 'P' | 'X');
    let preferred =
        matches!(of.name, "bool" | "text" | "float8" | "timestamptz" | "interval" | "oid");
    let function = |end: &str| told(&format!("{}{end}", of.functions));
    let subscript = match of.category {
        'A' => "array_subscript_handler",
        _ if of.name == "jsonb" => "jsonb_subscript_handler",
        _ => "-",
    };
    out.push([
        ("oid", Value::BigInt(i64::from(of.number))),
        ("typname", told(of.name)),
        ("typnamespace", Value::BigInt(of.schema)),
        ("typowner", Value::BigInt(number::USER)),
        ("typlen", Value::SmallInt(stored.bytes)),
        ("typbyval", Value::Bool(stored.by_value)),
        ("typtype", told(if is_pseudo { "p" } else { "b" })),
        ("typcategory", told(&of.category.to_string())),
        ("typispreferred", Value::Bool(preferred)),
        ("typisdefined", Value::Bool(true)),
        ("typdelim", told(",")),
        ("typrelid", Value::BigInt(0)),
        ("typsubscript", told(subscript)),
        ("typelem", Value::BigInt(i64::from(of.element))),
        ("typarray", Value::BigInt(i64::from(of.array))),
        ("typinput", function("in")),
        ("typoutput", function("out")),
        ("typreceive", function("recv")),
        ("typsend", function("send")),
        ("typmodin", told("-")),
        ("typmodout", told("-")),
        ("typanalyze", told(if of.category == 'A' { "array_typanalyze" } else { "-" })),
        ("typalign", told(stored.align)),
        ("typstorage", told(stored.storage)),
        ("typnotnull", Value::Bool(false)),
        ("typbasetype", Value::BigInt(0)),
        ("typtypmod", Value::Int(-1)),
        ("typndims", Value::Int(0)),
        ("typcollation", Value::BigInt(if stored.is_text { 100 } else { 0 })),
    ]);
}

fn access_methods(_: &Catalog, out: &mut Rows) {
    let methods = [
        (number::HEAP, "heap", "heap_tableam_handler", "t"),
        (number::BTREE, "btree", "bthandler", "i"),
        (number::HNSW, "hnsw", "hnswhandler", "i"),
        (number::TEXT_INDEX, "text", "texthandler", "i"),
    ];
    for (number, name, handler, kind) in methods {
        out.push([
            ("oid", Value::BigInt(number)),
            ("amname", told(name)),
            ("amhandler", told(handler)),
            ("amtype", told(kind)),
        ]);
    }
}

/// Orders of PostgreSQL's types: its number for the class, its name, the family, the type.
const ORDERINGS: &[(i64, &str, i64, i64)] = &[
    (1978, "int4_ops", 1976, 23),
    (1979, "int2_ops", 1976, 21),
    (3122, "date_ops", 434, 1082),
    (3123, "float8_ops", 1970, 701),
    (3124, "int8_ops", 1976, 20),
    (3125, "numeric_ops", 1988, 1700),
    (3126, "text_ops", 1994, 25),
    (3127, "timestamptz_ops", 434, 1184),
    (3128, "timestamp_ops", 434, 1114),
    (10_000, "array_ops", 397, 2277),
    (10_003, "bool_ops", 424, 16),
    (10_006, "bytea_ops", 428, 17),
    (10_012, "float4_ops", 1970, 700),
    (10_022, "interval_ops", 1982, 1186),
    (10_038, "time_ops", 1996, 1083),
    (10_065, "uuid_ops", 2968, 2950),
    (10_088, "jsonb_ops", 4033, 3802),
];

/// Classes of operators of vectors and words, numbered one after the other.
const OTHERS: &[(&str, i64)] = &[
    ("vector_l2_ops", number::HNSW),
    ("vector_ip_ops", number::HNSW),
    ("vector_cosine_ops", number::HNSW),
    ("text_search_ops", number::TEXT_INDEX),
];

/// Returns the number of the class that orders values of a type; 0 when there is none.
pub(super) fn ordering(ty: i64) -> i64 {
    // A VARCHAR is ordered as a text.
    let ty = if ty == 1043 { 25 } else { ty };
    let is_array = known().iter().any(|known| i64::from(known.array) == ty);
    let ty = if is_array { 2277 } else { ty };
    ORDERINGS.iter().find(|(.., of)| *of == ty).map_or(0, |(number, ..)| *number)
}

/// Returns the number of one of our own classes of operators; 0 for any other name.
pub(super) fn class_of_operators(name: &str) -> i64 {
    let at = OTHERS.iter().position(|(known, _)| *known == name);
    at.and_then(|at| i64::try_from(at).ok()).map_or(0, |at| number::OPERATOR_CLASSES + at)
}

fn operator_classes(_: &Catalog, out: &mut Rows) {
    let mut push = |number, method, name: &str, (family, ty), default: bool| {
        out.push([
            ("oid", Value::BigInt(number)),
            ("opcmethod", Value::BigInt(method)),
            ("opcname", told(name)),
            ("opcnamespace", Value::BigInt(number::CATALOG_SCHEMA)),
            ("opcowner", Value::BigInt(number::USER)),
            ("opcfamily", Value::BigInt(family)),
            ("opcintype", Value::BigInt(ty)),
            ("opcdefault", Value::Bool(default)),
            ("opckeytype", Value::BigInt(0)),
        ]);
    };
    for (number, name, family, ty) in ORDERINGS {
        push(*number, number::BTREE, name, (*family, *ty), true);
    }
    for (name, method) in OTHERS {
        let vectors = *method == number::HNSW;
        // As pgvector has it: the distance of vectors is to be named.
        push(
            class_of_operators(name),
            *method,
            name,
            (0, if vectors { 16_400 } else { 25 }),
            !vectors,
        );
    }
}

fn operators(_: &Catalog, out: &mut Rows) {
    for (at, name) in ["<->", "<=>", "<#>", "<+>"].into_iter().enumerate() {
        let number = number::OPERATOR_CLASSES + 10 + i64::try_from(at).unwrap_or(0);
        out.push([
            ("oid", Value::BigInt(number)),
            ("oprname", told(name)),
            ("oprnamespace", Value::BigInt(number::PUBLIC_SCHEMA)),
            ("oprowner", Value::BigInt(number::USER)),
            ("oprkind", told("b")),
            ("oprcanmerge", Value::Bool(false)),
            ("oprcanhash", Value::Bool(false)),
            ("oprleft", Value::BigInt(16_400)),
            ("oprright", Value::BigInt(16_400)),
            ("oprresult", Value::BigInt(701)),
            ("oprcom", Value::BigInt(number)),
            ("oprnegate", Value::BigInt(0)),
        ]);
    }
}

fn collations(_: &Catalog, out: &mut Rows) {
    for (number, name, provider) in [(100, "default", "d"), (950, "C", "c"), (951, "POSIX", "c")] {
        let locale = (provider == "c").then_some(name);
        out.push([
            ("oid", Value::BigInt(number)),
            ("collname", told(name)),
            ("collnamespace", Value::BigInt(number::CATALOG_SCHEMA)),
            ("collowner", Value::BigInt(number::USER)),
            ("collprovider", told(provider)),
            ("collisdeterministic", Value::Bool(true)),
            ("collencoding", Value::Int(-1)),
            ("collcollate", maybe(locale)),
            ("collctype", maybe(locale)),
        ]);
    }
}
