//! Which bounds does the runtime keep, and what do they cost?

use std::time::Duration;

use crate::format::BLOCK_BYTES;

/// Bytes of one read or write given to the kernel. Larger ones are split: single reads above
/// 6 MB were seen to hang on older kernels, and 1 MiB already streams at full speed.
pub const OPERATION_BYTES_MAX: usize = 1 << 20;

/// Bytes of a metadata file read or written whole.
pub const SMALL_FILE_BYTES_MAX: usize = 16 << 20;

/// How long a core runs before it looks at its other queues, while none of ours has work: at its
/// start. Long, for the reason that `rt/pulse.rs` tells.
pub const FIRST_PREEMPT: Duration = Duration::from_secs(1);

/// Depth of each core's rings.
pub const RING_DEPTH: usize = 256;

/// Registered I/O memory of one core, at most. The kernel pins it once per ring (three rings).
pub const IO_MEMORY_BYTES_MAX: u64 = 4 << 20;
/// Registered I/O memory of one core, at least.
pub const IO_MEMORY_BYTES_MIN: u64 = 64 << 10;
/// Rings that register the memory.
pub const RINGS_PER_CORE: u64 = 3;
/// Locked memory the runtime refuses to start below.
pub const MEMLOCK_BYTES_MIN: u64 = 512 << 10;

/// Stack of each core's thread. Address space until it is used. Plans are trees that are walked
/// recursively: the deepest statement that the limits of `query` allow needs some 2 MiB in an
/// unoptimised build.
pub const STACK_BYTES: usize = 16 << 20;

/// Cores of one process.
pub const CORES_MAX: u16 = 512;

/// Functions that wait for a thread of a pool; callers beyond wait in line.
pub const POOL_QUEUE_MAX: usize = 1024;
/// Threads that hash passwords. Each may use 20 MiB and a whole CPU.
pub const AUTH_THREADS: usize = 2;
/// Threads for long computations.
pub const BUILD_THREADS: usize = 2;
/// Threads for file operations that io_uring has no request for (rename, remove, list).
pub const FILES_THREADS: usize = 2;

/// Bytes in flight in each direction of a simulated connection.
pub const SIM_SOCKET_BYTES_MAX: usize = 64 << 10;
/// Connections that wait for a simulated accept.
pub const SIM_BACKLOG_MAX: usize = 1024;

const _: () = assert!(OPERATION_BYTES_MAX.is_multiple_of(BLOCK_BYTES));
const _: () = assert!(IO_MEMORY_BYTES_MIN <= IO_MEMORY_BYTES_MAX);
