//! How is a server loaded with TPC-H and asked its questions?

use std::net::SocketAddr;

use futures::stream::{self, StreamExt, TryStreamExt};
use http::Method;
use pieskieo_io::time;
use serde_json::{Value, json};

use super::answers::difference;
use super::questions::questions;
use super::report::{Asked, Report, Verdict};
use super::tables::{TABLES, Table};
use crate::client::{Client, Failure};

/// Records of one bulk request.
const RECORDS: usize = 5_000;
/// Bulk requests on the way at a time.
const REQUESTS: usize = 4;
/// Longest time of one question, ms.
const TIMEOUT_MS: u64 = 600_000;

/// What is measured.
#[derive(Clone, Debug)]
pub struct TpchOptions {
    /// The server.
    pub address: SocketAddr,
    /// 1 = 6 million lines of orders, a gigabyte.
    pub scale: f64,
    /// Times each question is asked after the first.
    pub repeat: usize,
    /// The tables are there already.
    pub keep: bool,
    /// Questions asked; none = all.
    pub only: Vec<usize>,
}

/// Loads the tables and asks.
///
/// **Errors**: the server refuses a table or a record. A refused question is told in the report.
pub async fn run(options: &TpchOptions) -> Result<Report, Failure> {
    let client = Client::open(options.address).await?;
    let mut report = Report::default();
    if !options.keep {
        let began = time::now();
        load(&client, options.scale).await?;
        report.load_seconds = Some(began.elapsed().as_secs_f64());
    }
    for (number, text) in questions(options.scale) {
        if options.only.is_empty() || options.only.contains(&number) {
            report.asked.push(ask(&client, options, number, &text).await?);
        }
    }
    Ok(report)
}

/// Makes the tables anew and fills them.
///
/// **Errors**: the server refuses a table or a record.
pub async fn load(client: &Client, scale: f64) -> Result<(), Failure> {
    for table in &TABLES {
        fill(client, table, scale).await?;
    }
    Ok(())
}

async fn fill(client: &Client, table: &Table, scale: f64) -> Result<(), Failure> {
    client.query(&format!("DROP TABLE IF EXISTS {}", table.name), &[]).await?;
    client.query(&table.create(), &[]).await?;
    let mut records = table.records(scale).peekable();
    let requests = std::iter::from_fn(|| {
        records.peek()?;
        Some(client.load(table.name, records.by_ref().take(RECORDS).flatten().collect()))
    });
    let answers = stream::iter(requests).buffer_unordered(REQUESTS);
    answers
        .try_for_each(async |answer| match answer["failed"].as_u64() {
            Some(0) => Ok(()),
            _ => Err(Failure::Refused { status: 200, problem: answer }),
        })
        .await
}

async fn ask(
    client: &Client,
    options: &TpchOptions,
    number: usize,
    text: &str,
) -> Result<Asked, Failure> {
    let body = json!({ "pql": text, "timeout_ms": TIMEOUT_MS }).to_string();
    let mut times = Vec::new();
    let mut rows = Vec::new();
    for _ in 0..=options.repeat {
        let began = time::now();
        let answer = client.send(Method::POST, "/v1/query", "application/json", body.clone()).await;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        match answer {
            Ok(bytes) => rows = rows_of(&bytes),
            Err(Failure::Refused { problem, .. }) => {
                let cause = problem["message"].as_str().unwrap_or("no message");
                let verdict = Verdict::Refused(format!("{} {cause}", problem["code"]));
                return Ok(Asked { number, millis: 0.0, rows: 0, verdict });
            }
            Err(lost) => return Err(lost),
        }
    }
    let verdict = match difference(number, &rows) {
        #[expect(clippy::float_cmp, reason = "scale 1 is what answers are published for")]
        _ if options.scale != 1.0 => Verdict::Unknown,
        None => Verdict::Right,
        Some(difference) => Verdict::Wrong(difference),
    };
    Ok(Asked { number, millis: median(times), rows: rows.len(), verdict })
}

fn rows_of(bytes: &[u8]) -> Vec<Vec<Value>> {
    let answer: Value = serde_json::from_slice(bytes).unwrap_or_default();
    serde_json::from_value(answer["rows"].clone()).unwrap_or_default()
}

/// The median of all times but the first.
fn median(mut times: Vec<f64>) -> f64 {
    if times.len() > 1 {
        times.remove(0);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
