//! What survives a power cut on the simulated machine, and is every run repeatable?

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::file::{AlignedBuffer, Dir, File, OpenOptions};
use pieskieo_io::rt::{self, CoreId, Queue, mesh};
use pieskieo_io::sim::{Outcome, SimOptions, World};
use pieskieo_io::time;

const BLOCK: usize = 4096;
const FILE: &str = "/data/a";

fn block(value: u8) -> AlignedBuffer {
    AlignedBuffer::copy_of(&[value; BLOCK])
}

async fn fresh() -> (Dir, File) {
    let dir = Dir::create("/data").await.unwrap();
    let file = dir.create_file("a", 0).await.unwrap();
    dir.sync().await.unwrap();
    (dir, file)
}

/// Returns the first byte of each block of the file.
fn blocks(world: &World) -> Vec<u8> {
    let bytes = world.file_bytes(Path::new(FILE)).unwrap_or_default();
    for block in bytes.chunks(BLOCK) {
        assert!(block.iter().all(|byte| *byte == block[0]), "a block is never torn");
    }
    bytes.chunks(BLOCK).map(|block| block[0]).collect()
}

#[test]
fn synced_blocks_always_survive() {
    for seed in 0..200 {
        let mut world = World::new(seed, SimOptions::default());
        let run = world.run(1, |_| async {
            let (_, file) = fresh().await;
            for n in 0..8u8 {
                file.write_at(block(n + 1), u64::from(n) * BLOCK as u64).await.unwrap();
            }
            file.sync_data().await.unwrap();
        });
        run.finished();
        world.crash();
        assert_eq!(blocks(&world), [1, 2, 3, 4, 5, 6, 7, 8], "seed {seed}");
    }
}

#[test]
fn writes_that_carry_their_sync_survive() {
    for seed in 0..200 {
        let mut world = World::new(seed, SimOptions::default());
        let run = world.run(1, |_| async {
            let (dir, _) = fresh().await;
            let file = dir.open_file("a", OpenOptions { dsync: true }).await.unwrap();
            file.write_at(block(1), 0).await.unwrap();
            file.write_at(block(2), BLOCK as u64).await.unwrap();
        });
        run.finished();
        world.crash();
        assert_eq!(blocks(&world), [1, 2], "seed {seed}");
    }
}

#[test]
fn unsynced_blocks_survive_in_any_combination() {
    let mut seen = BTreeSet::new();
    for seed in 0..400 {
        let mut world = World::new(seed, SimOptions::default());
        let run = world.run(1, |_| async {
            let (_, file) = fresh().await;
            let old = AlignedBuffer::copy_of(&[1; 3 * BLOCK]);
            file.write_at(old, 0).await.unwrap();
            file.sync_data().await.unwrap();
            let new = AlignedBuffer::copy_of(&[2; 3 * BLOCK]);
            file.write_at(new, 0).await.unwrap();
        });
        run.finished();
        world.crash();
        seen.insert(blocks(&world));
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
}

#[test]
fn names_survive_in_the_order_they_were_made() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let mut world = World::new(seed, SimOptions::default());
        let run = world.run(1, |_| async {
            let dir = Dir::create("/data").await.unwrap();
            dir.create_file("a", 0).await.unwrap();
            dir.sync().await.unwrap();
            dir.create_file("b", 0).await.unwrap();
            dir.rename("b", "c").await.unwrap();
            dir.remove("a").await.unwrap();
        });
        run.finished();
        world.crash();
        seen.insert(world.file_names(Path::new("/data")).join(" "));
    }
    let expected = ["a", "a b", "a c", "c"].map(str::to_owned);
    assert_eq!(seen, BTreeSet::from(expected));
}

#[test]
fn small_files_are_old_or_new_after_a_cut_at_any_operation() {
    let write = |_: CoreId| async {
        let dir = Dir::create("/data").await.unwrap();
        dir.write_small_atomically("a", b"new").await.unwrap();
    };
    let mut seen = BTreeSet::new();
    for cut in 1..40 {
        for seed in 0..10 {
            let mut world = World::new(seed, SimOptions::default());
            let first = world.run(1, |_| async {
                let dir = Dir::create("/data").await.unwrap();
                dir.write_small_atomically("a", b"old").await.unwrap();
            });
            first.finished();
            world.change(|options| options.crash_at_operation = Some(cut));
            let crashed = matches!(world.run(1, write), Outcome::Crashed);
            let text = world.file_bytes(Path::new(FILE)).unwrap();
            assert!(crashed || text == b"new");
            seen.insert((crashed, String::from_utf8(text).unwrap()));
        }
    }
    let all = [(false, "new"), (true, "new"), (true, "old")];
    assert_eq!(seen, all.map(|(cut, text)| (cut, text.to_owned())).into_iter().collect());
}

#[test]
fn a_write_under_way_is_torn_by_the_cut() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let mut world = World::new(seed, SimOptions::default());
        let begin = world.run(1, |_| async {
            let (_, file) = fresh().await;
            file.write_at(AlignedBuffer::copy_of(&[1; 2 * BLOCK]), 0).await.unwrap();
            file.sync_data().await.unwrap();
        });
        begin.finished();
        // Opening the directory, opening the file, writing.
        world.change(|options| options.crash_at_operation = Some(3));
        let run = world.run(1, |_| async {
            let dir = Dir::open("/data").await.unwrap();
            let file = dir.open_file("a", OpenOptions { dsync: true }).await.unwrap();
            file.write_at(AlignedBuffer::copy_of(&[2; 2 * BLOCK]), 0).await.unwrap();
        });
        assert!(matches!(run, Outcome::Crashed));
        seen.insert(blocks(&world));
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn a_failed_sync_is_not_repaired_by_the_next() {
    let mut lost = 0;
    for seed in 0..100 {
        let mut world = World::new(seed, SimOptions::default());
        let begin = world.run(1, |_| async {
            let (_, file) = fresh().await;
            file.write_at(AlignedBuffer::copy_of(&[1; 4 * BLOCK]), 0).await.unwrap();
            file.sync_data().await.unwrap();
        });
        begin.finished();
        world.change(|options| options.sync_fault_ppm = 1_000_000);
        let run = world.run(1, |_| async {
            let dir = Dir::open("/data").await.unwrap();
            let file = dir.open_file("a", OpenOptions::default()).await.unwrap();
            file.write_at(AlignedBuffer::copy_of(&[2; 4 * BLOCK]), 0).await.unwrap();
            assert!(file.sync_data().await.is_err());
        });
        run.finished();
        world.change(|options| options.sync_fault_ppm = 0);
        let again = world.run(1, |_| async {
            let dir = Dir::open("/data").await.unwrap();
            let file = dir.open_file("a", OpenOptions::default()).await.unwrap();
            file.sync_data().await.unwrap();
            assert_eq!(&file.read_at(0, BLOCK).await.unwrap()[..], &[2; BLOCK]);
        });
        again.finished();
        world.crash();
        lost += usize::from(blocks(&world) != [2, 2, 2, 2]);
    }
    assert!(lost > 50, "{lost}");
}

#[test]
fn a_full_disk_says_so_and_keeps_what_it_has() {
    let options = SimOptions { disk_bytes_max: 4 * BLOCK as u64, ..SimOptions::default() };
    let mut world = World::new(3, options);
    let run = world.run(1, |_| async {
        let (dir, file) = fresh().await;
        for n in 0..4u8 {
            file.write_at(block(n + 1), u64::from(n) * BLOCK as u64).await.unwrap();
        }
        let error = file.write_at(block(9), 4 * BLOCK as u64).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(error.is_full());
        file.write_at(block(7), 0).await.unwrap();
        file.close().await.unwrap();
        dir.remove("a").await.unwrap();
        let other = dir.create_file("b", 0).await.unwrap();
        other.write_at(block(1), 0).await.unwrap();
    });
    run.finished();
}

#[test]
fn a_flipped_bit_is_read() {
    let mut world = World::new(4, SimOptions::default());
    let begin = world.run(1, |_| async {
        let (_, file) = fresh().await;
        file.write_at(block(1), 0).await.unwrap();
        file.sync_data().await.unwrap();
    });
    begin.finished();
    assert!(world.flip_bit(Path::new(FILE), 7, 3));
    assert!(!world.flip_bit(Path::new(FILE), BLOCK as u64, 0));
    assert!(!world.flip_bit(Path::new("/data/none"), 0, 0));
    world.crash();
    let bytes = world.file_bytes(Path::new(FILE)).unwrap();
    assert_eq!((bytes[6], bytes[7], bytes[8]), (1, 1 ^ 8, 1));
}

/// Cores that send, write, sleep and draw random numbers.
fn busy(seed: u64, options: SimOptions) -> (u64, Vec<u64>) {
    let ends = RefCell::new(mesh::<u64>(3, 2).into_iter().map(Some).collect::<Vec<_>>());
    let mut world = World::new(seed, options);
    let run = world.run(3, |core| {
        let end = Rc::new(ends.borrow_mut()[usize::from(core.0)].take().unwrap());
        async move {
            let dir = Dir::create("/data").await.unwrap();
            let file = dir.create_file(&core.0.to_string(), 0).await.unwrap();
            let sender = end.clone();
            let sending = rt::spawn(Queue::Lanes, "send", async move {
                for step in 0..30u64 {
                    let to = CoreId((time::random_u64() % 3) as u16);
                    let value = time::random_u64() ^ step;
                    sender.send(to, value).await.ok();
                    rt::sleep(Duration::from_micros(value % 500)).await;
                }
            });
            let mut sum = 0u64;
            let receive = async {
                while let Some((_, value)) = end.recv().await {
                    sum = sum.rotate_left(5) ^ value;
                    file.write_at(block(value as u8), value % 16 * BLOCK as u64).await.unwrap();
                }
            };
            rt::timeout(Duration::from_secs(1), receive).await.ok();
            sending.await;
            sum
        }
    });
    (world.trace_hash(), run.finished())
}

#[test]
fn a_seed_repeats_every_step_and_another_does_not() {
    let mut traces = BTreeSet::new();
    for seed in 0..20 {
        let first = busy(seed, SimOptions::default());
        assert_eq!(first, busy(seed, SimOptions::default()), "seed {seed}");
        traces.insert(first.0);
    }
    assert_eq!(traces.len(), 20);
}

#[test]
fn time_jumps_when_nothing_else_happens() {
    let mut world = World::new(5, SimOptions::default());
    let run = world.run(1, |_| async {
        let (begun, wall) = (time::now(), time::wall());
        rt::sleep(Duration::from_secs(1800)).await;
        assert!(begun.elapsed() >= Duration::from_secs(1800));
        assert!(time::wall().0 - wall.0 >= 1_800_000_000);
    });
    run.finished();
}

#[test]
fn waiting_for_nobody_is_a_deadlock() {
    let mut world = World::new(6, SimOptions::default());
    let run = world.run(2, |core| async move {
        if core.0 == 1 {
            rt::spawn(Queue::Commit, "stuck", std::future::pending::<()>()).await;
        }
    });
    match run {
        Outcome::Deadlock(tasks) => assert_eq!(tasks, ["1/main", "1/stuck"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn endless_work_runs_out_of_time() {
    let options = SimOptions { time_max: Duration::from_millis(50), ..SimOptions::default() };
    let run = World::new(7, options).run(1, |_| async {
        loop {
            rt::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(matches!(run, Outcome::<()>::OutOfTime));
}

#[test]
fn the_power_can_go_at_a_time() {
    let crash_after = Some(Duration::from_millis(5));
    let mut world = World::new(8, SimOptions { crash_after, ..SimOptions::default() });
    let run = world.run(1, |_| rt::sleep(Duration::from_secs(1)));
    assert!(matches!(run, Outcome::Crashed));
    world.change(|options| options.crash_after = None);
    world.run(1, |_| rt::sleep(Duration::from_secs(1))).finished();
}

/// Writes blocks of one value over blocks of another, durable before.
fn overwrite(world: &mut World, value: u8) {
    let run = world.run(1, move |_| async move {
        let (_, file) = fresh().await;
        file.write_at(AlignedBuffer::copy_of(&[1; 4 * BLOCK]), 0).await.unwrap();
        file.sync_data().await.unwrap();
        file.write_at(AlignedBuffer::copy_of(&vec![value; 4 * BLOCK]), 0).await.unwrap();
        file.sync_data().await.unwrap();
    });
    run.finished();
}

#[test]
fn a_lying_sync_loses_what_it_promised() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..200 {
        let lies = SimOptions { sync_lie_ppm: 500_000, ..SimOptions::default() };
        let mut world = World::new(seed, lies);
        overwrite(&mut world, 2);
        assert_eq!(blocks(&world), [2; 4], "until the power goes nobody notices");
        world.crash();
        let found = blocks(&world);
        lost += u32::from(found != [2; 4]);
        kept += u32::from(found == [2; 4]);
    }
    assert!(lost > 30 && kept > 30, "{lost} {kept}");
}

#[test]
fn an_honest_sync_makes_up_for_one_that_lied() {
    for seed in 0..100 {
        let mut world = World::new(seed, SimOptions::default());
        overwrite(&mut world, 1);
        world.change(|options| options.sync_lie_ppm = 1_000_000);
        overwrite(&mut world, 2);
        world.change(|options| options.sync_lie_ppm = 0);
        let run = world.run(1, |_| async {
            let dir = Dir::open("/data").await.unwrap();
            let file = dir.open_file("a", OpenOptions::default()).await.unwrap();
            file.sync_data().await.unwrap();
            dir.sync().await.unwrap();
        });
        run.finished();
        world.crash();
        assert_eq!(blocks(&world), [2; 4], "seed {seed}");
    }
}

#[test]
fn a_lost_write_leaves_what_was_there() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..100 {
        let loses = SimOptions { write_loss_ppm: 300_000, ..SimOptions::default() };
        let mut world = World::new(seed, loses);
        overwrite(&mut world, 2);
        let found = blocks(&world);
        assert!([vec![], vec![1; 4], vec![2; 4]].contains(&found), "whole or not at all");
        lost += u32::from(found != [2; 4]);
        kept += u32::from(found == [2; 4]);
    }
    assert!(lost > 10 && kept > 10, "{lost} {kept}");
}

#[test]
fn a_slow_device_slows_its_files_only() {
    let slow = SimOptions {
        slow_files: Some(FILE.to_owned()),
        slow_time: Duration::from_secs(1),
        stall_ppm: 0,
        ..SimOptions::default()
    };
    let run = World::new(1, slow).run(1, |_| async {
        let (dir, file) = fresh().await;
        let other = dir.create_file("b", 0).await.unwrap();
        let begin = time::now();
        other.write_at(block(1), 0).await.unwrap();
        other.sync_data().await.unwrap();
        let quick = begin.elapsed();
        file.write_at(block(1), 0).await.unwrap();
        (quick, begin.elapsed())
    });
    let (quick, slow) = run.finished()[0];
    assert!(quick < Duration::from_millis(5) && slow >= Duration::from_secs(1), "{quick:?}");
}

#[test]
fn the_power_can_go_at_every_poll() {
    let steps = |crash_at_poll| {
        let mut world = World::new(9, SimOptions { crash_at_poll, ..SimOptions::default() });
        let run = world.run(2, |_| async {
            for _ in 0..5 {
                rt::yield_now().await;
            }
        });
        (matches!(run, Outcome::Crashed), world.polls())
    };
    let (crashed, all) = steps(None);
    assert!(!crashed && all >= 12, "{all}");
    for poll in 0..all {
        assert_eq!(steps(Some(poll)), (true, poll));
    }
    assert!(!steps(Some(all + 1)).0);
}

#[test]
fn clocks_jump_when_they_are_told_to() {
    let options = SimOptions {
        wall_jump_ppm: 1_000_000,
        pause_ppm: 200_000,
        pause_time: Duration::from_secs(10),
        ..SimOptions::default()
    };
    let run = World::new(1, options).run(1, |_| async {
        let (mut back, mut ahead) = (false, false);
        let (begin, mut longest) = (time::now(), Duration::ZERO);
        for _ in 0..100 {
            let (wall, now) = (time::wall(), time::now());
            rt::yield_now().await;
            back |= time::wall() < wall;
            ahead |= time::wall().0 > wall.0 + 3_600_000_000;
            longest = longest.max(now.elapsed());
        }
        assert!(begin.elapsed() >= longest, "it never goes back");
        back && ahead && longest > Duration::from_secs(1)
    });
    assert_eq!(run.finished(), [true]);
}
