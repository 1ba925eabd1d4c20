//! What is said of databases, users and what else is there once?
//!
//! There is one database and one user, who may do everything.

use pieskieo_shards::catalog::Catalog;
use pieskieo_shards::value::Value;

use super::super::information::DATABASE as NAME;
use super::super::live::Topic;
use super::super::relation::{CATALOG, Relation, Rows, Source, maybe, told};
use super::columns::{
    DATABASE, EXTENSION, LANGUAGE, LOCKS, ROLES, SETTINGS, STAT_ACTIVITY, STAT_USER_TABLES,
    TABLESPACE, USER,
};
use super::number;
use super::schema::relation;

/// The relations of this file.
pub(super) static RELATIONS: &[Relation] = &[
    relation("pg_database", 1262, DATABASE, databases),
    relation("pg_roles", 12_000, ROLES, roles),
    relation("pg_user", 12_014, USER, users),
    relation("pg_tablespace", 1213, TABLESPACE, tablespaces),
    relation("pg_language", 2612, LANGUAGE, languages),
    relation("pg_extension", 3079, EXTENSION, extensions),
    live("pg_settings", 12_104, SETTINGS, Topic::ClientSettings),
    live("pg_stat_user_tables", 12_161, STAT_USER_TABLES, Topic::UserTables),
    live("pg_locks", 12_073, LOCKS, Topic::Locks),
    live("pg_stat_activity", 12_222, STAT_ACTIVITY, Topic::Activity),
];

const fn live(
    name: &'static str,
    number: u32,
    columns: &'static [super::super::relation::Column],
    topic: Topic,
) -> Relation {
    Relation { schema: CATALOG, name, columns, source: Source::Live(topic), number }
}

/// The number of UTF-8 among PostgreSQL's encodings.
const UTF8: i32 = 6;
/// The number of the place where everything is.
const DEFAULT_PLACE: i64 = 1663;
/// The version of pgvector whose spellings are understood.
const VECTOR_VERSION: &str = "0.7.0";

fn databases(_: &Catalog, out: &mut Rows) {
    out.push([
        ("oid", Value::BigInt(number::DATABASE)),
        ("datname", told(NAME)),
        ("datdba", Value::BigInt(number::USER)),
        ("encoding", Value::Int(UTF8)),
        ("datlocprovider", told("c")),
        ("datistemplate", Value::Bool(false)),
        ("datallowconn", Value::Bool(true)),
        ("datconnlimit", Value::Int(-1)),
        ("datfrozenxid", Value::BigInt(0)),
        ("datminmxid", Value::BigInt(0)),
        ("dattablespace", Value::BigInt(DEFAULT_PLACE)),
        ("datcollate", told("C")),
        ("datctype", told("C.UTF-8")),
    ]);
}

fn roles(_: &Catalog, out: &mut Rows) {
    out.push([
        ("rolname", told(NAME)),
        ("rolsuper", Value::Bool(true)),
        ("rolinherit", Value::Bool(true)),
        ("rolcreaterole", Value::Bool(false)),
        ("rolcreatedb", Value::Bool(false)),
        ("rolcanlogin", Value::Bool(true)),
        ("rolreplication", Value::Bool(false)),
        ("rolconnlimit", Value::Int(-1)),
        ("rolpassword", told("********")),
        ("rolbypassrls", Value::Bool(true)),
        ("oid", Value::BigInt(number::USER)),
    ]);
}

fn users(_: &Catalog, out: &mut Rows) {
    out.push([
        ("usename", told(NAME)),
        ("usesysid", Value::BigInt(number::USER)),
        ("usecreatedb", Value::Bool(false)),
        ("usesuper", Value::Bool(true)),
        ("userepl", Value::Bool(false)),
        ("usebypassrls", Value::Bool(true)),
        ("passwd", told("********")),
    ]);
}

fn tablespaces(_: &Catalog, out: &mut Rows) {
    for (number, name) in [(DEFAULT_PLACE, "pg_default"), (1664, "pg_global")] {
        out.push([
            ("oid", Value::BigInt(number)),
            ("spcname", told(name)),
            ("spcowner", Value::BigInt(number::USER)),
        ]);
    }
}

fn languages(_: &Catalog, out: &mut Rows) {
    for (number, name) in [(12, "internal"), (14, "sql")] {
        out.push([
            ("oid", Value::BigInt(number)),
            ("lanname", told(name)),
            ("lanowner", Value::BigInt(number::USER)),
            ("lanispl", Value::Bool(false)),
            ("lanpltrusted", Value::Bool(name == "sql")),
            ("lanplcallfoid", Value::BigInt(0)),
            ("laninline", Value::BigInt(0)),
            ("lanvalidator", Value::BigInt(0)),
        ]);
    }
}

fn extensions(_: &Catalog, out: &mut Rows) {
    out.push([
        ("oid", Value::BigInt(number::VECTOR_EXTENSION)),
        ("extname", told("vector")),
        ("extowner", Value::BigInt(number::USER)),
        ("extnamespace", Value::BigInt(number::PUBLIC_SCHEMA)),
        ("extrelocatable", Value::Bool(false)),
        ("extversion", maybe(Some(VECTOR_VERSION))),
    ]);
}
