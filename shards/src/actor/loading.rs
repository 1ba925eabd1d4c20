//! How does work that needs a group from the disk get it?
//!
//! Work on a shard never waits while it looks at the store: it is tried, and where a group is not
//! in memory it stops, the group is loaded, and it is tried again from the start. What was loaded
//! stays pinned until the work is done, so every try gets further.

use std::cell::RefCell;

use super::shard::Shard;
use crate::error::Error;
use crate::examine::Damaged;
use crate::tree::{Lacking, Pins, Reach, Unread, load};

/// Tries until nothing is missing. Between the last try and the return nothing else runs.
///
/// **Errors**: those of the work, and of the disk.
pub(crate) async fn loaded<T>(
    shard: &Shard,
    mut work: impl FnMut(Reach<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let pins = RefCell::new(Pins::default());
    loop {
        match work(Reach { cache: &shard.cache, pins: &pins }) {
            Err(Error::NotLoaded) => load_missing(shard, &pins).await?,
            done => return done,
        }
    }
}

/// Loads what a try has noted.
///
/// **Errors**: `Corrupt` naming file, offset, tree and keys of what is damaged; `Storage`.
pub(crate) async fn load_missing(shard: &Shard, pins: &RefCell<Pins>) -> Result<(), Error> {
    assert!(pins.borrow().lacks(), "work that stops for want of a group says which");
    load(&shard.cache, pins).await.map_err(|lacking| told(shard, lacking))
}

/// Says which keys are damaged.
fn told(shard: &Shard, lacking: Lacking) -> Error {
    let Lacking { run, unread: Unread { error, group } } = lacking;
    let placed = shard.storage.placed();
    let placed = placed.iter().find(|placed| placed.facts.seal.id == run.id());
    let (Error::Corrupt(damage), Some(group), Some(placed)) = (&error, group, placed) else {
        return error;
    };
    let catalog = shard.store.borrow().catalog().clone();
    let (first, last) = run.keys_of(group);
    let damaged = Damaged { tree: placed.tree, first, last };
    Error::Corrupt(format!("shard {}: {damage}: {}", shard.id, damaged.shown(Some(&catalog))))
}
