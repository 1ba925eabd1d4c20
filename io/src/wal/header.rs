//! What does a log file say about itself?
//!
//! The header block is written durably before the first frame, in one 4 KiB write. Offsets are in
//! [`crate::format::file_header`].

use crate::codec::checksum::checksum;
use crate::codec::{Reader, Writer};
use crate::format::{BLOCK_BYTES, file_header as layout};

use super::position::{Lsn, StreamId};

/// The front of a log file. Field meanings are in [`crate::format::file_header`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub stream: StreamId,
    pub database: [u8; 16],
    pub salt: u64,
    pub epoch: u64,
    pub first_lsn: Lsn,
    pub first_sequence: u64,
    pub released_lsn: Lsn,
    pub created_us: u64,
    pub file_bytes: u64,
    pub frame_bytes_max: u32,
    pub flight_count_max: u32,
    pub previous_checksum: u32,
}

/// What the first block of a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderBlock {
    /// A header and its checksum, the start of the frame chain.
    Valid(FileHeader, u32),
    /// Zeros: the file was prepared and never used, or wiped for its next use.
    Blank,
    /// An intact header of a version we do not know.
    Version(u32),
    /// Anything else.
    Broken,
}

impl FileHeader {
    /// Returns the header block and its checksum.
    pub(super) fn encode(&self) -> (Vec<u8>, u32) {
        let mut out = Writer::over(Vec::with_capacity(BLOCK_BYTES));
        out.bytes(&layout::MAGIC_VALUE);
        out.u32(layout::VERSION_VALUE);
        out.u16(self.stream.0);
        out.u16(0);
        out.bytes(&self.database);
        out.u64(self.salt);
        out.u64(self.epoch);
        out.u64(self.first_lsn.0);
        out.u64(self.first_sequence);
        out.u64(self.released_lsn.0);
        out.u64(self.created_us);
        out.u64(self.file_bytes);
        out.u32(self.frame_bytes_max);
        out.u32(self.flight_count_max);
        out.u32(self.previous_checksum);
        let mut block = out.into_bytes();
        assert_eq!(block.len(), layout::CHECKSUM.offset, "the header is as long as its layout");
        let sum = checksum(&block);
        block.extend_from_slice(&sum.to_le_bytes());
        block.resize(BLOCK_BYTES, 0);
        (block, sum)
    }

    /// Returns what a first block holds.
    pub(super) fn decode(block: &[u8]) -> HeaderBlock {
        if block.iter().all(|byte| *byte == 0) {
            return HeaderBlock::Blank;
        }
        Self::decode_used(block).unwrap_or(HeaderBlock::Broken)
    }

    fn decode_used(block: &[u8]) -> Option<HeaderBlock> {
        let used = block.get(..layout::BYTES)?;
        let padding = block.get(layout::BYTES..)?;
        let sum = u32::from_le_bytes(*used.last_chunk::<4>()?);
        let intact = sum == checksum(used.get(..layout::CHECKSUM.offset)?);
        let mut reader = Reader::new(used);
        let magic = reader.array::<8>().ok()?;
        let version = reader.u32().ok()?;
        if !intact || magic != layout::MAGIC_VALUE || padding.iter().any(|byte| *byte != 0) {
            return None;
        }
        if version != layout::VERSION_VALUE {
            return Some(HeaderBlock::Version(version));
        }
        let stream = StreamId(reader.u16().ok()?);
        let reserved = reader.u16().ok()?;
        let header = Self {
            stream,
            database: reader.array().ok()?,
            salt: reader.u64().ok()?,
            epoch: reader.u64().ok()?,
            first_lsn: Lsn(reader.u64().ok()?),
            first_sequence: reader.u64().ok()?,
            released_lsn: Lsn(reader.u64().ok()?),
            created_us: reader.u64().ok()?,
            file_bytes: reader.u64().ok()?,
            frame_bytes_max: reader.u32().ok()?,
            flight_count_max: reader.u32().ok()?,
            previous_checksum: reader.u32().ok()?,
        };
        (reserved == 0 && header.is_possible()).then_some(HeaderBlock::Valid(header, sum))
    }

    /// Returns whether the numbers can be right; later arithmetic relies on it.
    fn is_possible(&self) -> bool {
        let block = BLOCK_BYTES as u64;
        let frame = u64::from(self.frame_bytes_max);
        self.epoch > 0
            && self.first_lsn >= Lsn::FIRST
            && self.first_sequence > 0
            && self.file_bytes.is_multiple_of(block)
            && frame.is_multiple_of(block)
            && frame >= block
            && frame <= super::limits::FRAME_BYTES_MAX as u64
            && self.file_bytes >= block + frame
            && self.flight_count_max > 0
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn sample() -> FileHeader {
        FileHeader {
            stream: StreamId(1),
            database: [7; 16],
            salt: 2,
            epoch: 3,
            first_lsn: Lsn(4),
            first_sequence: 5,
            released_lsn: Lsn(1),
            created_us: 6,
            file_bytes: 1 << 20,
            frame_bytes_max: 8192,
            flight_count_max: 1,
            previous_checksum: 8,
        }
    }

    #[test]
    fn a_header_comes_back() {
        let (block, sum) = sample().encode();
        assert_eq!(block.len(), BLOCK_BYTES);
        assert_eq!(FileHeader::decode(&block), HeaderBlock::Valid(sample(), sum));
    }

    #[test]
    fn zeros_are_blank() {
        assert_eq!(FileHeader::decode(&[0; BLOCK_BYTES]), HeaderBlock::Blank);
    }

    #[test]
    fn any_flipped_bit_breaks_it() {
        let (block, _) = sample().encode();
        for bit in 0..(layout::BYTES + 8) * 8 {
            let mut broken = block.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FileHeader::decode(&broken), HeaderBlock::Broken, "bit {bit}");
        }
    }

    #[test]
    fn another_version_is_named() {
        let (mut block, _) = sample().encode();
        block[layout::VERSION.offset] = 9;
        let sum = checksum(&block[..layout::CHECKSUM.offset]);
        block[layout::CHECKSUM.offset..layout::CHECKSUM.end()].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(FileHeader::decode(&block), HeaderBlock::Version(9));
    }

    #[test]
    fn impossible_numbers_are_refused() {
        let check = |header: FileHeader| {
            assert_eq!(FileHeader::decode(&header.encode().0), HeaderBlock::Broken);
        };
        check(FileHeader { epoch: 0, ..sample() });
        check(FileHeader { first_lsn: Lsn(0), ..sample() });
        check(FileHeader { file_bytes: 100, ..sample() });
        check(FileHeader { frame_bytes_max: 0, ..sample() });
        check(FileHeader { file_bytes: 8192, frame_bytes_max: 8192, ..sample() });
        check(FileHeader { frame_bytes_max: 2 << 20, file_bytes: 8 << 20, ..sample() });
    }
}
