//! How do transactions begin, read, write, commit and recover?
//!
//! The rules are in `MVCC.md` beside this crate's sources.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `buffer` | what has a transaction written so far |
//! | `clock` | when is a commit visible, and which versions can nobody see any more |
//! | `limits` | which bounds hold for one transaction |
//! | `record` | which bytes does a shard write to its log |
//! | `timeline` | which commit was the last one at a point of time |
//! | `transaction` | how does a coordinator run a transaction |
//! | `two_phase` | how do several shards commit one transaction together |

mod buffer;
mod clock;
mod limits;
mod record;
mod timeline;
mod transaction;
mod two_phase;

pub use clock::Lease;
pub use limits::{SAVEPOINTS_MAX, TXN_BYTES_MAX, TXN_WRITES_MAX};
pub use transaction::{EdgeWrite, Isolation, NoSavepoint, Transaction};

pub(crate) use buffer::Place;
pub(crate) use clock::{Clock, CoreClock};
pub(crate) use limits::{TXN_IDS_PER_LEASE, WRITES_PER_STEP};
pub(crate) use record::{
    Record, decode, encode_catalog_record, encode_commit, encode_decision, encode_outcome,
    encode_prepare, encode_schema, writes_len,
};
pub(crate) use timeline::{Moment, Timeline, TimelineEdit};
