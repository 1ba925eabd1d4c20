//! What of the damage in a shard's files can be made good from the records?
//!
//! | damaged | what is done |
//! | --- | --- |
//! | image of an index, or a list beside it | image and lists go; the next start fills the index |
//! | run of an ordered index | all runs of the index go; the next start fills it |
//! | fences, filter or zones of a run | the run is written anew, with the same rows |
//! | rows of a table, mirrors of edges | nothing: they are named |
//! | a file that belongs elsewhere, all of its index or table | nothing: it may be needed |
//!
//! One edit of the manifest does all of it; before that edit nothing has changed, and no file goes
//! that a manifest names. Runs of level 0 are in the order of their numbers, so the younger ones of
//! the tree are written anew with a damaged one. Where one of these has damaged rows, fences and
//! filter stay as they are: a start makes them anew each time.

use std::collections::BTreeSet;

use pieskieo_io::file::Dir;
use pieskieo_io::segment::{
    self, DamageKind, PartKind, Segment, SegmentId, SegmentIdentity, SegmentSeal,
};
use pieskieo_io::wal::StreamId;

use super::shown::{image_name, is_derived, tree_name};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::ids::ShardId;
use crate::storage::{self, Edit, ImageName, Placed, Storage, TreeName};
use crate::tree::{FenceKeys, Shape, rewrite};

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardRepair {
    /// A line for each thing made good.
    pub done: Vec<String>,
}

/// How much of a file is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    None,
    /// Fences or filter of a run.
    Guides,
    /// More than that.
    Content,
    /// The file belongs elsewhere, or is of a newer program: it is not ours to remove.
    Foreign,
}

/// Makes good what can be made from the records. The shard must not be open.
///
/// **Cost**: reads every file; writes runs with damaged fences or filters anew.
/// **Errors**: `Corrupt` when the manifest itself is damaged, `Storage`; nothing has changed then.
pub async fn repair(dir: &Dir, database: [u8; 16], shard: ShardId) -> Result<ShardRepair, Error> {
    let storage = storage::open(dir.clone(), database, shard, Shape::default()).await?;
    let checkpoint = storage.checkpoint();
    let catalog = checkpoint.as_ref().map(|checkpoint| &*checkpoint.catalog);
    let identity = |id: SegmentId| SegmentIdentity { database, stream: StreamId(shard.0), id };
    let mut repair =
        Repair { storage: &storage, dir, catalog, edit: Edit::default(), done: vec![] };
    repair.images(&identity).await?;
    repair.runs(&identity).await?;
    let Repair { edit, done, .. } = repair;
    if !done.is_empty() {
        let added: Vec<SegmentId> = edit.added.iter().map(|run| run.facts.seal.id).collect();
        if let Err(error) = storage.commit(edit).await {
            if let Error::DiskFull(_) = error {
                storage.files().remove_all(&added).await;
            }
            return Err(error);
        }
    }
    Ok(ShardRepair { done })
}

struct Repair<'a> {
    storage: &'a Storage,
    dir: &'a Dir,
    catalog: Option<&'a Catalog>,
    edit: Edit,
    done: Vec<String>,
}

impl Repair<'_> {
    async fn images(
        &mut self,
        identity: &impl Fn(SegmentId) -> SegmentIdentity,
    ) -> Result<(), Error> {
        let images = self.storage.imaged();
        let (mut gone, mut foreign) = (BTreeSet::<ImageName>::new(), BTreeSet::new());
        let mut extents = Vec::with_capacity(images.len());
        for image in &images {
            let extent = self.extent(identity(image.seal.id), image.seal).await?;
            if extent == Extent::Foreign {
                foreign.insert(image.name);
            }
            extents.push(extent);
        }
        for (image, extent) in images.iter().zip(extents) {
            let is_damaged = extent != Extent::None && !foreign.contains(&image.name);
            if is_damaged && gone.insert(image.name) {
                let name = image_name(self.catalog, image);
                self.done.push(format!("{name}: dropped, the next start fills the index"));
            }
        }
        let goes = images.iter().filter(|image| gone.contains(&image.name));
        self.edit.removed.extend(goes.map(|image| image.seal.id));
        Ok(())
    }

    async fn runs(
        &mut self,
        identity: &impl Fn(SegmentId) -> SegmentIdentity,
    ) -> Result<(), Error> {
        let runs = self.storage.placed();
        let mut extents = Vec::with_capacity(runs.len());
        for run in &runs {
            let seal = run.facts.seal;
            extents.push(self.extent(identity(seal.id), seal).await?);
        }
        let trees: BTreeSet<TreeName> = runs.iter().map(|run| run.tree).collect();
        for tree in trees {
            let both = runs.iter().zip(&extents).filter(|(run, _)| run.tree == tree);
            let mine: Vec<(&Placed, Extent)> = both.map(|(run, extent)| (run, *extent)).collect();
            let has = |wanted: Extent| mine.iter().any(|(_, extent)| *extent == wanted);
            if has(Extent::Foreign) {
                continue;
            }
            if is_derived(tree) && has(Extent::Content) {
                self.edit.removed.extend(mine.iter().map(|(run, _)| run.facts.seal.id));
                let name = tree_name(self.catalog, tree);
                self.done.push(format!("{name}: dropped, the next start fills it"));
            } else if has(Extent::Guides) {
                self.rewrite(&mine, identity).await?;
            }
        }
        Ok(())
    }

    /// Writes the runs of a tree anew whose fences or filters are damaged.
    async fn rewrite(
        &mut self,
        runs: &[(&Placed, Extent)],
        identity: &impl Fn(SegmentId) -> SegmentIdentity,
    ) -> Result<(), Error> {
        let top = runs.iter().filter(|(run, _)| run.level == 0);
        let mut top: Vec<&(&Placed, Extent)> = top.collect();
        top.sort_by_key(|(run, _)| run.facts.seal.id);
        let from = top.iter().position(|(_, extent)| *extent == Extent::Guides);
        let top = from.map_or(&[][..], |from| &top[from..]);
        let is_whole = top.iter().all(|(_, extent)| *extent != Extent::Content);
        let top = top.iter().copied().filter(|_| is_whole);
        let below = runs.iter();
        let below = below.filter(|(run, extent)| run.level > 0 && *extent == Extent::Guides);
        for (run, _) in top.chain(below) {
            let old = run.facts.seal.id;
            let place = (&run.facts, run.level);
            let facts = rewrite((self.storage.files(), self.dir), identity(old), place).await?;
            let (from, to) = (segment::segment_name(old), segment::segment_name(facts.seal.id));
            let name = tree_name(self.catalog, run.tree);
            self.done.push(format!("{name}: \"{from}\" written anew as \"{to}\""));
            self.edit.removed.push(old);
            self.edit.added.push(Placed { facts, ..(*run).clone() });
        }
        Ok(())
    }

    async fn extent(&self, id: SegmentIdentity, seal: SegmentSeal) -> Result<Extent, Error> {
        let segment = match Segment::open(self.dir, id, seal).await {
            Ok(segment) => segment,
            Err(segment::Error::Damaged(damage)) => {
                let is_foreign = matches!(
                    damage.kind,
                    DamageKind::Identity | DamageKind::Version | DamageKind::Seal
                );
                return Ok(if is_foreign { Extent::Foreign } else { Extent::Content });
            }
            Err(error) => return Err(Error::Storage(error.to_string())),
        };
        let damage = segment.verify().await;
        segment.close().await;
        let damage = damage.map_err(|error| Error::Storage(error.to_string()))?;
        let is_guide = |part: PartKind| FenceKeys::are_guides(part);
        let mut parts = damage.iter().map(|damage| damage.block.map(|(part, _)| part));
        Ok(match damage.is_empty() {
            true => Extent::None,
            false if parts.all(|part| part.is_some_and(is_guide)) => Extent::Guides,
            false => Extent::Content,
        })
    }
}
