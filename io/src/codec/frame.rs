//! What does a log frame say about itself?
//!
//! ```text
//! | magic | kind | 0 0 0 | body_bytes | record_count | sequence | epoch | first_lsn |
//! | durable_lsn | window_base | previous_checksum | body_checksum | checksum | body … | 0 … |
//! ```
//!
//! The header has a checksum of its own, so that a broken length is never believed. It is seeded
//! with the stream's random salt, so that no record a user stores can look like a frame. Offsets
//! are in [`crate::format::frame_header`].

use crate::format::{BLOCK_BYTES, Field, frame_header as layout};

use super::checksum::salted_checksum;

/// What the body of a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// Whole records, each a variable-length count and its bytes.
    Records = 1,
    /// The variable-length size of a record too long for one frame, then its first bytes.
    First = 2,
    /// More bytes of that record.
    Middle = 3,
    /// The last bytes of that record.
    Last = 4,
    /// Nothing: the frame only confirms that everything before it was durable.
    Confirm = 5,
}

impl FrameKind {
    /// Every kind with its name.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("records", Self::Records),
        ("first", Self::First),
        ("middle", Self::Middle),
        ("last", Self::Last),
        ("confirm", Self::Confirm),
    ];

    /// Returns the kind's name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("unknown", |(name, _)| name)
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.iter().map(|(_, kind)| *kind).find(|kind| *kind as u8 == byte)
    }
}

/// The fixed front of a frame. Field meanings are in [`crate::format::frame_header`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the body holds.
    pub kind: FrameKind,
    /// Length of the body without padding.
    pub body_bytes: u32,
    /// Records that end in this frame.
    pub record_count: u32,
    /// Number of the frame in the stream.
    pub sequence: u64,
    /// Epoch of the file.
    pub epoch: u64,
    /// LSN of the first record that ends in or after this frame.
    pub first_lsn: u64,
    /// Every record up to here was durable when the frame was written.
    pub durable_lsn: u64,
    /// Every frame below this sequence was durable when the frame was written.
    pub window_base: u64,
    /// Header checksum of the frame before, or checksum of the file header.
    pub previous_checksum: u32,
    /// CRC32C of the body.
    pub body_checksum: u32,
}

/// Why bytes are not a frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFault {
    /// Fewer bytes than a header, or no magic: nothing here claims to be a frame.
    Absent,
    /// The magic is there but the checksum is wrong.
    Checksum {
        /// The epoch the broken header claims.
        epoch: u64,
    },
    /// The checksum is right but the content is impossible: a bug or another version wrote it.
    Content {
        /// The epoch it claims.
        epoch: u64,
    },
}

impl FrameHeader {
    /// Returns the header's bytes and its checksum.
    pub fn encode(&self, salt: u64) -> ([u8; layout::BYTES], u32) {
        let mut out = [0u8; layout::BYTES];
        put(&mut out, layout::MAGIC, &layout::MAGIC_VALUE.to_le_bytes());
        put(&mut out, layout::KIND, &[self.kind as u8]);
        put(&mut out, layout::BODY_BYTES, &self.body_bytes.to_le_bytes());
        put(&mut out, layout::RECORD_COUNT, &self.record_count.to_le_bytes());
        put(&mut out, layout::SEQUENCE, &self.sequence.to_le_bytes());
        put(&mut out, layout::EPOCH, &self.epoch.to_le_bytes());
        put(&mut out, layout::FIRST_LSN, &self.first_lsn.to_le_bytes());
        put(&mut out, layout::DURABLE_LSN, &self.durable_lsn.to_le_bytes());
        put(&mut out, layout::WINDOW_BASE, &self.window_base.to_le_bytes());
        put(&mut out, layout::PREVIOUS_CHECKSUM, &self.previous_checksum.to_le_bytes());
        put(&mut out, layout::BODY_CHECKSUM, &self.body_checksum.to_le_bytes());
        let checksum = salted_checksum(salt, &out[..layout::CHECKSUM.offset]);
        put(&mut out, layout::CHECKSUM, &checksum.to_le_bytes());
        (out, checksum)
    }

    /// Returns the header at the front of `bytes` and its checksum.
    pub fn decode(salt: u64, bytes: &[u8]) -> Result<(Self, u32), HeaderFault> {
        let raw = bytes.first_chunk::<{ layout::BYTES }>().ok_or(HeaderFault::Absent)?;
        if u32_at(raw, layout::MAGIC) != layout::MAGIC_VALUE {
            return Err(HeaderFault::Absent);
        }
        let epoch = u64_at(raw, layout::EPOCH);
        let checksum = u32_at(raw, layout::CHECKSUM);
        if checksum != salted_checksum(salt, &raw[..layout::CHECKSUM.offset]) {
            return Err(HeaderFault::Checksum { epoch });
        }
        let kind = FrameKind::from_byte(raw[layout::KIND.offset]);
        let kind = kind.ok_or(HeaderFault::Content { epoch })?;
        let header = Self {
            kind,
            body_bytes: u32_at(raw, layout::BODY_BYTES),
            record_count: u32_at(raw, layout::RECORD_COUNT),
            sequence: u64_at(raw, layout::SEQUENCE),
            epoch,
            first_lsn: u64_at(raw, layout::FIRST_LSN),
            durable_lsn: u64_at(raw, layout::DURABLE_LSN),
            window_base: u64_at(raw, layout::WINDOW_BASE),
            previous_checksum: u32_at(raw, layout::PREVIOUS_CHECKSUM),
            body_checksum: u32_at(raw, layout::BODY_CHECKSUM),
        };
        Ok((header, checksum))
    }

    /// Returns the length of the whole frame: header, body and padding.
    pub fn frame_bytes(&self) -> u64 {
        frame_bytes(self.body_bytes as usize)
    }
}

/// Returns the length of a frame whose body has `body_bytes`: header, body and padding.
pub fn frame_bytes(body_bytes: usize) -> u64 {
    (layout::BYTES + body_bytes).next_multiple_of(BLOCK_BYTES) as u64
}

fn put(out: &mut [u8; layout::BYTES], field: Field, bytes: &[u8]) {
    out[field.offset..field.end()].copy_from_slice(bytes);
}

fn u32_at(raw: &[u8; layout::BYTES], field: Field) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&raw[field.offset..field.end()]);
    u32::from_le_bytes(bytes)
}

fn u64_at(raw: &[u8; layout::BYTES], field: Field) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&raw[field.offset..field.end()]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> FrameHeader {
        FrameHeader {
            kind: FrameKind::Records,
            body_bytes: 10,
            record_count: 2,
            sequence: 3,
            epoch: 4,
            first_lsn: 5,
            durable_lsn: 6,
            window_base: 7,
            previous_checksum: 8,
            body_checksum: 9,
        }
    }

    #[test]
    fn a_header_comes_back() {
        let (bytes, checksum) = sample().encode(42);
        assert_eq!(FrameHeader::decode(42, &bytes), Ok((sample(), checksum)));
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let (bytes, _) = sample().encode(42);
        for bit in 0..bytes.len() * 8 {
            let mut broken = bytes;
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(FrameHeader::decode(42, &broken).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn another_salt_is_refused() {
        let (bytes, _) = sample().encode(42);
        assert_eq!(FrameHeader::decode(43, &bytes), Err(HeaderFault::Checksum { epoch: 4 }));
    }

    #[test]
    fn short_bytes_are_no_header() {
        let (bytes, _) = sample().encode(42);
        for cut in 0..bytes.len() {
            assert_eq!(FrameHeader::decode(42, &bytes[..cut]), Err(HeaderFault::Absent));
        }
    }

    #[test]
    fn frames_fill_whole_blocks() {
        assert_eq!(frame_bytes(0), 4096);
        assert_eq!(frame_bytes(4096 - layout::BYTES), 4096);
        assert_eq!(frame_bytes(4097 - layout::BYTES), 8192);
    }
}
