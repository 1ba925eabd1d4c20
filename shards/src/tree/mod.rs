//! How does a shard keep more than fits in memory, in order and in versions?
//!
//! A [`Tree`] is a log-structured merge tree: what is written goes to memory; when that is full it
//! is frozen and written to a run, a file that never changes; runs are merged level by level, and
//! what nobody can see any more is left out on the way. Records are one tree per table; ordered
//! indexes and the mirrors of edges are trees whose rows are empty.
//!
//! ```text
//! put, delete -> memory -freeze-> frozen -flush-> level 0 -merge-> level 1 -merge-> level 2 ..
//! get, scan   <- all of them: the version with the latest begin the snapshot sees
//! ```
//!
//! Reads never wait: they stop with `NotLoaded` where a group is not in memory, and their caller
//! loads it and begins again (`cache.rs`). Nothing here knows of the log: what is in memory is lost
//! with the process, and the log brings it back (`actor/checkpoint.rs`).
//!
//! | file | question it answers |
//! | --- | --- |
//! | `tree` | how do memory and runs act as one map |
//! | `memory` | which versions were written lately |
//! | `group` | which bytes are a row group |
//! | `encode` | how do versions become a row group |
//! | `erased` | which ranges of keys were emptied at once |
//! | `filter` | is a key certainly not in a run |
//! | `seal` | how do sorted versions become a run |
//! | `run` | how is a run opened and searched |
//! | `levels` | which runs make up a tree, which are merged next |
//! | `mend` | what of a damaged run can be made again from the rest of it |
//! | `merge` | how do several runs become one |
//! | `scan` | which keys are in a range at a snapshot |
//! | `cache` | which groups are in memory, how does a read get the others |
//! | `files` | where are the files, and what is the next one called |
//! | `zone` | which groups of a run cannot hold what a filter looks for |
//! | `version` | what is one version of a key |
//! | `limits` | which bounds are kept, and what do they cost |

mod cache;
mod encode;
mod erased;
mod files;
mod filter;
mod group;
mod levels;
mod limits;
mod memory;
mod mend;
mod merge;
mod run;
mod scan;
mod seal;
#[expect(clippy::module_inception, reason = "the tree is what the folder is about")]
mod tree;
mod version;
mod zone;

#[cfg(test)]
mod tests;

pub(crate) use cache::{Cache, Lacking, Pins, Reach, load};
pub(crate) use erased::Erasure;
pub(crate) use files::{Files, Shape};
pub(crate) use group::Group;
pub(crate) use levels::Plan;
pub(crate) use memory::Memory;
pub(crate) use mend::rewrite;
pub(crate) use merge::{flush, merge};
pub(crate) use run::{FenceKeys, Run, RunFacts, Unread, storage};
pub(crate) use scan::{Item, Window};
pub(crate) use tree::Tree;
pub(crate) use version::{Found, Held, Row};
