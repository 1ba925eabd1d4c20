//! Do snapshots, acknowledgements and the watermark keep their promises?

use std::thread;

use futures::FutureExt;

use super::*;

fn cores(count: usize) -> Vec<Rc<CoreClock>> {
    let shared = Clock::new(count);
    (0..count).map(|core| CoreClock::new(shared.clone(), core)).collect()
}

#[test]
fn snapshot_stays_below_everything_pending() {
    let cores = cores(2);
    assert_eq!(cores[0].snapshot(), Timestamp(0));
    let a = cores[0].take();
    let b = cores[1].take();
    let c = cores[0].take();
    assert_eq!((a, b, c), (Timestamp(1), Timestamp(2), Timestamp(3)));
    cores[1].finish(b);
    assert_eq!(cores[1].snapshot(), Timestamp(0), "1 is still pending");
    cores[0].finish(a);
    assert_eq!(cores[1].snapshot(), Timestamp(2));
    cores[0].finish(c);
    assert_eq!(cores[0].snapshot(), Timestamp(3));
}

#[test]
fn waiter_is_released_by_the_commit_that_held_it_back() {
    let cores = cores(2);
    let a = cores[0].take();
    let b = cores[1].take();
    cores[1].finish(b);
    let waiting = cores[1].visible(b);
    futures::pin_mut!(waiting);
    assert!(waiting.as_mut().now_or_never().is_none());
    let task = cores[1].clone().run();
    futures::pin_mut!(task);
    assert!(task.as_mut().now_or_never().is_none());
    cores[0].finish(a);
    assert!(task.as_mut().now_or_never().is_none());
    assert!(waiting.now_or_never().is_some());
}

#[test]
fn waiters_learn_that_the_clock_stopped() {
    let cores = cores(2);
    let stuck = cores[0].take();
    let waiting = cores[1].visible(stuck);
    futures::pin_mut!(waiting);
    assert!(waiting.as_mut().now_or_never().is_none());
    cores[0].shared.stop();
    assert!(cores[1].clone().run().now_or_never().is_none());
    assert_eq!(waiting.now_or_never(), Some(Err(Stopped)));
    assert_eq!(cores[1].visible(stuck).now_or_never(), Some(Err(Stopped)));
}

#[test]
fn raise_puts_recovered_commits_below_the_snapshot() {
    let cores = cores(1);
    cores[0].shared.raise(Timestamp(41));
    assert_eq!(cores[0].snapshot(), Timestamp(41));
    assert_eq!(cores[0].take(), Timestamp(42));
}

#[test]
fn watermark_follows_the_oldest_lease() {
    let cores = cores(2);
    let commit = |core: &Rc<CoreClock>| {
        let taken = core.take();
        core.finish(taken);
    };
    commit(&cores[0]);
    let old = cores[1].lease();
    assert_eq!(old.snapshot(), Timestamp(1));
    commit(&cores[0]);
    let copy = cores[0].lease_at(old.snapshot());
    assert_eq!(cores[0].watermark(), Timestamp(1));
    drop(old);
    assert_eq!(cores[0].watermark(), Timestamp(1));
    drop(copy);
    assert_eq!(cores[0].watermark(), Timestamp(2));
}

#[test]
fn snapshots_never_go_back_and_never_cover_a_pending_timestamp() {
    let shared = Clock::new(3);
    let commits_per_core = 20_000;
    thread::scope(|scope| {
        for core in 0..2 {
            let shared = shared.clone();
            scope.spawn(move || {
                let clock = CoreClock::new(shared, core);
                for _ in 0..commits_per_core {
                    let taken = clock.take();
                    assert!(clock.snapshot() < taken, "a pending commit was visible");
                    clock.finish(taken);
                }
            });
        }
        let shared = shared.clone();
        scope.spawn(move || {
            let clock = CoreClock::new(shared, 2);
            let mut last = Timestamp(0);
            while last.0 < 2 * commits_per_core {
                let lease = clock.lease();
                assert!(lease.snapshot() >= last, "a snapshot went back");
                assert!(clock.watermark() <= lease.snapshot(), "a leased snapshot was passed");
                last = lease.snapshot();
            }
        });
    });
}

#[test]
fn a_lease_of_the_past_holds_the_horizon_and_not_the_watermark() {
    let cores = cores(2);
    for _ in 0..9 {
        let taken = cores[0].take();
        cores[0].finish(taken);
    }
    assert_eq!(cores[1].horizon(), Timestamp(9), "nothing of the past is kept");
    assert!(cores[0].lease_past(Timestamp(9)).is_none());
    cores[0].shared.set_floor(Timestamp(3));
    assert!(cores[0].lease_past(Timestamp(2)).is_none());
    let lease = cores[0].lease_past(Timestamp(4)).expect("it is kept");
    assert!(lease.view().past);
    cores[0].shared.set_floor(Timestamp(7));
    assert_eq!((cores[1].watermark(), cores[1].horizon()), (Timestamp(9), Timestamp(4)));
    let other = cores[1].lease_past_at(Timestamp(4));
    drop(lease);
    assert_eq!(cores[0].horizon(), Timestamp(4));
    drop(other);
    assert_eq!(cores[0].horizon(), Timestamp(7));
}

#[test]
fn a_timestamp_without_writes_is_no_commit() {
    let cores = cores(2);
    let (a, b, c) = (cores[0].take(), cores[1].take(), cores[0].take());
    cores[0].discard(c);
    cores[1].finish(b);
    assert_eq!(cores[1].shared.last_commit(), Timestamp(0), "1 is pending");
    cores[0].finish(a);
    assert_eq!(cores[1].snapshot(), Timestamp(3));
    assert_eq!(cores[1].shared.last_commit(), Timestamp(2));
}
