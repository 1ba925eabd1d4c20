//! How much memory may queries use together?

use std::sync::Arc;

use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};

/// Bytes when the owner of the database says nothing.
const BYTES_DEFAULT: usize = 1 << 30;

/// What all queries of a process that sort, group and join share. Who finds too little left is
/// refused with `53200`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct QueryMemory {
    pool: Arc<GreedyMemoryPool>,
    bytes_max: usize,
}

impl QueryMemory {
    /// Makes a share of this many bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { pool: Arc::new(GreedyMemoryPool::new(bytes_max)), bytes_max }
    }

    /// Returns the bytes in use.
    pub fn bytes(&self) -> usize {
        self.pool.reserved()
    }

    /// Returns the bytes there are.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    pub(crate) fn pool(&self) -> Arc<dyn MemoryPool> {
        self.pool.clone()
    }
}

impl Default for QueryMemory {
    /// 1 GiB.
    fn default() -> Self {
        Self::new(BYTES_DEFAULT)
    }
}
