//! Does the log work on this machine's own disk?

use std::path::PathBuf;
use std::rc::Rc;

use pieskieo_io::file::{Dir, host};
use pieskieo_io::rt::{self, Queue, RuntimeOptions};
use pieskieo_io::wal::{Lsn, SyncMethod, Wal, WalOptions, verify};

use crate::harness::{STREAM, record};

/// Runs `main` on one real core in an empty directory, which is removed afterwards.
fn on_disk<T: Send + 'static, Fut: Future<Output = T> + 'static>(
    name: &str,
    main: impl Fn(PathBuf) -> Fut + Send + Clone + 'static,
) -> T {
    let folder = host::scratch_folder(name).expect("a scratch folder");
    let inside = folder.clone();
    let options = RuntimeOptions { pin: false, ..RuntimeOptions::cores(1) };
    let running = rt::start(options, move |_| main(inside.clone())).expect("io_uring");
    let mut results = running.join().expect("no core failed");
    host::remove_folder(&folder).expect("removed");
    results.pop().expect("one core")
}

async fn open(folder: &PathBuf, options: &WalOptions) -> (Wal, u64) {
    let dir = Dir::open(folder).await.expect("the folder");
    let (wal, mut replay) = Wal::open(&dir, STREAM, options).await.expect("opened");
    let mut count = 0;
    while let Some(batch) = replay.next_batch().await.expect("whole") {
        for (lsn, bytes) in batch {
            count += 1;
            assert_eq!(lsn, Lsn(count));
            assert!(*bytes == record(count));
        }
    }
    (wal, count)
}

fn appends_come_back(name: &str, sync: SyncMethod) {
    on_disk(name, move |folder| async move {
        let options = WalOptions { sync, ..WalOptions::small(256 << 10) };
        let (wal, count) = open(&folder, &options).await;
        assert_eq!(count, 0);
        for number in 1..=500 {
            let lsn = wal.append(&record(number)).expect("room");
            if number % 5 == 0 {
                wal.durable(lsn).await.expect("durable");
            }
        }
        wal.close().await.expect("closed");
        let (wal, count) = open(&folder, &options).await;
        assert_eq!(count, 500);
        wal.close().await.expect("closed");
        let report = verify(&Dir::open(&folder).await.expect("the folder")).await;
        let report = report.expect("readable");
        assert!(report.is_whole() && report.streams[0].records == 500, "{report}");
    });
}

#[test]
fn appends_come_back_with_a_sync_after_each_write() {
    appends_come_back("log-after", SyncMethod::AfterWrite);
}

#[test]
fn appends_come_back_with_synchronous_writes() {
    appends_come_back("log-with", SyncMethod::WithWrite);
}

#[test]
fn the_sync_method_is_measured_once() {
    on_disk("log-calibrated", |folder| async move {
        let options = WalOptions { sync: SyncMethod::Calibrated, ..WalOptions::small(64 << 10) };
        let (wal, _) = open(&folder, &options).await;
        wal.close().await.expect("closed");
        let dir = Dir::open(&folder).await.expect("the folder");
        let chosen = dir.read_small("wal-sync").await.expect("remembered");
        assert!(chosen == b"with-write\n" || chosen == b"after-write\n");
        let other: &[u8] =
            if chosen == b"with-write\n" { b"after-write\n" } else { b"with-write\n" };
        dir.write_small_atomically("wal-sync", other).await.expect("written");
        let (wal, _) = open(&folder, &options).await;
        wal.close().await.expect("closed");
        assert_eq!(dir.read_small("wal-sync").await.expect("kept"), other);
    });
}

#[test]
fn many_tasks_commit_together() {
    on_disk("log-group", |folder| async move {
        let (wal, _) = open(&folder, &WalOptions::small(4 << 20)).await;
        let wal = Rc::new(wal);
        let tasks: Vec<_> = (0..32)
            .map(|_| {
                let wal = wal.clone();
                rt::spawn(Queue::Lanes, "committer", async move {
                    for _ in 0..20 {
                        let lsn = wal.append(b"a short record").expect("room");
                        wal.durable(lsn).await.expect("durable");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        let stats = wal.stats();
        assert_eq!((stats.records, stats.durable), (640, Lsn(640)));
        assert!(stats.frames < 320, "commits share frames: {stats:?}");
        wal.close().await.expect("closed");
    });
}
