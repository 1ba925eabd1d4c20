//! Which transactions wait on this core, and for how long?

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use pieskieo_io::rt::{self, CoreId, Queue};
use pieskieo_io::time::{self, Monotonic};
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::Catalog;

use super::{OpenListing, OpenTransaction, Token};
use crate::coordinator::{Client, Request, Sequences, Settings, within};
use crate::error::{Error, Result, code};
use crate::exec::scope::Stop;
use crate::idempotency::{self, Claims, IdempotencyKey};
use crate::limits::{
    KEYS_MAX, OPEN_TRANSACTION_BYTES_MAX, OPEN_TRANSACTIONS_MAX, TIMED_OUT_MAX,
    TRANSACTION_LIFE_MAX,
};
use crate::measure::Tally;
use crate::options::SessionOptions;
use crate::outcome::{Answer, Param};
use crate::postgres::WireColumn;
use crate::prepared::{Item, statements};

/// How often is looked for transactions that wait too long.
const SWEEP: Duration = Duration::from_millis(250);

thread_local! {
    /// The registries of this thread's cores: one in production.
    static REGISTRIES: RefCell<BTreeMap<CoreId, Weak<Registry>>> =
        const { RefCell::new(BTreeMap::new()) };
}

/// The transactions of one core that outlive their requests.
#[derive(Debug)]
pub(crate) struct Registry {
    core: Rc<Core>,
    options: SessionOptions,
    open: RefCell<HashMap<Token, Waiting, ahash::RandomState>>,
    /// Those that waited too long, so that their clients hear why they are gone.
    timed_out: RefCell<VecDeque<Token>>,
    /// Whether a task looks for them.
    sweeps: Cell<bool>,
    sequences: Sequences,
    claims: Claims,
    tally: Rc<Tally>,
    /// Idempotency keys that all shards remembered when they were last counted.
    keys: Cell<u64>,
}

#[derive(Debug)]
struct Waiting {
    transaction: Rc<OpenTransaction>,
    /// Since when it waits; `None` while a request works with it.
    since: Option<Monotonic>,
}

/// What is asked for in a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// One or several statements.
    pub text: &'a str,
    /// Their parameters.
    pub params: &'a [Param],
    /// The key under which the answer is remembered.
    pub key: Option<&'a IdempotencyKey>,
}

/// A transaction a request works with. When it is dropped, the transaction waits again, unless it
/// has ended.
pub(crate) struct InUse {
    registry: Rc<Registry>,
    token: Option<Token>,
    transaction: Rc<OpenTransaction>,
}

impl Registry {
    /// Makes the registry of this core.
    pub fn new(core: Rc<Core>, options: SessionOptions) -> Rc<Self> {
        let registry = Rc::new(Self {
            core: core.clone(),
            options,
            open: RefCell::default(),
            timed_out: RefCell::default(),
            sweeps: Cell::new(false),
            sequences: Sequences::default(),
            claims: Claims::default(),
            tally: Rc::default(),
            keys: Cell::new(0),
        });
        REGISTRIES.with_borrow_mut(|all| all.insert(core.id(), Rc::downgrade(&registry)));
        let forget = idempotency::sweep(Rc::downgrade(&registry), registry.options.key_retention);
        drop(rt::spawn(Queue::Maintenance, "idempotency keys", forget));
        registry
    }

    /// Returns the registry of the core this code runs on; `None` where no database is open.
    pub fn current() -> Option<Rc<Self>> {
        REGISTRIES.with_borrow(|all| all.get(&rt::core()).and_then(Weak::upgrade))
    }

    /// Returns the numbers of sequences that this core has to hand out.
    pub fn sequences(&self) -> &Sequences {
        &self.sequences
    }

    /// Returns the engine's handle on this core.
    pub fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// Returns the idempotency keys of this core's shards that are being worked with.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Returns what this core knows of its statements.
    pub fn tally(&self) -> &Rc<Tally> {
        &self.tally
    }

    /// Lists the transactions that are open here, the oldest first.
    pub fn listed(&self) -> Vec<OpenListing> {
        let now = time::now();
        let open = self.open.borrow();
        let mut listed: Vec<OpenListing> =
            open.values().map(|waiting| waiting.transaction.listed(waiting.since, now)).collect();
        listed.sort_by_key(|one| std::cmp::Reverse(one.age));
        listed
    }

    /// Notes how many idempotency keys are remembered.
    pub fn count_keys(&self, count: u64) {
        self.keys.set(count);
    }

    /// Refuses one more idempotency key when there are too many.
    ///
    /// **Errors**: `53400`.
    pub fn check_keys(&self) -> Result<()> {
        if self.keys.get() < KEYS_MAX {
            return Ok(());
        }
        let message = format!("the limit \"idempotency_keys\" of {KEYS_MAX} was reached");
        Err(Error::new(code::LIMIT_EXCEEDED, message)
            .with_hint("Wait until old ones are forgotten, or lower idempotency_retention_ms."))
    }

    /// Returns whether a transaction is open here.
    pub fn is_open(&self, token: Token) -> bool {
        self.open.borrow().contains_key(&token)
    }

    /// Returns the number of transactions that are open here.
    pub fn count(&self) -> usize {
        self.open.borrow().len()
    }

    /// Runs the statements of a text in the transaction `token` names, or, without one, in a new
    /// one that gets these settings.
    ///
    /// **Errors**: those of the statements; `25P01` and `25P03` for a transaction that is not open
    /// any more, `55006` while another request works with it, `53400` and `53200` for too many.
    pub async fn run(
        self: &Rc<Self>,
        named: std::result::Result<Token, Rc<Settings>>,
        asked: Asked<'_>,
        stop: Stop,
    ) -> Result<Answer> {
        let Asked { text, params, key } = asked;
        let used = match named {
            Ok(token) => self.resume(token)?,
            Err(settings) => self.begin(settings)?,
        };
        let items = statements(text).inspect_err(|_| used.transaction.fail())?;
        self.run_used(used, (&items, params, key), stop).await
    }

    /// As [`Registry::run`], for statements that have been read.
    ///
    /// **Errors**: as [`Registry::run`].
    pub async fn run_items(
        self: &Rc<Self>,
        named: std::result::Result<Token, Rc<Settings>>,
        (items, params): (&[Rc<Item>], &[Param]),
        stop: Stop,
    ) -> Result<Answer> {
        let used = match named {
            Ok(token) => self.resume(token)?,
            Err(settings) => self.begin(settings)?,
        };
        self.run_used(used, (items, params, None), stop).await
    }

    async fn run_used(
        self: &Rc<Self>,
        mut used: InUse,
        (items, params, key): (&[Rc<Item>], &[Param], Option<&IdempotencyKey>),
        stop: Stop,
    ) -> Result<Answer> {
        let transaction = used.transaction.clone();
        let (core, settings) = (&self.core, transaction.settings());
        let Self { options, sequences, tally, .. } = self.as_ref();
        let client = Client { core, settings, options, sequences, tally };
        let run = Box::pin(async {
            let mut request = Request::within(client, params, stop.clone(), &transaction)?;
            request.remember_under(key);
            let outcomes = request.run_all(items).await?;
            Ok((outcomes, request.is_renewed()))
        });
        let (outcomes, renewed) = within(&stop, run).await?;
        if renewed {
            used.rename();
        }
        let transaction = used.keep()?;
        Ok(Answer { outcomes, transaction, replayed: false })
    }

    /// Returns the schema as a transaction sees it, given the one in force. One that is not open
    /// here, or is being worked with, has changed nothing that could be seen.
    ///
    /// **Errors**: 40001 when another transaction has changed the same.
    pub fn view(&self, token: Token, in_force: Arc<Catalog>) -> Result<Arc<Catalog>> {
        let transaction = self.open.borrow().get(&token).map(|waiting| waiting.transaction.clone());
        transaction.map_or(Ok(in_force.clone()), |transaction| transaction.view(&in_force))
    }

    /// Returns the columns of a cursor of a transaction; `None` when there is no such cursor.
    pub fn cursor_columns(&self, token: Token, name: &str) -> Option<Rc<[WireColumn]>> {
        let open = self.open.borrow();
        open.get(&token)?.transaction.cursors().borrow().columns(name)
    }

    /// Returns whether only going back helps in a transaction; `None` when it is not open here.
    pub fn is_failed(&self, token: Token) -> Option<bool> {
        self.open.borrow().get(&token).map(|waiting| waiting.transaction.is_failed())
    }

    /// Says that a transaction is of no use any more but for going back.
    pub fn fail(&self, token: Token) {
        if let Some(waiting) = self.open.borrow().get(&token) {
            waiting.transaction.fail();
        }
    }

    fn begin(self: &Rc<Self>, settings: Rc<Settings>) -> Result<InUse> {
        if self.open.borrow().len() >= OPEN_TRANSACTIONS_MAX {
            let message =
                format!("the limit \"open_transactions\" of {OPEN_TRANSACTIONS_MAX} was reached");
            return Err(Error::new(code::LIMIT_EXCEEDED, message)
                .with_hint("Wait until others have ended, and end yours soon."));
        }
        let transaction = Rc::new(OpenTransaction::new(settings));
        Ok(InUse { registry: self.clone(), token: None, transaction })
    }

    /// Takes a transaction out to work with it.
    ///
    /// **Errors**: `25P01` and `25P03` for one that is not open any more, `55006` while a request
    /// works with it.
    pub fn resume(self: &Rc<Self>, token: Token) -> Result<InUse> {
        let mut open = self.open.borrow_mut();
        let Some(waiting) = open.get_mut(&token) else {
            return Err(self.gone(token));
        };
        if waiting.since.take().is_none() {
            let message = "another request of this transaction is being worked on";
            return Err(Error::new(code::OBJECT_IN_USE, message)
                .with_hint("Wait for its answer before sending the next."));
        }
        let transaction = waiting.transaction.clone();
        Ok(InUse { registry: self.clone(), token: Some(token), transaction })
    }

    fn gone(&self, token: Token) -> Error {
        if self.timed_out.borrow().contains(&token) {
            let idle = self.options.transaction_idle.as_millis();
            let message = "the transaction was rolled back because it took too long";
            let life = TRANSACTION_LIFE_MAX.as_secs() / 60;
            return Error::new(code::TRANSACTION_TIMEOUT, message)
                .with_detail(format!(
                    "It may wait {idle} ms for its next request and last {life} min."
                ))
                .with_hint("Begin again, or raise transaction_idle_timeout_ms.");
        }
        no_transaction()
    }

    /// Returns a transaction to where it waits.
    fn park(self: &Rc<Self>, token: Token, transaction: Rc<OpenTransaction>) {
        let since = Some(time::now());
        self.open.borrow_mut().insert(token, Waiting { transaction, since });
        if !self.sweeps.replace(true) {
            drop(rt::spawn(Queue::Maintenance, "idle transactions", sweep(Rc::downgrade(self))));
        }
    }

    /// Returns the bytes of writes that wait here.
    fn bytes(&self) -> usize {
        self.open.borrow().values().map(|waiting| waiting.transaction.bytes()).sum()
    }

    /// Ends what has waited or lasted too long. Returns whether any are left.
    fn end_idle(&self) -> bool {
        let now = time::now();
        let mut timed_out = self.timed_out.borrow_mut();
        let mut open = self.open.borrow_mut();
        open.retain(|token, waiting| {
            let Some(since) = waiting.since else { return true };
            let stays = now.since(since) <= self.options.transaction_idle
                && now.since(waiting.transaction.begun()) <= TRANSACTION_LIFE_MAX;
            if !stays {
                timed_out.push_back(*token);
            }
            stays
        });
        while timed_out.len() > TIMED_OUT_MAX {
            timed_out.pop_front();
        }
        !open.is_empty()
    }
}

impl InUse {
    /// Returns the transaction.
    pub fn transaction(&self) -> &OpenTransaction {
        &self.transaction
    }

    /// Says that it is another transaction than the one the token names.
    fn rename(&mut self) {
        if let Some(token) = self.token.take() {
            self.registry.open.borrow_mut().remove(&token);
        }
        self.transaction.restart();
    }

    /// Returns the token under which the transaction waits from now on; `None` when it has ended.
    ///
    /// **Errors**: `53200` when too many bytes wait already: it has ended then.
    fn keep(mut self) -> Result<Option<Token>> {
        if !self.transaction.is_open() {
            return Ok(None);
        }
        let others = self.registry.bytes() - self.counted_bytes();
        if others + self.transaction.bytes() > OPEN_TRANSACTION_BYTES_MAX {
            drop(self.transaction.take());
            let message = format!(
                "the limit \"open_transaction_bytes\" of {OPEN_TRANSACTION_BYTES_MAX} was reached"
            );
            return Err(Error::new(code::OUT_OF_MEMORY, message)
                .with_detail("The transaction was rolled back.")
                .with_hint("Wait until others have ended, or write less in one transaction."));
        }
        let core = self.registry.core.id();
        Ok(Some(*self.token.get_or_insert_with(|| Token::new(core))))
    }

    /// Returns the bytes the registry counts for it already.
    fn counted_bytes(&self) -> usize {
        self.token.map_or(0, |_| self.transaction.bytes())
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let Some(token) = self.token else { return };
        if self.transaction.is_open() {
            self.registry.park(token, self.transaction.clone());
        } else {
            self.registry.open.borrow_mut().remove(&token);
        }
    }
}

/// Returns the error of a token that names nothing.
pub(super) fn no_transaction() -> Error {
    Error::new(code::NO_ACTIVE_TRANSACTION, "this transaction has ended, or never was")
        .with_hint("Begin again with BEGIN. A restart of the server ends all transactions.")
}

async fn sweep(registry: Weak<Registry>) {
    loop {
        rt::sleep(SWEEP).await;
        let Some(registry) = registry.upgrade() else { return };
        if !registry.end_idle() {
            registry.sweeps.set(false);
            return;
        }
    }
}
