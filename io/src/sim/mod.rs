//! How does a whole machine run, fail and crash inside one test?
//!
//! A [`World`] is a machine: cores, a clock, a disk and a network, all in one thread and all
//! decided by one seed. Real code of every layer runs on it unchanged. Time stands still while
//! nothing waits for it and jumps when everything does. Two runs of one seed take the same steps,
//! which [`World::trace_hash`] shows.
//!
//! What the disk promises is what disks promise, not more: a write is durable after a sync (or
//! when the file was opened with `dsync`); of what was not synced, any 4 KiB sectors may survive a
//! crash and others not; a failed sync leaves any part durable and will not be repaired by another
//! one; names are durable after their directory was synced, in the order they were made.
//!
//! | file | question |
//! | --- | --- |
//! | `world.rs` | How does a test run, crash and inspect the machine? |
//! | `options.rs` | What does the machine do to the program? |
//! | `machine.rs` | Whose turn is it? |
//! | `disk.rs` | What do files hold now, and what after a crash? |
//! | `volume.rs` | How long do disk operations take, and which fail? |
//! | `network.rs` | How do connections behave inside the machine? |

mod disk;
mod machine;
mod network;
mod options;
mod volume;
mod world;

pub use options::SimOptions;
pub use world::{Outcome, World};

pub(crate) use disk::InodeId;
pub(crate) use machine::Machine;
pub(crate) use network::{SimListener, SimStream};
