//! How is a workload driven?

use std::cell::RefCell;
use std::rc::Rc;

use futures::future::join_all;
use pieskieo_io::rt::{self, Queue};
use serde_json::json;

use crate::client::{Answer, Client, Failure};

use super::options::{Kind, LoadOptions};
use super::pace::Pace;
use super::prepare;
use super::report::Report;
use super::workload::Workload;

/// Share of the time whose requests are not counted: connections and caches warm up.
const WARM_UP: f64 = 0.1;
/// Queries whose answers are compared with exact ones.
const RECALL_QUERIES: usize = 50;

/// Prepares the data and drives one workload. Call on a core of the runtime.
///
/// **Errors**: no server; data that cannot be prepared.
pub async fn run(options: &LoadOptions) -> Result<Report, Failure> {
    let client = Client::open(options.address).await?;
    let loaded = prepare::prepare(&client, options).await?;
    if options.kind == Kind::Vector {
        wait_folded(&client).await?;
    }
    let report = Rc::new(RefCell::new(Report::empty(options)));
    let mut tasks = Vec::with_capacity(options.streams());
    for connection in 0..options.connections {
        let client = Client::open(options.address).await?;
        for stream in 0..options.in_flight {
            // The open loop's first requests are spread over the connections.
            let position = stream * options.connections + connection;
            let stream = drive(client.clone(), options.clone(), position, report.clone());
            tasks.push(rt::spawn(Queue::Net, "load", stream));
        }
    }
    join_all(tasks).await;
    let mut report = Rc::try_unwrap(report)
        .map_err(|_| Failure::Unknown {
            status: None,
            cause: "a stream of requests did not end".to_owned(),
        })?
        .into_inner();
    report.loaded = loaded;
    report.seconds = options.time.as_secs_f64() * (1.0 - WARM_UP);
    if options.kind == Kind::Vector {
        report.recall = Some(recall(&client, options).await?);
    }
    Ok(report)
}

async fn drive(client: Client, options: LoadOptions, position: usize, report: Rc<RefCell<Report>>) {
    let mut workload = Workload::start(&options, position);
    let mut pace = Pace::start(options.rate, position, options.streams());
    let warm = options.time.mul_f64(WARM_UP);
    loop {
        let sent = pace.next().await;
        if sent >= options.time {
            return;
        }
        let operation = workload.next();
        let units = operation.units;
        let result = operation.send(&client).await;
        let now = pace.elapsed();
        if sent < warm || now > options.time {
            continue;
        }
        let mut report = report.borrow_mut();
        match result {
            Ok(_) => {
                let micros = u64::try_from((now - sent).as_micros()).unwrap_or(u64::MAX);
                report.micros.saturating_record(micros.max(1));
                report.requests += 1;
                report.units += units;
            }
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

/// Waits until every vector is in a graph, so that the index is measured and not its delta.
async fn wait_folded(client: &Client) -> Result<(), Failure> {
    loop {
        let metrics = client.send(http::Method::GET, "/metrics", "text/plain", "").await?;
        let text = String::from_utf8_lossy(&metrics);
        let pending: f64 = text
            .lines()
            .filter(|line| line.starts_with("pieskieo_shard_vectors_pending"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        if pending == 0.0 {
            return Ok(());
        }
        rt::sleep(std::time::Duration::from_millis(200)).await;
    }
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
