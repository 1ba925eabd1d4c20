//! What may a caller choose about a session?

use std::sync::Arc;
use std::time::Duration;

use crate::bind::IndexDefaults;
use crate::coordinator::SettingListing;
use crate::exchange::Exchange;
use crate::memory::QueryMemory;

/// A session's choices. `SET` changes them afterwards.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Beam width of vector searches, 1..=10,000; `None` = each index's own default. A wider beam
    /// finds more of the true neighbours and takes longer, about in proportion.
    pub ef_search: Option<usize>,
    /// Longest time one request may take; `None` = no end. Default: 60 s.
    pub statement_timeout: Option<Duration>,
    /// What a vector index gets where its definition says nothing.
    pub index_defaults: IndexDefaults,
    /// Most rows a collected answer may hold. Default: 1,000,000. A streamed answer has no end.
    pub rows_max: usize,
    /// Longest time a transaction may wait for its client's next request. Default: 60 s.
    pub transaction_idle: Duration,
    /// What this session's queries share with others. Default: 1 GiB.
    pub query_memory: QueryMemory,
    /// How long the answer to a request with an idempotency key is remembered. Default: 24 h.
    pub key_retention: Duration,
    /// From how long on a statement is logged as slow; `None` = never. Default: 1 s.
    pub slow_statement: Option<Duration>,
    /// What the operator has chosen, to be shown. Default: nothing.
    pub server_settings: Arc<[SettingListing]>,
    /// What this session has to do with others beside records: locks and notifications. Default: a
    /// new one, so that cores of one database must be given clones.
    pub exchange: Exchange,
    /// Most bytes of Arrow buffers a collected answer may hold. Default: 256 MiB.
    pub result_bytes_max: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            ef_search: None,
            statement_timeout: Some(Duration::from_secs(60)),
            index_defaults: IndexDefaults::default(),
            rows_max: 1_000_000,
            transaction_idle: Duration::from_secs(60),
            query_memory: QueryMemory::default(),
            key_retention: Duration::from_secs(24 * 3_600),
            slow_statement: Some(Duration::from_secs(1)),
            server_settings: Arc::default(),
            exchange: Exchange::default(),
            result_bytes_max: 256 << 20,
        }
    }
}
