//! What does the machine do to the program?

use std::time::Duration;

/// How a simulated machine behaves. Chances are in parts per million of operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimOptions {
    /// Virtual time after which a run ends as `OutOfTime`. Default: one hour.
    pub time_max: Duration,
    /// Virtual time the machine has a power cut. Default: never.
    pub crash_after: Option<Duration>,
    /// Disk operations of a run before the power cut: operation number n is under way when it
    /// happens. Default: never.
    pub crash_at_operation: Option<u64>,
    /// Polls of tasks in a run before the power cut: with every number, a cut at every point where
    /// a task waits. Default: never.
    pub crash_at_poll: Option<u64>,
    /// Bytes the disk holds. Default: 1 GiB.
    pub disk_bytes_max: u64,
    /// Shortest and longest time of a read. Default: 20 to 120 µs.
    pub read_time: (Duration, Duration),
    /// Shortest and longest time of a write. Default: 20 to 120 µs.
    pub write_time: (Duration, Duration),
    /// Shortest and longest time of a sync. Default: 50 to 400 µs.
    pub sync_time: (Duration, Duration),
    /// Chance that an operation stalls for `stall_time` more. Default: 0.1 %.
    pub stall_ppm: u32,
    /// How long a stalled operation takes at most. Default: 50 ms.
    pub stall_time: Duration,
    /// What the paths of files begin with that are on a slow device. Default: no file is.
    pub slow_files: Option<String>,
    /// What an operation on a file on a slow device takes more. Default: 100 ms.
    pub slow_time: Duration,
    /// Chance that a sync fails. Default: 0.
    pub sync_fault_ppm: u32,
    /// Chance that a sync, of a file or a directory, says that it is done and does nothing; another
    /// sync may do it. Default: 0.
    pub sync_lie_ppm: u32,
    /// Chance that a write fails, having changed any part of its place. Default: 0.
    pub write_fault_ppm: u32,
    /// Chance that a write says that it is done and changes nothing. Default: 0.
    pub write_loss_ppm: u32,
    /// Chance that a read fails. Default: 0.
    pub read_fault_ppm: u32,
    /// Chance that the machine stands still for a while after a poll: the clock that never goes
    /// back goes far ahead. Default: 0.
    pub pause_ppm: u32,
    /// How long it stands still at most. Default: 1 minute.
    pub pause_time: Duration,
    /// Chance that the wall clock is set, forward or back, before it is looked at. Default: 0.
    pub wall_jump_ppm: u32,
    /// How far it is set at most. Default: 1 day.
    pub wall_jump: Duration,
    /// Chance that a connection is reset at a read or write. Default: 0.
    pub reset_ppm: u32,
}

impl Default for SimOptions {
    fn default() -> Self {
        let span = |from, to| (Duration::from_micros(from), Duration::from_micros(to));
        Self {
            time_max: Duration::from_secs(3600),
            crash_after: None,
            crash_at_operation: None,
            crash_at_poll: None,
            disk_bytes_max: 1 << 30,
            read_time: span(20, 120),
            write_time: span(20, 120),
            sync_time: span(50, 400),
            stall_ppm: 1_000,
            stall_time: Duration::from_millis(50),
            slow_files: None,
            slow_time: Duration::from_millis(100),
            sync_fault_ppm: 0,
            sync_lie_ppm: 0,
            write_fault_ppm: 0,
            write_loss_ppm: 0,
            read_fault_ppm: 0,
            pause_ppm: 0,
            pause_time: Duration::from_secs(60),
            wall_jump_ppm: 0,
            wall_jump: Duration::from_secs(24 * 3600),
            reset_ppm: 0,
        }
    }
}
