//! Which requests does a workload send?

use bytes::Bytes;
use http::Method;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::client::{Client, Failure};

use super::ledger::Transfer;
use super::options::{Kind, LoadOptions};
use super::placing::Placing;
use super::prepare;

/// Documents in one request of the bulk workload.
const BULK_DOCUMENTS: u64 = 2_000;

/// The requests of one stream.
pub struct Workload {
    kind: Kind,
    records: u64,
    random: ChaCha8Rng,
    centers: Vec<Vec<f32>>,
    placing: Placing,
    /// Next key to insert: streams do not share any.
    next: u64,
}

/// One request, ready to be sent.
pub struct Operation {
    path: String,
    media: &'static str,
    body: Bytes,
    /// Units of work it does.
    pub units: u64,
    /// What it moves.
    pub transfer: Option<Transfer>,
}

impl Workload {
    /// Starts the requests of a stream to a server with this many shards.
    pub fn start(options: &LoadOptions, position: usize, shards: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(options.seed);
        random.set_stream(position as u64 + 1);
        let centers =
            if options.kind == Kind::Vector { prepare::centers(options) } else { Vec::new() };
        // Far apart, so that streams never insert the same key.
        let next = options.records + (position as u64 + 1) * 1_000_000_000;
        let (kind, records) = (options.kind, options.records.max(1));
        Self { kind, records, random, centers, placing: Placing::over(shards), next }
    }

    /// Makes the next request.
    pub fn next(&mut self) -> Operation {
        match self.kind {
            Kind::PointRead | Kind::SnapshotRead => self.point_read(),
            Kind::PointWrite => {
                self.next += 1;
                let (id, n) = (self.next, self.random.random_range(0..1000));
                let pql = "INSERT INTO bench_row (id, n, name) VALUES ($1, $2, $3)";
                statement(pql, &json!([id, n, format!("row {id}")]))
            }
            Kind::Mixed if self.random.random_range(0..10) == 0 => {
                let id = self.random.random_range(0..self.records);
                let n = self.random.random_range(0..1000);
                statement("UPDATE bench_row SET n = $2 WHERE id = $1", &json!([id, n]))
            }
            Kind::Mixed => self.point_read(),
            Kind::Vector => {
                let vector = prepare::vector(&self.centers, &mut self.random);
                let pql = "SELECT id FROM bench_vector ORDER BY v <-> $1 LIMIT 10";
                statement(pql, &json!([vector]))
            }
            Kind::Text => {
                let words = format!(
                    "{} {}",
                    prepare::word(&mut self.random),
                    prepare::word(&mut self.random)
                );
                let pql = "SELECT id, SCORE() AS score FROM bench_text WHERE MATCHES(body, $1) \
                           ORDER BY score DESC LIMIT 10";
                statement(pql, &json!([words]))
            }
            Kind::Traverse => {
                let id = self.random.random_range(0..self.records);
                let pql = "QUERY bench_node AS a WHERE a.id = $1 \
                           TRAVERSE bench_edge OUT DEPTH 1..2 AS n SELECT n.id, DEPTH()";
                statement(pql, &json!([id]))
            }
            Kind::Scan => {
                let n = self.random.random_range(0..1000);
                let pql = "SELECT COUNT(*), SUM(n), MAX(name) FROM bench_row WHERE n < $1";
                statement(pql, &json!([n]))
            }
            Kind::Sum => Operation {
                units: self.records,
                ..statement("SELECT SUM(n) FROM bench_row", &json!([]))
            },
            Kind::Transfer => self.transfer(),
            Kind::PairNear | Kind::PairFar => {
                let one = self.next + 1;
                let two = self.placing.mate(one, one + 1, self.kind == Kind::PairNear);
                self.next = two;
                let n = self.random.random_range(0..1000);
                let pql = "INSERT INTO bench_pair (id, n) VALUES ($1, $3), ($2, $3)";
                statement(pql, &json!([one, two, n]))
            }
            Kind::Bulk => self.bulk(),
        }
    }

    fn transfer(&mut self) -> Operation {
        let from = self.random.random_range(0..self.records);
        // Another one, unless there is only one.
        let to = (from + self.random.random_range(1..self.records.max(2))) % self.records;
        let amount = self.random.random_range(1..100);
        let pql = "UPDATE bench_account SET balance = balance - $3 WHERE id = $1; \
                   UPDATE bench_account SET balance = balance + $3 WHERE id = $2";
        let transfer = Some(Transfer { from, to, amount });
        Operation { transfer, ..statement(pql, &json!([from, to, amount])) }
    }

    fn point_read(&mut self) -> Operation {
        let id = self.random.random_range(0..self.records);
        statement("SELECT id, n, name FROM bench_row WHERE id = $1", &json!([id]))
    }

    fn bulk(&mut self) -> Operation {
        let mut lines = Vec::new();
        for _ in 0..BULK_DOCUMENTS {
            self.next += 1;
            let document = prepare::document(&mut self.random, self.next);
            lines.extend_from_slice(document.to_string().as_bytes());
            lines.push(b'\n');
        }
        Operation {
            path: "/v1/tables/bench_document/records".to_owned(),
            media: "application/x-ndjson",
            body: lines.into(),
            units: BULK_DOCUMENTS,
            transfer: None,
        }
    }
}

impl Operation {
    /// Sends it and reads the whole answer.
    ///
    /// **Errors**: as [`Client::send`].
    pub async fn send(self, client: &Client) -> Result<Bytes, Failure> {
        client.send(Method::POST, &self.path, self.media, self.body).await
    }
}

fn statement(pql: &str, params: &Value) -> Operation {
    Operation {
        path: "/v1/query".to_owned(),
        media: "application/json",
        body: json!({ "pql": pql, "params": params }).to_string().into(),
        units: 1,
        transfer: None,
    }
}
