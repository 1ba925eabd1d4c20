//! How are bytes held at addresses direct I/O accepts?
//!
//! A buffer begins on a 4 KiB boundary. What a read returned stays in the memory the kernel filled
//! until somebody wants to change it; then it is copied once.

use std::fmt;
use std::ops::{Deref, DerefMut};

use glommio::allocate_dma_buffer_global;
use glommio::io::{DmaBuffer, ReadResult};

/// Bytes on a 4 KiB boundary.
pub struct AlignedBuffer {
    storage: Storage,
}

/// Where the bytes are.
pub(crate) enum Storage {
    /// Ours to change.
    Owned(DmaBuffer),
    /// What a read returned; also every empty buffer.
    Read(ReadResult),
}

impl AlignedBuffer {
    /// Returns `bytes` zeros.
    ///
    /// **Cost**: one allocation and one fill.
    pub fn zeroed(bytes: usize) -> Self {
        let mut buffer = Self::allocate(bytes);
        buffer.fill(0);
        buffer
    }

    /// Returns a copy of `bytes`.
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut buffer = Self::allocate(bytes.len());
        buffer.copy_from_slice(bytes);
        buffer
    }

    /// Shortens the buffer to `bytes`; does nothing if it is not longer.
    pub fn truncate(&mut self, bytes: usize) {
        if bytes == 0 {
            self.storage = Storage::Read(ReadResult::default());
        } else if bytes < self.len() {
            self.owned().trim_to_size(bytes);
        }
    }

    pub(crate) fn from_read(read: ReadResult) -> Self {
        Self { storage: Storage::Read(read) }
    }

    pub(crate) fn into_storage(self) -> Storage {
        self.storage
    }

    /// Memory whose content does not matter: every caller overwrites it at once.
    fn allocate(bytes: usize) -> Self {
        if bytes == 0 {
            return Self { storage: Storage::Read(ReadResult::default()) };
        }
        Self { storage: Storage::Owned(allocate_dma_buffer_global(bytes)) }
    }

    fn owned(&mut self) -> &mut DmaBuffer {
        if let Storage::Read(read) = &self.storage {
            let mut copy = allocate_dma_buffer_global(read.len().max(1));
            copy.trim_to_size(read.len());
            copy.as_bytes_mut().copy_from_slice(read);
            self.storage = Storage::Owned(copy);
        }
        match &mut self.storage {
            Storage::Owned(buffer) => buffer,
            Storage::Read(_) => unreachable!("replaced by a copy above"),
        }
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.storage {
            Storage::Owned(buffer) => buffer.as_bytes(),
            Storage::Read(read) => read,
        }
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        if self.is_empty() {
            return &mut [];
        }
        self.owned().as_bytes_mut()
    }
}

impl AsRef<[u8]> for AlignedBuffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for AlignedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBuffer").field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_on_a_block_boundary() {
        for bytes in [1, 512, 4096, 1 << 20] {
            let buffer = AlignedBuffer::zeroed(bytes);
            assert_eq!(buffer.len(), bytes);
            assert_eq!(buffer.as_ptr() as usize % 4096, 0);
            assert!(buffer.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn empty_buffers_are_allowed() {
        let mut buffer = AlignedBuffer::zeroed(0);
        assert!(buffer.is_empty());
        buffer.fill(1);
        buffer.truncate(0);
        assert_eq!(&buffer[..], b"");
    }

    #[test]
    fn truncation_keeps_the_front() {
        let mut buffer = AlignedBuffer::copy_of(b"abcdef");
        buffer.truncate(9);
        buffer.truncate(3);
        assert_eq!(&buffer[..], b"abc");
        buffer.truncate(0);
        assert_eq!(&buffer[..], b"");
    }
}
