//! What is told in the end?

use std::fmt;
use std::time::Duration;

use super::journal::{Journal, Outcome};

/// What a run of kills showed.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Decides moments and content.
    pub seed: u64,
    /// Kills of a loaded server.
    pub kills: u32,
    /// Kills of a server that was still starting.
    pub early_kills: u32,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Writes that were refused.
    pub refused: u64,
    /// Writes without an answer that were there afterwards.
    pub unknown_present: u64,
    /// Writes without an answer that were not.
    pub unknown_absent: u64,
    /// Times from a start to readiness.
    pub starts: Vec<Duration>,
    /// Broken promises.
    pub violations: Vec<String>,
    /// Why the run ended early, if it did.
    pub failure: Option<String>,
}

impl Report {
    /// Returns whether every kill was made and every promise kept.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.failure.is_none()
    }

    /// Counts the answers of one life.
    pub(super) fn count(&mut self, journal: &Journal) {
        for (_, outcome) in journal.attempts.borrow().iter() {
            match outcome {
                Outcome::Acknowledged => self.acknowledged += 1,
                Outcome::Refused => self.refused += 1,
                Outcome::Unknown => {}
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        writeln!(f, "kills {} under load, {} while starting", self.kills, self.early_kills)?;
        writeln!(f, "writes acknowledged {}, refused {}", self.acknowledged, self.refused)?;
        let (present, absent) = (self.unknown_present, self.unknown_absent);
        writeln!(f, "writes without an answer: {present} were there, {absent} were not")?;
        let mut starts = self.starts.clone();
        starts.sort_unstable();
        if let (Some(median), Some(longest)) = (starts.get(starts.len() / 2), starts.last()) {
            writeln!(f, "ready after {median:?} (median), {longest:?} (longest)")?;
        }
        if let Some(failure) = &self.failure {
            writeln!(f, "ended early: {failure}")?;
        }
        for violation in &self.violations {
            writeln!(f, "VIOLATION {violation}")?;
        }
        match self.is_clean() {
            true => writeln!(f, "every acknowledged write was there, nothing was half done"),
            false => writeln!(f, "{} violations", self.violations.len()),
        }
    }
}
