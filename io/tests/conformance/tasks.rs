//! Do tasks, timers, pools and shutdown keep their promises on both back ends?

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use pieskieo_io::rt::{self, Pool, Queue, RuntimeOptions};
use pieskieo_io::sim::{Outcome, SimOptions, World};
use pieskieo_io::{Error, time};

use crate::{both, both_with};

const MS: Duration = Duration::from_millis(1);

/// Sets its flag when it is dropped.
struct Dropped(Rc<Cell<bool>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn tasks_run_on_their_core_and_give_results() {
    both(3, |core, _| async move {
        assert_eq!(rt::core(), core);
        let mut tasks = Vec::new();
        for queue in Queue::ALL {
            tasks.push(rt::spawn(queue, "number", async move {
                rt::yield_now().await;
                assert_eq!(rt::core(), core);
                queue.name().len()
            }));
        }
        for (task, queue) in tasks.into_iter().zip(Queue::ALL) {
            assert_eq!(task.await, queue.name().len());
        }
    });
}

#[test]
fn dropping_a_task_lets_it_run_on() {
    both(1, |_, _| async move {
        let (sender, receiver) = rt::oneshot();
        drop(rt::spawn(Queue::Query, "detached", async move {
            rt::sleep(MS).await;
            sender.send(7).unwrap();
        }));
        assert_eq!(receiver.await, Ok(7));
    });
}

#[test]
fn cancelling_drops_the_future_at_once() {
    both(1, |_, _| async move {
        let dropped = Rc::new(Cell::new(false));
        let guard = Dropped(dropped.clone());
        let task = rt::spawn(Queue::Net, "endless", async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        rt::yield_now().await;
        assert!(!dropped.get());
        assert_eq!(task.cancel().await, None);
        assert!(dropped.get());
    });
}

#[test]
fn cancelling_an_ended_task_gives_its_result() {
    both(1, |_, _| async move {
        let task = rt::spawn(Queue::Net, "short", async { 5 });
        rt::sleep(MS).await;
        assert!(task.is_finished());
        assert_eq!(task.cancel().await, Some(5));
    });
}

#[test]
fn a_task_never_polled_can_be_cancelled() {
    both(1, |_, _| async move {
        let ran = Rc::new(Cell::new(false));
        let mark = ran.clone();
        let task = rt::spawn(Queue::Scan, "unlucky", async move { mark.set(true) });
        task.cancel().await;
        rt::sleep(MS).await;
        assert!(!ran.get());
    });
}

#[test]
fn tasks_end_with_their_core() {
    struct Count(Arc<AtomicU32>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let ended = Arc::new(AtomicU32::new(0));
    let shared = ended.clone();
    both_with(
        1,
        move || shared.clone(),
        |_, _, ended| async move {
            let guard = Count(ended);
            drop(rt::spawn(Queue::Net, "endless", async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            }));
            rt::sleep(MS).await;
        },
    );
    assert_eq!(ended.load(Ordering::SeqCst), 1 + crate::SEEDS as u32);
}

#[test]
fn timers_end_in_order_and_not_early() {
    both(1, |_, _| async move {
        let order = Rc::new(RefCell::new(Vec::new()));
        let begun = time::now();
        let mut tasks = Vec::new();
        for delay in [30u32, 10, 20, 0, 40] {
            let order = order.clone();
            tasks.push(rt::spawn(Queue::Query, "timer", async move {
                rt::sleep(delay * MS).await;
                assert!(begun.elapsed() >= delay * MS);
                order.borrow_mut().push(delay);
            }));
        }
        for task in tasks {
            task.await;
        }
        assert_eq!(*order.borrow(), [0, 10, 20, 30, 40]);
    });
}

#[test]
fn a_dropped_pause_never_fires() {
    both(1, |_, _| async move {
        for _ in 0..100 {
            let pause = rt::timeout(Duration::from_secs(3600), rt::yield_now());
            pause.await.unwrap();
        }
    });
}

#[test]
fn timeouts_end_what_takes_too_long() {
    both(1, |_, _| async move {
        let dropped = Rc::new(Cell::new(false));
        let guard = Dropped(dropped.clone());
        let endless = async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        };
        assert_eq!(rt::timeout(5 * MS, endless).await, Err(rt::Elapsed));
        assert!(dropped.get());
        assert_eq!(rt::timeout(Duration::from_secs(60), async { 3 }).await, Ok(3));
        assert_eq!(rt::timeout(Duration::ZERO, async { 3 }).await, Ok(3));
    });
}

#[test]
fn yielding_lets_others_run() {
    both(1, |_, _| async move {
        let flag = Rc::new(Cell::new(false));
        let set = flag.clone();
        drop(rt::spawn(Queue::Maintenance, "setter", async move { set.set(true) }));
        while !flag.get() {
            rt::yield_now().await;
        }
    });
}

#[test]
fn a_long_loop_is_asked_to_yield() {
    both(1, |_, _| async move {
        let mut turns = 0u64;
        while !rt::need_preempt() {
            turns += 1;
            assert!(turns < 1 << 34, "nobody asks");
        }
        rt::yield_if_needed().await;
    });
}

#[test]
fn pools_give_results_and_survive_panics() {
    both(2, |core, _| async move {
        for pool in [Pool::Auth, Pool::Build, Pool::Files] {
            for _ in 0..4 {
                let failed = rt::blocking(pool, || -> u32 { panic!("as asked") }).await;
                match failed {
                    Err(Error::PoolPanicked(text)) => assert_eq!(text, "as asked"),
                    other => panic!("{other:?}"),
                }
                let number = core.0;
                assert_eq!(rt::blocking(pool, move || number + 1).await.unwrap(), number + 1);
            }
        }
    });
}

#[test]
fn every_core_hears_of_the_shutdown() {
    both(3, |core, _| async move {
        let heard = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let heard = heard.clone();
                rt::spawn(Queue::Net, "listener", async move {
                    rt::shutdown_requested().await;
                    heard.set(heard.get() + 1);
                })
            })
            .collect();
        if core.0 == 1 {
            rt::sleep(2 * MS).await;
            rt::request_shutdown();
        }
        rt::shutdown_requested().await;
        for task in tasks {
            task.await;
        }
        assert_eq!(heard.get(), 5);
    });
}

#[test]
fn random_numbers_differ() {
    both(1, |_, _| async move {
        let mut bytes = [0; 32];
        time::fill_random(&mut bytes);
        assert_ne!(bytes, [0; 32]);
        assert_ne!(time::random_u64(), time::random_u64());
    });
}

/// What one core does while another fails.
async fn fail_on_core_one(core: rt::CoreId) {
    if core.0 == 1 {
        let task = rt::spawn(Queue::Commit, "careless", async {
            rt::sleep(MS).await;
            panic!("as asked");
        });
        task.await
    }
    rt::shutdown_requested().await;
}

#[track_caller]
fn names_the_careless(error: &Error) {
    match error {
        Error::Panicked { core, task, message } => {
            assert_eq!((core.0, task.as_str(), message.as_str()), (1, "careless", "as asked"));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_panic_stops_all_cores_and_is_reported() {
    let options = RuntimeOptions { pin: false, ..RuntimeOptions::cores(3) };
    let error = rt::start(options, fail_on_core_one).unwrap().join().unwrap_err();
    names_the_careless(&error);
    match World::new(1, SimOptions::default()).run(3, fail_on_core_one) {
        Outcome::Failed(error) => names_the_careless(&error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_thread_can_stop_the_cores() {
    let options = RuntimeOptions { pin: false, ..RuntimeOptions::cores(2) };
    let running = rt::start(options, |core| async move {
        rt::shutdown_requested().await;
        core.0
    });
    let running = running.unwrap();
    let stopper = running.stopper();
    rt::thread("stopper", move || stopper.stop()).unwrap();
    assert_eq!(running.join().unwrap(), [0, 1]);
}

#[test]
fn impossible_options_are_refused() {
    for cores in [0, 513] {
        let refused = rt::start(RuntimeOptions::cores(cores), |_| async {});
        assert!(matches!(refused, Err(Error::Options(_))));
    }
}

#[test]
fn executors_start_and_stop_many_times() {
    for _ in 0..20 {
        let options = RuntimeOptions { pin: false, ..RuntimeOptions::cores(2) };
        let running = rt::start(options, |core| async move {
            rt::sleep(MS / 10).await;
            core
        });
        assert_eq!(running.unwrap().join().unwrap().len(), 2);
    }
}

/// A core that is off its CPU at the wrong moment of its start must not sleep for ever.
#[test]
fn executors_start_while_all_processors_are_busy() {
    let busy = Arc::new(AtomicBool::new(true));
    for _ in 0..12 {
        let busy = busy.clone();
        rt::thread("busy", move || while busy.load(Ordering::Relaxed) {}).unwrap();
    }
    let (ended, ends) = std::sync::mpsc::channel();
    rt::thread("starter", move || {
        for _ in 0..30 {
            let options = RuntimeOptions { pin: false, ..RuntimeOptions::cores(8) };
            let running = rt::start(options, |core| async move { core }).unwrap();
            ended.send(running.join().map(|cores| cores.len())).unwrap();
        }
    })
    .unwrap();
    for start in 0..30 {
        let cores = ends.recv_timeout(Duration::from_secs(60));
        assert_eq!(cores.unwrap_or_else(|_| panic!("start {start} never ended")).unwrap(), 8);
    }
    busy.store(false, Ordering::Relaxed);
}
