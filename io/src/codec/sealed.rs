//! How does a block of 4 KiB prove that it is the one that was written?
//!
//! ```text
//! | magic: 8 | version: 4 | fields … | checksum: 4 | zeros … |
//! ```
//!
//! The checksum is the CRC32C of everything before it. The zeros are checked too, so that no bit
//! of the block can change unnoticed.

use super::checksum::checksum;
use super::cursor::{Reader, Writer};
use crate::format::BLOCK_BYTES;

/// Bytes of magic and version.
const FRONT_BYTES: usize = 12;

/// Which kind of block it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sort {
    /// What its first eight bytes say.
    pub magic: [u8; 8],
    /// The only version that is read.
    pub version: u32,
    /// Bytes up to the end of the checksum.
    pub bytes: usize,
}

/// Why a block is not what was written, or not for this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not begin with the magic.
    Magic { expected: String, found: String },
    /// It is not intact.
    Checksum { expected: u32, found: u32 },
    /// It is intact but of a version this program does not know.
    Version { expected: u32, found: u32 },
    /// A byte behind the checksum is not zero.
    Padding { position: usize, found: u8 },
}

/// Returns a writer that begins a block of this sort.
pub(crate) fn begin(sort: Sort) -> Writer {
    let mut out = Writer::over(Vec::with_capacity(BLOCK_BYTES));
    out.bytes(&sort.magic);
    out.u32(sort.version);
    out
}

/// Returns the finished block and its checksum.
pub(crate) fn finish(sort: Sort, out: Writer) -> (Vec<u8>, u32) {
    let mut block = out.into_bytes();
    assert_eq!(block.len() + 4, sort.bytes, "the block is as long as its layout");
    let sum = checksum(&block);
    block.extend_from_slice(&sum.to_le_bytes());
    block.resize(BLOCK_BYTES, 0);
    (block, sum)
}

/// Returns a reader behind the version of a block, and the block's checksum.
pub(crate) fn open(sort: Sort, block: &[u8]) -> Result<(Reader<'_>, u32), Fault> {
    let fields = block.get(..sort.bytes - 4).unwrap_or(&[]);
    let magic = fields.get(..sort.magic.len()).unwrap_or(&[]);
    if magic != sort.magic {
        let expected = sort.magic.escape_ascii().to_string();
        return Err(Fault::Magic { expected, found: magic.escape_ascii().to_string() });
    }
    let stored = block.get(sort.bytes - 4..).and_then(|rest| rest.first_chunk::<4>());
    let found = stored.map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let expected = checksum(fields);
    if stored.is_none() || found != expected {
        return Err(Fault::Checksum { expected, found });
    }
    let mut reader = Reader::new(fields);
    let front = reader.bytes(sort.magic.len()).and_then(|_| reader.u32());
    let version = front.unwrap_or(0);
    if version != sort.version {
        return Err(Fault::Version { expected: sort.version, found: version });
    }
    let padding = block.get(sort.bytes..).unwrap_or(&[]);
    match padding.iter().position(|byte| *byte != 0) {
        Some(index) => Err(Fault::Padding { position: sort.bytes + index, found: padding[index] }),
        None => Ok((reader, found)),
    }
}

const _: () = assert!(FRONT_BYTES == crate::format::segment_header::VERSION.end());
const _: () = assert!(FRONT_BYTES == crate::format::segment_trailer::VERSION.end());
const _: () = assert!(FRONT_BYTES == crate::format::manifest_header::VERSION.end());

#[cfg(test)]
mod tests {
    use super::*;

    const SORT: Sort = Sort { magic: *b"PIESKTRY", version: 3, bytes: 24 };

    fn sample() -> Vec<u8> {
        let mut out = begin(SORT);
        out.u64(7);
        finish(SORT, out).0
    }

    #[test]
    fn a_block_comes_back() {
        let block = sample();
        assert_eq!(block.len(), BLOCK_BYTES);
        let (mut reader, _) = open(SORT, &block).expect("intact");
        assert_eq!(reader.u64(), Ok(7));
        assert!(reader.is_empty());
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let block = sample();
        for bit in 0..block.len() * 8 {
            let mut broken = block.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(open(SORT, &broken).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn short_blocks_are_refused() {
        let block = sample();
        for cut in 0..SORT.bytes {
            assert!(open(SORT, &block[..cut]).is_err(), "{cut} bytes");
        }
    }

    #[test]
    fn another_version_is_named() {
        let newer = Sort { version: 4, ..SORT };
        let mut out = begin(newer);
        out.u64(7);
        let block = finish(newer, out).0;
        assert_eq!(open(SORT, &block).err(), Some(Fault::Version { expected: 3, found: 4 }));
    }
}
