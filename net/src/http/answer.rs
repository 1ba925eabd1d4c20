//! How does a statement's answer become bytes?
//!
//! A short answer is sent whole, with its length. A long one is sent while it is made; if it
//! breaks off, the stream is reset, so that a part can never pass for the whole.

use std::io;

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Response, header};
use pieskieo_query::result::arrow::IpcWriter;
use pieskieo_query::result::json;
use pieskieo_query::{Error, Outcome};

use crate::http::body::Body;
use crate::limits;

const JSON: &str = "application/json";
/// The media type of Arrow IPC streams.
pub const ARROW: &str = "application/vnd.apache.arrow.stream";

/// Returns a JSON answer.
pub fn json(value: &serde_json::Value) -> Response<Body> {
    typed(Body::full(value.to_string()), JSON)
}

/// Returns an answer of the given media type.
pub fn typed(body: Body, media: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// Answers one statement as JSON.
///
/// **Errors**: the statement's, as long as nothing was sent.
pub async fn one_json(mut outcome: Outcome) -> Result<Response<Body>, Error> {
    let mut start = head(&outcome);
    let mut first = true;
    loop {
        match outcome.rows.next().await {
            None => {
                tail(&outcome, &mut start);
                return Ok(typed(Body::full(start), JSON));
            }
            Some(batch) => rows(&batch?, &mut first, &mut start)?,
        }
        if start.len() >= limits::CHUNK_BYTES {
            break;
        }
    }
    let state = Some((outcome, first));
    let rest = stream::try_unfold(state, |state| async move {
        let Some((mut outcome, mut first)) = state else { return Ok(None) };
        let mut chunk = Vec::with_capacity(limits::CHUNK_BYTES * 2);
        while chunk.len() < limits::CHUNK_BYTES {
            match outcome.rows.next().await {
                None => {
                    tail(&outcome, &mut chunk);
                    return Ok(Some((Bytes::from(chunk), None)));
                }
                Some(batch) => {
                    let batch = batch.map_err(broken)?;
                    rows(&batch, &mut first, &mut chunk).map_err(broken)?;
                }
            }
        }
        Ok::<_, io::Error>(Some((Bytes::from(chunk), Some((outcome, first)))))
    });
    let begun = stream::once(async move { Ok(Bytes::from(start)) });
    let whole = futures::StreamExt::chain(begun, rest);
    Ok(typed(Body::Stream(Box::pin(whole)), JSON))
}

/// Answers several statements as JSON.
///
/// **Errors**: a type without a JSON form.
pub async fn many_json(outcomes: Vec<Outcome>) -> Result<Response<Body>, Error> {
    let mut text = b"{\"results\":[".to_vec();
    for (position, mut outcome) in outcomes.into_iter().enumerate() {
        if position > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&head(&outcome));
        let mut first = true;
        while let Some(batch) = outcome.rows.next().await {
            rows(&batch?, &mut first, &mut text)?;
        }
        tail(&outcome, &mut text);
    }
    text.extend_from_slice(b"]}");
    Ok(typed(Body::full(text), JSON))
}

fn head(outcome: &Outcome) -> Vec<u8> {
    let mut text = b"{\"columns\":[".to_vec();
    for (position, column) in outcome.columns.iter().enumerate() {
        text.extend_from_slice(if position > 0 {
            b",{\"name\":".as_slice()
        } else {
            b"{\"name\":"
        });
        json::write_text(&column.name, &mut text);
        text.extend_from_slice(b",\"type\":");
        json::write_text(&column.type_name, &mut text);
        text.push(b'}');
    }
    text.extend_from_slice(b"],\"rows\":[");
    text
}

fn rows(
    batch: &pieskieo_query::RecordBatch,
    first: &mut bool,
    text: &mut Vec<u8>,
) -> Result<(), Error> {
    if batch.num_rows() == 0 {
        return Ok(());
    }
    if !std::mem::take(first) {
        text.push(b',');
    }
    json::write_rows(batch, text).map_err(|error| Error::internal(error.to_string()))
}

fn tail(outcome: &Outcome, text: &mut Vec<u8>) {
    text.push(b']');
    let affected = outcome.affected.unwrap_or(0);
    text.extend_from_slice(format!(",\"affected\":{affected}}}").as_bytes());
}

/// Answers one statement as an Arrow IPC stream.
///
/// **Errors**: the statement's, as long as nothing was sent.
pub async fn one_arrow(mut outcome: Outcome) -> Result<Response<Body>, Error> {
    let writer = IpcWriter::new(&outcome.schema).map_err(|e| Error::internal(e.to_string()))?;
    // The first batch is made before the answer begins, so that an early error has a status.
    let early = match outcome.rows.next().await {
        None => None,
        Some(batch) => Some(batch?),
    };
    let state = Some((outcome, writer, early));
    let chunks = stream::try_unfold(state, |state| async move {
        let Some((mut outcome, mut writer, early)) = state else { return Ok(None) };
        let next = match early {
            Some(batch) => Some(Ok(batch)),
            None => outcome.rows.next().await,
        };
        match next {
            None => {
                let mut last = writer.take();
                last.extend(writer.finish().map_err(io::Error::other)?);
                Ok(Some((Bytes::from(last), None)))
            }
            Some(batch) => {
                writer.write(&batch.map_err(broken)?).map_err(io::Error::other)?;
                let bytes = Bytes::from(writer.take());
                Ok::<_, io::Error>(Some((bytes, Some((outcome, writer, None)))))
            }
        }
    });
    Ok(typed(Body::Stream(Box::pin(chunks)), ARROW))
}

/// Turns an error in the middle of an answer into one of the stream.
fn broken(error: Error) -> io::Error {
    tracing::warn!(code = error.code, message = error.message, "an answer broke off");
    io::Error::other(error)
}
