//! What has a transaction written that is not committed yet?
//!
//! A later write to a record replaces the earlier one, but keeps what the earlier one expected of
//! the committed record: that is what the owner has to check in the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::install::Store;
use crate::error::Error;
use crate::ids::{TableId, Timestamp, TxnId};
use crate::request::{Expect, Write, WriteOp};
use crate::tree::Reach;

/// One transaction's staged writes.
#[derive(Default)]
pub(super) struct Staged {
    pub tables: BTreeMap<TableId, StagedTable>,
}

/// Bytes of an edge's key and of its target's.
pub(super) type MirrorKey = (Arc<[u8]>, Arc<[u8]>);

/// One transaction's staged writes to one table.
#[derive(Default)]
pub(super) struct StagedTable {
    /// Puts and deletes by key bytes.
    pub records: BTreeMap<Arc<[u8]>, Write>,
    /// Mirrors, at most one per edge and target.
    pub mirrors: BTreeMap<MirrorKey, Write>,
}

impl Store {
    /// Adds writes to a transaction's own, uncommitted ones. Reads whose view names the
    /// transaction see them.
    ///
    /// **Errors**: as [`Store::check`], and `DuplicateKey` when the transaction itself has put a
    /// record where an insert expects none; `NotLoaded`. Nothing is staged then.
    pub(crate) fn stage(
        &mut self,
        reach: Reach<'_>,
        txn: TxnId,
        writes: &[Write],
        snapshot: Timestamp,
    ) -> Result<(), Error> {
        let before = self.before(reach, writes)?;
        for (position, write) in writes.iter().enumerate() {
            // Within one call, too, a later write may build on an earlier one.
            let earlier = writes[..position].iter().rev().find(|w| is_same_record(w, write));
            match earlier.or_else(|| self.staged_write(txn, write)) {
                Some(earlier) => {
                    let is_put = matches!(earlier.op, WriteOp::Put(_));
                    if is_put && write.expect == Expect::Absent {
                        return Err(self
                            .catalog
                            .duplicate(&self.table(write.table)?.table, &write.key));
                    }
                }
                None => self.check(write, before[position].as_ref(), snapshot)?,
            }
        }
        let staged = self.staged.entry(txn).or_default();
        for write in writes {
            staged.add(write.clone());
        }
        Ok(())
    }

    /// Takes out what a transaction staged, one write per record; nothing when it staged nothing.
    pub fn unstage(&mut self, txn: TxnId) -> Vec<Write> {
        let Some(staged) = self.staged.remove(&txn) else { return Vec::new() };
        staged
            .tables
            .into_values()
            .flat_map(|table| table.records.into_values().chain(table.mirrors.into_values()))
            .collect()
    }

    /// Returns what a transaction staged in a table.
    pub(super) fn staged_in(&self, txn: Option<TxnId>, table: TableId) -> Option<&StagedTable> {
        self.staged.get(&txn?)?.tables.get(&table)
    }

    fn staged_write(&self, txn: TxnId, write: &Write) -> Option<&Write> {
        if matches!(write.op, WriteOp::Mirror { .. } | WriteOp::Erase { .. }) {
            return None;
        }
        self.staged_in(Some(txn), write.table)?.records.get(write.key.bytes())
    }
}

impl Staged {
    fn add(&mut self, mut write: Write) {
        let table = self.tables.entry(write.table).or_default();
        let key = write.key.shared_bytes().clone();
        if let WriteOp::Mirror { target, .. } = &write.op {
            table.mirrors.insert((key, target.shared_bytes().clone()), write);
            return;
        }
        if let Some(earlier) = table.records.get(&key) {
            write.expect = earlier.expect;
        }
        table.records.insert(key, write);
    }
}

fn is_same_record(a: &Write, b: &Write) -> bool {
    let is_mirror = |write: &Write| matches!(write.op, WriteOp::Mirror { .. });
    a.table == b.table && a.key == b.key && !is_mirror(a) && !is_mirror(b)
}
