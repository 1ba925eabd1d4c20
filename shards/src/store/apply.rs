//! How does a committed write change the store?
//!
//! Commit and replay both come here. A write that was applied before changes nothing, so a log
//! may be replayed over what it has built already.

use std::sync::Arc;

use super::indexes::RowChange;
use super::install::Store;
use super::record::Version;
use super::table::TableStore;
use crate::ids::{RecordId, Timestamp};
use crate::key::{Key, MapKey};
use crate::request::{Write, WriteOp};
use crate::row::RowView;

impl Store {
    /// Applies one write at its commit timestamp: the record's new version and every index.
    /// Writes to dropped tables are ignored: a log may hold them.
    ///
    /// **Panics**: when the row is not one of this table's layout; [`Store::check`] has refused
    /// such a write, and a log's checksums guard a replayed one.
    pub fn apply(&mut self, write: &Write, commit: Timestamp) {
        let Some(table) = self.tables.get_mut(&write.table) else { return };
        let changed = match &write.op {
            WriteOp::Put(row) => table.put(&write.key, row, commit),
            WriteOp::Delete => table.delete(&write.key, commit),
            WriteOp::Mirror { source, target, present } => {
                let mirror = Mirror { edge: &write.key, source, target, present: *present };
                table.mirror(mirror, commit);
                None
            }
        };
        if let Some(id) = changed.filter(|_| self.serves) {
            table.recent.note(commit, id);
        }
    }
}

/// The in-side of an edge, kept by the owner of its target.
struct Mirror<'a> {
    edge: &'a Key,
    source: &'a Key,
    target: &'a Key,
    present: bool,
}

impl TableStore {
    fn mirror(&mut self, mirror: Mirror<'_>, commit: Timestamp) {
        let Some(edges) = &mut self.indexes.edges else { return };
        let Mirror { edge, source, target, present } = mirror;
        // Ended first even when it is to be there: a mirror replayed twice stays one.
        edges.adjacency.remove_in(target, source, edge, commit);
        if present {
            edges.adjacency.insert_in(target, source, edge, commit);
        }
    }

    /// Returns the record, unless it had changed already.
    fn put(&mut self, key: &Key, row: &Arc<[u8]>, commit: Timestamp) -> Option<RecordId> {
        let id = self.place(key);
        let record = self.records.get(id);
        if record.newest.is_some() && commit < record.changed() {
            return None;
        }
        let old = record.current().cloned();
        if old.as_ref().is_some_and(|old| old.begin == commit && old.row == *row) {
            return None;
        }
        self.reindex(id, old.as_ref().map(|old| &*old.row), Some(row), commit);
        self.row_bytes += row.len();
        let record = self.records.get_mut(id);
        match old {
            Some(old) => {
                if let Some(newest) = &mut record.newest {
                    newest.end = commit;
                }
                if old.begin == commit {
                    // Replaced within one transaction: nobody can see it.
                    self.row_bytes -= old.row.len();
                    record.newest = record.older.as_mut().and_then(|older| older.pop());
                } else {
                    self.ended.push_back((commit, id));
                }
            }
            None => self.live += 1,
        }
        record.push(Version { begin: commit, end: Timestamp::MAX, row: row.clone() });
        Some(id)
    }

    /// Returns the record, unless there was none.
    fn delete(&mut self, key: &Key, commit: Timestamp) -> Option<RecordId> {
        let (id, record) = self.find(key.bytes())?;
        let old = record.current().cloned()?;
        if commit < old.begin {
            return None;
        }
        self.reindex(id, Some(&old.row), None, commit);
        if let Some(newest) = &mut self.records.get_mut(id).newest {
            newest.end = commit;
        }
        self.live -= 1;
        self.ended.push_back((commit, id));
        Some(id)
    }

    /// Returns the record's place, made if there is none.
    fn place(&mut self, key: &Key) -> RecordId {
        if let Some(id) = self.by_key.get(key.bytes()) {
            return *id;
        }
        let id = self.records.add(key.clone());
        self.by_key.insert(key.shared_bytes().clone(), id);
        self.order.insert(MapKey::from_slice(key.bytes()), id);
        self.row_bytes += key.bytes().len();
        id
    }

    fn reindex(&mut self, id: RecordId, old: Option<&[u8]>, new: Option<&[u8]>, at: Timestamp) {
        let open = |row| RowView::new(row, &self.layout);
        let key = &self.records.get(id).key;
        let changed = old.map(open).transpose().and_then(|old| {
            let new = new.map(open).transpose()?;
            self.indexes.change(&self.layout, RowChange { id, key, old, new, at }, None)
        });
        if let Err(error) = changed {
            panic!("a checked row of table \"{}\" cannot be indexed: {error}", self.table.name);
        }
    }
}
