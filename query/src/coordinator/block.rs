//! What do the statements of one transaction share?

use std::collections::BTreeMap;

use pieskieo_shards::ids::TableId;
use pieskieo_shards::txn::{Isolation, Lease, Transaction};

use super::draft::Draft;
use crate::error::{Error, Result, code};
use crate::suggest;
use crate::syntax::{Modes, Name};

/// The state of one transaction at its coordinator. Between two requests it waits in
/// [`crate::open`].
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// Its writes and reads; `None` until a statement reads or writes: its snapshot is taken then.
    pub txn: Option<Transaction>,
    /// What it has changed of the schema.
    pub draft: Draft,
    /// What it promises about what it reads.
    pub isolation: Isolation,
    /// The point in the past that it reads, if it reads the past.
    pub past: Option<Lease>,
    /// Whether it refuses to write.
    pub read_only: bool,
    /// Whether it is known to write nothing.
    pub only_reads: bool,
    /// Whether it is known to be one statement and nothing else.
    pub is_alone: bool,
    /// Of which duplicates it is known that they mean that somebody came in between.
    pub retry_duplicates: RetryDuplicates,
    /// The number each sequence gave last.
    pub numbers: BTreeMap<TableId, i64>,
    /// The number any sequence gave last.
    pub last_number: Option<i64>,
    /// Whether a statement has failed: only going back helps.
    pub failed: bool,
}

/// Duplicates that were not there when the statement looked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetryDuplicates {
    /// Those of a primary key.
    pub key: bool,
    /// Those of these unique constraints.
    pub constraints: Vec<String>,
}

impl RetryDuplicates {
    /// Returns whether an error is such a duplicate.
    pub fn are(&self, error: &Error) -> bool {
        error.code == code::UNIQUE_VIOLATION.code
            && match &error.constraint {
                None => self.key,
                Some(name) => self.constraints.contains(name),
            }
    }
}

impl Block {
    /// Returns the state of a transaction that has not begun.
    pub fn new(modes: Modes) -> Self {
        let mut block = Self::default();
        block.adopt(modes);
        block
    }

    /// Changes the modes as far as they are given.
    fn adopt(&mut self, modes: Modes) {
        self.isolation = modes.isolation.unwrap_or(self.isolation);
        self.read_only = modes.read_only.unwrap_or(self.read_only) || modes.as_of.is_some();
    }

    /// Runs a SET TRANSACTION.
    ///
    /// **Errors**: `25001` after the first query.
    pub fn set_modes(&mut self, modes: Modes) -> Result<()> {
        if self.txn.is_some() {
            let message = "SET TRANSACTION must come before any query of the transaction";
            return Err(Error::new(code::ACTIVE_TRANSACTION, message)
                .with_hint("Write the modes after BEGIN."));
        }
        self.adopt(modes);
        Ok(())
    }

    /// Returns what its reads promise. One that only reads needs no more than its snapshot.
    pub fn isolation(&self) -> Isolation {
        if self.read_only || self.only_reads { Isolation::Snapshot } else { self.isolation }
    }

    /// Returns what it promises about what it reads, as a client writes it.
    pub fn isolation_name(&self) -> &'static str {
        match self.isolation {
            Isolation::Serializable => "serializable",
            Isolation::Snapshot => "snapshot",
        }
    }

    /// Refuses a write where only reads are allowed.
    ///
    /// **Errors**: `25006`.
    pub fn check_writable(&self) -> Result<()> {
        if self.past.is_some() {
            return Err(written_past());
        }
        if self.read_only {
            let message = "the transaction is READ ONLY";
            return Err(Error::new(code::READ_ONLY_TRANSACTION, message)
                .with_hint("Write READ WRITE after BEGIN, or leave READ ONLY out."));
        }
        Ok(())
    }

    /// Refuses whatever comes after a failure.
    ///
    /// **Errors**: `25P02`.
    pub fn check_sound(&self) -> Result<()> {
        if self.failed {
            let message = "an earlier statement of the transaction failed";
            return Err(Error::new(code::IN_FAILED_TRANSACTION, message)
                .with_hint("Send ROLLBACK, or ROLLBACK TO a savepoint made before it."));
        }
        Ok(())
    }

    /// Runs a RELEASE.
    ///
    /// **Errors**: `3B001`.
    pub fn release(&mut self, name: &Name) -> Result<()> {
        match &mut self.txn {
            Some(txn) => txn.release(&name.text).map_err(|_| self.no_savepoint(name))?,
            None => return Err(self.no_savepoint(name)),
        }
        self.draft.release(&name.text);
        Ok(())
    }

    /// Runs a ROLLBACK TO, which also mends a failure.
    ///
    /// **Errors**: `3B001`.
    pub async fn back_to(&mut self, name: &Name) -> Result<()> {
        let Some(txn) = &mut self.txn else { return Err(self.no_savepoint(name)) };
        if txn.back_to(&name.text).await.is_err() {
            return Err(self.no_savepoint(name));
        }
        self.draft.back_to(&name.text);
        self.failed = false;
        Ok(())
    }

    fn no_savepoint(&self, name: &Name) -> Error {
        let message = format!("there is no savepoint \"{}\"", name.text);
        let known = self.txn.iter().flat_map(Transaction::savepoints);
        Error::new(code::INVALID_SAVEPOINT, message)
            .with_suggestion(suggest::nearest(&name.text, known))
            .at(name.position)
    }

    /// Returns an estimate of the bytes it keeps in memory here.
    pub fn bytes(&self) -> usize {
        self.txn.as_ref().map_or(0, Transaction::bytes)
    }

    /// Ends it without a trace.
    pub async fn abort(self) {
        if let Some(txn) = self.txn {
            txn.abort().await;
        }
        self.draft.abandon().await;
    }
}

/// The error of a change in a statement, or a transaction, that reads the past.
pub(crate) fn written_past() -> Error {
    Error::new(code::READ_ONLY_TRANSACTION, "what is read AS OF the past cannot be changed")
        .with_hint("Leave AS OF out of what writes, or read with it in a statement of its own.")
}
