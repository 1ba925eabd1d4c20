//! Does every acknowledged record survive power cuts, failed syncs and failed writes?

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::rt::{self, Queue};
use pieskieo_io::sim::{Outcome, SimOptions, World};
use pieskieo_io::wal::{Error, Lsn, Wal};

use crate::harness::{check_entries, fill, open, options, record, run};

/// What the test knows about the log.
#[derive(Debug, Default)]
struct Model {
    /// Highest LSN somebody was told to be durable.
    acknowledged: u64,
    /// Highest LSN given out.
    appended: u64,
    /// Whether the last run's log was opened.
    opened: bool,
}

/// Opens, checks what came back, and appends from several tasks until something stops it.
async fn serve(model: Rc<RefCell<Model>>, seed: u64) -> Result<(), Error> {
    model.borrow_mut().opened = false;
    let (wal, entries) = open(&options()).await?;
    check_entries(&entries, Lsn::FIRST);
    let recovered = entries.len() as u64;
    {
        let mut model = model.borrow_mut();
        let Model { acknowledged, appended, .. } = *model;
        assert!(recovered >= acknowledged, "seed {seed}: {recovered} < {acknowledged}");
        assert!(recovered <= appended, "seed {seed}: {recovered} > {appended}");
        // What was recovered is durable from here on, and its successors take the LSNs after it.
        *model = Model { acknowledged: recovered, appended: recovered, opened: true };
    }
    let wal = Rc::new(wal);
    let tasks: Vec<_> = (0..3)
        .map(|worker| {
            let (wal, model) = (wal.clone(), model.clone());
            rt::spawn(Queue::Lanes, "worker", append_some(wal, model, worker))
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    if recovered.is_multiple_of(2) {
        wal.close().await?;
    }
    Ok(())
}

fn acknowledge(model: &RefCell<Model>, lsn: Lsn) {
    let mut model = model.borrow_mut();
    model.acknowledged = model.acknowledged.max(lsn.0);
}

async fn append_some(wal: Rc<Wal>, model: Rc<RefCell<Model>>, worker: u64) -> Result<(), Error> {
    for round in 0..12 {
        let mut last = Lsn::ZERO;
        for _ in 0..=(worker + round) % 3 {
            let number = wal.last_lsn().next().0;
            last = wal.append(&record(number))?;
            assert_eq!(last.0, number);
            let mut model = model.borrow_mut();
            model.appended = model.appended.max(number);
        }
        wal.durable(last).await?;
        acknowledge(&model, last);
        if (worker + round).is_multiple_of(4) {
            rt::sleep(Duration::from_millis(7 * (worker + 1))).await;
        }
    }
    Ok(())
}

/// Runs one machine through several lives; returns its trace.
fn lives(seed: u64, faults: impl Fn(&mut SimOptions, u64)) -> u64 {
    let mut world = World::new(seed, SimOptions::default());
    let model = Rc::new(RefCell::new(Model::default()));
    for life in 0..6u64 {
        let mixed = (seed * 6 + life).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        world.change(|options| {
            options.crash_at_operation = Some(1 + mixed % 260);
            faults(options, life);
        });
        let shared = model.clone();
        let outcome = world.run(1, move |_| serve(shared.clone(), seed));
        match outcome {
            Outcome::Crashed => {}
            Outcome::Finished(results) => {
                for result in results {
                    check_failure(result, seed);
                }
                if mixed.is_multiple_of(3) {
                    world.crash();
                }
            }
            other => panic!("seed {seed}, life {life}: {other:?}"),
        }
    }
    world.change(|options| {
        options.crash_at_operation = None;
        (options.sync_fault_ppm, options.write_fault_ppm, options.read_fault_ppm) = (0, 0, 0);
    });
    let shared = model.clone();
    let last = world.run(1, move |_| serve(shared.clone(), seed)).finished();
    assert!(last.iter().all(Result::is_ok), "seed {seed}: {last:?}");
    assert!(model.borrow().opened);
    world.trace_hash()
}

/// A fault of the disk may fence the log or keep it from opening; it never looks like damage.
fn check_failure(result: Result<(), Error>, seed: u64) {
    match result {
        Ok(()) | Err(Error::Fenced(_) | Error::Full { .. } | Error::Storage { .. }) => {}
        Err(other) => panic!("seed {seed}: {other}"),
    }
}

#[test]
fn acknowledged_records_survive_power_cuts() {
    for seed in 0..150 {
        lives(seed, |_, _| {});
    }
}

#[test]
fn acknowledged_records_survive_failed_syncs() {
    for seed in 1000..1080 {
        lives(seed, |options, life| {
            options.sync_fault_ppm = if life % 2 == 0 { 20_000 } else { 0 };
        });
    }
}

#[test]
fn acknowledged_records_survive_failed_writes() {
    for seed in 2000..2080 {
        lives(seed, |options, life| {
            options.write_fault_ppm = if life % 2 == 0 { 20_000 } else { 0 };
        });
    }
}

#[test]
fn a_failed_read_is_no_damage() {
    for seed in 3000..3030 {
        lives(seed, |options, _| options.read_fault_ppm = 10_000);
    }
}

#[test]
fn one_seed_takes_the_same_steps_twice() {
    assert_eq!(lives(7, |_, _| {}), lives(7, |_, _| {}));
}

#[test]
fn a_fenced_log_fails_everything_for_good() {
    let mut fenced = 0;
    for seed in 0..40 {
        let mut world = World::new(seed, SimOptions::default());
        run(&mut world, fill(1, 10, 3, true));
        world.change(|options| options.write_fault_ppm = 600_000);
        fenced += u32::from(run(&mut world, append_until_fenced()).is_some());
    }
    assert!(fenced > 0, "some seed opens and then fails");
}

/// Opens and appends; `None` when the disk refused the opening, or took the write after all.
async fn append_until_fenced() -> Option<()> {
    let (wal, _) = open(&options()).await.ok()?;
    let lsn = wal.append(b"x").expect("buffered");
    if wal.durable(lsn).await.is_ok() {
        return None;
    }
    let Some(Error::Fenced(first)) = wal.failure() else { panic!("not fenced") };
    assert!(matches!(wal.append(b"z"), Err(Error::Fenced(fence)) if fence == first));
    assert!(matches!(wal.durable(lsn).await, Err(Error::Fenced(fence)) if fence == first));
    assert!(matches!(wal.close().await, Err(Error::Fenced(fence)) if fence == first));
    assert!(wal.durable(Lsn(10)).await.is_ok(), "what was durable stays so");
    Some(())
}

#[test]
fn an_idle_log_confirms_its_last_frame_once() {
    let mut world = World::new(1, SimOptions::default());
    run(&mut world, async {
        let (wal, _) = open(&options()).await.expect("opened");
        let lsn = wal.append(b"x").expect("room");
        wal.durable(lsn).await.expect("durable");
        assert_eq!(wal.stats().confirmations, 0);
        rt::sleep(Duration::from_secs(60)).await;
        assert_eq!(wal.stats().confirmations, 1);
        wal.close().await.expect("closed");
        assert_eq!(wal.stats().confirmations, 1, "it was confirmed already");
    });
}

#[test]
fn commits_that_wait_share_a_frame() {
    let mut world = World::new(1, SimOptions::default());
    run(&mut world, async {
        let (wal, _) = open(&options()).await.expect("opened");
        let lsns: Vec<Lsn> = (0..100).map(|_| wal.append(b"small").expect("room")).collect();
        for lsn in lsns {
            wal.durable(lsn).await.expect("durable");
        }
        assert!(wal.stats().frames <= 2, "{:?}", wal.stats());
        wal.close().await.expect("closed");
    });
}
