//! What does a frame of a manifest say about itself?
//!
//! ```text
//! | magic | kind | 0 0 0 | body_bytes | previous_checksum | sequence | body_checksum | checksum |
//! | body … | 0 … |
//! ```
//!
//! The header has a checksum of its own, seeded with the generation's random salt, so that no
//! bytes of an edit can look like a frame. Offsets are in [`crate::format::manifest_frame`].

use crate::codec::checksum::{checksum, salted_checksum};
use crate::codec::{Reader, Truncated, Writer};
use crate::format::{BLOCK_BYTES, manifest_frame as layout};

use super::limits::BODY_BYTES_MAX;

/// What the body of a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// What held when the generation was begun; the first frame and no other.
    Snapshot = 1,
    /// What has changed since.
    Edit = 2,
}

impl FrameKind {
    /// Every kind with its name.
    pub const ALL: &'static [(&'static str, Self)] =
        &[("snapshot", Self::Snapshot), ("edit", Self::Edit)];

    /// Returns the kind's name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("unknown", |(name, _)| name)
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.iter().map(|(_, kind)| *kind).find(|kind| *kind as u8 == byte)
    }
}

/// Where the next frame continues the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Number of the next frame.
    pub sequence: u64,
    /// Checksum of the frame before, or of the header block.
    pub previous_checksum: u32,
}

impl Link {
    /// Returns the link behind a header block with this checksum.
    pub(super) fn first(header_checksum: u32) -> Self {
        Self { sequence: 1, previous_checksum: header_checksum }
    }

    /// Returns the link behind a frame with this checksum.
    pub(super) fn after(self, checksum: u32) -> Self {
        Self { sequence: self.sequence + 1, previous_checksum: checksum }
    }
}

/// The front of a frame. Field meanings are in [`crate::format::manifest_frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub kind: FrameKind,
    pub body_bytes: u32,
    pub link: Link,
    pub body_checksum: u32,
    pub checksum: u32,
}

/// Returns the bytes of a whole frame, padding included, and its checksum.
///
/// **Panics**: the body is longer than `limits` allows.
pub(super) fn encode(salt: u64, kind: FrameKind, link: Link, body: &[u8]) -> (Vec<u8>, u32) {
    assert!(body.len() <= BODY_BYTES_MAX, "the caller has refused it");
    let body_bytes = u32::try_from(body.len()).expect("checked above");
    let mut out = Writer::over(Vec::with_capacity(frame_bytes(body_bytes) as usize));
    out.u32(layout::MAGIC_VALUE);
    out.u8(kind as u8);
    out.bytes(&[0; 3]);
    out.u32(body_bytes);
    out.u32(link.previous_checksum);
    out.u64(link.sequence);
    out.u32(checksum(body));
    let front = out.into_bytes();
    assert_eq!(front.len(), layout::CHECKSUM.offset, "the header is as long as its layout");
    let sum = salted_checksum(salt, &front);
    let mut out = Writer::over(front);
    out.u32(sum);
    out.bytes(body);
    let mut frame = out.into_bytes();
    frame.resize(frame_bytes(body_bytes) as usize, 0);
    (frame, sum)
}

/// Returns the header at the front of `bytes`; `None` if there is no intact one.
pub(super) fn decode(salt: u64, bytes: &[u8]) -> Option<FrameHeader> {
    let front = bytes.get(..layout::CHECKSUM.offset)?;
    let mut reader = Reader::new(bytes.get(..layout::BYTES)?);
    let (magic, reserved, header) = fields(&mut reader).ok()?;
    let intact = salted_checksum(salt, front) == header.checksum;
    let (kind, body_bytes) = (FrameKind::from_byte(header.kind)?, header.body_bytes);
    let possible = magic == layout::MAGIC_VALUE
        && reserved == [0; 3]
        && body_bytes as usize <= BODY_BYTES_MAX
        && header.link.sequence > 0
        && header.link.sequence < u64::MAX;
    let Fields { link, body_checksum, checksum, .. } = header;
    (intact && possible).then_some(FrameHeader { kind, body_bytes, link, body_checksum, checksum })
}

struct Fields {
    kind: u8,
    body_bytes: u32,
    link: Link,
    body_checksum: u32,
    checksum: u32,
}

fn fields(reader: &mut Reader<'_>) -> Result<(u32, [u8; 3], Fields), Truncated> {
    let (magic, kind, reserved) = (reader.u32()?, reader.u8()?, reader.array()?);
    let (body_bytes, previous_checksum) = (reader.u32()?, reader.u32()?);
    let link = Link { sequence: reader.u64()?, previous_checksum };
    let (body_checksum, checksum) = (reader.u32()?, reader.u32()?);
    Ok((magic, reserved, Fields { kind, body_bytes, link, body_checksum, checksum }))
}

impl FrameHeader {
    /// Returns the body of the frame that `bytes` begins with, if it and the padding are intact.
    pub(super) fn body<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let frame = bytes.get(..usize::try_from(frame_bytes(self.body_bytes)).ok()?)?;
        let (body, padding) =
            frame.get(layout::BYTES..)?.split_at_checked(self.body_bytes as usize)?;
        let intact = checksum(body) == self.body_checksum && padding.iter().all(|byte| *byte == 0);
        intact.then_some(body)
    }
}

/// Returns the length of a frame whose body has `body_bytes`: header, body and padding.
pub(super) fn frame_bytes(body_bytes: u32) -> u64 {
    (layout::BYTES as u64 + u64::from(body_bytes)).next_multiple_of(BLOCK_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Link = Link { sequence: 3, previous_checksum: 4 };

    #[test]
    fn a_frame_comes_back() {
        for bytes in [0, 1, 4064, 4065, 10_000] {
            let body = vec![7; bytes];
            let (frame, sum) = encode(42, FrameKind::Edit, LINK, &body);
            assert_eq!(frame.len() % BLOCK_BYTES, 0);
            let header = decode(42, &frame).expect("intact");
            assert_eq!((header.kind, header.link, header.checksum), (FrameKind::Edit, LINK, sum));
            assert_eq!(header.body(&frame), Some(&body[..]));
            assert_eq!(header.body(&frame[..frame.len() - 1]), None);
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let (frame, _) = encode(42, FrameKind::Edit, LINK, &[1; 100]);
        for bit in 0..frame.len() * 8 {
            let mut broken = frame.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            let body = decode(42, &broken).and_then(|header| header.body(&broken));
            assert_eq!(body, None, "bit {bit}");
        }
    }

    #[test]
    fn another_salt_is_refused() {
        let (frame, _) = encode(42, FrameKind::Snapshot, LINK, b"body");
        assert_eq!(decode(43, &frame), None);
    }
}
