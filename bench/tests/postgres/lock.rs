//! Do advisory locks keep sessions apart, and let them go?

use std::time::Duration;

use crate::support::pg::{Pg, about, bind, execute, parse, query, shown, startup, sync};
use crate::talk;

/// Runs statements of several sessions in turn.
fn check(sessions: &mut [Pg], script: &[(usize, &str, &str)]) {
    for (who, text, expected) in script {
        let told = sessions[*who].query(text);
        let told = told.split(" | ").filter(|part| !part.starts_with("columns"));
        let told: Vec<&str> = told.filter(|part| !part.starts_with("SELECT")).collect();
        assert_eq!(told.join(" | "), *expected, "{who}: {text}");
    }
}

#[test]
fn locks_are_held_by_sessions_and_by_transactions() {
    talk(|address| {
        let mut sessions: Vec<Pg> = (0..3).map(|_| Pg::open(address)).collect();
        check(
            &mut sessions,
            &[
                (0, "SELECT pg_advisory_lock(1)", "row  | ready I"),
                (1, "SELECT pg_try_advisory_lock(1)", "row f | ready I"),
                (1, "SELECT pg_try_advisory_lock(0, 1), 7", "row t,7 | ready I"),
                (0, "SELECT pg_try_advisory_lock(1) AS again", "row t | ready I"),
                (0, "SELECT pg_advisory_unlock(1)", "row t | ready I"),
                (1, "SELECT pg_try_advisory_lock(1)", "row f | ready I"),
                (0, "SELECT pg_advisory_unlock(1)", "row t | ready I"),
                (0, "SELECT pg_advisory_unlock(1)", "row f | ready I"),
                (1, "SELECT pg_try_advisory_lock(1)", "row t | ready I"),
                (1, "SELECT pg_advisory_unlock_all()", "row  | ready I"),
                // Shared among many, or held alone.
                (0, "SELECT pg_advisory_lock_shared(2)", "row  | ready I"),
                (1, "SELECT pg_try_advisory_lock_shared(2)", "row t | ready I"),
                (2, "SELECT pg_try_advisory_lock(2)", "row f | ready I"),
                (1, "SELECT pg_advisory_unlock_shared(2)", "row t | ready I"),
                (0, "SELECT pg_advisory_unlock_shared(2)", "row t | ready I"),
                (2, "SELECT pg_try_advisory_lock(2)", "row t | ready I"),
                (2, "DISCARD ALL", "DISCARD ALL | ready I"),
                (0, "SELECT pg_try_advisory_lock(2)", "row t | ready I"),
                // Those of a transaction end with it, however it ends.
                (0, "BEGIN", "BEGIN | ready T"),
                (0, "SELECT pg_advisory_xact_lock(3)", "row  | ready T"),
                (0, "SELECT pg_advisory_unlock(3)", "row f | ready T"),
                (1, "SELECT pg_try_advisory_xact_lock(3)", "row f | ready I"),
                (0, "SAVEPOINT s", "SAVEPOINT | ready T"),
                (0, "SELECT pg_try_advisory_xact_lock(4)", "row t | ready T"),
                (1, "SELECT pg_try_advisory_xact_lock(4)", "row f | ready I"),
                (0, "ROLLBACK TO s", "ROLLBACK | ready T"),
                (1, "SELECT pg_try_advisory_xact_lock(4)", "row t | ready I"),
                (0, "SELECT nothing", "ERROR 42703 at 8 | ready E"),
                (1, "SELECT pg_try_advisory_xact_lock(3)", "row f | ready I"),
                (0, "ROLLBACK", "ROLLBACK | ready I"),
                (1, "SELECT pg_try_advisory_xact_lock_shared(3)", "row t | ready I"),
                (
                    0,
                    "SELECT pg_advisory_xact_lock_shared(5); SELECT 1 / 0",
                    "row  | ERROR 22012 | ready I",
                ),
                (1, "SELECT pg_try_advisory_lock(5)", "row t | ready I"),
                (1, "SELECT pg_try_advisory_lock(NULL)", "row NULL | ready I"),
                (1, "SELECT pg_advisory_lock('x')", "ERROR 22P02 | ready I"),
                (1, "SELECT pg_advisory_lock(1, 2, 3)", "ERROR 42883 | ready I"),
                (
                    1,
                    "SELECT pg_advisory_lock(a) FROM (VALUES (1)) AS t (a)",
                    "ERROR 0A000 | ready I",
                ),
            ],
        );
        // What a session holds goes with it.
        let gone = sessions.remove(1);
        drop(gone);
        let mut held = String::new();
        for _ in 0..100 {
            held = sessions[1].query("SELECT pg_try_advisory_lock(5) AS a");
            if held.contains("row t") {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(held, "columns a:16 | row t | SELECT 1 | ready I");
    });
}

#[test]
fn locks_are_shown_and_taken_with_parameters() {
    talk(|address| {
        let mut pg = Pg::open(address);
        let lock = "SELECT pg_advisory_lock($1), pg_try_advisory_lock($2, $3) AS b";
        assert_eq!(
            pg.ask(&[
                parse("", lock, &[]),
                about(b'D', b'S', ""),
                bind("", "", &[Some("4294967298"), Some("5"), Some("-1")]),
                execute("", 0),
                sync()
            ]),
            "parsed | parameters 20 23 23 | columns pg_advisory_lock:25 b:16 | bound | row ,t | \
             SELECT 1 | ready I"
        );
        assert_eq!(
            pg.query(
                "SELECT classid, objid, objsubid, mode, granted FROM pg_locks \
                 WHERE pid = pg_backend_pid() AND locktype = 'advisory' ORDER BY 3"
            ),
            "columns classid:26 objid:26 objsubid:21 mode:25 granted:16 | \
             row 1,2,1,ExclusiveLock,t | row 5,4294967295,2,ExclusiveLock,t | SELECT 2 | ready I"
        );
    });
}

#[test]
fn who_waits_is_served_cancelled_or_refused() {
    talk(|address| {
        let (mut one, mut two) = (Pg::open(address), Pg::open(address));
        // It waits, and gets it.
        one.query("SELECT pg_advisory_lock(1)");
        two.send(&query("SELECT pg_advisory_lock(1) AS a"));
        std::thread::sleep(Duration::from_millis(100));
        one.query("SELECT pg_advisory_unlock(1)");
        assert_eq!(shown(&two.until_ready()), "columns a:25 | row  | SELECT 1 | ready I");
        // It waits for no longer than it may.
        one.query("SET statement_timeout = 50");
        assert_eq!(one.query("SELECT pg_advisory_lock(1)"), "ERROR 57014 | ready I");
        one.query("SET statement_timeout = 10000; SET lock_timeout = '50ms'");
        assert_eq!(one.query("SELECT pg_advisory_lock(1)"), "ERROR 55P03 | ready I");
        one.query("RESET lock_timeout");
        // Who has given up is in nobody's way.
        assert_eq!(
            two.query("SELECT pg_try_advisory_lock(1) AS a"),
            "columns a:16 | row t | SELECT 1 | ready I"
        );
        // In a circle somebody must give up.
        one.query("SELECT pg_advisory_lock(2)");
        one.send(&query("SELECT pg_advisory_lock(1) AS a"));
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(two.query("SELECT pg_advisory_lock(2)"), "ERROR 40P01 | ready I");
        two.query("SELECT pg_advisory_unlock_all()");
        assert_eq!(shown(&one.until_ready()), "columns a:25 | row  | SELECT 1 | ready I");
    });
}

#[test]
fn waiting_is_cancelled_over_another_connection() {
    talk(|address| {
        let mut one = Pg::open(address);
        one.query("SELECT pg_advisory_lock(1)");
        let mut two = Pg::silent(address);
        two.send(&startup(&[("user", "pieskieo")]));
        let told = two.until_ready();
        let key = &told.iter().find(|(kind, _)| *kind == b'K').unwrap().1;
        let cancel = [&16_i32.to_be_bytes()[..], &80_877_102_i32.to_be_bytes(), key].concat();
        two.send(&query("SELECT pg_advisory_lock(1)"));
        std::thread::sleep(Duration::from_millis(100));
        Pg::silent(address).send(&cancel);
        assert_eq!(shown(&two.until_ready()), "ERROR 57014 | ready I");
    });
}
