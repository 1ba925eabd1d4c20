//! What does the front door measure, and how is it scraped?

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use pieskieo_io::rt;

/// Upper bounds of the latency buckets, seconds.
const SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
    2.0, 5.0, 10.0, 30.0,
];

/// How long samples wait at most. At 50,000 requests a second they take some 4 MB then.
const SUM_UP_INTERVAL: Duration = Duration::from_secs(5);

/// Renders everything measured in this process in Prometheus' text format.
#[derive(Clone)]
pub struct Recorder(PrometheusHandle);

impl Recorder {
    /// Makes this process measure. All servers of a process share what is measured.
    pub fn install() -> Self {
        static INSTALLED: OnceLock<Recorder> = OnceLock::new();
        INSTALLED.get_or_init(Self::begin).clone()
    }

    fn begin() -> Self {
        let suffix = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new();
        let recorder = match builder.set_buckets_for_metric(suffix, SECONDS) {
            Ok(builder) => builder.build_recorder(),
            Err(_) => PrometheusBuilder::new().build_recorder(),
        };
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_ok() {
            describe();
        }
        Self(handle)
    }

    /// Sums up what was measured from time to time: samples wait for that in memory, and without
    /// scrapes they would wait for ever. Runs until its core stops.
    pub async fn sum_up(self) {
        loop {
            rt::sleep(SUM_UP_INTERVAL).await;
            self.0.run_upkeep();
        }
    }

    /// Returns the text of a scrape. Cost: proportional to the number of series.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

fn describe() {
    describe_counter!("pieskieo_statements_total", "statements run, by kind and outcome");
    describe_histogram!("pieskieo_statement_seconds", "time of a statement, by kind");
    describe_counter!("pieskieo_requests_total", "HTTP requests, by route and status");
    describe_histogram!("pieskieo_request_seconds", "time to the answer's head, by route");
    describe_counter!("pieskieo_records_loaded_total", "records stored by bulk load");
    describe_gauge!("pieskieo_connections_open", "open client connections");
    describe_counter!("pieskieo_connections_refused_total", "connections over the limit");
    describe_gauge!("pieskieo_transactions_open", "transactions that outlive their requests");
    describe_counter!("pieskieo_slow_statements_total", "statements logged as slow");
    describe_gauge!("pieskieo_idempotency_keys", "answers stored under idempotency keys");
    describe_gauge!("pieskieo_shard_records", "current records, by shard");
    describe_gauge!("pieskieo_memory_budget_bytes", "memory the process may use");
    describe_gauge!("pieskieo_memory_resident_bytes", "memory the process has");
    describe_gauge!("pieskieo_query_memory_bytes", "memory queries sort, group and join in");
    describe_gauge!("pieskieo_query_memory_bytes_max", "memory queries may use together");
    describe_gauge!("pieskieo_spill_bytes", "bytes queries have on disk for want of memory");
    describe_gauge!("pieskieo_spill_bytes_max", "bytes queries may have on disk together");
    describe_gauge!("pieskieo_spill_files", "files queries have for want of memory");
    describe_counter!("pieskieo_spilled_bytes_total", "bytes queries wrote for want of memory");
    describe_gauge!("pieskieo_shard_memory_bytes", "estimated memory, by shard and part");
    describe_gauge!("pieskieo_shard_memory_bytes_max", "memory a shard may use, by shard");
    describe_gauge!("pieskieo_shard_disk_full", "1 while writes are refused for want of room");
    describe_gauge!("pieskieo_shard_segment_bytes", "bytes of segment files, by shard");
    describe_gauge!("pieskieo_shard_segments", "segment files, by shard");
    describe_gauge!("pieskieo_shard_cache_bytes", "bytes of row groups in memory, by shard");
    describe_gauge!(
        "pieskieo_shard_cache_hits",
        "row groups found in memory since start, by shard"
    );
    describe_gauge!(
        "pieskieo_shard_cache_misses",
        "row groups read from disk since start, by shard"
    );
    describe_gauge!("pieskieo_shard_log_bytes", "bytes logged since start, by shard");
    describe_gauge!("pieskieo_shard_log_flushes", "log flushes since start, by shard");
    describe_gauge!("pieskieo_shard_commits", "transactions committed since start, by shard");
    describe_gauge!("pieskieo_shard_conflicts", "transactions refused since start, by shard");
    describe_gauge!("pieskieo_shard_vectors_pending", "vectors not yet in a graph, by shard");
    describe_gauge!("pieskieo_shard_replayed_records", "records replayed at start, by shard");
    describe_gauge!("pieskieo_shard_replay_seconds", "time the replay took, by shard");
    describe_gauge!("pieskieo_shard_images", "indexes with an image on disk, by shard");
    describe_gauge!("pieskieo_shard_image_bytes", "bytes of images and their lists, by shard");
    describe_gauge!("pieskieo_shard_image_seconds", "time the start read images, by shard");
    describe_gauge!("pieskieo_shard_indexes_rebuilt", "indexes filled at start, by shard");
}

/// Notes one finished statement.
pub fn statement(kind: &'static str, outcome: &'static str, took: Duration) {
    counter!("pieskieo_statements_total", "kind" => kind, "outcome" => outcome).increment(1);
    histogram!("pieskieo_statement_seconds", "kind" => kind).record(took.as_secs_f64());
}

/// Notes one answered request.
pub fn request(route: &'static str, status: u16, took: Duration) {
    let class = match status {
        0..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    counter!("pieskieo_requests_total", "route" => route, "status" => class).increment(1);
    histogram!("pieskieo_request_seconds", "route" => route).record(took.as_secs_f64());
}
