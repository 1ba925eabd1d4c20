//! Is money conserved and every acknowledged transfer kept, in calm and in crashes?
//!
//! Each transfer moves an amount between two accounts and inserts a record about itself, in one
//! transaction. So the balances must at every snapshot be what the records at that snapshot say:
//! half a transaction, a lost update, a lost or a resurrected commit all show.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use pieskieo_io::{rt, time};
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::ids::Timestamp;
use pieskieo_shards::request::Expect;

use crate::harness::{Plan, for_each_seed};
use crate::model::{ACCOUNTS, TRANSFERS, create_schema, get, put, read_all, verify};

pub const ACCOUNT_COUNT: i64 = 12;
pub const BALANCE: i64 = 100;

/// What the clients were told.
#[derive(Clone, Debug, Default)]
pub struct Told {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Committed transfers.
    acknowledged: BTreeMap<i64, Timestamp>,
    /// Transfers that were refused: they must not be there.
    refused: Vec<i64>,
    id_next: i64,
}

impl Told {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no client panics while it notes something")
    }

    pub fn fresh_id(&self) -> i64 {
        let mut inner = self.lock();
        inner.id_next += 1;
        inner.id_next
    }

    pub fn acknowledge(&self, id: i64, commit: Timestamp) {
        self.lock().acknowledged.insert(id, commit);
    }

    pub fn refuse(&self, id: i64) {
        self.lock().refused.push(id);
    }

    /// Returns what was acknowledged, with the commits.
    pub fn all(&self) -> BTreeMap<i64, Timestamp> {
        self.lock().acknowledged.clone()
    }

    pub fn acknowledged(&self) -> usize {
        self.lock().acknowledged.len()
    }
}

/// Creates schema and accounts unless they are there.
pub async fn found_bank(core: &Rc<Core>) -> Result<(), Error> {
    create_schema(core).await?;
    if core.id().0 == 0 && read_all(core, ACCOUNTS, core.snapshot()).await?.is_empty() {
        let mut txn = core.begin();
        let accounts = (0..ACCOUNT_COUNT)
            .map(|id| put(core, ACCOUNTS, &[id, BALANCE], Expect::Absent))
            .collect();
        txn.write(accounts)?;
        txn.commit().await?;
    }
    while read_all(core, ACCOUNTS, core.snapshot()).await?.is_empty() {
        rt::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Tries one transfer once. `Ok(false)` when the source has not enough.
async fn transfer(core: &Rc<Core>, id: i64, told: &Told) -> Result<bool, Error> {
    let source = (time::random_u64() % ACCOUNT_COUNT as u64) as i64;
    let step = 1 + (time::random_u64() % (ACCOUNT_COUNT as u64 - 1)) as i64;
    let target = (source + step) % ACCOUNT_COUNT;
    let amount = 1 + (time::random_u64() % 20) as i64;
    let mut txn = core.begin();
    let from = get(core, &mut txn, ACCOUNTS, source).await?.expect("accounts are never deleted");
    let to = get(core, &mut txn, ACCOUNTS, target).await?.expect("accounts are never deleted");
    if from.values[1] < amount {
        txn.abort().await;
        return Ok(false);
    }
    let staged = time::random_u64().is_multiple_of(4);
    let debit = [source, from.values[1] - amount];
    txn.write(vec![put(core, ACCOUNTS, &debit, Expect::Version(from.version))])?;
    if staged {
        txn.flush().await?;
        let seen = get(core, &mut txn, ACCOUNTS, source).await?.expect("just put");
        assert_eq!(seen.values, debit, "a transaction reads its own writes");
    }
    let credit = [target, to.values[1] + amount];
    txn.write(vec![
        put(core, ACCOUNTS, &credit, Expect::Version(to.version)),
        put(core, TRANSFERS, &[id, source, target, amount], Expect::Absent),
    ])?;
    let commit = txn.commit().await?;
    told.acknowledge(id, commit);
    assert!(core.snapshot() >= commit, "acknowledged before it was visible");
    Ok(true)
}

/// Makes transfers until `count` were tried or the process fails.
pub async fn client(core: Rc<Core>, count: usize, told: Told) {
    for _ in 0..count {
        let id = told.fresh_id();
        match transfer(&core, id, &told).await {
            Ok(true) => {}
            Ok(false) => told.refuse(id),
            Err(Error::Conflict { winner, .. }) => {
                told.refuse(id);
                if let Some(winner) = winner
                    && core.visible(winner).await.is_err()
                {
                    return;
                }
            }
            // Nothing was written: the log has no room because spare files cannot be made.
            Err(Error::Overloaded(_) | Error::DiskFull(_)) => told.refuse(id),
            // Whether it is committed is for recovery to say.
            Err(Error::OutcomeUnknown(_)) => {}
            Err(Error::Storage(_) | Error::Cancelled(_)) => return,
            Err(error) => panic!("a transfer failed: {error}"),
        }
    }
}

/// Checks that the balances are what the transfers say, at one snapshot.
pub async fn audit(core: &Rc<Core>) -> Result<(), Error> {
    let lease = core.lease();
    let accounts = read_all(core, ACCOUNTS, lease.snapshot()).await?;
    rt::sleep(Duration::from_micros(time::random_u64() % 2000)).await;
    let transfers = read_all(core, TRANSFERS, lease.snapshot()).await?;
    let mut expected: BTreeMap<i64, i64> = (0..ACCOUNT_COUNT).map(|id| (id, BALANCE)).collect();
    for transfer in transfers.values() {
        let [_, source, target, amount] = transfer.values[..] else { panic!("{transfer:?}") };
        *expected.get_mut(&source).expect("an account") -= amount;
        *expected.get_mut(&target).expect("an account") += amount;
    }
    let found: BTreeMap<i64, i64> =
        accounts.values().map(|found| (found.values[0], found.values[1])).collect();
    assert_eq!(found, expected, "balances do not follow from transfers at {lease:?}");
    Ok(())
}

/// Checks what the clients were told against what is there, and the indexes against the records.
pub async fn check_told(core: &Rc<Core>, told: &Told) -> Result<(), Error> {
    audit(core).await?;
    // What was told before the snapshot is taken must show in it.
    let (acknowledged, refused) = {
        let told = told.lock();
        (told.acknowledged.clone(), told.refused.clone())
    };
    let lease = core.lease();
    let transfers = read_all(core, TRANSFERS, lease.snapshot()).await?;
    for (id, commit) in acknowledged {
        let found = transfers.get(&id);
        let version = found.map(|found| found.version);
        assert_eq!(version, Some(commit), "acknowledged transfer {id} is lost or moved");
    }
    for id in refused {
        assert!(!transfers.contains_key(&id), "refused transfer {id} is there");
    }
    verify(core).await
}

/// One life of the process: recover, check, work, check, leave.
pub async fn life(core: Rc<Core>, told: Told, transfers: usize) -> Result<(), Error> {
    found_bank(&core).await?;
    if core.id().0 == 0 {
        check_told(&core, &told).await?;
    }
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let client = client(core.clone(), transfers, told.clone());
            rt::spawn(rt::Queue::Net, "client", client)
        })
        .collect();
    for _ in 0..4 {
        rt::sleep(Duration::from_micros(time::random_u64() % 3000)).await;
        audit(&core).await?;
    }
    for client in clients {
        client.await;
    }
    if core.id().0 == 0 {
        check_told(&core, &told).await?;
    }
    Ok(())
}

#[test]
fn bank_conserves_money_in_calm() {
    for_each_seed("bank_conserves_money_in_calm", 20, |seed| {
        let told = Told::default();
        let plan = Plan::from_seed(seed);
        let mut world = plan.world();
        let again = told.clone();
        world.live(move |core| life(core, again.clone(), 15));
        assert!(told.acknowledged() > 10, "only {} commits", told.acknowledged());
        let again = told.clone();
        world.live(move |core| life(core, again.clone(), 2));
    });
}

#[test]
fn bank_conserves_money_through_crashes() {
    for_each_seed("bank_conserves_money_through_crashes", 60, |seed| {
        let told = Told::default();
        let mut world = Plan::from_seed(seed).world();
        for _ in 0..3 {
            let told = told.clone();
            world.live_until_crash(move |core| life(core, told.clone(), 40));
        }
        let told = told.clone();
        world.live(move |core| life(core, told.clone(), 2));
    });
}
