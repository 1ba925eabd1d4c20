//! What tables, columns and indexes are there?
//!
//! A [`Catalog`] is immutable. A change makes a new one with the next version; shard 0 logs it,
//! every core holds it as an `Arc`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::constraint::{Constraint, SequenceShape};
use super::view::{Content, ViewQuery};
use crate::ids::{CatalogVersion, ColumnId, IndexId, ShardId, Slot, TableId, Timestamp};
use crate::value::ColumnType;
use crate::vector::Metric;

/// Everything that is known about the shape of the data at one version.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalog {
    /// Grows by one with every change.
    pub version: CatalogVersion,
    /// Number of shards; slots map to shards by `slot % shard_count` until resharding exists.
    pub shard_count: u16,
    /// Next unused table id.
    pub table_next: TableId,
    /// Next unused index id.
    pub index_next: IndexId,
    /// All tables, by id.
    pub tables: BTreeMap<TableId, Arc<Table>>,
    /// In the view that an open transaction has of the schema: tables it has altered, whose
    /// records the shards still keep as they were. Not stored.
    pub drafted: BTreeSet<TableId>,
}

/// A table, collection or edge table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Stable identity.
    pub id: TableId,
    /// Name as written when unquoted, lower case; unique among tables.
    pub name: String,
    /// What kind of records it holds.
    pub kind: TableKind,
    /// Columns in declaration order. Positions index rows.
    pub columns: Vec<Column>,
    /// Positions of the primary-key columns, in key order; never empty (a table without a
    /// declared key has the hidden generated column `_id BIGINT`).
    pub key: Vec<usize>,
    /// How many leading key columns decide the slot: all of them, or for edge tables 1 (`src`),
    /// so that an edge lives with its source.
    pub routing: usize,
    /// Indexes in creation order.
    pub indexes: Vec<Arc<Index>>,
    /// Rules for its records, in creation order.
    pub constraints: Vec<Arc<Constraint>>,
    /// Tables with foreign keys to this one, by id. Follows from their constraints
    /// ([`Catalog::link`]) and is not stored.
    pub referrers: Vec<TableId>,
    /// What COMMENT ON says of it.
    pub comment: Option<Arc<str>>,
    /// What its part is while records are rewritten, or while it is not yet committed.
    pub rewrite: Option<Rewrite>,
    /// The commit from which on its records are all there, if they were rewritten: older
    /// snapshots do not see it.
    pub since: Option<Timestamp>,
}

/// What a table has to do with a change that has not ended. The process is a number as of
/// [`TableKind::Unfinished`]: what another one has left means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// Its records are being copied: nobody writes to it.
    Source {
        /// Who copies them.
        process: u64,
    },
    /// Hidden: it takes the place of a table when it has all of its records.
    Copy {
        /// The table.
        of: TableId,
        /// Who fills it.
        process: u64,
    },
    /// Hidden: a transaction that has not ended made it. Writes to it are that transaction's.
    Begun {
        /// Whose transaction it is.
        process: u64,
    },
}

/// The kinds of table.
#[derive(Clone, Debug, PartialEq)]
pub enum TableKind {
    /// Declared columns only.
    Relation,
    /// Declared columns plus open fields, kept in the JSON column `doc` (the last column).
    Collection,
    /// Columns `src`, `dst`, hidden `_id`, then the declared ones. Key is (`src`, `_id`).
    Edge {
        /// Table whose key `src` refers to.
        source: TableId,
        /// Table whose key `dst` refers to.
        target: TableId,
    },
    /// Hidden: the entries of a unique constraint, whose name it has.
    Entries {
        /// The table whose records it is about.
        of: TableId,
    },
    /// Hidden: a sequence. Its one record, once there is one, holds the next number.
    Sequence(SequenceShape),
    /// Hidden, at most one: what requests with idempotency keys have answered.
    Answers,
    /// Hidden, without records: a view. Its columns are those its query gives.
    View(ViewQuery),
    /// Holds what a query gave. Its last column is the hidden key `_id`.
    Materialized {
        /// The query.
        query: ViewQuery,
        /// What it holds.
        content: Content,
    },
    /// Hidden: a table that a process is filling before anybody may see it.
    Unfinished {
        /// A number of the process: what another one has left is as good as gone.
        process: u64,
        /// What it becomes. Never `Unfinished` itself.
        becomes: Box<TableKind>,
    },
}

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Stable identity within the table.
    pub id: ColumnId,
    /// Name, lower case when unquoted; unique within the table.
    pub name: String,
    /// Type of its values.
    pub ty: ColumnType,
    /// Whether null is refused.
    pub not_null: bool,
    /// PQL text of the default expression.
    pub default: Option<String>,
    /// Left out of `SELECT *` (`_id` of tables without a declared key).
    pub hidden: bool,
    /// Filled with a fresh unique number when absent (`_id`).
    pub generated: bool,
    /// `GENERATED ALWAYS AS IDENTITY`: takes no value but its default.
    pub always: bool,
    /// What ALTER TABLE left behind.
    pub altered: Altered,
    /// What COMMENT ON says of it.
    pub comment: Option<Arc<str>>,
}

impl Column {
    /// Returns whether some snapshot may see a null in it.
    pub fn is_nullable(&self) -> bool {
        !self.not_null || self.altered.held_nulls
    }
}

/// What is different about a column that is not as it was created.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Altered {
    /// The column is gone. Rows keep its place, and new ones a null there, because positions of
    /// columns index rows; it has a name nobody can write and is hidden.
    pub dropped: bool,
    /// What rows that were written before the column was added have in it, as `row::field_of`
    /// gives it; `None` = null.
    pub missing: Option<Arc<[u8]>>,
    /// It became NOT NULL later: older snapshots may see nulls.
    pub held_nulls: bool,
}

/// A derived structure over one table.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Stable identity.
    pub id: IndexId,
    /// Name, unique among indexes.
    pub name: String,
    /// What it answers.
    pub kind: IndexKind,
    /// What COMMENT ON says of it.
    pub comment: Option<Arc<str>>,
}

/// The kinds of index.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexKind {
    /// Ordered by the columns at these positions.
    Ordered {
        /// Column positions, most significant first.
        columns: Vec<usize>,
    },
    /// HNSW over one vector column.
    Vector {
        /// Position of the vector column.
        column: usize,
        /// Distance it is built for.
        metric: Metric,
        /// Links per node on upper layers; twice that on layer 0.
        m: usize,
        /// Beam width while building.
        ef_construction: usize,
        /// Default beam width while searching.
        ef_search: usize,
    },
    /// Positional postings over text columns (or JSON paths of a collection).
    Text {
        /// What is indexed, in order; matches in any of them count.
        fields: Vec<TextField>,
        /// Whether words are reduced to their English stems.
        stem: bool,
    },
}

/// One source of words for a text index.
#[derive(Clone, Debug, PartialEq)]
pub struct TextField {
    /// Column position.
    pub column: usize,
    /// Path inside a JSON column, outermost first; empty for a text column.
    pub path: Vec<String>,
}

impl Catalog {
    /// Returns the catalog of a fresh data directory.
    pub fn empty(shard_count: u16) -> Self {
        Self {
            version: CatalogVersion(0),
            shard_count,
            table_next: TableId(1),
            index_next: IndexId(1),
            tables: BTreeMap::new(),
            drafted: BTreeSet::new(),
        }
    }

    /// Returns the table with this name, unless it is hidden.
    pub fn table_named(&self, name: &str) -> Option<&Arc<Table>> {
        self.listed().find(|table| table.name == name)
    }

    /// Returns the table and index with this index name, unless the table is hidden.
    pub fn index_named(&self, name: &str) -> Option<(&Arc<Table>, &Arc<Index>)> {
        self.listed().find_map(|table| {
            table.indexes.iter().find(|index| index.name == name).map(|index| (table, index))
        })
    }

    /// Returns the shard that owns a slot.
    pub fn shard_of(&self, slot: Slot) -> ShardId {
        ShardId(slot.0 % self.shard_count)
    }
}

impl Table {
    /// Returns the position of the column with this name.
    pub fn column_named(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name && !column.altered.dropped)
    }

    /// Returns the columns that are there, hidden ones too.
    pub fn live_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.altered.dropped)
    }

    /// Returns the types of the primary-key columns, in key order.
    pub fn key_types(&self) -> Vec<ColumnType> {
        self.key.iter().map(|&column| self.columns[column].ty.clone()).collect()
    }

    /// Returns the index with this id.
    pub fn index(&self, id: IndexId) -> Option<&Arc<Index>> {
        self.indexes.iter().find(|index| index.id == id)
    }
}
