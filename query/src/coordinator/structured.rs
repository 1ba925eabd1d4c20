//! How do structured searches become statements?
//!
//! They are written as PQL with quoted names and parameters, so that they mean what the same
//! statement means and share its prepared plans.

use std::fmt::Write;

use pieskieo_shards::catalog::{Catalog, IndexKind};
use pieskieo_shards::request::Direction;
use pieskieo_shards::vector::Metric;
use serde_json::Value as Json;

use crate::Param;
use crate::error::{Error, Result, code};
use crate::plan::graph::table_named;

/// A search of one table by vector, by text, or by both.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// The table.
    pub table: String,
    /// Nearest to this vector.
    pub vector: Option<VectorSearch>,
    /// Matching these words.
    pub text: Option<TextSearch>,
    /// A PQL condition over the table's columns; parameters are `$1` and on.
    pub filter: Option<String>,
    /// Parameters of the filter.
    pub params: Vec<Param>,
    /// Columns of the answer; empty = all that are not hidden.
    pub columns: Vec<String>,
    /// Most rows of the answer.
    pub limit: usize,
}

/// The vector half of a search.
#[derive(Clone, Debug)]
pub struct VectorSearch {
    /// The vector column.
    pub column: String,
    /// The vector searched for.
    pub query: Vec<f32>,
}

/// The text half of a search.
#[derive(Clone, Debug)]
pub struct TextSearch {
    /// Columns, or paths into documents such as `doc.title`; all of them together.
    pub columns: Vec<String>,
    /// The words.
    pub query: String,
}

/// A traversal from one record.
#[derive(Clone, Debug)]
pub struct TraverseRequest {
    /// The table of the record started from.
    pub table: String,
    /// Its key, one value per primary-key column.
    pub key: Vec<Json>,
    /// The edge table.
    pub edge: String,
    /// Which way.
    pub direction: Direction,
    /// Fewest hops, at least 1.
    pub depth_min: u32,
    /// Most hops.
    pub depth_max: u32,
    /// A PQL condition over the nodes reached, known as `n`; parameters are `$1` and on.
    pub filter: Option<String>,
    /// Parameters of the filter.
    pub params: Vec<Param>,
    /// Most rows of the answer.
    pub limit: usize,
}

/// A statement and its parameters.
pub(crate) type Written = (String, Vec<Param>);

/// Which columns an answer has before its measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// Those that were asked for.
    Asked,
    /// The record's key, `_key`, and those that were asked for.
    KeyAndAsked,
}

/// Writes a search by vector. The answer's last column is `_distance`.
///
/// **Errors**: an unknown table or column.
pub(crate) fn by_vector(
    catalog: &Catalog,
    search: &SearchRequest,
    vector: &VectorSearch,
    (lead, limit): (Lead, usize),
) -> Result<Written> {
    let mut params = search.params.clone();
    params.push(Param::Json(vector.query.iter().copied().collect()));
    let place = params.len();
    let column = quoted(&vector.column);
    let distance = format!("{column} {} ${place}", operator(catalog, &search.table, vector)?);
    let mut text = format!("SELECT {}, {distance} AS _distance", columns(search, lead));
    let table = quoted(&search.table);
    // Writing to a string cannot fail.
    let _ = write!(text, " FROM {table} WHERE {column} IS NOT NULL");
    if let Some(filter) = &search.filter {
        let _ = write!(text, " AND ({filter})");
    }
    let _ = write!(text, " ORDER BY {distance} LIMIT {limit}");
    Ok((text, params))
}

/// Writes a search by text. The answer's last column is `_score`.
///
/// **Errors**: none of its own.
pub(crate) fn by_text(
    search: &SearchRequest,
    words: &TextSearch,
    (lead, limit): (Lead, usize),
) -> Result<Written> {
    if words.columns.is_empty() {
        let message = "a text search names no column";
        return Err(Error::new(code::INVALID_PARAMETER_VALUE, message));
    }
    let mut params = search.params.clone();
    params.push(Param::Json(Json::String(words.query.clone())));
    let place = params.len();
    let paths: Vec<String> = words
        .columns
        .iter()
        .map(|path| path.split('.').map(quoted).collect::<Vec<_>>().join("."))
        .collect();
    let table = quoted(&search.table);
    let mut text = format!("SELECT {}, SCORE() AS _score FROM {table}", columns(search, lead));
    let _ = write!(text, " WHERE MATCHES({}, ${place})", paths.join(", "));
    if let Some(filter) = &search.filter {
        let _ = write!(text, " AND ({filter})");
    }
    let _ = write!(text, " ORDER BY SCORE() DESC LIMIT {limit}");
    Ok((text, params))
}

/// Writes a traversal. The answer's last column is `_depth`.
///
/// **Errors**: an unknown table, a key of another number of columns.
pub(crate) fn traversal(catalog: &Catalog, traverse: &TraverseRequest) -> Result<Written> {
    let table = table_named(catalog, &traverse.table)?;
    if table.key.len() != traverse.key.len() {
        let message = format!("the key of \"{}\" has {} columns", table.name, table.key.len());
        return Err(Error::new(code::INVALID_PARAMETER_VALUE, message));
    }
    let mut params = traverse.params.clone();
    let mut start = Vec::new();
    for (column, value) in table.key.iter().zip(&traverse.key) {
        params.push(Param::Json(value.clone()));
        let column = quoted(&table.columns[*column].name);
        start.push(format!("s.{column} = ${}", params.len()));
    }
    let way = match traverse.direction {
        Direction::Out => "OUT",
        Direction::In => "IN",
        Direction::Both => "BOTH",
    };
    let (min, max) = (traverse.depth_min, traverse.depth_max);
    let mut text = format!(
        "QUERY {} AS s WHERE {} TRAVERSE {} {way} DEPTH {min}..{max} AS n",
        quoted(&table.name),
        start.join(" AND "),
        quoted(&traverse.edge)
    );
    if let Some(filter) = &traverse.filter {
        let _ = write!(text, " WHERE {filter}");
    }
    let _ =
        write!(text, " SELECT n.*, DEPTH() AS _depth ORDER BY DEPTH() LIMIT {}", traverse.limit);
    Ok((text, params))
}

/// The operator that an index over the column answers; cosine when there is none.
fn operator(catalog: &Catalog, table: &str, search: &VectorSearch) -> Result<&'static str> {
    if catalog.view_named(table).is_some() {
        // A view has no index that would say.
        return Ok("<=>");
    }
    let table = table_named(catalog, table)?;
    let wanted = table.column_named(&search.column);
    let metric = table.indexes.iter().find_map(|index| match &index.kind {
        IndexKind::Vector { column, metric, .. } if Some(*column) == wanted => Some(*metric),
        _ => None,
    });
    Ok(match metric {
        Some(Metric::L2) => "<->",
        Some(Metric::InnerProduct) => "<#>",
        Some(Metric::Cosine) | None => "<=>",
    })
}

fn columns(search: &SearchRequest, lead: Lead) -> String {
    let quoted_path = |path: &String| path.split('.').map(quoted).collect::<Vec<_>>().join(".");
    let mut columns: Vec<String> = search.columns.iter().map(quoted_path).collect();
    if columns.is_empty() {
        columns.push("*".into());
    }
    if lead == Lead::KeyAndAsked {
        columns.insert(0, "_key".into());
    }
    columns.join(", ")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
