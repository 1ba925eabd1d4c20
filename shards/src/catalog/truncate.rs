//! Which catalog empties tables?
//!
//! One in which they have other numbers: what the shards keep under the old ones is dropped, as
//! with `DROP TABLE`, and nothing is under the new ones. So it costs the same however many records
//! there are, and what was planned with the numbers of before is refused as stale.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Catalog, Constraint, ConstraintKind, Rewrite, Table, TableKind};
use crate::ids::{CatalogVersion, TableId};

/// Which tables are emptied, and what becomes of what they own.
#[derive(Clone, Debug)]
pub struct Truncation {
    /// The tables. Those that refer to them or join them are among them.
    pub tables: BTreeSet<TableId>,
    /// Whether the sequences of their columns begin again.
    pub restarts: bool,
    /// The process that may be filling unique indexes of them: they are in force at once, since
    /// there is nothing to be filled.
    pub process: u64,
}

impl Catalog {
    /// Returns the next catalog, in which these tables are empty.
    pub fn truncated(&self, truncation: &Truncation) -> Self {
        let mut next = Self { version: CatalogVersion(self.version.0 + 1), ..self.clone() };
        let mut numbers = BTreeMap::new();
        for (id, table) in &self.tables {
            if truncation.empties(*id, table) {
                numbers.insert(*id, next.table_next);
                next.table_next = TableId(next.table_next.0 + 1);
            }
        }
        next.tables = BTreeMap::new();
        for (id, table) in &self.tables {
            let mut table = table.clone();
            renumber(&mut table, &numbers);
            if truncation.tables.contains(id) {
                put_in_force(&mut table, truncation.process);
                if table.since.is_some() {
                    Arc::make_mut(&mut table).since = None;
                }
            }
            next.tables.insert(table.id, table);
        }
        next.link();
        next
    }
}

impl Truncation {
    fn empties(&self, id: TableId, table: &Table) -> bool {
        match &table.kind {
            TableKind::Entries { of } => self.tables.contains(of),
            TableKind::Sequence(shape) => {
                self.restarts && shape.owner.is_some_and(|owner| self.tables.contains(&owner))
            }
            _ => self.tables.contains(&id),
        }
    }
}

/// Replaces every number of a table that is a new one. A table that names none stays as it is.
pub(super) fn renumber(table: &mut Arc<Table>, numbers: &BTreeMap<TableId, TableId>) {
    let mut changed = Table::clone(table);
    let renew = |id: &mut TableId| *id = numbers.get(id).copied().unwrap_or(*id);
    renew(&mut changed.id);
    renumber_kind(&mut changed.kind, &renew);
    if let Some(Rewrite::Copy { of, .. }) = &mut changed.rewrite {
        renew(of);
    }
    for constraint in &mut changed.constraints {
        match &mut Arc::make_mut(constraint).kind {
            ConstraintKind::Check { .. } => {}
            ConstraintKind::Unique(unique) => renew(&mut unique.entries),
            ConstraintKind::Foreign(foreign) => renew(&mut foreign.target),
        }
    }
    if changed != **table {
        *table = Arc::new(changed);
    }
}

fn renumber_kind(kind: &mut TableKind, renew: &impl Fn(&mut TableId)) {
    match kind {
        TableKind::Relation | TableKind::Collection | TableKind::Answers => {}
        TableKind::Edge { source, target } => {
            renew(source);
            renew(target);
        }
        TableKind::Entries { of } => renew(of),
        TableKind::Sequence(shape) => shape.owner.iter_mut().for_each(renew),
        TableKind::View(query) | TableKind::Materialized { query, .. } => {
            query.reads.iter_mut().for_each(|read| renew(&mut read.table));
        }
        TableKind::Unfinished { becomes, .. } => renumber_kind(becomes, renew),
    }
}

fn put_in_force(table: &mut Arc<Table>, process: u64) {
    let is_waiting = |constraint: &Arc<Constraint>| match &constraint.kind {
        ConstraintKind::Unique(unique) => unique.filling == Some(process),
        _ => !constraint.validated,
    };
    if !table.constraints.iter().any(is_waiting) {
        return;
    }
    for constraint in &mut Arc::make_mut(table).constraints {
        if !constraint.validated {
            Arc::make_mut(constraint).validated = true;
        }
        if let ConstraintKind::Unique(unique) = &mut Arc::make_mut(constraint).kind
            && unique.filling == Some(process)
        {
            unique.filling = None;
        }
    }
}
