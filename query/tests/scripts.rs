//! Do the language's scripts give the same answers on 1, 2 and 8 shards?
//!
//! A script is a file in the format of SQLite's logic tests below `pql`, run on a database of its
//! own. `statement error CODE` names a code of `PQL.md`. `PIESKIEO_SCRIPT=graph` runs only the
//! files whose path contains "graph". `NOTE a` notes the last commit, and `COMMIT :a` stands for it
//! later: numbers of commits differ from run to run. The statements of `PQL.md` itself run as well. The scripts
//! below `plans` ask for plans, which name the number of shards, and run on two.

mod support;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use sqllogictest::{DB, DBOutput, DefaultColumnType, Runner};
use support::{Answer, Client, with_database};

/// A session as the script runner wants it, and the commits that were noted.
struct Scripted(Client, BTreeMap<String, String>);

/// A refusal, shown with its code first: that is what scripts expect.
#[derive(Debug)]
struct Refused(pieskieo_query::Error);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.0.code, self.0.name, self.0.message)
    }
}

impl std::error::Error for Refused {}

impl DB for Scripted {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, text: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        if let Some(name) = text.strip_prefix("NOTE ") {
            let answer = self.0.ask("SHOW commit_id").map_err(Refused)?;
            let commit = answer.rows()[0][0].as_str().expect("a number").to_owned();
            self.1.insert(format!("COMMIT :{name}"), format!("COMMIT {commit}"));
            return Ok(DBOutput::StatementComplete(0));
        }
        let noted = |text: String, (from, to): (&String, &String)| text.replace(from, to);
        let text = &self.1.iter().fold(text.to_owned(), noted);
        let answer = self.0.ask(text).map_err(Refused)?;
        if answer.columns.is_empty() {
            return Ok(DBOutput::StatementComplete(answer.affected.unwrap_or(0)));
        }
        Ok(rendered(&answer))
    }

    fn engine_name(&self) -> &str {
        "pieskieo"
    }
}

/// Writes numbers with a fraction with three digits of it, as the format wants for `R`.
fn rendered(answer: &Answer) -> DBOutput<DefaultColumnType> {
    let types: Vec<DefaultColumnType> = answer
        .columns
        .iter()
        .map(|column| match column.type_name.as_str() {
            "SMALLINT" | "INT" | "BIGINT" => DefaultColumnType::Integer,
            "FLOAT" | "DOUBLE" => DefaultColumnType::FloatingPoint,
            name if name.starts_with("NUMERIC") => DefaultColumnType::FloatingPoint,
            "TEXT" => DefaultColumnType::Text,
            _ => DefaultColumnType::Any,
        })
        .collect();
    let render = |(ty, value): (&DefaultColumnType, &Json)| match (ty, value) {
        (_, Json::Null) => "NULL".to_owned(),
        (_, Json::String(text)) if text.is_empty() => "(empty)".to_owned(),
        (_, Json::String(text)) => text.clone(),
        (DefaultColumnType::FloatingPoint, Json::Number(number)) => {
            format!("{:.3}", number.as_f64().unwrap_or(f64::NAN))
        }
        (_, value) => value.to_string(),
    };
    let rows = answer.rows();
    let rows = rows.iter().map(|row| types.iter().zip(row).map(render).collect()).collect();
    DBOutput::Rows { types, rows }
}

/// Returns every script below a folder, in a fixed order.
fn scripts(folder: &str) -> Vec<PathBuf> {
    fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("the folder of scripts") {
            let path = entry.expect("an entry of the folder").path();
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "slt") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder), &mut found);
    found.sort();
    assert!(!found.is_empty(), "there are no scripts in {folder}");
    let wanted = std::env::var("PIESKIEO_SCRIPT").unwrap_or_default();
    found.retain(|path| path.to_string_lossy().contains(&wanted));
    found
}

/// How sessions begin: queries are planned as their sizes want.
const BY_SIZE: &str = "SET parallel_rows = DEFAULT";
/// How sessions begin: all cores share every query, however small.
const SHARED: &str = "SET parallel_rows = 0";

/// Runs a script record by record, in sessions that begin so, and returns every mismatch, not just the first.
fn mismatches(path: &Path, shards: u16, begin: &str) -> Vec<String> {
    let records = match sqllogictest::parse_file::<DefaultColumnType>(path) {
        Ok(records) => records,
        Err(error) => return vec![format!("{error}")],
    };
    with_database(shards, |open| {
        let begun = || {
            let client = open();
            client.ask(begin).expect("a setting");
            client
        };
        let mut runner = Runner::new(|| async { Ok(Scripted(begun(), BTreeMap::new())) });
        let run = |record| runner.run(record).err();
        let failed = records.into_iter().filter_map(run);
        failed.map(|error| format!("{shards} shards: {}", error.display(false))).collect()
    })
}

fn run_all(folder: &str, shards: u16, begin: &str) {
    let scripts = scripts(folder);
    let found: Vec<String> =
        scripts.iter().flat_map(|path| mismatches(path, shards, begin)).collect();
    assert!(found.is_empty(), "{} mismatches\n\n{}", found.len(), found.join("\n\n"));
}

#[test]
fn scripts_answer_on_one_shard() {
    run_all("pql", 1, BY_SIZE);
}

#[test]
fn scripts_answer_on_two_shards() {
    run_all("pql", 2, BY_SIZE);
}

#[test]
fn scripts_answer_on_eight_shards() {
    run_all("pql", 8, BY_SIZE);
}

#[test]
fn scripts_answer_when_two_shards_share_every_query() {
    run_all("pql", 2, SHARED);
}

#[test]
fn scripts_answer_when_eight_shards_share_every_query() {
    run_all("pql", 8, SHARED);
}

#[test]
fn plans_stay_what_they_are() {
    run_all("plans", 2, BY_SIZE);
}

/// Returns the statements between ```` ```pql ```` and ```` ``` ```` of a page.
fn examples(page: &str) -> Vec<&str> {
    let blocks = page.split("```pql\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn every_statement_of_the_language_page_runs() {
    let blocks = examples(include_str!("../PQL.md"));
    assert!(blocks.len() > 5, "the page has lost its examples");
    for shards in [1, 2, 8] {
        with_database(shards, |open| {
            let client = open();
            for block in &blocks {
                if let Err(error) = client.ask_all(block, &[]) {
                    panic!("{shards} shards\n{block}\n{error:?}");
                }
            }
        });
    }
}
