//! What must the next frame say, and where must it stand?

use crate::codec::frame::FrameHeader;
use crate::format::BLOCK_BYTES;

use super::arrange::Live;
use super::position::Lsn;

/// The end of a chain of frames: what the next one continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// Where the next frame begins in its file.
    pub offset: u64,
    /// Its sequence.
    pub sequence: u64,
    /// LSN of the first record that ends in or after it.
    pub lsn: Lsn,
    /// Header checksum of the frame before, or checksum of the file header.
    pub checksum: u32,
}

impl Chain {
    /// Returns the start of a file's chain.
    pub(super) fn start(file: &Live) -> Self {
        Self {
            offset: BLOCK_BYTES as u64,
            sequence: file.header.first_sequence,
            lsn: file.header.first_lsn,
            checksum: file.checksum,
        }
    }

    /// Returns whether `header` is the frame that must come next.
    pub(super) fn continues_with(&self, header: &FrameHeader) -> bool {
        header.sequence == self.sequence
            && header.first_lsn == self.lsn.0
            && header.previous_checksum == self.checksum
    }

    /// Moves past a frame.
    pub(super) fn advance(&mut self, header: &FrameHeader, checksum: u32) {
        self.offset += header.frame_bytes();
        self.sequence += 1;
        self.lsn = Lsn(self.lsn.0 + u64::from(header.record_count));
        self.checksum = checksum;
    }
}
