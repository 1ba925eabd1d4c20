//! How much memory may queries use together, and where does the rest go?

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;

use crate::share::SharedPool;
use crate::spill::{SpillFactory, SpillSpace, SpillUse};

/// Bytes when the owner of the database says nothing.
const BYTES_DEFAULT: usize = 1 << 30;
/// Bytes a sort keeps for merging what it wrote to disk, at most; a 64th of a small budget.
const MERGE_BYTES_MAX: usize = 10 << 20;
/// Bytes of all memory per run and shard that are merged at once.
const MERGE_RUN_BYTES: usize = 2 << 20;

/// What all queries of a process that sort, group and join share. Who finds too little left and
/// cannot go on on disk is refused with `53200`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct QueryMemory {
    pool: Arc<SharedPool>,
    bytes_max: usize,
    spill: Option<Arc<SpillSpace>>,
}

impl QueryMemory {
    /// Makes a share of this many bytes, without disk.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { pool: Arc::new(SharedPool::new(bytes_max)), bytes_max, spill: None }
    }

    /// Lets queries go on on the disk of `folder` with at most this many bytes; none = not at all.
    #[must_use]
    pub fn with_spill(self, folder: PathBuf, bytes_max: u64) -> Self {
        let spill = (bytes_max > 0).then(|| Arc::new(SpillSpace::new(folder, bytes_max)));
        Self { spill, ..self }
    }

    /// Returns the bytes in use.
    pub fn bytes(&self) -> usize {
        self.pool.reserved()
    }

    /// Returns the bytes there are.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Returns what queries have on disk.
    pub fn spill(&self) -> SpillUse {
        self.spill.as_ref().map_or_else(SpillUse::default, |spill| spill.usage())
    }

    /// Returns whether queries may go on on disk.
    pub(crate) fn can_spill(&self) -> bool {
        self.spill.is_some()
    }

    pub(crate) fn merge_bytes(&self) -> usize {
        MERGE_BYTES_MAX.min(self.bytes_max / 64)
    }

    pub(crate) fn pool(&self) -> Arc<dyn MemoryPool> {
        self.pool.clone()
    }

    /// Returns what makes the files of queries of so many shards, which may all merge at once.
    pub(crate) fn disk(&self, shards: u16) -> DiskManagerBuilder {
        // Merges do with as many runs at once as memory is given for; the next operator needs some too.
        let fan_in = (self.bytes_max / MERGE_RUN_BYTES / usize::from(shards.max(1))).clamp(4, 64);
        let builder = DiskManagerBuilder::default().with_max_spill_merge_fan_in(fan_in);
        match &self.spill {
            Some(spill) => builder.with_temp_file_factory(Arc::new(SpillFactory(spill.clone()))),
            None => builder.with_mode(DiskManagerMode::Disabled),
        }
    }
}

impl Default for QueryMemory {
    /// 1 GiB, without disk.
    fn default() -> Self {
        Self::new(BYTES_DEFAULT)
    }
}
