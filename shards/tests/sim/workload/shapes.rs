//! Tables and indexes come, go and are emptied while rows are written: transactions stay whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use pieskieo_shards::Error;
use pieskieo_shards::catalog::{Catalog, Index, IndexKind, Table, Truncation};
use pieskieo_shards::ids::{CatalogVersion, IndexId, TableId};
use pieskieo_shards::request::Expect;

use super::below;
use crate::ledger::{Content, Draft, RECEIPTS};
use crate::model::table;

const STAYS: &str = "stays";
const COMES: &str = "comes";
/// Rows written together.
const TOGETHER: i64 = 3;
const GROUPS: i64 = 10;

fn named(id: TableId, name: &str) -> Table {
    table(id, name, &["id", "number"])
}

pub fn tables() -> Vec<Table> {
    vec![named(TableId(1), STAYS)]
}

pub fn first(draft: &mut Draft) -> Result<(), Error> {
    step(draft)
}

/// Writes the same number to a group of rows of every table.
pub fn step(draft: &mut Draft) -> Result<(), Error> {
    let first = below(GROUPS) * TOGETHER;
    let number = draft.id();
    let tables: Vec<TableId> = draft.core.catalog().tables.keys().copied().collect();
    for table in tables.into_iter().filter(|table| *table != RECEIPTS) {
        for id in first..first + TOGETHER {
            draft.put(table, &[id, number], Expect::Any)?;
        }
    }
    Ok(())
}

/// Returns the next schema: an index or a table comes or goes, or a table is emptied.
pub fn next(current: &Catalog) -> Catalog {
    let mut next = current.clone();
    next.version = CatalogVersion(current.version.0 + 1);
    let Some(stays) = current.table_named(STAYS) else { return next };
    let comes = current.table_named(COMES).map(|table| table.id);
    match (below(4), comes) {
        (0, Some(id)) => drop(next.tables.remove(&id)),
        (0, None) => {
            let id = current.table_next;
            next.table_next = TableId(id.0 + 1);
            next.tables.insert(id, Arc::new(named(id, COMES)));
        }
        (1, _) => {
            let tables: BTreeSet<TableId> = comes.into_iter().chain([stays.id]).collect();
            return current.truncated(&Truncation { tables, restarts: false, process: 1 });
        }
        _ => {
            let mut table = Table::clone(stays);
            if table.indexes.pop().is_none() {
                let id = current.index_next;
                next.index_next = IndexId(id.0 + 1);
                let kind = IndexKind::Ordered { columns: vec![1] };
                table.indexes.push(Arc::new(Index {
                    id,
                    name: "numbers".into(),
                    kind,
                    comment: None,
                }));
            }
            next.tables.insert(table.id, Arc::new(table));
        }
    }
    next
}

pub fn check(content: &Content) {
    for table in content.tables.keys().filter(|table| **table != RECEIPTS) {
        let rows: Vec<&[i64]> = content.rows(*table).collect();
        for group in rows.chunk_by(|one, two| one[0] / TOGETHER == two[0] / TOGETHER) {
            let is_whole =
                group.len() as i64 == TOGETHER && group.iter().all(|row| row[1] == group[0][1]);
            assert!(is_whole, "half of a transaction: {group:?}");
        }
    }
}
