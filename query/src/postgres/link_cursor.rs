//! How does a connection declare, read and close cursors?

use std::rc::Rc;

use pieskieo_shards::txn::Lease;

use super::cursor::{Cursor, unknown};
use super::link::{Link, Ran, failed, nothing};
use super::oid::WireColumn;
use super::statement::Prepared;
use crate::coordinator::within;
use crate::error::{Error, Result, code};
use crate::exec::scope::Stop;
use crate::outcome::{Outcome, Param, Rows, StatementKind};
use crate::session::CancelHandle;
use crate::syntax::{CursorStatement, Declare, Fetch, Forget, Name, Statement};

impl Link {
    /// Runs a statement about cursors; `None` for any other.
    ///
    /// **Errors**: `25P01` outside of a transaction, `34000` and `42P03` for names; those of the
    /// query.
    pub(super) async fn run_cursor(
        &mut self,
        statement: &Prepared,
        params: &[Param],
        cancel: &CancelHandle,
    ) -> Result<Option<Ran>> {
        let outcome = match &statement.item.parsed.statement {
            Statement::Cursor(CursorStatement::Declare(declare)) => {
                self.declare(statement, (declare, params), cancel).await?;
                nothing()
            }
            Statement::Cursor(CursorStatement::Fetch(fetch)) => self.fetch(fetch, cancel).await?,
            Statement::Forget(Forget::Cursor(name)) => {
                self.close_cursor(name)?;
                nothing()
            }
            Statement::Forget(Forget::Cursors) => {
                if let Some(token) = self.transaction() {
                    self.session
                        .registry()
                        .resume(token)?
                        .transaction()
                        .cursors()
                        .borrow_mut()
                        .clear();
                }
                nothing()
            }
            _ => return Ok(None),
        };
        Ok(Some(Ran { outcome, tag: statement.tag(), warning: None }))
    }

    /// Returns the columns of a cursor; `None` when there is no such cursor.
    pub fn cursor_columns(&self, name: &str) -> Option<Rc<[WireColumn]>> {
        self.session.registry().cursor_columns(self.transaction()?, name)
    }

    /// Returns the columns that a FETCH answers; `None` for any other statement.
    ///
    /// **Errors**: `34000`.
    pub(super) fn fetched_columns(&self, statement: &Prepared) -> Result<Option<Rc<[WireColumn]>>> {
        match &statement.item.parsed.statement {
            Statement::Cursor(CursorStatement::Fetch(fetch)) if !fetch.is_move => {
                let columns = self.cursor_columns(&fetch.name.text);
                columns.map(Some).ok_or_else(|| unknown(&fetch.name))
            }
            _ => Ok(None),
        }
    }

    async fn declare(
        &self,
        statement: &Prepared,
        (declare, params): (&Declare, &[Param]),
        cancel: &CancelHandle,
    ) -> Result<()> {
        let Some(token) = self.transaction() else {
            let message = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(Error::new(code::NO_ACTIVE_TRANSACTION, message)
                .with_hint("Send BEGIN first.")
                .at(declare.name.position));
        };
        let lease = {
            let used = self.session.registry().resume(token)?;
            if used.transaction().is_failed() {
                return Err(failed());
            }
            used.transaction().cursors().borrow().check(&declare.name)?;
            used.transaction().lease(self.session.registry().core())
        };
        let Some(query) = statement.declared()? else {
            return Err(Error::internal("a cursor without a query"));
        };
        let run = self.open_cursor(&query, (params, lease), cancel).await;
        let cursor = run.map_err(|error| declare.placed(error))?;
        let used = self.session.registry().resume(token)?;
        let bytes_max = self.session.options().result_bytes_max;
        used.transaction().cursors().borrow_mut().keep(&declare.name, cursor, bytes_max)
    }

    async fn open_cursor(
        &self,
        query: &Prepared,
        (params, lease): (&[Param], Option<Lease>),
        cancel: &CancelHandle,
    ) -> Result<Cursor> {
        match lease {
            Some(lease) if !query.item.calls_sequences() && query.item.parsed.as_of.is_none() => {
                // Each FETCH has the time of a statement; the query has that of its transaction.
                let stop = Stop::new(None);
                let run = self.session.select_at(&query.item, (params, lease), &stop);
                Ok(Cursor::new(within(&cancel.0, Box::pin(run)).await?, stop))
            }
            _ => {
                let token = self.transaction();
                let token =
                    token.ok_or_else(|| Error::internal("a cursor without a transaction"))?;
                let collected = self.within(token, &query.item, params, cancel).await;
                let outcome = collected.map_err(|error| match error.code {
                    found if found == code::PROGRAM_LIMIT.code => {
                        error.with_hint("BEGIN READ ONLY: then rows are made as they are fetched.")
                    }
                    _ => error,
                })?;
                Ok(Cursor::new(outcome, Stop::new(None)))
            }
        }
    }

    async fn fetch(&self, fetch: &Fetch, cancel: &CancelHandle) -> Result<Outcome> {
        let Some(token) = self.transaction() else { return Err(unknown(&fetch.name)) };
        let used = self.session.registry().resume(token)?;
        if used.transaction().is_failed() {
            return Err(failed());
        }
        let cursors = used.transaction().cursors();
        let mut cursor = cursors.borrow_mut().take(&fetch.name)?;
        let (options, stop) = (self.session.options(), &cancel.0);
        let outcome = if fetch.is_move {
            let passed = within(stop, cursor.skip(fetch.count, stop)).await?;
            Outcome::without_rows(StatementKind::Transaction, Some(passed))
        } else {
            let batches = within(stop, cursor.take(fetch.count, options, stop)).await?;
            let rows = Rows::Collected(batches);
            Outcome::with_rows(StatementKind::Select, cursor.schema().clone(), rows)
        };
        cursors.borrow_mut().put(&fetch.name, cursor);
        Ok(outcome)
    }

    fn close_cursor(&self, name: &Name) -> Result<()> {
        let Some(token) = self.transaction() else { return Err(unknown(name)) };
        let used = self.session.registry().resume(token)?;
        if used.transaction().is_failed() {
            return Err(failed());
        }
        used.transaction().cursors().borrow_mut().take(name).map(drop)
    }

    /// Follows the savepoints of the transaction: what was asked for after one goes with it.
    pub(super) fn note_savepoint(&self, statement: &Statement) {
        match statement {
            Statement::Savepoint(name) => self.member.mark(&name.text),
            Statement::Release(name) => self.member.release(&name.text),
            Statement::RollbackTo(name) => self.member.back_to(&name.text),
            _ => return,
        }
        let Some(token) = self.transaction() else { return };
        let Ok(used) = self.session.registry().resume(token) else { return };
        let mut cursors = used.transaction().cursors().borrow_mut();
        match statement {
            Statement::Savepoint(name) => cursors.mark(&name.text),
            Statement::Release(name) => cursors.release(&name.text),
            Statement::RollbackTo(name) => cursors.back_to(&name.text),
            _ => {}
        }
    }
}

impl Declare {
    /// Returns an error of the query at its place in the whole statement.
    pub(super) fn placed(&self, error: Error) -> Error {
        let before = usize::try_from(self.chars.start).unwrap_or(0).saturating_sub(1);
        Error { position: error.position.map(|position| position + before), ..error }
    }
}
