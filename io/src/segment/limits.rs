//! Which bounds does a segment keep, and what do they cost?

use crate::format::{BLOCK_BYTES, segment_block};
use crate::limits::OPERATION_BYTES_MAX;

/// Longest block before compression. A row may have 16 MiB, and a block holds whole rows. A read
/// allocates at most this, and its compressed form.
pub const RAW_BYTES_MAX: usize = 64 << 20;

/// Longest footer: 5 million blocks, which is 640 GiB in blocks of 128 KiB.
pub const FOOTER_BYTES_MAX: usize = 64 << 20;

/// Bytes of one request, unless a single block is longer.
pub const REQUEST_BYTES: usize = OPERATION_BYTES_MAX;

/// Requests in flight of one writer; with the one being filled it holds 4 MiB.
pub const WRITES_AHEAD: usize = 3;

/// Requests in flight of one reader of neighbouring blocks.
pub const READS_AHEAD: usize = 3;

/// Bytes read from the end at opening: the trailer, and the footer if it has less than 4700
/// blocks, in one request.
pub const TAIL_BYTES: usize = 64 << 10;

/// Level of zstd. 3 is the library's own choice between speed and size.
pub const ZSTD_LEVEL: i32 = 3;

const _: () = assert!(REQUEST_BYTES.is_multiple_of(BLOCK_BYTES));
const _: () = assert!(TAIL_BYTES.is_multiple_of(BLOCK_BYTES) && TAIL_BYTES >= 2 * BLOCK_BYTES);
const _: () = assert!(RAW_BYTES_MAX < u32::MAX as usize);
const _: () = assert!(FOOTER_BYTES_MAX < u32::MAX as usize);
const _: () = assert!((TAIL_BYTES - BLOCK_BYTES) / segment_block::BYTES >= 4700);
