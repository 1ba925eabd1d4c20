//! What has a transaction written so far?
//!
//! The coordinator's buffer is the truth of a transaction until it commits. What is staged at the
//! owners is a copy for the transaction's own reads: losing it costs no write.
//!
//! One entry per record and, for edges, per mirror. A later write to the same place replaces the
//! operation and keeps the first condition, because the condition is about the state before the
//! transaction. What the transaction created and removed again is dropped.
//!
//! While there are savepoints, what a write replaces is kept, so that it can be put back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ahash::AHashMap;

use crate::catalog::Catalog;
use crate::error::Error;
use crate::ids::{ShardId, TableId};
use crate::key::Key;
use crate::request::{Expect, Write, WriteOp};
use crate::txn::limits::{TXN_BYTES_MAX, TXN_WRITES_MAX};
use crate::txn::record;

/// What a write changes: two writes with equal places supersede each other and exclude each
/// other's transactions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// The table.
    table: TableId,
    /// Key of the record.
    key: Key,
    /// For mirrors, the target at which the edge is mirrored.
    target: Option<Key>,
    /// For ranges of keys, the first of which is `key`: what is behind them.
    range_to: Option<RangeEnd>,
}

/// The first key behind a range; `None` = there is none.
type RangeEnd = Option<Arc<[u8]>>;

/// The writes of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    /// In the order of the first write to each place. `None` = came to nothing.
    entries: Vec<Option<Entry>>,
    /// Where each place's entry is.
    positions: AHashMap<Place, usize>,
    /// Tables with writes that no owner has staged yet.
    fresh: BTreeSet<TableId>,
    /// Estimated bytes of all entries ever added.
    bytes: usize,
    /// Savepoints that may still be gone back to.
    marks: usize,
    /// What writes have replaced since the first of them, in order.
    replaced: Vec<Replaced>,
}

/// A point to go back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    entries: usize,
    replaced: usize,
    bytes: usize,
}

/// An entry as it was before a write changed it.
#[derive(Debug)]
struct Replaced {
    position: usize,
    place: Place,
    before: Entry,
}

#[derive(Clone, Debug)]
struct Entry {
    /// The newest operation with the first condition.
    write: Write,
    /// Whether the owner's staging area holds this operation.
    staged: bool,
    /// Whether the owner's staging area holds some operation for this place.
    known_to_owner: bool,
    /// For mirrors: what the first operation did.
    first_present: bool,
}

impl Place {
    /// Returns the place a write changes.
    pub(crate) fn of(write: &Write) -> Self {
        let target = match &write.op {
            WriteOp::Mirror { target, .. } => Some(target.clone()),
            WriteOp::Put(_) | WriteOp::Delete | WriteOp::Erase { .. } => None,
        };
        let range_to = match &write.op {
            WriteOp::Erase { to, .. } => Some(to.clone()),
            _ => None,
        };
        Self { table: write.table, key: write.key.clone(), target, range_to }
    }
}

impl Place {
    /// Returns the place of a record.
    pub(crate) fn record(table: TableId, key: Key) -> Self {
        Self { table, key, target: None, range_to: None }
    }

    /// Returns the table.
    pub(crate) fn table(&self) -> TableId {
        self.table
    }

    /// Returns the key of the record.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Returns whether this is a range of keys.
    pub(crate) fn is_range(&self) -> bool {
        self.range_to.is_some()
    }

    /// Returns whether a place and this one, a range, have a record in common.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        let Some(to) = &self.range_to else { return self == other };
        let is_before_end = to.as_deref().is_none_or(|to| other.key.bytes() < to);
        let is_behind_start = match &other.range_to {
            Some(Some(end)) => self.key.bytes() < &**end,
            Some(None) => true,
            None => self.key.bytes() <= other.key.bytes(),
        };
        self.table == other.table && is_before_end && is_behind_start
    }

    /// Returns the target at which an edge is mirrored; `None` = this is a record.
    pub(crate) fn target(&self) -> Option<&Key> {
        self.target.as_ref()
    }
}

/// Returns the shard that owns what a write changes.
pub(crate) fn owner(catalog: &Catalog, write: &Write) -> ShardId {
    match &write.op {
        WriteOp::Mirror { target, .. } => catalog.shard_of(target.slot()),
        WriteOp::Put(_) | WriteOp::Delete | WriteOp::Erase { .. } => {
            catalog.shard_of(write.key.slot())
        }
    }
}

impl Buffer {
    /// Returns whether nothing was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.iter().all(Option::is_none)
    }

    /// Adds a write.
    ///
    /// **Errors**: `DuplicateKey` for an insert of a record this transaction has already put;
    /// `TooLarge` naming the limit when the transaction grows too large.
    pub(crate) fn add(&mut self, catalog: &Catalog, write: Write) -> Result<(), Error> {
        self.bytes += record::writes_len(std::slice::from_ref(&write));
        if self.bytes > TXN_BYTES_MAX {
            return Err(too_large("bytes", TXN_BYTES_MAX));
        }
        self.fresh.insert(write.table);
        let place = Place::of(&write);
        match self.positions.get(&place) {
            Some(&position) => self.replace(catalog, place, position, write),
            None => self.push(place, write),
        }
    }

    fn push(&mut self, place: Place, write: Write) -> Result<(), Error> {
        if self.entries.len() >= TXN_WRITES_MAX {
            return Err(too_large("writes", TXN_WRITES_MAX));
        }
        self.positions.insert(place, self.entries.len());
        let first_present = matches!(write.op, WriteOp::Mirror { present: true, .. });
        self.entries.push(Some(Entry {
            write,
            staged: false,
            known_to_owner: false,
            first_present,
        }));
        Ok(())
    }

    fn replace(
        &mut self,
        catalog: &Catalog,
        place: Place,
        position: usize,
        write: Write,
    ) -> Result<(), Error> {
        let entry = self.entries[position].as_mut().expect("positions name live entries only");
        let exists = matches!(entry.write.op, WriteOp::Put(_));
        if exists && write.expect == Expect::Absent && matches!(write.op, WriteOp::Put(_)) {
            return Err(duplicate(catalog, &write));
        }
        let cancels = match &write.op {
            WriteOp::Put(_) | WriteOp::Erase { .. } => false,
            WriteOp::Delete => entry.write.expect == Expect::Absent,
            WriteOp::Mirror { present, .. } => *present != entry.first_present,
        };
        if self.marks > 0 {
            let (place, before) = (place.clone(), entry.clone());
            self.replaced.push(Replaced { position, place, before });
        }
        if cancels && !entry.known_to_owner {
            self.entries[position] = None;
            self.positions.remove(&place);
            return Ok(());
        }
        entry.write.op = write.op;
        entry.staged = false;
        Ok(())
    }

    /// Returns the estimated bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes a point to go back to, until it is released.
    pub(crate) fn mark(&mut self) -> Mark {
        self.marks += 1;
        Mark { entries: self.entries.len(), replaced: self.replaced.len(), bytes: self.bytes }
    }

    /// Says that the newest mark will not be gone back to any more.
    pub(crate) fn release(&mut self) {
        self.marks -= 1;
        if self.marks == 0 {
            self.replaced = Vec::new();
        }
    }

    /// Forgets every write since the mark. What owners have staged is not what was written any
    /// more: the caller has them forget it, and the next [`Buffer::unstaged`] returns everything.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        for entry in self.entries.drain(mark.entries..).flatten() {
            self.positions.remove(&Place::of(&entry.write));
        }
        for replaced in self.replaced.drain(mark.replaced..).rev() {
            let Replaced { position, place, before } = replaced;
            if position < mark.entries {
                self.entries[position] = Some(before);
                self.positions.insert(place, position);
            }
        }
        for entry in self.entries.iter_mut().flatten() {
            (entry.staged, entry.known_to_owner) = (false, false);
            self.fresh.insert(entry.write.table);
        }
        self.bytes = mark.bytes;
    }

    /// Returns whether a table has writes.
    pub(crate) fn has_written(&self, table: TableId) -> bool {
        self.entries.iter().flatten().any(|entry| entry.write.table == table)
    }

    /// Returns whether a table has writes that no owner has staged yet.
    pub(crate) fn is_fresh(&self, table: TableId) -> bool {
        self.fresh.contains(&table)
    }

    /// Returns the writes no owner has staged yet, by owner, and marks them staged.
    pub(crate) fn unstaged(&mut self, catalog: &Catalog) -> BTreeMap<ShardId, Vec<Write>> {
        self.fresh.clear();
        let mut parts: BTreeMap<ShardId, Vec<Write>> = BTreeMap::new();
        for entry in self.entries.iter_mut().flatten().filter(|entry| !entry.staged) {
            let mut write = entry.write.clone();
            if entry.known_to_owner {
                // The owner checked and keeps the first condition; this one only replaces.
                write.expect = Expect::Any;
            }
            entry.staged = true;
            entry.known_to_owner = true;
            parts.entry(owner(catalog, &write)).or_default().push(write);
        }
        parts
    }

    /// Returns all writes by owner, without those that came to nothing.
    pub(crate) fn into_parts(self, catalog: &Catalog) -> BTreeMap<ShardId, Vec<Write>> {
        let mut parts: BTreeMap<ShardId, Vec<Write>> = BTreeMap::new();
        for entry in self.entries.into_iter().flatten() {
            let write = entry.write;
            let nothing = match &write.op {
                WriteOp::Put(_) | WriteOp::Erase { .. } => false,
                WriteOp::Delete => write.expect == Expect::Absent,
                WriteOp::Mirror { present, .. } => *present != entry.first_present,
            };
            if !nothing {
                parts.entry(owner(catalog, &write)).or_default().push(write);
            }
        }
        parts
    }
}

fn duplicate(catalog: &Catalog, write: &Write) -> Error {
    match catalog.tables.get(&write.table) {
        Some(table) => catalog.duplicate(table, &write.key),
        None => Error::StaleCatalog { current: catalog.version },
    }
}

fn too_large(unit: &str, limit: usize) -> Error {
    Error::TooLarge(format!("the transaction exceeds the limit of {limit} {unit}"))
}

#[cfg(test)]
#[path = "buffer_tests.rs"]
mod tests;
