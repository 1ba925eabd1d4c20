//! Is a transaction that is applied in steps whole, whatever becomes of the log meanwhile?
//!
//! The log is on a slow device and the segments are not: what a checkpoint froze half applied is
//! in segments long before the log has the transaction.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pieskieo_io::rt;
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::request::Expect;

use crate::harness::{Plan, for_each_seed};
use crate::model::{ACCOUNTS, create_schema, put, read_all, verify};

/// Groups of rows, each written by one client and always as a whole.
const GROUPS: i64 = 3;
/// Rows of a group: more than a shard applies in one step.
const ROWS: i64 = 300;

/// The last number of each group that was acknowledged, and the last that was tried.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<BTreeMap<i64, (i64, i64)>>>);

impl Told {
    fn next(&self, group: i64) -> i64 {
        let mut told = self.0.lock().expect("nobody panics here");
        let (_, tried) = told.entry(group).or_insert((-1, -1));
        *tried += 1;
        *tried
    }

    fn acknowledge(&self, group: i64, number: i64) {
        let mut told = self.0.lock().expect("nobody panics here");
        told.entry(group).and_modify(|(kept, _)| *kept = number);
    }

    /// Returns what a group may say: from the last number acknowledged to the last one tried.
    fn allowed(&self, group: i64) -> (i64, i64) {
        self.0.lock().expect("nobody panics here").get(&group).copied().unwrap_or((-1, -1))
    }
}

/// Writes one number to all rows of a group in one transaction.
async fn rewrite(core: &Rc<Core>, group: i64, told: &Told) -> Result<(), Error> {
    let number = told.next(group);
    let mut txn = core.begin();
    let rows = (0..ROWS).map(|row| put(core, ACCOUNTS, &[group * ROWS + row, number], Expect::Any));
    txn.write(rows.collect())?;
    txn.commit().await?;
    told.acknowledge(group, number);
    Ok(())
}

async fn check(core: &Rc<Core>, told: &Told) -> Result<(), Error> {
    let allowed: Vec<(i64, i64)> = (0..GROUPS).map(|group| told.allowed(group)).collect();
    let lease = core.lease();
    let found = read_all(core, ACCOUNTS, lease.snapshot()).await?;
    for (group, (kept, tried)) in (0..GROUPS).zip(allowed) {
        let rows: Vec<i64> = found
            .range(group * ROWS..(group + 1) * ROWS)
            .map(|(_, found)| found.values[1])
            .collect();
        let number = rows.first().copied().unwrap_or(-1);
        assert!((kept..=tried).contains(&number), "group {group}: {kept} <= {number} <= {tried}");
        assert!(rows.iter().all(|row| *row == number), "half of a transaction: {rows:?}");
        assert!(rows.is_empty() || rows.len() == ROWS as usize, "{} rows", rows.len());
    }
    verify(core).await
}

async fn life(core: Rc<Core>, told: Told, count: usize) -> Result<(), Error> {
    create_schema(&core).await?;
    if core.id().0 != 0 {
        return Ok(());
    }
    check(&core, &told).await?;
    let clients: Vec<_> = (0..GROUPS)
        .map(|group| {
            let (core, told) = (core.clone(), told.clone());
            rt::spawn(rt::Queue::Net, "client", async move {
                for _ in 0..count {
                    rewrite(&core, group, &told).await?;
                }
                Ok::<(), Error>(())
            })
        })
        .collect();
    for client in clients {
        client.await?;
    }
    check(&core, &told).await
}

#[test]
fn a_transaction_applied_in_steps_is_whole_though_the_log_is_late() {
    let name = "a_transaction_applied_in_steps_is_whole_though_the_log_is_late";
    for_each_seed(name, 12, |seed| {
        let shards = 1 + (seed % 4 == 3) as u16;
        let mut machine = Plan { seed, cores: 1, shards }.world();
        let told = Told::default();
        let first = told.clone();
        machine.live(move |core| life(core, first.clone(), 1));
        for _ in 0..3 {
            let until = Duration::from_millis(500 + machine.pick(2500));
            machine.world.change(|options| {
                options.slow_files = Some("/data/log".into());
                options.read_time = (Duration::from_millis(1), Duration::from_millis(4));
                options.crash_after = Some(until);
            });
            let again = told.clone();
            let outcome = machine.try_live(move |core| life(core, again.clone(), 40));
            assert!(matches!(outcome, pieskieo_io::sim::Outcome::Crashed), "{outcome:?}");
            machine.world.change(|options| {
                options.slow_files = None;
                options.crash_after = None;
            });
        }
        machine.live(move |core| life(core, told.clone(), 1));
    });
}
