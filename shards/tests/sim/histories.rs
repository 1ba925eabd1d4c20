//! Has everything that clients saw a serial order, through crashes and failing disks?
//!
//! Transactions of any shape: several records of several tables on several shards, read by key, by
//! a range of keys and by an index, and appended to. Everything is written down as the client saw
//! it, over several lives of the process, and judged at the end (`history`).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pieskieo_io::{rt, time};
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::request::{Access, Expect};
use pieskieo_shards::txn::{Isolation, Transaction};

use crate::harness::{Machine, Plan, Trouble, for_each_seed};
use crate::history::{Anomaly, Element, Operation, Outcome, Promise, RecordId, check};
use crate::lists::{
    Entry, Log, RECORDS, TABLES, by_length, by_number, create_lists, get_list, put_list,
    records_of, search_lists,
};
use crate::model::verify;

const CLIENTS: usize = 3;

/// A transaction under way, and what is written down about it.
struct Session {
    core: Rc<Core>,
    txn: Transaction,
    isolation: Isolation,
    log: Log,
    entry: Entry,
    /// Records read for an append: what a write of them expects, and what it makes them.
    mine: BTreeMap<RecordId, (Expect, Vec<Element>)>,
}

fn pick(bound: u64) -> u64 {
    time::random_u64() % bound
}

fn any_record() -> RecordId {
    RecordId(pick(TABLES * RECORDS))
}

impl Session {
    async fn read(&mut self, record: RecordId) -> Result<(Vec<Element>, Expect), Error> {
        self.txn.flush().await?;
        let key = crate::lists::key_of(&self.core, record);
        let view = self.txn.view_at([self.core.owner(key.slot())]);
        let list = get_list(&self.core, record, view).await?;
        let expect = list.as_ref().map_or(Expect::Absent, |list| Expect::Version(list.version));
        let found = list.map(|list| list.elements).unwrap_or_default();
        let operation = Operation::Read { record, found: found.clone() };
        self.log.note(self.entry, operation);
        Ok((found, expect))
    }

    async fn append(&mut self, record: RecordId) -> Result<(), Error> {
        if !self.mine.contains_key(&record) {
            let (found, expect) = self.read(record).await?;
            // What was read is validated anyway.
            let trusts_reads = self.isolation == Isolation::Serializable && pick(4) == 0;
            let expect = if trusts_reads { Expect::Any } else { expect };
            self.mine.insert(record, (expect, found));
        }
        let element = self.log.element();
        let (expect, list) = self.mine.get_mut(&record).expect("it was just put there");
        list.push(element);
        let write = put_list(&self.core, record, list, *expect);
        // The condition of the first write to a record is that of all later ones.
        *expect = Expect::Any;
        self.txn.write(vec![write])?;
        self.log.note(self.entry, Operation::Append { record, element });
        Ok(())
    }

    /// Appends and thinks better of it.
    async fn waver(&mut self, record: RecordId) -> Result<(), Error> {
        let before = self.mine.clone();
        let count = self.log.operations(self.entry);
        self.txn.savepoint("here")?;
        self.append(record).await?;
        if pick(2) == 0 {
            self.txn.flush().await?;
        }
        self.txn.back_to("here").await.expect("it was just made");
        self.log.take_back(self.entry, count);
        self.mine = before;
        Ok(())
    }

    async fn search(&mut self) -> Result<(), Error> {
        self.txn.flush().await?;
        let table = pick(TABLES);
        let all: RangeInclusive<usize> = 1..=usize::MAX;
        let mut records = records_of(table);
        let (access, lengths) = match pick(3) {
            0 => (Access::All, all),
            1 => {
                records.start += pick(RECORDS);
                records.end = records.start + 1 + pick(records.end - records.start);
                (by_number(&records), all)
            }
            _ => {
                let least = 1 + pick(8) as usize;
                let lengths = least..=if pick(2) == 0 { usize::MAX } else { least + 2 };
                (by_length(table, &lengths), lengths)
            }
        };
        let view = self.txn.view();
        let found = search_lists(&self.core, table, &access, view).await?;
        let found = found.into_iter().map(|(record, list)| (record, list.elements)).collect();
        self.log.note(self.entry, Operation::Search { records, lengths, found });
        Ok(())
    }

    async fn steps(&mut self) -> Result<(), Error> {
        let only_reads = pick(5) == 0;
        for _ in 0..1 + pick(4) {
            match pick(8) {
                0 | 1 => drop(self.read(any_record()).await?),
                2 | 3 => self.search().await?,
                _ if only_reads => drop(self.read(any_record()).await?),
                4 => self.waver(any_record()).await?,
                _ => self.append(any_record()).await?,
            }
        }
        Ok(())
    }
}

/// Runs one transaction and writes down what became of it.
async fn transact(
    core: &Rc<Core>,
    client: usize,
    isolation: Isolation,
    log: &Log,
) -> Result<(), Error> {
    let entry = log.begin(client);
    let txn = core.begin_with(isolation);
    let mine = BTreeMap::new();
    let (core, log) = (core.clone(), log.clone());
    let mut session = Session { core, txn, isolation, log: log.clone(), entry, mine };
    if let Err(error) = session.steps().await {
        // It was not asked to commit.
        log.end(entry, Outcome::Refused);
        session.txn.abort().await;
        return Err(error);
    }
    let result = session.txn.commit().await.map(drop);
    let outcome = match &result {
        Ok(()) => Outcome::Committed,
        Err(Error::OutcomeUnknown(_) | Error::Storage(_) | Error::Cancelled(_)) => return result,
        Err(_) => Outcome::Refused,
    };
    log.end(entry, outcome);
    result
}

async fn client(core: Rc<Core>, client: usize, count: usize, isolation: Isolation, log: Log) {
    for _ in 0..count {
        match transact(&core, client, isolation, &log).await {
            Ok(()) | Err(Error::Overloaded(_) | Error::DiskFull(_)) => {}
            // The first schema has not reached every shard yet.
            Err(Error::StaleCatalog { .. }) => {}
            Err(Error::Conflict { winner, .. }) => {
                if let Some(winner) = winner
                    && pick(2) == 0
                    && core.visible(winner).await.is_err()
                {
                    return;
                }
            }
            Err(Error::OutcomeUnknown(_) | Error::Storage(_) | Error::Cancelled(_)) => return,
            Err(error) => panic!("a transaction failed: {error}"),
        }
    }
}

/// One life of the process: work, check the indexes.
async fn life(core: Rc<Core>, count: usize, isolation: Isolation, log: Log) -> Result<(), Error> {
    create_lists(&core).await?;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let number = usize::from(core.id().0) * CLIENTS + number;
            let client = client(core.clone(), number, count, isolation, log.clone());
            rt::spawn(rt::Queue::Net, "client", client)
        })
        .collect();
    for client in clients {
        client.await;
    }
    verify(&core).await
}

/// Reads everything in one last transaction.
async fn read_everything(core: Rc<Core>, log: Log) -> Result<(), Error> {
    create_lists(&core).await?;
    if core.id().0 == 0 {
        let entry = log.begin(usize::MAX);
        let mut txn = core.begin();
        for record in (0..TABLES * RECORDS).map(RecordId) {
            let list = get_list(&core, record, txn.view()).await?;
            let found = list.map(|list| list.elements).unwrap_or_default();
            log.note(entry, Operation::Read { record, found });
        }
        for table in 0..TABLES {
            let lengths = 1..=usize::MAX;
            let access = by_length(table, &lengths);
            let found = search_lists(&core, table, &access, txn.view()).await?;
            let found = found.into_iter().map(|(record, list)| (record, list.elements)).collect();
            let records = records_of(table);
            log.note(entry, Operation::Search { records, lengths, found });
        }
        txn.commit().await?;
        log.end(entry, Outcome::Committed);
    }
    verify(&core).await
}

/// Reads everything and returns what the whole history shows that was not promised.
fn judge(machine: &mut Machine, log: &Log, promise: Promise) -> Vec<Anomaly> {
    let again = log.clone();
    machine.live(move |core| read_everything(core, again.clone()));
    check(&log.history(), promise)
}

#[track_caller]
fn must_be_none(anomalies: &[Anomaly]) {
    let stories: Vec<String> = anomalies.iter().map(Anomaly::to_string).collect();
    assert!(stories.is_empty(), "{}", stories.join("\n"));
}

fn committed(log: &Log) -> usize {
    let committed = |outcome| outcome == Outcome::Committed;
    log.history().iter().filter(|transaction| committed(transaction.outcome)).count()
}

#[test]
fn everything_seen_in_calm_has_a_serial_order() {
    for_each_seed("everything_seen_in_calm_has_a_serial_order", 30, |seed| {
        let log = Log::default();
        let mut machine = Plan::from_seed(seed).world();
        let again = log.clone();
        machine.live(move |core| life(core, 12, Isolation::Serializable, again.clone()));
        must_be_none(&judge(&mut machine, &log, Promise::StrictSerializable));
        assert!(committed(&log) > 10, "only {} commits", committed(&log));
    });
}

#[test]
fn everything_seen_through_trouble_has_a_serial_order() {
    for_each_seed("everything_seen_through_trouble_has_a_serial_order", 60, |seed| {
        let log = Log::default();
        let mut machine = Plan::from_seed(seed).world();
        for _ in 0..4 {
            let again = log.clone();
            let trouble = Trouble::any(&mut machine);
            machine.live_in(trouble, move |core| {
                life(core, 12, Isolation::Serializable, again.clone())
            });
        }
        must_be_none(&judge(&mut machine, &log, Promise::StrictSerializable));
    });
}

#[test]
fn everything_seen_though_all_is_late_has_a_serial_order() {
    for_each_seed("everything_seen_though_all_is_late_has_a_serial_order", 30, |seed| {
        let log = Log::default();
        let mut machine = Plan::from_seed(seed).world();
        for _ in 0..3 {
            let again = log.clone();
            let trouble = Trouble::any_delay(&mut machine);
            machine.live_in(trouble, move |core| {
                life(core, 12, Isolation::Serializable, again.clone())
            });
        }
        must_be_none(&judge(&mut machine, &log, Promise::StrictSerializable));
    });
}

#[test]
fn snapshots_show_write_skew_and_nothing_worse() {
    let name = "snapshots_show_write_skew_and_nothing_worse";
    let skewed = Arc::new(AtomicU64::new(0));
    for_each_seed(name, 30, |seed| {
        let log = Log::default();
        let mut machine = Plan::from_seed(seed).world();
        for _ in 0..2 {
            let again = log.clone();
            let trouble = Trouble::any(&mut machine);
            machine
                .live_in(trouble, move |core| life(core, 12, Isolation::Snapshot, again.clone()));
        }
        must_be_none(&judge(&mut machine, &log, Promise::Snapshot));
        let serial = check(&log.history(), Promise::StrictSerializable);
        skewed.fetch_add(u64::from(!serial.is_empty()), Ordering::SeqCst);
    });
    // One seed alone need not.
    if std::env::var_os("PIESKIEO_SIM_SEED").is_none() {
        assert!(skewed.load(Ordering::SeqCst) > 0, "the checker finds no write skew");
    }
}
