//! The only crate of Pieskieo that meets the kernel.
//!
//! Everything that is not a pure computation is reached through here: tasks, timers, files,
//! sockets, threads, clock, randomness. Two back ends stand behind the same names: `uring`, on
//! glommio and io_uring, one executor per core; and [`sim`], one thread, virtual time, seeded
//! scheduling and a disk that fails. Which one is in force is a fact of the running task, never a
//! type parameter.
//!
//! | module | question |
//! | --- | --- |
//! | [`arena`] | Where do large arrays of numbers live, on how big pages? |
//! | [`rt`] | How does work run, wait and travel between cores? |
//! | [`time`] | What time is it, and what is random? |
//! | [`file`] | How do bytes reach the disk and come back? |
//! | [`buffer`] | Which memory may the disk read and write directly? |
//! | [`sim`] | How does a whole machine run, fail and crash inside one test? |
//! | [`codec`] | How do values become bytes and come back, without trusting the bytes? |
//! | [`format`](mod@format) | Which numbers are frozen on disk? |
//! | [`wal`] | How does a record survive a crash? |
//! | [`segment`] | How do blocks that never change lie in a file, and come back as they were? |
//! | [`manifest`] | Which few facts about a shard's storage hold, and since when durably? |
//! | [`memory`] | How much memory may this process use, and how much does it? |
//! | [`doctor`] | Is this machine fit, and what would help? |
//! | [`error`] | What can go wrong, and who can remedy it? |
//! | [`limits`] | Which bounds are kept, and what do they cost? |
//! | [`options`] | What may the starter choose? |

pub mod arena;
pub mod buffer;
pub mod codec;
pub mod doctor;
pub mod error;
pub mod file;
pub mod format;
pub mod limits;
pub mod manifest;
pub mod memory;
pub mod options;
pub mod rt;
pub mod segment;
pub mod sim;
pub mod time;
pub mod wal;

pub use error::{Error, Result};
