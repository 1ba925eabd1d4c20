//! Where does work go that would block a core?
//!
//! Small pools of ordinary threads, started when first used and kept. A function that panics
//! becomes an error of its caller; the thread goes on. In the simulator the function runs at once
//! on the simulator's thread.

use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;

use futures::channel::oneshot;

use super::current::{Back, try_current};
use super::pause::yield_now;
use crate::error::{Error, Result, panic_text};
use crate::limits;

/// A pool of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pool {
    /// Password hashing: much memory, much CPU, bounded in number.
    Auth,
    /// Long computations: index builds, compression of large blocks.
    Build,
    /// File operations that io_uring has no request for.
    Files,
}

type Job = Box<dyn FnOnce() + Send>;

struct Threads {
    sender: flume::Sender<Job>,
}

impl Pool {
    fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Build => "build",
            Self::Files => "files",
        }
    }

    fn thread_count(self) -> usize {
        match self {
            Self::Auth => limits::AUTH_THREADS,
            Self::Build => limits::BUILD_THREADS,
            Self::Files => limits::FILES_THREADS,
        }
    }

    fn threads(self) -> Result<&'static Threads> {
        static POOLS: [OnceLock<Result<Threads>>; 3] = [const { OnceLock::new() }; 3];
        let pool = POOLS[self as usize].get_or_init(|| Threads::start(self));
        pool.as_ref().map_err(Clone::clone)
    }
}

impl Threads {
    fn start(pool: Pool) -> Result<Self> {
        let (sender, receiver) = flume::bounded::<Job>(limits::POOL_QUEUE_MAX);
        for _ in 0..pool.thread_count() {
            let jobs = receiver.clone();
            let run = move || jobs.iter().for_each(|job| job());
            thread(pool.name(), run).map_err(|cause| Error::Machine {
                cause: format!("cannot start a thread of the pool \"{}\": {cause}", pool.name()),
                remedy: "raise the limit of processes (ulimit -u)".to_owned(),
            })?;
        }
        Ok(Self { sender })
    }
}

/// Runs `work` on a thread of `pool` and returns its result. Dropping the future does not stop
/// work that has begun.
///
/// **Errors**: `PoolPanicked` when `work` panicked; `Machine` when there are no threads.
pub async fn blocking<T: Send + 'static>(
    pool: Pool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let caught = move || {
        std::panic::catch_unwind(AssertUnwindSafe(work))
            .map_err(|panic| Error::PoolPanicked(panic_text(&*panic)))
    };
    let simulated = try_current().is_some_and(|core| matches!(core.back, Back::Sim(_)));
    if simulated {
        yield_now().await;
        return caught();
    }
    let (sender, receiver) = oneshot::channel();
    let job: Job = Box::new(move || {
        // A caller that went away does not want the result.
        sender.send(caught()).ok();
    });
    pool.threads()?.sender.send_async(job).await.map_err(|_| Error::Stopped)?;
    receiver.await.map_err(|_| Error::Stopped)?
}

/// Starts a thread of its own for work that blocks as long as the process lives, such as waiting
/// for signals.
///
/// **Errors**: the system has no room for another thread.
pub fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}
