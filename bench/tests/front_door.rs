//! Does the front door keep its promises to any HTTP client?

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what surprises a test stops it, and it looks at the server from outside"
)]

mod support;

use std::net::SocketAddr;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use async_compression::futures::bufread::{BrotliDecoder, GzipDecoder};
use futures::io::AsyncReadExt;
use http::{Method, Version};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use support::wire::{Ask, Told, Wire, private};
use support::{Folder, config, serve_at};

const ARROW: &str = "application/vnd.apache.arrow.stream";

/// Starts a server of two shards for a conversation over any wire.
fn talk<F: Future<Output = ()> + 'static>(talk: impl Fn(SocketAddr) -> F + Send + Sync + 'static) {
    let folder = Folder::fresh();
    serve_at(config(&folder, 2), move |address| Box::pin(talk(address)));
}

/// Opens one connection of each version.
async fn wires(address: SocketAddr) -> [Wire; 2] {
    [Wire::one(address).await, Wire::two(address).await]
}

async fn done(wire: &mut Wire, pql: &str) -> Value {
    let told = wire.ask(Ask::query(pql)).await;
    assert_eq!(told.status, 200, "{pql}: {}", told.text());
    told.json()
}

#[test]
fn tls_offers_http_2_and_http_1_1_by_alpn() {
    let folder = Folder::fresh();
    std::fs::create_dir_all(folder.path()).unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut config = config(&folder, 2);
    config.data = folder.path().join("data");
    config.tls = Some((cert, key));
    let trusted = made.cert.der().clone();
    serve_at(config, move |address| {
        let trusted = trusted.clone();
        Box::pin(async move {
            let cases: &[(&[&str], Option<&str>, Version)] = &[
                (&["h2", "http/1.1"], Some("h2"), Version::HTTP_2),
                (&["h2"], Some("h2"), Version::HTTP_2),
                (&["http/1.1"], Some("http/1.1"), Version::HTTP_11),
                (&[], None, Version::HTTP_11),
            ];
            for (offered, agreed, version) in cases {
                let stream = private(address, &trusted, offered).await.unwrap();
                let protocol = stream.get_ref().1.alpn_protocol().map(String::from_utf8_lossy);
                assert_eq!(protocol.as_deref(), *agreed, "{offered:?}");
                let mut wire = if *version == Version::HTTP_2 {
                    Wire::Two(support::Client::over(stream, address).await.unwrap())
                } else {
                    Wire::one_over(stream, address).await
                };
                let told = wire.ask(Ask::query("SELECT 1 + 1 AS two")).await;
                assert_eq!((told.version, told.json()["rows"][0][0].as_i64()), (*version, Some(2)));
            }
            private(address, &trusted, &["h3"]).await.expect_err("nobody speaks h3 here");
            let unasked = Wire::one(address).await.try_ask(Ask::new(Method::GET, "/healthz")).await;
            unasked.expect_err("plain text is not answered on a private door");
        })
    });
}

#[test]
fn http_1_1_keeps_its_connection_and_its_settings() {
    talk(async |address| {
        let mut wire = Wire::one(address).await;
        done(&mut wire, "SET ef_search = 99").await;
        for _ in 0..3 {
            let told = wire.ask(Ask::query("SHOW ef_search")).await;
            assert_eq!(told.version, Version::HTTP_11);
            assert_eq!(told.header("connection"), "", "kept without saying so");
            assert_eq!(told.json()["rows"][0][0], "99");
        }
        let last = wire.ask(Ask::query("SELECT 1").header("connection", "close")).await;
        assert_eq!((last.status.as_u16(), last.header("connection")), (200, "close"));
        wire.try_ask(Ask::query("SELECT 1")).await.expect_err("closed as asked");
        let mut other = Wire::one(address).await;
        let fresh = done(&mut other, "SHOW ef_search").await;
        assert_ne!(fresh["rows"][0][0], "99", "settings belong to one connection");
    });
}

/// Reads an Arrow stream as the JSON answer would show it.
fn unarrowed(bytes: &[u8]) -> Value {
    let reader = arrow_ipc::reader::StreamReader::try_new(bytes, None).unwrap();
    let schema = reader.schema();
    let columns: Vec<Value> = schema
        .fields()
        .iter()
        .map(|field| json!({ "name": field.name(), "type": field.metadata()["pieskieo.type"] }))
        .collect();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let types = schema.fields().iter().map(|f| f.metadata()["pieskieo.type"].as_str());
            let cells = batch.columns().iter().zip(types);
            rows.push(cells.map(|(column, ty)| cell(column, row, ty)).collect::<Vec<_>>());
        }
    }
    json!({ "columns": columns, "rows": rows })
}

fn cell(array: &ArrayRef, row: usize, ty: &str) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::Int32 => json!(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => json!(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => json!(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 if ty == "JSON" => {
            serde_json::from_str(array.as_string::<i32>().value(row)).unwrap()
        }
        DataType::Utf8 => json!(array.as_string::<i32>().value(row)),
        DataType::Utf8View => json!(array.as_string_view().value(row)),
        DataType::FixedSizeList(..) => {
            let list = array.as_fixed_size_list().value(row);
            (0..list.len()).map(|index| cell(&list, index, "FLOAT")).collect()
        }
        other => panic!("no case for {other}"),
    }
}

#[test]
fn arrow_answers_hold_what_json_answers_hold() {
    talk(async |address| {
        for mut wire in wires(address).await {
            done(&mut wire, "DROP TABLE IF EXISTS t").await;
            let table = "CREATE TABLE t (id BIGINT PRIMARY KEY, b BOOL, i INT, f FLOAT, d DOUBLE,
                s TEXT, j JSON, v VECTOR(3))";
            done(&mut wire, table).await;
            let insert = r#"INSERT INTO t VALUES
                (1, true, -7, 0.5, 0.1, 'naïve "x"', '{"a": [1, {"b": null}]}', '[1, 0.25, -3]'),
                (2, false, 2147483647, -0.125, 1e300, '', '"text"', '[0, 0, 0]'),
                (9007199254740993, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"#;
            done(&mut wire, insert).await;
            for pql in [
                "SELECT * FROM t ORDER BY id",
                "SELECT COUNT(*) AS n, SUM(i) AS s FROM t",
                "SELECT s FROM t WHERE id = 77",
                "SELECT id, s FROM t WHERE id > 0",
            ] {
                let plain = wire.ask(Ask::query(pql)).await;
                assert_eq!(plain.header("content-type"), "application/json");
                let told = wire.ask(Ask::query(pql).header("accept", ARROW)).await;
                assert_eq!((told.status.as_u16(), told.header("content-type")), (200, ARROW));
                let (mut plain, mut arrow) = (plain.json(), unarrowed(&told.body));
                if !pql.contains("ORDER BY") {
                    for answer in [&mut plain, &mut arrow] {
                        answer["rows"].as_array_mut().unwrap().sort_by_key(Value::to_string);
                    }
                }
                assert_eq!(arrow["columns"], plain["columns"], "{pql}");
                assert_eq!(arrow["rows"], plain["rows"], "{pql}");
            }
            let wrong = wire.ask(Ask::query("SELECT nothing FROM t").header("accept", ARROW)).await;
            assert_eq!((wrong.status.as_u16(), &wrong.json()["code"]), (400, &json!("42703")));
            let several = Ask::query("SELECT 1; SELECT 2").header("accept", ARROW);
            assert_eq!(wire.ask(several).await.status, 400, "a stream holds one answer");
        }
    });
}

async fn unpacked(told: &Told) -> Vec<u8> {
    let mut plain = Vec::new();
    match told.header("content-encoding") {
        "gzip" => GzipDecoder::new(&told.body[..]).read_to_end(&mut plain).await.unwrap(),
        "br" => BrotliDecoder::new(&told.body[..]).read_to_end(&mut plain).await.unwrap(),
        other => panic!("encoded as {other:?}"),
    };
    plain
}

#[test]
fn compressed_answers_unpack_to_the_plain_ones() {
    talk(async |address| {
        for mut wire in wires(address).await {
            done(&mut wire, "DROP TABLE IF EXISTS t").await;
            done(&mut wire, "CREATE TABLE t (id BIGINT PRIMARY KEY, s TEXT)").await;
            let lines: String =
                (0..20_000).map(|id| format!("{{\"id\":{id},\"s\":\"row {id}\"}}\n")).collect();
            let load = Ask::new(Method::POST, "/v1/tables/t/records")
                .header("content-type", "application/x-ndjson")
                .body(lines);
            assert_eq!(wire.ask(load).await.json()["inserted"], 20_000);
            let asks: [fn() -> Ask; 4] = [
                || Ask::query("SELECT * FROM t ORDER BY id"),
                || Ask::query("SELECT * FROM t ORDER BY id").header("accept", ARROW),
                || Ask::query("SELECT * FROM t WHERE id < 200 ORDER BY id"),
                || Ask::new(Method::GET, "/openapi.json"),
            ];
            for ask in asks {
                let plain = wire.ask(ask()).await;
                assert_eq!(plain.header("content-encoding"), "");
                for (accepted, coding) in [("gzip", "gzip"), ("br", "br"), ("gzip, br", "br")] {
                    let told = wire.ask(ask().header("accept-encoding", accepted)).await;
                    assert_eq!(told.header("content-encoding"), coding, "{accepted}");
                    assert!(told.header("vary").contains("accept-encoding"));
                    assert!(told.body.len() < plain.body.len());
                    assert!(unpacked(&told).await == plain.body, "{coding} changed the answer");
                }
            }
            for (ask, accepted) in [
                (Ask::query("SELECT 1"), "br"),
                (Ask::query("SELECT * FROM t"), "br;q=0, identity"),
            ] {
                let told = wire.ask(ask.header("accept-encoding", accepted)).await;
                assert_eq!(told.header("content-encoding"), "", "nothing gained or nothing wanted");
            }
        }
    });
}

#[test]
fn a_large_answer_is_streamed_whole_and_in_order() {
    const ROWS: usize = 200_000;
    talk(async |address| {
        let mut wire = Wire::one(address).await;
        done(&mut wire, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
        let lines: String = (0..ROWS).map(|id| format!("{{\"id\":{id}}}\n")).collect();
        let load = Ask::new(Method::POST, "/v1/tables/t/records")
            .header("content-type", "application/x-ndjson")
            .body(lines);
        assert_eq!(wire.ask(load).await.json()["inserted"], ROWS);

        let all = "SELECT id FROM t ORDER BY id";
        let response = wire.open(Ask::query(all)).await.unwrap();
        assert_eq!(response.headers()["transfer-encoding"], "chunked");
        let mut body = response.into_body();
        let (mut bytes, mut frames) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
            frames += 1;
        }
        assert!(frames > 10, "{frames} pieces are no stream");
        let expected: String = (0..ROWS).map(|id| format!(",[{id}]")).collect();
        let column = r#"{"columns":[{"name":"id","type":"BIGINT"}]"#;
        let expected = format!("{column},\"rows\":[{}],\"affected\":0}}", &expected[1..]);
        assert!(bytes == expected.as_bytes(), "rows are missing, doubled or out of order");

        let told = Wire::two(address).await.ask(Ask::query(all).header("accept", ARROW)).await;
        let rows = unarrowed(&told.body)["rows"].as_array().cloned().unwrap();
        assert!(rows.iter().enumerate().all(|(id, row)| row[0] == id) && rows.len() == ROWS);

        let mut leaving = Wire::one(address).await;
        let mut left = leaving.open(Ask::query("SELECT id FROM t")).await.unwrap().into_body();
        assert!(left.frame().await.unwrap().is_ok());
        drop((left, leaving));
        let count = done(&mut wire, "SELECT COUNT(*) FROM t").await;
        assert_eq!(count["rows"][0][0], ROWS, "a reader that leaves harms nobody");
    });
}

#[test]
fn every_answer_keeps_browsers_from_guessing() {
    talk(async |address| {
        for mut wire in wires(address).await {
            let asks = [
                Ask::new(Method::GET, "/"),
                Ask::new(Method::GET, "/metrics"),
                Ask::new(Method::GET, "/nothing"),
                Ask::new(Method::DELETE, "/healthz"),
                Ask::query("SELECT 1"),
                Ask::query("SELEC 1"),
                Ask::query("SELECT 1").header("accept", ARROW),
            ];
            for ask in asks {
                let told = wire.ask(ask).await;
                let expected = [
                    ("x-content-type-options", "nosniff"),
                    ("x-frame-options", "DENY"),
                    ("referrer-policy", "no-referrer"),
                    ("cache-control", "no-store"),
                ];
                for (name, value) in expected {
                    assert_eq!(told.header(name), value, "{name}");
                }
                assert!(told.header("content-security-policy").contains("default-src 'none'"));
                assert_ne!(told.header("content-type"), "");
            }
        }
    });
}

#[test]
fn wrong_addresses_and_wrong_methods_are_told_apart() {
    talk(async |address| {
        let cases = [
            (Method::GET, "/v1/nothing", 404, ""),
            (Method::GET, "/v1/query/", 404, ""),
            (Method::GET, "/v1/tables/absent", 404, ""),
            (Method::GET, "/v1/tables/absent/records/1", 404, ""),
            (Method::GET, "/v1/query", 405, "POST"),
            (Method::PUT, "/v1/search", 405, "POST"),
            (Method::POST, "/v1/tables/t/records/1", 405, "GET, PUT, PATCH, DELETE"),
            (Method::POST, "/metrics", 405, "GET"),
            (Method::GET, "/v1/tables/%zz", 400, ""),
        ];
        for mut wire in wires(address).await {
            for (method, path, status, allow) in &cases {
                let told = wire.ask(Ask::new(method.clone(), path)).await;
                let what = format!("{method} {path}: {}", told.text());
                assert_eq!(told.status.as_u16(), *status, "{what}");
                assert_eq!(told.header("allow"), *allow, "{what}");
                is_problem(&told, &what);
            }
            let whole = wire.ask(Ask::new(Method::GET, "/healthz")).await;
            let head = wire.ask(Ask::new(Method::HEAD, "/healthz")).await;
            assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "HEAD is GET in short");
            assert_eq!(head.header("content-length"), whole.body.len().to_string());
        }
    });
}

/// Asserts what every problem object has.
fn is_problem(told: &Told, what: &str) {
    assert_eq!(told.header("content-type"), "application/problem+json", "{what}");
    let problem = told.json();
    assert_eq!(problem["status"], told.status.as_u16(), "{what}");
    for member in ["type", "title", "code", "name", "message"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {what}");
    }
    assert_eq!(problem["code"].as_str().unwrap().len(), 5, "{what}");
    assert_eq!(
        problem["type"],
        format!("urn:pieskieo:error:{}", problem["name"].as_str().unwrap())
    );
}

#[test]
fn an_error_says_what_where_and_what_to_do() {
    talk(async |address| {
        for mut wire in wires(address).await {
            done(&mut wire, "CREATE TABLE IF NOT EXISTS person (id BIGINT PRIMARY KEY, name TEXT)")
                .await;
            done(&mut wire, "INSERT INTO person VALUES (1, 'Ada') ON CONFLICT (id) DO NOTHING")
                .await;
            // Positions count characters from 1.
            let cases = [
                ("SELEC 1", 400, "42601", "syntax_error", Some(1)),
                ("SELECT 'é', nam FROM person", 400, "42703", "undefined_column", Some(13)),
                ("SELECT *\nFROM persn", 404, "42P01", "undefined_table", Some(15)),
                ("SELECT 1 / 0", 400, "22012", "division_by_zero", None),
                ("INSERT INTO person VALUES (1, 'Bo')", 409, "23505", "unique_violation", None),
                ("CREATE TABLE person (id INT)", 409, "42P07", "duplicate_table", None),
                ("CREATE TYPE m AS ENUM ('a')", 501, "0A000", "feature_not_supported", None),
            ];
            for (pql, status, code, name, position) in cases {
                let told = wire.ask(Ask::query(pql)).await;
                let problem = told.json();
                let what = format!("{pql}: {problem}");
                assert_eq!(told.status.as_u16(), status, "{what}");
                is_problem(&told, &what);
                assert_eq!((&problem["code"], &problem["name"]), (&json!(code), &json!(name)));
                if let Some(position) = position {
                    assert_eq!(problem["position"], position, "{what}");
                }
                assert_eq!(problem["retryable"], false, "{what}");
            }
            let near = wire.ask(Ask::query("SELECT * FROM persn")).await.json();
            assert!(near["hint"].as_str().unwrap().contains("person"), "{near}");
            let twice = wire.ask(Ask::query("INSERT INTO person VALUES (1, 'Bo')")).await.json();
            assert!(twice["detail"].as_str().is_some(), "which key it is: {twice}");
        }
    });
}

#[test]
fn a_body_that_cannot_be_read_is_refused_by_name() {
    let json = "application/json";
    let deep = format!(
        "{{\"pql\": \"SELECT $1\", \"params\": [{}1{}]}}",
        "[".repeat(4_000),
        "]".repeat(4_000)
    );
    let cases = [
        (r#"{"pql": "SELECT 1", "sql": "SELECT 2"}"#.to_owned(), 400, "08P01", "`sql`"),
        (String::new(), 400, "08P01", "no body"),
        ("SELECT 1".to_owned(), 400, "08P01", "line 1 column 1"),
        (r#"{"params": []}"#.to_owned(), 400, "08P01", "`pql`"),
        (r#"{"pql": 1}"#.to_owned(), 400, "08P01", "string"),
        (deep, 413, "54000", "json_depth"),
        (format!("{{\"pql\": \"SELECT '{}'\"}}", "x".repeat(33 << 20)), 413, "54000", "body_bytes"),
    ];
    talk(move |address| {
        let cases = cases.clone();
        async move {
            for (body, status, code, named) in cases {
                for mut wire in wires(address).await {
                    let ask = Ask::new(Method::POST, "/v1/query").header("content-type", json);
                    let told = wire.ask(ask.body(body.clone())).await;
                    let what = format!("{}: {}", &body[..body.len().min(60)], told.text());
                    assert_eq!(told.status.as_u16(), status, "{what}");
                    is_problem(&told, &what);
                    let problem = told.json();
                    assert_eq!(problem["code"], code, "{what}");
                    assert!(problem["message"].as_str().unwrap().contains(named), "{what}");
                }
            }
            for mut wire in wires(address).await {
                let packed = Ask::query("SELECT 1").header("content-encoding", "gzip");
                assert_eq!(wire.ask(packed).await.status, 400);
                let after = done(&mut wire, "SELECT 1").await;
                assert_eq!(after["rows"][0][0], 1, "the connection lives on");
            }
        }
    });
}

#[test]
fn a_bulk_load_names_the_lines_it_refused() {
    talk(async |address| {
        for mut wire in wires(address).await {
            done(&mut wire, "DROP TABLE IF EXISTS t").await;
            done(&mut wire, "CREATE TABLE t (id BIGINT PRIMARY KEY, n INT NOT NULL)").await;
            let lines = "{\"id\":1,\"n\":1}\n\n{\"id\":2,\"n\":\n{\"id\":3,\"n\":\"x\"}\r\n\
                         {\"id\":4}\n[5]\n{\"id\":1,\"n\":2}\n{\"id\":6,\"n\":6}";
            let load = Ask::new(Method::POST, "/v1/tables/t/records")
                .header("content-type", "application/x-ndjson")
                .body(lines);
            let told = wire.ask(load).await;
            assert_eq!(told.status, 200, "{}", told.text());
            let counts = told.json();
            assert_eq!(
                (&counts["inserted"], &counts["failed"]),
                (&json!(2), &json!(5)),
                "{counts}"
            );
            let mut refused: Vec<(i64, &str)> = counts["errors"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| (one["line"].as_i64().unwrap(), one["code"].as_str().unwrap()))
                .collect();
            refused.sort_unstable();
            let lines: Vec<i64> = refused.iter().map(|(line, _)| *line).collect();
            assert_eq!(lines, [3, 4, 5, 6, 7], "{counts}");
            assert_eq!((refused[0].1, refused[2].1, refused[4].1), ("08P01", "23502", "23505"));
            let there = done(&mut wire, "SELECT id FROM t ORDER BY id").await;
            assert_eq!(there["rows"], json!([[1], [6]]));
            let choice =
                Ask::new(Method::POST, "/v1/tables/t/records?on_conflict=maybe").body("[]");
            assert_eq!(wire.ask(choice).await.status, 400);
        }
    });
}

#[test]
fn a_request_ends_when_its_time_is_over() {
    talk(async |address| {
        let mut wire = Wire::one(address).await;
        done(&mut wire, "CREATE TABLE t (id BIGINT PRIMARY KEY, s TEXT)").await;
        let lines: String =
            (0..50_000).map(|id| format!("{{\"id\":{id},\"s\":\"row {id}\"}}\n")).collect();
        let load = Ask::new(Method::POST, "/v1/tables/t/records")
            .header("content-type", "application/x-ndjson")
            .body(lines);
        assert_eq!(wire.ask(load).await.json()["inserted"], 50_000);
        // Reading 50,000 rows takes many times a millisecond.
        let cases = [
            "SELECT MAX(MD5(s || s)) FROM t",
            "SELECT s FROM t ORDER BY MD5(s)",
            "SELECT 1; SELECT MAX(MD5(s || s)) FROM t",
        ];
        for mut wire in wires(address).await {
            for pql in cases {
                for accept in ["application/json", ARROW] {
                    if accept == ARROW && pql.contains(';') {
                        continue;
                    }
                    let body = json!({ "pql": pql, "timeout_ms": 1 }).to_string();
                    let ask = Ask::new(Method::POST, "/v1/query").header("accept", accept);
                    let told = wire.ask(ask.body(body)).await;
                    assert_eq!(told.status, 504, "{pql}: {}", told.text());
                    is_problem(&told, pql);
                    let problem = told.json();
                    assert_eq!(
                        (&problem["code"], &problem["retryable"]),
                        (&json!("57014"), &json!(true))
                    );
                    assert!(problem["message"].as_str().unwrap().contains("1 ms"), "{problem}");
                }
            }
            assert_eq!(done(&mut wire, "SELECT COUNT(*) FROM t").await["rows"], json!([[50_000]]));
        }
        let body = json!({ "pql": "SELECT * FROM t", "timeout_ms": 3 }).to_string();
        // Whether it is refused, breaks off or is fast enough depends on the machine.
        if let Ok(told) = wire.try_ask(Ask::new(Method::POST, "/v1/query").body(body)).await {
            let rows = told.json()["rows"].as_array().map(Vec::len);
            assert!(told.status == 504 || rows == Some(50_000), "a part is no answer");
        }
    });
}

/// Every address of the interface.
const ADDRESSES: &[(&str, &str)] = &[
    ("post", "/v1/query"),
    ("post", "/v1/copy"),
    ("get", "/v1/tables"),
    ("get", "/v1/tables/{table}"),
    ("post", "/v1/tables/{table}/records"),
    ("get", "/v1/tables/{table}/records/{key}"),
    ("put", "/v1/tables/{table}/records/{key}"),
    ("patch", "/v1/tables/{table}/records/{key}"),
    ("delete", "/v1/tables/{table}/records/{key}"),
    ("post", "/v1/search"),
    ("post", "/v1/graph/traverse"),
    ("get", "/openapi.json"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
    ("get", "/v1/admin/memory"),
    ("get", "/"),
];

#[test]
fn the_interface_describes_every_address_and_answers_at_each() {
    let _alone = scraping();
    talk(async |address| {
        let mut wire = Wire::one(address).await;
        done(&mut wire, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
        let document = wire.ask(Ask::new(Method::GET, "/openapi.json")).await.json();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut described = 0;
        for (_, operations) in document["paths"].as_object().unwrap() {
            described += operations.as_object().unwrap().len();
        }
        assert_eq!(described, ADDRESSES.len(), "an address without a test");
        for (method, path) in ADDRESSES {
            let operation = &document["paths"][path][method];
            assert!(operation["summary"].is_string(), "{method} {path} is not described");
            let filled = path.replace("{table}", "t").replace("{key}", "1");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let told = wire.ask(Ask::new(method.clone(), &filled).body("{}")).await;
            let nowhere = told.text().contains("there is nothing at");
            assert!(told.status != 405 && !nowhere, "{method} {path}: {}", told.text());
            assert!(told.status.as_u16() < 500, "{method} {path}: {}", told.text());
        }
    });
}

#[test]
fn copy_takes_and_gives_rows_or_none_of_them() {
    talk(async |address| {
        let mut wire = Wire::one(address).await;
        done(
            &mut wire,
            "CREATE TABLE t (id BIGINT PRIMARY KEY, s TEXT, d DATE DEFAULT '2024-01-31')",
        )
        .await;
        let into = "/v1/copy?pql=COPY+t+(id,+s)+FROM+STDIN+(FORMAT+csv,+HEADER)";
        let rows = "id,s\n1,\"a, \"\"b\"\"\n\"\n2,\n";
        let told = wire.ask(Ask::new(Method::POST, into).body(rows)).await;
        assert_eq!(told.status, 200, "{}", told.text());
        assert_eq!(told.json()["affected"], 2);
        // A row that does not fit leaves nothing of its data, and is named.
        let told = wire.ask(Ask::new(Method::POST, into).body("id,s\n3,x\nfour,y\n")).await;
        assert_eq!(told.json()["code"], "22P02", "{}", told.text());
        assert!(told.text().contains("COPY t, line 3, column id"), "{}", told.text());
        // So does a key that is there.
        let told = wire.ask(Ask::new(Method::POST, into).body("id,s\n5,x\n1,y\n")).await;
        assert_eq!(told.json()["code"], "23505", "{}", told.text());
        let out = "/v1/copy?pql=COPY+(SELECT+*+FROM+t+ORDER+BY+id)+TO+STDOUT";
        let told = wire.ask(Ask::new(Method::POST, out).body("")).await;
        assert_eq!(told.text(), "1\ta, \"b\"\\n\t2024-01-31\n2\t\\N\t2024-01-31\n");
        let lines = "{\"id\":7,\"s\":\"j\",\"d\":\"2020-02-29\"}\n";
        let into = "/v1/copy?pql=COPY+t+FROM+STDIN+(FORMAT+json)";
        let told = wire.ask(Ask::new(Method::POST, into).body(lines)).await;
        assert_eq!(told.json()["affected"], 1, "{}", told.text());
        let out = "/v1/copy?pql=COPY+(SELECT+*+FROM+t+WHERE+id+%3D+7)+TO+STDOUT+(FORMAT+json)";
        let told = wire.ask(Ask::new(Method::POST, out).body("")).await;
        assert_eq!(told.text(), lines);
        let told = wire.ask(Ask::new(Method::POST, "/v1/copy?pql=SELECT+1").body("")).await;
        assert_eq!(told.status, 400, "{}", told.text());
    });
}

/// Keeps others from asking for metrics meanwhile: servers of one process have one set of them.
fn scraping() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Returns the value of a series in Prometheus' text format.
fn series(text: &str, name: &str) -> Option<f64> {
    let line =
        text.lines().find(|line| line.strip_prefix(name).is_some_and(|l| l.starts_with(' ')));
    line?.rsplit(' ').next()?.parse().ok()
}

#[test]
fn metrics_tell_statements_by_kind_and_shards_by_number() {
    let _alone = scraping();
    talk(async |address| {
        let mut wire = Wire::one(address).await;
        done(&mut wire, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
        let rows: Vec<String> = (0..100).map(|id| format!("({id})")).collect();
        done(&mut wire, &format!("INSERT INTO t VALUES {}", rows.join(", "))).await;
        let scrape = || Ask::new(Method::GET, "/metrics");
        let before = wire.ask(scrape()).await.text();
        let kinds = [
            ("select", "SELECT COUNT(*) FROM t", "ok"),
            ("update", "UPDATE t SET id = id WHERE id = -1", "ok"),
            ("delete", "DELETE FROM t WHERE id = -1", "ok"),
            ("select", "SELECT 1 / (COUNT(*) - 100) FROM t", "error"),
        ];
        for (_, pql, _) in kinds {
            wire.ask(Ask::query(pql)).await;
        }
        let told = wire.ask(scrape()).await;
        assert!(told.header("content-type").starts_with("text/plain; version=0.0.4"));
        let after = told.text();
        for (kind, pql, outcome) in kinds {
            let count = format!("pieskieo_statement_seconds_bucket{{kind=\"{kind}\",le=\"+Inf\"}}");
            let rose = |name: &str| series(&after, name) > series(&before, name);
            assert!(rose(&count), "{pql}: {count}");
            let total =
                format!("pieskieo_statements_total{{kind=\"{kind}\",outcome=\"{outcome}\"}}");
            assert!(rose(&total), "{pql}: {total}\n{after}");
        }
        let of = |name: &str, shard: u16| series(&after, &format!("{name}{{shard=\"{shard}\"}}"));
        let records = [0, 1].map(|shard| of("pieskieo_shard_records", shard).unwrap());
        assert_eq!(records.iter().sum::<f64>(), 100.0);
        for shard in [0, 1] {
            assert!(of("pieskieo_shard_commits", shard).unwrap() >= 1.0);
            assert!(of("pieskieo_shard_log_bytes", shard).unwrap() > 0.0);
        }
        let route = "pieskieo_request_seconds_count{route=\"/v1/query\"}";
        assert!(series(&after, route).unwrap() >= 6.0, "{after}");
        // The other tests of this process have connections of their own.
        assert!(series(&after, "pieskieo_connections_open").unwrap() >= 1.0, "{after}");
        for line in after.lines().filter(|line| line.starts_with("# TYPE")) {
            let name = line.split(' ').nth(2).unwrap();
            assert!(after.contains(&format!("# HELP {name} ")), "{name} is not explained");
        }
    });
}

#[test]
fn health_and_readiness_are_asked_apart() {
    talk(async |address| {
        for mut wire in wires(address).await {
            for (path, word) in [("/healthz", "alive"), ("/readyz", "ready")] {
                let told = wire.ask(Ask::new(Method::GET, path)).await;
                assert_eq!((told.status.as_u16(), &told.json()["status"]), (200, &json!(word)));
            }
        }
    });
}

/// The path and the body of every `curl` of the README that sends a body.
fn readme_examples() -> Vec<(String, String)> {
    let readme = include_str!("../../README.md");
    let commands = readme.split("curl --http2-prior-knowledge http://127.0.0.1:8000").skip(1);
    let example = |command: &str| {
        let (path, rest) = command.split_once(" -d '").unwrap();
        (path.to_owned(), rest.split('\'').next().unwrap().to_owned())
    };
    commands.map(example).collect()
}

#[test]
fn the_readmes_examples_work_as_printed() {
    talk(|address| async move {
        let examples = readme_examples();
        assert!(examples.len() >= 4, "the README has lost its examples");
        let mut wire = Wire::two(address).await;
        for (path, body) in examples {
            let told = wire.ask(Ask::new(Method::POST, &path).body(body.clone())).await;
            assert_eq!(told.status, 200, "{path} {body}: {}", told.text());
        }
    });
}

#[test]
fn a_transaction_goes_on_over_requests_that_name_it() {
    talk(|address| async move {
        let mut wires = wires(address).await;
        done(&mut wires[0], "CREATE TABLE t (id INT PRIMARY KEY)").await;
        let begun = wires[0].ask(Ask::query("BEGIN; INSERT INTO t VALUES (1)")).await;
        assert_eq!(begun.status, 200, "{}", begun.text());
        let token: &'static str = begun.header("transaction").to_owned().leak();
        // On another connection, of another version, perhaps on another core.
        let within = |pql: &str| Ask::query(pql).header("transaction", token);
        let inside = wires[1].ask(within("SELECT COUNT(*) FROM t")).await;
        assert_eq!(inside.header("transaction"), token);
        assert_eq!(inside.json()["rows"], json!([[1]]));
        let outside = done(&mut wires[1], "SELECT COUNT(*) FROM t").await;
        assert_eq!(outside["rows"], json!([[0]]));
        let record = Ask::new(Method::GET, "/v1/tables/t/records/1").header("transaction", token);
        assert_eq!(wires[0].ask(record).await.json()["code"], "0A000");
        let kept = wires[0].ask(within("SAVEPOINT a")).await;
        assert_eq!(kept.header("transaction"), token);
        for (wire, pql, code) in [(0, "SELEC 1", "42601"), (1, "SELECT 1", "25P02")] {
            let failed = wires[wire].ask(within(pql)).await;
            assert_eq!(failed.json()["code"], code);
            assert_eq!(failed.header("transaction"), token, "it goes on, to be rolled back");
        }
        let unread = Ask::new(Method::POST, "/v1/query").body("{").header("transaction", token);
        let unread = wires[0].ask(unread).await;
        assert_eq!((unread.status.as_u16(), unread.header("transaction")), (400, token));
        let metrics = wires[0].ask(Ask::new(Method::GET, "/metrics")).await.text();
        assert!(metrics.contains("pieskieo_transactions_open 1"), "{metrics}");
        assert_eq!(wires[1].ask(within("ROLLBACK TO a")).await.status, 200);
        let long: String = format!("SAVEPOINT {}", "s".repeat(64));
        assert_eq!(wires[1].ask(Ask::query(&long)).await.json()["code"], "42602");
        let ended = wires[0].ask(within("COMMIT")).await;
        assert_eq!((ended.status.as_u16(), ended.header("transaction")), (200, ""));
        assert_eq!(done(&mut wires[1], "SELECT COUNT(*) FROM t").await["rows"], json!([[1]]));
        let late = wires[1].ask(within("SELECT 1")).await;
        assert_eq!((late.status.as_u16(), late.json()["code"].clone()), (409, json!("25P01")));
        assert_eq!(late.header("transaction"), "");
        let wrong = wires[1].ask(Ask::query("SELECT 1").header("transaction", "mine")).await;
        assert_eq!(wrong.json()["code"], "08P01");
    });
}
