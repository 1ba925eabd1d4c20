//! What is a view, and what does it depend on?
//!
//! A view keeps the text of its query and what each name in it meant when it was defined: the
//! tables by number, their columns by number and name. So the text means the same when a table was
//! renamed, and `*` shows what it showed. A materialized view has such a query, and records as a
//! table has.

use std::sync::Arc;

use super::{Catalog, Table, TableKind};
use crate::ids::{ColumnId, TableId, Timestamp};

/// A query that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewQuery {
    /// PQL text of the query.
    pub text: String,
    /// What it reads, by name; every name once.
    pub reads: Vec<ViewRead>,
}

/// A table or view that the query of a view reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewRead {
    /// How the text calls it.
    pub name: String,
    /// What that is.
    pub table: TableId,
    /// The columns it had, by the names the text knows. Others are not seen by the text.
    pub columns: Vec<(ColumnId, String)>,
}

/// What a materialized view holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing that may be read.
    Nothing,
    /// What its query gave at one snapshot, for whoever reads at this commit or later.
    Whole(Timestamp),
    /// A process, known by this number, is filling it; to any other it holds nothing.
    Filling(u64),
}

impl Table {
    /// Returns the query of a view, materialized or not.
    pub fn view_query(&self) -> Option<&ViewQuery> {
        match &self.kind {
            TableKind::View(query) | TableKind::Materialized { query, .. } => Some(query),
            _ => None,
        }
    }

    /// Returns whether it is a view whose query is run at each reading.
    pub fn is_view(&self) -> bool {
        matches!(self.kind, TableKind::View(_))
    }
}

impl Catalog {
    /// Returns the view with this name. Materialized views are tables, see [`Catalog::table_named`].
    pub fn view_named(&self, name: &str) -> Option<&Arc<Table>> {
        self.tables.values().find(|table| table.is_view() && table.name == name)
    }

    /// Returns the views, materialized or not, whose queries read this table or view.
    pub fn views_of(&self, table: TableId) -> impl Iterator<Item = &Arc<Table>> {
        let reads = move |view: &&Arc<Table>| {
            let query = view.view_query();
            query.is_some_and(|query| query.reads.iter().any(|read| read.table == table))
        };
        self.tables.values().filter(reads)
    }
}
