//! How does one task of a core tell another that there is something to do?

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// A flag with one waiter. Setting it twice before the waiter looks is the same as once.
#[derive(Debug, Default)]
pub(super) struct Notify {
    is_set: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
}

impl Notify {
    /// Sets the flag and wakes the waiter.
    pub(super) fn set(&self) {
        self.is_set.set(true);
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    /// Waits until the flag is set, and clears it. One task at a time may wait; dropping the
    /// future loses nothing.
    pub(super) async fn wait(&self) {
        poll_fn(|context| {
            if self.is_set.replace(false) {
                return Poll::Ready(());
            }
            self.waiter.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
