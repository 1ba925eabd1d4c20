//! Which files of a stream are in the directory, and what do their first blocks say?

use std::rc::Rc;

use crate::file::{Dir, File};
use crate::format::BLOCK_BYTES;

use super::arrange::{self, Found};
use super::error::{Error, Result};
use super::header::{FileHeader, HeaderBlock};
use super::keeper;
use super::limits;
use super::name::{self, Entry};
use super::options::SyncMethod;
use super::position::StreamId;
use super::scan;

/// The names that belong to a stream.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Files of the log and spares, by slot.
    pub files: Vec<String>,
    /// Left over by a crash while they were being filled.
    pub unfinished: Vec<String>,
    /// One more than the highest slot in use.
    pub next_slot: u32,
}

/// Returns the names that belong to `stream`.
pub(super) async fn names(dir: &Dir, stream: StreamId) -> Result<Names> {
    let mut found = Names::default();
    let mut listed = dir.list().await.map_err(|cause| Error::storage("list", "", cause))?;
    listed.sort();
    for entry in listed {
        let (slot, list) = match name::parse(&entry) {
            Some(Entry::File(owner, slot)) if owner == stream => (slot, &mut found.files),
            Some(Entry::Unfinished(owner, slot)) if owner == stream => {
                (slot, &mut found.unfinished)
            }
            Some(_) | None => continue,
        };
        list.push(entry);
        found.next_slot = found.next_slot.max(slot + 1);
    }
    if found.files.len() > limits::FILE_COUNT_MAX {
        return Err(Error::storage("list", "", "more files than a stream can have"));
    }
    Ok(found)
}

/// Returns the streams that have files in the directory, in order.
pub(super) async fn streams(dir: &Dir) -> Result<Vec<StreamId>> {
    let listed = dir.list().await.map_err(|cause| Error::storage("list", "", cause))?;
    let mut found: Vec<StreamId> = listed
        .iter()
        .filter_map(|entry| match name::parse(entry) {
            Some(Entry::File(stream, _)) => Some(stream),
            Some(Entry::Unfinished(..)) | None => None,
        })
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// The files of a stream, opened, with what their first blocks say.
pub(super) struct Survey {
    pub found: Vec<Found>,
    /// In the order of `found`.
    pub files: Vec<Rc<File>>,
}

impl Survey {
    /// Returns the open file called `name`.
    pub(super) fn file(&self, name: &str) -> Option<Rc<File>> {
        let index = self.found.iter().position(|found| found.name == name)?;
        self.files.get(index).cloned()
    }
}

/// Opens every file and reads its first block; looks behind those that are unreadable. With
/// `settle` the files are synced first, so that no decision rests on bytes a dead process had
/// written but not made durable.
pub(super) async fn survey(
    dir: &Dir,
    names: &[String],
    sync: SyncMethod,
    settle: bool,
) -> Result<Survey> {
    let mut survey = Survey { found: Vec::new(), files: Vec::new() };
    for name in names {
        let file = keeper::open(dir, name, sync).await?;
        if settle {
            file.sync_data().await.map_err(|cause| Error::storage("sync", name, cause))?;
        }
        let bytes = file.len();
        let header = match bytes >= BLOCK_BYTES as u64 {
            true => {
                let read = file.read_at(0, BLOCK_BYTES).await;
                let block = read.map_err(|cause| Error::storage("read", name, cause))?;
                FileHeader::decode(&block)
            }
            false => HeaderBlock::Broken,
        };
        let inside = Default::default();
        survey.found.push(Found { name: name.clone(), bytes, header, inside });
        survey.files.push(Rc::new(file));
    }
    let salt = arrange::salt(&survey.found);
    for (found, file) in survey.found.iter_mut().zip(&survey.files) {
        if !matches!(found.header, HeaderBlock::Valid(..)) {
            found.inside = scan::look_inside(file.clone(), &found.name, found.bytes, salt).await?;
        }
    }
    Ok(survey)
}
