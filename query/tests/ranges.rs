//! Is what a DELETE of a whole range leaves what one by one would have left?

mod support;

use pieskieo_query::{BulkConflict, SessionOptions};
use serde_json::{Value as Json, json};
use support::{Client, with_options, with_restarts};

const ROWS: i64 = 24_000;
/// Rows that a statement may collect: deleting more one by one is refused.
const ROWS_MAX: usize = 3_000;

const SCHEMA: &str = "
    CREATE TABLE plain (id BIGINT PRIMARY KEY, n INT NOT NULL);
    CREATE TABLE event (tenant TEXT, seq INT, n INT, PRIMARY KEY (tenant, seq));
    CREATE TABLE indexed (id BIGINT PRIMARY KEY, n INT);
    CREATE INDEX indexed_n ON indexed (n);
    CREATE TABLE parent (id BIGINT PRIMARY KEY);
    CREATE TABLE child (id BIGINT PRIMARY KEY, parent BIGINT REFERENCES parent (id));
    CREATE COLLECTION notes";

fn fill(client: &Client) {
    client.ask(SCHEMA).expect("the tables are made");
    let rows = |make: &dyn Fn(i64) -> Json| (0..ROWS).map(make).collect::<Vec<_>>();
    let numbered = |id: i64| json!({"id": id, "n": id % 100});
    client.load("plain", rows(&numbered), BulkConflict::Error);
    client.load("indexed", rows(&numbered), BulkConflict::Error);
    client.load("parent", rows(&|id| json!({"id": id})), BulkConflict::Error);
    let note = |id: i64| json!({"_id": format!("n{id:05}"), "text": "a note"});
    client.load("notes", rows(&note), BulkConflict::Error);
    let tenant = |id: i64| if id % 2 == 0 { "a" } else { "b" };
    let event = |id: i64| json!({"tenant": tenant(id), "seq": id / 2, "n": id});
    client.load("event", rows(&event), BulkConflict::Error);
}

fn on_shards(talk: impl Fn(&Client)) {
    let options = || SessionOptions { rows_max: ROWS_MAX, ..SessionOptions::default() };
    for shards in [1, 2, 8] {
        with_options(shards, options(), |open| {
            let client = open();
            fill(&client);
            talk(&client);
        });
    }
}

fn affected(client: &Client, text: &str) -> u64 {
    let answer = client.ask(text).unwrap_or_else(|error| panic!("{text}\n{error:?}"));
    answer.affected.expect("a DELETE counts")
}

fn count(client: &Client, from: &str) -> i64 {
    client.rows(&format!("SELECT COUNT(*) FROM {from}"))[0][0].as_i64().expect("a number")
}

#[test]
fn a_range_goes_at_once() {
    on_shards(|client| {
        let whole = client.rows("SELECT COUNT(*), SUM(n) FROM event");
        let deletes = [
            ("plain", "id >= 1000 AND id < 12000", 11_000),
            ("plain", "12500 < id AND id <= 22500", 10_000),
            ("event", "tenant = 'b' AND seq >= 1500", 10_500),
            ("event", "tenant = 'a'", 12_000),
            ("notes", "_id BETWEEN 'n03000' AND 'n22000'", 19_001),
        ];
        client.ask("INSERT INTO plain VALUES (-1, 7)").expect("a row");
        let at = client.rows("SHOW commit_id")[0][0].to_string().replace('"', "");
        for (table, condition, expected) in deletes {
            let text = format!("DELETE FROM {table} WHERE {condition}");
            assert_eq!(affected(client, &text), expected, "{text}");
            assert_eq!(count(client, &format!("{table} WHERE {condition}")), 0, "{text}");
            assert_eq!(affected(client, &text), 0, "again: {text}");
        }
        assert_eq!(count(client, "plain"), ROWS + 1 - 21_000);
        assert_eq!(count(client, "plain WHERE n = 7"), 1 + 240 - 210);
        assert_eq!(client.rows("SELECT MIN(seq), MAX(seq) FROM event"), [[json!(0), json!(1499)]]);
        assert_eq!(client.rows("SELECT id FROM plain WHERE id = 5000"), [] as [Vec<Json>; 0]);
        // What is written there afterwards is there, and the past is as it was.
        client.ask("INSERT INTO plain VALUES (5000, 1), (5001, 2)").expect("free keys");
        let ids = "SELECT id FROM plain WHERE id BETWEEN 990 AND 12010 ORDER BY id DESC LIMIT 13";
        let ids: Vec<i64> =
            client.rows(ids).iter().map(|row| row[0].as_i64().expect("a number")).collect();
        assert_eq!(ids[..11], (12_000..=12_010).rev().collect::<Vec<_>>());
        assert_eq!(ids[11..], [5001, 5000]);
        let past = client.rows(&format!("SELECT COUNT(*), SUM(n) FROM event AS OF COMMIT {at}"));
        assert_eq!(past, whole);
        // An index that is made now knows nothing of what went.
        client.ask("CREATE INDEX plain_n ON plain (n)").expect("an index");
        assert_eq!(count(client, "plain WHERE n = 1"), 240 - 210 + 1);
        client.verify();
    });
}

#[test]
fn a_table_without_a_condition_is_emptied() {
    on_shards(|client| {
        assert_eq!(affected(client, "DELETE FROM plain"), ROWS as u64);
        assert_eq!(count(client, "plain"), 0);
        client.ask("INSERT INTO plain VALUES (3, 3)").expect("a free key");
        assert_eq!(client.rows("SELECT * FROM plain"), [[json!(3), json!(3)]]);
    });
}

#[test]
fn what_asks_for_more_goes_one_by_one() {
    on_shards(|client| {
        let texts = [
            "DELETE FROM indexed WHERE id < 20000",
            "DELETE FROM parent WHERE id < 20000",
            "DELETE FROM plain WHERE id < 20000 RETURNING id",
            "DELETE FROM plain WHERE id <> 5",
            "DELETE FROM plain WHERE id < 20000 AND id < 15000 AND n > 3",
            "DELETE FROM plain WHERE id < 5 OR id > 10",
            "DELETE FROM plain WHERE n < 50",
            "DELETE FROM event WHERE seq < 11000",
            "DELETE FROM plain USING parent WHERE plain.id = parent.id",
            "BEGIN; DELETE FROM plain WHERE id < 20000; COMMIT",
            "DELETE FROM plain WHERE id < 20000; SELECT 1",
        ];
        for text in texts {
            let refused = client.ask(text).expect_err(text);
            assert_eq!(refused.code, "54000", "{text}: {refused:?}");
        }
        for table in ["plain", "indexed", "parent", "event"] {
            assert_eq!(count(client, table), ROWS, "{table}");
        }
        // Few enough are no matter.
        assert_eq!(affected(client, "DELETE FROM plain WHERE id < 1000"), 1000);
        assert_eq!(affected(client, "DELETE FROM event WHERE tenant = 'a' AND seq < 500"), 500);
    });
}

/// Sessions of one database, one after the other.
#[test]
fn whoever_has_read_or_written_in_the_range_loses() {
    for shards in [1, 2, 8] {
        with_options(shards, SessionOptions::default(), |open| {
            let (one, other) = (open(), open());
            fill(&one);
            let works = [
                "SELECT COUNT(*) FROM plain; INSERT INTO parent VALUES (-1)",
                "SELECT n FROM plain WHERE id = 5000; INSERT INTO parent VALUES (-1)",
                "UPDATE plain SET n = 99 WHERE id = 5000",
                "DELETE FROM plain WHERE id = 5000",
            ];
            for (round, work) in (0..).zip(works) {
                // Somebody who looks on: the range is remembered for as long as that.
                other.ask(&format!("BEGIN; {work}")).expect("nothing is committed yet");
                let (from, to) = (round * 100, 20_000 + round);
                let text = format!("DELETE FROM plain WHERE id >= {from} AND id < {to}");
                assert_eq!(affected(&one, &text), (to - from) as u64, "{work}");
                let refused = other.ask("COMMIT").expect_err(work);
                assert_eq!(refused.code, "40001", "{work}: {refused:?}");
                other.join(None);
                let record = |id: i64| json!({"id": id, "n": id % 100});
                one.load("plain", (from..to).map(record).collect(), BulkConflict::Error);
            }
            // Who has read beside it does not.
            let beside =
                "BEGIN; SELECT n FROM plain WHERE id = 22000; INSERT INTO parent VALUES (-1)";
            other.ask(beside).expect("nothing is committed yet");
            assert_eq!(affected(&one, "DELETE FROM plain WHERE id < 20000"), 20_000);
            other.ask("COMMIT").expect("nobody has touched that");
        });
    }
}

#[test]
fn what_went_with_its_range_stays_away_after_a_start() {
    with_restarts(
        2,
        &[
            &|open| {
                let client = open();
                fill(&client);
                assert_eq!(affected(&client, "DELETE FROM plain WHERE id < 15000"), 15_000);
                client.ask("INSERT INTO plain VALUES (4, 4)").expect("a free key");
            },
            &|open| {
                let client = open();
                assert_eq!(count(&client, "plain"), ROWS - 15_000 + 1);
                assert_eq!(affected(&client, "DELETE FROM plain WHERE id < 20000"), 5001);
            },
            &|open| {
                let client = open();
                assert_eq!(count(&client, "plain"), ROWS - 20_000);
                client.verify();
            },
        ],
    );
}
