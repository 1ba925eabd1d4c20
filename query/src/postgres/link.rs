//! Which transaction do the statements of a connection belong to?
//!
//! ```text
//!         BEGIN                    a statement fails
//! Idle ----------> Open (begun) ---------------------> Failed
//!  ^  \              |  COMMIT, ROLLBACK                 |  ROLLBACK, COMMIT: rolled back
//!  |   \             v                                   v  ROLLBACK TO: Open again
//!  |    +-------> Open (implied) -- sync: committed --> Idle
//!  |  a change that others follow     a failure: rolled back
//! ```
//!
//! A statement alone is a transaction of its own, and starts again by itself when it loses to
//! another. Statements that a client sends one after the other without waiting are one transaction
//! until it says that they end: an implied one. It cannot start again, since parts of it have been
//! answered. What only reads, before the first change, reads outside of it.
//!
//! The transaction waits in the registry of its core, as those of HTTP do, and ends there when it
//! waits for too long.

use std::rc::Rc;

use pieskieo_shards::value::ColumnType;

use super::oid::{WireColumn, parameter_type};
use super::own_type::parameter_numbers;
use super::statement::{Control, Prepared};
use super::tag::Tag;
use crate::coordinator::{CLIENT_SETTINGS, Request, Settings, kind_of, set_setting as set};
use crate::database::Database;
use crate::error::{Error, Result, code};
use crate::exchange::Member;
use crate::open::Token;
use crate::outcome::{Outcome, Param, StatementKind};
use crate::prepared::{Item, statements};
use crate::session::{CancelHandle, Session, is_read};
use crate::syntax::{Forget, Name, Setting, Statement};

/// What a client that stays connected has.
pub struct Link {
    pub(super) session: Session,
    /// What it has to do with others.
    pub(super) member: Rc<Member>,
    open: Option<Open>,
}

/// A transaction that is open.
struct Open {
    token: Token,
    /// Whether nobody has said BEGIN.
    is_implied: bool,
    /// The session's settings when it began: they come back if it does not commit.
    before: Settings,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Outside of a transaction.
    Idle,
    /// In one.
    Open,
    /// In one that can only be rolled back.
    Failed,
}

/// What a statement answered.
pub struct Ran {
    /// Its rows, or how many records it changed.
    pub outcome: Outcome,
    /// The words it ends with.
    pub tag: Tag,
    /// What its client should know beside.
    pub warning: Option<Error>,
}

/// What stands around a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// Nothing: it may be a transaction of its own.
    Alone,
    /// Others follow that belong to the same transaction.
    Followed,
}

impl Ran {
    /// Returns whether it answers rows, be it none.
    pub fn has_rows(&self) -> bool {
        !self.outcome.schema.fields().is_empty()
            || (self.outcome.kind == StatementKind::Select && self.outcome.affected.is_none())
    }
}

impl Link {
    /// Opens a session for a connection, which its client knows by a number.
    pub fn open(database: &Database, process: i32) -> Self {
        let session = database.session();
        let member = Rc::new(Member::join(&session.options().exchange, process));
        session.settings().join(member.clone());
        Self { session, member, open: None }
    }

    /// Returns the session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns where the connection stands.
    pub fn standing(&self) -> Standing {
        let Some(open) = self.open.as_ref().filter(|open| !open.is_implied) else {
            return Standing::Idle;
        };
        match self.session.registry().is_failed(open.token) {
            Some(true) => Standing::Failed,
            // One that waited for too long is gone: its next statement hears of it.
            Some(false) | None => Standing::Open,
        }
    }

    /// Returns the transaction that is open, if one is.
    pub fn transaction(&self) -> Option<Token> {
        self.open.as_ref().map(|open| open.token)
    }

    /// Takes a setting that the client wishes as it comes. One that is not offered in that way is
    /// left as it is: the client is told what it is.
    ///
    /// **Errors**: why it is left.
    pub fn wish(&self, name: &str, value: &str) -> Result<()> {
        let name = Name { text: name.to_lowercase(), position: 0 };
        let setting = Setting { name, value: Some(value.to_owned()), is_local: false };
        set(self.session.settings(), &setting).map(|_| ())
    }

    /// Returns the settings that clients are told of when they change, and their values.
    pub fn reported(&self) -> Vec<(&'static str, String)> {
        let told = CLIENT_SETTINGS.iter().filter(|known| known.is_reported);
        let settings = self.session.settings();
        told.map(|known| (known.name, settings.shown(known.name).unwrap_or_default())).collect()
    }

    /// Returns how often settings have been changed.
    pub fn setting_changes(&self) -> u64 {
        self.session.settings().client.changes()
    }

    /// Returns the statements of a text.
    ///
    /// **Errors**: whatever is wrong with the text.
    pub fn prepare(&self, text: &str) -> Result<Vec<Prepared>> {
        Ok(statements(text)?.iter().map(|item| Prepared { item: item.clone() }).collect())
    }

    /// Returns the types of a statement's parameters. `declared` are the numbers of types its
    /// client has said; 0 = it has not.
    ///
    /// **Errors**: names and types that do not fit.
    pub fn types(&self, statement: &Prepared, declared: &[u32]) -> Result<Rc<[ColumnType]>> {
        let declared: Vec<Option<ColumnType>> =
            declared.iter().map(|oid| parameter_type(*oid)).collect();
        statement.types(&self.request(&[])?, &declared)
    }

    /// Returns the numbers of the types of a statement's parameters, as its client is told.
    pub fn numbers(&self, statement: &Prepared, types: &[ColumnType]) -> Vec<u32> {
        let query = statement.declared().ok().flatten();
        let item = query.as_ref().map_or(&statement.item, |query| &query.item);
        parameter_numbers(&item.parsed.statement, types)
    }

    /// Returns the columns that a statement answers; `None` for one without an answer.
    ///
    /// **Errors**: names and types that do not fit.
    pub fn columns(
        &self,
        statement: &Prepared,
        types: &Rc<[ColumnType]>,
    ) -> Result<Option<Rc<[WireColumn]>>> {
        if let Some(columns) = self.fetched_columns(statement)? {
            return Ok(Some(columns));
        }
        statement.columns(&self.request(&[])?, types)
    }

    fn request<'s>(&'s self, params: &'s [Param]) -> Result<Request<'s>> {
        let stop = self.session.cancel_handle().0;
        let mut request = Request::new(self.session.client(), params, stop)?;
        request.see(self.session.schema_in(self.transaction())?);
        Ok(request)
    }

    /// Runs one statement.
    ///
    /// **Errors**: those of the statement; then [`Link::fail`] must follow.
    pub async fn run(
        &mut self,
        statement: &Prepared,
        (params, company): (&[Param], Company),
        cancel: &CancelHandle,
    ) -> Result<Ran> {
        let ran = self.run_whole(statement, (params, company), cancel).await?;
        if self.open.is_none() {
            self.member.settle(true);
        }
        Ok(ran)
    }

    async fn run_whole(
        &mut self,
        statement: &Prepared,
        (params, company): (&[Param], Company),
        cancel: &CancelHandle,
    ) -> Result<Ran> {
        let tag = statement.tag();
        match statement.control() {
            Some(Control::Begin) => return self.begin(statement, cancel).await,
            Some(Control::Commit) => return self.end(statement, true, cancel).await,
            Some(Control::Rollback) => return self.end(statement, false, cancel).await,
            Some(Control::RollbackTo) | None => {}
        }
        let item = &statement.item;
        self.check_default(item)?;
        if let Statement::Set(setting) = &item.parsed.statement
            && setting.is_local
            && self.open.is_none()
        {
            let message = "SET LOCAL can only be used in transaction blocks";
            let warning = Some(Error::new(code::NO_ACTIVE_TRANSACTION, message));
            return Ok(Ran { outcome: nothing(), tag, warning });
        }
        if let Statement::Forget(Forget::Statement(_)) = &item.parsed.statement {
            return Ok(Ran { outcome: nothing(), tag, warning: None });
        }
        if self.open.is_none() && company == Company::Followed && begins(&item.parsed.statement) {
            self.open_implied(cancel).await?;
        }
        if let Some(ran) = self.run_channel(statement)? {
            return Ok(ran);
        }
        if let Some(ran) = self.run_cursor(statement, params, cancel).await? {
            return Ok(ran);
        }
        let joins = company == Company::Followed && !is_read(item) && joins(item);
        if self.open.is_none() && joins {
            self.open_implied(cancel).await?;
        }
        if self.is_implied() && !joins_implied(item) {
            // A change of the schema is a transaction of its own.
            self.sync(cancel).await?;
        }
        let outcome = match &self.open {
            None => self.session.run_item(item, params, cancel).await?,
            Some(open) => {
                let token = open.token;
                self.within(token, item, params, cancel).await?
            }
        };
        if kind_of(&item.parsed.statement) == StatementKind::Transaction {
            self.note_savepoint(&item.parsed.statement);
        }
        Ok(Ran { outcome, tag, warning: None })
    }

    /// Runs statements that are one transaction, of which none is about transactions.
    ///
    /// **Errors**: the first that is met; then nothing has been changed, but by what stands before
    /// a change of the schema.
    pub async fn run_together(
        &mut self,
        statements: &[Prepared],
        cancel: &CancelHandle,
    ) -> Result<Vec<Ran>> {
        let items: Vec<Rc<Item>> =
            statements.iter().map(|statement| statement.item.clone()).collect();
        let outcomes = self.session.run_items(&items, (&[], None), cancel).await?;
        self.member.settle(true);
        let ran = outcomes.into_iter().zip(statements);
        Ok(ran
            .map(|(outcome, statement)| Ran { outcome, tag: statement.tag(), warning: None })
            .collect())
    }

    /// Refuses a change where the session's transactions refuse to write unless they say.
    fn check_default(&self, item: &Item) -> Result<()> {
        if self.open.is_some() || !self.reads_only() {
            return Ok(());
        }
        match kind_of(&item.parsed.statement) {
            StatementKind::Insert
            | StatementKind::Update
            | StatementKind::Delete
            | StatementKind::Merge
            | StatementKind::Schema => {
                let message = "cannot change anything in a read-only transaction";
                Err(Error::new(code::READ_ONLY_TRANSACTION, message)
                    .with_hint("SET default_transaction_read_only = off."))
            }
            _ => Ok(()),
        }
    }

    fn reads_only(&self) -> bool {
        let value = self.session.settings().shown("default_transaction_read_only");
        value.as_deref() == Some("on")
    }

    fn is_implied(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.is_implied)
    }

    pub(super) async fn within(
        &self,
        token: Token,
        item: &Rc<Item>,
        params: &[Param],
        cancel: &CancelHandle,
    ) -> Result<Outcome> {
        let work = (std::slice::from_ref(item), params);
        let answer = self.session.registry().run_items(Ok(token), work, cancel.0.clone()).await?;
        let mut outcomes = answer.outcomes;
        outcomes.pop().ok_or_else(|| Error::internal("a statement without an answer"))
    }

    async fn begin(&mut self, statement: &Prepared, cancel: &CancelHandle) -> Result<Ran> {
        let tag = statement.tag();
        if let Some(open) = &mut self.open {
            let was_implied = std::mem::take(&mut open.is_implied);
            let warning = (!was_implied).then(|| {
                Error::new(code::ACTIVE_TRANSACTION, "there is already a transaction in progress")
            });
            if self.standing() == Standing::Failed {
                return Err(failed());
            }
            return Ok(Ran { outcome: nothing(), tag, warning });
        }
        self.open_with(&statement.item, false, cancel).await?;
        self.adopt_defaults(&statement.item, cancel).await?;
        Ok(Ran { outcome: nothing(), tag, warning: None })
    }

    /// Gives a transaction what the session's settings say and its BEGIN does not.
    async fn adopt_defaults(&self, begin: &Item, cancel: &CancelHandle) -> Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        let Statement::Begin(modes) = begin.parsed.statement else { return Ok(()) };
        let level = self.session.settings().shown("default_transaction_isolation");
        let mut wanted = Vec::new();
        if modes.isolation.is_none() && level.as_deref() != Some("serializable") {
            wanted.push("SET TRANSACTION ISOLATION LEVEL SNAPSHOT");
        }
        if modes.read_only.is_none() && self.reads_only() {
            wanted.push("SET TRANSACTION READ ONLY");
        }
        for text in wanted {
            for item in statements(text)?.iter() {
                self.within(open.token, item, &[], cancel).await?;
            }
        }
        Ok(())
    }

    async fn open_implied(&mut self, cancel: &CancelHandle) -> Result<()> {
        let begin = statements("BEGIN")?;
        let Some(begin) = begin.first() else { return Ok(()) };
        self.open_with(begin, true, cancel).await
    }

    async fn open_with(
        &mut self,
        begin: &Rc<Item>,
        is_implied: bool,
        cancel: &CancelHandle,
    ) -> Result<()> {
        let settings = self.session.settings();
        let before = settings.as_ref().clone();
        let work = (std::slice::from_ref(begin), &[][..]);
        let registry = self.session.registry();
        let answer = registry.run_items(Err(settings.clone()), work, cancel.0.clone()).await?;
        let token = answer.transaction;
        let token = token.ok_or_else(|| Error::internal("a transaction without a name"))?;
        self.open = Some(Open { token, is_implied, before });
        Ok(())
    }

    /// Ends the transaction with COMMIT or ROLLBACK.
    async fn end(
        &mut self,
        statement: &Prepared,
        commits: bool,
        cancel: &CancelHandle,
    ) -> Result<Ran> {
        let failed = self.standing() == Standing::Failed;
        let Some(open) = self.open.take() else {
            let warning = Some(none_open());
            return Ok(Ran { outcome: nothing(), tag: statement.tag(), warning });
        };
        // Nobody has said BEGIN: the same as ending what was sent so far.
        let warning = open.is_implied.then(none_open);
        let (statement, commits) = match commits && failed {
            true => (self.prepare("ROLLBACK")?.remove(0), false),
            false => (statement.clone(), commits),
        };
        let result = self.within(open.token, &statement.item, &[], cancel).await;
        if result.is_err() || !commits {
            self.session.settings().restore(&open.before);
        } else {
            self.session.settings().end_local(&open.before);
        }
        self.member.settle(result.is_ok() && commits);
        result?;
        Ok(Ran { outcome: nothing(), tag: statement.tag(), warning })
    }

    /// Commits what was sent so far, if nobody has said BEGIN.
    ///
    /// **Errors**: those of a commit: then nothing was changed.
    pub async fn sync(&mut self, cancel: &CancelHandle) -> Result<()> {
        let Some(open) = self.open.take_if(|open| open.is_implied) else { return Ok(()) };
        let commit = statements("COMMIT")?;
        let Some(commit) = commit.first() else { return Ok(()) };
        let result = self.within(open.token, commit, &[], cancel).await;
        self.member.settle(result.is_ok());
        match result {
            Ok(_) => {
                self.session.settings().end_local(&open.before);
                Ok(())
            }
            Err(error) => {
                self.session.settings().restore(&open.before);
                Err(error)
            }
        }
    }

    /// Says that something failed: what was sent so far is rolled back, or, after BEGIN, can only
    /// be rolled back. Returns whether the transaction is gone although nobody has ended it.
    pub async fn fail(&mut self) -> bool {
        let Some(open) = &self.open else {
            self.member.settle(false);
            return false;
        };
        let registry = self.session.registry();
        if !open.is_implied {
            registry.fail(open.token);
            return !registry.is_open(open.token);
        }
        let Some(open) = self.open.take() else { return false };
        self.roll_back(&open).await;
        false
    }

    /// Ends the transaction without a trace: its connection has ended.
    pub async fn close(mut self) {
        if let Some(open) = self.open.take() {
            self.roll_back(&open).await;
        }
    }

    async fn roll_back(&self, open: &Open) {
        let rollback = statements("ROLLBACK");
        if let Some(rollback) = rollback.ok().and_then(|items| items.first().cloned()) {
            // One that is gone already needs no end.
            self.within(open.token, &rollback, &[], &self.session.cancel_handle()).await.ok();
        }
        self.session.settings().restore(&open.before);
        self.member.settle(false);
    }
}

/// Whether a statement begins an implied transaction, if others follow.
fn joins(item: &Item) -> bool {
    use StatementKind::{Delete, Insert, Merge, Select, Update};
    let kind = kind_of(&item.parsed.statement);
    matches!(kind, Select | Insert | Update | Delete | Merge)
}

/// Whether a statement that is not run as others are begins one: what it asks for happens at the
/// commit, or is there until then.
fn begins(statement: &Statement) -> bool {
    use Forget::{Channel, Channels};
    matches!(
        statement,
        Statement::Channel(_) | Statement::Cursor(_) | Statement::Forget(Channel(_) | Channels)
    )
}

/// Whether a statement may be part of an implied transaction.
fn joins_implied(item: &Item) -> bool {
    kind_of(&item.parsed.statement) != StatementKind::Schema
}

/// Returns the answer of a statement that answers nothing.
pub(super) fn nothing() -> Outcome {
    Outcome::without_rows(StatementKind::Transaction, None)
}

fn none_open() -> Error {
    Error::new(code::NO_ACTIVE_TRANSACTION, "there is no transaction in progress")
}

/// Returns the error of a statement in a transaction of no use any more.
pub(super) fn failed() -> Error {
    Error::new(
        code::IN_FAILED_TRANSACTION,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
    .with_hint("Send ROLLBACK, or ROLLBACK TO a savepoint made before the error.")
}
