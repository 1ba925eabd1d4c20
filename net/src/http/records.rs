//! `/v1/tables/{table}/records`: how are records stored, read and removed?
//!
//! One object is stored or refused. An array or NDJSON is a load: every owner commits its records
//! by itself, and the answer counts what was stored and describes the first records that were
//! refused. NDJSON is read while it arrives.

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use pieskieo_query::{BulkConflict, BulkReport, Error};
use serde_json::{Map, Value, json};

use crate::http::body::{self, Body, Lines, Upload};
use crate::http::connection::Connection;
use crate::http::{answer, idempotency, problem, statement};
use crate::limits;

/// Stores what the body holds.
///
/// **Errors**: an unknown table; a body that cannot be read; for one transaction, the first
/// record that is refused.
pub async fn insert(
    connection: &Connection,
    request: Request<Upload>,
    parameters: &[String],
) -> Result<Response<Body>, Error> {
    let table = &parameters[0];
    let (head, body) = request.into_parts();
    let existing = existing(head.uri.query().unwrap_or(""))?;
    let media = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.and_then(|media| media.split(';').next()).unwrap_or("").trim();
    if media == "application/x-ndjson" || media == "application/jsonl" {
        if head.headers.contains_key(idempotency::IDEMPOTENCY_KEY) {
            return Err(Error::unsupported("an idempotency key for a streamed load")
                .with_detail("It is stored step by step, so it has no one outcome.")
                .with_hint("Send the records as a JSON array, or use on_conflict=keep."));
        }
        return stream(connection, table, body, existing).await;
    }
    let bytes = body::read_whole(body).await?;
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or(""));
    let parts: [&[u8]; 4] = [b"POST", path.as_bytes(), query.as_bytes(), &bytes];
    let key = idempotency::key_of(&head.headers, &parts)?;
    let value: Value = statement::parse(&bytes)?;
    let (records, single) = match value {
        Value::Array(records) => (records, false),
        one => (vec![one], true),
    };
    if let Some(key) = key {
        let asked = (records.as_slice(), existing);
        let keyed = connection.session.insert_records_keyed(&key, table, asked).await?;
        let (report, replayed) = keyed;
        let stored = if replayed { 0 } else { report.inserted };
        metrics::counter!("pieskieo_records_loaded_total").increment(stored);
        let mut total = Total::default();
        total.add(report, |position| position + 1);
        let mut response = answer::json(&total.told("record"));
        idempotency::mark(&mut response, replayed);
        return Ok(response);
    }
    let mut report = connection.session.insert_records(table, &records, existing).await?;
    if single && !report.errors.is_empty() {
        return Err(report.errors.remove(0).error);
    }
    metrics::counter!("pieskieo_records_loaded_total").increment(report.inserted);
    let mut total = Total::default();
    total.add(report, |position| position + 1);
    Ok(answer::json(&total.told("record")))
}

/// Reads `on_conflict=refuse|keep|replace`.
fn existing(query: &str) -> Result<BulkConflict, Error> {
    let mut chosen = BulkConflict::Error;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        chosen = match pair.split_once('=') {
            Some(("on_conflict", "refuse" | "error")) => BulkConflict::Error,
            Some(("on_conflict", "keep" | "ignore" | "nothing")) => BulkConflict::Skip,
            Some(("on_conflict", "replace")) => BulkConflict::Replace,
            _ => {
                return Err(problem::bad_request(
                    "the only choice here is on_conflict=refuse, =keep or =replace",
                ));
            }
        };
    }
    Ok(chosen)
}

async fn stream(
    connection: &Connection,
    table: &str,
    body: Upload,
    existing: BulkConflict,
) -> Result<Response<Body>, Error> {
    let mut lines = Lines::new(body);
    let mut total = Total::default();
    let mut step: Vec<Line> = Vec::with_capacity(limits::BULK_RECORDS);
    let mut bytes = 0;
    loop {
        let line = lines.next().await.map_err(|error| total.broke_off(error))?;
        let ended = line.is_none();
        if let Some(line) = line {
            total.lines += 1;
            if !line.trim_ascii().is_empty() {
                bytes += line.len();
                step.push(Line { number: total.lines, bytes: line });
            }
        }
        if ended || step.len() == limits::BULK_RECORDS || bytes >= limits::BULK_BYTES {
            let stored = total.store(connection, table, std::mem::take(&mut step), existing).await;
            stored.map_err(|error| total.broke_off(error))?;
            bytes = 0;
        }
        if ended {
            metrics::counter!("pieskieo_records_loaded_total").increment(total.stored);
            return Ok(answer::json(&total.told("line")));
        }
    }
}

/// One line of a load.
struct Line {
    number: u64,
    bytes: Bytes,
}

/// What became of a load.
#[derive(Default)]
struct Total {
    lines: u64,
    stored: u64,
    kept: u64,
    failed: u64,
    errors: Vec<(u64, Error)>,
}

impl Total {
    async fn store(
        &mut self,
        connection: &Connection,
        table: &str,
        step: Vec<Line>,
        existing: BulkConflict,
    ) -> Result<(), Error> {
        let mut records = Vec::with_capacity(step.len());
        let mut numbers = Vec::with_capacity(step.len());
        for line in &step {
            match statement::parse::<Value>(&line.bytes) {
                Ok(record) => {
                    records.push(record);
                    numbers.push(line.number);
                }
                Err(error) => self.refuse(line.number, error),
            }
        }
        let report = connection.session.insert_records(table, &records, existing).await?;
        self.add(report, |position| {
            usize::try_from(position).ok().and_then(|at| numbers.get(at)).copied().unwrap_or(0)
        });
        Ok(())
    }

    fn add(&mut self, report: BulkReport, number: impl Fn(u64) -> u64) {
        self.stored += report.inserted;
        self.kept += report.skipped;
        let described = report.errors.len() as u64;
        for row in report.errors {
            self.refuse(number(row.record), row.error);
        }
        self.failed += report.failed.saturating_sub(described);
    }

    fn refuse(&mut self, number: u64, error: Error) {
        self.failed += 1;
        if self.errors.len() < limits::BULK_ERRORS_MAX {
            self.errors.push((number, error));
        }
    }

    /// Says what a load that breaks off has stored.
    fn broke_off(&self, error: Error) -> Error {
        metrics::counter!("pieskieo_records_loaded_total").increment(self.stored);
        if error.detail.is_some() {
            return error;
        }
        error.with_detail(format!(
            "{} records were stored before; {} lines were read.",
            self.stored, self.lines
        ))
    }

    /// Returns the answer; `place` is what the numbers of refused records count.
    fn told(&self, place: &str) -> Value {
        let describe = |(number, error): &(u64, Error)| {
            let mut members = Map::new();
            members.insert(place.to_owned(), json!(number));
            for (name, value) in problem::members(error, problem::status(error)) {
                if ["code", "name", "message", "detail", "hint"].contains(&name.as_str()) {
                    members.insert(name, value);
                }
            }
            Value::Object(members)
        };
        let errors: Vec<Value> = self.errors.iter().map(describe).collect();
        json!({ "inserted": self.stored, "kept": self.kept, "failed": self.failed,
                "errors": errors })
    }
}

/// Answers one record.
///
/// **Errors**: an unknown table, a text that is no key; P0002 when there is no such record.
pub async fn get(connection: &Connection, at: &[String]) -> Result<Response<Body>, Error> {
    match connection.session.records().get(&at[0], &keys(at)).await? {
        Some(record) => Ok(answer::json(&record)),
        None => Err(absent(at)),
    }
}

/// Stores one record under the key of the address.
///
/// **Errors**: as [`get`]; a record that does not fit.
pub async fn put(
    connection: &Connection,
    request: Request<Upload>,
    at: &[String],
) -> Result<Response<Body>, Error> {
    let bytes = body::read_whole(request.into_body()).await?;
    let record: Value = statement::parse(&bytes)?;
    let fresh = connection.session.records().put(&at[0], &keys(at), &record).await?;
    let mut response = answer::json(&json!({ "inserted": 1, "replaced": !fresh }));
    if fresh {
        *response.status_mut() = StatusCode::CREATED;
    }
    Ok(response)
}

/// Changes some fields of one record.
///
/// **Errors**: as [`put`].
pub async fn patch(
    connection: &Connection,
    request: Request<Upload>,
    at: &[String],
) -> Result<Response<Body>, Error> {
    let bytes = body::read_whole(request.into_body()).await?;
    let fields: Value = statement::parse(&bytes)?;
    match connection.session.records().patch(&at[0], &keys(at), &fields).await? {
        Some(record) => Ok(answer::json(&record)),
        None => Err(absent(at)),
    }
}

/// Removes one record.
///
/// **Errors**: as [`get`].
pub async fn delete(connection: &Connection, at: &[String]) -> Result<Response<Body>, Error> {
    if connection.session.records().delete(&at[0], &keys(at)).await? {
        return Ok(answer::json(&json!({ "deleted": 1 })));
    }
    Err(absent(at))
}

/// Returns one text per key column.
fn keys(at: &[String]) -> Vec<String> {
    at[1..].to_vec()
}

fn absent(at: &[String]) -> Error {
    problem::no_record(&format!(
        "table \"{}\" has no record with the key \"{}\"",
        at[0],
        at[1..].join(",")
    ))
}
