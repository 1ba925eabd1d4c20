//! How is a record a list that only grows, and who wrote down what was done to it?

use std::collections::BTreeMap;
use std::ops::{Bound, Range, RangeInclusive};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use pieskieo_io::{rt, time};
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, Index, IndexKind};
use pieskieo_shards::ids::{CatalogVersion, IndexId, TableId, Timestamp};
use pieskieo_shards::key::{Key, KeyBounds, KeyForm, KeyRange};
use pieskieo_shards::request::{
    Access, Expect, ReadView, Reply, Request, ScanColumn, ScanSpec, Write, WriteOp,
};
use pieskieo_shards::row;
use pieskieo_shards::value::{ColumnType, Value};

use crate::history::{Element, Operation, Outcome, RecordId, Transaction};
use crate::model::{key, table};

pub const TABLES: u64 = 2;
/// Records of a table.
pub const RECORDS: u64 = 7;

const FIRST: TableId = TableId(10);

/// A list as it was read, and the commit that made it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    pub elements: Vec<Element>,
    pub version: Timestamp,
}

/// What all clients of all lives did.
#[derive(Clone, Debug, Default)]
pub struct Log {
    inner: Arc<Mutex<Vec<Transaction>>>,
    elements: Arc<AtomicU64>,
}

/// The number of a transaction in a log.
#[derive(Clone, Copy, Debug)]
pub struct Entry(usize);

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<Transaction>> {
        self.inner.lock().expect("no client panics while it notes something")
    }

    /// Notes that a transaction is about to begin. If nothing else is noted, its outcome is
    /// unknown: so it is when the power goes.
    pub fn begin(&self, client: usize) -> Entry {
        let mut all = self.lock();
        let begin = now();
        let outcome = Outcome::Unknown;
        all.push(Transaction { client, begin, end: u64::MAX, outcome, operations: Vec::new() });
        Entry(all.len() - 1)
    }

    pub fn note(&self, entry: Entry, operation: Operation) {
        self.lock()[entry.0].operations.push(operation);
    }

    /// Forgets the appends since a number of operations: the transaction has gone back.
    pub fn take_back(&self, entry: Entry, count: usize) {
        let operations = &mut self.lock()[entry.0].operations;
        let rest = operations.split_off(count);
        let is_read = |operation: &Operation| !matches!(operation, Operation::Append { .. });
        operations.extend(rest.into_iter().filter(is_read));
    }

    pub fn operations(&self, entry: Entry) -> usize {
        self.lock()[entry.0].operations.len()
    }

    pub fn end(&self, entry: Entry, outcome: Outcome) {
        let mut all = self.lock();
        all[entry.0].end = now();
        all[entry.0].outcome = outcome;
    }

    /// Returns an element that was never returned before.
    pub fn element(&self) -> Element {
        Element(self.elements.fetch_add(1, Ordering::Relaxed))
    }

    pub fn history(&self) -> Vec<Transaction> {
        self.lock().clone()
    }
}

fn now() -> u64 {
    let since = time::now().since(time::Monotonic::default());
    u64::try_from(since.as_nanos()).expect("a simulation is short")
}

/// Returns the lists' schema as the successor of `current`.
fn schema(current: &Catalog) -> Catalog {
    let mut next = current.clone();
    next.version = CatalogVersion(current.version.0 + 1);
    for number in 0..TABLES as u32 {
        let name = format!("lists{number}");
        let id = TableId(FIRST.0 + number);
        let mut lists = table(id, &name, &["id", "length", "elements"]);
        lists.columns[2].ty = ColumnType::Text;
        lists.indexes.push(Arc::new(Index {
            id: IndexId(FIRST.0 + number),
            name: format!("{name}_length").as_str().into(),
            kind: IndexKind::Ordered { columns: vec![1] },
            comment: None,
        }));
        next.tables.insert(id, Arc::new(lists));
    }
    next.table_next = TableId(FIRST.0 + TABLES as u32);
    next.index_next = IndexId(FIRST.0 + TABLES as u32);
    next
}

/// Milliseconds a core waits for the schema.
const SCHEMA_WAITS: u32 = 10_000;

/// Creates the schema on the first core; waits for it on the others.
pub async fn create_lists(core: &Rc<Core>) -> Result<(), Error> {
    let is_maker = core.id().0 == 0;
    // The first core may fail at it and end.
    for _ in 0..SCHEMA_WAITS {
        if !core.catalog().tables.is_empty() {
            return Ok(());
        }
        if is_maker {
            match core.change_catalog(|current| Ok(schema(current))).await {
                Err(Error::DiskFull(_) | Error::Overloaded(_)) => {}
                made => return made.map(drop),
            }
        }
        rt::sleep(std::time::Duration::from_millis(1)).await;
    }
    Err(Error::Cancelled("there is no schema".into()))
}

/// Returns the numbers of the records of a table.
pub fn records_of(table: u64) -> Range<u64> {
    table * RECORDS..(table + 1) * RECORDS
}

fn table_of(record: RecordId) -> TableId {
    TableId(FIRST.0 + (record.0 / RECORDS) as u32)
}

pub fn key_of(core: &Core, record: RecordId) -> Key {
    key(core, table_of(record), &[record.0 as i64])
}

/// A put of a whole list.
pub fn put_list(core: &Core, record: RecordId, elements: &[Element], expect: Expect) -> Write {
    let table = table_of(record);
    let text: Vec<String> = elements.iter().map(|element| element.0.to_string()).collect();
    let values = [
        Value::BigInt(record.0 as i64),
        Value::BigInt(elements.len() as i64),
        Value::Text(text.join(" ").as_str().into()),
    ];
    let row = row::encode(&core.catalog().tables[&table], &values).expect("a list is a row");
    Write { table, key: key_of(core, record), op: WriteOp::Put(row), expect }
}

/// Reads one list.
pub async fn get_list(
    core: &Rc<Core>,
    record: RecordId,
    view: ReadView,
) -> Result<Option<List>, Error> {
    let key = key_of(core, record);
    let shard = core.owner(key.slot());
    let spec = spec(core, table_of(record), Access::Keys(vec![key]), view)?;
    let reply = core.call(shard, Request::Scan(spec)).await?;
    Ok(found(&reply).remove(&record))
}

/// Reads the lists of one table on every shard.
pub async fn search_lists(
    core: &Rc<Core>,
    number: u64,
    access: &Access,
    view: ReadView,
) -> Result<BTreeMap<RecordId, List>, Error> {
    let table = TableId(FIRST.0 + number as u32);
    let mut all = BTreeMap::new();
    for shard in core.shards() {
        let spec = spec(core, table, access.clone(), view)?;
        for (record, list) in found(&core.call(shard, Request::Scan(spec)).await?) {
            let twice = all.insert(record, list);
            assert!(twice.is_none(), "{record:?} was found twice");
        }
    }
    Ok(all)
}

fn spec(core: &Core, table: TableId, access: Access, view: ReadView) -> Result<ScanSpec, Error> {
    let stale = Error::StaleCatalog { current: core.catalog().version };
    core.catalog().tables.get(&table).ok_or(stale)?;
    let columns = (0..3).map(ScanColumn::Column).chain([ScanColumn::Version]).collect();
    Ok(ScanSpec { table, access, columns, view, filter: None, limit: None })
}

fn found(reply: &Reply) -> BTreeMap<RecordId, List> {
    let Reply::Batches { batches, .. } = reply else { panic!("a scan answered {reply:?}") };
    let mut all = BTreeMap::new();
    for batch in batches {
        for position in 0..batch.num_rows() {
            let number = |column: usize| batch.column(column).as_primitive::<Int64Type>();
            let texts = batch.column(2).as_string::<i32>();
            let elements: Vec<Element> = texts
                .value(position)
                .split_whitespace()
                .map(|element| Element(element.parse().expect("elements are numbers")))
                .collect();
            let length = number(1).value(position);
            assert_eq!(length, elements.len() as i64, "a record is whole");
            let version = batch.column(3).as_primitive::<UInt64Type>().value(position);
            let record = RecordId(number(0).value(position) as u64);
            let list = List { elements, version: Timestamp(version) };
            let twice = all.insert(record, list);
            assert!(twice.is_none(), "{record:?} was found twice");
        }
    }
    all
}

/// The lists of a table with at least and at most so many elements.
pub fn by_length(number: u64, lengths: &RangeInclusive<usize>) -> Access {
    let range = range(lengths, KeyForm::Indexed);
    Access::Index { index: IndexId(FIRST.0 + number as u32), range }
}

/// The lists of a table with these numbers.
pub fn by_number(records: &Range<u64>) -> Access {
    let numbers = records.start as usize..=records.end as usize - 1;
    Access::KeyRange(range(&numbers, KeyForm::Primary))
}

fn range(numbers: &RangeInclusive<usize>, form: KeyForm) -> KeyRange {
    let value = |number: &usize| Value::BigInt(i64::try_from(*number).unwrap_or(i64::MAX));
    let (from, to) = (value(numbers.start()), value(numbers.end()));
    let bounds =
        KeyBounds { equal: &[], lower: Bound::Included(&from), upper: Bound::Included(&to) };
    KeyRange::of(bounds, &[ColumnType::BigInt], form, false).expect("a range of one column")
}
