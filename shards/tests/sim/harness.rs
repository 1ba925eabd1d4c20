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
    plan: Plan,
    pub storage: StorageOptions,
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

/// As [`for_each_seed`], for a scenario that runs more than a hundred lives for each seed: takes a
/// hundredth of `PIESKIEO_SIM_SEEDS`.
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
}

impl Trouble {
    /// Any of them, as the seed decides; crashes more often than others.
    pub fn any(machine: &mut Machine) -> Self {
        let all = [Self::Nothing, Self::Crash, Self::Crash, Self::Syncs, Self::Writes, Self::Reads];
        all[machine.pick(all.len() as u64) as usize]
    }

    fn set(self, options: &mut SimOptions, ppm: u32) {
        match self {
            Self::Nothing | Self::Crash => {}
            Self::Syncs => options.sync_fault_ppm = ppm,
            Self::Writes => options.write_fault_ppm = ppm,
            Self::Reads => options.read_fault_ppm = ppm,
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
        Machine { world, plan: self, storage: small_storage(), state: self.seed ^ 0xc0ff_ee00 }
    }
}

fn boot(plan: Plan, storage: StorageOptions) -> Arc<Boot> {
    let options = BootOptions {
        path: PathBuf::from(DATA),
        cores: plan.cores,
        shard_count: Some(plan.shards),
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
        let boot = boot(self.plan, self.storage);
        let main = Rc::new(main);
        self.world.run(self.plan.cores, move |id| {
            let (boot, main) = (boot.clone(), main.clone());
            async move {
                let core = Core::open(boot.take(id)?).await?;
                let run = Box::pin(main(core.clone()));
                let failed = Box::pin(core.failed());
                match select(run, failed).await {
                    Either::Left((result, _)) => result?,
                    Either::Right((error, _)) => return Err(error),
                }
                core.close().await
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
            Trouble::Syncs | Trouble::Writes | Trouble::Reads => {}
        }
        self.world.change(|options| trouble.set(options, 20_000));
        match self.try_live(main) {
            Outcome::Finished(results) => {
                results.into_iter().filter_map(Result::err).for_each(|e| must_blame_the_disk(&e));
            }
            other => panic!("the run ended as {other:?}"),
        }
        self.world.change(|options| trouble.set(options, 0));
        if self.pick(2) == 0 {
            self.world.crash();
        }
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
        let folder = Path::new(DATA).join("log");
        self.world.file_names(&folder).into_iter().map(|name| folder.join(name)).collect()
    }
}
