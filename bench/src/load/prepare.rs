//! Which data does a workload need?

use futures::stream::{self, StreamExt, TryStreamExt};
use pieskieo_io::time;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::client::{Client, Failure};

use super::ledger::OPENING_BALANCE;
use super::options::{Kind, LoadOptions};

/// Words texts are made of.
pub const WORDS: u64 = 20_000;
/// Clusters vectors are drawn around.
const CLUSTERS: usize = 100;
/// Edges that leave each node.
const DEGREE: u64 = 8;
/// Records sent in one bulk request.
const STEP: u64 = 5_000;
/// Bulk requests on the way at a time.
const STEPS: usize = 4;
/// Records from which on the rate of loading is a figure.
const MEASURED: u64 = 100_000;
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// How fast a data set was loaded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loaded {
    /// Records.
    pub records: u64,
    /// Seconds, the generator's work included.
    pub seconds: f64,
    /// Records a second in each tenth.
    pub tenths: [f64; 10],
}

/// Makes the data set of a workload, unless it is there and shall be kept. Returns how fast it was
/// loaded, if it is large enough to tell.
///
/// **Errors**: the server refuses something.
pub async fn prepare(client: &Client, options: &LoadOptions) -> Result<Option<Loaded>, Failure> {
    let (table, schema, index): (&str, &[&str], &[&str]) = match options.kind {
        Kind::PointRead
        | Kind::SnapshotRead
        | Kind::Mixed
        | Kind::Scan
        | Kind::Sum
        | Kind::PointWrite => (
            "bench_row",
            &["CREATE TABLE bench_row (id BIGINT PRIMARY KEY, n BIGINT, name TEXT)"],
            &[],
        ),
        Kind::Transfer => (
            "bench_account",
            &["CREATE TABLE bench_account (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL)"],
            &[],
        ),
        Kind::PairNear | Kind::PairFar => {
            ("bench_pair", &["CREATE TABLE bench_pair (id BIGINT PRIMARY KEY, n BIGINT)"], &[])
        }
        Kind::Vector => ("bench_vector", &[], &[]),
        Kind::Text => (
            "bench_text",
            &["CREATE TABLE bench_text (id BIGINT PRIMARY KEY, body TEXT)"],
            &["CREATE INDEX bench_text_body ON bench_text USING text (body)"],
        ),
        Kind::Traverse => (
            "bench_node",
            &[
                "CREATE TABLE bench_node (id BIGINT PRIMARY KEY, name TEXT)",
                "CREATE EDGE bench_edge FROM bench_node TO bench_node",
            ],
            &[],
        ),
        Kind::Bulk => ("bench_document", &["CREATE COLLECTION bench_document"], &[]),
    };
    let exists = client.query_bytes(&format!("SELECT 1 FROM {table} LIMIT 1"), &[]).await.is_ok();
    // What the accounts hold is only known of new ones.
    if exists && options.keep && options.kind != Kind::Transfer {
        return Ok(None);
    }
    if options.kind == Kind::Traverse {
        client.query("DROP EDGE IF EXISTS bench_edge", &[]).await?;
    }
    let kind = if options.kind == Kind::Bulk { "COLLECTION" } else { "TABLE" };
    client.query(&format!("DROP {kind} IF EXISTS {table}"), &[]).await?;
    for statement in schema {
        client.query(statement, &[]).await?;
    }
    if options.kind == Kind::Vector {
        vector_table(client, options).await?;
    }
    for statement in index {
        client.query(statement, &[]).await?;
    }
    fill(client, options, table).await
}

async fn vector_table(client: &Client, options: &LoadOptions) -> Result<(), Failure> {
    let dimension = options.dimension;
    let table = format!("CREATE TABLE bench_vector (id BIGINT PRIMARY KEY, v VECTOR({dimension}))");
    client.query(&table, &[]).await?;
    let index = "CREATE INDEX bench_vector_v ON bench_vector USING hnsw (v vector_l2_ops) \
                 WITH (m = 16, ef_construction = 200)";
    client.query(index, &[]).await.map(drop)
}

async fn fill(
    client: &Client,
    options: &LoadOptions,
    table: &str,
) -> Result<Option<Loaded>, Failure> {
    let starts_empty = [Kind::PointWrite, Kind::Bulk, Kind::PairNear, Kind::PairFar];
    if starts_empty.contains(&options.kind) {
        return Ok(None);
    }
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let centers = centers(options);
    let mut loaded = Loaded { records: options.records, seconds: 0.0, tenths: [0.0; 10] };
    let tenth = options.records.div_ceil(10);
    for (number, rate) in loaded.tenths.iter_mut().enumerate() {
        let records = tenth * number as u64..(tenth * (number as u64 + 1)).min(options.records);
        let (count, began) = (records.end.saturating_sub(records.start), time::now());
        let steps = records.step_by(STEP as usize).map(|first| {
            let end = (first + STEP).min(tenth * (number as u64 + 1)).min(options.records);
            let mut lines = Vec::new();
            for id in first..end {
                let record = record(options, &centers, &mut random, id);
                lines.extend_from_slice(record.to_string().as_bytes());
                lines.push(b'\n');
            }
            client.load(table, lines)
        });
        let steps = stream::iter(steps).buffer_unordered(STEPS);
        steps.try_for_each(async |_| Ok(())).await?;
        let seconds = began.elapsed().as_secs_f64();
        loaded.seconds += seconds;
        *rate = count as f64 / seconds.max(1e-9);
    }
    if options.kind == Kind::Traverse {
        edges(client, options, &mut random).await?;
    }
    Ok(Some(loaded).filter(|loaded| loaded.records >= MEASURED))
}

async fn edges(
    client: &Client,
    options: &LoadOptions,
    random: &mut ChaCha8Rng,
) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for source in 0..options.records {
        for _ in 0..DEGREE {
            let target = random.random_range(0..options.records);
            lines.extend_from_slice(json!({ "src": source, "dst": target }).to_string().as_bytes());
            lines.push(b'\n');
        }
        if lines.len() > 1 << 20 || source + 1 == options.records {
            client.load("bench_edge", std::mem::take(&mut lines)).await?;
        }
    }
    Ok(())
}

fn record(options: &LoadOptions, centers: &[Vec<f32>], random: &mut ChaCha8Rng, id: u64) -> Value {
    match options.kind {
        Kind::Vector => json!({ "id": id, "v": vector(centers, random) }),
        Kind::Text => {
            let count = random.random_range(20..80);
            let words: Vec<String> = (0..count).map(|_| word(random)).collect();
            json!({ "id": id, "body": words.join(" ") })
        }
        Kind::Traverse => json!({ "id": id, "name": format!("node {id}") }),
        Kind::Transfer => json!({ "id": id, "balance": OPENING_BALANCE }),
        _ => {
            let n = random.random_range(0..1000);
            json!({ "id": id, "n": n, "name": name(options, random, id) })
        }
    }
}

/// Returns the text of a row. Its letters are random: compressed it has five eighths of its length.
fn name(options: &LoadOptions, random: &mut ChaCha8Rng, id: u64) -> String {
    let mut name = format!("row {id}");
    while name.len() < options.text_bytes {
        let bits: u64 = random.random();
        let letters = (0..12).map(|n| char::from(LETTERS[(bits >> (5 * n)) as usize % 32]));
        name.extend(letters.take(options.text_bytes - name.len()));
    }
    name
}

/// Returns one document of the bulk workload.
pub fn document(random: &mut ChaCha8Rng, id: u64) -> Value {
    json!({
        "_id": format!("d{id}"), "title": format!("document {id}"),
        "year": random.random_range(1980..2024), "tags": [word(random), word(random)],
        "rating": f64::from(random.random_range(0..100)) / 10.0,
        "author": { "name": word(random), "age": random.random_range(20..90) },
    })
}

/// Returns the cluster centers of a seed.
pub fn centers(options: &LoadOptions) -> Vec<Vec<f32>> {
    let mut random = ChaCha8Rng::seed_from_u64(options.seed ^ 0x5eed);
    let center = |random: &mut ChaCha8Rng| -> Vec<f32> {
        (0..options.dimension).map(|_| random.random_range(-1.0..1.0)).collect()
    };
    (0..CLUSTERS).map(|_| center(&mut random)).collect()
}

/// Returns a vector near a random center.
pub fn vector(centers: &[Vec<f32>], random: &mut ChaCha8Rng) -> Vec<f32> {
    let center = &centers[random.random_range(0..centers.len())];
    center.iter().map(|x| x + random.random_range(-0.3..0.3)).collect()
}

/// Returns a word; low numbers are frequent (a harmonic distribution).
pub fn word(random: &mut ChaCha8Rng) -> String {
    let uniform: f64 = random.random_range(0.0..1.0);
    let rank = ((WORDS as f64).powf(uniform)) as u64;
    format!("w{rank}")
}
