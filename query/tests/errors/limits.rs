//! Does no text, however strange, bring the parser or the binder down?

use pieskieo_query::bind::bind;
use pieskieo_query::syntax::parse;
use proptest::prelude::*;

use super::{catalog, check};

#[test]
fn nesting_gives_the_limit_not_an_overflow() {
    let catalog = catalog();
    for depth in [200, 10_000, 100_000] {
        let open = |unit: &str| unit.repeat(depth);
        for text in [
            format!("SELECT {}1{}", open("("), open(")")),
            format!("SELECT {}1", open("- ")),
            format!("SELECT {}true", open("NOT ")),
            format!("SELECT {}1{}", open("(SELECT "), open(")")),
            format!("SELECT {}1{}", open("abs("), open(")")),
            format!("SELECT {}1", open("CASE WHEN ")),
            format!("SELECT * FROM {}person{}", open("("), open(")")),
            format!("SELECT * FROM {}SELECT 1{}", open("(SELECT * FROM "), open(") AS x")),
            format!("SELECT 1{}", open(" + 1")),
            format!("SELECT 1{}", open(" OR true")),
            format!("SELECT '{{}}'{}", open(" -> 'a'")),
            format!("SELECT x{}", open("::INT")),
            format!("SELECT x{}", open(" IS NULL")),
            format!("SELECT x{}", open("[1]")),
            format!("SELECT 1{}", open(" UNION ALL SELECT 1")),
            format!("SELECT 1 FROM person{}", open(" CROSS JOIN city")),
            format!("EXPLAIN {}SELECT 1", open("EXPLAIN ")),
            format!("SELECT 1 FROM MATCH (a:person){}", open("-[:knows]->(b:person)")),
            format!("QUERY person {}", open("WHERE true ")),
        ] {
            let shown: String = text.chars().take(40).collect();
            eprintln!("{depth} of {shown}");
            if let Ok(statements) = parse(&text) {
                for parsed in statements {
                    let _ = bind(&catalog, parsed.statement);
                }
            }
        }
    }
    let deep = format!("SELECT {}1{}", "(".repeat(129), ")".repeat(129));
    check(&catalog, &deep, "54001", "nesting_max", "WITH");
    let text = format!("SELECT 1 -- {}", "x".repeat(16 * 1024 * 1024));
    check(&catalog, &text, "54000", "bytes long", "");
}

#[test]
fn a_statement_at_the_limits_is_read_on_a_small_stack() {
    let catalog = catalog();
    let texts = [
        format!("SELECT {}1{}", "(".repeat(100), ")".repeat(100)),
        format!("SELECT {}1", "- ".repeat(100)),
        format!("SELECT {}1{}", "(SELECT ".repeat(30), ")".repeat(30)),
        format!("SELECT 1{}", " + 1".repeat(500)),
        format!("SELECT name FROM person WHERE id = 1{}", " OR id = 2 AND age > 1".repeat(490)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(250)),
    ];
    // Frames of an unoptimised build are several times larger.
    let stack_bytes = if cfg!(debug_assertions) { 32 << 20 } else { 2 << 20 };
    let worker = std::thread::Builder::new().stack_size(stack_bytes).spawn(move || {
        for text in texts {
            let shown: String = text.chars().take(40).collect();
            eprintln!("{shown}");
            let parsed = parse(&text).unwrap_or_else(|error| panic!("{shown}: {error}"));
            for parsed in parsed {
                bind(&catalog, parsed.statement).unwrap_or_else(|error| panic!("{shown}: {error}"));
            }
        }
    });
    worker.expect("a thread").join().expect("no overflow");
}

#[test]
fn nesting_does_not_double_the_work() {
    // Doubling would keep the test busy for years.
    for depth in 1..=64 {
        let open = "(".repeat(depth);
        let close = ")".repeat(depth);
        let _ = parse(&format!("SELECT * FROM {open}person{close}"));
        let _ = parse(&format!("SELECT * FROM {open}person"));
        let _ = parse(&format!("SELECT {}1{close}", "abs(".repeat(depth)));
        let _ = parse(&format!("SELECT {}1", "CASE WHEN abs(".repeat(depth)));
        let _ = parse(&format!("SELECT * FROM city, {open}person JOIN {open}city ON (1"));
    }
}

/// Words and signs that statements are made of.
const SOUP: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "person",
    "p",
    "AS",
    "name",
    "id",
    "(",
    ")",
    ",",
    "*",
    "1",
    "2.5",
    "'x'",
    "$1",
    "=",
    "<",
    "<=>",
    "<->",
    "<#>",
    "->",
    "->>",
    "AND",
    "OR",
    "NOT",
    "MATCH",
    "-",
    "[",
    "]",
    "{",
    "}",
    ":",
    "knows",
    "1..3",
    "QUERY",
    "TRAVERSE",
    "SIMILAR",
    "TO",
    "ON",
    "TOP",
    "OUT",
    "DEPTH",
    "GROUP",
    "BY",
    "COMPUTE",
    "ORDER",
    "LIMIT",
    "JOIN",
    "LEFT",
    "film",
    "f",
    ".",
    "doc",
    "meta",
    "INSERT",
    "INTO",
    "VALUES",
    "UPDATE",
    "SET",
    "UNSET",
    "PUSH",
    "ADD TO SET",
    "INC",
    "jsonb_each(",
    "UNNEST(",
    "LATERAL",
    "@?",
    "'$.a[*] ? (@ > 1)'",
    "DELETE",
    "CREATE",
    "TABLE",
    "EDGE",
    "COLLECTION",
    "INDEX",
    "USING",
    "hnsw",
    "text",
    "INT",
    "VECTOR(3)",
    "PRIMARY",
    "KEY",
    ";",
    "CASE",
    "WHEN",
    "THEN",
    "END",
    "IN",
    "BETWEEN",
    "LIKE",
    "IS",
    "NULL",
    "count",
    "sum",
    "score",
    "distance",
    "depth",
    "matches",
    "OVER",
    "PARTITION",
    "WITH",
    "RECURSIVE",
    "UNION",
    "EXISTS",
    "DISTINCT",
    "EXPLAIN",
    "ANALYZE",
    "DROP",
    "RETURNING",
    "CONFLICT",
    "DO",
    "NOTHING",
    "::",
    "JSON",
    "\"Q\"",
    "é",
    "NATURAL",
    "LATERAL",
    "HAVING",
    "SHOW",
    "BEGIN",
    "--",
    "/*",
    "'",
    "$0",
    "$$",
];

const WHOLE: &[&str] = &[
    "SELECT b.name, DEPTH() FROM MATCH (a:person {id: $1})-[k:knows*1..3]->(b) WHERE a.id = 1",
    "QUERY film AS f SIMILAR TO $1 ON embedding TOP 5 WHERE f.meta.year > 2 GROUP BY f.kind \
     COMPUTE n = COUNT(*) ORDER BY n DESC LIMIT 3",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
    "INSERT INTO person (id, name) VALUES (1, 'é') ON CONFLICT (id) DO UPDATE SET name = \
     excluded.name WHERE person.age > 1 RETURNING *",
    "UPDATE film AS f SET a.b[2].c = 1, (x, y) = (2, 3) PUSH tags = 'x', log = f.year UNSET a[-1].d \
     INC n = 1 ADD TO SET tags = 'y' PULL tags = 'z' FROM city WHERE f._id = city.name RETURNING *",
    "INSERT INTO film VALUES ('{}') ON CONFLICT (_id) DO UPDATE UNSET a[0] INC n = 1 \
     WHERE film.n < 3",
    "SELECT f.title, t.value, n FROM film f CROSS JOIN LATERAL jsonb_array_elements(f.tags) WITH \
     ORDINALITY AS t (value, n) LEFT JOIN LATERAL jsonb_each(t.value) e ON true, \
     UNNEST(f.x, f.y) u WHERE doc @? '$.a[*] ? (@.b > 1 && @.c like_regex \"^x\").d' AND doc ?& ARRAY['a', 'b']",
    "SELECT title, cast[0].name, count(*) FILTER (WHERE year > 1) OVER (PARTITION BY x ORDER BY y) \
     FROM film NATURAL JOIN city WHERE plot LIKE '%x%' AND year BETWEEN 1 AND 2 OR kind IN ('a')",
    "CREATE INDEX i ON note USING hnsw (v vector_l2_ops) WITH (m = 16, ef_construction = 200)",
];

fn survives(text: &str) {
    let catalog = catalog();
    if let Ok(statements) = parse(text) {
        for parsed in statements {
            assert!(text.get(parsed.text.clone()).is_some(), "the range of {text}");
            let _ = bind(&catalog, parsed.statement);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn token_soup_is_answered(words in prop::collection::vec(prop::sample::select(SOUP), 0..40)) {
        survives(&words.join(" "));
        survives(&words.concat());
    }

    #[test]
    fn cut_statements_are_answered(
        which in 0..WHOLE.len(),
        cut in 0..220_usize,
        word in prop::sample::select(SOUP),
    ) {
        let text: String = WHOLE[which].chars().take(cut).collect();
        survives(&text);
        let rest: String = WHOLE[which].chars().skip(cut).collect();
        survives(&format!("{text} {word} {rest}"));
    }

    #[test]
    fn any_characters_are_answered(text in "\\PC{0,60}") {
        survives(&text);
    }
}

#[test]
fn whole_statements_bind() {
    let catalog = catalog();
    for text in WHOLE {
        for parsed in parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}")) {
            bind(&catalog, parsed.statement).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        }
    }
}
