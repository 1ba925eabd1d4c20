//! What do functions do that are about a connection and not about records?
//!
//! ```text
//! pg_[try_]advisory_[xact_]lock[_shared](n | a, b)    pg_advisory_unlock[_shared](n | a, b)
//! pg_advisory_unlock_all()     pg_notify(channel, payload)     pg_backend_pid()
//! ```
//!
//! Their calls are replaced by their values before a statement is bound, as those of sequences are:
//! waiting for a lock waits, and evaluating an expression cannot. Null for an argument gives null,
//! and does nothing.

use std::time::Duration;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, Value as Literal,
};
use pieskieo_shards::value::{ColumnType, Value};

use super::request::Request;
use super::sequence::{Times, number};
use super::setting::duration;
use crate::bind::{arguments, case, sequence_function};
use crate::error::{Error, Result, code};
use crate::exchange::{Asked, Key, Member, Mode, Scope};

/// What a function of a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Takes a lock, and waits for it or not.
    Lock {
        waits: bool,
        mode: Mode,
        scope: Scope,
    },
    /// Lets a lock go.
    Unlock(Mode),
    UnlockAll,
    Notify,
    Process,
}

/// Names of the functions, and what they do.
const FUNCTIONS: &[(&str, Doing)] = &[
    ("pg_advisory_lock", lock(true, Mode::Exclusive, Scope::Session)),
    ("pg_advisory_lock_shared", lock(true, Mode::Shared, Scope::Session)),
    ("pg_advisory_xact_lock", lock(true, Mode::Exclusive, Scope::Transaction)),
    ("pg_advisory_xact_lock_shared", lock(true, Mode::Shared, Scope::Transaction)),
    ("pg_try_advisory_lock", lock(false, Mode::Exclusive, Scope::Session)),
    ("pg_try_advisory_lock_shared", lock(false, Mode::Shared, Scope::Session)),
    ("pg_try_advisory_xact_lock", lock(false, Mode::Exclusive, Scope::Transaction)),
    ("pg_try_advisory_xact_lock_shared", lock(false, Mode::Shared, Scope::Transaction)),
    ("pg_advisory_unlock", Doing::Unlock(Mode::Exclusive)),
    ("pg_advisory_unlock_shared", Doing::Unlock(Mode::Shared)),
    ("pg_advisory_unlock_all", Doing::UnlockAll),
    ("pg_notify", Doing::Notify),
    ("pg_backend_pid", Doing::Process),
];

const fn lock(waits: bool, mode: Mode, scope: Scope) -> Doing {
    Doing::Lock { waits, mode, scope }
}

/// What a function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gives {
    /// Nothing, which is shown as an empty text.
    Nothing,
    Truth,
    Number,
}

impl Doing {
    fn named(name: &str) -> Option<Self> {
        FUNCTIONS.iter().find(|(known, _)| *known == name).map(|(_, doing)| *doing)
    }

    fn gives(self) -> Gives {
        match self {
            Self::Lock { waits: false, .. } | Self::Unlock(_) => Gives::Truth,
            Self::Process => Gives::Number,
            Self::Lock { .. } | Self::UnlockAll | Self::Notify => Gives::Nothing,
        }
    }

    /// Returns the types of its arguments, when it is given so many.
    fn types(self, given: usize) -> Option<Vec<DataType>> {
        match (self, given) {
            (Self::Lock { .. } | Self::Unlock(_), 1) => Some(vec![DataType::BigInt(None)]),
            (Self::Lock { .. } | Self::Unlock(_), 2) => Some(vec![DataType::Int(None); 2]),
            (Self::Notify, 2) => Some(vec![DataType::Text; 2]),
            (Self::UnlockAll | Self::Process, 0) => Some(Vec::new()),
            _ => None,
        }
    }
}

/// Returns what stands for a call in a statement that is looked at and not run: of the type of its
/// value, and with its parameters. `None` for other functions.
pub(super) fn stand_in(name: &str, function: &Function) -> Option<Expr> {
    let doing = Doing::named(name)?;
    let plain = match doing.gives() {
        Gives::Nothing => Expr::value(Literal::SingleQuotedString(String::new())),
        Gives::Truth => Expr::value(Literal::Boolean(true)),
        Gives::Number => whole(number(0)),
    };
    let given = arguments(function);
    let types = doing.types(given.len()).unwrap_or_default();
    // `CASE WHEN a::T IS NULL AND … THEN value ELSE value END`.
    let nulls = given.into_iter().zip(types);
    let nulls = nulls.map(|(expr, ty)| Expr::IsNull(Box::new(cast(expr.clone(), ty))));
    let all = nulls.reduce(|left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    });
    Some(match all {
        Some(condition) => case([(condition, plain.clone())], Some(plain)),
        None => plain,
    })
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

fn whole(expr: Expr) -> Expr {
    cast(expr, DataType::Int(None))
}

/// Does what a call says. Returns its value; `None` for other functions.
///
/// **Errors**: `0A000` where there is no connection, or where it would be called once per row;
/// those of locks and notifications.
pub(super) async fn value(
    request: &Request<'_>,
    call: &Expr,
    times: Times,
) -> Result<Option<Expr>> {
    let Some((name, function)) = sequence_function(call) else { return Ok(None) };
    let Some(doing) = Doing::named(&name) else { return Ok(None) };
    let given = arguments(function);
    if doing.types(given.len()).is_none() {
        let message = format!("function {name}() does not take {} arguments", given.len());
        return Err(Error::new(code::UNDEFINED_FUNCTION, message)
            .with_hint("Locks are on a BIGINT or two INTs; pg_notify takes two texts."));
    }
    let Some(member) = request.settings().member() else {
        // Nothing is held where nothing can be.
        return match doing {
            Doing::UnlockAll => Ok(Some(Expr::value(Literal::SingleQuotedString(String::new())))),
            _ => Err(Error::unsupported(format!("{name}() outside of PostgreSQL's protocol"))
                .with_hint("Connect to the port of --pg-listen.")),
        };
    };
    if doing == Doing::Process {
        return Ok(Some(whole(number(member.process().into()))));
    }
    if times == Times::PerRow {
        return Err(Error::unsupported(format!("{name}() once per row"))
            .with_hint("Call it in a SELECT without FROM."));
    }
    let done = match doing {
        Doing::Notify => notify(request, member, &given)?,
        Doing::UnlockAll => {
            member.unlock_all();
            Literal::SingleQuotedString(String::new())
        }
        _ => with_lock(request, member, (doing, &given)).await?,
    };
    Ok(Some(Expr::value(done)))
}

fn notify(request: &Request<'_>, member: &Member, given: &[&Expr]) -> Result<Literal> {
    let text = |at: usize| match given.get(at) {
        Some(expr) => request.constants().value(expr, &ColumnType::Text),
        None => Ok(Value::Null),
    };
    // A payload of null is none.
    let channel = match text(0)? {
        Value::Text(channel) => channel.to_string(),
        _ => String::new(),
    };
    let payload = match text(1)? {
        Value::Text(payload) => payload.to_string(),
        _ => String::new(),
    };
    member.notify(&channel, &payload)?;
    Ok(Literal::SingleQuotedString(String::new()))
}

async fn with_lock(
    request: &Request<'_>,
    member: &Member,
    (doing, given): (Doing, &[&Expr]),
) -> Result<Literal> {
    let Some(key) = key(request, given)? else { return Ok(Literal::Null) };
    match doing {
        Doing::Lock { waits: true, mode, scope } => {
            let patience = request.settings().shown("lock_timeout");
            let patience = patience.as_deref().and_then(duration);
            let patience = patience.filter(|patience| *patience > Duration::ZERO);
            member.lock(Asked { key, mode, scope }, patience, request.stop()).await?;
            Ok(Literal::SingleQuotedString(String::new()))
        }
        Doing::Lock { waits: false, mode, scope } => {
            member.try_lock(Asked { key, mode, scope }).map(Literal::Boolean)
        }
        Doing::Unlock(mode) => Ok(Literal::Boolean(member.unlock(key, mode))),
        other => Err(Error::internal(format!("a lock that is none: {other:?}"))),
    }
}

/// Returns what the lock is on; `None` = a null.
fn key(request: &Request<'_>, given: &[&Expr]) -> Result<Option<Key>> {
    let value = |expr: &Expr, ty| request.constants().value(expr, ty);
    Ok(match given {
        [one] => match value(one, &ColumnType::BigInt)? {
            Value::BigInt(number) => Some(Key::Whole(number)),
            _ => None,
        },
        [one, two] => match (value(one, &ColumnType::Int)?, value(two, &ColumnType::Int)?) {
            (Value::Int(one), Value::Int(two)) => Some(Key::Pair(one, two)),
            _ => None,
        },
        _ => None,
    })
}
