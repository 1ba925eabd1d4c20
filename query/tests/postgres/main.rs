//! Does PQL answer as PostgreSQL does?
//!
//! PostgreSQL is started in a folder of its own, the same tables are made there and in databases
//! of 1, 2 and 8 shards, with indexes and without, and generated statements are put to all.
//! Without PostgreSQL the test says so and passes, unless `PIESKIEO_POSTGRES=required`.
//!
//! | variable | means |
//! | --- | --- |
//! | `PIESKIEO_SEED` | where the choices begin; printed |
//! | `PIESKIEO_QUERIES` | how many queries |
//! | `PIESKIEO_ASK` | a file; its lines are asked instead, and both answers are printed |

mod change;
mod compare;
mod dice;
mod expression;
mod known;
mod partition;
mod query;
mod report;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod tables;

use compare::{Outcome, ours, theirs};
use dice::Dice;
use pieskieo_io::file::host;
use query::{Maker, Query};
use report::Report;
use server::Postgres;
use support::{Client, with_database};

/// Queries that are compared unless said otherwise: some ten seconds.
const QUERIES: u64 = 150;

/// Returns a number from the environment.
fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Starts PostgreSQL, or says that there is none.
fn postgres() -> Option<Postgres> {
    let server = Postgres::start();
    if server.is_none() {
        let required = std::env::var("PIESKIEO_POSTGRES").is_ok_and(|text| text == "required");
        assert!(!required, "PostgreSQL is not installed");
        eprintln!("SKIPPED: PostgreSQL is not installed");
    }
    server
}

/// Runs a test with databases of 1, 2 and 8 shards: without indexes, with ordered ones, and with
/// ordered and unique ones.
fn with_databases(seed: u64, talk: impl FnOnce(&[Client])) {
    with_database(1, |one| {
        with_database(2, |two| {
            with_database(8, |eight| {
                let clients = [one(), two(), eight()];
                let indexes = [
                    Vec::new(),
                    tables::ORDERED.to_vec(),
                    [tables::ORDERED, tables::UNIQUE].concat(),
                ];
                for (client, indexes) in clients.iter().zip(indexes) {
                    for text in tables::setup(seed) {
                        client.rows(&text);
                    }
                    for text in indexes {
                        client.rows(text);
                    }
                }
                // Some run on all cores, however few their rows.
                clients[2].rows("SET parallel_rows = 0");
                talk(&clients);
            });
        });
    });
}

/// Makes the query with this number.
fn nth(seed: u64, number: u64) -> Query {
    let mut dice = Dice::new(seed, number);
    if dice.chance(20) {
        let text = expression::constant(&mut dice);
        return Query { text, ordered: false };
    }
    Maker::new(dice).query()
}

/// Prints what both make of the lines of a file.
fn ask_both(path: &str, server: &mut Postgres, client: &Client) {
    let show = |outcome: Outcome| match outcome {
        Outcome::Rows(rows, _) => format!("{rows:?}"),
        Outcome::Refused(code, message) => format!("{code} {message}"),
    };
    for line in host::read_to_string(path).expect("the file").lines() {
        let (ours, theirs) = (ours(client.ask(line)), theirs(server.ask(line)));
        let sign = if compare::agree(&ours, &theirs, false) { "  " } else { "!!" };
        eprintln!("{sign} {line}\n     ours   {}\n     theirs {}", show(ours), show(theirs));
    }
}

#[test]
fn queries_answer_as_in_postgresql() {
    let Some(mut server) = postgres() else { return };
    let seed = setting("PIESKIEO_SEED", 1);
    let count = setting("PIESKIEO_QUERIES", QUERIES);
    eprintln!("seed {seed}, {count} queries");
    for text in tables::setup(seed) {
        server.ask(&text).expect("the tables");
    }
    with_databases(seed, |clients| {
        if let Ok(path) = std::env::var("PIESKIEO_ASK") {
            return ask_both(&path, &mut server, &clients[1]);
        }
        let mut report = Report::new("queries");
        for number in 0..count {
            let Query { text, ordered } = nth(seed, number);
            let expected = theirs(server.ask(&text));
            for client in clients {
                let given = ours(client.ask(&text));
                if !report.add(&text, &given, &expected, ordered) {
                    break;
                }
            }
        }
        report.finish();
    });
}

#[test]
fn changes_change_as_in_postgresql() {
    let Some(mut server) = postgres() else { return };
    change::compare(&mut server);
}
