//! Does ALTER TABLE hold among writers, across restarts, and against a plain model of its columns?

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value as Json, json};
use support::{Client, Talk, with_database, with_restarts};

/// Inserts records until it is told to stop. Some of them break what is being added: they are
/// refused, or were there before.
fn write_until(done: &AtomicBool, client: &Client, number: i32) {
    for id in (1_000_000 * number..).take_while(|_| !done.load(Ordering::Relaxed)) {
        let value = if id % 7 == 0 { -1 } else { id % 5 };
        let said = client.ask(&format!("INSERT INTO t VALUES ({id}, {value})"));
        if let Err(error) = said {
            assert!(["23514", "23503", "23502", "40001"].contains(&error.code), "{error:?}");
        }
    }
}

/// Adds a rule among writers until it has been refused and accepted.
fn rule_among_writers(shards: u16, rule: &str, code: &str, broken: &str) {
    with_database(shards, |open| {
        let (first, writers) = (open(), [open(), open(), open()]);
        first.ask("CREATE TABLE p (id INT PRIMARY KEY)").unwrap();
        first.ask("INSERT INTO p VALUES (0), (1), (2), (3), (4)").unwrap();
        first.ask("CREATE TABLE t (id INT PRIMARY KEY, a INT)").unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (number, client) in (1..).zip(&writers) {
                let done = &done;
                scope.spawn(move || write_until(done, client, number));
            }
            let mut accepted = 0;
            for _ in 0..200 {
                // Most of the time something slips in between.
                first.ask(&format!("DELETE FROM t WHERE {broken}")).unwrap();
                match first.ask(&format!("ALTER TABLE t {rule}")) {
                    Ok(_) => {
                        let count = format!("SELECT count(*) FROM t WHERE {broken}");
                        assert_eq!(first.rows(&count), [[json!(0)]]);
                        accepted += 1;
                        first.ask("ALTER TABLE t DROP CONSTRAINT IF EXISTS rule").unwrap();
                        first.ask("ALTER TABLE t ALTER a DROP NOT NULL").unwrap();
                    }
                    Err(error) => {
                        assert_eq!(error.code, code, "{error:?}");
                        assert!(first.rows("SHOW CONSTRAINTS FROM t").is_empty());
                    }
                }
                if accepted == 3 {
                    break;
                }
            }
            done.store(true, Ordering::Relaxed);
            assert!(accepted > 0, "never accepted");
        });
        first.verify();
    });
}

/// Inserts records, and counts them where readers see it, until it is told to stop.
fn insert_until(done: &AtomicBool, inserted: &AtomicU64, client: &Client, number: u64) {
    for id in (1_000_000 * number..).take_while(|_| !done.load(Ordering::Relaxed)) {
        match client.ask(&format!("INSERT INTO t VALUES ({id}, {id}, {id})")) {
            Ok(_) => drop(inserted.fetch_add(1, Ordering::SeqCst)),
            Err(error) => assert_eq!(error.code, "40001", "{error:?}"),
        }
    }
}

/// Records are copied while others write and read: each is there once, before and afterwards.
#[test]
fn a_type_changed_among_writers_loses_nothing() {
    for shards in [1, 8] {
        with_database(shards, |open| {
            let (first, reader) = (open(), open());
            let writers = [open(), open()];
            first.ask("CREATE TABLE t (id INT PRIMARY KEY, a INT UNIQUE, b INT)").unwrap();
            first.ask("CREATE INDEX t_b ON t (b)").unwrap();
            let (done, inserted) = (AtomicBool::new(false), AtomicU64::new(0));
            std::thread::scope(|scope| {
                let (done, inserted) = (&done, &inserted);
                for (number, client) in (1..).zip(&writers) {
                    scope.spawn(move || insert_until(done, inserted, client, number));
                }
                scope.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        let before = inserted.load(Ordering::SeqCst);
                        let found = reader.ask("SELECT count(*) FROM t WHERE b IS NOT NULL");
                        let Ok(found) = found else { continue };
                        let count = found.rows()[0][0].as_u64().unwrap();
                        assert!(count >= before, "{count} of {before}");
                    }
                });
                let types = ["BIGINT", "TEXT", "INT USING a::INT", "BIGINT", "INT USING 7", "INT"];
                let said = types.map(|ty| {
                    first.ask(&format!("ALTER TABLE t ALTER a TYPE {ty}, ALTER b SET DEFAULT 1"))
                });
                // Whatever was said, so that the others end.
                done.store(true, Ordering::Relaxed);
                let codes = said.map(|said| said.err().map(|error| error.code));
                assert_eq!(
                    codes.each_ref().map(|code| code.unwrap_or("ok")),
                    ["ok", "ok", "ok", "ok", "23505", "ok"]
                );
            });
            let count = inserted.load(Ordering::SeqCst);
            let found = first.rows("SELECT count(*) FROM t WHERE id = a AND a = b");
            assert_eq!(found, [[json!(count)]]);
            first.ask("INSERT INTO t VALUES (-1, -1, -1)").unwrap();
            first.verify();
        });
    }
}

/// A snapshot from before the records were written again does not see a part of them.
#[test]
fn an_older_snapshot_does_not_see_a_part_of_rewritten_records() {
    with_database(2, |open| {
        let (first, second) = (open(), open());
        first.ask("CREATE TABLE t (id INT PRIMARY KEY, a INT)").unwrap();
        first.ask("CREATE TABLE other (id INT PRIMARY KEY)").unwrap();
        first.ask("INSERT INTO t VALUES (1, 1), (2, 2)").unwrap();
        second.ask("BEGIN; SELECT count(*) FROM other").unwrap();
        first.ask("ALTER TABLE t ALTER a TYPE TEXT").unwrap();
        assert_eq!(second.ask("SELECT count(*) FROM t").unwrap_err().code, "40001");
        assert_eq!(first.rows("SELECT a FROM t ORDER BY id"), [[json!("1")], [json!("2")]]);
    });
}

#[test]
fn a_condition_added_among_writers_holds() {
    for shards in [1, 8] {
        rule_among_writers(shards, "ADD CONSTRAINT rule CHECK (a >= 0)", "23514", "a < 0");
    }
}

#[test]
fn a_reference_added_among_writers_holds() {
    let rule = "ADD CONSTRAINT rule FOREIGN KEY (a) REFERENCES p";
    for shards in [1, 8] {
        rule_among_writers(shards, rule, "23503", "a < 0");
    }
}

/// What a table should hold: its columns in order, and its records by id.
#[derive(Default)]
struct Model {
    columns: Vec<String>,
    records: BTreeMap<i64, BTreeMap<String, Json>>,
    defaults: BTreeMap<String, Json>,
    made: usize,
}

impl Model {
    fn rows(&self) -> Vec<Vec<Json>> {
        let row = |(id, record): (&i64, &BTreeMap<String, Json>)| {
            let own = self.columns.iter().map(|column| record[column].clone());
            std::iter::once(json!(id)).chain(own).collect()
        };
        self.records.iter().map(row).collect()
    }

    /// One step: what is sent, and what becomes of the model.
    fn step(&mut self, random: &mut impl FnMut(usize) -> usize) -> String {
        let column = self.columns.get(random(97) % self.columns.len().max(1)).cloned();
        match (random(10), column) {
            (0 | 1, _) if self.columns.len() < 9 => {
                self.made += 1;
                let name = format!("c{}", self.made);
                let default = match random(3) {
                    0 => Json::Null,
                    1 => json!(random(100)),
                    _ => json!(random(5)),
                };
                for record in self.records.values_mut() {
                    record.insert(name.clone(), default.clone());
                }
                self.defaults.insert(name.clone(), default.clone());
                self.columns.push(name.clone());
                format!("ALTER TABLE t ADD COLUMN {name} INT DEFAULT {default}")
            }
            (2, Some(column)) if self.columns.len() > 1 => {
                self.columns.retain(|other| *other != column);
                self.records.values_mut().for_each(|record| drop(record.remove(&column)));
                format!("ALTER TABLE t DROP COLUMN {column}")
            }
            (3, Some(column)) => {
                self.made += 1;
                let name = format!("c{}", self.made);
                for record in self.records.values_mut() {
                    let value = record.remove(&column).unwrap();
                    record.insert(name.clone(), value);
                }
                let default = self.defaults.remove(&column).unwrap();
                self.defaults.insert(name.clone(), default);
                let place = self.columns.iter_mut().find(|other| **other == column);
                place.unwrap().clone_from(&name);
                format!("ALTER TABLE t RENAME {column} TO {name}")
            }
            (4, Some(column)) => {
                let (low, value) = (random(40) as i64, random(100));
                for (_, record) in self.records.range_mut(low..) {
                    record.insert(column.clone(), json!(value));
                }
                format!("UPDATE t SET {column} = {value} WHERE id >= {low}")
            }
            (5, Some(column)) => {
                let default = json!(random(50));
                self.defaults.insert(column.clone(), default.clone());
                format!("ALTER TABLE t ALTER {column} SET DEFAULT {default}")
            }
            _ => {
                let id = random(60) as i64;
                let fresh = |column: &String| (column.clone(), self.defaults[column].clone());
                self.records.entry(id).or_insert_with(|| self.columns.iter().map(fresh).collect());
                format!("INSERT INTO t (id) VALUES ({id}) ON CONFLICT (id) DO NOTHING")
            }
        }
    }
}

/// Numbers that look random and are the same each time.
fn numbers(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    }
}

#[test]
fn columns_come_and_go_as_in_a_model() {
    for seed in 0..3 {
        let state = std::sync::Mutex::new((Model::default(), numbers(seed)));
        let some: Talk<'_> = &|open| {
            let client = open();
            let mut state = state.lock().unwrap();
            let (model, random) = &mut *state;
            if model.made == 0 {
                client.ask("CREATE TABLE t (id BIGINT PRIMARY KEY)").unwrap();
            }
            assert_eq!(client.rows("SELECT * FROM t ORDER BY id"), model.rows());
            for _ in 0..120 {
                let text = model.step(random);
                client.ask(&text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
                assert_eq!(client.rows("SELECT * FROM t ORDER BY id"), model.rows(), "{text}");
                let Some(column) = model.columns.first() else { continue };
                let wanted = random(100);
                let found = client.rows(&format!("SELECT id FROM t WHERE {column} > {wanted}"));
                let above = |record: &BTreeMap<String, Json>| {
                    record[column].as_u64().is_some_and(|value| value > wanted as u64)
                };
                let expected = model.records.values().filter(|record| above(record)).count();
                assert_eq!(found.len(), expected, "{column} > {wanted} after {text}");
            }
            client.verify();
        };
        with_restarts(2, &[some, some, some]);
    }
}
