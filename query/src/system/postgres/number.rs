//! Which number does an object have?
//!
//! ```text
//! 0x0000_0000 ..  PostgreSQL's own, below 16,384; ours that are there once, below 32,768
//! 0x0000_8000 ..  tables, views, sequences: 8 x id + part
//! 0x4000_0000 ..  indexes: 8 x id + part
//! 0x8000_0000 ..  what has a name in its table only: a hash of both
//! ```
//!
//! Numbers follow from identities that an object keeps for its life, so clients may look something
//! up by a number that they got from an earlier answer. A constraint that is renamed has another.

use std::hash::{Hash, Hasher};

use pieskieo_shards::ids::{IndexId, TableId};

/// The schema of PostgreSQL's catalog.
pub const CATALOG_SCHEMA: i64 = 11;
/// The schema of users' tables.
pub const PUBLIC_SCHEMA: i64 = 2_200;
/// The schema of `information_schema`.
pub const INFORMATION_SCHEMA: i64 = 13_000;
/// The schema of our own relations.
pub const OWN_SCHEMA: i64 = 16_385;
/// The one user.
pub const USER: i64 = 10;
/// The one database.
pub const DATABASE: i64 = 16_384;
/// The way records are kept.
pub const HEAP: i64 = 2;
/// The ways indexes are kept.
pub const BTREE: i64 = 403;
/// As PostgreSQL's extension `vector` has it, which numbers from the first free one.
pub const HNSW: i64 = 16_410;
/// Our index of words.
pub const TEXT_INDEX: i64 = 16_411;
/// The extension of vectors.
pub const VECTOR_EXTENSION: i64 = 16_399;
/// Classes of operators of vectors and words, one after the other.
pub const OPERATOR_CLASSES: i64 = 16_420;
/// Relations of the system that PostgreSQL has no fixed number for, one after the other.
pub const SYSTEM_RELATIONS: i64 = 14_000;

const TABLES: i64 = 0x8000;
const INDEXES: i64 = 0x4000_0000;
const NAMED: i64 = 0x8000_0000;
/// Parts that one identity may have.
const PARTS: i64 = 8;
/// Identities that fit between the beginnings.
const IDS_MAX: i64 = 0x0700_0000;
/// Numbers for what only has a name.
const NAMED_MAX: u64 = 0x7fff_0000;

/// What a number stands for beside the object of an identity itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The object itself.
    Whole = 0,
    /// The index of a table's primary key.
    KeyIndex = 1,
    /// The constraint of a table's primary key, or of a unique index.
    Constraint = 2,
    /// The rule that makes a view give what its query gives.
    Rule = 3,
}

/// Returns the number of a part of a table, view or sequence.
pub fn of_table(id: TableId, part: Part) -> i64 {
    TABLES + (i64::from(id.0) % IDS_MAX) * PARTS + part as i64
}

/// Returns the number of a part of an index.
pub fn of_index(id: IndexId, part: Part) -> i64 {
    INDEXES + (i64::from(id.0) % IDS_MAX) * PARTS + part as i64
}

/// Returns the number of what has a name in its table; what hashes to the same is told apart by
/// `taken`.
pub fn of_name(table: TableId, name: &str, taken: impl Fn(i64) -> bool) -> i64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    (table.0, name).hash(&mut hasher);
    let mut at = hasher.finish() % NAMED_MAX;
    loop {
        let number = NAMED + i64::try_from(at).unwrap_or(0);
        if !taken(number) {
            return number;
        }
        at = (at + 1) % NAMED_MAX;
    }
}

/// A hash that is the same in every process: FNV-1a.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
