//! What does an INSERT, UPDATE or DELETE say?

use datafusion::sql::sqlparser::ast::{
    self, AssignmentTarget, ConflictTarget, Expr, FromTable, OnConflictAction, OnInsert, Query,
    SetExpr, TableFactor, TableObject, TableWithJoins, UpdateTableFromKind,
};

use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;

use super::edit::plain;
use super::names::{name_of, names_of, single_name};
use super::tokens::word;
use super::{Assignment, Delete, Insert, InsertSource, Name, OnConflict, Statement, Update};
use crate::error::{Error, Result, code};

/// A query, or a change inside a query's WITH.
pub(super) fn from_query(query: Box<Query>) -> Result<Statement> {
    let refused = [
        (!query.locks.is_empty(), "FOR UPDATE", "Leave it out: a conflict is found at commit."),
        (!query.pipe_operators.is_empty(), "the |> operator", "Use QUERY ... for a pipeline."),
        (query.for_clause.is_some(), "a FOR clause", "Leave it out."),
        (query.settings.is_some(), "a SETTINGS clause", "Use SET before the statement."),
    ];
    if let Some((_, thing, hint)) = refused.iter().find(|(refused, _, _)| *refused) {
        return Err(Error::unsupported(thing).with_hint(*hint));
    }
    match query.body.as_ref() {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            Err(Error::unsupported("a change after WITH")
                .with_hint("Put the WITH clause into the INSERT's query or a subquery."))
        }
        SetExpr::Select(select) if select.into.is_some() => {
            Err(Error::unsupported("SELECT ... INTO").with_hint("Use CREATE TABLE ... AS SELECT."))
        }
        _ => Ok(Statement::Query(query)),
    }
}

/// Takes `OVERRIDING SYSTEM VALUE` out of an INSERT, which the parser below does not know. Returns
/// whether it was there.
pub(super) fn take_overriding(tokens: &mut Vec<TokenWithSpan>) -> bool {
    let is = |at: usize, wanted: &str| word(tokens.get(at)).as_deref() == Some(wanted);
    if !is(0, "INSERT") {
        return false;
    }
    let starts = |at: &usize| is(*at, "OVERRIDING") && is(at + 1, "SYSTEM") && is(at + 2, "VALUE");
    let Some(at) = (0..tokens.len()).find(starts) else { return false };
    tokens.drain(at..at + 3);
    true
}

/// `INSERT`.
pub(super) fn from_insert(insert: ast::Insert) -> Result<Statement> {
    let refused = [
        (
            insert.overwrite || insert.replace_into || insert.ignore || insert.or.is_some(),
            "INSERT OR REPLACE",
            "Use ON CONFLICT DO UPDATE or DO NOTHING.",
        ),
        (!insert.assignments.is_empty(), "INSERT ... SET", "Use INSERT INTO t (columns) VALUES."),
        (insert.partitioned.is_some(), "PARTITION", "Leave it out."),
        (insert.insert_alias.is_some(), "an alias after VALUES", "Use the name excluded."),
        (insert.output.is_some(), "OUTPUT", "Use RETURNING."),
    ];
    if let Some((_, thing, hint)) = refused.iter().find(|(refused, _, _)| *refused) {
        return Err(Error::unsupported(thing).with_hint(*hint));
    }
    let TableObject::TableName(table) = &insert.table else {
        return Err(Error::unsupported("INSERT into something that is not a table"));
    };
    let columns = insert.columns.iter().map(single_name).collect::<Result<Vec<_>>>()?;
    let source = match insert.source {
        None => InsertSource::Defaults,
        Some(query) => from_source(query)?,
    };
    if let InsertSource::Values(rows) = &source {
        check_widths(rows, &columns)?;
    }
    Ok(Statement::Insert(Box::new(Insert {
        table: single_name(table)?,
        alias: insert.table_alias.map(|alias| name_of(&alias.alias)),
        columns,
        overriding: false,
        source,
        on_conflict: insert.on.map(from_on_insert).transpose()?,
        returning: insert.returning.unwrap_or_default(),
    })))
}

/// `UPDATE`.
pub(super) fn from_update(update: ast::Update) -> Result<Statement> {
    if update.or.is_some() || !update.order_by.is_empty() || update.limit.is_some() {
        return Err(Error::unsupported("ORDER BY or LIMIT of an UPDATE")
            .with_hint("Choose the records with WHERE key IN (SELECT ... LIMIT n)."));
    }
    if update.output.is_some() {
        return Err(Error::unsupported("OUTPUT").with_hint("Use RETURNING."));
    }
    let (table, alias) = target(update.table)?;
    let from = match update.from {
        None => Vec::new(),
        Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) => from,
    };
    Ok(Statement::Update(Box::new(Update {
        table,
        alias,
        assignments: from_assignments(update.assignments)?,
        from,
        filter: update.selection,
        returning: update.returning.unwrap_or_default(),
    })))
}

/// `DELETE`.
pub(super) fn from_delete(delete: ast::Delete) -> Result<Statement> {
    if !delete.order_by.is_empty() || delete.limit.is_some() {
        return Err(Error::unsupported("ORDER BY or LIMIT of a DELETE")
            .with_hint("Choose the records with WHERE key IN (SELECT ... LIMIT n)."));
    }
    if !delete.tables.is_empty() {
        return Err(Error::unsupported("DELETE from several tables")
            .with_hint("Send one DELETE for each table in one request."));
    }
    let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = delete.from;
    let Ok([table]) = <[TableWithJoins; 1]>::try_from(tables) else {
        return Err(Error::unsupported("DELETE from several tables")
            .with_hint("Send one DELETE for each table in one request."));
    };
    let (table, alias) = target(table)?;
    Ok(Statement::Delete(Box::new(Delete {
        table,
        alias,
        using: delete.using.unwrap_or_default(),
        filter: delete.selection,
        returning: delete.returning.unwrap_or_default(),
    })))
}

/// The one table that is changed, and its alias.
pub(super) fn target(table: TableWithJoins) -> Result<(Name, Option<Name>)> {
    let plain = matches!(
        &table.relation,
        TableFactor::Table { args: None, version: None, sample: None, json_path: None, .. }
    );
    match table.relation {
        TableFactor::Table { name, alias, .. } if plain && table.joins.is_empty() => {
            Ok((single_name(&name)?, alias.map(|alias| name_of(&alias.name))))
        }
        _ => Err(Error::new(code::SYNTAX_ERROR, "only one table can be changed")
            .with_hint("Put other tables into FROM (of UPDATE) or USING (of DELETE).")),
    }
}

fn from_source(query: Box<Query>) -> Result<InsertSource> {
    let plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none();
    if !plain || !matches!(query.body.as_ref(), SetExpr::Values(_)) {
        return match from_query(query)? {
            Statement::Query(query) => Ok(InsertSource::Query(query)),
            _ => Err(Error::internal("a query did not stay a query")),
        };
    }
    let SetExpr::Values(values) = *query.body else {
        return Err(Error::internal("VALUES did not stay VALUES"));
    };
    let rows = values
        .rows
        .into_iter()
        .map(|row| row.content.into_iter().map(or_default).collect())
        .collect();
    Ok(InsertSource::Values(rows))
}

/// `None` for the word DEFAULT.
pub(super) fn or_default(expr: Expr) -> Option<Expr> {
    match &expr {
        Expr::Identifier(ident)
            if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default") =>
        {
            None
        }
        _ => Some(expr),
    }
}

fn check_widths(rows: &[Vec<Option<Expr>>], columns: &[Name]) -> Result<()> {
    let width = match (columns.len(), rows.first()) {
        (0, Some(first)) => first.len(),
        (width, _) => width,
    };
    for (index, row) in rows.iter().enumerate() {
        if row.len() != width {
            let message = if columns.is_empty() {
                "VALUES lists must all be the same length".to_owned()
            } else {
                format!(
                    "{} columns are named, but row {} has {} values",
                    width,
                    index + 1,
                    row.len()
                )
            };
            return Err(Error::new(code::SYNTAX_ERROR, message)
                .at(columns.first().map_or(0, |name| name.position)));
        }
    }
    Ok(())
}

fn from_on_insert(on: OnInsert) -> Result<OnConflict> {
    let OnInsert::OnConflict(on) = on else {
        return Err(Error::unsupported("ON DUPLICATE KEY UPDATE")
            .with_hint("Use ON CONFLICT (key) DO UPDATE SET ..."));
    };
    let (target, constraint) = match on.conflict_target {
        None => (Vec::new(), None),
        Some(ConflictTarget::Columns(columns)) => (columns.iter().map(name_of).collect(), None),
        Some(ConflictTarget::OnConstraint(name)) => (Vec::new(), Some(single_name(&name)?)),
    };
    match on.action {
        OnConflictAction::DoNothing => Ok(OnConflict::DoNothing { target, constraint }),
        OnConflictAction::DoUpdate(_) if target.is_empty() && constraint.is_none() => {
            Err(Error::new(code::SYNTAX_ERROR, "ON CONFLICT DO UPDATE needs the key's columns")
                .with_hint("Write ON CONFLICT (id) DO UPDATE SET ..."))
        }
        OnConflictAction::DoUpdate(update) => Ok(OnConflict::DoUpdate {
            target,
            constraint,
            assignments: from_assignments(update.assignments)?,
            filter: update.selection,
        }),
    }
}

pub(super) fn from_assignments(assignments: Vec<ast::Assignment>) -> Result<Vec<Assignment>> {
    let mut flat = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        match assignment.target {
            AssignmentTarget::ColumnName(name) => {
                flat.push(plain(names_of(&name)?, or_default(assignment.value))?);
            }
            AssignmentTarget::Tuple(names) => {
                let Expr::Tuple(values) = assignment.value else {
                    return Err(Error::unsupported("SET (a, b) = a subquery")
                        .with_hint("Set each column with its own subquery."));
                };
                if values.len() != names.len() {
                    return Err(Error::new(
                        code::SYNTAX_ERROR,
                        format!("{} columns are set to {} values", names.len(), values.len()),
                    ));
                }
                for (name, value) in names.iter().zip(values) {
                    flat.push(plain(names_of(name)?, or_default(value))?);
                }
            }
        }
    }
    Ok(flat)
}
