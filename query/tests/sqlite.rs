//! Do SQLite's own logic tests give the answers they record?
//!
//! The files are read from the folder of shared data; without it the test says that it is skipped.
//! All statements of a file run, and of its queries every [`STRIDE`]th. A few files run by
//! default; `PIESKIEO_SQLITE=` runs all, `PIESKIEO_SQLITE=select` those whose path contains
//! "select", and `PIESKIEO_SQLITE_STRIDE=1` every query.

mod support;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use pieskieo_io::file::host;
use serde_json::Value as Json;
use sqllogictest::{
    Condition, Control, DB, DBOutput, DefaultColumnType, QueryExpect, Record, ResultMode, Runner,
};
use support::{Client, with_database};

/// One of so many queries runs: the whole takes half an hour in an unoptimised build.
const STRIDE: usize = 97;

/// The files that run by default: the others insert some 1,000 rows one by one, durably.
const BY_DEFAULT: &[&str] = &["select1", "evidence/in1", "random/groupby", "index/commute/10/"];

/// What the files are about that this engine does not offer: views, triggers, `REPLACE`, and
/// SQLite's own ways with types.
const LEFT_OUT: &[&str] = &["evidence/slt_lang", "index/view"];

/// More values than this are compared by a hash of them.
const HASH_THRESHOLD: usize = 8;

/// The name under which the files know the dialect.
const DIALECT: &str = "postgresql";

/// A session that writes values as the types the script expects.
struct Scripted {
    client: Client,
    expected: Arc<Mutex<Vec<DefaultColumnType>>>,
}

#[derive(Debug)]
struct Refused(pieskieo_query::Error);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Refused {}

impl DB for Scripted {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, text: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        let answer = self.client.ask(text).map_err(Refused)?;
        if answer.columns.is_empty() {
            return Ok(DBOutput::StatementComplete(answer.affected.unwrap_or(0)));
        }
        let types = self.expected.lock().expect("nobody panics with it").clone();
        let rows = answer.rows();
        let rows = rows.iter().map(|row| row.iter().zip(&types).map(written).collect()).collect();
        Ok(DBOutput::Rows { types, rows })
    }

    fn engine_name(&self) -> &str {
        DIALECT
    }
}

/// Writes a value as SQLite's runner does for a column of this type.
fn written((value, ty): (&Json, &DefaultColumnType)) -> String {
    match (ty, value) {
        (_, Json::Null) => "NULL".to_owned(),
        (_, Json::String(text)) if text.is_empty() => "(empty)".to_owned(),
        (DefaultColumnType::Integer, Json::Bool(value)) => u8::from(*value).to_string(),
        (DefaultColumnType::Integer, Json::Number(number)) => match number.as_i64() {
            Some(number) => number.to_string(),
            None => (number.as_f64().unwrap_or(f64::NAN) as i64).to_string(),
        },
        (DefaultColumnType::FloatingPoint, Json::Number(number)) => {
            format!("{:.3}", number.as_f64().unwrap_or(f64::NAN))
        }
        (_, Json::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    }
}

fn files() -> Option<Vec<PathBuf>> {
    fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder of scripts") {
            let path = entry.expect("an entry of the folder").path();
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "test") {
                found.push(path);
            }
        }
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = std::env::var_os("PIESKIEO_SHARED_DATA")
        .map_or_else(|| here.join("../../shared/data"), PathBuf::from)
        .join("sqllogictest");
    if !root.is_dir() {
        eprintln!("SKIPPED: SQLite's logic tests are not at {}", root.display());
        return None;
    }
    let mut found = Vec::new();
    visit(&root, &mut found);
    found.sort();
    let wanted = std::env::var("PIESKIEO_SQLITE").ok();
    found.retain(|path| {
        let path = path.to_string_lossy();
        let is_wanted = match &wanted {
            Some(part) => path.contains(part),
            None => BY_DEFAULT.iter().any(|part| path.contains(part)),
        };
        is_wanted && !LEFT_OUT.iter().any(|part| path.contains(part))
    });
    Some(found)
}

/// Descending indexes are not offered yet (the README's status table says so). The scripts use
/// them, but their answers do not depend on them.
fn without_descending(line: &str) -> String {
    if line.starts_with("CREATE") && line.contains(" INDEX ") {
        return line.replace(" DESC", "");
    }
    line.to_owned()
}

/// Reads a script. Remarks behind conditions are dropped, and a `halt` for another engine with its
/// condition: the library knows neither.
fn records(path: &Path) -> Vec<Record<DefaultColumnType>> {
    let text = host::read_to_string(path).expect("a script");
    let mut kept: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.trim() == "halt"
            && kept.last().is_some_and(|last| {
                last.trim().strip_prefix("onlyif ").is_some_and(|name| !name.starts_with(DIALECT))
            })
        {
            kept.pop();
            continue;
        }
        let conditional = line.starts_with("onlyif ") || line.starts_with("skipif ");
        let line = if conditional { line.split('#').next().unwrap_or(line) } else { line };
        kept.push(without_descending(line));
    }
    sqllogictest::parse(&kept.join("\n")).expect("a script can be read")
}

/// Whether a record is for this engine.
fn applies(conditions: &[Condition]) -> bool {
    conditions.iter().all(|condition| match condition {
        Condition::OnlyIf { label } => label == DIALECT,
        Condition::SkipIf { label } => label != DIALECT,
    })
}

/// What became of a script.
#[derive(Default)]
struct Report {
    /// Wrong answers and refusals.
    wrong: Vec<String>,
    /// Queries asked.
    asked: usize,
    /// Of those, queries of a form that is not offered yet.
    refused: usize,
}

/// Runs a script.
fn run(path: &Path, stride: usize) -> Report {
    with_database(2, |open| {
        let expected = Arc::new(Mutex::new(Vec::new()));
        let mut runner =
            Runner::new(|| async { Ok(Scripted { client: open(), expected: expected.clone() }) });
        runner.with_hash_threshold(HASH_THRESHOLD);
        let by_value = Record::Control(Control::ResultMode(ResultMode::ValueWise));
        runner.run(by_value).expect("a control record cannot fail");
        let mut report = Report::default();
        let mut seen = 0;
        for record in records(path) {
            if let Record::Halt { .. } = record {
                break;
            }
            if let Record::Query { expected: wanted, conditions, .. } = &record {
                if !applies(conditions) {
                    continue;
                }
                seen += 1;
                if !(seen - 1_usize).is_multiple_of(stride) {
                    continue;
                }
                report.asked += 1;
                if let QueryExpect::Results { types, .. } = wanted {
                    types.clone_into(&mut expected.lock().expect("nobody panics with it"));
                }
            }
            let is_query = matches!(record, Record::Query { .. });
            if let Err(error) = runner.run(record) {
                let told = error.display(false).to_string();
                if is_query && told.contains("\"0A000\"") {
                    report.refused += 1;
                } else {
                    report.wrong.push(format!("{}: {told}", path.display()));
                }
            }
        }
        report
    })
}

#[test]
fn sqlites_logic_tests_give_the_recorded_answers() {
    let Some(files) = files() else { return };
    let stride = std::env::var("PIESKIEO_SQLITE_STRIDE").ok().and_then(|text| text.parse().ok());
    let mut wrong = Vec::new();
    let mut page = format!(
        "Every {}th query.\n\n| file | asked | as recorded | not offered | wrong |\n\
         | --- | --- | --- | --- | --- |\n",
        stride.unwrap_or(STRIDE)
    );
    for path in &files {
        let Report { wrong: found, asked, refused } = run(path, stride.unwrap_or(STRIDE));
        let count = found.len();
        let path_text = path.to_string_lossy();
        let name = path_text.rsplit("sqllogictest/").next().unwrap_or_default();
        let passed = asked.saturating_sub(refused + count);
        page.push_str(&format!("| {name} | {asked} | {passed} | {refused} | {count} |\n"));
        eprintln!("{}: {asked} queries, {refused} refused, {count} wrong", path.display());
        wrong.extend(found);
    }
    page.push_str(&format!("\nLeft out: {}.\n", LEFT_OUT.join(", ")));
    support::compatibility::write_section("sqlite", &page);
    let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(wrong.is_empty(), "{} wrong\n\n{shown}", wrong.len());
}
