//! What can go wrong with a manifest, and who can remedy it?

use std::fmt;
use std::sync::Arc;

/// Result of an operation on a manifest.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a manifest refused or failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A write or sync failed and the manifest is closed for good: whether the edit under way
    /// holds is known only after it is opened again. Stop the process and start again.
    #[error("the manifest failed, whether its last edit holds is unknown: {0}")]
    Fenced(Arc<Fence>),
    /// There was no room on the disk. Nothing holds of what was to be written, and everything holds
    /// that did before. Free space, then try again.
    #[error("the manifest cannot grow: {0}")]
    Full(crate::Error),
    /// The disk failed while the manifest was being opened. Remedy that, then open again.
    #[error(transparent)]
    Disk(#[from] crate::Error),
    /// Stored bytes are not what was written. An operator must act.
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// More bytes than a manifest can hold. Nothing was written. Rewrite it first, or fix the
    /// request.
    #[error("{what} has {bytes} bytes, the limit is {bytes_max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its length.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        Self::Damaged(Box::new(damage))
    }
}

/// The first failure of an open manifest; it never changes afterwards.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation} of manifest \"{file}\": {cause}")]
pub struct Fence {
    /// What was tried.
    pub operation: &'static str,
    /// The file.
    pub file: String,
    /// What the layer below said; `Stopped` when the caller dropped the operation half-way.
    pub cause: crate::Error,
}

/// Where a manifest is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// Where in the file.
    pub offset: u64,
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
    /// The file is too short or too long to be a manifest.
    Length,
    /// The first block is not one of a manifest.
    Magic,
    /// The file was written by a version this one does not know.
    Version,
    /// The file is intact and belongs to another database or shard, or is another generation.
    Identity,
    /// The header block does not have the checksum that was written for it, or is impossible.
    Header,
    /// The snapshot is unreadable though the file has got its name after it was durable.
    Snapshot,
    /// An edit is unreadable though a later one proves that it was durable.
    Edit,
    /// A frame passes its checksums and says something impossible.
    Content,
}

impl DamageKind {
    fn text(self) -> &'static str {
        match self {
            Self::Length => "the length is wrong",
            Self::Magic => "this is no manifest",
            Self::Version => "the format version is unknown to this program",
            Self::Identity => "the file belongs elsewhere",
            Self::Header => "the header block is unreadable",
            Self::Snapshot => "the snapshot is unreadable",
            Self::Edit => "an acknowledged edit is unreadable",
            Self::Content => "the content is impossible",
        }
    }
}

impl DamageKind {
    /// Returns what an operator can do.
    fn remedy(self) -> &'static str {
        match self {
            Self::Version => "use the version of Pieskieo that wrote it",
            Self::Identity => "put back the file that belongs here",
            _ => "restore the data folder from a backup",
        }
    }
}

impl Damage {
    pub(super) fn new(
        file: &str,
        offset: u64,
        kind: DamageKind,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        let (expected, found) = (expected.to_string(), found.to_string());
        Self { file: file.to_owned(), offset, kind, expected, found }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, kind, expected, found } = self;
        write!(f, "manifest \"{file}\" is damaged: offset {offset}: {}", kind.text())?;
        write!(f, ": expected {expected}, found {found}; {}", kind.remedy())
    }
}
