//! How is a segment made, and when does it exist?
//!
//! Blocks are packed into requests of 1 MiB, of which a few are in flight. The file has a draft's
//! name until everything in it is durable; then it is renamed and its directory synced. A crash
//! before that leaves a draft, or a whole file that no manifest names.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::codec::checksum::checksum;
use crate::file::{AlignedBuffer, Dir, File, OpenOptions};
use crate::format::{BLOCK_BYTES, segment_block, segment_part};
use crate::rt::{self, Queue, Task};

use super::compress::{Codec, pack};
use super::ends::{Trailer, encode_header};
use super::error::{Error, Result};
use super::footer::{BlockEntry, PartEntry, Table};
use super::identity::{PartKind, SegmentIdentity, SegmentSeal, draft_name, segment_name};
use super::limits;

/// A segment being written.
pub struct SegmentWriter {
    dir: Dir,
    identity: SegmentIdentity,
    out: Requests,
    table: Table,
    /// The first failure; everything after it fails too.
    failure: Option<Error>,
}

impl SegmentWriter {
    /// Begins a file, in place of a draft of the same number.
    ///
    /// **Errors**: `Exists` when there is a finished segment of this number; `Disk`.
    pub async fn create(dir: &Dir, identity: SegmentIdentity) -> Result<Self> {
        let file = segment_name(identity.id);
        match dir.open_file(&file, OpenOptions::default()).await {
            Ok(found) => {
                found.close().await?;
                return Err(Error::Exists { file });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let mut out = Requests::new(dir.create_file(&draft_name(identity.id), 0).await?);
        out.append(&encode_header(identity)).await?;
        let table = Table::default();
        Ok(Self { dir: dir.clone(), identity, out, table, failure: None })
    }

    /// Begins a part: the blocks that follow are its.
    ///
    /// **Panics**: the segment has a part of this kind already.
    pub fn begin_part(&mut self, kind: PartKind) {
        assert!(self.table.part(kind).is_none(), "part {kind} was begun before");
        let first = u32::try_from(self.table.blocks.len()).expect("bounded by the footer");
        self.table.parts.push(PartEntry { kind, first, count: 0 });
    }

    /// Appends a block to the part begun last; returns its number in that part.
    ///
    /// **Cost**: compresses at once, on this core; waits for the disk only when it falls behind.
    ///
    /// **Errors**: `TooLarge` for more than 64 MiB, or more blocks than a footer may have: nothing
    /// was written then. `Disk`: the writer is of no use any more.
    ///
    /// **Panics**: no part has been begun.
    pub async fn put(&mut self, raw: &[u8], codec: Codec) -> Result<u32> {
        self.check_room(raw)?;
        rt::yield_if_needed().await;
        let (stored, codec) = pack(raw, codec);
        let block = BlockEntry {
            offset: self.out.end(),
            stored_bytes: u32::try_from(stored.len()).expect("at most as long as the block"),
            raw_bytes: u32::try_from(raw.len()).expect("checked above"),
            checksum: checksum(&stored),
            codec,
        };
        self.append(&stored).await?;
        self.table.blocks.push(block);
        let part = self.table.parts.last_mut().expect("checked above");
        part.count += 1;
        Ok(part.count - 1)
    }

    fn check_room(&self, raw: &[u8]) -> Result<()> {
        assert!(!self.table.parts.is_empty(), "a part is begun before its blocks");
        let (bytes, bytes_max) = (raw.len(), limits::RAW_BYTES_MAX);
        if bytes > bytes_max {
            return Err(Error::TooLarge { what: "a block", bytes, bytes_max });
        }
        // Room for every part there can be, so that none of them has to be refused.
        let parts = (usize::from(u16::MAX) + 1) * segment_part::BYTES;
        let bytes = parts + (self.table.blocks.len() + 1) * segment_block::BYTES;
        let bytes_max = limits::FOOTER_BYTES_MAX;
        if bytes > bytes_max {
            return Err(Error::TooLarge { what: "the table", bytes, bytes_max });
        }
        Ok(())
    }

    /// Returns the length of the file so far, without footer and trailer.
    pub fn stored_bytes(&self) -> u64 {
        self.out.end()
    }

    /// Completes the file, makes it durable and gives it its name, durably.
    ///
    /// **Errors**: `Disk`: a draft, or a whole file that nobody may count on, is left.
    pub async fn finish(mut self) -> Result<SegmentSeal> {
        let footer = self.table.encode();
        let footer_offset = self.out.end();
        let footer_end = footer_offset + footer.len() as u64;
        let padding = footer_end.next_multiple_of(BLOCK_BYTES as u64) - footer_end;
        let file_bytes = footer_end + padding + BLOCK_BYTES as u64;
        let sum = checksum(&footer);
        let trailer = Trailer {
            identity: self.identity,
            file_bytes,
            footer_offset,
            footer_bytes: u32::try_from(footer.len()).expect("bounded by put"),
            footer_checksum: sum,
        };
        self.append(&footer).await?;
        self.append(&vec![0; padding as usize]).await?;
        self.append(&trailer.encode()).await?;
        assert_eq!(self.out.end(), file_bytes, "the file is as long as its trailer says");
        let id = self.identity.id;
        self.out.finish().await?;
        self.dir.rename(&draft_name(id), &segment_name(id)).await?;
        self.dir.sync().await?;
        Ok(SegmentSeal { id, file_bytes, checksum: sum })
    }

    /// Removes the unfinished file. A crash before a sync of the directory may bring it back.
    ///
    /// **Errors**: `Disk`.
    pub async fn discard(mut self) -> Result<()> {
        // Whether the last writes succeed no longer matters, but they must not go on.
        self.out.settle().await.ok();
        Ok(self.dir.remove(&draft_name(self.identity.id)).await?)
    }

    async fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        // A call that is dropped half-way has written nobody knows what.
        self.failure = Some(Error::Disk(crate::Error::Stopped));
        let appended = self.out.append(bytes).await;
        self.failure = appended.clone().err();
        appended
    }
}

/// The end of a file that grows by whole requests.
struct Requests {
    file: Rc<File>,
    /// The request being filled, and how far.
    buffer: AlignedBuffer,
    filled: usize,
    /// Where it begins in the file.
    position: u64,
    flights: VecDeque<Task<crate::Result<()>>>,
}

impl Requests {
    fn new(file: File) -> Self {
        let buffer = AlignedBuffer::zeroed(limits::REQUEST_BYTES);
        let (file, flights) = (Rc::new(file), VecDeque::new());
        Self { file, buffer, filled: 0, position: 0, flights }
    }

    fn end(&self) -> u64 {
        self.position + self.filled as u64
    }

    async fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = rest.len().min(self.buffer.len() - self.filled);
            let (now, later) = rest.split_at(count);
            self.buffer[self.filled..self.filled + count].copy_from_slice(now);
            self.filled += count;
            rest = later;
            if self.filled == self.buffer.len() {
                self.launch(AlignedBuffer::zeroed(limits::REQUEST_BYTES)).await?;
            }
        }
        Ok(())
    }

    /// Sends what was filled on its way and goes on with an empty buffer.
    async fn launch(&mut self, next: AlignedBuffer) -> Result<()> {
        while self.flights.len() >= limits::WRITES_AHEAD {
            self.land().await?;
        }
        let mut buffer = std::mem::replace(&mut self.buffer, next);
        buffer.truncate(self.filled);
        let (file, position) = (self.file.clone(), self.position);
        self.position += self.filled as u64;
        self.filled = 0;
        let write = async move { file.write_at(buffer, position).await };
        self.flights.push_back(rt::spawn(Queue::Maintenance, "segment write", write));
        Ok(())
    }

    /// Waits for the oldest request.
    async fn land(&mut self) -> Result<()> {
        if let Some(flight) = self.flights.pop_front() {
            flight.await?;
        }
        Ok(())
    }

    /// Waits for every request, also after one has failed.
    async fn settle(&mut self) -> Result<()> {
        let mut settled = Ok(());
        while !self.flights.is_empty() {
            settled = settled.and(self.land().await);
        }
        settled
    }

    async fn finish(mut self) -> Result<()> {
        self.launch(AlignedBuffer::zeroed(0)).await?;
        self.settle().await?;
        self.file.sync_data().await?;
        match Rc::into_inner(self.file) {
            Some(file) => Ok(file.close().await?),
            None => Ok(()),
        }
    }
}
