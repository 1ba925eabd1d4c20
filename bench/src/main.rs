//! Which measurements can a person ask for?

#![forbid(unsafe_code)]

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use pieskieo_bench::client::Failure;
use pieskieo_bench::load::{
    self, EngineOptions, Kind, LoadOptions, LogOptions, Report, Sync, Writers,
};
use pieskieo_bench::tpch::{self, TpchOptions};
use pieskieo_io::rt::{self, RuntimeOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures a running Pieskieo server.
#[derive(Debug, Parser)]
#[command(name = "pieskieo-bench", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send a seeded workload and print rate, latency percentiles and, for vectors, recall
    Load(LoadFlags),
    /// Measure point reads at a snapshot at a fixed rate, alone and while another process writes
    Storm(StormFlags),
    /// Measure the write-ahead log alone, without a server
    Wal(WalFlags),
    /// Measure single-record commits without a network, between two runs of the log alone
    Commits(CommitsFlags),
    /// Load TPC-H, ask its 22 questions and hold the answers of scale 1 to the published ones
    Tpch(TpchFlags),
}

#[derive(Debug, Args)]
struct TpchFlags {
    /// Server to measure
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "HOST:PORT")]
    address: SocketAddr,
    /// Size of the data: 1 is 6 million lines of orders, a gigabyte
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Times each question is asked after the first; the median counts
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// Ask what the last run has loaded
    #[arg(long)]
    keep: bool,
    /// Questions to ask, such as 1,3,9; all unless said
    #[arg(long, value_delimiter = ',')]
    only: Vec<usize>,
    /// Write the rows to this folder as NAME.tbl, for other databases, and do nothing else
    #[arg(long, value_name = "FOLDER")]
    files: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct StormFlags {
    /// Server to measure
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "HOST:PORT")]
    address: SocketAddr,
    /// HTTP/2 connections that read
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Reads a second
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    /// HTTP/2 connections that write
    #[arg(long, default_value_t = 64)]
    writers: usize,
    /// Writes a second; without it, as many as go through
    #[arg(long)]
    write_rate: Option<f64>,
    /// Seconds
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Records of the data set
    #[arg(long, default_value_t = 100_000)]
    records: u64,
    /// Seed of data and requests
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Args)]
struct WalFlags {
    /// Folder on the disk to be measured
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Logs, each on a core of its own, as a server has one per shard
    #[arg(long, default_value_t = 2)]
    streams: u16,
    /// Writers over all logs, each of which waits until its record is durable
    #[arg(long, default_value_t = 64)]
    writers: usize,
    /// Bytes of a record; the default is what a server logs for one `point-write`
    #[arg(long, default_value_t = load::POINT_WRITE_BYTES)]
    record_bytes: usize,
    /// How records are made durable
    #[arg(long, value_enum, default_value_t = Sync::Calibrated)]
    sync: Sync,
    /// Seconds
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

#[derive(Debug, Args)]
struct CommitsFlags {
    /// Folder on the disk to be measured
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Shards, each on a core of its own
    #[arg(long, default_value_t = 2)]
    shards: u16,
    /// Writers over all shards, each of which waits until its commit is durable
    #[arg(long, default_value_t = 64)]
    writers: usize,
    /// How commits are made durable
    #[arg(long, value_enum, default_value_t = Sync::Calibrated)]
    sync: Sync,
    /// Seconds, for each of the three
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

#[derive(Debug, Args)]
struct LoadFlags {
    /// Server to measure
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "HOST:PORT")]
    address: SocketAddr,
    /// What is sent
    #[arg(long, value_enum)]
    workload: Kind,
    /// HTTP/2 connections
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests each connection has on the way at a time
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    /// Seconds
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Requests a second (open loop); without it, as many as go through (closed loop)
    #[arg(long)]
    rate: Option<f64>,
    /// Records of the data set
    #[arg(long, default_value_t = 100_000)]
    records: u64,
    /// Bytes of random text in each row, for the workloads of rows; 0 = a short name
    #[arg(long, default_value_t = 0)]
    text_bytes: usize,
    /// Dimensions of vectors
    #[arg(long, default_value_t = 128)]
    dimension: usize,
    /// Seed of data and requests
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Use the data set of an earlier run
    #[arg(long)]
    keep: bool,
    /// Print one JSON object instead of a line of text
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let measured = match Arguments::parse().command {
        Command::Load(flags) => measure(&flags),
        Command::Storm(flags) => storm(&flags),
        Command::Wal(flags) => wal(flags),
        Command::Commits(flags) => commits(&flags),
        Command::Tpch(flags) => tpch(flags),
    };
    match measured {
        Ok(text) => {
            let written = writeln!(std::io::stdout().lock(), "{text}");
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(failure) => {
            drop(writeln!(std::io::stderr().lock(), "pieskieo-bench: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn time(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.1, 86_400.0))
}

fn measure(flags: &LoadFlags) -> Result<String, String> {
    let options = LoadOptions {
        address: flags.address,
        kind: flags.workload,
        connections: flags.connections.max(1),
        in_flight: flags.in_flight.max(1),
        time: time(flags.seconds),
        rate: flags.rate,
        records: flags.records,
        text_bytes: flags.text_bytes,
        dimension: flags.dimension,
        seed: flags.seed,
        keep: flags.keep,
    };
    let report = on_a_core(move || {
        let options = options.clone();
        async move { load::run(&options).await }
    })?;
    let text = if flags.json { report.json().to_string() } else { report.text() };
    if is_sound(&report) { Ok(text) } else { Err(format!("{text}\nrequests failed")) }
}

fn storm(flags: &StormFlags) -> Result<String, String> {
    let options = LoadOptions {
        address: flags.address,
        kind: Kind::SnapshotRead,
        connections: flags.connections.max(1),
        in_flight: 1,
        time: time(flags.seconds),
        rate: Some(flags.rate),
        records: flags.records,
        text_bytes: 0,
        dimension: 0,
        seed: flags.seed,
        keep: false,
    };
    let program = std::env::current_exe().map_err(|cause| format!("find myself: {cause}"))?;
    let connections = flags.writers.max(1);
    let writers = Writers { program, connections, rate: flags.write_rate };
    let storm = on_a_core(move || {
        let (options, writers) = (options.clone(), writers.clone());
        async move { load::storm(&options, &writers).await }
    })?;
    let sound = is_sound(&storm.idle) && is_sound(&storm.reads) && storm.wrote();
    let text = storm.text();
    if sound { Ok(text) } else { Err(format!("{text}\nrequests failed")) }
}

fn wal(flags: WalFlags) -> Result<String, String> {
    let options = LogOptions {
        folder: flags.folder,
        streams: flags.streams.max(1),
        writers: flags.writers.max(1),
        record_bytes: flags.record_bytes,
        sync: flags.sync,
        time: time(flags.seconds),
    };
    load::drive_log(&options).map(|report| report.text("log alone"))
}

fn commits(flags: &CommitsFlags) -> Result<String, String> {
    let (shards, writers) = (flags.shards.max(1), flags.writers.max(1));
    let time = time(flags.seconds);
    let engine =
        EngineOptions { folder: flags.folder.clone(), shards, writers, sync: flags.sync, time };
    let log = LogOptions {
        folder: flags.folder.clone(),
        streams: shards,
        writers,
        record_bytes: load::POINT_WRITE_BYTES,
        sync: flags.sync,
        time,
    };
    let before = load::drive_log(&log)?;
    let engine = load::drive_engine(&engine)?;
    let after = load::drive_log(&log)?;
    let share = 200.0 * engine.per_second() / (before.per_second() + after.per_second());
    let [before, after] = [before, after].map(|report| report.text("log alone"));
    Ok(format!("{before}\n{}\n{after}\n{share:.0} % of the log alone", engine.text("engine")))
}

fn tpch(flags: TpchFlags) -> Result<String, String> {
    let TpchFlags { address, scale, repeat, keep, only, files, json } = flags;
    if !(scale > 0.0 && scale <= 1000.0) {
        return Err("--scale must be above 0 and at most 1000".to_owned());
    }
    if let Some(folder) = files {
        let written = tpch::write_files(&folder, scale);
        return written
            .map(|()| format!("written to {}", folder.display()))
            .map_err(|e| e.to_string());
    }
    let options = TpchOptions { address, scale, repeat, keep, only };
    let report = on_a_core(move || {
        let options = options.clone();
        async move { tpch::run(&options).await }
    })?;
    let text = if json { report.json().to_string() } else { report.text() };
    if report.is_right() { Ok(text) } else { Err(format!("{text}\nnot all answers are right")) }
}

fn is_sound(report: &Report) -> bool {
    report.failures == 0 && report.bank.as_ref().is_none_or(|bank| bank.anomalies.is_empty())
}

/// Runs a measurement on a runtime of one core.
fn on_a_core<T, F>(work: impl Fn() -> F + Clone + Send + 'static) -> Result<T, String>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Failure>> + 'static,
{
    let runtime = RuntimeOptions { pin: false, ..RuntimeOptions::cores(1) };
    let running = rt::start(runtime, move |_core| work()).map_err(|e| e.to_string())?;
    let results = running.join().map_err(|e| e.to_string())?;
    let result = results.into_iter().next().ok_or("nothing was measured")?;
    result.map_err(|failure| failure.to_string())
}
