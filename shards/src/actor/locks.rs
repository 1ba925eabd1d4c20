//! Which places do transactions hold that are committing?
//!
//! A place is a record, a mirror of an edge, or a whole range of keys that is emptied. Two places
//! exclude each other when they are the same or one is a range that contains the other's key.

use ahash::AHashMap;

use crate::ids::{TableId, TxnId};
use crate::txn::Place;

/// The places that are held, each by one transaction.
#[derive(Debug, Default)]
pub(crate) struct LockTable {
    places: AHashMap<Place, TxnId>,
    /// Those that are ranges; hardly ever any.
    ranges: Vec<(Place, TxnId)>,
}

impl LockTable {
    /// Returns who holds a place, or part of it.
    #[inline]
    pub fn holder(&self, place: &Place) -> Option<TxnId> {
        if self.places.is_empty() && self.ranges.is_empty() {
            return None;
        }
        if place.is_range() {
            return self.all().find(|(held, _)| place.excludes(held)).map(|(_, owner)| owner);
        }
        let range = || self.ranges.iter().find(|(range, _)| range.excludes(place));
        self.places.get(place).copied().or_else(|| range().map(|(_, owner)| *owner))
    }

    /// Holds a place for a transaction.
    pub fn insert(&mut self, place: Place, owner: TxnId) {
        if place.is_range() {
            self.ranges.push((place, owner));
        } else {
            self.places.insert(place, owner);
        }
    }

    /// Lets go of a place.
    pub fn remove(&mut self, place: &Place) {
        if place.is_range() {
            self.ranges.retain(|(held, _)| held != place);
        } else {
            self.places.remove(place);
        }
    }

    /// Returns whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.ranges.is_empty()
    }

    /// Returns whether something of a table is held.
    pub fn holds_any_of(&self, table: TableId) -> bool {
        self.all().any(|(place, _)| place.table() == table)
    }

    /// Returns every place with its holder.
    pub fn all(&self) -> impl Iterator<Item = (&Place, TxnId)> {
        let ranges = self.ranges.iter().map(|(place, owner)| (place, *owner));
        self.places.iter().map(|(place, owner)| (place, *owner)).chain(ranges)
    }
}
