//! What does a COMMENT say, and about what?

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::names::{names_of, single_name};
use super::parse::{expect_end, near, parser_error, parser_over, skip, syntax_error};
use super::tokens::word;
use super::{DropKind, Name, Statement};
use crate::error::{Error, Result, code};
use crate::limits::COMMENT_BYTES_MAX;

/// `COMMENT ON object IS 'text'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// What is spoken about.
    pub on: Commented,
    /// What is said; `None` = nothing any more.
    pub text: Option<String>,
}

/// What a comment can be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commented {
    /// A table, collection, edge, view or sequence, of this kind.
    Table(DropKind, Name),
    /// `COLUMN table.column`.
    Column {
        /// The table or view.
        table: Name,
        /// Its column.
        column: Name,
    },
    /// `INDEX name`.
    Index(Name),
    /// `CONSTRAINT name ON table`.
    Constraint {
        /// The constraint.
        constraint: Name,
        /// Its table.
        table: Name,
    },
}

/// Objects whose comments are kept, for hints.
const OBJECTS: &str =
    "TABLE, COLLECTION, EDGE, VIEW, MATERIALIZED VIEW, SEQUENCE, INDEX, COLUMN or CONSTRAINT";

/// `COMMENT ON object IS 'text' | NULL`.
pub(super) fn parse(tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    if word(tokens.get(1)).as_deref() != Some("ON") {
        return Err(syntax_error(&tokens, 1, "ON"));
    }
    let Some(object) = word(tokens.get(2)) else {
        return Err(syntax_error(&tokens, 2, OBJECTS));
    };
    if object == "MATERIALIZED" && word(tokens.get(3)).as_deref() != Some("VIEW") {
        return Err(syntax_error(&tokens, 3, "VIEW"));
    }
    let mut parser = parser_over(tokens);
    skip(&mut parser, if object == "MATERIALIZED" { 4 } else { 3 });
    let on = match object.as_str() {
        "TABLE" => Commented::Table(DropKind::Table, name(&mut parser)?),
        "COLLECTION" => Commented::Table(DropKind::Collection, name(&mut parser)?),
        "EDGE" => Commented::Table(DropKind::Edge, name(&mut parser)?),
        "VIEW" => Commented::Table(DropKind::View, name(&mut parser)?),
        "MATERIALIZED" => Commented::Table(DropKind::MaterializedView, name(&mut parser)?),
        "SEQUENCE" => Commented::Table(DropKind::Sequence, name(&mut parser)?),
        "INDEX" => Commented::Index(name(&mut parser)?),
        "COLUMN" => column(&mut parser)?,
        "CONSTRAINT" => {
            let constraint = name(&mut parser)?;
            parser.expect_keyword_is(Keyword::ON).map_err(parser_error)?;
            Commented::Constraint { constraint, table: name(&mut parser)? }
        }
        other => {
            return Err(Error::unsupported(format!("COMMENT ON {other}"))
                .with_hint(format!("Comment on a {OBJECTS}.")));
        }
    };
    parser.expect_keyword_is(Keyword::IS).map_err(parser_error)?;
    let text = said(&mut parser)?;
    expect_end(&mut parser)?;
    Ok(Statement::Comment(Comment { on, text }))
}

fn name(parser: &mut Parser<'_>) -> Result<Name> {
    single_name(&parser.parse_object_name(false).map_err(parser_error)?)
}

/// `[schema.]table.column`.
fn column(parser: &mut Parser<'_>) -> Result<Commented> {
    let mut written = parser.parse_object_name(false).map_err(parser_error)?;
    let names = names_of(&written)?;
    let [.., _, column] = names.as_slice() else {
        let position = names.first().map_or(0, |name| name.position);
        return Err(Error::new(code::SYNTAX_ERROR, "a column name must be qualified")
            .with_hint("Write COMMENT ON COLUMN table.column.")
            .at(position));
    };
    written.0.pop();
    Ok(Commented::Column { table: single_name(&written)?, column: column.clone() })
}

/// The text; an empty one says nothing, as in PostgreSQL.
fn said(parser: &mut Parser<'_>) -> Result<Option<String>> {
    let token = parser.next_token();
    let text = match &token.token {
        Token::Word(word) if word.keyword == Keyword::NULL => return Ok(None),
        Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => text.clone(),
        Token::DollarQuotedString(quoted) => quoted.value.clone(),
        _ => return Err(near(&token, "a text or NULL")),
    };
    if text.len() > COMMENT_BYTES_MAX {
        let message = format!("the comment has {} bytes", text.len());
        return Err(Error::new(code::PROGRAM_LIMIT, message)
            .with_detail(format!("The limit comment_bytes_max is {COMMENT_BYTES_MAX}."))
            .at(super::tokens::position(&token)));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}
