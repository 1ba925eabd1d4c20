//! Does the parser say what a text means, or where and why it means nothing?

use pieskieo_query::syntax::{Statement, parse};

/// Renders what a statement says in one short line.
fn shown(text: &str) -> String {
    let parsed = match parse(text) {
        Ok(parsed) => parsed,
        Err(error) => return format!("error: {error}"),
    };
    let lines: Vec<String> = parsed.iter().map(|parsed| compact(&parsed.statement)).collect();
    lines.join("; ")
}

fn compact(statement: &Statement) -> String {
    match statement {
        Statement::CreateTable(table) => {
            let key: Vec<&str> = table.body.key.iter().map(|name| name.text.as_str()).collect();
            let columns = columns(&table.body.columns);
            format!("table {} ({columns}) key ({})", table.name.text, key.join(", "))
        }
        Statement::CreateCollection(table) => {
            format!("collection {} ({})", table.name.text, columns(&table.body.columns))
        }
        Statement::CreateEdge(edge) => format!(
            "edge {} {}->{} ({})",
            edge.name.text,
            edge.source.text,
            edge.target.text,
            columns(&edge.body.columns)
        ),
        Statement::CreateIndex(index) => {
            let name = index.name.as_ref().map_or("-", |name| name.text.as_str());
            let text = format!("index {name} on {} {:?}", index.table.text, index.definition);
            without_positions(&text)
        }
        Statement::Query(query) => query.to_string(),
        other => without_positions(&format!("{other:?}")),
    }
}

fn columns(columns: &[pieskieo_query::syntax::ColumnDefinition]) -> String {
    let all: Vec<String> = columns
        .iter()
        .map(|column| {
            let not_null = if column.not_null { " not null" } else { "" };
            let default = column.default.as_ref().map(|text| format!(" = {text}"));
            let default = default.unwrap_or_default();
            format!("{} {:?}{not_null}{default}", column.name.text, column.ty)
        })
        .collect();
    all.join(", ")
}

/// `Name { text: "a", position: 3 }` becomes `a`.
fn without_positions(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("Name { text: \"") {
        out.push_str(&rest[..start]);
        let tail = &rest[start + "Name { text: \"".len()..];
        let end = tail.find('"').unwrap_or(tail.len());
        out.push_str(&tail[..end]);
        let close = tail[end..].find('}').map_or(tail.len(), |at| end + at + 1);
        rest = &tail[close..];
    }
    out.push_str(rest);
    out
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(shown(text), expected, "for {text}");
}

#[test]
fn tables_keep_their_columns_types_and_keys() {
    check(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, a text not null, \"B\" INT DEFAULT 1 + 1)",
        "table t (id BigInt not null, a Text not null, B Int = 1 + 1) key (id)",
    );
    check(
        "create table public.T (a INT, b UUID, primary key (b, a))",
        "table t (a Int, b Uuid) key (b, a)",
    );
    check(
        "CREATE TABLE t (a BOOL, b BOOLEAN, c INTEGER, d FLOAT, e REAL, f DOUBLE PRECISION, \
         g DOUBLE, h FLOAT8, i VARCHAR(10), j BYTEA, k DATE, l TIMESTAMP, m TIMESTAMPTZ, \
         n TIMESTAMP WITH TIME ZONE, o JSON, p JSONB, q VECTOR(3), r NUMERIC, s NUMERIC(10,2), \
         t DECIMAL(5))",
        "table t (a Bool, b Bool, c Int, d Float, e Float, f Double, g Double, h Double, i Varchar(10), \
         j Bytea, k Date, l Timestamp, m TimestampTz, n TimestampTz, o Json, p Json, q Vector(3), \
         r Numeric { precision: 38, scale: 9 }, s Numeric { precision: 10, scale: 2 }, \
         t Numeric { precision: 5, scale: 0 }) key ()",
    );
}

#[test]
fn collections_and_edges_are_statements_of_their_own() {
    check("CREATE COLLECTION films", "collection films ()");
    check(
        "CREATE COLLECTION IF NOT EXISTS films (embedding VECTOR(384), year INT)",
        "collection films (embedding Vector(384), year Int)",
    );
    check(
        "CREATE EDGE acted FROM person TO film (role TEXT)",
        "edge acted person->film (role Text)",
    );
    check("CREATE EDGE knows FROM person TO person", "edge knows person->person ()");
}

#[test]
fn indexes_say_what_they_answer() {
    check("CREATE INDEX i ON t (a, b)", "index i on t Ordered { columns: [a, b] }");
    check("CREATE INDEX ON t USING btree (a)", "index - on t Ordered { columns: [a] }");
    check(
        "CREATE INDEX i ON t USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 99)",
        "index i on t Vector { column: v, metric: L2, m: Some(8), ef_construction: Some(99), \
         ef_search: None }",
    );
    check(
        "CREATE INDEX i ON t USING hnsw (v)",
        "index i on t Vector { column: v, metric: Cosine, m: None, ef_construction: None, \
         ef_search: None }",
    );
    check(
        "CREATE INDEX i ON f USING text (title, doc.meta.plot, (doc->>'x')) WITH (stem = false)",
        "index i on f Text { fields: [IndexField { path: [title] }, IndexField { path: [doc, \
         meta, plot] }, IndexField { path: [doc, x] }], stem: false }",
    );
}

#[test]
fn changes_are_flattened() {
    check(
        "INSERT INTO t AS x (a, b) VALUES (1, DEFAULT), ($1, 'x') ON CONFLICT (a) DO NOTHING",
        "Insert(Insert { table: t, alias: Some(x), columns: [a, b], overriding: \
         false, source: Values([[Some(Value(ValueWithSpan { value: Number(\"1\", false), span: Span(Location(1,35)..Location(1,36)) \
         })), None], [Some(Value(ValueWithSpan { value: Placeholder(\"$1\"), span: \
         Span(Location(1,49)..Location(1,51)) })), Some(Value(ValueWithSpan { value: \
         SingleQuotedString(\"x\"), span: Span(Location(1,53)..Location(1,56)) }))]]), \
         on_conflict: Some(DoNothing { target: [a], constraint: None }), returning: [] })",
    );
    check("TRUNCATE t", "Truncate(Truncate { names: [t], restarts: false, cascade: false })");
    check(
        "TRUNCATE TABLE ONLY t, u RESTART IDENTITY CASCADE",
        "Truncate(Truncate { names: [t, u], restarts: true, cascade: true })",
    );
    check(
        "truncate t CONTINUE IDENTITY RESTRICT",
        "Truncate(Truncate { names: [t], restarts: false, cascade: false })",
    );
    check(
        "DROP TABLE IF EXISTS a, b",
        "Drop(Drop { kind: Table, names: [a, b], if_exists: true, cascade: false })",
    );
    check("DROP EDGE e", "Drop(Drop { kind: Edge, names: [e], if_exists: false, cascade: false })");
    check(
        "DROP TABLE a CASCADE",
        "Drop(Drop { kind: Table, names: [a], if_exists: false, cascade: true })",
    );
    check(
        "INSERT INTO t OVERRIDING SYSTEM VALUE DEFAULT VALUES",
        "Insert(Insert { table: t, alias: None, columns: [], overriding: true, source: Defaults, \
         on_conflict: None, returning: [] })",
    );
}

#[test]
fn settings_and_transactions() {
    check(
        "SET ef_search = 64",
        "Set(Setting { name: ef_search, value: Some(\"64\"), is_local: false })",
    );
    check("SET a.b TO 'x'", "Set(Setting { name: a.b, value: Some(\"x\"), is_local: false })");
    check("RESET ef_search", "Set(Setting { name: ef_search, value: None, is_local: false })");
    check("SHOW TABLES", "Show(Tables)");
    check("SHOW ef_search", "Show(Setting(ef_search))");
    check("SHOW COLUMNS FROM t", "Show(Columns(t))");
    check("DESCRIBE t", "Show(Columns(t))");
    let plain = "Begin(Modes { isolation: None, read_only: None, as_of: None })";
    check(
        "BEGIN; COMMIT; ROLLBACK; START TRANSACTION",
        &format!("{plain}; Commit; Rollback; {plain}"),
    );
    check("BEGIN WORK; END TRANSACTION; ABORT", &format!("{plain}; Commit; Rollback"));
    check(
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        "Begin(Modes { isolation: Some(Snapshot), read_only: Some(true), as_of: None })",
    );
    check(
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE NOT DEFERRABLE READ WRITE",
        "SetTransaction(Modes { isolation: Some(Serializable), read_only: Some(false), \
         as_of: None })",
    );
    check("SAVEPOINT A; RELEASE a", "Savepoint(a); Release(a)");
    check("RELEASE SAVEPOINT \"A b\"", "Release(A b)");
    check("ROLLBACK TO a; ROLLBACK WORK TO SAVEPOINT a", "RollbackTo(a); RollbackTo(a)");
    for wrong in [
        "BEGIN READ",
        "BEGIN READ ONLY,",
        "BEGIN ISOLATION LEVEL",
        "BEGIN ISOLATION SERIALIZABLE",
        "SET TRANSACTION",
        "SAVEPOINT",
        "ROLLBACK TO",
        "COMMIT AND CHAIN",
        "COMMIT now",
        "START",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn explain_takes_its_options_in_both_forms() {
    for text in ["EXPLAIN ANALYZE SELECT 1", "EXPLAIN (ANALYZE, VERBOSE) SELECT 1"] {
        let parsed = parse(text).expect(text);
        let Statement::Explain(explain) = &parsed[0].statement else { panic!("{text}") };
        assert!(explain.analyze && !explain.json, "{text}");
    }
    let parsed = parse("EXPLAIN (FORMAT JSON) QUERY t").expect("a pipeline can be explained");
    let Statement::Explain(explain) = &parsed[0].statement else { panic!("not an EXPLAIN") };
    assert!(explain.json && matches!(*explain.statement, Statement::Pipeline(_)));
}

#[test]
fn distance_operators_bind_tighter_than_comparisons() {
    check("SELECT a <=> b < 0.5", "SELECT a <=> b < 0.5");
    let parsed =
        parse("SELECT * FROM t WHERE v <=> $1 < 0.5 AND w <-> $2 + 1 > 3").expect("parses");
    let text = format!("{:?}", parsed[0].statement);
    assert!(text.contains("Custom(\"<=>\")") && text.contains("Custom(\"<->\")"), "{text}");
    // The comparison is the outer operator.
    assert!(text.find("op: Lt").is_some() || text.contains("op: Lt,"), "{text}");
    assert_eq!(parsed[0].parameter_count, 2);
}

#[test]
fn patterns_become_table_functions() {
    use pieskieo_query::syntax::Pattern;
    let text = "SELECT b.name FROM MATCH (a:person {id: 1, n: 'it''s'})-[k:knows*1..3]->(b:person)\
                <-[:likes]-(c)-[:knows]-{2,4}(d:person) WHERE a.id = 1";
    let tree = format!("{:?}", parse(text).expect("parses")[0].statement);
    let start = tree.find("SingleQuotedString(\"{").expect("a call") + "SingleQuotedString(".len();
    let end = tree[start..].find("\"), span").expect("an end") + start + 1;
    let literal: String = serde_json::from_str(&tree[start..end]).expect("a literal");
    let pattern = Pattern::decode(&literal).expect("decodes");
    let nodes: Vec<String> = pattern
        .nodes
        .iter()
        .map(|node| format!("{:?}:{:?}", node.variable, node.table).replace('"', ""))
        .collect();
    assert_eq!(
        nodes.join(" "),
        "Some(a):Some(person) Some(b):Some(person) Some(c):None Some(d):Some(person)"
    );
    let edges: Vec<String> = pattern
        .edges
        .iter()
        .map(|edge| format!("{:?} {} {}..{}", edge.direction, edge.table, edge.min, edge.max))
        .collect();
    assert_eq!(edges, ["Out knows 1..3", "In likes 1..1", "Both knows 2..4"]);
    assert_eq!(pattern.nodes[0].properties[1], ("n".to_owned(), "'it''s'".to_owned()));
    assert_eq!(Pattern::decode(&pattern.encode()).expect("decodes"), pattern);
}

#[test]
fn pipelines_keep_the_order_of_their_clauses() {
    let text = "QUERY memories AS m SIMILAR TO $q ON embedding TOP 50 \
                TRAVERSE relates_to OUT DEPTH 1..3 AS n \
                WHERE m.meta.importance > 0.7 AND n.kind SIMILAR TO 'a%' \
                LEFT JOIN users u ON u.id = m.user_id \
                GROUP BY u.name COMPUTE hits = COUNT(*), best = MAX(SCORE()) WHERE hits > 1 \
                ORDER BY best DESC LIMIT 10 OFFSET 2";
    let text = text.replace("$q", "$1");
    let parsed = parse(&text).expect("parses");
    let Statement::Pipeline(pipeline) = &parsed[0].statement else { panic!("not a pipeline") };
    let stages: Vec<String> = pipeline
        .stages
        .iter()
        .map(|stage| format!("{stage:?}").split(['(', ' ']).next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(stages, ["Similar", "Traverse", "Where", "Join"]);
    assert_eq!(pipeline.group_by.len(), 1);
    assert_eq!(pipeline.compute.len(), 2);
    assert!(pipeline.having.is_some() && pipeline.limit.is_some() && pipeline.offset.is_some());
}

#[test]
fn text_ranges_are_bytes_of_the_request() {
    let text = "SELECT 'é'; ; SELECT $3 ;";
    let parsed = parse(text).expect("parses");
    let texts: Vec<&str> = parsed.iter().map(|parsed| &text[parsed.text.clone()]).collect();
    assert_eq!(texts, ["SELECT 'é'", "SELECT $3"]);
    assert_eq!(parsed[1].parameter_count, 3);
}
