//! How are indexes filled from records that are there already?
//!
//! At start, those that have no image (`image.rs`); later, those that a schema change adds. A shard
//! fills a new index while nobody writes to the table: commits of it wait, prepares are refused, and what
//! is committing already is waited for before the schema changes. Prepares do not wait, because
//! somebody who is waited for may be waiting for them on another shard.

use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::rt;

use super::image;
use super::loading::loaded;
use super::shard::Shard;
use crate::error::Error;
use crate::ids::{IndexId, TableId, Timestamp};
use crate::request::Write;
use crate::storage::{ImageName, Part};
use crate::store::{Build, Keys, Walk};
use crate::tree::Reach;

/// Pause of somebody who waits for an index to be filled, or for commits to end.
const WAIT_MS: u64 = 2;

/// Keeps writers out of some tables while it lives.
pub(crate) struct Closed {
    shard: Rc<Shard>,
    tables: Vec<TableId>,
}

impl Drop for Closed {
    fn drop(&mut self) {
        let mut closed = self.shard.closed.borrow_mut();
        for table in &self.tables {
            closed.remove(table);
        }
    }
}

/// Closes tables for writers and waits until nobody is committing to them.
pub(crate) async fn close(shard: &Rc<Shard>, tables: Vec<TableId>) -> Closed {
    shard.closed.borrow_mut().extend(tables.iter().copied());
    let closed = Closed { shard: shard.clone(), tables };
    let is_busy = |table: &TableId| {
        let locks = shard.locks.borrow();
        locks.holds_any_of(*table)
    };
    while closed.tables.iter().any(is_busy) {
        rt::sleep(Duration::from_millis(WAIT_MS)).await;
    }
    closed
}

/// Returns whether one of these writes is to a closed table.
pub(crate) fn is_closed(shard: &Shard, writes: &[Write]) -> bool {
    let closed = shard.closed.borrow();
    !closed.is_empty() && writes.iter().any(|write| closed.contains(&write.table))
}

/// Waits until the tables of these writes are open.
pub(crate) async fn wait_open(shard: &Shard, writes: &[Write]) {
    while is_closed(shard, writes) {
        rt::sleep(Duration::from_millis(WAIT_MS)).await;
    }
}

/// Waits until the indexes of a table are filled.
pub(crate) async fn wait_filled(shard: &Shard, table: TableId) {
    while shard.closed.borrow().contains(&table) {
        rt::sleep(Duration::from_millis(WAIT_MS)).await;
    }
}

/// Fills new indexes. Several at once begin before anything waits.
///
/// **Cost**: reads every record of the tables.
/// **Errors**: `Corrupt`, `Storage`; the indexes are then incomplete.
pub(crate) async fn build(shard: &Shard, builds: Vec<Build>) -> Result<(), Error> {
    let mut begun = Vec::with_capacity(builds.len());
    for build in builds {
        let done = shard.store.borrow_mut().index_recent(&build)?;
        begun.push((build, done));
    }
    for (build, done) in begun {
        let mut walk = Walk::default();
        loop {
            let next = |reach: crate::tree::Reach<'_>| {
                shard.store.borrow().walk(reach, build.table, Timestamp::MAX, &mut walk)
            };
            let Some(rows) = loaded(shard, next).await? else { break };
            shard.store.borrow_mut().index_rows(&build, &rows, &done)?;
            rt::yield_if_needed().await;
        }
    }
    Ok(())
}

/// Reads the indexes that are no trees from their images; fills those that have none from the runs
/// that were opened, and ordered ones whose runs a repair has dropped. Records that cannot be read
/// are passed over: indexes that lack them do not answer ([`crate::store::Store::lose`]).
///
/// **Errors**: as [`build`].
pub(crate) async fn restore(shard: &Shard) -> Result<(), Error> {
    let dropped = shard.store.borrow().to_be_ordered();
    for build in dropped {
        index_readable(shard, build).await?;
    }
    let tables = shard.store.borrow().to_be_filled();
    for (Build { table, indexes }, is_edge) in tables {
        let name = |index| ImageName { table, index };
        if is_edge && !image::restore(shard, name(None)).await? {
            let has_edges = link(shard, table).await?;
            count_rebuilt(shard, usize::from(has_edges));
        }
        let mut left = Vec::new();
        for index in indexes {
            if !image::restore(shard, name(Some(index))).await? {
                left.push(index);
            }
        }
        if !left.is_empty() {
            index_readable(shard, Build { table, indexes: left }).await?;
        }
    }
    Ok(())
}

fn count_rebuilt(shard: &Shard, count: usize) {
    let rebuilt = &shard.counters.indexes_rebuilt;
    rebuilt.set(rebuilt.get() + count as u64);
}

/// Fills indexes from the records that can be read.
async fn index_readable(shard: &Shard, build: Build) -> Result<(), Error> {
    count_rebuilt(shard, build.indexes.len());
    let named: Vec<Option<IndexId>> = build.indexes.iter().copied().map(Some).collect();
    let (table, done) = (build.table, Keys::default());
    let mut walk = Walk::default();
    loop {
        let next =
            |reach: Reach<'_>| shard.store.borrow().walk(reach, table, Timestamp::MAX, &mut walk);
        let rows = match loaded(shard, next).await {
            Err(error) => {
                pass_over(shard, (table, Part::Records), (&named, error), &mut walk)?;
                continue;
            }
            Ok(rows) => rows,
        };
        let Some(rows) = rows else { return Ok(()) };
        shard.store.borrow_mut().index_rows(&build, &rows, &done)?;
        rt::yield_if_needed().await;
    }
}

/// Goes on behind records that cannot be read, and notes which indexes lack them.
fn pass_over(
    shard: &Shard,
    tree: (TableId, Part),
    (indexes, error): (&[Option<IndexId>], Error),
    walk: &mut Walk,
) -> Result<(), Error> {
    let is_damage = matches!(error, Error::Corrupt(_));
    if !is_damage || !shard.store.borrow().skip_damage(tree, walk) {
        return Err(error);
    }
    tracing::error!(%error, "records cannot be read, indexes that lack them do not answer");
    shard.store.borrow_mut().lose(tree.0, indexes, &error);
    Ok(())
}

/// Fills the adjacency of an edge table from the records and mirrors that can be read; returns
/// whether there are any.
async fn link(shard: &Shard, table: TableId) -> Result<bool, Error> {
    let mut has_edges = false;
    let mut walk = Walk::default();
    loop {
        let next =
            |reach: Reach<'_>| shard.store.borrow().walk(reach, table, Timestamp::MAX, &mut walk);
        let rows = match loaded(shard, next).await {
            Err(error) => {
                pass_over(shard, (table, Part::Records), (&[None], error), &mut walk)?;
                continue;
            }
            Ok(rows) => rows,
        };
        let Some(rows) = rows else { break };
        has_edges |= !rows.is_empty();
        shard.store.borrow_mut().link_rows(table, &rows)?;
        rt::yield_if_needed().await;
    }
    let mut walk = Walk::default();
    loop {
        let next = |reach: Reach<'_>| {
            let tree = (table, None);
            shard.store.borrow().walk_entries(reach, tree, Timestamp::MAX, &mut walk)
        };
        let entries = match loaded(shard, next).await {
            Err(error) => {
                pass_over(shard, (table, Part::Mirrors), (&[None], error), &mut walk)?;
                continue;
            }
            Ok(entries) => entries,
        };
        let Some(entries) = entries else { break };
        has_edges |= !entries.is_empty();
        shard.store.borrow_mut().link_mirrors(table, &entries)?;
        rt::yield_if_needed().await;
    }
    Ok(has_edges)
}
