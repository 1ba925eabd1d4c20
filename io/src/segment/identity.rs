//! Which names do segments, parts and their files go by?

use std::fmt;

use crate::wal::StreamId;

const SUFFIX: &str = ".segment";
const DRAFT: &str = ".draft";

/// What a part means: the caller's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartKind(pub u16);

/// Number of a segment in its shard, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u64);

/// What a file must be: one of another database, shard or number is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentIdentity {
    /// The database.
    pub database: [u8; 16],
    /// The shard.
    pub stream: StreamId,
    /// The segment.
    pub id: SegmentId,
}

/// What a manifest keeps of a finished file; opening compares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSeal {
    /// The segment.
    pub id: SegmentId,
    /// Length of the file.
    pub file_bytes: u64,
    /// CRC32C of the footer, which holds the checksum of every block.
    pub checksum: u32,
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SegmentIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {} of stream {} of database ", self.id, self.stream)?;
        self.database.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Returns the name of a segment's file.
pub fn segment_name(id: SegmentId) -> String {
    format!("{:010}{SUFFIX}", id.0)
}

/// Returns the name a file has until it is whole and durable.
pub(super) fn draft_name(id: SegmentId) -> String {
    format!("{}{DRAFT}", segment_name(id))
}

/// Returns the segment whose file has this name; `None` for every other name.
pub fn parse_segment_name(name: &str) -> Option<SegmentId> {
    let digits = name.strip_suffix(SUFFIX)?;
    let id = SegmentId(digits.parse().ok()?);
    // Only the one way to write a number counts.
    (segment_name(id) == name).then_some(id)
}

/// Returns the segment whose unfinished file has this name. Such a file may be removed when no
/// writer of this process has it open.
pub fn parse_segment_draft_name(name: &str) -> Option<SegmentId> {
    parse_segment_name(name.strip_suffix(DRAFT)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for id in [0, 7, 9_999_999_999, 10_000_000_000, u64::MAX].map(SegmentId) {
            assert_eq!(parse_segment_name(&segment_name(id)), Some(id));
            assert_eq!(parse_segment_draft_name(&draft_name(id)), Some(id));
            assert_eq!(parse_segment_name(&draft_name(id)), None);
            assert_eq!(parse_segment_draft_name(&segment_name(id)), None);
        }
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in ["", ".segment", "7.segment", "+000000007.segment", "00000000007.segment"] {
            assert_eq!(parse_segment_name(name), None, "{name}");
        }
    }
}
