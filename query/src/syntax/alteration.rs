//! What can an ALTER or a MERGE be?

use datafusion::sql::sqlparser::ast::{Expr, SelectItem, TableWithJoins};
use pieskieo_shards::value::ColumnType;

use super::statement::{Assignment, ColumnDefinition, ConstraintDefinition, Name};

/// `ALTER TABLE name actions`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterTable {
    /// The table, collection or edge.
    pub name: Name,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// What changes, in order; all of it or nothing.
    pub actions: Vec<Alteration>,
}

/// One change of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Alteration {
    /// `ADD COLUMN`.
    AddColumn {
        /// The column.
        column: Box<ColumnDefinition>,
        /// What was written behind it.
        constraints: Vec<ConstraintDefinition>,
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
    },
    /// `DROP COLUMN`.
    DropColumn {
        /// The column.
        column: Name,
        /// `IF EXISTS`.
        if_exists: bool,
        /// `CASCADE`: with what other tables have that needs it.
        cascade: bool,
    },
    /// `RENAME COLUMN column TO to`.
    RenameColumn {
        /// The column.
        column: Name,
        /// Its new name.
        to: Name,
    },
    /// `RENAME TO to`.
    RenameTable {
        /// The new name.
        to: Name,
    },
    /// `RENAME CONSTRAINT constraint TO to`.
    RenameConstraint {
        /// The constraint.
        constraint: Name,
        /// Its new name.
        to: Name,
    },
    /// `ALTER COLUMN column SET DEFAULT e`, `DROP DEFAULT`.
    SetDefault {
        /// The column.
        column: Name,
        /// Text of the expression; `None` = no default.
        default: Option<String>,
    },
    /// `ALTER COLUMN column [SET DATA] TYPE ty [USING using]`.
    SetType {
        /// The column.
        column: Name,
        /// Its new type.
        ty: ColumnType,
        /// Text of its new value; `None` = the old value.
        using: Option<String>,
    },
    /// `ALTER COLUMN column SET NOT NULL`.
    SetNotNull {
        /// The column.
        column: Name,
    },
    /// `ALTER COLUMN column DROP NOT NULL`.
    DropNotNull {
        /// The column.
        column: Name,
    },
    /// `ADD [CONSTRAINT name] rule [NOT VALID]`.
    AddConstraint {
        /// The constraint.
        constraint: Box<ConstraintDefinition>,
        /// Whether records that are there already are not looked at.
        not_valid: bool,
    },
    /// `DROP CONSTRAINT`.
    DropConstraint {
        /// The constraint.
        constraint: Name,
        /// `IF EXISTS`.
        if_exists: bool,
        /// `CASCADE`: with foreign keys of other tables that need it.
        cascade: bool,
    },
    /// `VALIDATE CONSTRAINT`.
    ValidateConstraint {
        /// The constraint.
        constraint: Name,
    },
}

/// `ALTER INDEX name RENAME TO to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameIndex {
    /// The index.
    pub name: Name,
    /// Its new name.
    pub to: Name,
}

/// `MERGE INTO table USING source ON condition clauses RETURNING …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    /// The table that is changed.
    pub table: Name,
    /// Its alias.
    pub alias: Option<Name>,
    /// What it is compared with.
    pub source: TableWithJoins,
    /// When a row of the source and a record match.
    pub on: Expr,
    /// What happens, in order: the first clause whose conditions hold.
    pub clauses: Vec<MergeClause>,
    /// `RETURNING`.
    pub returning: Vec<SelectItem>,
}

/// A MERGE and the queries it became.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundMerge {
    /// The statement; of it, only the table and RETURNING are bound.
    pub merge: Merge,
    /// The queries.
    pub queries: Vec<MergeQuery>,
}

/// One of the queries of a MERGE, bound.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeQuery {
    /// Which rows.
    pub when: MergeWhen,
    /// Its FROM list, without the table that is changed.
    pub from: Vec<TableWithJoins>,
    /// Its condition.
    pub filter: Option<Expr>,
    /// The clauses for its rows.
    pub clauses: Vec<MergeClause>,
}

/// `WHEN … [AND condition] THEN action`.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeClause {
    /// Which rows.
    pub when: MergeWhen,
    /// `AND condition`.
    pub condition: Option<Expr>,
    /// What happens.
    pub action: MergeAction,
}

/// Which rows a clause of MERGE is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeWhen {
    /// Records that a row of the source matches.
    Matched,
    /// Rows of the source that match no record.
    NotMatched,
    /// Records that no row of the source matches.
    NotMatchedBySource,
}

/// What a clause of MERGE does.
#[derive(Clone, Debug, PartialEq)]
pub enum MergeAction {
    /// `INSERT (columns) VALUES (values)`; `None` = DEFAULT.
    Insert {
        /// Named columns; empty = all in order.
        columns: Vec<Name>,
        /// One value per column.
        values: Vec<Option<Expr>>,
    },
    /// `UPDATE SET`.
    Update(Vec<Assignment>),
    /// `DELETE`.
    Delete,
    /// `DO NOTHING`.
    Nothing,
}
