//! Which message is answered how?
//!
//! After an error in prepared statements everything is passed over until Sync: a client sends what
//! belongs together without waiting. What was answered is sent when the client has nothing more to
//! say, at Flush and Sync, and when it is much.

use std::rc::Rc;

use futures::future::{Either, select};
use futures::io::{AsyncRead, AsyncWrite};
use pieskieo_io::{rt, time};
use pieskieo_query::Error;
use pieskieo_query::error::code;
use pieskieo_query::postgres::{Link, Standing};

use super::backend::{self, Status};
use super::cancel::Key;
use super::frontend::{self, Frontend};
use super::kept::{Portals, Statements};
use super::refusal::{Severity, refuse};
use super::rows::Cut;
use super::startup::Startup;
use super::wire::{Broken, Frame, Wire};
use crate::front::Front;
use crate::{limits, metrics};

/// One client that was let in.
pub struct Conversation<S> {
    pub(super) wire: Wire<S>,
    pub(super) front: Rc<Front>,
    pub(super) link: Link,
    pub(super) key: Key,
    pub(super) statements: Statements,
    pub(super) portals: Portals,
    /// Whether everything is passed over until Sync.
    skips: bool,
    /// Values of settings that the client was told.
    reported: Vec<(&'static str, String)>,
    /// How often settings had been changed then.
    changes: u64,
    /// What the client says of itself.
    startup: Startup,
    /// Why the conversation ends before the next message.
    over: Option<Error>,
}

/// What a conversation waits for.
enum Heard {
    /// A message of the client.
    Said(Frame),
    /// Notifications of others.
    Notices,
    /// The end of the server.
    Stop,
}

/// Whether a conversation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Goes,
    Ends,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// Begins to talk with a client.
    pub fn new(wire: Wire<S>, front: Rc<Front>, startup: Startup) -> Self {
        let key = Key::new();
        let link = Link::open(&front.database, key.told().0);
        Self {
            wire,
            link,
            front,
            key,
            statements: Statements::default(),
            portals: Portals::default(),
            skips: false,
            reported: Vec::new(),
            changes: 0,
            startup,
            over: None,
        }
    }

    /// Talks until one of both ends it.
    ///
    /// **Errors**: a connection that broke off.
    pub async fn run(mut self) -> Result<(), Broken> {
        let talked = self.talk().await;
        let Self { mut wire, link, portals, .. } = self;
        drop(portals);
        link.close().await;
        wire.close().await;
        talked
    }

    async fn talk(&mut self) -> Result<(), Broken> {
        self.welcome();
        loop {
            if let Some(error) = self.over.take() {
                return self.leave(&error).await;
            }
            let frame = match self.next_frame().await {
                Ok(Heard::Said(frame)) => frame,
                Ok(Heard::Stop) => return self.leave(&stopping()).await,
                Ok(Heard::Notices) => match self.tell() {
                    Ok(()) => {
                        self.wire.flush().await?;
                        continue;
                    }
                    Err(error) => return self.leave(&error).await,
                },
                Err(Broken::Length { length, max }) => {
                    let message = format!("invalid message length {length}, of at most {max}");
                    return self.leave(&Error::new(code::PROTOCOL_VIOLATION, message)).await;
                }
                Err(Broken::Closed) => return Ok(()),
                Err(broken) => return Err(broken),
            };
            let fatal = |error: &Error| error.code == code::PROTOCOL_VIOLATION.code;
            let next = match frontend::decode(&frame) {
                // Where the next message begins is not certain any more.
                Err(error) if fatal(&error) => return self.leave(&error).await,
                Err(_) if self.skips => Next::Goes,
                Err(error) => self.refused(error, frame.kind == b'Q').await?,
                Ok(message) => self.answer(message).await?,
            };
            if next == Next::Ends {
                return Ok(());
            }
        }
    }

    /// Tells the client what it must know, and takes the settings it wishes.
    fn welcome(&mut self) {
        for (name, value) in std::mem::take(&mut self.startup.settings) {
            if let Err(error) = self.link.wish(&name, &value) {
                refuse(&mut self.wire.output, Severity::Warning, &error);
            }
        }
        self.report();
        backend::key_data(&mut self.wire.output, self.key.told());
        self.ready();
    }

    /// Returns what comes next.
    async fn next_frame(&mut self) -> Result<Heard, Broken> {
        if !self.wire.has_input() {
            self.wire.flush().await?;
        }
        let max = self
            .front
            .options
            .postgres
            .as_ref()
            .map_or(limits::BODY_BYTES_MAX, |door| door.message_bytes_max);
        let message = std::pin::pin!(self.wire.message(max));
        let stop = std::pin::pin!(rt::shutdown_requested());
        let link = &self.link;
        let listens = link.listens() && link.standing() == Standing::Idle;
        let noticed = std::pin::pin!(async {
            match listens {
                true => link.noticed().await,
                false => std::future::pending().await,
            }
        });
        match select(message, select(stop, noticed)).await {
            Either::Left((frame, _)) => frame.map(Heard::Said),
            Either::Right((Either::Left(_), _)) => Ok(Heard::Stop),
            Either::Right((Either::Right(_), _)) => Ok(Heard::Notices),
        }
    }

    /// Tells the client what others have said.
    ///
    /// **Errors**: so much of it that it was dropped.
    fn tell(&mut self) -> Result<(), Error> {
        for notice in self.link.heard()? {
            backend::notification(&mut self.wire.output, &notice);
        }
        Ok(())
    }

    async fn answer(&mut self, message: Frontend) -> Result<Next, Broken> {
        if self.skips && !matches!(message, Frontend::Sync | Frontend::Terminate) {
            return Ok(Next::Goes);
        }
        let began = time::now();
        let (is_simple, kind, result) = match message {
            Frontend::Terminate => return Ok(Next::Ends),
            Frontend::Sync => return self.synced().await,
            Frontend::Flush => {
                self.wire.flush().await?;
                return Ok(Next::Goes);
            }
            Frontend::Query(text) => (true, "request", Box::pin(self.query(&text)).await),
            Frontend::Parse { name, text, types } => {
                (false, "prepare", self.parse(name, &text, types).map_err(Cut::from))
            }
            Frontend::Bind(bind) => (false, "prepare", self.bind(bind).map_err(Cut::from)),
            Frontend::Describe(target) => {
                (false, "prepare", self.describe(&target).map_err(Cut::from))
            }
            Frontend::Close(target) => {
                self.close(&target);
                return Ok(Next::Goes);
            }
            Frontend::Execute { portal, limit } => {
                (false, "execute", Box::pin(self.execute(&portal, limit)).await)
            }
            // Data after a COPY that has failed: as PostgreSQL does, it is passed over.
            Frontend::CopyData(_) | Frontend::CopyDone | Frontend::CopyFail(_) => {
                return Ok(Next::Goes);
            }
            Frontend::FunctionCall => {
                let refused = Error::unsupported("calling a function by its number")
                    .with_hint("Send SELECT with the function's name.");
                (true, "request", Err(refused.into()))
            }
            Frontend::Password(_) => {
                let message = "a password was sent that nobody has asked for";
                return self
                    .leave(&Error::new(code::PROTOCOL_VIOLATION, message))
                    .await
                    .map(|()| Next::Ends);
            }
        };
        match result {
            Ok(()) if is_simple => {
                self.report();
                self.ready();
                self.wire.flush().await?;
                Ok(Next::Goes)
            }
            Ok(()) => {
                self.wire.relieve().await?;
                Ok(Next::Goes)
            }
            Err(Cut::Failed(error)) => {
                metrics::statement(kind, "error", began.elapsed());
                self.refused(*error, is_simple).await
            }
            Err(Cut::Broken(broken)) => Err(broken),
        }
    }

    /// Tells the client what went wrong.
    async fn refused(&mut self, error: Error, is_simple: bool) -> Result<Next, Broken> {
        let gone = self.link.fail().await;
        // A transaction that ended behind its client's back: what follows was meant for it.
        if gone && error.code == code::TRANSACTION_TIMEOUT.code {
            return self.leave(&error).await.map(|()| Next::Ends);
        }
        refuse(&mut self.wire.output, Severity::Error, &error);
        if is_simple {
            self.report();
            self.ready();
            self.wire.flush().await?;
        } else {
            self.skips = true;
        }
        Ok(Next::Goes)
    }

    /// Ends what belongs together.
    async fn synced(&mut self) -> Result<Next, Broken> {
        self.skips = false;
        let cancel = self.link.session().cancel_handle();
        let committed = {
            let _running = self.key.run(&cancel);
            self.link.sync(&cancel).await
        };
        if let Err(error) = committed {
            refuse(&mut self.wire.output, Severity::Error, &error);
        }
        self.report();
        self.ready();
        self.wire.flush().await?;
        Ok(Next::Goes)
    }

    /// Says that the next statement may come.
    fn ready(&mut self) {
        let status = match self.link.standing() {
            Standing::Idle => Status::Idle,
            Standing::Open => Status::Transaction,
            Standing::Failed => Status::Failed,
        };
        if status == Status::Idle {
            // Portals are their transaction's.
            self.portals.clear();
            if self.link.listens()
                && let Err(error) = self.tell()
            {
                self.over = Some(error);
            }
        }
        backend::ready(&mut self.wire.output, status);
    }

    /// Tells the client of settings that have changed.
    pub(super) fn report(&mut self) {
        let changes = self.link.setting_changes();
        if changes == self.changes && !self.reported.is_empty() {
            return;
        }
        self.changes = changes;
        let now = self.link.reported();
        for (position, (name, value)) in now.iter().enumerate() {
            if self.reported.get(position).is_none_or(|(_, before)| before != value) {
                backend::parameter_status(&mut self.wire.output, name, value);
            }
        }
        self.reported = now;
    }

    /// Ends the conversation, and says why.
    async fn leave(&mut self, why: &Error) -> Result<(), Broken> {
        refuse(&mut self.wire.output, Severity::Fatal, why);
        self.wire.flush_within(limits::CLOSE_TIME_MAX).await
    }
}

/// The error of a server that stops.
pub(super) fn stopping() -> Error {
    Error::new(code::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
        .with_hint("Connect again when the server has started.")
}
