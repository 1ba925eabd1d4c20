//! Which point in the past does a statement read?
//!
//! ```text
//! AS OF [SYSTEM TIME | TIMESTAMP] time      time:   '2026-11-26 10:00:00' | '-30s' | $1
//! AS OF COMMIT number                       number: 4711 | '4711' | $1
//! ```
//! The clause stands behind a table of a query, or behind BEGIN, and counts for all of it: every
//! table is read at one snapshot. It is taken out of the tokens before the rest is read, so that it
//! may stand in every form of a query. `SYSTEM TIME` or `TIMESTAMP` must be there, because `AS of`
//! alone is an alias.

use std::time::Duration;

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use pieskieo_shards::value::{ColumnType, Value};

use super::Statement;
use super::parse::syntax_error;
use super::tokens::{position, word};
use crate::error::{Error, Result, code};

/// A point in the past and where it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOfClause {
    /// The point.
    pub at: Instant,
    /// Characters from 1.
    pub position: usize,
}

/// A point in the past as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instant {
    /// Right after this commit.
    Commit(u64),
    /// At this time, in microseconds since 1970.
    Time(u64),
    /// So long ago.
    Ago(Duration),
    /// The number of the commit is a parameter, `$n`.
    CommitParameter(usize),
    /// The time is a parameter, `$n`.
    TimeParameter(usize),
}

impl Instant {
    /// Returns the time a text says.
    ///
    /// **Errors**: `22007`.
    pub fn time(text: &str) -> Result<Self> {
        let text = text.trim();
        if let Some(ago) = text.strip_prefix('-').and_then(duration) {
            return Ok(Self::Ago(ago));
        }
        let micros = match Value::parse(text, &ColumnType::TimestampTz) {
            Ok(Value::TimestampTz(micros)) => u64::try_from(micros).ok(),
            _ => None,
        };
        micros.map(Self::Time).ok_or_else(|| {
            let message = format!("\"{text}\" is no time");
            Error::new(code::INVALID_DATETIME, message)
                .with_hint("Write '2026-11-26 10:00:00', '2026-11-26T10:00:00+01:00' or '-30s'.")
        })
    }

    /// Returns the commit a text says.
    ///
    /// **Errors**: `22P02`.
    pub fn commit(text: &str) -> Result<Self> {
        text.trim().parse().map(Self::Commit).map_err(|_| {
            Error::new(code::INVALID_TEXT, format!("\"{text}\" is no number of a commit"))
                .with_hint("SHOW commit_id gives the last one.")
        })
    }
}

/// Reads a duration such as `30s`, `1500ms`, `5min`, `24h` or `7d`.
pub fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let millis = match text[end..].trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// Takes the clause out of the tokens of a statement.
///
/// **Errors**: `42601` for another point than the first, or for none.
pub(super) fn extract(
    tokens: Vec<TokenWithSpan>,
) -> Result<(Vec<TokenWithSpan>, Option<AsOfClause>)> {
    let mut found: Option<AsOfClause> = None;
    let mut rest = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let Some((kind, length)) = opening(&tokens[at..]) else {
            rest.push(tokens[at].clone());
            at += 1;
            continue;
        };
        let clause =
            AsOfClause { at: point(kind, &tokens, at + length)?, position: position(&tokens[at]) };
        if found.is_some_and(|found| found.at != clause.at) {
            let message = "a statement reads one point in the past";
            return Err(Error::new(code::SYNTAX_ERROR, message)
                .with_hint("Write AS OF once: it counts for all tables of the statement.")
                .at(clause.position));
        }
        found = found.or(Some(clause));
        at += length + 1;
    }
    Ok((rest, found))
}

#[derive(Clone, Copy)]
enum Kind {
    Time,
    Commit,
}

/// Returns what kind of clause begins here, and of how many words.
fn opening(tokens: &[TokenWithSpan]) -> Option<(Kind, usize)> {
    let word_at = |index: usize| word(tokens.get(index));
    if word_at(0)? != "AS" || word_at(1)? != "OF" {
        return None;
    }
    match (word_at(2)?.as_str(), word_at(3).as_deref()) {
        ("COMMIT", _) => Some((Kind::Commit, 3)),
        ("TIMESTAMP", _) => Some((Kind::Time, 3)),
        ("SYSTEM", Some("TIME")) => Some((Kind::Time, 4)),
        _ => None,
    }
}

fn point(kind: Kind, tokens: &[TokenWithSpan], at: usize) -> Result<Instant> {
    let place = tokens.get(at).map_or(0, position);
    let placed = |result: Result<Instant>| result.map_err(|error| error.at(place));
    match (kind, tokens.get(at).map(|token| &token.token)) {
        (Kind::Time, Some(Token::SingleQuotedString(text))) => placed(Instant::time(text)),
        (Kind::Commit, Some(Token::SingleQuotedString(text) | Token::Number(text, _))) => {
            placed(Instant::commit(text))
        }
        (kind, Some(Token::Placeholder(name))) => {
            // Its number was checked with those of all parameters.
            let number = name.trim_start_matches('$').parse().unwrap_or(0);
            Ok(match kind {
                Kind::Time => Instant::TimeParameter(number),
                Kind::Commit => Instant::CommitParameter(number),
            })
        }
        (Kind::Time, _) => Err(syntax_error(tokens, at, "a time in quotes, or a parameter")),
        (Kind::Commit, _) => {
            Err(syntax_error(tokens, at, "the number of a commit, or a parameter"))
        }
    }
}

/// Gives the clause to the statement it belongs to.
///
/// **Errors**: `25006` for a statement that changes something, `42601` for others that read nothing.
pub(super) fn attach(
    statement: Statement,
    clause: Option<AsOfClause>,
) -> Result<(Statement, Option<AsOfClause>)> {
    let Some(found) = clause else { return Ok((statement, None)) };
    let read =
        |statement: &Statement| matches!(statement, Statement::Query(_) | Statement::Pipeline(_));
    match statement {
        Statement::Begin(modes) => {
            let modes = super::Modes { as_of: clause, ..modes };
            Ok((Statement::Begin(modes), None))
        }
        Statement::Explain(explain) if read(&explain.statement) => {
            Ok((Statement::Explain(explain), clause))
        }
        Statement::CreateAs(create) if create.kind == super::MadeKind::Table => {
            Ok((Statement::CreateAs(create), clause))
        }
        // The text of its query says it again.
        statement @ Statement::Cursor(_) => Ok((statement, None)),
        statement if read(&statement) => Ok((statement, clause)),
        Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
            let message = "what is read AS OF the past cannot be changed";
            Err(Error::new(code::READ_ONLY_TRANSACTION, message)
                .with_hint("Read with AS OF in a statement of its own.")
                .at(found.position))
        }
        _ => Err(Error::new(code::SYNTAX_ERROR, "AS OF belongs to a query or to BEGIN")
            .at(found.position)),
    }
}
