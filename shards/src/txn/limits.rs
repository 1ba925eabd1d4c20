//! Which bounds hold for one transaction?

/// Most records one transaction may write. Each costs an entry (about 100 bytes) at the
/// coordinator and a lock at its owner while the transaction commits.
pub const TXN_WRITES_MAX: usize = 1 << 20;

/// Most bytes one transaction may write, and so the most that one log record of a shard can need:
/// the whole transaction may fall to one shard.
pub const TXN_BYTES_MAX: usize = 32 << 20;

/// Writes that are checked or applied between two chances for other tasks: at about a
/// microsecond each, a quarter of the one-millisecond preemption interval.
pub const WRITES_PER_STEP: usize = 256;

/// Transaction numbers a core takes from the shared counter at once.
pub const TXN_IDS_PER_LEASE: u64 = 1024;

/// Most savepoints of one transaction at a time.
pub const SAVEPOINTS_MAX: usize = 1000;
