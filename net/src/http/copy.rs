//! `/v1/copy`: how do rows come in and go out in bulk?
//!
//! The statement is in the query part, `?pql=COPY+t+FROM+STDIN+(FORMAT+csv)`; the data are the body of
//! the request, or of the answer, and are read and written while they pass.

use std::io;

use bytes::Bytes;
use futures::stream::try_unfold;
use http::{HeaderValue, Request, Response, header};
use pieskieo_query::copy::{CopyIn, CopyOut};
use pieskieo_query::syntax::{Copy, CopyFormat, parse_copy};
use pieskieo_query::{Error, Token};
use serde_json::json;

use crate::http::body::{Body, Upload};
use crate::http::connection::Connection;
use crate::http::{answer, problem, statement};

/// Runs a COPY.
///
/// **Errors**: no COPY, or one that is written wrongly; data that do not fit. Within a transaction
/// they are answers that say whether it goes on.
pub async fn copy(
    connection: &Connection,
    request: Request<Upload>,
) -> Result<Response<Body>, Error> {
    let (head, body) = request.into_parts();
    let transaction = statement::transaction_of(&head.headers)?;
    let text = statement_of(head.uri.query().unwrap_or(""))?;
    let ran = run(connection, &text, body, transaction).await;
    match (ran, transaction) {
        (Err(error), Some(token)) => Ok(statement::failed_within(connection, &error, token).await),
        (Ok(mut response), Some(token)) => {
            statement::name(&mut response, token);
            Ok(response)
        }
        (result, None) => result,
    }
}

/// Returns the statement in the query part of an address.
fn statement_of(query: &str) -> Result<String, Error> {
    let mut found = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "pql" if found.is_none() => found = Some(value.into_owned()),
            _ => return Err(problem::bad_request("the only choice here is pql=COPY ...")),
        }
    }
    found.ok_or_else(|| problem::bad_request("the statement is missing: ?pql=COPY ..."))
}

async fn run(
    connection: &Connection,
    text: &str,
    body: Upload,
    transaction: Option<Token>,
) -> Result<Response<Body>, Error> {
    let Some(copy) = parse_copy(text)? else {
        return Err(problem::bad_request("one COPY statement is wanted here")
            .with_hint("Send other statements to /v1/query."));
    };
    match copy.from {
        true => take(connection, &copy, body, transaction).await,
        false => give(connection, &copy, transaction).await,
    }
}

async fn take(
    connection: &Connection,
    copy: &Copy,
    mut body: Upload,
    transaction: Option<Token>,
) -> Result<Response<Body>, Error> {
    let session = &connection.session;
    let cancel = session.cancel_handle();
    let mut rows = Box::pin(CopyIn::begin(session, transaction, copy, cancel)).await?;
    loop {
        match body.part().await {
            Ok(Some(bytes)) => rows.push(&bytes).await?,
            Ok(None) => break,
            Err(error) => {
                rows.abort().await;
                return Err(error);
            }
        }
    }
    let inserted = rows.finish().await?;
    metrics::counter!("pieskieo_records_loaded_total").increment(inserted);
    Ok(answer::json(&json!({ "kind": "copy", "affected": inserted })))
}

async fn give(
    connection: &Connection,
    copy: &Copy,
    transaction: Option<Token>,
) -> Result<Response<Body>, Error> {
    let session = &connection.session;
    let cancel = session.cancel_handle();
    let mut rows = CopyOut::begin(session, transaction, copy, &cancel).await?;
    // What is refused before its first row is answered as an error.
    let first = rows.next().await.transpose()?;
    let media = match copy.options.format {
        CopyFormat::Csv => "text/csv; charset=utf-8",
        CopyFormat::Binary => "application/octet-stream",
        CopyFormat::Json => "application/x-ndjson",
        CopyFormat::Text => "text/tab-separated-values; charset=utf-8",
    };
    let stream = try_unfold((first, rows), async |(first, mut rows)| {
        let next = match first {
            Some(piece) => Some(piece),
            None => rows.next().await.transpose().map_err(io::Error::other)?,
        };
        Ok(next.map(|piece| (Bytes::from(piece.bytes), (None, rows))))
    });
    let mut response = Response::new(Body::Stream(Box::pin(stream)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    Ok(response)
}
