//! What does the real back end need from the machine?
//!
//! Checked before the first executor starts, so that what is missing is named together with what
//! would help, instead of failing somewhere inside.

use glommio::{Latency, LocalExecutor, LocalExecutorBuilder, Placement, PoolPlacement, Shares};
use glommio::{TaskQueueHandle, executor, spawn_local_into};

use super::cpus::{cpu_count, cpu_list};
use super::queue::Queue;
use super::task::Driver;
use crate::error::{Error, Result};
use crate::limits;
use crate::options::RuntimeOptions;

/// The queues of one executor, by number of the queue.
pub(crate) struct Queues([TaskQueueHandle; Queue::ALL.len()]);

impl Queues {
    /// Creates the queues. Called inside the executor.
    pub(crate) fn create() -> Self {
        Self(Queue::ALL.map(|queue| {
            let latency = Latency::Matters(queue.latency());
            executor().create_task_queue(Shares::Static(queue.shares()), latency, queue.name())
        }))
    }

    pub(crate) fn spawn(&self, queue: Queue, driver: Driver) {
        let spawned = spawn_local_into(driver, self.0[queue as usize]);
        // The record ends the task; the executor's own handle is not needed.
        drop(spawned.expect("the queues live as long as the executor").detach());
    }
}

/// Returns an executor for core `index`. Called on the thread it will run on.
pub(crate) fn executor_for(options: &RuntimeOptions, index: u16) -> Result<LocalExecutor> {
    let placement = placement(options, usize::from(index));
    LocalExecutorBuilder::new(placement)
        .name(options.thread_name)
        .preempt_timer(limits::FIRST_PREEMPT)
        .ring_depth(limits::RING_DEPTH)
        .io_memory(io_memory_bytes(options) as usize)
        .blocking_thread_pool_placement(PoolPlacement::Unbound(1))
        .make()
        .map_err(|error| Error::Machine {
            cause: format!("the executor of core {index} cannot start: {error}"),
            remedy: "run `pieskieo doctor` for what this machine lacks".to_owned(),
        })
}

fn placement(options: &RuntimeOptions, index: usize) -> Placement {
    let cpus = cpu_list();
    let cores = usize::from(options.cores);
    let roomy = options.pin && cores <= cpu_count() && cores <= cpus.len();
    match cpus.get(index) {
        Some(cpu) if roomy => Placement::Fixed(*cpu),
        _ => Placement::Unbound,
    }
}

/// Half of the locked-memory limit is left to other processes of the user.
fn io_memory_bytes(options: &RuntimeOptions) -> u64 {
    let fair = memlock_bytes() / 2 / limits::RINGS_PER_CORE / u64::from(options.cores);
    let allowed = fair.clamp(limits::IO_MEMORY_BYTES_MIN, limits::IO_MEMORY_BYTES_MAX);
    options.io_memory_bytes.map_or(allowed, |wanted| wanted.min(allowed))
}

/// Checks that executors can start at all.
///
/// **Errors**: `Machine`, naming what is missing and what would help.
pub(crate) fn check() -> Result<()> {
    if let Some((cause, remedy)) = uring_fault() {
        return Err(Error::Machine { cause, remedy });
    }
    let memlock = memlock_bytes();
    if memlock < limits::MEMLOCK_BYTES_MIN {
        return Err(Error::Machine {
            cause: format!(
                "the limit of locked memory is {memlock} bytes, at least {} are needed",
                limits::MEMLOCK_BYTES_MIN
            ),
            remedy: "raise it: `ulimit -l 8192`, LimitMEMLOCK=8M in the service's unit, or \
                     `--ulimit memlock=8388608` for a container"
                .to_owned(),
        });
    }
    Ok(())
}

/// Returns why io_uring cannot be used, and what would help; `None` when it works.
pub(crate) fn uring_fault() -> Option<(String, String)> {
    let cause = io_uring::IoUring::new(8).err()?;
    let switch =
        crate::file::host::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    let remedy = match (switch.trim(), cause.kind()) {
        ("1" | "2", _) => "allow it: `sysctl kernel.io_uring_disabled=0`",
        (_, std::io::ErrorKind::PermissionDenied) => {
            "the container's seccomp profile forbids it: run with a profile that allows the \
             io_uring system calls, such as `--security-opt seccomp=unconfined`"
        }
        (_, std::io::ErrorKind::OutOfMemory) => "raise the limit of locked memory (ulimit -l)",
        _ => "use Linux 6.1 or newer with CONFIG_IO_URING",
    };
    Some((format!("io_uring is not available: {cause}"), remedy.to_owned()))
}

/// Returns the soft limit of locked memory in bytes; `u64::MAX` when there is none.
pub(crate) fn memlock_bytes() -> u64 {
    let limits = crate::file::host::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    soft.and_then(|soft| soft.parse().ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_memory_stays_within_the_limit() {
        for cores in [1, 2, 64, 512] {
            let options = RuntimeOptions { cores, ..RuntimeOptions::default() };
            let bytes = io_memory_bytes(&options);
            assert!((limits::IO_MEMORY_BYTES_MIN..=limits::IO_MEMORY_BYTES_MAX).contains(&bytes));
        }
        let options = RuntimeOptions { io_memory_bytes: Some(1), ..RuntimeOptions::cores(1) };
        assert_eq!(io_memory_bytes(&options), 1);
    }

    #[test]
    fn more_cores_than_cpus_are_not_pinned() {
        let options = RuntimeOptions::cores(limits::CORES_MAX);
        assert!(matches!(placement(&options, 0), Placement::Unbound));
    }
}
