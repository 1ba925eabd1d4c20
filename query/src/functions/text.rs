//! Does a text match a text query, without an index?
//!
//! `matches(text, 'words')` is normally answered by a text index before this function is called;
//! without one every text is analysed here, with the same answer. A search of columns whose index
//! does not stem is bound to `matches_unstemmed`, so that the answer does not depend on whether the
//! index is used.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::error::DataFusionError;
use pieskieo_shards::text::{TextQuery, matches as text_matches};

use super::function::{Arity, Call, Function};

/// Name of the function that tests a text against a text query.
pub const MATCHES: &str = "matches";

/// Name of the function that does so without reducing words to stems.
pub const MATCHES_UNSTEMMED: &str = "matches_unstemmed";

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new(MATCHES, Arity::Some, matches_type, |call| matches(call, true)),
        Function::new(MATCHES_UNSTEMMED, Arity::Some, matches_type, |call| matches(call, false)),
    ]
}

/// Returns whether a text search by this name reduces words to stems; `None` for the name of
/// another function.
pub fn stems(name: &str) -> Option<bool> {
    match name {
        MATCHES => Some(true),
        MATCHES_UNSTEMMED => Some(false),
        _ => None,
    }
}

fn matches_type(types: &[DataType]) -> Result<DataType> {
    if types.len() < 2 {
        return plan_err!("no function matches: matches(text, 'words') takes two arguments");
    }
    Ok(DataType::Boolean)
}

/// The last argument is the query, those before it are the texts.
fn matches(call: &Call, stem: bool) -> Result<ArrayRef> {
    let mut texts = Vec::with_capacity(call.args.len());
    for arg in &call.args {
        texts.push(match arg.data_type() {
            DataType::BinaryView => super::json::texts_of(arg),
            _ => cast(arg, &DataType::Utf8)?,
        });
    }
    let Some((queries, fields)) = texts.split_last() else {
        return plan_err!("no function matches: matches() takes two arguments");
    };
    let constant = if queries.len() == 1 { query_at(queries, 0, stem)? } else { None };
    let mut out = BooleanBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        let query = match &constant {
            Some(query) => Some(query.clone()),
            None => query_at(queries, call.at(fields.len(), row), stem)?,
        };
        let Some(query) = query else {
            out.append_null();
            continue;
        };
        let values: Vec<Option<&str>> = fields
            .iter()
            .enumerate()
            .map(|(arg, field)| {
                (!call.is_null(arg, row)).then(|| field.as_string::<i32>().value(call.at(arg, row)))
            })
            .collect();
        out.append_value(text_matches(&query, stem, &values));
    }
    Ok(Arc::new(out.finish()))
}

fn query_at(queries: &ArrayRef, row: usize, stem: bool) -> Result<Option<Arc<TextQuery>>> {
    if queries.is_null(row) {
        return Ok(None);
    }
    let text = queries.as_string::<i32>().value(row);
    TextQuery::parse(text, stem)
        .map(|query| Some(Arc::new(query)))
        .map_err(|error| DataFusionError::External(Box::new(error)))
}
