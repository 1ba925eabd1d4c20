//! What is in `pieskieo` that changes by the moment?
//!
//! Cores and shards are asked one after the other's answer at once: what they say is of about the
//! same moment, not of one snapshot.

use std::collections::HashMap;

use futures::future::join_all;
use pieskieo_io::time;
use pieskieo_shards::ids::{ShardId, TableId};
use pieskieo_shards::request::ShardStats;
use pieskieo_shards::value::Value;

use super::postgres::moment;
use super::relation::{
    Column, OWN, Relation, Rows, Source, bigint, boolean, double, instant, int, maybe, number,
    text, told,
};
use crate::coordinator::{Request, TableListing, listing};
use crate::error::Result;
use crate::exec::counts::record_counts;
use crate::measure::Measured;
use crate::open::{Registry, visit};

/// What the process is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Topic {
    /// Tables, and how many records they have.
    Tables,
    /// What `SET` and the operator have chosen.
    Settings,
    /// What each shard has and has done.
    Shards,
    /// Transactions that outlive their requests.
    Transactions,
    /// Statements that ran, by form.
    Statements,
    /// As `Settings`, as PostgreSQL's programs ask for them.
    ClientSettings,
    /// As `Tables`, as PostgreSQL's programs ask for them.
    UserTables,
    /// As `Transactions`, as PostgreSQL's programs ask for them.
    Activity,
    /// Advisory locks.
    Locks,
}

/// The relations of this file.
pub(super) static RELATIONS: &[Relation] = &[
    relation("tables", TABLES, Topic::Tables),
    relation("settings", SETTINGS, Topic::Settings),
    relation("shards", SHARDS, Topic::Shards),
    relation("transactions", TRANSACTIONS, Topic::Transactions),
    relation("statements", STATEMENTS, Topic::Statements),
];

const fn relation(name: &'static str, columns: &'static [Column], topic: Topic) -> Relation {
    Relation { schema: OWN, name, columns, source: Source::Live(topic), number: 0 }
}

const TABLES: &[Column] = &[
    text("name"),
    text("kind"),
    text("key"),
    text("source"),
    text("target"),
    bigint("records"),
    text("comment"),
];

const SETTINGS: &[Column] =
    &[text("name"), text("value"), text("default"), text("kind"), text("description")];

const SHARDS: &[Column] = &[
    int("shard"),
    int("core"),
    bigint("records"),
    bigint("memory_bytes"),
    bigint("memory_bytes_max"),
    bigint("written_bytes"),
    bigint("cache_bytes"),
    bigint("cache_hits"),
    bigint("cache_misses"),
    bigint("segments"),
    bigint("segment_bytes"),
    bigint("log_bytes"),
    bigint("log_flushes"),
    bigint("commits"),
    bigint("conflicts"),
    bigint("vectors_pending"),
    bigint("images"),
    bigint("image_bytes"),
    boolean("disk_full"),
];

const TRANSACTIONS: &[Column] = &[
    int("core"),
    text("state"),
    instant("begun"),
    bigint("age_ms"),
    bigint("idle_ms"),
    bigint("statements"),
    text("isolation"),
    bigint("write_bytes"),
];

const STATEMENTS: &[Column] = &[
    bigint("id"),
    text("kind"),
    text("statement"),
    bigint("calls"),
    bigint("errors"),
    bigint("rows"),
    double("total_ms"),
    double("min_ms"),
    double("max_ms"),
    double("mean_ms"),
    instant("last"),
];

/// Gathers the rows of this moment.
///
/// **Errors**: a core or shard that does not answer.
pub(super) async fn gather(request: &Request<'_>, topic: Topic, out: &mut Rows) -> Result<()> {
    match topic {
        Topic::Tables => tables(request, out).await,
        Topic::Settings => {
            settings(request, out);
            Ok(())
        }
        Topic::Shards => shards(request, out).await,
        Topic::Transactions => transactions(request, out).await,
        Topic::Statements => statements(request, out).await,
        Topic::ClientSettings => {
            moment::settings(request, out);
            Ok(())
        }
        Topic::UserTables => moment::tables(request, out).await,
        Topic::Activity => moment::activity(request, out).await,
        Topic::Locks => {
            moment::locks(request, out);
            Ok(())
        }
    }
}

/// Asks every core.
pub(super) async fn everywhere<T: Send + 'static>(
    request: &Request<'_>,
    ask: impl FnOnce(&Registry) -> T + Clone + Send + 'static,
) -> Result<Vec<T>> {
    let core = request.core();
    // The first shards live on the cores of their numbers.
    let asked = (0..core.core_count()).map(|of| visit(core, ShardId(of), ask.clone()));
    join_all(asked).await.into_iter().collect()
}

async fn tables(request: &Request<'_>, out: &mut Rows) -> Result<()> {
    let catalog = request.catalog();
    let records = counted(request).await?;
    for TableListing { name, kind, key, ends, .. } in listing(catalog) {
        let (source, target) = ends.unzip();
        let stored = catalog.table_named(&name).or_else(|| catalog.view_named(&name));
        out.push([
            ("name", told(&name)),
            ("kind", told(kind)),
            ("key", told(&key.join(", "))),
            ("source", maybe(source.as_deref())),
            ("target", maybe(target.as_deref())),
            ("records", records.get(name.as_str()).map_or(Value::Null, |&count| number(count))),
            ("comment", maybe(stored.and_then(|table| table.comment.as_deref()))),
        ]);
    }
    Ok(())
}

/// How many records each table has, by its name.
pub(super) async fn counted(request: &Request<'_>) -> Result<HashMap<String, u64>> {
    let (core, catalog) = (request.core(), request.catalog());
    let ids: Vec<TableId> = catalog.listed().map(|table| table.id).collect();
    let records = record_counts(core, &ids).await?;
    let names = catalog.listed().map(|table| table.name.clone());
    Ok(names.zip(records).collect())
}

fn settings(request: &Request<'_>, out: &mut Rows) {
    let chosen = request.settings().listed();
    for setting in chosen.iter().chain(request.settings().of_server()) {
        out.push([
            ("name", told(&setting.name)),
            ("value", maybe(setting.value.as_deref())),
            ("default", maybe(setting.default.as_deref())),
            ("kind", told(setting.kind)),
            ("description", told(&setting.description)),
        ]);
    }
}

async fn shards(request: &Request<'_>, out: &mut Rows) -> Result<()> {
    let core = request.core();
    for stats in core.stats().await? {
        let home = core.core_of(stats.shard).0;
        out.push_all(shard(request, &stats, home).into_iter());
    }
    Ok(())
}

fn shard(request: &Request<'_>, stats: &ShardStats, core: u16) -> [(&'static str, Value); 19] {
    let catalog = request.catalog();
    let is_listed = |id: &TableId| catalog.tables.get(id).is_some_and(|table| !table.is_hidden());
    let records: u64 =
        stats.records.iter().filter(|(id, _)| is_listed(id)).map(|(_, count)| count).sum();
    let memory = stats.memory.written + stats.memory.fixed() + stats.cache_bytes;
    [
        ("shard", Value::Int(i32::from(stats.shard.0))),
        ("core", Value::Int(i32::from(core))),
        ("records", number(records)),
        ("memory_bytes", number(memory)),
        ("memory_bytes_max", number(stats.memory_bytes_max)),
        ("written_bytes", number(stats.memory.written)),
        ("cache_bytes", number(stats.cache_bytes)),
        ("cache_hits", number(stats.cache_hits)),
        ("cache_misses", number(stats.cache_misses)),
        ("segments", number(stats.segments)),
        ("segment_bytes", number(stats.segment_bytes)),
        ("log_bytes", number(stats.log_bytes)),
        ("log_flushes", number(stats.log_flushes)),
        ("commits", number(stats.commits)),
        ("conflicts", number(stats.conflicts)),
        ("vectors_pending", number(stats.vectors_pending)),
        ("images", number(stats.images)),
        ("image_bytes", number(stats.image_bytes)),
        ("disk_full", Value::Bool(stats.is_disk_full)),
    ]
}

async fn transactions(request: &Request<'_>, out: &mut Rows) -> Result<()> {
    let wall = time::wall().micros();
    let found = everywhere(request, Registry::listed).await?;
    for (core, open) in (0..).zip(found) {
        for one in open {
            let age = i64::try_from(one.age.as_micros()).unwrap_or(i64::MAX);
            let idle = one.idle.map_or(Value::Null, |idle| number(idle.as_millis()));
            out.push([
                ("core", Value::Int(core)),
                ("state", told(one.state)),
                ("begun", Value::TimestampTz(wall.saturating_sub(age))),
                ("age_ms", number(one.age.as_millis())),
                ("idle_ms", idle),
                ("statements", number(one.statements)),
                ("isolation", maybe(one.isolation)),
                ("write_bytes", number(one.bytes)),
            ]);
        }
    }
    Ok(())
}

async fn statements(request: &Request<'_>, out: &mut Rows) -> Result<()> {
    let mut sums: HashMap<u64, Measured> = HashMap::new();
    for one in
        everywhere(request, |registry| registry.tally().measured()).await?.into_iter().flatten()
    {
        match sums.get_mut(&one.id) {
            Some(sum) => sum.add(one),
            None => drop(sums.insert(one.id, one)),
        }
    }
    let mut sums: Vec<Measured> = sums.into_values().collect();
    sums.sort_unstable_by_key(|one| (std::cmp::Reverse(one.total), one.id));
    for one in sums {
        let runs = u32::try_from(one.calls).unwrap_or(u32::MAX).max(1);
        let millis = |time: std::time::Duration| Value::Double(time.as_secs_f64() * 1_000.0);
        out.push([
            // The bits of a sum, as PostgreSQL's `queryid`: its sign means nothing.
            ("id", Value::BigInt(one.id.cast_signed())),
            ("kind", told(one.kind.label())),
            ("statement", told(&one.text)),
            ("calls", number(one.calls)),
            ("errors", number(one.errors)),
            ("rows", number(one.rows)),
            ("total_ms", millis(one.total)),
            ("min_ms", millis(one.least)),
            ("max_ms", millis(one.most)),
            ("mean_ms", millis(one.total / runs)),
            ("last", Value::TimestampTz(one.last)),
        ]);
    }
    Ok(())
}
