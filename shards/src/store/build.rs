//! How is an index filled from records that are there already?
//!
//! In steps: some rows are read, then put into the indexes. Records that changed lately are put in
//! with their history, so that the index answers at every snapshot somebody may still have; all
//! others with their current version. Nobody writes to the table meanwhile.

use std::collections::HashSet;
use std::sync::Arc;

use super::indexes::{EdgeColumns, RowChange};
use super::install::{Build, Store};
use super::table::TableStore;
use crate::error::Error;
use crate::ids::{IndexId, TableId, Timestamp};
use crate::key::{Key, KeyRange};
use crate::ordered::parts_of;
use crate::row::{RowLayout, RowView};
use crate::storage::Part;
use crate::tree::{Reach, Tree, Window};
use crate::value::ColumnType;

/// Rows of one step.
const STEP_ROWS: usize = 512;

/// A record on its way into an index.
pub(crate) struct Row {
    /// Its key.
    pub key: Arc<[u8]>,
    /// Since when it has this row.
    pub begin: Timestamp,
    /// The row.
    pub row: Arc<[u8]>,
}

/// An entry of an ordered index or of mirrors, and since when it holds.
pub(crate) type Entry = (Vec<u8>, Timestamp);

/// What happens to a record in an index that is being filled.
struct Filling<'a> {
    key: &'a Arc<[u8]>,
    old: Option<&'a [u8]>,
    new: Option<&'a [u8]>,
    at: Timestamp,
}

/// Keys of records.
pub(crate) type Keys = HashSet<Arc<[u8]>, ahash::RandomState>;

/// Where a walk over all current records is.
#[derive(Default)]
pub(crate) struct Walk {
    after: Option<Vec<u8>>,
    is_over: bool,
}

impl Store {
    /// Returns the next current records of a table at a snapshot; `None` at the end.
    ///
    /// **Errors**: `NotLoaded`; `StaleCatalog` when the table is gone.
    pub(crate) fn walk(
        &self,
        reach: Reach<'_>,
        table: TableId,
        snapshot: Timestamp,
        walk: &mut Walk,
    ) -> Result<Option<Vec<Row>>, Error> {
        let table = self.table(table)?;
        let mut rows = Vec::new();
        let step = step(&table.records, reach, snapshot, walk, &mut |key, begin, row| {
            rows.push(Row { key: key.into(), begin, row: row.held().bytes(&table.layout) });
        });
        step.map(|more| more.then_some(rows))
    }

    /// Returns the next current entries of an ordered index, or of the mirrors of an edge table;
    /// `None` at the end.
    ///
    /// **Errors**: as [`Store::walk`].
    pub(crate) fn walk_entries(
        &self,
        reach: Reach<'_>,
        (table, index): (TableId, Option<IndexId>),
        snapshot: Timestamp,
        walk: &mut Walk,
    ) -> Result<Option<Vec<Entry>>, Error> {
        let table = self.table(table)?;
        let tree = match (index, &table.indexes.edges) {
            (Some(index), _) => &table.ordered(index)?.tree,
            (None, Some(edges)) => &edges.mirrors,
            (None, None) => return Ok(None),
        };
        let mut entries = Vec::new();
        let step = step(tree, reach, snapshot, walk, &mut |key, begin, _| {
            entries.push((key.to_vec(), begin));
        });
        step.map(|more| more.then_some(entries))
    }

    /// Puts records into new indexes, but for those that are in.
    ///
    /// **Errors**: `Corrupt` when a row cannot be read.
    pub(crate) fn index_rows(
        &mut self,
        build: &Build,
        rows: &[Row],
        done: &Keys,
    ) -> Result<(), Error> {
        let Some(table) = self.tables.get_mut(&build.table) else { return Ok(()) };
        for row in rows.iter().filter(|row| !done.contains(&row.key)) {
            table.index_row(&build.indexes, row)?;
        }
        Ok(())
    }

    /// Puts the records that changed lately into new indexes, with what they were, and returns
    /// which these are. Before anything else: what changed lately is soon forgotten.
    ///
    /// **Errors**: as [`Store::index_rows`].
    pub(crate) fn index_recent(&mut self, build: &Build) -> Result<Keys, Error> {
        let mut known = Keys::default();
        let Some(table) = self.tables.get_mut(&build.table) else { return Ok(known) };
        let recent = std::mem::take(&mut table.recent);
        let mut indexed = Ok(());
        for change in recent.all() {
            if let Some((begin, row)) = &change.old
                && known.insert(change.key.clone())
            {
                let row = Row { key: change.key.clone(), begin: *begin, row: row.clone() };
                indexed = indexed.and_then(|()| table.index_row(&build.indexes, &row));
            }
            known.insert(change.key.clone());
            let old = change.old.as_ref().map(|(_, row)| &**row);
            let (key, new, at) = (&change.key, change.new.as_deref(), change.at);
            let change = Filling { key, old, new, at };
            indexed = indexed.and_then(|()| table.index_change(&build.indexes, change));
        }
        table.recent = recent;
        indexed.map(|()| known)
    }

    /// Puts the edges of records, or of mirrors, into the adjacency of an edge table.
    ///
    /// **Errors**: `Corrupt` when a row or an entry cannot be read.
    pub(crate) fn link_rows(&mut self, table: TableId, rows: &[Row]) -> Result<(), Error> {
        let Some(table) = self.tables.get_mut(&table) else { return Ok(()) };
        let types = table.table.key_types();
        let (layout, routing) = (&table.layout, table.table.routing);
        let Some(edges) = &mut table.indexes.edges else { return Ok(()) };
        for row in rows {
            let (source, target) = edges.ends(&RowView::new(&row.row, layout)?, layout)?;
            let edge = Key::from_bytes(&row.key, &types, routing)?;
            edges.adjacency.insert_out(&source, &target, &edge, row.begin);
        }
        Ok(())
    }

    /// Puts mirrors into the adjacency of an edge table.
    ///
    /// **Errors**: as [`Store::link_rows`].
    pub(crate) fn link_mirrors(&mut self, table: TableId, entries: &[Entry]) -> Result<(), Error> {
        let Some(table) = self.tables.get_mut(&table) else { return Ok(()) };
        let types = table.table.key_types();
        let keys = (&*types, table.table.routing);
        let Some(edges) = &mut table.indexes.edges else { return Ok(()) };
        for (entry, begin) in entries {
            let (source, target, edge) = edges.mirrored(entry, keys, &table.layout)?;
            edges.adjacency.insert_in(&target, &source, &edge, *begin);
        }
        Ok(())
    }

    /// Lets a walk go on behind the first damaged keys it has met; `false` when it has met none.
    pub(crate) fn skip_damage(&self, (table, part): (TableId, Part), walk: &mut Walk) -> bool {
        let Some(table) = self.tables.get(&table) else { return false };
        let tree = match (part, &table.indexes.edges) {
            (Part::Records, _) => &table.records,
            (Part::Mirrors, Some(edges)) => &edges.mirrors,
            _ => return false,
        };
        let end = tree.damage_behind(walk.after.as_deref());
        let has_met = end.is_some();
        walk.after = end.or(walk.after.take());
        has_met
    }

    /// Says that indexes lack records that cannot be read.
    pub(crate) fn lose(&mut self, table: TableId, indexes: &[Option<IndexId>], cause: &Error) {
        if let Some(table) = self.tables.get_mut(&table) {
            for index in indexes {
                table.indexes.lost.entry(*index).or_insert_with(|| cause.to_string());
            }
        }
    }

    /// Returns the ordered indexes that have no run though their table has records: a repair has
    /// dropped their damaged ones.
    pub(crate) fn to_be_ordered(&self) -> Vec<Build> {
        let dropped = self.tables.iter().map(|(id, table)| {
            let is_due = table.live > 0 && !table.records.is_empty();
            let ordered = table.indexes.ordered.iter();
            let empty = ordered.filter(|(_, index)| is_due && index.tree.is_empty());
            Build { table: *id, indexes: empty.map(|(index, _)| *index).collect() }
        });
        dropped.filter(|build| !build.indexes.is_empty()).collect()
    }

    /// Returns the tables whose indexes in memory have to be filled after runs were opened, and
    /// which of them are edge tables.
    pub(crate) fn to_be_filled(&self) -> Vec<(Build, bool)> {
        // A shard may have the far ends of edges and no edge.
        let tables = self.tables.iter();
        tables
            .map(|(id, store)| {
                let vector = store.indexes.vector.keys();
                let indexes = vector.chain(store.indexes.text.keys()).copied().collect();
                (Build { table: *id, indexes }, store.indexes.edges.is_some())
            })
            .filter(|(build, edges)| *edges || !build.indexes.is_empty())
            .collect()
    }
}

/// Bytes of an edge's key behind its source's.
pub(super) const EDGE_NAME_BYTES: usize = 8;

impl EdgeColumns {
    /// Returns source, target and edge of a mirror.
    ///
    /// **Errors**: `Corrupt`.
    pub(super) fn mirrored(
        &self,
        entry: &[u8],
        (types, routing): (&[ColumnType], usize),
        layout: &RowLayout,
    ) -> Result<(Key, Key, Key), Error> {
        let bad = || Error::Corrupt("a mirror of an edge without its keys".into());
        let (target, edge) = parts_of(entry).ok_or_else(bad)?;
        let edge = Key::from_bytes(edge, types, routing)?;
        let source = edge.bytes().len().checked_sub(EDGE_NAME_BYTES).ok_or_else(bad)?;
        let source = Key::from_bytes(&edge.bytes()[..source], &types[..1], 1)?;
        let target = Key::from_bytes(target, &self.target_types(layout), 1)?;
        Ok((source, target, edge))
    }
}

/// Visits the next current keys; returns `false` when there were none left.
fn step(
    tree: &Tree,
    reach: Reach<'_>,
    snapshot: Timestamp,
    walk: &mut Walk,
    visit: &mut dyn FnMut(&[u8], Timestamp, crate::tree::Row<'_>),
) -> Result<bool, Error> {
    if walk.is_over {
        return Ok(false);
    }
    let range = KeyRange::all(false);
    let from = walk.after.clone();
    let window = Window { range: &range, after: from.as_deref(), snapshot, wanted: &[] };
    let mut room = STEP_ROWS;
    let over = tree.scan(reach, window, room, &mut |item| {
        item.each(&mut |key, begin, row| {
            visit(key, begin, row);
            let last = walk.after.get_or_insert_default();
            last.clear();
            last.extend_from_slice(key);
            room -= 1;
            Ok::<_, Error>(room > 0)
        })?;
        Ok(room)
    });
    match over {
        Err(Error::NotLoaded) if room < STEP_ROWS => Ok(true),
        over => {
            walk.is_over = over?;
            Ok(true)
        }
    }
}

impl TableStore {
    fn index_row(&mut self, indexes: &[IndexId], row: &Row) -> Result<(), Error> {
        let (key, new, at) = (&row.key, Some(&*row.row), row.begin);
        self.index_change(indexes, Filling { key, old: None, new, at })
    }

    fn index_change(&mut self, indexes: &[IndexId], filling: Filling<'_>) -> Result<(), Error> {
        let Filling { key, old, new, at } = filling;
        let id = self.indexes.numbers().then(|| self.names.intern(key));
        let types = self.table.key_types();
        let key = Key::from_bytes(key, &types, self.table.routing)?;
        let open = |row| RowView::new(row, &self.layout);
        let (old, new) = (old.map(open).transpose()?, new.map(open).transpose()?);
        for index in indexes {
            let change = RowChange { id: id.unwrap_or_default(), key: &key, old, new, at };
            self.indexes.change(&self.layout, change, Some(*index))?;
        }
        if let (Some(id), None) = (id, new) {
            self.names.end(id, at);
        }
        Ok(())
    }
}
