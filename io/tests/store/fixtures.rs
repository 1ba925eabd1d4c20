//! Does today's code read the segments and manifests of every released version, and refuse their
//! damaged twins?
//!
//! To write the fixtures of a new version, run this test with `PIESKIEO_WRITE_FIXTURES=1` once.
//! Fixtures of released versions are never edited.

use std::path::{Path, PathBuf};

use pieskieo_io::codec::checksum::checksum;
use pieskieo_io::file::host;
use pieskieo_io::manifest::{self, ManifestContent};
use pieskieo_io::segment::{self, DamageKind, SegmentId, SegmentSeal, segment_name};
use pieskieo_io::sim::{SimOptions, World};

use crate::harness::{holding, identity, open, raw, read, run, small_parts, snapshot, write};

/// What the fixture's seal was when it was written.
const SEAL: SegmentSeal =
    SegmentSeal { id: SegmentId(3), file_bytes: 12288, checksum: 0xd001_a079 };
const MANIFEST: &str = "manifest-0000000002";

fn folder(kind: &str, variant: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fixtures.join(format!("{kind}-v1")).join(variant)
}

fn load(kind: &str, variant: &str) -> World {
    let folder = folder(kind, variant);
    let names = host::list(&folder).expect("the variant");
    let bytes = |name: &str| host::read(folder.join(name)).expect("a fixture file");
    holding(&names.iter().map(|name| (name.clone(), bytes(name))).collect::<Vec<_>>())
}

fn save(kind: &str, variant: &str, name: &str, bytes: &[u8]) {
    let folder = folder(kind, variant);
    host::create_folder(&folder).expect("a folder");
    host::write(folder.join(name), bytes).expect("written");
}

fn writing() -> bool {
    std::env::var_os("PIESKIEO_WRITE_FIXTURES").is_some()
}

#[test]
fn the_first_version_of_segments_is_read_and_its_damage_refused() {
    if writing() {
        write_segments();
    }
    let opened =
        |variant| run(&mut load("segment", variant), async move { read(identity(3), SEAL).await });
    assert_eq!(opened("whole").expect("whole"), raw(&small_parts()));
    let refused = |variant| match opened(variant).expect_err("refused") {
        segment::Error::Damaged(damage) => (damage.kind, damage.offset),
        other => panic!("{other}"),
    };
    assert_eq!(refused("flipped-bit"), (DamageKind::Checksum, 4096));
    assert_eq!(refused("cut-short"), (DamageKind::Length, 0));
    assert_eq!(refused("newer-version"), (DamageKind::Version, 0));
}

fn write_segments() {
    let mut world = World::new(1, SimOptions::default());
    let seal = run(&mut world, async { write(identity(3), &small_parts()).await });
    let (name, whole) = snapshot(&world).remove(0);
    assert_eq!((seal.expect("written"), name.as_str()), (SEAL, &*segment_name(SEAL.id)));
    save("segment", "whole", &name, &whole);
    let mut flipped = whole.clone();
    flipped[4100] ^= 0x20;
    save("segment", "flipped-bit", &name, &flipped);
    save("segment", "cut-short", &name, &whole[..8192]);
    let mut newer = whole.clone();
    newer[8] = 2;
    let sum = checksum(&newer[..40]);
    newer[40..44].copy_from_slice(&sum.to_le_bytes());
    save("segment", "newer-version", &name, &newer);
}

fn content(edits: u8) -> ManifestContent {
    let edits = (0..edits).map(|number| vec![number; 10 + 2500 * usize::from(number)]).collect();
    ManifestContent { snapshot: b"a snapshot of known content".to_vec(), edits }
}

#[test]
fn the_first_version_of_manifests_is_read_and_its_damage_refused() {
    if writing() {
        write_manifests();
    }
    let opened = |variant| {
        run(&mut load("manifest", variant), async { open().await.map(|(_, content)| content) })
    };
    assert_eq!(opened("whole").expect("whole"), Some(content(3)));
    assert_eq!(opened("torn-tail").expect("a torn tail is dropped"), Some(content(2)));
    let refused = |variant| match opened(variant).expect_err("refused") {
        manifest::Error::Damaged(damage) => (damage.kind, damage.offset),
        other => panic!("{other}"),
    };
    assert_eq!(refused("flipped-bit"), (manifest::DamageKind::Edit, 8192));
    assert_eq!(refused("lost-snapshot"), (manifest::DamageKind::Snapshot, 4096));
    assert_eq!(refused("newer-version"), (manifest::DamageKind::Version, 0));
}

fn write_manifests() {
    let mut world = World::new(1, SimOptions::default());
    run(&mut world, async {
        let (manifest, _) = open().await.expect("opened");
        manifest.append(b"before").await.expect("durable");
        manifest.rewrite(&content(0).snapshot).await.expect("durable");
        for edit in content(3).edits {
            manifest.append(&edit).await.expect("durable");
        }
    });
    let (name, whole) = snapshot(&world).remove(0);
    assert_eq!(name, MANIFEST);
    let variant = |variant: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        save("manifest", variant, &name, &bytes);
    };
    variant("whole", &|_| {});
    variant("torn-tail", &|bytes| {
        let last = bytes.len() - 4096;
        bytes[last..].fill(0);
    });
    variant("flipped-bit", &|bytes| bytes[8192 + 35] ^= 0x20);
    variant("lost-snapshot", &|bytes| bytes[4096..8192].fill(0));
    variant("newer-version", &|bytes| {
        bytes[8] = 2;
        let sum = checksum(&bytes[..48]);
        bytes[48..52].copy_from_slice(&sum.to_le_bytes());
    });
}
