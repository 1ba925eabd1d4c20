//! How is a whole generation of a manifest written?
//!
//! As a draft, which gets its name when everything in it is durable. So a generation with a name
//! is whole, and a crash leaves the old one, or both, never neither.

use std::rc::Rc;

use crate::file::{AlignedBuffer, Dir, File, OpenOptions};
use crate::time::random_u64;

use super::frame::{self, FrameKind, Link};
use super::header::{Header, ManifestIdentity};
use super::name;

/// The generation that takes edits.
#[derive(Clone)]
pub(super) struct Generation {
    pub number: u64,
    pub salt: u64,
    pub file: Rc<File>,
    /// Where the next frame begins.
    pub end: u64,
    pub link: Link,
}

/// Everything of a generation but its name.
pub(super) struct Draft {
    number: u64,
    salt: u64,
    end: u64,
    link: Link,
}

/// Writes a generation that holds `bodies`, the first of them the snapshot, and makes file and
/// name durable.
pub(super) async fn write<'a>(
    dir: &Dir,
    identity: ManifestIdentity,
    number: u64,
    bodies: impl Iterator<Item = &'a [u8]>,
) -> crate::Result<Generation> {
    publish(dir, draft(dir, identity, number, bodies).await?).await
}

/// Writes the bytes of a generation, durably. Until it is published it does not count.
pub(super) async fn draft<'a>(
    dir: &Dir,
    identity: ManifestIdentity,
    number: u64,
    bodies: impl Iterator<Item = &'a [u8]>,
) -> crate::Result<Draft> {
    let salt = random_u64();
    let file = dir.create_file(&name::draft(number), 0).await?;
    let (block, sum) = Header { identity, generation: number, salt }.encode();
    file.write_at(AlignedBuffer::copy_of(&block), 0).await?;
    let (mut end, mut link, mut kind) = (block.len() as u64, Link::first(sum), FrameKind::Snapshot);
    for body in bodies {
        let (bytes, sum) = frame::encode(salt, kind, link, body);
        file.write_at(AlignedBuffer::copy_of(&bytes), end).await?;
        (end, link, kind) = (end + bytes.len() as u64, link.after(sum), FrameKind::Edit);
    }
    assert!(link.sequence > 1, "a generation begins with a snapshot");
    file.sync_data().await?;
    file.close().await?;
    Ok(Draft { number, salt, end, link })
}

/// Gives a draft its name, durably.
pub(super) async fn publish(dir: &Dir, draft: Draft) -> crate::Result<Generation> {
    let Draft { number, salt, end, link } = draft;
    let name = name::file(number);
    dir.rename(&name::draft(number), &name).await?;
    dir.sync().await?;
    // Under its own name, so that errors name it.
    let file = Rc::new(dir.open_file(&name, OpenOptions::default()).await?);
    Ok(Generation { number, salt, file, end, link })
}
