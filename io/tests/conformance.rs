//! Do both back ends keep every promise of the facade?
//!
//! Each case is one program. It runs on real executors over io_uring, and on simulated machines
//! of several seeds; nothing in it knows which.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at what it did not expect"
)]

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use pieskieo_io::file::host;
use pieskieo_io::rt::{self, CoreId, RuntimeOptions};
use pieskieo_io::sim::{SimOptions, World};

#[path = "conformance/files.rs"]
mod files;
#[path = "conformance/lanes.rs"]
mod lanes;
#[path = "conformance/segments.rs"]
mod segments;
#[path = "conformance/sockets.rs"]
mod sockets;
#[path = "conformance/tasks.rs"]
mod tasks;

/// Simulated machines per case.
const SEEDS: u64 = 16;

/// Runs `main(core, folder)` on `cores` cores of both back ends.
#[track_caller]
fn both<F, Fut>(cores: u16, main: F)
where
    F: Fn(CoreId, PathBuf) -> Fut + Send + Clone + 'static,
    Fut: Future<Output = ()> + 'static,
{
    both_with(cores, || (), move |core, folder, ()| main(core, folder));
}

/// Runs `main(core, folder, shared)` on both back ends; `shared` is made anew for every run.
#[track_caller]
fn both_with<S, F, Fut>(cores: u16, setup: impl Fn() -> S, main: F)
where
    S: Send + Clone + 'static,
    F: Fn(CoreId, PathBuf, S) -> Fut + Send + Clone + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let folder = host::scratch_folder("conformance").unwrap();
    let (shared, program, place) = (setup(), main.clone(), folder.clone());
    let real = move |core| program(core, place.clone(), shared.clone());
    let options = RuntimeOptions { pin: false, ..RuntimeOptions::cores(cores) };
    let ended = rt::start(options, real).unwrap().join();
    host::remove_folder(&folder).unwrap();
    ended.unwrap_or_else(|error| panic!("on io_uring: {error}"));
    for seed in 0..SEEDS {
        let shared = setup();
        let mut world = World::new(seed, SimOptions::default());
        let outcome = world.run(cores, |core| main(core, PathBuf::from("/data"), shared.clone()));
        println!("simulated with seed {seed}: {:?}", world.elapsed());
        outcome.finished();
    }
}

/// Values that each core takes its own one of.
struct PerCore<T>(Arc<Mutex<Vec<Option<T>>>>);

impl<T> Clone for PerCore<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> PerCore<T> {
    fn new(values: impl IntoIterator<Item = T>) -> Self {
        Self(Arc::new(Mutex::new(values.into_iter().map(Some).collect())))
    }

    fn take(&self, core: CoreId) -> T {
        self.0.lock().unwrap()[usize::from(core.0)].take().unwrap()
    }
}
