//! Are cursors declared, read and closed as PostgreSQL has it?

use crate::support::pg::{Pg, about, bind, execute, parse, sync};
use crate::{psql, talk};

fn check(pg: &mut Pg, script: &[(&str, &str)]) {
    for (text, expected) in script {
        assert_eq!(pg.query(text), *expected, "{text}");
    }
}

fn filled(pg: &mut Pg) {
    pg.query("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)");
    pg.query("INSERT INTO t SELECT s, 'x' || s FROM generate_series(1, 5) AS g (s)");
}

#[test]
fn rows_are_fetched_piece_by_piece() {
    talk(|address| {
        let mut pg = Pg::open(address);
        filled(&mut pg);
        for begin in ["BEGIN", "BEGIN READ ONLY", "BEGIN ISOLATION LEVEL REPEATABLE READ"] {
            pg.query(begin);
            check(
                &mut pg,
                &[
                    (
                        "DECLARE c NO SCROLL CURSOR FOR SELECT a, b FROM t ORDER BY a",
                        "DECLARE CURSOR | ready T",
                    ),
                    ("FETCH c", "columns a:23 b:25 | row 1,x1 | FETCH 1 | ready T"),
                    ("FETCH 2 c", "columns a:23 b:25 | row 2,x2 | row 3,x3 | FETCH 2 | ready T"),
                    ("MOVE NEXT IN c", "MOVE 1 | ready T"),
                    ("FETCH ALL FROM c", "columns a:23 b:25 | row 5,x5 | FETCH 1 | ready T"),
                    ("FETCH FORWARD 3 FROM c", "columns a:23 b:25 | FETCH 0 | ready T"),
                    ("MOVE FORWARD ALL IN c", "MOVE 0 | ready T"),
                    ("CLOSE c", "CLOSE CURSOR | ready T"),
                    ("COMMIT", "COMMIT | ready I"),
                ],
            );
        }
    });
}

#[test]
fn a_cursor_sees_what_was_there_when_it_was_declared() {
    talk(|address| {
        let (mut one, mut two) = (Pg::open(address), Pg::open(address));
        filled(&mut one);
        let declare = "DECLARE c CURSOR WITHOUT HOLD FOR SELECT count(*) AS n FROM t";
        for begin in ["BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN"] {
            one.query(begin);
            one.query("DELETE FROM t WHERE a = 1");
            one.query(declare);
            two.query("INSERT INTO t VALUES (9)");
            one.query("DELETE FROM t WHERE a = 2");
            assert_eq!(one.query("FETCH c"), "columns n:20 | row 4 | FETCH 1 | ready T", "{begin}");
            one.query("ROLLBACK");
            two.query("DELETE FROM t WHERE a = 9");
        }
    });
}

#[test]
fn what_goes_wrong_with_cursors_is_said() {
    talk(|address| {
        let mut pg = Pg::open(address);
        filled(&mut pg);
        check(
            &mut pg,
            &[
                ("DECLARE c CURSOR FOR SELECT 1", "ERROR 25P01 at 9 | ready I"),
                ("FETCH c", "ERROR 34000 at 7 | ready I"),
                ("CLOSE c", "ERROR 34000 at 7 | ready I"),
                ("CLOSE ALL", "CLOSE CURSOR ALL | ready I"),
            ],
        );
        for (text, expected) in [
            ("FETCH none", "ERROR 34000 at 7 | ready E"),
            ("DECLARE c CURSOR FOR SELECT 2", "ERROR 42P03 at 9 | ready E"),
            ("DECLARE d CURSOR FOR SELECT nothing FROM t", "ERROR 42703 at 29 | ready E"),
            ("DECLARE d CURSOR FOR DELETE FROM t", "ERROR 42601 at 22 | ready E"),
            ("DECLARE d CURSOR FOR", "ERROR 42601 at 21 | ready E"),
            ("DECLARE d SCROLL CURSOR FOR SELECT 1", "ERROR 0A000 at 11 | ready E"),
            ("DECLARE d BINARY CURSOR FOR SELECT 1", "ERROR 0A000 at 11 | ready E"),
            ("DECLARE d CURSOR WITH HOLD FOR SELECT 1", "ERROR 0A000 at 18 | ready E"),
            ("FETCH PRIOR FROM c", "ERROR 55000 at 7 | ready E"),
            ("FETCH -1 FROM c", "ERROR 55000 at 7 | ready E"),
            ("FETCH 1 2 FROM c", "ERROR 42601 at 9 | ready E"),
            ("DECLARE d CURSOR FOR SELECT 1 / (a - a) FROM t", "ERROR 22012 | ready E"),
        ] {
            pg.query("BEGIN; DECLARE c CURSOR FOR SELECT 1 AS a");
            assert_eq!(pg.query(text), expected, "{text}");
            assert_eq!(pg.query("FETCH c"), "ERROR 25P02 | ready E", "{text}");
            assert_eq!(pg.query("ROLLBACK"), "ROLLBACK | ready I");
        }
    });
}

#[test]
fn cursors_end_with_their_transaction_and_go_back_to_savepoints() {
    talk(|address| {
        let mut pg = Pg::open(address);
        check(
            &mut pg,
            &[
                ("BEGIN; DECLARE c CURSOR FOR SELECT 1", "BEGIN | DECLARE CURSOR | ready T"),
                ("COMMIT", "COMMIT | ready I"),
                ("FETCH c", "ERROR 34000 at 7 | ready I"),
                ("BEGIN; DECLARE c CURSOR FOR SELECT 1 AS a", "BEGIN | DECLARE CURSOR | ready T"),
                ("SAVEPOINT s", "SAVEPOINT | ready T"),
                ("DECLARE d CURSOR FOR SELECT 2", "DECLARE CURSOR | ready T"),
                ("ROLLBACK TO s", "ROLLBACK | ready T"),
                ("FETCH c", "columns a:20 | row 1 | FETCH 1 | ready T"),
                ("DECLARE d CURSOR FOR SELECT 3 AS a", "DECLARE CURSOR | ready T"),
                ("RELEASE s", "RELEASE | ready T"),
                ("FETCH d", "columns a:20 | row 3 | FETCH 1 | ready T"),
                ("CLOSE ALL", "CLOSE CURSOR ALL | ready T"),
                ("FETCH d", "ERROR 34000 at 7 | ready E"),
                ("ROLLBACK", "ROLLBACK | ready I"),
                // Statements of one text are a transaction.
                (
                    "DECLARE c CURSOR FOR SELECT 1 AS a; FETCH ALL c; CLOSE c",
                    "DECLARE CURSOR | columns a:20 | row 1 | FETCH 1 | CLOSE CURSOR | ready I",
                ),
            ],
        );
    });
}

/// As psycopg reads its cursors with a name.
#[test]
fn cursors_are_prepared_and_described() {
    talk(|address| {
        let mut pg = Pg::open(address);
        filled(&mut pg);
        pg.query("BEGIN");
        let declare = "DECLARE \"c\" CURSOR FOR SELECT a FROM t WHERE a > $1 ORDER BY a";
        assert_eq!(
            pg.ask(&[
                parse("", declare, &[]),
                about(b'D', b'S', ""),
                bind("", "", &[Some("2")]),
                about(b'D', b'P', ""),
                execute("", 0),
                sync()
            ]),
            "parsed | parameters 23 | no data | bound | no data | DECLARE CURSOR | ready T"
        );
        assert_eq!(pg.ask(&[about(b'D', b'P', "c"), sync()]), "columns a:23 | ready T");
        let fetch = [
            parse("", "FETCH FORWARD 2 FROM \"c\"", &[]),
            bind("", "", &[]),
            about(b'D', b'P', ""),
            execute("", 0),
            sync(),
        ];
        assert_eq!(
            pg.ask(&fetch),
            "parsed | bound | columns a:23 | row 3 | row 4 | FETCH 2 | ready T"
        );
        assert_eq!(pg.ask(&fetch), "parsed | bound | columns a:23 | row 5 | FETCH 1 | ready T");
        assert_eq!(pg.ask(&[about(b'D', b'P', "none"), sync()]), "ERROR 34000 | ready E");
    });
}

/// As asyncpg passes over rows of its cursors, which are portals.
#[test]
fn rows_of_portals_are_passed_over() {
    talk(|address| {
        let mut pg = Pg::open(address);
        filled(&mut pg);
        pg.query("BEGIN");
        pg.ask(&[parse("s", "SELECT a FROM t ORDER BY a", &[]), bind("p", "s", &[]), sync()]);
        assert_eq!(pg.query("MOVE FORWARD 2 p"), "MOVE 2 | ready T");
        assert_eq!(pg.ask(&[execute("p", 1), sync()]), "row 3 | suspended | ready T");
        assert_eq!(pg.query("MOVE ALL IN p"), "MOVE 2 | ready T");
        assert_eq!(pg.ask(&[execute("p", 1), sync()]), "SELECT 0 | ready T");
    });
}

#[test]
fn psql_fetches_in_parts() {
    talk(|address| {
        let query = "SELECT * FROM generate_series(1, 25) AS s (a)";
        let arguments = ["-At", "-v", "FETCH_COUNT=10", "-c", query];
        let Some((out, err)) = psql(address, None, &arguments) else { return };
        let expected: String = (1..=25).map(|number| format!("{number}\n")).collect();
        assert_eq!(out, expected, "{err}");
    });
}
