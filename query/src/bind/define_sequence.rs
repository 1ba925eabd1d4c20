//! Which sequence does a CREATE make, and which does a default name?

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, Function, Visit, Visitor};
use pieskieo_shards::catalog::{Altered, Catalog, Column, SequenceShape, Table, TableKind};
use pieskieo_shards::ids::{ColumnId, TableId};
use pieskieo_shards::value::ColumnType;

use super::define::{next_table, process, successor};
use super::define_constraint::numbered;
use super::engine_function::{arguments, function_name};
use crate::error::{Error, Result, code};
use crate::limits::SEQUENCE_CACHE_MAX;
use crate::suggest;
use crate::syntax::{
    ColumnDefinition, CreateSequence, Drop, Name, SequenceOptions, parse_expression,
    sequence_argument,
};

/// Numbers a core takes at once when nothing is said: so many rows share one small commit.
const CACHE_DEFAULT: u32 = 100;

/// Functions that take or show numbers of sequences.
const FUNCTIONS: &[&str] = &["currval", "lastval", "nextval", "setval"];

/// Functions that show or change settings of the session.
const SETTING_FUNCTIONS: &[&str] = &["current_setting", "set_config"];

/// Functions that are about the connection.
const MEMBER_FUNCTIONS: &[&str] = &[
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_advisory_unlock",
    "pg_advisory_unlock_all",
    "pg_advisory_unlock_shared",
    "pg_advisory_xact_lock",
    "pg_advisory_xact_lock_shared",
    "pg_backend_pid",
    "pg_notify",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    "pg_try_advisory_xact_lock",
    "pg_try_advisory_xact_lock_shared",
];

/// Ends of all those names, so that a text is looked through once.
const ENDS: &[&[u8; 3]] = &[b"val", b"ing", b"fig", b"ock", b"red", b"all", b"pid", b"ify"];

/// Returns whether a function of [`sequence_function`] is about settings.
pub fn is_setting_function(name: &str) -> bool {
    SETTING_FUNCTIONS.contains(&name)
}

/// Returns whether a text may call a function of sequences, settings or the connection. Says so too often rather than too
/// seldom.
pub fn names_sequence(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends_at = |end: usize| {
        let named = |name: &&str| {
            let start = end.checked_sub(name.len());
            let part = start.and_then(|start| bytes.get(start..end));
            part.is_some_and(|part| part.eq_ignore_ascii_case(name.as_bytes()))
        };
        FUNCTIONS.iter().chain(SETTING_FUNCTIONS).chain(MEMBER_FUNCTIONS).any(named)
    };
    // All of them end in one of few ways: one pass, also over a text of many rows.
    let ends_like = |part: &[u8]| ENDS.iter().any(|end| part.eq_ignore_ascii_case(*end));
    let ends = bytes.windows(3).enumerate().filter(|(_, part)| ends_like(part));
    ends.map(|(start, _)| start + 3).any(ends_at)
}

/// Returns whether a text may call a function of advisory locks. Says so too often rather than too
/// seldom.
pub fn names_lock(text: &str) -> bool {
    const PART: &[u8] = b"advisory";
    text.as_bytes().windows(PART.len()).any(|part| part.eq_ignore_ascii_case(PART))
}

/// Returns the name of the function of sequences that an expression calls, lower case.
pub fn sequence_function(expr: &Expr) -> Option<(String, &Function)> {
    let Expr::Function(function) = expr else { return None };
    let name = function_name(function);
    // The name of a setting may be that of each row: `bind/calls.rs` knows what it means then.
    let plain = || arguments(function).first().is_some_and(|first| matches!(first, Expr::Value(_)));
    let always = FUNCTIONS.iter().chain(MEMBER_FUNCTIONS).any(|known| *known == name);
    let known = always || (is_setting_function(&name) && plain());
    known.then_some((name, function))
}

/// Returns the sequence that a function of sequences is called for.
///
/// **Errors**: 42704 for one that does not exist, 0A000 for a name that is computed.
pub fn called_sequence<'c>(catalog: &'c Catalog, function: &Function) -> Result<&'c Arc<Table>> {
    let first = arguments(function).first().copied();
    let Some(name) = first.and_then(sequence_argument) else {
        let shown = function_name(function);
        return Err(Error::unsupported(format!("{shown}() of anything but a name"))
            .with_hint(format!("Write {shown}('name').")));
    };
    let found = catalog.sequence_named(&name).map(|(table, _)| table);
    found.ok_or_else(|| undefined(catalog, &name, 0))
}

/// Returns the error for a sequence that does not exist.
pub(super) fn no_sequence(catalog: &Catalog, name: &Name) -> Error {
    undefined(catalog, &name.text, name.position)
}

fn undefined(catalog: &Catalog, name: &str, position: usize) -> Error {
    let sequence = |table: &&Arc<Table>| matches!(table.kind, TableKind::Sequence(_));
    let names = catalog.tables.values().filter(sequence).map(|table| table.name.as_str());
    Error::new(code::UNDEFINED_OBJECT, format!("sequence \"{name}\" does not exist"))
        .with_suggestion(suggest::nearest(name, names))
        .at(position)
}

/// Returns the sequences whose next numbers the text of a default takes, one per call.
///
/// **Errors**: as [`called_sequence`], and 0A000 for the other functions of sequences.
pub fn default_sequences(catalog: &Catalog, default: &str) -> Result<Vec<TableId>> {
    if !names_sequence(default) {
        return Ok(Vec::new());
    }
    let mut calls = Calls { catalog, found: Vec::new() };
    match parse_expression(default)?.visit(&mut calls) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(calls.found),
    }
}

/// Gathers the calls of nextval.
struct Calls<'c> {
    catalog: &'c Catalog,
    found: Vec<TableId>,
}

impl Visitor for Calls<'_> {
    type Break = Box<Error>;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Box<Error>> {
        let Some((name, function)) = sequence_function(expr) else {
            return ControlFlow::Continue(());
        };
        if name != "nextval" {
            let error = Error::unsupported(format!("{name}() in a default"));
            return ControlFlow::Break(Box::new(error.with_hint("Use nextval().")));
        }
        match called_sequence(self.catalog, function) {
            Ok(sequence) => {
                self.found.push(sequence.id);
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

/// `CREATE SEQUENCE`.
///
/// **Errors**: 42P07, 22023.
pub(super) fn create_sequence(
    catalog: &Catalog,
    create: &CreateSequence,
) -> Result<Option<Catalog>> {
    if is_taken(catalog, &create.name.text) {
        if create.if_not_exists {
            return Ok(None);
        }
        let message = format!("\"{}\" already exists", create.name.text);
        return Err(Error::new(code::DUPLICATE_TABLE, message)
            .with_hint("Choose another name, or write IF NOT EXISTS.")
            .at(create.name.position));
    }
    let shape = shape(&create.options, None).map_err(|error| error.at(create.name.position))?;
    let mut next = successor(catalog);
    next_table(&mut next, sequence(&create.name.text, shape));
    Ok(Some(next))
}

/// Makes the sequences of numbered columns, and their defaults.
///
/// **Errors**: 42804 for a column that is no whole number, 22023.
pub(super) fn add_identities(
    next: &mut Catalog,
    id: TableId,
    definitions: &[ColumnDefinition],
) -> Result<()> {
    for definition in definitions {
        let Some(identity) = &definition.identity else { continue };
        let at = definition.name.position;
        let whole = [ColumnType::SmallInt, ColumnType::Int, ColumnType::BigInt];
        if !whole.contains(&definition.ty) {
            let name = &definition.name.text;
            let message = format!("identity column \"{name}\" must be SMALLINT, INT or BIGINT");
            return Err(Error::new(code::DATATYPE_MISMATCH, message).at(at));
        }
        let ty = Some(definition.ty.clone());
        let options = SequenceOptions { ty, ..identity.options.clone() };
        let shape = shape(&options, Some(id)).map_err(|error| error.at(at))?;
        let Some(mut table) = next.tables.get(&id).cloned() else { continue };
        let base = format!("{}_{}_seq", table.name, definition.name.text);
        let name = numbered(&base, |name| is_taken(next, name));
        next_table(next, sequence(&name, shape));
        let changed = Arc::make_mut(&mut table);
        if let Some(position) = changed.column_named(&definition.name.text) {
            let column = &mut changed.columns[position];
            let quoted = if name.to_lowercase() == name { name } else { format!("\"{name}\"") };
            column.default = Some(format!("nextval('{}')", quoted.replace('\'', "''")));
            column.always = identity.always;
        }
        next.tables.insert(id, table);
    }
    Ok(())
}

/// Returns whether a table or sequence has this name.
pub fn is_taken(catalog: &Catalog, name: &str) -> bool {
    let made = |table: &Arc<Table>| match &table.kind {
        TableKind::Unfinished { process: of, .. } => *of == process(),
        kind => matches!(kind, TableKind::View(_)),
    };
    catalog.table_named(name).is_some()
        || catalog.sequence_named(name).is_some()
        || catalog.tables.values().any(|table| table.name == name && made(table))
}

/// `DROP SEQUENCE`.
///
/// **Errors**: 42704, 2BP01 while a column's default needs it.
pub(super) fn drop_sequences(catalog: &Catalog, drop: &Drop) -> Result<Option<Catalog>> {
    let mut next = successor(catalog);
    let mut changed = false;
    for name in &drop.names {
        let Some(id) = next.sequence_named(&name.text).map(|(table, _)| table.id) else {
            if drop.if_exists {
                continue;
            }
            return Err(undefined(&next, &name.text, name.position));
        };
        check_unused(&next, id, name)?;
        next.tables.remove(&id);
        changed = true;
    }
    Ok(changed.then_some(next))
}

fn check_unused(catalog: &Catalog, sequence: TableId, name: &Name) -> Result<()> {
    for table in catalog.listed() {
        for column in &table.columns {
            let Some(default) = &column.default else { continue };
            if default_sequences(catalog, default)?.contains(&sequence) {
                let message = format!(
                    "sequence \"{}\" is the default of column \"{}\" of table \"{}\"",
                    name.text, column.name, table.name
                );
                return Err(Error::new(code::DEPENDENT_OBJECTS, message)
                    .with_hint("Drop the table first.")
                    .at(name.position));
            }
        }
    }
    Ok(())
}

/// How a sequence counts, with what was not said.
fn shape(options: &SequenceOptions, owner: Option<TableId>) -> Result<SequenceShape> {
    let invalid = |message: String| Err(Error::new(code::INVALID_PARAMETER_VALUE, message));
    let increment = options.increment.unwrap_or(1);
    if increment == 0 {
        return invalid("INCREMENT must not be 0".to_owned());
    }
    let (low, high) = match options.ty {
        Some(ColumnType::SmallInt) => (i64::from(i16::MIN), i64::from(i16::MAX)),
        Some(ColumnType::Int) => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let min = options.min.unwrap_or(if increment > 0 { 1 } else { low });
    let max = options.max.unwrap_or(if increment > 0 { high } else { -1 });
    if min >= max || min < low || max > high {
        return invalid(format!("MINVALUE {min} and MAXVALUE {max} leave no numbers"));
    }
    let start = options.start.unwrap_or(if increment > 0 { min } else { max });
    if !(min..=max).contains(&start) {
        return invalid(format!("START {start} is not within {min} and {max}"));
    }
    let cache = options.cache.unwrap_or(i64::from(CACHE_DEFAULT));
    match u32::try_from(cache) {
        Ok(cache) if (1..=SEQUENCE_CACHE_MAX).contains(&cache) => {
            Ok(SequenceShape { start, increment, min, max, cycle: options.cycle, cache, owner })
        }
        _ => invalid(format!("CACHE {cache} is not between 1 and {SEQUENCE_CACHE_MAX}")),
    }
}

/// A sequence: a hidden table whose only record has the key 1.
fn sequence(name: &str, shape: SequenceShape) -> Table {
    let column = |id: u32, name: &str, ty: ColumnType, not_null: bool| Column {
        id: ColumnId(id),
        name: name.to_owned(),
        ty,
        not_null,
        default: None,
        hidden: false,
        generated: false,
        always: false,
        altered: Altered::default(),
        comment: None,
    };
    Table {
        id: TableId(0),
        name: name.to_owned(),
        kind: TableKind::Sequence(shape),
        columns: vec![
            column(0, "id", ColumnType::Int, true),
            // Null once the sequence has reached its end.
            column(1, "next", ColumnType::BigInt, false),
        ],
        key: vec![0],
        routing: 1,
        indexes: Vec::new(),
        constraints: Vec::new(),
        referrers: Vec::new(),
        comment: None,
        rewrite: None,
        since: None,
    }
}
