//! What may the starter of the runtime choose?

use crate::error::{Error, Result};
use crate::limits;

/// How to start the real runtime. Plain data, validated once by [`crate::rt::start`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeOptions {
    /// Number of executors, 1 to 512. Default: the CPUs this process may use.
    pub cores: u16,
    /// Whether each executor stays on one CPU. Only done when there are at least as many CPUs.
    /// Default: yes. Two pinned processes on the same CPUs slow each other down.
    pub pin: bool,
    /// Bytes of I/O memory per core that are registered with the kernel; `None` = as much as the
    /// locked-memory limit allows, at most 4 MiB. More than that comes from the allocator.
    pub io_memory_bytes: Option<u64>,
    /// Name of the threads, for people who look at them. Default: `core`.
    pub thread_name: &'static str,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        let cores = u16::try_from(crate::rt::cpu_count()).unwrap_or(limits::CORES_MAX);
        Self {
            cores: cores.clamp(1, limits::CORES_MAX),
            pin: true,
            io_memory_bytes: None,
            thread_name: "core",
        }
    }
}

impl RuntimeOptions {
    /// Returns the defaults with this many cores.
    pub fn cores(cores: u16) -> Self {
        Self { cores, ..Self::default() }
    }

    /// Checks every option against its range.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.cores == 0 || self.cores > limits::CORES_MAX {
            let max = limits::CORES_MAX;
            return Err(Error::Options(format!("cores is {}, must be 1 to {max}", self.cores)));
        }
        Ok(())
    }
}
