//! What of a damaged run can be made again from the rest of it?
//!
//! Fences and filter say nothing that the groups do not: they are made of these again. A group that
//! cannot be read leaves a gap: its fence is put right behind the key before it, so that whoever
//! looks for a key of the gap comes to the group, and learns that it is damaged. A run of which not
//! even the table of blocks can be read is one such gap, from its first key to its last, which the
//! manifest has.

use pieskieo_io::file::Dir;
use pieskieo_io::rt;
use pieskieo_io::segment::{Codec, DamageKind, Segment, SegmentIdentity};

use super::files::Files;
use super::filter::{Filter, hash_of};
use super::group::Group;
use super::run::{FENCES, FILTER, Fences, GROUPS, RunFacts, storage};
use crate::error::Error;
use crate::ids::Timestamp;

/// Returns whether a file with this damage is the one that was written: what is left of it is
/// served. Another file in its place, or none, is for the operator to put right.
pub(super) fn is_in_place(kind: DamageKind) -> bool {
    matches!(kind, DamageKind::Magic | DamageKind::Checksum | DamageKind::Content)
}

/// Returns fences and filter of a run that is one gap.
pub(super) fn of_nothing(facts: &RunFacts) -> (Fences, Filter) {
    let mut fences = Fences::new();
    fences.push(&facts.first, Timestamp::MAX);
    (fences, Filter::full())
}

/// Makes fences and filter from the groups.
///
/// **Cost**: reads every group, one after the other.
/// **Errors**: `Storage`.
pub(super) async fn of_groups(
    segment: &Segment,
    facts: &RunFacts,
) -> Result<(Fences, Filter), Error> {
    let (mut fences, mut hashes) = (Fences::new(), Vec::new());
    let (mut is_whole, mut key) = (true, Vec::new());
    // The key the group before ends with, while it is known.
    let mut behind = facts.first.clone();
    for block in 0..segment.block_count(GROUPS) {
        let group = match segment.read(GROUPS, block).await.map_err(storage) {
            Ok(bytes) => Group::open(bytes),
            Err(error) => Err(error),
        };
        match group {
            Ok(group) => {
                for row in 0..group.rows() {
                    group.key_into(row, &mut key);
                    hashes.push(hash_of(&key));
                    if row == 0 {
                        fences.push(&key, group.begin(0));
                    }
                }
                behind.clone_from(&key);
                behind.push(0);
            }
            Err(Error::Corrupt(_)) => {
                is_whole = false;
                fences.push_gap(&behind);
            }
            Err(error) => return Err(error),
        }
        rt::yield_if_needed().await;
    }
    hashes.dedup();
    let filter = if is_whole { Filter::of(&hashes) } else { Filter::full() };
    Ok((fences, filter))
}

/// Writes a run anew, with the same groups and with fences and filter made of these; without zones,
/// which the next merge makes.
///
/// **Errors**: `Corrupt` when a group cannot be read, `Storage`; what was written is removed then.
pub(crate) async fn rewrite(
    (files, dir): (&Files, &Dir),
    identity: SegmentIdentity,
    (facts, level): (&RunFacts, usize),
) -> Result<RunFacts, Error> {
    let segment = Segment::open(dir, identity, facts.seal).await.map_err(storage)?;
    let (id, mut writer) = files.create_plain().await?;
    let codec = if level >= 2 { Codec::Zstd } else { Codec::Lz4 };
    let written = async {
        writer.begin_part(GROUPS);
        for block in 0..segment.block_count(GROUPS) {
            let group = segment.read(GROUPS, block).await.map_err(storage)?;
            writer.put(&group, codec).await.map_err(storage)?;
        }
        let (fences, filter) = of_groups(&segment, facts).await?;
        writer.begin_part(FENCES);
        writer.put(&fences.encode(), Codec::Lz4).await.map_err(storage)?;
        writer.begin_part(FILTER);
        writer.put(filter.bytes(), Codec::Plain).await.map_err(storage)?;
        writer.finish().await.map_err(storage)
    };
    let written = written.await;
    segment.close().await;
    match written {
        Ok(seal) => Ok(RunFacts { seal, ..facts.clone() }),
        Err(error) => {
            files.remove_all(&[id]).await;
            Err(error)
        }
    }
}
