//! What has an open transaction changed of the schema?
//!
//! By table: what it was and what it is. The transaction's statements are planned with the catalog
//! in force and these changes on top; everybody else sees nothing of them. A table that it makes
//! is put into the catalog in force, hidden, when a statement may write to it
//! ([`Rewrite::Begun`]); at the commit all changes and all writes take effect together
//! ([`Core::commit_with`]). A table that was there and that it has altered keeps its records as
//! they are until then: nothing reads or writes them meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use pieskieo_io::rt::{self, Queue};
use pieskieo_shards::Error as ShardError;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, Index, Rewrite, Table, TableKind};
use pieskieo_shards::ids::{CatalogVersion, TableId};

use crate::bind::{is_taken, process, successor};
use crate::error::{Error, Result, code};
use crate::limits::SCHEMA_CHANGES_MAX;

/// The changes of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    state: State,
    /// States to go back to, by the names of their savepoints, oldest first.
    savepoints: Vec<(String, State)>,
    begun: Begun,
    /// The catalog it was last laid over, and what came of it.
    view: Option<(Arc<Catalog>, Arc<Catalog>)>,
}

#[derive(Clone, Debug, Default)]
struct State {
    changes: BTreeMap<TableId, Change>,
    /// Tables that changed ones refer to, as they were then.
    seen: BTreeMap<TableId, Arc<Table>>,
}

/// The changes before the newest.
#[derive(Debug)]
pub(crate) struct Undo(State);

/// What became of a table.
#[derive(Clone, Debug)]
struct Change {
    /// In the catalog in force; `None` = it was not there.
    base: Option<Arc<Table>>,
    /// In the transaction; `None` = it is gone.
    now: Option<Arc<Table>>,
}

/// The tables that are in the catalog in force, hidden.
#[derive(Debug, Default)]
struct Begun {
    core: Option<Rc<Core>>,
    tables: BTreeMap<TableId, Arc<Table>>,
}

impl Draft {
    /// Returns whether nothing has changed, and no table is hidden in the catalog in force: writes
    /// to one that is gone again are committed, and end, with it.
    pub fn is_empty(&self) -> bool {
        self.state.changes.is_empty() && self.begun.tables.is_empty()
    }

    /// Returns whether the transaction has made this table.
    pub fn has_made(&self, table: TableId) -> bool {
        self.state.changes.get(&table).is_some_and(|change| change.base.is_none())
    }

    /// Returns the schema as the transaction's statements see it, given the one in force.
    ///
    /// **Errors**: 40001 when another transaction has changed one of the tables.
    pub fn view(&mut self, in_force: &Arc<Catalog>) -> Result<Arc<Catalog>> {
        if self.is_empty() {
            return Ok(in_force.clone());
        }
        if let Some((of, view)) = &self.view
            && Arc::ptr_eq(of, in_force)
        {
            return Ok(view.clone());
        }
        self.check(in_force)?;
        let mut view = in_force.as_ref().clone();
        self.lay_over(&mut view);
        view.drafted = self.altered().collect();
        let view = Arc::new(view);
        self.view = Some((in_force.clone(), view.clone()));
        Ok(view)
    }

    /// Tables that were there and whose records are not kept as they are described by now.
    fn altered(&self) -> impl Iterator<Item = TableId> {
        let altered = |(id, change): (&TableId, &Change)| {
            let (Some(base), Some(now)) = (&change.base, &change.now) else { return None };
            let same = base.columns == now.columns
                && base.key == now.key
                && base.indexes == now.indexes
                && base.constraints == now.constraints
                && base.kind == now.kind;
            (!same).then_some(*id)
        };
        self.state.changes.iter().filter_map(altered)
    }

    /// Refuses when somebody else has changed what the changes are about.
    fn check(&self, in_force: &Catalog) -> Result<()> {
        let there = |id: &TableId| in_force.tables.get(id);
        for (id, change) in &self.state.changes {
            let known = there(id).filter(|table| !table.is_begun());
            if !same(known, change.base.as_ref()) {
                return Err(changed_meanwhile(change));
            }
        }
        for (id, seen) in &self.state.seen {
            if !self.state.changes.contains_key(id) && !same(there(id), Some(seen)) {
                return Err(changed_meanwhile_named(&seen.name));
            }
        }
        Ok(())
    }

    /// Lays the changes over a catalog.
    fn lay_over(&self, next: &mut Catalog) {
        for id in self.begun.tables.keys() {
            next.tables.remove(id);
        }
        for (id, change) in &self.state.changes {
            match &change.now {
                Some(table) => next.tables.insert(*id, table.clone()),
                None => next.tables.remove(id),
            };
        }
        next.link();
    }

    /// Changes the schema: `define` gets it as it is in the transaction and returns the next one,
    /// or `None` when nothing changes. `laid` is what [`Draft::view`] gave.
    ///
    /// **Errors**: those of `define`; 54000 for too many changes.
    pub fn change(
        &mut self,
        core: &Core,
        laid: &Catalog,
        define: impl FnOnce(&Catalog) -> Result<Option<Catalog>>,
    ) -> Result<Option<Undo>> {
        let laid = Catalog { drafted: BTreeSet::new(), ..laid.clone() };
        let Some(next) = core.numbered(&laid, define)? else { return Ok(None) };
        let mut state = self.state.clone();
        let all: BTreeSet<TableId> =
            laid.tables.keys().chain(next.tables.keys()).copied().collect();
        for id in all {
            let (before, now) = (laid.tables.get(&id), next.tables.get(&id));
            if same(before, now) {
                continue;
            }
            let change = state.changes.entry(id);
            let change = change.or_insert_with(|| Change { base: before.cloned(), now: None });
            change.now = now.cloned();
            if same(change.base.as_ref(), change.now.as_ref()) {
                state.changes.remove(&id);
            }
            for other in now.into_iter().flat_map(|table| references(table)) {
                let seen = laid.tables.get(&other).filter(|_| !state.changes.contains_key(&other));
                seen.map(|seen| state.seen.entry(other).or_insert_with(|| seen.clone()));
            }
        }
        if state.changes.len() > SCHEMA_CHANGES_MAX {
            return Err(too_many());
        }
        self.view = None;
        Ok(Some(Undo(std::mem::replace(&mut self.state, state))))
    }

    /// Takes the newest change back.
    pub fn undo(&mut self, undo: Undo) {
        (self.state, self.view) = (undo.0, None);
    }

    /// Returns the tables that were there and get an index, with the new indexes.
    pub fn gaining(&self) -> impl Iterator<Item = (&Arc<Table>, &Arc<Index>)> {
        let pairs = self.state.changes.values();
        let pairs = pairs.filter_map(|change| Some((change.base.as_ref()?, change.now.as_ref()?)));
        pairs.flat_map(|(base, now)| {
            let new = now.indexes.iter().filter(|index| base.index(index.id).is_none());
            new.map(move |index| (now, index))
        })
    }

    /// Puts the tables it has made where records can be written to them. Returns the versions of
    /// the catalog before and after, if anything was to be put.
    ///
    /// **Errors**: as [`Core::change_catalog`].
    pub async fn begin(
        &mut self,
        core: &Rc<Core>,
    ) -> Result<Option<(CatalogVersion, CatalogVersion)>> {
        let made = self.state.changes.iter().filter(|(_, change)| change.base.is_none());
        let made = made.filter_map(|(id, change)| Some((*id, change.now.clone()?)));
        let known = &self.begun.tables;
        let put: BTreeMap<TableId, Arc<Table>> = made
            .filter(|(_, table)| !table.is_view())
            .filter(|(id, table)| !same(known.get(id), Some(table)))
            .collect();
        if put.is_empty() {
            return Ok(None);
        }
        // Before it is there, so that it goes if this request does.
        let known = self.begun.tables.clone();
        self.begun.core = Some(core.clone());
        self.begun.tables.extend(put.clone());
        self.view = None;
        let mut before = CatalogVersion(0);
        let next = core.change_catalog(|catalog| {
            before = catalog.version;
            let mut next = successor(catalog);
            for (id, table) in put {
                let rewrite = Some(Rewrite::Begun { process: process() });
                let hidden = Table { rewrite, ..table.as_ref().clone() };
                next.tables.insert(id, Arc::new(hidden));
            }
            next.link();
            Ok::<_, ShardError>(next)
        });
        let next = next.await.inspect_err(|_| self.begun.tables = known)?;
        Ok(Some((before, next.version)))
    }

    /// Returns the catalog that the transaction leaves behind, given the one in force.
    ///
    /// **Errors**: 40001 when another transaction has changed one of the tables; 42P07 when one
    /// has taken a name.
    pub fn merged(&self, in_force: &Catalog) -> Result<Catalog> {
        self.check(in_force)?;
        let mut others = in_force.clone();
        let changes = &self.state.changes;
        others.tables.retain(|id, _| !changes.contains_key(id));
        for change in changes.values() {
            let Some(now) = &change.now else { continue };
            let base = change.base.as_ref();
            let is_named = !matches!(now.kind, TableKind::Entries { .. });
            let is_new = base.is_none_or(|base| base.name != now.name);
            if is_named && is_new && is_taken(&others, &now.name) {
                return Err(taken("relation", &now.name));
            }
            let old = base.map(|base| base.indexes.as_slice()).unwrap_or_default();
            for index in now.indexes.iter().filter(|index| !old.contains(index)) {
                if others.index_named(&index.name).is_some() {
                    return Err(taken("index", &index.name));
                }
            }
        }
        let mut next = successor(in_force);
        self.lay_over(&mut next);
        Ok(next)
    }

    /// Says that the commit has left no table hidden.
    pub fn committed(mut self) {
        self.begun.tables.clear();
    }

    /// Forgets everything, and waits until the hidden tables are gone.
    pub async fn abandon(mut self) {
        let begun = std::mem::take(&mut self.begun);
        begun.remove().await;
    }

    /// Makes a state to go back to.
    pub fn mark(&mut self, name: &str) {
        self.savepoints.push((name.to_owned(), self.state.clone()));
    }

    /// Forgets a state to go back to, and all after it.
    pub fn release(&mut self, name: &str) {
        if let Some(position) = self.savepoints.iter().rposition(|(known, _)| known == name) {
            self.savepoints.truncate(position);
        }
    }

    /// Goes back to a state. It stays, those after it do not.
    pub fn back_to(&mut self, name: &str) {
        if let Some(position) = self.savepoints.iter().rposition(|(known, _)| known == name) {
            self.savepoints.truncate(position + 1);
            self.state = self.savepoints[position].1.clone();
            self.view = None;
        }
    }
}

impl Begun {
    /// Takes the tables out of the catalog in force.
    async fn remove(mut self) {
        let tables = std::mem::take(&mut self.tables);
        let Some(core) = self.core.take().filter(|_| !tables.is_empty()) else { return };
        let removed = core.change_catalog(|catalog| {
            let mut next = successor(catalog);
            next.tables.retain(|id, table| !(tables.contains_key(id) && table.is_begun()));
            if next.tables.len() == catalog.tables.len() {
                return Err(ShardError::Cancelled("nothing is left".into()));
            }
            next.link();
            Ok(next)
        });
        if let Err(error) = removed.await {
            // Nobody sees them, and the next process drops them.
            tracing::debug!(%error, "hidden tables of a transaction stay until the next start");
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let tables = std::mem::take(&mut self.tables);
        if tables.is_empty() {
            return;
        }
        let left = Self { core: self.core.take(), tables };
        drop(rt::spawn(Queue::Commit, "hidden tables", left.remove()));
    }
}

/// Returns whether a table is the same, whoever refers to it.
fn same(one: Option<&Arc<Table>>, other: Option<&Arc<Table>>) -> bool {
    let bare = |table: &Table| Table { referrers: Vec::new(), ..table.clone() };
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || bare(one) == bare(other),
        (None, None) => true,
        _ => false,
    }
}

/// The tables without which a definition means nothing.
fn references(table: &Table) -> Vec<TableId> {
    let mut all: Vec<TableId> = table.foreigns().map(|(_, foreign)| foreign.target).collect();
    match &table.kind {
        TableKind::Edge { source, target } => all.extend([*source, *target]),
        TableKind::Entries { of } => all.push(*of),
        _ => {}
    }
    let views = table.view_query().into_iter();
    all.extend(views.flat_map(|query| query.reads.iter().map(|read| read.table)));
    all
}

fn changed_meanwhile(change: &Change) -> Error {
    let table = change.base.as_ref().or(change.now.as_ref());
    changed_meanwhile_named(table.map_or("", |table| table.name.as_str()))
}

fn changed_meanwhile_named(name: &str) -> Error {
    let message = format!("another transaction has changed table \"{name}\"");
    Error::new(code::SERIALIZATION_FAILURE, message)
        .with_hint("Send the whole transaction again from its BEGIN.")
}

fn taken(what: &str, name: &str) -> Error {
    let message = format!("{what} \"{name}\" already exists");
    Error::new(code::DUPLICATE_TABLE, message)
        .with_detail("Another transaction has made it meanwhile.")
}

fn too_many() -> Error {
    let message = format!("the limit \"schema_changes_max\" of {SCHEMA_CHANGES_MAX} was reached");
    Error::new(code::PROGRAM_LIMIT, message).with_hint("Send COMMIT, and the rest after it.")
}
