//! How is a scenario run for many seeds and through crashes?

use std::future::Future;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use pieskieo_io::sim::{Outcome, SimOptions, World};
use pieskieo_io::wal::WalOptions;
use pieskieo_shards::Error;
use pieskieo_shards::actor::{Boot, BootOptions, Core, StorageOptions};

/// Where the data directory is on the simulated disk.
pub const DATA: &str = "/data";

/// Bytes of a log file: small, so that runs rotate.
const LOG_FILE_BYTES: u64 = 128 << 10;

/// Chance that an operation on a disk that fails now and then does.
const FAULT_PPM: u32 = 20_000;

/// What a seed decides about a run besides its scheduling.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub cores: u16,
    pub shards: u16,
}

/// A simulated machine with a data directory, started again and again.
pub struct Machine {
    pub world: World,
    pub plan: Plan,
    pub storage: StorageOptions,
    /// Whether a start says how many shards there are to be, or takes what it finds.
    pub asks_for_shards: bool,
    /// Random state for what happens between runs.
    state: u64,
}

/// Says how to run a failing seed again.
struct Report {
    scenario: &'static str,
    seed: u64,
}

impl Drop for Report {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "seed {} failed, again:\n  PIESKIEO_SIM_SEED={} cargo test \
                 -p pieskieo-shards --test sim {}",
                self.seed, self.seed, self.scenario
            );
        }
    }
}

/// Runs a scenario for `PIESKIEO_SIM_SEED`, or for `PIESKIEO_SIM_SEEDS` seeds, or for `count`.
pub fn for_each_seed(scenario: &'static str, count: u64, run: impl Fn(u64)) {
    for seed in seeds(count) {
        let report = Report { scenario, seed };
        run(seed);
        drop(report);
    }
}

/// As [`for_each_seed`], for a scenario with more than a hundred lives for each seed, or with long
/// ones: takes a hundredth of `PIESKIEO_SIM_SEEDS`.
pub fn for_few_seeds(scenario: &'static str, count: u64, run: impl Fn(u64)) {
    let asked = seeds(count);
    let few =
        if asked.end - asked.start > count { (asked.end / 100).max(count) } else { asked.end };
    for seed in asked.start..few {
        let report = Report { scenario, seed };
        run(seed);
        drop(report);
    }
}

fn seeds(count: u64) -> Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match (number("PIESKIEO_SIM_SEED"), number("PIESKIEO_SIM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(count)) => 0..count,
        (None, None) => 0..count,
    }
}

/// What may happen to one life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Nothing,
    /// The power goes, at any moment.
    Crash,
    /// Syncs fail.
    Syncs,
    /// Writes fail.
    Writes,
    /// Reads fail.
    Reads,
    /// Many operations take long.
    Stalls,
    /// The log or the segments of the first shard are on a slow device.
    Slow,
    /// The machine stands still for longer than anybody waits for an answer, and the wall clock
    /// is set, forward and back.
    Clocks,
    /// The disk is full before the end.
    Full,
    /// Syncs say that they are done and do nothing; the power does not go.
    Lies,
}

impl Trouble {
    /// Any of them, as the seed decides; crashes more often than others.
    pub fn any(machine: &mut Machine) -> Self {
        let all = [Self::Nothing, Self::Crash, Self::Crash, Self::Syncs, Self::Writes, Self::Reads];
        all[machine.pick(all.len() as u64) as usize]
    }

    /// Any of those that make everything late, and no operation fail.
    pub fn any_delay(machine: &mut Machine) -> Self {
        [Self::Stalls, Self::Slow, Self::Clocks][machine.pick(3) as usize]
    }

    fn set(self, options: &mut SimOptions, pick: u64, shards: u16) {
        match self {
            Self::Nothing | Self::Crash => {}
            Self::Syncs => options.sync_fault_ppm = FAULT_PPM,
            Self::Writes => options.write_fault_ppm = FAULT_PPM,
            Self::Reads => options.read_fault_ppm = FAULT_PPM,
            Self::Stalls => options.stall_ppm = 10 * FAULT_PPM,
            Self::Slow => {
                let folder = if pick.is_multiple_of(2) { "log/00000-" } else { "segments/0/" };
                options.slow_files = Some(format!("{DATA}/{folder}"));
                options.slow_time = Duration::from_millis(20);
            }
            Self::Clocks => {
                options.wall_jump_ppm = FAULT_PPM;
                options.pause_ppm = FAULT_PPM / 100;
                options.time_max = Duration::from_secs(24 * 3600);
            }
            Self::Full => {
                let logs = u64::from(shards) * 4 * LOG_FILE_BYTES;
                options.disk_bytes_max = logs + pick % (logs / 2);
            }
            Self::Lies => options.sync_lie_ppm = 20 * FAULT_PPM,
        }
    }
}

/// Panics unless an error is what a disk that fails must lead to.
pub fn must_blame_the_disk(error: &Error) {
    assert!(
        matches!(
            error,
            Error::OutcomeUnknown(_)
                | Error::Storage(_)
                | Error::Cancelled(_)
                | Error::Overloaded(_)
                | Error::DiskFull(_)
        ),
        "{error:?}"
    );
}

fn mix(state: &mut u64) -> u64 {
    // SplitMix64: full period, good enough to spread small seeds.
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Plan {
    pub fn from_seed(seed: u64) -> Self {
        let mut state = seed;
        let cores = 1 + (mix(&mut state) % 3) as u16;
        let shards = 1 + (mix(&mut state) % 4) as u16;
        Self { seed, cores, shards }
    }

    /// A machine whose disk never fails.
    pub fn world(self) -> Machine {
        let world = World::new(self.seed, SimOptions::default());
        Machine {
            world,
            plan: self,
            storage: small_storage(),
            asks_for_shards: true,
            state: self.seed ^ 0xc0ff_ee00,
        }
    }
}

fn boot(machine: &Machine) -> Arc<Boot> {
    let Machine { plan, storage, asks_for_shards, .. } = *machine;
    let options = BootOptions {
        path: PathBuf::from(DATA),
        cores: plan.cores,
        shard_count: asks_for_shards.then_some(plan.shards),
        wal: WalOptions::small(LOG_FILE_BYTES),
        storage,
    };
    Arc::new(Boot::new(options).expect("there are cores"))
}

/// Runs of a few rows, written often, and a cache of a few groups.
fn small_storage() -> StorageOptions {
    StorageOptions {
        flush_bytes: 6 << 10,
        hot_bytes_max: 64 << 10,
        memory_bytes: 1 << 30,
        log_bytes: 64 << 10,
        cache_bytes: 16 << 10,
        group_bytes: 256,
        run_bytes: 12 << 10,
        level_bytes: 48 << 10,
        image_entries_min: 4,
        retention: Duration::ZERO,
    }
}

impl Machine {
    /// One life: all cores open, run `main` and close.
    pub fn live<Fut>(&mut self, main: impl Fn(Rc<Core>) -> Fut + 'static)
    where
        Fut: Future<Output = Result<(), Error>> + 'static,
    {
        for (core, result) in self.try_live(main).finished().into_iter().enumerate() {
            if let Err(error) = result {
                panic!("core {core}: {error}");
            }
        }
    }

    /// One life that may end in any way. A core that learns that the process failed ends at once.
    pub fn try_live<Fut>(
        &mut self,
        main: impl Fn(Rc<Core>) -> Fut + 'static,
    ) -> Outcome<Result<(), Error>>
    where
        Fut: Future<Output = Result<(), Error>> + 'static,
    {
        let boot = boot(self);
        let main = Rc::new(main);
        self.world.run(self.plan.cores, move |id| {
            let (boot, main) = (boot.clone(), main.clone());
            async move {
                let core = Core::open(boot.take(id)?).await?;
                let run = Box::pin(main(core.clone()));
                let failed = Box::pin(core.failed());
                let result = match select(run, failed).await {
                    Either::Left((result, _)) => result,
                    Either::Right((error, _)) => return Err(error),
                };
                // An answer that is an error stops no server: it closes as always.
                let closed = core.close().await;
                result.and(closed)
            }
        })
    }

    /// One life that a power cut may end at any moment. Ended or not, the power goes afterwards.
    pub fn live_until_crash<Fut>(&mut self, main: impl Fn(Rc<Core>) -> Fut + 'static)
    where
        Fut: Future<Output = Result<(), Error>> + 'static,
    {
        let (by_time, pick) = (self.pick(2) == 0, self.pick(u64::MAX));
        self.world.change(|options| {
            if by_time {
                options.crash_after = Some(Duration::from_micros(pick % 60_000));
            } else {
                options.crash_at_operation = Some(pick % 400);
            }
        });
        match self.try_live(main) {
            Outcome::Crashed => {}
            Outcome::Finished(results) => {
                for result in results {
                    result.expect("nothing fails before the power cut");
                }
                self.world.crash();
            }
            other => panic!("the run ended as {other:?}"),
        }
        self.world.change(|options| {
            options.crash_after = None;
            options.crash_at_operation = None;
        });
    }

    /// One life in trouble. What fails is reported, and nothing else goes wrong; afterwards the
    /// disk is well again.
    pub fn live_in<Fut>(&mut self, trouble: Trouble, main: impl Fn(Rc<Core>) -> Fut + 'static)
    where
        Fut: Future<Output = Result<(), Error>> + 'static,
    {
        match trouble {
            Trouble::Nothing => return self.live(main),
            Trouble::Crash => return self.live_until_crash(main),
            _ => {}
        }
        let (pick, shards) = (self.pick(u64::MAX), self.plan.shards);
        let well = self.change(|options| trouble.set(options, pick, shards));
        match self.try_live(main) {
            Outcome::Finished(results) => {
                results.into_iter().filter_map(Result::err).for_each(|e| must_blame_the_disk(&e));
            }
            other => panic!("the run ended as {other:?}"),
        }
        self.change(|options| *options = well);
        if trouble != Trouble::Lies && self.pick(2) == 0 {
            self.world.crash();
        }
    }

    /// Changes the options for what follows; returns those of before.
    pub fn change(&mut self, change: impl FnOnce(&mut SimOptions)) -> SimOptions {
        let mut before = SimOptions::default();
        self.world.change(|options| {
            before = options.clone();
            change(options);
        });
        before
    }

    /// The same machine and disk, started with another number of shards.
    pub fn with_shards(self, shards: u16) -> Self {
        Self { plan: Plan { shards, ..self.plan }, ..self }
    }

    /// Returns a number below `bound` that the seed decides.
    pub fn pick(&mut self, bound: u64) -> u64 {
        mix(&mut self.state) % bound
    }

    /// Returns the files of the logs.
    pub fn log_files(&self) -> Vec<PathBuf> {
        self.files_in(&Path::new(DATA).join("log"))
    }

    /// Returns the files in a folder, in order.
    pub fn files_in(&self, folder: &Path) -> Vec<PathBuf> {
        let paths = self.world.file_names(folder).into_iter().map(|name| folder.join(name));
        paths.filter(|path| self.world.file_bytes(path).is_some()).collect()
    }
}
