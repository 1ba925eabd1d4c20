//! Which bounds does the log keep, and what do they cost?

use std::time::Duration;

use crate::format::{BLOCK_BYTES, frame_header};

/// Longest frame, padding included. One frame is one write: 1 MiB is about 0.4 ms on a drive
/// that streams 2.5 GB/s, which is how long a commit may wait behind a full frame.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// Longest record. It may span frames and files; replay holds one such record in memory.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

/// Bytes appended but not yet written, at most; beyond it `append` refuses with `Busy`. Four of
/// the longest records.
pub const PENDING_BYTES_MAX: usize = 4 * RECORD_BYTES_MAX;

/// Bytes per read when the log is scanned.
pub const READ_BYTES: usize = 1 << 20;

/// Reads in flight when the log is scanned; with the window being parsed this bounds a scan's
/// memory to about 5 MiB per stream.
pub const READS_AHEAD: usize = 3;

/// Spare files kept ready per stream, so that a full disk is noticed at rotation.
pub const SPARE_COUNT: usize = 2;

/// Frames in flight. One: on drives where the flush is the cost, more only adds latency.
pub const FLIGHT_COUNT_MAX: u32 = 1;

/// Idle time after which an unconfirmed frame is confirmed by an empty one.
pub const CONFIRM_AFTER_MS: u64 = 10;

/// Bytes of zeros written at once into a spare file that is not needed soon, the pause after
/// them, and how many are synced at once: 64 MiB take about a second. Written in one go they kept
/// commits waiting for up to 100 ms.
pub const FILL_BYTES: usize = 256 << 10;
/// See [`FILL_BYTES`].
pub const FILL_PAUSE: Duration = Duration::from_millis(4);
/// See [`FILL_BYTES`].
pub const FILL_SYNC_BYTES: u64 = 4 << 20;

/// Pause before a failed preparation of a spare file is tried again.
pub const SPARE_RETRY_MS: u64 = 1000;

/// Files of one stream, at most: 64 TiB of log at the default size. Keeps a directory full of
/// foreign files from being read without end.
pub const FILE_COUNT_MAX: usize = 1 << 20;

const _: () = assert!(FRAME_BYTES_MAX.is_multiple_of(BLOCK_BYTES));
const _: () = assert!(FRAME_BYTES_MAX > frame_header::BYTES);
const _: () = assert!(PENDING_BYTES_MAX >= RECORD_BYTES_MAX);
const _: () = assert!(READ_BYTES.is_multiple_of(BLOCK_BYTES));
const _: () = assert!(FILL_BYTES.is_multiple_of(BLOCK_BYTES));
const _: () = assert!(SPARE_COUNT >= 1 && READS_AHEAD >= 1);
