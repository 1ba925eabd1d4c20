//! Do segments and manifests work the same on both back ends?

use std::path::PathBuf;

use pieskieo_io::file::{Dir, OpenOptions};
use pieskieo_io::manifest::{self, Manifest, ManifestContent, ManifestIdentity};
use pieskieo_io::segment::{
    self, Codec, DamageKind, PartKind, Segment, SegmentId, SegmentIdentity, SegmentSeal,
    SegmentWriter,
};
use pieskieo_io::wal::StreamId;

use crate::both;

const ROWS: PartKind = PartKind(1);
const VECTORS: PartKind = PartKind(2);
const NOTHING: PartKind = PartKind(3);

fn identity(id: u64) -> SegmentIdentity {
    SegmentIdentity { database: [9; 16], stream: StreamId(2), id: SegmentId(id) }
}

/// Returns a block: the odd ones shrink, the even ones do not.
fn block(number: u32, bytes: usize) -> Vec<u8> {
    if number % 2 == 1 {
        return vec![7; bytes];
    }
    let mut state = u64::from(number);
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

fn rows() -> Vec<Vec<u8>> {
    (0..40).map(|number| block(number, (number as usize * 7919) % 130_000)).collect()
}

fn vectors() -> Vec<Vec<u8>> {
    vec![block(0, 3 << 20), block(1, 0), block(2, 2 << 20), block(3, 5 << 20), block(4, 10)]
}

async fn write(dir: &Dir) -> SegmentSeal {
    let mut writer = SegmentWriter::create(dir, identity(7)).await.unwrap();
    writer.begin_part(ROWS);
    for (raw, number) in rows().iter().zip(0..) {
        let codec = Codec::ALL[number as usize % 3].1;
        assert_eq!(writer.put(raw, codec).await.unwrap(), number);
    }
    writer.begin_part(VECTORS);
    for raw in &vectors() {
        writer.put(raw, Codec::Lz4).await.unwrap();
    }
    assert!(writer.stored_bytes() > 5 << 20);
    writer.begin_part(NOTHING);
    writer.finish().await.unwrap()
}

#[test]
fn blocks_of_a_segment_come_back() {
    both(1, |_, path: PathBuf| async move {
        let dir = Dir::create(&path).await.unwrap();
        let seal = write(&dir).await;
        assert_eq!(dir.list().await.unwrap(), vec![segment::segment_name(SegmentId(7))]);
        let segment = Segment::open(&dir, identity(7), seal).await.unwrap();
        assert_eq!(segment.seal(), seal);
        assert!(segment.part_kinds().eq([ROWS, VECTORS, NOTHING]));
        for (kind, blocks) in [(ROWS, rows()), (VECTORS, vectors()), (NOTHING, Vec::new())] {
            assert!(segment.has_part(kind));
            assert_eq!(segment.block_count(kind) as usize, blocks.len());
            assert_eq!(segment.read_run(kind, 0, blocks.len() as u32).await.unwrap(), blocks);
            assert_eq!(segment.read_part(kind).await.unwrap(), blocks.concat());
            for (raw, number) in blocks.iter().zip(0..) {
                assert_eq!(segment.block_bytes(kind, number), raw.len());
                assert_eq!(&segment.read(kind, number).await.unwrap(), raw);
            }
        }
        assert_eq!(segment.read_run(ROWS, 5, 9).await.unwrap(), rows()[5..14]);
        assert!(!segment.has_part(PartKind(4)));
        assert_eq!(segment.block_count(PartKind(4)), 0);
        assert_eq!(segment.read_part(PartKind(4)).await.unwrap(), b"");
        for (kind, first, count) in [(ROWS, 40, 1), (ROWS, 39, 2), (PartKind(4), 0, 1)] {
            let missing = segment.read_run(kind, first, count).await.unwrap_err();
            assert!(matches!(missing, segment::Error::NoBlock { .. }), "{missing}");
        }
        assert_eq!(segment.verify().await.unwrap(), vec![]);
        assert!(segment.memory_bytes() > 45 * 24);
        let text = segment::inspect(&dir, SegmentId(7)).await.unwrap();
        assert!(text.contains("part 2: 5 blocks") && !text.contains("damage"), "{text}");
        segment.close().await;
    });
}

#[test]
fn a_segment_is_made_once_and_a_draft_again() {
    both(1, |_, path: PathBuf| async move {
        let dir = Dir::create(&path).await.unwrap();
        let draft = SegmentWriter::create(&dir, identity(7)).await.unwrap();
        let names = dir.list().await.unwrap();
        assert_eq!(segment::parse_segment_draft_name(&names[0]), Some(SegmentId(7)));
        draft.discard().await.unwrap();
        assert_eq!(dir.list().await.unwrap(), Vec::<String>::new());
        drop(SegmentWriter::create(&dir, identity(7)).await.unwrap());
        write(&dir).await;
        let refused = SegmentWriter::create(&dir, identity(7)).await.err().unwrap();
        assert!(matches!(refused, segment::Error::Exists { .. }), "{refused}");
    });
}

async fn reopen(dir: &Dir) -> (Manifest, Option<ManifestContent>) {
    let identity = ManifestIdentity { database: [9; 16], stream: StreamId(2) };
    Manifest::open(dir, identity).await.unwrap()
}

#[test]
fn edits_of_a_manifest_come_back() {
    both(1, |_, path: PathBuf| async move {
        let dir = Dir::create(&path).await.unwrap();
        let (manifest, content) = reopen(&dir).await;
        assert_eq!((content, manifest.bytes()), (None, 0));
        manifest.append(b"one").await.unwrap();
        manifest.append(&[2; 9000]).await.unwrap();
        assert_eq!(manifest.bytes(), 4096 * (1 + 1 + 1 + 3));
        let (manifest, content) = reopen(&dir).await;
        let edits = vec![b"one".to_vec(), vec![2; 9000]];
        assert_eq!(content, Some(ManifestContent { snapshot: vec![], edits }));
        manifest.append(b"").await.unwrap();
        manifest.rewrite(&[4; 2 << 20]).await.unwrap();
        assert_eq!(dir.list().await.unwrap(), vec!["manifest-0000000002"]);
        manifest.append(b"five").await.unwrap();
        let (manifest, content) = reopen(&dir).await;
        let (snapshot, edits) = (vec![4; 2 << 20], vec![b"five".to_vec()]);
        assert_eq!(content, Some(ManifestContent { snapshot, edits }));
        assert_eq!(manifest.bytes(), 4096 * (1 + 513 + 1));
        let text = manifest::inspect(&dir).await.unwrap();
        assert!(text.contains("sequence 2, edit, 4 bytes") && !text.contains("damage"), "{text}");
    });
}

/// Flips a bit of a file, past everything that might notice.
async fn flip(dir: &Dir, name: &str, offset: u64) {
    let file = dir.open_file(name, OpenOptions::default()).await.unwrap();
    let block = offset / 4096 * 4096;
    let mut bytes = file.read_at(block, 4096).await.unwrap();
    bytes[(offset % 4096) as usize] ^= 4;
    file.write_at(bytes, block).await.unwrap();
    file.close().await.unwrap();
}

#[test]
fn a_flipped_bit_of_a_segment_is_named() {
    both(1, |_, path: PathBuf| async move {
        let dir = Dir::create(&path).await.unwrap();
        let seal = write(&dir).await;
        let name = segment::segment_name(SegmentId(7));
        let segment = Segment::open(&dir, identity(7), seal).await.unwrap();
        let place = (2 << 20) + 17;
        flip(&dir, &name, place).await;
        let found = segment.verify().await.unwrap();
        assert_eq!((found.len(), found[0].kind), (1, DamageKind::Checksum));
        let (kind, block) = found[0].block.unwrap();
        let segment::Error::Damaged(damage) = segment.read(kind, block).await.unwrap_err() else {
            panic!("no damage")
        };
        assert_eq!(*damage, found[0]);
        assert!(segment.read(kind, block + 1).await.is_ok(), "only this block is lost");
        flip(&dir, &name, place).await;
        flip(&dir, &name, seal.file_bytes - 4096 + 40).await;
        let refused = Segment::open(&dir, identity(7), seal).await.unwrap_err();
        assert!(matches!(refused, segment::Error::Damaged(_)), "{refused}");
    });
}

#[test]
fn a_damaged_edit_is_refused_and_a_torn_one_dropped() {
    both(1, |_, path: PathBuf| async move {
        let dir = Dir::create(&path).await.unwrap();
        let (manifest, _) = reopen(&dir).await;
        manifest.append(b"one").await.unwrap();
        manifest.append(b"two").await.unwrap();
        drop(manifest);
        flip(&dir, "manifest-0000000001", 8192 + 33).await;
        let identity = ManifestIdentity { database: [9; 16], stream: StreamId(2) };
        let refused = Manifest::open(&dir, identity).await.unwrap_err();
        assert!(matches!(refused, manifest::Error::Damaged(_)), "{refused}");
        flip(&dir, "manifest-0000000001", 8192 + 33).await;
        flip(&dir, "manifest-0000000001", 12288 + 33).await;
        let (manifest, content) = reopen(&dir).await;
        assert_eq!(content.unwrap().edits, vec![b"one".to_vec()]);
        manifest.append(b"three").await.unwrap();
        assert_eq!(dir.list().await.unwrap(), vec!["manifest-0000000002"]);
        let edits = reopen(&dir).await.1.unwrap().edits;
        assert_eq!(edits, vec![b"one".to_vec(), b"three".to_vec()]);
    });
}
