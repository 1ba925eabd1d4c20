//! Does every index equal its records?

use super::indexes::Indexes;
use super::install::Store;
use super::table::TableStore;
use crate::error::Error;
use crate::ids::{TableId, Timestamp};

impl Store {
    /// Rebuilds every index of one table, or of all, from the records and compares. Returns a
    /// line per difference, none when all is well.
    ///
    /// **Cost**: builds every index once more.
    pub fn verify(&self, table: Option<TableId>) -> Vec<String> {
        let mut findings = Vec::new();
        for (id, store) in &self.tables {
            if table.is_none_or(|table| table == *id)
                && let Err(error) = store.verify(self.watermark, &mut findings)
            {
                findings.push(format!("table \"{}\": {error}", store.table.name));
            }
        }
        findings
    }
}

impl TableStore {
    fn verify(&self, watermark: Timestamp, findings: &mut Vec<String>) -> Result<(), Error> {
        let name = &self.table.name;
        let mut live = 0;
        for (id, record) in self.records.from(0).filter(|(_, record)| record.newest.is_some()) {
            live += u64::from(record.current().is_some());
            let key = record.key.bytes();
            if self.by_key.get(key) != Some(&id) || self.order.get(key) != Some(&id) {
                let shown = record.key.display(&self.table);
                findings.push(format!("table \"{name}\": key {shown} leads elsewhere"));
            }
        }
        if live != self.live {
            let counted = self.live;
            findings.push(format!("table \"{name}\": {live} records, counted as {counted}"));
        }
        if self.by_key.len() != self.order.len() {
            findings.push(format!("table \"{name}\": key map and key order differ in size"));
        }
        let mut rebuilt = Indexes::open(&self.table);
        for (id, record) in self.records.from(0) {
            rebuilt.replay(&self.layout, id, record, None)?;
        }
        for index in &self.table.indexes {
            if let (Some(held), Some(expected)) =
                (self.indexes.ordered.get(&index.id), rebuilt.ordered.get(&index.id))
            {
                findings.extend(held.verify(expected, watermark, &index.name));
            }
        }
        Ok(())
    }
}
