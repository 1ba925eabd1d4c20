//! How does a client speak to the engine?
//!
//! A session lives on one core and is cheap: it holds settings. It is not shared between tasks
//! that run statements at the same time unless they want to share settings.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::Catalog;
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::txn::Lease;
use serde_json::Value as Json;

use crate::coordinator::{
    self, Address, BulkConflict, BulkReport, Client, Lead, Request, SearchRequest, Settings,
    TableListing, TraverseRequest, Written, by_text, by_vector, collect, fuse, kind_of, outlives,
    within,
};
use crate::error::{Error, Result, code};
use crate::exec::scope::Stop;
use crate::idempotency::{Claim, Found, IdempotencyKey, Stored, ensure, is_taken, look_up};
use crate::open::{Asked, Registry, Token, carry, visit};
use crate::options::SessionOptions;
use crate::outcome::{Answer, Outcome, Param, Rows, StatementKind};
use crate::plan::Engine;
use crate::prepared::{Item, statements};
use crate::syntax::Statement;

/// How many more rows each half of a combined search gives than are asked for.
const FUSION_WIDTH: usize = 4;

/// Most rows of each half of a combined search, unless more are asked for: so many neighbours are
/// found by an index.
const FUSION_ROWS_MAX: usize = 10_000;

/// How often a query is planned again because the schema changed before it gave a row.
const PLANS_MAX: usize = 3;

/// How often a request is begun whose key had no answer, and has one when it commits. Once is
/// enough, unless the answer is forgotten in between.
const KEY_ATTEMPTS_MAX: usize = 3;

/// A client's way into the engine, on one core.
pub struct Session {
    core: Rc<Core>,
    options: SessionOptions,
    settings: Rc<Settings>,
    registry: Rc<Registry>,
}

/// Stops a request that runs, from any core.
#[derive(Clone, Debug)]
pub struct CancelHandle(pub(crate) Stop);

impl CancelHandle {
    /// Stops the request at its next step; it ends with `57014`.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// What a request with an idempotency key has come to.
enum Once<T> {
    /// It was run.
    Now(T),
    /// It had been run, and answered this.
    Before(Stored),
}

/// The records of the tables, by key.
pub struct Records<'s>(&'s Session);

impl Session {
    /// Opens a session on this core.
    pub(crate) fn open(core: Rc<Core>, options: SessionOptions, registry: Rc<Registry>) -> Self {
        let settings = Rc::new(Settings::new(options.clone()));
        Self { core, settings, options, registry }
    }

    /// Returns a handle that stops the request it is given to, and does so by itself after the
    /// session's `statement_timeout`.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel_handle_within(None)
    }

    /// As [`Session::cancel_handle`], with less time than the session allows.
    pub fn cancel_handle_within(&self, limit: Option<Duration>) -> CancelHandle {
        let allowed = self.settings.statement_timeout().into_iter().chain(limit).min();
        CancelHandle(Stop::new(allowed))
    }

    /// Runs all statements of a text in one transaction and collects their answers.
    ///
    /// **Errors**: the first error; nothing was written then, except by parts of the request
    /// before a CREATE, DROP or COMMIT.
    pub async fn run(&self, text: &str, params: &[Param]) -> Result<Vec<Outcome>> {
        self.run_with(text, params, &self.cancel_handle()).await
    }

    /// As [`Session::run`], stoppable through `cancel`.
    ///
    /// **Errors**: as [`Session::run`].
    pub async fn run_with(
        &self,
        text: &str,
        params: &[Param],
        cancel: &CancelHandle,
    ) -> Result<Vec<Outcome>> {
        self.run_all(Asked { text, params, key: None }, cancel).await
    }

    async fn run_all(&self, asked: Asked<'_>, cancel: &CancelHandle) -> Result<Vec<Outcome>> {
        let Asked { text, params, key } = asked;
        self.run_items(&statements(text)?, (params, key), cancel).await
    }

    /// Runs statements outside of a transaction that was begun before.
    ///
    /// **Errors**: as [`Session::run`].
    pub(crate) async fn run_items(
        &self,
        items: &[Rc<Item>],
        (params, key): (&[Param], Option<&IdempotencyKey>),
        cancel: &CancelHandle,
    ) -> Result<Vec<Outcome>> {
        // On the heap: what waits for it stays small, and is moved more than once.
        let run = Box::pin(async {
            let mut request = Request::new(self.client(), params, cancel.0.clone())?;
            request.remember_under(key);
            if let [item] = items
                && is_read(item)
            {
                // Measured to the last row, as a stream is: whoever gives up meanwhile drops it.
                let outcome = self.select(item, params, cancel).await?;
                return Ok(vec![collect(outcome, &self.options).await?]);
            }
            request.run_all(items).await
        });
        within(&cancel.0, run).await
    }

    /// Runs all statements of a text in the transaction that an earlier answer named, or, without
    /// one, in transactions of their own, of which the last may go on: the answer names it then.
    /// A transaction lives on the core that began it; on another one this costs a trip between
    /// cores. `SET` lasts as long as the transaction.
    ///
    /// **Errors**: as [`Session::run`]; the transaction then goes on, but refuses everything but
    /// going back. `25P01` and `25P03` for one that is not open any more, `55006` while another
    /// request works with it, `53400` and `53200` for too many of them.
    pub async fn run_in(
        &self,
        transaction: Option<Token>,
        text: &str,
        params: &[Param],
        cancel: &CancelHandle,
    ) -> Result<Answer> {
        self.run_asked(transaction, Asked { text, params, key: None }, cancel).await
    }

    async fn run_asked(
        &self,
        transaction: Option<Token>,
        asked: Asked<'_>,
        cancel: &CancelHandle,
    ) -> Result<Answer> {
        let stop = cancel.0.clone();
        match transaction {
            Some(token) if token.core() == self.core.id() => {
                self.registry.run(Ok(token), asked, stop).await
            }
            Some(token) => carry(&self.core, token, asked, stop).await,
            None if outlives(&statements(asked.text)?) => {
                let own = Rc::new(self.settings.as_ref().clone());
                self.registry.run(Err(own), asked, stop).await
            }
            None => {
                let outcomes = self.run_all(asked, cancel).await?;
                Ok(Answer { outcomes, transaction: None, replayed: false })
            }
        }
    }

    /// Returns whether a transaction goes on, if only to be rolled back.
    ///
    /// **Errors**: a core that does not answer.
    pub async fn is_open(&self, transaction: Token) -> Result<bool> {
        let core = transaction.core().0;
        if core >= self.core.core_count() {
            return Ok(false);
        }
        // The first shards live on the cores of their numbers.
        visit(&self.core, ShardId(core), move |registry| registry.is_open(transaction)).await
    }

    /// As [`Session::run_in`], with an idempotency key: what changes records, or commits, is done
    /// once however often it is sent, and answers what it answered first. The whole effect must be
    /// one transaction, which is committed by this request. What failed is not remembered.
    ///
    /// **Errors**: as [`Session::run_in`]; `IK001` for the key of another request, `IK002` while
    /// the first one runs, `0A000` for more or less than one transaction, `54000` for an answer
    /// too large to be stored.
    pub async fn run_keyed(
        &self,
        key: &IdempotencyKey,
        transaction: Option<Token>,
        (text, params): (&str, &[Param]),
        cancel: &CancelHandle,
    ) -> Result<Answer> {
        let run = async || {
            let asked = Asked { text, params, key: Some(key) };
            self.run_asked(transaction, asked, cancel).await
        };
        match Box::pin(self.once(key, run)).await? {
            Once::Now(answer) => Ok(answer),
            Once::Before(stored) => {
                let outcomes = stored.to_statements()?;
                Ok(Answer { outcomes, transaction: None, replayed: true })
            }
        }
    }

    /// As [`Session::insert_records`], with an idempotency key, all or nothing: a record that does
    /// not fit refuses all. Returns also whether this is the answer to an earlier request.
    ///
    /// **Errors**: as [`Session::run_keyed`].
    pub async fn insert_records_keyed(
        &self,
        key: &IdempotencyKey,
        table: &str,
        (records, on_conflict): (&[Json], BulkConflict),
    ) -> Result<(BulkReport, bool)> {
        let run = async || {
            let mut request = Request::new(self.client(), &[], self.cancel_handle().0)?;
            request.remember_under(Some(key));
            coordinator::load_whole(&mut request, table, records, on_conflict).await
        };
        match Box::pin(self.once(key, run)).await? {
            Once::Now(report) => Ok((report, false)),
            Once::Before(stored) => Ok((stored.to_load()?, true)),
        }
    }

    /// Runs a request unless its key has an answer. Whether it has is decided by the commit.
    async fn once<T>(
        &self,
        key: &IdempotencyKey,
        run: impl AsyncFn() -> Result<T>,
    ) -> Result<Once<T>> {
        self.registry.check_keys()?;
        let table = ensure(&self.core).await?;
        let claim = Claim::take(&self.core, &table, key).await;
        for _ in 0..KEY_ATTEMPTS_MAX {
            let lease = self.core.lease();
            let view = (lease.snapshot(), self.options.key_retention);
            match look_up(&self.core, &table, key, view).await? {
                Found::Answer(stored) => return Ok(Once::Before(stored)),
                Found::Other => {
                    let message = "this idempotency key was sent with another request";
                    return Err(Error::new(code::KEY_REUSED, message)
                        .with_detail("Method, address, statements, parameters or transaction differ.")
                        .with_hint("Make up a new key for every request, and send it again only with the same one."));
                }
                // Who has the key may have answered already, and only not let go of it yet.
                Found::Nothing(_) => claim.as_ref().map_err(Clone::clone)?,
            };
            drop(lease);
            match run().await {
                Err(error) if is_taken(&error) => {}
                result => return result.map(Once::Now),
            }
        }
        Err(Error::new(code::KEY_IN_USE, "requests with this idempotency key follow too closely"))
    }

    /// Runs a single statement. Rows of a query come while they are made; the statement's timeout
    /// ends them too.
    ///
    /// **Errors**: as [`Session::run`], and `42601` for another number of statements.
    pub async fn run_one_streaming(&self, text: &str, params: &[Param]) -> Result<Outcome> {
        self.run_one_streaming_with(text, params, &self.cancel_handle()).await
    }

    /// As [`Session::run_one_streaming`], stoppable through `cancel`.
    ///
    /// **Errors**: as [`Session::run_one_streaming`].
    pub async fn run_one_streaming_with(
        &self,
        text: &str,
        params: &[Param],
        cancel: &CancelHandle,
    ) -> Result<Outcome> {
        let items = statements(text)?;
        let [item] = items.as_ref() else {
            let message = "one statement is wanted here";
            return Err(Error::new(code::SYNTAX_ERROR, message)
                .with_detail(format!("The text holds {} statements.", items.len())));
        };
        self.run_item(item, params, cancel).await
    }

    /// Runs one statement outside of a transaction that was begun before. Rows of a query come
    /// while they are made.
    ///
    /// **Errors**: as [`Session::run`].
    pub(crate) async fn run_item(
        &self,
        item: &Rc<Item>,
        params: &[Param],
        cancel: &CancelHandle,
    ) -> Result<Outcome> {
        if !is_read(item) {
            let one = std::slice::from_ref(item);
            let mut outcomes = self.run_items(one, (params, None), cancel).await?;
            return outcomes.pop().ok_or_else(|| Error::internal("a statement without an answer"));
        }
        let run = Box::pin(async {
            // A schema that changes meanwhile is met by planning again.
            for attempt in 1.. {
                match self.select(item, params, cancel).await {
                    Err(error)
                        if attempt <= PLANS_MAX
                            && error.code == code::SERIALIZATION_FAILURE.code => {}
                    other => return other,
                }
            }
            Err(Error::internal("attempts do not end"))
        });
        within(&cancel.0, run).await
    }

    async fn select(
        &self,
        item: &Rc<Item>,
        params: &[Param],
        cancel: &CancelHandle,
    ) -> Result<Outcome> {
        let meter = self.client().meter(item);
        let request = Request::new(self.client(), params, cancel.0.clone())?;
        let run = async {
            let ready = item.ready(request.engine(), request.catalog())?;
            request.stream(ready.reads()?, item.parsed.as_of).await
        };
        request.end_read(meter, item, run.await)
    }

    /// Runs a query at the snapshot of a lease. Rows come while they are made, until `stop` stops
    /// them.
    ///
    /// **Errors**: as [`Session::run`].
    pub(crate) async fn select_at(
        &self,
        item: &Rc<Item>,
        (params, lease): (&[Param], Lease),
        stop: &Stop,
    ) -> Result<Outcome> {
        let meter = self.client().meter(item);
        let request = Request::new(self.client(), params, stop.clone())?;
        let run = async {
            let ready = item.ready(request.engine(), request.catalog())?;
            request.stream_at(ready.reads()?, lease).await
        };
        request.end_read(meter, item, run.await)
    }

    /// Returns the session's limits.
    pub(crate) fn options(&self) -> &SessionOptions {
        &self.options
    }

    /// Returns the kinds of the statements of a text, for metrics and admission.
    ///
    /// **Errors**: whatever is wrong with the text.
    pub fn kinds(&self, text: &str) -> Result<Vec<StatementKind>> {
        Ok(statements(text)?.iter().map(|item| kind_of(&item.parsed.statement)).collect())
    }

    /// Returns whether a text holds nothing but reads.
    ///
    /// **Errors**: whatever is wrong with the text.
    pub fn is_read_only(&self, text: &str) -> Result<bool> {
        let reads = |statement: &Statement| {
            matches!(
                kind_of(statement),
                StatementKind::Select | StatementKind::Explain | StatementKind::Setting
            )
        };
        let only = |item: &Item| reads(&item.parsed.statement) && !item.calls_sequences();
        Ok(statements(text)?.iter().all(|item| only(item)))
    }

    /// Loads records given as JSON objects. Not atomic: see [`BulkReport`].
    ///
    /// **Errors**: an unknown table, a failing log. A record that does not fit is counted, not an
    /// error.
    pub async fn insert_records(
        &self,
        table: &str,
        records: &[Json],
        on_conflict: BulkConflict,
    ) -> Result<BulkReport> {
        let stop = Stop::new(None);
        let mut request = Request::new(self.client(), &[], stop)?;
        coordinator::load(&mut request, table, records, on_conflict).await
    }

    /// Searches a table by vector, by text, or by both. The last column of the answer is
    /// `_distance` (lower is better) for a vector search, else `_score` (higher is better).
    ///
    /// **Errors**: as the statement it stands for.
    pub async fn search(&self, search: &SearchRequest) -> Result<Outcome> {
        let catalog = self.core.catalog();
        match (&search.vector, &search.text) {
            (Some(vector), None) => {
                let (text, params) =
                    by_vector(&catalog, search, vector, (Lead::Asked, search.limit))?;
                self.run_one_streaming(&text, &params).await
            }
            (None, Some(words)) => {
                let (text, params) = by_text(search, words, (Lead::Asked, search.limit))?;
                self.run_one_streaming(&text, &params).await
            }
            (Some(vector), Some(words)) => {
                let width = search.limit.saturating_mul(FUSION_WIDTH).min(FUSION_ROWS_MAX);
                let width = (Lead::KeyAndAsked, width.max(search.limit));
                let near = by_vector(&catalog, search, vector, width)?;
                let matching = by_text(search, words, width)?;
                let rankings = self.rankings([near, matching]).await?;
                match fuse(&rankings, search.limit)? {
                    None => Ok(Outcome::without_rows(StatementKind::Select, None)),
                    Some(batch) => Ok(Outcome::with_rows(
                        StatementKind::Select,
                        batch.schema(),
                        Rows::Collected(vec![batch]),
                    )),
                }
            }
            (None, None) => {
                let message = "a search needs a vector or a text";
                Err(Error::new(code::INVALID_PARAMETER_VALUE, message))
            }
        }
    }

    /// Runs queries, each with parameters of its own, at one snapshot.
    async fn rankings(&self, queries: [Written; 2]) -> Result<Vec<Vec<RecordBatch>>> {
        let cancel = self.cancel_handle();
        let run = Box::pin(async {
            let lease = self.core.lease();
            let mut rankings = Vec::new();
            for (text, params) in queries {
                let items = statements(&text)?;
                let [item] = items.as_ref() else {
                    let message = "the filter of a search holds another statement";
                    return Err(Error::new(code::SYNTAX_ERROR, message));
                };
                let request = Request::new(self.client(), &params, cancel.0.clone())?;
                let meter = self.client().meter(item);
                let lease = self.core.lease_at(lease.snapshot());
                let run = async {
                    let ready = item.ready(request.engine(), request.catalog())?;
                    request.stream_at(ready.reads()?, lease).await
                };
                let outcome = request.end_read(meter, item, run.await)?;
                rankings.push(outcome.rows.collect().await?);
            }
            Ok(rankings)
        });
        within(&cancel.0, run).await
    }

    /// Follows edges from one record. The last column of the answer is `_depth`.
    ///
    /// **Errors**: as the statement it stands for.
    pub async fn traverse(&self, traverse: &TraverseRequest) -> Result<Outcome> {
        let (text, params) = coordinator::traversal(&self.core.catalog(), traverse)?;
        self.run_one_streaming(&text, &params).await
    }

    /// Returns the records of the tables, by key.
    pub fn records(&self) -> Records<'_> {
        Records(self)
    }

    /// Lists tables, columns and indexes.
    pub fn catalog(&self) -> Vec<TableListing> {
        coordinator::listing(&self.core.catalog())
    }

    /// Returns the schema in force.
    pub fn schema(&self) -> Arc<Catalog> {
        self.core.catalog()
    }

    /// Returns the schema as it is in a transaction that is open.
    ///
    /// **Errors**: 40001 when another transaction has changed the same.
    pub(crate) fn schema_in(&self, transaction: Option<Token>) -> Result<Arc<Catalog>> {
        let in_force = self.core.catalog();
        match transaction {
            Some(token) => self.registry.view(token, in_force),
            None => Ok(in_force),
        }
    }

    /// Prepares this core for its first statement, which is otherwise some milliseconds slower.
    ///
    /// **Errors**: none in practice.
    pub fn warm(&self) -> Result<()> {
        Engine::get(self.core.shard_count())?;
        Ok(())
    }

    /// Returns the settings of this session.
    pub(crate) fn settings(&self) -> &Rc<Settings> {
        &self.settings
    }

    /// Returns the transactions of this core that outlive their requests.
    pub(crate) fn registry(&self) -> &Rc<Registry> {
        &self.registry
    }

    /// Returns what a request needs of this session.
    pub(crate) fn client(&self) -> Client<'_> {
        let Self { core, settings, options, registry } = self;
        let (sequences, tally) = (registry.sequences(), registry.tally());
        Client { core, settings, options, sequences, tally }
    }
}

/// Returns whether a statement is a query that needs no transaction.
pub(crate) fn is_read(item: &Item) -> bool {
    kind_of(&item.parsed.statement) == StatementKind::Select && !item.calls_sequences()
}

impl Records<'_> {
    /// Reads a record; `key` has one text per primary-key column.
    ///
    /// **Errors**: an unknown table, a key that cannot be read.
    pub async fn get(&self, table: &str, key: &[String]) -> Result<Option<Json>> {
        let mut request = self.request()?;
        coordinator::get(&mut request, Address { table, key }).await
    }

    /// Stores a record in the place of whatever has this key. Returns whether it is new.
    ///
    /// **Errors**: fields that do not fit.
    pub async fn put(&self, table: &str, key: &[String], record: &Json) -> Result<bool> {
        let mut request = self.request()?;
        coordinator::put(&mut request, Address { table, key }, record).await
    }

    /// Sets some fields of a record and returns it whole; `None` when there is none.
    ///
    /// **Errors**: fields that do not fit.
    pub async fn patch(&self, table: &str, key: &[String], fields: &Json) -> Result<Option<Json>> {
        let mut request = self.request()?;
        coordinator::patch(&mut request, Address { table, key }, fields).await
    }

    /// Deletes a record. Returns whether there was one.
    ///
    /// **Errors**: an unknown table, a key that cannot be read.
    pub async fn delete(&self, table: &str, key: &[String]) -> Result<bool> {
        let mut request = self.request()?;
        coordinator::delete(&mut request, Address { table, key }).await
    }

    fn request(&self) -> Result<Request<'_>> {
        Request::new(self.0.client(), &[], self.0.cancel_handle().0)
    }
}
