//! Do values of every type come in as parameters and bulk loads, and survive a restart?

mod support;

use pieskieo_query::BulkConflict;
use serde_json::{Value as Json, json};
use support::{Client, with_database, with_restarts};

const SCHEMA: &str = "
    CREATE TABLE t (s SMALLINT PRIMARY KEY, v VARCHAR(5), at TIME, span INTERVAL, n INT[],
        x TEXT[], place VECTOR(2));
    CREATE INDEX t_span ON t (span);
    CREATE TABLE named (name VARCHAR(4) PRIMARY KEY, n SMALLINT)";

const INSERT: &str = "INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6, $7)";

fn first() -> Vec<Json> {
    vec![
        json!(7),
        json!("abc"),
        json!("04:05:06"),
        json!("1 mon 2 days"),
        json!([1, 2, null]),
        json!(["a", "b,c"]),
        json!([0.5, 1.5]),
    ]
}

fn shown() -> Vec<Json> {
    let mut shown = first();
    shown[3] = json!("1 mon 2 days");
    shown[2] = json!("04:05:06");
    shown
}

fn asked(client: &Client, text: &str, params: &[Json]) -> Vec<Vec<Json>> {
    match client.ask_all(text, params) {
        Ok(answers) => answers.last().expect("a statement").rows(),
        Err(error) => panic!("{text}\n{error:?}"),
    }
}

fn refused(client: &Client, text: &str, params: &[Json]) -> &'static str {
    client.ask_all(text, params).err().unwrap_or_else(|| panic!("{text} is accepted")).code
}

#[test]
fn parameters_have_the_types_of_what_they_stand_beside() {
    for shards in [1, 2, 8] {
        with_database(shards, |open| {
            let client = open();
            client.ask(SCHEMA).expect("the tables are made");
            client.ask_all(INSERT, &first()).expect("a record");
            client.ask("INSERT INTO named VALUES ('ab', 1), ('abcd', 2)").expect("records");
            let rows = |text: &str, params: &[Json]| asked(&client, text, params);
            assert_eq!(rows("SELECT * FROM t", &[]), [shown()]);
            for (condition, param) in [
                ("s = $1", json!(7)),
                ("v = $1", json!("abc")),
                ("at = $1", json!("04:05:06")),
                ("at < $1", json!("05:00")),
                ("span = $1", json!("32 days")),
                ("$1 < span", json!("31 days 23:00")),
                ("span BETWEEN $1 AND '33 days'", json!("31 days")),
                ("n = $1", json!([1, 2, null])),
                ("n @> $1", json!([2, 1])),
                ("n && $1", json!([9, 2])),
                ("n < $1", json!([1, 3])),
                ("x = $1", json!(["a", "b,c"])),
                ("x @> $1", json!(["b,c"])),
                ("$1 = ANY(n)", json!(2)),
                ("$1 = ANY(x)", json!("a")),
                ("s = ANY($1)", json!([5, 6, 7])),
                ("v = ANY($1)", json!(["abc", "x"])),
                ("s <> ALL($1)", json!([5, 6])),
                ("n[$1] = 2", json!(2)),
                ("cardinality(n) = $1", json!(3)),
                ("place <-> $1 < 0.1", json!([0.5, 1.5])),
            ] {
                let text = format!("SELECT s FROM t WHERE {condition}");
                assert_eq!(rows(&text, &[param]), [[json!(7)]], "{text}");
            }
            let named = "SELECT n FROM named WHERE name = $1";
            assert_eq!(rows(named, &[json!("ab")]), [[json!(1)]]);
            assert_eq!(rows(named, &[json!("abcd     ")]), Vec::<Vec<Json>>::new());
            assert_eq!(rows(named, &[json!("abcde")]), Vec::<Vec<Json>>::new());
            assert_eq!(rows("SELECT name FROM named WHERE n = $1", &[json!(70_000)]).len(), 0);
            let moved = "UPDATE t SET n = n || $1, span = span + $2 WHERE s = 7 RETURNING n, span";
            let expected = [[json!([1, 2, null, 4]), json!("1 mon 2 days 01:00:00")]];
            assert_eq!(rows(moved, &[json!(4), json!("1 hour")]), expected);
            client.verify();
        });
    }
}

#[test]
fn parameters_that_do_not_fit_are_refused() {
    with_database(2, |open| {
        let client = open();
        client.ask(SCHEMA).expect("the tables are made");
        let with = |position: usize, value: Json| {
            let mut params = first();
            params[position] = value;
            refused(&client, INSERT, &params)
        };
        assert_eq!(with(0, json!(40_000)), "22003");
        assert_eq!(with(1, json!("abcdef")), "22001");
        assert_eq!(with(2, json!("25:00")), "22007");
        assert_eq!(with(3, json!("soon")), "22007");
        assert_eq!(with(4, json!([1, "x"])), "22P02");
        assert_eq!(with(4, json!([[1], [2]])), "22000");
        assert_eq!(with(5, json!({"a": 1})), "22000");
        assert_eq!(with(4, json!(vec![1; (1 << 20) + 1])), "22000");
    });
}

#[test]
fn values_survive_a_restart() {
    for shards in [1, 2] {
        with_restarts(
            shards,
            &[
                &|open| {
                    let client = open();
                    client.ask(SCHEMA).expect("the tables are made");
                    client.ask_all(INSERT, &first()).expect("a record");
                    let record = |id: i64| {
                        json!({"s": id, "v": "bulk", "span": format!("{id} hours"),
                               "n": [id, null], "x": ["é", ""], "at": "12:00"})
                    };
                    client.load("t", (100..400).map(record).collect(), BulkConflict::Error);
                },
                &|open| {
                    let client = open();
                    assert_eq!(client.rows("SELECT * FROM t WHERE s = 7"), [shown()]);
                    let rows = client
                        .rows("SELECT n, x, at FROM t WHERE span = '150:00:00' AND v = 'bulk'");
                    assert_eq!(rows, [[json!([150, null]), json!(["é", ""]), json!("12:00:00")]]);
                    let count = "SELECT count(*) FROM t WHERE span >= '250 hours' AND s < 400";
                    assert_eq!(client.rows(count), [[json!(151)]]);
                    client.verify();
                },
            ],
        );
    }
}
