//! Can an update be lost, or a key be inserted twice?

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use pieskieo_io::rt;
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::request::Expect;

use crate::harness::{Plan, for_each_seed};
use crate::model::{ACCOUNTS, TRANSFERS, create_schema, get, put, read_all, verify};

const COUNTERS: i64 = 2;

/// Adds one to both counters, retrying until it succeeds.
async fn add_one(core: &Rc<Core>) -> Result<(), Error> {
    loop {
        let mut txn = core.begin();
        for id in 0..COUNTERS {
            let write = match get(core, &mut txn, ACCOUNTS, id).await? {
                None => put(core, ACCOUNTS, &[id, 1], Expect::Absent),
                Some(found) => {
                    let next = [id, found.values[1] + 1];
                    put(core, ACCOUNTS, &next, Expect::Version(found.version))
                }
            };
            txn.write(vec![write])?;
        }
        match txn.commit().await {
            Ok(_) => return Ok(()),
            Err(Error::Conflict { winner: Some(winner), .. }) => core.visible(winner).await?,
            Err(Error::Conflict { winner: None, .. }) => rt::yield_now().await,
            Err(error) => return Err(error),
        }
    }
}

#[test]
fn no_increment_is_lost() {
    for_each_seed("no_increment_is_lost", 20, |seed| {
        let done = Arc::new(AtomicI64::new(0));
        let counted = done.clone();
        Plan::from_seed(seed).world().live(move |core| {
            let done = counted.clone();
            async move {
                create_schema(&core).await?;
                let clients: Vec<_> = (0..4)
                    .map(|_| {
                        let (core, done) = (core.clone(), done.clone());
                        rt::spawn(rt::Queue::Net, "client", async move {
                            for _ in 0..5 {
                                add_one(&core).await.expect("increments succeed in the end");
                                done.fetch_add(1, Ordering::SeqCst);
                            }
                        })
                    })
                    .collect();
                for client in clients {
                    client.await;
                }
                let before = done.load(Ordering::SeqCst);
                let lease = core.lease();
                let found = read_all(&core, ACCOUNTS, lease.snapshot()).await?;
                let after = done.load(Ordering::SeqCst) + 4 * i64::from(core.core_count());
                let values: Vec<i64> = found.values().map(|found| found.values[1]).collect();
                assert_eq!(values.len(), COUNTERS as usize);
                assert_eq!(values[0], values[1], "the counters change together");
                assert!((before..=after).contains(&values[0]), "{before} {values:?} {after}");
                verify(&core).await
            }
        });
        assert_eq!(done.load(Ordering::SeqCst) % 20, 0);
    });
}

#[test]
fn one_insert_of_a_key_wins() {
    for_each_seed("one_insert_of_a_key_wins", 20, |seed| {
        let won = Arc::new(AtomicI64::new(0));
        let counted = won.clone();
        Plan::from_seed(seed).world().live(move |core| {
            let won = counted.clone();
            async move {
                create_schema(&core).await?;
                for id in 0..10 {
                    let mut txn = core.begin();
                    let mine = i64::from(core.id().0);
                    txn.write(vec![
                        put(&core, TRANSFERS, &[id, mine, 0, 0], Expect::Absent),
                        put(&core, TRANSFERS, &[id + 100, mine, 0, 0], Expect::Absent),
                    ])?;
                    match txn.commit().await {
                        Ok(_) => drop(won.fetch_add(1, Ordering::SeqCst)),
                        Err(Error::DuplicateKey { table, .. }) => assert_eq!(table, "transfers"),
                        Err(Error::Conflict { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                let lease = core.lease();
                let found = read_all(&core, TRANSFERS, lease.snapshot()).await?;
                for id in 0..10 {
                    let winner = found.get(&id).map(|found| found.values[1]);
                    let other = found.get(&(id + 100)).map(|found| found.values[1]);
                    assert_eq!(winner, other, "both records come from one transaction");
                }
                verify(&core).await
            }
        });
        assert!(won.load(Ordering::SeqCst) <= 10);
    });
}
