//! How does an edit become durable, and how does the file stay small?
//!
//! One operation at a time. The first failure is the last word: after it nobody knows what the
//! disk holds, so nothing is written any more and no sync is tried again.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::file::{AlignedBuffer, Dir};

use super::error::{Error, Fence, Result};
use super::frame::{self, FrameKind};
use super::generation::{self, Generation};
use super::header::ManifestIdentity;
use super::{limits, name, open};

/// An open manifest.
pub struct Manifest {
    dir: Dir,
    identity: ManifestIdentity,
    /// The generation that takes edits; `None` as long as there is none, and while or after it was
    /// being replaced in vain.
    current: RefCell<Option<Generation>>,
    /// An operation is under way.
    busy: Cell<bool>,
    failure: RefCell<Option<Arc<Fence>>>,
}

/// What a manifest holds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ManifestContent {
    /// What the newest generation began with; empty if that was an edit.
    pub snapshot: Vec<u8>,
    /// The edits since, in order.
    pub edits: Vec<Vec<u8>>,
}

impl Manifest {
    /// Opens the manifest in a directory; `None` when there is none yet. Removes drafts and older
    /// generations, drops an edit that was not acknowledged before a crash, and makes everything
    /// it returns durable.
    ///
    /// **Cost**: reads the newest generation into memory; one write and three syncs, and a whole
    /// generation more after a crash.
    ///
    /// **Errors**: `Damaged`: nothing was changed. `Disk`: open again.
    pub async fn open(
        dir: &Dir,
        identity: ManifestIdentity,
    ) -> Result<(Self, Option<ManifestContent>)> {
        let opened = open::open(dir, identity).await?;
        let (current, content) = opened.map_or((None, None), |(g, c)| (Some(g), Some(c)));
        let (current, failure) = (RefCell::new(current), RefCell::new(None));
        let manifest =
            Self { dir: dir.clone(), identity, current, busy: Cell::new(false), failure };
        Ok((manifest, content))
    }

    /// Adds an edit; it holds when this returns. The first edit of a new manifest begins a
    /// generation whose snapshot is empty.
    ///
    /// **Cost**: one write and one sync.
    ///
    /// **Errors**: `TooLarge` when the edit or the file is: nothing was written. `Full`: the edit
    /// does not hold. `Fenced`: whether the edit holds is unknown, and the manifest takes no more.
    ///
    /// **Panics**: another operation is under way.
    pub async fn append(&self, edit: &[u8]) -> Result<()> {
        check_body("an edit of the manifest", edit)?;
        let turn = Turn::take(self)?;
        let Some(current) = turn.current() else {
            return turn.begin(1, &[&[], edit]).await;
        };
        let (bytes, sum) = frame::encode(current.salt, FrameKind::Edit, current.link, edit);
        let (what, grown) = ("the manifest", current.end + bytes.len() as u64);
        if grown > limits::FILE_BYTES_MAX {
            turn.keep(current);
            return Err(Error::TooLarge { what, bytes: grown, bytes_max: limits::FILE_BYTES_MAX });
        }
        let place = name::file(current.number);
        let written = current.file.write_at(AlignedBuffer::copy_of(&bytes), current.end).await;
        if let Err(cause) = written {
            if cause.is_full() {
                // A part of the frame may be there, which is no frame: the next one replaces it.
                turn.keep(current);
                return Err(Error::Full(cause));
            }
            return Err(turn.fail("write", &place, cause));
        }
        let synced = current.file.sync_data().await;
        synced.map_err(|cause| turn.fail("sync", &place, cause))?;
        let link = current.link.after(sum);
        turn.keep(Generation { end: grown, link, ..current });
        Ok(())
    }

    /// Begins a generation that holds `snapshot` and no edit, and removes the one before. The
    /// snapshot must say all that snapshot and edits have said until now.
    ///
    /// **Cost**: writes the snapshot; two syncs of the disk.
    ///
    /// **Errors**: `TooLarge`: nothing was written. `Full`: the generation before goes on.
    /// `Fenced`: the manifest takes no more; both generations say the same, so nothing is lost.
    ///
    /// **Panics**: another operation is under way.
    pub async fn rewrite(&self, snapshot: &[u8]) -> Result<()> {
        check_body("the snapshot of the manifest", snapshot)?;
        let turn = Turn::take(self)?;
        let number = turn.current().map_or(1, |current| current.number + 1);
        turn.begin(number, &[snapshot]).await
    }

    /// Returns the length of the present generation: how much a rewrite could save. 0 when there
    /// is none.
    pub fn bytes(&self) -> u64 {
        self.current.borrow().as_ref().map_or(0, |current| current.end)
    }

    /// Returns the failure that closed the manifest for good.
    pub fn failure(&self) -> Option<Error> {
        self.failure.borrow().clone().map(Error::Fenced)
    }
}

fn check_body(what: &'static str, body: &[u8]) -> Result<()> {
    let (bytes, bytes_max) = (body.len() as u64, limits::BODY_BYTES_MAX as u64);
    if bytes > bytes_max { Err(Error::TooLarge { what, bytes, bytes_max }) } else { Ok(()) }
}

/// The right to write. Dropped before its operation has ended, it closes the manifest for good:
/// a write may still be under way then.
struct Turn<'a> {
    manifest: &'a Manifest,
}

impl<'a> Turn<'a> {
    fn take(manifest: &'a Manifest) -> Result<Self> {
        if let Some(failure) = manifest.failure() {
            return Err(failure);
        }
        assert!(!manifest.busy.replace(true), "one operation on a manifest at a time");
        Ok(Self { manifest })
    }

    fn current(&self) -> Option<Generation> {
        self.manifest.current.borrow().clone()
    }

    /// Writes a new generation and ends the turn.
    async fn begin(self, number: u64, bodies: &[&[u8]]) -> Result<()> {
        let Manifest { dir, identity, .. } = self.manifest;
        let place = name::file(number);
        let drafted = generation::draft(dir, *identity, number, bodies.iter().copied()).await;
        let draft = match drafted {
            Ok(draft) => draft,
            Err(cause) if cause.is_full() => {
                // What is left of it is in nobody's way but the room it takes.
                dir.remove(&name::draft(number)).await.ok();
                self.manifest.busy.set(false);
                return Err(Error::Full(cause));
            }
            Err(cause) => return Err(self.fail("write", &place, cause)),
        };
        let older = self.manifest.current.take();
        let published = generation::publish(dir, draft).await;
        let current = published.map_err(|cause| self.fail("publish", &place, cause))?;
        if let Some(older) = older {
            // Were it left, opening would remove it; but then a disk that refuses is found late.
            let place = name::file(older.number);
            let removed = dir.remove(&place).await;
            removed.map_err(|cause| self.fail("remove", &place, cause))?;
            if let Some(file) = Rc::into_inner(older.file) {
                // Nothing in it counts any more.
                file.close().await.ok();
            }
        }
        self.keep(current);
        Ok(())
    }

    /// Ends the turn: everything that was written is durable.
    fn keep(self, current: Generation) {
        *self.manifest.current.borrow_mut() = Some(current);
        self.manifest.busy.set(false);
    }

    fn fail(&self, operation: &'static str, file: &str, cause: crate::Error) -> Error {
        let mut failure = self.manifest.failure.borrow_mut();
        let fence = || Arc::new(Fence { operation, file: file.to_owned(), cause });
        Error::Fenced(failure.get_or_insert_with(fence).clone())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.manifest.busy.replace(false) {
            self.fail("an operation", "", crate::Error::Stopped);
        }
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dir, bytes) = (self.dir.path(), self.bytes());
        f.debug_struct("Manifest").field("dir", &dir).field("bytes", &bytes).finish()
    }
}
