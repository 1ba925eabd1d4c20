//! Which bytes does a shard write to its log?
//!
//! ```text
//! record    u8 kind | u8 format = 1 | payload
//!   1 catalog   catalog snapshot (`catalog/encode`)
//!   2 commit    u64 txn | u64 timestamp | writes
//!   3 prepare   u64 txn | u16 home shard | writes
//!   4 decision  u64 txn | u64 timestamp                     only in the home shard's log
//!   5 outcome   u64 txn | u8 1, u64 timestamp  or  u8 0     what became of a prepare
//!   6 schema    u64 txn | u64 timestamp | catalog snapshot  only in shard 0's log: a decision, and
//!                                                           the catalog that follows with it
//! writes    u32 n | n writes
//! write     u32 table | key | u8 1 put, blob row
//!                           | u8 2 delete
//!                           | u8 3 mirror added, key source, key target
//!                           | u8 4 mirror removed, key source, key target
//!                           | u8 5 range emptied, u8 1, blob end  or  u8 0, then u64 records
//! key       u16 slot | blob bytes
//! ```
//! Numbers are little-endian (`codec`). The conditions of a write (`Expect`) are not logged: a
//! record in the log has passed them. Framing and checksums belong to the log (`io/FORMAT.md`).

use std::sync::Arc;

use crate::catalog::{Catalog, decode_catalog, encode_catalog};
use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::ids::{ShardId, Slot, TableId, Timestamp, TxnId};
use crate::key::Key;
use crate::request::{Expect, Write, WriteOp};

const FORMAT: u8 = 1;

const CATALOG: u8 = 1;
const COMMIT: u8 = 2;
const PREPARE: u8 = 3;
const DECISION: u8 = 4;
const OUTCOME: u8 = 5;
const SCHEMA: u8 = 6;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const MIRROR_ADDED: u8 = 3;
const MIRROR_REMOVED: u8 = 4;
const ERASE: u8 = 5;

/// One record of a shard's log.
#[derive(Debug)]
pub(crate) enum Record {
    /// From here on, records are written with this catalog.
    Catalog(Box<Catalog>),
    /// A transaction of this shard alone.
    Commit {
        /// The transaction.
        txn: TxnId,
        /// When it takes effect.
        commit: Timestamp,
        /// What it changes.
        writes: Vec<Write>,
    },
    /// This shard's part of a transaction of several shards, without its outcome.
    Prepare {
        /// The transaction.
        txn: TxnId,
        /// Whose log holds the decision.
        home: ShardId,
        /// What it changes here.
        writes: Vec<Write>,
    },
    /// The transaction is committed. Absence means that it is not.
    Decision {
        /// The transaction.
        txn: TxnId,
        /// When it takes effect.
        commit: Timestamp,
    },
    /// The transaction is committed, and the schema has changed with it. The catalog itself comes
    /// again where it came into force here; a log that ends before is as if it came at its end.
    Schema {
        /// The transaction.
        txn: TxnId,
        /// When it takes effect.
        commit: Timestamp,
        /// The schema it leaves behind.
        catalog: Box<Catalog>,
    },
    /// The prepare of this transaction is settled.
    Outcome {
        /// The transaction.
        txn: TxnId,
        /// When it took effect; `None` = it never does.
        commit: Option<Timestamp>,
    },
}

/// Returns the bytes of a catalog record.
pub(crate) fn encode_catalog_record(catalog: &Catalog) -> Vec<u8> {
    let mut out = start(CATALOG, 0);
    out.raw(&encode_catalog(catalog));
    out.into_bytes()
}

/// Returns the bytes of a commit record.
pub(crate) fn encode_commit(txn: TxnId, commit: Timestamp, writes: &[Write]) -> Vec<u8> {
    let mut out = start(COMMIT, writes_len(writes));
    out.u64(txn.0);
    out.u64(commit.0);
    put_writes(&mut out, writes);
    out.into_bytes()
}

/// Returns the bytes of a prepare record.
pub(crate) fn encode_prepare(txn: TxnId, home: ShardId, writes: &[Write]) -> Vec<u8> {
    let mut out = start(PREPARE, writes_len(writes));
    out.u64(txn.0);
    out.u16(home.0);
    put_writes(&mut out, writes);
    out.into_bytes()
}

/// Returns the bytes of a decision record.
pub(crate) fn encode_decision(txn: TxnId, commit: Timestamp) -> Vec<u8> {
    let mut out = start(DECISION, 0);
    out.u64(txn.0);
    out.u64(commit.0);
    out.into_bytes()
}

/// Returns the bytes of the record of a decision that changes the schema as well.
pub(crate) fn encode_schema(txn: TxnId, commit: Timestamp, catalog: &Catalog) -> Vec<u8> {
    let mut out = start(SCHEMA, 0);
    out.u64(txn.0);
    out.u64(commit.0);
    out.raw(&encode_catalog(catalog));
    out.into_bytes()
}

/// Returns the bytes of an outcome record.
pub(crate) fn encode_outcome(txn: TxnId, commit: Option<Timestamp>) -> Vec<u8> {
    let mut out = start(OUTCOME, 0);
    out.u64(txn.0);
    out.u8(u8::from(commit.is_some()));
    if let Some(commit) = commit {
        out.u64(commit.0);
    }
    out.into_bytes()
}

/// Returns the record these bytes hold.
///
/// **Errors**: `Corrupt` for anything that the encoders above do not write.
pub(crate) fn decode(bytes: &[u8]) -> Result<Record, Error> {
    let mut input = Reader::new(bytes, "log record");
    let kind = input.u8("kind")?;
    if input.u8("format")? != FORMAT {
        return Err(input.corrupt("format"));
    }
    let record = match kind {
        CATALOG => Record::Catalog(Box::new(decode_catalog(input.rest())?)),
        COMMIT => Record::Commit {
            txn: TxnId(input.u64("transaction")?),
            commit: Timestamp(input.u64("timestamp")?),
            writes: take_writes(&mut input)?,
        },
        PREPARE => Record::Prepare {
            txn: TxnId(input.u64("transaction")?),
            home: ShardId(input.u16("home shard")?),
            writes: take_writes(&mut input)?,
        },
        DECISION => Record::Decision {
            txn: TxnId(input.u64("transaction")?),
            commit: Timestamp(input.u64("timestamp")?),
        },
        SCHEMA => Record::Schema {
            txn: TxnId(input.u64("transaction")?),
            commit: Timestamp(input.u64("timestamp")?),
            catalog: Box::new(decode_catalog(input.rest())?),
        },
        OUTCOME => {
            let txn = TxnId(input.u64("transaction")?);
            let commit = match input.u8("outcome")? {
                0 => None,
                1 => Some(Timestamp(input.u64("timestamp")?)),
                _ => return Err(input.corrupt("outcome")),
            };
            Record::Outcome { txn, commit }
        }
        _ => return Err(input.corrupt("kind")),
    };
    input.finish()?;
    Ok(record)
}

/// Returns about how many bytes these writes take in the log and on the lanes.
pub(crate) fn writes_len(writes: &[Write]) -> usize {
    writes.iter().map(write_len).sum::<usize>()
}

fn write_len(write: &Write) -> usize {
    // Table, op, slot and two lengths are 15 bytes; a mirror carries two more keys.
    15 + write.key.bytes().len()
        + match &write.op {
            WriteOp::Put(row) => row.len(),
            WriteOp::Delete => 0,
            WriteOp::Erase { to, .. } => 9 + to.as_ref().map_or(0, |to| 4 + to.len()),
            WriteOp::Mirror { source, target, .. } => {
                12 + source.bytes().len() + target.bytes().len()
            }
        }
}

fn start(kind: u8, payload: usize) -> Writer {
    // Two bytes of kind and format, at most 24 of fixed fields.
    let mut out = Writer::with_capacity(26 + payload);
    out.u8(kind);
    out.u8(FORMAT);
    out
}

fn put_key(out: &mut Writer, key: &Key) {
    out.u16(key.slot().0);
    out.blob(key.bytes());
}

fn take_key(input: &mut Reader<'_>) -> Result<Key, Error> {
    let slot = Slot(input.u16("slot")?);
    let bytes: Arc<[u8]> = input.blob("key")?.into();
    Ok(Key::from_encoded(bytes, slot))
}

fn put_writes(out: &mut Writer, writes: &[Write]) {
    out.count(writes.len());
    for write in writes {
        out.u32(write.table.0);
        put_key(out, &write.key);
        match &write.op {
            WriteOp::Put(row) => {
                out.u8(PUT);
                out.blob(row);
            }
            WriteOp::Delete => out.u8(DELETE),
            WriteOp::Erase { to, count } => {
                out.u8(ERASE);
                out.u8(u8::from(to.is_some()));
                if let Some(to) = to {
                    out.blob(to);
                }
                out.u64(*count);
            }
            WriteOp::Mirror { source, target, present } => {
                out.u8(if *present { MIRROR_ADDED } else { MIRROR_REMOVED });
                put_key(out, source);
                put_key(out, target);
            }
        }
    }
}

fn take_writes(input: &mut Reader<'_>) -> Result<Vec<Write>, Error> {
    let count = input.count("write count")?;
    let mut writes = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        let table = TableId(input.u32("table")?);
        let key = take_key(input)?;
        let op = match input.u8("operation")? {
            PUT => WriteOp::Put(input.blob("row")?.into()),
            DELETE => WriteOp::Delete,
            ERASE => {
                let to = match input.u8("end of a range")? {
                    0 => None,
                    1 => Some(input.blob("end of a range")?.into()),
                    _ => return Err(input.corrupt("end of a range")),
                };
                WriteOp::Erase { to, count: input.u64("records")? }
            }
            op @ (MIRROR_ADDED | MIRROR_REMOVED) => WriteOp::Mirror {
                source: take_key(input)?,
                target: take_key(input)?,
                present: op == MIRROR_ADDED,
            },
            _ => return Err(input.corrupt("operation")),
        };
        writes.push(Write { table, key, op, expect: Expect::Any });
    }
    Ok(writes)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
