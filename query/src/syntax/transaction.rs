//! What does a statement about the transaction itself say?
//!
//! ```text
//! BEGIN [WORK | TRANSACTION] [mode [,] …]        START TRANSACTION [mode [,] …]
//! SET TRANSACTION mode [,] …
//! COMMIT | END [WORK | TRANSACTION]              ROLLBACK | ABORT [WORK | TRANSACTION]
//! SAVEPOINT name                                 RELEASE [SAVEPOINT] name
//! ROLLBACK [WORK | TRANSACTION] TO [SAVEPOINT] name
//! BEGIN and START TRANSACTION may say AS OF a point in the past as well (`as_of`).
//! mode: ISOLATION LEVEL level | READ ONLY | READ WRITE | [NOT] DEFERRABLE
//! ```
//!
//! PostgreSQL's three weaker levels are all taken as SNAPSHOT, which promises more.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use pieskieo_shards::txn::Isolation;

use super::as_of::AsOfClause;
use super::names::{name_of, new_name};
use super::parse::{expect_end, near, parser_error, parser_over};
use super::tokens::word;
use super::{Name, Statement};
use crate::error::{Error, Result};

/// What a BEGIN or SET TRANSACTION asks for; `None` = it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// `ISOLATION LEVEL …`.
    pub isolation: Option<Isolation>,
    /// `READ ONLY` or `READ WRITE`.
    pub read_only: Option<bool>,
    /// `AS OF …`, of a BEGIN.
    pub as_of: Option<AsOfClause>,
}

/// Returns whether these tokens are a statement about the transaction.
pub(super) fn is_transaction(tokens: &[TokenWithSpan]) -> bool {
    let second = word(tokens.get(1));
    match word(tokens.first()).as_deref() {
        Some(
            "BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE" | "START",
        ) => true,
        Some("SET") => second.as_deref() == Some("TRANSACTION"),
        _ => false,
    }
}

/// Reads a statement about the transaction.
pub(super) fn parse(tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    let first = word(tokens.first());
    let mut parser = parser_over(tokens);
    parser.next_token();
    let statement = match first.as_deref() {
        Some("BEGIN") => {
            noise(&mut parser);
            Statement::Begin(modes(&mut parser)?)
        }
        Some("START") => {
            expect(&mut parser, Keyword::TRANSACTION, "TRANSACTION")?;
            Statement::Begin(modes(&mut parser)?)
        }
        Some("SET") => {
            expect(&mut parser, Keyword::TRANSACTION, "TRANSACTION")?;
            if parser.peek_token_ref().token == Token::EOF {
                return Err(near(
                    parser.peek_token_ref(),
                    "ISOLATION LEVEL, READ ONLY or READ WRITE",
                ));
            }
            Statement::SetTransaction(modes(&mut parser)?)
        }
        Some("SAVEPOINT") => Statement::Savepoint(name(&mut parser)?),
        Some("RELEASE") => {
            let _word = parser.parse_keyword(Keyword::SAVEPOINT);
            Statement::Release(name(&mut parser)?)
        }
        Some("COMMIT" | "END") => {
            noise(&mut parser);
            no_chain(&mut parser)?;
            Statement::Commit
        }
        _ => {
            noise(&mut parser);
            if parser.parse_keyword(Keyword::TO) {
                let _word = parser.parse_keyword(Keyword::SAVEPOINT);
                Statement::RollbackTo(name(&mut parser)?)
            } else {
                no_chain(&mut parser)?;
                Statement::Rollback
            }
        }
    };
    expect_end(&mut parser)?;
    Ok(statement)
}

/// Skips a word without a meaning.
fn noise(parser: &mut Parser<'_>) {
    let _either = parser.parse_one_of_keywords(&[Keyword::WORK, Keyword::TRANSACTION]);
}

fn no_chain(parser: &mut Parser<'_>) -> Result<()> {
    if !parser.parse_keyword(Keyword::AND) {
        return Ok(());
    }
    let chain = !parser.parse_keyword(Keyword::NO);
    expect(parser, Keyword::CHAIN, "CHAIN")?;
    if chain {
        return Err(Error::unsupported("AND CHAIN").with_hint("Send BEGIN after it."));
    }
    Ok(())
}

fn modes(parser: &mut Parser<'_>) -> Result<Modes> {
    let mut modes = Modes::default();
    while parser.peek_token_ref().token != Token::EOF {
        if parser.parse_keyword(Keyword::ISOLATION) {
            expect(parser, Keyword::LEVEL, "LEVEL")?;
            modes.isolation = Some(level(parser)?);
        } else if parser.parse_keyword(Keyword::READ) {
            let read_only = parser.parse_keyword(Keyword::ONLY);
            if !read_only {
                expect(parser, Keyword::WRITE, "ONLY or WRITE")?;
            }
            modes.read_only = Some(read_only);
        } else {
            // A transaction that only reads never waits and is never refused: all are deferrable.
            let _word = parser.parse_keyword(Keyword::NOT);
            expect(parser, Keyword::DEFERRABLE, "ISOLATION LEVEL, READ ONLY or READ WRITE")?;
        }
        let more = parser.consume_token(&Token::Comma);
        if more && parser.peek_token_ref().token == Token::EOF {
            return Err(near(parser.peek_token_ref(), "another mode"));
        }
    }
    Ok(modes)
}

fn level(parser: &mut Parser<'_>) -> Result<Isolation> {
    let words = [Keyword::SERIALIZABLE, Keyword::SNAPSHOT, Keyword::REPEATABLE, Keyword::READ];
    match parser.parse_one_of_keywords(&words) {
        Some(Keyword::SERIALIZABLE) => Ok(Isolation::Serializable),
        Some(Keyword::SNAPSHOT) => Ok(Isolation::Snapshot),
        Some(Keyword::REPEATABLE) => {
            expect(parser, Keyword::READ, "READ")?;
            Ok(Isolation::Snapshot)
        }
        Some(_) => {
            let either = [Keyword::COMMITTED, Keyword::UNCOMMITTED];
            match parser.parse_one_of_keywords(&either) {
                Some(_) => Ok(Isolation::Snapshot),
                None => Err(near(parser.peek_token_ref(), "COMMITTED or UNCOMMITTED")),
            }
        }
        None => Err(near(
            parser.peek_token_ref(),
            "SERIALIZABLE, SNAPSHOT, REPEATABLE READ, READ COMMITTED or READ UNCOMMITTED",
        )),
    }
}

fn name(parser: &mut Parser<'_>) -> Result<Name> {
    new_name(name_of(&parser.parse_identifier().map_err(parser_error)?))
}

fn expect(parser: &mut Parser<'_>, keyword: Keyword, expected: &str) -> Result<()> {
    if parser.parse_keyword(keyword) {
        return Ok(());
    }
    Err(near(parser.peek_token_ref(), expected))
}
