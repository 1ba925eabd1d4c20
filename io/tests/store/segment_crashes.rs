//! Is a finished segment whole after a power cut, and an unfinished one only a draft?

use pieskieo_io::segment::{
    Codec, Error, PartKind, SegmentId, SegmentSeal, SegmentWriter, parse_segment_draft_name,
    segment_name,
};
use pieskieo_io::sim::{Outcome, SimOptions, World};

use crate::harness::{DIR, Part, damage, dir, identity, path, raw, read, run, small_parts, write};

/// Returns parts that take several requests.
fn large_parts() -> Vec<Part> {
    let noise = |seed: u64, bytes: usize| -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 56) as u8
        };
        (0..bytes).map(|_| next()).collect()
    };
    let blocks = (0..8).map(|number| (noise(number, 700_000), Codec::Plain)).collect();
    let mut parts = small_parts();
    parts.insert(0, (PartKind(100), blocks));
    parts
}

/// Returns the seal these parts get; there is nothing random in a segment.
fn seal_of(parts: &[Part]) -> (SegmentSeal, u64) {
    let mut world = World::new(0, SimOptions::default());
    let parts = parts.to_vec();
    let seal = run(&mut world, async move { write(identity(1), &parts).await });
    (seal.expect("written"), world.operations())
}

/// Checks what is on the disk; returns whether the segment is.
fn check(world: &mut World, seal: SegmentSeal, parts: &[Part], context: &str) -> bool {
    for name in world.file_names(std::path::Path::new(DIR)) {
        let ours = name == segment_name(SegmentId(1));
        assert!(ours || parse_segment_draft_name(&name) == Some(SegmentId(1)), "{name}");
    }
    let there = world.file_bytes(&path(&segment_name(SegmentId(1)))).is_some();
    let found = run(world, async move { read(identity(1), seal).await });
    match found {
        Ok(found) => assert_eq!(found, raw(parts), "{context}"),
        Err(error) => assert!(!there, "{context}: {error}"),
    }
    there
}

fn cut_everywhere(parts: &[Part], seeds: std::ops::Range<u64>) {
    let (seal, operations) = seal_of(parts);
    for seed in seeds {
        for cut in 1..=operations {
            let mut world = World::new(seed, SimOptions::default());
            world.change(|options| options.crash_at_operation = Some(cut));
            let again = parts.to_vec();
            let outcome = world.run(1, move |_| {
                let parts = again.clone();
                async move { write(identity(1), &parts).await }
            });
            assert!(matches!(outcome, Outcome::Crashed), "seed {seed}, cut {cut}: {outcome:?}");
            world.change(|options| options.crash_at_operation = None);
            let there = check(&mut world, seal, parts, &format!("seed {seed}, cut {cut}"));
            if !there {
                let again = parts.to_vec();
                let sealed = run(&mut world, async move { write(identity(1), &again).await });
                assert_eq!(sealed.expect("a second try"), seal);
            }
            world.crash();
            assert!(check(&mut world, seal, parts, &format!("seed {seed}, cut {cut}, again")));
        }
    }
}

#[test]
fn a_cut_anywhere_leaves_a_whole_segment_or_a_draft() {
    cut_everywhere(&small_parts(), 0..60);
}

#[test]
fn a_cut_between_requests_leaves_a_whole_segment_or_a_draft() {
    cut_everywhere(&large_parts(), 100..104);
}

/// Writes on a disk with faults; a success must survive a power cut.
fn faulty(seeds: std::ops::Range<u64>, parts: &[Part], faults: fn(&mut SimOptions)) -> (u32, u32) {
    let (seal, _) = seal_of(parts);
    let (mut finished, mut failed) = (0, 0);
    for seed in seeds {
        let mut world = World::new(seed, SimOptions::default());
        world.change(faults);
        let again = parts.to_vec();
        let sealed = run(&mut world, async move { write(identity(1), &again).await });
        world.crash();
        world.change(|options| *options = SimOptions::default());
        let there = check(&mut world, seal, parts, &format!("seed {seed}"));
        match sealed {
            Ok(found) => {
                assert_eq!(found, seal);
                assert!(there, "seed {seed}: a finished segment is gone");
                finished += 1;
            }
            Err(Error::Disk(_)) => failed += 1,
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }
    (finished, failed)
}

#[test]
fn a_failed_sync_finishes_nothing() {
    let (finished, failed) =
        faulty(0..200, &small_parts(), |options| options.sync_fault_ppm = 300_000);
    assert!(finished > 20 && failed > 20, "{finished} finished, {failed} failed");
}

#[test]
fn a_failed_write_finishes_nothing() {
    let (finished, failed) =
        faulty(300..330, &large_parts(), |options| options.write_fault_ppm = 100_000);
    assert!(finished > 3 && failed > 3, "{finished} finished, {failed} failed");
}

#[test]
fn a_full_disk_is_named() {
    let mut world = World::new(1, SimOptions::default());
    world.change(|options| options.disk_bytes_max = 3 << 20);
    let sealed = run(&mut world, async { write(identity(1), &large_parts()).await });
    assert!(sealed.expect_err("no room").is_full());
    let seal = seal_of(&large_parts()).0;
    let missing = run(&mut world, async move { read(identity(1), seal).await });
    damage(missing.expect_err("only a draft"));
}

#[test]
fn a_failed_writer_fails_everything_after() {
    let mut world = World::new(1, SimOptions::default());
    let mut writer = run(&mut world, async {
        let created = SegmentWriter::create(&dir().await, identity(1)).await;
        let mut writer = created.expect("created");
        writer.begin_part(PartKind(0));
        writer
    });
    world.change(|options| options.write_fault_ppm = 1_000_000);
    run(&mut world, async move {
        let block = vec![1; 600_000];
        let mut results = Vec::new();
        for _ in 0..20 {
            results.push(writer.put(&block, Codec::Plain).await.map(drop));
        }
        let first = results.iter().position(Result::is_err).expect("a request is awaited");
        assert!(results[first..].iter().all(|result| matches!(result, Err(Error::Disk(_)))));
        assert!(matches!(writer.finish().await, Err(Error::Disk(_))));
    });
}
