//! How does an operator keep the readable front of a damaged log, knowingly giving up the rest?
//!
//! Never done by itself. Nothing is destroyed: the file that is cut is copied first, and later
//! files are renamed, under names ending in `.wal.dropped-N`. Each step leaves a log that is
//! either still damaged, so that the salvage can be run again, or whole.

use std::rc::Rc;

use crate::codec::checksum::checksum;
use crate::codec::frame::{FrameHeader, FrameKind};
use crate::file::{AlignedBuffer, Dir, File};
use crate::format::BLOCK_BYTES;

use super::arrange::Live;
use super::body::{Packer, Records};
use super::chain::Chain;
use super::error::{Damage, DamageKind, Error, Result};
use super::header::HeaderBlock;
use super::limits;
use super::name;
use super::options::SyncMethod;
use super::position::{Lsn, StreamId};
use super::scan::{Scanner, Step};
use super::survey::{self, Survey};
use super::writer;

/// What a salvage did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SalvageReport {
    /// Last record kept.
    pub last: Lsn,
    /// The file that was cut, and where.
    pub cut: (String, u64),
    /// Names under which what was taken out is kept.
    pub kept_aside: Vec<String>,
}

/// Where the log is cut, and the records of the cut frame that stay.
struct Cut {
    live: Live,
    file: Rc<File>,
    /// The chain before the frame that holds the last record.
    chain: Chain,
    /// Records of that frame up to the last one kept.
    rest: Vec<Vec<u8>>,
}

/// Keeps the records of `stream` up to `last` and takes everything after them out of the log.
/// The server must be stopped.
///
/// **Errors**: `Damaged` when a record up to `last` cannot be read; `Storage`.
pub async fn salvage_to(dir: &Dir, stream: StreamId, last: Lsn) -> Result<SalvageReport> {
    let names = survey::names(dir, stream).await?;
    let survey = survey::survey(dir, &names.files, SyncMethod::AfterWrite, true).await?;
    let used = used_files(&survey);
    let cut = find(&survey, &used, last).await?;
    let attempt = first_free_attempt(dir).await?;
    let mut kept_aside = vec![set_copy_aside(dir, &cut, attempt).await?];
    for found in &survey.found {
        let earlier = used
            .iter()
            .any(|live| live.name == found.name && live.header.epoch <= cut.live.header.epoch);
        let is_spare = matches!(found.header, HeaderBlock::Blank) && found.inside.frame.is_none();
        if !earlier && !is_spare {
            let aside = name::dropped(&found.name, attempt);
            let renamed = dir.rename(&found.name, &aside).await;
            renamed.map_err(|cause| Error::storage("rename", &found.name, cause))?;
            kept_aside.push(aside);
        }
    }
    dir.sync().await.map_err(|cause| Error::storage("sync", "", cause))?;
    truncate(&cut).await?;
    Ok(SalvageReport { last, cut: (cut.live.name, cut.chain.offset), kept_aside })
}

/// Returns the files with a readable header, by epoch.
fn used_files(survey: &Survey) -> Vec<Live> {
    let mut used: Vec<Live> = survey
        .found
        .iter()
        .filter_map(|found| match found.header {
            HeaderBlock::Valid(header, checksum) => {
                Some(Live { name: found.name.clone(), header, checksum })
            }
            HeaderBlock::Blank | HeaderBlock::Version(_) | HeaderBlock::Broken => None,
        })
        .collect();
    used.sort_by_key(|live| live.header.epoch);
    used
}

/// Finds the frame that holds `last` by following the chain from the oldest file.
async fn find(survey: &Survey, used: &[Live], last: Lsn) -> Result<Cut> {
    let mut end = (String::new(), 0, Lsn::FIRST);
    let mut before: Option<(u64, Chain)> = None;
    for live in used {
        let Some(file) = survey.file(&live.name) else { continue };
        if before.is_some_and(|(epoch, chain)| !joins(epoch, &chain, live)) {
            break;
        }
        let mut scanner = Scanner::new(file.clone(), live.clone());
        let mut chain = scanner.chain;
        while let Step::Frame(frame) = scanner.step().await? {
            let header = frame.header;
            if header.first_lsn + u64::from(header.record_count) > last.0 {
                let rest = kept_records(&scanner, &frame, last);
                let (live, whole) = (live.clone(), header.kind != FrameKind::Records);
                // A record that spans frames ends here: its last frame stays as it is.
                let chain = if whole { scanner.chain } else { chain };
                let rest = if whole { Vec::new() } else { rest };
                return Ok(Cut { live, file, chain, rest });
            }
            chain = scanner.chain;
        }
        end = (live.name.clone(), chain.offset, chain.lsn);
        if last < chain.lsn {
            return Ok(Cut { live: live.clone(), file, chain, rest: Vec::new() });
        }
        before = Some((live.header.epoch, chain));
    }
    let (file, offset, lsn) = end;
    let kind = DamageKind::LostEnd { end_min: last };
    Err(Damage { file, offset, lsn, resumes: None, kind }.into())
}

/// Returns whether a file begins exactly where the one before it ends.
fn joins(epoch: u64, chain: &Chain, next: &Live) -> bool {
    let header = &next.header;
    header.epoch == epoch + 1
        && header.first_sequence == chain.sequence
        && header.previous_checksum == chain.checksum
}

fn kept_records(scanner: &Scanner, frame: &super::scan::FrameAt, last: Lsn) -> Vec<Vec<u8>> {
    let records = Records::new(scanner.body(frame), Lsn(frame.header.first_lsn));
    records.take_while(|(lsn, _)| *lsn <= last).map(|(_, record)| record.to_vec()).collect()
}

/// Returns a number no file set aside earlier has.
async fn first_free_attempt(dir: &Dir) -> Result<u32> {
    let listed = dir.list().await.map_err(|cause| Error::storage("list", "", cause))?;
    let numbers = listed.iter().filter_map(|entry| {
        let (_, number) = entry.split_once(".wal.dropped-")?;
        number.parse::<u32>().ok()
    });
    Ok(numbers.max().unwrap_or(0) + 1)
}

/// Copies the file that will be cut, durably, and returns the copy's name.
async fn set_copy_aside(dir: &Dir, cut: &Cut, attempt: u32) -> Result<String> {
    let aside = name::dropped(&cut.live.name, attempt);
    let bytes = cut.live.header.file_bytes;
    let fail = |operation, cause: String| Error::storage(operation, &aside, cause);
    let copy = dir.create_file(&aside, bytes).await.map_err(|e| fail("create", e.to_string()))?;
    let mut offset = 0;
    while offset < bytes {
        let count = (bytes - offset).min(limits::READ_BYTES as u64) as usize;
        let read = cut.file.read_at(offset, count).await;
        let part = read.map_err(|cause| Error::storage("read", &cut.live.name, cause))?;
        copy.write_at(part, offset).await.map_err(|e| fail("copy", e.to_string()))?;
        offset += count as u64;
    }
    copy.sync_data().await.map_err(|e| fail("sync", e.to_string()))?;
    copy.close().await.map_err(|e| fail("close", e.to_string()))?;
    dir.sync().await.map_err(|cause| Error::storage("sync", "", cause))?;
    Ok(aside)
}

/// Rewrites the cut frame with the records that stay, and zeroes everything after it, last block
/// first, so that a crash in between leaves a log that is still recognisably damaged.
async fn truncate(cut: &Cut) -> Result<()> {
    let name = &cut.live.name;
    let fail = |operation, cause: String| Error::storage(operation, name, cause);
    let kept = kept_frame(cut);
    let from = cut.chain.offset + kept.as_ref().map_or(0, |buffer| buffer.len() as u64);
    let mut end = cut.live.header.file_bytes;
    while end > from {
        let part = (end - from).min(limits::READ_BYTES as u64);
        let zeros = AlignedBuffer::zeroed(part as usize);
        cut.file.write_at(zeros, end - part).await.map_err(|e| fail("clear", e.to_string()))?;
        end -= part;
    }
    if let Some(buffer) = kept {
        let offset = cut.chain.offset;
        cut.file.write_at(buffer, offset).await.map_err(|e| fail("write", e.to_string()))?;
    }
    cut.file.sync_data().await.map_err(|e| fail("sync", e.to_string()))
}

/// Returns the frame that holds the records kept of the cut one, if there are any.
fn kept_frame(cut: &Cut) -> Option<AlignedBuffer> {
    let mut packer = Packer::new(limits::FRAME_BYTES_MAX, cut.chain.lsn);
    for record in &cut.rest {
        packer.push(record);
    }
    let body = packer.pop()?;
    let header = FrameHeader {
        kind: FrameKind::Records,
        body_bytes: body.bytes.len() as u32,
        record_count: body.record_count,
        sequence: cut.chain.sequence,
        epoch: cut.live.header.epoch,
        first_lsn: cut.chain.lsn.0,
        durable_lsn: cut.chain.lsn.previous().0,
        window_base: cut.chain.sequence,
        previous_checksum: cut.chain.checksum,
        body_checksum: checksum(&body.bytes),
    };
    let (front, _) = header.encode(cut.live.header.salt);
    let bytes = header.frame_bytes() as usize;
    debug_assert!(bytes.is_multiple_of(BLOCK_BYTES));
    Some(writer::fill(&front, &body.bytes, bytes))
}
