//! What happens when the disk is full, and when there is room again?

use std::time::Duration;

use pieskieo_io::rt;
use pieskieo_io::sim::{SimOptions, World};
use pieskieo_io::wal::{Error, Lsn, Space};

use crate::harness::{FILE_BYTES, open, options, record, run};

#[test]
fn a_full_disk_refuses_appends_and_loses_nothing() {
    let disk = SimOptions { disk_bytes_max: 5 * FILE_BYTES, ..SimOptions::default() };
    let mut world = World::new(3, disk);
    let acknowledged = run(&mut world, async {
        let (wal, _) = open(&options()).await.expect("opened");
        let mut acknowledged = Lsn::ZERO;
        let refusal = loop {
            match wal.append(&[7; 50]) {
                Ok(lsn) => {
                    wal.durable(lsn).await.expect("what was taken is written");
                    acknowledged = lsn;
                }
                Err(refusal) => break refusal,
            }
            assert!(acknowledged < Lsn(10_000), "five files fill up");
        };
        assert!(matches!(refusal, Error::Full { .. }), "{refusal}");
        assert!(matches!(wal.space(), Space::Full { .. }), "{:?}", wal.space());
        let settled = wal.append_settling(&[7; 50]);
        assert!(settled.is_ok(), "the reserve is for finishing: {settled:?}");
        wal.close().await.expect("closed");
        acknowledged.next()
    });
    run(&mut world, async move {
        let (_, entries) = open(&options()).await.expect("opened on a full disk");
        assert_eq!(entries.len() as u64, acknowledged.0);
        assert!(entries.iter().all(|(_, bytes)| *bytes == [7; 50]));
    });
}

#[test]
fn released_files_make_room_again() {
    let disk = SimOptions { disk_bytes_max: 5 * FILE_BYTES, ..SimOptions::default() };
    let mut world = World::new(4, disk);
    run(&mut world, async {
        let (wal, _) = open(&options()).await.expect("opened");
        let mut last = Lsn::ZERO;
        while let Ok(lsn) = wal.append(&record(last.next().0)) {
            wal.durable(lsn).await.expect("durable");
            last = lsn;
        }
        wal.release(last);
        rt::sleep(Duration::from_secs(3)).await;
        assert_eq!(wal.space(), Space::Ready);
        for _ in 0..100 {
            last = wal.append(&record(last.next().0)).expect("room again");
            wal.durable(last).await.expect("durable");
            wal.release(last);
        }
        wal.close().await.expect("closed");
    });
}

#[test]
fn spares_are_ready_before_they_are_needed() {
    let mut world = World::new(5, SimOptions::default());
    run(&mut world, async {
        let (wal, _) = open(&options()).await.expect("opened");
        rt::sleep(Duration::from_secs(1)).await;
        assert_eq!(wal.stats().spares, 2);
        assert_eq!(wal.space(), Space::Ready);
        wal.close().await.expect("closed");
    });
}

#[test]
fn a_record_that_is_too_long_is_refused() {
    let mut world = World::new(6, SimOptions::default());
    run(&mut world, async {
        let (wal, _) = open(&options()).await.expect("opened");
        let long = vec![0; pieskieo_io::wal::limits::RECORD_BYTES_MAX + 1];
        assert!(matches!(wal.append(&long), Err(Error::TooLarge { .. })));
        let lsn = wal.append(&long[..300_000]).expect("spans files");
        wal.durable(lsn).await.expect("durable");
        wal.close().await.expect("closed");
        assert!(matches!(wal.append(b"x"), Err(Error::Closed)));
        let (wal, entries) = open(&options()).await.expect("opened");
        assert_eq!(entries, [(Lsn(1), long[..300_000].to_vec())]);
        wal.close().await.expect("closed");
    });
}
