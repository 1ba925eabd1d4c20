//! Does one server hold all five models over HTTP/2, and does it keep them?

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what surprises a test stops it, and it looks at the server from outside"
)]

mod support;

use http::Method;
use pieskieo::config::Config;
use pieskieo_bench::client::{Client, Failure};
use serde_json::{Value, json};
use support::{Folder, config, refused, rows, serve, serve_at};

const SCHEMA: &str = "
    CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT NOT NULL, age INT, v VECTOR(3));
    CREATE INDEX person_age ON person (age);
    CREATE INDEX person_v ON person USING hnsw (v vector_l2_ops) WITH (m = 16);
    CREATE COLLECTION note;
    CREATE INDEX note_text ON note USING text (title, body);
    CREATE EDGE knows FROM person TO person (since INT)";

async fn fill(client: &Client) {
    client.query(SCHEMA, &[]).await.unwrap();
    let people = [
        json!({ "id": 1, "name": "Ada", "age": 36, "v": [1, 0, 0] }),
        json!({ "id": 2, "name": "Bo", "age": 41, "v": [0, 1, 0] }),
        json!({ "id": 3, "name": "Cy", "age": 29, "v": [0, 0, 1] }),
        json!({ "id": 4, "name": "Di", "age": null, "v": [0.9, 0.1, 0] }),
    ];
    let lines: String = people.iter().map(|one| format!("{one}\n")).collect();
    let counts = client.load("person", lines.into_bytes()).await.unwrap();
    assert_eq!((counts["inserted"].as_u64(), counts["failed"].as_u64()), (Some(4), Some(0)));
    rows(client, "INSERT INTO knows (src, dst, since) VALUES (1, 2, 2001), (2, 3, 2002)", &[])
        .await;
    let notes = json!([
        { "_id": "a", "title": "Engines", "body": "the analytical engine weaves patterns" },
        { "_id": "b", "title": "Looms", "body": "a loom weaves cloth", "tags": ["craft"] },
    ]);
    let sent = client
        .send(Method::POST, "/v1/tables/note/records", "application/json", notes.to_string())
        .await;
    assert!(sent.is_ok(), "{:?}", sent.map_err(|e| e.to_string()));
}

async fn ask(client: &Client) {
    let cases: &[(&str, Value)] = &[
        ("SELECT name FROM person WHERE id = 2", json!([["Bo"]])),
        ("SELECT name FROM person WHERE age > 30 ORDER BY age DESC", json!([["Bo"], ["Ada"]])),
        ("SELECT COUNT(*), SUM(age) FROM person", json!([[4, 106]])),
        ("SELECT name FROM person ORDER BY v <-> '[1,0,0]' LIMIT 2", json!([["Ada"], ["Di"]])),
        (
            "SELECT b.name FROM MATCH (a:person)-[k:knows*1..2]->(b:person) WHERE a.id = 1 \
             ORDER BY b.name",
            json!([["Bo"], ["Cy"]]),
        ),
        (
            "QUERY person AS p WHERE p.id = 1 TRAVERSE knows OUT DEPTH 1..2 AS n \
             SELECT n.name, DEPTH() ORDER BY n.name",
            json!([["Bo", 1], ["Cy", 2]]),
        ),
        ("SELECT _id FROM note WHERE MATCHES(body, 'engine')", json!([["a"]])),
        ("SELECT title FROM note WHERE tags IS NOT NULL", json!([["Looms"]])),
        (
            "SELECT a.name, b.name FROM knows AS k JOIN person AS a ON a.id = k.src \
             JOIN person AS b ON b.id = k.dst WHERE k.since = 2002",
            json!([["Bo", "Cy"]]),
        ),
    ];
    for (pql, expected) in cases {
        assert_eq!(&Value::Array(rows(client, pql, &[]).await), expected, "{pql}");
    }
}

#[test]
fn five_models_answer_and_survive_a_restart() {
    for shards in [1, 2, 8] {
        let folder = Folder::fresh();
        serve(&folder, shards, |client| {
            Box::pin(async move {
                fill(&client).await;
                ask(&client).await;
            })
        });
        serve(&folder, shards, |client| Box::pin(async move { ask(&client).await }));
    }
}

#[test]
fn a_request_is_one_transaction() {
    let folder = Folder::fresh();
    serve(&folder, 2, |client| {
        Box::pin(async move {
            rows(&client, "CREATE TABLE t (id BIGINT PRIMARY KEY, n INT)", &[]).await;
            let both = "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3); SELECT SUM(n) FROM t";
            assert_eq!(rows(&client, both, &[]).await, [json!([6])]);
            let half = "INSERT INTO t VALUES (4, 4), (5, 5); INSERT INTO t VALUES (1, 0)";
            let problem = refused(&client, half, &[]).await;
            assert_eq!(problem["code"], "23505", "{problem}");
            assert_eq!(rows(&client, "SELECT COUNT(*) FROM t", &[]).await, [json!([3])]);
            let update = "UPDATE t SET n = n * 10 WHERE n > 1; DELETE FROM t WHERE id = 1; \
                          SELECT id, n FROM t ORDER BY id";
            assert_eq!(rows(&client, update, &[]).await, [json!([2, 20]), json!([3, 30])]);
        })
    });
}

#[test]
fn bad_input_is_refused_with_a_code_and_nothing_is_written() {
    let folder = Folder::fresh();
    serve(&folder, 2, |client| {
        Box::pin(async move {
            fill(&client).await;
            let cases: &[(&str, &str)] = &[
                ("SELEC 1", "42601"),
                ("SELECT * FROM persn", "42P01"),
                ("SELECT nam FROM person", "42703"),
                ("INSERT INTO person VALUES (1, 'x', 1, NULL)", "23505"),
                ("INSERT INTO person (id, name) VALUES (9, NULL)", "23502"),
                ("INSERT INTO person (id, name, v) VALUES (9, 'x', '[1,2]')", "22000"),
                ("INSERT INTO person (id, name, age) VALUES (9, 'x', 'old')", "22P02"),
                ("SELECT 1 / 0", "22012"),
                ("CREATE TYPE mood AS ENUM ('sad')", "0A000"),
                ("SELECT $2", "42P02"),
            ];
            for (pql, code) in cases {
                let problem = refused(&client, pql, &[json!(1)]).await;
                assert_eq!(problem["code"], *code, "{pql}: {problem}");
            }
            let near = refused(&client, "SELECT * FROM persn", &[]).await;
            assert!(near["hint"].as_str().unwrap().contains("person"), "{near}");
            assert_eq!(rows(&client, "SELECT COUNT(*) FROM person", &[]).await, [json!([4])]);
            let body = "[".repeat(4_000);
            let deep = client.send(Method::POST, "/v1/query", "application/json", body).await;
            assert!(matches!(deep, Err(Failure::Refused { status: 400 | 413, .. })));
        })
    });
}

#[test]
fn a_query_larger_than_memory_is_answered_and_leaves_nothing_on_disk() {
    let folder = Folder::fresh();
    let config = Config { memory_bytes: Some(64 << 20), ..config(&folder, 2) };
    serve_at(config, |address| {
        Box::pin(async move {
            let client = Client::open(address).await.unwrap();
            let none: &[Value] = &[];
            rows(&client, "CREATE TABLE log (id BIGINT PRIMARY KEY, line TEXT)", none).await;
            let lines = (0..80_000).map(|id| {
                let line = format!("{:06} {}", id * 7_919 % 80_021, "x".repeat(200));
                json!({ "id": id, "line": line }).to_string()
            });
            let lines = lines.collect::<Vec<_>>().join("\n");
            client.load("log", lines.into_bytes()).await.unwrap();
            let grouped = "SELECT COUNT(*), MIN(line) FROM
                (SELECT a.line, COUNT(*) AS n FROM log a JOIN log b ON a.line = b.line
                 GROUP BY a.line ORDER BY a.line DESC) AS lines WHERE n = 1";
            let found = rows(&client, grouped, none).await;
            assert_eq!(found[0][0], 80_000, "{found:?}");
            let plan = rows(&client, &format!("EXPLAIN ANALYZE {grouped}"), none).await;
            assert!(Value::Array(plan).to_string().contains("on disk="));
            let path = "/v1/admin/memory";
            let memory = client.send(Method::GET, path, "application/json", "").await.unwrap();
            let memory: Value = serde_json::from_slice(&memory).unwrap();
            assert_eq!(memory["spill"]["bytes"], 0, "{memory}");
            assert_eq!(memory["spill"]["files"], 0, "{memory}");
        })
    });
}

#[test]
fn records_are_stored_read_changed_and_removed_by_key() {
    let folder = Folder::fresh();
    serve(&folder, 2, |client| {
        Box::pin(async move {
            fill(&client).await;
            let at = "/v1/tables/person/records/7";
            let json = "application/json";
            let stored = client.send(Method::PUT, at, json, r#"{"name":"Ed","age":5}"#).await;
            assert!(stored.is_ok(), "{:?}", stored.map_err(|e| e.to_string()));
            client.send(Method::PATCH, at, json, r#"{"age":6}"#).await.unwrap();
            let read = client.send(Method::GET, at, json, "").await.unwrap();
            let read: Value = serde_json::from_slice(&read).unwrap();
            assert_eq!(read, json!({ "id": 7, "name": "Ed", "age": 6, "v": null }));
            client.send(Method::DELETE, at, json, "").await.unwrap();
            let gone = client.send(Method::GET, at, json, "").await;
            assert!(matches!(gone, Err(Failure::Refused { status: 404, .. })));
        })
    });
}

#[test]
fn searches_and_traversals_have_a_structured_form() {
    let folder = Folder::fresh();
    serve(&folder, 2, |client| {
        Box::pin(async move {
            fill(&client).await;
            let cases = [
                (
                    "/v1/search",
                    json!({ "table": "person", "vector": [0, 1, 0], "limit": 1,
                                       "select": ["name"] }),
                    json!("Bo"),
                ),
                (
                    "/v1/search",
                    json!({ "table": "note", "text": "cloth", "select": ["_id"] }),
                    json!("b"),
                ),
                (
                    "/v1/search",
                    json!({ "table": "person", "vector": [1, 0, 0], "limit": 1,
                                       "filter": "age > $1", "params": [40], "select": ["name"] }),
                    json!("Bo"),
                ),
                (
                    "/v1/graph/traverse",
                    json!({ "table": "person", "start": 1, "edge": "knows",
                                               "depth": 1 }),
                    json!(2),
                ),
            ];
            for (path, request, expected) in cases {
                let sent =
                    client.send(Method::POST, path, "application/json", request.to_string()).await;
                let bytes = match sent {
                    Ok(bytes) => bytes,
                    Err(failure) => panic!("{request}: {failure}"),
                };
                let answer: Value = serde_json::from_slice(&bytes).unwrap();
                assert_eq!(answer["rows"][0][0], expected, "{request}: {answer}");
            }
        })
    });
}
