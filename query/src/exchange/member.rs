//! What does one connection hold, and what does its transaction have to say?
//!
//! ```text
//! NOTIFY, LISTEN, UNLISTEN:  wait here ── commit: they happen ── rollback: they never were
//! locks of the transaction:  held ─────── either: let go
//! ```

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use pieskieo_io::rt;
use pieskieo_io::time;

use super::locks::Taken;
use super::{Asked, Exchange, Key, MemberId, Mode, Notice, Scope};
use crate::error::{Error, Result, code};
use crate::exec::scope::Stop;
use crate::limits::{
    CHANNEL_BYTES_MAX, CHANNELS_MAX, LOCKS_MAX, NOTICE_BYTES_MAX, NOTICE_BYTES_WAIT_MAX,
    NOTICES_WAIT_MAX, PAYLOAD_BYTES_END,
};

/// How long a member that waits for a lock pauses before it asks again: at first, and at last.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(32);

/// A connection among others.
#[derive(Debug)]
pub(crate) struct Member {
    exchange: Exchange,
    id: MemberId,
    process: i32,
    /// Whether it may hold locks of its transaction.
    holds: Cell<bool>,
    /// To what it listens.
    channels: RefCell<BTreeSet<String>>,
    pending: RefCell<Pending>,
}

/// What happens when the transaction commits.
#[derive(Debug, Default)]
struct Pending {
    steps: Vec<Step>,
    /// What was said already: it is said once.
    said: BTreeSet<(Arc<str>, Arc<str>)>,
    bytes: usize,
    /// Savepoints, how many steps there were when each was made, and the last lock granted then.
    marks: Vec<(String, usize, u64)>,
}

#[derive(Debug)]
enum Step {
    Say(Arc<str>, Arc<str>),
    Listen(String),
    /// `None` = to all.
    Unlisten(Option<String>),
}

/// A place in a queue, until it is dropped.
struct Place<'m>(&'m Member);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.exchange.desk().locks.give_up(self.0.id);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut desk = self.exchange.desk();
        desk.locks.leave(self.id);
        desk.channels.leave(self.id);
    }
}

impl Member {
    /// Joins the others; `process` is the number its client knows itself by.
    pub fn join(exchange: &Exchange, process: i32) -> Self {
        let id = {
            let mut desk = exchange.desk();
            desk.members += 1;
            let id = MemberId(desk.members);
            desk.locks.join(id, process);
            id
        };
        let (holds, channels, pending) = (Cell::new(false), RefCell::default(), RefCell::default());
        Self { exchange: exchange.clone(), id, process, holds, channels, pending }
    }

    /// Returns the number its client knows itself by.
    pub fn process(&self) -> i32 {
        self.process
    }

    /// Takes a lock if nobody is in the way. Returns whether it did.
    ///
    /// **Errors**: `53200` when it holds too many.
    pub fn try_lock(&self, asked: Asked) -> Result<bool> {
        match self.exchange.desk().locks.take(self.id, asked, false) {
            Taken::Yes => {
                self.note(asked.scope);
                Ok(true)
            }
            Taken::No => Ok(false),
            Taken::Circle => Err(circle()),
            Taken::TooMany => Err(too_many_locks()),
        }
    }

    /// Takes a lock, and waits for it: at most as long as `patience`, if that is said, and until
    /// `stop` says so.
    ///
    /// **Errors**: `40P01` when waiting would never end, `55P03` and `57014` when it was too long,
    /// `53200` when it holds too many.
    pub async fn lock(&self, asked: Asked, patience: Option<Duration>, stop: &Stop) -> Result<()> {
        let _place = Place(self);
        let began = time::now();
        let mut pause = PAUSE_MIN;
        loop {
            let taken = self.exchange.desk().locks.take(self.id, asked, true);
            match taken {
                Taken::Yes => {
                    self.note(asked.scope);
                    return Ok(());
                }
                Taken::No => {}
                Taken::Circle => return Err(circle()),
                Taken::TooMany => return Err(too_many_locks()),
            }
            stop.check()?;
            if patience.is_some_and(|patience| began.elapsed() >= patience) {
                let message = "canceling statement due to lock timeout";
                return Err(Error::new(code::LOCK_NOT_AVAILABLE, message)
                    .with_hint("Raise lock_timeout, or try again later."));
            }
            rt::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn note(&self, scope: Scope) {
        self.holds.set(self.holds.get() || scope == Scope::Transaction);
    }

    /// Lets a lock of the session go. Returns whether it held it.
    pub fn unlock(&self, key: Key, mode: Mode) -> bool {
        self.exchange.desk().locks.release(self.id, key, mode)
    }

    /// Lets all locks of the session go.
    pub fn unlock_all(&self) {
        self.exchange.desk().locks.release_all(self.id, Scope::Session, 0);
    }

    /// Says something when the transaction commits.
    ///
    /// **Errors**: `22023` for a channel or payload that cannot be, `53400` for too much of it.
    pub fn notify(&self, channel: &str, payload: &str) -> Result<()> {
        check_channel(channel)?;
        if payload.len() >= PAYLOAD_BYTES_END {
            return Err(Error::new(code::INVALID_PARAMETER_VALUE, "payload string too long")
                .with_detail(format!("It may have {} bytes.", PAYLOAD_BYTES_END - 1))
                .with_hint("Store what is long in a table, and send its key."));
        }
        let said: (Arc<str>, Arc<str>) = (channel.into(), payload.into());
        let mut pending = self.pending.borrow_mut();
        if pending.said.contains(&said) {
            return Ok(());
        }
        pending.make_room(channel.len() + payload.len())?;
        pending.said.insert(said.clone());
        pending.steps.push(Step::Say(said.0, said.1));
        Ok(())
    }

    /// Listens to a channel when the transaction has committed.
    ///
    /// **Errors**: `22023` for a name that cannot be one, `53400` for too many of them.
    pub fn listen(&self, channel: &str) -> Result<()> {
        check_channel(channel)?;
        let listens = self.channels.borrow().len();
        let mut pending = self.pending.borrow_mut();
        let more = pending.steps.iter().filter(|step| matches!(step, Step::Listen(_))).count();
        if listens + more >= CHANNELS_MAX && !self.channels.borrow().contains(channel) {
            let message = format!("the limit \"channels\" of {CHANNELS_MAX} was reached");
            return Err(Error::new(code::LIMIT_EXCEEDED, message)
                .with_hint("UNLISTEN what is not needed any more."));
        }
        pending.make_room(channel.len())?;
        pending.steps.push(Step::Listen(channel.to_owned()));
        Ok(())
    }

    /// Listens to a channel no more when the transaction has committed; `None` = to none.
    ///
    /// **Errors**: `53400` for too much to be done then.
    pub fn unlisten(&self, channel: Option<&str>) -> Result<()> {
        let mut pending = self.pending.borrow_mut();
        pending.make_room(channel.map_or(0, str::len))?;
        pending.steps.push(Step::Unlisten(channel.map(str::to_owned)));
        Ok(())
    }

    /// Ends the transaction: what was to happen does, or never was.
    pub fn settle(&self, commits: bool) {
        let pending = std::mem::take(&mut *self.pending.borrow_mut());
        if pending.steps.is_empty() && !self.holds.get() {
            return;
        }
        let mut desk = self.exchange.desk();
        if commits {
            let mut channels = self.channels.borrow_mut();
            let mut said = Vec::new();
            for step in pending.steps {
                match step {
                    Step::Say(channel, payload) => {
                        said.push(Notice { channel, payload, process: self.process });
                    }
                    Step::Listen(channel) => {
                        desk.channels.listen(self.id, &channel);
                        channels.insert(channel);
                    }
                    Step::Unlisten(channel) => {
                        desk.channels.unlisten(self.id, channel.as_deref());
                        channels.retain(|name| channel.as_ref().is_some_and(|gone| gone != name));
                    }
                }
            }
            if channels.is_empty() {
                desk.channels.leave(self.id);
            }
            // Who begins to listen hears what its own transaction says, wherever in it.
            desk.channels.publish(&said);
        }
        if self.holds.replace(false) {
            desk.locks.release_all(self.id, Scope::Transaction, 0);
        }
    }

    /// Notes a savepoint.
    pub fn mark(&self, savepoint: &str) {
        let grants = self.exchange.desk().locks.grants();
        let mut pending = self.pending.borrow_mut();
        let steps = pending.steps.len();
        pending.marks.push((savepoint.to_owned(), steps, grants));
    }

    /// Forgets a savepoint, and those after it.
    pub fn release(&self, savepoint: &str) {
        let marks = &mut self.pending.borrow_mut().marks;
        let found = marks.iter().rposition(|(name, ..)| name == savepoint);
        marks.truncate(found.unwrap_or(marks.len()));
    }

    /// Takes back what was asked for after a savepoint, which stays.
    pub fn back_to(&self, savepoint: &str) {
        let mut pending = self.pending.borrow_mut();
        let found = pending.marks.iter().rposition(|(name, ..)| name == savepoint);
        let Some(at) = found else { return };
        pending.marks.truncate(at + 1);
        let (_, steps, grants) = pending.marks[at];
        pending.cut(steps);
        if self.holds.get() {
            self.exchange.desk().locks.release_all(self.id, Scope::Transaction, grants);
        }
    }

    /// Returns whether it listens to anything.
    pub fn listens(&self) -> bool {
        !self.channels.borrow().is_empty()
    }

    /// Takes what has come.
    ///
    /// **Errors**: `53400` when so much has waited that it was dropped.
    pub fn heard(&self) -> Result<Vec<Notice>> {
        let taken = self.exchange.desk().channels.take(self.id);
        taken.map_err(|_| {
            let message = "too many notifications waited for the connection";
            Error::new(code::LIMIT_EXCEEDED, message)
                .with_detail(format!(
                    "{NOTICES_WAIT_MAX} may wait, or {NOTICE_BYTES_WAIT_MAX} bytes of them."
                ))
                .with_hint("Read them, end transactions soon, and look at what they are about.")
        })
    }

    /// Waits until something has come.
    pub async fn noticed(&self) {
        poll_fn(|context| self.exchange.desk().channels.poll(self.id, context)).await;
    }
}

impl Pending {
    /// Takes back what came after so many steps.
    fn cut(&mut self, steps: usize) {
        for step in self.steps.split_off(steps) {
            self.bytes -= step.bytes();
            if let Step::Say(channel, payload) = step {
                self.said.remove(&(channel, payload));
            }
        }
    }

    fn make_room(&mut self, bytes: usize) -> Result<()> {
        let bytes = self.bytes + bytes;
        if self.steps.len() >= NOTICES_WAIT_MAX || bytes > NOTICE_BYTES_MAX {
            return Err(Error::new(code::LIMIT_EXCEEDED, "the transaction has too much to say")
                .with_detail(format!(
                    "It may have {NOTICES_WAIT_MAX} notifications, and {NOTICE_BYTES_MAX} bytes."
                ))
                .with_hint("Send fewer notifications in one transaction."));
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Step {
    fn bytes(&self) -> usize {
        match self {
            Self::Say(channel, payload) => channel.len() + payload.len(),
            Self::Listen(channel) => channel.len(),
            Self::Unlisten(channel) => channel.as_ref().map_or(0, String::len),
        }
    }
}

fn check_channel(channel: &str) -> Result<()> {
    let message = match channel.len() {
        0 => "channel name cannot be empty",
        CHANNEL_BYTES_MAX.. => "channel name too long",
        _ => return Ok(()),
    };
    Err(Error::new(code::INVALID_PARAMETER_VALUE, message))
}

fn circle() -> Error {
    Error::new(code::DEADLOCK, "deadlock detected")
        .with_detail("Others wait for locks of this session, and hold the one it wants.")
        .with_hint("Take locks in the same order everywhere.")
}

fn too_many_locks() -> Error {
    Error::new(code::OUT_OF_MEMORY, format!("the limit \"locks\" of {LOCKS_MAX} was reached"))
        .with_hint("Let locks go that are not needed any more.")
}
