//! Do constraints hold in transactions, against concurrent clients, on every way of writing, and
//! after a restart?

mod support;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pieskieo_query::BulkConflict;
use pieskieo_query::bind::{IndexDefaults, bind, define, settle_unique};
use pieskieo_query::syntax::parse;
use pieskieo_shards::catalog::{Catalog, ConstraintKind};
use serde_json::{Value as Json, json};
use support::{Client, Errand, with_database, with_restarts};

const SCHEMA: &str = "
    CREATE SEQUENCE s CACHE 7;
    CREATE TABLE person (id BIGINT PRIMARY KEY, email TEXT UNIQUE, age INT CHECK (age >= 0));
    CREATE TABLE pet (id BIGINT PRIMARY KEY, person BIGINT REFERENCES person,
                      tag TEXT, UNIQUE (person, tag));
    CREATE TABLE task (id BIGINT GENERATED ALWAYS AS IDENTITY (CACHE 5) PRIMARY KEY,
                       person BIGINT REFERENCES person ON DELETE CASCADE);
    INSERT INTO person VALUES (1, 'a', 1), (2, 'b', 2), (3, NULL, 3)";

/// One line of a conversation: who says what, and the first value of the answer or the code of the
/// error that is expected.
type Line = (usize, &'static str, Expected);

#[derive(Clone, Copy, Debug)]
enum Expected {
    /// Any answer.
    Fine,
    /// The first value of the first row.
    Value(i64),
    /// An error of this code.
    Code(&'static str),
}

use Expected::{Code, Fine, Value};

/// Conversations of up to three clients, each with a database of its own.
const CONVERSATIONS: &[(&str, &[Line])] = &[
    (
        "a value that a transaction gives up is free in it at once, outside after COMMIT",
        &[
            (0, "BEGIN; DELETE FROM person WHERE id = 1", Fine),
            (0, "INSERT INTO person VALUES (9, 'a', 9)", Fine),
            (0, "SELECT id FROM person WHERE email = 'a'", Value(9)),
            (1, "INSERT INTO person VALUES (8, 'a', 8)", Code("23505")),
            (0, "INSERT INTO person VALUES (7, 'a', 7)", Code("23505")),
            (0, "ROLLBACK; BEGIN", Fine),
            (0, "UPDATE person SET email = 'z' WHERE id = 1", Fine),
            (0, "COMMIT", Fine),
            (1, "INSERT INTO person VALUES (8, 'a', 8)", Fine),
            (1, "INSERT INTO person VALUES (6, 'z', 6)", Code("23505")),
        ],
    ),
    (
        "savepoints put entries back",
        &[
            (0, "BEGIN; SAVEPOINT one; DELETE FROM person WHERE id = 1", Fine),
            (0, "INSERT INTO person VALUES (9, 'a', 9)", Fine),
            (0, "ROLLBACK TO one", Fine),
            (0, "INSERT INTO person VALUES (9, 'a', 9)", Fine),
            (0, "SELECT count(*) FROM person", Code("23505")),
            (0, "ROLLBACK TO one; INSERT INTO person VALUES (9, 'c', 9); SAVEPOINT two", Fine),
            (0, "SELECT id FROM person WHERE email = 'c'", Value(9)),
            (0, "DELETE FROM person WHERE id = 9; INSERT INTO person VALUES (10, 'c', 9)", Fine),
            (0, "ROLLBACK TO two; COMMIT", Fine),
            (1, "SELECT id FROM person WHERE email = 'c'", Value(9)),
            (1, "INSERT INTO person VALUES (11, 'c', 9)", Code("23505")),
            (1, "DELETE FROM person WHERE id = 9; INSERT INTO person VALUES (11, 'c', 9)", Fine),
        ],
    ),
    (
        "of two open transactions with one value the second to commit is refused",
        &[
            (0, "BEGIN; INSERT INTO person VALUES (10, 'new', 1)", Fine),
            (1, "BEGIN; INSERT INTO person VALUES (11, 'new', 1)", Fine),
            (0, "COMMIT", Fine),
            (1, "COMMIT", Code("40001")),
            (1, "INSERT INTO person VALUES (11, 'new', 1)", Code("23505")),
            (2, "SELECT count(*) FROM person WHERE email = 'new'", Value(1)),
        ],
    ),
    (
        "a parent that goes and a child that comes exclude each other, whoever is first",
        &[
            (0, "BEGIN; INSERT INTO pet VALUES (1, 3, 'x')", Fine),
            (1, "DELETE FROM person WHERE id = 3", Fine),
            (0, "COMMIT", Code("40001")),
            (2, "SELECT count(*) FROM pet", Value(0)),
            (0, "BEGIN; DELETE FROM person WHERE id = 2", Fine),
            (1, "INSERT INTO pet VALUES (2, 2, 'y')", Fine),
            (0, "COMMIT", Code("40001")),
            (0, "DELETE FROM person WHERE id = 2", Code("23503")),
            (2, "SELECT count(*) FROM person WHERE id = 2", Value(1)),
        ],
    ),
    (
        "also at level SNAPSHOT",
        &[
            (0, "BEGIN ISOLATION LEVEL SNAPSHOT; INSERT INTO pet VALUES (1, 3, 'x')", Fine),
            (1, "DELETE FROM person WHERE id = 3", Fine),
            (0, "COMMIT", Code("40001")),
            (0, "BEGIN ISOLATION LEVEL SNAPSHOT; DELETE FROM person WHERE id = 2", Fine),
            (1, "BEGIN ISOLATION LEVEL SNAPSHOT; INSERT INTO pet VALUES (2, 2, 'y')", Fine),
            (1, "COMMIT", Fine),
            (0, "COMMIT", Code("40001")),
            (2, "SELECT count(*) FROM person WHERE id = 2", Value(1)),
        ],
    ),
    (
        "a cascade meets children that come meanwhile",
        &[
            (0, "BEGIN; INSERT INTO task (person) VALUES (1), (1), (2)", Fine),
            (0, "COMMIT; BEGIN; DELETE FROM person WHERE id = 1", Fine),
            (0, "SELECT count(*) FROM task", Value(1)),
            (1, "SELECT count(*) FROM task", Value(3)),
            (1, "INSERT INTO task (person) VALUES (1)", Fine),
            (0, "COMMIT", Code("40001")),
            (0, "DELETE FROM person WHERE id = 1", Fine),
            (2, "SELECT count(*) FROM task", Value(1)),
        ],
    ),
    (
        "a parent and its child come and go in one transaction, and in one request",
        &[
            (0, "BEGIN; INSERT INTO person VALUES (5, 'e', 5)", Fine),
            (0, "INSERT INTO pet VALUES (5, 5, 'x')", Fine),
            (0, "DELETE FROM person WHERE id = 5", Code("23503")),
            (0, "ROLLBACK; BEGIN", Fine),
            (0, "INSERT INTO person VALUES (5, 'e', 5); INSERT INTO pet VALUES (5, 5, 'x')", Fine),
            (0, "SAVEPOINT a; DELETE FROM pet; DELETE FROM person WHERE id = 5", Fine),
            (0, "ROLLBACK TO a; COMMIT", Fine),
            (1, "SELECT count(*) FROM pet WHERE person = 5", Value(1)),
            (1, "DELETE FROM pet; DELETE FROM person", Fine),
            (1, "INSERT INTO pet VALUES (6, 1, 'x')", Code("23503")),
        ],
    ),
    (
        "a row that fails a condition stops the transaction until it goes back",
        &[
            (0, "BEGIN; INSERT INTO person VALUES (5, 'e', 5); SAVEPOINT a", Fine),
            (0, "UPDATE person SET age = -age", Code("23514")),
            (0, "SELECT 1", Code("25P02")),
            (0, "ROLLBACK TO a; COMMIT", Fine),
            (1, "SELECT count(*) FROM person WHERE age > 0", Value(4)),
        ],
    ),
    (
        "ON CONFLICT of a unique constraint that met a value committed since begins again",
        &[
            (0, "BEGIN; SELECT 1 FROM person", Fine),
            (1, "INSERT INTO person VALUES (5, 'e', 5)", Fine),
            (0, "INSERT INTO person VALUES (6, 'e', 6) ON CONFLICT (email) DO NOTHING", Fine),
            (0, "COMMIT", Code("40001")),
            (0, "INSERT INTO person VALUES (6, 'e', 6) ON CONFLICT (email) DO NOTHING", Fine),
            (0, "SELECT count(*) FROM person", Value(4)),
        ],
    ),
    (
        "numbers of a transaction are its own, and are not given back",
        &[
            (0, "BEGIN; SELECT nextval('s')", Fine),
            (0, "SELECT currval('s') - lastval()", Value(0)),
            (1, "SELECT currval('s')", Code("55000")),
            (0, "ROLLBACK", Fine),
            (0, "SELECT currval('s')", Code("55000")),
            (0, "BEGIN READ ONLY; SELECT nextval('s')", Code("25006")),
        ],
    ),
    (
        "a unique index made meanwhile holds for transactions begun before",
        &[
            (0, "BEGIN; INSERT INTO pet VALUES (1, 1, 'x')", Fine),
            (1, "INSERT INTO pet VALUES (2, 2, 'x')", Fine),
            (1, "CREATE UNIQUE INDEX pet_tag ON pet (tag)", Fine),
            (0, "COMMIT", Code("40001")),
            (0, "INSERT INTO pet VALUES (1, 1, 'x')", Code("23505")),
            (0, "INSERT INTO pet VALUES (1, 1, 'y')", Fine),
        ],
    ),
    (
        "a foreign key made meanwhile holds for transactions begun before",
        &[
            (0, "BEGIN; DELETE FROM person WHERE id = 3", Fine),
            (1, "CREATE TABLE late (person BIGINT REFERENCES person)", Fine),
            (1, "INSERT INTO late VALUES (3)", Fine),
            (0, "COMMIT", Code("40001")),
            (0, "DELETE FROM person WHERE id = 3", Code("23503")),
        ],
    ),
];

fn say(name: &str, client: &Client, text: &str, expected: Expected) {
    let said = client.ask(text);
    match (expected, said) {
        (Fine, Ok(_)) => {}
        (Value(value), Ok(answer)) => {
            let rows = answer.rows();
            let found = rows.first().and_then(|row| row.first()).and_then(Json::as_i64);
            assert_eq!(found, Some(value), "{name}: {text}: {rows:?}");
        }
        (Code(code), Err(error)) => {
            assert_eq!(error.code, code, "{name}: {text}: {error:?}");
            if text.ends_with("COMMIT") {
                client.join(None);
            }
        }
        (expected, Ok(answer)) => panic!("{name}: {text}: {expected:?}, {:?}", answer.rows()),
        (expected, Err(error)) => panic!("{name}: {text}: {expected:?}, {error:?}"),
    }
}

fn talk_all(shards: u16) {
    for (name, lines) in CONVERSATIONS {
        with_database(shards, |open| {
            let clients = [open(), open(), open()];
            clients[2].ask(SCHEMA).expect("the schema");
            for (who, text, expected) in *lines {
                say(name, &clients[*who], text, *expected);
            }
            clients[2].verify();
        });
    }
}

#[test]
fn conversations_on_one_shard() {
    talk_all(1);
}

#[test]
fn conversations_on_two_shards() {
    talk_all(2);
}

#[test]
fn conversations_on_eight_shards() {
    talk_all(8);
}

const CLIENTS: i64 = 4;
const ROUNDS: i64 = 20;

/// Runs a text at all clients at once, with a number for each. Returns the codes of the refusals.
fn at_once(clients: &[Client], act: impl Fn(i64) -> String) -> Vec<&'static str> {
    let refused = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (number, client) in (0..).zip(clients) {
            let (act, refused) = (act(number), &refused);
            scope.spawn(move || {
                if let Err(error) = client.ask(&act) {
                    refused.lock().expect("nobody panics here").push(error.code);
                }
            });
        }
    });
    refused.into_inner().expect("nobody panics here")
}

fn race(shards: u16) {
    with_database(shards, |open| {
        let clients: Vec<Client> = (0..CLIENTS).map(|_| open()).collect();
        let first = &clients[0];
        first.ask(SCHEMA).expect("the schema");
        for round in 0..ROUNDS {
            let refused = at_once(&clients, |number| {
                let id = 100 + round * CLIENTS + number;
                format!("INSERT INTO person VALUES ({id}, 'mail{round}', 1)")
            });
            assert_eq!(refused, ["23505"; CLIENTS as usize - 1], "round {round}");
            let at_once_too = at_once(&clients, |number| {
                let id = 1000 + round * CLIENTS + number;
                format!(
                    "INSERT INTO person VALUES ({id}, 'other{round}', 0) ON CONFLICT (email)
                     DO UPDATE SET age = person.age + 1"
                )
            });
            assert_eq!(at_once_too, [""; 0], "round {round}");
            let age = first.rows(&format!("SELECT age FROM person WHERE email = 'other{round}'"));
            assert_eq!(age, [[json!(CLIENTS - 1)]], "round {round}");
        }
        for round in 0..ROUNDS {
            let parent = 5000 + round;
            first.ask(&format!("INSERT INTO person VALUES ({parent}, NULL, 1)")).expect("a parent");
            let refused = at_once(&clients, |number| match number {
                0 => format!("DELETE FROM person WHERE id = {parent}"),
                _ => format!(
                    "INSERT INTO pet VALUES ({}, {parent}, 't{number}')",
                    parent * 10 + number
                ),
            });
            assert!(refused.iter().all(|code| *code == "23503"), "round {round}: {refused:?}");
            let parents = first.rows(&format!("SELECT count(*) FROM person WHERE id = {parent}"));
            let children = first.rows(&format!("SELECT count(*) FROM pet WHERE person = {parent}"));
            let (parents, children) = (&parents[0][0], &children[0][0]);
            let gone = *parents == json!(0);
            assert_eq!(*children, json!(if gone { 0 } else { CLIENTS - 1 }), "round {round}");
        }
        first.verify();
    });
}

#[test]
fn races_on_one_shard() {
    race(1);
}

#[test]
fn races_on_two_shards() {
    race(2);
}

#[test]
fn races_on_eight_shards() {
    race(8);
}

/// Inserts a row after the other until it is told to stop; while the index is made it may be
/// refused.
fn write_until(done: &AtomicBool, client: &Client, number: i32) {
    for id in (1_000_000 * number..).take_while(|_| !done.load(Ordering::Relaxed)) {
        let said = client.ask(&format!("INSERT INTO t VALUES ({id}, {id})"));
        if let Err(error) = said {
            assert_eq!(error.code, "40001", "{error:?}");
        }
    }
}

#[test]
fn an_index_made_among_writers_is_complete() {
    for shards in [1, 8] {
        with_database(shards, |open| {
            let clients: Vec<Client> = (0..CLIENTS).map(|_| open()).collect();
            let (first, writers) = clients.split_first().expect("there are clients");
            first.ask("CREATE TABLE t (id INT PRIMARY KEY, a INT)").expect("a table");
            // So many that making their entries takes several commits.
            let rows = (0..8_000).map(|id| json!({"id": id, "a": id})).collect();
            assert_eq!(first.load("t", rows, BulkConflict::Error).inserted, 8_000);
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for (number, client) in (1..).zip(writers) {
                    let done = &done;
                    scope.spawn(move || write_until(done, client, number));
                }
                for round in 0..3 {
                    let made = first.ask(&format!("CREATE UNIQUE INDEX i{round} ON t (a)"));
                    if made.is_err() {
                        done.store(true, Ordering::Relaxed);
                    }
                    made.expect("an index");
                }
                done.store(true, Ordering::Relaxed);
            });
            first.verify();
            let again = first.ask("INSERT INTO t VALUES (-1, 7999)");
            assert_eq!(again.expect_err("the value is there").code, "23505");
        });
    }
}

#[test]
fn an_index_made_while_its_table_is_emptied_holds() {
    for shards in [1, 8] {
        with_database(shards, |open| {
            let (maker, other) = (open(), open());
            maker.ask("CREATE TABLE t (id INT PRIMARY KEY, a INT)").expect("a table");
            for round in 0..8_u32 {
                // Every second table could not get the index as it is.
                let value = |id| if round % 2 == 0 { id } else { id / 2 };
                let rows = (0..6_000).map(|id| json!({"id": id, "a": value(id)})).collect();
                assert_eq!(maker.load("t", rows, BulkConflict::Error).inserted, 6_000);
                let made = std::thread::scope(|scope| {
                    scope.spawn(|| {
                        let pause = std::time::Duration::from_millis(u64::from(round) * 4);
                        std::thread::park_timeout(pause);
                        other.ask("TRUNCATE t").expect("an empty table");
                    });
                    maker.ask("CREATE UNIQUE INDEX i ON t (a)").map(drop)
                });
                let rows = maker.rows("SELECT count(*) FROM t");
                assert_eq!(rows, [[json!(0)]], "round {round}");
                other.ask("INSERT INTO t VALUES (1, 1)").expect("a row");
                let second = other.ask("INSERT INTO t VALUES (2, 1)").map(drop);
                match made {
                    Ok(()) => assert_eq!(second.expect_err("there is an index").code, "23505"),
                    Err(error) => {
                        assert_eq!(error.code, "23505", "{error:?}");
                        second.expect("there is no index");
                    }
                }
                maker.verify();
                maker.ask("DROP INDEX IF EXISTS i; TRUNCATE t").expect("as before");
            }
        });
    }
}

#[test]
fn numbers_are_given_once_also_after_a_restart() {
    let given = Mutex::new(HashSet::new());
    let take = |client: &Client| {
        let row = client.rows("SELECT nextval('s'), nextval('s')");
        for number in &row[0] {
            let number = number.as_i64().expect("a number");
            assert!(given.lock().expect("nobody panics here").insert(number), "{number} again");
        }
    };
    let some = |open: &dyn Fn() -> Client| {
        let clients: Vec<Client> = (0..CLIENTS).map(|_| open()).collect();
        std::thread::scope(|scope| {
            for client in &clients {
                scope.spawn(|| (0..25).for_each(|_| take(client)));
            }
        });
    };
    with_restarts(
        4,
        &[
            &|open| {
                open().ask(SCHEMA).expect("the schema");
                some(open);
                open().ask("INSERT INTO task (person) VALUES (1), (2)").expect("two tasks");
            },
            &some,
            &|open| {
                some(open);
                let client = open();
                client.ask("INSERT INTO task (person) VALUES (1), (2)").expect("two tasks");
                assert_eq!(client.rows("SELECT count(*) FROM task"), [[json!(4)]]);
            },
        ],
    );
    let given = given.into_inner().expect("nobody panics here");
    assert_eq!(given.len() as i64, 3 * CLIENTS * 50);
}

#[test]
fn constraints_hold_after_a_restart() {
    with_restarts(
        2,
        &[
            &|open| {
                let client = open();
                client.ask(SCHEMA).expect("the schema");
                client.ask("INSERT INTO pet VALUES (1, 1, 'x')").expect("a pet");
                client.ask("CREATE UNIQUE INDEX by_age ON person (age)").expect("an index");
            },
            &|open| {
                let client = open();
                for (text, code) in [
                    ("INSERT INTO person VALUES (9, 'a', 9)", "23505"),
                    ("INSERT INTO person VALUES (9, 'y', 1)", "23505"),
                    ("INSERT INTO person VALUES (9, 'y', -1)", "23514"),
                    ("INSERT INTO pet VALUES (2, 7, 'x')", "23503"),
                    ("DELETE FROM person WHERE id = 1", "23503"),
                    ("INSERT INTO task (id, person) VALUES (1, 1)", "428C9"),
                ] {
                    assert_eq!(client.ask(text).expect_err(text).code, code, "{text}");
                }
                client.verify();
            },
        ],
    );
}

#[test]
fn refusals_name_constraint_table_and_values() {
    with_database(2, |open| {
        let client = open();
        client.ask(SCHEMA).expect("the schema");
        client.ask("INSERT INTO pet VALUES (1, 1, 'x')").expect("a pet");
        for (text, constraint, detail) in [
            (
                "INSERT INTO person VALUES (9, 'a', 9)",
                "person_email_key",
                "Key (email)=(a) already exists.",
            ),
            (
                "INSERT INTO pet VALUES (2, 1, 'x')",
                "pet_person_tag_key",
                "Key (person, tag)=(1, x) already exists.",
            ),
            (
                "INSERT INTO person VALUES (9, NULL, -3)",
                "person_age_check",
                "Failing row contains (9, null, -3).",
            ),
            (
                "INSERT INTO pet VALUES (2, 77, 'x')",
                "pet_person_fkey",
                "Key (person)=(77) is not present in table \"person\".",
            ),
            (
                "DELETE FROM person WHERE id = 1",
                "pet_person_fkey",
                "Key (id)=(1) is still referenced from table \"pet\".",
            ),
        ] {
            let error = client.ask(text).expect_err(text);
            assert_eq!(error.constraint.as_deref(), Some(constraint), "{text}: {error:?}");
            assert!(error.message.contains(constraint), "{text}: {error:?}");
            assert_eq!(error.detail.as_deref(), Some(detail), "{text}");
        }
        assert_eq!(client.rows("SELECT count(*) FROM person"), [[json!(3)]]);
    });
}

#[test]
fn record_routes_and_loads_keep_constraints() {
    for shards in [1, 2, 8] {
        with_database(shards, |open| {
            let client = open();
            client.ask(SCHEMA).expect("the schema");
            client
                .ask("CREATE TABLE tree (id INT PRIMARY KEY, up INT REFERENCES tree)")
                .expect("t");
            let code = |errand: Errand| client.run(errand).expect_err("a refusal").code;
            let taken = json!({"email": "a", "age": 1});
            assert_eq!(code(Errand::Put("person", "9", taken)), "23505");
            assert_eq!(code(Errand::Put("person", "9", json!({"age": -1}))), "23514");
            assert_eq!(code(Errand::Patch("person", "2", json!({"email": "a"}))), "23505");
            assert_eq!(code(Errand::Put("pet", "1", json!({"person": 9}))), "23503");
            assert_eq!(code(Errand::Put("task", "1", json!({"person": 1}))), "428C9");
            client.run(Errand::Put("pet", "1", json!({"person": 1}))).expect("a pet");
            client.run(Errand::Put("pet", "1", json!({"person": 1, "tag": "x"}))).expect("again");
            assert_eq!(code(Errand::Delete("person", "1")), "23503");
            client.run(Errand::Patch("person", "1", json!({"email": null}))).expect("no mail");
            client.run(Errand::Patch("person", "2", json!({"email": "a"}))).expect("free now");
            client.ask("INSERT INTO task (person) VALUES (3)").expect("a task");
            client.run(Errand::Delete("person", "3")).expect("with its task");
            assert_eq!(client.rows("SELECT count(*) FROM task"), [[json!(0)]]);

            let people = (0..3000).map(|id| {
                let mail = if id % 1000 == 7 { "same".to_owned() } else { format!("m{id}") };
                json!({"id": 100 + id, "email": mail, "age": if id == 50 { -1 } else { id }})
            });
            let people: Vec<Json> = people.collect();
            let report = client.load("person", people.clone(), BulkConflict::Error);
            let why: Vec<_> = report.errors.iter().map(|e| (e.record, e.error.code)).collect();
            assert_eq!(why, [(50, "23514"), (1007, "23505"), (2007, "23505")]);
            assert_eq!((report.inserted, report.failed), (2997, 3));
            let report = client.load("person", people.clone(), BulkConflict::Skip);
            assert_eq!((report.inserted, report.skipped, report.failed), (0, 2999, 1));
            let report = client.load("person", people, BulkConflict::Replace);
            assert_eq!((report.inserted, report.failed), (2997, 3));

            let tree =
                (0..2000).map(|id| json!({"id": id, "up": if id == 9 { 5000 } else { id / 2 }}));
            let report = client.load("tree", tree.collect(), BulkConflict::Error);
            // Whatever is below 9 has nothing to refer to either, as far as it comes later.
            assert!(report.failed >= 1 && report.inserted + report.failed == 2000);
            assert_eq!(report.errors[0].error.code, "23503");
            let below = client.rows("SELECT count(*) FROM tree WHERE id IN (9, 18, 19, 36)");
            assert_eq!(below, [[json!(0)]]);
            client.verify();
        });
    }
}

/// A crash in the middle of CREATE UNIQUE INDEX leaves the mark of a process that is gone.
#[test]
fn an_index_that_a_process_left_unfinished_is_not_there() {
    let defined = |catalog: &Catalog, text: &str| {
        let statement = &parse(text).expect("a statement")[0].statement;
        define(catalog, statement, IndexDefaults::default()).expect(text).expect("a change")
    };
    let bare = defined(&Catalog::empty(2), "CREATE TABLE t (id INT PRIMARY KEY, a INT)");
    let mut left = defined(&bare, "CREATE UNIQUE INDEX i ON t (a)");
    for table in left.tables.values_mut() {
        for constraint in &mut Arc::make_mut(table).constraints {
            if let ConstraintKind::Unique(unique) = &mut Arc::make_mut(constraint).kind {
                // Numbers of processes are odd.
                unique.filling = Some(2);
            }
        }
    }
    let upsert = "INSERT INTO t VALUES (1, 1) ON CONFLICT (a) DO NOTHING";
    let bound = |catalog: &Catalog| {
        bind(catalog, parse(upsert).expect("a statement").remove(0).statement).map(drop)
    };
    assert_eq!(bound(&left).expect_err("no constraint").code, "42P16");
    let again = defined(&left, "CREATE UNIQUE INDEX i ON t (a)");
    assert_eq!(again.tables.len(), 2, "the table and its entries");
    assert_eq!(again.version.0, left.version.0 + 1);
    let made = settle_unique(&again, "i", true).expect("it was being made");
    bound(&made).expect("a constraint in force");
    let broken = settle_unique(&again, "i", false).expect("it was being made");
    assert_eq!(broken.tables.len(), 1);
    assert!(broken.index_named("i").is_none());
    let dropped = defined(&left, "DROP INDEX i");
    assert_eq!(dropped.tables.len(), 1);
}
