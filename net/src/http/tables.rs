//! `/v1/tables`: which tables are there?

use http::Response;
use pieskieo_query::{Error, TableListing};
use serde_json::{Value, json};

use crate::http::body::Body;
use crate::http::connection::Connection;
use crate::http::{answer, problem};

/// Lists tables, collections and edge tables with columns, keys and indexes.
pub fn list(connection: &Connection) -> Response<Body> {
    let tables: Vec<Value> = connection.session.catalog().iter().map(describe).collect();
    answer::json(&json!({ "tables": tables }))
}

/// Describes one table.
///
/// **Errors**: P0002 when there is none with this name.
pub fn one(connection: &Connection, parameters: &[String]) -> Result<Response<Body>, Error> {
    let name = &parameters[0];
    let tables = connection.session.catalog();
    match tables.iter().find(|table| table.name == *name) {
        Some(table) => Ok(answer::json(&describe(table))),
        None => Err(problem::not_found(&format!("table \"{name}\" does not exist"))),
    }
}

fn describe(table: &TableListing) -> Value {
    let columns: Vec<Value> = table
        .columns
        .iter()
        .map(|column| {
            json!({ "name": column.name, "type": column.type_name,
                    "not_null": !column.nullable, "default": column.default })
        })
        .collect();
    let indexes: Vec<Value> = table
        .indexes
        .iter()
        .map(|index| {
            let columns = index.columns.join(", ");
            let with = if index.options.is_empty() {
                String::new()
            } else {
                format!(" WITH ({})", index.options)
            };
            let definition = format!("USING {} ({columns}){with}", index.kind);
            json!({ "name": index.name, "kind": index.kind, "columns": index.columns,
                    "options": index.options, "definition": definition })
        })
        .collect();
    let constraints: Vec<Value> = table
        .constraints
        .iter()
        .map(|one| json!({ "name": one.name, "kind": one.kind, "definition": one.definition }))
        .collect();
    let mut told = json!({ "name": table.name, "kind": table.kind, "columns": columns,
                           "key": table.key, "indexes": indexes,
                           "constraints": constraints });
    if let Some((source, target)) = &table.ends {
        told["from"] = json!(source);
        told["to"] = json!(target);
    }
    told
}
