//! Do changes of the schema within a transaction take effect with its writes, or not at all?

mod support;

use support::conversation::{Code, Conversation, Fine, Value, talk_all};

const SCHEMA: &str = "
    CREATE TABLE account (id INT PRIMARY KEY, balance BIGINT NOT NULL);
    CREATE INDEX account_balance ON account (balance);
    CREATE TABLE note (id BIGINT PRIMARY KEY, body TEXT);
    CREATE TABLE version (number INT PRIMARY KEY);
    INSERT INTO account VALUES (1, 100), (2, 100), (3, 100), (4, 100)";

const CONVERSATIONS: &[Conversation] = &[
    (
        "what is made is seen inside at once and outside after COMMIT",
        &[
            (0, "BEGIN", Fine),
            (0, "CREATE TABLE made (id SERIAL PRIMARY KEY, n INT UNIQUE)", Fine),
            (0, "SELECT COUNT(*) FROM made", Value(0)),
            (0, "CREATE INDEX made_n ON made (n, id)", Fine),
            (0, "INSERT INTO made (n) VALUES (5), (6)", Fine),
            (0, "SELECT id FROM made WHERE n = 6", Value(2)),
            (0, "INSERT INTO version VALUES (1)", Fine),
            (1, "SELECT COUNT(*) FROM made", Code("42P01")),
            (1, "INSERT INTO made VALUES (1)", Code("42P01")),
            (1, "SELECT COUNT(*) FROM version", Value(0)),
            (1, "SELECT COUNT(*) FROM pieskieo.tables WHERE name = 'made'", Value(0)),
            (0, "SELECT COUNT(*) FROM pieskieo.tables WHERE name = 'made'", Value(1)),
            (0, "COMMIT", Fine),
            (1, "SELECT id FROM made WHERE n = 6", Value(2)),
            (1, "SELECT number FROM version", Value(1)),
            (1, "INSERT INTO made (n) VALUES (6)", Code("23505")),
            (1, "INSERT INTO made (n) VALUES (7)", Fine),
        ],
    ),
    (
        "all of it in one request",
        &[
            (
                0,
                "BEGIN; CREATE TABLE made (id INT PRIMARY KEY); INSERT INTO made VALUES (7); \
                 ALTER TABLE note ADD COLUMN z INT DEFAULT 9; COMMIT; SELECT id FROM made",
                Fine,
            ),
            (1, "SELECT id FROM made", Value(7)),
            (1, "INSERT INTO note (id) VALUES (1); SELECT 1", Fine),
            (1, "SELECT z FROM note", Value(9)),
        ],
    ),
    (
        "ROLLBACK leaves nothing, and the names are free",
        &[
            (0, "BEGIN; CREATE TABLE made (id INT PRIMARY KEY); INSERT INTO made VALUES (1)", Fine),
            (0, "DROP TABLE note; ALTER TABLE version RENAME TO release", Fine),
            (0, "SELECT COUNT(*) FROM release", Value(0)),
            (0, "ROLLBACK", Fine),
            (0, "SELECT COUNT(*) FROM made", Code("42P01")),
            (0, "SELECT COUNT(*) FROM note", Value(0)),
            (0, "SELECT COUNT(*) FROM version", Value(0)),
            (1, "CREATE TABLE made (x TEXT PRIMARY KEY); INSERT INTO made VALUES ('2')", Fine),
            (0, "SELECT x FROM made", Value(2)),
        ],
    ),
    (
        "nothing of a transaction that fails stays",
        &[
            (0, "BEGIN; CREATE TABLE made (id INT PRIMARY KEY)", Fine),
            (0, "INSERT INTO made VALUES (1), (1)", Code("23505")),
            (0, "SELECT 1", Code("25P02")),
            (0, "COMMIT", Code("25P02")),
            (1, "SELECT COUNT(*) FROM made", Code("42P01")),
        ],
    ),
    (
        "a savepoint keeps what was made before it",
        &[
            (0, "BEGIN; CREATE TABLE one (id INT PRIMARY KEY); INSERT INTO one VALUES (1)", Fine),
            (0, "SAVEPOINT s; CREATE TABLE two (id INT PRIMARY KEY)", Fine),
            (0, "INSERT INTO two VALUES (2); INSERT INTO one VALUES (2); DROP TABLE note", Fine),
            (0, "ROLLBACK TO s", Fine),
            (0, "SELECT COUNT(*) FROM note", Value(0)),
            (0, "SELECT COUNT(*) FROM one", Value(1)),
            (0, "SELECT COUNT(*) FROM two", Code("42P01")),
            (0, "ROLLBACK TO s", Fine),
            (
                0,
                "CREATE TABLE two (id INT PRIMARY KEY, x INT); INSERT INTO two VALUES (8, 9)",
                Fine,
            ),
            (0, "RELEASE s; COMMIT", Fine),
            (1, "SELECT x FROM two", Value(9)),
            (1, "SELECT COUNT(*) FROM one", Value(1)),
        ],
    ),
    (
        "a table is altered with the commit, and read or written after it",
        &[
            (0, "BEGIN; ALTER TABLE account ADD COLUMN kind TEXT NOT NULL DEFAULT '3'", Fine),
            (0, "INSERT INTO version VALUES (2)", Fine),
            (1, "INSERT INTO account VALUES (5, 5)", Fine),
            (1, "SELECT kind FROM account", Code("42703")),
            (0, "COMMIT", Fine),
            (1, "SELECT COUNT(*) FROM account WHERE kind = '3'", Value(5)),
            (0, "BEGIN; ALTER TABLE account DROP COLUMN kind; SAVEPOINT s", Fine),
            (0, "SELECT * FROM account", Code("0A000")),
            (0, "ROLLBACK TO s; INSERT INTO version VALUES (3)", Fine),
            (0, "INSERT INTO account VALUES (6, 6)", Code("0A000")),
            (0, "ROLLBACK TO s; COMMIT", Fine),
            (1, "SELECT kind FROM account", Code("42703")),
            (1, "SELECT COUNT(*) FROM account", Value(5)),
        ],
    ),
    (
        "what is linked to an altered table is not written either",
        &[
            (
                0,
                "CREATE TABLE part (id INT PRIMARY KEY, account INT REFERENCES account \
                 ON DELETE CASCADE); INSERT INTO part VALUES (1, 1)",
                Fine,
            ),
            (0, "BEGIN; ALTER TABLE part ADD COLUMN x INT; SAVEPOINT s", Fine),
            (0, "DELETE FROM account WHERE id = 1", Code("0A000")),
            (0, "ROLLBACK TO s; COMMIT", Fine),
            (0, "DELETE FROM account WHERE id = 1", Fine),
            (0, "SELECT COUNT(*) FROM part", Value(0)),
        ],
    ),
    (
        "of two that make the same name the second is refused",
        &[
            (0, "BEGIN; CREATE TABLE made (id INT PRIMARY KEY)", Fine),
            (1, "BEGIN; CREATE TABLE made (id INT PRIMARY KEY); INSERT INTO made VALUES (5)", Fine),
            (0, "INSERT INTO made VALUES (4); COMMIT", Fine),
            (1, "COMMIT", Code("42P07")),
            (1, "ROLLBACK", Code("25P01")),
            (1, "SELECT id FROM made", Value(4)),
            (0, "BEGIN; CREATE INDEX ix ON version (number)", Fine),
            (1, "CREATE INDEX ix ON note (body)", Fine),
            (0, "COMMIT", Code("42P07")),
        ],
    ),
    (
        "of two that change the same table the second begins again",
        &[
            (0, "BEGIN; ALTER TABLE note ADD COLUMN y INT", Fine),
            (1, "ALTER TABLE note ADD COLUMN z INT", Fine),
            (0, "COMMIT", Code("40001")),
            (0, "ROLLBACK", Code("25P01")),
            (0, "BEGIN; CREATE TABLE part (id INT PRIMARY KEY, n BIGINT REFERENCES note)", Fine),
            (1, "DROP TABLE note", Fine),
            (0, "INSERT INTO part VALUES (1, NULL)", Code("40001")),
            (0, "ROLLBACK", Fine),
            (0, "BEGIN; DROP TABLE version", Fine),
            (1, "DROP TABLE version", Fine),
            (0, "COMMIT", Code("40001")),
        ],
    ),
    (
        "a table may be made, filled and dropped on the way",
        &[
            (0, "BEGIN; CREATE TABLE way (id INT PRIMARY KEY, a INT REFERENCES account)", Fine),
            (0, "INSERT INTO way VALUES (1, 1); UPDATE account SET balance = 5 WHERE id = 1", Fine),
            (0, "DROP TABLE way; INSERT INTO version VALUES (7)", Fine),
            (0, "SELECT COUNT(*) FROM way", Code("42P01")),
            (0, "ROLLBACK", Fine),
            (0, "BEGIN; CREATE TABLE way (id INT PRIMARY KEY, a INT REFERENCES account)", Fine),
            (0, "INSERT INTO way VALUES (1, 1); UPDATE account SET balance = 6 WHERE id = 1", Fine),
            (0, "DROP TABLE way; INSERT INTO version VALUES (8); COMMIT", Fine),
            (1, "SELECT balance FROM account WHERE id = 1", Value(6)),
            (1, "SELECT number FROM version", Value(8)),
            (1, "SELECT COUNT(*) FROM way", Code("42P01")),
            (1, "DELETE FROM account WHERE id = 1", Fine),
        ],
    ),
    (
        "a table takes the name of one that is dropped with it",
        &[
            (0, "INSERT INTO note VALUES (1, 'old')", Fine),
            (0, "BEGIN; DROP TABLE note; CREATE TABLE note (body TEXT PRIMARY KEY)", Fine),
            (0, "INSERT INTO note VALUES ('12')", Fine),
            (1, "SELECT id FROM note", Value(1)),
            (0, "COMMIT", Fine),
            (1, "SELECT body FROM note", Value(12)),
        ],
    ),
    (
        "references to existing records hold whoever deletes them",
        &[
            (0, "BEGIN; CREATE TABLE part (id INT PRIMARY KEY, a INT REFERENCES account)", Fine),
            (0, "INSERT INTO part VALUES (1, 9)", Code("23503")),
            (0, "ROLLBACK", Fine),
            (0, "BEGIN; CREATE TABLE part (id INT PRIMARY KEY, a INT REFERENCES account)", Fine),
            (0, "INSERT INTO part VALUES (1, 1)", Fine),
            (1, "DELETE FROM account WHERE id = 1", Fine),
            (0, "COMMIT", Code("40001")),
            (0, "ROLLBACK", Code("25P01")),
            (0, "BEGIN; CREATE TABLE part (id INT PRIMARY KEY, a INT REFERENCES account)", Fine),
            (0, "INSERT INTO part VALUES (1, 2)", Fine),
            (1, "BEGIN; DELETE FROM account WHERE id = 2", Fine),
            (0, "COMMIT", Fine),
            (1, "COMMIT", Code("40001")),
            (1, "ROLLBACK", Code("25P01")),
            (1, "DELETE FROM account WHERE id = 2", Code("23503")),
            (1, "DELETE FROM account WHERE id = 3", Fine),
        ],
    ),
    (
        "what was written before agrees with what is made after",
        &[
            (0, "BEGIN; INSERT INTO account VALUES (9, 9); DELETE FROM account WHERE id = 1", Fine),
            (0, "CREATE TABLE part (id INT PRIMARY KEY, a INT REFERENCES account)", Fine),
            (0, "SAVEPOINT s; INSERT INTO part VALUES (1, 1)", Code("23503")),
            (0, "ROLLBACK TO s; INSERT INTO part VALUES (1, 9)", Fine),
            (1, "CREATE TABLE other (id INT PRIMARY KEY)", Fine),
            (0, "UPDATE account SET balance = 1 WHERE id = 9", Fine),
            (0, "COMMIT", Fine),
            (1, "SELECT a FROM part", Value(9)),
            (1, "SELECT balance FROM account WHERE id = 9", Value(1)),
            (1, "DELETE FROM account WHERE id = 9", Code("23503")),
        ],
    ),
    (
        "every kind of table, with every kind of index",
        &[
            (0, "BEGIN; CREATE COLLECTION fact; INSERT INTO fact VALUES ('{\"n\": 5}')", Fine),
            (0, "CREATE TABLE doc (id INT PRIMARY KEY, body TEXT, v VECTOR(2))", Fine),
            (0, "CREATE INDEX doc_body ON doc USING text (body)", Fine),
            (0, "CREATE INDEX doc_v ON doc USING hnsw (v vector_l2_ops)", Fine),
            (0, "CREATE EDGE cites FROM doc TO doc", Fine),
            (0, "INSERT INTO doc VALUES (1, 'green tea', '[1, 0]'), (2, 'red', '[0, 1]')", Fine),
            (0, "INSERT INTO cites (src, dst) VALUES (1, 2)", Fine),
            (0, "CREATE INDEX doc_id ON doc (body, id)", Fine),
            (0, "SELECT id FROM doc WHERE MATCHES(body, 'tea')", Value(1)),
            (0, "SELECT id FROM doc ORDER BY v <-> '[0, 1]' LIMIT 1", Value(2)),
            (0, "SELECT b.id FROM MATCH (a:doc)-[:cites]->(b:doc) WHERE a.id = 1", Value(2)),
            (0, "CREATE VIEW teas AS SELECT id FROM doc WHERE MATCHES(body, 'tea')", Fine),
            (0, "SELECT id FROM teas", Value(1)),
            (0, "COMMENT ON TABLE doc IS 'what was read'", Fine),
            (1, "SELECT id FROM teas", Code("42P01")),
            (0, "COMMIT", Fine),
            (1, "SELECT id FROM teas", Value(1)),
            (1, "SELECT n FROM fact WHERE n = 5", Value(5)),
            (1, "SELECT id FROM doc WHERE body = 'red'", Value(2)),
            (1, "SELECT id FROM doc ORDER BY v <-> '[0, 1]' LIMIT 1", Value(2)),
            (1, "SELECT b.id FROM MATCH (a:doc)-[:cites]->(b:doc) WHERE a.id = 1", Value(2)),
        ],
    ),
    (
        "a table without records takes rules later",
        &[
            (0, "BEGIN; CREATE TABLE part (id INT PRIMARY KEY, a INT, n INT)", Fine),
            (0, "ALTER TABLE part ADD FOREIGN KEY (a) REFERENCES account (id)", Fine),
            (0, "ALTER TABLE part ADD CONSTRAINT one UNIQUE (n)", Fine),
            (0, "CREATE UNIQUE INDEX two ON part (a)", Fine),
            (0, "ALTER TABLE part ADD CHECK (n > 0), ALTER n SET NOT NULL", Fine),
            (0, "INSERT INTO part VALUES (1, 1, 1); SAVEPOINT s", Fine),
            (0, "INSERT INTO part VALUES (2, 1, 2)", Code("23505")),
            (0, "ROLLBACK TO s; INSERT INTO part VALUES (2, 2, 0)", Code("23514")),
            (0, "ROLLBACK TO s; INSERT INTO part VALUES (2, 7, 2)", Code("23503")),
            (0, "ROLLBACK TO s; ALTER TABLE part ADD COLUMN late INT", Code("0A000")),
            (0, "ROLLBACK TO s; COMMIT", Fine),
            (1, "INSERT INTO part VALUES (2, 2, 1)", Code("23505")),
            (1, "INSERT INTO part VALUES (2, 7, 2)", Code("23503")),
            (1, "INSERT INTO part VALUES (2, 2, 2)", Fine),
        ],
    ),
    (
        "an index over existing records is made with the commit",
        &[
            (0, "INSERT INTO note VALUES (1, 'green tea'), (2, 'red')", Fine),
            (0, "BEGIN; CREATE INDEX note_body ON note (body)", Fine),
            (0, "CREATE INDEX note_words ON note USING text (body)", Fine),
            (0, "INSERT INTO version VALUES (4); COMMIT", Fine),
            (1, "SELECT id FROM note WHERE body = 'red'", Value(2)),
            (1, "SELECT id FROM note WHERE MATCHES(body, 'tea')", Value(1)),
        ],
    ),
    (
        "what needs existing records is refused by name",
        &[
            (0, "BEGIN; SAVEPOINT s", Fine),
            (0, "CREATE UNIQUE INDEX u ON note (body)", Code("0A000")),
            (0, "ROLLBACK TO s; ALTER TABLE note ADD CHECK (id > 0)", Code("0A000")),
            (0, "ROLLBACK TO s; ALTER TABLE note ALTER id TYPE TEXT", Code("0A000")),
            (0, "ROLLBACK TO s; CREATE TABLE x AS SELECT 1 AS one", Code("0A000")),
            (0, "ROLLBACK TO s; CREATE TABLE note (id INT PRIMARY KEY)", Code("42P07")),
            (0, "ROLLBACK TO s; DROP TABLE nothing", Code("42P01")),
            (0, "ROLLBACK TO s; CREATE TABLE IF NOT EXISTS note (id INT PRIMARY KEY)", Fine),
            (0, "REFRESH MATERIALIZED VIEW note", Code("25001")),
            (0, "ROLLBACK", Fine),
            (0, "BEGIN READ ONLY", Fine),
            (0, "CREATE TABLE x (id INT PRIMARY KEY)", Code("25006")),
            (0, "ROLLBACK", Fine),
        ],
    ),
    (
        "an emptied table is empty inside at once and outside after COMMIT",
        &[
            (0, "CREATE TABLE part (id SERIAL PRIMARY KEY, a INT REFERENCES account)", Fine),
            (0, "INSERT INTO part (a) VALUES (1), (2); INSERT INTO note VALUES (1, 'old')", Fine),
            (0, "BEGIN; INSERT INTO part (a) VALUES (3); SAVEPOINT s", Fine),
            (0, "TRUNCATE account", Code("0A000")),
            (0, "ROLLBACK TO s; TRUNCATE account CASCADE; TRUNCATE note", Fine),
            (0, "SELECT COUNT(*) FROM part", Value(0)),
            (0, "INSERT INTO account VALUES (7, 7); INSERT INTO part (a) VALUES (7)", Fine),
            (0, "INSERT INTO note VALUES (1, 'new')", Fine),
            (1, "SELECT COUNT(*) FROM account", Value(4)),
            (1, "SELECT COUNT(*) FROM part", Value(2)),
            (0, "SELECT COUNT(*) FROM account", Value(1)),
            (0, "COMMIT", Fine),
            (1, "SELECT id FROM account", Value(7)),
            (1, "SELECT a FROM part", Value(7)),
            (1, "SELECT COUNT(*) FROM note WHERE body = 'new'", Value(1)),
            (1, "DELETE FROM account", Code("23503")),
            (1, "SELECT id FROM account WHERE balance = 7", Value(7)),
            (0, "BEGIN; TRUNCATE part RESTART IDENTITY", Fine),
            (0, "INSERT INTO part (a) VALUES (7)", Fine),
            (0, "SELECT id FROM part", Value(1)),
            (1, "INSERT INTO note VALUES (2, 'beside')", Fine),
            (0, "TRUNCATE part; ROLLBACK", Fine),
            (0, "SELECT COUNT(*) FROM part", Value(1)),
            (0, "BEGIN; TRUNCATE note", Fine),
            (1, "INSERT INTO note VALUES (3, 'lost')", Fine),
            (0, "COMMIT", Fine),
            (1, "SELECT COUNT(*) FROM note", Value(0)),
        ],
    ),
    (
        "a view that would not survive keeps what it reads",
        &[
            (0, "CREATE VIEW bodies AS SELECT body FROM note", Fine),
            (0, "BEGIN; SAVEPOINT s", Fine),
            (0, "ALTER TABLE note DROP COLUMN body", Code("2BP01")),
            (0, "ROLLBACK TO s; DROP VIEW bodies; ALTER TABLE note DROP COLUMN body", Fine),
            (1, "SELECT COUNT(body) FROM bodies", Value(0)),
            (0, "COMMIT", Fine),
            (1, "SELECT body FROM note", Code("42703")),
            (1, "SELECT * FROM bodies", Code("42P01")),
        ],
    ),
    (
        "one reader sees the records and the table from the same moment on",
        &[
            (0, "BEGIN; CREATE TABLE made (id INT PRIMARY KEY); INSERT INTO made VALUES (1)", Fine),
            (1, "BEGIN READ ONLY; SELECT COUNT(*) FROM version", Fine),
            (0, "INSERT INTO version VALUES (1); COMMIT", Fine),
            (1, "SELECT COUNT(*) FROM version", Value(0)),
            (1, "SELECT COUNT(*) FROM made", Value(0)),
            (1, "COMMIT", Fine),
            (1, "SELECT COUNT(*) FROM made", Value(1)),
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
