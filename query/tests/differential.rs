//! Do the native path and the planner give the same answers?
//!
//! Statements are made from a small grammar around the shapes that need no plan: a record by its
//! key, and the nearest records. Each runs twice, with `SET native = on` and `off`, on 1, 2 and 8
//! shards; rows, column names, types and error codes must agree.

mod support;

use std::ops::Range;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};
use support::{Answer, Client, with_database};

/// Statements per number of shards.
const CASES: u32 = 300;
/// Records of the searched table.
const RECORDS: i64 = 60;

/// A statement and its parameters.
#[derive(Clone, Debug)]
struct Asked {
    text: String,
    params: Vec<Json>,
}

fn fill(client: &Client) {
    client
        .ask(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, k INT, name TEXT, x DOUBLE, v VECTOR(3),
                             w VECTOR(2) NOT NULL, doc JSON);
             CREATE INDEX t_v ON t USING hnsw (v vector_l2_ops);
             CREATE INDEX t_w ON t USING hnsw (w vector_cosine_ops);
             CREATE TABLE pair (a INT, b TEXT, n BIGINT, PRIMARY KEY (a, b));
             CREATE COLLECTION c (e VECTOR(2))",
        )
        .expect("the schema");
    for id in 0..RECORDS {
        // Irregular steps, so that no two distances are equal.
        let (a, b) = ((id * id * 7 % 113) as f64 / 10.0, (id * 31 % 97) as f64 / 7.0);
        let v = if id % 9 == 4 { json!(null) } else { json!([a, b, id as f64 / 3.0]) };
        let k = if id % 10 == 3 { json!(null) } else { json!(id % 7) };
        let name = if id % 8 == 5 { json!(null) } else { json!(format!("name {}", id % 5)) };
        let doc = json!({ "a": id % 4, "b": { "c": format!("d{id}") } });
        let params = [json!(id), k, name, json!(a), v, json!([a + 1.0, b + 0.5]), doc];
        let insert = "INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6, $7)";
        client.ask_all(insert, &params).expect("a record");
        let pair = format!("INSERT INTO pair VALUES ({}, 'b{}', {id})", id % 6, id / 6);
        client.ask(&pair).expect("a pair");
        let note = json!({ "_id": format!("c{id}"), "e": [a, b + 1.0], "n": id % 3 });
        client.ask_all("INSERT INTO c VALUES ($1)", &[note]).expect("a document");
    }
}

fn one_of(choices: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(choices)
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0..RECORDS).prop_map(|id| id.to_string()),
        1 => one_of(&["-1", "1000", "'7'", "7.0", "7.5", "NULL", "3 + 4", "9223372036854775807",
                      "99999999999999999999", "'x'", "true"]).prop_map(str::to_owned),
    ]
}

const LISTS: &[&str] = &[
    "*",
    "id",
    "id, name",
    "k + 1 AS more, name",
    "upper(name)",
    "doc->>'a', doc",
    "x / 2, id",
    "v",
    "id, v <-> '[1, 2, 3]' AS d",
    "CASE WHEN k > 3 THEN 'big' ELSE name END",
    "1 / k",
    "count(*)",
    "t.id, t.name AS id2",
    "nothing",
    "id, id",
    "coalesce(name, 'none'), x IS NULL",
];

const CONDITIONS: &[&str] = &[
    "k > 3",
    "name IS NOT NULL",
    "x < 5 OR k = 2",
    "1 / k > 0",
    "name LIKE '%3'",
    "NOT (k = 1)",
    "doc->>'a' = '2'",
    "v IS NOT NULL",
    "k IN (1, 2, NULL)",
    "nothing = 1",
    "id % 2 = 0",
    "name = 'name 1' AND k IS NOT NULL",
    "false",
    "id BETWEEN 10 AND 30",
    "k",
    "NULL",
    "x AND true",
    "'true'",
];

fn condition() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        3 => one_of(CONDITIONS).prop_map(str::to_owned),
    ]
}

fn by_key() -> impl Strategy<Value = Asked> {
    let literal = (one_of(LISTS), number(), condition()).prop_map(|(list, id, condition)| {
        let and = if condition.is_empty() { String::new() } else { format!(" AND ({condition})") };
        Asked { text: format!("SELECT {list} FROM t WHERE id = {id}{and}"), params: Vec::new() }
    });
    let values = prop_oneof![
        5 => (0..RECORDS).prop_map(|id| json!(id)),
        1 => prop::sample::select(vec![json!(null), json!("7"), json!(7.5), json!(7.0),
                                       json!(true), json!([1]), json!("x"), json!(-1)]),
    ];
    let param = (one_of(LISTS), values, condition()).prop_map(|(list, id, condition)| {
        let and = if condition.is_empty() { String::new() } else { format!(" AND ({condition})") };
        Asked { text: format!("SELECT {list} FROM t WHERE $1 = id{and}"), params: vec![id] }
    });
    let pair = (0..7_i64, 0..11_i64, one_of(&["*", "n", "a, n * 2"])).prop_map(|(a, b, list)| {
        let text = format!("SELECT {list} FROM pair WHERE b = 'b{b}' AND a = {a}");
        Asked { text, params: Vec::new() }
    });
    let document =
        (0..RECORDS, one_of(&["*", "n", "doc", "n::INT + 1", "e"])).prop_map(|(id, list)| {
            let text = format!("SELECT {list} FROM c WHERE _id = 'c{id}'");
            Asked { text, params: Vec::new() }
        });
    prop_oneof![4 => literal, 3 => param, 1 => pair, 1 => document]
}

fn floats(count: Range<usize>) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((-50_i32..50).prop_map(|tenths| f64::from(tenths) / 10.0 + 0.03), count)
}

/// Vectors are mostly of the right dimension.
fn nearest() -> impl Strategy<Value = Asked> {
    const NEAR: &[&str] =
        &["v, id", "id, name, v", "*", "id, v, k", "v, id, DISTANCE() AS d", "id + k, v, w"];
    let column = prop_oneof![
        4 => one_of(&["v <->", "v <=>", "v <#>"]).prop_map(|op| (op, 3_usize)),
        4 => one_of(&["w <=>", "w <->"]).prop_map(|op| (op, 2)),
        1 => Just(("v <->", 2)),
    ];
    let k = prop_oneof![8 => (1_u32..25).prop_map(|k| k.to_string()),
                        2 => one_of(&["0", "60", "100", "1"]).prop_map(str::to_owned)];
    let vector = column.prop_flat_map(|(op, n)| (Just(op), floats(n..n + 1)));
    let order = one_of(&["", "", "", " ASC", " NULLS LAST", " NULLS FIRST", " DESC"]);
    (one_of(NEAR), condition(), vector, k, any::<bool>(), order).prop_map(
        |(list, condition, (op, query), k, as_param, order)| {
            let wanted =
                if condition.is_empty() { String::new() } else { format!(" WHERE {condition}") };
            let query = json!(query);
            let (written, params) = if as_param {
                ("$1".to_owned(), vec![query])
            } else {
                (format!("'{query}'"), vec![])
            };
            let text =
                format!("SELECT {list} FROM t{wanted} ORDER BY {op} {written}{order} LIMIT {k}");
            Asked { text, params }
        },
    )
}

type Shown = (Vec<(String, String)>, Vec<Vec<Json>>);

fn shown(answers: Vec<Answer>) -> Shown {
    let answer = answers.into_iter().next_back().expect("one statement has one answer");
    let columns = answer.columns.iter().map(|c| (c.name.clone(), c.type_name.clone())).collect();
    (columns, answer.rows())
}

/// Rows without a vector are equally far: which of them comes first is not promised.
fn settled(asked: &Asked, (columns, mut rows): Shown) -> Shown {
    let at = columns.iter().position(|(name, _)| name == "v");
    match at {
        Some(at) if asked.text.contains("ORDER BY v") => {
            rows.iter_mut().filter(|row| row[at].is_null()).for_each(Vec::clear);
        }
        _ => {}
    }
    (columns, rows)
}

fn agree(shards: u16, strategy: impl Strategy<Value = Asked>) {
    with_database(shards, |open| {
        let (native, planned) = (open(), open());
        fill(&native);
        planned.ask("SET native = off").expect("a setting");
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new(config);
        let checked = runner.run(&strategy, |asked| {
            let one = native.ask_all(&asked.text, &asked.params);
            let other = planned.ask_all(&asked.text, &asked.params);
            match (one, other) {
                (Ok(one), Ok(other)) => {
                    let (one, other) = (settled(&asked, shown(one)), settled(&asked, shown(other)));
                    prop_assert_eq!(one, other);
                }
                // Of two things that are wrong, here a vector of another dimension and something
                // in a record, either is met first.
                (Err(one), Err(other)) if one.code == "22000" || other.code == "22000" => {}
                (Err(one), Err(other)) => prop_assert_eq!(one.code, other.code),
                // The planner drops what a condition that is never true makes unreachable.
                (Err(one), Ok(other))
                    if one.code == "22000" && shown(other.clone()).1.is_empty() => {}
                (one, other) => {
                    let told =
                        format!("native {:?}, planned {:?}", one.map(shown), other.map(shown));
                    prop_assert!(false, "{}", told);
                }
            }
            Ok(())
        });
        if let Err(error) = checked {
            panic!("{shards} shards: {error}");
        }
    });
}

#[test]
fn records_by_key_are_the_same_with_and_without_a_plan() {
    for shards in [1, 2, 8] {
        agree(shards, by_key());
    }
}

#[test]
fn nearest_records_are_the_same_with_and_without_a_plan() {
    for shards in [1, 2, 8] {
        agree(shards, nearest());
    }
}
