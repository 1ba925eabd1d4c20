//! How does a task wait for time, or let others go first?

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::current::{Back, try_current, with_current};
use super::pulse::Alarm;
use super::timers::TimerId;
use crate::sim::Machine;

/// Time ran out before the future ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time for this ran out")]
pub struct Elapsed;

/// Waits for time to pass. Dropping it costs nothing.
#[must_use = "a pause does nothing unless it is awaited"]
pub struct Sleep {
    duration: Duration,
    state: RefCell<State>,
}

enum State {
    New,
    Uring(Rc<Alarm>, TimerId),
    Sim(Rc<Machine>, TimerId),
    Done,
}

/// Waits for `duration`, counted from the first poll.
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { duration, state: RefCell::new(State::New) }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if matches!(*state, State::New) {
            *state = with_current(|core| match &core.back {
                Back::Uring(uring) => {
                    State::Uring(uring.alarm.clone(), uring.alarm.add(self.duration))
                }
                Back::Sim(machine) => {
                    State::Sim(machine.clone(), machine.timers.add(machine.now(), self.duration))
                }
            });
        }
        let polled = match &mut *state {
            State::Uring(alarm, timer) => alarm.timers.poll(*timer, alarm.now(), cx.waker()),
            State::Sim(machine, timer) => machine.timers.poll(*timer, machine.now(), cx.waker()),
            State::New | State::Done => Poll::Ready(()),
        };
        if polled.is_ready() {
            *state = State::Done;
        }
        polled
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        match &*self.state.borrow() {
            State::Uring(alarm, timer) => alarm.timers.remove(*timer),
            State::Sim(machine, timer) => machine.timers.remove(*timer),
            State::New | State::Done => {}
        }
    }
}

/// Runs `future` for at most `duration`, then drops it.
///
/// **Errors**: `Elapsed` when it did not end in time.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut pause = sleep(duration);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut pause).poll(cx).map(|()| Err(Elapsed))
    })
    .await
}

/// Lets every other task that is ready go first.
pub async fn yield_now() {
    let real = try_current().is_some_and(|core| matches!(core.back, Back::Uring(_)));
    if real {
        return glommio::executor().yield_task_queue_now().await;
    }
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Lets others go first if this task has run long enough. Cheap enough for inner loops.
pub async fn yield_if_needed() {
    if need_preempt() {
        yield_now().await;
    }
}

/// Returns whether this task has run long enough to let others go first. Loops longer than about
/// 100 µs ask. Outside of all cores nobody waits.
pub fn need_preempt() -> bool {
    try_current().is_some_and(|core| match &core.back {
        Back::Uring(_) => glommio::executor().need_preempt(),
        Back::Sim(machine) => machine.need_preempt(),
    })
}
