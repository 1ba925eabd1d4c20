//! Where do queries put rows for which memory has no room?
//!
//! Sorting, grouping and joining write them to files without names on the disk of the data, within
//! a budget that all queries share, and read them back in order. Nothing of that is durable: the
//! files go with the statement, also by a crash.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::spill_file::{SpillFile, SpillWriter, TempFileFactory};
use futures::stream::{self, Stream};
use pieskieo_io::file::{ScratchFile, space};

use crate::error::{Error, code};
use crate::exec::here::external;

/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;
/// After how many bytes written the room on the disk is looked at again.
const LOOK_BYTES: u64 = 16 << 20;
/// Bytes of the disk that are left to the records, at most; a twentieth of a small one.
const KEPT_BYTES_MAX: u64 = 1 << 30;

/// The room on disk that all queries of a process share.
#[derive(Debug)]
pub struct SpillSpace {
    folder: PathBuf,
    bytes_max: u64,
    /// In files that are open.
    bytes: AtomicU64,
    files: AtomicU64,
    /// Ever written.
    total_bytes: AtomicU64,
}

/// How full the room is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpillUse {
    /// Bytes on disk now.
    pub bytes: u64,
    /// Bytes there may be.
    pub bytes_max: u64,
    /// Files now.
    pub files: u64,
    /// Bytes written since start.
    pub total_bytes: u64,
}

impl SpillSpace {
    pub(crate) fn new(folder: PathBuf, bytes_max: u64) -> Self {
        let zero = AtomicU64::default;
        Self { folder, bytes_max, bytes: zero(), files: zero(), total_bytes: zero() }
    }

    pub(crate) fn usage(&self) -> SpillUse {
        SpillUse {
            bytes: self.bytes.load(Ordering::Relaxed),
            bytes_max: self.bytes_max,
            files: self.files.load(Ordering::Relaxed),
            total_bytes: self.total_bytes.load(Ordering::Relaxed),
        }
    }

    /// Takes room for so many bytes.
    ///
    /// **Errors**: `53400` over the budget, `53100` when the records need what is left of the disk.
    fn take(&self, len: u64) -> Result<(), Error> {
        let after = self.bytes.fetch_add(len, Ordering::Relaxed) + len;
        let before = self.total_bytes.fetch_add(len, Ordering::Relaxed);
        let checked = self.check(after, before / LOOK_BYTES != (before + len) / LOOK_BYTES);
        if checked.is_err() {
            self.give(len);
        }
        checked
    }

    fn check(&self, bytes: u64, look: bool) -> Result<(), Error> {
        if bytes > self.bytes_max {
            let most = self.bytes_max;
            return Err(Error::new(code::LIMIT_EXCEEDED, "the statement needs more room on disk")
                .with_detail(format!("Together queries may put {most} bytes there (spill)."))
                .with_hint(
                    "Read fewer rows, wait for other queries, or raise the setting spill.",
                ));
        }
        if look && self.is_disk_short() {
            return Err(disk_full());
        }
        Ok(())
    }

    /// Returns whether what is left of the disk is for the records.
    fn is_disk_short(&self) -> bool {
        // A disk that does not say how full it is says so when it is written to.
        space(&self.folder)
            .is_ok_and(|space| space.free_bytes < KEPT_BYTES_MAX.min(space.total_bytes / 20))
    }

    fn give(&self, len: u64) {
        self.bytes.fetch_sub(len, Ordering::Relaxed);
    }
}

fn disk_full() -> Error {
    Error::new(code::DISK_FULL, "the statement needs more room on disk than is left")
        .with_hint("Make room on the disk of the data folder, or read fewer rows.")
}

/// Makes the files.
pub(crate) struct SpillFactory(pub(crate) Arc<SpillSpace>);

impl TempFileFactory for SpillFactory {
    fn create_temp_file(&self, _description: &str) -> Result<Arc<dyn SpillFile>> {
        if self.0.is_disk_short() {
            return Err(external(disk_full()));
        }
        let file = ScratchFile::create(&self.0.folder).map_err(DataFusionError::IoError)?;
        self.0.files.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Spilled(Arc::new(Counted { file, space: self.0.clone() }))))
    }
}

/// A file and what it takes of the room.
struct Counted {
    file: ScratchFile,
    space: Arc<SpillSpace>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.space.give(self.file.len());
        self.space.files.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Spilled(Arc<Counted>);

impl SpillFile for Spilled {
    fn size(&self) -> Option<u64> {
        Some(self.0.file.len())
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<bytes::Bytes>> + Send>>> {
        let counted = self.0.clone();
        Ok(Box::pin(stream::try_unfold(0, move |at| {
            let counted = counted.clone();
            async move {
                let bytes = counted.file.read(at, READ_BYTES).await;
                let bytes = bytes.map_err(|error| external(Error::internal(error.to_string())))?;
                let next = at + bytes.len() as u64;
                Ok((!bytes.is_empty()).then(|| (bytes.into(), next)))
            }
        })))
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(Appending(self.0.clone())))
    }
}

struct Appending(Arc<Counted>);

impl io::Write for Appending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Counted { file, space } = &*self.0;
        space.take(bytes.len() as u64).map_err(io::Error::other)?;
        if let Err(error) = file.append(bytes) {
            space.give(bytes.len() as u64);
            let full = error.kind() == io::ErrorKind::StorageFull;
            return Err(if full { io::Error::other(disk_full()) } else { error });
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpillWriter for Appending {
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
