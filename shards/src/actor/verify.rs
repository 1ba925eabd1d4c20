//! Does every index of a shard equal its records, while the shard goes on working?
//!
//! A table is read at one snapshot, in steps.

use std::rc::Rc;

use pieskieo_io::rt;

use super::core::Core;
use super::fill;
use super::loading::loaded;
use super::shard::Shard;
use crate::error::Error;
use crate::ids::{TableId, Timestamp};
use crate::request::Reply;
use crate::store::{Shown, Walk};

/// Compares the indexes of one table, or of all.
///
/// **Cost**: holds the records and entries of a table in memory.
/// **Errors**: `Corrupt`, `Storage` when a run cannot be read.
pub(crate) async fn run(
    core: Rc<Core>,
    shard: Rc<Shard>,
    table: Option<TableId>,
) -> Result<Reply, Error> {
    let mut findings = Vec::new();
    let tables = shard.store.borrow().to_be_verified();
    for id in tables {
        if table.is_none_or(|table| table == id) {
            fill::wait_filled(&shard, id).await;
            let lease = core.lease();
            let snapshot = lease.snapshot();
            let shown = read(&shard, id, snapshot).await;
            let shown = match shown {
                // Dropped meanwhile: there is nothing to compare.
                Err(Error::StaleCatalog { .. }) => continue,
                shown => shown?,
            };
            findings.extend(shard.store.borrow().verify(id, &shown, snapshot));
        }
    }
    Ok(Reply::Verified(findings))
}

async fn read(shard: &Shard, table: TableId, snapshot: Timestamp) -> Result<Shown, Error> {
    let shown = shard.store.borrow().to_be_shown(table);
    let mut shown = shown.unwrap_or_default();
    let mut walk = Walk::default();
    while let Some(rows) =
        loaded(shard, |reach| shard.store.borrow().walk(reach, table, snapshot, &mut walk)).await?
    {
        shown.rows.extend(rows);
        rt::yield_if_needed().await;
    }
    let Shown { entries, mirrors, .. } = &mut shown;
    let trees = entries.iter_mut().map(|(index, held)| (Some(*index), held));
    for (index, held) in trees.chain([(None, mirrors)]) {
        let mut walk = Walk::default();
        while let Some(entries) = loaded(shard, |reach| {
            shard.store.borrow().walk_entries(reach, (table, index), snapshot, &mut walk)
        })
        .await?
        {
            held.extend(entries.into_iter().map(|(entry, _)| entry));
            rt::yield_if_needed().await;
        }
    }
    Ok(shown)
}
