//! Is every byte of a directory's logs as it was written?
//!
//! Reads everything, decides by the same tables as recovery, goes on after damage to find all of
//! it, and writes nothing. For a stopped server: files that are being written look torn.

use std::fmt;

use crate::codec::frame::FrameKind;
use crate::file::Dir;

use super::arrange::{self, Live, Need};
use super::body::{Joiner, Records};
use super::error::{Damage, DamageKind, Result};
use super::header::HeaderBlock;
use super::options::SyncMethod;
use super::position::{Lsn, StreamId};
use super::scan::{FrameAt, Scanner, Step};
use super::survey::{self, Survey};
use super::tail::{self, Successor, Verdict};

/// What was found in one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamReport {
    /// The stream.
    pub stream: StreamId,
    /// The database its newest file belongs to; zeros when no file says so.
    pub database: [u8; 16],
    /// Files of the log, spares left out.
    pub files: u64,
    /// Spare files.
    pub spares: u64,
    /// Intact frames.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of the frames.
    pub bytes: u64,
    /// First record present; zero when there is none.
    pub first: Lsn,
    /// Last record present; zero when there is none.
    pub last: Lsn,
    /// Whether the last frame confirms all records before it, so that the end is certain.
    pub confirmed: bool,
    /// What recovery would cut off or repair by itself.
    pub notes: Vec<String>,
    /// What recovery would refuse.
    pub damage: Vec<Damage>,
}

/// What was found in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One entry per stream, in order.
    pub streams: Vec<StreamReport>,
}

impl Report {
    /// Returns whether recovery would accept every stream.
    pub fn is_whole(&self) -> bool {
        self.streams.iter().all(|stream| stream.damage.is_empty())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for report in &self.streams {
            let StreamReport { stream, files, spares, frames, records, bytes, .. } = report;
            writeln!(
                f,
                "stream {stream}: {records} records (LSN {} to {}) in {frames} frames, {bytes} \
                 bytes, {files} files, {spares} spares",
                report.first, report.last
            )?;
            for note in &report.notes {
                writeln!(f, "  note: {note}")?;
            }
            for damage in &report.damage {
                writeln!(f, "  damage: {damage}")?;
            }
        }
        Ok(())
    }
}

/// Reads every log in `dir` and reports what it finds. Writes nothing.
///
/// **Errors**: `Storage` when a file cannot be read at all.
pub async fn verify(dir: &Dir) -> Result<Report> {
    verify_from(dir, |_| Lsn::ZERO).await
}

/// As [`verify`], where `contained` says up to which record the caller holds a stream elsewhere:
/// what lies before may be gone, and the log must reach up to there.
///
/// **Errors**: as [`verify`].
pub async fn verify_from(dir: &Dir, contained: impl Fn(StreamId) -> Lsn) -> Result<Report> {
    let mut report = Report::default();
    for stream in survey::streams(dir).await? {
        report.streams.push(verify_stream(dir, stream, contained(stream)).await?);
    }
    Ok(report)
}

/// Returns what the newest readable header says the log needs: its own database, and the records
/// that were not released when it was written.
pub(super) fn own_need(survey: &Survey, stream: StreamId) -> Need {
    let headers = survey.found.iter().filter_map(|found| match found.header {
        HeaderBlock::Valid(header, _) if header.stream == stream => Some(header),
        HeaderBlock::Valid(..)
        | HeaderBlock::Blank
        | HeaderBlock::Version(_)
        | HeaderBlock::Broken => None,
    });
    let newest = headers.max_by_key(|header| header.epoch);
    Need {
        stream,
        database: newest.map_or([0; 16], |header| header.database),
        start: newest.map_or(Lsn::FIRST, |header| header.released_lsn.max(Lsn::FIRST)),
        end_min: Lsn::ZERO,
    }
}

async fn verify_stream(dir: &Dir, stream: StreamId, contained: Lsn) -> Result<StreamReport> {
    let names = survey::names(dir, stream).await?;
    let survey = survey::survey(dir, &names.files, SyncMethod::AfterWrite, false).await?;
    let mut report = StreamReport { stream, ..StreamReport::default() };
    report.notes.extend(names.unfinished.iter().map(|name| format!("\"{name}\" is half made")));
    let mut need = own_need(&survey, stream);
    need.start = need.start.max(contained.next());
    need.end_min = contained;
    report.database = need.database;
    let live = match arrange::arrange(&survey.found, &need) {
        Ok(arrangement) => {
            report.spares = arrangement.spares.len() as u64;
            arrangement.live
        }
        Err(damage) => {
            report.damage.push(damage);
            readable(&survey)
        }
    };
    report.files = live.len() as u64;
    let (start, end_min) = (need.start, need.end_min);
    let mut reader = StreamReader { report, joiner: Joiner::default(), start, end_min };
    for (index, file) in live.iter().enumerate() {
        let Some(handle) = survey.file(&file.name) else { continue };
        let next = live.get(index + 1);
        reader.file(Scanner::new(handle, file.clone()), next).await?;
    }
    Ok(reader.report)
}

/// Returns every file with a readable header, by epoch, for a log that is damaged as a whole.
fn readable(survey: &Survey) -> Vec<Live> {
    let mut live: Vec<Live> = survey
        .found
        .iter()
        .filter_map(|found| match found.header {
            HeaderBlock::Valid(header, checksum) if header.file_bytes == found.bytes => {
                Some(Live { name: found.name.clone(), header, checksum })
            }
            HeaderBlock::Valid(..)
            | HeaderBlock::Blank
            | HeaderBlock::Version(_)
            | HeaderBlock::Broken => None,
        })
        .collect();
    live.sort_by_key(|file| file.header.epoch);
    live
}

struct StreamReader {
    report: StreamReport,
    joiner: Joiner,
    /// Records below may lack their front.
    start: Lsn,
    /// The log must reach up to here.
    end_min: Lsn,
}

impl StreamReader {
    async fn file(&mut self, mut scanner: Scanner, next: Option<&Live>) -> Result<()> {
        loop {
            match scanner.step().await? {
                Step::Frame(frame) => self.frame(&scanner, &frame),
                Step::Stop(seen) => {
                    let stop = scanner.stop(seen);
                    let successor = next.map(|next| Successor {
                        first_sequence: next.header.first_sequence,
                        first_lsn: next.header.first_lsn,
                        previous_checksum: next.header.previous_checksum,
                    });
                    let beyond = match successor {
                        Some(_) => Vec::new(),
                        None => scanner.beyond().await?,
                    };
                    match tail::decide(&stop, &beyond, successor, self.end_min) {
                        Ok(Verdict::NextFile | Verdict::End) => {}
                        Ok(Verdict::Cut) => self.report.notes.push(format!(
                            "file \"{}\", offset {}, LSN {}: an unacknowledged end, recovery \
                             cuts it off",
                            stop.file, stop.offset, stop.lsn
                        )),
                        Err(damage) => self.report.damage.push(damage),
                    }
                    return Ok(());
                }
            }
        }
    }

    fn frame(&mut self, scanner: &Scanner, frame: &FrameAt) {
        let (header, body) = (frame.header, scanner.body(frame));
        let report = &mut self.report;
        report.frames += 1;
        report.bytes += header.frame_bytes();
        report.records += u64::from(header.record_count);
        report.confirmed = header.kind == FrameKind::Confirm;
        if header.record_count > 0 {
            if report.first == Lsn::ZERO {
                report.first = Lsn(header.first_lsn);
            }
            report.last = Lsn(header.first_lsn + u64::from(header.record_count) - 1);
        }
        let packed = header.kind == FrameKind::Records;
        let whole = !packed || Records::is_well_formed(body, header.record_count);
        let name = &scanner.live.name;
        let cut_off = header.first_lsn < self.start.0 && self.joiner.lacks_front(header.kind);
        let joins = cut_off || self.joiner.push(header.kind, body).is_ok();
        if !joins || !whole {
            let (file, offset, resumes) = (name.clone(), frame.offset, None);
            let (lsn, kind) = (Lsn(header.first_lsn), DamageKind::Body);
            report.damage.push(Damage { file, offset, lsn, resumes, kind });
        }
        if scanner.padding(frame).iter().any(|byte| *byte != 0) {
            let offset = frame.offset;
            let note = format!("file \"{name}\", offset {offset}: the padding is not zero");
            report.notes.push(note);
        }
    }
}
