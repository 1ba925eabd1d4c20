//! How do the executors start, stop and report?
//!
//! All threads are started first and each makes its executor; only when every one stands does any
//! work begin, so that a machine that can run only some of them is a clear error.

use std::future::Future;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use futures::future::{Either, select};

use super::current::{Back, Core, CoreId, Uring, enter};
use super::pulse::{self, Outside};
use super::queue::Queue;
use super::stop::{Stop, Stopper, watch};
use super::task::spawn_on;
use super::uring::{self, Queues};
use crate::error::{Error, Result, panic_text};
use crate::limits;
use crate::options::RuntimeOptions;
use crate::time::seeded_by_system;

/// The executors of a process.
#[must_use = "dropping it leaves the executors running unattended"]
#[derive(Debug)]
pub struct Running<T> {
    threads: Vec<JoinHandle<Result<T>>>,
    stopper: Stopper,
}

impl<T> Running<T> {
    /// Asks all cores to stop; returns at once.
    pub fn stop(&self) {
        self.stopper.stop();
    }

    /// Returns a handle with which any thread can ask the cores to stop.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Waits for every core to end and returns their results, by core.
    ///
    /// **Errors**: the first core's failure, when any failed. A core that fails asks the others
    /// to stop.
    pub fn join(self) -> Result<Vec<T>> {
        let mut results = Vec::with_capacity(self.threads.len());
        let mut failure = None;
        for (index, thread) in self.threads.into_iter().enumerate() {
            let result = thread.join().unwrap_or_else(|panic| {
                let (core, task) = (CoreId(index as u16), "executor".to_owned());
                Err(Error::Panicked { core, task, message: panic_text(&*panic) })
            });
            match result {
                Ok(result) => results.push(result),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(results), Err)
    }
}

/// Starts `options.cores` executors and runs `main(core)` on each. A core ends when its `main`
/// does; tasks still running there are dropped.
///
/// **Errors**: `Options` out of range; `Machine` when io_uring, locked memory or threads are
/// missing, with the remedy.
pub fn start<F, Fut, T>(options: RuntimeOptions, main: F) -> Result<Running<T>>
where
    F: Fn(CoreId) -> Fut + Send + Clone + 'static,
    Fut: Future<Output = T> + 'static,
    T: Send + 'static,
{
    options.validate()?;
    uring::check()?;
    let stop = Stop::new(options.cores);
    let outside = pulse::outside()?;
    let (report, reports) = mpsc::channel();
    let mut gates = Vec::new();
    let mut threads = Vec::new();
    for index in 0..options.cores {
        let (gate, gated) = mpsc::channel::<()>();
        let name = format!("{}-{index}", options.thread_name);
        let (options, main, report) = (options.clone(), main.clone(), report.clone());
        let shared = Shared { stop: stop.clone(), outside: outside.clone() };
        let body = move || run(&options, CoreId(index), main, &shared, &report, &gated);
        let builder = std::thread::Builder::new().name(name).stack_size(limits::STACK_BYTES);
        let thread = builder.spawn(body);
        threads.push(thread.map_err(|cause| Error::Machine {
            cause: format!("cannot start the thread of core {index}: {cause}"),
            remedy: "raise the limit of processes (ulimit -u)".to_owned(),
        })?);
        gates.push(gate);
    }
    drop(report);
    for _ in 0..options.cores {
        // A thread that ended without a report panicked; its gate is closed with all others.
        reports.recv().map_err(|_| Error::Stopped)??;
    }
    for gate in gates {
        // A closed gate means that the thread is gone, which `join` reports.
        gate.send(()).ok();
    }
    Ok(Running { threads, stopper: Stopper(stop) })
}

/// What the cores of a process share.
struct Shared {
    stop: Arc<Stop>,
    outside: Outside,
}

/// The body of one core's thread.
fn run<F, Fut, T>(
    options: &RuntimeOptions,
    id: CoreId,
    main: F,
    shared: &Shared,
    report: &mpsc::Sender<Result<()>>,
    gate: &mpsc::Receiver<()>,
) -> Result<T>
where
    F: Fn(CoreId) -> Fut + 'static,
    Fut: Future<Output = T> + 'static,
    T: 'static,
{
    let executor = match uring::executor_for(options, id.0) {
        Ok(executor) => executor,
        Err(error) => {
            // Nobody listens when another core failed first.
            report.send(Err(error)).ok();
            return Err(Error::Stopped);
        }
    };
    report.send(Ok(())).ok();
    gate.recv().map_err(|_| Error::Stopped)?;
    executor.run(async move {
        let alarm = pulse::start(&shared.outside).await;
        let random = seeded_by_system();
        let back = Back::Uring(Uring { queues: Queues::create(), alarm });
        let core = Core::new(id, back, shared.stop.clone(), random);
        let entered = enter(core.clone());
        watch(&core);
        let whole = spawn_on(&core, Queue::Net, "main", async move { main(id).await });
        let failed = Box::pin(core.failed());
        let result = match select(failed, whole).await {
            Either::Left((error, _)) => Err(error),
            Either::Right((value, _)) => Ok(value),
        };
        core.drop_tasks();
        drop(entered);
        result
    })
}
