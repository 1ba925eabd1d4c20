//! How does an error look?

use pieskieo_query::{Error, Kind};

use super::backend::{message, text};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The connection ends.
    Fatal,
    /// The client should know.
    Warning,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Warning => "WARNING",
        }
    }
}

/// Appends an ErrorResponse, or, for a warning, a NoticeResponse.
pub fn refuse(out: &mut Vec<u8>, severity: Severity, error: &Error) {
    if matches!(error.kind, Kind::Internal | Kind::Corrupt) {
        tracing::error!(code = error.code, message = error.message, "statement failed");
    }
    let kind = if severity == Severity::Warning { b'N' } else { b'E' };
    message(out, kind, |out| {
        let mut field = |name: u8, value: &str| {
            out.push(name);
            text(out, value);
        };
        field(b'S', severity.word());
        field(b'V', severity.word());
        field(b'C', error.code);
        field(b'M', &error.message);
        if let Some(detail) = &error.detail {
            field(b'D', detail);
        }
        if let Some(hint) = &error.hint {
            field(b'H', hint);
        }
        if let Some(position) = error.position {
            field(b'P', &position.to_string());
        }
        if let Some(constraint) = &error.constraint {
            field(b'n', constraint);
        }
        out.push(0);
    });
}
