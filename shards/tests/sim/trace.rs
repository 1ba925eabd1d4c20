//! Does one seed take the same steps twice?
//!
//! What a seed finds can only be looked into if it is found again: the order of all polls, the
//! moments of all operations of the disk, and every byte that is left follow from the seed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::harness::{DATA, Machine, Trouble, for_each_seed};
use crate::plans::through;
use crate::workload::Workload;

/// What a run leaves: a number for its steps, one for the bytes of each file.
#[derive(Debug, PartialEq, Eq)]
struct Trace {
    steps: u64,
    files: BTreeMap<PathBuf, u64>,
}

impl Trace {
    fn of(machine: &Machine) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![PathBuf::from(DATA), Path::new(DATA).join("log")];
        folders.extend((0..machine.plan.shards).map(|shard| {
            let segments = Path::new(DATA).join("segments");
            segments.join(shard.to_string())
        }));
        for file in folders.iter().flat_map(|folder| machine.files_in(folder)) {
            let mut hasher = DefaultHasher::new();
            machine.world.file_bytes(&file).hash(&mut hasher);
            files.insert(file, hasher.finish());
        }
        Self { steps: machine.world.trace_hash(), files }
    }
}

/// Runs through every kind of trouble there is under one seed.
fn trace(workload: Workload, trouble: Trouble, seed: u64) -> Trace {
    Trace::of(&through(workload, trouble, seed))
}

#[test]
fn one_seed_takes_the_same_steps_and_leaves_the_same_bytes() {
    let name = "one_seed_takes_the_same_steps_and_leaves_the_same_bytes";
    let troubles = [Trouble::Crash, Trouble::Writes, Trouble::Clocks, Trouble::Lies];
    for_each_seed(name, 2, |seed| {
        for (workload, trouble) in Workload::ALL.into_iter().zip(troubles.into_iter().cycle()) {
            let (one, two) = (trace(workload, trouble, seed), trace(workload, trouble, seed));
            assert!(one.files.len() > 3, "{one:?}");
            assert_eq!(one, two, "{workload:?} under {trouble:?}");
            let other = trace(workload, trouble, seed + 1);
            assert_ne!(one.steps, other.steps, "{workload:?}: another seed, the same steps");
            assert_ne!(one.files, other.files, "{workload:?}: another seed, the same bytes");
        }
    });
}
