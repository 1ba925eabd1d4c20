//! How does a future run beside its spawner, and how does it end?
//!
//! A future is held by a record that its core keeps until the future ends, is cancelled, or the
//! core stops. The executor below only holds a driver that polls the record, so ending a task
//! never depends on who still holds a waker.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use super::current::{Back, Core, with_current};
use super::pulse;
use super::queue::Queue;
use crate::error::{Error, panic_text};

/// A running task. Awaiting it gives its result; dropping it lets the task run on.
///
/// Awaiting the task of a core that has failed never resolves: the core is stopping.
pub struct Task<T> {
    record: Rc<Record>,
    outcome: Rc<Outcome<T>>,
    core: Rc<Core>,
}

/// What a task leaves for whoever awaits it.
struct Outcome<T> {
    value: Cell<Option<T>>,
    waiter: RefCell<Option<Waker>>,
}

/// One task of a core.
pub(crate) struct Record {
    pub number: u64,
    pub name: &'static str,
    future: RefCell<Option<LocalBoxFuture<'static, ()>>>,
    /// Wakes the driver.
    waker: RefCell<Option<Waker>>,
    /// Cancelled while it was being polled.
    cancelled: Cell<bool>,
}

/// Starts `future` on this core, in `queue`, under a name that appears in failure reports.
///
/// The task runs until its future ends, it is cancelled, or the core stops. A panic stops the
/// core: a task that may meet bad data returns errors.
///
/// **Panics**: outside of all cores.
pub fn spawn<T: 'static>(
    queue: Queue,
    name: &'static str,
    future: impl Future<Output = T> + 'static,
) -> Task<T> {
    with_current(|core| spawn_on(core, queue, name, future))
}

/// Returns a channel for one value, between any two tasks.
pub fn oneshot<T>() -> (super::OneshotSender<T>, super::OneshotReceiver<T>) {
    futures::channel::oneshot::channel()
}

pub(crate) fn spawn_on<T: 'static>(
    core: &Rc<Core>,
    queue: Queue,
    name: &'static str,
    future: impl Future<Output = T> + 'static,
) -> Task<T> {
    let outcome = Rc::new(Outcome { value: Cell::new(None), waiter: RefCell::new(None) });
    let place = outcome.clone();
    // Not an async block: one would hold the future twice, as what it captured and as what it
    // awaits.
    let whole = future.map(move |value| {
        place.value.set(Some(value));
        if let Some(waiter) = place.waiter.take() {
            waiter.wake();
        }
    });
    let record = Rc::new(Record {
        number: core.take_number(),
        name,
        future: RefCell::new(Some(Box::pin(whole))),
        waker: RefCell::new(None),
        cancelled: Cell::new(false),
    });
    if core.keep(&record) {
        match &core.back {
            Back::Uring(uring) => uring.queues.spawn(queue, Driver(record.clone(), core.clone())),
            Back::Sim(machine) => machine.spawn(core, &record),
        }
    } else {
        let late = record.future.take();
        drop(late);
    }
    Task { record, outcome, core: core.clone() }
}

/// What the executor below polls.
pub(crate) struct Driver(Rc<Record>, Rc<Core>);

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        pulse::beat();
        self.0.poll(&self.1, cx)
    }
}

impl Record {
    /// Polls the future; ready when there is nothing left to poll.
    pub(crate) fn poll(&self, core: &Core, cx: &mut Context<'_>) -> Poll<()> {
        let Ok(mut slot) = self.future.try_borrow_mut() else {
            return Poll::Ready(());
        };
        let Some(future) = slot.as_mut() else {
            return Poll::Ready(());
        };
        self.remember(cx.waker());
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        if matches!(polled, Ok(Poll::Pending)) && !self.cancelled.get() {
            return Poll::Pending;
        }
        // Dropped after the borrow ends: its destructor may reach this record again.
        let ended = slot.take();
        drop(slot);
        core.forget(self.number);
        let dropped = std::panic::catch_unwind(AssertUnwindSafe(|| drop(ended)));
        if let Some(panic) = polled.err().or(dropped.err()) {
            let (task, message) = (self.name.to_owned(), panic_text(&*panic));
            core.fail(Error::Panicked { core: core.id, task, message });
        }
        Poll::Ready(())
    }

    /// Ends the task: its future is dropped now, or when the poll under way returns.
    pub(crate) fn cancel(&self, core: &Core) {
        match self.future.try_borrow_mut() {
            Ok(mut slot) => {
                let ended = slot.take();
                drop(slot);
                core.forget(self.number);
                drop(ended);
            }
            Err(_) => self.cancelled.set(true),
        }
        let waker = self.waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn remember(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }
}

impl<T> Task<T> {
    /// Ends the task. Returns its result if it had already ended.
    pub async fn cancel(self) -> Option<T> {
        self.record.cancel(&self.core);
        self.outcome.value.take()
    }

    /// Returns whether the task has a result.
    pub fn is_finished(&self) -> bool {
        self.record.future.try_borrow().is_ok_and(|future| future.is_none())
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if let Some(value) = self.outcome.value.take() {
            return Poll::Ready(value);
        }
        *self.outcome.waiter.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("name", &self.record.name).finish()
    }
}
