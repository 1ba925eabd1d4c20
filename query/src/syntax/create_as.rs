//! What does a view, or a table made from a query, say?
//!
//! ```text
//! CREATE [OR REPLACE] VIEW [IF NOT EXISTS] name [(columns)] AS query
//! CREATE MATERIALIZED VIEW [IF NOT EXISTS] name [(columns)] AS query [WITH [NO] DATA]
//! CREATE TABLE [IF NOT EXISTS] name [(columns)] AS query [WITH [NO] DATA]
//! REFRESH MATERIALIZED VIEW [CONCURRENTLY] name [WITH [NO] DATA]
//! DROP [MATERIALIZED] VIEW [IF EXISTS] names [CASCADE | RESTRICT]
//! ```
//!
//! The query may be a pipeline, which the parser below does not know: so the statement is taken
//! apart on its tokens, and the query's are read as a statement of their own.

use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::names::{name_of, new_name, single_name};
use super::parse::{expect_end, near, parse_tokens, parser_error, parser_over, skip, syntax_error};
use super::tokens::{self, position, word};
use super::{CreateAs, MadeKind, Name, Refresh, Statement};
use crate::error::{Error, Result, code};

/// Returns whether these tokens are a CREATE from a query. Other CREATE TABLEs are not.
pub(super) fn is_create_as(tokens: &[TokenWithSpan]) -> bool {
    match head(tokens) {
        Some(Head { kind: MadeKind::Table, name_at, .. }) => {
            let bracket = first_of(tokens, name_at, |token| token.token == Token::LParen);
            let first_as = as_at(tokens, name_at);
            let closed = bracket.and_then(|open| closing(tokens, open));
            match (closed, first_as) {
                (Some(closed), Some(found)) => found < closed || found == closed + 1,
                (None, found) => found.is_some(),
                (Some(_), None) => false,
            }
        }
        Some(_) => true,
        None => false,
    }
}

/// The words before the name.
struct Head {
    kind: MadeKind,
    or_replace: bool,
    if_not_exists: bool,
    /// Token of the name.
    name_at: usize,
}

fn head(tokens: &[TokenWithSpan]) -> Option<Head> {
    let words: Vec<Option<String>> = (0..6).map(|at| word(tokens.get(at))).collect();
    let word_at = |at: usize| words.get(at).and_then(Option::as_deref);
    if word_at(0) != Some("CREATE") {
        return None;
    }
    let or_replace = word_at(1) == Some("OR") && word_at(2) == Some("REPLACE");
    let at = if or_replace { 3 } else { 1 };
    let (kind, at) = match (word_at(at), word_at(at + 1)) {
        (Some("VIEW"), _) => (MadeKind::View, at + 1),
        (Some("MATERIALIZED"), Some("VIEW")) => (MadeKind::MaterializedView, at + 2),
        // Which the parser below reads, to be refused.
        (Some("TABLE"), _) if !or_replace => (MadeKind::Table, at + 1),
        _ => return None,
    };
    let is = |offset: usize, text: &str| word(tokens.get(at + offset)).as_deref() == Some(text);
    let if_not_exists = is(0, "IF") && is(1, "NOT") && is(2, "EXISTS");
    let name_at = if if_not_exists { at + 3 } else { at };
    Some(Head { kind, or_replace, if_not_exists, name_at })
}

/// The first AS outside of brackets.
fn as_at(tokens: &[TokenWithSpan], from: usize) -> Option<usize> {
    first_of(tokens, from, |token| word(Some(token)).as_deref() == Some("AS"))
}

/// The first token outside of brackets of which something is true.
fn first_of(
    tokens: &[TokenWithSpan],
    from: usize,
    wanted: impl Fn(&TokenWithSpan) -> bool,
) -> Option<usize> {
    let mut at = from;
    while let Some(token) = tokens.get(at) {
        if wanted(token) {
            return Some(at);
        }
        if token.token == Token::LParen {
            at = closing(tokens, at)?;
        }
        at += 1;
    }
    None
}

/// The bracket that closes the one at `open`.
fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => return Some(at),
            Token::RParen => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// Reads a CREATE from a query.
pub(super) fn parse(mut all: Vec<TokenWithSpan>) -> Result<Statement> {
    let head = head(&all).ok_or_else(|| Error::internal("a CREATE of another kind"))?;
    check_head(&head, &all)?;
    let Some(as_at) = as_at(&all, head.name_at) else {
        return Err(syntax_error(&all, all.len(), "AS and a query"));
    };
    let mut query = all.split_off(as_at + 1);
    let missing = syntax_error(&all, all.len(), "a query");
    let end = all.last().cloned();
    all.truncate(as_at);
    let (name, columns) = named(all.split_off(head.name_at), end)?;
    let with_data = match head.kind {
        MadeKind::View => {
            refuse_check_option(&query)?;
            true
        }
        MadeKind::MaterializedView | MadeKind::Table => take_with_data(&mut query),
    };
    let (Some(first), Some(last)) = (query.first(), query.last()) else {
        return Err(missing);
    };
    let chars = first.span.start.column..last.span.end.column;
    let refusal = syntax_error(&query, 0, "a query");
    let parameters = tokens::parameter_count(&query)?;
    if parameters > 0 && head.kind != MadeKind::Table {
        return Err(parameter(&query, head.kind));
    }
    let nesting = tokens::nesting(&query);
    let statement = parse_tokens(query)?;
    if !matches!(statement, Statement::Query(_) | Statement::Pipeline(_)) {
        return Err(refusal);
    }
    let Head { kind, or_replace, if_not_exists, .. } = head;
    Ok(Statement::CreateAs(Box::new(CreateAs {
        kind,
        name,
        columns,
        query: Box::new(statement),
        text: String::new(),
        chars,
        nesting,
        or_replace,
        if_not_exists,
        with_data,
    })))
}

fn check_head(head: &Head, tokens: &[TokenWithSpan]) -> Result<()> {
    if !head.or_replace {
        return Ok(());
    }
    if head.kind == MadeKind::MaterializedView {
        return Err(Error::unsupported("CREATE OR REPLACE MATERIALIZED VIEW")
            .with_hint("Send DROP MATERIALIZED VIEW first.")
            .at(tokens.get(1).map_or(0, position)));
    }
    if head.if_not_exists {
        return Err(syntax_error(tokens, head.name_at - 3, "a name")
            .with_hint("Write OR REPLACE or IF NOT EXISTS, not both."));
    }
    Ok(())
}

/// `name [(columns)]`: the tokens before AS.
fn named(head: Vec<TokenWithSpan>, end: Option<TokenWithSpan>) -> Result<(Name, Vec<Name>)> {
    let mut parser = parser_over(head);
    let placed = |error: Error| error.at(end.as_ref().map_or(0, position));
    let name = parser.parse_object_name(false).map_err(parser_error).map_err(placed)?;
    let name = new_name(single_name(&name)?)?;
    let mut columns = Vec::new();
    if parser.consume_token(&Token::LParen) {
        let idents: Vec<Ident> = parser
            .parse_comma_separated(Parser::parse_identifier)
            .map_err(parser_error)
            .map_err(placed)?;
        for ident in &idents {
            columns.push(new_name(name_of(ident))?);
        }
        if !parser.consume_token(&Token::RParen) {
            let found = near(parser.peek_token_ref(), ", or )");
            return Err(found.with_hint("Name the columns; their types are those of the query."));
        }
    }
    if parser.parse_keyword(Keyword::WITH) || parser.parse_keyword(Keyword::USING) {
        return Err(Error::unsupported("an option before AS")
            .with_hint("Leave it out.")
            .at(name.position));
    }
    expect_end(&mut parser)?;
    Ok((name, columns))
}

/// Takes `WITH [NO] DATA` off the end. Returns whether there is to be data.
fn take_with_data(tokens: &mut Vec<TokenWithSpan>) -> bool {
    let from_end = |back: usize| {
        let at = tokens.len().checked_sub(back);
        at.and_then(|at| word(tokens.get(at)))
    };
    let (last, second, third) = (from_end(1), from_end(2), from_end(3));
    if last.as_deref() != Some("DATA") {
        return true;
    }
    match (third.as_deref(), second.as_deref()) {
        (Some("WITH"), Some("NO")) => {
            tokens.truncate(tokens.len() - 3);
            false
        }
        (_, Some("WITH")) => {
            tokens.truncate(tokens.len() - 2);
            true
        }
        _ => true,
    }
}

fn refuse_check_option(tokens: &[TokenWithSpan]) -> Result<()> {
    let at = tokens.len().saturating_sub(2);
    let ends = word(tokens.get(at)).as_deref() == Some("CHECK")
        && word(tokens.get(at + 1)).as_deref() == Some("OPTION");
    if !ends {
        return Ok(());
    }
    Err(Error::unsupported("WITH CHECK OPTION of a view")
        .with_hint("Leave it out: nothing is written through a view.")
        .at(tokens.get(at).map_or(0, position)))
}

/// What is kept has no parameters: whoever reads it has others.
fn parameter(tokens: &[TokenWithSpan], kind: MadeKind) -> Error {
    let found = tokens.iter().find(|token| matches!(token.token, Token::Placeholder(_)));
    let message = format!("the query of a {} has a parameter", kind.word());
    Error::new(code::UNDEFINED_PARAMETER, message)
        .with_hint("Write the value into the query.")
        .at(found.map_or(0, position))
}

/// `REFRESH MATERIALIZED VIEW`.
pub(super) fn parse_refresh(mut all: Vec<TokenWithSpan>) -> Result<Statement> {
    let is = |at: usize, text: &str| word(all.get(at)).as_deref() == Some(text);
    for (at, wanted) in [(1, "MATERIALIZED"), (2, "VIEW")] {
        if !is(at, wanted) {
            return Err(syntax_error(&all, at, wanted));
        }
    }
    let concurrently = is(3, "CONCURRENTLY");
    let with_data = take_with_data(&mut all);
    if concurrently && !with_data {
        let message = "CONCURRENTLY and WITH NO DATA cannot be used together";
        return Err(Error::new(code::SYNTAX_ERROR, message)
            .with_hint("Leave CONCURRENTLY out.")
            .at(all.get(3).map_or(0, position)));
    }
    let mut parser = parser_over(all);
    skip(&mut parser, if concurrently { 4 } else { 3 });
    let name = parser.parse_object_name(false).map_err(parser_error)?;
    expect_end(&mut parser)?;
    let name = single_name(&name)?;
    Ok(Statement::Refresh(Refresh { name, concurrently, with_data }))
}
