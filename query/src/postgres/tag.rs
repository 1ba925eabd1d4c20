//! With which words does a statement end?
//!
//! PostgreSQL's clients read from them what was done and to how many rows.

use crate::syntax::{ChannelStatement, CursorStatement, DropKind, Forget, MadeKind, Statement};

/// The words of a statement's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Before a count of rows; empty where none is told.
    counted: &'static str,
    /// Where there is no count.
    plain: &'static str,
}

impl Tag {
    /// Returns the words for a statement that begins with the word `first`.
    pub fn of(statement: &Statement, first: &str) -> Self {
        let counted = |counted| Self { counted, plain: counted };
        let plain = |plain| Self { counted: "", plain };
        match statement {
            Statement::Query(_) | Statement::Pipeline(_) => counted("SELECT"),
            Statement::Insert(_) => counted("INSERT 0"),
            Statement::Update(_) => counted("UPDATE"),
            Statement::Delete(_) => counted("DELETE"),
            Statement::Merge(_) | Statement::BoundMerge(_) => counted("MERGE"),
            Statement::Explain(_) => plain("EXPLAIN"),
            Statement::Show(_) => plain("SHOW"),
            Statement::Set(_) if first == "RESET" => plain("RESET"),
            Statement::Set(_) | Statement::SetTransaction(_) => plain("SET"),
            Statement::Forget(Forget::All) => plain("DISCARD ALL"),
            Statement::Forget(Forget::Nothing) => plain("DISCARD"),
            Statement::Forget(Forget::Cursors) => plain("CLOSE CURSOR ALL"),
            Statement::Forget(Forget::Cursor(_)) => plain("CLOSE CURSOR"),
            Statement::Cursor(CursorStatement::Declare(_)) => plain("DECLARE CURSOR"),
            Statement::Cursor(CursorStatement::Fetch(fetch)) if fetch.is_move => counted("MOVE"),
            Statement::Cursor(CursorStatement::Fetch(_)) => counted("FETCH"),
            Statement::Forget(Forget::Channels | Forget::Channel(_)) => plain("UNLISTEN"),
            Statement::Channel(ChannelStatement::Listen(_)) => plain("LISTEN"),
            Statement::Channel(ChannelStatement::Notify { .. }) => plain("NOTIFY"),
            Statement::Forget(Forget::Statements) => plain("DEALLOCATE ALL"),
            Statement::Forget(Forget::Extension) => plain("CREATE EXTENSION"),
            Statement::Forget(Forget::Statement(_)) => plain("DEALLOCATE"),
            Statement::Begin(_) if first == "START" => plain("START TRANSACTION"),
            Statement::Begin(_) => plain("BEGIN"),
            Statement::Commit => plain("COMMIT"),
            Statement::Rollback | Statement::RollbackTo(_) => plain("ROLLBACK"),
            Statement::Savepoint(_) => plain("SAVEPOINT"),
            Statement::Release(_) => plain("RELEASE"),
            Statement::CreateTable(_) => plain("CREATE TABLE"),
            Statement::CreateCollection(_) => plain("CREATE COLLECTION"),
            Statement::CreateEdge(_) => plain("CREATE EDGE"),
            Statement::CreateIndex(_) => plain("CREATE INDEX"),
            Statement::CreateSequence(_) => plain("CREATE SEQUENCE"),
            Statement::CreateAs(create) => match create.kind {
                MadeKind::View => plain("CREATE VIEW"),
                MadeKind::MaterializedView => {
                    Self { counted: "SELECT", plain: "CREATE MATERIALIZED VIEW" }
                }
                MadeKind::Table => Self { counted: "SELECT", plain: "CREATE TABLE AS" },
            },
            Statement::Refresh(_) => plain("REFRESH MATERIALIZED VIEW"),
            Statement::Drop(drop) => plain(dropped(drop.kind)),
            Statement::Truncate(_) => plain("TRUNCATE TABLE"),
            Statement::AlterTable(_) => plain("ALTER TABLE"),
            Statement::RenameIndex(_) => plain("ALTER INDEX"),
            Statement::Comment(_) => plain("COMMENT"),
        }
    }

    /// Returns the whole end of a statement that answered or changed so many rows.
    pub fn end(&self, rows: Option<u64>) -> String {
        match rows {
            Some(rows) if !self.counted.is_empty() => format!("{} {rows}", self.counted),
            _ => self.plain.to_owned(),
        }
    }
}

fn dropped(kind: DropKind) -> &'static str {
    match kind {
        DropKind::Table => "DROP TABLE",
        DropKind::Collection => "DROP COLLECTION",
        DropKind::Edge => "DROP EDGE",
        DropKind::Index => "DROP INDEX",
        DropKind::Sequence => "DROP SEQUENCE",
        DropKind::View => "DROP VIEW",
        DropKind::MaterializedView => "DROP MATERIALIZED VIEW",
    }
}
