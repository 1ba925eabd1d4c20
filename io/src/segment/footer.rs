//! Where is each block of a segment, and what must its bytes be?
//!
//! ```text
//! | part_count: 4 | kind: 2, block_count: 4 | … | stored, raw, checksum: 4 each, codec: 1 | … |
//! ```
//!
//! Blocks are packed in the order of the parts, the first behind the header block: where one
//! begins is the sum of those before. Offsets are in [`crate::format::segment_part`] and
//! [`crate::format::segment_block`].

use std::ops::Range;

use crate::codec::checksum::checksum;
use crate::codec::{Reader, Truncated, Writer};
use crate::format::{BLOCK_BYTES, segment_block, segment_part};

use super::compress::{self, Codec};
use super::error::{Damage, DamageKind};
use super::identity::PartKind;
use super::limits::RAW_BYTES_MAX;

/// Bytes in front of the parts.
const COUNT_BYTES: usize = 4;

/// A block as the footer describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockEntry {
    pub offset: u64,
    pub stored_bytes: u32,
    pub raw_bytes: u32,
    pub checksum: u32,
    pub codec: Codec,
}

/// A part as the footer describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartEntry {
    pub kind: PartKind,
    /// Number of its first block in the file.
    pub first: u32,
    pub count: u32,
}

/// All parts and blocks of a file, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub parts: Vec<PartEntry>,
    pub blocks: Vec<BlockEntry>,
}

impl BlockEntry {
    /// Returns where the block ends.
    pub(super) fn end(&self) -> u64 {
        self.offset + u64::from(self.stored_bytes)
    }

    /// Returns the block whose stored bytes these are.
    pub(super) fn unpack(&self, file: &str, stored: &[u8]) -> Result<Vec<u8>, Damage> {
        let found = checksum(stored);
        let damage = |kind, expected: String, found: String| {
            Err(Damage::new(file, self.offset, kind, expected, found))
        };
        if stored.len() != self.stored_bytes as usize {
            let (expected, found) = (self.stored_bytes.to_string(), stored.len().to_string());
            return damage(DamageKind::Length, expected, found);
        }
        if found != self.checksum {
            let (expected, found) = (format!("{:08x}", self.checksum), format!("{found:08x}"));
            return damage(DamageKind::Checksum, expected, found);
        }
        match compress::unpack(stored, self.codec, self.raw_bytes as usize) {
            Ok(raw) => Ok(raw),
            Err(found) => {
                let expected = format!("{} bytes in {}", self.raw_bytes, self.codec.name());
                damage(DamageKind::Content, expected, found)
            }
        }
    }
}

impl Table {
    /// Returns the length of the footer.
    pub(super) fn footer_bytes(&self) -> usize {
        COUNT_BYTES
            + self.parts.len() * segment_part::BYTES
            + self.blocks.len() * segment_block::BYTES
    }

    /// Returns the part of this kind.
    pub(super) fn part(&self, kind: PartKind) -> Option<&PartEntry> {
        self.parts.iter().find(|part| part.kind == kind)
    }

    /// Returns the blocks `first..first + count` of a part; `None` if it has not that many.
    pub(super) fn run(&self, kind: PartKind, first: u32, count: u32) -> Option<&[BlockEntry]> {
        let part = self.part(kind)?;
        let end = first.checked_add(count).filter(|end| *end <= part.count)?;
        self.blocks.get((part.first + first) as usize..(part.first + end) as usize)
    }

    /// Returns the footer.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::over(Vec::with_capacity(self.footer_bytes()));
        out.u32(u32::try_from(self.parts.len()).expect("kinds are u16 and differ"));
        for part in &self.parts {
            out.u16(part.kind.0);
            out.u32(part.count);
        }
        for block in &self.blocks {
            out.u32(block.stored_bytes);
            out.u32(block.raw_bytes);
            out.u32(block.checksum);
            out.u8(block.codec as u8);
        }
        assert_eq!(out.len(), self.footer_bytes(), "the footer is as long as its layout");
        out.into_bytes()
    }

    /// Returns the table in a footer that begins at `footer_offset`.
    ///
    /// **Cost**: allocates in proportion to the footer, which the caller has in memory.
    pub(super) fn decode(file: &str, footer_offset: u64, footer: &[u8]) -> Result<Self, Damage> {
        let damage = |position: usize, expected: &str, found: String| {
            let offset = footer_offset + position as u64;
            Damage::new(file, offset, DamageKind::Content, expected, found)
        };
        let short = |cut: Truncated| {
            damage(cut.position, "parts and blocks", "the end of the footer".to_owned())
        };
        let mut reader = Reader::new(footer);
        let mut table = Self::default();
        let mut total = 0u32;
        for _ in 0..reader.u32().map_err(short)? {
            let position = reader.position();
            let kind = PartKind(reader.u16().map_err(short)?);
            let (first, count) = (total, reader.u32().map_err(short)?);
            if table.part(kind).is_some() {
                return Err(damage(position, "each part once", format!("part {kind} again")));
            }
            total = total.checked_add(count).ok_or_else(|| {
                damage(position, "fewer blocks", format!("{count} in part {kind}"))
            })?;
            table.parts.push(PartEntry { kind, first, count });
        }
        if reader.rest().len() != total as usize * segment_block::BYTES {
            let found = format!("{} bytes", reader.rest().len());
            return Err(damage(reader.position(), &format!("{total} blocks"), found));
        }
        let mut offset = BLOCK_BYTES as u64;
        table.blocks.reserve_exact(total as usize);
        for _ in 0..total {
            let position = reader.position();
            let found = take_block(&mut reader, offset).map_err(short)?;
            let block = found.ok_or_else(|| {
                damage(position, "lengths that fit the codec", "impossible ones".to_owned())
            })?;
            offset = block.end();
            table.blocks.push(block);
        }
        if offset != footer_offset {
            let expected = format!("blocks up to {footer_offset}");
            return Err(damage(0, &expected, format!("blocks up to {offset}")));
        }
        Ok(table)
    }

    /// Returns the blocks that one request reads, for all of `blocks` in order: as many as lie in
    /// `bytes_max`, rounded out to whole units of the disk, and at least one.
    pub(super) fn requests(blocks: &[BlockEntry], bytes_max: usize) -> Vec<Range<usize>> {
        let mut requests: Vec<Range<usize>> = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            if let Some(last) = requests.last_mut() {
                let (start, count) = span(blocks[last.start].offset, block.end());
                debug_assert!(start <= block.offset);
                if count <= bytes_max as u64 {
                    last.end = index + 1;
                    continue;
                }
            }
            requests.push(index..index + 1);
        }
        requests
    }
}

/// Returns the first byte and the length of the whole disk blocks that hold `from..to`.
pub(super) fn span(from: u64, to: u64) -> (u64, u64) {
    let block = BLOCK_BYTES as u64;
    let start = from - from % block;
    (start, to.next_multiple_of(block).saturating_sub(start))
}

/// Reads one entry; `None` when its numbers cannot be right, later arithmetic relies on it.
fn take_block(reader: &mut Reader<'_>, offset: u64) -> Result<Option<BlockEntry>, Truncated> {
    let (stored_bytes, raw_bytes) = (reader.u32()?, reader.u32()?);
    let (checksum, codec) = (reader.u32()?, reader.u8()?);
    let Some(codec) = Codec::from_byte(codec) else { return Ok(None) };
    let fits = match codec {
        Codec::Plain => stored_bytes == raw_bytes,
        Codec::Lz4 | Codec::Zstd => stored_bytes < raw_bytes,
    };
    let possible = fits && raw_bytes as usize <= RAW_BYTES_MAX;
    Ok(possible.then_some(BlockEntry { offset, stored_bytes, raw_bytes, checksum, codec }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns a table of parts with these numbers of blocks, and where its footer begins.
    fn sample(counts: &[u32]) -> (Table, u64) {
        let mut table = Table::default();
        let mut offset = BLOCK_BYTES as u64;
        for (kind, count) in (0..).zip(counts) {
            let first = table.blocks.len() as u32;
            table.parts.push(PartEntry { kind: PartKind(kind), first, count: *count });
            for index in 0..*count {
                let (stored_bytes, raw_bytes) = (100 + index, 200 + index);
                let (checksum, codec) = (index, Codec::Lz4);
                let block = BlockEntry { offset, stored_bytes, raw_bytes, checksum, codec };
                offset = block.end();
                table.blocks.push(block);
            }
        }
        (table, offset)
    }

    #[test]
    fn requests_cover_every_block_once_and_stay_short() {
        let (table, _) = sample(&[500]);
        let requests = Table::requests(&table.blocks, 3 * BLOCK_BYTES);
        let mut next = 0;
        for request in requests {
            assert_eq!(request.start, next);
            let (first, last) = (&table.blocks[request.start], &table.blocks[request.end - 1]);
            assert!(span(first.offset, last.end()).1 <= 3 * BLOCK_BYTES as u64);
            next = request.end;
        }
        assert_eq!(next, table.blocks.len());
    }

    #[test]
    fn a_block_longer_than_a_request_goes_alone() {
        let (mut table, _) = sample(&[3]);
        table.blocks[1].stored_bytes = 100_000;
        table.blocks[2].offset = table.blocks[1].end();
        assert_eq!(Table::requests(&table.blocks, 8192), vec![0..1, 1..2, 2..3]);
    }

    #[test]
    fn impossible_entries_are_refused() {
        let check = |change: fn(&mut Table), footer_offset: u64| {
            let (mut table, _) = sample(&[1, 2]);
            change(&mut table);
            assert!(Table::decode("f", footer_offset, &table.encode()).is_err());
        };
        let (_, end) = sample(&[1, 2]);
        check(|_| {}, end + 1);
        check(|table| table.parts[1].kind = PartKind(0), end);
        check(|table| table.parts[1].count = 3, end);
        check(|table| table.parts[1].count = u32::MAX, end);
        check(|table| table.blocks[0].codec = Codec::Plain, end);
        check(|table| table.blocks[0].raw_bytes = table.blocks[0].stored_bytes, end);
        check(|table| table.blocks[0].raw_bytes = u32::MAX, end);
    }

    proptest! {
        #[test]
        fn tables_come_back(counts in proptest::collection::vec(0..40u32, 0..8)) {
            let (table, end) = sample(&counts);
            prop_assert_eq!(Table::decode("f", end, &table.encode()), Ok(table));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, offset: u64) {
            let offset = offset % (1 << 60);
            let _ = Table::decode("f", offset, &bytes);
        }

        #[test]
        fn changed_bytes_never_panic(
            counts in proptest::collection::vec(0..4u32, 1..4),
            at: proptest::sample::Index,
            byte: u8,
        ) {
            let (table, end) = sample(&counts);
            let mut bytes = table.encode();
            let place = at.index(bytes.len());
            bytes[place] = byte;
            let _ = Table::decode("f", end, &bytes);
        }
    }
}
