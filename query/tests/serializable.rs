//! Do statements that look before they write have the effect of some serial order, in every model?
//!
//! Several clients at once run "insert it unless there is one", each with a key of its own, so no
//! two of them write the same record: only what they have read tells them apart. Exactly one may
//! succeed. Without validation of reads most rounds end with several.

mod support;

use support::{Client, with_database};

const CLIENTS: usize = 4;
const ROUNDS: i64 = 12;

const SCHEMA: &str = "
    CREATE TABLE doctor (id INT PRIMARY KEY, on_duty BOOL NOT NULL);
    CREATE TABLE booking (id BIGINT PRIMARY KEY, room INT NOT NULL);
    CREATE INDEX booking_room ON booking (room);
    CREATE COLLECTION fact;
    CREATE TABLE note (id BIGINT PRIMARY KEY, body TEXT);
    CREATE INDEX note_body ON note USING text (body);
    CREATE TABLE memory (id BIGINT PRIMARY KEY, v VECTOR(2) NOT NULL);
    CREATE INDEX memory_v ON memory USING hnsw (v vector_l2_ops);
    CREATE TABLE person (id BIGINT PRIMARY KEY);
    CREATE EDGE knows FROM person TO person;
    INSERT INTO doctor VALUES (0, true), (1, true), (2, true), (3, true)";

/// A rule that holds in every serial order. `{round}` is the round, `{id}` another number for every
/// client and round.
struct Rule {
    name: &'static str,
    act: &'static str,
    /// Counts what there may be one of.
    count: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        name: "rows, by an index",
        act: "INSERT INTO booking SELECT {id}, {round}
              WHERE (SELECT COUNT(*) FROM booking WHERE room = {round}) = 0",
        count: "SELECT COUNT(*) FROM booking WHERE room = {round}",
    },
    Rule {
        name: "documents, by a field",
        act: "INSERT INTO fact SELECT '{\"_id\": \"f{id}\", \"about\": {round}}'::JSON
              WHERE NOT EXISTS (SELECT 1 FROM fact WHERE about = {round})",
        count: "SELECT COUNT(*) FROM fact WHERE about = {round}",
    },
    Rule {
        name: "texts, by a word",
        act: "INSERT INTO note SELECT {id}, 'topic{round} is new'
              WHERE NOT EXISTS (SELECT 1 FROM note WHERE MATCHES(body, 'topic{round}'))",
        count: "SELECT COUNT(*) FROM note WHERE MATCHES(body, 'topic{round}')",
    },
    Rule {
        name: "vectors, by the nearest",
        act: "INSERT INTO memory SELECT {id}, '[{round}, 1]'::VECTOR(2)
              WHERE NOT EXISTS (
                  SELECT 1 FROM (SELECT v <-> '[{round}, 1]' AS d FROM memory
                                 ORDER BY d LIMIT 1) AS nearest
                  WHERE d < 0.5)",
        count: "SELECT COUNT(*) FROM memory WHERE v <-> '[{round}, 1]' < 0.5",
    },
    Rule {
        name: "edges, by a step",
        act: "INSERT INTO knows (src, dst) SELECT {round} + 1, {id}
              WHERE NOT EXISTS (SELECT 1 FROM MATCH (a:person)-[:knows]->(b:person)
                                WHERE a.id = {round} + 1)",
        count: "SELECT COUNT(*) FROM MATCH (a:person)-[:knows]->(b:person) WHERE a.id = {round} + 1",
    },
];

fn filled(text: &str, round: i64, id: i64) -> String {
    text.replace("{round}", &round.to_string()).replace("{id}", &id.to_string())
}

/// Runs a text at all clients at once, with a number for each.
fn at_once(clients: &[Client], act: impl Fn(i64) -> String) {
    std::thread::scope(|scope| {
        for (number, client) in (0..).zip(clients) {
            let act = act(number);
            scope.spawn(move || match client.ask(&act) {
                Ok(_) => {}
                // Who loses again and again may give up.
                Err(error) if error.code == "40001" => {}
                Err(error) => panic!("{act}\n{error:?}"),
            });
        }
    });
}

fn count(client: &Client, text: &str) -> i64 {
    client.rows(text)[0][0].as_i64().expect("a number")
}

fn keep_the_rules(shards: u16) {
    with_database(shards, |open| {
        let clients: Vec<Client> = (0..CLIENTS).map(|_| open()).collect();
        clients[0].ask(SCHEMA).expect("the schema");
        for id in 0..=ROUNDS * CLIENTS as i64 {
            clients[0].ask(&format!("INSERT INTO person VALUES ({id})")).expect("a person");
        }
        for rule in RULES {
            for round in 0..ROUNDS {
                let first = round * CLIENTS as i64;
                at_once(&clients, |number| filled(rule.act, round, first + number));
                let found = count(&clients[0], &filled(rule.count, round, 0));
                assert_eq!(found, 1, "{} on {shards} shards, round {round}", rule.name);
            }
        }
        for round in 0..ROUNDS {
            let leave = "UPDATE doctor SET on_duty = false
                         WHERE id = {id} AND (SELECT COUNT(*) FROM doctor WHERE on_duty) > 1";
            at_once(&clients, |number| filled(leave, round, number));
            let on_duty = count(&clients[0], "SELECT COUNT(*) FROM doctor WHERE on_duty");
            assert!(on_duty >= 1, "nobody is on duty on {shards} shards, round {round}");
            clients[0].ask("UPDATE doctor SET on_duty = true").expect("all come back");
        }
    });
}

#[test]
fn one_shard_keeps_the_rules() {
    keep_the_rules(1);
}

#[test]
fn two_shards_keep_the_rules() {
    keep_the_rules(2);
}

#[test]
fn eight_shards_keep_the_rules() {
    keep_the_rules(8);
}
