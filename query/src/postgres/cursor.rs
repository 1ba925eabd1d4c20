//! Where is a cursor between two FETCHes?
//!
//! With its transaction, and ends with it. In a transaction that promises nothing of what it reads
//! (`READ ONLY`, `SNAPSHOT`) and has written nothing, rows are made as they are fetched, at the
//! transaction's snapshot. In others all of them are read at once, since what is read counts for
//! the commit and later writes of the transaction must not show.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use pieskieo_io::rt;

use super::oid::WireColumn;
use crate::error::{Error, Result, code};
use crate::exec::scope::Stop;
use crate::limits::CURSORS_MAX;
use crate::options::SessionOptions;
use crate::outcome::{Outcome, Rows};
use crate::syntax::Name;

/// How often a FETCH looks whether it was cancelled while the next rows are made.
const LOOK: Duration = Duration::from_millis(50);

/// The cursors of one transaction.
#[derive(Default)]
pub(crate) struct Cursors {
    open: BTreeMap<String, Cursor>,
    /// The number that the next one gets.
    next: u64,
    /// Savepoints, and which number was next when each was made.
    marks: Vec<(String, u64)>,
    /// Bytes of rows that were read at once.
    bytes: usize,
}

/// One cursor.
pub(crate) struct Cursor {
    rows: Rows,
    /// What is left of a batch that was begun.
    batch: Option<RecordBatch>,
    schema: SchemaRef,
    columns: Rc<[WireColumn]>,
    /// Cursors of a transaction are numbered in the order they were declared.
    number: u64,
    /// Bytes of its rows, if they were read at once.
    bytes: usize,
    /// Stops what makes its rows.
    stop: Stop,
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.open.keys()).finish()
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Cursor {
    /// Begins to read an answer, which `stop` stops.
    pub fn new(outcome: Outcome, stop: Stop) -> Self {
        let fields = outcome.schema.fields().iter();
        let columns = fields.map(|field| WireColumn::of_field(field.name(), field)).collect();
        let bytes = match &outcome.rows {
            Rows::Collected(batches) => {
                batches.iter().map(RecordBatch::get_array_memory_size).sum()
            }
            Rows::Stream(_) => 0,
        };
        let Outcome { rows, schema, .. } = outcome;
        Self { rows, batch: None, schema, columns, number: 0, bytes, stop }
    }

    /// Returns its columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns the next rows, `None` = all that are left, within the limits of an answer.
    ///
    /// **Errors**: whatever stops the query; `54000` for too many rows at once, `57014` when `stop`
    /// says so.
    pub async fn take(
        &mut self,
        count: Option<u64>,
        options: &SessionOptions,
        stop: &Stop,
    ) -> Result<Vec<RecordBatch>> {
        let mut taken = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        while let Some(batch) = self.some(count.map(|count| count - rows), stop).await? {
            rows += batch.num_rows() as u64;
            bytes += batch.get_array_memory_size();
            if rows > options.rows_max as u64 || bytes > options.result_bytes_max {
                let message = "a FETCH takes too many rows at once";
                return Err(Error::new(code::PROGRAM_LIMIT, message)
                    .with_hint("Fetch fewer rows at a time."));
            }
            taken.push(batch);
            if Some(rows) == count {
                break;
            }
        }
        Ok(taken)
    }

    /// Passes over the next rows, `None` = all that are left. Returns how many there were.
    ///
    /// **Errors**: as [`Cursor::take`].
    pub async fn skip(&mut self, count: Option<u64>, stop: &Stop) -> Result<u64> {
        let mut rows = 0;
        while count.is_none_or(|count| rows < count)
            && let Some(batch) = self.some(count.map(|count| count - rows), stop).await?
        {
            rows += batch.num_rows() as u64;
        }
        Ok(rows)
    }

    /// Returns some of the next rows, at most so many; `None` at the end.
    async fn some(&mut self, most: Option<u64>, stop: &Stop) -> Result<Option<RecordBatch>> {
        loop {
            let Some(batch) = self.batch.take() else {
                let Some(next) = self.next(stop).await? else { return Ok(None) };
                self.batch = Some(next);
                continue;
            };
            if batch.num_rows() == 0 {
                continue;
            }
            let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
            if batch.num_rows() <= most {
                return Ok(Some(batch));
            }
            self.batch = Some(batch.slice(most, batch.num_rows() - most));
            return Ok(Some(batch.slice(0, most)));
        }
    }

    async fn next(&mut self, stop: &Stop) -> Result<Option<RecordBatch>> {
        loop {
            stop.check()?;
            if let Ok(next) = rt::timeout(LOOK, self.rows.next()).await {
                return next.transpose();
            }
        }
    }
}

impl Cursors {
    /// Refuses a name that cannot be given to one more cursor.
    ///
    /// **Errors**: `42P03`, `53400`.
    pub fn check(&self, name: &Name) -> Result<()> {
        if self.open.contains_key(&name.text) {
            let message = format!("cursor \"{}\" already exists", name.text);
            return Err(Error::new(code::DUPLICATE_CURSOR, message).at(name.position));
        }
        if self.open.len() >= CURSORS_MAX {
            let message = format!("the limit \"cursors\" of {CURSORS_MAX} was reached");
            return Err(Error::new(code::LIMIT_EXCEEDED, message)
                .with_hint("Close those that are not needed any more."));
        }
        Ok(())
    }

    /// Keeps a cursor; rows of all that were read at once may take so many bytes.
    ///
    /// **Errors**: as [`Cursors::check`], and `53200`.
    pub fn keep(&mut self, name: &Name, mut cursor: Cursor, bytes_max: usize) -> Result<()> {
        self.check(name)?;
        if self.bytes + cursor.bytes > bytes_max {
            let message = "the cursors of the transaction hold too many rows";
            return Err(Error::new(code::OUT_OF_MEMORY, message)
                .with_hint("Close others first, or BEGIN READ ONLY."));
        }
        cursor.number = self.next;
        self.next += 1;
        self.bytes += cursor.bytes;
        self.open.insert(name.text.clone(), cursor);
        Ok(())
    }

    /// Returns the columns of a cursor.
    pub fn columns(&self, name: &str) -> Option<Rc<[WireColumn]>> {
        self.open.get(name).map(|cursor| cursor.columns.clone())
    }

    /// Takes a cursor out while it is read.
    ///
    /// **Errors**: `34000`.
    pub fn take(&mut self, name: &Name) -> Result<Cursor> {
        let cursor = self.open.remove(&name.text).ok_or_else(|| unknown(name))?;
        self.bytes -= cursor.bytes;
        Ok(cursor)
    }

    /// Puts a cursor back.
    pub fn put(&mut self, name: &Name, cursor: Cursor) {
        self.bytes += cursor.bytes;
        self.open.insert(name.text.clone(), cursor);
    }

    /// Ends all cursors.
    pub fn clear(&mut self) {
        self.open.clear();
        self.bytes = 0;
    }

    /// Notes a savepoint.
    pub fn mark(&mut self, savepoint: &str) {
        self.marks.push((savepoint.to_owned(), self.next));
    }

    /// Forgets a savepoint, and those after it.
    pub fn release(&mut self, savepoint: &str) {
        let found = self.marks.iter().rposition(|(name, _)| name == savepoint);
        self.marks.truncate(found.unwrap_or(self.marks.len()));
    }

    /// Ends the cursors that were declared after a savepoint, which stays.
    pub fn back_to(&mut self, savepoint: &str) {
        let found = self.marks.iter().rposition(|(name, _)| name == savepoint);
        let Some(at) = found else { return };
        self.marks.truncate(at + 1);
        let first = self.marks[at].1;
        self.open.retain(|_, cursor| cursor.number < first);
        self.bytes = self.open.values().map(|cursor| cursor.bytes).sum();
    }
}

/// Returns the error for a cursor that is not there.
pub(super) fn unknown(name: &Name) -> Error {
    let message = format!("cursor \"{}\" does not exist", name.text);
    Error::new(code::UNDEFINED_CURSOR, message).at(name.position)
}
