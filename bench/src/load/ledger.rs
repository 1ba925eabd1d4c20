//! Do the accounts hold what the clients were told?
//!
//! Every transfer that was answered is noted. At the end each account must hold what it began with
//! and what was moved to or from it: additions commute, so one that was lost, done twice or half
//! done shows. While transfers run, the sum over all accounts is read again and again: a read that
//! sees another one than the initial has seen half of a transfer.

use std::time::Duration;

use pieskieo_io::{rt, time};

use crate::client::{Client, Failure, integer};

/// What an account begins with.
pub const OPENING_BALANCE: i64 = 1_000;
/// Time between two reads of the sum.
const AUDIT_EVERY: Duration = Duration::from_millis(50);

/// An amount on its way from one account to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The account that gives.
    pub from: u64,
    /// The account that gets.
    pub to: u64,
    /// How much.
    pub amount: i64,
}

/// What the accounts should hold.
#[derive(Debug)]
pub struct Ledger {
    balances: Vec<i64>,
    /// Transfers answered.
    pub transfers: u64,
    /// Sums read meanwhile.
    pub audits: u64,
    /// What was wrong, for the reader.
    pub anomalies: Vec<String>,
}

impl Ledger {
    /// Opens this many accounts.
    pub fn open(accounts: u64) -> Self {
        let balances = vec![OPENING_BALANCE; accounts as usize];
        Self { balances, transfers: 0, audits: 0, anomalies: Vec::new() }
    }

    /// Notes a transfer that was answered.
    pub fn note(&mut self, transfer: Transfer) {
        self.balances[transfer.from as usize] -= transfer.amount;
        self.balances[transfer.to as usize] += transfer.amount;
        self.transfers += 1;
    }

    /// Notes a transfer of which nobody knows whether it was done: nothing can be checked then.
    pub fn lose(&mut self, transfer: Transfer, why: &str) {
        self.anomalies.push(format!("the outcome of {transfer:?} is unknown: {why}"));
    }

    /// Notes what all accounts hold together, as somebody read it.
    fn audit(&mut self, sum: Option<i64>) {
        let expected = self.balances.len() as i64 * OPENING_BALANCE;
        self.audits += 1;
        if sum != Some(expected) {
            self.anomalies.push(format!("a sum of {sum:?} was read, not of {expected}"));
        }
    }

    /// Compares the accounts with what they should hold.
    pub fn compare(&mut self, found: &[(u64, i64)]) {
        if found.len() != self.balances.len() {
            let (found, opened) = (found.len(), self.balances.len());
            self.anomalies.push(format!("{found} accounts were found, {opened} were opened"));
        }
        for (account, balance) in found {
            let expected = self.balances.get(*account as usize);
            if expected != Some(balance) {
                self.anomalies.push(format!("account {account} holds {balance}, not {expected:?}"));
            }
        }
    }
}

/// Reads the sum of all accounts until the time is over, each time at one snapshot.
///
/// **Errors**: a read that is refused.
pub async fn audit(
    client: &Client,
    ledger: &std::cell::RefCell<Ledger>,
    until: Duration,
) -> Result<(), Failure> {
    let started = time::now();
    while started.elapsed() < until {
        let answer = client.query("SELECT SUM(balance) FROM bench_account", &[]).await?;
        let sum = answer.rows.first().and_then(|row| integer(row.first()?));
        ledger.borrow_mut().audit(sum);
        rt::sleep(AUDIT_EVERY).await;
    }
    Ok(())
}

/// Reads every account.
///
/// **Errors**: a read that is refused.
pub async fn balances(client: &Client) -> Result<Vec<(u64, i64)>, Failure> {
    let answer = client.query("SELECT id, balance FROM bench_account", &[]).await?;
    let account = |row: &Vec<serde_json::Value>| {
        let id = u64::try_from(integer(row.first()?)?).ok()?;
        Some((id, integer(row.get(1)?)?))
    };
    Ok(answer.rows.iter().filter_map(account).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_doubled_or_half_done_shows() {
        let moved = Transfer { from: 0, to: 2, amount: 7 };
        let cases = [
            ("as it should be", vec![(0, 993), (1, 1000), (2, 1007)], 0),
            ("lost", vec![(0, 1000), (1, 1000), (2, 1000)], 2),
            ("twice", vec![(0, 986), (1, 1000), (2, 1014)], 2),
            ("half", vec![(0, 993), (1, 1000), (2, 1000)], 1),
            ("an account is gone", vec![(0, 993), (1, 1000)], 1),
        ];
        for (name, found, anomalies) in cases {
            let mut ledger = Ledger::open(3);
            ledger.note(moved);
            ledger.compare(&found);
            assert_eq!(ledger.anomalies.len(), anomalies, "{name}: {:?}", ledger.anomalies);
        }
    }

    #[test]
    fn a_sum_that_saw_half_of_a_transfer_shows() {
        let mut ledger = Ledger::open(3);
        ledger.audit(Some(3_000));
        assert!(ledger.anomalies.is_empty());
        ledger.audit(Some(2_993));
        ledger.audit(None);
        assert_eq!((ledger.audits, ledger.anomalies.len()), (3, 2));
    }
}
