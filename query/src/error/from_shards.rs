//! How does a shard's refusal reach the user?

use super::{Error, code};

impl From<pieskieo_shards::Error> for Error {
    fn from(error: pieskieo_shards::Error) -> Self {
        use pieskieo_shards::Error as Shard;
        let message = error.to_string();
        match error {
            Shard::Conflict { .. } => Self::new(code::SERIALIZATION_FAILURE, message)
                .with_hint("Send the statement again."),
            Shard::DuplicateKey { table, constraint, key } => {
                let mut message = format!("duplicate key in table \"{table}\"");
                if let Some(constraint) = &constraint {
                    message += &format!(" violates unique constraint \"{constraint}\"");
                }
                let error = Self::new(code::UNIQUE_VIOLATION, message)
                    .with_detail(format!("Key {key} already exists."));
                Self { constraint, ..error }
            }
            Shard::StaleCatalog { .. } => Self::new(code::SERIALIZATION_FAILURE, message)
                .with_hint("Send the statement again."),
            Shard::InvalidValue(text) => invalid_value(text),
            Shard::Overloaded(text) => {
                Self::new(code::LIMIT_EXCEEDED, text).with_hint("Wait a moment and send it again.")
            }
            Shard::DiskFull(text) => Self::new(code::DISK_FULL, "the disk is full")
                .with_detail(text)
                .with_hint("Make room on the disk of the data folder; writes go on by themselves."),
            Shard::OutOfMemory(text) => Self::new(code::OUT_OF_MEMORY, "out of memory")
                .with_detail(text)
                .with_hint("Raise the setting \"memory\", delete records, or drop an index."),
            Shard::TooLarge(text) => Self::new(code::PROGRAM_LIMIT, text)
                .with_hint("Change or read fewer records in one request."),
            Shard::SnapshotTooOld(text) => Self::new(code::SNAPSHOT_TOO_OLD, text)
                .with_hint("The setting \"retention\" says how long the past is kept."),
            Shard::NotYet(text) => Self::new(code::INVALID_PARAMETER_VALUE, text)
                .with_hint("AS OF wants a time or a commit that has passed."),
            Shard::Cancelled(_) => Self::new(code::QUERY_CANCELED, message),
            Shard::OutcomeUnknown(_) => Self::new(code::OUTCOME_UNKNOWN, message)
                .with_hint("Read the record after the server has recovered."),
            Shard::Corrupt(text) => Self::new(code::DATA_CORRUPTED, text)
                .with_hint("Run `pieskieo verify` on the data directory."),
            Shard::Storage(text) => Self::new(code::IO_ERROR, text),
            Shard::NotLoaded | Shard::Internal(_) => Self::new(code::INTERNAL_ERROR, message),
        }
    }
}

/// Chooses the data exception that a shard's sentence describes.
fn invalid_value(text: String) -> Error {
    let code = if text.contains("value too long") {
        code::VALUE_TOO_LONG
    } else if text.contains("null") && text.contains("column") {
        code::NOT_NULL_VIOLATION
    } else if text.contains("out of range") || text.contains("overflow") {
        code::NUMERIC_OUT_OF_RANGE
    } else if ["TIME", "INTERVAL"]
        .iter()
        .any(|ty| text.contains(&format!("invalid input syntax for type {ty}:")))
    {
        code::INVALID_DATETIME
    } else if text.contains("invalid JSON")
        || text.contains("cannot be read")
        || text.contains("invalid input syntax")
        || text.contains("is not an integer: ")
    {
        code::INVALID_TEXT
    } else if text.contains("is outside the array") {
        code::ARRAY_SUBSCRIPT
    } else if text.contains(" scalar") || text.contains("cannot replace existing key") {
        code::INVALID_PARAMETER_VALUE
    } else {
        code::DATA_EXCEPTION
    };
    Error::new(code, text)
}
