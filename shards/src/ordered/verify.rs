//! Does the index equal its records?

use super::build::{OrderedIndex, Spans};
use crate::ids::Timestamp;

impl OrderedIndex {
    /// Compares the index with one rebuilt from the records, as far as a snapshot at or above the
    /// watermark can tell; returns at most a few findings.
    pub fn verify(&self, rebuilt: &Self, watermark: Timestamp, name: &str) -> Vec<String> {
        const FINDINGS_MAX: usize = 10;
        let mut findings = Vec::new();
        for (entry, spans) in &self.entries {
            let spans = from(spans, watermark);
            let expected = rebuilt.entries.get(entry).map(|spans| from(spans, watermark));
            match expected {
                None if spans.is_empty() => {}
                None => findings.push(format!("index \"{name}\": entry {entry:02x?} is surplus")),
                Some(expected) if expected != spans => findings.push(format!(
                    "index \"{name}\": entry {entry:02x?} has spans {spans:?}, not {expected:?}"
                )),
                Some(_) => {}
            }
            if findings.len() >= FINDINGS_MAX {
                return findings;
            }
        }
        for (entry, spans) in &rebuilt.entries {
            let is_seen = !from(spans, watermark).is_empty();
            if is_seen && !self.entries.contains_key(entry) {
                findings.push(format!("index \"{name}\": entry {entry:02x?} is missing"));
            }
            if findings.len() >= FINDINGS_MAX {
                break;
            }
        }
        findings
    }
}

/// Cuts off what lies below the watermark: the index may reach further back than the records.
fn from(spans: &Spans, watermark: Timestamp) -> Spans {
    spans
        .iter()
        .filter(|span| span.1 > watermark)
        .map(|span| (span.0.max(watermark), span.1))
        .collect()
}
