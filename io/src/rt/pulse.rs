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

use std::cell::Cell;
use std::time::Duration;

use glommio::spawn_local;
use glommio::timer::Timer;

/// Longest wrong sleep of a core that was working.
const PERIOD_MIN: Duration = Duration::from_millis(1);
/// Longest wrong sleep of a core that had been idle: 60 wakeups a second cost about 0.1 % of it
/// (an estimate).
const PERIOD_MAX: Duration = Duration::from_millis(16);

thread_local! {
    /// Polls of tasks on this core so far.
    static BEATS: Cell<u64> = const { Cell::new(0) };
}

/// Notes that a task of this core is being polled.
pub(super) fn beat() {
    BEATS.set(BEATS.get().wrapping_add(1));
}

/// Starts the timer of this core. Called inside the executor; ends with it.
pub(super) fn start() {
    let pulse = async {
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
