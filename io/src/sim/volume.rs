//! How long do disk operations take, and which fail?
//!
//! A write changes the file half-way through its time, so that a crash in the second half finds
//! it written but not durable, and one in the first half finds nothing. Dropping an operation
//! leaves it at whatever it had reached.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::disk::{Disk, InodeId};
use super::machine::Machine;
use crate::format::BLOCK_BYTES;
use crate::rt::sleep;

/// What an operation does, for times, faults and the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read = 1,
    Write = 2,
    Sync = 3,
    Name = 4,
}

/// An operation under way.
struct Operation {
    rest: Duration,
    fails: bool,
    /// It will be said to be done and is not.
    lies: bool,
}

impl Machine {
    /// Counts an operation and lets half of its time pass. Never returns when the power goes.
    async fn begin(
        &self,
        kind: Kind,
        file: Option<InodeId>,
        subject: u64,
        torn: impl FnOnce(&Self),
    ) -> Operation {
        let number = self.operations.get() + 1;
        self.operations.set(number);
        self.note((kind as u64) << 56 ^ subject);
        let options = self.options.borrow().clone();
        let (span, fault_ppm, lie_ppm) = match kind {
            Kind::Read => (options.read_time, options.read_fault_ppm, 0),
            Kind::Write => (options.write_time, options.write_fault_ppm, options.write_loss_ppm),
            Kind::Sync => (options.sync_time, options.sync_fault_ppm, options.sync_lie_ppm),
            Kind::Name => (options.write_time, 0, 0),
        };
        let mut time = self.between(span.0, span.1);
        if self.chance(options.stall_ppm) {
            time += self.between(Duration::ZERO, options.stall_time);
        }
        if let (Some(file), Some(beginning)) = (file, &options.slow_files)
            && self.disk.borrow().is_below(file, beginning)
        {
            time += options.slow_time;
        }
        let (fails, lies) = (self.chance(fault_ppm), self.chance(lie_ppm));
        let cut = options.crash_at_operation == Some(number);
        sleep(time / 2).await;
        if cut {
            torn(self);
            self.crashed.set(true);
            std::future::pending::<()>().await;
        }
        Operation { rest: time - time / 2, fails, lies }
    }

    fn between(&self, from: Duration, to: Duration) -> Duration {
        let span = u64::try_from(to.saturating_sub(from).as_nanos()).unwrap_or(u64::MAX - 1);
        from + Duration::from_nanos(self.pick(span.saturating_add(1)))
    }

    fn coin(&self) -> bool {
        self.pick(2) == 0
    }

    /// Reads up to `count` bytes.
    pub(crate) async fn read(
        &self,
        id: InodeId,
        position: u64,
        count: usize,
    ) -> io::Result<Vec<u8>> {
        let operation = self.begin(Kind::Read, Some(id), position ^ count as u64, |_| {}).await;
        sleep(operation.rest).await;
        if operation.fails {
            return Err(io::Error::other("input/output error (simulated)"));
        }
        self.disk.borrow().read(id, position, count)
    }

    /// Writes whole sectors; durable when `dsync`.
    pub(crate) async fn write(
        &self,
        id: InodeId,
        position: u64,
        bytes: &[u8],
        dsync: bool,
    ) -> io::Result<()> {
        let subject = position ^ bytes.len() as u64;
        let tear = |machine: &Self| {
            // The power is gone: whether there was room for it no longer matters.
            machine.write_sectors(id, position, bytes, &mut || machine.coin()).ok();
        };
        let operation = self.begin(Kind::Write, Some(id), subject, tear).await;
        if operation.fails {
            self.write_sectors(id, position, bytes, &mut || self.coin())?;
            return Err(io::Error::other("input/output error (simulated)"));
        }
        self.write_sectors(id, position, bytes, &mut || !operation.lies)?;
        sleep(operation.rest).await;
        if dsync && !self.chance(self.options.borrow().sync_lie_ppm) {
            if self.chance(self.options.borrow().sync_fault_ppm) {
                self.disk.borrow_mut().fail_sync(id, &mut |bound| self.pick(bound))?;
                return Err(io::Error::other("input/output error (simulated)"));
            }
            let block = BLOCK_BYTES as u64;
            let last = (position + bytes.len() as u64).div_ceil(block);
            self.disk.borrow_mut().sync(id, position / block..last)?;
        }
        Ok(())
    }

    fn write_sectors(
        &self,
        id: InodeId,
        position: u64,
        bytes: &[u8],
        keep: &mut dyn FnMut() -> bool,
    ) -> io::Result<()> {
        let bytes_max = self.options.borrow().disk_bytes_max;
        self.disk.borrow_mut().write(id, position, bytes, bytes_max, keep)
    }

    /// Makes everything written to the file durable.
    pub(crate) async fn sync(&self, id: InodeId) -> io::Result<()> {
        let operation = self.begin(Kind::Sync, Some(id), 0, |_| {}).await;
        if operation.fails {
            self.disk.borrow_mut().fail_sync(id, &mut |bound| self.pick(bound))?;
            return Err(io::Error::other("input/output error (simulated)"));
        }
        if !operation.lies {
            self.disk.borrow_mut().sync(id, 0..u64::MAX)?;
        }
        sleep(operation.rest).await;
        Ok(())
    }

    /// Makes the names of a directory durable.
    pub(crate) async fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let operation = self.begin(Kind::Sync, None, 1, |_| {}).await;
        if operation.fails {
            return Err(io::Error::other("input/output error (simulated)"));
        }
        if !operation.lies {
            self.disk.borrow_mut().sync_folder(folder)?;
        }
        sleep(operation.rest).await;
        Ok(())
    }

    /// Changes or reads names.
    pub(crate) async fn names<T>(
        &self,
        change: impl FnOnce(&mut Disk) -> io::Result<T>,
    ) -> io::Result<T> {
        let operation = self.begin(Kind::Name, None, 0, |_| {}).await;
        let result = change(&mut self.disk.borrow_mut());
        sleep(operation.rest).await;
        result
    }

    /// Replaces a small file: a new one is written and synced, then renamed over it.
    pub(crate) async fn replace_small(
        &self,
        folder: &Path,
        draft: &str,
        name: &str,
        bytes: &[u8],
    ) -> io::Result<()> {
        let id = self.names(|disk| disk.create(folder, draft, 0)).await?;
        self.write(id, 0, bytes, false).await?;
        self.sync(id).await?;
        self.names(|disk| disk.rename(folder, draft, name)).await?;
        self.sync_folder(folder).await
    }

    /// Opens or makes a directory that no other directory of this world holds.
    pub(crate) async fn root(self: &Rc<Self>, path: &Path, create: bool) -> io::Result<PathBuf> {
        self.names(|disk| {
            let known = disk.has_folder(path);
            if !known && !create {
                return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such directory"));
            }
            disk.create_root(path);
            Ok(path.to_owned())
        })
        .await
    }

    /// Loses what was not durable.
    pub(crate) fn crash_disk(&self) {
        self.note(u64::MAX);
        self.disk.borrow_mut().crash(&mut |bound| self.pick(bound));
    }
}
