//! Which bounds does a manifest keep, and what do they cost?

use crate::format::BLOCK_BYTES;

/// Longest snapshot or edit. A segment takes some 100 bytes of a snapshot: room for half a
/// million.
pub const BODY_BYTES_MAX: usize = 64 << 20;

/// Longest generation that is opened; it is read into memory as a whole. `append` refuses beyond
/// it, long after a caller should have rewritten.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

const _: () = assert!(FILE_BYTES_MAX.is_multiple_of(BLOCK_BYTES as u64));
const _: () = assert!(FILE_BYTES_MAX > 2 * BODY_BYTES_MAX as u64);
