//! Which catalog has rewritten records?
//!
//! While records are rewritten they are in two tables: the one that everybody reads, and a hidden
//! copy with other columns. Then the copy takes the place of the table, with its name and all that
//! refers to it; what the shards keep under the old number is dropped, as with `DROP TABLE`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::truncate::renumber;
use super::{Catalog, Constraint, ConstraintKind, Rewrite, Table, TableKind};
use crate::ids::{CatalogVersion, TableId, Timestamp};

impl Catalog {
    /// Returns the next catalog, in which a copy is the table it is a copy of, and all of its
    /// records are there from the commit `since` on; `None` when there is no such copy.
    pub fn with_copy(&self, copy: TableId, since: Timestamp) -> Option<Self> {
        let filled = self.tables.get(&copy)?;
        let Some(Rewrite::Copy { of, .. }) = filled.rewrite else { return None };
        let old = self.tables.get(&of)?;
        let made = Table {
            id: copy,
            columns: filled.columns.clone(),
            indexes: filled.indexes.clone(),
            constraints: kept(old, filled),
            rewrite: None,
            since: Some(since),
            ..old.as_ref().clone()
        };
        let mut next = Self { version: CatalogVersion(self.version.0 + 1), ..self.clone() };
        next.tables.retain(|id, table| match table.kind {
            TableKind::Entries { of: owner } => owner != of,
            _ => *id != of,
        });
        next.tables.insert(copy, Arc::new(made));
        let numbers = BTreeMap::from([(of, copy)]);
        next.tables.values_mut().for_each(|table| renumber(table, &numbers));
        next.link();
        Some(next)
    }
}

/// The constraints of a table, the unique ones with the entries that its copy has.
fn kept(old: &Table, copy: &Table) -> Vec<Arc<Constraint>> {
    let of_copy = |name: &str| copy.constraints.iter().find(|one| one.name == name);
    let kept = old.constraints.iter().map(|constraint| match &constraint.kind {
        ConstraintKind::Unique(_) => of_copy(&constraint.name).unwrap_or(constraint).clone(),
        _ => constraint.clone(),
    });
    kept.collect()
}
