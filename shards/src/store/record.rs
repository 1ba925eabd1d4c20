//! Which versions does a record have?

use std::sync::Arc;

use crate::ids::{RecordId, Timestamp};
use crate::key::Key;

/// Records of one chunk of the arena. A chunk never moves, so growing costs no copy.
const CHUNK_RECORDS: usize = 4096;

/// What a record was from `begin` until just before `end`.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub begin: Timestamp,
    pub end: Timestamp,
    pub row: Arc<[u8]>,
}

impl Version {
    pub fn visible(&self, snapshot: Timestamp) -> bool {
        self.begin <= snapshot && snapshot < self.end
    }
}

/// One record with its versions.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub key: Key,
    /// The version written last; `None` only in a place that is free.
    pub newest: Option<Version>,
    /// The ones before, oldest first; absent in most records. Boxed so that a record fits one
    /// cache line.
    #[expect(clippy::box_collection, reason = "a pointer instead of a vector saves 16 bytes")]
    pub older: Option<Box<Vec<Version>>>,
}

impl Record {
    /// Returns the version visible at the snapshot.
    #[inline]
    pub fn at(&self, snapshot: Timestamp) -> Option<&Version> {
        let newest = self.newest.as_ref()?;
        if newest.begin <= snapshot {
            return newest.visible(snapshot).then_some(newest);
        }
        let older = self.older.as_ref()?;
        older.iter().rev().find(|version| version.begin <= snapshot).filter(|v| v.visible(snapshot))
    }

    /// Returns the current version.
    pub fn current(&self) -> Option<&Version> {
        self.newest.as_ref().filter(|version| version.end == Timestamp::MAX)
    }

    /// Returns when the record last changed.
    pub fn changed(&self) -> Timestamp {
        match &self.newest {
            Some(version) if version.end == Timestamp::MAX => version.begin,
            Some(version) => version.end,
            None => Timestamp(0),
        }
    }

    /// Makes `version` the newest.
    pub fn push(&mut self, version: Version) {
        if let Some(previous) = self.newest.replace(version) {
            self.older.get_or_insert_default().push(previous);
        }
    }

    /// Returns all versions, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.older.iter().flat_map(|older| older.iter()).chain(&self.newest)
    }

    /// Takes out the versions that ended at or before the watermark.
    pub fn collect(&mut self, watermark: Timestamp) -> Vec<Version> {
        let mut dropped = Vec::new();
        if let Some(older) = &mut self.older {
            let kept = older.iter().position(|version| version.end > watermark);
            dropped.extend(older.drain(..kept.unwrap_or(older.len())));
            if older.is_empty() {
                self.older = None;
            }
        }
        if self.older.is_none()
            && let Some(newest) = self.newest.take_if(|version| version.end <= watermark)
        {
            dropped.push(newest);
        }
        dropped
    }
}

/// The records of one table, by id.
#[derive(Debug, Default)]
pub(super) struct Arena {
    chunks: Vec<Vec<Record>>,
    free: Vec<RecordId>,
    count: u32,
}

impl Arena {
    /// Stores a record without versions and returns its id.
    pub fn add(&mut self, key: Key) -> RecordId {
        let record = Record { key, newest: None, older: None };
        if let Some(id) = self.free.pop() {
            *self.get_mut(id) = record;
            return id;
        }
        assert!(self.count < u32::MAX, "a table has at most 2^32 - 1 records per shard");
        let id = RecordId(self.count);
        if (self.count as usize).is_multiple_of(CHUNK_RECORDS) {
            self.chunks.push(Vec::with_capacity(CHUNK_RECORDS));
        }
        self.chunks[id.0 as usize / CHUNK_RECORDS].push(record);
        self.count += 1;
        id
    }

    /// Gives back the place of a record that no index mentions.
    pub fn release(&mut self, id: RecordId) {
        debug_assert!(self.get(id).newest.is_none(), "only a record without versions is released");
        self.free.push(id);
    }

    #[inline]
    pub fn get(&self, id: RecordId) -> &Record {
        &self.chunks[id.0 as usize / CHUNK_RECORDS][id.0 as usize % CHUNK_RECORDS]
    }

    pub fn get_mut(&mut self, id: RecordId) -> &mut Record {
        &mut self.chunks[id.0 as usize / CHUNK_RECORDS][id.0 as usize % CHUNK_RECORDS]
    }

    /// Returns the records from `first` on, with their ids.
    pub fn from(&self, first: u32) -> impl Iterator<Item = (RecordId, &Record)> {
        let (chunk, within) = (first as usize / CHUNK_RECORDS, first as usize % CHUNK_RECORDS);
        let head = self.chunks.get(chunk).and_then(|records| records.get(within..)).unwrap_or(&[]);
        let tail = self.chunks.get(chunk + 1..).unwrap_or(&[]).iter().flatten();
        head.iter()
            .chain(tail)
            .enumerate()
            .map(move |(offset, record)| (RecordId(first + offset as u32), record))
    }

    /// Returns how many places there are, free ones included.
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Returns an estimate of the bytes the places take, without rows and keys.
    pub fn memory_bytes(&self) -> usize {
        self.chunks.len() * CHUNK_RECORDS * size_of::<Record>()
    }
}
