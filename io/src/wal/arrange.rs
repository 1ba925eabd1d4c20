//! Which files make up the log, in which order, and is one of them missing?
//!
//! A pure decision over the header blocks of one stream's files:
//!
//! | finding | decision |
//! | --- | --- |
//! | no readable header, every file empty | a new log |
//! | no readable header, a file holds bytes | refuse: the header is lost |
//! | another database, stream or version | refuse |
//! | two files of one epoch | refuse |
//! | epochs without a gap, the first begins at or below `start` | the log |
//! | the first begins above `start` | refuse: a file is missing |
//! | unreadable header, but frames of a live epoch inside | refuse: the header is lost |
//! | unreadable header and no live frames, or zeros | a spare |
//! | files below the gap or wholly below `start` | released: spares |

use super::error::{Damage, DamageKind};
use super::header::{FileHeader, HeaderBlock};
use super::position::{Lsn, StreamId};

/// What was learnt about one file before its frames are read.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub name: String,
    /// Length of the file.
    pub bytes: u64,
    pub header: HeaderBlock,
    /// Only for files without a valid header.
    pub inside: Inside,
}

/// What stands behind an unreadable header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Inside {
    /// Whether the bytes looked at are all zero.
    pub is_zero: bool,
    /// The highest epoch of an intact frame, and where it stands.
    pub frame: Option<InsideFrame>,
}

/// An intact frame behind an unreadable header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InsideFrame {
    pub epoch: u64,
    pub offset: u64,
    pub first_lsn: Lsn,
}

/// What the caller knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    pub stream: StreamId,
    pub database: [u8; 16],
    /// Records below are not needed.
    pub start: Lsn,
    pub end_min: Lsn,
}

/// A file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub name: String,
    pub header: FileHeader,
    /// The header's checksum, with which the chain of frames begins.
    pub checksum: u32,
}

/// The files in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Arrangement {
    /// The log, oldest first; empty for a new one.
    pub live: Vec<Live>,
    /// Files that may be used again, after their header is wiped.
    pub spares: Vec<String>,
}

/// Returns the salt of the stream, if any header is readable.
pub(super) fn salt(found: &[Found]) -> Option<u64> {
    found.iter().find_map(|file| match file.header {
        HeaderBlock::Valid(header, _) => Some(header.salt),
        HeaderBlock::Blank | HeaderBlock::Version(_) | HeaderBlock::Broken => None,
    })
}

/// Decides which files make up the log.
pub(super) fn arrange(found: &[Found], need: &Need) -> Result<Arrangement, Damage> {
    let mut used = used_files(found, need)?;
    used.sort_by_key(|live| live.header.epoch);
    check_duplicates(&used)?;
    if used.is_empty() {
        return arrange_new(found, need);
    }
    let first = first_of_unbroken_run(&used);
    let mut live = used.split_off(first);
    let mut spares: Vec<String> = used.into_iter().map(|file| file.name).collect();
    let oldest = &live[0];
    if oldest.header.first_lsn > need.start {
        return Err(missing_before(oldest, found, need));
    }
    // A file whose first LSN is `start` may begin in the middle of that record.
    let needed = live.iter().rposition(|file| file.header.first_lsn < need.start).unwrap_or(0);
    spares.extend(live.drain(..needed).map(|file| file.name));
    let live_from = live[0].header.epoch;
    for file in found {
        if matches!(file.header, HeaderBlock::Valid(..)) {
            continue;
        }
        if let Some(frame) = file.inside.frame.filter(|frame| frame.epoch >= live_from) {
            return Err(header_lost(file, frame.first_lsn));
        }
        spares.push(file.name.clone());
    }
    Ok(Arrangement { live, spares })
}

/// Returns the files with a header, all of this database, stream and version.
fn used_files(found: &[Found], need: &Need) -> Result<Vec<Live>, Damage> {
    let mut used = Vec::new();
    for file in found {
        let (header, checksum) = match file.header {
            HeaderBlock::Valid(header, checksum) => (header, checksum),
            HeaderBlock::Version(version) => {
                return Err(at_front(file, need.start, DamageKind::Version { version }));
            }
            HeaderBlock::Blank | HeaderBlock::Broken => continue,
        };
        if header.stream != need.stream || header.database != need.database {
            return Err(at_front(file, header.first_lsn, DamageKind::Foreign));
        }
        if header.file_bytes != file.bytes {
            let kind = DamageKind::Length { expected: header.file_bytes, found: file.bytes };
            return Err(at_front(file, header.first_lsn, kind));
        }
        used.push(Live { name: file.name.clone(), header, checksum });
    }
    if let Some(stranger) = used.iter().find(|file| file.header.salt != used[0].header.salt) {
        let lsn = stranger.header.first_lsn;
        let (file, offset, resumes) = (stranger.name.clone(), 0, None);
        return Err(Damage { file, offset, lsn, resumes, kind: DamageKind::Foreign });
    }
    Ok(used)
}

fn check_duplicates(used: &[Live]) -> Result<(), Damage> {
    for pair in used.windows(2) {
        if pair[0].header.epoch == pair[1].header.epoch {
            let kind = DamageKind::Duplicate { other: pair[0].name.clone() };
            let (file, lsn) = (pair[1].name.clone(), pair[1].header.first_lsn);
            return Err(Damage { file, offset: 0, lsn, resumes: None, kind });
        }
    }
    Ok(())
}

/// Returns the index of the oldest file from which epochs run to the newest without a gap.
fn first_of_unbroken_run(used: &[Live]) -> usize {
    let mut first = used.len() - 1;
    while first > 0 && used[first - 1].header.epoch + 1 == used[first].header.epoch {
        first -= 1;
    }
    first
}

/// Decides when no file has a readable header.
fn arrange_new(found: &[Found], need: &Need) -> Result<Arrangement, Damage> {
    if let Some(file) = found.iter().find(|file| !file.inside.is_zero) {
        return Err(header_lost(file, need.start));
    }
    if need.end_min > Lsn::ZERO || need.start > Lsn::FIRST {
        let end_min = need.end_min.max(need.start.previous());
        let file = found.first().map(|file| file.name.clone()).unwrap_or_default();
        let kind = DamageKind::LostEnd { end_min };
        return Err(Damage { file, offset: 0, lsn: Lsn::FIRST, resumes: None, kind });
    }
    let spares = found.iter().map(|file| file.name.clone()).collect();
    Ok(Arrangement { live: Vec::new(), spares })
}

/// Names the file whose absence, or whose unreadable header, leaves a hole before `oldest`.
fn missing_before(oldest: &Live, found: &[Found], need: &Need) -> Damage {
    let epoch = oldest.header.epoch - 1;
    let holder = found.iter().find(|file| {
        let unreadable = !matches!(file.header, HeaderBlock::Valid(..));
        unreadable && file.inside.frame.is_some_and(|frame| frame.epoch == epoch)
    });
    let resumes = Some(oldest.header.first_lsn);
    match holder {
        Some(file) => Damage { resumes, ..header_lost(file, need.start) },
        None => Damage {
            file: oldest.name.clone(),
            offset: 0,
            lsn: need.start,
            resumes,
            kind: DamageKind::MissingFile { epoch },
        },
    }
}

fn header_lost(file: &Found, lsn: Lsn) -> Damage {
    at_front(file, lsn, DamageKind::Header)
}

fn at_front(file: &Found, lsn: Lsn, kind: DamageKind) -> Damage {
    Damage { file: file.name.clone(), offset: 0, lsn, resumes: None, kind }
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::sample;
    use super::*;

    const FILE_BYTES: u64 = 1 << 20;

    fn used(epoch: u64, first_lsn: u64) -> Found {
        let header = FileHeader { epoch, first_lsn: Lsn(first_lsn), ..sample() };
        found(epoch, HeaderBlock::Valid(header, epoch as u32), Inside::default())
    }

    fn found(slot: u64, header: HeaderBlock, inside: Inside) -> Found {
        Found { name: format!("f{slot}"), bytes: FILE_BYTES, header, inside }
    }

    fn blank(slot: u64) -> Found {
        found(slot, HeaderBlock::Blank, Inside { is_zero: true, frame: None })
    }

    fn broken(slot: u64, epoch: Option<u64>) -> Found {
        let frame = epoch.map(|epoch| InsideFrame { epoch, offset: 4096, first_lsn: Lsn(1) });
        found(slot, HeaderBlock::Broken, Inside { is_zero: false, frame })
    }

    fn need(start: u64) -> Need {
        let (stream, database) = (sample().stream, sample().database);
        Need { stream, database, start: Lsn(start), end_min: Lsn::ZERO }
    }

    #[track_caller]
    fn accepts(files: &[Found], start: u64, live: &[&str], spares: &[&str]) {
        let arrangement = arrange(files, &need(start)).expect("the log is whole");
        let names: Vec<_> = arrangement.live.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, live);
        let mut found = arrangement.spares;
        found.sort();
        assert_eq!(found, spares);
    }

    #[track_caller]
    fn refuses(files: &[Found], start: u64, kind: &DamageKind) -> Damage {
        let damage = arrange(files, &need(start)).expect_err("the log is damaged");
        assert_eq!(&damage.kind, kind, "{damage}");
        damage
    }

    #[test]
    fn no_files_or_empty_ones_are_a_new_log() {
        accepts(&[], 1, &[], &[]);
        accepts(&[blank(1), blank(2)], 1, &[], &["f1", "f2"]);
    }

    #[test]
    fn a_first_header_torn_at_creation_is_a_new_log() {
        let torn = found(1, HeaderBlock::Broken, Inside { is_zero: true, frame: None });
        accepts(&[torn], 1, &[], &["f1"]);
    }

    #[test]
    fn bytes_without_any_header_are_refused() {
        refuses(&[broken(1, None)], 1, &DamageKind::Header);
    }

    #[test]
    fn a_new_log_where_records_must_be_is_refused() {
        let lost = Need { end_min: Lsn(9), ..need(1) };
        let damage = arrange(&[blank(1)], &lost).unwrap_err();
        assert_eq!(damage.kind, DamageKind::LostEnd { end_min: Lsn(9) });
        refuses(&[], 5, &DamageKind::LostEnd { end_min: Lsn(4) });
    }

    #[test]
    fn files_are_ordered_by_epoch() {
        accepts(&[used(2, 10), used(3, 20), used(1, 1)], 1, &["f1", "f2", "f3"], &[]);
    }

    #[test]
    fn a_missing_file_in_the_middle_is_refused() {
        let damage = refuses(&[used(1, 1), used(3, 20)], 1, &DamageKind::MissingFile { epoch: 2 });
        assert_eq!(damage.resumes, Some(Lsn(20)));
    }

    #[test]
    fn a_missing_first_file_is_refused() {
        refuses(&[used(2, 10), used(3, 20)], 1, &DamageKind::MissingFile { epoch: 1 });
    }

    #[test]
    fn files_below_the_start_may_be_gone_or_are_spares() {
        accepts(&[used(2, 10), used(3, 20)], 10, &["f2", "f3"], &[]);
        accepts(&[used(1, 1), used(2, 10), used(3, 20)], 15, &["f2", "f3"], &["f1"]);
        accepts(&[used(1, 1), used(3, 20), used(4, 30)], 20, &["f3", "f4"], &["f1"]);
    }

    #[test]
    fn a_record_that_begins_in_an_earlier_file_keeps_it() {
        accepts(&[used(1, 1), used(2, 1), used(3, 1)], 1, &["f1", "f2", "f3"], &[]);
        let spanning = [used(1, 1), used(2, 10), used(3, 20), used(4, 20)];
        accepts(&spanning, 20, &["f2", "f3", "f4"], &["f1"]);
    }

    #[test]
    fn a_lost_header_that_later_files_reference_is_refused() {
        refuses(&[used(1, 1), broken(2, Some(2)), used(3, 20)], 1, &DamageKind::Header);
    }

    #[test]
    fn a_lost_header_of_the_newest_file_is_refused() {
        refuses(&[used(1, 1), broken(2, Some(2))], 1, &DamageKind::Header);
        let zeroed = found(
            2,
            HeaderBlock::Blank,
            Inside {
                is_zero: false,
                frame: Some(InsideFrame { epoch: 2, offset: 4096, first_lsn: Lsn(10) }),
            },
        );
        refuses(&[used(1, 1), zeroed], 1, &DamageKind::Header);
    }

    #[test]
    fn a_header_torn_at_rotation_is_a_spare() {
        accepts(&[used(1, 1), broken(2, None)], 1, &["f1"], &["f2"]);
    }

    #[test]
    fn recycled_files_with_old_frames_are_spares() {
        accepts(&[broken(9, Some(1)), used(2, 10)], 10, &["f2"], &["f9"]);
    }

    #[test]
    fn two_files_of_one_epoch_are_refused() {
        let mut copy = used(1, 1);
        copy.name = "copy".to_owned();
        let other = DamageKind::Duplicate { other: "f1".to_owned() };
        refuses(&[used(1, 1), copy], 1, &other);
    }

    #[test]
    fn strangers_are_refused() {
        let stranger = |change: fn(&mut FileHeader)| {
            let mut header = FileHeader { epoch: 2, first_lsn: Lsn(10), ..sample() };
            change(&mut header);
            found(2, HeaderBlock::Valid(header, 1), Inside::default())
        };
        for change in [
            (|header| header.database = [9; 16]) as fn(&mut FileHeader),
            |header| header.stream = StreamId(9),
            |header| header.salt = 99,
        ] {
            refuses(&[used(1, 1), stranger(change)], 1, &DamageKind::Foreign);
        }
        let future = found(2, HeaderBlock::Version(2), Inside::default());
        refuses(&[used(1, 1), future], 1, &DamageKind::Version { version: 2 });
    }

    #[test]
    fn a_cut_file_is_refused() {
        let mut cut = used(1, 1);
        cut.bytes = 4096;
        refuses(&[cut], 1, &DamageKind::Length { expected: FILE_BYTES, found: 4096 });
    }
}
