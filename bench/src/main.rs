//! Which measurements can a person ask for?

#![forbid(unsafe_code)]

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use pieskieo_bench::load::{self, Kind, LoadOptions};
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
    let Command::Load(flags) = Arguments::parse().command;
    match measure(&flags) {
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

fn measure(flags: &LoadFlags) -> Result<String, String> {
    let options = LoadOptions {
        address: flags.address,
        kind: flags.workload,
        connections: flags.connections.max(1),
        in_flight: flags.in_flight.max(1),
        time: Duration::from_secs_f64(flags.seconds.clamp(0.1, 86_400.0)),
        rate: flags.rate,
        records: flags.records,
        text_bytes: flags.text_bytes,
        dimension: flags.dimension,
        seed: flags.seed,
        keep: flags.keep,
    };
    let runtime = RuntimeOptions { pin: false, ..RuntimeOptions::cores(1) };
    let running = rt::start(runtime, move |_core| {
        let options = options.clone();
        async move { load::run(&options).await }
    });
    let results = running.map_err(|e| e.to_string())?.join().map_err(|e| e.to_string())?;
    let report = results.into_iter().next().ok_or("nothing was measured")?;
    let report = report.map_err(|failure| failure.to_string())?;
    let text = if flags.json { report.json().to_string() } else { report.text() };
    if report.failures > 0 {
        return Err(format!("{text}\nrequests failed"));
    }
    Ok(text)
}
