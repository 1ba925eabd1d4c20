//! Are the answers of large queries the same, whether one core, all cores or the disk holds them?

mod support;

use pieskieo_query::{BulkConflict, Error, QueryMemory, SessionOptions};
use serde_json::{Value as Json, json};
use support::{Client, with_options};

/// Rows of each table; some hundred bytes each.
const ROWS: u64 = 80_000;
/// Memory of all queries, a fraction of one table.
const BYTES_SMALL: usize = 12 << 20;
const BYTES_LARGE: usize = 1 << 30;
const SPILL_BYTES: u64 = 1 << 30;

const SCHEMA: &str = "
    CREATE TABLE part (id BIGINT PRIMARY KEY, name TEXT NOT NULL, size INT, note TEXT);
    CREATE TABLE sale (id BIGINT PRIMARY KEY, name TEXT NOT NULL, size INT, note TEXT)";

/// Queries that hold more than there is memory.
const QUERIES: &[&str] = &[
    "SELECT id, note FROM part ORDER BY note DESC, id",
    "SELECT DISTINCT note FROM part ORDER BY note",
    "SELECT note, COUNT(*), MIN(id), SUM(size) FROM part GROUP BY note ORDER BY note",
    "SELECT name, COUNT(DISTINCT note) FROM part GROUP BY name ORDER BY name",
    "SELECT id, ROW_NUMBER() OVER (ORDER BY note, id) FROM part ORDER BY id",
    "SELECT p.id, s.id FROM part p JOIN sale s ON p.note = s.note ORDER BY 1, 2",
    "SELECT p.id, s.id, s.note FROM part p LEFT JOIN sale s ON p.note = s.note AND s.size > 40
     ORDER BY 1, 2",
    "SELECT p.id, p.note, s.id, s.note FROM part p FULL JOIN sale s ON p.name = s.name
     ORDER BY 1, 3",
    "SELECT id, note FROM part p WHERE EXISTS (SELECT 1 FROM sale s WHERE s.note = p.note)
     ORDER BY id",
    "SELECT id, note FROM part p WHERE NOT EXISTS (SELECT 1 FROM sale s WHERE s.name = p.name)
     ORDER BY id",
    "SELECT p.name, COUNT(*) FROM part p JOIN sale s ON p.note = s.note GROUP BY p.name
     ORDER BY p.name",
    "SELECT note FROM part EXCEPT SELECT note FROM sale ORDER BY note",
];

/// Queries that may need less, by how they are planned: a join by key, a join on nulls.
const OTHERS: &[&str] = &[
    "SELECT p.note, p.id, s.note FROM part p JOIN sale s ON p.id = s.id AND p.size < s.size
     ORDER BY 2",
    "SELECT p.id, s.id FROM part p LEFT JOIN (SELECT * FROM sale WHERE id % 20 = 0) s
     ON p.size = s.size AND p.note = s.note ORDER BY 1, 2",
];

fn records(first: u64) -> Vec<Json> {
    let record = |id: u64| {
        let mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        // Every third row of one table has the note of a row of the other.
        let noted = if id.is_multiple_of(3) { id } else { id + first };
        let size = if id.is_multiple_of(17) { Json::Null } else { json!(mixed % 100) };
        json!({
            "id": id,
            "name": format!("name {:06}", id + first / 2),
            "size": size,
            "note": format!("note {:07} {}", noted * 7919 % 1_000_003, "x".repeat(120)),
        })
    };
    (0..ROWS).map(record).collect()
}

fn fill(client: &Client) {
    client.ask(SCHEMA).expect("the tables are made");
    client.load("part", records(0), BulkConflict::Error);
    client.load("sale", records(ROWS), BulkConflict::Error);
}

/// Runs a conversation over the tables with so much memory.
fn with_memory<T>(shards: u16, memory: &QueryMemory, talk: impl FnOnce(&Client) -> T) -> T {
    let options = SessionOptions { query_memory: memory.clone(), ..SessionOptions::default() };
    with_options(shards, options, |open| {
        let client = open();
        fill(&client);
        talk(&client)
    })
}

fn answers(client: &Client) -> Vec<Vec<Vec<Json>>> {
    QUERIES.iter().chain(OTHERS).map(|query| client.rows(query)).collect()
}

#[test]
fn what_goes_to_disk_is_answered_as_what_stays_in_memory() {
    let large = with_memory(1, &QueryMemory::new(BYTES_LARGE), answers);
    // Every shard sorts its own part: more of them need more.
    for (shards, bytes) in [(1, BYTES_SMALL), (2, BYTES_SMALL), (8, 4 * BYTES_SMALL)] {
        let memory = QueryMemory::new(bytes).with_spill(std::env::temp_dir(), SPILL_BYTES);
        with_memory(shards, &memory, |client| {
            for (query, expected) in QUERIES.iter().chain(OTHERS).zip(&large) {
                let before = memory.spill().total_bytes;
                // A merge of sorted files that begins while others hold theirs may be refused: whoever
                // reads such a refusal sends the statement again.
                let ask = || client.ask(query);
                let refused = |error: &Error| error.code == "53200";
                let answer = (0..2).fold(ask(), |answer, _| match answer {
                    Err(error) if refused(&error) => ask(),
                    answer => answer,
                });
                let rows = answer.map(|answer| answer.rows());
                let rows = rows.unwrap_or_else(|error| panic!("{shards}: {query}: {error:?}"));
                assert!(rows == *expected, "{shards} shards: {query}");
                let written = memory.spill().total_bytes - before;
                let may_fit = shards == 8 || OTHERS.contains(query);
                assert!(written > 0 || may_fit, "{shards} shards, in memory: {query}");
            }
            assert!(memory.spill().total_bytes > 0);
        });
        let usage = memory.spill();
        assert_eq!((usage.bytes, usage.files), (0, 0), "files outlive their queries");
    }
}

#[test]
fn what_all_cores_share_is_answered_as_what_one_holds() {
    let memory = QueryMemory::new(BYTES_LARGE);
    let alone = with_memory(1, &memory, answers);
    for shards in [2, 8] {
        with_memory(shards, &memory, |client| {
            client.ask("SET parallel_rows = 0").expect("a setting");
            for (query, expected) in QUERIES.iter().chain(OTHERS).zip(&alone) {
                assert!(client.rows(query) == *expected, "{shards} shards: {query}");
            }
        });
        assert_eq!(memory.bytes(), 0, "what was shared is given back");
    }
}

#[test]
fn cores_share_what_is_large_and_end_together() {
    with_memory(2, &QueryMemory::new(BYTES_LARGE), |client| {
        let plan = |text: &str| Json::from(client.rows(&format!("EXPLAIN {text}"))).to_string();
        let join = "SELECT COUNT(*) FROM part p JOIN sale s ON p.note = s.note";
        assert!(plan(join).contains("Shuffle"), "{}", plan(join));
        let small = format!("{join} WHERE p.id = 7");
        client.ask("SET parallel_rows = 1000000").expect("a setting");
        assert!(!plan(join).contains("Shuffle"));
        client.ask("SET parallel_rows = DEFAULT").expect("a setting");
        assert!(!plan(&small).contains("Shuffle"), "{}", plan(&small));
        let few = "SELECT COUNT(*) FROM (SELECT note FROM part LIMIT 5) p
             JOIN (SELECT note FROM sale LIMIT 5) s ON p.note = s.note";
        assert!(!plan(few).contains("Shuffle"), "{}", plan(few));
        // Who needs no more rows leaves; the others are not held up.
        let some = format!("{join} GROUP BY p.note LIMIT 3");
        assert_eq!(client.rows(&some).len(), 3);
        // What one part finds wrong ends all.
        let wrong = "SELECT p.note, SUM(1 / (p.id - 79998)) FROM part p JOIN sale s
             ON p.note = s.note GROUP BY p.note";
        let error = client.ask(wrong).expect_err("a division by zero");
        assert_eq!(error.code, "22012", "{error:?}");
        let long = "SELECT COUNT(*) FROM part p JOIN sale s ON p.size = s.size GROUP BY p.note";
        client.ask("SET statement_timeout = '20ms'").expect("a setting");
        assert_eq!(client.ask(long).expect_err("it takes long").code, "57014");
        client.ask("SET statement_timeout = 0").expect("a setting");
        assert_eq!(client.rows("SELECT COUNT(*) FROM part"), [[json!(ROWS)]]);
    });
}

#[test]
fn a_plan_that_was_changed_for_want_of_memory_is_shown() {
    let memory = QueryMemory::new(BYTES_SMALL).with_spill(std::env::temp_dir(), SPILL_BYTES);
    with_memory(2, &memory, |client| {
        let join = QUERIES[5];
        let plan = |text: &str| Json::from(client.rows(text)).to_string();
        assert!(plan(&format!("EXPLAIN {join}")).contains("Hash"));
        let ran = plan(&format!("EXPLAIN ANALYZE {join}"));
        assert!(!ran.contains("Hash") && ran.contains("Merge"), "{ran}");
        assert!(ran.contains(", on disk="), "{ran}");
    });
}

#[test]
fn too_little_of_everything_is_refused_by_name() {
    let nowhere = std::path::PathBuf::from("/no/such/folder");
    let small = || QueryMemory::new(BYTES_SMALL);
    let cases = [
        (small(), "53200"),
        (small().with_spill(std::env::temp_dir(), 0), "53200"),
        (small().with_spill(std::env::temp_dir(), 64 << 10), "53400"),
        (small().with_spill(nowhere, SPILL_BYTES), "58030"),
    ];
    for (memory, code) in cases {
        with_memory(2, &memory, |client| {
            for query in [QUERIES[0], QUERIES[5]] {
                let refused = || client.ask(query).expect_err("there is not enough");
                let mut error = refused();
                // A shard may be out of memory before another one asks for the folder.
                let mut attempts = 0..20;
                while code == "58030" && error.code == "53200" && attempts.next().is_some() {
                    error = refused();
                }
                assert_eq!(error.code, code, "{query}: {error:?}");
                assert!(error.hint.is_some() || code == "58030", "{error:?}");
            }
            // The memory is there again for those who need little.
            assert_eq!(client.rows("SELECT COUNT(*) FROM part"), [[json!(ROWS)]]);
        });
        let usage = memory.spill();
        assert_eq!((memory.bytes(), usage.bytes, usage.files), (0, 0, 0));
    }
}
