//! What does a disk that tears, loses or refuses do to acknowledged commits?

use std::rc::Rc;

use pieskieo_io::sim::Outcome;
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;

use crate::bank::{Told, life};
use crate::harness::{Machine, Plan, for_each_seed, for_few_seeds};
use crate::model::create_schema;

/// Runs lives on a failing disk until one failed, then heals the disk and checks everything.
fn through_failures(machine: &mut Machine, told: &Told, fail: impl Fn(&mut Machine, u32)) {
    for _ in 0..3 {
        fail(machine, 20_000);
        let again = told.clone();
        match machine.try_live(move |core| life(core, again.clone(), 30)) {
            // A failure is reported, and nothing else goes wrong.
            Outcome::Finished(results) => {
                for error in results.into_iter().filter_map(Result::err) {
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
            }
            other => panic!("the run ended as {other:?}"),
        }
        fail(machine, 0);
        if machine.pick(2) == 0 {
            machine.world.crash();
        }
    }
    let told = told.clone();
    machine.live(move |core| life(core, told.clone(), 2));
}

#[test]
fn acknowledged_commits_survive_failed_syncs() {
    for_each_seed("acknowledged_commits_survive_failed_syncs", 30, |seed| {
        let told = Told::default();
        through_failures(&mut Plan::from_seed(seed).world(), &told, |machine, ppm| {
            machine.world.change(|options| options.sync_fault_ppm = ppm);
        });
    });
}

#[test]
fn acknowledged_commits_survive_failed_writes() {
    for_each_seed("acknowledged_commits_survive_failed_writes", 30, |seed| {
        let told = Told::default();
        through_failures(&mut Plan::from_seed(seed).world(), &told, |machine, ppm| {
            machine.world.change(|options| options.write_fault_ppm = ppm);
        });
    });
}

/// Every disk operation of a short life is the last one once.
#[test]
fn a_power_cut_at_every_disk_operation_leaves_whole_transactions() {
    for_few_seeds("a_power_cut_at_every_disk_operation_leaves_whole_transactions", 1, |seed| {
        let plan = Plan { seed, cores: 2, shards: 2 };
        let mut last = 0;
        for operation in 1.. {
            let told = Told::default();
            let mut machine = plan.world();
            machine.world.change(|options| options.crash_at_operation = Some(operation));
            let again = told.clone();
            let outcome = machine.try_live(move |core| life(core, again.clone(), 3));
            machine.world.change(|options| options.crash_at_operation = None);
            if !matches!(outcome, Outcome::Crashed) {
                outcome.finished();
                last = operation;
                break;
            }
            machine.live(move |core| life(core, told.clone(), 1));
        }
        assert!(last > 20, "a life has only {last} disk operations");
    });
}

async fn settle(core: Rc<Core>) -> Result<(), Error> {
    create_schema(&core).await
}

#[test]
fn a_damaged_log_is_refused_naming_file_and_lsn() {
    for_each_seed("a_damaged_log_is_refused_naming_file_and_lsn", 10, |seed| {
        let plan = Plan { seed, cores: 1, shards: 1 };
        let mut machine = plan.world();
        let told = Told::default();
        machine.live(move |core| life(core, told.clone(), 20));
        // The first frame follows the header block; hundreds follow it.
        let offset = 4096 + machine.pick(200);
        let files = machine.log_files();
        let damaged = files.iter().find(|file| {
            machine.world.file_bytes(file).is_some_and(|bytes| {
                bytes.len() > 8192 && bytes[4096..8192].iter().any(|byte| *byte != 0)
            })
        });
        let damaged = damaged.expect("a log has frames").clone();
        assert!(machine.world.flip_bit(&damaged, offset, 3), "{damaged:?} {offset}");
        let results = machine.try_live(settle).finished();
        let Some(Err(Error::Corrupt(message))) = results.into_iter().next() else {
            panic!("a damaged log was opened");
        };
        assert!(message.contains("LSN"), "{message}");
    });
}

#[test]
fn another_number_of_shards_is_refused() {
    let plan = Plan { seed: 1, cores: 2, shards: 2 };
    let mut machine = plan.world();
    machine.live(settle);
    let mut other = machine.with_shards(4);
    let results = other.try_live(settle).finished();
    for result in results {
        let Err(Error::InvalidValue(message)) = result else { panic!("{result:?}") };
        assert!(message.contains("created with 2 shards, 4 were asked for"), "{message}");
    }
    let mut fewer_cores = other.with_shards(2);
    fewer_cores.live(settle);
}
