//! May a write be committed?

use super::apply::Before;
use super::install::Store;
use super::table::TableStore;
use crate::catalog::Catalog;
use crate::error::Error;
use crate::ids::Timestamp;
use crate::request::{Expect, Write, WriteOp};

impl Store {
    /// Compares what a write expects with the newest version of its record. Records locked by
    /// prepared transactions are the caller's concern.
    ///
    /// **Errors**: `DuplicateKey` when a record that the snapshot shows is in the way of an
    /// insert; `Conflict` when the record changed after the snapshot, or is not the version the
    /// write expects; `StaleCatalog` when the table is gone; `Internal` for a row that is not of
    /// the table's layout.
    pub(crate) fn check(
        &self,
        write: &Write,
        before: Option<&Before>,
        snapshot: Timestamp,
    ) -> Result<(), Error> {
        let table = self.table(write.table)?;
        if let WriteOp::Put(row) = &write.op {
            table
                .view(row)
                .and_then(|view| view.check(&table.layout))
                .map_err(|error| Error::Internal(format!("check write: {error}")))?;
        }
        match &write.op {
            WriteOp::Mirror { .. } => return Ok(()),
            WriteOp::Erase { to, .. } => {
                if !table.indexes.is_empty() {
                    // It has got one since: its entries go one by one.
                    return Err(Error::StaleCatalog { current: self.catalog.version });
                }
                return table.check_erase(write.key.bytes(), to.as_deref(), snapshot);
            }
            WriteOp::Put(_) | WriteOp::Delete => {}
        }
        match write.expect {
            Expect::Any => Ok(()),
            Expect::Absent => table.check_absent(&self.catalog, write, before, snapshot),
            Expect::Version(expected) => table.check_version(before, expected),
        }
    }
}

impl TableStore {
    fn check_absent(
        &self,
        catalog: &Catalog,
        write: &Write,
        before: Option<&Before>,
        snapshot: Timestamp,
    ) -> Result<(), Error> {
        match before {
            Some(before) if before.begin > snapshot => Err(self.conflict(Some(before.begin))),
            Some(before) if before.row.is_some() => Err(catalog.duplicate(&self.table, &write.key)),
            _ => Ok(()),
        }
    }

    /// What changed in the range after the snapshot was not counted among what goes.
    fn check_erase(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        snapshot: Timestamp,
    ) -> Result<(), Error> {
        match self.recent.changed_between(from, to, snapshot) {
            Some(winner) => Err(self.conflict(Some(winner))),
            None => Ok(()),
        }
    }

    fn check_version(&self, before: Option<&Before>, expected: Timestamp) -> Result<(), Error> {
        match before {
            Some(before) if before.row.is_some() && before.begin == expected => Ok(()),
            before => Err(self.conflict(before.map(|before| before.begin))),
        }
    }

    fn conflict(&self, winner: Option<Timestamp>) -> Error {
        Error::Conflict { table: self.table.name.clone(), winner }
    }
}
