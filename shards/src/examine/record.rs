//! What is a record of the log called?

use crate::txn::{self, Record};

/// Returns what kind of record these bytes of a log are.
pub fn record_name(bytes: &[u8]) -> &'static str {
    match txn::decode(bytes) {
        Ok(Record::Catalog(_)) => "catalog",
        Ok(Record::Commit { .. }) => "commit",
        Ok(Record::Prepare { .. }) => "prepare",
        Ok(Record::Decision { .. }) => "decision",
        Ok(Record::Schema { .. }) => "schema",
        Ok(Record::Outcome { .. }) => "outcome",
        Err(_) => "unknown",
    }
}
