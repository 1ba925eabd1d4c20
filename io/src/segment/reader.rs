//! How do blocks come back?
//!
//! Any number of reads may be under way at once. Each one is verified before it is decompressed,
//! and nothing is kept: caching is for those who know what the blocks mean.

use std::fmt;
use std::ops::Range;

use futures::stream::{self, StreamExt};

use crate::file::{Dir, File};
use crate::rt;

use super::error::{Damage, DamageKind, Error, Result};
use super::footer::{BlockEntry, PartEntry, Table, span};
use super::identity::{PartKind, SegmentIdentity, SegmentSeal};
use super::limits::{READS_AHEAD, REQUEST_BYTES};
use super::open;

/// An open segment: its file, and where each block is.
pub struct Segment {
    pub(super) file: File,
    pub(super) name: String,
    pub(super) identity: SegmentIdentity,
    pub(super) seal: SegmentSeal,
    pub(super) table: Table,
}

impl Segment {
    /// Opens a finished file, if it is the one that `identity` and `seal` mean.
    ///
    /// **Cost**: two reads, three when the segment has thousands of blocks.
    ///
    /// **Errors**: `Damaged` when the file is missing, another one, or not what was written;
    /// `Disk`.
    pub async fn open(dir: &Dir, identity: SegmentIdentity, seal: SegmentSeal) -> Result<Self> {
        let (file, name) = open::open_file(dir, identity.id).await?;
        let ending = open::check(&file, &name, identity, seal).await?;
        Ok(Self { file, name, identity, seal, table: ending.table })
    }

    /// Returns what the file was opened by.
    pub fn seal(&self) -> SegmentSeal {
        self.seal
    }

    /// Returns the kinds of all parts, in the order they were written.
    pub fn part_kinds(&self) -> impl Iterator<Item = PartKind> + '_ {
        self.table.parts.iter().map(|part| part.kind)
    }

    /// Returns whether the segment has a part of this kind, be it empty.
    pub fn has_part(&self, kind: PartKind) -> bool {
        self.table.part(kind).is_some()
    }

    /// Returns the blocks of a part, 0 when there is no such part.
    pub fn block_count(&self, kind: PartKind) -> u32 {
        self.table.part(kind).map_or(0, |part| part.count)
    }

    /// Returns the length of a block as it comes out.
    ///
    /// **Panics**: there is no such block.
    pub fn block_bytes(&self, kind: PartKind, block: u32) -> usize {
        let run = self.table.run(kind, block, 1).and_then(<[BlockEntry]>::first);
        run.expect("the block exists").raw_bytes as usize
    }

    /// Returns a block.
    ///
    /// **Cost**: one read if what is stored fits 1 MiB; one allocation more than the read's.
    ///
    /// **Errors**: `Damaged`; `NoBlock`; `Disk`.
    pub async fn read(&self, kind: PartKind, block: u32) -> Result<Vec<u8>> {
        let entry = *self.run(kind, block, 1)?.first().ok_or_else(|| self.no_block(kind, block))?;
        let request = self.request(std::slice::from_ref(&entry)).await?;
        let raw = request.unpack(&self.name, &entry);
        Ok(raw.map_err(|damage| damage.of_block(kind, block))?)
    }

    /// Returns `count` neighbouring blocks of a part, from `first` on.
    ///
    /// **Cost**: one read for each MiB that is stored, a few of them in flight.
    ///
    /// **Errors**: as `read`.
    pub async fn read_run(&self, kind: PartKind, first: u32, count: u32) -> Result<Vec<Vec<u8>>> {
        let mut blocks = Vec::with_capacity(count.min(self.block_count(kind)) as usize);
        self.each(kind, first, count, |raw| blocks.push(raw)).await?;
        Ok(blocks)
    }

    /// Returns all blocks of a part, joined; nothing when there is no such part.
    ///
    /// **Cost**: one read for each MiB that is stored, a few of them in flight.
    ///
    /// **Errors**: as `read`.
    pub async fn read_part(&self, kind: PartKind) -> Result<Vec<u8>> {
        let count = self.block_count(kind);
        if count == 0 {
            return Ok(Vec::new());
        }
        let run = self.run(kind, 0, count)?;
        let bytes: u64 = run.iter().map(|block| u64::from(block.raw_bytes)).sum();
        // The lengths are checked as blocks arrive; until then they do not claim much memory.
        let mut whole = Vec::with_capacity(bytes.min(self.file.len()) as usize);
        self.each(kind, 0, count, |raw| whole.extend_from_slice(&raw)).await?;
        Ok(whole)
    }

    /// Returns the bytes of memory that the open segment holds.
    pub fn memory_bytes(&self) -> usize {
        let blocks = self.table.blocks.capacity() * size_of::<BlockEntry>();
        let parts = self.table.parts.capacity() * size_of::<PartEntry>();
        size_of::<Self>() + self.name.capacity() + blocks + parts
    }

    /// Closes the file.
    pub async fn close(self) {
        // Nothing was written: a failure has no consequence.
        self.file.close().await.ok();
    }

    fn no_block(&self, part: PartKind, block: u32) -> Error {
        Error::NoBlock { file: self.name.clone(), part, block }
    }

    fn run(&self, kind: PartKind, first: u32, count: u32) -> Result<&[BlockEntry]> {
        self.table.run(kind, first, count).ok_or_else(|| {
            let last = first.saturating_add(count).saturating_sub(1);
            self.no_block(kind, last)
        })
    }

    /// Hands out neighbouring blocks in order.
    async fn each(
        &self,
        kind: PartKind,
        first: u32,
        count: u32,
        mut take: impl FnMut(Vec<u8>),
    ) -> Result<()> {
        let run = self.run(kind, first, count)?;
        let requests = Table::requests(run, REQUEST_BYTES);
        let read = |range: Range<usize>| async move {
            let blocks = run.get(range.clone()).unwrap_or(&[]);
            (range, self.request(blocks).await)
        };
        let mut reads = stream::iter(requests).map(read).buffered(READS_AHEAD);
        while let Some((range, request)) = reads.next().await {
            let request = request?;
            for (block, index) in run.iter().zip(first..).take(range.end).skip(range.start) {
                let raw = request.unpack(&self.name, block);
                take(raw.map_err(|damage| damage.of_block(kind, index))?);
                rt::yield_if_needed().await;
            }
        }
        Ok(())
    }

    /// Reads neighbouring blocks.
    pub(super) async fn request(&self, blocks: &[BlockEntry]) -> Result<Request> {
        let from = blocks.first().map_or(0, |block| block.offset);
        let to = blocks.last().map_or(from, BlockEntry::end);
        let (start, bytes) = span(from, to);
        let buffer = open::read_exact(&self.file, &self.name, start, bytes).await?;
        Ok(Request { start, buffer })
    }
}

/// Whole disk blocks in memory.
pub(super) struct Request {
    start: u64,
    buffer: crate::file::AlignedBuffer,
}

impl Request {
    /// Returns one of the blocks it was made for.
    pub(super) fn unpack(&self, file: &str, block: &BlockEntry) -> Result<Vec<u8>, Damage> {
        let within = block.offset.checked_sub(self.start).map(|within| within as usize);
        let end = within.and_then(|within| within.checked_add(block.stored_bytes as usize));
        let stored = within.zip(end).and_then(|(from, to)| self.buffer.get(from..to));
        match stored {
            Some(stored) => block.unpack(file, stored),
            None => {
                let found = format!("{} bytes from {}", self.buffer.len(), self.start);
                let kind = DamageKind::Length;
                Err(Damage::new(file, block.offset, kind, block.stored_bytes, found))
            }
        }
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.table.parts.len();
        f.debug_struct("Segment").field("name", &self.name).field("parts", &parts).finish()
    }
}
