//! How long do reads take while others write?
//!
//! Reads come at a fixed rate, first with nobody else there, then during as many durable
//! single-record writes as go through.

use std::time::Duration;

use futures::future::try_join;

use crate::client::Failure;

use super::options::{Kind, LoadOptions};
use super::report::Report;
use super::run::{drive, run};

/// Time reads go on before and after the writes, so that none of them is without.
const MARGIN: f64 = 0.05;

/// The figures of reads without and with writes beside them.
#[derive(Debug)]
pub struct Storm {
    /// Reads with nobody else there.
    pub idle: Report,
    /// Reads meanwhile.
    pub reads: Report,
    /// The writes.
    pub writes: Report,
}

impl Storm {
    /// Returns how many times as long the slowest hundredth of the reads takes.
    pub fn p99_ratio(&self) -> f64 {
        let p99 = |report: &Report| report.micros.value_at_quantile(0.99).max(1) as f64;
        p99(&self.reads) / p99(&self.idle)
    }

    /// Returns the figures for people.
    pub fn text(&self) -> String {
        let Self { idle, reads, writes } = self;
        let (idle, reads, writes) = (idle.text(), reads.text(), writes.text());
        let ratio = self.p99_ratio();
        format!("idle   {idle}\nstorm  {reads}\nwrites {writes}\np99 of reads: {ratio:.2} times")
    }
}

/// Measures point reads as `options` has them, alone and beside `writers` connections that write.
///
/// **Errors**: as [`run`].
pub async fn storm(options: &LoadOptions, writers: usize) -> Result<Storm, Failure> {
    let reads = LoadOptions { kind: Kind::PointRead, ..options.clone() };
    let idle = run(&reads).await?;
    let writes = LoadOptions {
        kind: Kind::PointWrite,
        connections: writers,
        in_flight: 1,
        rate: None,
        time: reads.time.mul_f64(1.0 + 2.0 * MARGIN),
        ..options.clone()
    };
    let later = async {
        pieskieo_io::rt::sleep(reads.time.mul_f64(MARGIN).min(Duration::from_secs(1))).await;
        drive(&reads).await
    };
    let (reads, writes) = try_join(later, drive(&writes)).await?;
    Ok(Storm { idle, reads, writes })
}
