//! Why does a core that has work never sleep for long, and how does it wait for time?
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
//! cores wakes the first task of each of them from time to time: a wake from another thread ends a
//! core's sleep, and repeats until the core has seen it.
//!
//! The first task can be the one that is ready as well, when a core is off its CPU for longer than
//! the preemption timer between its first look at the rings and its first at the queues; nobody
//! knows how to wake it then. So the timer is a second long until queues of our own have work.
//!
//! The same task is the alarm of every pause on its core. The executor has timers too, but looks at
//! all of them each time it looks for work (glommio-ng 0.12.0, `process_timers`): with one for the
//! time limit of each request under way that was an eighth of the time of point reads. So there is
//! one such timer, and pauses wait in order of their ends.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::{Poll, Waker};
use std::time::Duration;

use glommio::spawn_local;
use glommio::timer::Timer;

use super::timers::{TimerId, Timers};

use crate::error::{Error, Result};
use crate::time::{self, Monotonic};

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

/// The pauses of a core.
pub(crate) struct Alarm {
    pub timers: Timers,
    began: Monotonic,
    /// When the core's timer goes off, nanoseconds.
    set_for: Cell<u64>,
    /// Wakes the task that has the core's timer.
    task: Cell<Option<Waker>>,
}

impl Alarm {
    fn new() -> Self {
        let began = time::now();
        let (set_for, task) = (Cell::new(u64::MAX), Cell::new(None));
        Self { timers: Timers::default(), began, set_for, task }
    }

    /// Returns the nanoseconds since the core started.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Begins a pause.
    pub fn add(&self, duration: Duration) -> TimerId {
        let id = self.timers.add(self.now(), duration);
        if id.deadline() < self.set_for.get()
            && let Some(task) = self.task.take()
        {
            task.wake();
        }
        id
    }

    /// Sleeps for `period`, or until a pause ends or one begins that ends before.
    async fn wait(&self, period: Duration) {
        let now = self.now();
        let nanos = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        let end = self.timers.next().unwrap_or(u64::MAX).min(now.saturating_add(nanos));
        self.set_for.set(end);
        let mut timer = pin!(Timer::new(Duration::from_nanos(end.saturating_sub(now))));
        poll_fn(|cx| {
            self.task.set(Some(cx.waker().clone()));
            let next = self.timers.next().unwrap_or(u64::MAX);
            if next < self.set_for.get() || next <= self.now() {
                return Poll::Ready(());
            }
            timer.as_mut().poll(cx).map(|_| ())
        })
        .await;
    }
}

/// Starts the timer of this core. Called by the executor's first task before it waits for
/// anything; ends with the executor.
pub(super) async fn start(outside: &Outside) -> Rc<Alarm> {
    let first = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    // The thread lives as long as any core.
    outside.0.send(first).ok();
    let alarm = Rc::new(Alarm::new());
    let own = alarm.clone();
    let pulse = async move {
        let mut period = PERIOD_MIN;
        loop {
            let before = BEATS.get();
            own.wait(period).await;
            own.timers.fire(own.now());
            let idle = BEATS.get() == before;
            period = if idle { (period * 2).min(PERIOD_MAX) } else { PERIOD_MIN };
        }
    };
    drop(spawn_local(pulse).detach());
    alarm
}
