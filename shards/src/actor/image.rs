//! How do indexes that are no trees get to the disk, and back when the shard starts?
//!
//! ```text
//! begin     from here on, keys that are indexed anew are noted
//! write     block by block, while the index is used
//! freeze    of the next checkpoint: takes the keys noted so far, writes them beside the image
//! edit      of the manifest: names image and list; the image before and its lists go
//! ```
//!
//! From then on every checkpoint lists the keys noted since the one before. At start the image is
//! read without the listed keys, the records they have now are indexed anew, and the log does the
//! rest. An image that is damaged, missing, or of another form costs time and nothing else: the
//! index is filled from records.
//!
//! | part of the file | content |
//! | --- | --- |
//! | 16 head | one block: which index, of which form (`image.rs`, `vector`, `text`, `graph`) |
//! | 17 blocks | its entries |
//! | 18 keys | of a list: blocks of `u32 n`, `n` keys as blobs, ascending |
//!
//! The keys of a list are those of records; of an adjacency, those of `graph/encode.rs`.

use std::rc::Rc;
use std::sync::Arc;

use pieskieo_io::rt;
use pieskieo_io::segment::{Codec, PartKind, SegmentId, SegmentWriter};
use pieskieo_io::time;

use super::loading::loaded;
use super::shard::Shard;
use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::graph::Changed;
use crate::ids::{IndexId, TableId};
use crate::storage::{ImageKind, ImageName, Imaged};
use crate::store::{Build, ChangedKeys, Keys};
use crate::tree::{Reach, storage};

const HEAD: PartKind = PartKind(16);
const BLOCKS: PartKind = PartKind(17);
const KEYS: PartKind = PartKind(18);

/// Bytes after which a block of keys ends.
const KEY_BLOCK_BYTES: usize = 64 << 10;
/// Blocks read at once: with blocks of 256 KiB a few MiB.
const READ_BLOCKS: u32 = 8;
/// Records indexed anew in one step.
const STEP_KEYS: usize = 256;

/// Lets an index go on when its image is finished, or given up.
struct Held<'s> {
    shard: &'s Shard,
    name: ImageName,
    is_whole: bool,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.shard.store.borrow_mut().end_image(self.name, self.is_whole);
        self.shard.work.notify();
    }
}

/// Writes the images that are due.
///
/// **Errors**: `Storage` when the disk fails or is full: nothing has changed.
pub(crate) async fn write_due(shard: &Rc<Shard>) -> Result<(), Error> {
    loop {
        let entries_min = shard.limits.image_entries_min;
        let due = shard.store.borrow().image_due(entries_min);
        let Some(name) = due else { return Ok(()) };
        let files = shard.storage.files();
        let (id, writer) = files.create_plain().await?;
        match write(shard, name, writer).await {
            Ok(Some(image)) => shard.images.borrow_mut().push(image),
            Ok(None) => files.remove_all(&[id]).await,
            Err(error) => {
                files.remove_all(&[id]).await;
                return Err(error);
            }
        }
    }
}

/// Writes an image; `None` when its index has gone meanwhile.
async fn write(
    shard: &Shard,
    name: ImageName,
    mut writer: SegmentWriter,
) -> Result<Option<Imaged>, Error> {
    let begun = shard.store.borrow_mut().begin_image(name);
    let Some((head, mut writing)) = begun else { return Ok(None) };
    let mut held = Held { shard, name, is_whole: false };
    writer.begin_part(HEAD);
    writer.put(&head, Codec::Plain).await.map_err(storage)?;
    writer.begin_part(BLOCKS);
    let mut count = 0;
    loop {
        let block = shard.store.borrow().image_block(name, &mut writing);
        match block {
            None => return Ok(None),
            Some(None) => break,
            Some(Some(block)) => writer.put(&block, writing.codec()).await.map_err(storage)?,
        };
        count += 1;
        rt::yield_if_needed().await;
    }
    let seal = writer.finish().await.map_err(storage)?;
    held.is_whole = true;
    tracing::debug!(shard = %shard.id, ?name, blocks = count, "image written");
    Ok(Some(Imaged { name, kind: ImageKind::Whole, seal, count }))
}

/// Writes keys whose records may differ from an image.
///
/// **Errors**: `Storage`: nothing has changed.
pub(crate) async fn write_keys(
    shard: &Shard,
    name: ImageName,
    keys: &ChangedKeys,
) -> Result<Imaged, Error> {
    let files = shard.storage.files();
    let (id, writer) = files.create_plain().await?;
    match put_keys(writer, keys).await {
        Ok(seal) => Ok(Imaged { name, kind: ImageKind::Changes, seal, count: keys.len() as u64 }),
        Err(error) => {
            files.remove_all(&[id]).await;
            Err(error)
        }
    }
}

async fn put_keys(
    mut writer: SegmentWriter,
    keys: &ChangedKeys,
) -> Result<pieskieo_io::segment::SegmentSeal, Error> {
    writer.begin_part(KEYS);
    let mut keys = keys.iter().peekable();
    while keys.peek().is_some() {
        let (mut out, mut count) = (Writer::with_capacity(KEY_BLOCK_BYTES * 2), 0);
        while out.len() < KEY_BLOCK_BYTES
            && let Some(key) = keys.next()
        {
            out.blob(key);
            count += 1;
        }
        let mut block = Writer::with_capacity(4 + out.len());
        block.count(count);
        block.raw(&out.into_bytes());
        writer.put(&block.into_bytes(), Codec::Lz4).await.map_err(storage)?;
    }
    writer.finish().await.map_err(storage)
}

/// Reads the image of an index, if there is one; returns whether the index is whole now.
///
/// **Errors**: `Storage`, `Corrupt` when records cannot be read.
pub(crate) async fn restore(shard: &Shard, name: ImageName) -> Result<bool, Error> {
    let started = time::now();
    let is_whole = try_restore(shard, name).await;
    let ms = time::now().since(started).as_millis() as u64;
    shard.counters.image_ms.set(shard.counters.image_ms.get() + ms);
    is_whole
}

async fn try_restore(shard: &Shard, name: ImageName) -> Result<bool, Error> {
    if shard.limits.image_entries_min == usize::MAX {
        return Ok(false);
    }
    let mine: Vec<Imaged> =
        shard.storage.imaged().into_iter().filter(|image| image.name == name).collect();
    let Some(whole) = mine.iter().find(|image| image.kind == ImageKind::Whole) else {
        return Ok(false);
    };
    let changed = match read(shard, whole, &mine).await {
        Ok(changed) => changed,
        Err(error) => {
            tracing::warn!(
                shard = %shard.id,
                file = pieskieo_io::segment::segment_name(whole.seal.id),
                %error,
                "the image of an index cannot be used, the index is filled from records"
            );
            return Ok(false);
        }
    };
    let keys: Vec<Arc<[u8]>> = changed.into_iter().collect();
    for step in keys.chunks(STEP_KEYS) {
        let done = match name.index {
            Some(index) => index_anew(shard, (name.table, index), step).await,
            None => link_anew(shard, name.table, step).await,
        };
        match done {
            Err(error @ Error::Corrupt(_)) => {
                shard.store.borrow_mut().lose(name.table, &[name.index], &error);
                return Ok(true);
            }
            done => done?,
        }
        rt::yield_if_needed().await;
    }
    let listed = mine.iter().filter(|image| image.kind == ImageKind::Changes);
    let listed: Vec<u64> = listed.map(|image| image.count).collect();
    let (keys, lists) = (listed.iter().sum(), listed.len() as u32);
    shard.store.borrow_mut().imaged(name, keys, lists);
    Ok(true)
}

/// Indexes records as they are now.
async fn index_anew(
    shard: &Shard,
    (table, index): (TableId, IndexId),
    keys: &[Arc<[u8]>],
) -> Result<(), Error> {
    let find = |reach: Reach<'_>| shard.store.borrow().current_rows(reach, table, keys);
    let rows = loaded(shard, find).await?;
    let build = Build { table, indexes: vec![index] };
    shard.store.borrow_mut().index_rows(&build, &rows, &Keys::default())
}

/// Links edges as they are now.
async fn link_anew(shard: &Shard, table: TableId, keys: &[Arc<[u8]>]) -> Result<(), Error> {
    let (mut edges, mut entries) = (Vec::new(), Vec::new());
    for key in keys {
        match Changed::of(key) {
            Some(Changed::Out(edge)) => edges.push(Arc::from(edge)),
            Some(Changed::Into(entry)) => entries.push(entry),
            None => return Err(Error::Corrupt("a list has a key of no edge".into())),
        }
    }
    let find = |reach: Reach<'_>| shard.store.borrow().current_rows(reach, table, &edges);
    let rows = loaded(shard, find).await?;
    let find = |reach: Reach<'_>| shard.store.borrow().current_mirrors(reach, table, &entries);
    let mirrors = loaded(shard, find).await?;
    let mut store = shard.store.borrow_mut();
    store.link_rows(table, &rows)?;
    store.link_mirrors(table, &mirrors)
}

/// Puts the index that an image holds into the store, without the entries of the keys that it
/// returns. After an error the index is as it was.
async fn read(shard: &Shard, whole: &Imaged, mine: &[Imaged]) -> Result<ChangedKeys, Error> {
    if mine.iter().filter(|image| image.kind == ImageKind::Whole).count() > 1 {
        return Err(Error::Corrupt("there are two images of one index".into()));
    }
    let mut changed = ChangedKeys::new();
    for list in mine.iter().filter(|image| image.kind == ImageKind::Changes) {
        read_keys(shard, list, &mut changed).await?;
    }
    let files = shard.storage.files();
    let file = files.open_plain(whole.seal).await?;
    let head = file.read(HEAD, 0).await.map_err(storage)?;
    let mut reading = shard.store.borrow().begin_reading(whole.name, &head)?;
    let count = file.block_count(BLOCKS);
    for first in (0..count).step_by(READ_BLOCKS as usize) {
        let some = READ_BLOCKS.min(count - first);
        for block in file.read_run(BLOCKS, first, some).await.map_err(storage)? {
            let take = |reading: &mut _| {
                let mut store = shard.store.borrow_mut();
                store.read_block(whole.name, reading, &block, &changed)
            };
            take(&mut reading)?;
            rt::yield_if_needed().await;
        }
    }
    file.close().await;
    while reading.check() {
        rt::yield_if_needed().await;
    }
    shard.store.borrow_mut().finish_reading(whole.name, reading)?;
    Ok(changed)
}

async fn read_keys(shard: &Shard, list: &Imaged, keys: &mut ChangedKeys) -> Result<(), Error> {
    let file = shard.storage.files().open_plain(list.seal).await?;
    for block in 0..file.block_count(KEYS) {
        let bytes = file.read(KEYS, block).await.map_err(storage)?;
        let mut input = Reader::new(&bytes, "list of changed keys");
        for _ in 0..input.count("keys")? {
            keys.insert(Arc::from(input.blob("key")?));
        }
        input.finish()?;
        rt::yield_if_needed().await;
    }
    file.close().await;
    Ok(())
}

/// Returns the files of the images that a checkpoint does not keep.
pub(crate) fn replaced(shard: &Shard, kept: &[ImageName], renewed: &[ImageName]) -> Vec<SegmentId> {
    let placed = shard.storage.imaged().into_iter();
    let goes = |image: &Imaged| !kept.contains(&image.name) || renewed.contains(&image.name);
    placed.filter(goes).map(|image| image.seal.id).collect()
}
