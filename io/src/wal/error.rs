//! What can go wrong in the log, and who can remedy it?

use std::fmt;
use std::sync::Arc;

use super::position::Lsn;

/// Result of a log operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the log refused or failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A write or sync failed and the log is closed for good: whether pending records survive is
    /// known only after recovery. Stop the process and start again.
    #[error("the log failed, the outcome of unfinished commits is unknown: {0}")]
    Fenced(Arc<Fence>),
    /// No further log file can be made, as a rule because the disk is full. Nothing was written.
    /// Free space, then retry.
    #[error("the log has room for {bytes_left} more bytes and cannot grow: {cause}")]
    Full {
        /// Bytes left in the prepared files, kept for finishing what was begun.
        bytes_left: u64,
        /// What the operating system said.
        cause: String,
    },
    /// Too much is waiting to be written. Nothing was written. Retry later.
    #[error("{bytes} bytes wait to be written to the log, the limit is {bytes_max}")]
    Busy {
        /// Bytes waiting.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The record is longer than any record may be. Fix the request.
    #[error("the record has {bytes} bytes, the limit is {bytes_max}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// `append` before the replay was drained: a broken promise of the caller.
    #[error("the log has not been replayed to its end yet")]
    NotReplayed,
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// Stored bytes are not what was written. An operator must act.
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// An option is outside its range. Fix the settings.
    #[error("log option out of range: {0}")]
    Options(String),
    /// The layer below failed while no commit was pending.
    #[error("{operation} of log file \"{file}\": {cause}")]
    Storage {
        /// What was tried.
        operation: &'static str,
        /// The file, empty for the directory.
        file: String,
        /// What the operating system said.
        cause: String,
    },
}

impl Error {
    /// Wraps a failure of the file layer.
    pub(super) fn storage(operation: &'static str, file: &str, cause: impl fmt::Display) -> Self {
        Self::Storage { operation, file: file.to_owned(), cause: cause.to_string() }
    }
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        Self::Damaged(Box::new(damage))
    }
}

/// The first failure of a stream; it never changes afterwards.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation} of log file \"{file}\" at offset {offset}: {cause}")]
pub struct Fence {
    /// What was tried.
    pub operation: &'static str,
    /// The file.
    pub file: String,
    /// Where in the file.
    pub offset: u64,
    /// What the operating system said.
    pub cause: String,
}

/// Where the log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file; for a missing one, its neighbour.
    pub file: String,
    /// Where in the file.
    pub offset: u64,
    /// First LSN that cannot be read, if known.
    pub lsn: Lsn,
    /// First LSN known to exist beyond the damage, if any.
    pub resumes: Option<Lsn>,
    /// What was found.
    pub kind: DamageKind,
}

/// The kinds of damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// A frame is unreadable though a later one proves that it was durable.
    AcknowledgedFrame,
    /// A frame is intact but does not belong at its place.
    OutOfPlace,
    /// A file does not end where its successor says it does.
    Successor,
    /// A file that later ones follow is not there.
    MissingFile {
        /// Epoch of the missing file.
        epoch: u64,
    },
    /// The header block of a file that holds records is unreadable.
    Header,
    /// Two files claim the same epoch.
    Duplicate {
        /// The other file.
        other: String,
    },
    /// The file belongs to another database or stream.
    Foreign,
    /// The file was written by a version this one does not know.
    Version {
        /// The version found.
        version: u32,
    },
    /// The log ends before an LSN it is known to have reached.
    LostEnd {
        /// The LSN it must reach.
        end_min: Lsn,
    },
    /// A body passes its checksum but does not hold what its header says.
    Body,
    /// A file is shorter or longer than its header says.
    Length {
        /// Length by the header.
        expected: u64,
        /// Length of the file.
        found: u64,
    },
}

impl DamageKind {
    /// Returns what an operator can do.
    fn remedy(&self) -> &'static str {
        match self {
            Self::Version { .. } => "use the version of Pieskieo that wrote it",
            Self::Foreign => "put back the file that belongs here",
            Self::MissingFile { .. } => {
                "put the file back, or restore the data folder from a backup"
            }
            _ => "restore the data folder from a backup",
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, lsn, .. } = self;
        write!(f, "the log is damaged: file \"{file}\", offset {offset}, LSN {lsn}: ")?;
        match &self.kind {
            DamageKind::AcknowledgedFrame => {
                write!(f, "an acknowledged frame is unreadable")?;
            }
            DamageKind::OutOfPlace => write!(f, "an intact frame stands at the wrong place")?,
            DamageKind::Successor => {
                write!(f, "the file ends before the point where the next file begins")?;
            }
            DamageKind::MissingFile { epoch } => write!(f, "the file of epoch {epoch} is missing")?,
            DamageKind::Header => write!(f, "the header block is unreadable")?,
            DamageKind::Duplicate { other } => {
                write!(f, "file \"{other}\" claims the same epoch")?;
            }
            DamageKind::Foreign => write!(f, "the file belongs to another database or stream")?,
            DamageKind::Version { version } => {
                write!(f, "format version {version} is unknown to this program")?;
            }
            DamageKind::LostEnd { end_min } => {
                write!(f, "the log ends here but is known to have reached LSN {end_min}")?;
            }
            DamageKind::Body => write!(f, "a frame does not hold the records it announces")?,
            DamageKind::Length { expected, found } => {
                write!(f, "the file has {found} bytes, its header says {expected}")?;
            }
        }
        if let Some(resumes) = self.resumes {
            write!(f, "; records from LSN {resumes} on exist beyond it")?;
        }
        write!(f, "; {}", self.kind.remedy())
    }
}
