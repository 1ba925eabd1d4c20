//! What are the files of a stream called?
//!
//! A name is the stream and a slot; which part of the log a slot holds is in its header, so that
//! a recycled file keeps its name and rotation touches no directory.

use super::position::StreamId;

/// File that remembers the calibrated sync method of a directory.
pub(super) const SYNC_FILE: &str = "wal-sync";

const SUFFIX: &str = ".wal";
const UNFINISHED: &str = ".wal.new";
const DROPPED: &str = ".wal.dropped";

/// Returns the name of a file of the log.
pub(super) fn file(stream: StreamId, slot: u32) -> String {
    format!("{:05}-{slot:06}{SUFFIX}", stream.0)
}

/// Returns the name a file has until it is filled with zeros.
pub(super) fn unfinished(stream: StreamId, slot: u32) -> String {
    format!("{:05}-{slot:06}{UNFINISHED}", stream.0)
}

/// Returns the name of the file a stream's calibration writes to and removes.
pub(super) fn trial(stream: StreamId) -> String {
    format!("{SYNC_FILE}.trial-{:05}", stream.0)
}

/// Returns the name under which a salvage keeps what it took out of the log.
pub(super) fn dropped(file: &str, attempt: u32) -> String {
    let stem = file.strip_suffix(SUFFIX).unwrap_or(file);
    format!("{stem}{DROPPED}-{attempt}")
}

/// What a directory entry is to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A file of the log, or a spare.
    File(StreamId, u32),
    /// Left over by a crash while it was being filled.
    Unfinished(StreamId, u32),
}

/// Returns what a name means; `None` for everything that is not ours.
pub(super) fn parse(name: &str) -> Option<Entry> {
    if let Some(stem) = name.strip_suffix(UNFINISHED) {
        let (stream, slot) = numbers(stem)?;
        return Some(Entry::Unfinished(stream, slot));
    }
    let (stream, slot) = numbers(name.strip_suffix(SUFFIX)?)?;
    Some(Entry::File(stream, slot))
}

fn numbers(stem: &str) -> Option<(StreamId, u32)> {
    let (stream, slot) = stem.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if stream.len() != 5 || slot.len() != 6 || !digits(stream) || !digits(slot) {
        return None;
    }
    Some((StreamId(stream.parse().ok()?), slot.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        let stream = StreamId(3);
        assert_eq!(parse(&file(stream, 12)), Some(Entry::File(stream, 12)));
        assert_eq!(parse(&unfinished(stream, 12)), Some(Entry::Unfinished(stream, 12)));
    }

    #[test]
    fn other_names_are_not_ours() {
        let stranger = dropped(&file(StreamId(3), 12), 1);
        for name in ["", ".wal", "x-y.wal", "3-12.wal", "99999-000000.wal", SYNC_FILE, &stranger] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
