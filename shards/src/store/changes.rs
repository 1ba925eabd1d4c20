//! Which records may an index differ in from its image?
//!
//! An image says what an index was while it was written. Every key that is indexed anew, or taken
//! out, from the moment it was begun is noted; each checkpoint takes what was noted since the one
//! before, and lists it in a file beside the image. Too many keys, and a new image is due.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Keys of records, in order, so that files do not depend on chance.
pub(crate) type ChangedKeys = BTreeSet<Arc<[u8]>>;

/// An image is written anew when one entry in this many may differ: reading an image costs about
/// as much as indexing this share of it anew, and an index that grows is written about this many
/// times in all (estimates).
const CHANGED_SHARE: u64 = 8;
/// Lists beside an image, at most: each is a file.
const LISTS_MAX: u32 = 128;

/// What is known of an index's image, and of one being written.
#[derive(Default)]
pub(super) struct Changes {
    /// Keys since the last list; `None` = no image is valid.
    noted: Option<ChangedKeys>,
    /// Keys since the image being written was begun; `None` = none is.
    begun: Option<ChangedKeys>,
    /// Keys in lists.
    listed: u64,
    lists: u32,
}

impl Changes {
    /// Returns whether somebody will ask what changed.
    pub fn is_noting(&self) -> bool {
        self.noted.is_some() || self.begun.is_some()
    }

    /// Notes that a record is indexed anew, or taken out.
    pub fn note(&mut self, key: &Arc<[u8]>) {
        for keys in [&mut self.noted, &mut self.begun].into_iter().flatten() {
            if !keys.contains(key) {
                keys.insert(key.clone());
            }
        }
    }

    /// Returns whether an index of this many entries needs an image, or a new one.
    pub fn is_due(&self, entries: usize, entries_min: usize) -> bool {
        if entries < entries_min || self.begun.is_some() {
            return false;
        }
        let Some(noted) = &self.noted else { return true };
        let changed = self.listed + noted.len() as u64;
        let bound = (entries as u64 / CHANGED_SHARE).max(entries_min as u64 / 2);
        changed > bound || self.lists >= LISTS_MAX
    }

    /// Says that an image is being written from now on.
    pub fn begin(&mut self) {
        self.begun = Some(ChangedKeys::new());
    }

    /// Says that the image being written will never be finished.
    pub fn give_up(&mut self) {
        self.begun = None;
    }

    /// Returns the keys to be listed beside the image there is; `None` = there is none.
    pub fn take(&mut self) -> Option<ChangedKeys> {
        let keys = std::mem::take(self.noted.as_mut()?);
        self.listed += keys.len() as u64;
        self.lists += u32::from(!keys.is_empty());
        Some(keys)
    }

    /// Returns the keys to be listed beside the image that was written; from here on it is the one
    /// there is. `None` = it was given up.
    pub fn take_new(&mut self) -> Option<ChangedKeys> {
        let keys = self.begun.take()?;
        self.restore(keys.len() as u64, u32::from(!keys.is_empty()));
        Some(keys)
    }

    /// Says that the index was read from its image and its lists.
    pub fn restore(&mut self, listed: u64, lists: u32) {
        self.noted = Some(ChangedKeys::new());
        (self.listed, self.lists) = (listed, lists);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Arc<[u8]> {
        Arc::from([byte])
    }

    fn bytes(keys: Option<ChangedKeys>) -> Vec<u8> {
        keys.expect("an image").iter().map(|key| key[0]).collect()
    }

    #[test]
    fn what_changes_while_an_image_is_written_is_listed_beside_both() {
        let mut changes = Changes::default();
        assert!(changes.is_due(10, 10) && !changes.is_due(9, 10));
        changes.note(&key(1));
        assert_eq!(changes.take(), None);
        changes.begin();
        changes.note(&key(2));
        assert_eq!(changes.take(), None, "it is not finished");
        assert_eq!(bytes(changes.take_new()), [2]);
        changes.note(&key(3));
        changes.begin();
        changes.note(&key(4));
        assert_eq!(bytes(changes.take()), [3, 4]);
        changes.note(&key(5));
        assert_eq!(bytes(changes.take_new()), [4, 5]);
        assert_eq!(bytes(changes.take()), [] as [u8; 0]);
    }

    #[test]
    fn a_new_image_is_due_when_an_eighth_may_differ() {
        let mut changes = Changes::default();
        changes.restore(10, 1);
        assert!(!changes.is_due(80, 2));
        changes.note(&key(1));
        assert!(changes.is_due(80, 2));
        changes.restore(0, LISTS_MAX);
        assert!(changes.is_due(80, 2));
    }
}
