//! Is this file the one the manifest means?
//!
//! The trailer is read first, then the footer, then the header; each must name what is asked for.
//! Nothing is allocated by a length that the file itself is too short for.

use crate::codec::checksum::checksum;
use crate::file::{AlignedBuffer, Dir, File, OpenOptions};
use crate::format::BLOCK_BYTES;

use super::ends::{Trailer, decode_header};
use super::error::{Damage, DamageKind, Result};
use super::footer::{Table, span};
use super::identity::{SegmentId, SegmentIdentity, SegmentSeal, segment_name};
use super::limits::TAIL_BYTES;

/// Opens the file of a segment.
///
/// **Errors**: `Damaged` when it is missing; `Disk`.
pub(super) async fn open_file(dir: &Dir, id: SegmentId) -> Result<(File, String)> {
    let name = segment_name(id);
    match dir.open_file(&name, OpenOptions::default()).await {
        Ok(file) => Ok((file, name)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Damage::new(&name, 0, DamageKind::Missing, "a file", "none").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads whole disk blocks that must be there.
pub(super) async fn read_exact(
    file: &File,
    name: &str,
    position: u64,
    bytes: u64,
) -> Result<AlignedBuffer> {
    let buffer = file.read_at(position, bytes as usize).await?;
    if buffer.len() as u64 == bytes {
        return Ok(buffer);
    }
    let found = format!("{} bytes", buffer.len());
    let expected = format!("{bytes} bytes");
    Err(Damage::new(name, position, DamageKind::Length, expected, found).into())
}

/// What the end of a file says.
pub(super) struct Ending {
    pub trailer: Trailer,
    pub table: Table,
}

/// Reads trailer and footer of a file.
pub(super) async fn read_ending(file: &File, name: &str) -> Result<Ending> {
    let (file_bytes, block) = (file.len(), BLOCK_BYTES as u64);
    if !file_bytes.is_multiple_of(block) || file_bytes < 2 * block {
        let (expected, found) = ("whole blocks, at least two", format!("{file_bytes} bytes"));
        return Err(Damage::new(name, 0, DamageKind::Length, expected, found).into());
    }
    let tail_bytes = file_bytes.min(TAIL_BYTES as u64);
    let tail_offset = file_bytes - tail_bytes;
    let tail = read_exact(file, name, tail_offset, tail_bytes).await?;
    let last = tail.get(tail.len() - BLOCK_BYTES..).unwrap_or(&[]);
    let trailer = Trailer::decode(name, file_bytes, last)?;
    let (start, bytes) = span(trailer.footer_offset, file_bytes - block);
    let table = if start >= tail_offset {
        let within = (start - tail_offset) as usize;
        let region = tail.get(within..within + bytes as usize).unwrap_or(&[]);
        read_table(name, &trailer, start, region)?
    } else {
        read_table(name, &trailer, start, &read_exact(file, name, start, bytes).await?)?
    };
    Ok(Ending { trailer, table })
}

/// Returns the table in the disk blocks that hold the footer; `region` begins at `start`.
fn read_table(name: &str, trailer: &Trailer, start: u64, region: &[u8]) -> Result<Table, Damage> {
    let Trailer { footer_offset, footer_bytes, footer_checksum, .. } = *trailer;
    let front = (footer_offset - start) as usize;
    let behind = region.get(front..).unwrap_or(&[]);
    let (footer, padding) = behind.split_at_checked(footer_bytes as usize).unwrap_or((&[], behind));
    let sum = checksum(footer);
    if sum != footer_checksum {
        let (expected, found) = (format!("{footer_checksum:08x}"), format!("{sum:08x}"));
        return Err(Damage::new(name, footer_offset, DamageKind::Checksum, expected, found));
    }
    let table = Table::decode(name, footer_offset, footer)?;
    if let Some(index) = padding.iter().position(|byte| *byte != 0) {
        let offset = footer_offset + u64::from(footer_bytes) + index as u64;
        let found = format!("{:#04x}", padding[index]);
        return Err(Damage::new(name, offset, DamageKind::Content, "a zero", found));
    }
    Ok(table)
}

/// Reads the first block of a file.
pub(super) async fn read_header(file: &File, name: &str) -> Result<SegmentIdentity> {
    let block = read_exact(file, name, 0, BLOCK_BYTES as u64).await?;
    Ok(decode_header(name, &block)?)
}

/// Refuses a file that is not the one asked for.
pub(super) async fn check(
    file: &File,
    name: &str,
    identity: SegmentIdentity,
    seal: SegmentSeal,
) -> Result<Ending> {
    let sealed = |offset, expected: String, found: String| {
        Damage::new(name, offset, DamageKind::Seal, expected, found)
    };
    if seal.id != identity.id {
        let (expected, found) = (format!("segment {}", identity.id), format!("{}", seal.id));
        return Err(sealed(0, expected, found).into());
    }
    if file.len() != seal.file_bytes {
        // Another file in its place says so better than its length does.
        if let Ok(found) = read_header(file, name).await
            && found != identity
        {
            return Err(Damage::new(name, 0, DamageKind::Identity, identity, found).into());
        }
        let (expected, found) = (format!("{} bytes", seal.file_bytes), file.len().to_string());
        return Err(Damage::new(name, 0, DamageKind::Length, expected, found).into());
    }
    let ending = read_ending(file, name).await?;
    let named =
        [(0, read_header(file, name).await?), (trailer_offset(file), ending.trailer.identity)];
    for (offset, found) in named {
        if found != identity {
            return Err(Damage::new(name, offset, DamageKind::Identity, identity, found).into());
        }
    }
    let (expected, found) = (seal.checksum, ending.trailer.footer_checksum);
    if expected != found {
        let offset = ending.trailer.footer_offset;
        return Err(sealed(offset, format!("{expected:08x}"), format!("{found:08x}")).into());
    }
    Ok(ending)
}

fn trailer_offset(file: &File) -> u64 {
    file.len().saturating_sub(BLOCK_BYTES as u64)
}
