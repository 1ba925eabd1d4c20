//! What does a MERGE say?

use datafusion::sql::sqlparser::ast::{
    self, Expr, MergeClauseKind, MergeInsertKind, OutputClause, TableFactor, TableWithJoins,
};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::change::{from_assignments, or_default, target};
use super::names::single_name;
use super::tokens::word;
use super::{Merge, MergeAction, MergeClause, MergeWhen, Name, Statement};
use crate::error::{Error, Result, code};

/// Stands for DO NOTHING, which the parser below does not know here.
const NOTHING: &str = "__nothing";

/// Puts something the parser below knows in the place of DO NOTHING.
pub(super) fn replace_nothing(tokens: &mut Vec<TokenWithSpan>) {
    if word(tokens.first()).as_deref() != Some("MERGE") {
        return;
    }
    let mut at = 0;
    while at + 1 < tokens.len() {
        let is = |place: usize, text: &str| word(tokens.get(place)).as_deref() == Some(text);
        if is(at, "DO") && is(at + 1, "NOTHING") {
            let span = tokens[at].span;
            let keyword = Token::make_keyword;
            let nothing = [
                keyword("UPDATE"),
                keyword("SET"),
                Token::make_word(NOTHING, None),
                Token::Eq,
                keyword("NULL"),
            ];
            tokens.splice(at..at + 2, nothing.map(|token| TokenWithSpan { token, span }));
        }
        at += 1;
    }
}

/// `MERGE INTO table USING source ON condition WHEN …`.
pub(super) fn from_merge(merge: ast::Merge) -> Result<Statement> {
    let plain = |relation: TableFactor| TableWithJoins { relation, joins: Vec::new() };
    let (table, alias) = target(plain(merge.table))?;
    let returning = match merge.output {
        None => Vec::new(),
        Some(OutputClause::Returning { select_items, .. }) => select_items,
        Some(OutputClause::Output { .. }) => {
            return Err(Error::unsupported("OUTPUT").with_hint("Use RETURNING."));
        }
    };
    let clauses = merge.clauses.into_iter().map(clause).collect::<Result<_>>()?;
    Ok(Statement::Merge(Box::new(Merge {
        table,
        alias,
        source: plain(merge.source),
        on: *merge.on,
        clauses,
        returning,
    })))
}

fn clause(clause: ast::MergeClause) -> Result<MergeClause> {
    let when = match clause.clause_kind {
        MergeClauseKind::Matched => MergeWhen::Matched,
        MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget => MergeWhen::NotMatched,
        MergeClauseKind::NotMatchedBySource => MergeWhen::NotMatchedBySource,
    };
    let action = match clause.action {
        ast::MergeAction::Delete { .. } => MergeAction::Delete,
        ast::MergeAction::Update(update) => {
            if update.update_predicate.is_some() || update.delete_predicate.is_some() {
                return Err(Error::unsupported("WHERE of an action of MERGE")
                    .with_hint("Write the condition after WHEN MATCHED AND."));
            }
            let assignments = from_assignments(update.assignments)?;
            let is_nothing = |name: &Name| name.text == NOTHING;
            match assignments.as_slice() {
                [only] if is_nothing(&only.target) => MergeAction::Nothing,
                _ => MergeAction::Update(assignments),
            }
        }
        ast::MergeAction::Insert(insert) => inserted(insert)?,
    };
    let fits = match (when, &action) {
        (_, MergeAction::Nothing) => true,
        (MergeWhen::NotMatched, action) => matches!(action, MergeAction::Insert { .. }),
        (_, action) => !matches!(action, MergeAction::Insert { .. }),
    };
    if !fits {
        let message = "WHEN NOT MATCHED inserts, the others update or delete";
        return Err(Error::new(code::SYNTAX_ERROR, message));
    }
    Ok(MergeClause { when, condition: clause.predicate, action })
}

fn inserted(insert: ast::MergeInsertExpr) -> Result<MergeAction> {
    if insert.insert_predicate.is_some() {
        return Err(Error::unsupported("WHERE of an action of MERGE")
            .with_hint("Write the condition after WHEN NOT MATCHED AND."));
    }
    let MergeInsertKind::Values(values) = insert.kind else {
        return Err(
            Error::unsupported("INSERT ROW").with_hint("Use INSERT (columns) VALUES (...).")
        );
    };
    let columns = insert.columns.iter().map(single_name).collect::<Result<Vec<Name>>>()?;
    let mut rows = values.rows.into_iter().map(|row| row.content);
    let (Some(values), None) = (rows.next(), rows.next()) else {
        return Err(Error::new(code::SYNTAX_ERROR, "INSERT of MERGE has one row of values"));
    };
    let values: Vec<Option<Expr>> = values.into_iter().map(or_default).collect();
    if !columns.is_empty() && columns.len() != values.len() {
        let message =
            format!("{} columns are named, but there are {} values", columns.len(), values.len());
        return Err(Error::new(code::SYNTAX_ERROR, message)
            .at(columns.first().map_or(0, |name| name.position)));
    }
    Ok(MergeAction::Insert { columns, values })
}
