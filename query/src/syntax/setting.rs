//! What does a SET, SHOW or EXPLAIN say?

use datafusion::sql::sqlparser::ast::{self, Expr, ObjectName, Value};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::names::{name_of, names_of, single_name, system_name};
use super::parse::{expect_end, near, parse_tokens, parser_error, parser_over, syntax_error};
use super::tokens::word;
use super::{Explain, Forget, Name, Setting, Show, Statement};
use crate::error::{Error, Result, code};

/// `SET name = value`, `SET name TO value`, `SET TIME ZONE value`.
pub(super) fn from_set(set: ast::Set) -> Result<Statement> {
    match set {
        ast::Set::SingleAssignment { variable, values, hivevar: false, scope } => {
            let value = match values.as_slice() {
                [Expr::Identifier(ident)] if ident.value.eq_ignore_ascii_case("default") => None,
                values => Some(values.iter().map(value_text).collect::<Vec<_>>().join(", ")),
            };
            let is_local = scope == Some(ast::ContextModifier::Local);
            Ok(Statement::Set(Setting { name: dotted(&variable)?, value, is_local }))
        }
        ast::Set::SetTimeZone { local, value } => {
            Ok(named("timezone", Some(value_text(&value)), local))
        }
        ast::Set::SetNames { charset_name, .. } => {
            Ok(named("client_encoding", Some(charset_name.value), false))
        }
        ast::Set::SetTransaction { modes, .. } => characteristic(&modes),
        ast::Set::SetRole { .. } | ast::Set::SetSessionAuthorization(_) => {
            Err(Error::unsupported("SET ROLE").with_hint("There are no users yet."))
        }
        _ => Err(Error::unsupported("this form of SET").with_hint("Write SET name = value.")),
    }
}

/// `DISCARD ALL | PLANS | SEQUENCES | TEMP`.
pub(super) fn from_discard(what: &ast::DiscardObject) -> Forget {
    match what {
        ast::DiscardObject::ALL => Forget::All,
        ast::DiscardObject::PLANS | ast::DiscardObject::SEQUENCES | ast::DiscardObject::TEMP => {
            Forget::Nothing
        }
    }
}

/// `CREATE EXTENSION vector`.
pub(super) fn from_extension(create: &ast::CreateExtension) -> Result<Statement> {
    let name = name_of(&create.name);
    if name.text == "vector" {
        return Ok(Statement::Forget(Forget::Extension));
    }
    Err(Error::unsupported(format!("extension \"{}\"", name.text))
        .with_hint("Vectors and text search are built in; leave the statement out.")
        .at(name.position))
}

/// `CLOSE name | ALL`.
pub(super) fn from_close(cursor: &ast::CloseCursor) -> Forget {
    match cursor {
        ast::CloseCursor::All => Forget::Cursors,
        ast::CloseCursor::Specific { name } => Forget::Cursor(name_of(name)),
    }
}

/// `UNLISTEN name | *`.
pub(super) fn from_unlisten(channel: &ast::Ident) -> Forget {
    let is_all = channel.quote_style.is_none() && channel.value == "*";
    if is_all { Forget::Channels } else { Forget::Channel(name_of(channel)) }
}

/// `DEALLOCATE [PREPARE] name | ALL`.
pub(super) fn from_deallocate(name: &ast::Ident) -> Forget {
    let is_all = name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all");
    if is_all { Forget::Statements } else { Forget::Statement(name_of(name)) }
}

fn named(name: &str, value: Option<String>, is_local: bool) -> Statement {
    let name = Name { text: name.to_owned(), position: 0 };
    Statement::Set(Setting { name, value, is_local })
}

/// `SET SESSION CHARACTERISTICS AS TRANSACTION mode`.
fn characteristic(modes: &[ast::TransactionMode]) -> Result<Statement> {
    use ast::{TransactionAccessMode as Access, TransactionMode as Mode};
    let (name, value) = match modes {
        [Mode::IsolationLevel(level)] => {
            ("default_transaction_isolation", level.to_string().to_lowercase())
        }
        [Mode::AccessMode(Access::ReadOnly)] => ("default_transaction_read_only", "on".to_owned()),
        [Mode::AccessMode(Access::ReadWrite)] => {
            ("default_transaction_read_only", "off".to_owned())
        }
        _ => {
            return Err(Error::unsupported("several modes of SET SESSION CHARACTERISTICS")
                .with_hint("Set one mode at a time."));
        }
    };
    Ok(named(name, Some(value), false))
}

/// `RESET name`.
pub(super) fn from_reset(reset: &ast::ResetStatement) -> Result<Statement> {
    let name = match &reset.reset {
        ast::Reset::ALL => Name { text: "all".to_owned(), position: 0 },
        ast::Reset::ConfigurationParameter(name) => dotted(name)?,
    };
    Ok(Statement::Set(Setting { name, value: None, is_local: false }))
}

/// `EXPLAIN [ANALYZE] [VERBOSE] [(ANALYZE, FORMAT JSON)] statement`.
pub(super) fn parse_explain(mut tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    let mut analyze = false;
    let mut json = false;
    let mut next = 1;
    loop {
        match word(tokens.get(next)).as_deref() {
            Some("ANALYZE" | "ANALYSE") => analyze = true,
            Some("VERBOSE") => {}
            Some("FORMAT") => {
                json = format_is_json(&tokens, next + 1)?;
                next += 1;
            }
            _ => break,
        }
        next += 1;
    }
    if next == 1 && tokens.get(1).is_some_and(|token| token.token == Token::LParen) {
        let close = tokens.iter().position(|token| token.token == Token::RParen);
        let close = close.ok_or_else(|| syntax_error(&tokens, tokens.len(), ")"))?;
        if is_option(&tokens) {
            (analyze, json) = explain_options(&tokens, close)?;
            next = close + 1;
        }
    }
    let inner = tokens.split_off(next.min(tokens.len()));
    if inner.is_empty() {
        return Err(syntax_error(&tokens, tokens.len(), "a statement"));
    }
    let position = super::tokens::position(&inner[0]);
    if word(inner.first()).as_deref() == Some("EXPLAIN") {
        return Err(syntax_error(&inner, 0, "a statement to explain"));
    }
    let statement = parse_tokens(inner)?;
    match statement {
        Statement::Query(_)
        | Statement::Pipeline(_)
        | Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_) => {
            Ok(Statement::Explain(Explain { analyze, json, statement: Box::new(statement) }))
        }
        _ => Err(Error::unsupported("EXPLAIN of this statement")
            .with_hint("Explain a SELECT, QUERY, INSERT, UPDATE or DELETE.")
            .at(position)),
    }
}

/// Whether the bracket after EXPLAIN holds options and not a query.
fn is_option(tokens: &[TokenWithSpan]) -> bool {
    !matches!(
        word(tokens.get(2)).as_deref(),
        None | Some("SELECT" | "WITH" | "VALUES" | "TABLE" | "QUERY")
    )
}

fn explain_options(tokens: &[TokenWithSpan], close: usize) -> Result<(bool, bool)> {
    let (mut analyze, mut json) = (false, false);
    let mut next = 2;
    while next < close {
        let name = word(tokens.get(next));
        let value = word(tokens.get(next + 1));
        let off = matches!(value.as_deref(), Some("FALSE" | "OFF"));
        match name.as_deref() {
            Some("ANALYZE" | "ANALYSE") => analyze = !off,
            Some("FORMAT") => json = format_is_json(tokens, next + 1)?,
            Some("VERBOSE" | "COSTS" | "TIMING" | "BUFFERS" | "SUMMARY" | "SETTINGS") => {}
            _ => return Err(syntax_error(tokens, next, "ANALYZE or FORMAT")),
        }
        next += if value.is_some() { 2 } else { 1 };
        match tokens.get(next).map(|token| &token.token) {
            Some(Token::Comma) => next += 1,
            Some(Token::RParen) if next == close => {}
            _ => return Err(syntax_error(tokens, next, ", or )")),
        }
    }
    Ok((analyze, json))
}

fn format_is_json(tokens: &[TokenWithSpan], index: usize) -> Result<bool> {
    match word(tokens.get(index)).as_deref() {
        Some("JSON") => Ok(true),
        Some("TEXT") => Ok(false),
        _ => Err(syntax_error(tokens, index, "JSON or TEXT")),
    }
}

/// `SHOW …` and `DESCRIBE table`.
pub(super) fn parse_show(tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    let describe = word(tokens.first()).as_deref() != Some("SHOW");
    let second = word(tokens.get(1));
    let mut parser = parser_over(tokens);
    parser.next_token();
    if describe {
        let _ = parser.parse_keyword(Keyword::TABLE);
        let show = columns(&mut parser)?;
        expect_end(&mut parser)?;
        return Ok(Statement::Show(show));
    }
    let show = match second.as_deref() {
        Some("TABLES") => {
            parser.next_token();
            Show::Tables
        }
        Some("ALL") => {
            parser.next_token();
            Show::Settings
        }
        Some("COLUMNS") => {
            parser.next_token();
            if !parser.parse_keyword(Keyword::FROM) && !parser.parse_keyword(Keyword::IN) {
                return Err(near(parser.peek_token_ref(), "FROM"));
            }
            columns(&mut parser)?
        }
        Some("INDEXES" | "INDEX") => {
            parser.next_token();
            let from = parser.parse_keyword(Keyword::FROM) || parser.parse_keyword(Keyword::ON);
            Show::Indexes(if from { Some(table(&mut parser)?) } else { None })
        }
        Some("CONSTRAINTS") => {
            parser.next_token();
            let from = parser.parse_keyword(Keyword::FROM) || parser.parse_keyword(Keyword::ON);
            Show::Constraints(if from { Some(table(&mut parser)?) } else { None })
        }
        Some("SEQUENCES") => {
            parser.next_token();
            Show::Sequences
        }
        Some("VIEWS") => {
            parser.next_token();
            Show::Views
        }
        Some("TIME") => {
            parser.next_token();
            parser.next_token();
            Show::Setting(Name { text: "timezone".to_owned(), position: 0 })
        }
        Some("TRANSACTION") => {
            for _ in 0..3 {
                parser.next_token();
            }
            Show::Setting(Name { text: "transaction_isolation".to_owned(), position: 0 })
        }
        Some(_) => {
            let name = parser.parse_object_name(false).map_err(parser_error)?;
            Show::Setting(dotted(&name)?)
        }
        None => return Err(near(parser.peek_token_ref(), "TABLES, COLUMNS or a setting")),
    };
    expect_end(&mut parser)?;
    Ok(Statement::Show(show))
}

/// Returns the text of a setting's value, without quotes.
pub(super) fn value_text(expr: &Expr) -> String {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        Expr::Identifier(ident) => ident.value.clone(),
        other => other.to_string(),
    }
}

fn columns(parser: &mut Parser<'_>) -> Result<Show> {
    let name = parser.parse_object_name(false).map_err(parser_error)?;
    Ok(match system_name(&name)? {
        Some((schema, name)) => Show::SystemColumns(schema, name),
        None => Show::Columns(single_name(&name)?),
    })
}

fn table(parser: &mut Parser<'_>) -> Result<Name> {
    let name = parser.parse_object_name(false).map_err(parser_error)?;
    single_name(&name)
}

fn dotted(name: &ObjectName) -> Result<Name> {
    let parts = names_of(name)?;
    let position = parts.first().map_or(0, |part| part.position);
    let text: Vec<String> = parts.into_iter().map(|part| part.text.to_lowercase()).collect();
    if text.is_empty() {
        return Err(Error::new(code::SYNTAX_ERROR, "a setting needs a name"));
    }
    Ok(Name { text: text.join("."), position })
}
