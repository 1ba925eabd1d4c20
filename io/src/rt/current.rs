//! On which core does this code run, and what belongs to that core?

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use rand_chacha::ChaCha12Rng;

use super::pulse::Alarm;
use super::stop::Stop;
use super::task::Record;
use super::uring::Queues;
use crate::error::Error;
use crate::sim::Machine;

/// Number of an executor, from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreId(pub u16);

/// What one core owns besides its tasks' own data.
pub(crate) struct Core {
    pub id: CoreId,
    pub back: Back,
    pub stop: Arc<Stop>,
    pub random: RefCell<ChaCha12Rng>,
    /// Futures that wait for the stop request.
    pub stop_waiters: RefCell<BTreeMap<u64, Waker>>,
    tasks: RefCell<BTreeMap<u64, Rc<Record>>>,
    number_next: Cell<u64>,
    failure: RefCell<Option<Error>>,
    failure_waiter: RefCell<Option<Waker>>,
    /// No more tasks are taken.
    closed: Cell<bool>,
}

/// Who runs the tasks of a core.
pub(crate) enum Back {
    /// glommio, over io_uring.
    Uring(Uring),
    /// The simulator.
    Sim(Rc<Machine>),
}

/// What the real back end keeps for a core.
pub(crate) struct Uring {
    pub queues: Queues,
    pub alarm: Rc<Alarm>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
}

/// Restores the core that was current before.
pub(crate) struct Entered(Option<Rc<Core>>);

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.0.take();
        // The thread is ending when this fails, and nothing runs on it any more.
        let left = CURRENT.try_with(|current| current.replace(before));
        drop(left);
    }
}

/// Makes `core` the current one until the result is dropped.
pub(crate) fn enter(core: Rc<Core>) -> Entered {
    Entered(CURRENT.with(|current| current.replace(Some(core))))
}

/// Returns the core of the running task; `None` outside of all cores.
pub(crate) fn try_current() -> Option<Rc<Core>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Calls `use_core` with the core of the running task.
///
/// **Panics**: outside of all cores.
pub(crate) fn with_current<T>(use_core: impl FnOnce(&Rc<Core>) -> T) -> T {
    let core = try_current().expect("called from a task of a core");
    use_core(&core)
}

/// Returns the core the current task runs on.
///
/// **Panics**: when called from a thread that is no core.
pub fn core() -> CoreId {
    with_current(|core| core.id)
}

impl Core {
    pub(crate) fn new(id: CoreId, back: Back, stop: Arc<Stop>, random: ChaCha12Rng) -> Rc<Self> {
        Rc::new(Self {
            id,
            back,
            stop,
            random: RefCell::new(random),
            stop_waiters: RefCell::default(),
            tasks: RefCell::default(),
            number_next: Cell::new(0),
            failure: RefCell::default(),
            failure_waiter: RefCell::default(),
            closed: Cell::new(false),
        })
    }

    /// Returns a number no other task or waiter of this core has had.
    pub(crate) fn take_number(&self) -> u64 {
        let number = self.number_next.get();
        self.number_next.set(number + 1);
        number
    }

    /// Keeps a task until it ends; `false` when the core has stopped.
    pub(crate) fn keep(&self, record: &Rc<Record>) -> bool {
        if self.closed.get() {
            return false;
        }
        self.tasks.borrow_mut().insert(record.number, record.clone());
        true
    }

    pub(crate) fn forget(&self, number: u64) {
        let gone = self.tasks.borrow_mut().remove(&number);
        drop(gone);
    }

    /// Returns the names of all tasks, in the order they were spawned.
    pub(crate) fn task_names(&self) -> Vec<&'static str> {
        self.tasks.borrow().values().map(|record| record.name).collect()
    }

    /// Records the first failure of the core and asks all cores to stop.
    pub(crate) fn fail(&self, error: Error) {
        tracing::error!(core = self.id.0, "{error}");
        let mut failure = self.failure.borrow_mut();
        if failure.is_none() {
            *failure = Some(error);
        }
        drop(failure);
        self.stop.request();
        if let Some(waiter) = self.failure_waiter.take() {
            waiter.wake();
        }
    }

    pub(crate) fn failure(&self) -> Option<Error> {
        self.failure.borrow().clone()
    }

    /// Resolves when the core has failed.
    pub(crate) async fn failed(&self) -> Error {
        std::future::poll_fn(|cx| match self.failure() {
            Some(error) => std::task::Poll::Ready(error),
            None => {
                *self.failure_waiter.borrow_mut() = Some(cx.waker().clone());
                std::task::Poll::Pending
            }
        })
        .await
    }

    /// Drops every task that has not ended. The core must be current.
    pub(crate) fn drop_tasks(&self) {
        self.closed.set(true);
        loop {
            let first = self.tasks.borrow_mut().pop_first();
            let Some((_, record)) = first else { break };
            // A destructor that panics must not keep the others from running.
            if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(|| record.cancel(self))) {
                let message = crate::error::panic_text(&*panic);
                let task = record.name.to_owned();
                self.fail(Error::Panicked { core: self.id, task, message });
            }
        }
        self.stop_waiters.borrow_mut().clear();
    }
}
