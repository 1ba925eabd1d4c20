//! What does a manifest hold after a crash, and where does it go on?
//!
//! 1. Make the names durable, then look at the newest generation only.
//! 2. Refuse it if it is damaged, before anything is changed.
//! 3. Remove drafts and older generations.
//! 4. After a torn end, write everything as a new generation, so that nothing of the torn frame
//!    can be met again. Else write the last frame once more and sync: it may come from a sync
//!    that failed, and then the disk may hold nothing of it though it reads well.

use std::rc::Rc;

use crate::file::{AlignedBuffer, Dir, File, OpenOptions};

use super::error::{Damage, DamageKind, Result};
use super::generation::{self, Generation};
use super::handle::ManifestContent;
use super::header::ManifestIdentity;
use super::limits::FILE_BYTES_MAX;
use super::name::{self, Entry};
use super::scan::{self, Scan};

/// The names of a manifest in a directory.
pub(super) struct Names {
    /// Generations, oldest first.
    pub generations: Vec<u64>,
    pub drafts: Vec<u64>,
}

/// Returns what a directory holds of a manifest.
pub(super) async fn names(dir: &Dir) -> Result<Names> {
    let (mut generations, mut drafts) = (Vec::new(), Vec::new());
    for entry in dir.list().await?.iter().filter_map(|name| name::parse(name)) {
        match entry {
            Entry::File(generation) => generations.push(generation),
            Entry::Draft(generation) => drafts.push(generation),
        }
    }
    generations.sort_unstable();
    Ok(Names { generations, drafts })
}

/// Reads a generation whole.
pub(super) async fn read(dir: &Dir, name: &str) -> Result<(File, AlignedBuffer)> {
    let file = dir.open_file(name, OpenOptions::default()).await?;
    let bytes = file.len();
    if bytes > FILE_BYTES_MAX {
        let (expected, found) = (format!("at most {FILE_BYTES_MAX} bytes"), format!("{bytes}"));
        return Err(Damage::new(name, 0, DamageKind::Length, expected, found).into());
    }
    // A length that is no multiple of a block: the file system was cut off while it grew.
    let whole = bytes.next_multiple_of(crate::format::BLOCK_BYTES as u64);
    let buffer = file.read_at(0, whole as usize).await?;
    Ok((file, buffer))
}

/// Opens the newest generation; `None` when there is none.
pub(super) async fn open(
    dir: &Dir,
    identity: ManifestIdentity,
) -> Result<Option<(Generation, ManifestContent)>> {
    dir.sync().await?;
    let names = names(dir).await?;
    let newest = match names.generations.last() {
        Some(number) => Some((*number, newest(dir, *number, identity).await?)),
        None => None,
    };
    for number in &names.drafts {
        dir.remove(&name::draft(*number)).await?;
    }
    let Some((number, Newest { file, bytes, scan })) = newest else { return Ok(None) };
    for older in names.generations.iter().filter(|older| **older != number) {
        dir.remove(&name::file(*older)).await?;
    }
    let bodies = || scan.frames.iter().filter_map(|frame| bytes.get(frame.body.clone()));
    let mut contents = bodies().map(<[u8]>::to_vec);
    let snapshot = contents.next().unwrap_or_default();
    let content = ManifestContent { snapshot, edits: contents.collect() };
    let generation = if file.len() == scan.end {
        go_on(file, number, &bytes, &scan).await?
    } else {
        let next = generation::write(dir, identity, number + 1, bodies()).await?;
        dir.remove(&name::file(number)).await?;
        file.close().await?;
        next
    };
    Ok(Some((generation, content)))
}

/// The newest generation, found to be whole up to its end.
struct Newest {
    file: File,
    bytes: AlignedBuffer,
    scan: Scan,
}

async fn newest(dir: &Dir, number: u64, identity: ManifestIdentity) -> Result<Newest> {
    let name = name::file(number);
    let (file, bytes) = read(dir, &name).await?;
    let scan = scan::frames(&name, &bytes)?;
    let header = scan.header;
    if header.identity != identity {
        let (kind, found) = (DamageKind::Identity, header.identity);
        return Err(Damage::new(&name, 0, kind, identity, found).into());
    }
    if header.generation != number || number == u64::MAX {
        let (expected, found) = (format!("generation {number}"), header.generation);
        return Err(Damage::new(&name, 0, DamageKind::Identity, expected, found).into());
    }
    scan::check_end(&name, &bytes, &scan)?;
    Ok(Newest { file, bytes, scan })
}

/// Makes the last frame durable beyond doubt and continues behind it.
async fn go_on(file: File, number: u64, bytes: &[u8], scan: &Scan) -> Result<Generation> {
    let start = scan.frames.last().map_or(0, |last| last.offset);
    let frame = bytes.get(start as usize..scan.end as usize).unwrap_or(&[]);
    file.write_at(AlignedBuffer::copy_of(frame), start).await?;
    file.sync_data().await?;
    let (salt, end, link) = (scan.header.salt, scan.end, scan.link());
    Ok(Generation { number, salt, file: Rc::new(file), end, link })
}
