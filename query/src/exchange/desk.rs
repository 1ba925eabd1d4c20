//! What do all members share?

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::LockListing;
use super::channels::Channels;
use super::locks::Locks;

/// The number of a member, unique as long as the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MemberId(pub(super) u64);

/// What the sessions of one database share. Clones share one.
#[derive(Clone, Debug, Default)]
pub struct Exchange(Arc<Mutex<Desk>>);

/// What is on the table.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// The number of the last member.
    pub members: u64,
    /// Who holds what.
    pub locks: Locks,
    /// Who listens to what.
    pub channels: Channels,
}

impl Exchange {
    /// Looks at the table; nobody else does meanwhile.
    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        // What is changed under it is right between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists the advisory locks that are held or waited for.
    pub(crate) fn locks(&self) -> Vec<LockListing> {
        self.desk().locks.listed()
    }
}
