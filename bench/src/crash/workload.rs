//! What is written while the server waits to be killed?
//!
//! Every kind of write has a promise that a crash could break: a row must stay, a statement of
//! several rows is there as a whole, an edge is seen from both ends, a transaction keeps the sum,
//! and what has an idempotency key is there once however often it is sent.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::rt;
use serde_json::{Value, json};

use crate::client::{Client, Failure};

use super::journal::{ACCOUNT_COUNT, BALANCE, Dice, Journal, NODE_COUNT, Outcome, Write};

/// How long an answer may take before it counts as unknown.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// Rows per statement while the tables are filled at first.
const FILL_ROWS: i64 = 250;

/// The tables.
const TABLES: &[&str] = &[
    "CREATE TABLE crash_single (id BIGINT PRIMARY KEY, cycle BIGINT, body TEXT)",
    "CREATE TABLE crash_batch (id BIGINT PRIMARY KEY, cycle BIGINT, batch BIGINT)",
    "CREATE TABLE crash_keyed (id BIGINT, cycle BIGINT)",
    "CREATE TABLE crash_ledger (id BIGINT PRIMARY KEY, cycle BIGINT)",
    "CREATE TABLE crash_account (id BIGINT PRIMARY KEY, balance BIGINT)",
    "CREATE TABLE crash_node (id BIGINT PRIMARY KEY)",
    "CREATE EDGE crash_edge FROM crash_node TO crash_node (cycle BIGINT)",
];

const SINGLE: &str = "INSERT INTO crash_single (id, cycle, body) VALUES ($1, $2, $3)";
const EDGE: &str = "INSERT INTO crash_edge (src, dst, cycle) VALUES ($1, $2, $3)";
const KEYED: &str = "INSERT INTO crash_keyed (id, cycle) VALUES ($1, $2), ($1, $2) RETURNING id";
const TRANSFER: &str = "UPDATE crash_account SET balance = balance - $1 WHERE id = $2; \
     UPDATE crash_account SET balance = balance + $1 WHERE id = $3; \
     INSERT INTO crash_ledger (id, cycle) VALUES ($4, $5)";

/// Creates the tables and fills those that begin filled.
pub async fn prepare(client: &Client) -> Result<(), Failure> {
    for table in TABLES {
        client.query(table, &[]).await?;
    }
    let account = |id| format!("({id}, {BALANCE})");
    fill(client, "crash_account (id, balance)", ACCOUNT_COUNT, account).await?;
    fill(client, "crash_node (id)", NODE_COUNT, |id| format!("({id})")).await
}

async fn fill(
    client: &Client,
    target: &str,
    count: i64,
    row: impl Fn(i64) -> String,
) -> Result<(), Failure> {
    let mut first = 0;
    while first < count {
        let last = (first + FILL_ROWS).min(count);
        let rows: Vec<String> = (first..last).map(&row).collect();
        client.query(&format!("INSERT INTO {target} VALUES {}", rows.join(", ")), &[]).await?;
        first = last;
    }
    Ok(())
}

/// Writes until the journal is over or the connection breaks.
pub async fn write(
    client: Client,
    journal: Rc<Journal>,
    dice: Rc<Dice>,
    known_edges: Rc<BTreeSet<(i64, i64)>>,
) {
    while !journal.is_over.get() {
        let write = draw(&journal, &dice, &known_edges);
        let answered = rt::timeout(ANSWER_MAX, send(&client, &write, journal.cycle)).await;
        let outcome = match answered {
            Ok(Ok(_)) => Outcome::Acknowledged,
            Ok(Err(Failure::Refused { .. })) => Outcome::Refused,
            Ok(Err(Failure::Unknown { .. })) | Err(rt::Elapsed) => Outcome::Unknown,
        };
        journal.record(write, outcome);
        match outcome {
            Outcome::Acknowledged => {}
            Outcome::Refused => rt::sleep(Duration::from_millis(1)).await,
            Outcome::Unknown => return,
        }
    }
}

/// Sends a write, under a key if it has one, and returns whether the answer is that to an earlier
/// request.
///
/// **Errors**: as a query.
pub async fn send(client: &Client, write: &Write, cycle: i64) -> Result<bool, Failure> {
    let (pql, params) = statement(write, cycle);
    match write {
        Write::Keyed { id } => {
            let key = format!("crash-{id}");
            let (answer, replayed) = client.query_keyed(&key, &pql, &params).await?;
            if answer.affected == 2 && answer.rows.len() == 2 {
                return Ok(replayed);
            }
            Err(Failure::Unknown { status: None, cause: format!("another answer: {answer:?}") })
        }
        _ => client.query(&pql, &params).await.map(|_| false),
    }
}

fn draw(journal: &Journal, dice: &Dice, known_edges: &BTreeSet<(i64, i64)>) -> Write {
    match dice.below(12) {
        0..=3 => {
            let id = journal.take_ids(1);
            Write::Single { id, body: body(id, dice.below(400)) }
        }
        4..=5 => {
            let rows = 2 + dice.below(30);
            Write::Batch { id: journal.take_ids(rows), rows }
        }
        6..=7 => {
            let (source, target) = (dice.below(NODE_COUNT), dice.below(NODE_COUNT));
            if known_edges.contains(&(source, target)) || !journal.take_edge(source, target) {
                return draw(journal, dice, known_edges);
            }
            Write::Edge { source, target }
        }
        8..=9 => Write::Keyed { id: journal.take_ids(1) },
        _ => {
            let from = dice.below(ACCOUNT_COUNT);
            let to = (from + 1 + dice.below(ACCOUNT_COUNT - 1)) % ACCOUNT_COUNT;
            Write::Transfer { id: journal.take_ids(1), from, to, amount: 1 + dice.below(100) }
        }
    }
}

/// Returns the body of the row with this id.
fn body(id: i64, extra: i64) -> String {
    let mut text = format!("row {id} ");
    text.extend((0..extra).map(|i| char::from(b'a' + ((id + i) % 26) as u8)));
    text
}

fn statement(write: &Write, cycle: i64) -> (String, Vec<Value>) {
    match write {
        Write::Single { id, body } => {
            (SINGLE.to_owned(), vec![json!(id), json!(cycle), json!(body)])
        }
        Write::Batch { id, rows } => {
            let rows: Vec<String> =
                (0..*rows).map(|row| format!("({}, {cycle}, {id})", id + row)).collect();
            let insert = "INSERT INTO crash_batch (id, cycle, batch) VALUES";
            (format!("{insert} {}", rows.join(", ")), Vec::new())
        }
        Write::Edge { source, target } => {
            (EDGE.to_owned(), vec![json!(source), json!(target), json!(cycle)])
        }
        Write::Keyed { id } => (KEYED.to_owned(), vec![json!(id), json!(cycle)]),
        Write::Transfer { id, from, to, amount } => {
            let params = vec![json!(amount), json!(from), json!(to), json!(id), json!(cycle)];
            (TRANSFER.to_owned(), params)
        }
    }
}
