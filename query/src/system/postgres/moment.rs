//! What changes by the moment?

use pieskieo_io::time;
use pieskieo_shards::value::Value;

use super::super::information::DATABASE;
use super::super::live::{counted, everywhere};
use super::super::relation::{PUBLIC, Rows, maybe, number as count, told};
use super::number::{self, Part};
use crate::coordinator::Request;
use crate::error::Result;
use crate::exchange::{Key, Mode};
use crate::open::Registry;

/// The settings of the session, and those of the server.
pub(in crate::system) fn settings(request: &Request<'_>, out: &mut Rows) {
    let settings = request.settings();
    let mut push =
        |name: &str, value: Option<&str>, default: Option<&str>, context, about: &str| {
            out.push([
                ("name", told(name)),
                ("setting", told(value.unwrap_or_default())),
                ("category", told("Pieskieo")),
                ("short_desc", told(about)),
                ("context", told(context)),
                ("vartype", told("string")),
                ("source", told(if value == default { "default" } else { "session" })),
                ("boot_val", maybe(default)),
                ("reset_val", maybe(default)),
                ("pending_restart", Value::Bool(false)),
            ]);
        };
    for one in settings.listed().iter().chain(settings.of_server()) {
        let context = if one.kind == "server" { "postmaster" } else { "user" };
        push(&one.name, one.value.as_deref(), one.default.as_deref(), context, &one.description);
    }
    for (name, value) in settings.client.own() {
        push(&name, Some(&value), None, "user", "the client's own");
    }
}

/// How many records tables have. What PostgreSQL counts beside is not counted here.
pub(in crate::system) async fn tables(request: &Request<'_>, out: &mut Rows) -> Result<()> {
    let records = counted(request).await?;
    for table in request.catalog().listed() {
        out.push([
            ("relid", Value::BigInt(number::of_table(table.id, Part::Whole))),
            ("schemaname", told(PUBLIC)),
            ("relname", told(&table.name)),
            ("n_live_tup", records.get(&table.name).map_or(Value::Null, |&of| count(of))),
        ]);
    }
    Ok(())
}

/// Transactions that wait for their next requests, or run one. Of other connections nothing is
/// kept that could be shown.
pub(in crate::system) async fn activity(request: &Request<'_>, out: &mut Rows) -> Result<()> {
    let wall = time::wall().micros();
    for open in everywhere(request, Registry::listed).await?.into_iter().flatten() {
        let age = i64::try_from(open.age.as_micros()).unwrap_or(i64::MAX);
        let state = match open.state {
            "idle" => "idle in transaction",
            "failed" => "idle in transaction (aborted)",
            state => state,
        };
        out.push([
            ("datid", Value::BigInt(number::DATABASE)),
            ("datname", told(DATABASE)),
            ("usesysid", Value::BigInt(number::USER)),
            ("usename", told(DATABASE)),
            ("xact_start", Value::TimestampTz(wall.saturating_sub(age))),
            ("state", told(state)),
            ("backend_type", told("client backend")),
        ]);
    }
    Ok(())
}

/// Advisory locks that are held or waited for. There are no others.
pub(in crate::system) fn locks(request: &Request<'_>, out: &mut Rows) {
    for lock in request.options().exchange.locks() {
        // As PostgreSQL shows them: the halves of one number, or two numbers.
        let (high, low, kind) = match lock.key {
            Key::Whole(number) => (number >> 32, number, 1),
            Key::Pair(one, two) => (one.into(), two.into(), 2),
        };
        let half = |number: i64| Value::BigInt(number & i64::from(u32::MAX));
        let mode = match lock.mode {
            Mode::Exclusive => "ExclusiveLock",
            Mode::Shared => "ShareLock",
        };
        out.push([
            ("locktype", told("advisory")),
            ("database", Value::BigInt(number::DATABASE)),
            ("classid", half(high)),
            ("objid", half(low)),
            ("objsubid", Value::SmallInt(kind)),
            ("pid", Value::Int(lock.process)),
            ("mode", told(mode)),
            ("granted", Value::Bool(lock.granted)),
            ("fastpath", Value::Bool(false)),
        ]);
    }
}
