//! What does the log hold, and where does writing go on?
//!
//! Replay streams the files once. It hands out records as their frames are verified, decides at
//! the last frame whether the log ends there, cuts an unacknowledged rest, and only then lets the
//! stream take new records. A log that is damaged is refused with the place of the damage; what
//! was handed out before must then be thrown away.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::codec::frame::FrameKind;
use crate::file::{AlignedBuffer, Dir, File};
use crate::format::BLOCK_BYTES;
use crate::rt::{self, Queue, Task};

use super::arrange::Live;
use super::body::{Joiner, Records};
use super::error::{Damage, DamageKind, Error, Result};
use super::keeper::Keeper;
use super::limits;
use super::options::SyncMethod;
use super::position::{Lsn, StreamId};
use super::scan::{FrameAt, Scanner, Step};
use super::state::{Phase, Sealed, Shared};
use super::tail::{self, Stop, Successor, Verdict};
use super::writer::Writer;

/// Place and length of a file's header block.
const HEADER_PLACE: (u64, u64) = (0, BLOCK_BYTES as u64);

/// Everything a stream needs once it may write.
pub(super) struct Handover {
    pub shared: Rc<Shared>,
    pub dir: Dir,
    pub stream: StreamId,
    pub sync: SyncMethod,
    /// Files that may be used again.
    pub spares: Vec<String>,
    pub tasks: Rc<RefCell<Vec<Task<()>>>>,
}

/// The records of a stream, oldest first. Drain it; then the stream takes new records.
pub struct Replay {
    handover: Option<Handover>,
    shared: Rc<Shared>,
    scanner: Scanner,
    later: VecDeque<(Live, Rc<File>)>,
    joiner: Joiner,
    /// A split record put together, and its LSN.
    joined: (Lsn, Vec<u8>),
    /// What `next` is handing out.
    current: Option<Source>,
    /// Whether the last frame seen confirms everything before it.
    confirmed: bool,
    /// Place and length of the last frame seen in this file, or of its header block.
    last: (u64, u64),
    /// Set when the files were made a moment ago and cannot hold anything.
    is_new: bool,
    counters: ReplayStats,
}

/// What a replay has read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayStats {
    /// Records handed out.
    pub records: u64,
    /// Frames verified.
    pub frames: u64,
    /// Their bytes, with headers and padding.
    pub bytes: u64,
    /// Whether an unacknowledged rest was cut off.
    pub was_cut: bool,
}

/// Where a batch of records is.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// In the body of the frame last read; byte position of the next record and its LSN.
    Frame { frame: FrameAt, start: usize, lsn: Lsn },
    /// In `joined`.
    Joined,
}

impl Replay {
    pub(super) fn new(
        handover: Handover,
        files: Vec<(Live, Rc<File>)>,
        is_new: bool,
    ) -> Option<Self> {
        let mut later: VecDeque<_> = files.into();
        let (live, file) = later.pop_front()?;
        Some(Self {
            shared: handover.shared.clone(),
            handover: Some(handover),
            scanner: Scanner::new(file, live),
            later,
            joiner: Joiner::default(),
            joined: (Lsn::ZERO, Vec::new()),
            current: None,
            confirmed: true,
            last: HEADER_PLACE,
            is_new,
            counters: ReplayStats::default(),
        })
    }

    /// Returns what was read so far.
    pub fn stats(&self) -> ReplayStats {
        self.counters
    }

    /// Returns the records of the next frame; `None` at the end, after which the stream takes new
    /// records. The fast way: nothing is copied or allocated per record.
    ///
    /// **Errors**: `Damaged` names the place; nothing may be written then. `Storage` when reading
    /// failed.
    pub async fn next_batch(&mut self) -> Result<Option<Records<'_>>> {
        let source = match self.current.take() {
            Some(source) => source,
            None => match self.advance().await? {
                Some(source) => source,
                None => return Ok(None),
            },
        };
        self.counters.records += match source {
            Source::Frame { frame, lsn, .. } => {
                frame.header.first_lsn + u64::from(frame.header.record_count) - lsn.0
            }
            Source::Joined => 1,
        };
        Ok(Some(self.records(source)))
    }

    /// Returns the next record as its own vector; `None` at the end.
    ///
    /// **Errors**: as `next_batch`.
    pub async fn next(&mut self) -> Result<Option<(Lsn, Vec<u8>)>> {
        loop {
            if let Some(source) = self.current.take() {
                let mut records = self.records(source);
                if let Some((lsn, record)) = records.next() {
                    let record = record.to_vec();
                    let after = records.position();
                    self.current = match source {
                        Source::Frame { frame, start, .. } => {
                            let (start, lsn) = (start + after, lsn.next());
                            Some(Source::Frame { frame, start, lsn })
                        }
                        Source::Joined => None,
                    };
                    self.counters.records += 1;
                    return Ok(Some((lsn, record)));
                }
            }
            match self.advance().await? {
                Some(source) => self.current = Some(source),
                None => return Ok(None),
            }
        }
    }

    fn records(&self, source: Source) -> Records<'_> {
        match source {
            Source::Frame { frame, start, lsn } => {
                let body = self.scanner.body(&frame);
                Records::new(body.get(start..).unwrap_or(&[]), lsn)
            }
            Source::Joined => Records::single(&self.joined.1, self.joined.0),
        }
    }

    /// Moves to the next frame that ends a needed record.
    async fn advance(&mut self) -> Result<Option<Source>> {
        while self.handover.is_some() {
            match self.scanner.step().await? {
                Step::Frame(frame) => {
                    if let Some(source) = self.take(frame)? {
                        return Ok(Some(source));
                    }
                }
                Step::Stop(seen) => {
                    let stop = self.scanner.stop(seen);
                    self.pass(&stop).await?;
                }
            }
        }
        Ok(None)
    }

    /// Checks a frame's body and returns its records from the start on, if there are any.
    fn take(&mut self, frame: FrameAt) -> Result<Option<Source>> {
        let header = frame.header;
        self.counters.frames += 1;
        self.counters.bytes += header.frame_bytes();
        self.confirmed = header.kind == FrameKind::Confirm;
        self.last = (frame.offset, header.frame_bytes());
        let (first, start) = (Lsn(header.first_lsn), self.shared.options.start);
        if first < start && self.joiner.lacks_front(header.kind) {
            return Ok(None);
        }
        let body = self.scanner.body(&frame);
        let joined = self.joiner.push(header.kind, body).map_err(|()| self.bad_body(&frame))?;
        let expected = match header.kind {
            FrameKind::Records => Records::is_well_formed(body, header.record_count),
            FrameKind::First | FrameKind::Middle => header.record_count == 0,
            FrameKind::Last => header.record_count == 1,
            FrameKind::Confirm => header.record_count == 0 && body.is_empty(),
        };
        if !expected {
            return Err(self.bad_body(&frame));
        }
        if let Some(record) = joined {
            self.joined = (first, record);
            return Ok((first >= start).then_some(Source::Joined));
        }
        if header.kind != FrameKind::Records || header.record_count == 0 {
            return Ok(None);
        }
        Ok(skip_below(body, first, header.record_count, start).map(|(start, lsn)| Source::Frame {
            frame,
            start,
            lsn,
        }))
    }

    fn bad_body(&self, frame: &FrameAt) -> Error {
        let (file, offset) = (self.scanner.live.name.clone(), frame.offset);
        let (lsn, resumes) = (Lsn(frame.header.first_lsn), None);
        Error::from(Damage { file, offset, lsn, resumes, kind: DamageKind::Body })
    }

    /// Goes on to the next file, or ends the replay.
    async fn pass(&mut self, stop: &Stop) -> Result<()> {
        let end_min = self.shared.options.end_min;
        let successor = self.later.front().map(|(live, _)| Successor {
            first_sequence: live.header.first_sequence,
            first_lsn: live.header.first_lsn,
            previous_checksum: live.header.previous_checksum,
        });
        let look = successor.is_none() && !self.is_new;
        let beyond = if look { self.scanner.beyond().await? } else { Vec::new() };
        match tail::decide(stop, &beyond, successor, end_min)? {
            Verdict::NextFile => {
                if let Some((live, file)) = self.later.pop_front() {
                    let full = std::mem::replace(&mut self.scanner, Scanner::new(file, live));
                    self.last = HEADER_PLACE;
                    let (name, end) = (full.live.name.clone(), self.scanner.live.header.first_lsn);
                    let mut state = self.shared.state.borrow_mut();
                    state.sealed.push_back(Sealed { name, end });
                }
                Ok(())
            }
            Verdict::End => self.end(stop).await,
            Verdict::Cut => {
                self.counters.was_cut = true;
                tracing::warn!(
                    file = stop.file,
                    offset = stop.offset,
                    lsn = stop.lsn.0,
                    "cut an unacknowledged end off the log"
                );
                self.end(stop).await
            }
        }
    }

    /// Makes the end certain and lets the stream write.
    async fn end(&mut self, stop: &Stop) -> Result<()> {
        if !self.is_new {
            self.settle_end(stop).await?;
        }
        let Some(handover) = self.handover.take() else { return Ok(()) };
        {
            let mut state = self.shared.state.borrow_mut();
            state.packer.start_at(stop.lsn);
            state.durable = stop.lsn.previous();
            if state.phase == Phase::Replaying {
                state.phase = Phase::Open;
            }
        }
        let Handover { shared, dir, stream, sync, spares, tasks } = handover;
        let (live, file) = (self.scanner.live.clone(), self.scanner.file());
        let (chain, unconfirmed) = (self.scanner.chain, !self.confirmed);
        let writer = Writer::new(shared.clone(), sync, live, file, chain, unconfirmed);
        let keeper = Keeper::new(shared, dir, stream, sync, spares);
        let mut running = tasks.borrow_mut();
        running.push(rt::spawn(Queue::Commit, "log writer", writer.run()));
        running.push(rt::spawn(Queue::Maintenance, "log keeper", keeper.run()));
        Ok(())
    }

    /// Writes the last frame again, zeroes every byte a write in flight could have reached, and
    /// syncs.
    ///
    /// The last frame may be readable and yet not durable: a sync that failed in an earlier life
    /// is not repaired by one that succeeds now. Every frame before it was durable when it was
    /// written. The zeros keep an abandoned frame from ever being taken for a later one.
    async fn settle_end(&mut self, stop: &Stop) -> Result<()> {
        let header = self.scanner.live.header;
        let file = self.scanner.file();
        let fail = |operation, cause: crate::Error| Error::storage(operation, &stop.file, cause);
        let (offset, bytes) = self.last;
        let again = file.read_at(offset, bytes as usize).await.map_err(|e| fail("read", e))?;
        file.write_at(again, offset).await.map_err(|e| fail("write again", e))?;
        let window = u64::from(header.flight_count_max) * u64::from(header.frame_bytes_max);
        let end = (stop.offset + window).min(header.file_bytes);
        let mut offset = stop.offset;
        while offset < end {
            let part = (end - offset).min(limits::READ_BYTES as u64);
            debug_assert!(part.is_multiple_of(BLOCK_BYTES as u64));
            let zeros = AlignedBuffer::zeroed(part as usize);
            file.write_at(zeros, offset).await.map_err(|e| fail("clear", e))?;
            offset += part;
        }
        file.sync_data().await.map_err(|e| fail("sync", e))
    }
}

/// Returns where the first record at or above `start` begins in a body, and its LSN.
fn skip_below(body: &[u8], first: Lsn, count: u32, start: Lsn) -> Option<(usize, Lsn)> {
    if first >= start {
        return Some((0, first));
    }
    if first.0 + u64::from(count) <= start.0 {
        return None;
    }
    let mut records = Records::new(body, first);
    for _ in first.0..start.0 {
        records.next();
    }
    Some((records.position(), start))
}
