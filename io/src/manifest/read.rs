//! What does a manifest hold, for a program that must not change it?

use crate::file::Dir;
use crate::rt;

use super::error::Result;
use super::handle::ManifestContent;
use super::header::ManifestIdentity;
use super::{name, open, scan};

/// A generation as it stands on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The file.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Whose it is.
    pub identity: ManifestIdentity,
    /// Which generation it is.
    pub generation: u64,
    /// Its intact frames: a snapshot, then edits.
    pub frames: Vec<FrameListing>,
    /// What they hold.
    pub content: ManifestContent,
    /// Bytes behind them: an edit that was never acknowledged.
    pub torn_bytes: u64,
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameListing {
    /// Where in the file.
    pub offset: u64,
    /// Its number in the generation.
    pub sequence: u64,
    /// `snapshot` or `edit`.
    pub kind: &'static str,
    /// Length of its body.
    pub bytes: u32,
}

/// Returns the name of the newest generation in a directory; `None` when there is none.
///
/// **Errors**: `Disk`.
pub async fn newest(dir: &Dir) -> Result<Option<String>> {
    Ok(open::names(dir).await?.generations.last().map(|number| name::file(*number)))
}

/// Reads a generation. Writes nothing.
///
/// **Errors**: `Damaged`, as when a manifest is opened; `Disk`.
pub async fn read(dir: &Dir, file: &str) -> Result<Reading> {
    let (handle, bytes) = open::read(dir, file).await?;
    let length = handle.len();
    handle.close().await?;
    let scan = scan::frames(file, &bytes)?;
    scan::check_end(file, &bytes, &scan)?;
    rt::yield_if_needed().await;
    let frames = scan.frames.iter().map(|frame| FrameListing {
        offset: frame.offset,
        sequence: frame.header.link.sequence,
        kind: frame.header.kind.name(),
        bytes: frame.header.body_bytes,
    });
    let bodies = scan.frames.iter().filter_map(|frame| bytes.get(frame.body.clone()));
    let mut contents = bodies.map(<[u8]>::to_vec);
    let snapshot = contents.next().unwrap_or_default();
    Ok(Reading {
        file: file.to_owned(),
        bytes: length,
        identity: scan.header.identity,
        generation: scan.header.generation,
        frames: frames.collect(),
        content: ManifestContent { snapshot, edits: contents.collect() },
        torn_bytes: length.saturating_sub(scan.end),
    })
}
