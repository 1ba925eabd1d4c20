//! What does a whole data folder hold?

use std::path::Path;

use pieskieo_io::file::{Dir, host};
use pieskieo_io::manifest;
use pieskieo_io::wal;
use pieskieo_shards::actor::meta::{self, LOG_FOLDER, SEGMENT_FOLDER};
use serde_json::json;

use super::files::{put_runs, told};
use super::section::{Section, hex};
use crate::serve::ServeError;

/// A data folder: its logs, then the runs of each shard.
pub(super) async fn whole(data: &Path) -> Result<Vec<Section>, ServeError> {
    let missing = || ServeError(format!("\"{}\" holds no data", data.display()));
    let stored = meta::peek(data).map_err(told)?.ok_or_else(missing)?;
    let mut sections = Vec::new();
    let mut contained = Vec::new();
    for shard in 0..stored.shard_count {
        let mut section = Section::new("shard", shard, "runs");
        let folder = data.join(SEGMENT_FOLDER).join(shard.to_string());
        if host::exists(&folder) {
            runs(&folder, &mut section).await?;
        }
        let lsn = section.facts.get("checkpoint_lsn").and_then(serde_json::Value::as_u64);
        contained.push(wal::Lsn(lsn.unwrap_or(0)));
        sections.push(section);
    }
    sections.insert(0, logs(data, &stored, &contained).await?);
    Ok(sections)
}

async fn logs(
    data: &Path,
    stored: &meta::Meta,
    contained: &[wal::Lsn],
) -> Result<Section, ServeError> {
    let mut section = Section::new("data", data.display().to_string(), "logs");
    section.fact("database", hex(&stored.uuid));
    section.fact("shards", stored.shard_count);
    let folder = data.join(LOG_FOLDER);
    if !host::exists(&folder) {
        return Ok(section);
    }
    let dir = Dir::open(&folder).await.map_err(told)?;
    let of_stream = |stream: wal::StreamId| {
        contained.get(usize::from(stream.0)).copied().unwrap_or(wal::Lsn::ZERO)
    };
    let report = wal::verify_from(&dir, of_stream).await.map_err(told)?;
    for log in &report.streams {
        section.row([
            ("shard", json!(log.stream.0)),
            ("files", json!(log.files)),
            ("spares", json!(log.spares)),
            ("frames", json!(log.frames)),
            ("records", json!(log.records)),
            ("first_lsn", json!(log.first.0)),
            ("last_lsn", json!(log.last.0)),
            ("bytes", json!(log.bytes)),
            ("checksum", json!(if log.damage.is_empty() { "ok" } else { "wrong" })),
        ]);
        let damage = log.damage.iter().map(|damage| format!("shard {}: {damage}", log.stream));
        section.damage.extend(damage);
    }
    Ok(section)
}

async fn runs(folder: &Path, section: &mut Section) -> Result<(), ServeError> {
    let dir = Dir::open(folder).await.map_err(told)?;
    let Some(newest) = manifest::newest(&dir).await.map_err(told)? else {
        section.damage.push("there is no manifest".to_owned());
        return Ok(());
    };
    section.fact("manifest", newest.as_str());
    match manifest::read(&dir, &newest).await {
        Ok(reading) => put_runs(&reading, section),
        Err(manifest::Error::Damaged(damage)) => section.damage.push(damage.to_string()),
        Err(error) => return Err(told(error)),
    }
    Ok(())
}
