//! Which frames does a log file hold, for a program that shows them?

use std::collections::BTreeMap;

use crate::codec::frame::FrameKind;
use crate::file::{Dir, OpenOptions};
use crate::format::BLOCK_BYTES;

use super::arrange::Live;
use super::body::{Joiner, Records};
use super::error::{Error, Result};
use super::header::{FileHeader, HeaderBlock};
use super::position::{Lsn, StreamId};
use super::scan::{Scanner, Step};
use super::tail::Seen;

/// What stands in a file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileListing {
    /// Its name.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// What it says about itself.
    pub state: FileState,
    /// Its intact frames, in order. The checksums of all of them are right.
    pub frames: Vec<FrameListing>,
    /// Why there are no more; `None` when the file is none of the log.
    pub end: Option<EndListing>,
}

/// What a log file says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It is of the log.
    Log {
        /// The stream.
        stream: StreamId,
        /// The database.
        database: [u8; 16],
        /// The epoch.
        epoch: u64,
        /// The first record that ends in it.
        first: Lsn,
        /// Records below were not needed any more when the file was begun.
        released: Lsn,
        /// The length it should have.
        bytes: u64,
    },
    /// Zeros where the header goes: prepared for later.
    Spare,
    /// A header of a version this program does not know.
    Version(u32),
    /// No header of a log file.
    Unreadable,
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameListing {
    /// Where in the file.
    pub offset: u64,
    /// Its number in the stream.
    pub sequence: u64,
    /// Its kind.
    pub kind: &'static str,
    /// The first record that ends in it or later.
    pub first: Lsn,
    /// Records that end in it.
    pub records: u32,
    /// Length of its body.
    pub bytes: u32,
    /// Every record up to this one was durable when it was written.
    pub durable: Lsn,
    /// What the caller calls the records that end in it, and how many there are of each.
    pub kinds: BTreeMap<&'static str, u32>,
}

/// Where the frames of a file end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndListing {
    /// Where.
    pub offset: u64,
    /// The record that would come next.
    pub next: Lsn,
    /// What stands there.
    pub what: &'static str,
    /// Whether that is the end of a sound file, or one that a crash leaves.
    pub is_sound: bool,
}

/// Lists a file in `dir`. `name_of` says what a record is called. Writes nothing.
///
/// **Errors**: `Storage` when the file cannot be read at all.
pub async fn list(
    dir: &Dir,
    name: &str,
    name_of: impl Fn(&[u8]) -> &'static str,
) -> Result<FileListing> {
    let storage = |cause| Error::storage("read", name, cause);
    let file = dir.open_file(name, OpenOptions::default()).await.map_err(storage)?;
    let bytes = file.len();
    let header = if bytes < BLOCK_BYTES as u64 {
        HeaderBlock::Broken
    } else {
        FileHeader::decode(&file.read_at(0, BLOCK_BYTES).await.map_err(storage)?)
    };
    let mut listing = FileListing {
        file: name.to_owned(),
        bytes,
        state: state(&header),
        frames: Vec::new(),
        end: None,
    };
    if let HeaderBlock::Valid(header, checksum) = header
        && header.file_bytes == bytes
    {
        let live = Live { name: name.to_owned(), header, checksum };
        follow(Scanner::new(file.into(), live), &mut listing, name_of).await?;
    }
    Ok(listing)
}

fn state(header: &HeaderBlock) -> FileState {
    match header {
        HeaderBlock::Valid(header, _) => FileState::Log {
            stream: header.stream,
            database: header.database,
            epoch: header.epoch,
            first: header.first_lsn,
            released: header.released_lsn,
            bytes: header.file_bytes,
        },
        HeaderBlock::Blank => FileState::Spare,
        HeaderBlock::Version(version) => FileState::Version(*version),
        HeaderBlock::Broken => FileState::Unreadable,
    }
}

async fn follow(
    mut scanner: Scanner,
    listing: &mut FileListing,
    name_of: impl Fn(&[u8]) -> &'static str,
) -> Result<()> {
    let mut joiner = Joiner::default();
    loop {
        let frame = match scanner.step().await? {
            Step::Frame(frame) => frame,
            Step::Stop(seen) => {
                let stop = scanner.stop(seen);
                let (what, is_sound) = match seen {
                    Seen::FileEnd => ("the file is full", true),
                    Seen::Nothing => ("no further frame", scanner.beyond().await?.is_empty()),
                    Seen::Torn => ("a torn frame", scanner.beyond().await?.is_empty()),
                    Seen::Stray(_) => ("a frame out of place", false),
                    Seen::Alien => ("a frame nothing of ours writes", false),
                };
                let (offset, next) = (stop.offset, stop.lsn);
                listing.end = Some(EndListing { offset, next, what, is_sound });
                return Ok(());
            }
        };
        let (header, body) = (frame.header, scanner.body(&frame));
        let mut kinds = BTreeMap::new();
        let joined = joiner.push(header.kind, body);
        if header.kind == FrameKind::Records {
            for (_, record) in Records::new(body, Lsn(header.first_lsn)) {
                *kinds.entry(name_of(record)).or_default() += 1;
            }
        } else if let Ok(Some(record)) = joined {
            *kinds.entry(name_of(&record)).or_default() += 1;
        }
        listing.frames.push(FrameListing {
            offset: frame.offset,
            sequence: header.sequence,
            kind: header.kind.name(),
            first: Lsn(header.first_lsn),
            records: header.record_count,
            bytes: header.body_bytes,
            durable: Lsn(header.durable_lsn),
            kinds,
        });
    }
}
