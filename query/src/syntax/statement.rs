//! What can a statement be?
//!
//! A closed list: whatever is not here was refused while parsing. Expressions and queries are
//! `sqlparser`'s trees, with spans as the module page says.

use std::ops::Range;

use datafusion::sql::sqlparser::ast::{Expr, Query, SelectItem, TableWithJoins};
use pieskieo_shards::catalog::Action;
use pieskieo_shards::value::ColumnType;
use pieskieo_shards::vector::Metric;

use super::alteration::{AlterTable, BoundMerge, Merge, RenameIndex};
use super::{AsOfClause, Comment, CursorStatement, Modes, Pipeline};

/// One statement and where it stood.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// What it says.
    pub statement: Statement,
    /// Its bytes in the request's text.
    pub text: Range<usize>,
    /// The highest `$n` it uses; 0 without parameters.
    pub parameter_count: usize,
    /// The point in the past that it reads, if it says one.
    pub as_of: Option<AsOfClause>,
}

/// A name and where it stood.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// Lower case unless it was quoted.
    pub text: String,
    /// Characters from 1; 0 when unknown.
    pub position: usize,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `CREATE TABLE`.
    CreateTable(CreateTable),
    /// `CREATE COLLECTION`.
    CreateCollection(CreateCollection),
    /// `CREATE EDGE`.
    CreateEdge(CreateEdge),
    /// `CREATE INDEX`.
    CreateIndex(CreateIndex),
    /// `CREATE SEQUENCE`.
    CreateSequence(CreateSequence),
    /// `CREATE VIEW`, `CREATE MATERIALIZED VIEW`, `CREATE TABLE … AS`.
    CreateAs(Box<CreateAs>),
    /// `REFRESH MATERIALIZED VIEW`.
    Refresh(Refresh),
    /// `DROP TABLE`, `DROP INDEX` and so on.
    Drop(Drop),
    /// `TRUNCATE`.
    Truncate(Truncate),
    /// `ALTER TABLE`.
    AlterTable(AlterTable),
    /// `ALTER INDEX … RENAME TO …`.
    RenameIndex(RenameIndex),
    /// `COMMENT ON`.
    Comment(Comment),
    /// `INSERT`.
    Insert(Box<Insert>),
    /// `UPDATE`.
    Update(Box<Update>),
    /// `DELETE`.
    Delete(Box<Delete>),
    /// `MERGE`.
    Merge(Box<Merge>),
    /// A MERGE once it is bound.
    BoundMerge(Box<BoundMerge>),
    /// `SELECT`, `WITH`, `VALUES`, `TABLE`.
    Query(Box<Query>),
    /// `QUERY …`. Binding turns it into `Query`.
    Pipeline(Box<Pipeline>),
    /// `EXPLAIN`.
    Explain(Explain),
    /// `SET name = value`.
    Set(Setting),
    /// `SHOW …`.
    Show(Show),
    /// `DISCARD …`, `DEALLOCATE …`, `CLOSE …`, `UNLISTEN …`.
    Forget(Forget),
    /// `DECLARE`, `FETCH`, `MOVE`.
    Cursor(CursorStatement),
    /// `LISTEN`, `NOTIFY`.
    Channel(ChannelStatement),
    /// `BEGIN`, `START TRANSACTION`.
    Begin(Modes),
    /// `SET TRANSACTION`.
    SetTransaction(Modes),
    /// `SAVEPOINT name`.
    Savepoint(Name),
    /// `ROLLBACK TO name`.
    RollbackTo(Name),
    /// `RELEASE name`.
    Release(Name),
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`, `ABORT`.
    Rollback,
}

/// A column as declared.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: ColumnType,
    /// `NOT NULL`, or part of the primary key.
    pub not_null: bool,
    /// Text of the default expression.
    pub default: Option<String>,
    /// `PRIMARY KEY` after the column.
    pub primary_key: bool,
    /// `SERIAL`, or `GENERATED … AS IDENTITY`.
    pub identity: Option<Identity>,
}

/// A column that a sequence of its own numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whether it takes no other values.
    pub always: bool,
    /// How the sequence counts.
    pub options: SequenceOptions,
}

/// What a table is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// Declared columns.
    pub columns: Vec<ColumnDefinition>,
    /// Columns of the primary key in order; empty when none is declared.
    pub key: Vec<Name>,
    /// The other constraints, in the order they were written.
    pub constraints: Vec<ConstraintDefinition>,
}

/// A constraint as declared.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstraintDefinition {
    /// Its name; one is made when absent.
    pub name: Option<Name>,
    /// Where it stood.
    pub position: usize,
    /// What it demands.
    pub rule: Rule,
}

/// The kinds of constraint as declared.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// `CHECK (condition)`.
    Check {
        /// Text of the condition.
        text: String,
        /// The column it stood at, if it did.
        column: Option<Name>,
    },
    /// `UNIQUE (columns)`.
    Unique {
        /// The columns.
        columns: Vec<Name>,
    },
    /// `FOREIGN KEY (columns) REFERENCES target (columns)`.
    Foreign {
        /// The referencing columns.
        columns: Vec<Name>,
        /// The table referred to.
        target: Name,
        /// The columns referred to; empty = its primary key.
        target_columns: Vec<Name>,
        /// `ON DELETE`.
        on_delete: Action,
        /// `ON UPDATE`.
        on_update: Action,
    },
}

/// How a sequence counts, as far as it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SequenceOptions {
    /// `AS type`.
    pub ty: Option<ColumnType>,
    /// `START`.
    pub start: Option<i64>,
    /// `INCREMENT`.
    pub increment: Option<i64>,
    /// `MINVALUE`.
    pub min: Option<i64>,
    /// `MAXVALUE`.
    pub max: Option<i64>,
    /// `CACHE`.
    pub cache: Option<i64>,
    /// `CYCLE`.
    pub cycle: bool,
}

/// `CREATE SEQUENCE name options`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSequence {
    /// The sequence.
    pub name: Name,
    /// How it counts.
    pub options: SequenceOptions,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
}

/// `CREATE TABLE name (columns, PRIMARY KEY (key))`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    /// The table.
    pub name: Name,
    /// Its columns, key and constraints.
    pub body: Body,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
}

/// `CREATE kind name [(columns)] AS query`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateAs {
    /// What is made.
    pub kind: MadeKind,
    /// Its name.
    pub name: Name,
    /// Names of its first columns; the others have the query's.
    pub columns: Vec<Name>,
    /// The query: `Query` or `Pipeline`.
    pub query: Box<Statement>,
    /// The query's text.
    pub text: String,
    /// Where that is in the request, in characters from 1.
    pub chars: Range<u64>,
    /// Brackets inside each other in it.
    pub nesting: usize,
    /// `OR REPLACE`, of a view.
    pub or_replace: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Whether what the query gives is put into it: not `WITH NO DATA`.
    pub with_data: bool,
}

/// What a query can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeKind {
    /// `CREATE VIEW`.
    View,
    /// `CREATE MATERIALIZED VIEW`.
    MaterializedView,
    /// `CREATE TABLE … AS`.
    Table,
}

impl MadeKind {
    /// Returns its name in a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Table => "table",
        }
    }
}

/// `REFRESH MATERIALIZED VIEW name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// The materialized view.
    pub name: Name,
    /// `CONCURRENTLY`: it must hold something already.
    pub concurrently: bool,
    /// Whether it holds anything afterwards: not `WITH NO DATA`.
    pub with_data: bool,
}

/// `CREATE COLLECTION name [(columns, PRIMARY KEY (key))]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateCollection {
    /// The collection.
    pub name: Name,
    /// Declared columns, lifted out of the documents, the key if it is not `_id`, constraints.
    pub body: Body,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
}

/// `CREATE EDGE name FROM source TO target [(columns)]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateEdge {
    /// The edge table.
    pub name: Name,
    /// Table where edges start.
    pub source: Name,
    /// Table where edges end.
    pub target: Name,
    /// Declared columns beside `src` and `dst`, and constraints.
    pub body: Body,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
}

/// `CREATE INDEX name ON table …`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateIndex {
    /// The index; a name is made from table and columns when absent.
    pub name: Option<Name>,
    /// The table.
    pub table: Name,
    /// What is indexed and how.
    pub definition: IndexDefinition,
    /// `UNIQUE`.
    pub unique: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
}

/// The kinds of index as declared.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexDefinition {
    /// `USING btree (a, b)`, the default.
    Ordered {
        /// Columns, most significant first.
        columns: Vec<Name>,
    },
    /// `USING hnsw (v vector_l2_ops) WITH (m = 16, …)`.
    Vector {
        /// The vector column.
        column: Name,
        /// From the operator class.
        metric: Metric,
        /// Links per node; `None` = the server's default.
        m: Option<usize>,
        /// Beam width while building; `None` = the server's default.
        ef_construction: Option<usize>,
        /// Beam width while searching; `None` = the server's default.
        ef_search: Option<usize>,
    },
    /// `USING text (a, doc.title) WITH (stem = true)`.
    Text {
        /// Sources of words in order.
        fields: Vec<IndexField>,
        /// Whether words are reduced to their stems.
        stem: bool,
    },
}

/// A source of words as written: `title` or `doc.meta.title`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexField {
    /// Names from the outside in; never empty.
    pub path: Vec<Name>,
}

/// `DROP kind names`.
#[derive(Clone, Debug, PartialEq)]
pub struct Drop {
    /// What is dropped.
    pub kind: DropKind,
    /// Which ones.
    pub names: Vec<Name>,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// `CASCADE`: foreign keys and views that need what is dropped are dropped with it.
    pub cascade: bool,
}

/// What DROP can drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropKind {
    /// `DROP TABLE`: any kind of table.
    Table,
    /// `DROP COLLECTION`.
    Collection,
    /// `DROP EDGE`.
    Edge,
    /// `DROP INDEX`.
    Index,
    /// `DROP SEQUENCE`.
    Sequence,
    /// `DROP VIEW`.
    View,
    /// `DROP MATERIALIZED VIEW`.
    MaterializedView,
}

/// `TRUNCATE names`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncate {
    /// The tables.
    pub names: Vec<Name>,
    /// `RESTART IDENTITY`: the sequences of their columns begin again.
    pub restarts: bool,
    /// `CASCADE`: tables that refer to them or join them are emptied too.
    pub cascade: bool,
}

/// `INSERT INTO table (columns) source ON CONFLICT … RETURNING …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// The table.
    pub table: Name,
    /// Its alias, for ON CONFLICT and RETURNING.
    pub alias: Option<Name>,
    /// Named columns; empty = all that are not hidden, in order (for a collection: one document
    /// per row). In a collection an undeclared name is a field of the document.
    pub columns: Vec<Name>,
    /// Whether values replace those of columns that are always numbered: `OVERRIDING SYSTEM VALUE`.
    pub overriding: bool,
    /// Where rows come from.
    pub source: InsertSource,
    /// What happens when the key exists.
    pub on_conflict: Option<OnConflict>,
    /// `RETURNING` list; empty when absent.
    pub returning: Vec<SelectItem>,
}

/// Where inserted rows come from.
#[derive(Clone, Debug, PartialEq)]
pub enum InsertSource {
    /// `VALUES (…), (…)`; `None` is `DEFAULT`.
    Values(Vec<Vec<Option<Expr>>>),
    /// A query.
    Query(Box<Query>),
    /// `DEFAULT VALUES`.
    Defaults,
}

/// `ON CONFLICT …`.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one per statement, and the larger is the usual one")]
pub enum OnConflict {
    /// `DO NOTHING`.
    DoNothing {
        /// Columns named as the target; empty when absent.
        target: Vec<Name>,
        /// `ON CONSTRAINT`; binding puts its columns into the target.
        constraint: Option<Name>,
    },
    /// `DO UPDATE SET … WHERE …`; `excluded` names the refused row.
    DoUpdate {
        /// Columns named as the target.
        target: Vec<Name>,
        /// `ON CONSTRAINT`; binding puts its columns into the target.
        constraint: Option<Name>,
        /// What is set.
        assignments: Vec<Assignment>,
        /// Only records for which this is true are changed.
        filter: Option<Expr>,
    },
}

/// `target = value`, in one of the clauses of an UPDATE.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// What is done with the value.
    pub operation: Operation,
    /// The column, or the first field of a path into a collection's document.
    pub target: Name,
    /// The way from there.
    pub path: Vec<TargetStep>,
    /// The value; `None` is `DEFAULT`.
    pub value: Option<Expr>,
}

/// A clause of an UPDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `SET`: the value is put there.
    Set,
    /// `UNSET`: what is there is removed; the value means nothing.
    Unset,
    /// `PUSH`: the value is appended to the array there.
    Push,
    /// `PULL`: all elements equal to the value are removed from the array there.
    Pull,
    /// `ADD TO SET`: the value is appended unless it is an element.
    AddToSet,
    /// `INC`: the value is added to the number there.
    Increment,
}

impl Operation {
    /// Returns the words of the clause.
    pub fn words(self) -> &'static str {
        match self {
            Self::Set => "SET",
            Self::Unset => "UNSET",
            Self::Push => "PUSH",
            Self::Pull => "PULL",
            Self::AddToSet => "ADD TO SET",
            Self::Increment => "INC",
        }
    }
}

/// A step of the way to what is changed.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetStep {
    /// `.name`.
    Field(Name),
    /// `[index]`; from the end if negative.
    Index(i64),
}

/// `UPDATE table SET … FROM … WHERE … RETURNING …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The table.
    pub table: Name,
    /// Its alias.
    pub alias: Option<Name>,
    /// What is set.
    pub assignments: Vec<Assignment>,
    /// Other tables read.
    pub from: Vec<TableWithJoins>,
    /// Which records.
    pub filter: Option<Expr>,
    /// `RETURNING` list; empty when absent.
    pub returning: Vec<SelectItem>,
}

/// `DELETE FROM table USING … WHERE … RETURNING …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// The table.
    pub table: Name,
    /// Its alias.
    pub alias: Option<Name>,
    /// Other tables read.
    pub using: Vec<TableWithJoins>,
    /// Which records.
    pub filter: Option<Expr>,
    /// `RETURNING` list; empty when absent.
    pub returning: Vec<SelectItem>,
}

/// `EXPLAIN [ANALYZE] [(FORMAT JSON)] statement`.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// Whether the statement is run too.
    pub analyze: bool,
    /// Whether the plan is one JSON document instead of lines.
    pub json: bool,
    /// What is explained: a query or a change, never another EXPLAIN.
    pub statement: Box<Statement>,
}

/// `SET name = value`; the value as text, `None` for `DEFAULT` and `RESET`.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Lower case, dots kept; `SET TIME ZONE` is `timezone`.
    pub name: Name,
    /// Value as text, quotes removed.
    pub value: Option<String>,
    /// `SET LOCAL`: until the transaction ends.
    pub is_local: bool,
}

/// What a session forgets, or has anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forget {
    /// `DISCARD ALL`: everything it has.
    All,
    /// `DISCARD PLANS`, `SEQUENCES` and `TEMP`: nothing of the kind is a session's own.
    Nothing,
    /// `CLOSE ALL`: its cursors.
    Cursors,
    /// `CLOSE name`: one of them.
    Cursor(Name),
    /// `UNLISTEN *`: what it listens to.
    Channels,
    /// `UNLISTEN name`: one channel.
    Channel(Name),
    /// `DEALLOCATE ALL`: its prepared statements.
    Statements,
    /// `DEALLOCATE name`: one of them.
    Statement(Name),
    /// `CREATE EXTENSION vector`: it is there.
    Extension,
}

/// What is said to other connections, or heard from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelStatement {
    /// `LISTEN name`.
    Listen(Name),
    /// `NOTIFY name [, 'payload']`.
    Notify {
        /// The channel.
        channel: Name,
        /// What is said, which may be nothing.
        payload: String,
    },
}

/// What SHOW shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Show {
    /// `SHOW TABLES`: every table, collection, edge and view.
    Tables,
    /// `SHOW COLUMNS FROM table`, `DESCRIBE table`.
    Columns(Name),
    /// `SHOW COLUMNS FROM schema.t`, of a relation of the system.
    SystemColumns(&'static str, Name),
    /// `SHOW INDEXES [FROM table]`.
    Indexes(Option<Name>),
    /// `SHOW CONSTRAINTS [FROM table]`.
    Constraints(Option<Name>),
    /// `SHOW SEQUENCES`.
    Sequences,
    /// `SHOW VIEWS`: every view, materialized or not.
    Views,
    /// `SHOW ALL`: every setting.
    Settings,
    /// `SHOW name`: one setting.
    Setting(Name),
}
