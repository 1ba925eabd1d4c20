//! Which operator may have how much of the memory for queries?
//!
//! Operators that can go on on disk have at most half of it, in equal parts. The rest is for those
//! that cannot, such as hash joins, and for merging what was written to disk: were that refused,
//! going to disk would not help. Merging takes what it gets and does with less, so nobody may take
//! more than three quarters of what is there.
//!
//! A sort on disk orders all it has at one go before it writes it: it gets no more than is ordered
//! in some tenths of a second, however much there is.

use std::fmt::{self, Display};
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::Result;
use datafusion::common::human_readable_size;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// Bytes a sort may hold before it writes them to disk: some hundred thousand rows.
const SORT_BYTES_MAX: usize = 16 << 20;
/// What the planner's library calls a sort.
const SORT: &str = "ExternalSorter[";

/// The memory all queries share.
#[derive(Debug)]
pub(crate) struct SharedPool {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    /// Operators that can go on on disk.
    spillers: usize,
}

impl SharedPool {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Numbers are right between any two statements that change them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Display for SharedPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for all queries", human_readable_size(self.bytes_max))
    }
}

impl MemoryPool for SharedPool {
    fn name(&self) -> &str {
        "shared"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.state().spillers += usize::from(consumer.can_spill());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.state().spillers -= usize::from(consumer.can_spill());
    }

    fn grow(&self, _reservation: &MemoryReservation, additional: usize) {
        self.state().bytes += additional;
    }

    fn shrink(&self, _reservation: &MemoryReservation, bytes: usize) {
        self.state().bytes -= bytes;
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut state = self.state();
        let left = self.bytes_max.saturating_sub(state.bytes);
        let consumer = reservation.consumer();
        let share = if consumer.can_spill() {
            let part = self.bytes_max / 2 / state.spillers.max(1);
            if consumer.name().starts_with(SORT) { part.min(SORT_BYTES_MAX) } else { part }
        } else {
            (left + reservation.size()) / 4 * 3
        };
        let most = share.saturating_sub(reservation.size()).min(left);
        if additional > most {
            let [wants, most] = [additional, most].map(human_readable_size);
            let name = consumer.name();
            let text = format!("{name} wants {wants} and can have {most} of {self}");
            return Err(DataFusionError::ResourcesExhausted(text));
        }
        state.bytes += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.state().bytes
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn half_is_shared_by_those_that_can_go_to_disk() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SharedPool::new(100));
        let sort = MemoryConsumer::new("sort").with_can_spill(true).register(&pool);
        assert!(sort.try_grow(51).is_err());
        sort.try_grow(50).unwrap();
        let other = MemoryConsumer::new("group").with_can_spill(true).register(&pool);
        assert!(other.try_grow(26).is_err(), "half of the half");
        other.try_grow(25).unwrap();
        assert!(sort.try_grow(1).is_err(), "it has more than its part now");
        let join = MemoryConsumer::new("join").register(&pool);
        assert!(join.try_grow(20).is_err(), "some of what is left is for others");
        join.try_grow(18).unwrap();
        assert_eq!(pool.reserved(), 93);
        drop((sort, other));
        join.try_grow(57).unwrap();
        assert!(join.try_grow(1).is_err());
        drop(join);
        assert_eq!(pool.reserved(), 0);
    }
}
