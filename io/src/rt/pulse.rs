//! Why does a core that has work never sleep for long?
//!
//! The executor below looks for work, and sleeps when its search found none. The search is also
//! cut short when the preemption timer has run out, and with a busy machine that happens before
//! the first queue was looked at: the thread was off its CPU for longer than the timer. The
//! executor takes the empty search for an empty queue and sleeps, with tasks ready to run, until
//! something outside wakes it. A single writer that waits for its own task then waits for ever
//! (glommio-ng 0.12.0, `run_task_queues` returns `ran = false` from its first `need_preempt`;
//! a loop of one write and one sync of a 4 KiB block stood still within 15,000 rounds in one run
//! of two, with two cores and a load average of 8).
//!
//! So every core has a timer of its own that wakes it soon: after a millisecond while tasks run,
//! and less and less often while none do. It bounds such a sleep; it carries no meaning.
//!
//! That timer's task can itself be the one that is ready while the core sleeps, and then no timer
//! is left (one start in seventy under load never came to its end). So a thread outside of all
//! cores wakes that task on each of them from time to time: a wake from another thread ends a
//! core's sleep, and repeats until the core has seen it.

use std::cell::Cell;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::{Poll, Waker};
use std::time::Duration;

use glommio::spawn_local;
use glommio::timer::Timer;

use crate::error::{Error, Result};

/// Longest wrong sleep of a core that was working.
const PERIOD_MIN: Duration = Duration::from_millis(1);
/// Longest wrong sleep of a core that had been idle: 60 wakeups a second cost about 0.1 % of it
/// (an estimate).
const PERIOD_MAX: Duration = Duration::from_millis(16);

/// How often a core is woken from outside: a sleep is this long only if the core's own timer was
/// lost as well.
const PERIOD_OUTSIDE: Duration = Duration::from_millis(50);

thread_local! {
    /// Polls of tasks on this core so far.
    static BEATS: Cell<u64> = const { Cell::new(0) };
}

/// Notes that a task of this core is being polled.
pub(super) fn beat() {
    BEATS.set(BEATS.get().wrapping_add(1));
}

/// A core's way to be woken from outside. The thread that wakes ends when all are dropped.
#[derive(Clone)]
pub(super) struct Outside(mpsc::Sender<Waker>);

/// Starts the thread that wakes cores from outside.
///
/// **Errors**: `Machine` when there can be no more threads.
pub(super) fn outside() -> Result<Outside> {
    let (sender, wakers) = mpsc::channel();
    let body = move || wake_from_outside(&wakers);
    let thread = std::thread::Builder::new().name("pulse".to_owned()).spawn(body);
    thread.map_err(|cause| Error::Machine {
        cause: format!("cannot start the thread that wakes the cores: {cause}"),
        remedy: "raise the limit of processes (ulimit -u)".to_owned(),
    })?;
    Ok(Outside(sender))
}

fn wake_from_outside(wakers: &mpsc::Receiver<Waker>) {
    let mut known: Vec<Waker> = Vec::new();
    loop {
        match wakers.recv_timeout(PERIOD_OUTSIDE) {
            Ok(waker) => known.push(waker),
            Err(RecvTimeoutError::Timeout) => known.iter().for_each(Waker::wake_by_ref),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Starts the timer of this core. Called inside the executor; ends with it.
pub(super) fn start(outside: &Outside) {
    let outside = outside.0.clone();
    let pulse = async move {
        let own = std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        // The thread lives as long as any core.
        outside.send(own).ok();
        drop(outside);
        let mut period = PERIOD_MIN;
        loop {
            let before = BEATS.get();
            Timer::new(period).await;
            let idle = BEATS.get() == before;
            period = if idle { (period * 2).min(PERIOD_MAX) } else { PERIOD_MIN };
        }
    };
    drop(spawn_local(pulse).detach());
}
