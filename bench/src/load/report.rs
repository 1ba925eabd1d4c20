//! How are the figures told?

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::counters::Times;
use super::options::LoadOptions;
use super::prepare::Loaded;

/// Anomalies shown to people.
const ANOMALIES_TOLD: usize = 5;

/// The figures of one measurement.
#[derive(Debug)]
pub struct Report {
    /// What was measured.
    pub name: String,
    /// Connections used.
    pub connections: usize,
    /// Requests each of them had on the way at a time.
    pub in_flight: usize,
    /// Requests a second asked for; `None` = closed loop.
    pub rate: Option<f64>,
    /// Requests answered within the measured time.
    pub requests: u64,
    /// Requests refused or lost.
    pub failures: u64,
    /// One refusal, for the reader.
    pub failure: Option<String>,
    /// Requests refused because others came first (`40001`), which is no failure.
    pub conflicts: u64,
    /// Seconds measured.
    pub seconds: f64,
    /// Units of work done, where a request is not one: records loaded.
    pub units: u64,
    /// Latencies, microseconds.
    pub micros: Histogram<u64>,
    /// Share of true neighbours found, for vectors.
    pub recall: Option<f64>,
    /// How fast the data set was loaded, if it was and is large.
    pub loaded: Option<Loaded>,
    /// What became of the accounts, for transfers.
    pub bank: Option<Bank>,
    /// What was logged, for workloads that write.
    pub log: Option<LogWork>,
    /// Time the server says the statements took, for reads at a snapshot: without the network,
    /// HTTP and the wait for a core.
    pub server: Option<Times>,
}

/// What the logs of all shards did, the first tenth of the time included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogWork {
    /// Seconds.
    pub seconds: f64,
    /// Group commits: frames made durable.
    pub frames: f64,
    /// Transactions committed.
    pub commits: f64,
    /// Bytes of the frames.
    pub bytes: f64,
}

impl LogWork {
    /// Returns the figures for people.
    fn text(&self) -> String {
        format!(
            "log: {:.0} group commits/s of {:.1} transactions and {:.0} bytes each, {:.1} MB/s",
            self.frames / self.seconds.max(1e-9),
            self.commits / self.frames.max(1.0),
            self.bytes / self.frames.max(1.0),
            self.bytes / self.seconds.max(1e-9) / 1e6,
        )
    }
}

/// What became of the accounts.
#[derive(Clone, Debug, PartialEq)]
pub struct Bank {
    /// Commits that shards refused because others came first; the server ran them again.
    pub refused_by_shards: f64,
    /// Transfers answered, the first tenth of the time included.
    pub transfers: u64,
    /// Sums of all accounts read meanwhile.
    pub audits: u64,
    /// What was wrong with balances and sums.
    pub anomalies: Vec<String>,
}

impl Bank {
    /// Returns the share of attempts to commit that were refused.
    fn abort_rate(&self) -> f64 {
        self.refused_by_shards / (self.refused_by_shards + self.transfers as f64).max(1.0)
    }
}

impl Report {
    /// Starts an empty report.
    pub fn empty(options: &LoadOptions) -> Self {
        let micros = Histogram::new_with_bounds(1, 120_000_000, 3);
        Self {
            name: format!("{:?}", options.kind),
            connections: options.connections,
            in_flight: options.in_flight,
            rate: options.rate,
            requests: 0,
            failures: 0,
            failure: None,
            conflicts: 0,
            seconds: 0.0,
            units: 0,
            micros: micros.expect("the bounds are in order and 3 digits are allowed"),
            recall: None,
            loaded: None,
            bank: None,
            log: None,
            server: None,
        }
    }

    /// Returns units of work a second.
    pub fn per_second(&self) -> f64 {
        self.units as f64 / self.seconds.max(1e-9)
    }

    /// Returns the figures for people.
    pub fn text(&self) -> String {
        let quantile = |q: f64| self.micros.value_at_quantile(q) as f64 / 1_000.0;
        let pace = match self.rate {
            None => "closed loop".to_owned(),
            Some(rate) => format!("open loop at {rate:.0}/s"),
        };
        let mut text = format!(
            "{:<10} {:>3} x {} in flight, {pace}: {:.0}/s  p50 {:.2} ms  p90 {:.2} ms  \
             p99 {:.2} ms  p99.9 {:.2} ms  max {:.2} ms  ({} requests in {:.1} s",
            self.name,
            self.connections,
            self.in_flight,
            self.per_second(),
            quantile(0.5),
            quantile(0.9),
            quantile(0.99),
            quantile(0.999),
            self.micros.max() as f64 / 1_000.0,
            self.requests,
            self.seconds,
        );
        if let Some(recall) = self.recall {
            text.push_str(&format!(", recall@10 {recall:.4}"));
        }
        if self.failures > 0 {
            let example = self.failure.as_deref().unwrap_or("");
            text.push_str(&format!(", {} FAILED: {example}", self.failures));
        }
        if self.conflicts > 0 {
            text.push_str(&format!(", {} lost races (40001)", self.conflicts));
        }
        text.push(')');
        if let Some(log) = &self.log {
            text.push_str(&format!("\n{:<10} {}", "", log.text()));
        }
        if let Some(server) = &self.server {
            text.push_str(&format!(
                "\n{:<10} of that in the statements: mean {:.3} ms, 99 % within {} ms",
                "",
                server.mean() * 1e3,
                server.bound(0.99) * 1e3,
            ));
        }
        if let Some(bank) = &self.bank {
            text.push_str(&format!(
                "\n{:<10} {} transfers, {:.2} % of their commits refused and run again; {} sums read; \
                 {} anomalies",
                "",
                bank.transfers,
                bank.abort_rate() * 100.0,
                bank.audits,
                bank.anomalies.len(),
            ));
            let some = bank.anomalies.iter().take(ANOMALIES_TOLD);
            some.for_each(|anomaly| text.push_str(&format!("\n  {anomaly}")));
        }
        if let Some(Loaded { records, seconds, tenths }) = &self.loaded {
            let tenths: Vec<String> = tenths.iter().map(|rate| format!("{rate:.0}")).collect();
            let rate = *records as f64 / seconds.max(1e-9);
            text.push_str(&format!(
                "\n{:<10} {records} records loaded in {seconds:.1} s: {rate:.0}/s; by tenths {}",
                "",
                tenths.join(" "),
            ));
        }
        text
    }

    /// Returns the figures for programs.
    pub fn json(&self) -> Value {
        let quantile = |q: f64| self.micros.value_at_quantile(q);
        json!({
            "workload": self.name, "connections": self.connections,
            "in_flight": self.in_flight, "rate": self.rate,
            "per_second": self.per_second(), "requests": self.requests,
            "failures": self.failures, "failure": self.failure, "seconds": self.seconds,
            "units": self.units, "recall": self.recall, "conflicts": self.conflicts,
            "bank": self.bank.as_ref().map(|bank| json!({
                "transfers": bank.transfers, "abort_rate": bank.abort_rate(),
                "audits": bank.audits, "anomalies": bank.anomalies,
            })),
            "log": self.log.map(|log| json!({
                "seconds": log.seconds, "frames": log.frames, "commits": log.commits,
                "bytes": log.bytes,
            })),
            "loaded": self.loaded.map(|loaded| json!({
                "records": loaded.records, "seconds": loaded.seconds, "tenths": loaded.tenths,
            })),
            "micros": { "p50": quantile(0.5), "p90": quantile(0.9), "p99": quantile(0.99),
                        "p999": quantile(0.999), "max": self.micros.max(),
                        "mean": self.micros.mean() },
        })
    }
}
