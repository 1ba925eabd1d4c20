//! What can go wrong in a shard, and who can remedy it?

use crate::ids::{CatalogVersion, Timestamp};

/// Why a shard refused or failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Another transaction changed what this one read or wrote. Retry from a new snapshot.
    #[error("could not serialize access to table \"{table}\" due to a concurrent change")]
    Conflict {
        /// Table of the record both wanted.
        table: String,
        /// When known, the commit that got there first: a retry should wait until it is visible.
        winner: Option<Timestamp>,
    },
    /// A record with this key exists. Fix the request.
    #[error("duplicate key {key} in table \"{table}\"")]
    DuplicateKey {
        /// The table.
        table: String,
        /// The unique constraint that forbids it; `None` = the primary key.
        constraint: Option<String>,
        /// The key as a person would write it, `(id)=(1)`.
        key: String,
    },
    /// The request was planned with an older catalog. Plan again.
    #[error("the schema changed while the statement was being planned")]
    StaleCatalog {
        /// The shard's version.
        current: CatalogVersion,
    },
    /// A value does not fit its column. Fix the request.
    #[error("{0}")]
    InvalidValue(String),
    /// Too much work is queued. Retry later.
    #[error("{0}")]
    Overloaded(String),
    /// The disk is full: nothing was written, reads are answered. Free space, then retry.
    #[error("no room on the disk for writes: {0}")]
    DiskFull(String),
    /// There is no memory left for what indexes keep of it. Retry when there is.
    #[error("{0}")]
    OutOfMemory(String),
    /// A fixed limit of one transaction or one answer is exceeded. Ask for less.
    #[error("{0}")]
    TooLarge(String),
    /// What was at this point of the past is not kept, or not any more. Ask for a later point.
    #[error("{0}")]
    SnapshotTooOld(String),
    /// This point of time has not come. Ask for an earlier one.
    #[error("{0}")]
    NotYet(String),
    /// The deadline passed or the client went away.
    #[error("the statement was cancelled: {0}")]
    Cancelled(String),
    /// The log refused a write: the outcome of pending commits is unknown until recovery.
    #[error("the log failed, the outcome of this commit is unknown: {0}")]
    OutcomeUnknown(String),
    /// Stored bytes are not what was written. An operator must act.
    #[error("{0}")]
    Corrupt(String),
    /// The layer below failed.
    #[error("{0}")]
    Storage(String),
    /// A read needs a group that is not in memory. Never leaves a shard: it is loaded and the read
    /// begins again.
    #[error("internal error: a group is not in memory")]
    NotLoaded,
    /// A broken promise between our own layers.
    #[error("internal error: {0}")]
    Internal(String),
}
