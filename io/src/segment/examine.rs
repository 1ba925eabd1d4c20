//! What does a segment hold that nothing vouches for, and is it what was written?

use crate::file::{Dir, OpenOptions};

use super::error::{Damage, Error, Result};
use super::identity::{PartKind, SegmentIdentity, SegmentSeal};
use super::open;
use super::reader::Segment;

/// A segment file as it stands on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The file.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Whose it is, if its first block says so.
    pub identity: Option<SegmentIdentity>,
    /// Its parts, in order; empty when the end of the file is unreadable.
    pub parts: Vec<PartListing>,
    /// Everything that is not as it was written, in the order of the file.
    pub damage: Vec<Damage>,
}

/// A part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartListing {
    /// Its kind.
    pub kind: PartKind,
    /// Its blocks, in order.
    pub blocks: Vec<BlockListing>,
}

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockListing {
    /// Where in the file.
    pub offset: u64,
    /// Its length in the file.
    pub stored_bytes: u32,
    /// Its length as it comes out.
    pub raw_bytes: u32,
    /// How it is compressed.
    pub codec: &'static str,
    /// Whether its bytes have the checksum that was written for them.
    pub is_sound: bool,
}

/// Reads a file whole, whatever its name. Writes nothing.
///
/// **Cost**: reads and decompresses everything.
/// **Errors**: `Disk` when the file cannot be read at all.
pub async fn examine(dir: &Dir, file: &str) -> Result<Examined> {
    let handle = dir.open_file(file, OpenOptions::default()).await?;
    let mut examined = Examined {
        file: file.to_owned(),
        bytes: handle.len(),
        identity: None,
        parts: Vec::new(),
        damage: Vec::new(),
    };
    match open::read_header(&handle, file).await {
        Ok(identity) => examined.identity = Some(identity),
        Err(error) => examined.damage.push(damage_of(error)?),
    }
    let ending = match open::read_ending(&handle, file).await {
        Ok(ending) => ending,
        Err(error) => {
            let found = damage_of(error)?;
            if !examined.damage.contains(&found) {
                examined.damage.push(found);
            }
            return Ok(examined);
        }
    };
    let identity = ending.trailer.identity;
    let seal = SegmentSeal {
        id: identity.id,
        file_bytes: handle.len(),
        checksum: ending.trailer.footer_checksum,
    };
    let name = file.to_owned();
    let segment = Segment { file: handle, name, identity, seal, table: ending.table };
    examined.damage = segment.verify().await?;
    examined.parts = segment.parts(&examined.damage);
    segment.close().await;
    Ok(examined)
}

impl Segment {
    /// Returns what the footer says; blocks named in `damage` are marked.
    pub(super) fn parts(&self, damage: &[Damage]) -> Vec<PartListing> {
        let listing = |kind, count| {
            let blocks = self.table.run(kind, 0, count).unwrap_or(&[]).iter().zip(0..);
            let blocks = blocks.map(|(block, number)| BlockListing {
                offset: block.offset,
                stored_bytes: block.stored_bytes,
                raw_bytes: block.raw_bytes,
                codec: block.codec.name(),
                is_sound: !damage.iter().any(|found| found.block == Some((kind, number))),
            });
            PartListing { kind, blocks: blocks.collect() }
        };
        self.table.parts.iter().map(|part| listing(part.kind, part.count)).collect()
    }
}

fn damage_of(error: Error) -> Result<Damage> {
    match error {
        Error::Damaged(found) => Ok(*found),
        error => Err(error),
    }
}
