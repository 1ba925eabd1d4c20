//! Which part of the memory is for what?
//!
//! ```text
//! budget          PIESKIEO_MEMORY, or 70 % of what the process may use
//!   1/8           connections, requests and answers on their way, the program itself
//!   1/4           queries that sort, group and join, all cores together
//!   the rest      the shards, in equal parts; of each at most
//!     1/8         is written and not yet in segments when that begins; four times that much
//!                 makes writers wait
//!     what is left once indexes and filters have theirs is for row groups read from segments
//! ```

use pieskieo_io::memory;

use crate::config::Config;

/// Bytes when nothing can be found out about the machine.
const UNKNOWN_BYTES: u64 = 2 << 30;
/// Bytes after which what was written becomes segments, at most.
const FLUSH_BYTES_MAX: u64 = 64 << 20;
const FLUSH_BYTES_MIN: u64 = 256 << 10;

/// Who gets how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The process, altogether.
    pub total: u64,
    /// Queries, on all cores together.
    pub queries: u64,
    /// One shard.
    pub shard: u64,
    /// What is written to a shard before it is made into segments.
    pub flush: u64,
    /// Row groups of one shard, at most.
    pub cache: u64,
}

impl Budget {
    /// Divides what the settings allow among `shards`.
    pub fn of(config: &Config, shards: usize) -> Self {
        let usable = memory::limit_bytes().unwrap_or(UNKNOWN_BYTES);
        let total = config.memory_bytes.unwrap_or(usable / 10 * 7);
        let divided = Self::divide(total, shards);
        Self {
            flush: config.flush_bytes.unwrap_or(divided.flush),
            cache: config.cache_bytes.unwrap_or(divided.cache),
            ..divided
        }
    }

    fn divide(total: u64, shards: usize) -> Self {
        let queries = total / 4;
        let shard = (total - queries - total / 8) / shards.max(1) as u64;
        let flush = (shard / 8).clamp(FLUSH_BYTES_MIN, FLUSH_BYTES_MAX);
        Self { total, queries, shard, flush, cache: shard }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_never_more_than_the_whole() {
        for total in [64 << 20, 300 << 20, 1 << 30, 64 << 30] {
            for shards in [1, 2, 8, 256] {
                let budget = Budget::divide(total, shards);
                let parts = budget.queries + budget.shard * shards as u64;
                assert!(parts <= total / 8 * 7, "{budget:?}");
                assert!(budget.flush <= FLUSH_BYTES_MAX);
            }
        }
        let large = Budget::divide(16 << 30, 2);
        assert_eq!((large.queries, large.flush), (4 << 30, FLUSH_BYTES_MAX));
        assert_eq!(large.shard, 5 << 30);
    }
}
