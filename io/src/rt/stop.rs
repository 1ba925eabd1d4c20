//! How does every core learn that it should stop?
//!
//! One flag for all cores and one waker per core. A watcher task on each core passes the news on
//! to the futures of that core, so that thousands of connections can wait without sharing a lock.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;

use super::current::{Core, try_current, with_current};
use super::queue::Queue;
use super::task::spawn_on;

/// The request to stop, shared by all cores.
#[derive(Debug)]
pub(crate) struct Stop {
    requested: AtomicBool,
    watchers: Vec<AtomicWaker>,
}

/// Asks all cores to stop, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper(pub(crate) Arc<Stop>);

impl Stopper {
    /// Asks all cores to stop: [`shutdown_requested`] resolves on each of them.
    pub fn stop(&self) {
        self.0.request();
    }
}

impl Stop {
    pub(crate) fn new(cores: u16) -> Arc<Self> {
        let watchers = (0..cores).map(|_| AtomicWaker::new()).collect();
        Arc::new(Self { requested: AtomicBool::new(false), watchers })
    }

    pub(crate) fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
        self.watchers.iter().for_each(AtomicWaker::wake);
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }
}

/// Asks all cores to stop, from one of them.
pub fn request_shutdown() {
    with_current(|core| core.stop.request());
}

/// Resolves when somebody asked the cores to stop.
///
/// **Panics**: outside of all cores.
pub fn shutdown_requested() -> ShutdownRequested {
    with_current(|core| ShutdownRequested { core: core.clone(), number: core.take_number() })
}

/// See [`shutdown_requested`].
#[must_use = "awaiting it is the point"]
pub struct ShutdownRequested {
    core: Rc<Core>,
    number: u64,
}

impl Future for ShutdownRequested {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.core.stop.is_requested() {
            return Poll::Ready(());
        }
        self.core.stop_waiters.borrow_mut().insert(self.number, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for ShutdownRequested {
    fn drop(&mut self) {
        let waker = self.core.stop_waiters.borrow_mut().remove(&self.number);
        drop(waker);
    }
}

/// Starts the task that passes the request on to the futures of `core`.
pub(crate) fn watch(core: &Rc<Core>) {
    let stop = core.stop.clone();
    let index = usize::from(core.id.0);
    let watcher = spawn_on(core, Queue::Lanes, "shutdown", async move {
        std::future::poll_fn(|cx| {
            stop.watchers[index].register(cx.waker());
            if stop.is_requested() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let waiters =
            try_current().map(|core| std::mem::take(&mut *core.stop_waiters.borrow_mut()));
        for waker in waiters.unwrap_or_default().into_values() {
            waker.wake();
        }
    });
    drop(watcher);
}
