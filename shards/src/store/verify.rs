//! Does every index equal its records?

use super::indexes::{Indexes, texts_of};
use super::install::Store;
use super::table::TableStore;
use crate::catalog::IndexKind;
use crate::error::Error;
use crate::ids::{IndexId, RecordId, TableId, Timestamp};
use crate::request::Direction;
use crate::row::RowView;

/// The snapshot that sees exactly what is current.
const LATEST: Timestamp = Timestamp(u64::MAX - 1);

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
        self.verify_ordered(watermark, findings)?;
        self.verify_vector(findings)?;
        self.verify_text(findings)?;
        self.verify_edges(findings)
    }

    fn verify_ordered(
        &self,
        watermark: Timestamp,
        findings: &mut Vec<String>,
    ) -> Result<(), Error> {
        let mut rebuilt = Indexes::default();
        for index in &self.table.indexes {
            if matches!(index.kind, IndexKind::Ordered { .. }) {
                rebuilt.add(index, &self.table);
            }
        }
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

    fn verify_vector(&self, findings: &mut Vec<String>) -> Result<(), Error> {
        for (id, vector) in &self.indexes.vector {
            let mut expected = Vec::new();
            for (record, row) in self.current()? {
                let mut elements = Vec::new();
                if row.vector_into(&self.layout, vector.column, &mut elements)? {
                    expected.push((record, elements));
                }
            }
            self.report(*id, vector.index.verify(LATEST, expected), findings);
        }
        Ok(())
    }

    fn verify_text(&self, findings: &mut Vec<String>) -> Result<(), Error> {
        for (id, text) in &self.indexes.text {
            let mut expected = Vec::new();
            for (record, row) in self.current()? {
                expected.push((record, texts_of(&text.fields, &row, &self.layout)?));
            }
            let records = expected.iter().map(|(record, texts)| {
                (*record, texts.iter().map(Option::as_deref).collect::<Vec<_>>())
            });
            self.report(*id, text.index.verify(records, LATEST), findings);
        }
        Ok(())
    }

    /// Edges are compared on the side of their sources: those on the other side belong to
    /// records of other shards.
    fn verify_edges(&self, findings: &mut Vec<String>) -> Result<(), Error> {
        let Some(edges) = &self.indexes.edges else { return Ok(()) };
        let mut expected = Vec::new();
        for (record, row) in self.current()? {
            let (source, target) = edges.ends(&row, &self.layout)?;
            expected.push((source, target, self.records.get(record).key.clone()));
        }
        let found = edges.adjacency.verify(Direction::Out, expected.into_iter(), LATEST);
        let name = &self.table.name;
        findings.extend(found.into_iter().map(|finding| format!("edges \"{name}\": {finding}")));
        Ok(())
    }

    /// Returns the current rows.
    fn current(&self) -> Result<Vec<(RecordId, RowView<'_>)>, Error> {
        self.records
            .from(0)
            .filter_map(|(id, record)| Some((id, record.current()?)))
            .map(|(id, version)| Ok((id, self.view(&version.row)?)))
            .collect()
    }

    fn report(&self, index: IndexId, found: Vec<String>, findings: &mut Vec<String>) {
        let name = self.table.index(index).map_or("", |index| index.name.as_str());
        findings.extend(found.into_iter().map(|finding| format!("index \"{name}\": {finding}")));
    }
}
