//! Which catalog does a COMMENT make?
//!
//! What is said of something is kept with it: it survives its renaming, and goes with it.

use std::sync::Arc;

use pieskieo_shards::catalog::{Catalog, Table};

use super::alter_rename::no_index;
use super::define::successor;
use super::define_constraint::column_of;
use super::define_drop::check_kind;
use super::define_sequence::no_sequence;
use super::define_view::check_idle;
use super::query::Binder;
use crate::error::{Error, Result, code};
use crate::suggest;
use crate::syntax::{Comment, Commented, DropKind, Name};

/// Returns the catalog in which something has another comment; `None` when it has it already.
///
/// **Errors**: 42P01, 42703, 42704, 42809.
pub(super) fn set_comment(catalog: &Catalog, comment: &Comment) -> Result<Option<Catalog>> {
    let text: Option<Arc<str>> = comment.text.as_deref().map(Arc::from);
    let mut table = match &comment.on {
        Commented::Table(kind, name) => table_of_kind(catalog, *kind, name)?,
        Commented::Column { table, .. } | Commented::Constraint { table, .. } => {
            table_named(catalog, table)?
        }
        Commented::Index(name) => match catalog.index_named(&name.text) {
            Some((table, _)) => table.clone(),
            None => return Err(no_index(catalog, name)),
        },
    };
    check_idle(&table)?;
    let before = table.clone();
    let changed = Arc::make_mut(&mut table);
    match &comment.on {
        Commented::Table(..) => changed.comment = text,
        Commented::Column { column, .. } => {
            let position = column_of(changed, column)?;
            changed.columns[position].comment = text;
        }
        Commented::Index(name) => {
            for index in changed.indexes.iter_mut().filter(|index| index.name == name.text) {
                Arc::make_mut(index).comment.clone_from(&text);
            }
        }
        Commented::Constraint { constraint, .. } => {
            let found = changed.constraints.iter_mut().find(|one| one.name == constraint.text);
            match found {
                Some(found) => Arc::make_mut(found).comment = text,
                None => return Err(no_constraint(&before, constraint)),
            }
        }
    }
    if table == before {
        return Ok(None);
    }
    let mut next = successor(catalog);
    next.tables.insert(table.id, table);
    Ok(Some(next))
}

/// The table or view with this name.
fn table_named(catalog: &Catalog, name: &Name) -> Result<Arc<Table>> {
    match catalog.view_named(&name.text) {
        Some(view) => Ok(view.clone()),
        None => Binder::new(catalog).table(name).cloned(),
    }
}

fn table_of_kind(catalog: &Catalog, kind: DropKind, name: &Name) -> Result<Arc<Table>> {
    if kind == DropKind::Sequence {
        return match catalog.sequence_named(&name.text) {
            Some((sequence, _)) => Ok(sequence.clone()),
            None => Err(no_sequence(catalog, name)),
        };
    }
    let table = table_named(catalog, name)?;
    check_kind(&table, kind, name, "COMMENT ON")?;
    Ok(table)
}

/// The error for a constraint that is not there. A primary key is none of its own.
fn no_constraint(table: &Table, name: &Name) -> Error {
    if name.text == format!("{}_pkey", table.name) {
        return Error::unsupported("a comment on a primary key")
            .with_hint("Comment on the table or on its columns.")
            .at(name.position);
    }
    let names = table.constraints.iter().map(|constraint| constraint.name.as_str());
    let message =
        format!("constraint \"{}\" of table \"{}\" does not exist", name.text, table.name);
    Error::new(code::UNDEFINED_OBJECT, message)
        .with_suggestion(suggest::nearest(&name.text, names))
        .at(name.position)
}
