//! How does the schema change within a transaction?
//!
//! A statement changes the transaction's draft (`draft`) and nothing else. What would have to look
//! at existing records, or to move them, cannot be done unseen before the commit, and is refused.

use std::collections::BTreeSet;

use pieskieo_shards::catalog::{Catalog, IndexKind, Table};
use pieskieo_shards::ids::TableId;

use super::alter::default_value;
use super::request::Request;
use super::{create_as, schema};
use crate::bind::{Alter, Pending, alter_table, define, settle_unique, settled, unfilled};
use crate::error::{Error, Result};
use crate::exec::counts::record_counts;
use crate::limits::{DRAFT_INDEX_RECORDS_MAX, DRAFT_SEARCH_RECORDS_MAX};
use crate::outcome::{Outcome, StatementKind};
use crate::syntax::{AlterTable, Parsed, Statement};

/// The tables that the transaction has made.
struct Made {
    /// Those without records: any definition fits them.
    empty: BTreeSet<TableId>,
    written: BTreeSet<TableId>,
}

/// Runs a statement that changes the schema.
///
/// **Errors**: a definition that does not fit; 0A000 for what needs existing records; 25006.
pub async fn run(request: &mut Request<'_>, parsed: &Parsed) -> Result<Outcome> {
    request.check_writable()?;
    let laid = request.catalog().clone();
    let made = made(request, &laid);
    let mut draft = std::mem::take(request.draft());
    let changed = draft.change(request.core(), &laid, |catalog| {
        let Some(next) = next_of(request, (catalog, &made), parsed)? else { return Ok(None) };
        check_written(&made, catalog, &next)?;
        schema::checked(request.engine(), catalog, next).map(Some)
    });
    *request.draft() = draft;
    if let Some(undo) = changed? {
        if let Err(error) = check_gains(request).await {
            request.draft().undo(undo);
            return Err(error);
        }
        request.renew()?;
    }
    Ok(Outcome::without_rows(StatementKind::Schema, None))
}

fn made(request: &mut Request<'_>, laid: &Catalog) -> Made {
    let all = laid.tables.keys().copied().filter(|id| request.draft().has_made(*id));
    let all: Vec<TableId> = all.collect();
    let (written, empty) = all.into_iter().partition(|id| request.has_written(*id));
    Made { empty, written }
}

/// The catalog after a statement; `None` when it changes nothing.
fn next_of(
    request: &Request<'_>,
    (catalog, made): (&Catalog, &Made),
    parsed: &Parsed,
) -> Result<Option<Catalog>> {
    let statement = match &parsed.statement {
        Statement::AlterTable(alter) => return altered(request, (catalog, made), alter),
        Statement::CreateAs(create) => return create_as::without_records(request, catalog, create),
        statement => statement,
    };
    let Some(next) = define(catalog, statement, request.settings().index_defaults())? else {
        return Ok(None);
    };
    match unfilled(&next, statement) {
        Some(index) => filled(next, made, &index).map(Some),
        None => Ok(Some(next)),
    }
}

/// The catalog in which a unique constraint holds for a table without records.
fn filled(next: Catalog, made: &Made, constraint: &str) -> Result<Catalog> {
    let table = next.index_named(constraint).map(|(table, _)| table.clone());
    let table = table.ok_or_else(|| Error::internal("a unique constraint without its index"))?;
    if !made.empty.contains(&table.id) {
        return Err(needs_records("a unique index over", &table));
    }
    settle_unique(&next, constraint, true)
        .ok_or_else(|| Error::internal("a unique constraint that cannot be filled"))
}

fn altered(
    request: &Request<'_>,
    (catalog, made): (&Catalog, &Made),
    alter: &AlterTable,
) -> Result<Option<Catalog>> {
    let value_of = |text: &str, ty: &_| default_value(request.constants(), text, ty);
    let Some(altered) = alter_table(catalog, alter, &value_of)? else { return Ok(None) };
    let Alter { mut next, before, pending, rewriting, .. } = altered;
    if rewriting.is_some() {
        return Err(needs_records("another type for a column of", &before));
    }
    if pending.is_empty() {
        return Ok(Some(next));
    }
    if !made.empty.contains(&before.id) {
        return Err(needs_records("a rule for the records of", &before));
    }
    for one in &pending {
        if let Pending::Unique(constraint) = one {
            next = filled(next, made, constraint)?;
        }
    }
    let gone = || Error::internal("a table that is altered went missing");
    settled(&next, before.id, &pending).ok_or_else(gone).map(Some)
}

/// Refuses another form for a table that the transaction has written to: its writes have the old
/// one.
fn check_written(made: &Made, before: &Catalog, after: &Catalog) -> Result<()> {
    for id in &made.written {
        let (Some(old), Some(new)) = (before.tables.get(id), after.tables.get(id)) else {
            continue;
        };
        if old.columns != new.columns || old.key != new.key || old.constraints != new.constraints {
            let message = format!("altering table \"{}\" after writing to it", old.name);
            return Err(Error::unsupported(format!("{message} in the same transaction"))
                .with_hint("Alter it before the first INSERT, or after COMMIT."));
        }
    }
    Ok(())
}

/// Refuses an index over so many existing records that making it would hold up the commit, and
/// with it everybody.
async fn check_gains(request: &mut Request<'_>) -> Result<()> {
    let gaining = request.draft().gaining();
    let gaining: Vec<_> = gaining.map(|(table, index)| (table.clone(), index.clone())).collect();
    for (table, index) in gaining {
        let most = match index.kind {
            IndexKind::Ordered { .. } => DRAFT_INDEX_RECORDS_MAX,
            IndexKind::Vector { .. } | IndexKind::Text { .. } => DRAFT_SEARCH_RECORDS_MAX,
        };
        let records: u64 = record_counts(request.core(), &[table.id]).await?.into_iter().sum();
        if records > most {
            let message = format!("an index over the {records} records of \"{}\"", table.name);
            return Err(Error::unsupported(format!("{message} inside BEGIN ... COMMIT"))
                .with_detail(format!("Up to {most} records can be indexed within a commit."))
                .with_hint("Send CREATE INDEX on its own, outside of BEGIN."));
        }
    }
    Ok(())
}

fn needs_records(what: &str, table: &Table) -> Error {
    Error::unsupported(format!("{what} table \"{}\" inside BEGIN ... COMMIT", table.name))
        .with_detail("Its records would have to be looked at before the commit.")
        .with_hint("Send the statement on its own, outside of BEGIN.")
}
