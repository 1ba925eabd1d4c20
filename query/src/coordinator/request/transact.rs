//! How does a transaction begin, start again, and end?

use std::time::Duration;

use pieskieo_io::rt;
use pieskieo_io::time;
use pieskieo_shards::txn::Transaction;

use super::Request;
use crate::coordinator::block::Block;
use crate::coordinator::draft::Draft;
use crate::coordinator::kind::changes;
use crate::coordinator::parts::{Begin, End, Part};
use crate::coordinator::{past, schema};
use crate::error::{Error, Result, code};
use crate::idempotency::{self, Stored};
use crate::open::OpenTransaction;
use crate::outcome::{Outcome, StatementKind};
use crate::syntax::{Modes, Statement};

/// How often a part of a request starts again after losing to another transaction. Each time the
/// winner has committed, so the whole makes progress.
const ATTEMPTS_MAX: usize = 50;
/// It is tried so long, however often that is.
const ATTEMPTS_TIME: Duration = Duration::from_secs(5);

const BEGIN_AGAIN: &str = "Send ROLLBACK, then the whole transaction again from its BEGIN.";

impl Request<'_> {
    pub(super) async fn run_part(&mut self, part: &Part<'_>) -> Result<Vec<Outcome>> {
        let modes = match part.begin {
            Begin::Written(modes) => modes,
            Begin::Implied => Modes::default(),
            Begin::Earlier => return self.go_on(part).await,
        };
        let past =
            modes.as_of.map(|clause| past::lease(&self.core, self.params, clause)).transpose()?;
        if part.end == End::Later {
            self.block = Block { past, ..Block::new(modes) };
            (self.outlives, self.renewed) = (true, true);
            self.home.into_iter().for_each(OpenTransaction::forget_statements);
            return self.go_on(part).await;
        }
        // What only reads needs no more than its snapshot, and is never refused.
        let writes = part.items.iter().any(|item| changes(&item.parsed.statement));
        let (core, past) = (self.core.clone(), past.as_ref());
        let again = || past.map(|lease| core.lease_of(lease.view()));
        let is_implied = matches!(part.begin, Begin::Implied) && self.key.is_none();
        let is_alone = is_implied && part.items.len() == 1;
        // One that is all of its transaction is measured with its commit.
        let whole = part.items.first().filter(|_| is_alone).map(|item| (self.meter(item), item));
        let fresh = || Block { only_reads: !writes, is_alone, past: again(), ..Block::new(modes) };
        let work = async |request: &mut Self| {
            let mut outcomes = Vec::with_capacity(part.items.len());
            for item in part.items {
                request.stop.check()?;
                outcomes.push(match is_alone {
                    true => request.statement(item).await?,
                    false => request.measured(item).await?,
                });
            }
            request.remember(part, &outcomes).await?;
            Ok(outcomes)
        };
        let outcomes = self.transact(fresh, work, part.end).await;
        match whole {
            Some((meter, item)) => self.end(meter, item, outcomes),
            None => outcomes,
        }
    }

    /// Runs the statements of a transaction that began in an earlier request or ends in a later
    /// one.
    async fn go_on(&mut self, part: &Part<'_>) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(part.items.len());
        for item in part.items {
            if !matches!(item.parsed.statement, Statement::RollbackTo(_)) {
                self.block.check_sound()?;
            }
            // Until it has succeeded: the client may give up in the middle of it.
            self.block.failed = true;
            self.renew()?;
            self.stop.check()?;
            self.home.into_iter().for_each(OpenTransaction::note_statement);
            let outcome = self.measured(item).await;
            outcomes.push(outcome.map_err(|error| self.lost(error))?);
            self.block.failed = false;
        }
        if part.end == End::Later {
            return Ok(outcomes);
        }
        self.outlives = false;
        let sound = self.block.check_sound();
        if part.end == End::Rollback || sound.is_err() {
            std::mem::take(&mut self.block).abort().await;
        }
        if part.end == End::Commit {
            sound.map_err(|error| {
                error
                    .with_detail("The transaction was rolled back.")
                    .with_hint("Begin again with BEGIN.")
            })?;
            let remembered = self.remember(part, &outcomes).await;
            let result = self.settle(remembered, End::Commit).await;
            result.map_err(|error| self.lost(error))?;
        }
        Ok(outcomes)
    }

    /// Adds the answer to the writes of the transaction, if it is to be remembered.
    async fn remember(&mut self, part: &Part<'_>, outcomes: &[Outcome]) -> Result<()> {
        let changes = part.items.iter().any(|item| changes(&item.parsed.statement));
        if self.key.is_none() || part.end == End::Rollback || !(changes || self.has_writes()) {
            return Ok(());
        }
        let nothing = Outcome::without_rows(StatementKind::Transaction, None);
        let mut all: Vec<&Outcome> = Vec::with_capacity(outcomes.len() + 2);
        all.extend(matches!(part.begin, Begin::Written(_)).then_some(&nothing));
        all.extend(outcomes);
        all.extend((part.end == End::Commit).then_some(&nothing));
        self.remember_answer(Stored::statements(all.into_iter())?).await
    }

    /// Adds an answer to the writes of the transaction, if there is a key to remember it under.
    ///
    /// **Errors**: one that says that the key has an answer by now.
    pub async fn remember_answer(&mut self, answer: Stored) -> Result<()> {
        let Some(key) = self.key else { return Ok(()) };
        let (core, retention) = (self.core.clone(), self.options.key_retention);
        let stored = (answer, retention);
        Box::pin(idempotency::remember(&core, self.transaction(), key, stored)).await
    }

    fn has_writes(&self) -> bool {
        self.block.txn.as_ref().is_some_and(Transaction::has_writes)
    }

    /// Says what a failure means where the transaction does not start again by itself.
    fn lost(&self, error: Error) -> Error {
        if self.block.retry_duplicates.are(&error) {
            let message = "a concurrent transaction inserted the same key";
            let detail = error.detail.unwrap_or(error.message);
            let error = Error::new(code::SERIALIZATION_FAILURE, message).with_detail(detail);
            return error.with_hint(BEGIN_AGAIN);
        }
        if error.code == code::SERIALIZATION_FAILURE.code {
            return error.with_hint(BEGIN_AGAIN);
        }
        error
    }

    /// Runs work in a transaction of its own and commits it; starts again when it loses to
    /// another transaction.
    ///
    /// **Errors**: what the work and the commit report.
    pub async fn committed<T>(
        &mut self,
        work: impl AsyncFnMut(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.transact(Block::default, work, End::Commit).await
    }

    async fn transact<T>(
        &mut self,
        fresh: impl Fn() -> Block,
        mut work: impl AsyncFnMut(&mut Self) -> Result<T>,
        end: End,
    ) -> Result<T> {
        let began = time::now();
        for attempt in 1.. {
            self.block = fresh();
            self.catalog = self.core.catalog();
            let result = work(self).await;
            match self.settle(result, end).await {
                // Where other processes have the cores, whoever won may need long to say so.
                Err(error)
                    if (attempt < ATTEMPTS_MAX || began.elapsed() < ATTEMPTS_TIME)
                        && self.may_retry(&error) =>
                {
                    self.pause(attempt).await?;
                }
                other => return other,
            }
        }
        Err(Error::internal("attempts do not end"))
    }

    /// Commits the transaction if its work succeeded and is to stay, or ends it without a trace.
    async fn settle<T>(&mut self, result: Result<T>, end: End) -> Result<T> {
        let draft = std::mem::take(&mut self.block.draft);
        if result.is_ok() && end != End::Rollback && !draft.is_empty() {
            return self.settle_schema(draft).await.and(result);
        }
        draft.abandon().await;
        let Some(txn) = self.block.txn.take() else { return result };
        if result.is_err() || end == End::Rollback || !txn.has_writes() {
            txn.abort().await;
            return result;
        }
        self.stop.set_settling(true);
        let committed = txn.commit().await;
        self.stop.set_settling(false);
        committed?;
        result
    }

    async fn settle_schema(&mut self, draft: Draft) -> Result<()> {
        self.transaction();
        let Some(txn) = self.block.txn.take() else { return Ok(()) };
        self.stop.set_settling(true);
        let committed = schema::commit(&self.core, &self.engine, (txn, draft)).await;
        self.stop.set_settling(false);
        committed
    }

    fn may_retry(&self, error: &Error) -> bool {
        error.code == code::SERIALIZATION_FAILURE.code || self.block.retry_duplicates.are(error)
    }

    /// Waits a little, longer each time, so that contenders spread out.
    pub async fn pause(&self, attempt: usize) -> Result<()> {
        self.stop.check()?;
        let most = 50 << attempt.min(8);
        rt::sleep(Duration::from_micros(time::random_u64() % most)).await;
        Ok(())
    }
}
