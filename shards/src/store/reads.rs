//! What has a transaction read here, and is it still so?
//!
//! Owners remember the questions of a transaction that may write, not the answers: keys, searches
//! (a way to find records and a filter), steps along edges. At commit a search is asked about the
//! records that changed since the snapshot, as they were and as they are; if one of them is among
//! what was searched for, the answer may be another one now. So records that merely come to be in
//! the way (phantoms) are met too.
//!
//! Remembering is generous where it must be: a search for the nearest vectors is taken to depend
//! on every record that passes its filter, and what is too much becomes "the whole table".

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::batch::{Rows, filter_rows, scan_schema};
use super::cursor::Measure;
use super::indexes::texts_of;
use super::install::Store;
use super::recent::Change;
use super::table::TableStore;
use crate::error::Error;
use crate::ids::{TableId, Timestamp, TxnId};
use crate::key::Key;
use crate::request::{
    Access, Direction, ReadView, RowFilter, ScanColumn, ScanSpec, Write, WriteOp,
};
use crate::text;
use crate::tree::{Held, Reach};
use crate::txn::Place;

/// Keys, nodes and searches remembered of one transaction in one table; beyond, the transaction
/// is taken to have read all of it.
const READS_MAX: usize = 100_000;
/// Changed records a search is asked about; beyond, it is taken to have found one of them.
const CHANGES_MAX: usize = 50_000;

/// What one transaction has read on this shard.
pub(super) struct Reads {
    tables: BTreeMap<TableId, TableReads>,
    /// Its snapshot, which it leases until it has ended.
    snapshot: Timestamp,
}

#[derive(Default)]
struct TableReads {
    whole: bool,
    keys: HashSet<Key, ahash::RandomState>,
    searches: Vec<Search>,
    steps: Vec<Step>,
    count: usize,
}

struct Search {
    access: Access,
    filter: Option<Arc<dyn RowFilter>>,
}

struct Step {
    direction: Direction,
    nodes: Vec<Key>,
}

/// What other transactions that are committing right now are about to change.
pub(crate) struct Others<'a> {
    /// Whether one of them holds a place.
    pub holds: &'a dyn Fn(&Place) -> bool,
    /// Their writes to a table; `None` = they are not all known.
    pub writes: &'a dyn Fn(TableId) -> Option<Vec<Write>>,
    /// The mirrors and edges of a table they hold.
    pub places: &'a dyn Fn(TableId) -> Vec<Place>,
}

impl Store {
    /// Remembers a scan, if its transaction wants that.
    pub(super) fn note_search(&self, spec: &ScanSpec) {
        self.note(spec.view, spec.table, |reads| match &spec.access {
            Access::Keys(keys) => reads.add(keys.len(), |reads| {
                reads.keys.extend(keys.iter().cloned());
            }),
            access => reads.add(1, |reads| {
                let (access, filter) = (access.clone(), spec.filter.clone());
                reads.searches.push(Search { access, filter });
            }),
        });
    }

    /// Remembers a step along edges, if its transaction wants that.
    pub(super) fn note_step(
        &self,
        edge: TableId,
        direction: Direction,
        nodes: &[Key],
        view: ReadView,
    ) {
        self.note(view, edge, |reads| {
            reads.add(nodes.len(), |reads| {
                reads.steps.push(Step { direction, nodes: nodes.to_vec() });
            });
        });
    }

    fn note(&self, view: ReadView, table: TableId, add: impl FnOnce(&mut TableReads)) {
        let Some(txn) = view.txn.filter(|_| view.validated) else { return };
        let mut all = self.reads.borrow_mut();
        let empty = || Reads { tables: BTreeMap::new(), snapshot: view.snapshot };
        let reads = all.entry(txn).or_insert_with(empty);
        add(reads.tables.entry(table).or_default());
    }

    /// Says whether everything a transaction has read here is still so, but for its own writes.
    ///
    /// **Cost**: a look-up per key read, plus one evaluation of each search over the records of
    /// its table that changed since the snapshot.
    /// **Errors**: `Conflict` when something is not, or may not be; `StaleCatalog` when a table
    /// is gone; `NotLoaded`.
    pub(crate) fn validate(
        &self,
        reach: Reach<'_>,
        txn: TxnId,
        snapshot: Timestamp,
        others: &Others<'_>,
    ) -> Result<(), Error> {
        let all = self.reads.borrow();
        let Some(reads) = all.get(&txn) else { return Ok(()) };
        for (id, reads) in &reads.tables {
            let table = self.table(*id)?;
            if let Some(winner) = table.changed_read(reach, reads, snapshot, others)? {
                let winner = winner.filter(|winner| *winner > snapshot);
                return Err(Error::Conflict { table: table.table.name.clone(), winner });
            }
        }
        Ok(())
    }

    /// Forgets what a transaction has read.
    pub(crate) fn forget_reads(&self, txn: TxnId) {
        drop(self.reads.borrow_mut().remove(&txn));
    }

    /// Forgets what ended transactions have read: nobody leases a snapshot below the watermark. The
    /// end of a transaction is told as well; this is for scans that begin after it.
    pub(super) fn forget_ended_reads(&mut self) {
        let watermark = self.watermark;
        self.reads.get_mut().retain(|_, reads| reads.snapshot >= watermark);
    }
}

impl TableReads {
    fn add(&mut self, count: usize, add: impl FnOnce(&mut Self)) {
        self.count += count;
        if self.count > READS_MAX {
            *self = Self { whole: true, count: self.count, ..Self::default() };
        }
        if !self.whole {
            add(self);
        }
    }
}

/// A row that a record had or has, and who changed it.
struct Changing<'a> {
    key: &'a [u8],
    row: Arc<[u8]>,
    winner: Timestamp,
}

/// What was read is not so any more; who changed it, where that is known.
type Changed = Option<Timestamp>;

impl TableStore {
    fn changed_read(
        &self,
        reach: Reach<'_>,
        reads: &TableReads,
        snapshot: Timestamp,
        others: &Others<'_>,
    ) -> Result<Option<Changed>, Error> {
        for key in &reads.keys {
            let changed = self.recent.changed(key.bytes());
            if let Some(winner) = changed.filter(|changed| *changed > snapshot) {
                return Ok(Some(Some(winner)));
            }
            if (others.holds)(&Place::record(self.table.id, key.clone())) {
                return Ok(Some(None));
            }
        }
        for step in &reads.steps {
            if self.changed_step(step, snapshot, others) {
                return Ok(Some(None));
            }
        }
        if reads.whole || !reads.searches.is_empty() {
            return self.changed_search(reach, reads, snapshot, others);
        }
        Ok(None)
    }

    fn changed_step(&self, step: &Step, snapshot: Timestamp, others: &Others<'_>) -> bool {
        let Some(edges) = &self.indexes.edges else { return false };
        let at = |snapshot| edges.adjacency.expand(step.direction, &step.nodes, snapshot);
        if at(snapshot) != at(Timestamp(Timestamp::MAX.0 - 1)) {
            return true;
        }
        let touches = |place: &Place| match place.target() {
            Some(target) => step.direction != Direction::Out && step.nodes.contains(target),
            None => {
                step.direction != Direction::In
                    && step.nodes.iter().any(|node| place.key().bytes().starts_with(node.bytes()))
            }
        };
        (others.places)(self.table.id).iter().any(touches)
    }

    fn changed_search(
        &self,
        reach: Reach<'_>,
        reads: &TableReads,
        snapshot: Timestamp,
        others: &Others<'_>,
    ) -> Result<Option<Changed>, Error> {
        let changes: Vec<&Change> = self.recent.since(snapshot).collect();
        let Some(pending) = (others.writes)(self.table.id) else { return Ok(Some(None)) };
        // What went with a range is not known.
        if let Some(winner) = self.recent.erased_since(snapshot) {
            return Ok(Some(Some(winner)));
        }
        if pending.iter().any(|write| matches!(write.op, WriteOp::Erase { .. })) {
            return Ok(Some(None));
        }
        if changes.is_empty() && pending.is_empty() {
            return Ok(None);
        }
        if reads.whole || changes.len() + pending.len() > CHANGES_MAX {
            return Ok(Some(None));
        }
        let mut rows = Vec::with_capacity(changes.len() * 2);
        for change in changes {
            let (key, winner) = (&*change.key, change.at);
            let old = change.old.iter().map(|(_, row)| row);
            rows.extend(old.chain(&change.new).map(|row| Changing {
                key,
                row: row.clone(),
                winner,
            }));
        }
        for write in &pending {
            let (key, winner) = (write.key.bytes(), Timestamp(0));
            let current = self.get(reach, key, Timestamp::MAX)?.and_then(|found| found.row);
            let current = current.map(|row| row.bytes(&self.layout));
            let next = match &write.op {
                WriteOp::Put(row) => Some(row.clone()),
                _ => None,
            };
            let both = current.into_iter().chain(next);
            rows.extend(both.map(|row| Changing { key, row, winner }));
        }
        for search in &reads.searches {
            if let Some(winner) = self.found(search, &rows)? {
                return Ok(Some(Some(winner)));
            }
        }
        Ok(None)
    }

    /// Returns who changed the first of these rows that a search looks for.
    fn found(&self, search: &Search, rows: &[Changing<'_>]) -> Result<Option<Timestamp>, Error> {
        let mut within = Rows::default();
        let mut winners = Vec::new();
        for Changing { key, row, winner } in rows {
            if self.is_within(&search.access, key, row)? {
                within.push(key, Timestamp(0), Held::Bytes(row.clone()), f64::NAN);
                winners.push(*winner);
            }
        }
        let Some(first) = winners.first().copied() else { return Ok(None) };
        let Some(filter) = &search.filter else { return Ok(Some(first)) };
        let measured = |column: &ScanColumn| {
            matches!(column, ScanColumn::Distance | ScanColumn::Score | ScanColumn::Version)
        };
        let mut stage: Option<&dyn RowFilter> = Some(&**filter);
        while let Some(filter) = stage {
            if filter.columns().iter().any(measured) {
                return Ok(Some(first));
            }
            stage = filter.then();
        }
        let schema = scan_schema(&self.table, filter.columns());
        match filter_rows(self, &mut within, &**filter, &schema, Measure::None) {
            Ok(passes) => Ok(passes.iter().position(|passes| *passes).map(|at| winners[at])),
            // What the filter makes of this row, the transaction must find out itself.
            Err(_) => Ok(Some(first)),
        }
    }

    /// Returns whether an access may come to a row.
    fn is_within(&self, access: &Access, key: &[u8], row: &[u8]) -> Result<bool, Error> {
        Ok(match access {
            Access::All | Access::Nearest { .. } => true,
            Access::Keys(keys) => keys.iter().any(|wanted| wanted.bytes() == key),
            Access::KeyRange(range) => range.contains(key),
            Access::Index { index, range } => {
                let order = self.ordered(*index)?.order_of(&self.view(row)?, &self.layout)?;
                range.contains(&order)
            }
            Access::Matching { index, query, .. } => {
                let Some(columns) = self.indexes.text.get(index) else { return Err(self.stale()) };
                let texts = texts_of(&columns.fields, &self.view(row)?, &self.layout)?;
                let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
                text::matches(query, columns.index.options().stem, &texts)
            }
        })
    }
}
