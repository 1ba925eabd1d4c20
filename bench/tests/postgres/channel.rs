//! Do notifications reach who listens, when their transaction commits?

use crate::support::pg::{Pg, about, bind, execute, message, parse, shown, startup, sync};
use crate::talk;

fn check(sessions: &mut [Pg], script: &[(usize, &str, &str)]) {
    for (who, text, expected) in script {
        assert_eq!(sessions[*who].query(text), *expected, "{who}: {text}");
    }
}

/// Waits for a message that nobody has asked for.
fn next(pg: &mut Pg) -> String {
    shown(&[pg.next().unwrap()])
}

#[test]
fn what_is_said_is_heard_after_the_commit() {
    talk(|address| {
        let mut sessions: Vec<Pg> = (0..2).map(|_| Pg::open(address)).collect();
        check(
            &mut sessions,
            &[
                (0, "LISTEN a", "LISTEN | ready I"),
                (1, "NOTIFY a", "NOTIFY | ready I"),
                (1, "NOTIFY b, 'nobody listens'", "NOTIFY | ready I"),
                (
                    1,
                    "BEGIN; NOTIFY a, 'x'; NOTIFY a, 'y'; NOTIFY a, 'x'",
                    "BEGIN | NOTIFY | NOTIFY | NOTIFY | ready T",
                ),
                (1, "SAVEPOINT s", "SAVEPOINT | ready T"),
                (1, "NOTIFY a, 'z'", "NOTIFY | ready T"),
                (1, "ROLLBACK TO s", "ROLLBACK | ready T"),
                (1, "COMMIT", "COMMIT | ready I"),
                (1, "BEGIN; NOTIFY a, 'never'", "BEGIN | NOTIFY | ready T"),
                (1, "ROLLBACK", "ROLLBACK | ready I"),
                (
                    1,
                    "SELECT pg_notify('a', 'by function') AS n",
                    "columns n:25 | row  | SELECT 1 | ready I",
                ),
            ],
        );
        for expected in ["heard a=", "heard a=x", "heard a=y", "heard a=by function"] {
            assert_eq!(next(&mut sessions[0]), expected);
        }
        check(
            &mut sessions,
            &[
                // A session hears itself, before it may go on.
                (0, "NOTIFY a, 'me'", "NOTIFY | heard a=me | ready I"),
                // Nothing comes in between within a transaction.
                (0, "BEGIN", "BEGIN | ready T"),
                (1, "NOTIFY a, 'later'", "NOTIFY | ready I"),
                (0, "SELECT 1 AS a", "columns a:20 | row 1 | SELECT 1 | ready T"),
                (0, "COMMIT", "COMMIT | heard a=later | ready I"),
                // LISTEN and UNLISTEN count from the commit on.
                (0, "BEGIN; LISTEN b; UNLISTEN a", "BEGIN | LISTEN | UNLISTEN | ready T"),
                (1, "NOTIFY b; NOTIFY a, 'still'", "NOTIFY | NOTIFY | ready I"),
                (0, "COMMIT", "COMMIT | heard a=still | ready I"),
                (1, "NOTIFY a; NOTIFY b, 'now'", "NOTIFY | NOTIFY | ready I"),
            ],
        );
        assert_eq!(next(&mut sessions[0]), "heard b=now");
        check(
            &mut sessions,
            &[
                (0, "UNLISTEN *", "UNLISTEN | ready I"),
                (1, "NOTIFY b", "NOTIFY | ready I"),
                (0, "LISTEN \"Two words\"; DISCARD ALL", "LISTEN | DISCARD ALL | ready I"),
                (1, "NOTIFY \"Two words\"", "NOTIFY | ready I"),
                (0, "SELECT 1 AS a", "columns a:20 | row 1 | SELECT 1 | ready I"),
            ],
        );
    });
}

#[test]
fn what_fails_says_nothing() {
    talk(|address| {
        let mut sessions: Vec<Pg> = (0..2).map(|_| Pg::open(address)).collect();
        let long = "x".repeat(8_000);
        let fits = "x".repeat(7_999);
        check(
            &mut sessions,
            &[
                (0, "LISTEN a", "LISTEN | ready I"),
                (1, "CREATE TABLE t (a INT PRIMARY KEY)", "CREATE TABLE | ready I"),
                (1, "NOTIFY a, 'never'; SELECT 1 / 0", "NOTIFY | ERROR 22012 | ready I"),
                (1, "SELECT pg_notify('a', 'never'); SELECT 1 / 0", "ERROR 22012 | ready I"),
                (
                    1,
                    "INSERT INTO t VALUES (1); NOTIFY a, 'inserted'",
                    "INSERT 0 1 | NOTIFY | ready I",
                ),
                (1, &format!("NOTIFY a, '{long}'"), "ERROR 22023 at 8 | ready I"),
                (1, "SELECT pg_notify('', 'x')", "ERROR 22023 | ready I"),
                (
                    1,
                    &format!("SELECT pg_notify('{}', 'x')", "c".repeat(64)),
                    "ERROR 22023 | ready I",
                ),
                (1, &format!("NOTIFY a, '{fits}'"), "NOTIFY | ready I"),
            ],
        );
        assert_eq!(next(&mut sessions[0]), "heard a=inserted");
        assert_eq!(next(&mut sessions[0]), format!("heard a={fits}"));
    });
}

#[test]
fn notifications_name_their_sender_and_may_be_prepared() {
    talk(|address| {
        let mut one = Pg::open(address);
        one.query("LISTEN a");
        let mut two = Pg::silent(address);
        two.send(&startup(&[("user", "pieskieo")]));
        let told = two.until_ready();
        let key = &told.iter().find(|(kind, _)| *kind == b'K').unwrap().1;
        assert_eq!(
            two.ask(&[
                parse("", "SELECT pg_notify($1, $2)", &[]),
                about(b'D', b'S', ""),
                bind("", "", &[Some("a"), Some("b")]),
                execute("", 0),
                sync()
            ]),
            "parsed | parameters 25 25 | columns pg_notify:25 | bound | row  | SELECT 1 | ready I"
        );
        let (kind, body) = one.next().unwrap();
        assert_eq!((kind, &body[..4]), (b'A', &key[..4]));
        // A message that comes in pieces is not disturbed by what is heard meanwhile.
        let whole = message(b'Q', b"SELECT 1 AS a\0");
        one.send(&whole[..3]);
        two.query("NOTIFY a, 'between'");
        assert_eq!(next(&mut one), "heard a=between");
        one.send(&whole[3..]);
        assert_eq!(shown(&one.until_ready()), "columns a:20 | row 1 | SELECT 1 | ready I");
    });
}

#[test]
fn a_session_that_reads_too_late_is_ended() {
    talk(|address| {
        let (mut one, mut two) = (Pg::open(address), Pg::open(address));
        one.query("LISTEN a");
        // Within a transaction nothing is sent: it waits.
        one.query("BEGIN");
        for step in 0..2 {
            let mut text = String::from("BEGIN;");
            (0..6_000).for_each(|number| text.push_str(&format!("NOTIFY a, '{step} {number}';")));
            two.query(&text);
            assert_eq!(two.query("COMMIT"), "COMMIT | ready I");
        }
        one.send(&message(b'Q', b"COMMIT\0"));
        let told = shown(&one.until_closed());
        assert_eq!(told, "COMMIT | ready I | FATAL 53400");
        assert_eq!(two.query("NOTIFY a"), "NOTIFY | ready I");
    });
}
