//! What kind of statement is it?

use crate::outcome::StatementKind;
use crate::syntax::Statement;

/// Returns whether a statement changes the schema.
pub fn is_schema(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::CreateTable(_)
            | Statement::CreateCollection(_)
            | Statement::CreateEdge(_)
            | Statement::CreateIndex(_)
            | Statement::CreateSequence(_)
            | Statement::CreateAs(_)
            | Statement::Refresh(_)
            | Statement::Drop(_)
            | Statement::Truncate(_)
            | Statement::AlterTable(_)
            | Statement::RenameIndex(_)
            | Statement::Comment(_)
    )
}

/// Returns whether a statement changes records.
pub fn changes(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Merge(_)
            | Statement::BoundMerge(_)
    )
}

/// Returns the label of a statement.
pub(crate) fn kind_of(statement: &Statement) -> StatementKind {
    match statement {
        Statement::Query(_) | Statement::Pipeline(_) => StatementKind::Select,
        Statement::Insert(_) => StatementKind::Insert,
        Statement::Update(_) => StatementKind::Update,
        Statement::Delete(_) => StatementKind::Delete,
        Statement::Merge(_) | Statement::BoundMerge(_) => StatementKind::Merge,
        Statement::Explain(_) => StatementKind::Explain,
        Statement::Set(_) | Statement::Show(_) | Statement::Forget(_) => StatementKind::Setting,
        Statement::Begin(_)
        | Statement::SetTransaction(_)
        | Statement::Commit
        | Statement::Rollback
        | Statement::Savepoint(_)
        | Statement::RollbackTo(_)
        | Statement::Release(_)
        | Statement::Cursor(_)
        | Statement::Channel(_) => StatementKind::Transaction,
        _ => StatementKind::Schema,
    }
}
