//! What does a shard have on disk when it starts?

use std::cell::{Cell, RefCell};

use pieskieo_io::file::Dir;
use pieskieo_io::manifest::{Manifest, ManifestIdentity};
use pieskieo_io::segment::{parse_segment_draft_name, parse_segment_name};
use pieskieo_io::wal::StreamId;

use super::edit::Edit;
use super::handle::{Storage, failed};
use crate::error::Error;
use crate::ids::ShardId;
use crate::tree::{Files, Shape};

/// Opens a shard's folder. Files the manifest does not name are removed: they were not finished,
/// or replaced and not removed yet.
///
/// **Errors**: `Corrupt` when the manifest is damaged, of another database, or missing while there
/// are segments.
pub(crate) async fn open(
    dir: Dir,
    database: [u8; 16],
    shard: ShardId,
    shape: Shape,
) -> Result<Storage, Error> {
    let stream = StreamId(shard.0);
    let identity = ManifestIdentity { database, stream };
    let (manifest, content) = Manifest::open(&dir, identity).await.map_err(failed)?;
    let names = dir.list().await.map_err(disk)?;
    let last = names.iter().filter_map(|name| parse_segment_name(name)).max();
    if content.is_none()
        && let Some(id) = last
    {
        return Err(Error::Corrupt(format!(
            "shard {shard} has segments (\"{}\" among them) and no manifest: restore the whole \
             folder \"{}\" from a backup",
            pieskieo_io::segment::segment_name(id),
            dir.path().display()
        )));
    }
    let next = last.map_or(1, |id| id.0 + 1);
    let storage = Storage {
        files: Files::new(dir.clone(), database, stream, next, shape),
        manifest,
        runs: RefCell::default(),
        images: RefCell::default(),
        checkpoint: RefCell::default(),
        snapshot_bytes: Cell::new(0),
        turn: futures::lock::Mutex::new(()),
    };
    match content {
        Some(content) => {
            storage.take(Edit::decode(&content.snapshot)?);
            for edit in &content.edits {
                storage.take(Edit::decode(edit)?);
            }
            storage.snapshot_bytes.set(storage.manifest.bytes());
        }
        None => storage.rewrite().await?,
    }
    remove_leftovers(&storage, &names).await?;
    Ok(storage)
}

async fn remove_leftovers(storage: &Storage, names: &[String]) -> Result<(), Error> {
    for name in names {
        let is_leftover = match parse_segment_name(name) {
            Some(id) => {
                !storage.runs.borrow().contains_key(&id)
                    && !storage.images.borrow().contains_key(&id)
            }
            None => parse_segment_draft_name(name).is_some(),
        };
        if is_leftover {
            storage.files.dir().remove(name).await.map_err(disk)?;
        }
    }
    Ok(())
}

fn disk(error: pieskieo_io::Error) -> Error {
    Error::Storage(error.to_string())
}
