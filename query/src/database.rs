//! How does one core's side of the database open sessions?

use std::rc::Rc;

use futures::future::join_all;
use pieskieo_shards::actor::Core;
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::request::ShardStats;

use crate::error::Result;
use crate::memory::QueryMemory;
use crate::open::{Registry, visit};
use crate::options::SessionOptions;
use crate::plan::Engine;
use crate::session::Session;

/// One core's side of the database. Cheap to clone; lives on its core.
#[derive(Clone)]
pub struct Database {
    core: Rc<Core>,
    options: SessionOptions,
    registry: Rc<Registry>,
}

impl Database {
    /// Opens the database over a core that has recovered. All databases of a thread share the
    /// memory for queries that was named last.
    pub fn open(core: Rc<Core>, options: SessionOptions) -> Self {
        Engine::use_memory(&options.query_memory);
        let registry = Registry::new(core.clone(), options.clone());
        Self { core, options, registry }
    }

    /// Opens a session. Its settings start from the database's options.
    pub fn session(&self) -> Session {
        Session::open(self.core.clone(), self.options.clone(), self.registry.clone())
    }

    /// Returns how many idempotency keys are remembered, given the counters of every shard.
    pub fn remembered_keys(&self, stats: &[ShardStats]) -> u64 {
        crate::idempotency::count(&self.core.catalog(), stats)
    }

    /// Returns the number of transactions that outlive their requests, on all cores.
    ///
    /// **Errors**: a core that does not answer.
    pub async fn open_transactions(&self) -> Result<usize> {
        let counts = (0..self.core.core_count()).map(|core| {
            // The first shards live on the cores of their numbers.
            visit(&self.core, ShardId(core), |registry| registry.count())
        });
        join_all(counts).await.into_iter().sum()
    }

    /// Returns how many statements were logged as slow since start, on all cores.
    ///
    /// **Errors**: a core that does not answer.
    pub async fn slow_statements(&self) -> Result<u64> {
        let counts = (0..self.core.core_count())
            .map(|core| visit(&self.core, ShardId(core), |registry| registry.tally().slow()));
        join_all(counts).await.into_iter().sum()
    }

    /// Returns the memory queries share.
    pub fn memory(&self) -> &QueryMemory {
        &self.options.query_memory
    }

    /// Compares unique constraints and foreign keys with the records. Returns a line per
    /// difference.
    ///
    /// **Errors**: a shard that does not answer.
    pub async fn verify_constraints(&self) -> Result<Vec<String>> {
        crate::constraint::verify(&self.core).await
    }

    /// Returns the counters of every shard in the process, in order.
    ///
    /// **Errors**: a shard that does not answer.
    pub async fn stats(&self) -> Result<Vec<ShardStats>> {
        Ok(self.core.stats().await?)
    }
}
