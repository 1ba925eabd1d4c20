//! Where do bytes wait for which memory has no room?
//!
//! In a file without a name: it is gone when it is closed, and after a crash too. Nothing in it is
//! ever durable. Writing goes into the kernel's cache and does not wait, because those who run out
//! of memory (sorting, grouping, joining) do so in the midst of a computation; reading waits for the
//! disk on a pool.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::rt::{Back, Pool, blocking, try_current};

/// A file without a name. May be read on another thread than the one that writes.
#[derive(Debug)]
pub struct ScratchFile {
    store: Store,
    len: AtomicU64,
}

#[derive(Clone, Debug)]
enum Store {
    Disk(Arc<fs::File>),
    /// In the simulator.
    Memory(Arc<Mutex<Vec<u8>>>),
}

impl ScratchFile {
    /// Creates an empty file on the file system of `folder`.
    ///
    /// **Errors**: those of the operating system.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let simulated = try_current().is_some_and(|core| matches!(core.back, Back::Sim(_)));
        let store = if simulated {
            Store::Memory(Arc::default())
        } else {
            Store::Disk(Arc::new(tempfile::tempfile_in(folder)?))
        };
        Ok(Self { store, len: AtomicU64::new(0) })
    }

    /// Returns its length in bytes.
    pub fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    /// Returns whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes bytes at the end; by one thread at a time. Blocks the core for as long as the kernel
    /// takes to copy them.
    ///
    /// **Errors**: those of the operating system; the bytes are not there then.
    pub fn append(&self, bytes: &[u8]) -> io::Result<()> {
        match &self.store {
            Store::Disk(file) => file.write_all_at(bytes, self.len())?,
            Store::Memory(memory) => {
                memory.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            }
        }
        self.len.fetch_add(bytes.len() as u64, Ordering::Release);
        Ok(())
    }

    /// Returns `len` bytes from `at` on, less at the end of the file.
    ///
    /// **Errors**: `File`.
    pub async fn read(&self, at: u64, len: usize) -> Result<Vec<u8>> {
        let at = at.min(self.len());
        let len = (self.len() - at).min(len as u64) as usize;
        let store = self.store.clone();
        let read = move || match store {
            Store::Disk(file) => {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, at).map(|()| bytes)
            }
            Store::Memory(memory) => {
                let memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
                let at = at as usize;
                Ok(memory[at..at + len].to_vec())
            }
        };
        let bytes = blocking(Pool::Files, read).await?;
        bytes.map_err(|cause| Error::file("read", Path::new("a file of a query"), &cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        assert!(ScratchFile::create(Path::new("/no/such/folder")).is_err());
    }
}
