//! What came of a comparison?

use std::collections::BTreeMap;

use super::compare::{Outcome, agree, is_not_offered};
use super::known::{Known, known, reason};
use super::support::compatibility::write_section;

/// Differences that are shown.
const SHOWN_MAX: usize = 40;
/// Rows of an answer that are shown.
const ROWS_MAX: usize = 6;

/// Counts of a comparison, and its differences.
#[derive(Debug)]
pub struct Report {
    what: &'static str,
    known: Vec<Known>,
    /// Comparisons, and those of them where both refused.
    compared: usize,
    refused: usize,
    /// How often a statement was not offered, by the refusal.
    not_offered: BTreeMap<String, usize>,
    /// How often a difference was known, by its reason.
    explained: BTreeMap<&'static str, usize>,
    /// Differences that are not known: by sign, how often, and the first.
    wrong: BTreeMap<String, (usize, String)>,
}

impl Report {
    /// Makes an empty report about something.
    pub fn new(what: &'static str) -> Self {
        Self {
            what,
            known: known(),
            compared: 0,
            refused: 0,
            not_offered: BTreeMap::new(),
            explained: BTreeMap::new(),
            wrong: BTreeMap::new(),
        }
    }

    /// Adds a comparison; returns whether both agree.
    pub fn add(&mut self, text: &str, given: &Outcome, expected: &Outcome, ordered: bool) -> bool {
        self.compared += 1;
        if agree(given, expected, ordered) {
            self.refused += usize::from(matches!(given, Outcome::Refused(..)));
            return true;
        }
        let told = format!("{text}\n  ours   {}\n  theirs {}", shown(given), shown(expected));
        if let Some(reason) = reason(&self.known, &told) {
            *self.explained.entry(reason).or_default() += 1;
        } else if is_not_offered(given) {
            let Outcome::Refused(_, message) = given else { return false };
            *self.not_offered.entry(general(message)).or_default() += 1;
        } else {
            let entry = self.wrong.entry(sign(given, expected)).or_insert((0, told));
            entry.0 += 1;
        }
        false
    }

    /// Adds a difference that is none of statements.
    pub fn add_wrong(&mut self, sign: &str, told: String) {
        self.wrong.entry(sign.to_owned()).or_insert((0, told)).0 += 1;
    }

    /// Prints the counts.
    ///
    /// **Panics**: there are differences that are not known, or statements that are not offered.
    pub fn finish(self) {
        eprintln!("{}: {} compared, {} refused by both", self.what, self.compared, self.refused);
        for (reason, count) in &self.explained {
            eprintln!("  known, {count} times: {reason}");
        }
        for (message, count) in &self.not_offered {
            eprintln!("  not offered, {count} times: {message}");
        }
        write_section(self.what, &self.page());
        let count: usize = self.wrong.values().map(|(count, _)| count).sum();
        let mut wrong: Vec<_> = self.wrong.into_values().collect();
        wrong.sort_by_key(|(count, told)| (std::cmp::Reverse(*count), told.len()));
        let wrong: Vec<String> = wrong
            .into_iter()
            .take(SHOWN_MAX)
            .map(|(count, told)| format!("{count} times, such as\n{told}"))
            .collect();
        assert!(wrong.is_empty(), "{count} differences\n\n{}", wrong.join("\n\n"));
    }

    /// The section of the page.
    fn page(&self) -> String {
        let told = |count: usize| count.to_string();
        let explained: usize = self.explained.values().sum();
        let not_offered: usize = self.not_offered.values().sum();
        let wrong: usize = self.wrong.values().map(|(count, _)| count).sum();
        let same = self.compared - explained - not_offered - wrong;
        let mut page = "| answers | count |\n| --- | --- |\n".to_owned();
        for (what, count) in [
            ("compared", self.compared),
            ("the same, refused by both included", same),
            ("refused by both", self.refused),
            ("known differences, listed below", explained),
            ("not offered, listed below", not_offered),
            ("differences without an explanation", wrong),
        ] {
            page.push_str(&format!("| {what} | {} |\n", told(count)));
        }
        page.push_str("\n| times | difference |\n| --- | --- |\n");
        for (reason, count) in &self.explained {
            page.push_str(&format!("| {count} | {reason} |\n"));
        }
        for (message, count) in &self.not_offered {
            page.push_str(&format!("| {count} | {} |\n", message.trim().replace('|', "\\|")));
        }
        page
    }
}

/// A refusal without what is the statement's own.
fn general(message: &str) -> String {
    let end = message.find("(").unwrap_or(message.len());
    let mut out = String::new();
    for (at, part) in message[..end].split('"').enumerate() {
        out.push_str(if at % 2 == 0 { part } else { "…" });
    }
    out
}

fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused(code, message) => format!("{code} {message}"),
        Outcome::Rows(rows, changed) => {
            let changed = changed.map_or(String::new(), |count| format!(", {count} changed"));
            let few: Vec<_> = rows.iter().take(ROWS_MAX).collect();
            format!("{} rows{changed} {few:?}", rows.len())
        }
    }
}

/// Differences with the same sign are counted together.
fn sign(given: &Outcome, expected: &Outcome) -> String {
    match (given, expected) {
        (Outcome::Refused(code, message), _) => {
            let words = message.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
            format!("{code} {}", words.replace(|letter: char| letter.is_ascii_digit(), ""))
        }
        (_, Outcome::Refused(code, message)) => format!("only theirs {code} {message}"),
        (Outcome::Rows(rows, _), _) => format!("rows {}", rows.len() % 7),
    }
}
