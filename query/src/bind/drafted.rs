//! Which tables can a transaction not use, because it has altered them?
//!
//! Until the commit the shards keep their records as they were ([`Catalog::drafted`]).

use std::collections::BTreeSet;

use pieskieo_shards::catalog::{Catalog, Table, TableKind};
use pieskieo_shards::ids::TableId;

use crate::error::{Error, Result};

/// Refuses to read or change the records of a table that the transaction has altered.
///
/// **Errors**: 0A000.
pub fn check_kept(catalog: &Catalog, table: &Table) -> Result<()> {
    if !catalog.drafted.contains(&table.id) {
        return Ok(());
    }
    let message = format!("using table \"{}\" after altering it in the same", table.name);
    Err(Error::unsupported(format!("{message} transaction"))
        .with_hint("Send COMMIT first, and use it in the next transaction."))
}

/// As [`check_kept`], for a table whose records have changed, and for all whose records may change
/// or be read because of it.
///
/// **Errors**: 0A000.
pub fn check_kept_around(catalog: &Catalog, table: TableId) -> Result<()> {
    if catalog.drafted.is_empty() {
        return Ok(());
    }
    let mut reached = BTreeSet::new();
    let mut open = vec![table];
    while let Some(id) = open.pop() {
        let Some(table) = catalog.tables.get(&id).filter(|_| reached.insert(id)) else { continue };
        check_kept(catalog, table)?;
        for (_, foreign) in table.foreigns() {
            if let Some(target) = catalog.tables.get(&foreign.target) {
                check_kept(catalog, target)?;
            }
        }
        let joins = |edge: &&std::sync::Arc<Table>| match edge.kind {
            TableKind::Edge { source, target } => source == id || target == id,
            _ => false,
        };
        open.extend(table.referrers.iter().copied());
        open.extend(catalog.tables.values().filter(joins).map(|edge| edge.id));
    }
    Ok(())
}
