//! What can go wrong with a segment, and who can remedy it?

use std::fmt;

use super::identity::PartKind;

/// Result of an operation on a segment.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a segment was refused or could not be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The disk failed or is full ([`crate::Error::is_full`]). A writer that saw it is of no use
    /// any more; write the segment again under another number.
    #[error(transparent)]
    Disk(#[from] crate::Error),
    /// Stored bytes are not what was written. An operator must act.
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// More bytes than a segment can hold at this place. Nothing was written. Fix the request.
    #[error("{what} of a segment has {bytes} bytes, the limit is {bytes_max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A segment of this number exists: numbers are used once. Remove what no manifest names.
    #[error("the segment file \"{file}\" exists already")]
    Exists {
        /// The file.
        file: String,
    },
    /// A block was asked for that the segment does not have.
    #[error("segment file \"{file}\" has no block {block} in part {part}")]
    NoBlock {
        /// The file.
        file: String,
        /// The part.
        part: PartKind,
        /// The block.
        block: u32,
    },
}

impl Error {
    /// Returns whether there was no room on the disk.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Disk(cause) if cause.is_full())
    }
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        Self::Damaged(Box::new(damage))
    }
}

/// Where a segment is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// Where in the file.
    pub offset: u64,
    /// The part and the block in it, if the damage is in a block.
    pub block: Option<(PartKind, u32)>,
    /// What is wrong.
    pub kind: DamageKind,
    /// What should stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

/// The kinds of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// There is no such file.
    Missing,
    /// The file has another length.
    Length,
    /// The first or last block is not one of a segment.
    Magic,
    /// The file was written by a version this one does not know.
    Version,
    /// The file is intact and belongs to another database, shard or number.
    Identity,
    /// The file is not the one the seal was made for.
    Seal,
    /// Bytes do not have the checksum that was written for them.
    Checksum,
    /// Bytes pass their checksum but say something impossible, or zeros are none.
    Content,
}

impl DamageKind {
    fn text(self) -> &'static str {
        match self {
            Self::Missing => "the file is missing",
            Self::Length => "the length is wrong",
            Self::Magic => "this is no segment",
            Self::Version => "the format version is unknown to this program",
            Self::Identity => "the file belongs elsewhere",
            Self::Seal => "the file is not the one that was sealed",
            Self::Checksum => "the checksum is wrong",
            Self::Content => "the content is impossible",
        }
    }
}

impl DamageKind {
    /// Returns what an operator can do.
    fn remedy(self) -> &'static str {
        match self {
            Self::Missing => "put the file back, or restore the data folder from a backup",
            Self::Version => "use the version of Pieskieo that wrote it",
            Self::Identity => "put back the file that belongs here",
            _ => "restore the data folder from a backup",
        }
    }
}

impl Damage {
    /// Returns damage outside of all blocks.
    pub(super) fn new(
        file: &str,
        offset: u64,
        kind: DamageKind,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        let (expected, found) = (expected.to_string(), found.to_string());
        Self { file: file.to_owned(), offset, block: None, kind, expected, found }
    }

    /// Returns the damage, named as one of a block.
    pub(super) fn of_block(self, part: PartKind, block: u32) -> Self {
        Self { block: Some((part, block)), ..self }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment file \"{}\" is damaged: offset {}", self.file, self.offset)?;
        if let Some((part, block)) = self.block {
            write!(f, ", part {part}, block {block}")?;
        }
        let Self { expected, found, .. } = self;
        write!(f, ": {}: expected {expected}, found {found}", self.kind.text())?;
        write!(f, "; {}", self.kind.remedy())
    }
}
