//! How does a test run, crash and inspect the machine?

use std::cell::RefCell;
use std::future::Future;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::machine::Machine;
use super::options::SimOptions;
use crate::error::Error;
use crate::rt::{Back, Core, CoreId, Queue, Stop, enter, spawn_on, watch};
use crate::time::seeded_by;

/// A machine that runs programs, one after the other, on the same disk.
pub struct World {
    machine: Rc<Machine>,
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome<T> {
    /// Every core's main future ended; their results by core.
    Finished(Vec<T>),
    /// Nothing was ready, nobody waited for time, and some core had not ended: the tasks that
    /// waited, as `core/name`.
    Deadlock(Vec<String>),
    /// A task panicked.
    Failed(Error),
    /// The power cut that the options asked for; the disk has lost what it lost.
    Crashed,
    /// Virtual time reached `time_max`.
    OutOfTime,
}

impl<T> Outcome<T> {
    /// Returns the results of a run that must have finished.
    ///
    /// **Panics**: it ended in another way, which is printed.
    #[track_caller]
    pub fn finished(self) -> Vec<T> {
        match self {
            Self::Finished(results) => results,
            Self::Deadlock(tasks) => panic!("the run is stuck, waiting: {}", tasks.join(", ")),
            Self::Failed(error) => panic!("the run failed: {error}"),
            Self::Crashed => panic!("the run ended in a power cut"),
            Self::OutOfTime => panic!("the run ran out of time"),
        }
    }
}

impl World {
    /// Returns a machine with an empty disk. Everything that happens on it follows from `seed`,
    /// the options and the programs.
    pub fn new(seed: u64, options: SimOptions) -> Self {
        Self { machine: Machine::new(seed, options) }
    }

    /// Runs `main(core)` on each of `cores` cores until all have ended, or cannot. Tasks left
    /// over are dropped, as at the end of a process: files keep what was written, synced or not.
    ///
    /// **Panics**: `cores` is zero, or another world is running on this thread.
    pub fn run<F, Fut, T>(&mut self, cores: u16, main: F) -> Outcome<T>
    where
        F: Fn(CoreId) -> Fut,
        Fut: Future<Output = T> + 'static,
        T: 'static,
    {
        assert!(cores > 0, "a machine has a core");
        self.machine.crashed.set(false);
        self.machine.operations.set(0);
        self.machine.polls.set(0);
        let results: Rc<RefCell<Vec<Option<T>>>> =
            Rc::new(RefCell::new((0..cores).map(|_| None).collect()));
        let stop = Stop::new(cores);
        let mut all = Vec::new();
        for index in 0..cores {
            let back = Back::Sim(self.machine.clone());
            let random = seeded_by(self.machine.fork(), 1);
            let core = Core::new(CoreId(index), back, stop.clone(), random);
            watch(&core);
            let entered = enter(core.clone());
            let future = main(core.id);
            drop(entered);
            let place = results.clone();
            let keep = async move {
                let value = future.await;
                place.borrow_mut()[usize::from(index)] = Some(value);
            };
            drop(spawn_on(&core, Queue::Net, "main", keep));
            all.push(core);
        }
        let ending = self.drive(&all, || results.borrow().iter().all(Option::is_some));
        for core in &all {
            let entered = enter(core.clone());
            core.drop_tasks();
            drop(entered);
        }
        self.machine.end_run();
        let failure = all.iter().find_map(|core| core.failure());
        match ending {
            Ending::Crashed => {
                self.crash();
                Outcome::Crashed
            }
            _ if failure.is_some() => Outcome::Failed(failure.unwrap_or(Error::Stopped)),
            Ending::Stuck(tasks) => Outcome::Deadlock(tasks),
            Ending::OutOfTime => Outcome::OutOfTime,
            Ending::Done => Outcome::Finished(results.take().into_iter().flatten().collect()),
        }
    }

    fn drive(&self, cores: &[Rc<Core>], done: impl Fn() -> bool) -> Ending {
        let (time_max, crash_after, crash_at_poll) = {
            let options = self.machine.options.borrow();
            (options.time_max, options.crash_after, options.crash_at_poll.unwrap_or(u64::MAX))
        };
        let begun = self.machine.now();
        let end = begun.saturating_add(nanos(time_max));
        let cut = crash_after.map_or(u64::MAX, |after| begun.saturating_add(nanos(after)));
        loop {
            let polled = self.machine.polls.get() >= crash_at_poll;
            if self.machine.crashed.get() || self.machine.now() >= cut || polled {
                return Ending::Crashed;
            }
            if done() || cores.iter().any(|core| core.failure().is_some()) {
                return Ending::Done;
            }
            if self.machine.now() >= end {
                return Ending::OutOfTime;
            }
            if self.machine.step() {
                continue;
            }
            let Some(next) = self.machine.timers.next() else {
                return Ending::Stuck(waiting(cores));
            };
            self.machine.advance_to(next);
            self.machine.timers.fire(self.machine.now());
        }
    }

    /// Cuts the power between two runs: what was not durable may be lost.
    pub fn crash(&mut self) {
        self.machine.crash_disk();
    }

    /// Changes the options for what follows.
    pub fn change(&mut self, change: impl FnOnce(&mut SimOptions)) {
        change(&mut self.machine.options.borrow_mut());
    }

    /// Returns a number that two runs share only if they took the same steps.
    pub fn trace_hash(&self) -> u64 {
        self.machine.trace()
    }

    /// Returns the virtual time since the world began.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.machine.now())
    }

    /// Returns the disk operations of the last run.
    pub fn operations(&self) -> u64 {
        self.machine.operations.get()
    }

    /// Returns the polls of tasks in the last run.
    pub fn polls(&self) -> u64 {
        self.machine.polls.get()
    }

    /// Returns the bytes a file has now; `None` if there is no such file.
    pub fn file_bytes(&self, path: &Path) -> Option<Vec<u8>> {
        self.machine.disk.borrow().bytes(path)
    }

    /// Returns the names in a directory, in order.
    pub fn file_names(&self, directory: &Path) -> Vec<String> {
        self.machine.disk.borrow().names(directory).unwrap_or_default()
    }

    /// Changes bytes of a file behind the program's back: `change` gets the sector that holds
    /// byte `offset` and the place in it. Returns whether there is such a byte.
    pub fn damage(&mut self, path: &Path, offset: u64, change: impl FnOnce(&mut u8)) -> bool {
        self.machine.disk.borrow_mut().damage(path, offset, change)
    }

    /// Flips bit `bit` (0 to 7) of byte `offset` of a file. Returns whether there is such a byte.
    pub fn flip_bit(&mut self, path: &Path, offset: u64, bit: u32) -> bool {
        self.damage(path, offset, |byte| *byte ^= 1 << (bit % 8))
    }
}

enum Ending {
    Done,
    Crashed,
    OutOfTime,
    Stuck(Vec<String>),
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn waiting(cores: &[Rc<Core>]) -> Vec<String> {
    let of = |core: &Rc<Core>| {
        let names = core.task_names().into_iter().filter(|name| *name != "shutdown");
        names.map(|name| format!("{}/{name}", core.id.0)).collect::<Vec<_>>()
    };
    cores.iter().flat_map(of).collect()
}
