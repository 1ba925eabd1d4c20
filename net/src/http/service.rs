//! Health, readiness, metrics: how does an operator watch the server?

use http::{Response, StatusCode};
use metrics::{counter, gauge};
use serde_json::json;

use crate::front::Front;
use crate::http::answer;
use crate::http::body::Body;
use crate::http::memory;
use crate::http::openapi;

/// Answers while the process lives.
pub fn health() -> Response<Body> {
    answer::json(&json!({ "status": "alive" }))
}

/// Answers 200 once recovery is done, 503 before that and while shutting down.
pub fn ready(front: &Front) -> Response<Body> {
    if front.ready.get() {
        return answer::json(&json!({ "status": "ready" }));
    }
    let mut response = answer::json(&json!({ "status": "not ready" }));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

/// Answers Prometheus' text format. Asks every shard for its counters first.
pub async fn metrics(front: &Front) -> Response<Body> {
    if front.ready.get() {
        match front.database.stats().await {
            Ok(shards) => {
                shards.iter().for_each(publish);
                shards.iter().for_each(memory::publish_shard);
                let keys = front.database.remembered_keys(&shards);
                gauge!("pieskieo_idempotency_keys").set(keys as f64);
            }
            Err(error) => tracing::warn!(message = error.message, "read shard counters"),
        }
        match front.database.open_transactions().await {
            Ok(count) => gauge!("pieskieo_transactions_open").set(count as f64),
            Err(error) => tracing::warn!(message = error.message, "count transactions"),
        }
        match front.database.slow_statements().await {
            Ok(count) => counter!("pieskieo_slow_statements_total").absolute(count),
            Err(error) => tracing::warn!(message = error.message, "count slow statements"),
        }
    }
    memory::publish(&front.database, front.options.memory_bytes);
    answer::typed(Body::full(front.recorder.render()), "text/plain; version=0.0.4; charset=utf-8")
}

fn publish(stats: &pieskieo_query::ShardStats) {
    let shard = stats.shard.to_string();
    let records: u64 = stats.records.iter().map(|(_, count)| count).sum();
    let values = [
        ("pieskieo_shard_records", records as f64),
        ("pieskieo_shard_memory_bytes_max", stats.memory_bytes_max as f64),
        ("pieskieo_shard_disk_full", f64::from(u8::from(stats.is_disk_full))),
        ("pieskieo_shard_segment_bytes", stats.segment_bytes as f64),
        ("pieskieo_shard_segments", stats.segments as f64),
        ("pieskieo_shard_cache_bytes", stats.cache_bytes as f64),
        ("pieskieo_shard_cache_hits", stats.cache_hits as f64),
        ("pieskieo_shard_cache_misses", stats.cache_misses as f64),
        ("pieskieo_shard_log_bytes", stats.log_bytes as f64),
        ("pieskieo_shard_log_flushes", stats.log_flushes as f64),
        ("pieskieo_shard_commits", stats.commits as f64),
        ("pieskieo_shard_conflicts", stats.conflicts as f64),
        ("pieskieo_shard_vectors_pending", stats.vectors_pending as f64),
        ("pieskieo_shard_replayed_records", stats.replayed as f64),
        ("pieskieo_shard_replay_seconds", stats.replay_ms as f64 / 1_000.0),
        ("pieskieo_shard_images", stats.images as f64),
        ("pieskieo_shard_image_bytes", stats.image_bytes as f64),
        ("pieskieo_shard_image_seconds", stats.image_ms as f64 / 1_000.0),
        ("pieskieo_shard_indexes_rebuilt", stats.indexes_rebuilt as f64),
    ];
    for (name, value) in values {
        gauge!(name, "shard" => shard.clone()).set(value);
    }
}

/// Answers the description of this interface.
pub fn openapi() -> Response<Body> {
    answer::json(&openapi::document())
}

/// Says where to look next.
pub fn welcome() -> Response<Body> {
    answer::json(&json!({
        "name": "pieskieo",
        "version": env!("CARGO_PKG_VERSION"),
        "statements": "POST /v1/query {\"pql\": \"SELECT 1\"}",
        "interface": "/openapi.json",
        "metrics": "/metrics",
    }))
}
