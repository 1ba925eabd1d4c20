//! Is the database what the committed transactions made of it?
//!
//! Beside what it changes, every transaction of a workload writes a receipt. Its changes are
//! written down before it commits, and afterwards what it was told. So the receipts that are there
//! say which transactions committed, and their versions in which order; all else must be what
//! these transactions, one after the other, made of nothing. Half a transaction, a lost, a risen
//! and an invented one all show.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};

use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::ids::{CatalogVersion, TableId, Timestamp};
use pieskieo_shards::key::KeyRange;
use pieskieo_shards::request::{Access, Expect, ReadView, Write, WriteOp};
use pieskieo_shards::txn::{EdgeWrite, Isolation, Lease, Transaction};

use crate::content::{encode, key_values, read_rows};
use crate::model::{Found, key, node};

/// The receipts: of which record's owner, and the number of the transaction. They lie where the
/// first record lies that is written to, so that a transaction of one record is one of one shard.
pub const RECEIPTS: TableId = TableId(90);

/// A record: its table and the values of its key.
type Place = (TableId, Vec<i64>);

/// What a client was told about a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Nothing: it may be committed or not.
    Nothing,
    Committed(Timestamp),
    Refused,
}

/// What a transaction was to do.
#[derive(Clone, Debug)]
struct Deed {
    /// The new values of each record, or that it goes.
    changes: BTreeMap<Place, Option<Vec<i64>>>,
    told: Told,
}

/// What all clients of all lives did.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    next: i64,
    deeds: BTreeMap<i64, Deed>,
    /// The newest catalog that somebody was told to be durable.
    catalog: Option<CatalogVersion>,
}

/// What must be left of what was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// All of it.
    Everything,
    /// The disk has lied to the only log there is: what is left is all that came before something
    /// that is left, whole transactions.
    Beginning,
    /// The disk has lied to one of several logs, and none knows what the others lost: what is
    /// left, somebody wrote.
    Pieces,
}

/// Everything there is at one snapshot.
pub struct Content {
    pub view: ReadView,
    /// Keeps what the view sees.
    _lease: Lease,
    pub tables: BTreeMap<TableId, BTreeMap<Vec<i64>, Found>>,
}

impl Content {
    /// Returns the rows of a table, without their versions; none if there is no such table.
    pub fn rows(&self, table: TableId) -> impl Iterator<Item = &[i64]> {
        let rows = self.tables.get(&table).into_iter().flatten();
        rows.map(|(_, found)| &found.values[..])
    }

    /// Returns the numbers of the transactions that committed, with their versions.
    fn receipts(&self) -> BTreeMap<i64, Timestamp> {
        let receipts = self.tables.get(&RECEIPTS).into_iter().flatten();
        receipts.map(|(_, found)| (found.values[1], found.version)).collect()
    }
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("nobody panics while it writes something down")
    }

    fn deeds(&self) -> BTreeMap<i64, Deed> {
        self.lock().deeds.clone()
    }

    fn tell(&self, id: i64, told: Told) {
        self.lock().deeds.entry(id).and_modify(|deed| deed.told = told);
    }

    /// Returns how many transactions were acknowledged.
    pub fn acknowledged(&self) -> usize {
        let committed = |deed: &&Deed| matches!(deed.told, Told::Committed(_));
        self.lock().deeds.values().filter(committed).count()
    }

    /// Notes that a schema is durable.
    pub fn acknowledge_catalog(&self, version: CatalogVersion) {
        let mut inner = self.lock();
        inner.catalog = inner.catalog.max(Some(version));
    }

    /// Forgets whatever is not there any more: the disk has lost it, and that was allowed.
    fn forgive(&self, receipts: &BTreeMap<i64, Timestamp>, catalog: CatalogVersion) {
        let mut inner = self.lock();
        inner.deeds.retain(|id, _| receipts.contains_key(id));
        inner.catalog = Some(catalog);
    }
}

/// A transaction under way.
pub struct Draft {
    pub core: Rc<Core>,
    pub txn: Transaction,
    id: i64,
    home: Option<i64>,
    ledger: Ledger,
    changes: BTreeMap<Place, Option<Vec<i64>>>,
}

impl Draft {
    pub fn begin(core: &Rc<Core>, ledger: &Ledger, isolation: Isolation) -> Self {
        let id = {
            let mut inner = ledger.lock();
            inner.next += 1;
            inner.next
        };
        let (core, ledger) = (core.clone(), ledger.clone());
        let txn = core.begin_with(isolation);
        Self { core, txn, id, home: None, ledger, changes: BTreeMap::new() }
    }

    /// Returns a number that no other transaction has.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Reads one record at the transaction's snapshot.
    pub async fn get(&mut self, table: TableId, key: &[i64]) -> Result<Option<Found>, Error> {
        let key = self.key(table, key)?;
        let shard = self.core.owner(key.slot());
        let view = self.txn.view_at([shard]);
        let found = read_rows(&self.core, shard, table, Access::Keys(vec![key]), view).await?;
        Ok(found.into_iter().next())
    }

    /// As [`Draft::get`], for a read by which a constraint is kept.
    pub async fn get_validated(
        &mut self,
        table: TableId,
        key: &[i64],
    ) -> Result<Option<Found>, Error> {
        let key = self.key(table, key)?;
        let shard = self.core.owner(key.slot());
        let view = self.txn.validated_view_at([shard]);
        let found = read_rows(&self.core, shard, table, Access::Keys(vec![key]), view).await?;
        Ok(found.into_iter().next())
    }

    fn key(&self, table: TableId, values: &[i64]) -> Result<pieskieo_shards::key::Key, Error> {
        let stale = Error::StaleCatalog { current: self.core.catalog().version };
        self.core.catalog().tables.get(&table).ok_or(stale)?;
        Ok(key(&self.core, table, values))
    }

    /// Puts a record.
    pub fn put(&mut self, table: TableId, values: &[i64], expect: Expect) -> Result<(), Error> {
        let key_values = key_values(&self.core, table, values)?;
        let op = WriteOp::Put(encode(&self.core, table, values)?);
        let key = self.key(table, &key_values)?;
        self.note(table, key_values, Some(values.to_vec()));
        self.txn.write(vec![Write { table, key, op, expect }])
    }

    /// Deletes a record.
    pub fn delete(&mut self, table: TableId, key: &[i64], expect: Expect) -> Result<(), Error> {
        let write = Write { table, key: self.key(table, key)?, op: WriteOp::Delete, expect };
        self.note(table, key.to_vec(), None);
        self.txn.write(vec![write])
    }

    /// Empties a range of a table whose key is one integer.
    pub async fn erase(&mut self, table: TableId, from: i64, to: Option<i64>) -> Result<(), Error> {
        let from = self.key(table, &[from])?.bytes().to_vec();
        let to = to.map(|to| Ok::<_, Error>(self.key(table, &[to])?.bytes().to_vec()));
        let range = KeyRange { from: Some(from), to: to.transpose()?, descending: false };
        let mut counts = Vec::new();
        for shard in self.core.shards() {
            let (access, view) = (Access::KeyRange(range.clone()), self.txn.view_at([shard]));
            let rows = read_rows(&self.core, shard, table, access, view).await?;
            counts.push((shard, rows.len() as u64));
            rows.iter().for_each(|row| self.note(table, vec![row.values[0]], None));
        }
        self.txn.erase(table, &range, counts);
        Ok(())
    }

    /// Puts the edge `[source, target, id]`, which is to be new or to have another target.
    pub fn put_edge(
        &mut self,
        table: TableId,
        values: [i64; 3],
        before: Option<&Found>,
    ) -> Result<(), Error> {
        let [source, target, id] = values;
        let write = EdgeWrite {
            table,
            key: self.key(table, &[source, id])?,
            source: node(source),
            target_before: before.map(|before| node(before.values[1])),
            target_after: Some(node(target)),
            row: Some(encode(&self.core, table, &values)?),
            expect: before.map_or(Expect::Absent, |before| Expect::Version(before.version)),
        };
        self.note(table, vec![source, id], Some(values.to_vec()));
        self.txn.write_edge(write)
    }

    fn note(&mut self, table: TableId, key: Vec<i64>, values: Option<Vec<i64>>) {
        self.home.get_or_insert(key[0]);
        self.changes.insert((table, key), values);
    }

    /// Commits, and writes down what it was told.
    pub async fn commit(mut self) -> Result<(), Error> {
        let Some(home) = self.home else {
            self.txn.abort().await;
            return Ok(());
        };
        let (id, ledger) = (self.id, self.ledger.clone());
        let receipt = [home, id];
        let op = WriteOp::Put(encode(&self.core, RECEIPTS, &receipt)?);
        let key = self.key(RECEIPTS, &receipt)?;
        self.txn.write(vec![Write { table: RECEIPTS, key, op, expect: Expect::Absent }])?;
        let deed = Deed { changes: self.changes, told: Told::Nothing };
        ledger.lock().deeds.insert(id, deed);
        match self.txn.commit().await {
            Ok(at) => {
                ledger.tell(id, Told::Committed(at));
                assert!(self.core.snapshot() >= at, "acknowledged before it was visible");
                Ok(())
            }
            Err(error) => {
                if is_refusal(&error) {
                    ledger.tell(id, Told::Refused);
                }
                Err(error)
            }
        }
    }
}

/// Returns whether an error says that nothing was written.
pub fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::Conflict { .. }
            | Error::DuplicateKey { .. }
            | Error::StaleCatalog { .. }
            | Error::Overloaded(_)
            | Error::DiskFull(_)
    )
}

/// Reads everything at one snapshot and compares it with what clients did and were told.
///
/// **Errors**: `StaleCatalog` when the schema changed meanwhile; what reading meets.
pub async fn compare(core: &Rc<Core>, ledger: &Ledger, keeps: Keeps) -> Result<Content, Error> {
    // What was told before the snapshot is taken must show in it.
    let told = ledger.deeds();
    let least = ledger.lock().catalog;
    let lease = core.lease();
    let catalog = core.catalog();
    if keeps == Keeps::Everything {
        assert!(least <= Some(catalog.version), "a schema is lost: {least:?}");
    }
    let view = ReadView::at(lease.snapshot());
    let mut content = Content { view, _lease: lease, tables: BTreeMap::new() };
    for (id, table) in &catalog.tables {
        let mut rows = BTreeMap::new();
        for shard in core.shards() {
            for found in read_rows(core, shard, *id, Access::All, view).await? {
                let key = table.key.iter().map(|column| found.values[*column]).collect();
                let twice = rows.insert(key, found);
                assert!(twice.is_none(), "{twice:?} was read twice");
            }
        }
        content.tables.insert(*id, rows);
    }
    let receipts = content.receipts();
    must_be_told(&told, &receipts, keeps);
    match keeps {
        Keeps::Pieces => must_be_written(&content, &ledger.deeds()),
        Keeps::Everything | Keeps::Beginning => must_follow(&content, &ledger.deeds(), &receipts),
    }
    if keeps != Keeps::Everything {
        ledger.forgive(&receipts, catalog.version);
    }
    Ok(content)
}

/// Checks what is there against what clients were told.
fn must_be_told(told: &BTreeMap<i64, Deed>, receipts: &BTreeMap<i64, Timestamp>, keeps: Keeps) {
    let last = receipts.values().max().copied().unwrap_or(Timestamp(0));
    for (id, deed) in told {
        let found = receipts.get(id).copied();
        match (deed.told, found) {
            (Told::Nothing, _) | (Told::Refused, None) => {}
            (Told::Refused, Some(_)) => panic!("refused transaction {id} is there"),
            (Told::Committed(at), Some(found)) => {
                assert_eq!(at, found, "acknowledged transaction {id} has moved");
            }
            (Told::Committed(at), None) => match keeps {
                Keeps::Everything => panic!("acknowledged transaction {id} at {at} is lost"),
                Keeps::Beginning => assert!(at > last, "{id} at {at} is lost, {last} is not"),
                Keeps::Pieces => {}
            },
        }
    }
}

/// Checks that every table is what the transactions with these receipts made of it.
fn must_follow(
    content: &Content,
    deeds: &BTreeMap<i64, Deed>,
    receipts: &BTreeMap<i64, Timestamp>,
) {
    let mut order: Vec<(Timestamp, i64)> = receipts.iter().map(|(id, at)| (*at, *id)).collect();
    order.sort_unstable();
    let mut expected: BTreeMap<TableId, BTreeMap<&[i64], Found>> = BTreeMap::new();
    for (version, id) in order {
        let deed = deeds.get(&id).unwrap_or_else(|| panic!("nobody wrote receipt {id}"));
        for ((table, key), values) in &deed.changes {
            let rows = expected.entry(*table).or_default();
            match values.clone() {
                Some(values) => drop(rows.insert(key, Found { values, version })),
                None => drop(rows.remove(&key[..])),
            }
        }
    }
    for (table, found) in content.tables.iter().filter(|(table, _)| **table != RECEIPTS) {
        let expected = expected.remove(table).unwrap_or_default();
        let found: BTreeMap<&[i64], Found> =
            found.iter().map(|(key, found)| (&key[..], found.clone())).collect();
        assert_eq!(found, expected, "table {table:?} does not follow from what was committed");
    }
}

/// Checks that every row is one that some transaction wrote.
fn must_be_written(content: &Content, deeds: &BTreeMap<i64, Deed>) {
    let written: BTreeSet<(TableId, &[i64])> = deeds
        .values()
        .flat_map(|deed| &deed.changes)
        .filter_map(|((table, _), values)| Some((*table, &values.as_ref()?[..])))
        .collect();
    for table in content.tables.keys().filter(|table| **table != RECEIPTS) {
        for row in content.rows(*table) {
            assert!(written.contains(&(*table, row)), "nobody wrote {row:?} to {table:?}");
        }
    }
}
