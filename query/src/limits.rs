//! How large may a statement be?
//!
//! Each bound names what it protects; messages quote the constant's name in lower case.

use std::time::Duration;

/// Bytes of one request's text. Tokens cost about 100 bytes each while parsing.
pub const STATEMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Brackets, subqueries and operators inside each other. The parser recurses once per level.
pub const NESTING_MAX: usize = 128;

/// Opening brackets directly after each other in front of a table: the parser tries each of them
/// in two ways, so the work doubles with every level.
pub const TABLE_BRACKETS_MAX: usize = 8;

/// Levels that the operators of one expression make without brackets: its ORs, plus the ANDs
/// between two of them, plus the other operators between two of those. Copying a tree takes some
/// 1.5 KiB of stack per level (measured: 1,000 levels of `+` copied in a debug build need between
/// 1 and 2 MiB), so that 500 levels fit into half of a thread's stack.
pub const OPERATORS_MAX: usize = 500;

/// UNION, INTERSECT and EXCEPT of one statement; each adds a level to the plan.
pub const SET_OPERATIONS_MAX: usize = 256;

/// Joins of one statement; each adds a level to the plan.
pub const JOINS_MAX: usize = 256;

/// The highest `$n`. The PostgreSQL wire protocol counts parameters in 16 bits.
pub const PARAMETERS_MAX: usize = 65_535;

/// Statements in one request.
pub const STATEMENTS_MAX: usize = 10_000;

/// Bytes of a table, column or index name, as PostgreSQL.
pub const NAME_BYTES_MAX: usize = 63;

/// Columns of a table. A row carries a null bit and an offset for each.
pub const COLUMNS_MAX: usize = 1_600;

/// Changes of one UPDATE. Each is a column of the query that reads what is changed.
pub const ASSIGNMENTS_MAX: usize = 1_600;

/// Columns of an ordered index or a primary key, as PostgreSQL.
pub const INDEX_COLUMNS_MAX: usize = 32;

/// Indexes of a table; each costs every write.
pub const INDEXES_MAX: usize = 64;

/// Constraints of a table beside its primary key; each costs every write.
pub const CONSTRAINTS_MAX: usize = 256;

/// Numbers of a sequence that a core takes at once, at most: so many are lost when it stops.
pub const SEQUENCE_CACHE_MAX: u32 = 1 << 20;

/// How far ON DELETE and ON UPDATE actions lead from one record to the next. Each level is a round
/// of searches on all shards.
pub const CASCADE_DEPTH_MAX: usize = 1_000;

/// Characters of a VARCHAR.
pub const VARCHAR_LENGTH_MAX: u32 = 10_485_760;

/// Bytes of the query of a view, which is kept in the catalog and read again with each statement
/// that reads the view.
pub const VIEW_BYTES_MAX: usize = 64 * 1024;

/// Bytes of the queries of all views that one statement reads, each as often as it is read.
pub const VIEW_QUERIES_BYTES_MAX: usize = 1024 * 1024;

/// Items of FROM lists and set operations in the views that one statement reads; each adds to the
/// plan what a join does.
pub const VIEW_TABLES_MAX: usize = 256;

/// Bytes of a comment, which is kept in the catalog: every change of the schema writes it again.
pub const COMMENT_BYTES_MAX: usize = 64 * 1024;

/// Components of a vector.
pub const VECTOR_DIMENSION_MAX: u32 = 16_384;

/// Changes of one ALTER TABLE.
pub const ALTERATIONS_MAX: usize = 1_600;

/// Smallest and largest `m` (links per node) of a vector index.
pub const HNSW_M: std::ops::RangeInclusive<usize> = 2..=128;

/// Smallest and largest beam width of a vector index while building.
pub const HNSW_EF_CONSTRUCTION: std::ops::RangeInclusive<usize> = 4..=4_096;

/// Smallest and largest beam width of a vector index while searching.
pub const HNSW_EF_SEARCH: std::ops::RangeInclusive<usize> = 1..=10_000;

/// Forms of statements whose runs are counted, per core: some 1.5 KiB each at most (estimate).
pub const FORMS_MAX: usize = 1_000;

/// Hops of a variable-length pattern or traversal. The frontier may grow by the degree each hop.
pub const HOPS_MAX: u32 = 64;

/// Nodes of one MATCH pattern.
pub const PATTERN_NODES_MAX: usize = 32;

/// Clauses of one pipeline. SIMILAR TO and TRAVERSE each add a level to the plan.
pub const STAGES_MAX: usize = 64;

/// Bytes of a JSON path. It is read for each call, and kept while the call runs.
pub const JSON_PATH_BYTES_MAX: usize = 64 * 1024;

/// Brackets, signs and operators of a JSON path inside each other: reading and evaluating recurse.
pub const JSON_PATH_DEPTH_MAX: usize = 64;

/// Bytes of the compiled form of a regular expression in a JSON path.
pub const JSON_PATH_REGEX_BYTES_MAX: usize = 1024 * 1024;

/// Values that a JSON path finds in one document, also on the way. Each takes about 100 bytes.
pub const JSON_PATH_ITEMS_MAX: usize = 1_000_000;

/// Values that the JSON path of a call looks at in all documents of a batch (8,192 rows): some
/// seconds of work (estimate), in which a statement cannot be cancelled.
pub const JSON_PATH_STEPS_MAX: usize = 50_000_000;

/// Transactions that wait for their clients' next requests, per core. Each keeps a snapshot, and
/// with it the versions of records that were current then.
pub const OPEN_TRANSACTIONS_MAX: usize = 1_000;

/// Tables, views, sequences and unique constraints that a transaction makes, alters or drops.
pub const SCHEMA_CHANGES_MAX: usize = 1_000;

/// Records of a table that is there already which a transaction may give an index: at its commit
/// everybody waits until the index is made, some tenths of a second (estimate).
pub const DRAFT_INDEX_RECORDS_MAX: u64 = 100_000;

/// As [`DRAFT_INDEX_RECORDS_MAX`], for vector and text indexes.
pub const DRAFT_SEARCH_RECORDS_MAX: u64 = 1_000;

/// Bytes of writes that such transactions hold together, per core.
pub const OPEN_TRANSACTION_BYTES_MAX: usize = 256 << 20;

/// Longest life of a transaction over several requests. Versions of records that changed since
/// its snapshot are kept for as long.
pub const TRANSACTION_LIFE_MAX: Duration = Duration::from_secs(3_600);

/// Transactions that ran out of time which are remembered, to tell their clients, per core.
pub const TIMED_OUT_MAX: usize = 10_000;

/// Cursors of one transaction.
pub const CURSORS_MAX: usize = 1_000;

/// Advisory locks that one session holds, each as often as it took it. Each takes some 100 bytes.
pub const LOCKS_MAX: usize = 10_000;

/// Channels that one connection listens to.
pub const CHANNELS_MAX: usize = 1_000;

/// Bytes of the name of a channel, from which on it is too long, as PostgreSQL.
pub const CHANNEL_BYTES_MAX: usize = 64;

/// Bytes of what a notification says, from which on it is too long, as PostgreSQL.
pub const PAYLOAD_BYTES_END: usize = 8_000;

/// Bytes of what one transaction says, with the names of the channels.
pub const NOTICE_BYTES_MAX: usize = 4 << 20;

/// Notifications that wait at a connection until it sends them, and in a transaction until it
/// commits. A connection at which more wait is ended: what it would miss, it must find out anew.
pub const NOTICES_WAIT_MAX: usize = 10_000;

/// Bytes of notifications that wait at a connection.
pub const NOTICE_BYTES_WAIT_MAX: usize = 8 << 20;

/// Bytes of the stored answer to a request with an idempotency key. A larger one is refused before
/// the commit: rows of RETURNING count, and what a client gets twice it should get whole.
pub const KEYED_ANSWER_BYTES_MAX: usize = 64 << 10;

/// Characters of an idempotency key.
pub const KEY_CHARS_MAX: usize = 255;

/// Idempotency keys remembered at once, about: they are counted now and then. Each takes its
/// answer and some 400 bytes on disk (estimate).
pub const KEYS_MAX: u64 = 10_000_000;
