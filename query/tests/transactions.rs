//! Do transactions over several requests keep what they promise?

mod support;

use std::time::Duration;

use pieskieo_query::SessionOptions;
use support::conversation::{Code, Conversation, Fine, Value, say, talk_all};
use support::{Client, with_database, with_options};

const SCHEMA: &str = "
    CREATE TABLE account (id INT PRIMARY KEY, balance BIGINT NOT NULL);
    CREATE INDEX account_balance ON account (balance);
    CREATE COLLECTION fact;
    CREATE TABLE note (id BIGINT PRIMARY KEY, body TEXT, v VECTOR(2));
    CREATE INDEX note_body ON note USING text (body);
    CREATE INDEX note_v ON note USING hnsw (v vector_l2_ops);
    CREATE EDGE next FROM account TO account;
    INSERT INTO account VALUES (1, 100), (2, 100), (3, 100), (4, 100)";

/// Conversations of up to three clients, each with a database of its own.
const CONVERSATIONS: &[Conversation] = &[
    (
        "what is written is seen inside at once and outside after COMMIT",
        &[
            (0, "BEGIN", Fine),
            (0, "UPDATE account SET balance = 7 WHERE id = 1", Fine),
            (0, "INSERT INTO fact VALUES ('{\"_id\": \"a\", \"n\": 5}')", Fine),
            (0, "INSERT INTO note VALUES (1, 'green tea', '[1, 0]')", Fine),
            (0, "INSERT INTO next (src, dst) VALUES (1, 2)", Fine),
            (0, "SELECT balance FROM account WHERE id = 1", Value(7)),
            (0, "SELECT id FROM account WHERE balance = 7", Value(1)),
            (0, "SELECT n FROM fact WHERE n = 5", Value(5)),
            (0, "SELECT id FROM note WHERE MATCHES(body, 'tea')", Value(1)),
            (0, "SELECT id FROM note ORDER BY v <-> '[1, 0]' LIMIT 1", Value(1)),
            (0, "SELECT b.id FROM MATCH (a:account)-[:next]->(b:account) WHERE a.id = 1", Value(2)),
            (1, "SELECT balance FROM account WHERE id = 1", Value(100)),
            (1, "SELECT COUNT(*) FROM fact", Value(0)),
            (1, "SELECT COUNT(*) FROM note WHERE MATCHES(body, 'tea')", Value(0)),
            (0, "COMMIT", Fine),
            (1, "SELECT balance FROM account WHERE id = 1", Value(7)),
            (1, "SELECT COUNT(*) FROM note WHERE MATCHES(body, 'tea')", Value(1)),
            (1, "SELECT b.id FROM MATCH (a:account)-[:next]->(b:account) WHERE a.id = 1", Value(2)),
        ],
    ),
    (
        "an emptied table is empty for everybody, and refuses what was begun before",
        &[
            (0, "BEGIN; UPDATE account SET balance = 7 WHERE id = 1", Fine),
            (1, "BEGIN READ ONLY", Fine),
            (1, "SELECT COUNT(*) FROM account", Value(4)),
            (2, "TRUNCATE account, next", Fine),
            (1, "SELECT COUNT(*) FROM account", Value(0)),
            (2, "INSERT INTO account VALUES (1, 5)", Fine),
            (1, "SELECT COUNT(*) FROM account", Value(0)),
            (0, "COMMIT", Code("40001")),
            (2, "SELECT balance FROM account WHERE id = 1", Value(5)),
            (1, "COMMIT", Fine),
            (1, "BEGIN; INSERT INTO note VALUES (1, 'a', null)", Fine),
            (1, "TRUNCATE note", Fine),
            (1, "SELECT COUNT(*) FROM note", Value(0)),
            (1, "ROLLBACK", Fine),
        ],
    ),
    (
        "ROLLBACK leaves nothing",
        &[
            (0, "BEGIN; DELETE FROM account; INSERT INTO note VALUES (1, 'gone', null)", Fine),
            (0, "SELECT COUNT(*) FROM account", Value(0)),
            (0, "ROLLBACK", Fine),
            (0, "SELECT COUNT(*) FROM account", Value(4)),
            (0, "SELECT COUNT(*) FROM note", Value(0)),
            (0, "ROLLBACK", Code("25P01")),
            (0, "COMMIT", Code("25P01")),
        ],
    ),
    (
        "reads stay at the snapshot of the first one",
        &[
            (0, "BEGIN", Fine),
            (0, "SELECT SUM(balance) FROM account", Value(400)),
            (1, "UPDATE account SET balance = 0", Fine),
            (1, "CREATE INDEX late ON account (balance, id)", Fine),
            (0, "SELECT SUM(balance) FROM account", Value(400)),
            (0, "SELECT COUNT(*) FROM account WHERE balance = 100", Value(4)),
            (0, "COMMIT", Fine),
            (0, "SELECT SUM(balance) FROM account", Value(0)),
        ],
    ),
    (
        "the second to write the same record is refused, and may go on after ROLLBACK",
        &[
            (0, "BEGIN", Fine),
            (0, "UPDATE account SET balance = balance - 1 WHERE id = 1", Fine),
            (1, "UPDATE account SET balance = balance - 10 WHERE id = 1", Fine),
            (0, "COMMIT", Code("40001")),
            (0, "SELECT 1", Code("25P01")),
            (2, "SELECT balance FROM account WHERE id = 1", Value(90)),
        ],
    ),
    (
        "what was only read must still be so when the transaction writes",
        &[
            (0, "BEGIN", Fine),
            (0, "SELECT COUNT(*) FROM account WHERE balance < 50", Value(0)),
            (1, "BEGIN; SELECT COUNT(*) FROM account WHERE balance < 50", Fine),
            (0, "UPDATE account SET balance = 0 WHERE id = 1", Fine),
            (1, "UPDATE account SET balance = 0 WHERE id = 2", Fine),
            (0, "COMMIT", Fine),
            (1, "COMMIT", Code("40001")),
            (2, "SELECT COUNT(*) FROM account WHERE balance = 0", Value(1)),
        ],
    ),
    (
        "at level SNAPSHOT only writes of the same record are refused",
        &[
            (0, "BEGIN ISOLATION LEVEL SNAPSHOT", Fine),
            (1, "BEGIN ISOLATION LEVEL REPEATABLE READ", Fine),
            (0, "SELECT COUNT(*) FROM account WHERE balance < 50", Value(0)),
            (1, "SELECT COUNT(*) FROM account WHERE balance < 50", Value(0)),
            (0, "UPDATE account SET balance = 0 WHERE id = 1", Fine),
            (1, "UPDATE account SET balance = 0 WHERE id = 2", Fine),
            (0, "COMMIT", Fine),
            (1, "COMMIT", Fine),
            (2, "SELECT COUNT(*) FROM account WHERE balance = 0", Value(2)),
        ],
    ),
    (
        "READ ONLY reads and does not write",
        &[
            (0, "BEGIN READ ONLY", Fine),
            (0, "SELECT SUM(balance) FROM account", Value(400)),
            (1, "UPDATE account SET balance = 0", Fine),
            (0, "SELECT SUM(balance) FROM account", Value(400)),
            (0, "COMMIT", Fine),
            (0, "BEGIN READ ONLY", Fine),
            (0, "DELETE FROM account", Code("25006")),
            (0, "ROLLBACK", Fine),
            (0, "BEGIN READ ONLY; DELETE FROM account; COMMIT", Code("25006")),
            (0, "SELECT COUNT(*) FROM account", Value(4)),
            (0, "BEGIN", Fine),
            (0, "SET TRANSACTION READ ONLY", Fine),
            (0, "INSERT INTO account VALUES (9, 9)", Code("25006")),
            (0, "ROLLBACK", Fine),
        ],
    ),
    (
        "savepoints are gone back to, also in what indexes answer",
        &[
            (0, "BEGIN", Fine),
            (0, "INSERT INTO account VALUES (5, 5)", Fine),
            (0, "SAVEPOINT a", Fine),
            (0, "UPDATE account SET balance = 6 WHERE id = 5", Fine),
            (0, "INSERT INTO account VALUES (6, 6)", Fine),
            (0, "INSERT INTO note VALUES (1, 'a green word', '[3, 3]')", Fine),
            (0, "SELECT COUNT(*) FROM account WHERE balance = 6", Value(2)),
            (0, "SAVEPOINT b", Fine),
            (0, "DELETE FROM account", Fine),
            (0, "SELECT COUNT(*) FROM account", Value(0)),
            (0, "ROLLBACK TO SAVEPOINT b", Fine),
            (0, "SELECT COUNT(*) FROM account", Value(6)),
            (0, "ROLLBACK TO a", Fine),
            (0, "SELECT COUNT(*) FROM account WHERE balance = 6", Value(0)),
            (0, "SELECT COUNT(*) FROM account WHERE balance = 5", Value(1)),
            (0, "SELECT COUNT(*) FROM note WHERE MATCHES(body, 'green')", Value(0)),
            (
                0,
                "SELECT COUNT(*) FROM (SELECT id FROM note ORDER BY v <-> '[3, 3]' LIMIT 1) AS n",
                Value(0),
            ),
            (0, "INSERT INTO account VALUES (6, 60)", Fine),
            (0, "RELEASE SAVEPOINT a; COMMIT", Fine),
            (1, "SELECT balance FROM account WHERE id = 5", Value(5)),
            (1, "SELECT balance FROM account WHERE id = 6", Value(60)),
            (1, "SELECT COUNT(*) FROM account", Value(6)),
        ],
    ),
    (
        "savepoints within one request",
        &[
            (
                0,
                "BEGIN; INSERT INTO account VALUES (5, 5); SAVEPOINT a; DELETE FROM account;
                 ROLLBACK TO a; COMMIT",
                Fine,
            ),
            (0, "SELECT COUNT(*) FROM account", Value(5)),
        ],
    ),
    (
        "a failed statement stops the transaction until it goes back",
        &[
            (0, "BEGIN; INSERT INTO account VALUES (5, 5); SAVEPOINT a", Fine),
            (0, "INSERT INTO account VALUES (6, 6), (1, 1)", Fine),
            (0, "SELECT COUNT(*) FROM account", Code("23505")),
            (0, "SELECT 1", Code("25P02")),
            (0, "SAVEPOINT c", Code("25P02")),
            (0, "ROLLBACK TO a", Fine),
            (0, "SELECT COUNT(*) FROM account", Value(5)),
            (0, "SELECT nothing FROM account", Code("42703")),
            (0, "SELEC 1", Code("42601")),
            (0, "SELECT 1", Code("25P02")),
            (0, "ROLLBACK TO a", Fine),
            (0, "COMMIT", Fine),
            (0, "SELECT COUNT(*) FROM account", Value(5)),
            (0, "BEGIN; INSERT INTO account VALUES (7, 7)", Fine),
            (0, "SELECT 1 / 0", Code("22012")),
            (0, "COMMIT", Code("25P02")),
            (0, "SELECT 1", Code("25P01")),
            (1, "SELECT COUNT(*) FROM account", Value(5)),
        ],
    ),
    (
        "what does not fit a transaction is refused by name",
        &[
            (0, "SAVEPOINT a", Code("25P01")),
            (0, "ROLLBACK TO a", Code("25P01")),
            (0, "RELEASE a", Code("25P01")),
            (0, "SET TRANSACTION READ ONLY", Code("25P01")),
            (0, "BEGIN; BEGIN", Code("25001")),
            (0, "BEGIN", Fine),
            (0, "BEGIN", Code("25001")),
            (0, "ROLLBACK", Fine),
            (0, "BEGIN", Fine),
            (0, "REFRESH MATERIALIZED VIEW note", Code("25001")),
            (0, "ROLLBACK; BEGIN", Fine),
            (0, "SAVEPOINT one", Fine),
            (0, "RELEASE oen", Code("3B001")),
            (0, "ROLLBACK TO one; SELECT 1", Fine),
            (0, "SET TRANSACTION READ ONLY", Code("25001")),
            (0, "ROLLBACK", Fine),
        ],
    ),
    (
        "a dropped table ends the transactions that wrote to it",
        &[
            (0, "BEGIN; INSERT INTO note VALUES (1, 'a', null)", Fine),
            (1, "DROP TABLE note", Fine),
            (0, "SELECT * FROM note", Code("42P01")),
            (0, "ROLLBACK; BEGIN", Fine),
            (0, "INSERT INTO account VALUES (8, 8)", Fine),
            (1, "DROP EDGE next; DROP TABLE account", Fine),
            (0, "COMMIT", Code("40001")),
        ],
    ),
    (
        "settings last as long as the transaction",
        &[
            (0, "BEGIN; SET ef_search = 77", Fine),
            (0, "SHOW ef_search", Value(77)),
            (0, "COMMIT", Fine),
            (0, "SET ef_search = 5", Fine),
            (0, "SHOW ef_search", Value(5)),
        ],
    ),
    (
        "ON CONFLICT that met a key committed since is told to begin again",
        &[
            (0, "BEGIN; SELECT 1 FROM account", Fine),
            (1, "INSERT INTO account VALUES (5, 5)", Fine),
            (0, "INSERT INTO account VALUES (5, 6) ON CONFLICT (id) DO NOTHING", Fine),
            (0, "COMMIT", Code("40001")),
        ],
    ),
];

#[test]
fn conversations_on_one_shard() {
    talk_all(1, SCHEMA, CONVERSATIONS);
}

#[test]
fn conversations_on_two_shards() {
    talk_all(2, SCHEMA, CONVERSATIONS);
}

#[test]
fn conversations_on_eight_shards() {
    talk_all(8, SCHEMA, CONVERSATIONS);
}

#[test]
fn a_transaction_goes_on_wherever_its_next_request_arrives() {
    with_database(2, |open| {
        // Two on each core.
        let clients: Vec<Client> = (0..4).map(|_| open()).collect();
        clients[0].ask(SCHEMA).expect("the schema");
        clients[0].ask("BEGIN").expect("a transaction");
        let token = clients[0].transaction().expect("BEGIN names it");
        for (id, client) in (10..).zip(&clients) {
            client.join(Some(token));
            client.ask(&format!("INSERT INTO account VALUES ({id}, 0)")).expect("a row");
            assert_eq!(client.transaction(), Some(token));
            assert_eq!(client.rows("SELECT COUNT(*) FROM account WHERE balance = 0").len(), 1);
        }
        let found = clients[3].rows("SELECT COUNT(*) FROM account WHERE balance = 0");
        assert_eq!(found[0][0].as_i64(), Some(4));
        clients[2].ask("COMMIT").expect("all of it");
        assert_eq!(clients[2].transaction(), None);
        for client in &clients {
            client.join(Some(token));
            assert_eq!(client.ask("SELECT 1").expect_err("it has ended").code, "25P01");
        }
    });
}

#[test]
fn a_transaction_left_alone_is_rolled_back_and_says_so() {
    let options =
        SessionOptions { transaction_idle: Duration::from_millis(50), ..SessionOptions::default() };
    with_options(2, options, |open| {
        let (client, other) = (open(), open());
        client.ask(SCHEMA).expect("the schema");
        client.ask("BEGIN; DELETE FROM account").expect("a transaction");
        let (_silent, nothing) = flume::bounded::<()>(1);
        let waited = nothing.recv_timeout(Duration::from_secs(1));
        assert_eq!(waited, Err(flume::RecvTimeoutError::Timeout));
        say("idle", &client, "COMMIT", Code("25P03"));
        say("idle", &other, "SELECT COUNT(*) FROM account", Value(4));
        // Nothing of it is in the way of anybody.
        say("idle", &other, "DELETE FROM account", Fine);
        say("idle", &client, "SELECT COUNT(*) FROM account", Value(0));
    });
}
