//! Which names do shards, records and moments go by?
//!
//! Newtypes only: no bare integer crosses a module boundary.

use std::fmt;

/// Number of hash slots a key can fall into. Frozen: it decides which shard owns a record.
pub const SLOT_COUNT: u16 = 16_384;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A shard: one slice of every table, with its own log. `0..shard_count`.
    ShardId,
    u16
);
id!(
    /// A hash slot, `0..SLOT_COUNT`. Slots map to shards through the catalog, never directly.
    Slot,
    u16
);
id!(
    /// A table, collection or edge table. Never reused.
    TableId,
    u32
);
id!(
    /// An index. Never reused.
    IndexId,
    u32
);
id!(
    /// A column within its table, stable across `ALTER TABLE`. Never reused within the table.
    ColumnId,
    u32
);
id!(
    /// A catalog snapshot. Grows by one with every schema change.
    CatalogVersion,
    u64
);
id!(
    /// A commit timestamp. 0 is before everything; `Timestamp::MAX` means "still current".
    Timestamp,
    u64
);
id!(
    /// A transaction, unique within the process and across restarts.
    TxnId,
    u64
);
id!(
    /// A record's place in one shard's copy of one table. Stable while the process lives.
    RecordId,
    u32
);

impl Timestamp {
    /// The end of time: the `end` of a version that nothing has replaced.
    pub const MAX: Self = Self(u64::MAX);
}
