//! What do the tests of segments and manifests share?

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use pieskieo_io::file::Dir;
use pieskieo_io::manifest::{self, Manifest, ManifestContent, ManifestIdentity};
use pieskieo_io::segment::{
    Codec, Error, PartKind, Result, Segment, SegmentId, SegmentIdentity, SegmentSeal, SegmentWriter,
};
use pieskieo_io::sim::{SimOptions, World};
use pieskieo_io::wal::StreamId;

pub const DIR: &str = "/store";

pub async fn dir() -> Dir {
    Dir::create(DIR).await.expect("a directory")
}

pub fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// Runs `main` on a machine with one core.
pub fn run<T: 'static>(world: &mut World, main: impl Future<Output = T> + 'static) -> T {
    let main = Rc::new(RefCell::new(Some(main)));
    let outcome = world.run(1, move |_| main.borrow_mut().take().expect("one core"));
    outcome.finished().pop().expect("one core")
}

/// Everything in the directory, for comparing.
pub fn snapshot(world: &World) -> Vec<(String, Vec<u8>)> {
    let bytes = |name: &str| world.file_bytes(&path(name)).expect("a listed file");
    let names = world.file_names(Path::new(DIR)).into_iter();
    names.map(|name| (name.clone(), bytes(&name))).collect()
}

/// Returns a machine whose disk durably holds these files.
pub fn holding(files: &[(String, Vec<u8>)]) -> World {
    let mut world = World::new(1, SimOptions::default());
    let files = files.to_vec();
    run(&mut world, async move {
        let dir = dir().await;
        for (name, bytes) in &files {
            dir.write_small_atomically(name, bytes).await.expect("written");
        }
    });
    world
}

pub fn identity(id: u64) -> SegmentIdentity {
    SegmentIdentity { database: *b"fixture database", stream: StreamId(1), id: SegmentId(id) }
}

/// A part and its blocks.
pub type Part = (PartKind, Vec<(Vec<u8>, Codec)>);

pub async fn write(identity: SegmentIdentity, parts: &[Part]) -> Result<SegmentSeal> {
    let mut writer = SegmentWriter::create(&dir().await, identity).await?;
    for (kind, blocks) in parts {
        writer.begin_part(*kind);
        for (raw, codec) in blocks {
            writer.put(raw, *codec).await?;
        }
    }
    writer.finish().await
}

/// Opens a segment and reads everything, each block alone and all together.
pub async fn read(
    identity: SegmentIdentity,
    seal: SegmentSeal,
) -> Result<Vec<(PartKind, Vec<Vec<u8>>)>> {
    let segment = Segment::open(&dir().await, identity, seal).await?;
    let mut parts = Vec::new();
    for kind in segment.part_kinds() {
        let count = segment.block_count(kind);
        let blocks = segment.read_run(kind, 0, count).await?;
        for (block, index) in blocks.iter().zip(0..) {
            assert_eq!(&segment.read(kind, index).await?, block);
        }
        assert_eq!(segment.read_part(kind).await?, blocks.concat());
        parts.push((kind, blocks));
    }
    Ok(parts)
}

/// Returns what `read` returns for these parts.
pub fn raw(parts: &[Part]) -> Vec<(PartKind, Vec<Vec<u8>>)> {
    let raw = |blocks: &[(Vec<u8>, Codec)]| blocks.iter().map(|(raw, _)| raw.clone()).collect();
    parts.iter().map(|(kind, blocks)| (*kind, raw(blocks))).collect()
}

/// Returns a few short blocks of every codec.
pub fn small_parts() -> Vec<Part> {
    let block = |fill: u8, bytes: usize| -> Vec<u8> {
        (0..bytes).map(|index| fill.wrapping_add((index / 90) as u8)).collect()
    };
    let rows = vec![
        (block(1, 700), Codec::Lz4),
        (block(2, 900), Codec::Zstd),
        (block(3, 40), Codec::Plain),
        (Vec::new(), Codec::Lz4),
        (b"does not shrink".to_vec(), Codec::Zstd),
    ];
    vec![
        (PartKind(7), rows),
        (PartKind(1), vec![(block(9, 300), Codec::Lz4)]),
        (PartKind(2), vec![]),
    ]
}

#[track_caller]
pub fn damage(error: Error) -> pieskieo_io::segment::Damage {
    let Error::Damaged(damage) = error else { panic!("not damage: {error}") };
    *damage
}

pub fn owner() -> ManifestIdentity {
    ManifestIdentity { database: *b"fixture database", stream: StreamId(1) }
}

pub async fn open() -> manifest::Result<(Manifest, Option<ManifestContent>)> {
    Manifest::open(&dir().await, owner()).await
}
