//! How much processor time did this take?
//!
//! Processor time, not wall time: other work on the machine then only disturbs through shared
//! caches. The kernel accounts it at every tick, so measure at least some tenths of a second.

use std::time::Duration;

/// Runs while it exists.
pub struct Stopwatch(Duration);

impl Stopwatch {
    /// Starts one.
    pub fn start() -> Self {
        Self(consumed())
    }

    /// Returns the processor time of this thread since the start.
    pub fn elapsed(&self) -> Duration {
        consumed().saturating_sub(self.0)
    }
}

/// Returns the processor time this thread has had.
#[expect(clippy::disallowed_methods, reason = "the kernel's accounts are a file")]
fn consumed() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}
