//! How fast is the log alone?
//!
//! The engine's write-ahead log without an engine: a stream per core, as a server has one per
//! shard, and writers that append a record and wait until it is durable. The disk completes no
//! group commits faster than this.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use clap::ValueEnum;
use futures::future::join_all;
use pieskieo_io::file::{Dir, host};
use pieskieo_io::rt::{self, Queue, RuntimeOptions};
use pieskieo_io::time;
use pieskieo_io::wal::{StreamId, SyncMethod, Wal, WalOptions};

/// Bytes of the record a server logs for one request of the workload `point-write`. Most frames of
/// one record have 86 bytes, as `pieskieo inspect wal` shows them after that workload with 100,000
/// records; one of them is the record's length.
pub const POINT_WRITE_BYTES: usize = 85;

/// How records are made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sync {
    /// By the faster of the two, which is measured first.
    Calibrated,
    /// Every write carries its own sync.
    WithWrite,
    /// A write, then a sync.
    AfterWrite,
}

/// How the log is driven.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The folder on the disk to be measured; a new one is made in it and removed again.
    pub folder: PathBuf,
    /// Streams, each on a core of its own.
    pub streams: u16,
    /// Writers over all streams.
    pub writers: usize,
    /// Bytes of a record.
    pub record_bytes: usize,
    /// How they are made durable.
    pub sync: Sync,
    /// How long.
    pub time: Duration,
}

/// What the log did.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogReport {
    /// Records durable.
    pub records: u64,
    /// Frames written to all streams, a group of records each.
    pub frames: u64,
    /// Bytes of the frames.
    pub bytes: u64,
    /// Seconds.
    pub seconds: f64,
}

impl LogReport {
    /// Returns durable records a second.
    pub fn per_second(&self) -> f64 {
        self.records as f64 / self.seconds.max(1e-9)
    }

    /// Adds what another core did in the same time.
    pub(super) fn add(&mut self, other: Self) {
        self.records += other.records;
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.seconds = self.seconds.max(other.seconds);
    }

    /// Returns the figures for people; `what` wrote the log.
    pub fn text(&self, what: &str) -> String {
        format!(
            "{what}: {:.0} durable records/s in {:.0} group commits/s of {:.1} records and \
             {:.0} bytes each, {:.1} MB/s",
            self.per_second(),
            self.frames as f64 / self.seconds.max(1e-9),
            self.records as f64 / (self.frames as f64).max(1.0),
            self.bytes as f64 / (self.frames as f64).max(1.0),
            self.bytes as f64 / self.seconds.max(1e-9) / 1e6,
        )
    }
}

impl From<Sync> for WalOptions {
    fn from(sync: Sync) -> Self {
        let sync = match sync {
            Sync::Calibrated => SyncMethod::Calibrated,
            Sync::WithWrite => SyncMethod::WithWrite,
            Sync::AfterWrite => SyncMethod::AfterWrite,
        };
        Self { sync, ..Self::default() }
    }
}

/// Drives the log. Starts a runtime of its own.
///
/// **Errors**: a folder that cannot be made, a log that fails, in words.
pub fn drive_log(options: &LogOptions) -> Result<LogReport, String> {
    let folder = options.folder.join(format!("pieskieo-log-{}", std::process::id()));
    host::create_folder(&folder).map_err(|error| error.to_string())?;
    // The first opening measures the disk, alone, and remembers how writes are made durable.
    let first = LogOptions { streams: 1, writers: 0, ..options.clone() };
    let report = on_cores(&first, &folder).and_then(|_| on_cores(options, &folder));
    host::remove_folder(&folder).map_err(|error| error.to_string())?;
    report
}

fn on_cores(options: &LogOptions, folder: &Path) -> Result<LogReport, String> {
    let (settings, folder) = (options.clone(), folder.to_path_buf());
    let running = rt::start(RuntimeOptions::cores(options.streams), move |core| {
        let (settings, folder) = (settings.clone(), folder.clone());
        async move { on_core(&settings, &folder, core.0).await }
    });
    let cores = running.map_err(|e| e.to_string())?.join().map_err(|e| e.to_string())?;
    let mut total = LogReport::default();
    for core in cores {
        total.add(core?);
    }
    Ok(total)
}

async fn on_core(options: &LogOptions, folder: &Path, core: u16) -> Result<LogReport, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let dir = Dir::open(folder).await.map_err(|error| told(&error))?;
    let stream = StreamId(core);
    let opened = Wal::open(&dir, stream, &options.sync.into()).await;
    let (wal, mut replay) = opened.map_err(|error| told(&error))?;
    while replay.next().await.map_err(|error| told(&error))?.is_some() {}
    let (wal, records) = (Rc::new(wal), Rc::new(Cell::new(0)));
    let (streams, core) = (usize::from(options.streams), usize::from(core));
    let mine = options.writers / streams + usize::from(core < options.writers % streams);
    let (before, started) = (wal.stats(), time::now());
    let writers = (0..mine).map(|_| {
        let (wal, records, time) = (wal.clone(), records.clone(), options.time);
        let record = vec![7; options.record_bytes];
        rt::spawn(Queue::Commit, "writer", async move {
            while started.elapsed() < time {
                let lsn = wal.append(&record).map_err(|error| error.to_string())?;
                wal.durable(lsn).await.map_err(|error| error.to_string())?;
                records.set(records.get() + 1);
                // As a shard does: what is durable in the segments is not needed again.
                wal.release(lsn);
            }
            Ok::<_, String>(())
        })
    });
    for writer in join_all(writers).await {
        writer?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let after = wal.stats();
    wal.close().await.map_err(|error| told(&error))?;
    Ok(LogReport {
        records: records.get(),
        frames: after.frames - before.frames,
        bytes: after.frame_bytes - before.frame_bytes,
        seconds,
    })
}
