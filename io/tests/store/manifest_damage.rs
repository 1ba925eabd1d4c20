//! Is damage to acknowledged edits always refused, and a torn end always dropped?

use proptest::prelude::*;

use pieskieo_io::file::AlignedBuffer;
use pieskieo_io::manifest::{
    Damage, DamageKind, Error, Manifest, ManifestContent, ManifestIdentity, inspect,
};
use pieskieo_io::sim::{Outcome, SimOptions, World};
use pieskieo_io::wal::StreamId;

use crate::harness::{dir, holding, open, owner, path, run, snapshot};

const FIRST: &str = "manifest-0000000001";
const SECOND: &str = "manifest-0000000002";

fn content(edits: usize) -> ManifestContent {
    let edits = (0..edits).map(|number| edit(number as u8)).collect();
    ManifestContent { snapshot: vec![0xaa; 5000], edits }
}

/// The second edit takes two blocks.
fn edit(number: u8) -> Vec<u8> {
    vec![number; if number == 1 { 6000 } else { 100 }]
}

/// Returns the files of generation 2, with a snapshot of two blocks and four edits, and of the
/// first generation, which it has replaced.
fn files() -> (Vec<u8>, Vec<u8>) {
    let mut world = World::new(5, SimOptions::default());
    run(&mut world, async {
        let (manifest, _) = open().await.expect("opened");
        manifest.append(b"old").await.expect("durable");
    });
    let first = world.file_bytes(&path(FIRST)).expect("a file");
    run(&mut world, async {
        let (manifest, _) = open().await.expect("opened");
        manifest.rewrite(&content(0).snapshot).await.expect("durable");
        for number in 0..4 {
            manifest.append(&edit(number)).await.expect("durable");
        }
    });
    let second = world.file_bytes(&path(SECOND)).expect("a file");
    assert_eq!(second.len(), 4096 * (1 + 2 + 1 + 2 + 1 + 1));
    (first, second)
}

fn with(bytes: Vec<u8>) -> World {
    holding(&[(SECOND.to_owned(), bytes)])
}

fn opened(world: &mut World) -> Result<Option<ManifestContent>, Damage> {
    match run(world, async { open().await.map(|(_, content)| content) }) {
        Ok(content) => Ok(content),
        Err(Error::Damaged(damage)) => Err(*damage),
        Err(other) => panic!("{other}"),
    }
}

#[track_caller]
fn refused(world: &mut World) -> Damage {
    let text = run(world, async { inspect(&dir().await).await.expect("readable") });
    let before = snapshot(world);
    let damage = opened(world).expect_err("refused");
    assert_eq!(before, snapshot(world), "a refused manifest is left as it was");
    let foreign = damage.kind == DamageKind::Identity;
    assert!(text.contains("damage: ") || foreign, "{damage} is seen by inspect too:\n{text}");
    damage
}

#[test]
fn every_flipped_byte_is_noticed() {
    let (_, whole) = files();
    let last = whole.len() - 4096;
    for offset in (0..whole.len()).filter(|offset| offset % 4096 < 200 || offset % 5 == 0) {
        let mut broken = whole.clone();
        broken[offset] ^= 1 << (offset % 8);
        let mut world = with(broken);
        if offset < last {
            let damage = refused(&mut world);
            assert_eq!(damage.file, SECOND);
            assert!(damage.offset <= offset as u64, "{damage} for byte {offset}");
        } else {
            assert_eq!(opened(&mut world), Ok(Some(content(3))), "byte {offset}");
        }
    }
}

#[test]
fn a_torn_end_is_dropped_and_never_met_again() {
    let (_, whole) = files();
    let last = whole.len() - 4096;
    let mut torn = whole.clone();
    torn[last + 50] ^= 1;
    let mut world = with(torn);
    assert_eq!(opened(&mut world), Ok(Some(content(3))));
    let names: Vec<String> = snapshot(&world).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, vec!["manifest-0000000003"], "a new generation, the torn one removed");
    run(&mut world, async {
        let (manifest, _) = open().await.expect("opened");
        manifest.append(&edit(3)).await.expect("durable");
    });
    assert_eq!(opened(&mut world), Ok(Some(content(4))));
}

#[test]
fn a_file_cut_short_loses_only_its_end() {
    let (_, whole) = files();
    let frames = [12288, 16384, 24576, 28672, 32768];
    for cut in (0..=whole.len()).step_by(512) {
        let mut world = with(whole[..cut].to_vec());
        match frames.iter().filter(|end| **end <= cut).count() {
            0 => drop(refused(&mut world)),
            count => assert_eq!(opened(&mut world), Ok(Some(content(count - 1))), "{cut} bytes"),
        }
    }
}

#[test]
fn zeros_behind_the_end_are_a_torn_frame() {
    let (_, whole) = files();
    let mut world = with([whole, vec![0; 8192]].concat());
    assert_eq!(opened(&mut world), Ok(Some(content(4))));
    assert_eq!(snapshot(&world).len(), 1);
}

#[test]
fn a_manifest_of_another_owner_is_refused() {
    let (_, whole) = files();
    let database = ManifestIdentity { database: [0; 16], ..owner() };
    let stream = ManifestIdentity { stream: StreamId(9), ..owner() };
    for other in [database, stream] {
        let error = run(&mut with(whole.clone()), async move {
            Manifest::open(&dir().await, other).await.expect_err("refused")
        });
        let Error::Damaged(damage) = error else { panic!("{error}") };
        assert_eq!(damage.kind, DamageKind::Identity);
    }
    let mut renamed = holding(&[("manifest-0000000007".to_owned(), whole)]);
    assert_eq!(refused(&mut renamed).kind, DamageKind::Identity);
}

#[test]
fn the_newer_of_two_whole_generations_wins() {
    let (first, second) = files();
    let both = [(FIRST.to_owned(), first), (SECOND.to_owned(), second)];
    let mut world = holding(&both);
    assert_eq!(opened(&mut world), Ok(Some(content(4))));
    assert_eq!(snapshot(&world).len(), 1, "the older one is removed");
}

#[test]
fn an_older_generation_never_stands_in_for_a_damaged_one() {
    let (first, second) = files();
    for (offset, kind) in
        [(3, DamageKind::Magic), (20, DamageKind::Header), (5000, DamageKind::Snapshot)]
    {
        let mut broken = second.clone();
        broken[offset] ^= 1;
        let both = [(FIRST.to_owned(), first.clone()), (SECOND.to_owned(), broken)];
        assert_eq!(refused(&mut holding(&both)).kind, kind);
    }
    let both = [(FIRST.to_owned(), first.clone()), (SECOND.to_owned(), Vec::new())];
    assert_eq!(refused(&mut holding(&both)).kind, DamageKind::Length);
    let cut = second[..8192].to_vec();
    let both = [(FIRST.to_owned(), first), (SECOND.to_owned(), cut)];
    assert_eq!(refused(&mut holding(&both)).kind, DamageKind::Snapshot);
}

#[test]
fn a_draft_is_removed() {
    let (first, second) = files();
    let cut = second[..4096].to_vec();
    let mut world = holding(&[(FIRST.to_owned(), first), (format!("{SECOND}.draft"), cut)]);
    let old = ManifestContent { snapshot: vec![], edits: vec![b"old".to_vec()] };
    assert_eq!(opened(&mut world), Ok(Some(old)));
    assert_eq!(snapshot(&world).len(), 1);
}

#[test]
fn bytes_of_an_edit_cannot_look_like_a_frame() {
    // The end of the first file, inside an edit of the second, torn in its first block.
    let (_, whole) = files();
    let mut world = with(whole.clone());
    run(&mut world, async move {
        let (manifest, _) = open().await.expect("opened");
        let rest = &whole[12288..];
        let mut edit = vec![0; 4096 - 32];
        edit.extend_from_slice(rest);
        manifest.rewrite(b"new").await.expect("durable");
        manifest.append(&edit).await.expect("durable");
    });
    let (name, mut bytes) = snapshot(&world).remove(0);
    bytes[8192 + 40] ^= 1;
    let kept = opened(&mut holding(&[(name, bytes)]));
    assert_eq!(kept, Ok(Some(ManifestContent { snapshot: b"new".to_vec(), edits: vec![] })));
}

#[test]
fn a_dropped_append_closes_the_manifest() {
    let mut world = World::new(1, SimOptions::default());
    run(&mut world, async {
        let (manifest, _) = open().await.expect("opened");
        manifest.append(b"one").await.expect("durable");
        let dropped = manifest.append(b"two");
        let short = std::time::Duration::from_micros(1);
        assert!(pieskieo_io::rt::timeout(short, dropped).await.is_err());
        assert!(matches!(manifest.append(b"three").await, Err(Error::Fenced(_))));
        assert!(matches!(manifest.rewrite(b"four").await, Err(Error::Fenced(_))));
        assert!(manifest.failure().is_some());
    });
}

#[test]
fn two_appends_at_once_are_a_bug() {
    let mut world = World::new(1, SimOptions::default());
    let outcome = world.run(1, |_| async {
        let (manifest, _) = open().await.expect("opened");
        let (one, two) = (manifest.append(b"one"), manifest.append(b"two"));
        futures::future::join(one, two).await.0
    });
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
}

#[test]
fn an_edit_beyond_the_limit_is_refused_and_the_manifest_goes_on() {
    let mut world = World::new(1, SimOptions::default());
    run(&mut world, async {
        let (manifest, _) = open().await.expect("opened");
        let long = vec![0; pieskieo_io::manifest::limits::BODY_BYTES_MAX + 1];
        let refused = manifest.append(&long).await.expect_err("too long");
        assert!(matches!(refused, Error::TooLarge { .. }), "{refused}");
        let refused = manifest.rewrite(&long).await.expect_err("too long");
        assert!(matches!(refused, Error::TooLarge { .. }), "{refused}");
        manifest.append(&long[1..]).await.expect("just fits");
        let mut count = 1;
        let full = loop {
            match manifest.append(&long[1..]).await {
                Ok(()) => count += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(full, Error::TooLarge { .. }), "{full}");
        assert_eq!(count, 3, "of 64 MiB each, and their headers");
        manifest.rewrite(b"short").await.expect("room again");
        manifest.append(b"one").await.expect("durable");
    });
}

/// An edit of one block, named by its number.
fn numbered(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(1500)
}

#[test]
fn a_manifest_goes_on_after_the_disk_was_full() {
    let mut world = World::new(1, SimOptions::default());
    world.change(|options| options.disk_bytes_max = 256 << 10);
    run(&mut world, async {
        let ballast = dir().await.create_file("ballast", 0).await.expect("created");
        let zeros = AlignedBuffer::zeroed(64 << 10);
        ballast.write_at(zeros, 0).await.expect("there is room");
        let (manifest, _) = open().await.expect("opened");
        let mut next = 0;
        let full = loop {
            match manifest.append(&numbered(next)).await {
                Ok(()) => next += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(full, Error::Full(_)), "{full}");
        assert!(next > 3, "something fits");
        let full = manifest.rewrite(&numbered(999).repeat(4)).await.expect_err("no room");
        assert!(matches!(full, Error::Full(_)), "{full}");
        assert!(manifest.failure().is_none());
        dir().await.remove("ballast").await.expect("removed");
        manifest.append(&numbered(next)).await.expect("durable");
        manifest.append(b"short").await.expect("durable");
        let (_, content) = open().await.expect("opened again");
        let mut edits: Vec<_> = (0..=next).map(numbered).collect();
        edits.push(b"short".to_vec());
        assert_eq!(content.expect("a manifest").edits, edits);
        manifest.rewrite(b"all of it").await.expect("there is room");
    });
    let (_, content) = run(&mut world, open()).expect("opened");
    assert_eq!(content.expect("a manifest").snapshot, b"all of it");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever stands in the file, opening returns; what it accepts is a beginning of the edits.
    #[test]
    fn any_bytes_are_refused_or_cut(
        at in 0..8usize * 4096,
        bytes in proptest::collection::vec(any::<u8>(), 1..9000),
    ) {
        let (_, mut whole) = files();
        let end = (at + bytes.len()).min(whole.len());
        whole[at..end].copy_from_slice(&bytes[..end - at]);
        if let Ok(found) = opened(&mut with(whole)) {
            let found = found.expect("a manifest");
            // Only what reaches into the last frame's header can pass for a torn end.
            prop_assert!(found.edits.len() >= 3 || at + bytes.len() > 7 * 4096);
            let count = found.edits.len();
            prop_assert_eq!(found, content(count));
        }
    }
}
