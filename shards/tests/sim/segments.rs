//! What does a shard do whose segments cannot be written for a while?

use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::file::{AlignedBuffer, Dir};
use pieskieo_io::rt;
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::request::Expect;

use crate::harness::{DATA, Plan, for_each_seed};
use crate::model::{ACCOUNTS, create_schema, put, read_all, verify};

/// Rows that are more than a shard keeps without segments.
const MANY: i64 = 60;
/// Rows that are less.
const FEW: i64 = 10;
/// A file that is in the way, and its bytes.
const BALLAST: (&str, usize) = ("ballast", 1 << 20);

/// Takes the names the first segments of a shard would have.
async fn take_names(shard: u16) -> Result<(), Error> {
    let storage = |error: pieskieo_io::Error| Error::Storage(error.to_string());
    let folder = Path::new(DATA).join("segments").join(shard.to_string());
    let dir = Dir::open(&folder).await.map_err(storage)?;
    for id in 1..=3 {
        let name = pieskieo_io::segment::segment_name(pieskieo_io::segment::SegmentId(id));
        dir.create_file(&name, 4096).await.map_err(storage)?;
    }
    dir.sync().await.map_err(storage)
}

async fn fill(core: &Rc<Core>, ids: Range<i64>) -> Result<(), Error> {
    for id in ids {
        let mut txn = core.begin();
        txn.write(vec![put(core, ACCOUNTS, &[id, id], Expect::Absent)])?;
        txn.commit().await?;
    }
    Ok(())
}

#[test]
fn a_checkpoint_that_was_late_holds_what_it_says() {
    for_each_seed("a_checkpoint_that_was_late_holds_what_it_says", 10, |seed| {
        let plan = Plan { seed, cores: 1, shards: 1 };
        let mut machine = plan.world();
        machine.live(|core| async move {
            create_schema(&core).await?;
            take_names(0).await?;
            fill(&core, 0..MANY).await?;
            rt::sleep(Duration::from_millis(500)).await;
            // The checkpoint has begun and failed by now; these rows are not in it.
            fill(&core, MANY..MANY + FEW).await?;
            rt::sleep(Duration::from_secs(10)).await;
            verify(&core).await
        });
        machine.world.crash();
        machine.live(|core| async move {
            let lease = core.lease();
            let found = read_all(&core, ACCOUNTS, lease.snapshot()).await?;
            let ids: Vec<i64> = found.keys().copied().collect();
            assert_eq!(ids, (0..MANY + FEW).collect::<Vec<_>>());
            verify(&core).await
        });
    });
}

async fn ballast() -> Result<Dir, Error> {
    let storage = |error: pieskieo_io::Error| Error::Storage(error.to_string());
    let dir = Dir::open(Path::new(DATA)).await.map_err(storage)?;
    let file = dir.create_file(BALLAST.0, 0).await.map_err(storage)?;
    file.write_at(AlignedBuffer::zeroed(BALLAST.1), 0).await.map_err(storage)?;
    Ok(dir)
}

/// Stores rows from `first` on until the disk is full; returns the first that was refused.
async fn fill_disk(core: &Rc<Core>, first: i64) -> i64 {
    for id in first.. {
        match fill(core, id..id + 1).await {
            Ok(()) => {}
            Err(Error::DiskFull(_)) => return id,
            Err(error) => panic!("row {id}: {error}"),
        }
    }
    unreachable!("a disk has an end")
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    for_each_seed("a_full_disk_refuses_writes_until_there_is_room", 10, |seed| {
        let mut machine = Plan { seed, cores: 1, shards: 1 }.world();
        machine.world.change(|options| options.disk_bytes_max = 3 << 20);
        let stored = Rc::new(std::cell::Cell::new(0));
        let told = stored.clone();
        machine.live(move |core| {
            let told = told.clone();
            async move {
                create_schema(&core).await?;
                let dir = ballast().await?;
                let refused = fill_disk(&core, 0).await;
                assert!(refused > 0, "something fits");
                rt::sleep(Duration::from_secs(5)).await;
                // What checkpoints free while they are tried again may hold a few more.
                let refused = fill_disk(&core, refused).await;
                let lease = core.lease();
                let found = read_all(&core, ACCOUNTS, lease.snapshot()).await?;
                assert_eq!(found.len() as i64, refused, "reads are answered");
                drop(lease);
                verify(&core).await?;
                dir.remove(BALLAST.0).await.map_err(|e| Error::Storage(e.to_string()))?;
                rt::sleep(Duration::from_secs(5)).await;
                fill(&core, refused..refused + MANY).await?;
                told.set(refused + MANY);
                verify(&core).await
            }
        });
        machine.world.crash();
        machine.world.change(|options| options.disk_bytes_max = 1 << 30);
        machine.live(move |core| {
            let stored = stored.get();
            async move {
                let lease = core.lease();
                let found = read_all(&core, ACCOUNTS, lease.snapshot()).await?;
                let ids: Vec<i64> = found.keys().copied().collect();
                assert_eq!(ids, (0..stored).collect::<Vec<_>>());
                verify(&core).await
            }
        });
    });
}
