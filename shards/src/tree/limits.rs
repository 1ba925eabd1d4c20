//! Which bounds do trees keep, and what do they cost?

/// Bytes a row group aims at by default, before compression. A point read that misses the cache reads and
/// unpacks one group, so it is small; a scan reads many neighbours at once.
pub(crate) const GROUP_BYTES: usize = 8 << 10;

/// Most rows of a group: what a group costs to open grows with them.
pub(crate) const GROUP_ROWS_MAX: usize = 4096;

/// Groups of which the lowest and highest values are known together: 128 KiB.
pub(crate) const ZONE_GROUPS: u32 = 16;

/// Most bytes of a group that holds a single row: a row of `ROW_BYTES_MAX` with its key.
pub(crate) const GROUP_BYTES_MAX: usize = 48 << 20;

/// Bytes a run aims at by default, as stored. A merge rewrites whole runs, so they bound its
/// steps.
pub(crate) const RUN_BYTES: u64 = 32 << 20;

/// Bits of filter per key: at 10 bits and 6 probes about 1 % of the keys that are not there seem
/// to be.
pub(crate) const FILTER_BITS_PER_KEY: usize = 10;
/// Probes of a filter per key.
pub(crate) const FILTER_PROBES: u32 = 6;

/// Runs of level 0, which may overlap, before they are merged.
pub(crate) const LEVEL_ZERO_RUNS: usize = 4;
/// Stored bytes of level 1 before parts of it are merged into level 2, by default.
pub(crate) const LEVEL_ONE_BYTES: u64 = 128 << 20;
/// How many times larger each level is than the one before.
pub(crate) const LEVEL_FACTOR: u64 = 8;
/// Levels of a tree. With the factor above the last one would hold 500 TiB.
pub(crate) const LEVELS_MAX: usize = 8;

/// Groups a scan that misses one asks for at once.
pub(crate) const READ_AHEAD_GROUPS: u32 = 64;

const _: () = assert!(GROUP_BYTES <= 128 << 10);
const _: () = assert!(GROUP_BYTES_MAX > crate::row::ROW_BYTES_MAX * 2);
