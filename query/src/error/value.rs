//! What does an error carry?

use std::fmt;

use super::Code;
use super::code;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Who can remedy an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Sending the same statement again may succeed.
    Retry,
    /// The statement or its parameters must change.
    FixRequest,
    /// The user may not do this.
    Denied,
    /// The server cannot serve this now; an operator or time helps.
    Unavailable,
    /// Stored bytes are not what was written; an operator must act.
    Corrupt,
    /// A broken promise of our own.
    Internal,
}

/// Why a statement was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// SQLSTATE, five characters.
    pub code: &'static str,
    /// Stable slug of the code.
    pub name: &'static str,
    /// One lower-case sentence without a full stop.
    pub message: String,
    /// What exactly was found, as a sentence.
    pub detail: Option<String>,
    /// What to do, as an imperative sentence.
    pub hint: Option<String>,
    /// Where in the request's text, in characters from 1.
    pub position: Option<usize>,
    /// Who can remedy it.
    pub kind: Kind,
    /// The constraint that a row breaks, where one is named.
    pub constraint: Option<String>,
}

impl Error {
    /// Returns an error of this code.
    pub fn new(code: &'static Code, message: impl Into<String>) -> Self {
        Self {
            code: code.code,
            name: code.name,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            kind: code.kind,
            constraint: None,
        }
    }

    /// Returns an error for something that parses but is not offered: `"thing" is not supported`.
    pub fn unsupported(thing: impl fmt::Display) -> Self {
        Self::new(code::FEATURE_NOT_SUPPORTED, format!("{thing} is not supported"))
    }

    /// Returns an internal error: a broken promise between our own layers.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(code::INTERNAL_ERROR, message)
    }

    /// Names the constraint that a row breaks.
    #[must_use]
    pub fn of_constraint(mut self, name: &str) -> Self {
        self.constraint = Some(name.to_owned());
        self
    }

    /// Adds the detail sentence.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the hint sentence.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a "did you mean" hint when there is a suggestion.
    #[must_use]
    pub fn with_suggestion(self, suggestion: Option<&str>) -> Self {
        match suggestion {
            Some(name) => self.with_hint(format!("Did you mean \"{name}\"?")),
            None => self,
        }
    }

    /// Adds the position, in characters from 1 of the request's text; 0 means unknown.
    #[must_use]
    pub fn at(mut self, position: usize) -> Self {
        if position > 0 && self.position.is_none() {
            self.position = Some(position);
        }
        self
    }

    /// Returns whether the same statement may succeed when sent again.
    pub fn retryable(&self) -> bool {
        self.kind == Kind::Retry
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Error {}
