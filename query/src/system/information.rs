//! What is in `information_schema` about tables, columns and sequences?
//!
//! **Source**: PostgreSQL 18, chapter "The Information Schema"; its names and order of columns.
//! Where PostgreSQL has a value that depends on users and rights, there is that of the one user.

use std::borrow::Cow;

use pieskieo_shards::catalog::{Catalog, Column as Stored, SequenceShape, Table, TableKind};
use pieskieo_shards::value::{ColumnType, Value};

use super::relation::{
    CATALOG, Column, INFORMATION, OWN, PUBLIC, Relation, Rows, Source, all, int, maybe, place,
    text, told, yes_or_no,
};
use crate::bind::default_sequences;

/// What every database is called.
pub(super) const DATABASE: &str = "pieskieo";

/// The relations of this file.
pub(super) static RELATIONS: &[Relation] = &[
    relation("schemata", SCHEMATA, schemata),
    relation("tables", TABLES, tables),
    relation("columns", COLUMNS, columns),
    relation("views", VIEWS, views),
    relation("sequences", SEQUENCES, sequences),
];

const fn relation(
    name: &'static str,
    columns: &'static [Column],
    rows: fn(&Catalog, &mut Rows),
) -> Relation {
    Relation { schema: INFORMATION, name, columns, source: Source::Catalog(rows), number: 0 }
}

const SCHEMATA: &[Column] = &[
    text("catalog_name"),
    text("schema_name"),
    text("schema_owner"),
    text("default_character_set_catalog"),
    text("default_character_set_schema"),
    text("default_character_set_name"),
    text("sql_path"),
];

const TABLES: &[Column] = &[
    text("table_catalog"),
    text("table_schema"),
    text("table_name"),
    text("table_type"),
    text("self_referencing_column_name"),
    text("reference_generation"),
    text("user_defined_type_catalog"),
    text("user_defined_type_schema"),
    text("user_defined_type_name"),
    text("is_insertable_into"),
    text("is_typed"),
    text("commit_action"),
];

const COLUMNS: &[Column] = &[
    text("table_catalog"),
    text("table_schema"),
    text("table_name"),
    text("column_name"),
    int("ordinal_position"),
    text("column_default"),
    text("is_nullable"),
    text("data_type"),
    int("character_maximum_length"),
    int("character_octet_length"),
    int("numeric_precision"),
    int("numeric_precision_radix"),
    int("numeric_scale"),
    int("datetime_precision"),
    text("interval_type"),
    int("interval_precision"),
    text("character_set_catalog"),
    text("character_set_schema"),
    text("character_set_name"),
    text("collation_catalog"),
    text("collation_schema"),
    text("collation_name"),
    text("domain_catalog"),
    text("domain_schema"),
    text("domain_name"),
    text("udt_catalog"),
    text("udt_schema"),
    text("udt_name"),
    text("scope_catalog"),
    text("scope_schema"),
    text("scope_name"),
    int("maximum_cardinality"),
    text("dtd_identifier"),
    text("is_self_referencing"),
    text("is_identity"),
    text("identity_generation"),
    text("identity_start"),
    text("identity_increment"),
    text("identity_maximum"),
    text("identity_minimum"),
    text("identity_cycle"),
    text("is_generated"),
    text("generation_expression"),
    text("is_updatable"),
];

const VIEWS: &[Column] = &[
    text("table_catalog"),
    text("table_schema"),
    text("table_name"),
    text("view_definition"),
    text("check_option"),
    text("is_updatable"),
    text("is_insertable_into"),
    text("is_trigger_updatable"),
    text("is_trigger_deletable"),
    text("is_trigger_insertable_into"),
];

const SEQUENCES: &[Column] = &[
    text("sequence_catalog"),
    text("sequence_schema"),
    text("sequence_name"),
    text("data_type"),
    int("numeric_precision"),
    int("numeric_precision_radix"),
    int("numeric_scale"),
    text("start_value"),
    text("minimum_value"),
    text("maximum_value"),
    text("increment"),
    text("cycle_option"),
];

/// Returns the users' tables by name.
pub(super) fn listed(catalog: &Catalog) -> Vec<&Table> {
    let mut tables: Vec<&Table> = catalog.listed().map(AsRef::as_ref).collect();
    tables.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    tables
}

/// Returns the users' views by name, without materialized ones, which are tables.
pub(super) fn viewed(catalog: &Catalog) -> Vec<&Table> {
    let views = catalog.tables.values().map(AsRef::as_ref).filter(|table: &&Table| table.is_view());
    let mut views: Vec<&Table> = views.collect();
    views.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    views
}

/// Returns the sequences by name.
pub(super) fn numbered(catalog: &Catalog) -> Vec<(&Table, &SequenceShape)> {
    let sequences = catalog.tables.values().filter_map(|table| match &table.kind {
        TableKind::Sequence(shape) => Some((table.as_ref(), shape)),
        _ => None,
    });
    let mut found: Vec<(&Table, &SequenceShape)> = sequences.collect();
    found.sort_unstable_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    found
}

/// The three columns that most relations begin with.
fn table_columns(schema: &str, name: &str) -> [(&'static str, Value); 3] {
    [("table_catalog", told(DATABASE)), ("table_schema", told(schema)), ("table_name", told(name))]
}

fn schemata(_: &Catalog, out: &mut Rows) {
    for schema in [INFORMATION, CATALOG, OWN, PUBLIC] {
        out.push([
            ("catalog_name", told(DATABASE)),
            ("schema_name", told(schema)),
            ("schema_owner", told(DATABASE)),
        ]);
    }
}

fn tables(catalog: &Catalog, out: &mut Rows) {
    let mut push = |schema: &str, name: &str, is_table: bool| {
        let kind = if is_table { "BASE TABLE" } else { "VIEW" };
        let rest = [
            ("table_type", told(kind)),
            ("is_insertable_into", yes_or_no(is_table)),
            ("is_typed", told("NO")),
        ];
        out.push_all(table_columns(schema, name).into_iter().chain(rest));
    };
    all().for_each(|relation| push(relation.schema, relation.name, false));
    listed(catalog).into_iter().for_each(|table| push(PUBLIC, &table.name, true));
    viewed(catalog).into_iter().for_each(|view| push(PUBLIC, &view.name, false));
}

fn views(catalog: &Catalog, out: &mut Rows) {
    // What stands behind a view of the system is no query.
    let mut push = |schema: &str, name: &str, definition: Option<&str>| {
        let rest = [
            ("view_definition", maybe(definition)),
            ("check_option", told("NONE")),
            ("is_updatable", told("NO")),
            ("is_insertable_into", told("NO")),
            ("is_trigger_updatable", told("NO")),
            ("is_trigger_deletable", told("NO")),
            ("is_trigger_insertable_into", told("NO")),
        ];
        out.push_all(table_columns(schema, name).into_iter().chain(rest));
    };
    all().for_each(|relation| push(relation.schema, relation.name, None));
    for view in viewed(catalog) {
        let query = view.view_query().map(|query| query.text.as_str());
        push(PUBLIC, &view.name, query);
    }
}

fn columns(catalog: &Catalog, out: &mut Rows) {
    for relation in all() {
        for (at, column) in relation.columns.iter().enumerate() {
            let described = described(column.name, at, &column.ty(), (true, false));
            let rest = [("is_identity", told("NO")), ("identity_cycle", told("NO"))];
            let named = table_columns(relation.schema, relation.name);
            out.push_all(named.into_iter().chain(described).chain(rest));
        }
    }
    for table in listed(catalog).into_iter().chain(viewed(catalog)) {
        let is_table = !table.is_view();
        let shown = table.columns.iter().filter(|column| !column.hidden);
        for (at, column) in shown.enumerate() {
            let described = described(&column.name, at, &column.ty, (!column.not_null, is_table));
            let named = table_columns(PUBLIC, &table.name);
            out.push_all(named.into_iter().chain(described).chain(origin(catalog, column)));
        }
    }
}

/// What a column is, apart from its table and from where its values come.
fn described(
    name: &str,
    at: usize,
    ty: &ColumnType,
    (nullable, updatable): (bool, bool),
) -> Vec<(&'static str, Value)> {
    let Standard { name: standard, short, precision, radix, scale, digits } = standard(ty);
    let small = |number: Option<i32>| number.map_or(Value::Null, Value::Int);
    let is_vector = matches!(ty, ColumnType::Vector(_));
    let (characters, octets) = match ty {
        ColumnType::Text => (None, Some(OCTETS_MAX)),
        // A character takes four bytes at most.
        ColumnType::Varchar(length) => {
            let length = i32::try_from(*length).unwrap_or(i32::MAX);
            (Some(length), Some(length.saturating_mul(4)))
        }
        _ => (None, None),
    };
    vec![
        ("column_name", told(name)),
        ("ordinal_position", place(at)),
        ("is_nullable", yes_or_no(nullable)),
        ("data_type", told(standard)),
        ("character_maximum_length", small(characters)),
        ("character_octet_length", small(octets)),
        ("numeric_precision", small(precision)),
        ("numeric_precision_radix", small(radix)),
        ("numeric_scale", small(scale)),
        ("datetime_precision", small(digits)),
        ("udt_catalog", told(DATABASE)),
        ("udt_schema", told(if is_vector { PUBLIC } else { CATALOG })),
        ("udt_name", told(&short)),
        ("dtd_identifier", told(&(at + 1).to_string())),
        ("is_self_referencing", told("NO")),
        ("is_generated", told("NEVER")),
        ("is_updatable", yes_or_no(updatable)),
    ]
}

/// Bytes of a text at most, as PostgreSQL tells it.
const OCTETS_MAX: i32 = 1 << 30;

/// Where the values of a column come from that are not given. An identity column is told from one
/// with a default by `GENERATED ALWAYS`; what `BY DEFAULT` makes is a default.
fn origin(catalog: &Catalog, column: &Stored) -> Vec<(&'static str, Value)> {
    let default = column.default.as_deref();
    let sequence = default.filter(|_| column.always).and_then(|default| {
        let found = default_sequences(catalog, default).ok()?;
        match &catalog.tables.get(found.first()?)?.kind {
            TableKind::Sequence(shape) => Some(shape),
            _ => None,
        }
    });
    let Some(shape) = sequence else {
        return vec![
            ("column_default", maybe(default)),
            ("is_identity", told("NO")),
            ("identity_cycle", told("NO")),
        ];
    };
    vec![
        ("is_identity", told("YES")),
        ("identity_generation", told("ALWAYS")),
        ("identity_start", told(&shape.start.to_string())),
        ("identity_increment", told(&shape.increment.to_string())),
        ("identity_maximum", told(&shape.max.to_string())),
        ("identity_minimum", told(&shape.min.to_string())),
        ("identity_cycle", yes_or_no(shape.cycle)),
    ]
}

/// How the standard describes a type.
struct Standard {
    name: &'static str,
    /// What PostgreSQL calls it within.
    short: Cow<'static, str>,
    precision: Option<i32>,
    radix: Option<i32>,
    scale: Option<i32>,
    /// Digits of the fraction of a second.
    digits: Option<i32>,
}

fn standard(ty: &ColumnType) -> Standard {
    let plain = |name, short: &'static str| Standard {
        name,
        short: Cow::Borrowed(short),
        precision: None,
        radix: None,
        scale: None,
        digits: None,
    };
    let whole = |name, short, bits| Standard {
        precision: Some(bits),
        radix: Some(2),
        scale: Some(0),
        ..plain(name, short)
    };
    let float = |name, short, bits| Standard {
        precision: Some(bits),
        radix: Some(2),
        ..plain(name, short)
    };
    let time = |name, short, digits| Standard { digits: Some(digits), ..plain(name, short) };
    match ty {
        ColumnType::Bool => plain("boolean", "bool"),
        ColumnType::SmallInt => whole("smallint", "int2", 16),
        ColumnType::Int => whole("integer", "int4", 32),
        ColumnType::BigInt => whole("bigint", "int8", 64),
        ColumnType::Float => float("real", "float4", 24),
        ColumnType::Double => float("double precision", "float8", 53),
        ColumnType::Numeric { precision, scale } => Standard {
            precision: Some(i32::from(*precision)),
            radix: Some(10),
            scale: Some(i32::from(*scale)),
            ..plain("numeric", "numeric")
        },
        ColumnType::Text => plain("text", "text"),
        ColumnType::Varchar(_) => plain("character varying", "varchar"),
        ColumnType::Bytea => plain("bytea", "bytea"),
        ColumnType::Date => time("date", "date", 0),
        ColumnType::Timestamp => time("timestamp without time zone", "timestamp", 6),
        ColumnType::TimestampTz => time("timestamp with time zone", "timestamptz", 6),
        ColumnType::Time => time("time without time zone", "time", 6),
        ColumnType::Interval => time("interval", "interval", 6),
        ColumnType::Uuid => plain("uuid", "uuid"),
        ColumnType::Json => plain("jsonb", "jsonb"),
        ColumnType::Vector(_) => plain("USER-DEFINED", "vector"),
        ColumnType::Array(item) => {
            let short = format!("_{}", self::standard(item).short);
            Standard { short: short.into(), ..plain("ARRAY", "") }
        }
    }
}

fn sequences(catalog: &Catalog, out: &mut Rows) {
    for (table, shape) in numbered(catalog) {
        out.push([
            ("sequence_catalog", told(DATABASE)),
            ("sequence_schema", told(PUBLIC)),
            ("sequence_name", told(&table.name)),
            ("data_type", told("bigint")),
            ("numeric_precision", Value::Int(64)),
            ("numeric_precision_radix", Value::Int(2)),
            ("numeric_scale", Value::Int(0)),
            ("start_value", told(&shape.start.to_string())),
            ("minimum_value", told(&shape.min.to_string())),
            ("maximum_value", told(&shape.max.to_string())),
            ("increment", told(&shape.increment.to_string())),
            ("cycle_option", yes_or_no(shape.cycle)),
        ]);
    }
}
