//! Do two answers say the same?
//!
//! Rows are compared as multisets unless the query orders them. Numbers with a fraction may differ
//! a little: sums of doubles depend on their order, and our numerics have a fixed number of digits.
//! Refusals agree when both refuse; the codes are compared by what they blame.

use pieskieo_query::Error;
use serde_json::Value as Json;

use super::server::{Refusal, Said};
use super::support::Answer;

/// How far numbers may be apart, as a part of the larger one and at all.
const PART_MAX: f64 = 1e-6;
const APART_MAX: f64 = 2e-6;

/// Rows more than this are not matched one by one when sorting did not match them.
const MATCHED_MAX: usize = 400;

/// Object ids of PostgreSQL's types of numbers, and of those written otherwise than ours.
const NUMBERS: &[u32] = &[20, 21, 23, 700, 701, 1700];
const BOOL: u32 = 16;
const JSON: &[u32] = &[114, 3802];
const TIMESTAMPTZ: u32 = 1184;

/// One value: null, a number, or another value as its text.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Number(String),
    Other(String),
}

/// What either side made of a statement.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Rows, and the number of records that were changed.
    Rows(Vec<Vec<Cell>>, Option<u64>),
    /// SQLSTATE and sentence.
    Refused(String, String),
}

/// Reads an answer of ours.
pub fn ours(said: Result<Answer, Error>) -> Outcome {
    match said {
        Ok(answer) => {
            let rows = answer.rows();
            let cells = |row: &Vec<Json>| {
                let types = answer.columns.iter().map(|column| column.type_name.as_str());
                row.iter().zip(types).map(|(value, ty)| our_cell(value, ty)).collect()
            };
            Outcome::Rows(rows.iter().map(cells).collect(), answer.affected)
        }
        Err(error) => {
            let detail = error.detail.as_deref().unwrap_or_default();
            Outcome::Refused(error.code.to_string(), format!("{} {detail}", error.message))
        }
    }
}

fn our_cell(value: &Json, ty: &str) -> Cell {
    let number = ["INT", "BIGINT", "FLOAT", "DOUBLE", "NUMERIC", "SMALLINT", "REAL"];
    match value {
        Json::Null => Cell::Null,
        Json::Number(number) => Cell::Number(number.to_string()),
        Json::String(text) if ty == "INTERVAL" => Cell::Other(text.clone()),
        Json::Array(items) if ty.ends_with("[]") => Cell::Other(as_array(items)),
        value if ty == "JSON" => Cell::Other(value.to_string()),
        Json::String(text) if number.iter().any(|name| ty.starts_with(name)) => {
            Cell::Number(text.clone())
        }
        Json::String(text) if ty.starts_with("TIMESTAMP") => {
            Cell::Other(text.replace('T', " ").trim_end_matches('Z').to_owned())
        }
        Json::String(text) => Cell::Other(text.clone()),
        value => Cell::Other(value.to_string()),
    }
}

/// Reads an answer of PostgreSQL.
pub fn theirs(said: Result<Said, Refusal>) -> Outcome {
    match said {
        Ok(said) => {
            let cells = |row: Vec<Option<String>>| {
                let types = said.columns.iter().map(|(_, ty)| *ty);
                row.into_iter().zip(types).map(|(value, ty)| their_cell(value, ty)).collect()
            };
            Outcome::Rows(said.rows.into_iter().map(cells).collect(), said.affected)
        }
        Err(refusal) => Outcome::Refused(refusal.code, refusal.message),
    }
}

fn their_cell(value: Option<String>, ty: u32) -> Cell {
    match value {
        None => Cell::Null,
        Some(text) if NUMBERS.contains(&ty) => Cell::Number(text),
        Some(text) if ty == BOOL => {
            Cell::Other(if text == "t" { "true" } else { "false" }.to_owned())
        }
        Some(text) if JSON.contains(&ty) => {
            let read = serde_json::from_str::<Json>(&text);
            Cell::Other(read.map_or(text, |value| value.to_string()))
        }
        Some(text) if ty == TIMESTAMPTZ => {
            Cell::Other(text.strip_suffix("+00").unwrap_or(&text).to_owned())
        }
        Some(text) => Cell::Other(text),
    }
}

/// An array as PostgreSQL writes it.
fn as_array(items: &[Json]) -> String {
    let quoted = |text: &str| {
        let plain = !text.is_empty()
            && !text.eq_ignore_ascii_case("null")
            && !text.contains(|c: char| "{},\"\\".contains(c) || c.is_whitespace());
        match plain {
            true => text.to_owned(),
            false => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        }
    };
    let items = items.iter().map(|item| match item {
        Json::Null => "NULL".to_owned(),
        Json::Bool(true) => "t".to_owned(),
        Json::Bool(false) => "f".to_owned(),
        Json::Number(number) => number.to_string().trim_end_matches(".0").to_owned(),
        Json::String(text) => quoted(text),
        Json::Array(items) => as_array(items),
        other => quoted(&other.to_string()),
    });
    format!("{{{}}}", items.collect::<Vec<_>>().join(","))
}

/// Returns whether two values are the same.
fn same(one: &Cell, other: &Cell) -> bool {
    let (Cell::Number(a), Cell::Number(b)) = (one, other) else { return one == other };
    if let (Ok(a), Ok(b)) = (a.parse::<i128>(), b.parse::<i128>()) {
        return a == b;
    }
    let (Ok(a), Ok(b)) = (a.parse::<f64>(), b.parse::<f64>()) else { return a == b };
    let apart = (a - b).abs();
    a == b
        || (a.is_nan() && b.is_nan())
        || apart <= APART_MAX
        || apart <= PART_MAX * a.abs().max(b.abs())
}

fn same_row(one: &[Cell], other: &[Cell]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
}

/// A text that sorts equal rows together, mostly.
fn key(row: &[Cell]) -> String {
    let of = |cell: &Cell| match cell {
        Cell::Null => "~".to_owned(),
        Cell::Number(text) => format!("{:.3e}", text.parse::<f64>().unwrap_or(f64::NAN) + 0.0),
        Cell::Other(text) => text.clone(),
    };
    row.iter().map(of).collect::<Vec<_>>().join("|")
}

/// Returns whether two lists of rows are the same, in order or as multisets.
pub fn same_rows(one: &[Vec<Cell>], other: &[Vec<Cell>], ordered: bool) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let in_order = |a: &[Vec<Cell>], b: &[Vec<Cell>]| a.iter().zip(b).all(|(a, b)| same_row(a, b));
    if in_order(one, other) {
        return true;
    }
    if ordered {
        return false;
    }
    let (mut one, mut other) = (one.to_vec(), other.to_vec());
    one.sort_by_cached_key(|row| key(row));
    other.sort_by_cached_key(|row| key(row));
    if in_order(&one, &other) {
        return true;
    }
    if one.len() > MATCHED_MAX {
        return false;
    }
    one.iter().all(|row| match other.iter().position(|candidate| same_row(row, candidate)) {
        Some(at) => {
            other.swap_remove(at);
            true
        }
        None => false,
    })
}

/// Returns whether two outcomes agree.
pub fn agree(ours: &Outcome, theirs: &Outcome, ordered: bool) -> bool {
    match (ours, theirs) {
        (Outcome::Rows(a, changed), Outcome::Rows(b, affected)) => {
            same_rows(a, b, ordered) && (changed.is_none() || changed == affected)
        }
        (Outcome::Refused(a, _), Outcome::Refused(b, _)) => {
            // `42` is a statement's fault, `22` a value's: which is found first may differ, for
            // constants are looked at early. Constraints and faults of the server are neither.
            let blame = |code: &str| match &code[..2] {
                "42" | "22" | "0A" => "statement".to_owned(),
                class => class.to_owned(),
            };
            blame(a) == blame(b)
        }
        _ => false,
    }
}

/// Returns whether this refusal says that the statement is not offered.
pub fn is_not_offered(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(code, _) if code == "0A000")
}
