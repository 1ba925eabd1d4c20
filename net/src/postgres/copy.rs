//! How do the rows of a COPY come and go?
//!
//! ```text
//! COPY t FROM STDIN     CopyInResponse   <- CopyData … CopyDone | CopyFail     CommandComplete
//! COPY t TO STDOUT      CopyOutResponse  CopyData, one for each row … CopyDone  CommandComplete
//! ```
//!
//! After an error the client goes on sending until it hears of it: `conversation` passes that over.

use futures::future::{Either, select};
use futures::io::{AsyncRead, AsyncWrite};
use pieskieo_io::{rt, time};
use pieskieo_query::Error;
use pieskieo_query::copy::{CopyIn, CopyOut};
use pieskieo_query::error::code;
use pieskieo_query::postgres::{Form, Standing};
use pieskieo_query::syntax::{Copy, CopyFormat};

use super::backend::{self, Direction, Plain};
use super::conversation::{Conversation, stopping};
use super::frontend::{self, Frontend};
use super::rows::Cut;
use super::wire::{Broken, Frame, Wire};
use crate::{limits, metrics};

/// What metrics call it.
const KIND: &str = "copy";

/// Returns whether a text may be a COPY; says so too often rather than too seldom. Looking closer
/// costs a pass over the text.
pub fn may_be_copy(text: &str) -> bool {
    let text = text.trim_start();
    let begins =
        |word: &str| text.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word));
    begins("copy") || begins("--") || begins("/*")
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// Runs a COPY.
    ///
    /// **Errors**: those of the statement, and of data that do not fit.
    pub(super) async fn copy(&mut self, copy: &Copy) -> Result<(), Cut> {
        if self.link.standing() == Standing::Failed {
            let message = "current transaction is aborted, commands ignored until end of \
                           transaction block";
            return Err(Error::new(code::IN_FAILED_TRANSACTION, message).into());
        }
        let began = time::now();
        let count = match copy.from {
            true => Box::pin(self.take_rows(copy)).await?,
            false => Box::pin(self.give_rows(copy)).await?,
        };
        backend::complete(&mut self.wire.output, &format!("COPY {count}"));
        metrics::statement(KIND, "ok", began.elapsed());
        Ok(())
    }

    async fn take_rows(&mut self, copy: &Copy) -> Result<u64, Cut> {
        let session = self.link.session();
        let cancel = session.cancel_handle();
        let _running = self.key.run(&cancel);
        let transaction = self.link.transaction();
        let mut rows = Box::pin(CopyIn::begin(session, transaction, copy, cancel)).await?;
        backend::copying(&mut self.wire.output, Direction::In, shape(copy, rows.columns()));
        let max = self.front.options.postgres.as_ref();
        let max = max.map_or(limits::BODY_BYTES_MAX, |door| door.message_bytes_max);
        loop {
            match said(&mut self.wire, max).await {
                Ok(Some(Frontend::CopyData(bytes))) => rows.push(&bytes).await?,
                Ok(Some(Frontend::CopyDone)) => break,
                // Of no meaning in between.
                Ok(Some(Frontend::Flush | Frontend::Sync)) => {}
                Ok(Some(Frontend::CopyFail(why))) => {
                    rows.abort().await;
                    let message = format!("COPY from stdin failed: {why}");
                    return Err(Error::new(code::QUERY_CANCELED, message).into());
                }
                Ok(Some(_)) => {
                    rows.abort().await;
                    let message = "a message that is no part of COPY came during it";
                    return Err(Error::new(code::PROTOCOL_VIOLATION, message).into());
                }
                Ok(None) => {
                    rows.abort().await;
                    return Err(stopping().into());
                }
                Err(cut) => {
                    rows.abort().await;
                    return Err(cut);
                }
            }
        }
        let inserted = rows.finish().await?;
        ::metrics::counter!("pieskieo_records_loaded_total").increment(inserted);
        Ok(inserted)
    }

    async fn give_rows(&mut self, copy: &Copy) -> Result<u64, Cut> {
        let session = self.link.session();
        let cancel = session.cancel_handle();
        let _running = self.key.run(&cancel);
        let mut rows = CopyOut::begin(session, self.link.transaction(), copy, &cancel).await?;
        // What is refused before its first row is answered as an error alone.
        let mut part = rows.next().await.transpose()?;
        backend::copying(&mut self.wire.output, Direction::Out, shape(copy, rows.columns()));
        while let Some(piece) = part {
            for row in piece.rows() {
                // Clients count on a message for each.
                backend::message(&mut self.wire.output, b'd', |out| out.extend(row));
                self.wire.relieve().await?;
            }
            rt::yield_if_needed().await;
            part = rows.next().await.transpose()?;
        }
        backend::plain(&mut self.wire.output, Plain::CopyDone);
        Ok(rows.count())
    }
}

/// Returns how many columns the data have, and in which form.
fn shape(copy: &Copy, columns: &[String]) -> (usize, Form) {
    let form = match copy.options.format {
        CopyFormat::Binary => Form::Binary,
        _ => Form::Text,
    };
    (columns.len(), form)
}

/// Returns what the client says next; `None` when the server stops.
async fn said<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    max: usize,
) -> Result<Option<Frontend>, Cut> {
    if !wire.has_input() {
        wire.flush().await?;
    }
    let message = std::pin::pin!(wire.message(max));
    let stop = std::pin::pin!(rt::shutdown_requested());
    let frame: Result<Frame, Broken> = match select(message, stop).await {
        Either::Left((frame, _)) => frame,
        Either::Right(_) => return Ok(None),
    };
    Ok(Some(frontend::decode(&frame?)?))
}
