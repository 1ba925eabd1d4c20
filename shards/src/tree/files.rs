//! Where are a shard's files, and what is the next one called?

use std::cell::Cell;

use pieskieo_io::file::Dir;
use pieskieo_io::segment::{
    Codec, Segment, SegmentId, SegmentIdentity, SegmentSeal, SegmentWriter,
    parse_segment_draft_name, parse_segment_name,
};
use pieskieo_io::wal::StreamId;

use super::limits::{GROUP_BYTES, LEVEL_ONE_BYTES, RUN_BYTES};
use super::run::{Run, RunFacts, storage};
use super::seal::RunWriter;
use crate::error::Error;
use crate::row::RowLayout;

/// How large the pieces of trees are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Bytes a row group aims at, before compression.
    pub group_bytes: usize,
    /// Bytes a run aims at, as stored.
    pub run_bytes: u64,
    /// Bytes of level 1, as stored.
    pub level_bytes: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self { group_bytes: GROUP_BYTES, run_bytes: RUN_BYTES, level_bytes: LEVEL_ONE_BYTES }
    }
}

/// The segment files of one shard.
pub(crate) struct Files {
    dir: Dir,
    database: [u8; 16],
    stream: StreamId,
    next: Cell<u64>,
    shape: Shape,
}

impl Files {
    /// Returns the files in `dir`; `next` is a number above every one that was ever used.
    pub fn new(dir: Dir, database: [u8; 16], stream: StreamId, next: u64, shape: Shape) -> Self {
        Self { dir, database, stream, next: Cell::new(next), shape }
    }

    /// Returns how large the pieces are.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Returns the folder.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Opens a run.
    ///
    /// **Errors**: as [`Run::open`].
    pub async fn open(&self, facts: RunFacts) -> Result<Run, Error> {
        Run::open(&self.dir, self.identity(facts.seal.id), facts).await
    }

    /// Opens a file that is no run.
    ///
    /// **Errors**: `Storage`; `Corrupt` naming the file when it is missing, another or damaged.
    pub async fn open_plain(&self, seal: SegmentSeal) -> Result<Segment, Error> {
        Segment::open(&self.dir, self.identity(seal.id), seal).await.map_err(storage)
    }

    /// Begins a file that is no run.
    ///
    /// **Errors**: `Storage`.
    pub async fn create_plain(&self) -> Result<(SegmentId, SegmentWriter), Error> {
        let id = self.take_id();
        let writer = SegmentWriter::create(&self.dir, self.identity(id)).await;
        Ok((id, writer.map_err(storage)?))
    }

    fn take_id(&self) -> SegmentId {
        SegmentId(self.next.replace(self.next.get() + 1))
    }

    pub(super) async fn create<'l>(
        &self,
        layout: &'l RowLayout,
        codec: Codec,
    ) -> Result<(SegmentId, RunWriter<'l>), Error> {
        let id = self.take_id();
        let pieces = (self.identity(id), self.shape.group_bytes);
        Ok((id, RunWriter::create(&self.dir, pieces, layout, codec).await?))
    }

    /// Removes files that nothing names, finished or not. What cannot be removed is left to the
    /// next start.
    pub async fn remove_all(&self, ids: &[SegmentId]) {
        let names = self.dir.list().await.unwrap_or_default();
        for name in names {
            let id = parse_segment_name(&name).or_else(|| parse_segment_draft_name(&name));
            if id.is_some_and(|id| ids.contains(&id))
                && let Err(error) = self.dir.remove(&name).await
            {
                tracing::warn!(file = name, %error, "an unfinished segment cannot be removed");
            }
        }
    }

    fn identity(&self, id: SegmentId) -> SegmentIdentity {
        SegmentIdentity { database: self.database, stream: self.stream, id }
    }
}
