//! Which tables does a TRUNCATE empty?
//!
//! No record may be left that refers to one that is gone: a table with a foreign key to an emptied
//! one, and an edge that joins its records, are emptied with it, or the statement is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use pieskieo_shards::catalog::{Catalog, Table, Truncation};
use pieskieo_shards::ids::TableId;

use super::define::process;
use super::define_view::check_idle;
use super::pattern::ends;
use super::query::Binder;
use crate::error::{Error, Result, code};
use crate::syntax::Truncate;

/// `TRUNCATE`.
///
/// **Errors**: 42P01; 42809 for a view; 0A000 for a table that is needed by one that is not named.
pub(super) fn truncate_tables(catalog: &Catalog, truncate: &Truncate) -> Result<Option<Catalog>> {
    let mut tables = BTreeSet::new();
    for name in &truncate.names {
        tables.insert(Binder::new(catalog).base_table(name)?.id);
    }
    if truncate.cascade {
        let mut last: Vec<TableId> = tables.iter().copied().collect();
        while let Some(id) = last.pop() {
            let found = needing(catalog, id).map(|table| table.id);
            last.extend(found.filter(|found| tables.insert(*found)));
        }
    } else {
        for name in &truncate.names {
            let table = Binder::new(catalog).base_table(name)?.clone();
            if let Some(other) = needing(catalog, table.id).find(|one| !tables.contains(&one.id)) {
                return Err(needed(&table, other).at(name.position));
            }
        }
    }
    for table in tables.iter().filter_map(|id| catalog.tables.get(id)) {
        check_idle(table)?;
    }
    let (restarts, process) = (truncate.restarts, process());
    Ok(Some(catalog.truncated(&Truncation { tables, restarts, process })))
}

/// Returns the tables with foreign keys to a table, and the edges that join its records.
fn needing(catalog: &Catalog, id: TableId) -> impl Iterator<Item = &Arc<Table>> {
    catalog.listed().filter(move |table| {
        let refers = table.foreigns().any(|(_, foreign)| foreign.target == id);
        refers || ends(table).is_some_and(|(source, target)| source == id || target == id)
    })
}

fn needed(table: &Table, other: &Table) -> Error {
    let (message, detail) = if ends(other).is_some() {
        (
            "cannot truncate a table joined by an edge",
            format!("Edge \"{}\" joins records of \"{}\".", other.name, table.name),
        )
    } else {
        (
            "cannot truncate a table referenced in a foreign key constraint",
            format!("Table \"{}\" references \"{}\".", other.name, table.name),
        )
    };
    Error::new(code::FEATURE_NOT_SUPPORTED, message).with_detail(detail).with_hint(format!(
        "Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.",
        other.name
    ))
}
