//! Which rules does a table keep, also those no constraint stands for?
//!
//! The standard calls a primary key and NOT NULL constraints too. Here they have no names of their
//! own; they are shown under those PostgreSQL would give them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, visit_expressions};
use pieskieo_shards::catalog::{Catalog, ConstraintKind, Foreign, Table};

use crate::syntax::{name_of, parse_expression};

/// A rule of one table.
#[derive(Debug)]
pub struct Rule<'c> {
    /// Its name.
    pub name: String,
    /// What it demands.
    pub kind: RuleKind<'c>,
}

/// The kinds of rule.
#[derive(Debug)]
pub enum RuleKind<'c> {
    /// The primary key, over the columns at these positions.
    Primary(&'c [usize]),
    /// No two records have the same values in these columns.
    Unique(&'c [usize]),
    /// The values of some columns are those of a record of this table.
    Foreign(&'c Foreign, &'c Table),
    /// A condition, as it was written.
    Check(&'c str),
    /// The column at this position is not null.
    NotNull(usize),
}

impl RuleKind<'_> {
    /// Returns what the standard calls it.
    pub fn standard_name(&self) -> &'static str {
        match self {
            Self::Primary(_) => "PRIMARY KEY",
            Self::Unique(_) => "UNIQUE",
            Self::Foreign(..) => "FOREIGN KEY",
            Self::Check(_) | Self::NotNull(_) => "CHECK",
        }
    }
}

/// Returns the rules of a table: its key, then its constraints, then NOT NULL by column.
pub fn rules<'c>(catalog: &'c Catalog, table: &'c Table) -> Vec<Rule<'c>> {
    let mut rules = Vec::new();
    if has_key(table) {
        rules.push(Rule { name: key_name(table), kind: RuleKind::Primary(&table.key) });
    }
    for constraint in &table.constraints {
        let kind = match &constraint.kind {
            ConstraintKind::Check { text } => RuleKind::Check(text),
            ConstraintKind::Unique(unique) if unique.filling.is_none() => {
                RuleKind::Unique(&unique.columns)
            }
            ConstraintKind::Unique(_) => continue,
            ConstraintKind::Foreign(foreign) => match catalog.tables.get(&foreign.target) {
                Some(target) => RuleKind::Foreign(foreign, target),
                None => continue,
            },
        };
        rules.push(Rule { name: constraint.name.clone(), kind });
    }
    for (at, column) in table.columns.iter().enumerate() {
        if column.not_null && !column.hidden {
            let name = format!("{}_{}_not_null", table.name, column.name);
            rules.push(Rule { name, kind: RuleKind::NotNull(at) });
        }
    }
    rules
}

/// Returns whether a table's key is one its users know.
pub fn has_key(table: &Table) -> bool {
    table.key.iter().all(|&column| !table.columns[column].hidden)
}

/// Returns the name of a table's primary key.
pub fn key_name(table: &Table) -> String {
    format!("{}_pkey", table.name)
}

/// Returns the key or unique constraint that a foreign key refers to: its name, and its columns.
pub fn referred<'c>(foreign: &Foreign, target: &'c Table) -> Option<(String, &'c [usize])> {
    let same = |columns: &[usize]| {
        let sorted = |columns: &[usize]| columns.iter().copied().collect::<BTreeSet<_>>();
        sorted(columns) == sorted(&foreign.target_columns)
    };
    if same(&target.key) {
        return Some((key_name(target), &target.key));
    }
    let mut uniques = target.uniques();
    let found = uniques.find(|(_, unique)| same(&unique.columns));
    found.map(|(name, unique)| (name.to_owned(), unique.columns.as_slice()))
}

/// Returns the positions of the columns a condition names, ascending.
pub fn columns_of(table: &Table, condition: &str) -> Vec<usize> {
    // What is stored could be read when it was made.
    let Ok(condition) = parse_expression(condition) else { return Vec::new() };
    let mut found = BTreeSet::new();
    let visited: ControlFlow<()> = visit_expressions(&condition, |expr| {
        let ident = match expr {
            Expr::Identifier(ident) => Some(ident),
            Expr::CompoundIdentifier(idents) => match idents.as_slice() {
                [head, column, ..] if name_of(head).text == table.name => Some(column),
                [column, ..] => Some(column),
                [] => None,
            },
            _ => None,
        };
        found.extend(ident.and_then(|ident| table.column_named(&name_of(ident).text)));
        ControlFlow::Continue(())
    });
    debug_assert!(visited.is_continue());
    found.into_iter().collect()
}
