//! How does the interface describe itself?
//!
//! `/openapi.json` is made from the route table, so an address cannot be served and left out.

use serde_json::{Map, Value, json};

use crate::http::route::{ROUTES, Route};

/// Returns the OpenAPI 3.1 document.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in &ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pieskieo",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "Rows, documents, vectors, graph and text under one transaction.",
        },
        "paths": paths,
        "components": { "schemas": schemas() },
    })
}

fn operation(route: &Route) -> Value {
    let answer = json!({ "$ref": format!("#/components/schemas/{}", route.response) });
    let media = if route.response == "Text" { "text/plain" } else { "application/json" };
    let mut operation = json!({
        "operationId": format!("{:?}", route.handler),
        "summary": route.summary,
        "responses": {
            "200": {
                "description": "Done.",
                "content": { media: { "schema": answer } },
            },
            "default": {
                "description": "What went wrong, and what to do.",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                } },
            },
        },
    });
    let mut parameters: Vec<Value> = parameters(route.path)
        .map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
        })
        .collect();
    if route.request == Some("Records") {
        parameters.push(json!({
            "name": "on_conflict", "in": "query", "required": false,
            "schema": { "enum": ["refuse", "keep", "replace"] },
            "description": "what happens to a record whose key exists; default refuse",
        }));
    }
    describe_copy(route, &mut parameters);
    if ["/v1/query", "/v1/copy"].contains(&route.path) {
        parameters.push(json!({
            "name": "Transaction", "in": "header", "required": false,
            "schema": { "type": "string" },
            "description": "the transaction the statements belong to, as an earlier answer named it",
        }));
        let header = json!({ "Transaction": {
            "schema": { "type": "string" },
            "description": "names the transaction that goes on; absent when none does",
        } });
        operation["responses"]["200"]["headers"] = header.clone();
        operation["responses"]["default"]["headers"] = header;
    }
    describe_key(route, &mut operation, &mut parameters);
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(request) = route.request {
        let schema = json!({ "$ref": format!("#/components/schemas/{request}") });
        let mut content = json!({ "application/json": { "schema": schema.clone() } });
        if request == "Records" {
            content["application/x-ndjson"] = json!({ "schema": { "type": "string" } });
        }
        if request == "Text" {
            content = json!({ "text/plain": { "schema": schema } });
        }
        let required = request != "Text";
        operation["requestBody"] = json!({ "required": required, "content": content });
    }
    if route.path == "/v1/query" {
        operation["responses"]["200"]["content"][crate::http::answer::ARROW] =
            json!({ "schema": { "type": "string", "format": "binary" } });
    }
    operation
}

fn describe_copy(route: &Route, parameters: &mut Vec<Value>) {
    if route.path == "/v1/copy" {
        parameters.push(json!({
            "name": "pql", "in": "query", "required": true,
            "schema": { "type": "string" },
            "description": "the statement: COPY t FROM STDIN, whose data are the body of the \
                            request, or COPY t TO STDOUT, whose data are the answer",
        }));
    }
}

fn describe_key(route: &Route, operation: &mut Value, parameters: &mut Vec<Value>) {
    if ["/v1/query", "/v1/tables/{table}/records"].contains(&route.path) {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": { "type": "string", "minLength": 1, "maxLength": 255,
                        "pattern": "^[!-~]+$" },
            "description": "a name for this request: sent again, it answers what it answered \
                            first and does nothing; an array of records is all or nothing then",
        }));
        operation["responses"]["200"]["headers"]["Idempotency-Replayed"] = json!({
            "schema": { "const": "true" },
            "description": "this is the answer to an earlier request with the same key",
        });
    }
}

fn parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn schemas() -> Value {
    let mut all = json!({
        "Any": {},
        "Record": { "type": "object" },
        "Records": { "oneOf": [
            { "type": "object" }, { "type": "array", "items": { "type": "object" } },
        ] },
        "Tables": object(&[("tables", array(reference("Table")))]),
        "Table": object(&[("name", text()), ("kind", text()), ("columns", array(json!({}))),
                          ("key", array(text())), ("indexes", array(json!({}))),
                          ("constraints", array(json!({})))]),
        "Text": { "type": "string" },
        "RecordsAnswer": object(&[
            ("inserted", integer()), ("failed", integer()),
            ("kept", told("integer", "records left out because their key exists")),
            ("errors", told("array", "the first refused records, by number")),
        ]),
        "PutAnswer": object(&[
            ("inserted", integer()), ("replaced", json!({ "type": "boolean" })),
        ]),
        "DeleteAnswer": object(&[("deleted", integer())]),
    });
    if let Value::Object(all) = &mut all {
        all.insert("Problem".into(), problem());
        all.insert("QueryRequest".into(), query_request());
        all.insert("QueryAnswer".into(), query_answer());
        all.insert("SearchRequest".into(), search_request());
        all.insert("TraverseRequest".into(), traverse_request());
    }
    all
}

fn problem() -> Value {
    object(&[
        ("type", text()),
        ("title", text()),
        ("status", integer()),
        ("code", told("string", "SQLSTATE")),
        ("name", told("string", "stable slug of the code")),
        ("message", text()),
        ("detail", text()),
        ("hint", text()),
        ("position", told("integer", "character of the statement, from 1")),
        ("retryable", json!({ "type": "boolean" })),
    ])
}

fn query_request() -> Value {
    let mut schema = object(&[
        ("pql", told("string", "one or several statements, separated by ;")),
        ("params", told("array", "$1, $2 and so on; an array of numbers is a vector")),
        ("timeout_ms", told("integer", "time the request may take")),
    ]);
    schema["required"] = json!(["pql"]);
    schema
}

fn query_answer() -> Value {
    let column = object(&[("name", text()), ("type", text())]);
    object(&[
        ("columns", array(column)),
        ("rows", array(json!({ "type": "array" }))),
        ("affected", told("integer", "records inserted, changed or deleted")),
        ("results", told("array", "one answer per statement, when there are several")),
    ])
}

fn search_request() -> Value {
    let mut schema = object(&[
        ("table", text()),
        ("vector", told("array", "the query vector")),
        ("column", told("string", "the vector column; needed when there are several")),
        ("text", told("string", "words; with a vector both rankings are fused")),
        ("text_columns", told("array", "columns or paths; default: all of the text index")),
        ("filter", told("string", "PQL condition with parameters from $1")),
        ("params", told("array", "parameters of the filter")),
        ("select", array(text())),
        ("limit", told("integer", "results wanted, 1 to 10,000; default 10")),
    ]);
    schema["required"] = json!(["table"]);
    schema
}

fn traverse_request() -> Value {
    let mut schema = object(&[
        ("table", told("string", "table of the nodes it starts from")),
        (
            "start",
            json!({ "description": "key of the node it starts from; an array for several \
                                          columns" }),
        ),
        ("edge", told("string", "edge table")),
        ("direction", json!({ "enum": ["out", "in", "both"] })),
        (
            "depth",
            json!({ "oneOf": [{ "type": "integer" }, { "type": "array" },
                                    { "type": "object" }] }),
        ),
        ("filter", told("string", "PQL condition over the nodes reached, which go by n")),
        ("params", told("array", "parameters of the filter")),
        ("limit", integer()),
    ]);
    schema["required"] = json!(["table", "start", "edge"]);
    schema
}

fn object(members: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "properties": properties })
}

fn array(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn integer() -> Value {
    json!({ "type": "integer" })
}

fn told(ty: &str, description: &str) -> Value {
    json!({ "type": ty, "description": description })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_described_and_every_reference_leads_somewhere() {
        let document = document();
        for route in &ROUTES {
            let method = route.method.as_str().to_lowercase();
            assert!(document["paths"][route.path][method].is_object(), "{}", route.path);
        }
        let text = document.to_string();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(!document["components"]["schemas"][name].is_null(), "{name}");
        }
    }
}
