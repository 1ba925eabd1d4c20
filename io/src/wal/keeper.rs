//! Where do the log's next files come from, and where do old ones go?
//!
//! One background task per stream keeps spare files ready: released files with their header
//! wiped, or new ones filled with zeros. Zeros are written, not only allocated: a synchronous
//! write into extents that were never written must also update the file's extent map, which about
//! doubles its time. When no spare can be made the stream says so long before commits would fail.

use std::rc::Rc;
use std::time::Duration;

use crate::file::{AlignedBuffer, Dir, File};
use crate::format::BLOCK_BYTES;
use crate::rt;

use super::error::{Error, Result};
use super::limits;
use super::name;
use super::options::SyncMethod;
use super::position::StreamId;
use super::state::{Phase, Shared, Spare};

/// Prepares and recycles the files of one stream.
pub(super) struct Keeper {
    shared: Rc<Shared>,
    dir: Dir,
    stream: StreamId,
    sync: SyncMethod,
    /// Files found at start that may be used again.
    found: Vec<String>,
}

impl Keeper {
    pub(super) fn new(
        shared: Rc<Shared>,
        dir: Dir,
        stream: StreamId,
        sync: SyncMethod,
        found: Vec<String>,
    ) -> Self {
        Self { shared, dir, stream, sync, found }
    }

    /// Keeps spares ready until the writer has ended.
    pub(super) async fn run(mut self) {
        while !self.shared.state.borrow().writer_ended {
            let outcome = self.step().await;
            let blocked = outcome.as_ref().err().map(ToString::to_string);
            if blocked.is_some() != self.shared.state.borrow().blocked.is_some() {
                self.report(blocked.as_deref());
            }
            self.shared.state.borrow_mut().blocked = blocked;
            self.shared.writer.set();
            match outcome {
                Ok(true) => {}
                Ok(false) => self.shared.keeper.wait().await,
                Err(_) => {
                    let pause = Duration::from_millis(limits::SPARE_RETRY_MS);
                    // Rung or not, the disk is asked again.
                    let _ = rt::timeout(pause, self.shared.keeper.wait()).await;
                }
            }
        }
    }

    fn report(&self, blocked: Option<&str>) {
        let stream = self.stream;
        match blocked {
            Some(cause) => tracing::warn!(%stream, "no spare log file can be made: {cause}"),
            None => tracing::info!(%stream, "spare log files can be made again"),
        }
    }

    /// Does one piece of work; `false` when there is none.
    async fn step(&mut self) -> Result<bool> {
        self.collect_released();
        let wanted = self.is_spare_wanted();
        if let Some(old) = self.found.last().cloned() {
            if wanted && let Some(spare) = self.recycle(&old).await? {
                self.shared.state.borrow_mut().spares.push_back(spare);
            } else {
                self.remove(&old).await?;
            }
            self.found.pop();
            return Ok(true);
        }
        if wanted {
            let spare = self.create().await?;
            self.shared.state.borrow_mut().spares.push_back(spare);
        }
        Ok(wanted)
    }

    /// A closing stream needs a spare only for what still waits to be written.
    fn is_spare_wanted(&self) -> bool {
        let state = self.shared.state.borrow();
        match state.phase {
            Phase::Closing => {
                state.spares.is_empty() && (state.is_spare_awaited || !state.packer.is_empty())
            }
            Phase::Replaying | Phase::Open => state.spares.len() < self.shared.options.spare_count,
        }
    }

    /// Whether the writer may soon wait for a spare.
    fn is_spare_urgent(&self) -> bool {
        let state = self.shared.state.borrow();
        let half_full = state.active_left < self.shared.options.file_bytes / 2;
        state.phase == Phase::Closing || (state.spares.is_empty() && half_full)
    }

    /// Moves the names of sealed files that hold only released records to `found`. The file
    /// before the one that begins at the mark may hold the front of the record at the mark.
    fn collect_released(&mut self) {
        let mut state = self.shared.state.borrow_mut();
        let released = state.released;
        while let Some(file) = state.sealed.pop_front_if(|file| file.end < released) {
            self.found.push(file.name);
        }
    }

    /// Wipes the header of a file that is no longer part of the log, so that it never looks like
    /// one; `None` if its length is not that of new files.
    async fn recycle(&self, old: &str) -> Result<Option<Spare>> {
        let file = open(&self.dir, old, self.sync).await?;
        if file.len() != self.shared.options.file_bytes {
            return Ok(None);
        }
        let zeros = AlignedBuffer::zeroed(BLOCK_BYTES);
        file.write_at(zeros, 0).await.map_err(|cause| Error::storage("wipe", old, cause))?;
        file.sync_data().await.map_err(|cause| Error::storage("sync", old, cause))?;
        Ok(Some(Spare { name: old.to_owned(), file: Rc::new(file) }))
    }

    async fn remove(&self, old: &str) -> Result<()> {
        self.dir.remove(old).await.map_err(|cause| Error::storage("remove", old, cause))?;
        self.dir.sync().await.map_err(|cause| Error::storage("sync", "", cause))
    }

    async fn create(&self) -> Result<Spare> {
        let slot = {
            let mut state = self.shared.state.borrow_mut();
            let slot = state.next_slot;
            state.next_slot += 1;
            slot
        };
        let bytes = self.shared.options.file_bytes;
        let fill = Fill { bytes, hurry: &|| self.is_spare_urgent() };
        let created = create(&self.dir, self.stream, slot, self.sync, fill).await;
        if created.is_err() {
            // The leftover is removed again at the next start if this fails too.
            let _ = self.dir.remove(&name::unfinished(self.stream, slot)).await;
        }
        created
    }
}

/// How a new file is filled with zeros.
pub(super) struct Fill<'a> {
    pub bytes: u64,
    /// Whether somebody waits for it. Otherwise it leaves the disk to commits most of the time.
    pub hurry: &'a dyn Fn() -> bool,
}

/// Creates a file of zeros under its final name, durably.
pub(super) async fn create(
    dir: &Dir,
    stream: StreamId,
    slot: u32,
    sync: SyncMethod,
    fill: Fill<'_>,
) -> Result<Spare> {
    let (draft, name) = (name::unfinished(stream, slot), name::file(stream, slot));
    let fail = |operation, cause| Error::storage(operation, &name, cause);
    let file = dir.create_file(&draft, fill.bytes).await.map_err(|cause| fail("create", cause))?;
    let mut offset = 0;
    while offset < fill.bytes {
        let hurry = (fill.hurry)();
        let most = if hurry { limits::READ_BYTES } else { limits::FILL_BYTES };
        let part = (fill.bytes - offset).min(most as u64);
        let zeros = AlignedBuffer::zeroed(part as usize);
        file.write_at(zeros, offset).await.map_err(|cause| fail("fill", cause))?;
        let before = offset;
        offset += part;
        if hurry || offset == fill.bytes {
            rt::yield_if_needed().await;
            continue;
        }
        if before / limits::FILL_SYNC_BYTES != offset / limits::FILL_SYNC_BYTES {
            file.sync_data().await.map_err(|cause| fail("sync", cause))?;
        }
        rt::sleep(limits::FILL_PAUSE).await;
    }
    file.sync_data().await.map_err(|cause| fail("sync", cause))?;
    file.close().await.map_err(|cause| fail("close", cause))?;
    dir.rename(&draft, &name).await.map_err(|cause| fail("rename", cause))?;
    dir.sync().await.map_err(|cause| fail("sync the directory of", cause))?;
    let file = Rc::new(open(dir, &name, sync).await?);
    Ok(Spare { name, file })
}

/// Opens a file of the log for reading and writing.
pub(super) async fn open(dir: &Dir, name: &str, sync: SyncMethod) -> Result<File> {
    let options = crate::file::OpenOptions { dsync: sync == SyncMethod::WithWrite };
    let file = dir.open_file(name, options).await;
    file.map_err(|cause| Error::storage("open", name, cause))
}
