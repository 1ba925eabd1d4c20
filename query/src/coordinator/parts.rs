//! Where in a request do transactions begin and end?
//!
//! A request is split where it says BEGIN, COMMIT or ROLLBACK and, outside of these, where the
//! schema changes. What is outside of BEGIN … COMMIT is a transaction too. There a schema change is
//! applied at once, on its own, after the statements before it were committed.

use std::rc::Rc;

use super::kind::is_schema;
use crate::error::{Error, Result, code};
use crate::prepared::Item;
use crate::syntax::{Forget, Modes, Statement};

/// Consecutive statements that share a transaction.
#[derive(Debug)]
pub struct Part<'a> {
    /// The statements between its ends.
    pub items: &'a [Rc<Item>],
    /// How it begins.
    pub begin: Begin,
    /// How it ends.
    pub end: End,
}

/// How a transaction begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With its first statement.
    Implied,
    /// With a BEGIN.
    Written(Modes),
    /// In an earlier request.
    Earlier,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Committed after its last statement.
    Implied,
    /// With a COMMIT.
    Commit,
    /// With a ROLLBACK.
    Rollback,
    /// In a later request.
    Later,
}

/// Splits a request into transactions. `resumed` says that one is open when it begins.
///
/// **Errors**: `25001` for a statement that cannot be inside of one, `25P01` for one that must be.
pub fn parts(items: &[Rc<Item>], resumed: bool) -> Result<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut first = 0;
    let mut begin = if resumed { Begin::Earlier } else { Begin::Implied };
    for (position, item) in items.iter().enumerate() {
        let before = &items[first..position];
        match &item.parsed.statement {
            Statement::Begin(modes) => {
                if begin != Begin::Implied {
                    let message = "a transaction is open already";
                    return Err(Error::new(code::ACTIVE_TRANSACTION, message)
                        .with_hint("Send COMMIT or ROLLBACK first, or use SAVEPOINT."));
                }
                push(&mut parts, Part { items: before, begin, end: End::Implied });
                (begin, first) = (Begin::Written(*modes), position + 1);
            }
            statement @ (Statement::Commit | Statement::Rollback) => {
                if begin == Begin::Implied && before.is_empty() {
                    return Err(not_open());
                }
                let commits = matches!(statement, Statement::Commit);
                let end = if commits { End::Commit } else { End::Rollback };
                parts.push(Part { items: before, begin, end });
                (begin, first) = (Begin::Implied, position + 1);
            }
            Statement::Savepoint(_)
            | Statement::RollbackTo(_)
            | Statement::Release(_)
            | Statement::SetTransaction(_)
                if begin == Begin::Implied =>
            {
                return Err(not_open());
            }
            Statement::Forget(Forget::All) if begin != Begin::Implied => {
                let message = "DISCARD ALL cannot run inside a transaction block";
                return Err(Error::new(code::ACTIVE_TRANSACTION, message)
                    .with_hint("Send COMMIT or ROLLBACK first."));
            }
            Statement::Refresh(_) if begin != Begin::Implied => {
                let message = "REFRESH cannot run inside BEGIN ... COMMIT";
                return Err(Error::new(code::ACTIVE_TRANSACTION, message)
                    .with_hint("Send it before BEGIN."));
            }
            statement if is_schema(statement) && begin == Begin::Implied => {
                push(&mut parts, Part { items: before, begin, end: End::Implied });
                let own = &items[position..=position];
                parts.push(Part { items: own, begin, end: End::Implied });
                first = position + 1;
            }
            _ => {}
        }
    }
    let end = if begin == Begin::Implied { End::Implied } else { End::Later };
    push(&mut parts, Part { items: &items[first..], begin, end });
    Ok(parts)
}

/// Refuses an idempotency key where one transaction does not make the whole effect.
///
/// **Errors**: `0A000`.
pub fn check_keyed(parts: &[Part<'_>]) -> Result<()> {
    let refuse = |what: &str, hint: &str| {
        Err(Error::unsupported(format!("an idempotency key for {what}")).with_hint(hint))
    };
    match parts {
        [part] if part.end == End::Later => refuse(
            "a request that leaves its transaction open",
            "Send the key with the request that commits.",
        ),
        [part] if part.items.iter().any(|item| is_schema(&item.parsed.statement)) => {
            refuse("CREATE and DROP", "Use IF NOT EXISTS and IF EXISTS instead.")
        }
        [] | [_] => Ok(()),
        _ => refuse("several transactions", "Send each in a request of its own, with its own key."),
    }
}

/// Returns whether the last transaction of a text that begins outside of one goes on after it.
pub fn outlives(items: &[Rc<Item>]) -> bool {
    items.iter().rev().find_map(|item| match &item.parsed.statement {
        Statement::Begin(_) => Some(true),
        Statement::Commit | Statement::Rollback => Some(false),
        _ => None,
    }) == Some(true)
}

/// Adds a part, unless nothing is in it.
fn push<'a>(parts: &mut Vec<Part<'a>>, part: Part<'a>) {
    if !part.items.is_empty() || part.begin != Begin::Implied {
        parts.push(part);
    }
}

fn not_open() -> Error {
    Error::new(code::NO_ACTIVE_TRANSACTION, "no transaction is open")
        .with_hint("Send BEGIN first; over HTTP, send the Transaction header that it answered.")
}
