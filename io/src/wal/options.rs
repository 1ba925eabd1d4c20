//! What may the user of a log choose?

use crate::format::{BLOCK_BYTES, frame_header};

use super::error::Error;
use super::limits;
use super::position::Lsn;

/// How written bytes are made to survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SyncMethod {
    /// Measure both at the first start of a directory and remember the faster one.
    #[default]
    Calibrated,
    /// Every write carries its own sync (`O_DSYNC`): best on drives with power-loss protection.
    WithWrite,
    /// A write, then `fdatasync`: best on drives with a volatile cache.
    AfterWrite,
}

/// Settings of one stream. Plain data, validated once by `Wal::open`.
#[derive(Clone, Debug)]
pub struct WalOptions {
    /// Identity of the database; a log of another one is refused. Default: zeros.
    pub database: [u8; 16],
    /// Bytes per log file, a multiple of 4096. Default 64 MiB. Takes effect for new files.
    pub file_bytes: u64,
    /// Longest frame in bytes, a multiple of 4096. Default and maximum 1 MiB; smaller than the
    /// file by at least one block.
    pub frame_bytes_max: usize,
    /// How writes are made durable. Default: calibrated.
    pub sync: SyncMethod,
    /// Replay begins here: the caller holds everything below, durably. Default: the first record.
    pub start: Lsn,
    /// The caller knows from elsewhere that the log reached this LSN; one that ends before it has
    /// lost records and is refused. Default: zero, nothing is known.
    pub end_min: Lsn,
    /// Spare files kept ready. Default 2, at least 1.
    pub spare_count: usize,
    /// Idle milliseconds after which the last frame is confirmed. Default 10.
    pub confirm_after_ms: u64,
}

impl Default for WalOptions {
    fn default() -> Self {
        Self {
            database: [0; 16],
            file_bytes: 64 << 20,
            frame_bytes_max: limits::FRAME_BYTES_MAX,
            sync: SyncMethod::Calibrated,
            start: Lsn::FIRST,
            end_min: Lsn::ZERO,
            spare_count: limits::SPARE_COUNT,
            confirm_after_ms: limits::CONFIRM_AFTER_MS,
        }
    }
}

impl WalOptions {
    /// Returns options with small files, for tests: `file_bytes` per file, frames of at most a
    /// quarter of it (at least one block), the sync after the write.
    pub fn small(file_bytes: u64) -> Self {
        let quarter = (file_bytes as usize / 4) / BLOCK_BYTES * BLOCK_BYTES;
        Self {
            file_bytes,
            frame_bytes_max: quarter.clamp(BLOCK_BYTES, limits::FRAME_BYTES_MAX),
            sync: SyncMethod::AfterWrite,
            ..Self::default()
        }
    }

    /// Checks every option against its range.
    pub(super) fn validate(&self) -> Result<(), Error> {
        let block = BLOCK_BYTES as u64;
        let refuse = |text: String| Err(Error::Options(text));
        if !self.file_bytes.is_multiple_of(block) {
            return refuse(format!("file_bytes must be a multiple of {block}"));
        }
        if !self.frame_bytes_max.is_multiple_of(BLOCK_BYTES)
            || self.frame_bytes_max < BLOCK_BYTES
            || self.frame_bytes_max > limits::FRAME_BYTES_MAX
        {
            let max = limits::FRAME_BYTES_MAX;
            return refuse(format!("frame_bytes_max must be a multiple of {block} up to {max}"));
        }
        if self.file_bytes < block + self.frame_bytes_max as u64 {
            return refuse("file_bytes must hold a header block and one frame".to_owned());
        }
        if self.start < Lsn::FIRST {
            return refuse("start must be at least 1".to_owned());
        }
        if self.spare_count == 0 {
            return refuse("spare_count must be at least 1".to_owned());
        }
        Ok(())
    }

    /// Returns how many body bytes fit a frame.
    pub(super) fn body_bytes_max(&self) -> usize {
        self.frame_bytes_max - frame_header::BYTES
    }
}
