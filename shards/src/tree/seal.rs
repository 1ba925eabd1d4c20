//! How do sorted versions become a run?

use pieskieo_io::file::Dir;
use pieskieo_io::segment::{Codec, SegmentIdentity, SegmentWriter};

use super::encode::GroupWriter;
use super::filter::{Filter, hash_of};
use super::run::{FENCES, FILTER, Fences, GROUPS, RunFacts, ZONES, storage};
use super::version::Content;
use super::zone::ZoneWriter;
use crate::error::Error;
use crate::ids::Timestamp;
use crate::row::RowLayout;

/// Writes one run. Versions come by key ascending and begin descending.
pub(super) struct RunWriter<'l> {
    segment: SegmentWriter,
    codec: Codec,
    group: GroupWriter<'l>,
    fences: Fences,
    zones: ZoneWriter<'l>,
    hashes: Vec<u64>,
    first: Vec<u8>,
    last: Vec<u8>,
    last_begin: Timestamp,
    versions: u64,
    deletions: u64,
    raw_bytes: u64,
    newest: Timestamp,
}

impl<'l> RunWriter<'l> {
    pub async fn create(
        dir: &Dir,
        (identity, group_bytes): (SegmentIdentity, usize),
        layout: &'l RowLayout,
        codec: Codec,
    ) -> Result<Self, Error> {
        let mut segment = SegmentWriter::create(dir, identity).await.map_err(storage)?;
        segment.begin_part(GROUPS);
        Ok(Self {
            segment,
            codec,
            group: GroupWriter::new(layout, group_bytes),
            fences: Fences::new(),
            zones: ZoneWriter::new(layout),
            hashes: Vec::new(),
            first: Vec::new(),
            last: Vec::new(),
            last_begin: Timestamp(0),
            versions: 0,
            deletions: 0,
            raw_bytes: 0,
            newest: Timestamp(0),
        })
    }

    /// Adds a version.
    ///
    /// **Errors**: `Storage` when the disk fails or is full; `Corrupt` for a row of another layout.
    /// **Panics**: when it is not after the one before.
    pub async fn push(
        &mut self,
        key: &[u8],
        begin: Timestamp,
        content: Content<'_>,
    ) -> Result<(), Error> {
        let is_new = self.versions == 0 || self.last != key;
        assert!(
            self.versions == 0 || (is_new && *self.last < *key) || begin < self.last_begin,
            "versions are written in order"
        );
        if self.group.is_full() {
            self.finish_group().await?;
        }
        if self.group.is_empty() {
            self.fences.push(key, begin);
            if !is_new {
                self.zones.key_goes_on();
            }
        }
        self.group.push(key, begin, content)?;
        if is_new {
            self.hashes.push(hash_of(key));
            if self.versions == 0 {
                self.first.extend_from_slice(key);
            }
            self.last.clear();
            self.last.extend_from_slice(key);
        }
        self.last_begin = begin;
        self.versions += 1;
        self.deletions += u64::from(matches!(content, Content::Deleted));
        self.newest = self.newest.max(begin);
        Ok(())
    }

    /// Returns the bytes of the file so far, without the group being filled.
    pub fn stored_bytes(&self) -> u64 {
        self.segment.stored_bytes()
    }

    /// Makes the run durable.
    ///
    /// **Errors**: `Storage`.
    pub async fn finish(mut self) -> Result<RunFacts, Error> {
        assert!(self.versions > 0, "a run has at least one version");
        self.finish_group().await?;
        self.segment.begin_part(FENCES);
        self.segment.put(&self.fences.encode(), Codec::Lz4).await.map_err(storage)?;
        self.segment.begin_part(FILTER);
        let filter = Filter::of(&self.hashes);
        self.segment.put(filter.bytes(), Codec::Plain).await.map_err(storage)?;
        if let Some(zones) = self.zones.finish() {
            self.segment.begin_part(ZONES);
            self.segment.put(&zones.encode(), Codec::Lz4).await.map_err(storage)?;
        }
        let seal = self.segment.finish().await.map_err(storage)?;
        Ok(RunFacts {
            seal,
            first: self.first,
            last: self.last,
            versions: self.versions,
            deletions: self.deletions,
            raw_bytes: self.raw_bytes,
            newest: self.newest,
        })
    }

    /// Stops writing. The file is left unfinished.
    pub async fn discard(self) {
        if let Err(error) = self.segment.discard().await {
            tracing::debug!(%error, "an unfinished segment is left");
        }
    }

    async fn finish_group(&mut self) -> Result<(), Error> {
        self.zones.push(|column, visit| self.group.each_field(column, visit));
        let bytes = self.group.finish();
        self.raw_bytes += bytes.len() as u64;
        self.segment.put(&bytes, self.codec).await.map_err(storage)?;
        Ok(())
    }
}
