//! Which runs make up a shard's trees?

use std::collections::BTreeMap;

use pieskieo_io::manifest::Reading;
use pieskieo_io::segment::{SegmentId, segment_name};

use super::shown::{key_shown, tree_name};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::storage::{Checkpoint, Edit, Placed};

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardLayout {
    /// What the log need not tell again; `None` before the first checkpoint.
    pub checkpoint: Option<CheckpointFacts>,
    /// The runs, by tree and level, newest first within level 0.
    pub runs: Vec<RunListing>,
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
    let (checkpoint, runs) = fold(reading)?;
    let catalog = checkpoint.as_ref().map(|checkpoint| checkpoint.catalog.as_ref());
    let mut runs: Vec<&Placed> = runs.values().collect();
    runs.sort_by_key(|run| (run.tree, run.level, std::cmp::Reverse(run.facts.seal.id)));
    let runs = runs.into_iter().map(|run| listing(catalog, run)).collect();
    Ok(ShardLayout { checkpoint: checkpoint.as_ref().map(facts), runs })
}

/// Returns what snapshot and edits come to.
///
/// **Errors**: as [`layout`].
pub(super) fn fold(
    reading: &Reading,
) -> Result<(Option<Checkpoint>, BTreeMap<SegmentId, Placed>), Error> {
    let mut checkpoint = None;
    let mut runs = BTreeMap::new();
    let content = &reading.content;
    let snapshot = Some(&content.snapshot).filter(|bytes| !bytes.is_empty());
    for bytes in snapshot.into_iter().chain(&content.edits) {
        let edit = Edit::decode(bytes)?;
        for id in edit.removed {
            runs.remove(&id);
        }
        for run in edit.added {
            runs.insert(run.facts.seal.id, run);
        }
        checkpoint = edit.checkpoint.or(checkpoint);
    }
    Ok((checkpoint, runs))
}

fn facts(checkpoint: &Checkpoint) -> CheckpointFacts {
    CheckpointFacts {
        lsn: checkpoint.lsn.0,
        timestamp: checkpoint.last.0,
        catalog: checkpoint.catalog.version.0,
        tables: checkpoint.catalog.tables.len(),
        records: checkpoint.live.iter().map(|(_, records)| records).sum(),
        decisions: checkpoint.decisions.len(),
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
