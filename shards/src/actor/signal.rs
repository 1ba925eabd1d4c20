//! How does a task on this core wait for work?
//!
//! One waiter, any number of notifiers, all on one core. A notification before the wait is kept;
//! several are one.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// A flag that a task sleeps on.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    raised: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
}

impl Signal {
    /// Raises the flag and wakes the waiter.
    pub(crate) fn notify(&self) {
        if !self.raised.replace(true)
            && let Some(waker) = self.waiter.borrow_mut().take()
        {
            waker.wake();
        }
    }

    /// Waits for the flag and lowers it.
    pub(crate) async fn wait(&self) {
        poll_fn(|ctx| {
            if self.raised.replace(false) {
                return Poll::Ready(());
            }
            *self.waiter.borrow_mut() = Some(ctx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
