//! Does the index hold exactly the given records?
//!
//! Compares every vector bit by bit, and checks what walks rely on: links lead to nodes that
//! exist on that level and to no node twice, and each slot is in the one place it claims.

use std::collections::HashSet;

use super::build::VectorIndex;
use super::encode::encode;
use super::entries::Place;
use crate::ids::{RecordId, Timestamp};

/// Findings reported at most: the first few say what is wrong.
const FINDINGS_MAX: usize = 100;

impl VectorIndex {
    /// Compares the entries that `snapshot` sees with `records`, in any order, each at most
    /// once, and checks the graph. Returns what is wrong, empty when nothing is.
    ///
    /// **Cost**: reads every vector and every link.
    pub fn verify<V: AsRef<[f32]>>(
        &self,
        snapshot: Timestamp,
        records: impl IntoIterator<Item = (RecordId, V)>,
    ) -> Vec<String> {
        let mut findings = Vec::new();
        let mut expected = HashSet::new();
        let mut row = Vec::new();
        for (record, vector) in records {
            expected.insert(record);
            let Some(slot) = self.entries.find(record, snapshot) else {
                findings.push(format!("record {record} has a vector but no entry"));
                continue;
            };
            encode(self.options.metric, vector.as_ref(), &mut row);
            let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
            let stored = self.vectors.row(slot);
            if stored.len() != row.len() || !stored.iter().zip(&row).all(same) {
                findings.push(format!("the entry of record {record} holds another vector"));
            }
        }
        for slot in self.entries.visible(snapshot) {
            let record = self.entries.get(slot).record;
            if !expected.contains(&record) {
                findings.push(format!("record {record} has an entry but no vector"));
            }
        }
        self.verify_places(&mut findings);
        self.verify_links(&mut findings);
        findings.truncate(FINDINGS_MAX);
        findings
    }

    fn verify_places(&self, findings: &mut Vec<String>) {
        let mut claims = [0_usize; 3];
        for slot in 0..self.entries.slot_count() as u32 {
            match self.entries.get(slot).place {
                Place::Delta => claims[0] += 1,
                Place::Stray => claims[1] += 1,
                Place::Linked => claims[2] += 1,
                Place::Free | Place::Dead => {}
            }
        }
        let found = [self.delta.len(), self.strays.len(), self.linked_count];
        if claims != found {
            findings.push(format!(
                "entries claim {claims:?} places in delta, strays and graph, which hold {found:?}"
            ));
        }
    }

    pub(super) fn verify_links(&self, findings: &mut Vec<String>) {
        let links = self.graph.links();
        let is_node = |slot| matches!(self.entries.get(slot).place, Place::Linked | Place::Dead);
        for slot in (0..self.graph.slot_count() as u32).filter(|slot| is_node(*slot)) {
            for level in 0..=links.level(slot) {
                let mut seen = HashSet::new();
                for neighbor in links.of(level, slot) {
                    let sound = (neighbor as usize) < self.graph.slot_count()
                        && neighbor != slot
                        && is_node(neighbor)
                        && links.level(neighbor) >= level;
                    if !sound || !seen.insert(neighbor) {
                        findings.push(format!(
                            "node {slot} has a wrong link to {neighbor} on level {level}"
                        ));
                    }
                }
            }
        }
        if self.linked_count > 0 && self.graph.entry().is_none() {
            findings.push("the graph has nodes but no entry".to_owned());
        }
    }
}
