//! Which frames does a file hold, and where does their chain stop?
//!
//! Reads the file once, front to back, a few large reads ahead of the parsing. Never writes.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::codec::checksum::checksum;
use crate::codec::frame::{FrameHeader, HeaderFault};
use crate::file::{AlignedBuffer, File};
use crate::format::{BLOCK_BYTES, frame_header};
use crate::rt::{self, Queue, Task};

use super::arrange::{Inside, InsideFrame, Live};
use super::chain::Chain;
use super::error::{Error, Result};
use super::limits;
use super::position::Lsn;
use super::tail::{Beyond, Seen, Stop};

/// The part of a file that is in memory, growing at its end and shrinking at its front.
struct Window {
    file: Rc<File>,
    name: String,
    file_bytes: u64,
    /// Bytes of the file from `base` on.
    bytes: Vec<u8>,
    base: u64,
    /// Where the next read begins.
    next_read: u64,
    reads: VecDeque<Task<Result<AlignedBuffer, String>>>,
}

impl Window {
    fn new(file: Rc<File>, name: String, file_bytes: u64) -> Self {
        let (bytes, reads) = (Vec::new(), VecDeque::new());
        Self { file, name, file_bytes, bytes, base: 0, next_read: 0, reads }
    }

    /// Makes the bytes below `end` available.
    async fn fill(&mut self, end: u64) -> Result<()> {
        debug_assert!(end <= self.file_bytes);
        while self.base + (self.bytes.len() as u64) < end {
            self.start_reads();
            let Some(read) = self.reads.pop_front() else {
                return Err(Error::storage("read", &self.name, "the file ended early"));
            };
            let part = read.await.map_err(|cause| Error::storage("read", &self.name, cause))?;
            self.bytes.extend_from_slice(&part);
        }
        Ok(())
    }

    fn start_reads(&mut self) {
        while self.reads.len() < limits::READS_AHEAD && self.next_read < self.file_bytes {
            let (file, from) = (self.file.clone(), self.next_read);
            let count = (self.file_bytes - from).min(limits::READ_BYTES as u64) as usize;
            self.next_read += count as u64;
            self.reads.push_back(rt::spawn(Queue::Scan, "log read", async move {
                let buffer = file.read_at(from, count).await.map_err(|e| e.to_string())?;
                let whole = buffer.len() == count;
                if whole {
                    Ok(buffer)
                } else {
                    Err(format!("{} bytes missing", count - buffer.len()))
                }
            }));
        }
    }

    /// Forgets the bytes below `offset` once they outweigh the rest.
    fn discard(&mut self, offset: u64) {
        let passed = (offset.saturating_sub(self.base) as usize).min(self.bytes.len());
        if passed >= limits::READ_BYTES {
            self.bytes.drain(..passed);
            self.base += passed as u64;
        }
    }

    /// Returns bytes that were filled and not discarded.
    fn at(&self, offset: u64, count: usize) -> &[u8] {
        let start = offset.checked_sub(self.base).map_or(usize::MAX, |start| start as usize);
        let end = start.saturating_add(count);
        self.bytes.get(start..end).unwrap_or(&[])
    }
}

/// A frame in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameAt {
    pub offset: u64,
    pub header: FrameHeader,
}

/// The next thing in a chain.
pub(super) enum Step {
    Frame(FrameAt),
    Stop(Seen),
}

/// Follows the chain of frames of one file.
pub(super) struct Scanner {
    window: Window,
    pub live: Live,
    pub chain: Chain,
}

impl Scanner {
    /// Returns a scanner before the first frame of `live`.
    pub(super) fn new(file: Rc<File>, live: Live) -> Self {
        let window = Window::new(file, live.name.clone(), live.header.file_bytes);
        Self { window, chain: Chain::start(&live), live }
    }

    /// Returns the file being read.
    pub(super) fn file(&self) -> Rc<File> {
        self.window.file.clone()
    }

    /// Returns the next frame of the chain, or what stands in its place. Bodies of earlier frames
    /// may be forgotten.
    pub(super) async fn step(&mut self) -> Result<Step> {
        let (offset, end) = (self.chain.offset, self.live.header.file_bytes);
        self.window.discard(offset);
        if offset + BLOCK_BYTES as u64 > end {
            return Ok(Step::Stop(Seen::FileEnd));
        }
        self.window.fill(offset + BLOCK_BYTES as u64).await?;
        let front = self.window.at(offset, BLOCK_BYTES);
        let ours = self.live.header.epoch;
        let (header, sum) = match FrameHeader::decode(self.live.header.salt, front) {
            Ok(found) => found,
            Err(fault) => return Ok(Step::Stop(seen_in_place_of_header(fault, ours))),
        };
        if header.epoch < ours {
            return Ok(Step::Stop(Seen::Nothing));
        }
        let bytes = header.frame_bytes();
        let bounded = bytes <= u64::from(self.live.header.frame_bytes_max);
        if header.epoch > ours || !bounded || offset + bytes > end {
            return Ok(Step::Stop(Seen::Alien));
        }
        if !self.chain.continues_with(&header) {
            return Ok(Step::Stop(Seen::Stray(beyond(offset, &header))));
        }
        self.window.fill(offset + bytes).await?;
        let frame = FrameAt { offset, header };
        if checksum(self.body(&frame)) != header.body_checksum {
            return Ok(Step::Stop(Seen::Torn));
        }
        self.chain.advance(&header, sum);
        Ok(Step::Frame(frame))
    }

    /// Returns the body of the frame the last step found.
    pub(super) fn body(&self, frame: &FrameAt) -> &[u8] {
        let start = frame.offset + frame_header::BYTES as u64;
        self.window.at(start, frame.header.body_bytes as usize)
    }

    /// Returns the zeros after the body of the frame the last step found.
    pub(super) fn padding(&self, frame: &FrameAt) -> &[u8] {
        let used = frame_header::BYTES + frame.header.body_bytes as usize;
        let count = frame.header.frame_bytes() as usize - used;
        self.window.at(frame.offset + used as u64, count)
    }

    /// Describes the place where the chain stopped.
    pub(super) fn stop(&self, seen: Seen) -> Stop {
        let Chain { offset, sequence, lsn, checksum } = self.chain;
        Stop { file: self.live.name.clone(), offset, sequence, lsn, checksum, seen }
    }

    /// Returns the frames of this epoch begun beyond the stop. Reads the rest of the file.
    pub(super) async fn beyond(&mut self) -> Result<Vec<Beyond>> {
        let block = BLOCK_BYTES as u64;
        let mut found = Vec::new();
        let mut offset = self.chain.offset + block;
        while offset + block <= self.live.header.file_bytes {
            self.window.discard(offset);
            self.window.fill(offset + block).await?;
            let front = self.window.at(offset, BLOCK_BYTES);
            if let Ok((header, _)) = FrameHeader::decode(self.live.header.salt, front)
                && header.epoch == self.live.header.epoch
            {
                found.push(beyond(offset, &header));
            }
            offset += block;
        }
        Ok(found)
    }
}

fn seen_in_place_of_header(fault: HeaderFault, ours: u64) -> Seen {
    match fault {
        HeaderFault::Checksum { epoch } if epoch == ours => Seen::Torn,
        HeaderFault::Content { epoch } if epoch >= ours => Seen::Alien,
        HeaderFault::Absent | HeaderFault::Checksum { .. } | HeaderFault::Content { .. } => {
            Seen::Nothing
        }
    }
}

fn beyond(offset: u64, header: &FrameHeader) -> Beyond {
    Beyond {
        offset,
        sequence: header.sequence,
        first_lsn: Lsn(header.first_lsn),
        durable_lsn: Lsn(header.durable_lsn),
        window_base: header.window_base,
    }
}

/// Looks behind an unreadable file header: is anything there, and do frames of the stream with
/// this salt stand where the first few would be? Reads two frames' worth at most.
pub(super) async fn look_inside(
    file: Rc<File>,
    name: &str,
    bytes: u64,
    salt: Option<u64>,
) -> Result<Inside> {
    let block = BLOCK_BYTES as u64;
    let end = bytes.min(block + 2 * limits::FRAME_BYTES_MAX as u64) / block * block;
    let mut window = Window::new(file, name.to_owned(), end);
    window.fill(end).await?;
    let mut inside = Inside { is_zero: true, frame: None };
    for offset in (block..end).step_by(BLOCK_BYTES) {
        let front = window.at(offset, BLOCK_BYTES);
        inside.is_zero &= front.iter().all(|byte| *byte == 0);
        let Some(Ok((header, _))) = salt.map(|salt| FrameHeader::decode(salt, front)) else {
            continue;
        };
        let first_lsn = Lsn(header.first_lsn);
        let frame = InsideFrame { epoch: header.epoch, offset, first_lsn };
        if inside.frame.is_none_or(|known| known.epoch < frame.epoch) {
            inside.frame = Some(frame);
        }
    }
    Ok(inside)
}
