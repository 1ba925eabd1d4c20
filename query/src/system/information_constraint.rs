//! What is in `information_schema` about constraints?
//!
//! **Source**: as `information`. As in PostgreSQL 18, NOT NULL counts as a CHECK.

use pieskieo_shards::catalog::{Action, Catalog, Table};
use pieskieo_shards::value::Value;

use super::information::{DATABASE, listed};
use super::relation::{
    Column, INFORMATION, PUBLIC, Relation, Rows, Source, int, place, text, told,
};
use super::rule::{RuleKind, columns_of, referred, rules};

/// The relations of this file.
pub(super) static RELATIONS: &[Relation] = &[
    relation("table_constraints", TABLE_CONSTRAINTS, table_constraints),
    relation("key_column_usage", KEY_COLUMN_USAGE, key_column_usage),
    relation("referential_constraints", REFERENTIAL_CONSTRAINTS, referential_constraints),
    relation("constraint_column_usage", CONSTRAINT_COLUMN_USAGE, constraint_column_usage),
    relation("check_constraints", CHECK_CONSTRAINTS, check_constraints),
];

const fn relation(
    name: &'static str,
    columns: &'static [Column],
    rows: fn(&Catalog, &mut Rows),
) -> Relation {
    Relation { schema: INFORMATION, name, columns, source: Source::Catalog(rows), number: 0 }
}

const TABLE_CONSTRAINTS: &[Column] = &[
    text("constraint_catalog"),
    text("constraint_schema"),
    text("constraint_name"),
    text("table_catalog"),
    text("table_schema"),
    text("table_name"),
    text("constraint_type"),
    text("is_deferrable"),
    text("initially_deferred"),
    text("enforced"),
    text("nulls_distinct"),
];

const KEY_COLUMN_USAGE: &[Column] = &[
    text("constraint_catalog"),
    text("constraint_schema"),
    text("constraint_name"),
    text("table_catalog"),
    text("table_schema"),
    text("table_name"),
    text("column_name"),
    int("ordinal_position"),
    int("position_in_unique_constraint"),
];

const REFERENTIAL_CONSTRAINTS: &[Column] = &[
    text("constraint_catalog"),
    text("constraint_schema"),
    text("constraint_name"),
    text("unique_constraint_catalog"),
    text("unique_constraint_schema"),
    text("unique_constraint_name"),
    text("match_option"),
    text("update_rule"),
    text("delete_rule"),
];

const CONSTRAINT_COLUMN_USAGE: &[Column] = &[
    text("table_catalog"),
    text("table_schema"),
    text("table_name"),
    text("column_name"),
    text("constraint_catalog"),
    text("constraint_schema"),
    text("constraint_name"),
];

const CHECK_CONSTRAINTS: &[Column] = &[
    text("constraint_catalog"),
    text("constraint_schema"),
    text("constraint_name"),
    text("check_clause"),
];

type Named = [(&'static str, Value); 3];

fn constraint(name: &str) -> Named {
    [
        ("constraint_catalog", told(DATABASE)),
        ("constraint_schema", told(PUBLIC)),
        ("constraint_name", told(name)),
    ]
}

fn of_table(table: &Table) -> Named {
    [
        ("table_catalog", told(DATABASE)),
        ("table_schema", told(PUBLIC)),
        ("table_name", told(&table.name)),
    ]
}

fn table_constraints(catalog: &Catalog, out: &mut Rows) {
    for table in listed(catalog) {
        for rule in rules(catalog, table) {
            let is_unique = matches!(rule.kind, RuleKind::Unique(_));
            let rest = [
                ("constraint_type", told(rule.kind.standard_name())),
                ("is_deferrable", told("NO")),
                ("initially_deferred", told("NO")),
                ("enforced", told("YES")),
                ("nulls_distinct", if is_unique { told("YES") } else { Value::Null }),
            ];
            out.push_all(constraint(&rule.name).into_iter().chain(of_table(table)).chain(rest));
        }
    }
}

fn key_column_usage(catalog: &Catalog, out: &mut Rows) {
    for table in listed(catalog) {
        for rule in rules(catalog, table) {
            let (columns, target) = match rule.kind {
                RuleKind::Primary(columns) | RuleKind::Unique(columns) => (columns, None),
                RuleKind::Foreign(foreign, target) => {
                    let unique = referred(foreign, target).map(|(_, columns)| columns);
                    (foreign.columns.as_slice(), unique.map(|unique| (foreign, unique)))
                }
                RuleKind::Check(_) | RuleKind::NotNull(_) => continue,
            };
            for (at, &column) in columns.iter().enumerate() {
                let there = target.and_then(|(foreign, unique)| {
                    let referred = foreign.target_columns.get(at)?;
                    unique.iter().position(|column| column == referred)
                });
                let rest = [
                    ("column_name", told(&table.columns[column].name)),
                    ("ordinal_position", place(at)),
                    ("position_in_unique_constraint", there.map_or(Value::Null, place)),
                ];
                let named = constraint(&rule.name).into_iter().chain(of_table(table));
                out.push_all(named.chain(rest));
            }
        }
    }
}

fn referential_constraints(catalog: &Catalog, out: &mut Rows) {
    for table in listed(catalog) {
        for rule in rules(catalog, table) {
            let RuleKind::Foreign(foreign, target) = rule.kind else { continue };
            let unique = referred(foreign, target).map(|(name, _)| told(&name));
            let rest = [
                ("unique_constraint_catalog", told(DATABASE)),
                ("unique_constraint_schema", told(PUBLIC)),
                ("unique_constraint_name", unique.unwrap_or(Value::Null)),
                ("match_option", told("NONE")),
                ("update_rule", told(action(foreign.on_update))),
                ("delete_rule", told(action(foreign.on_delete))),
            ];
            out.push_all(constraint(&rule.name).into_iter().chain(rest));
        }
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::NoAction => "NO ACTION",
        Action::Restrict => "RESTRICT",
        Action::Cascade => "CASCADE",
        Action::SetNull => "SET NULL",
        Action::SetDefault => "SET DEFAULT",
    }
}

/// Of a foreign key these are the columns referred to.
fn constraint_column_usage(catalog: &Catalog, out: &mut Rows) {
    for table in listed(catalog) {
        for rule in rules(catalog, table) {
            let (of, columns) = match rule.kind {
                RuleKind::Primary(columns) | RuleKind::Unique(columns) => (table, columns.to_vec()),
                RuleKind::Foreign(foreign, target) => (target, foreign.target_columns.clone()),
                RuleKind::Check(condition) => (table, columns_of(table, condition)),
                RuleKind::NotNull(column) => (table, vec![column]),
            };
            for column in columns {
                let named = [("column_name", told(&of.columns[column].name))];
                let rest = constraint(&rule.name);
                out.push_all(of_table(of).into_iter().chain(named).chain(rest));
            }
        }
    }
}

fn check_constraints(catalog: &Catalog, out: &mut Rows) {
    for table in listed(catalog) {
        for rule in rules(catalog, table) {
            let clause = match rule.kind {
                RuleKind::Check(condition) => condition.to_owned(),
                RuleKind::NotNull(column) => {
                    format!("{} IS NOT NULL", table.columns[column].name)
                }
                _ => continue,
            };
            let rest = [("check_clause", told(&clause))];
            out.push_all(constraint(&rule.name).into_iter().chain(rest));
        }
    }
}
