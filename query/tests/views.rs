//! Do views outlive a restart, and do readers of a materialized view ever see a part of a refresh?

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use pieskieo_query::BulkConflict;
use serde_json::json;
use support::{Client, Errand, with_database, with_restarts};

/// How often is looked for what happens behind the client's back: for minutes.
const ATTEMPTS_MAX: usize = 1_000_000;

fn code_of(client: &Client, text: &str) -> String {
    match client.ask(text) {
        Ok(_) => "fine".to_owned(),
        Err(error) => error.code.to_owned(),
    }
}

#[test]
fn views_are_there_after_a_restart() {
    with_restarts(
        2,
        &[
            &|open| {
                let client = open();
                let text = "CREATE TABLE t (id INT PRIMARY KEY, a INT);
                    INSERT INTO t VALUES (1, 10), (2, 20);
                    CREATE VIEW v AS SELECT * FROM t WHERE a > 10;
                    CREATE MATERIALIZED VIEW m AS SELECT a FROM t;
                    CREATE UNIQUE INDEX m_a ON m (a);
                    CREATE MATERIALIZED VIEW e AS SELECT id FROM v WITH NO DATA;
                    CREATE TABLE c AS SELECT * FROM v";
                client.ask(text).expect("views");
            },
            &|open| {
                let client = open();
                assert_eq!(client.rows("SELECT id, a FROM v"), [[json!(2), json!(20)]]);
                assert_eq!(client.rows("SELECT id, a FROM c"), [[json!(2), json!(20)]]);
                assert_eq!(client.rows("SELECT count(*) FROM m"), [[json!(2)]]);
                assert_eq!(code_of(&client, "SELECT * FROM e"), "55000");
                let text = "INSERT INTO t VALUES (3, 30); REFRESH MATERIALIZED VIEW m;
                    REFRESH MATERIALIZED VIEW e";
                client.ask(text).expect("a refresh");
                assert_eq!(client.rows("SELECT sum(a) FROM m"), [[json!(60)]]);
                assert_eq!(code_of(&client, "DROP TABLE t"), "2BP01");
                client.verify();
            },
            &|open| {
                let client = open();
                assert_eq!(client.rows("SELECT count(*) FROM e"), [[json!(2)]]);
                assert_eq!(client.rows("SELECT sum(a) FROM m"), [[json!(60)]]);
                client.ask("DROP TABLE t CASCADE").expect("all of it goes");
                assert_eq!(code_of(&client, "SELECT * FROM m"), "42P01");
            },
        ],
    );
}

/// All rows of the table have the same number at all times. Two clients refresh, one changes.
#[test]
fn a_refresh_is_seen_whole_or_not_at_all() {
    const ROWS: usize = 300;
    const REFRESHES: usize = 30;
    with_database(4, |open| {
        let client = open();
        client.ask("CREATE TABLE t (id INT PRIMARY KEY, a INT)").expect("a table");
        let rows: Vec<String> = (0..ROWS).map(|id| format!("({id}, 0)")).collect();
        client.ask(&format!("INSERT INTO t VALUES {}", rows.join(", "))).expect("rows");
        client.ask("CREATE MATERIALIZED VIEW m AS SELECT id, a FROM t").expect("a view");
        let over = AtomicBool::new(false);
        let clients: Vec<Client> = (0..4).map(|_| open()).collect();
        std::thread::scope(|scope| {
            let [reader, changer, first, second] = clients.as_slice() else { panic!("4 clients") };
            let over = &over;
            let running = move || !over.load(Ordering::Relaxed);
            scope.spawn(move || {
                while running() {
                    let seen = reader.rows("SELECT count(*), max(a) - min(a) FROM m");
                    assert_eq!(seen, [[json!(ROWS), json!(0)]]);
                }
            });
            scope.spawn(move || {
                while running() {
                    changer.ask("UPDATE t SET a = a + 1").expect("a change");
                }
            });
            let refresh = |refresher: &Client| {
                for _ in 0..REFRESHES {
                    refresher.ask("REFRESH MATERIALIZED VIEW m").expect("a refresh");
                }
            };
            let refreshing = [first, second].map(|one| scope.spawn(move || refresh(one)));
            let ended = refreshing.map(|one| one.join());
            over.store(true, Ordering::Relaxed);
            assert!(ended.iter().all(Result::is_ok), "every refresh succeeds");
        });
        client.ask("REFRESH MATERIALIZED VIEW m").expect("the last refresh");
        let same = "SELECT count(*) FROM m JOIN t ON t.id = m.id AND t.a = m.a";
        assert_eq!(client.rows(same), [[json!(ROWS)]]);
        client.verify();
    });
}

#[test]
fn a_transaction_goes_on_seeing_what_a_refresh_replaced() {
    with_database(2, |open| {
        let (first, second) = (open(), open());
        let text = "CREATE TABLE t (a INT); INSERT INTO t VALUES (1);
            CREATE MATERIALIZED VIEW m AS SELECT a FROM t";
        first.ask(text).expect("a view");
        first.ask("BEGIN; SELECT count(*) FROM m").expect("a transaction");
        second.ask("DELETE FROM t; REFRESH MATERIALIZED VIEW m").expect("a refresh");
        assert_eq!(second.rows("SELECT count(*) FROM m"), [[json!(0)]]);
        assert_eq!(first.rows("SELECT a FROM m"), [[json!(1)]]);
        first.ask("COMMIT").expect("it has only read");
        assert_eq!(first.rows("SELECT count(*) FROM m"), [[json!(0)]]);
    });
}

/// Content that came into a view from outside of transactions is not for older snapshots.
#[test]
fn who_began_before_a_view_was_filled_begins_again() {
    with_database(2, |open| {
        let (first, second) = (open(), open());
        let text = "CREATE TABLE t (a INT); INSERT INTO t VALUES (1);
            CREATE MATERIALIZED VIEW m AS SELECT a FROM t WITH NO DATA";
        first.ask(text).expect("a view");
        let commit = second.rows("SHOW commit_id")[0][0].as_str().expect("a number").to_owned();
        first.ask("BEGIN; SELECT count(*) FROM t").expect("a transaction");
        second.ask("REFRESH MATERIALIZED VIEW m").expect("a refresh");
        assert_eq!(second.rows("SELECT a FROM m"), [[json!(1)]]);
        assert_eq!(code_of(&first, "SELECT a FROM m"), "40001");
        first.ask("ROLLBACK").expect("it is open");
        assert_eq!(first.rows("SELECT a FROM m"), [[json!(1)]]);
        let past = format!("SELECT a FROM m AS OF COMMIT {commit}");
        assert_eq!(code_of(&first, &past), "72000");
    });
}

/// Whoever comes second finds the name taken, whoever comes first all of its records.
#[test]
fn of_two_that_make_the_same_table_one_does() {
    with_database(2, |open| {
        let client = open();
        client.ask("CREATE TABLE t (a INT)").expect("a table");
        let rows: Vec<String> = (0..500).map(|a| format!("({a})")).collect();
        client.ask(&format!("INSERT INTO t VALUES {}", rows.join(", "))).expect("rows");
        let clients: Vec<Client> = (0..4).map(|_| open()).collect();
        let make = "CREATE TABLE c AS SELECT x.a FROM t x, t y WHERE y.a < 20";
        let codes: Vec<String> = std::thread::scope(|scope| {
            let making: Vec<_> =
                clients.iter().map(|client| scope.spawn(|| code_of(client, make))).collect();
            making.into_iter().map(|one| one.join().expect("no panic")).collect()
        });
        let made = codes.iter().filter(|code| *code == "fine").count();
        let refused = codes.iter().filter(|code| *code == "42P07").count();
        assert_eq!((made, refused), (1, 3), "{codes:?}");
        assert_eq!(client.rows("SELECT count(*) FROM c"), [[json!(10_000)]]);
    });
}

/// Out of time in the middle of it, nothing stays, neither the table nor its name.
#[test]
fn what_runs_out_of_time_leaves_nothing() {
    with_database(2, |open| {
        let client = open();
        client.ask("CREATE TABLE t (a INT)").expect("a table");
        let rows: Vec<String> = (0..1000).map(|a| format!("({a})")).collect();
        client.ask(&format!("INSERT INTO t VALUES {}", rows.join(", "))).expect("rows");
        for made in ["TABLE", "MATERIALIZED VIEW"] {
            client.ask("SET statement_timeout = 100").expect("a setting");
            let text = format!("CREATE {made} c AS SELECT x.a FROM t x, t y, t z");
            assert_eq!(code_of(&client, &text), "57014");
            client.ask("SET statement_timeout = 0").expect("a setting");
            assert_eq!(code_of(&client, "SELECT * FROM c"), "42P01");
            // It is taken back behind the client's back.
            let again = format!("CREATE {made} c AS SELECT a FROM t");
            let mut codes = std::iter::repeat_with(|| code_of(&client, &again)).take(ATTEMPTS_MAX);
            let ended = codes.find(|code| code != "42P07");
            assert_eq!(ended.as_deref(), Some("fine"), "the name is free again");
            assert_eq!(client.rows("SELECT count(*) FROM c"), [[json!(1000)]]);
            client.ask(&format!("DROP {made} c")).expect("it is there");
        }
    });
}

/// As deep as it gets, views in views are planned; one more is refused.
#[test]
fn views_in_views_end_in_a_refusal() {
    with_database(2, |open| {
        let client = open();
        client.ask("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)").expect("a table");
        client.ask("CREATE VIEW v0 AS SELECT a FROM t").expect("a view");
        let mut last = 0;
        let refused = loop {
            let next = last + 1;
            let text = format!("CREATE VIEW v{next} AS SELECT a FROM v{last} WHERE (a > 0)");
            match code_of(&client, &text).as_str() {
                "fine" if next < 1000 => last = next,
                code => break code.to_owned(),
            }
        };
        assert_eq!(refused, "54001");
        assert_eq!(client.rows(&format!("SELECT a FROM v{last}")), [[json!(1)]]);
        let nested = format!("{}1{}", "(".repeat(120), ")".repeat(120));
        client.ask(&format!("CREATE VIEW deep AS SELECT {nested} AS a")).expect("a view");
        assert_eq!(code_of(&client, "SELECT a FROM deep"), "fine");
    });
}

#[test]
fn records_are_not_loaded_into_views() {
    with_database(2, |open| {
        let client = open();
        let text = "CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a FROM t;
            CREATE MATERIALIZED VIEW m AS SELECT a FROM t";
        client.ask(text).expect("views");
        for (table, code) in [("v", "55000"), ("m", "42809")] {
            let record = || json!({"a": 1});
            let errands = [
                Errand::Load(table, vec![record()], BulkConflict::Error),
                Errand::Put(table, "1", record()),
                Errand::Patch(table, "1", record()),
                Errand::Delete(table, "1"),
            ];
            for errand in errands {
                let refused = client.run(errand).map_err(|error| error.code);
                assert_eq!(refused.map(|_| ()), Err(code));
            }
        }
    });
}
