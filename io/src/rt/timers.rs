//! What happens when time passes?

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::task::{Poll, Waker};
use std::time::Duration;

/// A pause that was asked for: when it ends, and a number that tells equal ends apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerId {
    deadline: u64,
    number: u64,
}

impl TimerId {
    /// Returns when the pause ends, nanoseconds.
    pub(crate) fn deadline(self) -> u64 {
        self.deadline
    }
}

/// Every pause under way, by its end.
#[derive(Default)]
pub(crate) struct Timers {
    waiting: RefCell<BTreeMap<TimerId, Option<Waker>>>,
    number_next: Cell<u64>,
}

impl Timers {
    /// Begins a pause.
    pub(crate) fn add(&self, now: u64, duration: Duration) -> TimerId {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let number = self.number_next.get();
        self.number_next.set(number + 1);
        let id = TimerId { deadline: now.saturating_add(nanos), number };
        self.waiting.borrow_mut().insert(id, None);
        id
    }

    /// Returns whether the pause is over; else registers the waker.
    pub(crate) fn poll(&self, id: TimerId, now: u64, waker: &Waker) -> Poll<()> {
        let mut waiting = self.waiting.borrow_mut();
        if id.deadline <= now {
            waiting.remove(&id);
            return Poll::Ready(());
        }
        waiting.insert(id, Some(waker.clone()));
        Poll::Pending
    }

    /// Forgets a pause.
    pub(crate) fn remove(&self, id: TimerId) {
        let gone = self.waiting.borrow_mut().remove(&id);
        drop(gone);
    }

    /// Wakes whoever's pause is over.
    pub(crate) fn fire(&self, now: u64) {
        loop {
            let due = {
                let mut waiting = self.waiting.borrow_mut();
                match waiting.first_entry() {
                    Some(first) if first.key().deadline <= now => first.remove(),
                    _ => return,
                }
            };
            if let Some(waker) = due {
                waker.wake();
            }
        }
    }

    /// Returns when the next pause that somebody waits for ends.
    pub(crate) fn next(&self) -> Option<u64> {
        let waiting = self.waiting.borrow();
        waiting.iter().find(|(_, waker)| waker.is_some()).map(|(id, _)| id.deadline)
    }

    pub(crate) fn clear(&self) {
        let gone = std::mem::take(&mut *self.waiting.borrow_mut());
        drop(gone);
    }
}
