//! From where on can the past be read, and how is that known after a restart?
//!
//! Core 0 has a file of *moments* (`txn/timeline.rs`), a manifest of its own in the folder
//! `history` of the data directory. About every second in which something was committed, one is
//! added: the wall clock, the last commit, which tables there are. A moment whose successor is older
//! than the retention is forgotten; the oldest that is left is the floor: the records of its commit
//! and of all after it are kept (`txn/clock.rs`).
//!
//! * *The file first.* What is forgotten in the file may be collected afterwards, never before:
//!   after a restart nothing is promised that is gone.
//! * Without a file nothing is known of the past: it begins with what the start has recovered. A
//!   start that keeps no past removes the file.
//! * A change of the schema that makes tables, or empties them, is a moment at once, with a commit
//!   of its own: below it those tables cannot be read.
//! * Times grow from moment to moment. While the wall clock is behind the last moment, moments are
//!   a microsecond apart.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pieskieo_io::file::Dir;
use pieskieo_io::manifest::{self, Manifest, ManifestIdentity};
use pieskieo_io::wal::StreamId;
use pieskieo_io::{rt, time};

use super::boot::Shared;
use super::core::Core;
use super::meta::{HISTORY_FOLDER, Meta};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::examine::HISTORY_REMEDY;
use crate::ids::Timestamp;
use crate::request::{ReadView, Reply};
use crate::txn::{Lease, Moment, Timeline, TimelineEdit};

/// Milliseconds between two moments.
const MOMENT_MS: u64 = 1000;
/// Moments in the longest retention: it is cut into so many pieces at most. 24 bytes each.
const MOMENTS: u32 = 86_400;
/// Moments that are kept at all: changes of the schema add some. 6 MiB, and as much on disk.
const MOMENTS_MAX: usize = 3 * MOMENTS as usize;
/// Moments are forgotten when this share of them is too old, so that a server at rest writes little.
const FORGOTTEN_SHARE: usize = 64;
/// Bytes the file grows by before it is written anew. A moment takes a block of 4 KiB until then.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// The stream of the file: no shard has this number.
pub(crate) const STREAM: StreamId = StreamId(u16::MAX);

/// A point in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// Right after this commit.
    Commit(Timestamp),
    /// At this time, in microseconds since 1970.
    Time(u64),
}

/// The file, which core 0 has.
pub(crate) struct HistoryFile {
    manifest: Manifest,
    /// Bytes of the file when it was last written anew.
    snapshot_bytes: Cell<u64>,
    /// Held by who writes to it.
    turn: futures::lock::Mutex<()>,
}

impl Core {
    /// Returns the last commit that everybody sees. Its number means the same after a restart.
    pub fn last_commit(&self) -> Timestamp {
        self.shared().clock.last_commit()
    }

    /// Returns the oldest commit that can be read; `None` = the past is not kept.
    pub fn oldest_commit(&self) -> Option<Timestamp> {
        self.shared().clock.floor()
    }

    /// Leases a point in the past, for reads with [`Lease::view`].
    ///
    /// **Errors**: `SnapshotTooOld` when what was then is not kept, or not any more; `NotYet` for
    /// the future.
    pub fn past(&self, at: AsOf) -> Result<Lease, Error> {
        let floor = self.oldest_commit();
        let floor = floor.ok_or_else(|| Error::SnapshotTooOld("the past is not kept".into()))?;
        let snapshot = match at {
            AsOf::Commit(commit) => self.happened(commit)?,
            AsOf::Time(wall) => self.commit_at(wall)?,
        };
        self.clock().lease_past(snapshot).ok_or_else(|| {
            let floor = self.oldest_commit().unwrap_or(floor);
            Error::SnapshotTooOld(format!(
                "what was right after commit {snapshot} is not kept any more: the oldest commit \
                 that can be read is {floor}"
            ))
        })
    }

    fn happened(&self, commit: Timestamp) -> Result<Timestamp, Error> {
        let last = self.last_commit();
        if commit > last {
            let text = format!("commit {commit} has not happened: the last one is {last}");
            return Err(Error::NotYet(text));
        }
        Ok(commit)
    }

    fn commit_at(&self, wall: u64) -> Result<Timestamp, Error> {
        let timeline = lock(&self.shared().timeline);
        let known = timeline.last().map_or(0, |last| last.wall);
        if wall > time::wall().0.max(known) {
            return Err(Error::NotYet("this time has not come".into()));
        }
        timeline.at(wall).ok_or_else(|| {
            Error::SnapshotTooOld("what was at this time is not kept, or not any more".into())
        })
    }

    /// Leases a snapshot that somebody else holds a lease of, of the past or not.
    pub fn lease_of(&self, view: ReadView) -> Lease {
        match view.past {
            false => self.lease_at(view.snapshot),
            true => self.clock().lease_past_at(view.snapshot),
        }
    }
}

/// Opens the file, or removes it when no past is to be kept, and says from where on the past can
/// be read. All cores have raised the clock before.
///
/// **Errors**: `Corrupt` for a damaged file, `Storage`.
pub(crate) async fn open(
    shared: &Shared,
    meta: &Meta,
    catalog: &Catalog,
) -> Result<Option<HistoryFile>, Error> {
    let dir = Dir::open(&shared.options.path).await.map_err(disk)?;
    let is_kept = !shared.options.storage.retention.is_zero();
    let names = dir.list().await.map_err(disk)?;
    if !is_kept && !names.iter().any(|name| name == HISTORY_FOLDER) {
        return Ok(None);
    }
    let folder = dir.subdir(HISTORY_FOLDER).await.map_err(disk)?;
    dir.sync().await.map_err(disk)?;
    if !is_kept {
        // Before anything is collected: removing needs no room on the disk.
        for name in folder.list().await.map_err(disk)? {
            folder.remove(&name).await.map_err(disk)?;
        }
        folder.sync().await.map_err(disk)?;
        return Ok(None);
    }
    let identity = ManifestIdentity { database: meta.uuid, stream: STREAM };
    let (manifest, content) = Manifest::open(&folder, identity).await.map_err(failed)?;
    let mut timeline = Timeline::default();
    if let Some(content) = content {
        timeline.take(&TimelineEdit::decode(&content.snapshot)?);
        for edit in &content.edits {
            timeline.take(&TimelineEdit::decode(edit)?);
        }
    }
    let before = timeline.snapshot();
    begin(shared, catalog, &mut timeline);
    let (snapshot_bytes, turn) = (Cell::new(0), futures::lock::Mutex::new(()));
    let file = HistoryFile { manifest, snapshot_bytes, turn };
    match file.manifest.rewrite(&timeline.snapshot().encode()).await {
        Ok(()) => {}
        // The file goes on as it was.
        Err(manifest::Error::Full(_)) if before.kept => {
            timeline = Timeline::default();
            timeline.take(&before);
        }
        Err(error @ manifest::Error::Full(_)) => {
            tracing::warn!(%error, "the past is not kept until the next start");
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    }
    file.snapshot_bytes.set(file.manifest.bytes());
    let floor = timeline.first().map_or(Timestamp(0), |first| first.commit);
    *lock(&shared.timeline) = timeline;
    shared.clock.set_floor(floor);
    Ok(Some(file))
}

/// Adds the moment of the start.
fn begin(shared: &Shared, catalog: &Catalog, timeline: &mut Timeline) {
    let mut wall = time::wall().0;
    if let Some(last) = timeline.last() {
        wall = wall.max(last.wall + 1);
        shared.clock.raise(last.commit);
        if catalog.table_next > last.tables {
            // The crash came between the change and its moment.
            shared.clock.raise(Timestamp(shared.clock.last_commit().0 + 1));
        }
    }
    let moment = Moment { wall, commit: shared.clock.last_commit(), tables: catalog.table_next };
    timeline.take(&TimelineEdit { kept: true, forgotten: 0, moments: vec![moment] });
}

/// Adds moments until the task is cancelled.
pub(crate) async fn run(core: Rc<Core>) {
    let pause = Duration::from_millis(MOMENT_MS).max(retention(&core) / MOMENTS);
    loop {
        rt::sleep(pause).await;
        if note(&core).await.is_err() {
            return;
        }
    }
}

/// Wakes the shards of a core when their records may forget more, until the task is cancelled.
pub(crate) async fn run_collection(core: Rc<Core>) {
    let mut known = Timestamp(0);
    loop {
        rt::sleep(Duration::from_millis(MOMENT_MS)).await;
        let horizon = core.clock().horizon();
        if horizon > known {
            known = horizon;
            core.shards_here().for_each(|shard| shard.work.notify());
        }
    }
}

/// Notes which tables there are now.
pub(crate) async fn remember(core: Rc<Core>) -> Result<Reply, Error> {
    note(&core).await?;
    Ok(Reply::Done)
}

/// Adds a moment if there is something new, and forgets what is too old. Without room on the disk
/// neither is done: the next time tries again.
///
/// **Errors**: `OutcomeUnknown`; the process stops.
async fn note(core: &Rc<Core>) -> Result<(), Error> {
    let Some(file) = core.history() else { return Ok(()) };
    let _turn = file.turn.lock().await;
    let shared = core.shared();
    let tables = core.catalog().table_next;
    let Some(last) = lock(&shared.timeline).last() else { return Ok(()) };
    let wall = time::wall().0.max(last.wall + 1);
    // Only a change of the schema is no commit by itself.
    let taken = (tables > last.tables).then(|| core.clock().take());
    let commit = taken.unwrap_or_else(|| core.last_commit());
    let is_new = commit > last.commit;
    let forgotten = too_many(core, wall, is_new);
    if !is_new && forgotten == 0 {
        return Ok(());
    }
    let moments = is_new.then_some(Moment { wall, commit, tables }).into_iter().collect();
    let edit = TimelineEdit { kept: true, forgotten, moments };
    let written = file.append(core, &edit).await;
    match taken {
        Some(taken) if matches!(written, Ok(true)) => {
            core.clock().finish(taken);
            core.visible(taken).await?;
        }
        Some(taken) => core.clock().discard(taken),
        None => {}
    }
    if !written? {
        return Ok(());
    }
    let floor = {
        let mut timeline = lock(&shared.timeline);
        timeline.take(&edit);
        timeline.first()
    };
    if let Some(floor) = floor {
        shared.clock.set_floor(floor.commit);
    }
    file.shorten(core).await
}

/// Returns how many moments are to be forgotten.
fn too_many(core: &Core, wall: u64, is_new: bool) -> u32 {
    let retention = u64::try_from(retention(core).as_micros()).unwrap_or(u64::MAX);
    let timeline = lock(&core.shared().timeline);
    let share = timeline.len() / FORGOTTEN_SHARE;
    let mut forgotten = timeline.outlived(wall.saturating_sub(retention));
    if !is_new && forgotten < share.max(1) {
        forgotten = 0;
    }
    if timeline.len() >= MOMENTS_MAX {
        tracing::warn!(moments = MOMENTS_MAX, "too many schema changes, the past gets shorter");
        forgotten = forgotten.max(share);
    }
    u32::try_from(forgotten).unwrap_or(u32::MAX)
}

fn retention(core: &Core) -> Duration {
    core.shared().options.storage.retention
}

impl HistoryFile {
    /// Adds an edit; `false` = there is no room for it.
    async fn append(&self, core: &Core, edit: &TimelineEdit) -> Result<bool, Error> {
        match self.manifest.append(&edit.encode()).await {
            Ok(()) => Ok(true),
            Err(error @ manifest::Error::Full(_)) => {
                tracing::debug!(%error, "a moment is not noted");
                Ok(false)
            }
            Err(error) => Err(core.fail(Error::OutcomeUnknown(format!("write history: {error}")))),
        }
    }

    /// Writes the file anew when it has grown.
    async fn shorten(&self, core: &Core) -> Result<(), Error> {
        if self.manifest.bytes() <= self.snapshot_bytes.get() + FILE_BYTES_MAX {
            return Ok(());
        }
        let snapshot = lock(&core.shared().timeline).snapshot();
        match self.manifest.rewrite(&snapshot.encode()).await {
            // The long file goes on.
            Ok(()) | Err(manifest::Error::Full(_)) => {}
            Err(error) => {
                let text = format!("write history: {error}");
                return Err(core.fail(Error::OutcomeUnknown(text)));
            }
        }
        self.snapshot_bytes.set(self.manifest.bytes());
        Ok(())
    }

    /// Waits until nobody writes, and keeps it so.
    pub(crate) async fn turn(&self) -> futures::lock::MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}

/// Reaches the timeline; nobody waits while holding it.
pub(crate) fn lock(timeline: &Arc<Mutex<Timeline>>) -> MutexGuard<'_, Timeline> {
    timeline.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(error: manifest::Error) -> Error {
    match error {
        manifest::Error::Damaged(_) => {
            Error::Corrupt(format!("history: {error}; {HISTORY_REMEDY}"))
        }
        _ => Error::Storage(format!("history: {error}")),
    }
}

fn disk(error: pieskieo_io::Error) -> Error {
    Error::Storage(error.to_string())
}
