//! What did a client do, and what was it told?

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

/// Number of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u64);

/// What an append adds to a record. No two appends to one record add the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Element(pub u64);

/// What a client was told at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is committed.
    Committed,
    /// Nothing was written.
    Refused,
    /// Nothing was heard: it may be committed or not.
    Unknown,
}

/// One step of a transaction, in the order the client took them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Adds an element to the end of a record; the first one makes the record.
    Append {
        /// The record.
        record: RecordId,
        /// What is added.
        element: Element,
    },
    /// Reads a record.
    Read {
        /// The record.
        record: RecordId,
        /// Its elements; empty when there is no such record.
        found: Vec<Element>,
    },
    /// Reads every record with a number and a length in these ranges.
    Search {
        /// Which records are looked at.
        records: Range<u64>,
        /// How long they must be to be found.
        lengths: RangeInclusive<usize>,
        /// Those that were found.
        found: BTreeMap<RecordId, Vec<Element>>,
    },
}

/// A transaction as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Who ran it.
    pub client: usize,
    /// When it began, on the clock that all clients share. Any unit.
    pub begin: u64,
    /// When its outcome was known.
    pub end: u64,
    /// What the client was told.
    pub outcome: Outcome,
    /// What it did.
    pub operations: Vec<Operation>,
}
