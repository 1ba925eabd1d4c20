//! How are blocks of a file read, written and made durable?

use std::cell::Cell;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use glommio::GlommioError;
use glommio::io::{BufferedFile, DmaFile, OpenOptions as UringOptions};

use crate::buffer::{AlignedBuffer, Storage};
use crate::error::{Error, Result};
use crate::format::BLOCK_BYTES;
use crate::limits::OPERATION_BYTES_MAX;
use crate::sim::{InodeId, Machine};

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OpenOptions {
    /// Every write is durable when it returns (`O_DSYNC`).
    pub dsync: bool,
}

/// An open file. One handle may have any number of reads and writes under way; those that overlap
/// have no order.
///
/// A dropped write may still happen: treat it as one whose outcome is unknown.
pub struct File {
    inner: Inner,
    path: PathBuf,
    len: Cell<u64>,
}

enum Inner {
    Direct(DmaFile),
    Cached(BufferedFile),
    Sim { machine: Rc<Machine>, id: InodeId, dsync: bool },
}

fn cause(error: GlommioError<()>) -> io::Error {
    match error {
        GlommioError::IoError(error) => error,
        GlommioError::EnhancedIoError { source, .. } => source,
        other => io::Error::other(other.to_string()),
    }
}

impl File {
    /// Opens a file over io_uring.
    pub(super) async fn open_uring(path: PathBuf, options: OpenOptions) -> Result<Self> {
        let fail = |error| Error::file("open", &path, &cause(error));
        let mut flags = UringOptions::new();
        flags.read(true).write(true);
        if options.dsync {
            flags.custom_flags(libc::O_DSYNC);
        }
        let (inner, len) = match flags.dma_open(&path).await {
            Ok(file) => {
                let len = file.file_size().await.map_err(fail)?;
                (Inner::Direct(file), len)
            }
            // The file system knows no direct I/O.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                let file = flags.buffered_open(&path).await.map_err(fail)?;
                let len = file.file_size().await.map_err(fail)?;
                (Inner::Cached(file), len)
            }
            Err(error) => return Err(fail(error)),
        };
        Ok(Self { inner, path, len: Cell::new(len) })
    }

    pub(super) fn open_sim(
        machine: Rc<Machine>,
        id: InodeId,
        path: PathBuf,
        options: OpenOptions,
    ) -> Self {
        let len = Cell::new(machine.disk.borrow().len(id));
        Self { inner: Inner::Sim { machine, id, dsync: options.dsync }, path, len }
    }

    /// Returns up to `bytes` bytes from `position`, fewer only at the end of the file.
    ///
    /// **Cost**: one read per MiB; up to a MiB is not copied.
    ///
    /// **Errors**: `File` when the disk fails, or `position` or `bytes` is no multiple of 4096.
    pub async fn read_at(&self, position: u64, bytes: usize) -> Result<AlignedBuffer> {
        self.check_aligned("read", position, bytes)?;
        if bytes <= OPERATION_BYTES_MAX {
            return self.read_once(position, bytes).await;
        }
        let mut whole = AlignedBuffer::zeroed(bytes);
        let mut done = 0;
        while done < bytes {
            let count = (bytes - done).min(OPERATION_BYTES_MAX);
            let part = self.read_once(position + done as u64, count).await?;
            whole[done..done + part.len()].copy_from_slice(&part);
            done += part.len();
            if part.len() < count {
                break;
            }
        }
        whole.truncate(done);
        Ok(whole)
    }

    async fn read_once(&self, position: u64, bytes: usize) -> Result<AlignedBuffer> {
        if bytes == 0 {
            return Ok(AlignedBuffer::zeroed(0));
        }
        let read = match &self.inner {
            Inner::Direct(file) => {
                let read = file.read_at_aligned(position, bytes).await;
                read.map(AlignedBuffer::from_read).map_err(cause)
            }
            Inner::Cached(file) => {
                let read = file.read_at(position, bytes).await;
                read.map(AlignedBuffer::from_read).map_err(cause)
            }
            Inner::Sim { machine, id, .. } => {
                let read = machine.read(*id, position, bytes).await;
                read.map(|bytes| AlignedBuffer::copy_of(&bytes))
            }
        };
        read.map_err(|error| Error::file("read", &self.path, &error))
    }

    /// Writes the whole buffer at `position`; the file grows as needed.
    ///
    /// **Cost**: one write per MiB; beyond one MiB the buffer is copied.
    ///
    /// **Errors**: `File` when the disk fails or is full, in which case any part may have been
    /// written, or when `position` or the length is no multiple of 4096.
    pub async fn write_at(&self, buffer: AlignedBuffer, position: u64) -> Result<()> {
        self.check_aligned("write", position, buffer.len())?;
        let bytes = buffer.len() as u64;
        if buffer.len() <= OPERATION_BYTES_MAX {
            self.write_part(buffer, position).await?;
        } else {
            let parts = buffer.chunks(OPERATION_BYTES_MAX);
            for (part, offset) in parts.zip((0..).step_by(OPERATION_BYTES_MAX)) {
                self.write_part(AlignedBuffer::copy_of(part), position + offset as u64).await?;
            }
        }
        self.len.set(self.len.get().max(position + bytes));
        Ok(())
    }

    async fn write_part(&self, buffer: AlignedBuffer, position: u64) -> Result<()> {
        let fail = |error: io::Error| Error::file("write", &self.path, &error);
        let (mut rest, mut position) = (buffer, position);
        while !rest.is_empty() {
            let count = rest.len();
            let written = match &self.inner {
                Inner::Direct(file) => self.write_direct(file, &mut rest, position).await,
                Inner::Cached(file) => {
                    let written = file.write_at(rest.to_vec(), position).await;
                    written.map_err(cause)
                }
                Inner::Sim { machine, id, dsync } => {
                    machine.write(*id, position, &rest, *dsync).await.map(|()| count)
                }
            };
            let written = written.map_err(fail)?;
            if written >= count {
                return Ok(());
            }
            // The kernel took only a part: go on at the last whole block.
            let whole = written / BLOCK_BYTES * BLOCK_BYTES;
            if whole == 0 {
                return Err(fail(io::ErrorKind::WriteZero.into()));
            }
            rest = AlignedBuffer::copy_of(&rest[whole..]);
            position += whole as u64;
        }
        Ok(())
    }

    /// Writes `buffer`, which is back in its place afterwards.
    async fn write_direct(
        &self,
        file: &DmaFile,
        buffer: &mut AlignedBuffer,
        position: u64,
    ) -> io::Result<usize> {
        let taken = std::mem::replace(buffer, AlignedBuffer::zeroed(0));
        let shared = match taken.into_storage() {
            Storage::Owned(owned) => Rc::new(owned),
            Storage::Read(read) => Rc::new(read.into()),
        };
        let count = shared.len();
        let written = file.write_rc_at(shared.clone(), position).await.map_err(cause)?;
        if written < count {
            *buffer = AlignedBuffer::copy_of(shared.as_bytes());
        }
        Ok(written)
    }

    /// Returns when everything written before the call is durable. After an error nobody knows
    /// what is; asking again would not tell.
    ///
    /// **Errors**: `File`.
    pub async fn sync_data(&self) -> Result<()> {
        let synced = match &self.inner {
            Inner::Direct(file) => file.fdatasync().await.map_err(cause),
            Inner::Cached(file) => file.fdatasync().await.map_err(cause),
            Inner::Sim { machine, id, .. } => machine.sync(*id).await,
        };
        synced.map_err(|error| Error::file("sync", &self.path, &error))
    }

    /// Returns the length in bytes, as far as this handle knows: at its opening, or grown by its
    /// own writes.
    pub fn len(&self) -> u64 {
        self.len.get()
    }

    /// Returns whether the file is empty, as far as this handle knows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the path the file was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the file. Nothing becomes durable by it.
    ///
    /// **Errors**: `File`.
    pub async fn close(self) -> Result<()> {
        let closed = match self.inner {
            Inner::Direct(file) => file.close().await.map_err(cause),
            Inner::Cached(file) => file.close().await.map_err(cause),
            Inner::Sim { .. } => Ok(()),
        };
        closed.map_err(|error| Error::file("close", &self.path, &error))
    }

    fn check_aligned(&self, operation: &'static str, position: u64, bytes: usize) -> Result<()> {
        if position.is_multiple_of(BLOCK_BYTES as u64) && bytes.is_multiple_of(BLOCK_BYTES) {
            return Ok(());
        }
        let text = format!("{bytes} bytes at {position} are not whole blocks of {BLOCK_BYTES}");
        let error = io::Error::new(io::ErrorKind::InvalidInput, text);
        Err(Error::file(operation, &self.path, &error))
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path).field("len", &self.len()).finish()
    }
}
