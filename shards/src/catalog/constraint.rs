//! Which rules does a table hold its records to, and what keeps them?
//!
//! A unique constraint owns a hidden table of entries: its key is the unique values, so an entry
//! lives at the owner of its values' slot, on whatever shard the record is; its one other column
//! is the key of the record. A record with a null among the unique columns has no entry. Entries
//! are written in the transaction of their records, so whatever holds for records (conflicts, two
//! phases, recovery, snapshots) holds for them.
//!
//! A foreign key needs nothing of its own but an ordered index over the referencing columns.

use std::sync::Arc;

use super::{Altered, Catalog, Column, Index, IndexKind, Rewrite, Table, TableKind};
use crate::error::Error;
use crate::ids::{ColumnId, IndexId, TableId};
use crate::key::Key;
use crate::value::{ColumnType, Value};

/// Name of the entries' column that holds the record's key.
const RECORD: &str = "_record";

/// A rule for the records of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// Name, unique within its table; that of a unique constraint is also the name of its index.
    pub name: String,
    /// What it demands.
    pub kind: ConstraintKind,
    /// Whether the records that were there when it was made are known to keep it. All later ones
    /// are held to it either way.
    pub validated: bool,
    /// What COMMENT ON says of it.
    pub comment: Option<Arc<str>>,
}

/// The kinds of constraint.
#[derive(Clone, Debug, PartialEq)]
pub enum ConstraintKind {
    /// A condition that no record may fail; null passes.
    Check {
        /// PQL text of the condition.
        text: String,
    },
    /// No two records have the same values in these columns.
    Unique(Unique),
    /// The values of some columns are those of a record of another table, or of the same.
    Foreign(Foreign),
}

/// No two records have the same values.
#[derive(Clone, Debug, PartialEq)]
pub struct Unique {
    /// Column positions, in the order they were declared.
    pub columns: Vec<usize>,
    /// The hidden table of entries.
    pub entries: TableId,
    /// The ordered index over the columns, by which records are found.
    pub index: IndexId,
    /// Set while the entries of existing records are made: a number of the process that makes
    /// them. Writers of the same process wait for it; to any other the constraint is not there.
    pub filling: Option<u64>,
}

/// Values that are those of another record.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    /// Positions of the referencing columns.
    pub columns: Vec<usize>,
    /// The table referred to.
    pub target: TableId,
    /// Positions of the columns referred to, in the order of its key or of a unique constraint.
    pub target_columns: Vec<usize>,
    /// What happens to records that refer to a deleted one.
    pub on_delete: Action,
    /// What happens to records that refer to values that change.
    pub on_update: Action,
}

/// What happens to records when what they refer to goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Action {
    /// The change is refused if the reference is still there when the statement ends.
    #[default]
    NoAction,
    /// The change is refused.
    Restrict,
    /// They follow: they are deleted too, or take the new values.
    Cascade,
    /// Their referencing columns become null.
    SetNull,
    /// Their referencing columns take their defaults.
    SetDefault,
}

/// How a sequence counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceShape {
    /// The first number.
    pub start: i64,
    /// Distance between two numbers, not 0; negative counts down.
    pub increment: i64,
    /// Smallest number.
    pub min: i64,
    /// Largest number.
    pub max: i64,
    /// Whether it begins again at the other end.
    pub cycle: bool,
    /// Numbers a core takes at once.
    pub cache: u32,
    /// The table whose column it belongs to, with which it is dropped.
    pub owner: Option<TableId>,
}

impl Table {
    /// Returns the unique constraints that are in force.
    pub fn uniques(&self) -> impl Iterator<Item = (&str, &Unique)> {
        self.constraints.iter().filter_map(|constraint| match &constraint.kind {
            ConstraintKind::Unique(unique) if unique.filling.is_none() => {
                Some((constraint.name.as_str(), unique))
            }
            _ => None,
        })
    }

    /// Returns the foreign keys.
    pub fn foreigns(&self) -> impl Iterator<Item = (&str, &Foreign)> {
        self.constraints.iter().filter_map(|constraint| match &constraint.kind {
            ConstraintKind::Foreign(foreign) => Some((constraint.name.as_str(), foreign)),
            _ => None,
        })
    }

    /// Returns the conditions of CHECK constraints.
    pub fn checks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.constraints.iter().filter_map(|constraint| match &constraint.kind {
            ConstraintKind::Check { text } => Some((constraint.name.as_str(), text.as_str())),
            _ => None,
        })
    }

    /// Returns whether all records are known to keep the constraint with this name.
    pub fn is_validated(&self, name: &str) -> bool {
        self.constraints.iter().any(|rule| rule.name == name && rule.validated)
    }

    /// Returns an ordered index that begins with these columns, in any order, and its columns.
    pub fn index_over(&self, columns: &[usize]) -> Option<(&Index, &[usize])> {
        self.indexes.iter().find_map(|index| match &index.kind {
            IndexKind::Ordered { columns: indexed } => {
                let leading = indexed.get(..columns.len())?;
                let over = columns.iter().all(|column| leading.contains(column));
                over.then_some((index.as_ref(), leading))
            }
            _ => None,
        })
    }

    /// Returns whether no statement reads or writes its records under its name.
    pub fn is_hidden(&self) -> bool {
        matches!(
            self.kind,
            TableKind::Entries { .. }
                | TableKind::Sequence(_)
                | TableKind::Answers
                | TableKind::View(_)
                | TableKind::Unfinished { .. }
        ) || matches!(self.rewrite, Some(Rewrite::Copy { .. }))
            || self.is_begun()
    }

    /// Returns whether a transaction that has not ended made it: nobody else sees it.
    pub fn is_begun(&self) -> bool {
        matches!(self.rewrite, Some(Rewrite::Begun { .. }))
    }

    /// Returns the table of entries of a unique constraint over these columns; its id is not set.
    pub fn entries(&self, name: &str, columns: &[usize]) -> Table {
        let mut all: Vec<Column> = columns.iter().map(|&at| self.columns[at].clone()).collect();
        let plain = Column {
            id: ColumnId(0),
            name: RECORD.to_owned(),
            ty: ColumnType::Bytea,
            not_null: true,
            default: None,
            hidden: true,
            generated: false,
            always: false,
            altered: Altered::default(),
            comment: None,
        };
        for column in &mut all {
            let (name, ty) = (column.name.clone(), column.ty.clone());
            *column = Column { name, ty, hidden: false, ..plain.clone() };
        }
        all.push(plain);
        for (number, column) in (0..).zip(&mut all) {
            column.id = ColumnId(number);
        }
        Table {
            id: TableId(0),
            name: name.to_owned(),
            kind: TableKind::Entries { of: self.id },
            key: (0..columns.len()).collect(),
            routing: columns.len(),
            columns: all,
            indexes: Vec::new(),
            constraints: Vec::new(),
            referrers: Vec::new(),
            comment: None,
            rewrite: None,
            since: None,
        }
    }

    /// Returns the key of the entry that a row of `of` has in this table of entries; `None` when a
    /// unique column is null.
    ///
    /// **Errors**: as [`Key::encode`].
    pub fn entry_key(&self, unique: &Unique, row: &[Value]) -> Result<Option<Key>, Error> {
        let mut values = Vec::with_capacity(unique.columns.len());
        for &column in &unique.columns {
            if row[column].is_null() {
                return Ok(None);
            }
            values.push(row[column].clone());
        }
        Key::of_table(self, &values).map(Some)
    }
}

impl Catalog {
    /// Returns the tables users know, by id.
    pub fn listed(&self) -> impl Iterator<Item = &std::sync::Arc<Table>> {
        self.tables.values().filter(|table| !table.is_hidden())
    }

    /// Returns the sequence with this name.
    pub fn sequence_named(&self, name: &str) -> Option<(&std::sync::Arc<Table>, &SequenceShape)> {
        self.tables.values().find_map(|table| match &table.kind {
            TableKind::Sequence(shape) if table.name == name && !table.is_begun() => {
                Some((table, shape))
            }
            _ => None,
        })
    }

    /// Returns the error for a record whose key exists: of the table itself, or of a table whose
    /// unique constraint it keeps.
    pub fn duplicate(&self, table: &Table, key: &Key) -> Error {
        let shown = key.display(table);
        match &table.kind {
            TableKind::Entries { of } => Error::DuplicateKey {
                table: self.tables.get(of).map_or_else(String::new, |of| of.name.clone()),
                constraint: Some(table.name.clone()),
                key: shown,
            },
            _ => Error::DuplicateKey { table: table.name.clone(), constraint: None, key: shown },
        }
    }

    /// Notes at every table which others refer to it. To be called when foreign keys changed.
    pub fn link(&mut self) {
        let mut referrers: Vec<(TableId, TableId)> = Vec::new();
        for table in self.tables.values() {
            referrers.extend(table.foreigns().map(|(_, foreign)| (foreign.target, table.id)));
        }
        referrers.sort_unstable();
        referrers.dedup();
        for table in self.tables.values_mut() {
            let of = referrers.iter().filter(|(target, _)| *target == table.id);
            let of: Vec<TableId> = of.map(|(_, referrer)| *referrer).collect();
            if table.referrers != of {
                std::sync::Arc::make_mut(table).referrers = of;
            }
        }
    }
}
