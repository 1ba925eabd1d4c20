//! Does every index equal its records?
//!
//! The rows and entries that a snapshot shows are read in steps (`actor/verify.rs`); here they
//! are compared.

use std::collections::{BTreeMap, BTreeSet};

use super::build::Row;
use super::indexes::texts_of;
use super::install::Store;
use super::table::TableStore;
use crate::error::Error;
use crate::ids::{IndexId, TableId, Timestamp};
use crate::key::Key;
use crate::ordered::{differences, entry_of};
use crate::request::Direction;

/// What a snapshot shows of one table.
#[derive(Default)]
pub(crate) struct Shown {
    /// The records, by key.
    pub rows: Vec<Row>,
    /// The entries of each ordered index, in order.
    pub entries: BTreeMap<IndexId, Vec<Vec<u8>>>,
    /// Of an edge table, the entries of its mirrors.
    pub mirrors: Vec<Vec<u8>>,
    /// The other indexes there were.
    pub others: BTreeSet<IndexId>,
}

impl Store {
    /// Returns the tables.
    pub(crate) fn to_be_verified(&self) -> Vec<TableId> {
        self.tables.keys().copied().collect()
    }

    /// Returns what there is to be read of a table, nothing read yet; `None` when it is gone.
    pub(crate) fn to_be_shown(&self, table: TableId) -> Option<Shown> {
        let indexes = &self.tables.get(&table)?.indexes;
        let entries = indexes.ordered.keys().map(|index| (*index, Vec::new())).collect();
        let others = indexes.vector.keys().chain(indexes.text.keys()).copied().collect();
        Some(Shown { entries, others, ..Shown::default() })
    }

    /// Compares what a snapshot shows of a table with the indexes that stay in memory and with
    /// the entries read. Indexes that are newer are left out. Returns a line per difference, none
    /// when all is well.
    pub(crate) fn verify(&self, table: TableId, shown: &Shown, snapshot: Timestamp) -> Vec<String> {
        let Some(store) = self.tables.get(&table) else { return Vec::new() };
        let mut findings = Vec::new();
        if let Err(error) = store.verify(shown, snapshot, &mut findings) {
            findings.push(format!("table \"{}\": {error}", store.table.name));
        }
        findings
    }
}

impl TableStore {
    fn verify(
        &self,
        shown: &Shown,
        snapshot: Timestamp,
        findings: &mut Vec<String>,
    ) -> Result<(), Error> {
        let found = shown.rows.len() as u64;
        let is_still = self.recent.since(snapshot).next().is_none()
            && self.recent.erased_since(snapshot).is_none();
        if found != self.live && is_still {
            let (name, counted) = (&self.table.name, self.live);
            findings.push(format!("table \"{name}\": {found} records, counted as {counted}"));
        }
        self.verify_ordered(shown, findings)?;
        self.verify_vector(shown, snapshot, findings)?;
        self.verify_text(shown, snapshot, findings)?;
        self.verify_edges(shown, snapshot, findings)
    }

    fn verify_ordered(&self, shown: &Shown, findings: &mut Vec<String>) -> Result<(), Error> {
        for (id, held) in &shown.entries {
            let Some(index) = self.indexes.ordered.get(id) else { continue };
            let mut expected = Vec::with_capacity(shown.rows.len());
            for row in &shown.rows {
                let order = index.order_of(&self.view(&row.row)?, &self.layout)?;
                expected.push(entry_of(&order, &row.key));
            }
            expected.sort_unstable();
            self.report(*id, differences(held, &expected), findings);
        }
        Ok(())
    }

    fn verify_vector(
        &self,
        shown: &Shown,
        snapshot: Timestamp,
        findings: &mut Vec<String>,
    ) -> Result<(), Error> {
        for (id, vector) in self.indexes.vector.iter().filter(|(id, _)| shown.others.contains(id)) {
            let mut expected = Vec::new();
            for row in &shown.rows {
                let mut elements = Vec::new();
                let view = self.view(&row.row)?;
                if view.vector_into(&self.layout, vector.column, &mut elements)? {
                    match self.names.find(&row.key) {
                        Some(record) => expected.push((record, elements)),
                        None => self.report(*id, vec!["a vector has no number".into()], findings),
                    }
                }
            }
            self.report(*id, vector.index.verify(snapshot, expected), findings);
        }
        Ok(())
    }

    fn verify_text(
        &self,
        shown: &Shown,
        snapshot: Timestamp,
        findings: &mut Vec<String>,
    ) -> Result<(), Error> {
        for (id, text) in self.indexes.text.iter().filter(|(id, _)| shown.others.contains(id)) {
            let mut expected = Vec::new();
            for row in &shown.rows {
                let texts = texts_of(&text.fields, &self.view(&row.row)?, &self.layout)?;
                if let Some(record) = self.names.find(&row.key) {
                    expected.push((record, texts));
                } else if texts.iter().any(Option::is_some) {
                    self.report(*id, vec!["a record has no number".into()], findings);
                }
            }
            let records = expected.iter().map(|(record, texts)| {
                (*record, texts.iter().map(Option::as_deref).collect::<Vec<_>>())
            });
            self.report(*id, text.index.verify(records, snapshot), findings);
        }
        Ok(())
    }

    /// Edges are compared with records on the side of their sources; on the other side, where the
    /// records are on other shards, with the mirrors.
    fn verify_edges(
        &self,
        shown: &Shown,
        snapshot: Timestamp,
        findings: &mut Vec<String>,
    ) -> Result<(), Error> {
        let Some(edges) = &self.indexes.edges else { return Ok(()) };
        let types = self.table.key_types();
        let mut expected = Vec::new();
        for row in &shown.rows {
            let (source, target) = edges.ends(&self.view(&row.row)?, &self.layout)?;
            let edge = Key::from_bytes(&row.key, &types, self.table.routing)?;
            expected.push((source, target, edge));
        }
        let mut mirrored = Vec::new();
        for entry in &shown.mirrors {
            mirrored.push(edges.mirrored(entry, (&types, self.table.routing), &self.layout)?);
        }
        let mut found = edges.adjacency.verify(Direction::Out, expected.into_iter(), snapshot);
        found.extend(edges.adjacency.verify(Direction::In, mirrored.into_iter(), snapshot));
        let name = &self.table.name;
        findings.extend(found.into_iter().map(|finding| format!("edges \"{name}\": {finding}")));
        Ok(())
    }

    fn report(&self, index: IndexId, found: Vec<String>, findings: &mut Vec<String>) {
        let name = self.table.index(index).map_or("", |index| index.name.as_str());
        findings.extend(found.into_iter().map(|finding| format!("index \"{name}\": {finding}")));
    }
}
