//! Does a request with an idempotency key have its effect once, whatever happens?

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what surprises a test stops it, and it looks at the server from outside"
)]

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use http::Method;
use pieskieo_io::rt;
use serde_json::{Value, json};
use support::wire::{Ask, Told, Wire};
use support::{Folder, config, serve_at};

const KEY: &str = "idempotency-key";
const REPLAYED: &str = "idempotency-replayed";

/// Keeps a text for as long as the tests run.
fn kept(text: &str) -> &'static str {
    text.to_owned().leak()
}

fn talk<F: Future<Output = ()> + 'static>(
    shards: u16,
    talk: impl Fn(SocketAddr) -> F + Send + Sync + 'static,
) {
    let folder = Folder::fresh();
    serve_at(config(&folder, shards), move |address| Box::pin(talk(address)));
}

async fn done(wire: &mut Wire, pql: &str) -> Value {
    let told = wire.ask(Ask::query(pql)).await;
    assert_eq!(told.status, 200, "{pql}: {}", told.text());
    told.json()["rows"].clone()
}

fn keyed(key: &str, pql: &str) -> Ask {
    Ask::query(pql).header(KEY, kept(key))
}

/// Checks that an answer is the same as the first one, and says that it is no new one.
fn same(first: &Told, again: &Told) {
    assert_eq!((first.status, first.text()), (again.status, again.text()));
    assert_eq!((first.header(REPLAYED), again.header(REPLAYED)), ("", "true"));
}

fn refused(told: &Told, status: u16, code: &str) {
    let problem = told.json();
    let found = (told.status.as_u16(), problem["code"].as_str().unwrap());
    assert_eq!(found, (status, code), "{problem}");
    assert!(problem["hint"].is_string(), "{problem}");
    let retryable = [json!(status == 409), problem["retryable"].clone()];
    assert_eq!(retryable[0], retryable[1], "{problem}");
}

#[test]
fn the_first_answer_is_given_again_and_nothing_is_done_again() {
    talk(2, |address| async move {
        let mut wires = [Wire::one(address).await, Wire::two(address).await];
        done(&mut wires[0], "CREATE TABLE t (id INT PRIMARY KEY, n INT, j JSON)").await;
        let statements = [
            "INSERT INTO t VALUES (1, 0, '{\"a\": [1]}'), (2, 0, NULL) RETURNING id, n + 1, j",
            "UPDATE t SET n = n + 1 WHERE id = 1",
            "UPDATE t SET n = n + 1; SELECT SUM(n) FROM t; INSERT INTO t VALUES (3, 0, NULL)",
            "BEGIN; UPDATE t SET n = n + 1; COMMIT",
            "UPDATE t SET n = 99 WHERE id = 77",
            "DELETE FROM t WHERE id = 2 RETURNING *",
        ];
        for (number, pql) in statements.iter().enumerate() {
            let key = format!("key-{number}");
            let first = wires[number % 2].ask(keyed(&key, pql)).await;
            assert_eq!(first.status, 200, "{}", first.text());
            for again in 0..3 {
                same(&first, &wires[again % 2].ask(keyed(&key, pql)).await);
            }
        }
        let rows = done(&mut wires[1], "SELECT id, n FROM t ORDER BY id").await;
        assert_eq!(rows, json!([[1, 3], [3, 1]]));
        done(&mut wires[1], "INSERT INTO t VALUES (77, 1, NULL)").await;
        same(
            &Told {
                headers: Default::default(),
                ..wires[0].ask(keyed("key-4", statements[4])).await
            },
            &wires[1].ask(keyed("key-4", statements[4])).await,
        );
        assert_eq!(done(&mut wires[0], "SELECT n FROM t WHERE id = 77").await, json!([[1]]));
        // An answer is stored as rows: it may be asked for in another form.
        let arrow =
            keyed("key-1", statements[1]).header("accept", "application/vnd.apache.arrow.stream");
        let arrow = wires[1].ask(arrow).await;
        assert_eq!((arrow.status.as_u16(), arrow.header(REPLAYED)), (200, "true"));
        // What only reads is run each time.
        for _ in 0..2 {
            let read = wires[0].ask(keyed("key-read", "SELECT COUNT(*) FROM t")).await;
            assert_eq!((read.status.as_u16(), read.header(REPLAYED)), (200, ""));
        }
        let listed = wires[0].ask(Ask::new(Method::GET, "/v1/tables")).await.json();
        assert_eq!(listed["tables"].as_array().unwrap().len(), 1, "{listed}");
        assert_eq!(done(&mut wires[1], "SHOW TABLES").await.as_array().unwrap().len(), 1);
        assert_eq!(done(&mut wires[1], "SHOW INDEXES").await, json!([]));
    });
}

#[test]
fn another_request_with_the_key_is_refused_and_a_failed_one_is_not_remembered() {
    talk(2, |address| async move {
        let mut wire = Wire::two(address).await;
        done(&mut wire, "CREATE TABLE t (id INT PRIMARY KEY, n INT)").await;
        let insert = "INSERT INTO t VALUES (1, 1)";
        assert_eq!(wire.ask(keyed("a", insert)).await.status, 200);
        for other in ["INSERT INTO t VALUES (2, 1)", "SELECT 1", "INSERT INTO t VALUES (1,1)"] {
            refused(&wire.ask(keyed("a", other)).await, 422, "IK001");
        }
        let with = |params: Value| {
            let body = json!({ "pql": "UPDATE t SET n = $1", "params": params }).to_string();
            Ask::new(Method::POST, "/v1/query").header(KEY, "b").body(body)
        };
        assert_eq!(wire.ask(with(json!([5]))).await.status, 200);
        refused(&wire.ask(with(json!([6]))).await, 422, "IK001");
        assert_eq!(wire.ask(with(json!([5]))).await.header(REPLAYED), "true");
        let failing = "INSERT INTO t VALUES (9, 0); INSERT INTO t VALUES (1, 0)";
        for _ in 0..2 {
            let told = wire.ask(keyed("c", failing)).await;
            assert_eq!((told.status.as_u16(), told.json()["code"].clone()), (409, json!("23505")));
        }
        done(&mut wire, "DELETE FROM t WHERE id = 1").await;
        assert_eq!(
            wire.ask(keyed("c", failing)).await.status,
            200,
            "nothing stands against it now"
        );
        let rows: Vec<String> = (100..9000).map(|id| format!("({id}, 0)")).collect();
        let long = format!("INSERT INTO t VALUES {} RETURNING id, n", rows.join(", "));
        refused_for_good(&wire.ask(keyed("d", &long)).await, 413, "54000");
        assert_eq!(done(&mut wire, "SELECT COUNT(*) FROM t WHERE id >= 100").await, json!([[0]]));
    });
}

fn refused_for_good(told: &Told, status: u16, code: &str) {
    assert_eq!(
        (told.status.as_u16(), &told.json()["code"]),
        (status, &json!(code)),
        "{}",
        told.text()
    );
}

#[test]
fn what_is_no_key_is_refused() {
    talk(1, |address| async move {
        let mut wire = Wire::one(address).await;
        done(&mut wire, "CREATE TABLE t (id INT PRIMARY KEY)").await;
        let insert = "INSERT INTO t VALUES (1)";
        for key in ["", "a b", "\u{e4}", kept(&"k".repeat(256))] {
            let told = wire.ask(keyed(key, insert)).await;
            assert_eq!(
                (told.status.as_u16(), &told.json()["code"]),
                (400, &json!("08P01")),
                "{key}"
            );
        }
        let twice = keyed("a", insert).header(KEY, "b");
        assert_eq!(wire.ask(twice).await.status, 400);
        let cases = [
            keyed("a", "BEGIN; INSERT INTO t VALUES (1)"),
            keyed("a", "CREATE TABLE u (id INT PRIMARY KEY)"),
            keyed("a", "INSERT INTO t VALUES (1); CREATE TABLE u (id INT PRIMARY KEY)"),
            keyed("a", "BEGIN; INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2)"),
            Ask::new(Method::PUT, "/v1/tables/t/records/1").header(KEY, "a").body("{}"),
            Ask::new(Method::POST, "/v1/tables/t/records")
                .header(KEY, "a")
                .header("content-type", "application/x-ndjson")
                .body("{\"id\": 1}"),
        ];
        for ask in cases {
            let told = wire.ask(ask).await;
            assert_eq!((told.status.as_u16(), &told.json()["code"]), (501, &json!("0A000")));
        }
        assert_eq!(done(&mut wire, "SELECT COUNT(*) FROM t").await, json!([[0]]));
        let told = wire.ask(keyed(&"k".repeat(255), insert)).await;
        assert_eq!(told.status, 200, "{}", told.text());
    });
}

#[test]
fn one_of_many_with_the_same_key_has_the_effect() {
    for shards in [1, 2, 8] {
        talk(shards, |address| async move {
            let mut wire = Wire::two(address).await;
            done(&mut wire, "CREATE TABLE t (id INT PRIMARY KEY, n INT)").await;
            done(&mut wire, "CREATE TABLE log (k TEXT)").await;
            done(&mut wire, "INSERT INTO t VALUES (1, 0), (2, 0), (3, 0), (4, 0)").await;
            for round in 0..12 {
                let pql = "UPDATE t SET n = n + 1; INSERT INTO log VALUES ('x') RETURNING k";
                let key = format!("round {round}").replace(' ', "-");
                let ask = || async {
                    let mut wire = Wire::two(address).await;
                    wire.ask(keyed(&key, pql)).await
                };
                let told = join_all((0..8).map(|_| ask())).await;
                let fresh =
                    told.iter().filter(|one| one.status == 200 && one.header(REPLAYED).is_empty());
                assert_eq!(fresh.count(), 1, "{told:?}");
                let first = told.iter().find(|one| one.status == 200).unwrap().text();
                for one in &told {
                    match one.status.as_u16() {
                        200 => assert_eq!(one.text(), first),
                        _ => refused(one, 409, "IK002"),
                    }
                }
                let late = wire.ask(keyed(&key, pql)).await;
                assert_eq!((late.header(REPLAYED), late.text()), ("true", first));
                let counts = done(&mut wire, "SELECT MIN(n), MAX(n) FROM t").await;
                assert_eq!(counts, json!([[round + 1, round + 1]]));
                let logged = done(&mut wire, "SELECT COUNT(*) FROM log").await;
                assert_eq!(logged, json!([[round + 1]]));
            }
        });
    }
}

#[test]
fn answers_outlive_the_process() {
    for shards in [1, 2, 8] {
        let folder = Folder::fresh();
        let pql = "INSERT INTO t VALUES (1, 'a') RETURNING id, name";
        let record = || {
            Ask::new(Method::POST, "/v1/tables/t/records")
                .header(KEY, "r")
                .body("[{\"id\": 5, \"name\": \"e\"}, {\"id\": 6, \"name\": \"f\"}]")
        };
        let first = Arc::new(Mutex::new(Vec::new()));
        let told = first.clone();
        serve_at(config(&folder, shards), move |address| {
            let first = first.clone();
            Box::pin(async move {
                let mut wire = Wire::two(address).await;
                done(&mut wire, "CREATE TABLE t (id INT PRIMARY KEY, name TEXT)").await;
                let answers = [wire.ask(keyed("q", pql)).await, wire.ask(record()).await];
                first.lock().unwrap().extend(answers);
            })
        });
        serve_at(config(&folder, shards), move |address| {
            let told = told.clone();
            Box::pin(async move {
                let mut wire = Wire::one(address).await;
                let first: Vec<Told> = told.lock().unwrap().drain(..).collect();
                same(&first[0], &wire.ask(keyed("q", pql)).await);
                same(&first[1], &wire.ask(record()).await);
                refused(&wire.ask(keyed("q", "DELETE FROM t")).await, 422, "IK001");
                let count = done(&mut wire, "SELECT COUNT(*) FROM t").await;
                assert_eq!(count, json!([[3]]));
            })
        });
        let deep = pieskieo::verify::VerifyOptions { deep: true, repair: false };
        let verified = pieskieo::verify::verify(&config(&folder, shards), deep).unwrap();
        assert!(verified.faults.is_empty(), "{:?}", verified.faults);
    }
}

#[test]
fn records_with_a_key_are_stored_all_or_none() {
    talk(2, |address| async move {
        let mut wire = Wire::two(address).await;
        done(&mut wire, "CREATE TABLE t (id INT PRIMARY KEY, name TEXT UNIQUE)").await;
        let load = |key: &str, query: &str, body: Value| {
            Ask::new(Method::POST, &format!("/v1/tables/t/records{query}"))
                .header(KEY, kept(key))
                .body(body.to_string())
        };
        let two = json!([{ "id": 1, "name": "a" }, { "id": 2, "name": "b" }]);
        let first = wire.ask(load("a", "", two.clone())).await;
        assert_eq!(first.json(), json!({ "inserted": 2, "kept": 0, "failed": 0, "errors": [] }));
        same(&first, &wire.ask(load("a", "", two.clone())).await);
        refused(&wire.ask(load("a", "?on_conflict=keep", two.clone())).await, 422, "IK001");
        let broken = [
            (json!([{ "id": 3, "name": "c" }, { "id": 1, "name": "d" }]), "23505"),
            (json!([{ "id": 3, "name": "c" }, { "id": 4, "name": "c" }]), "23505"),
            (json!([{ "id": 3, "name": "c" }, { "id": "x", "name": "d" }]), "22P02"),
            (json!({ "id": 2 }), "23505"),
        ];
        for (records, code) in broken {
            let told = wire.ask(load("b", "", records)).await;
            assert_eq!(told.json()["code"], code, "{}", told.text());
        }
        let mixed = json!([{ "id": 2, "name": "z" }, { "id": 3, "name": "c" },
                           { "id": 3, "name": "e" }, { "id": 4, "name": "a" }]);
        let kept = wire.ask(load("b", "?on_conflict=keep", mixed.clone())).await;
        assert_eq!(kept.json(), json!({ "inserted": 1, "kept": 3, "failed": 0, "errors": [] }));
        let replacing = json!([{ "id": 2, "name": "z" }, { "id": 3, "name": "c" },
                               { "id": 3, "name": "e" }]);
        let replaced = wire.ask(load("c", "?on_conflict=replace", replacing.clone())).await;
        assert_eq!(replaced.json()["inserted"], 3, "{}", replaced.text());
        same(&replaced, &wire.ask(load("c", "?on_conflict=replace", replacing)).await);
        let rows = done(&mut wire, "SELECT id, name FROM t ORDER BY id").await;
        assert_eq!(rows, json!([[1, "a"], [2, "z"], [3, "e"]]));
    });
}

#[test]
fn a_transaction_is_named_by_the_request_that_commits_it() {
    talk(2, |address| async move {
        let mut wires = [Wire::two(address).await, Wire::one(address).await];
        done(&mut wires[0], "CREATE TABLE t (id INT PRIMARY KEY, n INT)").await;
        assert_eq!(wires[0].ask(keyed("z", "INSERT INTO t VALUES (0, 0)")).await.status, 200);
        let begun = wires[0].ask(Ask::query("BEGIN; INSERT INTO t VALUES (1, 1)")).await;
        let token = kept(begun.header("transaction"));
        let early = keyed("a", "INSERT INTO t VALUES (2, 2)").header("transaction", token);
        assert_eq!(wires[1].ask(early).await.json()["code"], "0A000");
        let commit = || keyed("a", "COMMIT").header("transaction", token);
        let first = wires[1].ask(commit()).await;
        assert_eq!(first.status, 200, "{}", first.text());
        same(&first, &wires[0].ask(commit()).await);
        refused(&wires[0].ask(keyed("a", "COMMIT")).await, 422, "IK001");
        let rows = done(&mut wires[0], "SELECT id FROM t ORDER BY id").await;
        assert_eq!(rows, json!([[0], [1]]));
        // What was rolled back has no answer that is remembered.
        let begun = wires[0].ask(Ask::query("BEGIN; INSERT INTO t VALUES (5, 5)")).await;
        let token = kept(begun.header("transaction"));
        let rollback = || keyed("b", "ROLLBACK").header("transaction", token);
        assert_eq!(wires[1].ask(rollback()).await.status, 200);
        assert_eq!(wires[1].ask(rollback()).await.json()["code"], "25P01");
    });
}

#[test]
fn answers_are_forgotten_after_their_time() {
    let folder = Folder::fresh();
    let mut config = config(&folder, 2);
    config.idempotency_retention_ms = 500;
    serve_at(config, |address| {
        Box::pin(async move {
            let mut wire = Wire::two(address).await;
            done(&mut wire, "CREATE TABLE t (n INT)").await;
            for number in 0..600 {
                let pql = format!("INSERT INTO t VALUES ({number})");
                let told = wire.ask(keyed(&format!("k{number}"), &pql)).await;
                assert_eq!((told.status.as_u16(), told.header(REPLAYED)), (200, ""));
            }
            while remembered(&mut wire).await > 0.0 {
                rt::sleep(Duration::from_millis(20)).await;
            }
            // The key is a new one, also for another request.
            let told = wire.ask(keyed("k0", "INSERT INTO t VALUES (-1) RETURNING n")).await;
            assert_eq!((told.status.as_u16(), told.header(REPLAYED)), (200, ""));
            assert_eq!(done(&mut wire, "SELECT COUNT(*) FROM t").await, json!([[601]]));
        })
    });
}

async fn remembered(wire: &mut Wire) -> f64 {
    let text = wire.ask(Ask::new(Method::GET, "/metrics")).await.text();
    let line = text.lines().find(|line| line.starts_with("pieskieo_idempotency_keys ")).unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}
