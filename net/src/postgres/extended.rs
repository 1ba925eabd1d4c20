//! How are statements prepared, bound and run?

use std::rc::Rc;

use futures::io::{AsyncRead, AsyncWrite};
use pieskieo_io::time;
use pieskieo_query::error::code;
use pieskieo_query::postgres::{self, Company, Control, Prepared, Standing};
use pieskieo_query::{CancelHandle, Error, Param};

use super::backend::{self, Plain};
use super::conversation::Conversation;
use super::frontend::{Bind, Target};
use super::kept::{Answering, Portal, Progress, Statement, forms_of};
use super::refusal::{Severity, refuse};
use super::rows::Cut;
use crate::metrics;

/// Kind of the message that ends what belongs together.
const SYNC: u8 = b'S';

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// Prepares a statement.
    ///
    /// **Errors**: whatever is wrong with it, but for its parameters.
    pub(super) fn parse(
        &mut self,
        name: String,
        text: &str,
        declared: Vec<u32>,
    ) -> Result<(), Error> {
        let mut prepared = self.link.prepare(text)?;
        if prepared.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(Error::new(code::SYNTAX_ERROR, message));
        }
        let prepared = prepared.pop();
        let types = match &prepared {
            Some(prepared) => {
                self.check_sound(prepared)?;
                self.link.types(prepared, &declared)?
            }
            None => Rc::default(),
        };
        let (text, declared) = (text.into(), declared.into());
        let statement = Statement { text, prepared, declared, types, told: None };
        self.statements.keep(name, statement)?;
        backend::plain(&mut self.wire.output, Plain::ParseComplete);
        Ok(())
    }

    /// Refuses what cannot run in a transaction that has failed.
    fn check_sound(&self, prepared: &Prepared) -> Result<(), Error> {
        let ends = matches!(
            prepared.control(),
            Some(Control::Commit | Control::Rollback | Control::RollbackTo)
        );
        if ends || self.link.standing() != Standing::Failed {
            return Ok(());
        }
        let message =
            "current transaction is aborted, commands ignored until end of transaction block";
        Err(Error::new(code::IN_FAILED_TRANSACTION, message)
            .with_hint("Send ROLLBACK, or ROLLBACK TO a savepoint made before the error."))
    }

    /// Gives a statement its parameters.
    ///
    /// **Errors**: `08P01` for another number of them, and values that cannot be read.
    pub(super) fn bind(&mut self, bind: Bind) -> Result<(), Error> {
        let statement = self.statements.get(&bind.statement)?.clone();
        if let Some(prepared) = &statement.prepared {
            self.check_sound(prepared)?;
        }
        let (wanted, given) = (statement.types.len(), bind.parameters.len());
        if wanted != given {
            let name = &bind.statement;
            let message = format!(
                "bind message supplies {given} parameters, but prepared statement \"{name}\" \
                 requires {wanted}"
            );
            return Err(Error::new(code::PROTOCOL_VIOLATION, message));
        }
        let forms = match bind.parameter_forms.len() {
            count if count > 1 && count != given => {
                let message =
                    format!("bind message has {count} parameter formats but {given} parameters");
                return Err(Error::new(code::PROTOCOL_VIOLATION, message));
            }
            _ => forms_of(&bind.parameter_forms, given)?,
        };
        let mut params = Vec::with_capacity(given);
        let mut bytes = 0;
        for (position, value) in bind.parameters.iter().enumerate() {
            let (ty, form) = (&statement.types[position], forms[position]);
            let param = postgres::read(value.as_deref(), ty, form).map_err(|error| {
                let number = position + 1;
                let detail = format!("It is the value of parameter ${number}.");
                if error.detail.is_some() { error } else { error.with_detail(detail) }
            })?;
            bytes += value.as_ref().map_or(0, bytes::Bytes::len) + size_of::<Param>();
            params.push(param);
        }
        let portal = Portal {
            prepared: statement.prepared,
            types: statement.types,
            params,
            forms: bind.result_forms,
            told: statement.told,
            bytes,
            progress: Progress::New,
        };
        self.portals.keep(bind.portal, portal)?;
        backend::plain(&mut self.wire.output, Plain::BindComplete);
        Ok(())
    }

    /// Says which types a statement or portal has.
    ///
    /// **Errors**: a name that nothing has; names and types that do not fit any more.
    pub(super) fn describe(&mut self, target: &Target) -> Result<(), Error> {
        let (columns, forms) = match target {
            Target::Statement(name) => {
                let statement = self.statements.get(name)?;
                let Some(prepared) = statement.prepared.clone() else {
                    backend::parameters(&mut self.wire.output, [].into_iter());
                    backend::plain(&mut self.wire.output, Plain::NoData);
                    return Ok(());
                };
                // The schema may have changed since: what is told now is what is true now.
                let declared = statement.declared.clone();
                let types = self.link.types(&prepared, &declared)?;
                let columns = self.link.columns(&prepared, &types)?;
                let numbers = self.link.numbers(&prepared, &types);
                backend::parameters(&mut self.wire.output, numbers.into_iter());
                let statement = self.statements.get(name)?;
                (statement.types, statement.told) = (types, columns.clone());
                (columns, Vec::new())
            }
            Target::Portal(name) if !self.portals.has(name) && self.is_cursor(name) => {
                (self.link.cursor_columns(name), Vec::new())
            }
            Target::Portal(name) => {
                let portal = self.portals.get(name)?;
                let columns = match (&portal.prepared, &portal.progress) {
                    (_, Progress::Open(answering)) => Some(answering.columns.clone()),
                    (Some(prepared), _) => self.link.columns(prepared, &portal.types)?,
                    (None, _) => None,
                };
                portal.told = columns.clone();
                (columns, portal.forms.clone())
            }
        };
        match columns {
            Some(columns) => {
                let forms = forms_of(&forms, columns.len())?;
                let form = |at: usize| forms.get(at).copied().unwrap_or_default();
                backend::columns(&mut self.wire.output, &columns, form);
            }
            None => backend::plain(&mut self.wire.output, Plain::NoData),
        }
        Ok(())
    }

    /// Returns whether a name is that of a cursor: clients ask for its columns as for a portal's.
    fn is_cursor(&self, name: &str) -> bool {
        self.link.cursor_columns(name).is_some()
    }

    /// Forgets a statement or portal.
    pub(super) fn close(&mut self, target: &Target) {
        match target {
            Target::Statement(name) => self.statements.close(name),
            Target::Portal(name) => self.portals.close(name),
        }
        backend::plain(&mut self.wire.output, Plain::CloseComplete);
    }

    /// Runs a portal, or goes on with it.
    ///
    /// **Errors**: a name that nothing has; those of the statement.
    pub(super) async fn execute(&mut self, name: &str, limit: u32) -> Result<(), Cut> {
        let mut portal = self.portals.take(name)?;
        let Some(prepared) = portal.prepared.clone() else {
            backend::plain(&mut self.wire.output, Plain::EmptyQuery);
            self.portals.put(name, portal);
            return Ok(());
        };
        let began = time::now();
        let cancel = self.link.session().cancel_handle();
        let answering = match std::mem::take(&mut portal.progress) {
            Progress::New => {
                // Whether the statement is alone shows in what its client sends next.
                let company = match self.wire.next_kind().await? {
                    SYNC => Company::Alone,
                    _ => Company::Followed,
                };
                match self.begin(&mut portal, (&prepared, company), &cancel).await? {
                    Some(answering) => answering,
                    None => {
                        metrics::statement(prepared.label(), "ok", began.elapsed());
                        self.portals.put(name, portal);
                        return Ok(());
                    }
                }
            }
            Progress::Open(answering) => answering,
            Progress::Done => {
                let end = prepared.tag().end(Some(0));
                backend::complete(&mut self.wire.output, &end);
                portal.progress = Progress::Done;
                self.portals.put(name, portal);
                return Ok(());
            }
        };
        let answering = self.send_some(answering, limit.into()).await?;
        if answering.is_none() {
            metrics::statement(prepared.label(), "ok", began.elapsed());
        }
        portal.progress = answering.map_or(Progress::Done, Progress::Open);
        self.portals.put(name, portal);
        Ok(())
    }

    /// Begins to run a portal; `None` when it answers no rows, which is told.
    async fn begin(
        &mut self,
        portal: &mut Portal,
        (prepared, company): (&Prepared, Company),
        cancel: &CancelHandle,
    ) -> Result<Option<Box<Answering>>, Cut> {
        if let Some((name, count)) = prepared.moves()
            && self.portals.has(name)
        {
            self.pass_over(name, count).await?;
            portal.progress = Progress::Done;
            return Ok(None);
        }
        let running = self.key.run(cancel);
        let work = (portal.params.as_slice(), company);
        let mut ran = self.link.run(prepared, work, cancel).await?;
        drop(running);
        if let Some(forgets) = prepared.forgets() {
            self.statements.forget(forgets)?;
        }
        if let Some(warning) = ran.warning.take() {
            refuse(&mut self.wire.output, Severity::Warning, &warning);
        }
        if !ran.has_rows() {
            let end = ran.tag.end(ran.outcome.affected);
            backend::complete(&mut self.wire.output, &end);
            portal.progress = Progress::Done;
            return Ok(None);
        }
        let told = portal.told.clone();
        Ok(Some(Box::new(Answering::new(ran, told, &portal.forms)?)))
    }

    /// Passes over rows of a portal, as MOVE does over those of a cursor: some clients take the
    /// one for the other.
    ///
    /// **Errors**: those of the statement.
    pub(super) async fn pass_over(&mut self, name: &str, count: Option<u64>) -> Result<(), Cut> {
        let mut portal = self.portals.take(name)?;
        let cancel = self.link.session().cancel_handle();
        let progress = std::mem::take(&mut portal.progress);
        let answering = match (progress, portal.prepared.clone()) {
            (Progress::New, Some(prepared)) if prepared.is_query() => {
                let work = (&prepared, Company::Followed);
                Box::pin(self.begin(&mut portal, work, &cancel)).await?
            }
            (Progress::Open(answering), _) => Some(answering),
            (Progress::Done, _) => None,
            _ => {
                let message = format!("portal \"{name}\" cannot be moved");
                return Err(Error::new(code::NOT_IN_STATE, message).into());
            }
        };
        let mut passed = 0;
        portal.progress = Progress::Done;
        if let Some(mut answering) = answering {
            let running = self.key.run(&cancel);
            passed = answering.skip(count).await?;
            drop(running);
            portal.progress = Progress::Open(answering);
        }
        self.portals.put(name, portal);
        backend::complete(&mut self.wire.output, &format!("MOVE {passed}"));
        Ok(())
    }

    /// Sends rows of a portal; returns it if there are more.
    async fn send_some(
        &mut self,
        mut answering: Box<Answering>,
        limit: u64,
    ) -> Result<Option<Box<Answering>>, Cut> {
        let cancel = self.link.session().cancel_handle();
        let _running = self.key.run(&cancel);
        let (sent, ended) = answering.send(&mut self.wire, limit).await?;
        if !ended {
            backend::plain(&mut self.wire.output, Plain::PortalSuspended);
            return Ok(Some(answering));
        }
        let rows = answering.affected.unwrap_or(sent);
        backend::complete(&mut self.wire.output, &answering.tag.end(Some(rows)));
        Ok(None)
    }
}
