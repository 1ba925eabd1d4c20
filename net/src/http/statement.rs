//! `/v1/query`: how are statements run?

use std::io;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::try_unfold;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use pieskieo_io::rt;
use pieskieo_io::time::{self, Monotonic};
use pieskieo_query::error::code;
use pieskieo_query::{Answer, Error, IdempotencyKey, Outcome, Param, StatementKind, Token};
use serde::Deserialize;

use crate::http::body::{self, Body, Upload};
use crate::http::connection::Connection;
use crate::http::{answer, idempotency, problem};
use crate::{limits, metrics};

/// Names the transaction that goes on after a request: BEGIN answers it, later requests send it.
pub const TRANSACTION: HeaderName = HeaderName::from_static("transaction");

/// What a client sends to `/v1/query`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryRequest {
    /// One or several statements, separated by `;`.
    pql: String,
    /// `$1`, `$2` and so on.
    #[serde(default)]
    params: Vec<serde_json::Value>,
    /// Time the request may take, ms; at most the server's own limit.
    timeout_ms: Option<u64>,
}

/// Runs the statements of a request.
///
/// **Errors**: an unreadable body; the first failing statement's. Within a transaction they are
/// answers that say whether it goes on.
pub async fn query(
    connection: &Connection,
    request: Request<Upload>,
) -> Result<Response<Body>, Error> {
    let (head, body) = request.into_parts();
    let transaction = transaction_of(&head.headers)?;
    match (run(connection, &head.headers, body, transaction).await, transaction) {
        (Err(error), Some(token)) => Ok(failed_within(connection, &error, token).await),
        (result, _) => result,
    }
}

async fn run(
    connection: &Connection,
    headers: &HeaderMap,
    body: Upload,
    transaction: Option<Token>,
) -> Result<Response<Body>, Error> {
    let wants_arrow = accepts_arrow(headers);
    let bytes = body::read_whole(body).await?;
    let wanted: QueryRequest = parse(&bytes)?;
    let started = time::now();
    let session = &connection.session;
    // A text that cannot be read has no kinds; the transaction it belongs to must hear of it.
    let kinds = match session.kinds(&wanted.pql) {
        Err(_) if transaction.is_some() => Vec::new(),
        kinds => kinds.inspect_err(|_| note(&[], false, started.elapsed()))?,
    };
    let limit = wanted.timeout_ms.map(Duration::from_millis);
    // The session ends statements in time, but for a commit under way: that is waited for.
    let cancel = session.cancel_handle_within(limit);
    let deadline = limit.map(|limit| (limit, started + limit));
    let key = key_of(headers, &wanted.pql, &wanted.params, transaction)?;
    let params: Vec<Param> = wanted.params.into_iter().map(Param::Json).collect();
    let answered = async {
        if let Some(key) = &key {
            check_form(&kinds, wants_arrow)?;
            let asked = (wanted.pql.as_str(), params.as_slice());
            let answer = session.run_keyed(key, transaction, asked, &cancel).await?;
            return within_transaction(answer, wants_arrow, deadline).await;
        }
        if transaction.is_some() || kinds.contains(&StatementKind::Transaction) {
            let answer = session.run_in(transaction, &wanted.pql, &params, &cancel).await?;
            return within_transaction(answer, wants_arrow, deadline).await;
        }
        if kinds.len() == 1 {
            let outcome = session.run_one_streaming_with(&wanted.pql, &params, &cancel).await?;
            return answer_one(outcome, wants_arrow, deadline).await;
        }
        check_form(&kinds, wants_arrow)?;
        answer::many_json(session.run_with(&wanted.pql, &params, &cancel).await?).await
    };
    let result = answered.await;
    note(&kinds, result.is_ok(), started.elapsed());
    result
}

/// Answers what failed in a transaction, and says whether that goes on.
pub async fn failed_within(connection: &Connection, error: &Error, token: Token) -> Response<Body> {
    let mut response = connection.refuse(error);
    // A core that does not answer has no transaction that could go on.
    if connection.session.is_open(token).await.unwrap_or(false) {
        name(&mut response, token);
    }
    response
}

/// Returns the idempotency key of a request. Its name, its statements with their parameters, and
/// its transaction make it this request and no other.
fn key_of(
    headers: &HeaderMap,
    pql: &str,
    params: &[serde_json::Value],
    transaction: Option<Token>,
) -> Result<Option<IdempotencyKey>, Error> {
    if !headers.contains_key(idempotency::IDEMPOTENCY_KEY) {
        return Ok(None);
    }
    let params = serde_json::to_vec(params).map_err(|error| Error::internal(error.to_string()))?;
    let transaction = transaction.map_or_else(String::new, |token| token.to_string());
    let parts: [&[u8]; 5] =
        [b"POST", b"/v1/query", pql.as_bytes(), &params, transaction.as_bytes()];
    idempotency::key_of(headers, &parts)
}

/// Refuses to answer several statements where only one can be.
fn check_form(kinds: &[StatementKind], wants_arrow: bool) -> Result<(), Error> {
    if wants_arrow && kinds.len() != 1 {
        return Err(problem::bad_request("an Arrow stream answers exactly one statement"));
    }
    Ok(())
}

/// Answers statements of a transaction that may go on, and says under which name it does.
async fn within_transaction(
    answer: Answer,
    wants_arrow: bool,
    deadline: Option<(Duration, Monotonic)>,
) -> Result<Response<Body>, Error> {
    let Answer { mut outcomes, transaction, replayed } = answer;
    let mut response = match outcomes.pop() {
        Some(only) if outcomes.is_empty() => answer_one(only, wants_arrow, deadline).await?,
        // What was asked has been done: how it is answered is no reason to fail any more.
        last => {
            outcomes.extend(last);
            answer::many_json(outcomes).await?
        }
    };
    idempotency::mark(&mut response, replayed);
    if let Some(token) = transaction {
        name(&mut response, token);
    }
    Ok(response)
}

/// Names the transaction that goes on.
pub fn name(response: &mut Response<Body>, token: Token) {
    // A token is digits and a dash: it always fits.
    if let Ok(value) = HeaderValue::try_from(token.to_string()) {
        response.headers_mut().insert(TRANSACTION, value);
    }
}

/// Returns the transaction a request belongs to.
///
/// **Errors**: `08P01` for what is not a token.
pub fn transaction_of(headers: &HeaderMap) -> Result<Option<Token>, Error> {
    let Some(value) = headers.get(TRANSACTION) else { return Ok(None) };
    value.to_str().unwrap_or_default().trim().parse().map(Some)
}

/// Begins the answer of one statement and breaks it off at the deadline.
async fn answer_one(
    outcome: Outcome,
    wants_arrow: bool,
    deadline: Option<(Duration, Monotonic)>,
) -> Result<Response<Body>, Error> {
    let begun = async {
        if wants_arrow { answer::one_arrow(outcome).await } else { answer::one_json(outcome).await }
    };
    let Some((limit, deadline)) = deadline else { return begun.await };
    match rt::timeout(deadline - time::now(), Box::pin(begun)).await {
        Ok(response) => response.map(|response| until(response, deadline)),
        Err(_) => Err(out_of_time(limit)),
    }
}

/// Breaks an answer off that is still being made at `deadline`.
fn until(response: Response<Body>, deadline: Monotonic) -> Response<Body> {
    response.map(|body| match body {
        Body::Full(bytes) => Body::Full(bytes),
        Body::Stream(stream) => {
            Body::Stream(Box::pin(try_unfold(stream, move |mut stream| async move {
                let next = rt::timeout(deadline - time::now(), stream.next()).await;
                match next {
                    Ok(chunk) => Ok(chunk.transpose()?.map(|chunk| (chunk, stream))),
                    Err(elapsed) => Err(io::Error::other(elapsed)),
                }
            })))
        }
    })
}

fn out_of_time(limit: Duration) -> Error {
    let millis = limit.as_millis();
    Error::new(code::QUERY_CANCELED, format!("the request took longer than its {millis} ms"))
        .with_hint("Raise timeout_ms, or ask for less.")
}

/// Counts the statements of a request. Which one of several failed, and how long each took, is
/// not known here: a failure counts as one of kind `request`, the time is shared out.
fn note(kinds: &[StatementKind], is_ok: bool, took: Duration) {
    let outcome = if is_ok { "ok" } else { "error" };
    match kinds {
        [kind] => metrics::statement(kind.label(), outcome, took),
        _ if !is_ok => metrics::statement("request", outcome, took),
        kinds => kinds.iter().for_each(|kind| {
            metrics::statement(kind.label(), outcome, took / kinds.len() as u32);
        }),
    }
}

fn accepts_arrow(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(',').any(|part| part.trim().starts_with(answer::ARROW)))
}

/// Reads a JSON body.
///
/// **Errors**: 08P01 saying where and what was expected; 54000 for one nested too deeply.
pub fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    if bytes.is_empty() {
        return Err(problem::bad_request("the request has no body; it should be a JSON object"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        if text.contains("recursion limit") {
            let value = limits::JSON_DEPTH_MAX.to_string();
            return problem::limit("json_depth", &value, "nest less deeply");
        }
        problem::bad_request(&format!("the request body cannot be read: {text}"))
    })
}
