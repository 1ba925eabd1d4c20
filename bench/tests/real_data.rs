//! Does the server load real data sets and answer questions about them?
//!
//! The data sets are not part of the repository; each test says so when its folder is missing.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what surprises a test stops it, and it looks at the server from outside"
)]

mod support;

use std::path::Path;

use pieskieo::npy::Npy;
use serde_json::{Value, json};
use support::{Folder, rows, serve, shared};

/// Reads the first rows of a `.npy` matrix.
fn npy(path: &Path, rows_max: usize) -> Vec<Vec<f32>> {
    let mut array = Npy::open(path).unwrap();
    let mut rows = Vec::new();
    let mut row = Vec::new();
    while rows.len() < rows_max && array.next_f32(&mut row).unwrap() {
        rows.push(row.clone());
    }
    rows
}

fn lines(records: impl Iterator<Item = Value>) -> Vec<u8> {
    records.map(|record| format!("{record}\n")).collect::<String>().into_bytes()
}

#[test]
fn films_are_documents_with_text_vectors_and_a_cast() {
    let Some(folder) = shared("films") else { return };
    let data = Folder::fresh();
    serve(&data, 2, move |client| {
        let folder = folder.clone();
        Box::pin(async move {
            let schema = "CREATE COLLECTION films (id BIGINT PRIMARY KEY, v VECTOR(384));
                CREATE INDEX films_text ON films USING text (title, extract);
                CREATE INDEX films_v ON films USING hnsw (v vector_cosine_ops);
                CREATE TABLE person (name TEXT PRIMARY KEY);
                CREATE EDGE acted FROM person TO films";
            client.query(schema, &[]).await.unwrap();
            let text = std::fs::read_to_string(folder.join("films.jsonl")).unwrap();
            let vectors = npy(&folder.join("films_minilm_384_f16.npy"), 2_000);
            let films: Vec<Value> =
                text.lines().take(2_000).map(|line| serde_json::from_str(line).unwrap()).collect();
            let records = films.iter().zip(&vectors).map(|(film, v)| {
                let mut film = film.clone();
                film["v"] = json!(v);
                film
            });
            let counts = client.load("films", lines(records)).await.unwrap();
            assert_eq!(counts["inserted"], films.len(), "{counts}");
            let mut cast: Vec<(String, Value)> = Vec::new();
            for film in &films {
                for name in film["cast"].as_array().into_iter().flatten() {
                    cast.push((name.as_str().unwrap().to_owned(), film["id"].clone()));
                }
            }
            let mut names: Vec<&str> = cast.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let people = names.iter().filter(|name| !name.is_empty());
            let people = lines(people.map(|name| json!({ "name": name })));
            client.load("person", people).await.unwrap();
            let edges = cast.iter().filter(|(name, _)| !name.is_empty());
            let edges = lines(edges.map(|(name, id)| json!({ "src": name, "dst": id })));
            client.load("acted", edges).await.unwrap();

            let count = rows(&client, "SELECT COUNT(*) FROM films", &[]).await;
            assert_eq!(count, [json!([films.len()])]);
            let oldest = films.iter().filter_map(|film| film["year"].as_i64()).min().unwrap();
            let year = rows(&client, "SELECT MIN(CAST(doc->>'year' AS INT)) FROM films", &[]).await;
            assert_eq!(year, [json!([oldest])]);
            let itself = "SELECT id FROM films ORDER BY v <=> $1 LIMIT 1";
            let near = rows(&client, itself, &[json!(vectors[42])]).await;
            assert_eq!(near, [json!([films[42]["id"]])]);
            let (name, _) = cast.iter().find(|(name, _)| !name.is_empty()).unwrap();
            let expected = cast.iter().filter(|(other, _)| other == name).count();
            let played = "SELECT COUNT(*) FROM MATCH (p:person)-[:acted]->(f:films) \
                          WHERE p.name = $1";
            assert_eq!(rows(&client, played, &[json!(name)]).await, [json!([expected])]);
            let found = "SELECT title, SCORE() AS s FROM films WHERE MATCHES(title, $1) \
                         ORDER BY s DESC LIMIT 5";
            let title = films[7]["title"].as_str().unwrap();
            let titles = rows(&client, found, &[json!(format!("\"{title}\""))]).await;
            assert!(titles.iter().any(|row| row[0] == title), "{title}: {titles:?}");
        })
    });
}

#[test]
fn airports_and_routes_are_rows_and_a_graph() {
    let Some(folder) = shared("airports") else { return };
    let data = Folder::fresh();
    serve(&data, 2, move |client| {
        let folder = folder.clone();
        Box::pin(async move {
            let schema = "CREATE TABLE airport (id BIGINT PRIMARY KEY, name TEXT, city TEXT,
                  country TEXT, iata TEXT, lat DOUBLE, lon DOUBLE);
                CREATE INDEX airport_iata ON airport (iata);
                CREATE EDGE route FROM airport TO airport (airline TEXT, stops INT)";
            client.query(schema, &[]).await.unwrap();
            let airports = std::fs::read_to_string(folder.join("airports.dat")).unwrap();
            let airports: Vec<Value> = airports.lines().map(airport).collect();
            let counts = client.load("airport", lines(airports.iter().cloned())).await.unwrap();
            assert_eq!(counts["failed"], 0, "{counts}");
            let routes = std::fs::read_to_string(folder.join("routes.dat")).unwrap();
            let routes: Vec<(i64, i64, Value)> = routes.lines().filter_map(route).collect();
            let counts =
                client.load("route", lines(routes.iter().map(|route| route.2.clone()))).await;
            assert_eq!(counts.unwrap()["inserted"], routes.len());

            let count = rows(&client, "SELECT COUNT(*) FROM airport", &[]).await;
            assert_eq!(count, [json!([airports.len()])]);
            let from = rows(&client, "SELECT id FROM airport WHERE iata = 'KEF'", &[]).await;
            let from = from[0][0].as_i64().unwrap();
            let reached = "QUERY airport AS a WHERE a.iata = 'KEF' \
                           TRAVERSE route OUT DEPTH 1..2 AS b SELECT COUNT(*)";
            let expected = within_two(&routes, from, &airports);
            assert_eq!(rows(&client, reached, &[]).await, [json!([expected])]);
            let busiest = "SELECT a.iata, COUNT(*) AS n FROM route AS r \
                           JOIN airport AS a ON a.id = r.src GROUP BY a.id, a.iata \
                           ORDER BY n DESC LIMIT 1";
            assert_eq!(rows(&client, busiest, &[]).await[0][0], "ATL");
        })
    });
}

/// Splits a line of OpenFlights data: quotes, and `\N` for null.
fn fields(line: &str) -> Vec<Value> {
    let mut fields = Vec::new();
    let mut text = String::new();
    let mut quoted = false;
    for c in line.chars().chain([',']) {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                let field = std::mem::take(&mut text);
                fields.push(if field == "\\N" { Value::Null } else { json!(field) });
            }
            c => text.push(c),
        }
    }
    fields
}

fn airport(line: &str) -> Value {
    let f = fields(line);
    json!({ "id": f[0], "name": f[1], "city": f[2], "country": f[3], "iata": f[4],
            "lat": f[6], "lon": f[7] })
}

fn route(line: &str) -> Option<(i64, i64, Value)> {
    let f = fields(line);
    let source: i64 = f[3].as_str()?.parse().ok()?;
    let target: i64 = f[5].as_str()?.parse().ok()?;
    let edge = json!({ "src": source, "dst": target, "airline": f[0], "stops": f[7] });
    Some((source, target, edge))
}

fn within_two(routes: &[(i64, i64, Value)], from: i64, airports: &[Value]) -> usize {
    let known: std::collections::HashSet<i64> =
        airports.iter().map(|a| a["id"].as_str().unwrap().parse().unwrap()).collect();
    let next = |of: &std::collections::HashSet<i64>| -> std::collections::HashSet<i64> {
        routes.iter().filter(|(source, _, _)| of.contains(source)).map(|r| r.1).collect()
    };
    let first = next(&[from].into());
    let second = next(&first);
    first.union(&second).filter(|id| **id != from && known.contains(id)).count()
}

#[test]
fn digits_are_vectors_with_exact_neighbours() {
    let Some(folder) = shared("digits") else { return };
    let data = Folder::fresh();
    serve(&data, 2, move |client| {
        let folder = folder.clone();
        Box::pin(async move {
            let schema = "CREATE TABLE digit (id BIGINT PRIMARY KEY, v VECTOR(784));
                CREATE INDEX digit_v ON digit USING hnsw (v vector_l2_ops)
                  WITH (m = 16, ef_construction = 200)";
            client.query(schema, &[]).await.unwrap();
            let train = npy(&folder.join("train_u8.npy"), 4_000);
            for (step, vectors) in train.chunks(500).enumerate() {
                let records = vectors.iter().enumerate();
                let records = records.map(|(i, v)| json!({ "id": step * 500 + i, "v": v }));
                client.load("digit", lines(records)).await.unwrap();
            }
            let queries = npy(&folder.join("queries_u8.npy"), 20);
            let (mut found, mut wanted) = (0, 0);
            for query in &queries {
                let near = "SELECT id FROM digit ORDER BY v <-> $1 LIMIT 10";
                let near = rows(&client, near, &[json!(query)]).await;
                let exact = nearest(&train, query, 10);
                wanted += exact.len();
                found += exact.iter().filter(|id| near.contains(&json!([id]))).count();
            }
            assert!(found * 100 >= wanted * 99, "{found} of {wanted}");
        })
    });
}

fn nearest(train: &[Vec<f32>], query: &[f32], k: usize) -> Vec<usize> {
    let distance = |v: &[f32]| v.iter().zip(query).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    let mut all: Vec<(f32, usize)> =
        train.iter().enumerate().map(|(i, v)| (distance(v), i)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.into_iter().take(k).map(|(_, i)| i).collect()
}

#[test]
fn cranfield_documents_are_ranked() {
    let Some(folder) = shared("cranfield") else { return };
    let data = Folder::fresh();
    serve(&data, 2, move |client| {
        let folder = folder.clone();
        Box::pin(async move {
            let schema = "CREATE TABLE doc (id BIGINT PRIMARY KEY, title TEXT, author TEXT,
                  source TEXT, body TEXT);
                CREATE INDEX doc_text ON doc USING text (title, body)";
            client.query(schema, &[]).await.unwrap();
            let text = std::fs::read_to_string(folder.join("docs.jsonl")).unwrap();
            let counts = client.load("doc", text.into_bytes()).await.unwrap();
            assert_eq!(counts["inserted"], 1_400, "{counts}");
            let queries = std::fs::read_to_string(folder.join("queries.jsonl")).unwrap();
            let qrels = std::fs::read_to_string(folder.join("qrels.tsv")).unwrap();
            let mut hits = 0;
            let mut asked = 0;
            for line in queries.lines().take(50) {
                let query: Value = serde_json::from_str(line).unwrap();
                let words: String = query["text"].as_str().unwrap().replace(['+', '-', '"'], " ");
                let pql =
                    "SELECT id FROM doc WHERE MATCHES(body, $1) ORDER BY SCORE() DESC LIMIT 10";
                let found = rows(&client, pql, &[json!(words)]).await;
                let qid = query["qid"].to_string();
                let relevant = qrels.lines().filter_map(|line| {
                    let mut parts = line.split('\t');
                    (parts.next()? == qid).then(|| parts.next()?.parse::<i64>().ok())?
                });
                asked += 1;
                hits += usize::from(relevant.into_iter().any(|id| found.contains(&json!([id]))));
            }
            assert!(hits * 10 >= asked * 7, "{hits} of {asked} queries found something relevant");
        })
    });
}
