//! Does the index say what the records say?

use std::collections::BTreeMap;

use super::build::Builder;
use super::index::TextIndex;
use super::postings::{Postings, Run};
use crate::ids::{RecordId, Timestamp};

/// Findings reported before the rest is only counted.
const FINDINGS_MAX: usize = 20;

/// Words of visible documents: per term, record and positions.
type Words<'a> = BTreeMap<&'a str, BTreeMap<RecordId, Vec<u32>>>;

impl TextIndex {
    /// Compares the index at a snapshot with the texts of the records visible there. Returns one
    /// sentence per difference; empty means they agree.
    ///
    /// **Cost**: builds the index again in memory, plus one map entry per word and record.
    pub fn verify<'r>(
        &self,
        records: impl Iterator<Item = (RecordId, Vec<Option<&'r str>>)>,
        snapshot: Timestamp,
    ) -> Vec<String> {
        let mut fresh = Builder::open(self.options.fields, self.options.stem);
        for (record, fields) in records {
            if fields.iter().any(Option::is_some) {
                fresh.insert(record, &fields, Timestamp(0));
            }
        }
        let mut findings = Findings::default();
        let mut expected_words = Words::new();
        for (term, postings) in fresh.sorted() {
            add_words(&mut expected_words, term, postings, &fresh, snapshot);
        }
        let mut found_words = Words::new();
        for run in &self.sealed {
            for ordinal in 0..run.term_count() {
                let (term, postings) = run.term(ordinal);
                add_words(&mut found_words, term, postings, run, snapshot);
            }
        }
        for (term, postings) in self.builder.sorted() {
            add_words(&mut found_words, term, postings, &self.builder, snapshot);
        }
        let expected = lengths(std::iter::once(&fresh as &dyn Run), snapshot);
        let found = lengths(self.runs(), snapshot);
        compare(&expected, &found, "the words per field of record", &mut findings);
        for term in expected_words.keys().chain(found_words.keys()) {
            let (expected, found) = (expected_words.get(term), found_words.get(term));
            if expected != found {
                let empty = BTreeMap::new();
                let what = format!("the positions of \"{term}\" in record");
                compare(expected.unwrap_or(&empty), found.unwrap_or(&empty), &what, &mut findings);
            }
        }
        findings.finish()
    }
}

fn add_words<'a>(
    words: &mut Words<'a>,
    term: &'a str,
    postings: Postings<'_>,
    run: &dyn Run,
    snapshot: Timestamp,
) {
    for entry in postings.entries {
        if run.documents().visible(entry.slot, snapshot) {
            let record = run.documents().record(entry.slot);
            let positions = words.entry(term).or_default().entry(record).or_default();
            positions.extend(postings.positions_of(entry));
        }
    }
}

fn lengths<'a>(
    runs: impl Iterator<Item = &'a dyn Run>,
    snapshot: Timestamp,
) -> BTreeMap<RecordId, Vec<u32>> {
    let mut found: BTreeMap<RecordId, Vec<u32>> = BTreeMap::new();
    for run in runs {
        let documents = run.documents();
        for slot in 0..documents.len() as u32 {
            if documents.visible(slot, snapshot) {
                let document = documents.get(slot);
                found.entry(document.record).or_default().extend(document.lengths);
            }
        }
    }
    found
}

fn compare(
    expected: &BTreeMap<RecordId, Vec<u32>>,
    found: &BTreeMap<RecordId, Vec<u32>>,
    what: &str,
    findings: &mut Findings,
) {
    for (record, expected) in expected {
        let actual = found.get(record);
        if actual != Some(expected) {
            findings.add(format!("{what} {record} are {actual:?}, expected {expected:?}"));
        }
    }
    for record in found.keys().filter(|record| !expected.contains_key(record)) {
        findings.add(format!("{what} {record} are indexed, but it holds none"));
    }
}

#[derive(Default)]
struct Findings {
    found: Vec<String>,
    more: usize,
}

impl Findings {
    fn add(&mut self, finding: String) {
        if self.found.contains(&finding) {
            return;
        }
        if self.found.len() < FINDINGS_MAX {
            self.found.push(finding);
        } else {
            self.more += 1;
        }
    }

    fn finish(mut self) -> Vec<String> {
        if self.more > 0 {
            self.found.push(format!("{} more differences in the text index", self.more));
        }
        self.found
    }
}
