//! How does a committed write change the store?
//!
//! Commit and replay both come here, with what was before, which was looked up in advance: the
//! change itself never waits. A write that was applied before changes nothing, so a log may be
//! replayed over what it has built already.

use std::sync::Arc;

use super::indexes::RowChange;
use super::install::Store;
use super::table::TableStore;
use crate::error::Error;
use crate::ids::{TableId, Timestamp};
use crate::key::Key;
use crate::request::{Write, WriteOp};
use crate::row::RowView;
use crate::tree::{Erasure, Reach};

/// The newest version of a record, before a write to it.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    /// When it was written or deleted.
    pub begin: Timestamp,
    /// Its row; `None` = it was deleted.
    pub row: Option<Arc<[u8]>>,
}

impl Store {
    /// Returns the newest version of each record that is written to; nothing for mirrors and for
    /// tables that are gone.
    ///
    /// **Errors**: `NotLoaded`, after the groups of all of them were asked for.
    pub(crate) fn before(
        &self,
        reach: Reach<'_>,
        writes: &[Write],
    ) -> Result<Vec<Option<Before>>, Error> {
        let mut lacks = false;
        let mut found = Vec::with_capacity(writes.len());
        for write in writes {
            match self.newest(reach, write.table, &write.key, &write.op) {
                Err(Error::NotLoaded) => lacks = true,
                before => found.push(before?),
            }
        }
        if lacks { Err(Error::NotLoaded) } else { Ok(found) }
    }

    fn newest(
        &self,
        reach: Reach<'_>,
        table: TableId,
        key: &Key,
        op: &WriteOp,
    ) -> Result<Option<Before>, Error> {
        let Some(table) = self.tables.get(&table) else { return Ok(None) };
        if matches!(op, WriteOp::Mirror { .. } | WriteOp::Erase { .. }) {
            return Ok(None);
        }
        let found = table.records.get(reach, key.bytes(), Timestamp::MAX)?;
        Ok(found.map(|found| Before {
            begin: found.begin,
            row: found.row.map(|row| row.bytes(&table.layout)),
        }))
    }

    /// Applies one write at its commit timestamp: the record's new version and every index.
    /// Writes to dropped tables are ignored: a log may hold them.
    ///
    /// **Panics**: when the row is not one of this table's layout; [`Store::check`] has refused
    /// such a write, and a log's checksums guard a replayed one.
    pub(crate) fn apply(&mut self, write: &Write, before: Option<Before>, commit: Timestamp) {
        let serves = self.serves;
        let Some(table) = self.tables.get_mut(&write.table) else { return };
        if let WriteOp::Erase { to, count } = &write.op {
            let (from, to) = (write.key.bytes().to_vec(), to.as_deref().map(<[u8]>::to_vec));
            table.erase(Erasure { from, to, begin: commit }, *count, serves);
            return;
        }
        // A write before this one in the same commit is newer than what was looked up.
        let before = match table.records.hot(write.key.bytes()) {
            Some((begin, row)) => Some(Before { begin, row }),
            None => before,
        };
        match &write.op {
            WriteOp::Put(row) => table.put(&write.key, row, before, commit, serves),
            WriteOp::Delete => table.delete(&write.key, before, commit, serves),
            WriteOp::Erase { .. } => {}
            WriteOp::Mirror { source, target, present } => {
                let mirror = Mirror { edge: &write.key, source, target, present: *present };
                table.indexes.mirror(mirror, commit);
            }
        }
    }
}

/// The in-side of an edge, kept by the owner of its target.
pub(super) struct Mirror<'a> {
    pub edge: &'a Key,
    pub source: &'a Key,
    pub target: &'a Key,
    pub present: bool,
}

impl TableStore {
    fn put(
        &mut self,
        key: &Key,
        row: &Arc<[u8]>,
        before: Option<Before>,
        commit: Timestamp,
        serves: bool,
    ) {
        let begin = before.as_ref().map(|before| before.begin);
        if begin.is_some_and(|begin| begin > commit) || self.records.is_erased(key.bytes(), commit)
        {
            return;
        }
        let old = before.and_then(|before| Some((before.begin, before.row?)));
        if begin == Some(commit) && old.as_ref().is_some_and(|(_, old)| old == row) {
            return;
        }
        self.reindex(key, old.as_ref().map(|(_, old)| &**old), Some(row), commit);
        if old.is_none() {
            self.live += 1;
        }
        self.records.put(key.bytes(), commit, row.clone());
        if serves {
            self.recent.note(commit, key.shared_bytes().clone(), old, Some(row.clone()));
        }
    }

    fn delete(&mut self, key: &Key, before: Option<Before>, commit: Timestamp, serves: bool) {
        let Some(Before { begin, row: Some(old) }) = before else { return };
        if begin > commit {
            return;
        }
        self.reindex(key, Some(&old), None, commit);
        self.live -= 1;
        self.records.delete(key.bytes(), commit);
        if serves {
            self.recent.note(commit, key.shared_bytes().clone(), Some((begin, old)), None);
        }
    }

    /// There are no indexes: [`Store::check`] has seen to that.
    fn erase(&mut self, erasure: Erasure, count: u64, serves: bool) {
        if !self.records.erase(erasure.clone()) {
            return;
        }
        self.live = self.live.saturating_sub(count);
        if serves {
            self.recent.note_erasure(erasure);
        }
    }

    fn reindex(&mut self, key: &Key, old: Option<&[u8]>, new: Option<&[u8]>, at: Timestamp) {
        let changed = self.try_reindex(key, old, new, at);
        if let Err(error) = changed {
            panic!("a checked row of table \"{}\" cannot be indexed: {error}", self.table.name);
        }
    }

    fn try_reindex(
        &mut self,
        key: &Key,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
        at: Timestamp,
    ) -> Result<(), Error> {
        if self.indexes.is_empty() {
            return Ok(());
        }
        let id = self.indexes.numbers().then(|| self.names.intern(key.shared_bytes()));
        let open = |row| RowView::new(row, &self.layout);
        let (old, new) = (old.map(open).transpose()?, new.map(open).transpose()?);
        let change = RowChange { id: id.unwrap_or_default(), key, old, new, at };
        self.indexes.change(&self.layout, change, None)?;
        if let (Some(id), None) = (id, new) {
            self.names.end(id, at);
        }
        Ok(())
    }
}
