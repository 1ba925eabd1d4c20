//! What is said of constraints, comments and who depends on whom?
//!
//! NOT NULL is no constraint of PostgreSQL 15's, only a property of columns.

use std::sync::Arc;

use pieskieo_shards::catalog::{Action, Catalog, ConstraintKind, Table, TableKind};
use pieskieo_shards::value::Value;

use super::super::relation::{Relation, Rows, maybe, told};
use super::super::rule::{columns_of, has_key};
use super::columns::{CONSTRAINT, DEPEND, DESCRIPTION, REWRITE};
use super::number::{self, Part};
use super::objects::{Body, Constraint, Objects, place_of};
use super::schema::relation;
use crate::bind::default_sequences;

/// The relations of this file.
pub(super) static RELATIONS: &[Relation] = &[
    relation("pg_constraint", 2606, CONSTRAINT, constraints),
    relation("pg_description", 2609, DESCRIPTION, descriptions),
    relation("pg_depend", 2608, DEPEND, dependencies),
    relation("pg_rewrite", 2618, REWRITE, rules),
];

/// The number of `pg_class`, in which objects are that others depend on.
const CLASSES: i64 = 1259;
/// The number of `pg_constraint`.
const CONSTRAINTS: i64 = 2606;
/// The number of `pg_rewrite`.
const RULES: i64 = 2618;

fn constraints(catalog: &Catalog, out: &mut Rows) {
    for one in &Objects::of(catalog).constraints {
        let target = target_of(catalog, one);
        let (columns, index) = columns_and_index(catalog, one);
        let places = columns.iter().map(|&at| Value::SmallInt(place_of(&one.table, at)));
        let target_places = target.as_ref().map_or(Value::Null, |target| {
            let places = target.columns.iter();
            let places = places.map(|&at| Value::SmallInt(place_of(&target.table, at)));
            Value::Array(places.collect())
        });
        let target_number = |target: &Target| number::of_table(target.table.id, Part::Whole);
        let letter = |action: Option<Action>| told(action.map_or(" ", letter));
        let check = one.at.and_then(|at| match &one.table.constraints[at].kind {
            ConstraintKind::Check { text } => Some(text.as_str()),
            _ => None,
        });
        let validated = one.at.is_none_or(|at| one.table.constraints[at].validated);
        out.push([
            ("oid", Value::BigInt(one.number)),
            ("conname", told(&one.name)),
            ("connamespace", Value::BigInt(number::PUBLIC_SCHEMA)),
            ("contype", told(one.kind)),
            ("condeferrable", Value::Bool(false)),
            ("condeferred", Value::Bool(false)),
            ("convalidated", Value::Bool(validated)),
            ("conrelid", Value::BigInt(number::of_table(one.table.id, Part::Whole))),
            ("contypid", Value::BigInt(0)),
            ("conindid", Value::BigInt(index)),
            ("conparentid", Value::BigInt(0)),
            ("confrelid", Value::BigInt(target.as_ref().map_or(0, target_number))),
            ("confupdtype", letter(target.as_ref().map(|target| target.on_update))),
            ("confdeltype", letter(target.as_ref().map(|target| target.on_delete))),
            ("confmatchtype", told(if target.is_some() { "s" } else { " " })),
            ("conislocal", Value::Bool(true)),
            ("coninhcount", Value::Int(0)),
            ("connoinherit", Value::Bool(one.kind != "c")),
            ("conkey", Value::Array(places.collect())),
            ("confkey", target_places),
            ("conbin", maybe(check)),
        ]);
    }
}

/// What a foreign key refers to.
struct Target {
    table: Arc<Table>,
    columns: Vec<usize>,
    on_update: Action,
    on_delete: Action,
}

fn target_of(catalog: &Catalog, one: &Constraint) -> Option<Target> {
    let ConstraintKind::Foreign(foreign) = &one.table.constraints[one.at?].kind else {
        return None;
    };
    Some(Target {
        table: catalog.tables.get(&foreign.target)?.clone(),
        columns: foreign.target_columns.clone(),
        on_update: foreign.on_update,
        on_delete: foreign.on_delete,
    })
}

/// The positions of a constraint's columns, and the number of the index behind it: of a foreign key,
/// that of what it refers to.
fn columns_and_index(catalog: &Catalog, one: &Constraint) -> (Vec<usize>, i64) {
    let Some(at) = one.at else {
        return (one.table.key.clone(), number::of_table(one.table.id, Part::KeyIndex));
    };
    match &one.table.constraints[at].kind {
        ConstraintKind::Check { text } => (columns_of(&one.table, text), 0),
        ConstraintKind::Unique(unique) => {
            (unique.columns.clone(), number::of_index(unique.index, Part::Whole))
        }
        ConstraintKind::Foreign(foreign) => {
            let target = catalog.tables.get(&foreign.target);
            let index = target.map_or(0, |target| {
                let mut wanted = foreign.target_columns.clone();
                wanted.sort_unstable();
                let sorted = |columns: &[usize]| {
                    let mut columns = columns.to_vec();
                    columns.sort_unstable();
                    columns
                };
                if has_key(target) && sorted(&target.key) == wanted {
                    return number::of_table(target.id, Part::KeyIndex);
                }
                let mut uniques = target.uniques();
                let found = uniques.find(|(_, unique)| sorted(&unique.columns) == wanted);
                found.map_or(0, |(_, unique)| number::of_index(unique.index, Part::Whole))
            });
            (foreign.columns.clone(), index)
        }
    }
}

/// PostgreSQL's letter for what a foreign key does.
fn letter(action: Action) -> &'static str {
    match action {
        Action::NoAction => "a",
        Action::Restrict => "r",
        Action::Cascade => "c",
        Action::SetNull => "n",
        Action::SetDefault => "d",
    }
}

fn descriptions(catalog: &Catalog, out: &mut Rows) {
    let objects = Objects::of(catalog);
    let mut push = |object: i64, class: i64, place: i32, text: &str| {
        out.push([
            ("objoid", Value::BigInt(object)),
            ("classoid", Value::BigInt(class)),
            ("objsubid", Value::Int(place)),
            ("description", told(text)),
        ]);
    };
    for class in &objects.classes {
        if let Some(comment) = class.comment() {
            push(class.number, CLASSES, 0, comment);
        }
        let Body::Stored(table) = &class.body else { continue };
        for (at, column) in table.columns.iter().enumerate() {
            if let Some(comment) = &column.comment {
                push(class.number, CLASSES, i32::from(place_of(table, at)), comment);
            }
        }
    }
    for one in &objects.constraints {
        if let Some(comment) = one.comment() {
            push(one.number, CONSTRAINTS, 0, comment);
        }
    }
}

/// Who depends on whom: sequences on columns, indexes on constraints, views on what they read.
fn dependencies(catalog: &Catalog, out: &mut Rows) {
    let mut push = |(class, object): (i64, i64), (on_class, on, place): (i64, i64, i16), kind| {
        out.push([
            ("classid", Value::BigInt(class)),
            ("objid", Value::BigInt(object)),
            ("objsubid", Value::Int(0)),
            ("refclassid", Value::BigInt(on_class)),
            ("refobjid", Value::BigInt(on)),
            ("refobjsubid", Value::Int(i32::from(place))),
            ("deptype", told(kind)),
        ]);
    };
    for table in catalog.tables.values() {
        if let TableKind::Sequence(shape) = &table.kind
            && let Some((owner, place, always)) = owner_of(catalog, table, shape.owner)
        {
            let sequence = number::of_table(table.id, Part::Whole);
            let owner = number::of_table(owner.id, Part::Whole);
            push((CLASSES, sequence), (CLASSES, owner, place), if always { "i" } else { "a" });
        }
        let Some(query) = table.view_query() else { continue };
        let rule = number::of_table(table.id, Part::Rule);
        let view = number::of_table(table.id, Part::Whole);
        push((RULES, rule), (CLASSES, view, 0), "i");
        for read in &query.reads {
            push((RULES, rule), (CLASSES, number::of_table(read.table, Part::Whole), 0), "n");
        }
    }
    for one in &Objects::of(catalog).constraints {
        if matches!(one.kind, "p" | "u") {
            let (_, index) = columns_and_index(catalog, one);
            push((CLASSES, index), (CONSTRAINTS, one.number, 0), "i");
        }
    }
}

/// The column that a sequence belongs to: its table, its place, and whether it takes no value but
/// the sequence's.
fn owner_of<'c>(
    catalog: &'c Catalog,
    sequence: &Table,
    owner: Option<pieskieo_shards::ids::TableId>,
) -> Option<(&'c Arc<Table>, i16, bool)> {
    let owner = catalog.tables.get(&owner?)?;
    let at = owner.columns.iter().position(|column| {
        let default = column.default.as_deref();
        let found = default.and_then(|default| default_sequences(catalog, default).ok());
        found.is_some_and(|found| found.contains(&sequence.id))
    })?;
    Some((owner, place_of(owner, at), owner.columns[at].always))
}

/// Returns the sequence that fills a column and belongs to its table.
pub fn serial_sequence<'c>(catalog: &'c Catalog, table: &Table, column: usize) -> Option<&'c str> {
    let default = table.columns.get(column)?.default.as_deref()?;
    let found = default_sequences(catalog, default).ok()?;
    let owned = found.iter().filter_map(|id| catalog.tables.get(id)).find(|sequence| {
        matches!(&sequence.kind, TableKind::Sequence(shape) if shape.owner == Some(table.id))
    });
    owned.map(|sequence| sequence.name.as_str())
}

fn rules(catalog: &Catalog, out: &mut Rows) {
    for table in catalog.tables.values() {
        let Some(query) = table.view_query() else { continue };
        out.push([
            ("oid", Value::BigInt(number::of_table(table.id, Part::Rule))),
            ("rulename", told("_RETURN")),
            ("ev_class", Value::BigInt(number::of_table(table.id, Part::Whole))),
            ("ev_type", told("1")),
            ("ev_enabled", told("O")),
            ("is_instead", Value::Bool(true)),
            ("ev_action", told(&query.text)),
        ]);
    }
}
