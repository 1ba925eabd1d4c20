//! Which bytes are in a manifest?
//!
//! ```text
//! edit        u8 format = 3
//!             u8 1, checkpoint  or  u8 0
//!             u32 n | n removed runs: u64 number
//!             u32 n | n added runs
//!             u32 n | n added images              (format 1 ends before)
//! checkpoint  u64 lsn | u64 latest timestamp | u64 largest transaction
//!             blob catalog (`catalog/encode`)
//!             u32 n | n tables: u32 table, u64 current records
//!             u32 n | n decisions: u64 transaction, u64 timestamp
//!             u32 n | n emptied ranges: u32 table, u64 since when,
//!                     blob first key, u8 1, blob key behind  or  u8 0  (format 2 ends before)
//! run         u32 table | u8 0 records, 1 ordered, 2 mirrors | u32 index, 0 where there is none
//!             u8 level | u64 number | u64 bytes of the file | u32 checksum of its footer
//!             blob first key | blob last key
//!             u64 versions | u64 deletions | u64 bytes before compression | u64 latest begin
//! image       u32 table | u32 index, 0 = the adjacency | u8 0 image, 1 keys that may differ
//!             u64 number | u64 bytes of the file | u32 checksum of its footer
//!             u64 entries of the image, or keys
//! ```
//! Numbers are little-endian (`codec`). A snapshot is an edit with a checkpoint that adds every
//! run and every image there is. What is removed may be either.

use std::sync::Arc;

use pieskieo_io::segment::{SegmentId, SegmentSeal};
use pieskieo_io::wal::Lsn;

use super::name::{ImageName, Part, TreeName};
use crate::catalog::{Catalog, decode_catalog, encode_catalog};
use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::ids::{IndexId, TableId, Timestamp, TxnId};
use crate::tree::{Erasure, RunFacts};

const FORMAT: u8 = 3;
/// Without emptied ranges.
const FORMAT_OF_IMAGES: u8 = 2;
/// Without images.
const FORMAT_BEFORE: u8 = 1;

const RECORDS: u8 = 0;
const ORDERED: u8 = 1;
const MIRRORS: u8 = 2;

/// A change of what is on disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit {
    /// The state the runs now hold, if it is another one.
    pub checkpoint: Option<Checkpoint>,
    /// Runs and images that are gone.
    pub removed: Vec<SegmentId>,
    /// Runs that are new.
    pub added: Vec<Placed>,
    /// Images that are new, and lists of keys.
    pub images: Vec<Imaged>,
}

/// What the runs hold of the log, and what else is needed of its front.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    /// Every record of the log up to this one is contained in the runs and in here.
    pub lsn: Lsn,
    /// The largest timestamp up to there.
    pub last: Timestamp,
    /// The largest transaction number up to there.
    pub txn_last: TxnId,
    /// The catalog there.
    pub catalog: Arc<Catalog>,
    /// Current records per table.
    pub live: Vec<(TableId, u64)>,
    /// Decisions some participant may still ask for.
    pub decisions: Vec<(TxnId, Timestamp)>,
    /// Ranges of keys that were emptied.
    pub erasures: Vec<(TableId, Erasure)>,
}

/// A run and its place.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// The tree.
    pub tree: TreeName,
    /// The level.
    pub level: usize,
    /// The run.
    pub facts: RunFacts,
}

/// A file about an index.
#[derive(Clone, Debug)]
pub(crate) struct Imaged {
    /// The index.
    pub name: ImageName,
    /// What the file holds.
    pub kind: ImageKind,
    /// The file.
    pub seal: SegmentSeal,
    /// Entries, or keys.
    pub count: u64,
}

/// What a file about an index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageKind {
    /// The index.
    Whole,
    /// Keys whose records may differ from the image.
    Changes,
}

impl Edit {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(64 + self.added.len() * 128);
        out.u8(FORMAT);
        out.u8(u8::from(self.checkpoint.is_some()));
        if let Some(checkpoint) = &self.checkpoint {
            put_checkpoint(&mut out, checkpoint);
        }
        out.count(self.removed.len());
        self.removed.iter().for_each(|id| out.u64(id.0));
        out.count(self.added.len());
        self.added.iter().for_each(|run| put_run(&mut out, run));
        out.count(self.images.len());
        self.images.iter().for_each(|image| put_image(&mut out, image));
        out.into_bytes()
    }

    /// Returns the edit these bytes hold.
    ///
    /// **Errors**: `Corrupt` for anything that `encode` does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut input = Reader::new(bytes, "manifest");
        let format = input.u8("format")?;
        if !(FORMAT_BEFORE..=FORMAT).contains(&format) {
            return Err(input.corrupt("format"));
        }
        let checkpoint = match input.u8("checkpoint")? {
            0 => None,
            1 => Some(take_checkpoint(&mut input, format)?),
            _ => return Err(input.corrupt("checkpoint")),
        };
        let mut edit = Self { checkpoint, ..Self::default() };
        for _ in 0..input.count("removed runs")? {
            edit.removed.push(SegmentId(input.u64("number")?));
        }
        for _ in 0..input.count("added runs")? {
            edit.added.push(take_run(&mut input)?);
        }
        if format >= FORMAT_OF_IMAGES {
            for _ in 0..input.count("added images")? {
                edit.images.push(take_image(&mut input)?);
            }
        }
        input.finish()?;
        Ok(edit)
    }
}

fn put_checkpoint(out: &mut Writer, checkpoint: &Checkpoint) {
    out.u64(checkpoint.lsn.0);
    out.u64(checkpoint.last.0);
    out.u64(checkpoint.txn_last.0);
    out.blob(&encode_catalog(&checkpoint.catalog));
    out.count(checkpoint.live.len());
    for (table, records) in &checkpoint.live {
        out.u32(table.0);
        out.u64(*records);
    }
    out.count(checkpoint.decisions.len());
    for (txn, commit) in &checkpoint.decisions {
        out.u64(txn.0);
        out.u64(commit.0);
    }
    out.count(checkpoint.erasures.len());
    for (table, Erasure { from, to, begin }) in &checkpoint.erasures {
        out.u32(table.0);
        out.u64(begin.0);
        out.blob(from);
        out.u8(u8::from(to.is_some()));
        if let Some(to) = to {
            out.blob(to);
        }
    }
}

fn take_checkpoint(input: &mut Reader<'_>, format: u8) -> Result<Checkpoint, Error> {
    let lsn = Lsn(input.u64("lsn")?);
    let last = Timestamp(input.u64("latest timestamp")?);
    let txn_last = TxnId(input.u64("largest transaction")?);
    let catalog = Arc::new(decode_catalog(input.blob("catalog")?)?);
    let mut live = Vec::new();
    for _ in 0..input.count("tables")? {
        live.push((TableId(input.u32("table")?), input.u64("current records")?));
    }
    let mut decisions = Vec::new();
    for _ in 0..input.count("decisions")? {
        decisions.push((TxnId(input.u64("transaction")?), Timestamp(input.u64("timestamp")?)));
    }
    let mut erasures = Vec::new();
    let count = if format > FORMAT_OF_IMAGES { input.count("emptied ranges")? } else { 0 };
    for _ in 0..count {
        let (table, begin) = (TableId(input.u32("table")?), Timestamp(input.u64("since when")?));
        let from = input.blob("first key")?.to_vec();
        let to = match input.u8("end of a range")? {
            0 => None,
            1 => Some(input.blob("end of a range")?.to_vec()),
            _ => return Err(input.corrupt("end of a range")),
        };
        erasures.push((table, Erasure { from, to, begin }));
    }
    Ok(Checkpoint { lsn, last, txn_last, catalog, live, decisions, erasures })
}

fn put_run(out: &mut Writer, run: &Placed) {
    let (kind, index) = match run.tree.part {
        Part::Records => (RECORDS, 0),
        Part::Ordered(index) => (ORDERED, index.0),
        Part::Mirrors => (MIRRORS, 0),
    };
    out.u32(run.tree.table.0);
    out.u8(kind);
    out.u32(index);
    out.u8(run.level as u8);
    let RunFacts { seal, first, last, versions, deletions, raw_bytes, newest } = &run.facts;
    put_seal(out, *seal);
    out.blob(first);
    out.blob(last);
    out.u64(*versions);
    out.u64(*deletions);
    out.u64(*raw_bytes);
    out.u64(newest.0);
}

fn take_run(input: &mut Reader<'_>) -> Result<Placed, Error> {
    let table = TableId(input.u32("table")?);
    let (kind, index) = (input.u8("kind")?, IndexId(input.u32("index")?));
    let part = match kind {
        RECORDS => Part::Records,
        ORDERED => Part::Ordered(index),
        MIRRORS => Part::Mirrors,
        _ => return Err(input.corrupt("kind")),
    };
    let level = usize::from(input.u8("level")?);
    let seal = take_seal(input)?;
    let facts = RunFacts {
        seal,
        first: input.blob("first key")?.to_vec(),
        last: input.blob("last key")?.to_vec(),
        versions: input.u64("versions")?,
        deletions: input.u64("deletions")?,
        raw_bytes: input.u64("bytes before compression")?,
        newest: Timestamp(input.u64("latest begin")?),
    };
    Ok(Placed { tree: TreeName { table, part }, level, facts })
}

fn put_image(out: &mut Writer, image: &Imaged) {
    out.u32(image.name.table.0);
    out.u32(image.name.index.map_or(0, |index| index.0));
    out.u8(u8::from(image.kind == ImageKind::Changes));
    put_seal(out, image.seal);
    out.u64(image.count);
}

fn take_image(input: &mut Reader<'_>) -> Result<Imaged, Error> {
    let table = TableId(input.u32("table")?);
    let index = match input.u32("index")? {
        0 => None,
        index => Some(IndexId(index)),
    };
    let kind = match input.u8("kind")? {
        0 => ImageKind::Whole,
        1 => ImageKind::Changes,
        _ => return Err(input.corrupt("kind")),
    };
    let (seal, count) = (take_seal(input)?, input.u64("entries")?);
    Ok(Imaged { name: ImageName { table, index }, kind, seal, count })
}

fn put_seal(out: &mut Writer, seal: SegmentSeal) {
    out.u64(seal.id.0);
    out.u64(seal.file_bytes);
    out.u32(seal.checksum);
}

fn take_seal(input: &mut Reader<'_>) -> Result<SegmentSeal, Error> {
    let (id, file_bytes) = (SegmentId(input.u64("number")?), input.u64("bytes of the file")?);
    Ok(SegmentSeal { id, file_bytes, checksum: input.u32("checksum")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Edit {
        let run = |id, part| Placed {
            tree: TreeName { table: TableId(7), part },
            level: 2,
            facts: RunFacts {
                seal: SegmentSeal { id: SegmentId(id), file_bytes: 8192, checksum: 9 },
                first: b"a".to_vec(),
                last: b"zz".to_vec(),
                versions: 5,
                deletions: 1,
                raw_bytes: 100,
                newest: Timestamp(44),
            },
        };
        Edit {
            checkpoint: Some(Checkpoint {
                lsn: Lsn(12),
                last: Timestamp(44),
                txn_last: TxnId(8),
                catalog: Arc::new(Catalog::empty(2)),
                live: vec![(TableId(7), 4)],
                decisions: vec![(TxnId(3), Timestamp(40))],
                erasures: vec![erasure(b"a", None), erasure(b"", Some(b"q".to_vec()))],
            }),
            removed: vec![SegmentId(1)],
            added: vec![
                run(2, Part::Records),
                run(3, Part::Ordered(IndexId(6))),
                run(4, Part::Mirrors),
            ],
            images: vec![image(5, Some(6), ImageKind::Whole), image(8, None, ImageKind::Changes)],
        }
    }

    fn erasure(from: &[u8], to: Option<Vec<u8>>) -> (TableId, Erasure) {
        (TableId(7), Erasure { from: from.to_vec(), to, begin: Timestamp(42) })
    }

    fn image(id: u64, index: Option<u32>, kind: ImageKind) -> Imaged {
        let name = ImageName { table: TableId(7), index: index.map(IndexId) };
        let seal = SegmentSeal { id: SegmentId(id), file_bytes: 8192, checksum: 10 };
        Imaged { name, kind, seal, count: 3 }
    }

    #[test]
    fn an_edit_from_before_there_were_images_is_read() {
        let mut edit = Edit { images: Vec::new(), ..sample() };
        edit.checkpoint = None;
        let mut bytes = edit.encode();
        bytes.truncate(bytes.len() - 4);
        bytes[0] = FORMAT_BEFORE;
        let back = Edit::decode(&bytes).unwrap();
        assert_eq!(format!("{back:?}"), format!("{edit:?}"));
    }

    #[test]
    fn an_edit_from_before_there_were_emptied_ranges_is_read() {
        let mut edit = Edit { checkpoint: sample().checkpoint, ..Edit::default() };
        if let Some(checkpoint) = &mut edit.checkpoint {
            checkpoint.erasures.clear();
        }
        let mut bytes = edit.encode();
        // Four counts of nothing: one less.
        bytes.truncate(bytes.len() - 4);
        bytes[0] = FORMAT_OF_IMAGES;
        let back = Edit::decode(&bytes).unwrap();
        assert_eq!(format!("{back:?}"), format!("{edit:?}"));
    }

    #[test]
    fn an_edit_survives_its_bytes() {
        for edit in [sample(), Edit::default()] {
            let bytes = edit.encode();
            let back = Edit::decode(&bytes).unwrap();
            assert_eq!(format!("{back:?}"), format!("{edit:?}"));
        }
    }

    #[test]
    fn short_bytes_are_refused() {
        let bytes = sample().encode();
        for cut in 0..bytes.len() {
            assert!(matches!(Edit::decode(&bytes[..cut]), Err(Error::Corrupt(_))), "{cut}");
        }
    }
}
