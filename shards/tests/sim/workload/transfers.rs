//! Money moves between accounts: there is as much as before.

use pieskieo_shards::Error;
use pieskieo_shards::catalog::Table;
use pieskieo_shards::ids::TableId;
use pieskieo_shards::request::Expect;

use super::below;
use crate::ledger::{Content, Draft};
use crate::model::table;

const ACCOUNTS: TableId = TableId(1);
const COUNT: i64 = 8;
const BALANCE: i64 = 100;

pub fn tables() -> Vec<Table> {
    vec![table(ACCOUNTS, "accounts", &["id", "balance"])]
}

pub fn first(draft: &mut Draft) -> Result<(), Error> {
    (0..COUNT).try_for_each(|id| draft.put(ACCOUNTS, &[id, BALANCE], Expect::Absent))
}

pub async fn step(draft: &mut Draft) -> Result<(), Error> {
    let source = below(COUNT);
    let target = (source + 1 + below(COUNT - 1)) % COUNT;
    let from = draft.get(ACCOUNTS, &[source]).await?.expect("accounts stay");
    let to = draft.get(ACCOUNTS, &[target]).await?.expect("accounts stay");
    let amount = below(from.values[1] + 1);
    draft.put(ACCOUNTS, &[source, from.values[1] - amount], Expect::Version(from.version))?;
    draft.put(ACCOUNTS, &[target, to.values[1] + amount], Expect::Version(to.version))
}

pub fn check(content: &Content) {
    let balances: Vec<i64> = content.rows(ACCOUNTS).map(|row| row[1]).collect();
    let sum: i64 = balances.iter().sum();
    assert!(balances.is_empty() || sum == COUNT * BALANCE, "{balances:?}");
    assert!(balances.iter().all(|balance| *balance >= 0), "{balances:?}");
}
