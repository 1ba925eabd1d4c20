//! Does every acknowledged edit survive power cuts, failed syncs and failed writes?

use std::cell::RefCell;
use std::rc::Rc;

use pieskieo_io::manifest::{Error, ManifestContent};
use pieskieo_io::sim::{Outcome, SimOptions, World};

use crate::harness::open;

/// What the test knows: the manifest says which numbers were added, as a list.
#[derive(Debug, Default)]
struct Model {
    /// Numbers whose edits were acknowledged.
    acknowledged: Vec<u64>,
    /// The number whose edit was under way when the run ended.
    pending: Option<u64>,
    /// The next number.
    next: u64,
}

/// Returns an edit that adds a number; of any length up to three blocks.
fn edit(number: u64) -> Vec<u8> {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let mut edit = number.to_le_bytes().to_vec();
    edit.resize(8 + if mixed.is_multiple_of(3) { mixed % 10_000 } else { 20 } as usize, 7);
    edit
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(*bytes.first_chunk().expect("eight bytes"))
}

fn numbers(content: Option<ManifestContent>) -> Vec<u64> {
    let content = content.unwrap_or_default();
    let mut all: Vec<u64> = content.snapshot.chunks(8).map(number).collect();
    for bytes in &content.edits {
        assert_eq!(*bytes, edit(number(bytes)), "an edit is whole");
        all.push(number(bytes));
    }
    all
}

/// Opens, checks what came back, and adds numbers until something stops it.
async fn serve(model: Rc<RefCell<Model>>, seed: u64) -> Result<(), Error> {
    let (manifest, content) = open().await?;
    let found = numbers(content);
    {
        let mut model = model.borrow_mut();
        let Model { acknowledged, pending, .. } = &mut *model;
        let mut with_pending = acknowledged.clone();
        with_pending.extend(pending.take());
        let known = found == *acknowledged || found == with_pending;
        assert!(known, "seed {seed}: {found:?}, not {acknowledged:?} or {with_pending:?}");
        // What was returned once stays.
        *acknowledged = found;
    }
    for _ in 0..12 {
        let number = {
            let mut model = model.borrow_mut();
            model.next += 1;
            model.pending = Some(model.next);
            model.next
        };
        manifest.append(&edit(number)).await?;
        let snapshot = {
            let mut model = model.borrow_mut();
            model.pending = None;
            model.acknowledged.push(number);
            let full = manifest.bytes() > 40_000;
            full.then(|| model.acknowledged.iter().flat_map(|n| n.to_le_bytes()).collect())
        };
        if let Some(snapshot) = snapshot {
            let snapshot: Vec<u8> = snapshot;
            manifest.rewrite(&snapshot).await?;
        }
    }
    Ok(())
}

/// Runs one machine through several lives; returns its trace.
fn lives(seed: u64, faults: impl Fn(&mut SimOptions, u64)) -> u64 {
    let mut world = World::new(seed, SimOptions::default());
    let model = Rc::new(RefCell::new(Model::default()));
    for life in 0..8u64 {
        let mixed = (seed * 8 + life).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        world.change(|options| {
            options.crash_at_operation = Some(1 + mixed % 70);
            faults(options, life);
        });
        let shared = model.clone();
        match world.run(1, move |_| serve(shared.clone(), seed)) {
            Outcome::Crashed => {}
            Outcome::Finished(results) => {
                for result in results {
                    check_failure(result, seed);
                }
                if mixed.is_multiple_of(3) {
                    world.crash();
                }
            }
            other => panic!("seed {seed}, life {life}: {other:?}"),
        }
    }
    world.change(|options| *options = SimOptions::default());
    let shared = model.clone();
    let last = world.run(1, move |_| serve(shared.clone(), seed)).finished();
    assert!(last.iter().all(Result::is_ok), "seed {seed}: {last:?}");
    assert!(model.borrow().acknowledged.len() >= 12);
    world.trace_hash()
}

/// A fault of the disk closes the manifest or keeps it from opening; it never looks like damage.
fn check_failure(result: Result<(), Error>, seed: u64) {
    match result {
        Ok(()) | Err(Error::Fenced(_) | Error::Disk(_)) => {}
        Err(other) => panic!("seed {seed}: {other}"),
    }
}

#[test]
fn acknowledged_edits_survive_power_cuts() {
    for seed in 0..400 {
        lives(seed, |_, _| {});
    }
}

#[test]
fn acknowledged_edits_survive_a_cut_at_any_operation_of_opening() {
    for seed in 5000..5200 {
        lives(seed, |options, life| {
            if life % 2 == 1 {
                options.crash_at_operation = Some(1 + (seed / 4 + life) % 14);
            }
        });
    }
}

#[test]
fn acknowledged_edits_survive_failed_syncs() {
    for seed in 1000..1300 {
        lives(seed, |options, life| {
            options.sync_fault_ppm = if life % 2 == 0 { 60_000 } else { 0 };
        });
    }
}

#[test]
fn acknowledged_edits_survive_failed_writes() {
    for seed in 2000..2300 {
        lives(seed, |options, life| {
            options.write_fault_ppm = if life % 2 == 0 { 60_000 } else { 0 };
        });
    }
}

#[test]
fn a_failed_read_is_no_damage() {
    for seed in 3000..3060 {
        lives(seed, |options, _| options.read_fault_ppm = 100_000);
    }
}

#[test]
fn one_seed_takes_the_same_steps_twice() {
    assert_eq!(lives(7, |_, _| {}), lives(7, |_, _| {}));
}

#[test]
fn a_failed_manifest_fails_everything_for_good() {
    let mut closed = 0;
    for seed in 0..40 {
        let mut world = World::new(seed, SimOptions::default());
        world.change(|options| options.sync_fault_ppm = 300_000);
        let outcome = world.run(1, |_| async {
            let (manifest, _) = open().await.ok()?;
            let first = manifest.append(b"x").await.err()?;
            let operations = [manifest.append(b"y").await, manifest.rewrite(b"z").await];
            for again in operations {
                let again = again.expect_err("closed");
                assert_eq!(again.to_string(), first.to_string());
            }
            assert!(matches!(first, Error::Fenced(_)));
            Some(())
        });
        closed += outcome.finished().into_iter().flatten().count();
    }
    assert!(closed > 0, "some seed opens and then fails");
}
