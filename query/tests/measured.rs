//! Are statements counted, on whatever core they run, and is a slow one logged?

mod support;

use std::fmt::{Debug, Write};
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use pieskieo_query::SessionOptions;
use serde_json::{Value as Json, json};
use support::{Client, with_database, with_options};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// What was logged in this process, and who may log now: tests take turns.
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());
static TURN: LazyLock<Mutex<()>> = LazyLock::new(|| {
    // Set once: nobody else in this process does.
    tracing::subscriber::set_global_default(Log).expect("the first subscriber");
    Mutex::default()
});

/// Keeps warnings, a line each.
struct Log;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).expect("writing to a string");
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        LOGGED.lock().expect("nobody panics while logging").push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn turn() -> MutexGuard<'static, ()> {
    let turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    LOGGED.lock().expect("nobody panics while logging").clear();
    turn
}

/// Returns the warnings about slow statements whose text begins so.
fn slow(beginning: &str) -> Vec<String> {
    let logged = LOGGED.lock().expect("nobody panics while logging");
    let begins = format!("statement={beginning:?}");
    let begins = begins.trim_end_matches('"');
    let about = |line: &&String| line.contains("slow statement") && line.contains(begins);
    logged.iter().filter(about).cloned().collect()
}

/// Returns calls, errors and rows of a form.
fn counted(client: &Client, form: &str) -> Vec<Json> {
    let text =
        format!("SELECT calls, errors, rows FROM pieskieo.statements WHERE statement = '{form}'");
    client.rows(&text).into_iter().next().unwrap_or_default()
}

#[test]
fn runs_on_all_cores_add_up() {
    let _turn = turn();
    with_database(2, |open| {
        // Sessions are opened on both cores in turn.
        let clients = [open(), open(), open()];
        clients[0].rows("CREATE TABLE city (name TEXT PRIMARY KEY, people INT)");
        for (number, client) in clients.iter().enumerate() {
            client.rows(&format!("INSERT INTO city VALUES ('c{number}', {number})"));
        }
        for client in &clients {
            for number in 0..3 {
                client.rows(&format!("SELECT people FROM city WHERE name = 'c{number}'"));
            }
            client.ask("SELECT people FROM city WHERE name = 'c1' AND people / 0 = 1").unwrap_err();
            client.rows("SELECT count(*) FROM city");
        }
        for client in &clients {
            let point = "select people from city where name = $1";
            assert_eq!(counted(client, point), [json!(9), json!(0), json!(9)]);
            let failed = "select people from city where name = $1 and people / $2 = $3";
            assert_eq!(counted(client, failed), [json!(3), json!(3), json!(0)]);
            assert_eq!(
                counted(client, "insert into city values ($1, ...)"),
                [json!(3), json!(0), json!(3)]
            );
            assert_eq!(
                counted(client, "select count(*) from city"),
                [json!(3), json!(0), json!(3)]
            );
        }
    });
}

#[test]
fn a_statement_that_runs_out_of_time_counts_as_failed() {
    let _turn = turn();
    with_database(2, |open| {
        let client = open();
        client.rows("CREATE TABLE n (i INT PRIMARY KEY)");
        let rows: Vec<String> = (0..400).map(|number| format!("({number})")).collect();
        client.rows(&format!("INSERT INTO n VALUES {}", rows.join(", ")));
        client.rows("SET statement_timeout = 20");
        let text = "SELECT count(*) FROM n a, n b, n c WHERE a.i + b.i + c.i = 7";
        assert_eq!(client.ask(text).unwrap_err().code, "57014");
        client.rows("SET statement_timeout = 0");
        let form = "select count(*) from n a, n b, n c where a.i + b.i + c.i = $1";
        assert_eq!(counted(&client, form), [json!(1), json!(1), json!(0)]);
    });
}

#[test]
fn slow_statements_are_logged_with_their_plans() {
    let _turn = turn();
    let options = SessionOptions { slow_statement: Some(Duration::ZERO), ..Default::default() };
    with_options(2, options, |open| {
        let client = open();
        client.rows("CREATE TABLE city (name TEXT PRIMARY KEY, people INT)");
        client.rows("INSERT INTO city VALUES ('Bern', 1), ('Oslo', 2)");
        client.rows("SELECT people FROM city WHERE name = 'Bern'");
        client.rows("SELECT sum(people) AS p FROM city WHERE people > 1");
        client.rows("UPDATE city SET people = 3 WHERE people = 2; SELECT 1 AS one");
        client.ask("SELECT nothing FROM city").unwrap_err();
        let long = format!("SELECT name /* {} */ FROM city", "x".repeat(30_000));
        client.rows(&long);
        client.rows("SET slow_statement_ms = -1");
        client.rows("SELECT people FROM city WHERE name = 'Oslo'");
    });
    let only = |beginning: &str| {
        let lines = slow(beginning);
        assert_eq!(lines.len(), 1, "{beginning}: {lines:#?}");
        lines.into_iter().next().expect("one line")
    };
    assert!(only("CREATE TABLE city").contains("error=\"none\""));
    let insert = only("INSERT INTO city");
    assert!(insert.contains("rows=2") && insert.contains("Insert into city"), "{insert}");
    let point = only("SELECT people FROM city WHERE name = 'Bern'");
    assert!(point.contains("rows=1") && point.contains("Read city: primary key"), "{point}");
    let planned = only("SELECT sum");
    assert!(planned.contains("Scan city") && planned.contains("AggregateExec"), "{planned}");
    let update = only("UPDATE city");
    assert!(update.contains("Update city\\n  Gather") && update.contains("Scan city"), "{update}");
    assert!(!update.contains("SELECT 1 AS one"), "{update}");
    assert!(only("SELECT nothing").contains("error=\"42703\""));
    let long = only("SELECT name /* xxx");
    assert!(long.len() < 3_000, "{} bytes", long.len());
    assert!(slow("SELECT people FROM city WHERE name = 'Oslo'").is_empty());
}

#[test]
fn set_lasts_as_long_as_the_transaction() {
    let _turn = turn();
    with_database(1, |open| {
        let client = open();
        client.rows("BEGIN; SET slow_statement_ms = 0");
        client.rows("SELECT 1 AS within");
        client.rows("ROLLBACK");
        client.rows("SELECT 1 AS after");
    });
    assert_eq!((slow("SELECT 1 AS within").len(), slow("SELECT 1 AS after").len()), (1, 0));
}

#[test]
fn open_transactions_are_seen_by_others() {
    let _turn = turn();
    with_database(2, |open| {
        let (one, other, third) = (open(), open(), open());
        one.rows("CREATE TABLE city (name TEXT PRIMARY KEY)");
        one.rows("BEGIN; INSERT INTO city VALUES ('Bern')");
        one.rows("SELECT name FROM city");
        other.rows("BEGIN ISOLATION LEVEL SNAPSHOT");
        other.ask("SELECT nothing FROM city").unwrap_err();
        let text = "SELECT state, isolation, statements, write_bytes > 0 AS wrote, \
                    age_ms >= idle_ms AS older, begun <= now() AS begun \
                    FROM pieskieo.transactions ORDER BY state DESC";
        let seen = third.rows(text);
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert_eq!(
            seen[0],
            [json!("idle"), json!("serializable"), json!(2), json!(true), json!(true), json!(true)]
        );
        assert_eq!(seen[1][..4], [json!("failed"), json!("snapshot"), json!(1), json!(false)]);
        one.rows("COMMIT");
        other.rows("ROLLBACK");
        assert_eq!(third.rows(text).len(), 0);
    });
}

#[test]
fn many_forms_and_large_catalogs_are_read_in_batches() {
    let _turn = turn();
    with_database(2, |open| {
        let client = open();
        for table in 0..10 {
            let columns: Vec<String> = (0..1_000).map(|number| format!("c{number} INT")).collect();
            client.rows(&format!("CREATE TABLE t{table} ({})", columns.join(", ")));
        }
        for number in 0..1_100 {
            client.rows(&format!("SELECT 1 AS a{number}"));
        }
        let columns =
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public'";
        assert_eq!(client.rows(columns), [[json!(10_000)]]);
        let wide = "SELECT count(*) FROM (SELECT a.column_name \
                    FROM information_schema.columns a JOIN pieskieo.columns b \
                    ON a.column_name = b.name AND a.table_name = b.table_name \
                    ORDER BY a.column_name) AS x";
        assert_eq!(client.rows(wide), [[json!(10_000)]]);
        let forms = client.rows("SELECT count(*) FROM pieskieo.statements");
        assert_eq!(forms, [[json!(1_000)]]);
    });
}
