//! What stands in a log file, a segment, a manifest?

use std::path::Path;

use pieskieo_io::file::Dir;
use pieskieo_io::manifest::{self, Reading};
use pieskieo_io::segment::{self, PartKind};
use pieskieo_io::wal::{self, FileListing, FileState, FrameListing};
use pieskieo_shards::examine::{RunListing, layout, record_name};
use serde_json::{Value, json};

use super::section::{Section, hex};
use crate::serve::ServeError;

/// Names of the parts of a run (`shards/src/tree/run.rs`), and of an image of an index and a list
/// beside it (`shards/src/actor/image.rs`).
const PARTS: [(PartKind, &str); 7] = [
    (PartKind(1), "groups"),
    (PartKind(2), "fences"),
    (PartKind(3), "filter"),
    (PartKind(4), "zones"),
    (PartKind(16), "image head"),
    (PartKind(17), "image"),
    (PartKind(18), "changed keys"),
];

/// Files of a log.
pub(super) async fn logs(folder: &Path, files: &[String]) -> Result<Vec<Section>, ServeError> {
    let dir = Dir::open(folder).await.map_err(told)?;
    let mut sections = Vec::new();
    for file in files {
        sections.push(log(&wal::list(&dir, file, record_name).await.map_err(told)?));
    }
    Ok(sections)
}

fn log(listing: &FileListing) -> Section {
    let mut section = Section::new("file", listing.file.as_str(), "frames");
    section.fact("bytes", listing.bytes);
    match &listing.state {
        FileState::Log { stream, database, epoch, first, released, bytes } => {
            section.fact("shard", stream.0);
            section.fact("database", hex(database));
            section.fact("epoch", *epoch);
            section.fact("first_lsn", first.0);
            section.fact("released_lsn", released.0);
            if *bytes != listing.bytes {
                section.damage.push(format!(
                    "the file is cut off: its header says {bytes} bytes; restore it from a backup"
                ));
            }
        }
        FileState::Spare => section.fact("state", "spare"),
        FileState::Version(version) => section.damage.push(format!(
            "format version {version} is unknown to this program; use the version of Pieskieo \
             that wrote it"
        )),
        FileState::Unreadable => {
            section.damage.push("the header block is unreadable".to_owned());
        }
    }
    listing.frames.iter().for_each(|frame| log_frame(frame, &mut section));
    if let Some(end) = &listing.end {
        section.fact(
            "ends",
            format!("at offset {}, before LSN {}: {}", end.offset, end.next, end.what),
        );
        if !end.is_sound {
            let (offset, next) = (end.offset, end.next);
            section.damage.push(format!(
                "offset {offset}, LSN {next}: {}, and frames stand behind it",
                end.what
            ));
        }
    }
    section
}

fn log_frame(frame: &FrameListing, section: &mut Section) {
    let kinds: Vec<String> =
        frame.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    section.row([
        ("offset", json!(frame.offset)),
        ("sequence", json!(frame.sequence)),
        ("kind", json!(frame.kind)),
        ("first_lsn", json!(frame.first.0)),
        ("records", json!(frame.records)),
        ("record_kinds", json!(kinds.join(", "))),
        ("bytes", json!(frame.bytes)),
        ("durable_lsn", json!(frame.durable.0)),
        ("checksum", json!("ok")),
    ]);
}

/// Segments.
pub(super) async fn segments(folder: &Path, files: &[String]) -> Result<Vec<Section>, ServeError> {
    let dir = Dir::open(folder).await.map_err(told)?;
    let mut sections = Vec::new();
    for file in files {
        let found = segment::examine(&dir, file).await.map_err(told)?;
        let mut section = Section::new("file", found.file.as_str(), "blocks");
        section.fact("bytes", found.bytes);
        if let Some(identity) = found.identity {
            section.fact("segment", identity.id.0);
            section.fact("shard", identity.stream.0);
            section.fact("database", hex(&identity.database));
        }
        for part in &found.parts {
            let known = PARTS.iter().find(|(kind, _)| *kind == part.kind);
            let name = known.map_or_else(|| part.kind.to_string(), |(_, name)| (*name).to_owned());
            for (number, block) in part.blocks.iter().enumerate() {
                section.row([
                    ("part", json!(name)),
                    ("block", json!(number)),
                    ("offset", json!(block.offset)),
                    ("stored_bytes", json!(block.stored_bytes)),
                    ("raw_bytes", json!(block.raw_bytes)),
                    ("codec", json!(block.codec)),
                    ("checksum", json!(if block.is_sound { "ok" } else { "wrong" })),
                ]);
            }
        }
        section.damage.extend(found.damage.iter().map(ToString::to_string));
        sections.push(section);
    }
    Ok(sections)
}

/// Manifests: their frames, and what they come to.
pub(super) async fn manifests(folder: &Path, files: &[String]) -> Result<Vec<Section>, ServeError> {
    let dir = Dir::open(folder).await.map_err(told)?;
    let mut sections = Vec::new();
    for file in files {
        match manifest::read(&dir, file).await {
            Ok(reading) => sections.extend(manifest_sections(&reading)),
            Err(manifest::Error::Damaged(damage)) => {
                let mut section = Section::new("file", file.as_str(), "frames");
                section.damage.push(damage.to_string());
                sections.push(section);
            }
            Err(error) => return Err(told(error)),
        }
    }
    Ok(sections)
}

fn manifest_sections(reading: &Reading) -> [Section; 2] {
    let mut frames = Section::new("file", reading.file.as_str(), "frames");
    frames.fact("bytes", reading.bytes);
    frames.fact("generation", reading.generation);
    frames.fact("shard", reading.identity.stream.0);
    frames.fact("database", hex(&reading.identity.database));
    if reading.torn_bytes > 0 {
        frames.fact("torn_bytes", reading.torn_bytes);
    }
    for frame in &reading.frames {
        frames.row([
            ("offset", json!(frame.offset)),
            ("sequence", json!(frame.sequence)),
            ("kind", json!(frame.kind)),
            ("bytes", json!(frame.bytes)),
            ("checksum", json!("ok")),
        ]);
    }
    let mut content = Section::new("content_of", reading.file.as_str(), "runs");
    put_runs(reading, &mut content);
    [frames, content]
}

/// Says what a manifest comes to.
pub(super) fn put_runs(reading: &Reading, section: &mut Section) {
    let layout = match layout(reading) {
        Ok(layout) => layout,
        Err(error) => {
            section.damage.push(error.to_string());
            return;
        }
    };
    match &layout.checkpoint {
        None => section.fact("checkpoint", Value::Null),
        Some(checkpoint) => {
            section.fact("checkpoint_lsn", checkpoint.lsn);
            section.fact("checkpoint_timestamp", checkpoint.timestamp);
            section.fact("catalog", checkpoint.catalog);
            section.fact("tables", checkpoint.tables);
            section.fact("records", checkpoint.records);
            section.fact("decisions", checkpoint.decisions);
            section.fact("emptied_ranges", checkpoint.emptied_ranges);
        }
    }
    layout.runs.iter().for_each(|run| put_run(run, section));
    for image in &layout.images {
        // The columns of a run, so that both stand in one table.
        section.row([
            ("tree", json!(image.name)),
            ("level", Value::Null),
            ("file", json!(image.file)),
            ("rows", json!(image.count)),
            ("deletions", Value::Null),
            ("bytes", json!(image.bytes)),
            ("raw_bytes", Value::Null),
            ("first_key", Value::Null),
            ("last_key", Value::Null),
            ("newest", Value::Null),
        ]);
    }
}

fn put_run(run: &RunListing, section: &mut Section) {
    section.row([
        ("tree", json!(run.tree)),
        ("level", json!(run.level)),
        ("file", json!(run.file)),
        ("rows", json!(run.versions)),
        ("deletions", json!(run.deletions)),
        ("bytes", json!(run.bytes)),
        ("raw_bytes", json!(run.raw_bytes)),
        ("first_key", json!(run.first)),
        ("last_key", json!(run.last)),
        ("newest", json!(run.newest)),
    ]);
}

pub(super) fn told(error: impl std::fmt::Display) -> ServeError {
    ServeError(error.to_string())
}
