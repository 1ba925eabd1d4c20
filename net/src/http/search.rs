//! `/v1/search` and `/v1/graph/traverse`: what do structured requests ask?

use http::{Request, Response};
use pieskieo_io::time::{self, Monotonic};
use pieskieo_query::error::code;
use pieskieo_query::{
    Direction, Error, Param, SearchRequest, TableListing, TextSearch, TraverseRequest, VectorSearch,
};
use serde::Deserialize;
use serde_json::Value;

use crate::http::body::{self, Body, Upload};
use crate::http::connection::Connection;
use crate::http::{answer, problem, statement};
use crate::{limits, metrics};

/// What a client sends to `/v1/search`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    table: String,
    vector: Option<Vec<f32>>,
    column: Option<String>,
    text: Option<String>,
    #[serde(default, alias = "text_column")]
    text_columns: Names,
    filter: Option<String>,
    #[serde(default)]
    params: Vec<Value>,
    #[serde(default, alias = "columns")]
    select: Vec<String>,
    #[serde(alias = "k")]
    limit: Option<usize>,
}

/// One name or several.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Names {
    #[default]
    None,
    One(String),
    Several(Vec<String>),
}

/// What a client sends to `/v1/graph/traverse`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Traverse {
    table: String,
    /// The key of the node it starts from; an array for a key of several columns.
    start: Value,
    edge: String,
    #[serde(default)]
    direction: String,
    #[serde(default)]
    depth: Depth,
    filter: Option<String>,
    #[serde(default)]
    params: Vec<Value>,
    limit: Option<usize>,
}

/// `3` is `1..3`; `{"min": 2, "max": 3}` or `[2, 3]` say both.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Depth {
    Max(u32),
    Pair([u32; 2]),
    Range { min: u32, max: u32 },
}

impl Default for Depth {
    fn default() -> Self {
        Self::Max(1)
    }
}

/// Finds records by vector, by text or by both.
///
/// **Errors**: an unreadable body; as the statement it stands for.
pub async fn search(
    connection: &Connection,
    request: Request<Upload>,
) -> Result<Response<Body>, Error> {
    let bytes = body::read_whole(request.into_body()).await?;
    let wanted: Search = statement::parse(&bytes)?;
    let tables = connection.session.catalog();
    let table = tables
        .iter()
        .find(|table| table.name == wanted.table)
        .ok_or_else(|| no_table(&wanted.table))?;
    let vector = match wanted.vector {
        None => None,
        Some(query) => {
            let column = wanted.column.map_or_else(|| vector_column(table), Ok)?;
            Some(VectorSearch { column, query })
        }
    };
    let text = match wanted.text {
        None => None,
        Some(query) => {
            let columns = match wanted.text_columns {
                Names::None => text_columns(table)?,
                Names::One(name) => vec![name],
                Names::Several(names) => names,
            };
            Some(TextSearch { columns, query })
        }
    };
    let request = SearchRequest {
        table: wanted.table,
        vector,
        text,
        filter: wanted.filter,
        params: wanted.params.into_iter().map(Param::Json).collect(),
        columns: wanted.select,
        limit: bounded(wanted.limit)?,
    };
    let started = time::now();
    let answered = async { answer::one_json(connection.session.search(&request).await?).await };
    noted("search", started, answered.await)
}

fn no_table(name: &str) -> Error {
    Error::new(code::UNDEFINED_TABLE, format!("table \"{name}\" does not exist"))
}

fn vector_column(table: &TableListing) -> Result<String, Error> {
    let mut vectors = table.columns.iter().filter(|c| c.type_name.starts_with("VECTOR"));
    match (vectors.next(), vectors.next()) {
        (Some(column), None) => Ok(column.name.clone()),
        (None, _) => Err(problem::bad_request("the table has no vector column")),
        (Some(_), Some(_)) => Err(problem::bad_request(
            "the table has several vector columns; name one in \"column\"",
        )),
    }
}

fn text_columns(table: &TableListing) -> Result<Vec<String>, Error> {
    let index = table.indexes.iter().find(|index| index.kind == "text");
    index.map(|index| index.columns.clone()).ok_or_else(|| {
        problem::bad_request("the table has no text index; name the columns in \"text_columns\"")
    })
}

fn bounded(limit: Option<usize>) -> Result<usize, Error> {
    let limit = limit.unwrap_or(limits::RESULTS_DEFAULT);
    if (1..=limits::RESULTS_MAX).contains(&limit) {
        return Ok(limit);
    }
    let value = limits::RESULTS_MAX.to_string();
    Err(problem::limit("results", &value, "ask for less, or write a statement"))
}

/// Follows edges breadth first.
///
/// **Errors**: as [`search`].
pub async fn traverse(
    connection: &Connection,
    request: Request<Upload>,
) -> Result<Response<Body>, Error> {
    let bytes = body::read_whole(request.into_body()).await?;
    let wanted: Traverse = statement::parse(&bytes)?;
    let (depth_min, depth_max) = match wanted.depth {
        Depth::Max(max) => (1, max),
        Depth::Pair([min, max]) | Depth::Range { min, max } => (min, max),
    };
    let key = match wanted.start {
        Value::Array(values) => values,
        value => vec![value],
    };
    let direction = match wanted.direction.to_lowercase().as_str() {
        "" | "out" => Direction::Out,
        "in" => Direction::In,
        "both" => Direction::Both,
        other => {
            let message = format!("\"{other}\" is no direction; out, in and both are");
            return Err(problem::bad_request(&message));
        }
    };
    let request = TraverseRequest {
        table: wanted.table,
        key,
        edge: wanted.edge,
        direction,
        depth_min,
        depth_max,
        filter: wanted.filter,
        params: wanted.params.into_iter().map(Param::Json).collect(),
        limit: bounded(wanted.limit)?,
    };
    let started = time::now();
    let answered = async { answer::one_json(connection.session.traverse(&request).await?).await };
    noted("traverse", started, answered.await)
}

/// Counts a structured request.
fn noted<T>(kind: &'static str, started: Monotonic, result: Result<T, Error>) -> Result<T, Error> {
    let outcome = if result.is_ok() { "ok" } else { "error" };
    metrics::statement(kind, outcome, started.elapsed());
    result
}
