//! Which versions did each record have, and who saw which?
//!
//! Version n of a record is its first n elements; version 0 is that there is no such record. The
//! longest list anybody saw gives the order of all versions.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::anomaly::{Anomaly, Class};
use super::transaction::{Element, Operation, Outcome, RecordId, Transaction};

/// What is known about the versions of all records.
pub(super) struct Versions<'a> {
    history: &'a [Transaction],
    /// Elements of each record in the order of its versions, as far as anybody saw them.
    orders: BTreeMap<RecordId, &'a [Element]>,
    writers: BTreeMap<(RecordId, Element), usize>,
    /// Appends to each record that were not refused.
    appends: BTreeMap<RecordId, usize>,
    /// Which transactions are known to be committed.
    committed: Vec<bool>,
}

/// A transaction saw a record in one of some versions; its own appends do not count.
pub(super) struct Sight {
    pub(super) reader: usize,
    pub(super) record: RecordId,
    pub(super) versions: RangeInclusive<usize>,
    pub(super) search: bool,
}

/// Calls `see(transaction, record, list)` for each list that a client was shown.
fn lists<'a>(history: &'a [Transaction], mut see: impl FnMut(usize, RecordId, &'a [Element])) {
    for (reader, transaction) in history.iter().enumerate() {
        for operation in &transaction.operations {
            match operation {
                Operation::Append { .. } => {}
                Operation::Read { record, found } => see(reader, *record, found),
                Operation::Search { found, .. } => {
                    found.iter().for_each(|(record, list)| see(reader, *record, list));
                }
            }
        }
    }
}

impl<'a> Versions<'a> {
    /// Finds the order of the versions of each record.
    ///
    /// **Panics**: an element is appended to a record twice.
    pub(super) fn of(history: &'a [Transaction]) -> Self {
        let mut writers = BTreeMap::new();
        let mut appends: BTreeMap<RecordId, usize> = BTreeMap::new();
        for (writer, transaction) in history.iter().enumerate() {
            for operation in &transaction.operations {
                let Operation::Append { record, element } = operation else { continue };
                let twice = writers.insert((*record, *element), writer);
                assert!(twice.is_none(), "{element:?} is appended to {record:?} twice");
                if transaction.outcome != Outcome::Refused {
                    *appends.entry(*record).or_default() += 1;
                }
            }
        }
        let mut committed: Vec<bool> =
            history.iter().map(|known| known.outcome == Outcome::Committed).collect();
        // Somebody else saw it: it was committed, or nobody should have.
        lists(history, |reader, record, list| {
            for element in list {
                let writer = writers.get(&(record, *element)).copied();
                if let Some(writer) = writer.filter(|writer| *writer != reader) {
                    committed[writer] |= history[writer].outcome == Outcome::Unknown;
                }
            }
        });
        let mut orders: BTreeMap<RecordId, &[Element]> = BTreeMap::new();
        lists(history, |reader, record, list| {
            let order = orders.entry(record).or_default();
            if committed[reader] && list.len() > order.len() {
                *order = list;
            }
        });
        Self { history, orders, writers, appends, committed }
    }

    /// Returns whether a transaction is known to be committed.
    pub(super) fn is_committed(&self, transaction: usize) -> bool {
        self.committed[transaction]
    }

    /// Returns each record with its elements in order.
    pub(super) fn orders(&self) -> impl Iterator<Item = (RecordId, &'a [Element])> {
        self.orders.iter().map(|(record, order)| (*record, *order))
    }

    /// Returns who made a version of a record, and with which element.
    pub(super) fn maker(&self, record: RecordId, version: usize) -> Option<(usize, Element)> {
        let order = self.orders.get(&record)?;
        let element = *order.get(version.checked_sub(1)?)?;
        Some((*self.writers.get(&(record, element))?, element))
    }

    /// Returns what every committed transaction saw that can be placed.
    pub(super) fn sights(&self) -> Vec<Sight> {
        let mut sights = Vec::new();
        for (reader, transaction) in self.history.iter().enumerate() {
            if self.committed[reader] {
                self.look(reader, transaction, &mut sights);
            }
        }
        sights
    }

    fn look(&self, reader: usize, transaction: &Transaction, sights: &mut Vec<Sight>) {
        let mut own: BTreeMap<RecordId, usize> = BTreeMap::new();
        let mut see = |record, versions, search| {
            sights.push(Sight { reader, record, versions, search });
        };
        for operation in &transaction.operations {
            let before = |record| own.get(record).copied().unwrap_or(0);
            match operation {
                Operation::Append { record, .. } => *own.entry(*record).or_default() += 1,
                Operation::Read { record, found } => {
                    let version = found.len().saturating_sub(before(record));
                    if self.is_prefix(*record, &found[..version]) {
                        see(*record, version..=version, false);
                    }
                }
                Operation::Search { records, lengths, found } => {
                    for (record, list) in found {
                        let version = list.len().saturating_sub(before(record));
                        if self.is_prefix(*record, &list[..version]) {
                            see(*record, version..=version, true);
                        }
                    }
                    let known = self.appends.keys().filter(|record| records.contains(&record.0));
                    for record in known.filter(|record| !found.contains_key(record)) {
                        if let Some(versions) = self.unmatched(*record, lengths, before(record)) {
                            see(*record, versions, true);
                        }
                    }
                }
            }
        }
    }

    /// Returns the first and last version that a search for `lengths` does not find, for somebody
    /// who has appended `own` elements.
    fn unmatched(
        &self,
        record: RecordId,
        lengths: &RangeInclusive<usize>,
        own: usize,
    ) -> Option<RangeInclusive<usize>> {
        let last = self.appends.get(&record).copied().unwrap_or(0);
        let is_unmatched =
            |version: &usize| version + own == 0 || !lengths.contains(&(version + own));
        let mut versions = (0..=last).filter(is_unmatched);
        let first = versions.next()?;
        Some(first..=versions.next_back().unwrap_or(first))
    }

    fn is_prefix(&self, record: RecordId, list: &[Element]) -> bool {
        self.orders.get(&record).is_some_and(|order| order.starts_with(list))
    }

    /// Returns what is wrong with single records.
    pub(super) fn anomalies(&self) -> Vec<Anomaly> {
        let mut anomalies = Vec::new();
        lists(self.history, |reader, record, list| {
            if self.committed[reader] {
                self.judge(reader, record, list, &mut anomalies);
            }
        });
        for (index, transaction) in self.history.iter().enumerate() {
            if self.committed[index] {
                anomalies.extend(self.forgotten(index, transaction));
            }
        }
        anomalies.extend(self.lost());
        anomalies
    }

    fn judge(
        &self,
        reader: usize,
        record: RecordId,
        list: &[Element],
        anomalies: &mut Vec<Anomaly>,
    ) {
        let mut find = |class, what: String, who: &[usize]| {
            anomalies.push(Anomaly::of_record(class, &what, self.history, who));
        };
        let RecordId(number) = record;
        let mut seen = BTreeSet::new();
        for element in list {
            let Element(name) = element;
            if !seen.insert(*element) {
                find(Class::Duplicate, format!("{name} is twice in {number}"), &[reader]);
            }
            match self.writers.get(&(record, *element)) {
                None => {
                    let what = format!("nobody appended {name} to {number}");
                    find(Class::Garbage, what, &[reader]);
                }
                Some(writer) if self.history[*writer].outcome == Outcome::Refused => {
                    let what = format!("T{reader} saw {name} in {number}, which was refused");
                    find(Class::G1a, what, &[*writer, reader]);
                }
                Some(_) => {}
            }
        }
        let last = list.last().and_then(|last| Some((last, *self.writers.get(&(record, *last))?)));
        if let Some((Element(name), writer)) = last.filter(|(_, writer)| *writer != reader)
            && self.last_append(writer, record) != list.last().copied()
        {
            let what = format!("T{reader} saw {number} end with {name}, which was not the last");
            find(Class::G1b, what, &[writer, reader]);
        }
        let others = list.iter().filter(|element| {
            self.writers.get(&(record, **element)).is_none_or(|writer| *writer != reader)
        });
        let others: Vec<Element> = others.copied().collect();
        let order = self.orders.get(&record).copied().unwrap_or_default();
        if !order.starts_with(&others) && !order.starts_with(list) {
            let what = format!("{number} was seen as {list:?} and as {order:?}");
            find(Class::Incompatible, what, &[reader]);
        }
    }

    fn last_append(&self, writer: usize, record: RecordId) -> Option<Element> {
        let operations = self.history[writer].operations.iter().rev();
        let mut appends = operations.filter_map(|operation| match operation {
            Operation::Append { record: other, element } if *other == record => Some(*element),
            _ => None,
        });
        appends.next()
    }

    /// Returns a sight of a transaction that lacks what it had written itself.
    fn forgotten(&self, index: usize, transaction: &Transaction) -> Option<Anomaly> {
        let mut own: BTreeMap<RecordId, Vec<Element>> = BTreeMap::new();
        for operation in &transaction.operations {
            let mine = |record: &RecordId| own.get(record).cloned().unwrap_or_default();
            let wrong = match operation {
                Operation::Append { record, element } => {
                    own.entry(*record).or_default().push(*element);
                    None
                }
                Operation::Read { record, found } => {
                    (!found.ends_with(&mine(record))).then_some(*record)
                }
                Operation::Search { records, lengths, found } => {
                    let misses = |record: &&RecordId| match found.get(record) {
                        Some(list) => !list.ends_with(&mine(record)),
                        None => {
                            records.contains(&record.0)
                                && self.unmatched(**record, lengths, mine(record).len()).is_none()
                        }
                    };
                    own.keys().find(misses).copied()
                }
            };
            if let Some(RecordId(record)) = wrong {
                let what = format!("T{index} did not see what it had written to {record}");
                return Some(Anomaly::of_record(Class::Internal, &what, self.history, &[index]));
            }
        }
        None
    }

    /// Returns committed appends that somebody who began later did not see and nobody else did.
    fn lost(&self) -> Vec<Anomaly> {
        let mut lost = Vec::new();
        for ((record, element), writer) in &self.writers {
            let order = self.orders.get(record).copied().unwrap_or_default();
            if self.history[*writer].outcome != Outcome::Committed || order.contains(element) {
                continue;
            }
            let later = |reader: &usize| {
                let transaction = &self.history[*reader];
                self.committed[*reader]
                    && transaction.begin > self.history[*writer].end
                    && transaction.operations.iter().any(|operation| {
                        matches!(operation, Operation::Read { record: r, .. } if r == record)
                    })
            };
            if let Some(reader) = (0..self.history.len()).find(later) {
                let what = format!(
                    "{} was appended to {} by T{writer} and is not there for T{reader}",
                    element.0, record.0
                );
                let who = [*writer, reader];
                lost.push(Anomaly::of_record(Class::Lost, &what, self.history, &who));
            }
        }
        lost
    }
}
