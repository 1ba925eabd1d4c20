//! How is a text of statements run?
//!
//! Statements of one text are one transaction, unless they say otherwise: a BEGIN within makes the
//! rest one that goes on. A single query is sent while it is made; of several, outside of BEGIN,
//! the answers wait until all have succeeded, so that they may start again.

use futures::io::{AsyncRead, AsyncWrite};
use pieskieo_io::time;
use pieskieo_query::Error;
use pieskieo_query::error::code;
use pieskieo_query::postgres::{Company, Form, Prepared, Ran, Standing};
use pieskieo_query::syntax::parse_copy;

use super::backend::{self, Plain};
use super::conversation::Conversation;
use super::copy::may_be_copy;
use super::kept::Answering;
use super::refusal::{Severity, refuse};
use super::rows::Cut;
use super::wire::Wire;
use crate::metrics;

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// Runs the statements of a text.
    ///
    /// **Errors**: the first that is met.
    pub(super) async fn query(&mut self, text: &str) -> Result<(), Cut> {
        // As PostgreSQL does: the portal and the statement without a name end with it.
        self.portals.close("");
        self.statements.close("");
        if may_be_copy(text)
            && let Some(copy) = parse_copy(text)?
        {
            return self.copy(&copy).await;
        }
        let statements = self.link.prepare(text)?;
        if statements.is_empty() {
            backend::plain(&mut self.wire.output, Plain::EmptyQuery);
            return Ok(());
        }
        if let Some(first) = statements.iter().find(|one| one.parameter_count() > 0) {
            let count = first.parameter_count();
            let message = format!("there is no parameter ${count}");
            return Err(Error::new(code::UNDEFINED_PARAMETER, message)
                .with_hint("Prepare the statement to give it parameters.")
                .into());
        }
        let mut rest = statements.as_slice();
        while let Some((first, after)) = rest.split_first() {
            let together = match self.link.standing() {
                // What is sent before a transaction's end belongs to nothing else.
                Standing::Idle => {
                    let joins =
                        |one: &&Prepared| one.control().is_none() && one.forgets().is_none();
                    rest.iter().take_while(joins).count()
                }
                Standing::Open | Standing::Failed => 1,
            };
            if together > 1 && rest[..together].iter().any(Prepared::is_of_connection) {
                self.run_in_turn(&rest[..together]).await?;
                rest = &rest[together..];
            } else if together > 1 {
                self.run_together(&rest[..together]).await?;
                rest = &rest[together..];
            } else {
                self.run_one(first, Company::Alone).await?;
                rest = after;
            }
        }
        Ok(())
    }

    /// Runs statements of one transaction that cannot start again.
    async fn run_in_turn(&mut self, statements: &[Prepared]) -> Result<(), Cut> {
        for one in statements {
            self.run_one(one, Company::Followed).await?;
        }
        let cancel = self.link.session().cancel_handle();
        let _running = self.key.run(&cancel);
        Ok(self.link.sync(&cancel).await?)
    }

    async fn run_one(&mut self, statement: &Prepared, company: Company) -> Result<(), Cut> {
        if let Some((name, count)) = statement.moves()
            && self.portals.has(name)
        {
            return self.pass_over(name, count).await;
        }
        let began = time::now();
        let cancel = self.link.session().cancel_handle();
        let running = self.key.run(&cancel);
        let ran = self.link.run(statement, (&[], company), &cancel).await?;
        if let Some(forgets) = statement.forgets() {
            self.statements.forget(forgets)?;
        }
        Self::send(&mut self.wire, ran).await?;
        drop(running);
        metrics::statement(statement.label(), "ok", began.elapsed());
        Ok(())
    }

    async fn run_together(&mut self, statements: &[Prepared]) -> Result<(), Cut> {
        let began = time::now();
        let cancel = self.link.session().cancel_handle();
        let running = self.key.run(&cancel);
        let all = self.link.run_together(statements, &cancel).await?;
        for ran in all {
            Self::send(&mut self.wire, ran).await?;
        }
        drop(running);
        let each = began.elapsed() / u32::try_from(statements.len()).unwrap_or(1).max(1);
        statements.iter().for_each(|one| metrics::statement(one.label(), "ok", each));
        Ok(())
    }

    /// Sends a whole answer.
    async fn send(wire: &mut Wire<S>, ran: Ran) -> Result<(), Cut> {
        if let Some(warning) = &ran.warning {
            refuse(&mut wire.output, Severity::Warning, warning);
        }
        let (tag, affected) = (ran.tag, ran.outcome.affected);
        if !ran.has_rows() {
            backend::complete(&mut wire.output, &tag.end(affected));
            return Ok(());
        }
        let mut answering = Box::new(Answering::new(ran, None, &[])?);
        backend::columns(&mut wire.output, &answering.columns, |_| Form::Text);
        let (sent, _) = answering.send(wire, 0).await?;
        backend::complete(&mut wire.output, &tag.end(Some(affected.unwrap_or(sent))));
        Ok(())
    }
}
