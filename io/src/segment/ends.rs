//! What do the first and the last block of a segment say about the file?
//!
//! Both name the file's identity, so that a file that was swapped, cut or glued together is
//! noticed. Offsets are in [`crate::format::segment_header`] and
//! [`crate::format::segment_trailer`].

use crate::codec::sealed::{self, Fault, Sort};
use crate::codec::{Reader, Truncated, Writer};
use crate::format::{BLOCK_BYTES, segment_header, segment_trailer};
use crate::wal::StreamId;

use super::error::{Damage, DamageKind};
use super::identity::{SegmentId, SegmentIdentity};
use super::limits::FOOTER_BYTES_MAX;

const HEADER: Sort = Sort {
    magic: segment_header::MAGIC_VALUE,
    version: segment_header::VERSION_VALUE,
    bytes: segment_header::BYTES,
};
const TRAILER: Sort = Sort {
    magic: segment_trailer::MAGIC_VALUE,
    version: segment_header::VERSION_VALUE,
    bytes: segment_trailer::BYTES,
};

/// The last block of a file. Field meanings are in [`crate::format::segment_trailer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    pub identity: SegmentIdentity,
    pub file_bytes: u64,
    pub footer_offset: u64,
    pub footer_bytes: u32,
    pub footer_checksum: u32,
}

/// Returns the header block.
pub(super) fn encode_header(identity: SegmentIdentity) -> Vec<u8> {
    let mut out = sealed::begin(HEADER);
    put_identity(identity, &mut out);
    sealed::finish(HEADER, out).0
}

/// Returns whose file a header block begins.
pub(super) fn decode_header(file: &str, block: &[u8]) -> Result<SegmentIdentity, Damage> {
    let (mut reader, _) = sealed::open(HEADER, block).map_err(|fault| damage(file, 0, fault))?;
    take_identity(&mut reader).ok_or_else(|| {
        Damage::new(file, 0, DamageKind::Content, "an identity and no more", "something else")
    })
}

impl Trailer {
    /// Returns the trailer block.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = sealed::begin(TRAILER);
        put_identity(self.identity, &mut out);
        out.u64(self.file_bytes);
        out.u64(self.footer_offset);
        out.u32(self.footer_bytes);
        out.u32(self.footer_checksum);
        sealed::finish(TRAILER, out).0
    }

    /// Returns the trailer in the last block of a file of `file_bytes`.
    pub(super) fn decode(file: &str, file_bytes: u64, block: &[u8]) -> Result<Self, Damage> {
        let offset = file_bytes.saturating_sub(BLOCK_BYTES as u64);
        let opened = sealed::open(TRAILER, block).map_err(|fault| damage(file, offset, fault))?;
        let impossible = |expected: &str, found: String| {
            Damage::new(file, offset, DamageKind::Content, expected, found)
        };
        let trailer = Self::fields(opened.0)
            .ok_or_else(|| impossible("a trailer and no more", "something else".to_owned()))?;
        if trailer.file_bytes != file_bytes {
            let expected = format!("{} bytes", trailer.file_bytes);
            let found = format!("{file_bytes} bytes");
            return Err(Damage::new(file, offset, DamageKind::Length, expected, found));
        }
        if !trailer.footer_fits() {
            let Self { footer_offset, footer_bytes, .. } = trailer;
            let found = format!("{footer_bytes} bytes at {footer_offset}");
            return Err(impossible("a footer that ends before the last block", found));
        }
        Ok(trailer)
    }

    fn fields(mut reader: Reader<'_>) -> Option<Self> {
        let identity = take_identity(&mut reader)?;
        let file_bytes = reader.u64().ok()?;
        let footer_offset = reader.u64().ok()?;
        let footer_bytes = reader.u32().ok()?;
        let footer_checksum = reader.u32().ok()?;
        Some(Self { identity, file_bytes, footer_offset, footer_bytes, footer_checksum })
    }

    /// Returns whether footer and trailer are where they belong; later arithmetic relies on it.
    fn footer_fits(&self) -> bool {
        let block = BLOCK_BYTES as u64;
        let end = self.footer_offset.checked_add(u64::from(self.footer_bytes));
        self.footer_bytes as usize <= FOOTER_BYTES_MAX
            && self.footer_offset >= block
            && end.and_then(|end| end.checked_next_multiple_of(block))
                == self.file_bytes.checked_sub(block)
    }
}

fn put_identity(identity: SegmentIdentity, out: &mut Writer) {
    out.u16(identity.stream.0);
    out.u16(0);
    out.bytes(&identity.database);
    out.u64(identity.id.0);
}

fn take_identity(reader: &mut Reader<'_>) -> Option<SegmentIdentity> {
    let mut take = || -> Result<_, Truncated> {
        let stream = StreamId(reader.u16()?);
        let reserved = reader.u16()?;
        let (database, id) = (reader.array()?, SegmentId(reader.u64()?));
        Ok((reserved, SegmentIdentity { database, stream, id }))
    };
    let (reserved, identity) = take().ok()?;
    (reserved == 0).then_some(identity)
}

fn damage(file: &str, offset: u64, fault: Fault) -> Damage {
    match fault {
        Fault::Magic { expected, found } => {
            Damage::new(file, offset, DamageKind::Magic, expected, found)
        }
        Fault::Checksum { expected, found } => {
            let (expected, found) = (format!("{expected:08x}"), format!("{found:08x}"));
            Damage::new(file, offset, DamageKind::Checksum, expected, found)
        }
        Fault::Version { expected, found } => {
            Damage::new(file, offset, DamageKind::Version, expected, found)
        }
        Fault::Padding { position, found } => {
            let offset = offset + position as u64;
            Damage::new(file, offset, DamageKind::Content, "a zero", format!("{found:#04x}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: SegmentIdentity =
        SegmentIdentity { database: [7; 16], stream: StreamId(3), id: SegmentId(9) };

    fn sample() -> Trailer {
        Trailer {
            identity: IDENTITY,
            file_bytes: 16384,
            footer_offset: 5000,
            footer_bytes: 6000,
            footer_checksum: 77,
        }
    }

    #[test]
    fn both_ends_come_back() {
        assert_eq!(decode_header("f", &encode_header(IDENTITY)), Ok(IDENTITY));
        assert_eq!(Trailer::decode("f", 16384, &sample().encode()), Ok(sample()));
    }

    #[test]
    fn impossible_trailers_are_refused() {
        let check = |trailer: Trailer, file_bytes: u64| {
            assert!(Trailer::decode("f", file_bytes, &trailer.encode()).is_err(), "{trailer:?}");
        };
        check(sample(), 20480);
        check(Trailer { footer_offset: 4095, ..sample() }, 16384);
        check(Trailer { footer_offset: u64::MAX, ..sample() }, 16384);
        check(Trailer { footer_bytes: u32::MAX, ..sample() }, 16384);
        check(Trailer { footer_bytes: 1, ..sample() }, 16384);
        check(Trailer { file_bytes: 0, ..sample() }, 0);
    }
}
