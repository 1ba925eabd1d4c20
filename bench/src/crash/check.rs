//! Is everything there that must be, and nothing that must not?
//!
//! The writes of the last life are looked up one by one; what was unknown is settled by what is
//! found, and must stay so. Earlier lives are compared by count and sum, which a lost, doubled or
//! resurrected row changes. What has an idempotency key is sent again: it must be there once then,
//! and the server must know whether it was before.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::client::{Answer, Client, Failure, integer};

use super::journal::{Dice, Journal, Model, Outcome, Tally, Write};
use super::workload::send;

/// Nodes whose edges are walked from both ends after each life.
const WALKS: i64 = 24;
/// Violations of one kind that are spelled out.
const SPELLED_MAX: usize = 20;

/// What a check found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Broken promises, each a sentence.
    pub violations: Vec<String>,
    /// Unknown writes that were there.
    pub unknown_present: u64,
    /// Unknown writes that were not.
    pub unknown_absent: u64,
}

impl Findings {
    fn violation(&mut self, text: String) {
        if self.violations.len() < SPELLED_MAX {
            self.violations.push(text);
        }
    }

    /// Settles one write by whether it is there; returns whether it counts from now on.
    fn settle(&mut self, what: &str, outcome: Outcome, is_there: bool) -> bool {
        match (outcome, is_there) {
            (Outcome::Acknowledged, false) => {
                self.violation(format!("{what} was acknowledged and is lost"));
            }
            (Outcome::Refused, true) => {
                self.violation(format!("{what} was refused and is there"));
            }
            (Outcome::Unknown, true) => self.unknown_present += 1,
            (Outcome::Unknown, false) => self.unknown_absent += 1,
            (Outcome::Acknowledged, true) | (Outcome::Refused, false) => {}
        }
        is_there
    }
}

/// Checks the server against the last life and all before it, and adds the last life to `model`.
///
/// **Errors**: a question that must have an answer had none.
pub async fn check(
    client: &Client,
    journal: &Journal,
    model: &mut Model,
    dice: &Dice,
) -> Result<Findings, Failure> {
    let mut findings = Findings::default();
    let attempts = journal.attempts.take();
    check_singles(client, journal.cycle, &attempts, model, &mut findings).await?;
    check_batches(client, journal.cycle, &attempts, model, &mut findings).await?;
    check_keyed(client, journal.cycle, &attempts, model, &mut findings).await?;
    check_transfers(client, journal.cycle, &attempts, model, &mut findings).await?;
    check_edges(client, journal.cycle, &attempts, model, &mut findings).await?;
    compare_tallies(client, "crash_single", &model.singles, &mut findings).await?;
    compare_tallies(client, "crash_batch", &model.batches, &mut findings).await?;
    compare_tallies(client, "crash_keyed", &model.keyed, &mut findings).await?;
    compare_tallies(client, "crash_ledger", &model.ledger, &mut findings).await?;
    walk_edges(client, &attempts, model, dice, &mut findings).await?;
    Ok(findings)
}

fn number(row: &[Value], index: usize) -> Result<i64, Failure> {
    let value = row.get(index).and_then(integer);
    let cause = || format!("a row without a number at {index}: {row:?}");
    value.ok_or_else(|| Failure::Unknown { status: None, cause: cause() })
}

async fn check_singles(
    client: &Client,
    cycle: i64,
    attempts: &[(Write, Outcome)],
    model: &mut Model,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let pql = "SELECT id, body FROM crash_single WHERE cycle = $1";
    let answer = client.query(pql, &[json!(cycle)]).await?;
    let mut found = BTreeMap::new();
    for row in &answer.rows {
        let body = row.get(1).and_then(Value::as_str).unwrap_or_default();
        if found.insert(number(row, 0)?, body.to_owned()).is_some() {
            findings.violation(format!("row {} is there twice", number(row, 0)?));
        }
    }
    let mut tally = Tally::default();
    for (write, outcome) in attempts {
        let Write::Single { id, body } = write else { continue };
        let there = found.remove(id);
        if findings.settle(&format!("row {id}"), *outcome, there.is_some()) {
            tally.add(*id);
        }
        if there.is_some_and(|there| there != *body) {
            findings.violation(format!("row {id} has another content than was written"));
        }
    }
    for id in found.keys() {
        findings.violation(format!("row {id} is there and nobody wrote it"));
    }
    model.singles.insert(cycle, tally);
    Ok(())
}

async fn check_batches(
    client: &Client,
    cycle: i64,
    attempts: &[(Write, Outcome)],
    model: &mut Model,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let pql = "SELECT batch, COUNT(*) FROM crash_batch WHERE cycle = $1 GROUP BY batch";
    let answer = client.query(pql, &[json!(cycle)]).await?;
    let mut found = BTreeMap::new();
    for row in &answer.rows {
        found.insert(number(row, 0)?, number(row, 1)?);
    }
    let mut tally = Tally::default();
    for (write, outcome) in attempts {
        let Write::Batch { id, rows } = write else { continue };
        let there = found.remove(id).unwrap_or(0);
        if there != 0 && there != *rows {
            findings.violation(format!("statement {id}: {there} of its {rows} rows are there"));
        }
        if findings.settle(&format!("statement {id}"), *outcome, there != 0) {
            (*id..id + rows).for_each(|id| tally.add(id));
        }
    }
    for id in found.keys() {
        findings.violation(format!("statement {id} is there and nobody wrote it"));
    }
    model.batches.insert(cycle, tally);
    Ok(())
}

async fn check_keyed(
    client: &Client,
    cycle: i64,
    attempts: &[(Write, Outcome)],
    model: &mut Model,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let mut found = keyed_rows(client, cycle).await?;
    let mut tally = Tally::default();
    for (write, outcome) in attempts {
        let Write::Keyed { id } = write else { continue };
        let there = found.remove(id).unwrap_or(0);
        if there != 0 && there != 2 {
            findings.violation(format!("keyed statement {id}: {there} of its 2 rows are there"));
        }
        let is_there = findings.settle(&format!("keyed statement {id}"), *outcome, there != 0);
        if *outcome == Outcome::Refused {
            continue;
        }
        let replayed = send(client, write, cycle).await?;
        if replayed != is_there {
            let word = if is_there { "was there and was done again" } else { "was not there" };
            findings.violation(format!("keyed statement {id} {word}, replayed: {replayed}"));
        }
        (0..2).for_each(|_| tally.add(*id));
    }
    for id in found.keys() {
        findings.violation(format!("keyed statement {id} is there and nobody wrote it"));
    }
    for (id, rows) in keyed_rows(client, cycle).await? {
        if rows != 2 {
            findings.violation(format!("keyed statement {id}: {rows} rows after sending it again"));
        }
    }
    model.keyed.insert(cycle, tally);
    Ok(())
}

/// Returns how many rows each keyed statement of a life has.
async fn keyed_rows(client: &Client, cycle: i64) -> Result<BTreeMap<i64, i64>, Failure> {
    let pql = "SELECT id, COUNT(*) FROM crash_keyed WHERE cycle = $1 GROUP BY id";
    let answer = client.query(pql, &[json!(cycle)]).await?;
    answer.rows.iter().map(|row| Ok((number(row, 0)?, number(row, 1)?))).collect()
}

async fn check_transfers(
    client: &Client,
    cycle: i64,
    attempts: &[(Write, Outcome)],
    model: &mut Model,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let pql = "SELECT id FROM crash_ledger WHERE cycle = $1";
    let answer = client.query(pql, &[json!(cycle)]).await?;
    let mut found = first_numbers(&answer)?;
    let mut tally = Tally::default();
    for (write, outcome) in attempts {
        let Write::Transfer { id, from, to, amount } = write else { continue };
        if findings.settle(&format!("transfer {id}"), *outcome, found.remove(id)) {
            tally.add(*id);
            model.balances[*from as usize] -= amount;
            model.balances[*to as usize] += amount;
        }
    }
    for id in found {
        findings.violation(format!("transfer {id} is there and nobody made it"));
    }
    model.ledger.insert(cycle, tally);
    let answer = client.query("SELECT id, balance FROM crash_account", &[]).await?;
    let mut accounts = 0;
    for row in &answer.rows {
        let (id, balance) = (number(row, 0)?, number(row, 1)?);
        let expected = model.balances.get(id as usize).copied();
        accounts += 1;
        if expected != Some(balance) {
            let text = format!("account {id} holds {balance}, its transfers make {expected:?}");
            findings.violation(text);
        }
    }
    if accounts != model.balances.len() {
        findings.violation(format!("{accounts} accounts of {}", model.balances.len()));
    }
    Ok(())
}

async fn check_edges(
    client: &Client,
    cycle: i64,
    attempts: &[(Write, Outcome)],
    model: &mut Model,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let pql = "SELECT src, dst FROM crash_edge WHERE cycle = $1";
    let answer = client.query(pql, &[json!(cycle)]).await?;
    let mut found = BTreeSet::new();
    for row in &answer.rows {
        found.insert((number(row, 0)?, number(row, 1)?));
    }
    for (write, outcome) in attempts {
        let Write::Edge { source, target } = write else { continue };
        let there = found.remove(&(*source, *target));
        if findings.settle(&format!("edge {source} to {target}"), *outcome, there) {
            model.edges.insert((*source, *target));
        }
    }
    for (source, target) in found {
        findings.violation(format!("edge {source} to {target} is there and nobody wrote it"));
    }
    Ok(())
}

/// Walks from nodes the last life touched, and from others, in both directions.
async fn walk_edges(
    client: &Client,
    attempts: &[(Write, Outcome)],
    model: &Model,
    dice: &Dice,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let mut touched = Vec::new();
    for (write, _) in attempts {
        if let Write::Edge { source, target } = write {
            touched.extend([*source, *target]);
        }
    }
    for _ in 0..WALKS {
        let node = if touched.is_empty() {
            dice.below(super::journal::NODE_COUNT)
        } else {
            touched[dice.below(touched.len() as i64) as usize]
        };
        for (direction, is_out) in [("OUT", true), ("IN", false)] {
            let pql = format!(
                "QUERY crash_node AS p WHERE p.id = {node} \
                 TRAVERSE crash_edge {direction} DEPTH 1..1 AS n SELECT n.id"
            );
            let found = first_numbers(&client.query(&pql, &[]).await?)?;
            let neighbor = |edge: &(i64, i64)| match is_out {
                true => (edge.0 == node && edge.1 != node).then_some(edge.1),
                false => (edge.1 == node && edge.0 != node).then_some(edge.0),
            };
            let expected: BTreeSet<i64> = model.edges.iter().filter_map(neighbor).collect();
            let seen: BTreeSet<i64> = found.into_iter().filter(|id| *id != node).collect();
            for id in expected.symmetric_difference(&seen) {
                let word = if seen.contains(id) { "is seen" } else { "is not seen" };
                findings.violation(format!("node {id} {word} from node {node} going {direction}"));
            }
        }
    }
    Ok(())
}

fn first_numbers(answer: &Answer) -> Result<BTreeSet<i64>, Failure> {
    answer.rows.iter().map(|row| number(row, 0)).collect()
}

async fn compare_tallies(
    client: &Client,
    table: &str,
    expected: &BTreeMap<i64, Tally>,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let pql = format!("SELECT cycle, COUNT(*), SUM(id) FROM {table} GROUP BY cycle");
    let answer = client.query(&pql, &[]).await?;
    let mut found = BTreeMap::new();
    for row in &answer.rows {
        found.insert(number(row, 0)?, Tally { count: number(row, 1)?, sum: number(row, 2)? });
    }
    let lives: BTreeSet<i64> = expected.keys().chain(found.keys()).copied().collect();
    for life in lives {
        let of = |tallies: &BTreeMap<i64, Tally>| tallies.get(&life).copied().unwrap_or_default();
        let (expected, found) = (of(expected), of(&found));
        if expected != found {
            findings.violation(format!(
                "{table}, life {life}: {} rows with sum {}, expected {} with sum {}",
                found.count, found.sum, expected.count, expected.sum
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settles(outcome: Outcome, is_there: bool, violates: bool) {
        let mut findings = Findings::default();
        assert_eq!(findings.settle("it", outcome, is_there), is_there);
        assert_eq!(!findings.violations.is_empty(), violates, "{outcome:?} {is_there}");
    }

    #[test]
    fn promises_are_told_apart() {
        settles(Outcome::Acknowledged, true, false);
        settles(Outcome::Acknowledged, false, true);
        settles(Outcome::Refused, true, true);
        settles(Outcome::Refused, false, false);
        settles(Outcome::Unknown, true, false);
        settles(Outcome::Unknown, false, false);
    }
}
