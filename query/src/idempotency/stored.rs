//! How is the answer to a request with an idempotency key stored?
//!
//! ```text
//! answer      u8 1 statements: u32 n | n outcomes
//!             u8 2 a load: u64 inserted | u64 kept
//! outcome     u8 kind, its place in StatementKind::ALL | u8 whether a count follows
//!             | u64 records changed, 0 without | u32 bytes of rows | rows
//! rows        an Arrow IPC stream; no bytes = the statement answers no rows
//! ```
//! Numbers are little-endian. A new form gets a new first byte; kinds keep their places.

use std::io::Cursor;
use std::sync::Arc;

use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;

use crate::coordinator::BulkReport;
use crate::error::{Error, Result, code};
use crate::limits::KEYED_ANSWER_BYTES_MAX;
use crate::outcome::{Outcome, Rows, StatementKind};

const STATEMENTS: u8 = 1;
const LOAD: u8 = 2;

/// An answer's stored form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored(pub Vec<u8>);

impl Stored {
    /// Stores what statements have answered.
    ///
    /// **Errors**: `54000` for too large an answer.
    pub fn statements<'o>(outcomes: impl ExactSizeIterator<Item = &'o Outcome>) -> Result<Self> {
        let mut out = vec![STATEMENTS];
        out.extend_from_slice(&(outcomes.len() as u32).to_le_bytes());
        for outcome in outcomes {
            let kind = StatementKind::ALL.iter().position(|kind| *kind == outcome.kind);
            out.push(kind.unwrap_or_default() as u8);
            out.push(u8::from(outcome.affected.is_some()));
            out.extend_from_slice(&outcome.affected.unwrap_or(0).to_le_bytes());
            let rows = rows_of(outcome, KEYED_ANSWER_BYTES_MAX)?;
            out.extend_from_slice(&(rows.len() as u32).to_le_bytes());
            out.extend_from_slice(&rows);
            check(out.len())?;
        }
        Ok(Self(out))
    }

    /// Stores what a load has answered in which nothing was refused.
    pub fn load(report: &BulkReport) -> Self {
        let mut out = vec![LOAD];
        out.extend_from_slice(&report.inserted.to_le_bytes());
        out.extend_from_slice(&report.skipped.to_le_bytes());
        Self(out)
    }

    /// Returns what statements have answered.
    ///
    /// **Errors**: `XX001` for bytes that are no such answer.
    pub fn to_statements(&self) -> Result<Vec<Outcome>> {
        let mut input = Input(&self.0);
        if input.u8()? != STATEMENTS {
            return Err(damaged());
        }
        let count = input.u32()?;
        let mut outcomes = Vec::new();
        for _ in 0..count {
            let kind = StatementKind::ALL.get(usize::from(input.u8()?)).ok_or_else(damaged)?;
            let counted = input.u8()? != 0;
            let affected = Some(input.u64()?).filter(|_| counted);
            let length = input.u32()? as usize;
            let rows = input.take(length)?;
            outcomes.push(outcome(*kind, affected, rows)?);
        }
        Ok(outcomes)
    }

    /// Returns what a load has answered.
    ///
    /// **Errors**: `XX001` for bytes that are no such answer.
    pub fn to_load(&self) -> Result<BulkReport> {
        let mut input = Input(&self.0);
        if input.u8()? != LOAD {
            return Err(damaged());
        }
        let (inserted, skipped) = (input.u64()?, input.u64()?);
        Ok(BulkReport { inserted, skipped, ..BulkReport::default() })
    }
}

fn check(bytes: usize) -> Result<()> {
    if bytes <= KEYED_ANSWER_BYTES_MAX {
        return Ok(());
    }
    let message =
        format!("the limit \"keyed_answer_bytes\" of {KEYED_ANSWER_BYTES_MAX} was exceeded");
    Err(Error::new(code::PROGRAM_LIMIT, message)
        .with_detail("The answer to a request with an idempotency key is stored with its writes.")
        .with_hint("Leave out RETURNING or name fewer columns, or change fewer records at once."))
}

/// Returns the rows as an Arrow stream, none for an answer without columns.
fn rows_of(outcome: &Outcome, bytes_max: usize) -> Result<Vec<u8>> {
    let Rows::Collected(batches) = &outcome.rows else {
        return Err(Error::internal("rows were not collected"));
    };
    if outcome.schema.fields().is_empty() {
        return Ok(Vec::new());
    }
    let write = || -> std::result::Result<Vec<u8>, ArrowError> {
        let mut writer = StreamWriter::try_new(Vec::new(), &outcome.schema)?;
        for batch in batches {
            if writer.get_ref().len() > bytes_max {
                break;
            }
            writer.write(batch)?;
        }
        writer.finish()?;
        Ok(std::mem::take(writer.get_mut()))
    };
    write().map_err(|error| Error::internal(format!("store an answer: {error}")))
}

fn outcome(kind: StatementKind, affected: Option<u64>, rows: &[u8]) -> Result<Outcome> {
    if rows.is_empty() {
        return Ok(Outcome::without_rows(kind, affected));
    }
    let read = || {
        let reader = StreamReader::try_new(Cursor::new(rows), None)?;
        let schema = reader.schema();
        Ok((schema, reader.collect::<std::result::Result<Vec<_>, ArrowError>>()?))
    };
    let (schema, batches) = read().map_err(|_: ArrowError| damaged())?;
    let outcome = Outcome::with_rows(kind, Arc::clone(&schema), Rows::Collected(batches));
    Ok(Outcome { affected, ..outcome })
}

fn damaged() -> Error {
    Error::new(code::DATA_CORRUPTED, "the stored answer to an idempotency key cannot be read")
        .with_hint("Run `pieskieo verify` on the data directory.")
}

/// Bytes that are read from their start.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| damaged())
    }

    fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, BinaryViewArray, Int64Array, RecordBatch, StringViewArray};
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn rows(count: i64) -> Outcome {
        let schema = Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("t", DataType::Utf8View, true),
            Field::new("j", DataType::BinaryView, true),
        ]));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(0..count)),
            Arc::new(StringViewArray::from_iter_values((0..count).map(|n| format!("t{n}")))),
            Arc::new(BinaryViewArray::from_iter_values((0..count).map(|n| n.to_le_bytes()))),
        ];
        let batch = RecordBatch::try_new(schema.clone(), columns).expect("columns of the schema");
        let rows = Rows::Collected(vec![batch.slice(0, 1), batch.slice(1, batch.num_rows() - 1)]);
        Outcome { affected: Some(7), ..Outcome::with_rows(StatementKind::Insert, schema, rows) }
    }

    fn collected(outcome: &Outcome) -> &[RecordBatch] {
        match &outcome.rows {
            Rows::Collected(batches) => batches,
            Rows::Stream(_) => panic!("rows are collected"),
        }
    }

    #[test]
    fn an_answer_is_read_as_it_was_stored() {
        let outcomes = [Outcome::without_rows(StatementKind::Transaction, None), rows(9), rows(1)];
        let stored = Stored::statements(outcomes.iter()).expect("a small answer");
        let read = stored.to_statements().expect("what was stored");
        assert_eq!(read.len(), 3);
        for (before, after) in outcomes.iter().zip(&read) {
            assert_eq!((before.kind, before.affected), (after.kind, after.affected));
            assert_eq!((&before.schema, &before.columns), (&after.schema, &after.columns));
            assert_eq!(collected(before), collected(after));
        }
        let report = BulkReport { inserted: 3, skipped: 4, ..BulkReport::default() };
        assert_eq!(Stored::load(&report).to_load().expect("what was stored"), report);
    }

    #[test]
    fn too_large_an_answer_is_refused_and_damage_is_noticed() {
        let error = Stored::statements([rows(10_000)].iter()).expect_err("too many rows");
        assert_eq!(error.code, code::PROGRAM_LIMIT.code);
        let stored = Stored::statements([rows(3)].iter()).expect("a small answer");
        assert!(stored.to_load().is_err());
        for length in 0..40 {
            let cut = Stored(stored.0[..length].to_vec());
            assert_eq!(cut.to_statements().err().map(|error| error.code), Some("XX001"));
        }
    }
}
