//! `/v1/query`: how are statements run?

use std::time::Duration;

use http::{HeaderMap, Request, Response, header};
use hyper::body::Incoming;
use pieskieo_io::{rt, time};
use pieskieo_query::error::code;
use pieskieo_query::{Error, Outcome, Param};
use serde::Deserialize;

use crate::http::body::{self, Body};
use crate::http::connection::Connection;
use crate::http::{answer, problem};
use crate::{limits, metrics};

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
/// **Errors**: an unreadable body; the first failing statement's.
pub async fn query(
    connection: &Connection,
    request: Request<Incoming>,
) -> Result<Response<Body>, Error> {
    let (head, body) = request.into_parts();
    let wants_arrow = accepts_arrow(&head.headers);
    let bytes = body::read_whole(body).await?;
    let wanted: QueryRequest = parse(&bytes)?;
    let params: Vec<Param> = wanted.params.into_iter().map(Param::Json).collect();
    let started = time::now();
    let run = run(connection, &wanted.pql, &params);
    let done = match wanted.timeout_ms.map(Duration::from_millis) {
        None => run.await,
        Some(limit) => match rt::timeout(limit, run).await {
            Ok(done) => done,
            Err(_) => Err(out_of_time(limit)),
        },
    };
    let mut outcomes = match done {
        Ok(outcomes) => outcomes,
        Err(error) => {
            metrics::statement("request", "error", started.elapsed());
            return Err(error);
        }
    };
    note(&outcomes, started.elapsed());
    let single = if outcomes.len() == 1 { outcomes.pop() } else { None };
    match (single, wants_arrow) {
        (Some(outcome), false) => answer::one_json(outcome).await,
        (Some(outcome), true) => answer::one_arrow(outcome).await,
        (None, false) => answer::many_json(outcomes).await,
        (None, true) => Err(problem::bad_request("an Arrow stream answers exactly one statement")),
    }
}

/// Runs a request's statements: one alone streams its rows, several share a transaction.
async fn run(connection: &Connection, pql: &str, params: &[Param]) -> Result<Vec<Outcome>, Error> {
    let session = &connection.session;
    if session.kinds(pql)?.len() == 1 {
        return Ok(vec![session.run_one_streaming(pql, params).await?]);
    }
    session.run(pql, params).await
}

fn out_of_time(limit: Duration) -> Error {
    let millis = limit.as_millis();
    Error::new(code::QUERY_CANCELED, format!("the request took longer than its {millis} ms"))
        .with_hint("Raise timeout_ms, or ask for less.")
}

fn note(outcomes: &[Outcome], took: Duration) {
    for outcome in outcomes {
        metrics::statement(outcome.kind.label(), "ok", took / outcomes.len() as u32);
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
