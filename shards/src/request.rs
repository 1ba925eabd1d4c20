//! What can a shard be asked to do? The whole power of a shard on one page.
//!
//! Requests are owned values: they move between cores and are never serialised. Every read names
//! a [`ReadView`]; every write is part of a transaction.

use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;

use crate::catalog::Catalog;
use crate::ids::{CatalogVersion, ColumnId, IndexId, ShardId, TableId, Timestamp, TxnId};
use crate::key::{Key, KeyRange};
use crate::store::StoreMemory;
use crate::text::{TextQuery, TextStats};
use crate::vector::Metric;

/// What a read sees: everything committed at or before `snapshot`, plus the staged writes of
/// `txn`, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadView {
    /// Versions with `begin <= snapshot < end` are visible.
    pub snapshot: Timestamp,
    /// The transaction whose own uncommitted writes are seen too.
    pub txn: Option<TxnId>,
    /// Whether the owner remembers what `txn` reads and validates it when `txn` commits.
    pub validated: bool,
    /// Whether the snapshot may be older than what indexes know: everything is answered from the
    /// records. There is no `txn` then.
    pub past: bool,
}

impl ReadView {
    /// Returns the view of a reader that writes nothing.
    pub fn at(snapshot: Timestamp) -> Self {
        Self { snapshot, txn: None, validated: false, past: false }
    }
}

/// One change to one record.
#[derive(Clone, Debug)]
pub struct Write {
    /// The table written to.
    pub table: TableId,
    /// The record's key; its slot decides the owner.
    pub key: Key,
    /// What happens to the record.
    pub op: WriteOp,
    /// What must be true of the record's current version, checked by the owner at commit.
    pub expect: Expect,
}

/// The kinds of change.
#[derive(Clone, Debug)]
pub enum WriteOp {
    /// Stores the encoded row (`row::encode`) as the record's new version.
    Put(Arc<[u8]>),
    /// Ends the record.
    Delete,
    /// Ends every record whose key is at or behind the write's and before `to`, in a table without
    /// indexes. Goes to every shard that has some.
    Erase {
        /// The first key behind the range; `None` = there is none.
        to: Option<Arc<[u8]>>,
        /// Records that end on the shard.
        count: u64,
    },
    /// Edge tables only, sent to the owner of the edge's target: adds (`present`) or removes the
    /// mirror of edge `key`, so that in-adjacency is local to the target.
    Mirror {
        /// Encoded key of the source node.
        source: Key,
        /// Encoded key of the target node.
        target: Key,
        /// `true` adds the mirror, `false` removes it.
        present: bool,
    },
}

/// The optimistic check that goes with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No visible version may exist; otherwise the write fails as a duplicate key.
    Absent,
    /// The newest version must be the one committed at this timestamp; otherwise a conflict.
    Version(Timestamp),
    /// No check: last writer wins. Used by bulk load with `ON CONFLICT REPLACE` and by mirrors.
    Any,
}

/// How a scan finds its records.
#[derive(Clone, Debug)]
pub enum Access {
    /// Every record, in unspecified order.
    All,
    /// The records with these keys that this shard owns; missing ones are skipped.
    Keys(Vec<Key>),
    /// Records in primary-key order within the range.
    KeyRange(KeyRange),
    /// Records in the order of an ordered secondary index, within the range.
    Index {
        /// The index; must be of kind `Ordered`.
        index: IndexId,
        /// Range over the encoded index columns.
        range: KeyRange,
    },
    /// The `k` records nearest to `query`, nearest first; at most `k`, exactly `k` whenever `k`
    /// visible records pass the filter: those without a vector come last, by key. Uses the column's vector index if `index` is given,
    /// otherwise an exact scan of the column.
    Nearest {
        /// The vector column.
        column: ColumnId,
        /// The index to walk, if any.
        index: Option<IndexId>,
        /// The distance; must equal the index's metric when an index is given.
        metric: Metric,
        /// `[dim]` f32, same dimension as the column.
        query: Arc<[f32]>,
        /// Records wanted from this shard.
        k: usize,
        /// Beam width of the walk; `None` = the index's default.
        ef: Option<usize>,
    },
    /// Records matching a text query, best first when `k` is given, unordered otherwise.
    Matching {
        /// The text index.
        index: IndexId,
        /// The parsed query.
        query: Arc<TextQuery>,
        /// Statistics summed over all shards, so that scores do not depend on their number.
        stats: Arc<TextStats>,
        /// Records wanted; `None` = all.
        k: Option<usize>,
    },
}

/// A column of a scan's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScanColumn {
    /// A declared column of the table, by position in `Table::columns`.
    Column(usize),
    /// `_key: Binary`, the encoded primary key.
    Key,
    /// `_version: UInt64`, the commit timestamp of the version read.
    Version,
    /// `_distance: Float64`, only with [`Access::Nearest`]; null otherwise, NaN for a record
    /// without a vector.
    Distance,
    /// `_score: Float64`, higher is better, only with [`Access::Matching`]; null otherwise.
    Score,
}

/// A predicate evaluated on the shard, over batches whose columns are `columns()`.
///
/// Implemented above this crate over compiled expressions. Must be pure.
pub trait RowFilter: Send + Sync + std::fmt::Debug {
    /// The columns `evaluate` expects, in order.
    fn columns(&self) -> &[ScanColumn];
    /// What every row that passes has in some columns of the table, so that rows that cannot pass
    /// need not be read.
    fn wanted(&self) -> &[Wanted] {
        &[]
    }
    /// What the rows that pass must pass too, whose columns are dearer to read.
    fn then(&self) -> Option<&dyn RowFilter> {
        None
    }
    /// Returns one boolean per row; null counts as false.
    fn evaluate(&self, batch: &RecordBatch) -> Result<BooleanArray, crate::Error>;
}

/// Ranks (`row/rank.rs`) outside of which a column's value lets no row pass, both included. A null
/// lets none pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Position in the table.
    pub column: usize,
    /// Lowest rank.
    pub low: u64,
    /// Highest rank.
    pub high: u64,
}

/// A read of one table on one shard.
#[derive(Clone, Debug)]
pub struct ScanSpec {
    /// The table read.
    pub table: TableId,
    /// How records are found.
    pub access: Access,
    /// The output columns, in order. May be empty: batches then only carry a row count.
    pub columns: Vec<ScanColumn>,
    /// Which versions are seen.
    pub view: ReadView,
    /// Rows must pass this too. `Nearest` and `Matching` count only rows that pass towards `k`.
    pub filter: Option<Arc<dyn RowFilter>>,
    /// Stop after this many rows.
    pub limit: Option<usize>,
}

/// Which way edges are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From source to target.
    Out,
    /// From target to source.
    In,
    /// Both ways.
    Both,
}

/// A piece of a plan that runs where a shard's records are. Implemented above this crate.
pub trait Fragment: Send {
    /// Starts the work on the shard's core and returns at once; results leave through whatever
    /// lane the implementation carries. Called inside the core's executor.
    fn start(self: Box<Self>, shard: ShardId);
}

/// That a transaction is committed.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The transaction.
    pub txn: TxnId,
    /// The commit timestamp.
    pub commit: Timestamp,
    /// At shard 0 only: the schema that the transaction leaves behind, durable with it. It is to
    /// be installed afterwards.
    pub catalog: Option<Arc<Catalog>>,
}

/// Everything a shard does for others.
pub enum Request {
    /// Reads, collected: for point reads, top-k and other small answers. `Reply::Batches`.
    Scan(ScanSpec),
    /// Counts rows. Answered with [`Reply::Count`], however long it takes.
    Count(ScanSpec),
    /// How many records tables have, in this order. `Reply::RecordCounts`.
    RecordCounts(Vec<TableId>),
    /// Neighbours of nodes this shard owns. `Reply::Neighbors`.
    Expand {
        /// The edge table.
        edge: TableId,
        /// Which way.
        direction: Direction,
        /// Encoded node keys; all owned by this shard.
        nodes: Vec<Key>,
        /// Which edges are seen.
        view: ReadView,
    },
    /// Term and length statistics of a text index, to be summed. `Reply::TextStats`.
    TextStats {
        /// The table.
        table: TableId,
        /// The text index.
        index: IndexId,
        /// The query whose terms are counted.
        query: Arc<TextQuery>,
        /// Which documents are counted.
        view: ReadView,
    },
    /// Runs a plan fragment. `Reply::Done` once started.
    Fragment(Box<dyn Fragment>),
    /// Adds writes to the transaction's staging area, visible to its own reads. `Reply::Done`.
    Stage {
        /// The transaction.
        txn: TxnId,
        /// Its snapshot, for the checks.
        snapshot: Timestamp,
        /// The writes, all owned by this shard.
        writes: Vec<Write>,
    },
    /// Validates, logs and applies staged plus given writes in one step. `Reply::Committed` once
    /// durable.
    Commit {
        /// The transaction.
        txn: TxnId,
        /// Its snapshot.
        snapshot: Timestamp,
        /// The catalog the writes were encoded with.
        catalog: CatalogVersion,
        /// Writes not staged before.
        writes: Vec<Write>,
        /// Whether what the transaction read here is validated too.
        validate: bool,
    },
    /// First phase: validates, locks and logs. `Reply::Done` once durable.
    Prepare {
        /// The transaction.
        txn: TxnId,
        /// Its snapshot.
        snapshot: Timestamp,
        /// The catalog the writes were encoded with.
        catalog: CatalogVersion,
        /// The shard whose log holds the decision.
        home: ShardId,
        /// Writes not staged before.
        writes: Vec<Write>,
    },
    /// Between the phases: says whether what the transaction read here is still so, and forgets
    /// it. `Reply::Done` if it is. The commit timestamp must have been taken.
    Validate {
        /// The transaction.
        txn: TxnId,
        /// Its snapshot.
        snapshot: Timestamp,
    },
    /// Home shard only: logs the commit decision. `Reply::Done` once durable: the commit point.
    Decide(Decision),
    /// Second phase: applies a prepared transaction. `Reply::Done` once visible in memory.
    Finish {
        /// The transaction.
        txn: TxnId,
        /// `Some` applies at that timestamp, `None` rolls back.
        commit: Option<Timestamp>,
    },
    /// Forgets staged writes, but not what was read. `Reply::Done`.
    Unstage {
        /// The transaction.
        txn: TxnId,
    },
    /// Forgets staged writes and what was read. `Reply::Done`.
    Abort {
        /// The transaction.
        txn: TxnId,
    },
    /// Shard 0 only: makes `next` the catalog, durably, then installs it everywhere.
    /// `Reply::Done`.
    ChangeCatalog {
        /// The new snapshot; its version must be the current one plus one.
        next: Arc<Catalog>,
    },
    /// Installs a catalog that shard 0 made durable; builds new indexes from records, drops the
    /// data of dropped tables. `Reply::Done`.
    InstallCatalog {
        /// The new snapshot.
        next: Arc<Catalog>,
    },
    /// Shard 0 only: notes in the history of the process which tables there are from here on.
    /// `Reply::Done` once durable, or when the disk has no room for it.
    Remember,
    /// Asks up to which commit everything prepared here has a durable outcome. `Reply::Settled`.
    Settled,
    /// Counters for metrics and `verify`. `Reply::Stats`.
    Stats,
    /// Recomputes every index from the records and compares. `Reply::Verified`.
    Verify {
        /// One table, or all.
        table: Option<TableId>,
    },
}

/// What a shard answers.
#[derive(Debug)]
pub enum Reply {
    /// The request was carried out.
    Done,
    /// Rows of a scan.
    Batches {
        /// Schema of every batch.
        schema: SchemaRef,
        /// In the order the access path promises.
        batches: Vec<RecordBatch>,
    },
    /// Rows.
    Count(u64),
    /// Records of each table.
    RecordCounts(Vec<u64>),
    /// Edges found, grouped by the node they were found from.
    Neighbors(Vec<Neighbor>),
    /// This shard's share of the statistics.
    TextStats(TextStats),
    /// Durable and applied at this timestamp.
    Committed(Timestamp),
    /// Up to this commit.
    Settled(Timestamp),
    /// Counters.
    Stats(Box<ShardStats>),
    /// Findings, empty when every index equals its records.
    Verified(Vec<String>),
}

/// One edge as seen from one of its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// Position in the request's `nodes` of the node it was found from.
    pub from: u32,
    /// Encoded key of the node at the other end.
    pub node: Key,
    /// Key of the edge record.
    pub edge: Key,
}

/// One shard's counters.
#[derive(Clone, Debug, Default)]
pub struct ShardStats {
    /// Which shard.
    pub shard: ShardId,
    /// Current records per table.
    pub records: Vec<(TableId, u64)>,
    /// Estimated bytes in memory, without the cache.
    pub memory: StoreMemory,
    /// Bytes the shard may have in memory, the cache included.
    pub memory_bytes_max: u64,
    /// Whether writes are refused for want of room on the disk.
    pub is_disk_full: bool,
    /// Bytes of segment files.
    pub segment_bytes: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes of row groups in the cache.
    pub cache_bytes: u64,
    /// Look-ups of row groups that found them in the cache since start.
    pub cache_hits: u64,
    /// Look-ups that had to read the disk since start.
    pub cache_misses: u64,
    /// Bytes appended to the log since start.
    pub log_bytes: u64,
    /// Log flushes since start.
    pub log_flushes: u64,
    /// Transactions committed since start.
    pub commits: u64,
    /// Transactions refused by validation since start.
    pub conflicts: u64,
    /// Vectors waiting to be folded into a graph.
    pub vectors_pending: u64,
    /// Records replayed at start.
    pub replayed: u64,
    /// Milliseconds the replay took.
    pub replay_ms: u64,
    /// Indexes that have an image on disk.
    pub images: u64,
    /// Bytes of images and of the lists of changed keys beside them.
    pub image_bytes: u64,
    /// Milliseconds the start took to read images.
    pub image_ms: u64,
    /// Indexes the start filled from records, for want of an image or because of a damaged one.
    pub indexes_rebuilt: u64,
}
