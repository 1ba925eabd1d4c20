//! Is the data in a folder what was written?
//!
//! 1. The folder is kept to this process, so that no file is being written.
//! 2. Every log is read to its end, and every block of every segment the manifests name; nothing is
//!    changed.
//! 3. If that found damage and a repair is wanted, what can be made from records is made good
//!    (`pieskieo_shards::examine`), and everything is read again.
//! 4. If that found no damage and a deep examination is wanted, the folder is opened as a server
//!    would open it, and every index is compared with its records.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pieskieo_io::file::{Dir, host};
use pieskieo_io::rt::{self, CoreId, RuntimeOptions};
use pieskieo_io::wal;
use pieskieo_shards::actor::meta::{HISTORY_FOLDER, LOG_FOLDER, META_FILE, Meta, SEGMENT_FOLDER};
use pieskieo_shards::actor::{Core, CoreBoot, meta};
use pieskieo_shards::examine::{
    HistoryCheck, ShardCheck, ShardRepair, check, check_history, repair,
};
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::request::{Reply, Request};

use crate::config::Config;
use crate::serve::{Booted, ServeError, boot};
use pieskieo_query::{Database, SessionOptions};

/// What an examination found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What there is, a line for each log and each shard's segments.
    pub facts: Vec<String>,
    /// What was made good.
    pub repairs: Vec<String>,
    /// What is not as it was written, and was not made good; empty for sound data.
    pub faults: Vec<String>,
}

/// What an examination is to do besides reading every file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Compare every index and constraint with its records.
    pub deep: bool,
    /// Make good what can be made from the records.
    pub repair: bool,
}

/// What was read of one data folder.
struct Files {
    logs: wal::Report,
    /// By shard; `None` when its folder is missing.
    shards: Vec<Option<ShardCheck>>,
    history: HistoryCheck,
}

/// Examines a data folder.
///
/// **Errors**: the folder cannot be examined at all: a server has it open, or it holds no data.
pub fn verify(config: &Config, options: VerifyOptions) -> Result<Findings, ServeError> {
    let Some(stored) = meta::peek(&config.data).map_err(told)? else {
        let shown = config.data.display();
        let lost = host::exists(config.data.join(LOG_FOLDER));
        return Err(ServeError(match lost {
            true => format!("{META_FILE} is missing in \"{shown}\": put it back"),
            false => format!("\"{shown}\" holds no data"),
        }));
    };
    let mut findings = describe(&read_files(&config.data, &stored)?, &stored);
    if options.repair && !findings.faults.is_empty() {
        let repairs = make_good(&config.data, &stored)?;
        let again = describe(&read_files(&config.data, &stored)?, &stored);
        findings = Findings { repairs, ..again };
    }
    if options.deep && findings.faults.is_empty() {
        findings.faults = compare_indexes(config)?;
    }
    Ok(findings)
}

/// Reads every file and writes nothing.
fn read_files(data: &Path, stored: &Meta) -> Result<Files, ServeError> {
    alone(data, stored, examine)
}

/// Makes good what can be made from the records; returns a line for each thing.
fn make_good(data: &Path, stored: &Meta) -> Result<Vec<String>, ServeError> {
    alone(data, stored, repair_all)
}

/// Runs `work` on one core with the folder kept to this process.
fn alone<T, Fut>(
    data: &Path,
    stored: &Meta,
    work: fn(PathBuf, Meta) -> Fut,
) -> Result<T, ServeError>
where
    T: Send + 'static,
    Fut: Future<Output = Result<T, ServeError>> + 'static,
{
    let lock = host::lock_folder(data).map_err(told)?;
    let (data, stored) = (data.to_path_buf(), stored.clone());
    let running = rt::start(RuntimeOptions::cores(1), move |_| work(data.clone(), stored.clone()));
    let reports = running.map_err(told)?.join().map_err(told)?;
    drop(lock);
    reports.into_iter().next().unwrap_or_else(|| Err(ServeError("nothing was read".to_owned())))
}

/// A shard whose manifest is damaged, or missing, is left as it is: its fault is told already.
async fn repair_all(data: PathBuf, stored: Meta) -> Result<Vec<String>, ServeError> {
    let mut repairs = Vec::new();
    for shard in 0..stored.shard_count {
        let folder = data.join(SEGMENT_FOLDER).join(shard.to_string());
        if !host::exists(&folder) {
            continue;
        }
        let dir = Dir::open(&folder).await.map_err(told)?;
        match repair(&dir, stored.uuid, ShardId(shard)).await {
            Ok(ShardRepair { done }) => {
                repairs.extend(done.iter().map(|text| format!("shard {shard}: {text}")));
            }
            Err(pieskieo_shards::Error::Corrupt(_)) => {}
            Err(error) => return Err(told(error)),
        }
    }
    Ok(repairs)
}

async fn examine(data: PathBuf, stored: Meta) -> Result<Files, ServeError> {
    let mut shards = Vec::new();
    for shard in 0..stored.shard_count {
        let folder = data.join(SEGMENT_FOLDER).join(shard.to_string());
        shards.push(match host::exists(&folder) {
            true => {
                let dir = Dir::open(&folder).await.map_err(told)?;
                Some(check(&dir, stored.uuid, ShardId(shard)).await.map_err(told)?)
            }
            false => None,
        });
    }
    let contained = |stream: wal::StreamId| {
        let shard = shards.get(usize::from(stream.0)).and_then(Option::as_ref);
        wal::Lsn(shard.map_or(0, |shard| shard.checkpoint))
    };
    let logs = Dir::open(&data.join(LOG_FOLDER)).await.map_err(told)?;
    let logs = wal::verify_from(&logs, contained).await.map_err(told)?;
    let folder = data.join(HISTORY_FOLDER);
    let history = match host::exists(&folder) {
        true => {
            let dir = Dir::open(&folder).await.map_err(told)?;
            check_history(&dir, stored.uuid).await.map_err(told)?
        }
        false => HistoryCheck::default(),
    };
    Ok(Files { logs, shards, history })
}

/// Says what the files hold.
fn describe(files: &Files, stored: &Meta) -> Findings {
    let mut findings = Findings::default();
    let begun = files.logs.streams.iter().any(|log| log.records > 0);
    for (shard, segments) in (0..stored.shard_count).zip(&files.shards) {
        let log = files.logs.streams.iter().find(|log| log.stream.0 == shard);
        describe_log(log, (shard, begun), stored, &mut findings);
        let Some(segments) = segments else {
            lost(begun, shard, "folder of segments", &mut findings);
            continue;
        };
        let of_shard = |text: &String| format!("shard {shard}: {text}");
        findings.facts.extend(segments.facts.iter().map(of_shard));
        findings.faults.extend(segments.faults.iter().map(of_shard));
    }
    findings.facts.extend_from_slice(&files.history.facts);
    findings.faults.extend_from_slice(&files.history.faults);
    findings
}

/// Says what a log holds.
fn describe_log(
    log: Option<&wal::StreamReport>,
    (shard, begun): (u16, bool),
    stored: &Meta,
    findings: &mut Findings,
) {
    let Some(log) = log else {
        lost(begun, shard, "log", findings);
        return;
    };
    if log.files == 0 && log.damage.is_empty() {
        lost(begun, shard, "log", findings);
    }
    findings.facts.push(format!(
        "shard {shard}: {} log records up to LSN {}, {} bytes in {} files",
        log.records, log.last, log.bytes, log.files
    ));
    findings.facts.extend(log.notes.iter().map(|note| format!("shard {shard}: {note}")));
    let damage = log.damage.iter().map(|damage| format!("shard {shard}: {damage}"));
    findings.faults.extend(damage);
    if log.files > 0 && log.database != stored.uuid && log.database != [0; 16] {
        findings.faults.push(format!(
            "shard {shard}: the log belongs to another database than {META_FILE} says: put back \
             the files that belong here"
        ));
    }
}

/// Notes what is not there. A folder whose first start was cut short may lack it; beside a log with
/// records it is a loss.
fn lost(begun: bool, shard: u16, what: &str, findings: &mut Findings) {
    if begun {
        findings.faults.push(format!("shard {shard}: its {what} is missing"));
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
