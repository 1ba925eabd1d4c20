//! What does a statement about a cursor say?
//!
//! ```text
//! DECLARE name [ASENSITIVE | INSENSITIVE] [NO SCROLL] CURSOR [WITHOUT HOLD] FOR query
//! FETCH | MOVE [NEXT | n | ALL | FORWARD [n | ALL]] [FROM | IN] name
//! CLOSE name | ALL
//! ```
//!
//! Cursors go forward, and end with their transaction.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::names::{name_of, new_name};
use super::parse::{parse_tokens, syntax_error};
use super::tokens::{position, word};
use super::{Name, Statement};
use crate::error::{Error, Result, code};

/// A statement about a cursor that is not its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorStatement {
    /// `DECLARE`.
    Declare(Declare),
    /// `FETCH` and `MOVE`.
    Fetch(Fetch),
}

/// A DECLARE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declare {
    /// The cursor.
    pub name: Name,
    /// The text of its query.
    pub text: String,
    /// Where that is: the first character, from 1, and the one behind it.
    pub chars: std::ops::Range<u64>,
}

/// A FETCH, or a MOVE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The cursor.
    pub name: Name,
    /// How many rows are wanted; `None` = all that are left.
    pub count: Option<u64>,
    /// Whether they are only passed over.
    pub is_move: bool,
}

/// Reads a DECLARE.
pub(super) fn parse_declare(mut all: Vec<TokenWithSpan>) -> Result<Statement> {
    let name = name_at(&all, 1)?;
    let mut at = 2;
    while word(all.get(at)).as_deref() != Some("CURSOR") {
        at += option(&all, at)?;
    }
    at += 1;
    match (word(all.get(at)).as_deref(), word(all.get(at + 1)).as_deref()) {
        (Some("WITHOUT"), Some("HOLD")) => at += 2,
        (Some("WITH"), Some("HOLD")) => {
            return Err(Error::unsupported("a cursor WITH HOLD")
                .with_hint("Read it within its transaction.")
                .at(all.get(at).map_or(0, position)));
        }
        _ => {}
    }
    if word(all.get(at)).as_deref() != Some("FOR") {
        return Err(syntax_error(&all, at, "FOR and a query"));
    }
    let missing = syntax_error(&all, at + 1, "a query");
    let query = all.split_off(at + 1);
    let (Some(first), Some(last)) = (query.first(), query.last()) else { return Err(missing) };
    let chars = first.span.start.column..last.span.end.column;
    match parse_tokens(query)? {
        Statement::Query(_) | Statement::Pipeline(_) => {}
        _ => return Err(missing),
    }
    let declare = Declare { name, text: String::new(), chars };
    Ok(Statement::Cursor(CursorStatement::Declare(declare)))
}

/// Looks at a word before CURSOR; returns of how many tokens it is.
fn option(tokens: &[TokenWithSpan], at: usize) -> Result<usize> {
    let next = word(tokens.get(at + 1));
    let refused = |what: &str, hint: &str| {
        let place = tokens.get(at).map_or(0, position);
        Err(Error::unsupported(what.to_owned()).with_hint(hint.to_owned()).at(place))
    };
    match (word(tokens.get(at)).as_deref(), next.as_deref()) {
        (Some("ASENSITIVE" | "INSENSITIVE"), _) => Ok(1),
        (Some("NO"), Some("SCROLL")) => Ok(2),
        (Some("SCROLL"), _) => refused("a cursor that goes back", "Leave SCROLL out."),
        (Some("BINARY"), _) => {
            refused("a BINARY cursor", "Leave BINARY out, and ask for the binary form in Bind.")
        }
        _ => Err(syntax_error(tokens, at, "CURSOR")),
    }
}

/// Reads a FETCH or MOVE.
pub(super) fn parse_fetch(tokens: &[TokenWithSpan]) -> Result<Statement> {
    let is_move = word(tokens.first()).as_deref() == Some("MOVE");
    let mut at = 1;
    // What stands alone is a name, whatever it is.
    let count = if tokens.len() == 2 { Some(1) } else { direction(tokens, &mut at)? };
    if matches!(word(tokens.get(at)).as_deref(), Some("FROM" | "IN")) {
        at += 1;
    }
    let name = name_at(tokens, at)?;
    if at + 1 < tokens.len() {
        return Err(syntax_error(tokens, at + 1, "the end of the statement"));
    }
    Ok(Statement::Cursor(CursorStatement::Fetch(Fetch { name, count, is_move })))
}

/// Reads how many rows are wanted.
fn direction(tokens: &[TokenWithSpan], at: &mut usize) -> Result<Option<u64>> {
    let first = word(tokens.get(*at));
    match first.as_deref() {
        Some("NEXT") => {
            *at += 1;
            Ok(Some(1))
        }
        Some("FORWARD") => {
            *at += 1;
            let counted = amount(tokens, at)?;
            Ok(counted.unwrap_or(Some(1)))
        }
        Some("PRIOR" | "FIRST" | "LAST" | "ABSOLUTE" | "RELATIVE" | "BACKWARD") => {
            Err(backward(tokens, *at))
        }
        _ => Ok(amount(tokens, at)?.unwrap_or(Some(1))),
    }
}

/// Reads `n` or ALL, if it is there.
fn amount(tokens: &[TokenWithSpan], at: &mut usize) -> Result<Option<Option<u64>>> {
    match tokens.get(*at).map(|token| &token.token) {
        Some(Token::Number(digits, _)) => {
            let count = digits.parse::<u64>().ok();
            match count {
                Some(0) => Err(backward(tokens, *at)),
                Some(count) => {
                    *at += 1;
                    Ok(Some(Some(count)))
                }
                None => Err(syntax_error(tokens, *at, "a whole number")),
            }
        }
        Some(Token::Minus) => Err(backward(tokens, *at)),
        Some(Token::Word(_)) if word(tokens.get(*at)).as_deref() == Some("ALL") => {
            *at += 1;
            Ok(Some(None))
        }
        _ => Ok(None),
    }
}

fn backward(tokens: &[TokenWithSpan], at: usize) -> Error {
    Error::new(code::NOT_IN_STATE, "cursor can only scan forward")
        .with_hint("Ask for NEXT, a number of rows, or ALL.")
        .at(tokens.get(at).map_or(0, position))
}

fn name_at(tokens: &[TokenWithSpan], at: usize) -> Result<Name> {
    match tokens.get(at) {
        Some(TokenWithSpan { token: Token::Word(name), span }) => {
            new_name(name_of(&name.clone().into_ident(*span)))
        }
        _ => Err(syntax_error(tokens, at, "the name of a cursor")),
    }
}
