//! How fast does the engine commit without a network before it?
//!
//! Everything a server has below its door, in this process: writers on every core run single-record
//! `INSERT`s, each the next when the last is durable. Beside [`super::log`], which is the log alone
//! with as many writers, this tells what statements, commits and tables cost, and beside the
//! workload `point-write` what HTTP, sockets and another process do.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use pieskieo_io::file::host;
use pieskieo_io::rt::{self, Queue, RuntimeOptions};
use pieskieo_io::time;
use pieskieo_io::wal::WalOptions;
use pieskieo_query::{Database, Param, SessionOptions};
use pieskieo_shards::actor::{Boot, BootOptions, Core, StorageOptions};
use serde_json::json;

use super::log::{LogReport, Sync};

const TABLE: &str = "CREATE TABLE bench_row (id BIGINT PRIMARY KEY, n BIGINT, name TEXT)";
const INSERT: &str = "INSERT INTO bench_row (id, n, name) VALUES ($1, $2, $3)";

/// How the engine is driven.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The folder on the disk to be measured; a new one is made in it and removed again.
    pub folder: PathBuf,
    /// Shards, each on a core of its own.
    pub shards: u16,
    /// Writers over all cores.
    pub writers: usize,
    /// How commits are made durable.
    pub sync: Sync,
    /// How long.
    pub time: Duration,
}

/// Drives the engine. Starts a runtime of its own.
///
/// **Errors**: a folder that cannot be made, an engine that fails, in words.
pub fn drive_engine(options: &EngineOptions) -> Result<LogReport, String> {
    let folder = options.folder.join(format!("pieskieo-engine-{}", std::process::id()));
    host::create_folder(&folder).map_err(|error| error.to_string())?;
    let report = on_cores(options, &folder);
    host::remove_folder(&folder).map_err(|error| error.to_string())?;
    report
}

fn on_cores(options: &EngineOptions, folder: &Path) -> Result<LogReport, String> {
    let boot = Boot::new(BootOptions {
        path: folder.join("data"),
        cores: options.shards,
        shard_count: Some(options.shards),
        wal: WalOptions::from(options.sync),
        storage: StorageOptions::default(),
    });
    let boot = Arc::new(boot.map_err(|error| error.to_string())?);
    let settings = options.clone();
    let running = rt::start(RuntimeOptions::cores(options.shards), move |core| {
        let (settings, boot) = (settings.clone(), boot.clone());
        async move {
            let taken = boot.take(core).map_err(|error| error.to_string())?;
            let engine = Core::open(taken).await.map_err(|error| error.to_string())?;
            let report = on_core(&settings, &engine).await;
            let closed = engine.close().await.map_err(|error| error.to_string());
            closed.and(report)
        }
    });
    let cores = running.map_err(|e| e.to_string())?.join().map_err(|e| e.to_string())?;
    let mut total = LogReport::default();
    for core in cores {
        total.add(core?);
    }
    Ok(total)
}

async fn on_core(options: &EngineOptions, engine: &Rc<Core>) -> Result<LogReport, String> {
    let database = Database::open(engine.clone(), SessionOptions::default());
    let core = usize::from(engine.id().0);
    if core == 0 {
        database.session().run(TABLE, &[]).await.map_err(|error| error.to_string())?;
    }
    while engine.catalog().table_named("bench_row").is_none() {
        rt::sleep(Duration::from_millis(1)).await;
    }
    // All cores have the table a moment after this one.
    rt::sleep(Duration::from_millis(50)).await;
    let shards = usize::from(options.shards);
    let mine = options.writers / shards + usize::from(core < options.writers % shards);
    let (committed, before, started) = (Rc::new(Cell::new(0)), frames(engine).await?, time::now());
    let writers = (0..mine).map(|_| {
        let (session, engine, committed) = (database.session(), engine.clone(), committed.clone());
        let time = options.time;
        rt::spawn(Queue::Net, "writer", async move {
            while started.elapsed() < time {
                let id = engine.generate_id();
                let row = [json!(id), json!(id % 1000), json!("a record of the bench")];
                let row = row.map(Param::Json);
                session.run(INSERT, &row).await.map_err(|error| error.to_string())?;
                committed.set(committed.get() + 1);
            }
            Ok::<_, String>(())
        })
    });
    for writer in join_all(writers).await {
        writer?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let (frames, bytes) = frames(engine).await?;
    // Each core counts its own commits; all see the frames of all.
    let share = |now: u64, before: u64| if core == 0 { now - before } else { 0 };
    Ok(LogReport {
        records: committed.get(),
        frames: share(frames, before.0),
        bytes: share(bytes, before.1),
        seconds,
    })
}

/// Returns the frames written to all logs, and their bytes.
async fn frames(engine: &Rc<Core>) -> Result<(u64, u64), String> {
    let stats = engine.stats().await.map_err(|error| error.to_string())?;
    Ok(stats.iter().fold((0, 0), |(frames, bytes), shard| {
        (frames + shard.log_flushes, bytes + shard.log_bytes)
    }))
}
