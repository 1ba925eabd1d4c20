//! What becomes of what is still asked of a core that has closed?

use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::rt;
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::request::Expect;

use crate::bank::Told;
use crate::harness::{Plan, for_each_seed, must_blame_the_disk};
use crate::model::{TRANSFERS, create_schema, key, put, read_all, verify};

/// Commits over both shards, one after the other, until that is refused.
async fn write(core: Rc<Core>, first: i64, told: Told) -> Error {
    let on = |shard: u16| {
        let core = core.clone();
        (first..)
            .filter(move |id| core.owner(key(&core, TRANSFERS, &[*id]).slot()) == ShardId(shard))
    };
    for (one, two) in on(0).zip(on(1)) {
        let mut txn = core.begin();
        let rows = [one, two].map(|id| put(&core, TRANSFERS, &[id, one, two, 0], Expect::Absent));
        if let Err(error) = txn.write(rows.into()) {
            return error;
        }
        match txn.commit().await {
            Ok(commit) => told.acknowledge(one, commit),
            Err(error) => return error,
        }
        rt::sleep(Duration::from_millis(3)).await;
    }
    unreachable!("there are always more numbers")
}

/// The first core leaves as soon as it has nothing to do and has waited long enough; the others
/// go on until they hear of it.
async fn stay(core: Rc<Core>, told: Told) -> Result<(), Error> {
    create_schema(&core).await?;
    if core.id().0 == 0 {
        return Ok(());
    }
    let writers: Vec<_> = (0..3)
        .map(|number| {
            let write = write(core.clone(), number * 1_000_000, told.clone());
            rt::spawn(rt::Queue::Net, "writer", write)
        })
        .collect();
    for writer in writers {
        must_blame_the_disk(&writer.await);
    }
    Ok(())
}

/// Requests without a deadline, those that end a transaction, used to wait for ever for a core
/// that had closed.
#[test]
fn a_core_that_closes_late_hears_that_another_has_left() {
    for_each_seed("a_core_that_closes_late_hears_that_another_has_left", 20, |seed| {
        let mut machine = Plan { seed, cores: 2, shards: 2 }.world();
        machine.change(|options| options.time_max = Duration::from_secs(120));
        let told = Told::default();
        let again = told.clone();
        let results = machine.try_live(move |core| stay(core, again.clone())).finished();
        results.into_iter().filter_map(Result::err).for_each(|error| must_blame_the_disk(&error));
        assert!(told.acknowledged() > 100, "only {} commits", told.acknowledged());
        machine.live(move |core| {
            let told = told.clone();
            async move {
                let lease = core.lease();
                let found = read_all(&core, TRANSFERS, lease.snapshot()).await?;
                for (id, commit) in told.all() {
                    assert_eq!(found.get(&id).map(|found| found.version), Some(commit));
                }
                for row in found.values() {
                    let pair = [row.values[1], row.values[2]];
                    assert!(pair.iter().all(|id| found.contains_key(id)), "half of {pair:?}");
                }
                verify(&core).await
            }
        });
    });
}
