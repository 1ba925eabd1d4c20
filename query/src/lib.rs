//! How does a statement become an answer? PQL: syntax, binding, planning and the coordinator.
//!
//! | folder or file | question it answers |
//! | --- | --- |
//! | `syntax` | what does a text say |
//! | `bind` | what does a statement mean for this catalog |
//! | `error` | what can go wrong, and which code names it |
//! | `database` | how does one core's side of the database open sessions |
//! | `session` | how does a client speak to the engine |
//! | `options` | what may a caller choose about a session |
//! | `outcome` | what does a statement answer |
//! | `prepared` | which statements are ready to run again |
//! | `idempotency` | how does a request that is sent twice have its effect once |
//! | `measure` | how often do statements run, and how long do they take |
//! | `system` | what does the database say about itself |
//! | `open` | where is a transaction between two requests of its client |
//! | `exchange` | what do sessions have to do with each other, beside records |
//! | `plan` | how does a bound statement become something that runs |
//! | `exec` | how do plans run on the shards' own cores |
//! | `copy` | how do rows come in and go out in bulk |
//! | `coordinator` | how is each kind of statement carried out |
//! | `functions` | which functions and operators does PQL have beyond DataFusion's |
//! | `result` | how do rows leave the engine |
//! | `postgres` | how do PostgreSQL's clients speak to the engine |
//! | `memory` | how much memory may queries use together, and where does the rest go |
//! | `share` | which operator may have how much of the memory for queries |
//! | `spill` | where do queries put rows for which memory has no room |
//! | `limits` | how large may a statement be |
//! | `suggest` | which known name did the user probably mean |

#![forbid(unsafe_code)]

pub mod bind;
mod constraint;
mod coordinator;
pub mod copy;
mod database;
pub mod error;
mod exchange;
mod exec;
mod functions;
mod idempotency;
pub mod limits;
mod measure;
mod memory;
mod open;
pub mod options;
pub mod outcome;
mod plan;
pub mod postgres;
mod prepared;
pub mod result;
mod session;
mod share;
mod spill;
pub mod suggest;
pub mod syntax;
mod system;

pub use arrow_array::RecordBatch;
pub use bind::IndexDefaults;
pub use coordinator::{
    BulkConflict, BulkReport, ColumnListing, ConstraintListing, IndexListing, RowError,
    SearchRequest, SettingListing, TableListing, TextSearch, TraverseRequest, VectorSearch,
};
pub use database::Database;
pub use error::{Error, Kind, Result};
pub use exchange::{Exchange, Notice};
pub use idempotency::{Fingerprint, IdempotencyKey};
pub use memory::QueryMemory;
pub use open::Token;
pub use options::SessionOptions;
pub use outcome::{Answer, ColumnInfo, Outcome, Param, RowStream, Rows, StatementKind};
pub use pieskieo_shards::request::{Direction, ShardStats};
pub use session::{CancelHandle, Records, Session};
pub use spill::SpillUse;
