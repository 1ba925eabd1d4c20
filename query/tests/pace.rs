//! Does a statement that computes for long stop when its time is over, and let others run
//! meanwhile?

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pieskieo_io::time;
use support::{Client, with_database};

/// What would take from seconds to days, by the operator that takes them.
const LONG: [(&str, &str); 10] = [
    ("cross join", "SELECT count(*) FROM n a, n b, n c"),
    ("cross join under a sort", "SELECT a.i FROM n a, n b, n c ORDER BY a.i + b.i + c.i LIMIT 3"),
    ("cross join and a filter", "SELECT a.i FROM n a, n b, n c WHERE a.i + b.i + c.i = -1"),
    (
        "nested loop",
        "SELECT count(*) FROM n a JOIN n b ON a.i < b.i JOIN n c ON b.i * a.i < c.i - 9",
    ),
    ("nested loop without a pair", "SELECT a.i FROM wide a JOIN wide b ON a.i + b.i < -a.k"),
    ("hash join", "SELECT count(*) FROM n a JOIN n b ON a.k = b.k JOIN n c ON b.k = c.k"),
    (
        "hash join without a pair",
        "SELECT a.i FROM wide a JOIN wide b ON a.k = b.k AND a.i + b.i < -a.k",
    ),
    ("unnest", "SELECT count(*) FROM n a, n b, generate_series(a.i, 100000) AS g(x)"),
    (
        "window",
        "SELECT max(s) FROM (SELECT sum(a.i) OVER (ORDER BY b.i ROWS 2 PRECEDING) AS s
          FROM n a, n b, n c) w",
    ),
    (
        "recursion",
        "WITH RECURSIVE r (x) AS (SELECT 1 UNION ALL SELECT r.x + 1 FROM r, n WHERE n.i < 3)
         SELECT count(*) FROM r",
    ),
];

/// What may pass between the end of a statement's time and its answer. The goal is 50 ms on a machine
/// of its own; this is a build for tests beside other tests.
const GRACE: Duration = Duration::from_millis(500);

fn fill(client: &Client) {
    client.rows("CREATE TABLE n (i INT PRIMARY KEY, k INT)");
    client.rows("INSERT INTO n SELECT value, 1 FROM generate_series(1, 2000) AS s(value)");
    client.rows("CREATE TABLE wide (i INT PRIMARY KEY, k INT)");
    client.rows("INSERT INTO wide SELECT value, 1 FROM generate_series(1, 60000) AS s(value)");
}

#[test]
fn time_that_is_over_ends_every_operator() {
    for shards in [1, 2] {
        with_database(shards, |open| {
            let client = open();
            fill(&client);
            client.rows("SET statement_timeout = 100");
            let mut late = Vec::new();
            for (operator, text) in LONG {
                let began = time::now();
                let error = client.ask(text).expect_err(operator);
                let over = began.elapsed().saturating_sub(Duration::from_millis(100));
                assert_eq!(error.code, "57014", "{operator}: {error:?}");
                println!("{shards} shards, {operator}: {over:?} later");
                if over > GRACE {
                    late.push((operator, over));
                }
            }
            assert!(late.is_empty(), "{late:?}");
        });
    }
}

/// Planning computes the series once, however long that takes; what is made of them row by row must
/// not be there all at once.
#[test]
fn series_of_series_end_without_taking_all_memory() {
    with_database(1, |open| {
        let client = open();
        client.rows("SET statement_timeout = 3000");
        let text = "SELECT count(*) FROM generate_series(1, 1000000) AS a(x),
             generate_series(1, 1000000) AS b(y)";
        assert_eq!(client.ask(text).expect_err("it takes long").code, "57014");
        assert_eq!(client.rows("SELECT 1"), [[serde_json::json!(1)]]);
    });
}

#[test]
fn others_read_while_one_computes() {
    with_database(1, |open| {
        let (one, other) = (open(), open());
        fill(&one);
        one.rows("SET statement_timeout = 800");
        let texts = LONG.iter().filter(|(operator, _)| !operator.contains("sort"));
        for (operator, text) in texts {
            let is_over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let answer = one.ask(text);
                    is_over.store(true, Ordering::Relaxed);
                    assert_eq!(answer.expect_err(operator).code, "57014");
                });
                let mut reads = 0;
                let mut slowest = Duration::ZERO;
                while !is_over.load(Ordering::Relaxed) {
                    let began = time::now();
                    other.rows("SELECT k FROM n WHERE i = 7");
                    slowest = slowest.max(began.elapsed());
                    reads += 1;
                }
                println!("{operator}: {reads} reads meanwhile, the slowest in {slowest:?}");
                assert!(reads > 10, "{operator}: {reads} reads");
            });
        }
    });
}
