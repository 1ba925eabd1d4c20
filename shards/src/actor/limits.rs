//! Which bounds hold for requests and answers?

/// Requests one core may have unanswered at another. The receiver's answer lane holds this many
/// and [`CONTROL_PER_PEER`] more, so that an answer never waits for space.
pub(crate) const REQUESTS_PER_PEER: usize = 1024;

/// Requests that end a transaction (decide, finish, abort, install) that one core may have
/// unanswered at another, on top of [`REQUESTS_PER_PEER`]. More of them wait for their turn at
/// the sender: refusing them would leave locks behind.
pub(crate) const CONTROL_PER_PEER: usize = 256;

/// Estimated bytes of unanswered requests one core may have at another.
pub(crate) const BYTES_PER_PEER: usize = 256 << 20;

/// Seconds after which the sender of a request stops waiting.
pub(crate) const DEADLINE_SECONDS: u64 = 30;

/// Milliseconds between two looks at the deadlines: how late one may be noticed.
pub(crate) const DEADLINE_CHECK_MS: u64 = 500;

/// Rows of one batch of a collected scan.
pub(crate) const SCAN_BATCH_ROWS: usize = 4096;

/// Most rows one collected scan may answer.
pub(crate) const SCAN_ROWS_MAX: usize = 1 << 20;

/// Most bytes one collected scan may answer; larger reads are plan fragments, which stream.
pub(crate) const SCAN_BYTES_MAX: usize = 64 << 20;

/// Nodes expanded between two chances for other tasks.
pub(crate) const EXPAND_NODES_PER_STEP: usize = 256;

/// Edges one request may answer.
pub(crate) const NEIGHBORS_MAX: usize = 4 << 20;

/// Records replayed between two looks at the preemption flag.
pub(crate) const REPLAY_RECORDS_PER_STEP: usize = 64;

/// Bytes of row groups that are kept in memory however little there is of it.
pub(crate) const CACHE_BYTES_MIN: usize = 1 << 20;

/// Bytes written that are not made into segments yet however little memory there is.
pub(crate) const FLUSH_BYTES_MIN: usize = 256 << 10;

/// Milliseconds a shard's maintenance rests after it ran out of work, so that a stream of small
/// commits is folded in batches.
pub(crate) const MAINTENANCE_REST_MS: u64 = 20;

/// Seconds [`crate::actor::Core::close`] waits for the other cores before it closes its own logs.
pub(crate) const CLOSE_SECONDS_MAX: u64 = 10;

/// Most shards a data directory may have: slots are spread over them.
pub(crate) const SHARDS_MAX: u16 = 1024;

const _: () = assert!(SHARDS_MAX <= crate::ids::SLOT_COUNT);
