//! Is damage to acknowledged records always refused, and a torn tail always accepted?

use proptest::prelude::*;

use pieskieo_io::codec::checksum::checksum;
use pieskieo_io::codec::frame::FrameKind;
use pieskieo_io::sim::{SimOptions, World};
use pieskieo_io::wal::{Damage, DamageKind, Error, Lsn, StreamId, salvage_to, verify};

use crate::harness::{
    self, Frame, check_entries, dir, files, fill, frames, open, options, path, put, record, run,
};

/// Returns a machine with a closed log of `count` records in several files.
fn written(count: u64) -> World {
    let mut world = World::new(11, SimOptions::default());
    run(&mut world, fill(1, count, 4, true));
    world
}

/// Returns a machine whose process died after `count` acknowledged records, nothing confirmed.
fn killed(count: u64) -> World {
    let mut world = World::new(11, SimOptions::default());
    run(&mut world, fill(1, count, 4, false));
    world
}

fn reopen(world: &mut World) -> Result<u64, Damage> {
    let opened = run(world, async { open(&options()).await.map(|(_, entries)| entries) });
    match opened {
        Ok(entries) => {
            check_entries(&entries, Lsn::FIRST);
            Ok(entries.len() as u64)
        }
        Err(Error::Damaged(damage)) => Err(*damage),
        Err(other) => panic!("{other}"),
    }
}

#[track_caller]
fn refuses(world: &mut World) -> Damage {
    let report = run(world, async { verify(&dir().await).await.expect("readable") });
    assert!(!report.is_whole(), "verify sees it too:\n{report}");
    let before = snapshot(world);
    let damage = reopen(world).expect_err("damage is refused");
    assert_eq!(before, snapshot(world), "a refused log is left as it was");
    damage
}

fn snapshot(world: &World) -> Vec<(String, Option<Vec<u8>>)> {
    let names = world.file_names(std::path::Path::new(harness::DIR));
    names.into_iter().map(|name| (name.clone(), world.file_bytes(&path(&name)))).collect()
}

#[test]
fn a_whole_log_comes_back() {
    let mut world = written(120);
    assert!(files(&world).len() > 2, "the log spans files");
    assert_eq!(reopen(&mut world), Ok(120));
    run(&mut world, fill(121, 130, 3, true));
    assert_eq!(reopen(&mut world), Ok(130));
}

#[test]
fn a_torn_tail_is_dropped() {
    let mut world = killed(90);
    let last = frames(&world).pop().expect("a frame");
    assert_eq!(last.header.kind, FrameKind::Records);
    put(&mut world, &last.file, last.offset + 80, b"torn");
    let kept = reopen(&mut world).expect("a torn tail is no damage");
    assert_eq!(kept + 1, last.header.first_lsn);
    run(&mut world, fill(kept + 1, kept + 20, 3, true));
    assert_eq!(reopen(&mut world), Ok(kept + 20));
}

#[test]
fn a_confirmed_last_frame_is_not_taken_for_a_torn_tail() {
    let mut world = written(90);
    let all = frames(&world);
    let [.., last, confirm] = &all[..] else { panic!("two frames") };
    assert_eq!(confirm.header.kind, FrameKind::Confirm);
    put(&mut world, &last.file, last.offset + 80, b"rot");
    let damage = refuses(&mut world);
    assert_eq!(damage.lsn.0, last.header.first_lsn);
    assert_eq!((damage.file, damage.offset), (last.file.clone(), last.offset));
}

#[test]
fn a_lost_confirmation_loses_nothing() {
    let mut world = written(90);
    let confirm = frames(&world).pop().expect("a frame");
    put(&mut world, &confirm.file, confirm.offset, &[0; 100]);
    assert_eq!(reopen(&mut world), Ok(90));
}

#[test]
fn damage_in_an_earlier_file_is_refused() {
    let mut world = written(120);
    let first = frames(&world).remove(3);
    put(&mut world, &first.file, first.offset, &[0; 4096]);
    assert_eq!(refuses(&mut world).offset, first.offset);
}

#[test]
fn a_lost_file_header_is_refused() {
    for index in 0..3 {
        let mut world = written(120);
        let all = files(&world);
        let (name, ..) = if index == 2 { &all[all.len() - 1] } else { &all[index] };
        put(&mut world, name, 0, &[0; 4096]);
        assert_eq!(refuses(&mut world).kind, DamageKind::Header, "file {index}");
    }
}

#[test]
fn a_missing_file_is_refused() {
    let mut world = written(120);
    let name = files(&world)[1].0.clone();
    run(&mut world, async move { dir().await.remove(&name).await.expect("removed") });
    assert_eq!(refuses(&mut world).kind, DamageKind::MissingFile { epoch: 2 });
}

#[test]
fn a_log_of_another_database_is_refused() {
    let mut world = written(5);
    let opened = run(&mut world, async {
        let stranger = pieskieo_io::wal::WalOptions { database: [1; 16], ..options() };
        open(&stranger).await.map(|(_, entries)| entries)
    });
    assert!(matches!(opened, Err(Error::Damaged(damage)) if damage.kind == DamageKind::Foreign));
}

#[test]
fn a_log_that_ends_too_early_is_refused() {
    let mut world = written(20);
    let opened = run(&mut world, async {
        let known = pieskieo_io::wal::WalOptions { end_min: Lsn(21), ..options() };
        open(&known).await.map(|(_, entries)| entries)
    });
    let Err(Error::Damaged(damage)) = opened else { panic!("refused") };
    assert_eq!(damage.kind, DamageKind::LostEnd { end_min: Lsn(21) });
    let opened = run(&mut world, async {
        let known = pieskieo_io::wal::WalOptions { end_min: Lsn(20), ..options() };
        open(&known).await.map(|(_, entries)| entries.len())
    });
    assert_eq!(opened.expect("it reaches 20"), 20);
}

/// Returns the frame that would follow the log's last one, had its predecessor been in flight.
fn next_frame(world: &World, window_base_back: u64) -> (Frame, Vec<u8>) {
    let last = frames(world).pop().expect("a frame");
    let salt = files(world).pop().expect("a file").2;
    let (kind, body) = (FrameKind::Records, b"\x04late".to_vec());
    let end = last.header.first_lsn + u64::from(last.header.record_count);
    let mut header = last.header;
    header.kind = kind;
    header.body_bytes = body.len() as u32;
    header.record_count = 1;
    header.sequence += 2;
    header.first_lsn = end + 1;
    header.durable_lsn = end - 1;
    header.window_base = header.sequence - window_base_back;
    header.body_checksum = checksum(&body);
    let (front, _) = header.encode(salt);
    let offset = last.offset + last.header.frame_bytes() + 4096;
    let mut bytes = front.to_vec();
    bytes.extend_from_slice(&body);
    (Frame { file: last.file, offset, header }, bytes)
}

#[test]
fn frames_in_flight_with_a_lost_one_are_cut() {
    let mut world = killed(20);
    let (frame, bytes) = next_frame(&world, 1);
    put(&mut world, &frame.file, frame.offset, &bytes);
    assert_eq!(reopen(&mut world), Ok(20));
    let rest = world.file_bytes(&path(&frame.file)).expect("the file");
    let place = frame.offset as usize;
    assert!(rest[place..place + 100].iter().all(|byte| *byte == 0), "the window is cleared");
}

#[test]
fn a_frame_beyond_the_window_is_refused() {
    let mut world = killed(20);
    let (frame, bytes) = next_frame(&world, 0);
    put(&mut world, &frame.file, frame.offset, &bytes);
    assert_eq!(refuses(&mut world).kind, DamageKind::AcknowledgedFrame);
}

#[test]
fn old_frames_of_a_recycled_file_are_ignored() {
    let mut world = World::new(5, SimOptions::default());
    let count = run(&mut world, async {
        let (wal, _) = open(&options()).await.expect("opened");
        let mut last = Lsn::ZERO;
        for number in 1..=400 {
            last = wal.append(&record(number)).expect("room");
            wal.durable(last).await.expect("durable");
            if number % 40 == 0 {
                wal.release(Lsn(number - 10));
            }
        }
        wal.close().await.expect("closed");
        last
    });
    assert!(files(&world).len() < 6, "files were used again: {:?}", files(&world));
    let recovered = run(&mut world, async move {
        let start = pieskieo_io::wal::WalOptions { start: Lsn(390), ..options() };
        let (_, entries) = open(&start).await.expect("whole from 390 on");
        check_entries(&entries, Lsn(390));
        entries.len() as u64
    });
    assert_eq!(recovered, count.0 - 389);
    let damage = reopen(&mut world).expect_err("records below were released");
    assert!(matches!(damage.kind, DamageKind::MissingFile { .. }));
}

#[test]
fn salvage_keeps_what_is_readable_and_sets_the_rest_aside() {
    let mut world = written(120);
    let broken = frames(&world).remove(9);
    put(&mut world, &broken.file, broken.offset + 80, b"rot");
    let damage = refuses(&mut world);
    let last = damage.lsn.previous();
    let report = run(&mut world, async move {
        salvage_to(&dir().await, StreamId(0), last).await.expect("salvaged")
    });
    assert_eq!(report.last, last);
    let copy = world.file_bytes(&path(&report.kept_aside[0])).expect("a copy of the cut file");
    assert_eq!(&copy[broken.offset as usize + 80..][..3], b"rot");
    assert_eq!(reopen(&mut world), Ok(last.0));
    run(&mut world, fill(last.0 + 1, last.0 + 30, 3, true));
    assert_eq!(reopen(&mut world), Ok(last.0 + 30));
}

#[test]
fn salvage_refuses_what_it_cannot_reach() {
    let mut world = written(120);
    let broken = frames(&world).remove(9);
    put(&mut world, &broken.file, broken.offset + 80, b"rot");
    let before = snapshot(&world);
    let outcome = run(&mut world, async {
        salvage_to(&dir().await, StreamId(0), Lsn(110)).await.map(|report| report.last)
    });
    assert!(matches!(outcome, Err(Error::Damaged(_))));
    assert_eq!(before, snapshot(&world));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bit of any frame but the last confirmation, and of any file header.
    #[test]
    fn a_flipped_bit_of_an_acknowledged_frame_is_refused(pick: u64, bit in 0u64..8) {
        let mut world = written(100);
        let all = frames(&world);
        let frame = &all[(pick % (all.len() as u64 - 1)) as usize];
        let used = 68 + u64::from(frame.header.body_bytes);
        let offset = frame.offset + (pick >> 16) % used;
        prop_assert!(world.flip_bit(&path(&frame.file), offset, bit as u32));
        let damage = refuses(&mut world);
        prop_assert_eq!(&damage.file, &frame.file);
        prop_assert_eq!(damage.offset, frame.offset);
        prop_assert_eq!(damage.lsn.0, frame.header.first_lsn);
    }

    /// Any sectors of the last frame, lost or garbled, when the process died right after it.
    #[test]
    fn a_tear_in_the_last_frame_costs_only_that_frame(
        count in 1u64..60,
        lost: u64,
        garbage: bool,
    ) {
        let mut world = killed(count);
        let last = frames(&world).pop().expect("a frame");
        let blocks = last.header.frame_bytes() / 4096;
        for block in (0..blocks).filter(|block| lost >> (block % 64) & 1 == 1) {
            let filler = if garbage { 0xa5 } else { 0 };
            put(&mut world, &last.file, last.offset + block * 4096, &[filler; 4096]);
        }
        let kept = reopen(&mut world).expect("a torn tail is no damage");
        prop_assert!(kept + 1 >= last.header.first_lsn);
        prop_assert!(kept <= count);
    }
}
