//! Which frames does a generation hold, and is its end torn or damaged?
//!
//! A frame is written after the one before is durable, and a generation gets its name after its
//! first frames are. So an unreadable frame was never acknowledged exactly when it is not the
//! first and nothing intact stands behind it.

use std::ops::Range;

use crate::format::{BLOCK_BYTES, manifest_frame};

use super::error::{Damage, DamageKind};
use super::frame::{self, FrameHeader, FrameKind, Link};
use super::header::Header;

/// A frame in a file.
#[derive(Clone, Debug)]
pub(super) struct FrameAt {
    pub offset: u64,
    pub header: FrameHeader,
    /// Where the body is in the file.
    pub body: Range<usize>,
}

/// What a generation holds.
pub(super) struct Scan {
    pub header: Header,
    pub header_checksum: u32,
    /// The snapshot, then the edits.
    pub frames: Vec<FrameAt>,
    /// Where the last intact frame ends.
    pub end: u64,
}

impl Scan {
    /// Returns where the next frame continues the chain.
    pub(super) fn link(&self) -> Link {
        let first = Link::first(self.header_checksum);
        self.frames.last().map_or(first, |last| last.header.link.after(last.header.checksum))
    }
}

/// Returns the frames of a generation up to the first that is not intact. Says nothing about what
/// follows them.
pub(super) fn frames(file: &str, bytes: &[u8]) -> Result<Scan, Damage> {
    let block = bytes.get(..BLOCK_BYTES).ok_or_else(|| {
        let found = format!("{} bytes", bytes.len());
        Damage::new(file, 0, DamageKind::Length, "a header block", found)
    })?;
    let (header, header_checksum) = Header::decode(file, block)?;
    let mut scan = Scan { header, header_checksum, frames: Vec::new(), end: BLOCK_BYTES as u64 };
    loop {
        let rest = bytes.get(scan.end as usize..).unwrap_or(&[]);
        let found = frame::decode(header.salt, rest);
        let Some(header) = found.filter(|header| header.link == scan.link()) else { break };
        let Some(body) = header.body(rest) else { break };
        let kind = if scan.frames.is_empty() { FrameKind::Snapshot } else { FrameKind::Edit };
        if header.kind != kind {
            let found = header.kind.name();
            return Err(Damage::new(file, scan.end, DamageKind::Content, kind.name(), found));
        }
        let (offset, start) = (scan.end, scan.end as usize + manifest_frame::BYTES);
        let body = start..start + body.len();
        scan.frames.push(FrameAt { offset, header, body });
        scan.end += frame::frame_bytes(header.body_bytes);
    }
    Ok(scan)
}

/// Refuses a generation whose end cannot be a frame that was never acknowledged.
pub(super) fn check_end(file: &str, bytes: &[u8], scan: &Scan) -> Result<(), Damage> {
    if scan.frames.is_empty() {
        let (kind, found) = (DamageKind::Snapshot, "no intact frame");
        return Err(Damage::new(file, scan.end, kind, "a snapshot", found));
    }
    match beyond(bytes, scan) {
        None => Ok(()),
        Some((offset, header)) => {
            let expected = format!("the frame of sequence {}", scan.link().sequence);
            let found = format!("one of sequence {} at offset {offset}", header.link.sequence);
            Err(Damage::new(file, scan.end, DamageKind::Edit, expected, found))
        }
    }
}

/// Returns the first frame header behind the end that proves a lost frame to have been durable:
/// any but the one that would come next, whose body may be torn.
pub(super) fn beyond(bytes: &[u8], scan: &Scan) -> Option<(u64, FrameHeader)> {
    let rest = bytes.get(scan.end as usize..).unwrap_or(&[]);
    let next = (scan.end, scan.link());
    let places = (scan.end..).step_by(BLOCK_BYTES).zip(rest.chunks(BLOCK_BYTES));
    let mut headers = places.filter_map(|(offset, block)| {
        frame::decode(scan.header.salt, block).map(|header| (offset, header))
    });
    headers.find(|(offset, header)| (*offset, header.link) != next)
}
