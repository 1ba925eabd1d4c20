//! Does the door of PostgreSQL's protocol keep its promises, message by message?

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what surprises a test stops it, and it looks at the server from outside"
)]

mod channel;
mod copy;
mod cursor;
mod lock;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use pieskieo::serve::Server;
use support::pg::{self, Pg, about, bind, execute, message, parse, query, shown, startup, sync};
use support::{Folder, config};

/// Starts a server of two shards and talks with its door.
pub fn talk(talk: impl FnOnce(SocketAddr)) {
    let folder = Folder::fresh();
    let mut config = config(&folder, 2);
    config.pg_listen = Some("127.0.0.1:0".parse().unwrap());
    serve(config, talk);
}

/// Starts a server and talks with its door.
fn serve(config: pieskieo::config::Config, talk: impl FnOnce(SocketAddr)) {
    let server = Server::start(config).unwrap();
    let stopper = server.stopper();
    let (server, facts) = server.wait_ready().unwrap();
    // A test that fails must not wait for a server that nobody stops.
    let talked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        talk(facts.postgres.unwrap());
    }));
    stopper.stop();
    server.join().unwrap();
    if let Err(cause) = talked {
        std::panic::resume_unwind(cause);
    }
}

#[test]
fn a_text_of_statements_is_answered_as_postgres_answers() {
    talk(|address| {
        let mut pg = Pg::open(address);
        for (text, expected) in [
            ("", "empty | ready I"),
            (" ; -- nothing", "empty | ready I"),
            ("SELECT 1 AS a, 'x' AS b", "columns a:20 b:25 | row 1,x | SELECT 1 | ready I"),
            (
                "CREATE TABLE t (a INT PRIMARY KEY, b TEXT, c NUMERIC(6, 2))",
                "CREATE TABLE | ready I",
            ),
            ("INSERT INTO t VALUES (1, 'x', 1.5), (2, NULL, 2)", "INSERT 0 2 | ready I"),
            (
                "SELECT a, b, c, a > 1 AS d FROM t ORDER BY a",
                "columns a:23 b:25 c:1700 d:16 | row 1,x,1.50,f | row 2,NULL,2.00,t | SELECT 2 | \
                 ready I",
            ),
            ("UPDATE t SET b = 'y' WHERE a = 2", "UPDATE 1 | ready I"),
            ("DELETE FROM t WHERE a = 9", "DELETE 0 | ready I"),
            (
                "INSERT INTO t VALUES (3) RETURNING a, b",
                "columns a:23 b:25 | row 3,NULL | INSERT 0 1 | ready I",
            ),
            (
                "SELECT a FROM t WHERE false; SELECT 2 AS b",
                "columns a:23 | SELECT 0 | columns b:20 | row 2 | SELECT 1 | ready I",
            ),
            ("SELECT nothing FROM t", "ERROR 42703 at 8 | ready I"),
            ("SELECT 1; SELEC 2", "ERROR 42601 at 11 | ready I"),
            ("INSERT INTO t VALUES (9); INSERT INTO t VALUES (1)", "ERROR 23505 | ready I"),
            ("SELECT count(*) AS n FROM t", "columns n:20 | row 3 | SELECT 1 | ready I"),
            ("SELECT $1", "ERROR 42P02 | ready I"),
            ("SET datestyle TO 'ISO, DMY'", "set DateStyle=ISO, DMY | SET | ready I"),
            ("SHOW datestyle", "columns datestyle:25 | row ISO, DMY | SHOW | ready I"),
            ("RESET datestyle", "set DateStyle=ISO, MDY | RESET | ready I"),
            ("SET timezone = 'Europe/Zurich'", "ERROR 22023 | ready I"),
            ("SET application_name = a; DISCARD ALL", "SET | DISCARD ALL | ready I"),
            (
                "SELECT pg_advisory_unlock_all() AS a; CLOSE ALL; UNLISTEN *; RESET ALL",
                "columns a:25 | row  | SELECT 1 | CLOSE CURSOR ALL | UNLISTEN | RESET | ready I",
            ),
            ("BEGIN; DISCARD ALL", "BEGIN | ERROR 25001 | ready E"),
            ("ROLLBACK", "ROLLBACK | ready I"),
        ] {
            let told = pg.query(text);
            // Whether a change of a setting is told before or after its end does not matter.
            let mut parts: Vec<&str> = told.split(" | ").collect();
            let mut wanted: Vec<&str> = expected.split(" | ").collect();
            if expected.starts_with("set ") {
                parts.sort_unstable();
                wanted.sort_unstable();
            }
            assert_eq!(parts, wanted, "{text}");
        }
    });
}

#[test]
fn transactions_belong_to_their_connection() {
    talk(|address| {
        let (mut one, mut two) = (Pg::open(address), Pg::open(address));
        one.query("CREATE TABLE t (a INT PRIMARY KEY)");
        for (text, expected) in [
            ("BEGIN", "BEGIN | ready T"),
            ("BEGIN", "WARNING 25001 | BEGIN | ready T"),
            ("INSERT INTO t VALUES (1)", "INSERT 0 1 | ready T"),
            ("SAVEPOINT s", "SAVEPOINT | ready T"),
            ("INSERT INTO t VALUES (1)", "ERROR 23505 | ready E"),
            ("SELECT 1", "ERROR 25P02 | ready E"),
            ("ROLLBACK TO s", "ROLLBACK | ready T"),
            ("SELECT a FROM t", "columns a:23 | row 1 | SELECT 1 | ready T"),
        ] {
            assert_eq!(one.query(text), expected, "{text}");
        }
        assert_eq!(two.query("SELECT a FROM t"), "columns a:23 | SELECT 0 | ready I");
        assert_eq!(one.query("COMMIT"), "COMMIT | ready I");
        assert_eq!(two.query("SELECT a FROM t"), "columns a:23 | row 1 | SELECT 1 | ready I");
        for (text, expected) in [
            ("COMMIT", "WARNING 25P01 | COMMIT | ready I"),
            (
                "BEGIN; INSERT INTO t VALUES (2); SELECT nothing",
                "BEGIN | INSERT 0 1 | ERROR 42703 at 41 | ready E",
            ),
            ("COMMIT", "ROLLBACK | ready I"),
            ("SELECT count(*) AS n FROM t", "columns n:20 | row 1 | SELECT 1 | ready I"),
            ("BEGIN; SET application_name = 'x'", "BEGIN | SET | set application_name=x | ready T"),
            ("ROLLBACK", "ROLLBACK | set application_name= | ready I"),
            ("SET LOCAL jit = off", "WARNING 25P01 | SET | ready I"),
        ] {
            assert_eq!(one.query(text), expected, "{text}");
        }
        // What a client leaves open goes with it.
        one.query("BEGIN; INSERT INTO t VALUES (3)");
        drop(one);
        assert_eq!(two.query("INSERT INTO t VALUES (3)"), "INSERT 0 1 | ready I");
    });
}

#[test]
fn a_migration_is_one_transaction() {
    talk(|address| {
        let (mut one, mut two) = (Pg::open(address), Pg::open(address));
        one.query("CREATE TABLE version (number INT PRIMARY KEY); INSERT INTO version VALUES (1)");
        let made = "SELECT b FROM made WHERE a = $1";
        let steps = [
            ("BEGIN", "BEGIN | ready T"),
            ("CREATE TABLE made (a SERIAL PRIMARY KEY, b TEXT)", "CREATE TABLE | ready T"),
            ("CREATE INDEX made_b ON made (b)", "CREATE INDEX | ready T"),
            ("INSERT INTO made (b) VALUES ('x')", "INSERT 0 1 | ready T"),
            ("ALTER TABLE version ADD COLUMN at DATE", "ALTER TABLE | ready T"),
            (
                "SELECT count(*) AS n FROM pg_class WHERE relname = 'made_b'",
                "columns n:20 | row 1 | SELECT 1 | ready T",
            ),
        ];
        for end in ["ROLLBACK", "COMMIT"] {
            for (text, expected) in steps {
                assert_eq!(one.query(text), expected, "{text}");
            }
            // What the transaction made is described to it.
            let asked = [parse("", made, &[]), about(b'D', b'S', ""), bind("", "", &[Some("1")])];
            let told = one.ask(&[asked.concat(), execute("", 0), sync()]);
            assert_eq!(
                told,
                "parsed | parameters 23 | columns b:25 | bound | row x | SELECT 1 | ready T"
            );
            assert_eq!(two.query("SELECT b FROM made"), "ERROR 42P01 at 15 | ready I");
            assert_eq!(one.query(end), format!("{end} | ready I"));
            let version = "columns number:23 | row 1 | SELECT 1 | ready I";
            assert_eq!(two.query("SELECT number FROM version"), version);
            if end == "ROLLBACK" {
                assert_eq!(one.query("SELECT b FROM made"), "ERROR 42P01 at 15 | ready I");
            }
        }
        assert_eq!(two.query("SELECT b FROM made"), "columns b:25 | row x | SELECT 1 | ready I");
        // What a client leaves open goes with it.
        one.query(
            "BEGIN; CREATE TABLE left_open (a INT PRIMARY KEY); INSERT INTO left_open VALUES (1)",
        );
        drop(one);
        assert_eq!(
            two.query("CREATE TABLE left_open (b TEXT PRIMARY KEY); SELECT b FROM left_open"),
            "CREATE TABLE | columns b:25 | SELECT 0 | ready I"
        );
    });
}

#[test]
fn statements_are_prepared_bound_and_run_in_parts() {
    talk(|address| {
        let mut pg = Pg::open(address);
        pg.query("CREATE TABLE t (a INT PRIMARY KEY, b TEXT, v VECTOR(2))");
        let insert = "INSERT INTO t VALUES ($1, $2, $3) RETURNING a";
        assert_eq!(
            pg.ask(&[parse("i", insert, &[]), about(b'D', b'S', "i"), sync()]),
            "parsed | parameters 23 25 16400 | columns a:23 | ready I"
        );
        for (a, b) in [("1", Some("x")), ("2", None), ("3", Some("z"))] {
            let values = [Some(a), b, Some("[1,2]")];
            let told = pg.ask(&[bind("", "i", &values), execute("", 0), sync()]);
            assert_eq!(told, format!("bound | row {a} | INSERT 0 1 | ready I"));
        }
        let text = "SELECT a, b FROM t WHERE a >= $1 ORDER BY a";
        assert_eq!(
            pg.ask(&[
                parse("", text, &[]),
                bind("", "", &[Some("1")]),
                about(b'D', b'P', ""),
                execute("", 2),
                execute("", 2),
                execute("", 2),
                sync()
            ]),
            "parsed | bound | columns a:23 b:25 | row 1,x | row 2,NULL | suspended | row 3,z | \
             SELECT 1 | SELECT 0 | ready I"
        );
        // Portals end with their transaction.
        assert_eq!(pg.ask(&[execute("", 0), sync()]), "ERROR 34000 | ready I");
        pg.query("BEGIN");
        pg.ask(&[parse("s", text, &[]), bind("p", "s", &[Some("1")]), execute("p", 1), sync()]);
        assert_eq!(pg.ask(&[execute("p", 1), sync()]), "row 2,NULL | suspended | ready T");
        pg.query("COMMIT");
    });
}

#[test]
fn what_goes_wrong_with_prepared_statements_is_said_until_sync() {
    talk(|address| {
        let mut pg = Pg::open(address);
        pg.query("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)");
        pg.ask(&[parse("s", "SELECT a FROM t WHERE a >= $1", &[]), sync()]);
        for (what, messages, expected) in [
            ("a name twice", vec![parse("s", "SELECT 1", &[])], "ERROR 42P05 | ready I"),
            ("two", vec![parse("", "SELECT 1; SELECT 2", &[])], "ERROR 42601 | ready I"),
            ("too few", vec![bind("", "s", &[])], "ERROR 08P01 | ready I"),
            ("no number", vec![bind("", "s", &[Some("x")])], "ERROR 22P02 | ready I"),
            ("no statement", vec![bind("", "none", &[])], "ERROR 26000 | ready I"),
            (
                "no table",
                vec![parse("", "SELECT * FROM nowhere", &[])],
                "ERROR 42P01 at 15 | ready I",
            ),
            (
                "after an error",
                vec![bind("", "none", &[]), parse("u", "SELECT 1", &[]), query("SELECT 1")],
                "ERROR 26000 | ready I",
            ),
            ("closing nothing", vec![about(b'C', b'S', "none")], "closed | ready I"),
            (
                "forgetting",
                vec![
                    parse("d", "SELECT 1", &[]),
                    parse("", "DEALLOCATE d", &[]),
                    bind("", "", &[]),
                    execute("", 0),
                ],
                "parsed | parsed | bound | DEALLOCATE | ready I",
            ),
            ("forgotten", vec![bind("", "d", &[])], "ERROR 26000 | ready I"),
            (
                "nothing",
                vec![parse("", "", &[]), bind("", "", &[]), execute("", 0)],
                "parsed | bound | empty | ready I",
            ),
        ] {
            let mut messages = messages;
            messages.push(sync());
            assert_eq!(pg.ask(&messages), expected, "{what}");
        }
    });
}

#[test]
fn types_of_parameters_are_told() {
    talk(|address| {
        let mut pg = Pg::open(address);
        pg.query("CREATE TABLE t (a INT PRIMARY KEY, b TEXT, v VECTOR(2))");
        for (text, parameters) in [
            ("SELECT $1", "25"),
            ("SELECT $1::int + 1", "23"),
            ("SELECT a FROM t WHERE b LIKE $1 LIMIT $2", "25 20"),
            ("SELECT a FROM t WHERE a = ANY($1)", "1007"),
            ("SELECT a FROM t WHERE a IN ($1, $2) OR b = $3", "23 23 25"),
            ("SELECT a FROM t ORDER BY v <-> $1 LIMIT 1", "16400"),
            ("UPDATE t SET b = $1 WHERE a = $2", "25 23"),
            ("INSERT INTO t (a, b) SELECT $1, $2", "23 25"),
            ("SELECT CASE WHEN $1 THEN 1 ELSE $2 END", "16 20"),
        ] {
            let told = pg.ask(&[parse("", text, &[]), about(b'D', b'S', ""), sync()]);
            assert!(
                told.starts_with(&format!("parsed | parameters {parameters} |")),
                "{text}: {told}"
            );
        }
    });
}

#[test]
fn numbers_keep_the_digits_they_came_with() {
    talk(|address| {
        let mut pg = Pg::open(address);
        let told = pg.ask(&[
            parse("", "SELECT $1 AS a", &[1700]),
            bind("", "", &[Some("-12.340")]),
            about(b'D', b'P', ""),
            execute("", 0),
            sync(),
        ]);
        assert!(told.contains("| row -12.340 |"), "{told}");
        let series = "SELECT a FROM generate_series(1, $1) AS s (a)";
        assert_eq!(
            pg.ask(&[parse("", series, &[21]), bind("", "", &[Some("2")]), execute("", 0), sync()]),
            "parsed | bound | row 1 | row 2 | SELECT 2 | ready I"
        );
    });
}

#[test]
fn parameters_are_calculated_with_as_what_they_are_declared() {
    talk(|address| {
        let mut pg = Pg::open(address);
        pg.query("CREATE TABLE t (a INT PRIMARY KEY, b BIGINT); INSERT INTO t VALUES (1, 3)");
        pg.query("CREATE TABLE n (x NUMERIC(9, 2) PRIMARY KEY)");
        for (text, types, values, expected) in [
            ("SELECT $1 + 1 AS x", &[1700][..], &["-12.340"][..], "row -11.340"),
            ("SELECT 1 - $1 AS x", &[1700], &["0.25"], "row 0.75"),
            ("SELECT $1 * 3 AS x", &[701], &["0.5"], "row 1.5"),
            ("SELECT $1 + $2 AS x", &[23, 1700], &["1", "0.25"], "row 1.25"),
            ("SELECT $1 + $2 AS x", &[20, 20], &["9223372036854775807", "1"], "ERROR 22003"),
            ("SELECT $1::int AS x", &[1700], &["2.7"], "row 3"),
            ("SELECT b + $1 AS x FROM t WHERE a = 1", &[1700], &["0.5"], "row 3.5"),
            ("SELECT b FROM t WHERE b < $1 + 2", &[1700], &["1.5"], "row 3"),
            ("SELECT x + 1 AS y FROM (SELECT $1 + 1 AS x) AS s", &[1700], &["0.5"], "row 2.5"),
            ("SELECT b + $1 AS x FROM t WHERE a = 1", &[21], &["2"], "row 5"),
            ("INSERT INTO n VALUES ($1 + 1) RETURNING x", &[1700], &["0.25"], "row 1.25"),
        ] {
            let values: Vec<Option<&str>> = values.iter().copied().map(Some).collect();
            let asked = [parse("", text, types), bind("", "", &values), execute("", 0), sync()];
            let told = pg.ask(&asked);
            assert!(told.starts_with(&format!("parsed | bound | {expected}")), "{text}: {told}");
        }
    });
}

#[test]
fn what_is_sent_without_waiting_is_one_transaction_until_sync() {
    talk(|address| {
        let mut pg = Pg::open(address);
        pg.query("CREATE TABLE t (a INT PRIMARY KEY)");
        let insert = |number: &str| [bind("", "i", &[Some(number)]), execute("", 0)].concat();
        pg.ask(&[parse("i", "INSERT INTO t VALUES ($1)", &[]), sync()]);
        assert_eq!(
            pg.ask(&[insert("1"), insert("2"), sync()]),
            "bound | INSERT 0 1 | bound | INSERT 0 1 | ready I"
        );
        assert_eq!(
            pg.ask(&[insert("3"), insert("1"), insert("4"), sync()]),
            // Whether a key is new is decided by the commit.
            "bound | INSERT 0 1 | bound | INSERT 0 1 | bound | INSERT 0 1 | ERROR 23505 | ready I"
        );
        assert_eq!(
            pg.ask(&[insert("5"), insert("x"), insert("6"), sync()]),
            "bound | INSERT 0 1 | ERROR 22P02 | ready I"
        );
        assert_eq!(
            pg.query("SELECT count(*) AS n FROM t"),
            "columns n:20 | row 2 | SELECT 1 | ready I"
        );
    });
}

#[test]
fn the_first_messages_may_be_anything() {
    talk(|address| {
        let mut pg = Pg::silent(address);
        for code in [80_877_104_i32, 80_877_103] {
            pg.send(&[&8_i32.to_be_bytes()[..], &code.to_be_bytes()].concat());
            assert_eq!(pg.byte(), b'N');
        }
        pg.send(&startup(&[
            ("user", "pieskieo"),
            ("client_encoding", "LATIN1"),
            ("TimeZone", "UTC"),
        ]));
        let told = shown(&pg.until_ready());
        assert!(told.contains("WARNING 22023") && told.contains("client_encoding=UTF8"), "{told}");
        for (pairs, code) in [
            (vec![], "28000"),
            (vec![("user", "ada")], "28000"),
            (vec![("user", "pieskieo"), ("database", "other")], "3D000"),
            (vec![("user", "pieskieo"), ("replication", "true")], "0A000"),
        ] {
            let mut pg = Pg::silent(address);
            pg.send(&startup(&pairs));
            let told = shown(&pg.until_closed());
            assert_eq!(
                told.rsplit(" | ").next(),
                Some(format!("FATAL {code}").as_str()),
                "{pairs:?}"
            );
        }
        for garbage in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            &[0, 0, 0, 3],
            &[255; 16],
            &[0, 1, 0, 1, 0, 3, 0, 0],
            &[0, 0, 0, 8, 0, 2, 0, 0],
        ] {
            let mut pg = Pg::silent(address);
            pg.send(garbage);
            let told = pg.until_closed();
            assert!(told.iter().all(|(kind, _)| *kind == b'E'), "{garbage:?} {}", shown(&told));
        }
        Pg::open(address);
    });
}

#[test]
fn messages_that_are_none_end_the_connection_and_nothing_else() {
    talk(|address| {
        for bytes in [
            message(b'z', b""),
            vec![b'Q', 0, 0, 0, 3],
            vec![b'Q', 255, 255, 255, 255],
            vec![b'Q', 127, 255, 255, 255, b'x'],
            message(b'Q', b"SELECT 1"),
            message(b'B', b"\0\0\0\x01"),
            message(b'E', b"\0\0"),
            message(b'D', b"X\0"),
            message(b'p', b"secret\0"),
        ] {
            let mut pg = Pg::open(address);
            pg.send(&bytes);
            assert_eq!(shown(&pg.until_closed()), "FATAL 08P01", "{bytes:?}");
        }
        let mut pg = Pg::open(address);
        assert_eq!(pg.ask(&[message(b'Q', b"\xff\0")]), "ERROR 22021 | ready I");
        // Data of a COPY that nobody has begun is passed over.
        pg.send(&[message(b'd', b"x"), message(b'c', b"")].concat());
        assert_eq!(pg.query("SELECT 1 AS a"), "columns a:20 | row 1 | SELECT 1 | ready I");
    });
}

#[test]
fn prepared_statements_are_bounded() {
    talk(|address| {
        let mut pg = Pg::open(address);
        let mut refused = 0;
        for step in 0..12 {
            let names: Vec<String> = (0..1_000).map(|n| format!("s{step}_{n}")).collect();
            let all: Vec<Vec<u8>> =
                names.iter().flat_map(|name| [parse(name, "SELECT 1", &[]), sync()]).collect();
            pg.send(&all.concat());
            for _ in &names {
                refused += usize::from(shown(&pg.until_ready()).contains("ERROR 53400"));
            }
        }
        assert_eq!(refused, 2_000);
        assert_eq!(
            pg.ask(&[about(b'C', b'S', "s0_0"), parse("again", "SELECT 1", &[]), sync()]),
            "closed | parsed | ready I"
        );
    });
}

#[test]
fn a_reader_that_never_reads_holds_up_nobody() {
    talk(|address| {
        let mut deaf = Pg::open(address);
        deaf.send(&query("SELECT a.generate_series FROM generate_series(1, 1000000) AS a"));
        for _ in 0..4 {
            let mut pg = Pg::open(address);
            assert_eq!(pg.query("SELECT 1 AS a"), "columns a:20 | row 1 | SELECT 1 | ready I");
        }
    });
}

#[test]
fn a_statement_is_cancelled_over_another_connection() {
    talk(|address| {
        let mut pg = Pg::silent(address);
        pg.send(&startup(&[("user", "pieskieo")]));
        let told = pg.until_ready();
        let key = &told.iter().find(|(kind, _)| *kind == b'K').unwrap().1;
        pg.query("CREATE TABLE t (a BIGINT PRIMARY KEY)");
        pg.query("INSERT INTO t SELECT * FROM generate_series(1, 3000) AS s (a)");
        let slow = "SELECT count(*) FROM t AS x, t AS y, t AS z WHERE x.a + y.a + z.a < 0";
        pg.send(&query(slow));
        let asked = std::thread::spawn({
            let cancel = [&16_i32.to_be_bytes()[..], &80_877_102_i32.to_be_bytes(), key].concat();
            move || {
                // Until the statement runs nobody listens: it is asked again and again.
                for _ in 0..200 {
                    Pg::silent(address).send(&cancel);
                    std::thread::sleep(std::time::Duration::from_millis(50));
                }
            }
        });
        assert_eq!(shown(&pg.until_ready()), "ERROR 57014 | ready I");
        drop(asked);
    });
}

/// Runs psql, or says loudly that the test is skipped.
pub fn psql(
    address: SocketAddr,
    password: Option<&str>,
    arguments: &[&str],
) -> Option<(String, String)> {
    let port = address.port().to_string();
    let mut command = Command::new("psql");
    command
        .args(["-X", "-h", "127.0.0.1", "-p", &port, "-U", "pieskieo"])
        .args(arguments)
        .stdin(Stdio::null());
    match password {
        Some(password) => command.env("PGPASSWORD", password),
        None => command.arg("-w"),
    };
    match command.output() {
        Ok(told) => {
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            Some((text(told.stdout), text(told.stderr)))
        }
        Err(error) => {
            eprintln!("SKIPPED: psql does not run: {error}");
            None
        }
    }
}

#[test]
fn psql_shows_rows_and_errors() {
    talk(|address| {
        let script = "CREATE TABLE t (a INT PRIMARY KEY, b TEXT);\nINSERT INTO t VALUES (1, 'x');\n\
                      SELECT * FROM t;\nSELECT c FROM t;\n";
        let Some((out, err)) = psql(address, None, &["-c", "SELECT 1 AS one"]) else { return };
        assert_eq!(out, " one \n-----\n   1\n(1 row)\n\n", "{err}");
        let folder = Folder::made();
        let path = folder.path().join("script.sql");
        std::fs::write(&path, script).unwrap();
        let path = path.display().to_string();
        let (out, err) = psql(address, None, &["-f", &path]).unwrap();
        assert_eq!(out, "CREATE TABLE\nINSERT 0 1\n a | b \n---+---\n 1 | x\n(1 row)\n\n", "{err}");
        assert!(
            err.contains("ERROR:  column \"c\" does not exist") || err.contains("ERROR:"),
            "{err}"
        );
        let timed = ["-c", "\\timing", "-c", "SELECT 1 AS one"];
        let (out, _) = psql(address, None, &timed).unwrap();
        assert!(out.contains("Timing is on.") && out.contains("Time: "), "{out}");
    });
}

#[test]
fn a_password_is_asked_for_where_there_is_one() {
    let folder = Folder::made();
    let file = folder.path().join("password");
    std::fs::write(&file, "correct horse\n").unwrap();
    let data = Folder::fresh();
    let mut config = config(&data, 2);
    config.pg_listen = Some("127.0.0.1:0".parse().unwrap());
    config.pg_password_file = Some(file);
    serve(config, |address| {
        let one = ["-At", "-c", "SELECT 1"];
        let Some((out, err)) = psql(address, Some("correct horse"), &one) else { return };
        assert_eq!(out, "1\n", "{err}");
        let (out, err) = psql(address, Some("wrong"), &one).unwrap();
        assert!(out.is_empty() && err.contains("password authentication failed"), "{err}");
        let mut pg = Pg::silent(address);
        pg.send(&startup(&[("user", "pieskieo")]));
        pg.send(&message(b'Q', b"SELECT 1\0"));
        let told = pg.until_closed();
        assert_eq!(pg::field(&told.last().unwrap().1, b'C').as_deref(), Some("08P01"));
    });
}
