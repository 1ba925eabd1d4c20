//! Is the data in a folder what was written?
//!
//! 1. The folder is kept to this process, so that no file is being written.
//! 2. Every log is read to its end and nothing is changed; damage ends the examination here.
//! 3. The folder is opened as a server would open it, and every index is compared with its records.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pieskieo_io::file::{Dir, host};
use pieskieo_io::rt::{self, CoreId, RuntimeOptions};
use pieskieo_io::wal;
use pieskieo_shards::actor::{Core, CoreBoot, meta};
use pieskieo_shards::request::{Reply, Request};

use crate::config::Config;
use crate::serve::{Booted, ServeError, boot};
use pieskieo_query::{Database, SessionOptions};

/// Folder of the logs within the data folder.
const LOG_FOLDER: &str = "log";

/// What an examination found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What there is, a line for each log.
    pub facts: Vec<String>,
    /// What is not as it was written; empty for sound data.
    pub faults: Vec<String>,
}

/// Examines a data folder.
///
/// **Errors**: the folder cannot be examined at all: a server has it open, or it holds no data.
pub fn verify(config: &Config) -> Result<Findings, ServeError> {
    let stored = meta::peek(&config.data).map_err(told)?;
    let Some(stored) = stored else {
        let shown = config.data.display();
        return Err(ServeError(format!("\"{shown}\" holds no data")));
    };
    let mut findings = describe(&read_logs(&config.data)?, stored.shard_count);
    if findings.faults.is_empty() {
        findings.faults = compare_indexes(config)?;
    }
    Ok(findings)
}

/// Reads every log and writes nothing.
fn read_logs(data: &Path) -> Result<wal::Report, ServeError> {
    let lock = host::lock_folder(data).map_err(told)?;
    let logs = data.join(LOG_FOLDER);
    let running = rt::start(RuntimeOptions::cores(1), move |_| examine(logs.clone()));
    let reports = running.map_err(told)?.join().map_err(told)?;
    drop(lock);
    reports.into_iter().next().unwrap_or_else(|| Err(ServeError("no log was read".to_owned())))
}

async fn examine(logs: PathBuf) -> Result<wal::Report, ServeError> {
    let dir = Dir::open(&logs).await.map_err(told)?;
    wal::verify(&dir).await.map_err(told)
}

/// Says what the logs hold.
fn describe(report: &wal::Report, shard_count: u16) -> Findings {
    let mut findings = Findings::default();
    let begun = report.streams.iter().any(|log| log.records > 0);
    for shard in 0..shard_count {
        let of_shard = |log: &&wal::StreamReport| log.stream.0 == shard;
        let Some(log) = report.streams.iter().find(of_shard) else {
            lost(begun, shard, &mut findings);
            continue;
        };
        if log.files == 0 && log.damage.is_empty() {
            lost(begun, shard, &mut findings);
        }
        findings.facts.push(format!(
            "shard {shard}: {} log records up to LSN {}, {} bytes in {} files",
            log.records, log.last, log.bytes, log.files
        ));
        findings.facts.extend(log.notes.iter().map(|note| format!("shard {shard}: {note}")));
        let damage = log.damage.iter().map(|damage| format!("shard {shard}: {damage}"));
        findings.faults.extend(damage);
    }
    findings
}

/// Notes a log that is not there. A folder whose first start was cut short may lack logs; beside a
/// log with records it is a loss.
fn lost(begun: bool, shard: u16, findings: &mut Findings) {
    if begun {
        findings.faults.push(format!("shard {shard}: its log is missing"));
    }
}

/// Opens the data without serving it and compares every index with its records.
fn compare_indexes(config: &Config) -> Result<Vec<String>, ServeError> {
    let Booted { cores, boot, .. } = boot(config)?;
    let boot = Arc::new(boot);
    let options = RuntimeOptions::cores(u16::try_from(cores).unwrap_or(u16::MAX));
    let running = rt::start(options, move |core| {
        let boot = boot.take(core);
        async move { compare_on(core, boot).await }
    });
    let results = running.map_err(told)?.join().map_err(told)?;
    let all: Result<Vec<Vec<String>>, ServeError> = results.into_iter().collect();
    Ok(all?.into_iter().flatten().collect())
}

async fn compare_on(
    core: CoreId,
    boot: Result<CoreBoot, pieskieo_shards::Error>,
) -> Result<Vec<String>, ServeError> {
    let engine = Core::open(boot.map_err(told)?).await.map_err(told)?;
    let mut faults = Vec::new();
    if core.0 == 0 {
        for shard in engine.shards() {
            match engine.call(shard, Request::Verify { table: None }).await.map_err(told)? {
                Reply::Verified(found) => {
                    faults.extend(found.into_iter().map(|text| format!("shard {shard}: {text}")));
                }
                other => return Err(ServeError(format!("a shard answered {other:?}"))),
            }
        }
        let database = Database::open(engine.clone(), SessionOptions::default());
        faults.extend(database.verify_constraints().await.map_err(told)?);
        rt::request_shutdown();
    } else {
        rt::shutdown_requested().await;
    }
    engine.close().await.map_err(told)?;
    Ok(faults)
}

fn told(error: impl std::fmt::Display) -> ServeError {
    ServeError(error.to_string())
}
