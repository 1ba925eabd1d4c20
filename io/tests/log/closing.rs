//! What becomes of a log that closes while its writer waits for a file?

use std::time::Duration;

use pieskieo_io::file::{AlignedBuffer, Dir};
use pieskieo_io::rt;
use pieskieo_io::sim::{SimOptions, World};
use pieskieo_io::wal::{Error, Lsn};

use crate::harness::{FILE_BYTES, open, options, run};

/// Where the file is that takes the room of the log.
const BALLAST: &str = "/ballast";
/// Body of a record that fills a frame: three frames and the header fill a file.
const RECORD: [u8; 16_000] = [7; 16_000];
/// Frames that fit the log's first file and the one spare file there is room for.
const ROOM: u64 = 6;

/// Appends so many frames to a new log while there is room for [`ROOM`], and closes it while the
/// writer waits for a file: with room for it again, or still without.
async fn close_late(frames: u64, is_freed: bool) -> Result<(), Error> {
    let elsewhere = Dir::create(BALLAST).await.expect("a directory");
    let ballast = elsewhere.create_file("ballast", 0).await.expect("a file");
    let bytes = 2 * FILE_BYTES as usize;
    ballast.write_at(AlignedBuffer::zeroed(bytes), 0).await.expect("room");
    let (wal, _) = open(&options()).await.expect("opened");
    // No spare file was asked for yet, so nobody knows that the disk will be full.
    for _ in 0..frames {
        wal.append(&RECORD).expect("nothing is refused yet");
    }
    // Making a file has failed twice by then, and is not tried again for a while.
    rt::sleep(Duration::from_millis(1500)).await;
    assert_eq!(wal.durable_lsn(), Lsn(frames.min(ROOM)), "what has room is written");
    if is_freed {
        elsewhere.remove("ballast").await.expect("removed");
    }
    wal.close().await
}

async fn count() -> u64 {
    let (wal, entries) = open(&options()).await.expect("a whole log");
    wal.close().await.expect("closed");
    entries.len() as u64
}

/// Returns a machine whose disk holds the ballast and two files of the log.
fn small(seed: u64) -> World {
    let disk_bytes_max = 4 * FILE_BYTES + FILE_BYTES / 2;
    let time_max = Duration::from_secs(10);
    World::new(seed, SimOptions { disk_bytes_max, time_max, ..SimOptions::default() })
}

/// Closing used to wait for ever when the last frame was the one that waited: it was in nobody's
/// queue any more, so no file was made for it.
#[test]
fn a_log_that_closes_makes_the_file_its_last_frame_waits_for() {
    for seed in 0..20 {
        for frames in ROOM..ROOM + 5 {
            let mut world = small(seed);
            let closed = run(&mut world, close_late(frames, true));
            closed.unwrap_or_else(|error| panic!("seed {seed}, {frames} frames: {error}"));
            assert_eq!(run(&mut world, count()), frames, "seed {seed}: closed, hence durable");
        }
    }
}

#[test]
fn a_log_that_closes_without_room_for_its_last_frame_says_so() {
    for seed in 0..20 {
        for frames in ROOM..ROOM + 5 {
            let mut world = small(seed);
            let closed = run(&mut world, close_late(frames, false));
            assert_eq!(closed.is_ok(), frames == ROOM, "seed {seed}, {frames}: {closed:?}");
            assert!(matches!(closed, Ok(()) | Err(Error::Fenced(_))), "{closed:?}");
            assert_eq!(run(&mut world, count()), ROOM, "seed {seed}, {frames} frames");
        }
    }
}

/// Whoever waited for a file rang for it whenever it could not be made.
#[test]
fn a_file_that_cannot_be_made_is_not_tried_without_a_rest() {
    for seed in 0..10 {
        let mut world = small(seed);
        let closed = run(&mut world, close_late(ROOM + 1, false));
        assert!(closed.is_err(), "seed {seed}");
        assert!(world.operations() < 400, "seed {seed}: {} operations", world.operations());
    }
}
