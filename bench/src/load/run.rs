//! How is a workload driven?

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures::future::join_all;
use pieskieo_io::rt::{self, Queue};
use pieskieo_io::time;
use serde_json::json;

use crate::client::{Answer, Client, Failure};

use super::counters::Counters;
use super::ledger::{self, Ledger};
use super::options::{Kind, LoadOptions};
use super::pace::Pace;
use super::prepare;
use super::report::{Bank, LogWork, Report};
use super::workload::Workload;

/// Share of the time whose requests are not counted: connections and caches warm up.
const WARM_UP: f64 = 0.1;
/// Queries whose answers are compared with exact ones.
const RECALL_QUERIES: usize = 50;

/// What the streams of a run share.
struct Shared {
    report: RefCell<Report>,
    ledger: RefCell<Ledger>,
}

/// Prepares the data and drives one workload. Call on a core of the runtime.
///
/// **Errors**: no server; data that cannot be prepared.
pub async fn run(options: &LoadOptions) -> Result<Report, Failure> {
    let client = Client::open(options.address).await?;
    let loaded = prepare::prepare(&client, options).await?;
    if options.kind == Kind::Vector {
        wait_folded(&client).await?;
    }
    let mut report = drive(options).await?;
    report.loaded = loaded;
    if options.kind == Kind::Vector {
        report.recall = Some(recall(&client, options).await?);
    }
    Ok(report)
}

/// Drives one workload whose data is there.
///
/// **Errors**: no server.
pub(super) async fn drive(options: &LoadOptions) -> Result<Report, Failure> {
    let client = Client::open(options.address).await?;
    let before = Counters::read(&client).await?;
    let shards = before.count("pieskieo_shard_records");
    if options.kind == Kind::PairFar && shards < 2 {
        let cause = "with one shard no two records are on different ones".to_owned();
        return Err(Failure::Unknown { status: None, cause });
    }
    let accounts = if options.kind == Kind::Transfer { options.records } else { 0 };
    let ledger = RefCell::new(Ledger::open(accounts));
    let shared = Rc::new(Shared { report: RefCell::new(Report::empty(options)), ledger });
    let clients = clients(options).await?;
    let counted = time::now();
    let mut tasks = Vec::with_capacity(clients.len());
    for (position, client) in clients.iter().enumerate() {
        let workload = Workload::start(options, position, shards);
        let pace = Pace::start(options.rate, position, options.streams());
        let stream = follow(client.clone(), options.time, (workload, pace), shared.clone());
        tasks.push(rt::spawn(Queue::Net, "load", stream));
    }
    if options.kind == Kind::Transfer {
        ledger::audit(&client, &shared.ledger, options.time).await?;
    }
    join_all(tasks).await;
    let (after, seconds) = (Counters::read(&client).await?, counted.elapsed().as_secs_f64());
    if options.kind == Kind::SnapshotRead {
        end(&clients).await?;
    }
    let Shared { report, ledger } = Rc::try_unwrap(shared).map_err(|_| Failure::Unknown {
        status: None,
        cause: "a stream of requests did not end".to_owned(),
    })?;
    let (mut report, mut ledger) = (report.into_inner(), ledger.into_inner());
    report.seconds = options.time.as_secs_f64() * (1.0 - WARM_UP);
    let grown = |name| after.sum(name) - before.sum(name);
    report.log = options.kind.writes().then(|| LogWork {
        seconds,
        frames: grown("pieskieo_shard_log_flushes"),
        commits: grown("pieskieo_shard_commits"),
        bytes: grown("pieskieo_shard_log_bytes"),
    });
    if options.kind == Kind::SnapshotRead {
        let times = |at: &Counters| at.times("pieskieo_statement_seconds", "kind=\"select\"");
        report.server = Some(times(&after).since(&times(&before)));
    }
    if options.kind == Kind::Transfer {
        ledger.compare(&ledger::balances(&client).await?);
        report.bank = Some(Bank {
            refused_by_shards: grown("pieskieo_shard_conflicts"),
            transfers: ledger.transfers,
            audits: ledger.audits,
            anomalies: ledger.anomalies,
        });
    }
    Ok(report)
}

/// Returns a client for each stream of requests. The first of every connection come first, so that
/// the open loop's first requests are spread over the connections.
async fn clients(options: &LoadOptions) -> Result<Vec<Client>, Failure> {
    let mut connections = Vec::with_capacity(options.connections);
    for _ in 0..options.connections {
        connections.push(Client::open(options.address).await?);
    }
    let mut clients = Vec::with_capacity(options.streams());
    for stream in 0..options.streams() {
        let client = &connections[stream % options.connections];
        clients.push(match options.kind {
            Kind::SnapshotRead => client.begin("BEGIN READ ONLY").await?,
            _ => client.clone(),
        });
    }
    Ok(clients)
}

/// Ends the transactions of clients.
async fn end(clients: &[Client]) -> Result<(), Failure> {
    for client in clients {
        client.query("COMMIT", &[]).await?;
    }
    Ok(())
}

async fn follow(
    client: Client,
    time: Duration,
    (mut workload, mut pace): (Workload, Pace),
    shared: Rc<Shared>,
) {
    let warm = time.mul_f64(WARM_UP);
    loop {
        let sent = pace.next().await;
        if sent >= time {
            return;
        }
        let operation = workload.next();
        let (units, transfer) = (operation.units, operation.transfer);
        let result = operation.send(&client).await;
        if let Some(transfer) = transfer {
            let mut ledger = shared.ledger.borrow_mut();
            match &result {
                Ok(_) => ledger.note(transfer),
                Err(Failure::Refused { .. }) => {}
                Err(Failure::Unknown { cause, .. }) => ledger.lose(transfer, cause),
            }
        }
        let now = pace.elapsed();
        if sent < warm || now > time {
            continue;
        }
        let mut report = shared.report.borrow_mut();
        match result {
            Ok(_) => {
                let micros = u64::try_from((now - sent).as_micros()).unwrap_or(u64::MAX);
                report.micros.saturating_record(micros.max(1));
                report.requests += 1;
                report.units += units;
            }
            Err(failure) if is_lost_race(&failure) => report.conflicts += 1,
            Err(failure) => {
                report.failures += 1;
                report.failure.get_or_insert_with(|| failure.to_string());
                if matches!(failure, Failure::Unknown { status: None, .. }) {
                    return;
                }
            }
        }
    }
}

/// Returns whether a transaction was refused because others came first.
fn is_lost_race(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { problem, .. } if problem["code"] == "40001")
}

/// Waits until every vector is in a graph, so that the index is measured and not its delta.
async fn wait_folded(client: &Client) -> Result<(), Failure> {
    while Counters::read(client).await?.sum("pieskieo_shard_vectors_pending") > 0.0 {
        rt::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Compares answers with exact ones. The exact answer is asked for with an expression that no
/// index serves.
async fn recall(client: &Client, options: &LoadOptions) -> Result<f64, Failure> {
    let mut random =
        <rand_chacha::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(options.seed + 1);
    let centers = prepare::centers(options);
    let (mut found, mut wanted) = (0, 0);
    for _ in 0..RECALL_QUERIES {
        let params = [json!(prepare::vector(&centers, &mut random))];
        let near = "SELECT id FROM bench_vector ORDER BY v <-> $1 LIMIT 10";
        let exact = "SELECT id FROM bench_vector ORDER BY (v <-> $1) + 0.0, id LIMIT 10";
        let near = ids(&client.query(near, &params).await?);
        let exact = ids(&client.query(exact, &params).await?);
        wanted += exact.len();
        found += exact.iter().filter(|id| near.contains(id)).count();
    }
    Ok(found as f64 / f64::from(u32::try_from(wanted.max(1)).unwrap_or(u32::MAX)))
}

fn ids(answer: &Answer) -> Vec<i64> {
    answer.rows.iter().filter_map(|row| row.first()?.as_i64()).collect()
}
