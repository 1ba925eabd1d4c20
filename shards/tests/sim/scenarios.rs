//! Does every workload keep its promises under every fault?
//!
//! A table: each workload (`workload`) under each fault (`plans`), each with its number of seeds.

use crate::harness::{Trouble, for_each_seed};
use crate::plans::{Fault, run};
use crate::workload::Workload;

macro_rules! scenarios {
    ($($module:ident $workload:ident),* $(,)?) => {
        $(mod $module {
            use super::*;

            scenarios! { @faults $module $workload
                calm 2 Fault::Trouble(Trouble::Nothing),
                power_cuts 4 Fault::Trouble(Trouble::Crash),
                failed_syncs 2 Fault::Trouble(Trouble::Syncs),
                failed_writes 2 Fault::Trouble(Trouble::Writes),
                failed_reads 2 Fault::Trouble(Trouble::Reads),
                stalls 2 Fault::Trouble(Trouble::Stalls),
                a_slow_shard 2 Fault::Trouble(Trouble::Slow),
                jumping_clocks 2 Fault::Trouble(Trouble::Clocks),
                a_full_disk 2 Fault::Trouble(Trouble::Full),
                syncs_that_lie 2 Fault::Trouble(Trouble::Lies),
                cuts_in_recovery 4 Fault::Recovery,
                a_cut_at_every_poll 1 Fault::EveryPoll,
                syncs_that_lie_and_a_cut 6 Fault::LiesAndCut,
                lost_writes 6 Fault::LostWrites,
                flipped_bits 6 Fault::FlippedBits,
            }
        })*
    };
    (@faults $module:ident $workload:ident $($test:ident $count:literal $fault:expr),* $(,)?) => {
        $(#[test]
        fn $test() {
            let name = concat!("scenarios::", stringify!($module), "::", stringify!($test));
            for_each_seed(name, $count, |seed| run(Workload::$workload, $fault, seed));
        })*
    };
}

scenarios! {
    transfers Transfers,
    unique_keys Unique,
    foreign_keys Foreign,
    rewired_edges Rewire,
    vectors Vectors,
    texts Texts,
    shapes Shapes,
    emptied_ranges Ranges,
}

/// Seeds that once found something, whatever else is run.
#[test]
fn what_was_found_once_is_not_found_again() {
    let found = [
        // A record that was deleted was there again: the outcome of its insertion had found no
        // room in the log, and recovery applied it after the deletion.
        (Workload::Texts, Fault::Trouble(Trouble::Full), 227),
        // The first error that was told was that a core had stopped, not what had stopped it.
        (Workload::Rewire, Fault::FlippedBits, 37),
        (Workload::Shapes, Fault::FlippedBits, 260),
        // A commit was refused for want of room and was there: a schema that one log had and another
        // had no room for stopped the process before the commit was visible.
        (Workload::Shapes, Fault::Trouble(Trouble::Syncs), 698),
        // A log of which the disk had lost two headers stopped the process instead of being refused.
        (Workload::Vectors, Fault::LostWrites, 425),
        // A schema that another log had and this one had no room for waits for some.
        (Workload::Shapes, Fault::Trouble(Trouble::Full), 148),
    ];
    for (workload, fault, seed) in found {
        run(workload, fault, seed);
    }
}
