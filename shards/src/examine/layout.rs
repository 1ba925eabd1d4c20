//! Which runs make up a shard's trees, and which images are there of its indexes?

use std::collections::BTreeMap;

use pieskieo_io::manifest::Reading;
use pieskieo_io::segment::{SegmentId, segment_name};

use super::shown::{image_name, key_shown, tree_name};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::storage::{Checkpoint, Edit, Imaged, Placed};

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardLayout {
    /// What the log need not tell again; `None` before the first checkpoint.
    pub checkpoint: Option<CheckpointFacts>,
    /// The runs, by tree and level, newest first within level 0.
    pub runs: Vec<RunListing>,
    /// The images of indexes, and the lists of keys that may differ from them.
    pub images: Vec<ImageListing>,
}

/// A file about an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageListing {
    /// The file.
    pub file: String,
    /// What it is of, as a person says it.
    pub name: String,
    /// Entries of an image, keys of a list.
    pub count: u64,
    /// Length of the file.
    pub bytes: u64,
}

/// What snapshot and edits of a manifest come to.
#[derive(Default)]
pub(super) struct Named {
    pub checkpoint: Option<Checkpoint>,
    pub runs: BTreeMap<SegmentId, Placed>,
    pub images: BTreeMap<SegmentId, Imaged>,
}

/// The position of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointFacts {
    /// The last record of the log that the runs contain.
    pub lsn: u64,
    /// The largest timestamp up to there.
    pub timestamp: u64,
    /// The version of the catalog.
    pub catalog: u64,
    /// Tables, hidden ones included.
    pub tables: usize,
    /// Current records of all tables.
    pub records: u64,
    /// Decisions that somebody may still ask for.
    pub decisions: usize,
    /// Ranges of keys that were emptied and may hide something.
    pub emptied_ranges: usize,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunListing {
    /// The file.
    pub file: String,
    /// The tree, as a person calls it.
    pub tree: String,
    /// The level.
    pub level: usize,
    /// Versions, deletions included.
    pub versions: u64,
    /// Deletions.
    pub deletions: u64,
    /// Length of the file.
    pub bytes: u64,
    /// Bytes of the rows before compression.
    pub raw_bytes: u64,
    /// Latest begin of a version.
    pub newest: u64,
    /// Smallest key.
    pub first: String,
    /// Largest key.
    pub last: String,
}

/// Returns what a manifest says.
///
/// **Errors**: `Corrupt` for a manifest that passes its checksums and says something impossible.
pub fn layout(reading: &Reading) -> Result<ShardLayout, Error> {
    let Named { checkpoint, runs, images } = fold(reading)?;
    let catalog = checkpoint.as_ref().map(|checkpoint| checkpoint.catalog.as_ref());
    let mut runs: Vec<&Placed> = runs.values().collect();
    runs.sort_by_key(|run| (run.tree, run.level, std::cmp::Reverse(run.facts.seal.id)));
    let runs = runs.into_iter().map(|run| listing(catalog, run)).collect();
    let images = images.values().map(|image| ImageListing {
        file: segment_name(image.seal.id),
        name: image_name(catalog, image),
        count: image.count,
        bytes: image.seal.file_bytes,
    });
    let images = images.collect();
    Ok(ShardLayout { checkpoint: checkpoint.as_ref().map(facts), runs, images })
}

/// Returns what snapshot and edits come to.
///
/// **Errors**: as [`layout`].
pub(super) fn fold(reading: &Reading) -> Result<Named, Error> {
    let mut named = Named::default();
    let content = &reading.content;
    let snapshot = Some(&content.snapshot).filter(|bytes| !bytes.is_empty());
    for bytes in snapshot.into_iter().chain(&content.edits) {
        let edit = Edit::decode(bytes)?;
        for id in edit.removed {
            named.runs.remove(&id);
            named.images.remove(&id);
        }
        named.runs.extend(edit.added.into_iter().map(|run| (run.facts.seal.id, run)));
        named.images.extend(edit.images.into_iter().map(|image| (image.seal.id, image)));
        named.checkpoint = edit.checkpoint.or(named.checkpoint);
    }
    Ok(named)
}

fn facts(checkpoint: &Checkpoint) -> CheckpointFacts {
    CheckpointFacts {
        lsn: checkpoint.lsn.0,
        timestamp: checkpoint.last.0,
        catalog: checkpoint.catalog.version.0,
        tables: checkpoint.catalog.tables.len(),
        records: checkpoint.live.iter().map(|(_, records)| records).sum(),
        decisions: checkpoint.decisions.len(),
        emptied_ranges: checkpoint.erasures.len(),
    }
}

fn listing(catalog: Option<&Catalog>, run: &Placed) -> RunListing {
    let facts = &run.facts;
    RunListing {
        file: segment_name(facts.seal.id),
        tree: tree_name(catalog, run.tree),
        level: run.level,
        versions: facts.versions,
        deletions: facts.deletions,
        bytes: facts.seal.file_bytes,
        raw_bytes: facts.raw_bytes,
        newest: facts.newest.0,
        first: key_shown(catalog, run.tree, &facts.first),
        last: key_shown(catalog, run.tree, &facts.last),
    }
}
