//! How does what is on disk change?

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use pieskieo_io::manifest::{self, Manifest};
use pieskieo_io::segment::{SegmentId, segment_name};

use super::edit::{Checkpoint, Edit, ImageKind, Imaged, Placed};
use super::name::TreeName;
use crate::error::Error;
use crate::tree::Files;

/// Bytes a manifest grows to before it is written anew.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// What one shard has on disk.
pub(crate) struct Storage {
    pub(super) files: Files,
    pub(super) manifest: Manifest,
    /// Every run the manifest names.
    pub(super) runs: RefCell<BTreeMap<SegmentId, Placed>>,
    /// Every image and list of changed keys the manifest names.
    pub(super) images: RefCell<BTreeMap<SegmentId, Imaged>>,
    pub(super) checkpoint: RefCell<Option<Checkpoint>>,
    /// Bytes of a manifest that has just been written anew.
    pub(super) snapshot_bytes: Cell<u64>,
    /// Held by who changes the manifest.
    pub(super) turn: futures::lock::Mutex<()>,
}

impl Storage {
    /// Returns the files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Returns the bytes of all runs.
    pub fn file_bytes(&self) -> u64 {
        self.runs.borrow().values().map(|run| run.facts.seal.file_bytes).sum()
    }

    /// Returns the number of runs.
    pub fn run_count(&self) -> usize {
        self.runs.borrow().len()
    }

    /// Returns the number of images, and the bytes of them and of the lists beside them.
    pub fn image_facts(&self) -> (u64, u64) {
        let images = self.images.borrow();
        let whole = images.values().filter(|image| image.kind == ImageKind::Whole).count() as u64;
        (whole, images.values().map(|image| image.seal.file_bytes).sum())
    }

    /// Returns every image and list of changed keys.
    pub fn imaged(&self) -> Vec<Imaged> {
        self.images.borrow().values().cloned().collect()
    }

    /// Returns the last checkpoint.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.checkpoint.borrow().clone()
    }

    /// Returns every run with its place.
    pub fn placed(&self) -> Vec<Placed> {
        self.runs.borrow().values().cloned().collect()
    }

    /// Returns whether there is a run of a tree of which this is true.
    pub fn has_run_of(&self, is_meant: impl Fn(&TreeName) -> bool) -> bool {
        self.runs.borrow().values().any(|run| is_meant(&run.tree))
    }

    /// Makes an edit durable, then removes the files of what is removed: who has one open may go
    /// on reading it.
    ///
    /// **Errors**: `DiskFull`: nothing has changed, try again. `OutcomeUnknown`: the process must
    /// stop, recovery finds out.
    pub async fn commit(&self, edit: Edit) -> Result<(), Error> {
        let _turn = self.turn().await;
        self.manifest.append(&edit.encode()).await.map_err(unwritten)?;
        let removed = edit.removed.clone();
        self.take(edit);
        for id in removed {
            self.remove(id).await;
        }
        if self.manifest.bytes() > self.snapshot_bytes.get() + MANIFEST_BYTES_MAX {
            match self.rewrite().await {
                // The edit holds. The long manifest is written anew some other time.
                Err(Error::DiskFull(_)) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes the manifest anew, without what has been replaced.
    ///
    /// **Errors**: as [`Storage::commit`].
    pub(super) async fn rewrite(&self) -> Result<(), Error> {
        let added = self.placed();
        let (checkpoint, images) = (self.checkpoint(), self.imaged());
        let snapshot = Edit { checkpoint, removed: Vec::new(), added, images };
        self.manifest.rewrite(&snapshot.encode()).await.map_err(unwritten)?;
        self.snapshot_bytes.set(self.manifest.bytes());
        Ok(())
    }

    pub(super) fn take(&self, edit: Edit) {
        let mut runs = self.runs.borrow_mut();
        let mut images = self.images.borrow_mut();
        for id in edit.removed {
            runs.remove(&id);
            images.remove(&id);
        }
        for image in edit.images {
            images.insert(image.seal.id, image);
        }
        for run in edit.added {
            runs.insert(run.facts.seal.id, run);
        }
        if let Some(checkpoint) = edit.checkpoint {
            self.checkpoint.replace(Some(checkpoint));
        }
    }

    /// Waits until nobody changes the manifest, and keeps it so.
    pub async fn turn(&self) -> futures::lock::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    async fn remove(&self, id: SegmentId) {
        let name = segment_name(id);
        if let Err(error) = self.files.dir().remove(&name).await {
            tracing::warn!(file = name, %error, "a replaced segment cannot be removed");
        }
    }
}

fn unwritten(error: manifest::Error) -> Error {
    match error {
        manifest::Error::Full(_) => Error::DiskFull(error.to_string()),
        _ => Error::OutcomeUnknown(format!("write the manifest: {error}")),
    }
}

pub(super) fn failed(error: manifest::Error) -> Error {
    match error {
        manifest::Error::Damaged(_) => Error::Corrupt(error.to_string()),
        _ => Error::Storage(error.to_string()),
    }
}
