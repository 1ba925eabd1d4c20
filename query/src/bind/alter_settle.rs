//! What is left of an ALTER TABLE when existing records have been looked at?

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Query;
use pieskieo_shards::catalog::{
    Altered, Catalog, Column, Constraint, ConstraintKind, Foreign, Table,
};
use pieskieo_shards::ids::{ColumnId, TableId};

use super::build;
use super::define::{drop_unique, successor};
use super::statement::bind;
use crate::error::{Error, Result};
use crate::syntax::{Statement, parse};

/// What an ALTER TABLE leaves to be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pending {
    /// The unique constraint with this name has no entries yet.
    Unique(String),
    /// Existing records may break the constraint with this name.
    Rule(String),
    /// Existing records may have nulls in a column; until they have been looked at, a condition
    /// keeps out new ones.
    NotNull {
        /// The column.
        column: ColumnId,
        /// Name of the condition.
        rule: String,
    },
}

impl Pending {
    /// Returns the name of the constraint.
    pub fn rule(&self) -> &str {
        match self {
            Self::Unique(rule) | Self::Rule(rule) | Self::NotNull { rule, .. } => rule,
        }
    }
}

/// Returns the query whose rows break a constraint: the referring columns of a foreign key, or a
/// one; `None` for a unique constraint.
///
/// **Errors**: internal.
pub fn breaking(
    catalog: &Catalog,
    table: &Table,
    constraint: &Constraint,
) -> Result<Option<Query>> {
    let text = match &constraint.kind {
        ConstraintKind::Check { text } => {
            format!("SELECT 1 FROM {} WHERE NOT ({text}) LIMIT 1", build::ident(&table.name))
        }
        ConstraintKind::Foreign(foreign) => dangling(catalog, table, foreign)?,
        ConstraintKind::Unique(_) => return Ok(None),
    };
    let statement = parse(&text)?.pop().map(|parsed| bind(catalog, parsed.statement));
    match statement.transpose()? {
        Some(Statement::Query(query)) => Ok(Some(*query)),
        _ => Err(Error::internal("a constraint that cannot be asked for")),
    }
}

fn dangling(catalog: &Catalog, table: &Table, foreign: &Foreign) -> Result<String> {
    let target = catalog.tables.get(&foreign.target);
    let target = target.ok_or_else(|| Error::internal("a foreign key has lost its table"))?;
    let own = |column: &usize| format!("referring.{}", build::ident(&table.columns[*column].name));
    let referring: Vec<String> = foreign.columns.iter().map(own).collect();
    let present: Vec<String> =
        referring.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    let equal = foreign.target_columns.iter().zip(&referring).map(|(column, referring)| {
        format!("referred.{} = {referring}", build::ident(&target.columns[*column].name))
    });
    Ok(format!(
        "SELECT {} FROM {} AS referring WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS referred \
         WHERE {}) LIMIT 1",
        referring.join(", "),
        build::ident(&table.name),
        present.join(" AND "),
        build::ident(&target.name),
        equal.collect::<Vec<_>>().join(" AND "),
    ))
}

/// Returns the catalog in which what was pending is in force; `None` when nothing is left of it.
pub fn settled(catalog: &Catalog, id: TableId, pending: &[Pending]) -> Option<Catalog> {
    let mut next = successor(catalog);
    let mut table = next.tables.get(&id)?.clone();
    let changed = Arc::make_mut(&mut table);
    for pending in pending {
        match pending {
            // `fill` has done it.
            Pending::Unique(_) => {}
            Pending::Rule(name) => {
                for rule in changed.constraints.iter_mut().filter(|rule| rule.name == *name) {
                    Arc::make_mut(rule).validated = true;
                }
            }
            Pending::NotNull { column, rule } => {
                let count = changed.constraints.len();
                changed.constraints.retain(|one| one.name != *rule);
                let kept = changed.constraints.len() < count;
                for column in changed.columns.iter_mut().filter(|one| kept && one.id == *column) {
                    if !column.altered.dropped {
                        (column.not_null, column.altered.held_nulls) = (true, true);
                    }
                }
            }
        }
    }
    next.tables.insert(id, table);
    next.link();
    Some(next)
}

/// Makes a column the place of one that is gone.
pub(super) fn leave_place(column: &mut Column, position: usize) {
    column.name = format!("........dropped.{position}........");
    (column.not_null, column.hidden) = (false, true);
    (column.default, column.always) = (None, false);
    column.comment = None;
    column.altered = Altered { dropped: true, ..Altered::default() };
}

/// Returns the catalog without what an ALTER TABLE has made of `before`; `None` when the table is
/// gone. `after` is what it made.
pub fn undone(catalog: &Catalog, before: &Table, after: &Table) -> Option<Catalog> {
    let mut next = successor(catalog);
    let is_new = |name: &str| {
        let named = |table: &Table| table.constraints.iter().any(|rule| rule.name == name);
        named(after) && !named(before)
    };
    let added: Vec<Arc<Constraint>> = next.tables.get(&after.id)?.constraints.clone();
    for rule in added.iter().filter(|rule| is_new(&rule.name)) {
        let table = next.tables.get(&after.id)?.clone();
        if matches!(rule.kind, ConstraintKind::Unique(_)) {
            drop_unique(&mut next, &table, &rule.name);
        }
    }
    let mut table = next.tables.get(&after.id)?.clone();
    let changed = Arc::make_mut(&mut table);
    changed.constraints.retain(|rule| !is_new(&rule.name));
    let made = |id| after.index(id).is_some() && before.index(id).is_none();
    changed.indexes.retain(|index| !made(index.id));
    for (position, column) in changed.columns.iter_mut().enumerate() {
        match before.columns.get(position) {
            Some(before) => column.default.clone_from(&before.default),
            None if position < after.columns.len() => {
                leave_place(column, position);
            }
            None => {}
        }
    }
    next.tables.insert(after.id, table);
    next.link();
    Some(next)
}
