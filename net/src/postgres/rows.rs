//! How are rows sent?
//!
//! As fast as the client takes them: the next batch is made when most of the one before has gone.

use std::rc::Rc;

use futures::io::{AsyncRead, AsyncWrite};
use pieskieo_io::rt;
use pieskieo_query::postgres::{Form, Ran, RowWriter, WireColumn};
use pieskieo_query::{Error, RecordBatch};

use super::backend;
use super::kept::{Answering, forms_of};
use super::wire::{Broken, Wire};

/// Why an answer ends before its end.
#[derive(Debug)]
pub enum Cut {
    /// The statement failed.
    Failed(Box<Error>),
    /// The connection did.
    Broken(Broken),
}

impl From<Error> for Cut {
    fn from(error: Error) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl From<Broken> for Cut {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// Returns the columns of an answer, as nobody was told of them before.
pub fn columns_of(ran: &Ran) -> Rc<[WireColumn]> {
    let fields = ran.outcome.schema.fields().iter();
    fields.map(|field| WireColumn::of_field(field.name(), field)).collect()
}

impl Answering {
    /// Begins to send an answer; `told` are its columns, if its client was told of them.
    ///
    /// **Errors**: `08P01` for forms that do not fit.
    pub fn new(ran: Ran, told: Option<Rc<[WireColumn]>>, forms: &[Form]) -> Result<Self, Error> {
        let columns = told.unwrap_or_else(|| columns_of(&ran));
        let forms = forms_of(forms, columns.len())?;
        let affected = ran.outcome.affected;
        Ok(Self { rows: ran.outcome.rows, columns, forms, batch: None, tag: ran.tag, affected })
    }

    /// Sends up to `limit` rows, 0 = all. Returns how many, and whether that was the end.
    ///
    /// **Errors**: whatever stops the statement, or the connection.
    pub async fn send<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        wire: &mut Wire<S>,
        limit: u64,
    ) -> Result<(u64, bool), Cut> {
        let mut sent = 0;
        loop {
            if limit > 0 && sent == limit {
                return Ok((sent, false));
            }
            if self.batch.is_none() {
                let Some(batch) = self.rows.next().await else { return Ok((sent, true)) };
                self.batch = self.writer(&batch?)?;
                continue;
            }
            let Some((writer, count, done)) = &mut self.batch else { continue };
            let left = if limit == 0 { u64::MAX } else { limit - sent };
            let last = usize::try_from(left).unwrap_or(usize::MAX).saturating_add(*done);
            let last = last.min(*count);
            while *done < last {
                let (mut failed, before) = (None, wire.output.len());
                backend::message(&mut wire.output, b'D', |out| {
                    failed = writer.write(*done, out).err();
                });
                if let Some(error) = failed {
                    // Half a row is no message.
                    wire.output.truncate(before);
                    return Err(error.into());
                }
                *done += 1;
                sent += 1;
                wire.relieve().await?;
            }
            if *done == *count {
                self.batch = None;
            }
            rt::yield_if_needed().await;
        }
    }

    /// Passes over rows, `None` = all. Returns over how many.
    ///
    /// **Errors**: whatever stops the statement.
    pub async fn skip(&mut self, count: Option<u64>) -> Result<u64, Error> {
        let mut passed = 0;
        while count.is_none_or(|count| passed < count) {
            let Some((_, rows, done)) = &mut self.batch else {
                let Some(batch) = self.rows.next().await else { break };
                self.batch = self.writer(&batch?)?;
                rt::yield_if_needed().await;
                continue;
            };
            let wanted = count.map_or(u64::MAX, |count| count - passed);
            let step = (*rows - *done).min(usize::try_from(wanted).unwrap_or(usize::MAX));
            *done += step;
            passed += step as u64;
            if *done == *rows {
                self.batch = None;
            }
        }
        Ok(passed)
    }

    fn writer(&self, batch: &RecordBatch) -> Result<Option<(RowWriter, usize, usize)>, Error> {
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let writer = RowWriter::new(batch, &self.columns, &self.forms)?;
        Ok(Some((writer, batch.num_rows(), 0)))
    }
}
