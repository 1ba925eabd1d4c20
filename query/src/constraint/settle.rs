//! In which order are the constraints of a statement's changes kept?
//!
//! Level by level: conditions and entries of what the statement itself changed, then the records
//! that its foreign keys make follow, then theirs. At the end, when all records are what they will
//! be, every new reference must lead to a record and no record that went may be referred to.

use std::rc::Rc;
use std::sync::Arc;

use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, ConstraintKind, Table};
use pieskieo_shards::request::ReadView;
use pieskieo_shards::txn::Transaction;
use pieskieo_shards::value::Value;

use super::{check, foreign, unique};
use crate::bind::{check_open, process};
use crate::coordinator::write::Old;
use crate::error::{Error, Result, code};
use crate::exec::scope::{Scope, Stop};
use crate::limits::CASCADE_DEPTH_MAX;
use crate::plan::Engine;
use crate::plan::constant::Constants;

/// What keeping constraints needs of a request.
#[derive(Clone)]
pub struct Ground {
    /// The engine's handle on this core.
    pub core: Rc<Core>,
    /// The planner.
    pub engine: Rc<Engine>,
    /// The catalog the statement was planned with.
    pub catalog: Arc<Catalog>,
    /// The way to stop.
    pub stop: Stop,
}

/// What a statement did to records of one table.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The table.
    pub table: Arc<Table>,
    /// One entry per record.
    pub rows: Vec<RowChange>,
}

/// What became of one record.
#[derive(Clone, Debug)]
pub struct RowChange {
    /// As it was; `None` = it is new.
    pub old: Option<Old>,
    /// Its values now; `None` = it is gone.
    pub new: Option<Vec<Value>>,
}

impl Ground {
    /// Returns what constants of definitions may refer to.
    pub fn constants(&self) -> Constants<'_> {
        Constants { engine: &self.engine, catalog: &self.catalog, params: &[] }
    }

    /// Returns what a read for a constraint sees.
    pub fn scope(&self, view: ReadView) -> Scope {
        let (catalog, stop) = (self.catalog.clone(), self.stop.child());
        Scope { view, catalog, ef_search: None, stop }
    }
}

impl Changes {
    /// Begins with nothing.
    pub fn new(table: &Arc<Table>) -> Self {
        Self { table: table.clone(), rows: Vec::new() }
    }

    /// Returns whether anybody needs to know what changes in this table.
    pub fn are_watched(table: &Table) -> bool {
        !table.constraints.is_empty() || !table.referrers.is_empty()
    }

    /// Notes a new record.
    pub fn inserted(&mut self, new: &[Value]) {
        if Self::are_watched(&self.table) {
            self.rows.push(RowChange { old: None, new: Some(new.to_vec()) });
        }
    }

    /// Notes new values of a record.
    pub fn updated(&mut self, old: &Old, new: &[Value]) {
        if Self::are_watched(&self.table) {
            self.rows.push(RowChange { old: Some(old.clone()), new: Some(new.to_vec()) });
        }
    }

    /// Notes that a record is gone.
    pub fn deleted(&mut self, old: &Old) {
        if Self::are_watched(&self.table) {
            self.rows.push(RowChange { old: Some(old.clone()), new: None });
        }
    }
}

/// Keeps the constraints that a statement's changes concern; the records themselves are written
/// already. Writes entries, and the records that follow.
///
/// **Cost**: nothing for a table without constraints that nobody refers to. Otherwise a write per
/// changed entry, a point read per new reference, a search on all shards per value that goes and
/// is referred to.
/// **Errors**: 23505, 23503, 23514 naming the constraint.
pub async fn settle(ground: &Ground, txn: &mut Transaction, changes: Changes) -> Result<()> {
    if changes.rows.is_empty() {
        return Ok(());
    }
    let mut level = vec![changes];
    let mut all = Vec::new();
    for _ in 0..=CASCADE_DEPTH_MAX {
        for changes in &level {
            check_complete(&changes.table)?;
            check::rows(ground, changes)?;
            unique::follow(ground, txn, changes)?;
        }
        let next = foreign::follow(ground, txn, &level).await?;
        all.append(&mut level);
        if next.is_empty() {
            return foreign::check(ground, txn, &all).await;
        }
        level = next;
    }
    let message = "ON DELETE and ON UPDATE lead too far from one record to the next";
    Err(Error::new(code::STATEMENT_TOO_COMPLEX, message)
        .with_detail(format!("The limit cascade_depth_max is {CASCADE_DEPTH_MAX}."))
        .with_hint("Change the records at the end of the chain first."))
}

/// Refuses to write to a table whose existing records are getting a unique index.
///
/// **Errors**: `40001`.
pub(super) fn check_complete(table: &Table) -> Result<()> {
    check_open(table)?;
    let filling = table.constraints.iter().any(|constraint| match &constraint.kind {
        ConstraintKind::Unique(unique) => unique.filling == Some(process()),
        _ => false,
    });
    if filling {
        let message = format!("a unique index of table \"{}\" is being made", table.name);
        return Err(Error::new(code::SERIALIZATION_FAILURE, message)
            .with_hint("Send the statement again when CREATE UNIQUE INDEX has ended."));
    }
    Ok(())
}
