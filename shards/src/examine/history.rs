//! Is the file that knows the past what was written?

use pieskieo_io::file::Dir;
use pieskieo_io::manifest::{self, ManifestIdentity};

use super::check::{reading_of, storage};
use crate::actor::history::STREAM;
use crate::error::Error;
use crate::txn::{Timeline, TimelineEdit};

/// What was found of the past.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryCheck {
    /// A line that says from which commit on the past can be read.
    pub facts: Vec<String>,
    /// What is not as it was written, with what to do.
    pub faults: Vec<String>,
}

/// Reads the folder `history` of a data directory.
///
/// **Errors**: `Storage` when it cannot be read at all.
pub async fn check_history(dir: &Dir, database: [u8; 16]) -> Result<HistoryCheck, Error> {
    let mut found = HistoryCheck::default();
    let Some(newest) = manifest::newest(dir).await.map_err(storage)? else { return Ok(found) };
    let identity = ManifestIdentity { database, stream: STREAM };
    if let Some(reading) = reading_of(dir, &newest, identity, &mut found.faults).await? {
        let mut timeline = Timeline::default();
        let content = &reading.content;
        let mut edits = std::iter::once(&content.snapshot).chain(&content.edits);
        let taken = edits.try_for_each(|edit| {
            timeline.take(&TimelineEdit::decode(edit)?);
            Ok::<_, Error>(())
        });
        match (taken, timeline.first()) {
            (Err(error), _) => found.faults.push(format!("manifest \"{}\": {error}", reading.file)),
            (Ok(()), None) => {}
            (Ok(()), Some(first)) => {
                let from = first.commit;
                found.facts.push(format!("the past can be read from commit {from} on"));
            }
        }
    }
    for fault in &mut found.faults {
        *fault = format!("history: {fault}; {REMEDY}");
    }
    Ok(found)
}

/// What to do about a file of moments that is damaged: only the past depends on it.
pub(crate) const REMEDY: &str =
    "start once with --set retention=0 to forget the past; no record depends on this file";
