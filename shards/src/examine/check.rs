//! Is every file of a shard what was written?
//!
//! Every block of every file the manifest names is read and compared with its checksum. Damage is
//! told by file, offset and, in records, by the keys that are lost with it; the examination goes on
//! behind it. Files the manifest does not name are no damage: the next start removes them.

use pieskieo_io::file::Dir;
use pieskieo_io::manifest::{self, ManifestIdentity, Reading};
use pieskieo_io::segment::{
    self, Damage, Segment, SegmentIdentity, parse_segment_draft_name, parse_segment_name,
};
use pieskieo_io::wal::StreamId;

use super::layout::{Named, fold};
use super::shown::{Damaged, image_name, tree_name};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::ids::ShardId;
use crate::storage::{Imaged, Placed};
use crate::tree::FenceKeys;

/// What was found in a shard's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardCheck {
    /// What there is.
    pub facts: Vec<String>,
    /// What is not as it was written.
    pub faults: Vec<String>,
    /// The last record of the log that the files contain; 0 = none.
    pub checkpoint: u64,
}

/// Reads all files in a shard's folder.
///
/// **Cost**: reads and decompresses every file.
/// **Errors**: `Storage` when a file cannot be read at all.
pub async fn check(dir: &Dir, database: [u8; 16], shard: ShardId) -> Result<ShardCheck, Error> {
    let mut found = ShardCheck::default();
    let names = dir.list().await.map_err(storage)?;
    let identity = ManifestIdentity { database, stream: StreamId(shard.0) };
    let Some(newest) = manifest::newest(dir).await.map_err(storage)? else {
        let segment = names.iter().find(|name| parse_segment_name(name).is_some());
        found.faults.extend(segment.map(|name| {
            format!(
                "there are segments (\"{name}\" among them) and no manifest: restore the folder \
                 \"{}\" from a backup",
                dir.path().display()
            )
        }));
        return Ok(found);
    };
    let reading = reading_of(dir, &newest, identity, &mut found.faults).await?;
    let Some(reading) = reading else { return Ok(found) };
    let Named { checkpoint, runs, images } = match fold(&reading) {
        Ok(folded) => folded,
        Err(error) => {
            found.faults.push(format!("manifest \"{}\": {error}", reading.file));
            return Ok(found);
        }
    };
    let catalog = checkpoint.as_ref().map(|checkpoint| checkpoint.catalog.clone());
    found.checkpoint = checkpoint.map_or(0, |checkpoint| checkpoint.lsn.0);
    let bytes: u64 = runs.values().map(|run| run.facts.seal.file_bytes).sum();
    let (count, lsn) = (runs.len(), found.checkpoint);
    found.facts.push(format!("{count} segments, {bytes} bytes, checkpoint at LSN {lsn}"));
    if !images.is_empty() {
        let bytes: u64 = images.values().map(|image| image.seal.file_bytes).sum();
        found.facts.push(format!("{} files of images of indexes, {bytes} bytes", images.len()));
    }
    if reading.torn_bytes > 0 {
        found.facts.push(format!("manifest \"{newest}\" ends in an edit that was not finished"));
    }
    for name in &names {
        let named =
            parse_segment_name(name).map(|id| runs.contains_key(&id) || images.contains_key(&id));
        if named == Some(false) || parse_segment_draft_name(name).is_some() {
            found.facts.push(format!("\"{name}\" is named by no manifest, a start removes it"));
        }
    }
    for (id, run) in &runs {
        let identity = SegmentIdentity { database, stream: StreamId(shard.0), id: *id };
        check_run(dir, identity, run, catalog.as_deref(), &mut found.faults).await?;
    }
    for (id, image) in &images {
        let identity = SegmentIdentity { database, stream: StreamId(shard.0), id: *id };
        check_image(dir, identity, image, catalog.as_deref(), &mut found.faults).await?;
    }
    Ok(found)
}

async fn check_run(
    dir: &Dir,
    identity: SegmentIdentity,
    run: &Placed,
    catalog: Option<&Catalog>,
    faults: &mut Vec<String>,
) -> Result<(), Error> {
    let lost = |first: &[u8], last: &[u8]| Damaged { tree: run.tree, first, last }.shown(catalog);
    let segment = match Segment::open(dir, identity, run.facts.seal).await {
        Ok(segment) => segment,
        Err(segment::Error::Damaged(damage)) => {
            faults.push(format!("{damage}: {}", lost(&run.facts.first, &run.facts.last)));
            return Ok(());
        }
        Err(error) => return Err(storage(error)),
    };
    let damage = segment.verify().await.map_err(storage)?;
    let fences = if damage.is_empty() { None } else { FenceKeys::read(&segment).await };
    for damage in damage {
        faults.push(match keys(run, &damage, fences.as_ref()) {
            Some((first, last)) => format!("{damage}: {}", lost(&first, &last)),
            None => format!(
                "{damage}: {}: no record is lost, every start makes this part anew from the rows, \
                 `pieskieo verify --repair` once and for all",
                tree_name(catalog, run.tree)
            ),
        });
    }
    segment.close().await;
    Ok(())
}

async fn check_image(
    dir: &Dir,
    identity: SegmentIdentity,
    image: &Imaged,
    catalog: Option<&Catalog>,
    faults: &mut Vec<String>,
) -> Result<(), Error> {
    let name = image_name(catalog, image);
    let told = |damage: &Damage| {
        format!("{damage}: {name}: no record is lost, the next start makes the index anew")
    };
    match Segment::open(dir, identity, image.seal).await {
        Ok(segment) => {
            let damage = segment.verify().await.map_err(storage)?;
            faults.extend(damage.iter().map(told));
            segment.close().await;
            Ok(())
        }
        Err(segment::Error::Damaged(damage)) => {
            faults.push(told(&damage));
            Ok(())
        }
        Err(error) => Err(storage(error)),
    }
}

/// Returns the keys of which versions are in a damaged block; `None` when it holds none.
fn keys(run: &Placed, damage: &Damage, fences: Option<&FenceKeys>) -> Option<(Vec<u8>, Vec<u8>)> {
    let (part, block) = damage.block?;
    if !FenceKeys::are_of(part) {
        return None;
    }
    let first = fences.and_then(|fences| fences.first(block));
    let next = fences.and_then(|fences| fences.first(block + 1));
    let first = first.unwrap_or(&run.facts.first).to_vec();
    Some((first, next.unwrap_or(&run.facts.last).to_vec()))
}

/// Reads a manifest; `None`, and a fault, when it is damaged or another's.
pub(super) async fn reading_of(
    dir: &Dir,
    file: &str,
    identity: ManifestIdentity,
    faults: &mut Vec<String>,
) -> Result<Option<Reading>, Error> {
    let reading = match manifest::read(dir, file).await {
        Ok(reading) => reading,
        Err(manifest::Error::Damaged(damage)) => {
            faults.push(damage.to_string());
            return Ok(None);
        }
        Err(error) => return Err(storage(error)),
    };
    if reading.identity != identity {
        let (file, whose) = (&reading.file, reading.identity);
        faults.push(format!(
            "manifest \"{file}\" belongs elsewhere: expected {identity}, found {whose}; put back \
             the file that belongs here"
        ));
        return Ok(None);
    }
    Ok(Some(reading))
}

pub(super) fn storage(error: impl std::fmt::Display) -> Error {
    Error::Storage(error.to_string())
}
