//! How do waiting records reach the disk, and what happens when the disk refuses?
//!
//! One task per stream, the only one that writes to the active file. One frame is in flight at a
//! time: while it is, appends collect; when it is durable, whatever collected becomes the next
//! frame. There is no timer. Nobody can drop the task, so no write is ever cancelled half-way.
//!
//! The first failure of a write or sync fences the stream: after it nobody can say which bytes
//! are on the disk, and asking again would only report success for pages the kernel gave up.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::codec::checksum::checksum;
use crate::codec::frame::{FrameHeader, FrameKind, frame_bytes};
use crate::file::{AlignedBuffer, File};
use crate::format::{BLOCK_BYTES, frame_header};
use crate::{rt, time};

use super::arrange::Live;
use super::body::Body;
use super::chain::Chain;
use super::error::Fence;
use super::header::FileHeader;
use super::limits;
use super::options::SyncMethod;
use super::state::{Phase, Sealed, Shared};

/// Writes frames to the end of the log.
pub(super) struct Writer {
    shared: Rc<Shared>,
    sync: SyncMethod,
    live: Live,
    file: Rc<File>,
    chain: Chain,
    /// Whether the last frame is not yet known durable by a later one.
    unconfirmed: bool,
}

/// What there is to do.
enum Work {
    Write(Body),
    Confirm,
    Stop,
}

impl Writer {
    /// Returns a writer that continues `chain` in the newest file.
    pub(super) fn new(
        shared: Rc<Shared>,
        sync: SyncMethod,
        live: Live,
        file: Rc<File>,
        chain: Chain,
        unconfirmed: bool,
    ) -> Self {
        assert!(sync != SyncMethod::Calibrated, "the method is settled before writing");
        Self { shared, sync, live, file, chain, unconfirmed }
    }

    /// Writes until the stream closes or fails.
    pub(super) async fn run(mut self) {
        self.publish_room();
        if let Err(fence) = self.serve().await {
            tracing::error!(stream = %self.live.header.stream, "the log is fenced: {fence}");
            self.shared.state.borrow_mut().fail(fence);
        }
        self.shared.state.borrow_mut().writer_ended = true;
        self.shared.keeper.set();
    }

    async fn serve(&mut self) -> Result<(), Fence> {
        loop {
            match self.next_work().await {
                Work::Write(body) => {
                    self.write(&body).await?;
                    self.shared.state.borrow_mut().packer.recycle(body.bytes);
                }
                Work::Confirm => self.confirm().await?,
                Work::Stop => return Ok(()),
            }
        }
    }

    async fn next_work(&self) -> Work {
        loop {
            let closing = {
                let mut state = self.shared.state.borrow_mut();
                if let Some(body) = state.packer.pop() {
                    return Work::Write(body);
                }
                state.phase == Phase::Closing
            };
            match (closing, self.unconfirmed) {
                (true, true) => return Work::Confirm,
                (true, false) => return Work::Stop,
                (false, false) => self.shared.writer.wait().await,
                (false, true) => {
                    let pause = Duration::from_millis(self.shared.options.confirm_after_ms);
                    if rt::timeout(pause, self.shared.writer.wait()).await.is_err() {
                        return Work::Confirm;
                    }
                }
            }
        }
    }

    async fn confirm(&mut self) -> Result<(), Fence> {
        let (kind, bytes) = (FrameKind::Confirm, Vec::new());
        self.write(&Body { kind, bytes, first_lsn: self.chain.lsn, record_count: 0 }).await?;
        self.unconfirmed = false;
        self.shared.state.borrow_mut().stats.confirmations += 1;
        Ok(())
    }

    /// Writes one frame, makes it durable and tells whoever waited.
    async fn write(&mut self, body: &Body) -> Result<(), Fence> {
        assert_eq!(body.first_lsn, self.chain.lsn, "frames carry every record, in order");
        let bytes = frame_bytes(body.bytes.len());
        if self.chain.offset + bytes > self.live.header.file_bytes {
            self.rotate().await?;
        }
        let header = self.frame_header(body);
        let (front, sum) = header.encode(self.live.header.salt);
        let buffer = fill(&front, &body.bytes, bytes as usize);
        self.put(buffer, self.chain.offset, "write").await?;
        self.chain.advance(&header, sum);
        self.unconfirmed = body.kind != FrameKind::Confirm;
        self.publish_room();
        let mut state = self.shared.state.borrow_mut();
        state.stats.frames += 1;
        state.stats.frame_bytes += bytes;
        if body.record_count > 0 {
            state.advance_durable(body.last_lsn());
        }
        Ok(())
    }

    fn frame_header(&self, body: &Body) -> FrameHeader {
        FrameHeader {
            kind: body.kind,
            body_bytes: body.bytes.len() as u32,
            record_count: body.record_count,
            sequence: self.chain.sequence,
            epoch: self.live.header.epoch,
            first_lsn: self.chain.lsn.0,
            durable_lsn: self.chain.lsn.previous().0,
            window_base: self.chain.sequence,
            previous_checksum: self.chain.checksum,
            body_checksum: checksum(&body.bytes),
        }
    }

    /// Writes at `offset` and syncs by the chosen method.
    async fn put(
        &self,
        buffer: AlignedBuffer,
        offset: u64,
        operation: &'static str,
    ) -> Result<(), Fence> {
        let started = time::now();
        self.file
            .write_at(buffer, offset)
            .await
            .map_err(|cause| self.fence(operation, offset, cause))?;
        if self.sync == SyncMethod::AfterWrite {
            self.file.sync_data().await.map_err(|cause| self.fence("sync", offset, cause))?;
        }
        let spent = time::now().since(started).as_micros() as u64;
        let mut state = self.shared.state.borrow_mut();
        state.stats.flush_us += spent;
        state.stats.flush_us_max = state.stats.flush_us_max.max(spent);
        Ok(())
    }

    /// Begins the next file. Everything before is durable, so a readable header proves that the
    /// file before it was complete.
    async fn rotate(&mut self) -> Result<(), Fence> {
        let spare = self.take_spare().await?;
        let end = self.chain.lsn;
        let header = FileHeader {
            epoch: self.live.header.epoch + 1,
            first_lsn: end,
            first_sequence: self.chain.sequence,
            released_lsn: self.shared.state.borrow().released,
            created_us: time::wall().0,
            file_bytes: self.shared.options.file_bytes,
            frame_bytes_max: self.shared.options.frame_bytes_max as u32,
            flight_count_max: limits::FLIGHT_COUNT_MAX,
            previous_checksum: self.chain.checksum,
            ..self.live.header
        };
        let (block, sum) = header.encode();
        let live = Live { name: spare.name, header, checksum: sum };
        let sealed = std::mem::replace(&mut self.live, live);
        let full = std::mem::replace(&mut self.file, spare.file);
        self.chain = Chain::start(&self.live);
        self.put(fill(&block, &[], BLOCK_BYTES), 0, "write the header").await?;
        {
            let mut state = self.shared.state.borrow_mut();
            state.sealed.push_back(Sealed { name: sealed.name, end });
            state.stats.rotations += 1;
        }
        self.shared.keeper.set();
        drop(full);
        Ok(())
    }

    /// Waits for a spare file. While the disk is full `append` refuses before the room runs out,
    /// so this waits only for a keeper that is behind.
    async fn take_spare(&self) -> Result<super::state::Spare, Fence> {
        loop {
            let (spare, is_news, closing) = {
                let mut state = self.shared.state.borrow_mut();
                let spare = state.spares.pop_front();
                let is_news = spare.is_some() || !state.is_spare_awaited;
                state.is_spare_awaited = spare.is_none();
                (spare, is_news, state.phase == Phase::Closing)
            };
            // Rung whenever it could not make one, the keeper would never rest before it tries
            // again, and fill a full disk over and over.
            if is_news {
                self.shared.keeper.set();
            }
            if let Some(spare) = spare {
                return Ok(spare);
            }
            let blocked = self.shared.state.borrow().blocked.clone();
            if let Some(cause) = blocked.filter(|_| closing) {
                return Err(self.fence("prepare the next file", self.chain.offset, cause));
            }
            self.shared.writer.wait().await;
        }
    }

    fn publish_room(&self) {
        let left = self.live.header.file_bytes.saturating_sub(self.chain.offset);
        self.shared.state.borrow_mut().active_left = left;
    }

    fn fence(&self, operation: &'static str, offset: u64, cause: impl fmt::Display) -> Fence {
        Fence { operation, file: self.live.name.clone(), offset, cause: cause.to_string() }
    }
}

/// Returns an aligned buffer of `bytes` bytes: header, body, zeros.
pub(super) fn fill(front: &[u8], body: &[u8], bytes: usize) -> AlignedBuffer {
    assert!(bytes.is_multiple_of(BLOCK_BYTES), "writes are whole blocks");
    assert!(front.len() + body.len() <= bytes, "a frame is as long as it says");
    const { assert!(frame_header::BYTES < BLOCK_BYTES) };
    let mut buffer = AlignedBuffer::zeroed(bytes);
    buffer[..front.len()].copy_from_slice(front);
    buffer[front.len()..front.len() + body.len()].copy_from_slice(body);
    buffer
}
