//! Do the parts of a query make the whole?
//!
//! Two properties that need no other database. Ternary logic partitioning: rows where a condition
//! is true, false and null are together all rows (Rigger and Su, "Finding Bugs in Database Systems
//! via Query Partitioning", OOPSLA 2020). NoREC: as many rows pass a filter as there are rows for
//! which the condition, computed as a value, is true (Rigger and Su, "Detecting Optimization Bugs
//! in Database Engines via Non-Optimizing Reference Engine Construction", ESEC/FSE 2020).

use super::compare::{Outcome, ours, same_rows};
use super::dice::Dice;
use super::query::Maker;
use super::tables::KINDS;
use super::{Client, setting, with_databases};

/// Conditions that are looked at unless said otherwise.
const CONDITIONS: u64 = 20;

/// A query without its condition, and the condition.
struct Split {
    list: String,
    from: String,
    condition: String,
}

fn nth(seed: u64, number: u64) -> Split {
    let mut maker = Maker::new(Dice::new(seed ^ 0x7197, number));
    let from = maker.from();
    let condition = maker.condition(3);
    let kind = *maker.dice.pick(KINDS);
    let list = format!("{}, {}", maker.leaf(kind), maker.columns[0].text);
    Split { list, from, condition }
}

/// Returns the rows; `None` where the query is refused.
fn rows(client: &Client, text: &str) -> Option<Vec<Vec<super::compare::Cell>>> {
    match ours(client.ask(text)) {
        Outcome::Rows(rows, _) => Some(rows),
        Outcome::Refused(..) => None,
    }
}

/// Returns what is wrong with the parts of a query.
fn partition(client: &Client, split: &Split) -> Option<String> {
    let Split { list, from, condition } = split;
    let whole = format!("SELECT {list} FROM {from}");
    let all = rows(client, &whole)?;
    let mut parts = Vec::new();
    for part in [condition.clone(), format!("NOT {condition}"), format!("{condition} IS NULL")] {
        parts.extend(rows(client, &format!("{whole} WHERE {part}"))?);
    }
    if same_rows(&all, &parts, false) {
        return None;
    }
    Some(format!("{whole} WHERE {condition}\n  {} rows, {} in parts", all.len(), parts.len()))
}

/// Returns what is wrong with the number of rows that pass.
fn passing(client: &Client, split: &Split) -> Option<String> {
    let Split { from, condition, .. } = split;
    let filtered = format!("SELECT count(*) FROM {from} WHERE {condition}");
    let value = format!("SELECT {condition} AS c FROM {from}");
    let computed = format!("SELECT count(*) FROM ({value}) AS v WHERE v.c IS TRUE");
    let counted =
        format!("SELECT coalesce(sum(CASE WHEN v.c THEN 1 ELSE 0 END), 0) FROM ({value}) AS v");
    let filtered_count = rows(client, &filtered)?;
    for other in [computed, counted] {
        let count = rows(client, &other)?;
        if !same_rows(&filtered_count, &count, false) {
            return Some(format!("{filtered}\n  {filtered_count:?}, but {count:?} of\n{other}"));
        }
    }
    None
}

#[test]
fn parts_of_a_query_make_the_whole() {
    let seed = setting("PIESKIEO_SEED", 1);
    let count = setting("PIESKIEO_CONDITIONS", CONDITIONS);
    eprintln!("seed {seed}, {count} conditions");
    with_databases(seed, |clients| {
        let mut wrong = Vec::new();
        for number in 0..count {
            let split = nth(seed, number);
            for (client, shards) in clients.iter().zip([1, 2, 8]) {
                let found = [partition(client, &split), passing(client, &split)];
                wrong.extend(
                    found.into_iter().flatten().map(|told| format!("{shards} shards: {told}")),
                );
            }
        }
        let shown = wrong.iter().take(8).cloned().collect::<Vec<_>>().join("\n\n");
        assert!(wrong.is_empty(), "{} wrong\n\n{shown}", wrong.len());
    });
}
