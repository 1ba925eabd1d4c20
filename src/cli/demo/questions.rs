//! What would a person ask of a dependency tree?

use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::embed;
use crate::cli::run::Failure;
use crate::cli::sql::{Stopwatch, answers};
use crate::cli::{screen, table};

/// A question, its statement, and the text whose vector is `$1`, if it has one.
struct Question {
    asked: &'static str,
    pql: &'static str,
    near: Option<&'static str>,
}

const QUESTIONS: &[Question] = &[
    Question {
        asked: "Which licences is this program made of?",
        pql: "\
SELECT license, COUNT(*) AS packages FROM package
GROUP BY license ORDER BY packages DESC, license LIMIT 8",
        near: None,
    },
    Question {
        asked: "Which packages need the newest compiler? (JSON documents)",
        pql: "\
SELECT p.name, p.version, m.doc->>'rust_version' AS compiler
FROM manifest AS m JOIN package AS p ON p.id = m.package
WHERE m.doc->>'rust_version' IS NOT NULL
ORDER BY CAST(SPLIT_PART(m.doc->>'rust_version', '.', 2) AS INT) DESC, p.name LIMIT 8",
        near: None,
    },
    Question {
        asked: "Which packages are most depended on? (edges)",
        pql: "\
SELECT p.name, COUNT(*) AS fan_in
FROM depends AS d JOIN package AS p ON p.id = d.dst
GROUP BY p.id, p.name ORDER BY fan_in DESC, p.name LIMIT 8",
        near: None,
    },
    Question {
        asked: "Whose README speaks of lock-free queues? (text)",
        pql: "\
SELECT name, SCORE() AS score FROM package
WHERE MATCHES(readme, '\"lock-free\" queue') ORDER BY score DESC LIMIT 8",
        near: None,
    },
    Question {
        asked: "Which README sections are about parsing SQL? (vectors)",
        pql: "\
SELECT p.name, s.title, s.embedding <=> $1 AS distance
FROM (SELECT package, title, embedding FROM section ORDER BY embedding <=> $1 LIMIT 8) AS s
JOIN package AS p ON p.id = s.package ORDER BY distance",
        near: Some("parse SQL statements into a syntax tree"),
    },
];

/// The five-model question. `$1` is the vector of "compression", `$2` the root package's name.
const FIVE_MODELS: &str = "\
WITH near AS (
  SELECT package, MIN(distance) AS distance
  FROM (SELECT package, embedding <=> $1 AS distance
        FROM section ORDER BY embedding <=> $1 LIMIT 200) AS hits
  GROUP BY package
), fan AS (
  SELECT dst AS package, COUNT(*) AS fan_in FROM depends GROUP BY dst
), reachable AS (
  SELECT b.id AS package, b.license, b.name
  FROM MATCH (a:package)-[:depends*1..3]->(b:package)
  WHERE a.name = $2
  GROUP BY b.id, b.license, b.name
), told AS (
  SELECT id AS package, SCORE() AS score FROM package
  WHERE MATCHES(readme, 'compression compress')
)
SELECT r.license, COUNT(*) AS packages, MAX(f.fan_in) AS fan_in,
       MIN(n.distance) AS nearest, MAX(t.score) AS best,
       STRING_AGG(r.name || ' (' || (m.doc->>'edition') || ')', ', ' ORDER BY r.name) AS names
FROM reachable AS r
JOIN near AS n ON n.package = r.package
JOIN told AS t ON t.package = r.package
JOIN fan AS f ON f.package = r.package
JOIN manifest AS m ON m.package = r.package
GROUP BY r.license
ORDER BY fan_in DESC, r.license";

/// Asks everything and prints statements, answers and times; then the five-model statement with
/// its plan.
///
/// **Errors**: the server refuses a statement.
pub fn ask(client: &Client, root: &str) -> Result<(), Failure> {
    for question in QUESTIONS {
        let params: Vec<Value> =
            question.near.iter().map(|text| json!(embed::embed(text))).collect();
        show(client, question.asked, question.pql, &params)?;
    }
    let params = [json!(embed::embed("compression")), json!(root)];
    let asked = "Packages whose text is near \"compression\", reachable within three hops through \
                 normal dependencies, grouped by licence, largest fan-in first (all five models)";
    show(client, asked, FIVE_MODELS, &params)?;
    screen::line("\n-- Its plan:");
    let plan = client.query(&format!("EXPLAIN {FIVE_MODELS}"), &params)?;
    for one in answers(&plan) {
        screen::line(table::render(one));
    }
    Ok(())
}

fn show(client: &Client, asked: &str, pql: &str, params: &[Value]) -> Result<(), Failure> {
    screen::line(format_args!("\n-- {asked}\n{pql};"));
    let watch = Stopwatch::start();
    let answer = client.query(pql, params)?;
    let time = watch.shown();
    for one in answers(&answer) {
        screen::line(table::render(one));
    }
    screen::line(time);
    Ok(())
}
