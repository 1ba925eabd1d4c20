//! Does every refused text get its code, its position and a hint that helps?

use std::collections::BTreeSet;
use std::sync::Arc;

use pieskieo_query::bind::{IndexDefaults, bind, define};
use pieskieo_query::error::{Error, code};
use pieskieo_query::syntax::{Statement, parse};
use pieskieo_shards::catalog::Catalog;

mod bound;
mod limits;

/// A catalog with one of everything.
fn catalog() -> Catalog {
    let mut catalog = Catalog::empty(2);
    let text = "CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT, age INT, bio JSON);
                CREATE TABLE city (name TEXT PRIMARY KEY, people BIGINT);
                CREATE TABLE note (body TEXT, v VECTOR(3));
                CREATE TABLE pair (a INT, b INT, c TEXT, PRIMARY KEY (a, b));
                CREATE COLLECTION film (year INT, embedding VECTOR(4));
                CREATE EDGE knows FROM person TO person (since INT);
                CREATE EDGE lives FROM person TO city;
                CREATE INDEX note_body ON note USING text (body);
                CREATE INDEX film_vector ON film USING hnsw (embedding vector_l2_ops)";
    for parsed in parse(text).expect("the catalog's text") {
        let next = define(&catalog, &parsed.statement, IndexDefaults::default());
        catalog = next.expect("the catalog's statements").expect("a change");
    }
    catalog
}

/// Parses, binds and defines.
fn run(catalog: &Catalog, text: &str) -> Result<Vec<Statement>, Error> {
    parse(text)?
        .into_iter()
        .map(|parsed| match parsed.statement {
            Statement::CreateTable(_)
            | Statement::CreateCollection(_)
            | Statement::CreateEdge(_)
            | Statement::CreateIndex(_)
            | Statement::CreateSequence(_)
            | Statement::Drop(_)
            | Statement::Truncate(_) => {
                define(catalog, &parsed.statement, IndexDefaults::default())?;
                Ok(parsed.statement)
            }
            statement => bind(catalog, statement),
        })
        .collect()
}

/// What a refused text must say; `^` in the text marks the position and is removed.
fn check(catalog: &Catalog, marked: &str, code: &str, message: &str, hint: &str) {
    let position = marked.find('^').map(|at| marked[..at].chars().count() + 1);
    let text = marked.replacen('^', "", 1);
    let error = match run(catalog, &text) {
        Ok(statements) => panic!("{text}: accepted as {statements:?}"),
        Err(error) => error,
    };
    assert_eq!(error.code, code, "{text}: {error:?}");
    assert!(error.message.contains(message), "{text}: {error:?}");
    let found = error.hint.clone().unwrap_or_default();
    assert!(found.contains(hint), "{text}: {error:?}");
    if position.is_some() {
        assert_eq!(error.position, position, "{text}: {error:?}");
    }
    let first = error.message.chars().next().unwrap_or('A');
    assert!(!error.message.ends_with('.'), "{text}: {error:?}");
    assert!(
        !first.is_uppercase()
            || error.message.split(' ').next()
                == Some(&error.message.split(' ').next().unwrap_or_default().to_uppercase()),
        "{text}: {error:?}"
    );
}

#[test]
fn syntax_errors_point_at_the_first_wrong_token() {
    let catalog = catalog();
    for (text, message, hint) in [
        ("^SELEC 1", "near \"SELEC\"", "Did you mean SELECT?"),
        ("^QUER person", "near \"QUER\"", "Did you mean QUERY?"),
        ("^hello", "near \"hello\"", "Statements begin with"),
        ("SELECT * FROM person WHERE^", "at the end", ""),
        ("SELECT (1 +^", "at the end", ""),
        ("SELECT 1 ^) FROM person", "near \")\"", ""),
        ("CREATE ^TABEL x (a INT)", "near \"TABEL\"", "Did you mean TABLE?"),
        ("CREATE ^COLECTION x", "near \"COLECTION\"", "Did you mean COLLECTION?"),
        ("DROP ^INDX i", "near \"INDX\"", "Did you mean INDEX?"),
        ("CREATE EDGE e ^person TO city", "near \"person\"", ""),
        ("SELECT ^'open", "unterminated string", "Close every quote"),
        ("SELECT 1;\nSELECT 2 FROM^", "at the end", ""),
        ("SELECT b.name FROM MATCH (a:person)-[^k]->(b:person)", "", ""),
        ("SELECT 1 FROM MATCH (a:person)-[:knows]->^", "at the end", ""),
        ("QUERY person AS p SELECT name ^WHERE p.id = 1", "near \"WHERE\"", "GROUP BY"),
        ("QUERY person ^LIMT 1", "near", ""),
        ("SELECT $^0", "", ""),
    ] {
        let code = if text.contains("$^0") { "42P02" } else { "42601" };
        // The marker of the parameter sits inside the token: the position is that of the token.
        let text = text.replace("$^0", "^$0");
        let text = text.replace("-[^k]", "-[k^]");
        let text = text.replace("person ^LIMT 1", "person LIMT ^1");
        check(&catalog, &text, code, message, hint);
    }
}

#[test]
fn names_are_checked_with_suggestions() {
    let catalog = catalog();
    for (text, code, message, hint) in [
        ("SELECT * FROM ^persn", "42P01", "table \"persn\" does not exist", "\"person\""),
        ("SELECT ^nam FROM person", "42703", "column \"nam\" does not exist", "\"name\""),
        ("SELECT p.^nmae FROM person p", "42703", "\"p.nmae\"", "\"name\""),
        ("SELECT ^q.name FROM person p", "42P01", "\"q\" is not in the FROM clause", "\"p\""),
        ("SELECT ^name FROM person, city", "42702", "ambiguous", "person.name"),
        ("SELECT 1 FROM person, ^person", "42712", "used twice", "alias"),
        ("SELECT name FROM person ORDER BY ^agee", "42703", "agee", "\"age\""),
        ("SELECT name FROM person GROUP BY name HAVING ^x > 1", "42703", "\"x\"", ""),
        ("INSERT INTO person (id, ^nme) VALUES (1, 'x')", "42703", "nme", "\"name\""),
        ("INSERT INTO person (id, ^id) VALUES (1, 2)", "42701", "named twice", ""),
        ("INSERT INTO ^persons VALUES (1)", "42P01", "persons", "\"person\""),
        ("SELECT * FROM ^s.person", "3F000", "schema \"s\" does not exist", "schema public"),
        ("SELECT * FROM ^pieskeio.tables", "3F000", "\"pieskeio\"", "\"pieskieo\""),
        ("SELECT * FROM pieskieo.^tabls", "42P01", "\"pieskieo.tabls\"", "\"pieskieo.tables\""),
        ("QUERY information_schema.^table", "42P01", "table", "\"information_schema.tables\""),
        ("SELECT 1 FROM (TABLE pieskieo.nothing) AS x", "42P01", "\"pieskieo.nothing\"", ""),
        ("SELECT ^nam FROM pieskieo.tables", "42703", "nam", "\"name\""),
        ("SELECT t.^nam FROM pieskieo.tables t", "42703", "\"t.nam\"", "\"name\""),
        (
            "SELECT tables.name FROM pieskieo.tables, information_schema.^tables",
            "42712",
            "tables",
            "AS",
        ),
        ("DELETE FROM ^pieskieo.tables", "42501", "belongs to the system", ""),
        ("CREATE TABLE ^information_schema.t (a INT)", "42501", "belongs to the system", ""),
        ("INSERT INTO ^city VALUES ('a', 1, 2)", "42601", "2 columns, but 3 values", ""),
        ("INSERT INTO city (^name) VALUES ('a', 1)", "42601", "row 1 has 2 values", ""),
        ("INSERT INTO person VALUES (1) ON CONFLICT (^name) DO NOTHING", "42P16", "", "(id)"),
        ("UPDATE person SET ^nme = 'x'", "42703", "nme", "\"name\""),
        ("UPDATE person SET name = 'x', ^name = 'y'", "42701", "set twice", ""),
        ("DELETE FROM person WHERE ^idd = 1", "42703", "idd", "\"id\""),
        ("SELECT name FROM person RETURNING", "42601", "", ""),
        ("SELECT 1 FROM MATCH (a:person)-[:^knws]->(b:person)", "42P01", "knws", "\"knows\""),
        ("SELECT 1 FROM MATCH (a:person)-[:city]->(b:person)", "42809", "not an edge", ""),
        ("SELECT 1 FROM MATCH (a:person)-[:lives]->^(b:person)", "42809", "leads to \"city\"", ""),
        ("SELECT 1 FROM MATCH (a:person)^-[:lives]-(b:city)", "42809", "different tables", ""),
        ("QUERY person TRAVERSE ^nows AS n", "42P01", "nows", "\"knows\""),
        ("QUERY city TRAVERSE ^knows AS n", "42809", "starts at \"person\"", "direction"),
        ("QUERY person SIMILAR TO $1 ON ^embeding TOP 3", "42703", "embeding", ""),
        ("QUERY person SIMILAR TO $1 ON ^name TOP 3", "42804", "not a vector", ""),
        ("SHOW COLUMNS FROM ^persn", "42P01", "persn", "\"person\""),
        ("SELECT name FROM person UNION SELECT 1, 2", "42601", "1 and 2 columns", ""),
        ("SELECT ^bio.x.y, id.z FROM person WHERE name.first = 'x'", "42703", "", ""),
    ] {
        let text = text.replace("SELECT ^bio.x.y, id.z", "SELECT bio.x.y, id.^z");
        let text = text.replace("WHERE name.first = 'x'", "");
        let text = text.replace("(a:person)-[:^knws]", "(a:person)^-[:knws]");
        check(&catalog, &text, code, message, hint);
    }
}

#[test]
fn constraints_and_sequences_are_checked() {
    let catalog = catalog();
    for (text, code, message, hint) in [
        ("CREATE TABLE t (^a JSON UNIQUE)", "42P17", "JSON", ""),
        ("CREATE TABLE t (a INT, UNIQUE (^b))", "42703", "\"b\"", "\"a\""),
        ("CREATE TABLE t (a INT, UNIQUE (a, ^a))", "42701", "twice", ""),
        ("CREATE TABLE t (a INT, UNIQUE NULLS NOT DISTINCT (^a))", "0A000", "NULLS", "NOT NULL"),
        ("CREATE TABLE t (^a INT UNIQUE DEFERRABLE)", "0A000", "DEFERRABLE", "statement ends"),
        (
            "CREATE TABLE t (a INT CONSTRAINT c UNIQUE, b INT CONSTRAINT ^c CHECK (b > 0))",
            "42710",
            "\"c\"",
            "",
        ),
        ("CREATE TABLE t (^a INT REFERENCES person)", "42804", "cannot refer", "same type"),
        ("CREATE TABLE t (a BIGINT REFERENCES ^persn)", "42P01", "persn", "\"person\""),
        ("CREATE TABLE t (a TEXT REFERENCES person (^nam))", "42703", "nam", "\"name\""),
        ("CREATE TABLE t (a TEXT REFERENCES ^person (name))", "42830", "no key", "UNIQUE"),
        ("CREATE TABLE t (^a BIGINT REFERENCES pair)", "42830", "as many", ""),
        ("CREATE TABLE t (a BIGINT REFERENCES ^knows)", "42809", "is an edge", ""),
        ("CREATE TABLE t (^a BIGINT REFERENCES person MATCH FULL)", "0A000", "FULL", ""),
        (
            "CREATE TABLE t (^a BIGINT NOT NULL REFERENCES person ON DELETE SET NULL)",
            "42P16",
            "NOT NULL",
            "",
        ),
        ("CREATE TABLE t (^a TEXT GENERATED ALWAYS AS IDENTITY)", "42804", "INT or BIGINT", ""),
        ("CREATE TABLE t (^a INT GENERATED ALWAYS AS (1 + 1) STORED)", "0A000", "computed", ""),
        ("CREATE TABLE t (^a INT DEFAULT nextval('nothing'))", "42704", "nothing", ""),
        ("CREATE TABLE t (^a INT DEFAULT currval('nothing'))", "0A000", "currval", "nextval"),
        ("CREATE SEQUENCE ^person", "42P07", "already exists", "IF NOT EXISTS"),
        ("CREATE SEQUENCE ^s INCREMENT 0", "22023", "must not be 0", ""),
        ("CREATE SEQUENCE ^s MINVALUE 5 MAXVALUE 4", "22023", "no numbers", ""),
        ("CREATE SEQUENCE ^s START 0", "22023", "START 0", ""),
        ("CREATE SEQUENCE ^s CACHE 0", "22023", "CACHE 0", ""),
        ("CREATE SEQUENCE s ^BACKWARDS", "42601", "BACKWARDS", ""),
        ("DROP SEQUENCE ^s", "42704", "\"s\"", ""),
    ] {
        check(&catalog, text, code, message, hint);
    }
}

#[test]
fn changes_and_paths_of_documents_are_checked() {
    let catalog = catalog();
    for (text, code, message, hint) in [
        ("UPDATE film SET tags[^n] = 1", "0A000", "an index that is not a number", "jsonb_set"),
        ("UPDATE film SET tags[^$1] = 1", "0A000", "an index that is not a number", "jsonb_set"),
        ("UPDATE film PUSH ^year = 1", "42804", "\"year\" is INT, PUSH wants JSON", ""),
        ("UPDATE film INC ^embedding = 1", "42804", "INC wants a number or JSON", ""),
        ("UPDATE film UNSET ^year.x", "42703", "it has no fields", ""),
        ("UPDATE person PUSH ^boi.x = 1", "42703", "\"boi\"", "\"bio\""),
        ("UPDATE film SET a[0] = 1, ^a[0] = 2", "42701", "\"a.[0]\" is set twice", ""),
        ("UPDATE film PULL ^tags = DEFAULT", "42601", "DEFAULT stands only after SET", ""),
        ("UPDATE film PUSH tags^", "42601", "at the end", ""),
        ("UPDATE film UNSET tags ^= 1", "42601", "near \"=\"", ""),
        ("SELECT jsonb_path_exists(doc, '$.a[^') FROM film", "42601", "in a JSON path", ""),
        ("SELECT doc @? '$.a ^~ 1' FROM film", "42601", "\"~\" means nothing here", ""),
        ("SELECT 1 FROM film, jsonb_path_query(doc, '$.a.^flor()')", "42601", "flor()", "floor"),
        ("SELECT doc @@ '$.a.^datetime() > 1' FROM film", "0A000", "datetime()", "double()"),
        ("SELECT ^jsonb_each(doc) FROM film", "0A000", "in a SELECT list", "FROM t, jsonb_each"),
        ("SELECT ^jsonb_agg(title, 1) FROM film", "42883", "takes 1 arguments", ""),
        ("SELECT DISTINCT title FROM film ORDER BY ^title", "0A000", "SELECT DISTINCT", "::TEXT"),
    ] {
        check(&catalog, text, code, message, hint);
    }
}

#[test]
fn definitions_are_checked() {
    let catalog = catalog();
    for (text, code, message, hint) in [
        ("CREATE TABLE ^person (id INT)", "42P07", "already exists", "IF NOT EXISTS"),
        ("CREATE TABLE t (a INT, ^a TEXT)", "42701", "declared twice", ""),
        ("CREATE TABLE t (a INT, PRIMARY KEY (^b))", "42703", "\"b\" of the key", ""),
        ("CREATE TABLE t (a ^INTT)", "42704", "type \"intt\"", "Did you mean INT?"),
        ("CREATE TABLE t (a CHAR(3))", "0A000", "type CHAR is", "VARCHAR(n)"),
        ("CREATE TABLE t (a VARCHAR(0))", "22023", "VARCHAR(0)", ""),
        ("CREATE TABLE t (a VARCHAR(10485761))", "22023", "VARCHAR(10485761)", ""),
        ("CREATE TABLE t (a TIMETZ)", "0A000", "TIME WITH TIME ZONE", "TIMESTAMPTZ"),
        ("CREATE TABLE t (a TIME(3))", "0A000", "precision of TIME", "microseconds"),
        ("CREATE TABLE t (a INT[3])", "0A000", "with a length", "Leave the length out"),
        ("CREATE TABLE t (a INT[][])", "0A000", "array of INT[]", "JSON"),
        ("CREATE TABLE t (a JSON[])", "0A000", "array of JSON", "JSON"),
        ("CREATE TABLE t (a ^VECTOR)", "42601", "dimension", "VECTOR(n)"),
        ("CREATE TABLE t (a ^VECTOR(20000))", "22023", "VECTOR(20000)", ""),
        ("CREATE TABLE t (a JSON, PRIMARY KEY (^a))", "42P17", "JSON", ""),
        ("CREATE TABLE t (^_score INT)", "42701", "made by the server", ""),
        ("CREATE TABLE t (^a INT DEFAULT b + 1)", "42703", "\"b\"", ""),
        ("CREATE TABLE t ()", "42P16", "needs a column", "CREATE COLLECTION"),
        ("CREATE TABLE t (a INT PRIMARY KEY, ^b INT PRIMARY KEY)", "42P16", "one primary key", ""),
        ("CREATE EDGE e FROM ^persn TO city", "42P01", "persn", "\"person\""),
        ("CREATE EDGE e FROM person TO ^pair", "0A000", "several columns", ""),
        ("CREATE EDGE e FROM person TO ^knows", "42809", "is an edge", ""),
        ("CREATE EDGE e FROM person TO city (^src INT)", "42701", "src", ""),
        ("CREATE INDEX i ON ^nothing (a)", "42P01", "nothing", ""),
        ("CREATE INDEX i ON person (^nme)", "42703", "nme", "\"name\""),
        ("CREATE INDEX note_body ON person (name)", "42P07", "already exists", ""),
        ("CREATE UNIQUE INDEX i ON note USING text (body)", "0A000", "unique index", "USING"),
        ("CREATE INDEX i ON person USING hnsw (^name)", "42P17", "not a vector", "VECTOR(n)"),
        ("CREATE INDEX i ON note USING hnsw (v ^vector_l3_ops)", "42704", "l3", "vector_l2_ops"),
        ("CREATE INDEX i ON note USING hnsw (^v) WITH (m = 1000)", "22023", "m = 1000", "2 to 128"),
        ("CREATE INDEX i ON note USING hnsw (v) WITH (^mm = 8)", "22023", "\"mm\"", "\"m\""),
        ("CREATE INDEX i ON note USING hsnw (v)", "42704", "hsnw", "\"hnsw\""),
        ("CREATE INDEX i ON person USING text (^age)", "42P17", "not text", "TEXT"),
        ("CREATE INDEX i ON person USING text (^bio)", "42P17", "field", "bio.field"),
        ("DROP TABLE ^persn", "42P01", "persn", "\"person\""),
        ("DROP TABLE ^person", "2BP01", "edge \"knows\"", "DROP EDGE knows"),
        ("DROP COLLECTION ^person", "42809", "is a table", "DROP TABLE"),
        ("TRUNCATE ^persn", "42P01", "table \"persn\" does not exist", "\"person\""),
        ("TRUNCATE note, ^flm CASCADE", "42P01", "table \"flm\" does not exist", "\"film\""),
        ("DROP INDEX ^note_bod", "42704", "note_bod", "\"note_body\""),
    ] {
        check(&catalog, text, code, message, hint);
    }
}

#[test]
fn statements_that_are_not_offered_name_the_nearest_way() {
    let catalog = catalog();
    for (text, message, hint) in [
        ("CREATE TYPE mood AS ENUM ('sad', 'ok')", "CREATE TYPE is not supported", "CHECK"),
        ("CREATE EXTENSION hstore", "extension", "built in"),
        ("COPY person FROM STDIN", "COPY", "POST /v1/copy"),
        ("COMMIT AND CHAIN", "AND CHAIN", "Send BEGIN"),
        ("GRANT SELECT ON person TO x", "GRANT", "no users"),
        ("VACUUM", "VACUUM", ""),
        ("SELECT * FROM person FOR UPDATE", "FOR UPDATE", "commit"),
        ("TRUNCATE IF EXISTS city", "TRUNCATE IF EXISTS", "Leave"),
        ("TRUNCATE city PARTITION (1)", "TRUNCATE of a partition", "DELETE FROM"),
        ("TRUNCATE ^city", "table joined by an edge", "Truncate table \"lives\" at the same time"),
        ("TRUNCATE lives, ^person RESTRICT", "joined by an edge", "table \"knows\" at the"),
        (
            "CREATE TABLE t WITH (fillfactor = 70) AS SELECT 1",
            "an option before AS",
            "Leave it out",
        ),
        ("QUERY note SIMILAR TO $1 ON v TOP 3 WITH (recall = 0.9)", "recall", "ef_search"),
        ("CREATE INDEX i ON person (name) WHERE age > 1", "partial index", ""),
    ] {
        check(&catalog, text, "0A000", message, hint);
    }
}

#[test]
fn functions_of_searches_need_a_search() {
    let catalog = catalog();
    for (text, code, hint) in [
        ("SELECT ^DISTANCE() FROM note", "42883", "ORDER BY"),
        ("SELECT ^DEPTH() FROM person", "42883", "TRAVERSE"),
        ("SELECT max(^bio.age) FROM person", "42883", "::DOUBLE"),
        ("QUERY person AS p TRAVERSE knows AS a TRAVERSE knows AS b SELECT ^DEPTH()", "42P09", "a"),
    ] {
        let text = text.replace("max(^bio.age)", "^max(bio.age)");
        check(&catalog, &text, code, "", hint);
    }
}

#[test]
fn codes_are_unique_and_sorted_into_kinds() {
    let codes: BTreeSet<&str> = code::ALL.iter().map(|row| row.code).collect();
    let names: BTreeSet<&str> = code::ALL.iter().map(|row| row.name).collect();
    assert_eq!(codes.len(), code::ALL.len());
    assert_eq!(names.len(), code::ALL.len());
    assert!(code::ALL.iter().all(|row| row.code.len() == 5));
}

#[test]
fn the_reference_lists_every_code() {
    let page = include_str!("../../PQL.md");
    for row in code::ALL {
        let line = format!("| `{}` | `{}` | {} |", row.code, row.name, row.meaning);
        assert!(page.contains(&line), "PQL.md lacks the line\n{line}");
    }
    let listed = page.lines().filter(|line| {
        line.starts_with("| `")
            && line.split('|').count() == 5
            && line[3..8].chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
    });
    assert_eq!(listed.count(), code::ALL.len(), "PQL.md lists codes that do not exist");
}

#[test]
fn shard_errors_keep_their_meaning() {
    use pieskieo_shards::Error as Shard;
    let duplicate = Error::from(Shard::DuplicateKey {
        table: "t".into(),
        constraint: None,
        key: "(id)=(1)".into(),
    });
    assert_eq!(duplicate.code, "23505");
    assert_eq!(duplicate.detail.as_deref(), Some("Key (id)=(1) already exists."));
    let conflict = Error::from(Shard::Conflict { table: "t".into(), winner: None });
    assert!(conflict.retryable());
    assert_eq!(conflict.code, "40001");
    assert_eq!(Error::from(Shard::Corrupt("x".into())).code, "XX001");
    assert_eq!(Error::from(Shard::OutcomeUnknown("x".into())).code, "08007");
}

#[test]
fn planner_errors_lose_the_planners_words() {
    use datafusion::error::DataFusionError as Plan;
    for (error, code, message) in [
        (Plan::Plan("table 'a.b.c' not found".into()), "42P01", "table \"c\" does not exist"),
        (Plan::NotImplemented("Unsupported thing".into()), "0A000", "not supported: thing"),
        (
            Plan::Context(
                "Optimizer rule 'x' failed".into(),
                Box::new(Plan::ArrowError(
                    Box::new(datafusion::arrow::error::ArrowError::DivideByZero),
                    None,
                )),
            ),
            "22012",
            "division by zero",
        ),
        (Plan::ResourcesExhausted("x".into()), "53200", "memory"),
        (
            Plan::Shared(Arc::new(Plan::Execution(
                "Arrow error: Cast error: Cannot cast string \
                                                   'x' to value of Int64 type"
                    .into(),
            ))),
            "22P02",
            "invalid input for type BIGINT: \"x\"",
        ),
    ] {
        let error = Error::from(error);
        assert_eq!(error.code, code, "{error:?}");
        assert!(error.message.contains(message), "{error:?}");
    }
}
