//! What can go wrong below the log, and who can remedy it?

use std::fmt;
use std::io;
use std::path::Path;

use crate::rt::CoreId;

/// Result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the operating system, or this crate in front of it, refused or failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// An operation on a file or directory failed. What to do depends on [`Error::kind`].
    #[error("{operation} \"{path}\": {text}")]
    File {
        /// What was tried, as a verb phrase.
        operation: &'static str,
        /// The file or directory.
        path: String,
        /// The kind of failure.
        kind: io::ErrorKind,
        /// What the operating system said.
        text: String,
    },
    /// Another process uses the directory. Stop it first, or choose another directory.
    #[error("the directory \"{path}\" is in use by another process{holder}")]
    Locked {
        /// The directory.
        path: String,
        /// ` (process 123)` if known, else empty.
        holder: String,
    },
    /// An operation on a socket failed.
    #[error("{operation} {address}: {text}")]
    Socket {
        /// What was tried, as a verb phrase.
        operation: &'static str,
        /// The address, if it is known.
        address: String,
        /// The kind of failure.
        kind: io::ErrorKind,
        /// What the operating system said.
        text: String,
    },
    /// The machine does not offer what the runtime needs. An operator must act.
    #[error("{cause}; {remedy}")]
    Machine {
        /// What is missing.
        cause: String,
        /// What would help.
        remedy: String,
    },
    /// An option is outside its range. Fix the settings.
    #[error("runtime option out of range: {0}")]
    Options(String),
    /// A task panicked: a bug of ours. Its core stops, and all others are asked to.
    #[error("task \"{task}\" on core {} panicked: {message}", core.0)]
    Panicked {
        /// The core it ran on.
        core: CoreId,
        /// Name of the task.
        task: String,
        /// What it said.
        message: String,
    },
    /// A function given to a pool of threads panicked: a bug of ours, seen by its caller only.
    #[error("a background function panicked: {0}")]
    PoolPanicked(String),
    /// The core the work belongs to has stopped.
    #[error("the core has stopped")]
    Stopped,
}

impl Error {
    /// Returns what kind of failure the operating system named; `Other` for ours.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::File { kind, .. } | Self::Socket { kind, .. } => *kind,
            Self::Locked { .. } => io::ErrorKind::ResourceBusy,
            Self::Options(_) => io::ErrorKind::InvalidInput,
            Self::Machine { .. } => io::ErrorKind::Unsupported,
            Self::Panicked { .. } | Self::PoolPanicked(_) | Self::Stopped => io::ErrorKind::Other,
        }
    }

    /// Returns whether there was no room on the disk.
    pub fn is_full(&self) -> bool {
        matches!(self.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// Wraps a failure of a file operation.
    pub(crate) fn file(operation: &'static str, path: &Path, cause: &io::Error) -> Self {
        let (path, kind) = (path.display().to_string(), cause.kind());
        Self::File { operation, path, kind, text: cause.to_string() }
    }

    /// Wraps a failure of a socket operation.
    pub(crate) fn socket(
        operation: &'static str,
        address: impl fmt::Display,
        cause: &io::Error,
    ) -> Self {
        let (address, kind) = (address.to_string(), cause.kind());
        Self::Socket { operation, address, kind, text: cause.to_string() }
    }
}

/// Returns what a panic said.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "no message".to_owned(),
    }
}
