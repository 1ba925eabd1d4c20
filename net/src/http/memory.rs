//! Where is the memory?

use http::Response;
use metrics::{counter, gauge};
use pieskieo_io::memory;
use pieskieo_query::{Database, Error, ShardStats, SpillUse};
use serde_json::{Value, json};

use crate::front::Front;
use crate::http::answer;
use crate::http::body::Body;

/// Answers what every part of the process holds, and what it may.
///
/// **Errors**: a shard that does not answer.
pub async fn report(front: &Front) -> Result<Response<Body>, Error> {
    let shards = front.database.stats().await?;
    let queries = front.database.memory();
    Ok(answer::json(&json!({
        "budget_bytes": front.options.memory_bytes,
        "resident_bytes": memory::resident_bytes(),
        "queries": { "bytes": queries.bytes(), "bytes_max": queries.bytes_max() },
        "spill": spill(queries.spill()),
        "shards": shards.iter().map(shard).collect::<Vec<_>>(),
    })))
}

fn spill(usage: SpillUse) -> Value {
    json!({ "bytes": usage.bytes, "bytes_max": usage.bytes_max, "files": usage.files })
}

fn shard(stats: &ShardStats) -> Value {
    let mut bytes = serde_json::Map::new();
    let mut sum = 0;
    for (name, part) in parts(stats) {
        bytes.insert(name.to_owned(), json!(part));
        sum += part;
    }
    json!({
        "shard": stats.shard.0,
        "bytes_max": stats.memory_bytes_max,
        "bytes": sum,
        "parts": bytes,
    })
}

/// Returns everything a shard holds.
fn parts(stats: &ShardStats) -> [(&'static str, u64); 7] {
    let memory = &stats.memory;
    [
        ("written", memory.written),
        ("cache", stats.cache_bytes),
        ("segments", memory.segments),
        ("vectors", memory.vectors),
        ("text", memory.text),
        ("graph", memory.graph),
        ("names", memory.names),
    ]
}

/// Sets the gauges of one shard.
pub fn publish_shard(stats: &ShardStats) {
    let shard = stats.shard.to_string();
    for (part, bytes) in parts(stats) {
        gauge!("pieskieo_shard_memory_bytes", "shard" => shard.clone(), "part" => part)
            .set(bytes as f64);
    }
}

/// Sets the gauges of the process.
pub fn publish(database: &Database, budget_bytes: u64) {
    let spill = database.memory().spill();
    let values = [
        ("pieskieo_spill_bytes", spill.bytes),
        ("pieskieo_spill_bytes_max", spill.bytes_max),
        ("pieskieo_spill_files", spill.files),
        ("pieskieo_memory_budget_bytes", budget_bytes),
        ("pieskieo_memory_resident_bytes", memory::resident_bytes()),
        ("pieskieo_query_memory_bytes", database.memory().bytes() as u64),
        ("pieskieo_query_memory_bytes_max", database.memory().bytes_max() as u64),
    ];
    for (name, value) in values {
        gauge!(name).set(value as f64);
    }
    counter!("pieskieo_spilled_bytes_total").absolute(spill.total_bytes);
}
