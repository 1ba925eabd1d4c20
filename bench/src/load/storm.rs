//! How long do reads take while others write?
//!
//! Reads at a snapshot come at a fixed rate, first with nobody else there, then during durable
//! single-record writes, as many as go through or at a rate. The writers are a process of their
//! own that gets a core only when neither the server nor the readers want it, so that the time of
//! a read is not spent waiting for them.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pieskieo_io::rt::{self, Pool};
use serde_json::Value;

use crate::client::Failure;

use super::options::{Kind, LoadOptions};
use super::report::Report;
use super::run::{drive, run};

/// Time the writers go on before and after the reads, so that no read is without them.
const MARGIN: f64 = 0.05;
/// Runs what follows at the lowest priority. A nice value counts within the session only, whose
/// own counts among sessions where the kernel shares the cores by session.
const LOWEST: &str = "echo 19 2>/dev/null >/proc/self/autogroup; exec nice -n 19 \"$0\" \"$@\"";

/// Who writes.
#[derive(Clone, Debug)]
pub struct Writers {
    /// This program.
    pub program: PathBuf,
    /// Connections that write.
    pub connections: usize,
    /// Writes a second; `None` = as many as go through.
    pub rate: Option<f64>,
}

/// The figures of reads without and with writes beside them.
#[derive(Debug)]
pub struct Storm {
    /// Reads with nobody else there.
    pub idle: Report,
    /// Reads meanwhile.
    pub reads: Report,
    /// What the writers report.
    pub writes: Value,
}

/// Writers at work. Dropping it ends them.
#[derive(Debug)]
struct Writing(Option<Child>);

impl Storm {
    /// Returns how many times as long the slowest hundredth of the reads takes.
    pub fn p99_ratio(&self) -> f64 {
        let p99 = |report: &Report| report.micros.value_at_quantile(0.99).max(1) as f64;
        p99(&self.reads) / p99(&self.idle)
    }

    /// Returns whether every write was answered.
    pub fn wrote(&self) -> bool {
        self.writes["failures"] == 0 && self.writes["requests"].as_u64() > Some(0)
    }

    /// Returns the figures for people.
    pub fn text(&self) -> String {
        let (idle, reads, writes) = (self.idle.text(), self.reads.text(), &self.writes);
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let millis = |name: &str| number(&writes["micros"][name]) / 1e3;
        let log = |name: &str| number(&writes["log"][name]);
        format!(
            "idle   {idle}\nstorm  {reads}\nwrites {:.0}/s by {} at the lowest priority, \
             p50 {:.2} ms, p99 {:.2} ms, {:.0} group commits/s\np99 of reads: {:.2} times",
            number(&writes["per_second"]),
            writes["connections"],
            millis("p50"),
            millis("p99"),
            log("frames") / log("seconds"),
            self.p99_ratio(),
        )
    }
}

/// Measures reads at a snapshot as `options` has them, alone and while `writers` write.
///
/// **Errors**: as [`run`]; writers that cannot be started or fail, in words.
pub async fn storm(options: &LoadOptions, writers: &Writers) -> Result<Storm, Failure> {
    let told = |cause| Failure::Unknown { status: None, cause };
    let options = LoadOptions { kind: Kind::SnapshotRead, ..options.clone() };
    let idle = run(&options).await?;
    let writing = Writing::start(&options, writers).map_err(told)?;
    rt::sleep(margin(&options)).await;
    let reads = drive(&options).await?;
    let writes = writing.end().await.map_err(told)?;
    Ok(Storm { idle, reads, writes })
}

fn margin(options: &LoadOptions) -> Duration {
    options.time.mul_f64(MARGIN).min(Duration::from_secs(1))
}

impl Writing {
    fn start(options: &LoadOptions, writers: &Writers) -> Result<Self, String> {
        let seconds = (options.time + 2 * margin(options)).as_secs_f64();
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", LOWEST]).arg(&writers.program);
        command.args(["load", "--workload", "point-write", "--keep", "--json"]);
        command.args(["--address", &options.address.to_string()]);
        command.args(["--connections", &writers.connections.to_string()]);
        command.args(["--seconds", &seconds.to_string(), "--seed", &options.seed.to_string()]);
        command.args(["--records", &options.records.to_string()]);
        if let Some(rate) = writers.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().map_err(|cause| format!("start the writers: {cause}"))?;
        Ok(Self(Some(child)))
    }

    /// Waits until they have ended, within the margin, and returns their report.
    async fn end(mut self) -> Result<Value, String> {
        let Some(child) = self.0.take() else { return Err("the writers are gone".to_owned()) };
        let waited = rt::blocking(Pool::Files, move || child.wait_with_output()).await;
        let output = waited.map_err(|cause| cause.to_string())?;
        let output = output.map_err(|cause| format!("wait for the writers: {cause}"))?;
        if !output.status.success() {
            return Err(format!("the writers failed: {}", output.status));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|cause| format!("read their report: {cause}"))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // They end by themselves if they cannot be killed.
            child.kill().ok();
            child.wait().ok();
        }
    }
}
