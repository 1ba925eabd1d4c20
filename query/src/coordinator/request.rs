//! How are the statements of one request run, each in its transaction?
//!
//! A transaction that begins and ends within the request starts again by itself when it loses to
//! a concurrent one (`transact`). One that outlives its request cannot: its client has seen answers.

mod transact;

use std::rc::Rc;
use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::sql::sqlparser::ast::Query;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, Table};
use pieskieo_shards::ids::{ShardId, TableId, Timestamp};
use pieskieo_shards::request::ReadView;
use pieskieo_shards::txn::{Lease, Transaction};

use super::block::{Block, written_past};
use super::draft::Draft;
use super::kind::{changes, is_schema};
use super::measured::Measuring;
use super::parts::{Begin, End, check_keyed, parts};
use super::select::{self, Reads, collect, collected};
use super::sequence::{self, Sequences};
use super::setting::Settings;
use super::{change, explain, insert, merge, native, past, schema, schema_within, setting};
use crate::Param;
use crate::bind::{bind, check_kept_around};
use crate::constraint::{Changes, Ground, settle};
use crate::error::{Error, Result, code};
use crate::exec::run::Planning;
use crate::exec::scope::{Scope, Stop};
use crate::idempotency::IdempotencyKey;
use crate::measure::Tally;
use crate::open::OpenTransaction;
use crate::options::SessionOptions;
use crate::outcome::{Outcome, StatementKind};
use crate::plan::Engine;
use crate::plan::constant::Constants;
use crate::plan::graph::table_named;
use crate::prepared::{Item, Ready};
use crate::syntax::{AsOfClause, Name, Statement};

/// One request while it runs.
pub(crate) struct Request<'s> {
    core: Rc<Core>,
    engine: Rc<Engine>,
    catalog: Arc<Catalog>,
    settings: &'s Settings,
    options: &'s SessionOptions,
    sequences: &'s Sequences,
    params: &'s [Param],
    stop: Stop,
    block: Block,
    /// What its statements are measured with.
    pub(super) measuring: Measuring<'s>,
    /// Whether the transaction goes on after the request, and where it waits then.
    outlives: bool,
    /// Whether it began in this request.
    renewed: bool,
    home: Option<&'s OpenTransaction>,
    /// The key under which the answer is remembered.
    key: Option<&'s IdempotencyKey>,
}

/// What a request needs of its session.
#[derive(Clone, Copy)]
pub(crate) struct Client<'s> {
    /// The engine on this core.
    pub core: &'s Rc<Core>,
    /// The session's settings.
    pub settings: &'s Settings,
    /// The session's limits.
    pub options: &'s SessionOptions,
    /// The numbers this core has to hand out.
    pub sequences: &'s Sequences,
    /// What this core knows of its statements.
    pub tally: &'s Rc<Tally>,
}

impl<'s> Request<'s> {
    /// Begins a request.
    ///
    /// **Errors**: none in practice.
    pub fn new(client: Client<'s>, params: &'s [Param], stop: Stop) -> Result<Self> {
        let core = client.core.clone();
        let catalog = core.catalog();
        Ok(Self {
            engine: Engine::get(catalog.shard_count)?,
            core,
            catalog,
            settings: client.settings,
            options: client.options,
            sequences: client.sequences,
            params,
            stop,
            block: Block::default(),
            measuring: Measuring::new(client.tally),
            outlives: false,
            renewed: false,
            home: None,
            key: None,
        })
    }

    /// Begins another request of the same client, under the newest catalog and without
    /// parameters.
    pub fn fresh(&self) -> Self {
        Self {
            core: self.core.clone(),
            engine: self.engine.clone(),
            catalog: self.core.catalog(),
            settings: self.settings,
            options: self.options,
            sequences: self.sequences,
            params: &[],
            stop: self.stop.child(),
            block: Block::default(),
            measuring: self.measuring.again(),
            outlives: false,
            renewed: false,
            home: None,
            key: None,
        }
    }

    /// Begins a request whose transaction may have begun before it and may go on after it. When
    /// the request is dropped, a transaction that goes on is `home` again.
    ///
    /// **Errors**: none in practice.
    pub fn within(
        client: Client<'s>,
        params: &'s [Param],
        stop: Stop,
        home: &'s OpenTransaction,
    ) -> Result<Self> {
        let mut request = Self::new(client, params, stop)?;
        if let Some(block) = home.take() {
            (request.block, request.outlives) = (block, true);
        }
        request.home = Some(home);
        // What is wrong with it is said to its statements; ending it must be possible.
        request.renew().ok();
        Ok(request)
    }

    /// Has the answer remembered under a key, in the transaction of the writes.
    pub fn remember_under(&mut self, key: Option<&'s IdempotencyKey>) {
        self.key = key;
    }

    /// Returns whether the transaction that goes on after the request began in it.
    pub fn is_renewed(&self) -> bool {
        self.renewed
    }

    /// Returns the engine's handle on this core.
    pub fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// Returns the planner.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the catalog the statements are planned with.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Plans what follows with the newest catalog, and with what the transaction has changed of it.
    ///
    /// **Errors**: 40001 when another transaction has changed the same.
    pub fn renew(&mut self) -> Result<()> {
        self.catalog = self.block.draft.view(&self.core.catalog())?;
        Ok(())
    }

    /// Plans what follows with this catalog.
    pub fn see(&mut self, catalog: Arc<Catalog>) {
        self.catalog = catalog;
    }

    /// Returns what the transaction has changed of the schema.
    pub fn draft(&mut self) -> &mut Draft {
        &mut self.block.draft
    }

    /// Returns whether the transaction has written to this table.
    pub fn has_written(&self, table: TableId) -> bool {
        self.block.txn.as_ref().is_some_and(|txn| txn.has_written(table))
    }

    /// Lets records be written to the tables that the transaction has made.
    async fn begin_made(&mut self) -> Result<()> {
        let Block { draft, txn, .. } = &mut self.block;
        let Some((before, after)) = draft.begin(&self.core).await? else { return Ok(()) };
        if let Some(txn) = txn {
            txn.carry(before, after);
        }
        self.renew()
    }

    /// Returns the session's limits.
    pub fn options(&self) -> &'s SessionOptions {
        self.options
    }

    /// Returns the parameters.
    pub fn params(&self) -> &[Param] {
        self.params
    }

    /// Returns whether queries of a simple shape are answered without a plan.
    pub fn native(&self) -> bool {
        self.settings.native()
    }

    /// Returns what queries are planned and started with.
    pub fn planning(&self) -> Planning<'_> {
        let parallel_rows = self.settings.parallel_rows();
        Planning { core: self.core(), engine: self.engine(), parallel_rows }
    }

    /// Returns what constants may refer to.
    pub fn constants(&self) -> Constants<'_> {
        Constants { engine: &self.engine, catalog: &self.catalog, params: self.params }
    }

    /// Returns the table with this name.
    ///
    /// **Errors**: `42P01`.
    pub fn table(&self, name: &Name) -> Result<Arc<Table>> {
        let table = table_named(&self.catalog, &name.text).map_err(Error::from);
        table.cloned().map_err(|error| error.at(name.position))
    }

    /// Returns the transaction, begun if it was not.
    pub fn transaction(&mut self) -> &mut Transaction {
        let (core, isolation) = (&self.core, self.block.isolation());
        let txn = self.block.txn.get_or_insert_with(|| core.begin_with(isolation));
        // It may have begun under an earlier catalog than this statement is planned with.
        txn.planned_with(self.catalog.version);
        txn
    }

    /// Says that nothing will be written: what is read need not be so for longer.
    pub fn only_reads(&mut self) {
        self.block.only_reads = true;
    }

    /// Returns whether the transaction is one statement and nothing else.
    pub fn is_alone(&self) -> bool {
        self.block.is_alone
    }

    /// Says that a duplicate key means that somebody came in between, so that the transaction
    /// starts again.
    pub fn retry_duplicates(&mut self) {
        self.block.retry_duplicates.key = true;
    }

    /// As [`Request::retry_duplicates`], for a unique constraint.
    pub fn retry_duplicates_of(&mut self, constraint: &str) {
        self.block.retry_duplicates.constraints.push(constraint.to_owned());
    }

    /// Returns what keeping constraints needs.
    pub fn ground(&self) -> Ground {
        let (core, engine) = (self.core.clone(), self.engine.clone());
        Ground { core, engine, catalog: self.catalog.clone(), stop: self.stop.clone() }
    }

    /// Ends a statement that changed records: keeps the constraints they are held to.
    ///
    /// **Errors**: 23505, 23503, 23514.
    pub async fn settle_changes(&mut self, changes: Changes) -> Result<()> {
        if changes.rows.is_empty() {
            return Ok(());
        }
        check_kept_around(&self.catalog, changes.table.id)?;
        let ground = self.ground();
        Box::pin(settle(&ground, self.transaction(), changes)).await
    }

    /// Refuses a write where only reads are allowed.
    ///
    /// **Errors**: `25006`.
    pub fn check_writable(&self) -> Result<()> {
        self.block.check_writable()
    }

    /// Takes numbers of a sequence.
    ///
    /// **Errors**: 2200H at its end.
    pub async fn take_numbers(&mut self, sequence: TableId, count: usize) -> Result<Vec<i64>> {
        let place = (&self.catalog, sequence);
        let numbers = self.sequences.take(&self.core, place, count).await?;
        if let Some(last) = numbers.last() {
            self.block.numbers.insert(sequence, *last);
            self.block.last_number = Some(*last);
        }
        Ok(numbers)
    }

    /// Makes a sequence go on elsewhere.
    ///
    /// **Errors**: 22003 for a number outside its range.
    pub async fn set_number(&mut self, sequence: TableId, to: (i64, bool)) -> Result<()> {
        self.sequences.set(&self.core, (&self.catalog, sequence), to).await?;
        if to.1 {
            self.block.numbers.insert(sequence, to.0);
        }
        Ok(())
    }

    /// Returns the number a sequence gave last within the transaction.
    pub fn current_number(&self, sequence: TableId) -> Option<i64> {
        self.block.numbers.get(&sequence).copied()
    }

    /// Returns the number any sequence gave last within the transaction.
    pub fn last_number(&self) -> Option<i64> {
        self.block.last_number
    }

    /// Returns what a query within the transaction sees.
    ///
    /// **Errors**: whatever the owners find wrong with the writes so far.
    pub async fn scope(&mut self) -> Result<Scope> {
        let shards: Vec<ShardId> = self.core.shards().collect();
        self.scope_on(&shards).await
    }

    /// As [`Request::scope`], for a query that reads these shards and no other: only they are
    /// asked at commit whether what was read is still so.
    ///
    /// **Errors**: as [`Request::scope`].
    pub async fn scope_on(&mut self, shards: &[ShardId]) -> Result<Scope> {
        if let Some(past) = &self.block.past {
            return Ok(self.scope_at(past.view()));
        }
        let txn = self.transaction();
        if txn.has_writes() {
            txn.flush().await?;
        }
        let view = txn.view_at(shards.iter().copied());
        Ok(self.scope_at(view))
    }

    /// As [`Request::scope`], for a planned query.
    async fn scope_of(&mut self, reads: &Reads) -> Result<Scope> {
        let shape = reads.shape.as_ref().filter(|_| self.native());
        match shape.map(|shape| native::only_shard(self, shape)).transpose()?.flatten() {
            Some(shard) => self.scope_on(&[shard]).await,
            None => self.scope().await,
        }
    }

    fn scope_at(&self, view: ReadView) -> Scope {
        Scope {
            view,
            catalog: self.catalog.clone(),
            ef_search: self.settings.ef_search(),
            stop: self.stop.clone(),
        }
    }

    /// Runs a bound query within the transaction and reads all its rows.
    ///
    /// **Errors**: as a query.
    pub async fn collect_query(&mut self, query: Query) -> Result<Vec<RecordBatch>> {
        let reads = Reads::new(&self.engine, &self.catalog, query)?;
        self.collect(&reads).await
    }

    /// Runs a planned query within the transaction and reads all its rows.
    ///
    /// **Errors**: as a query.
    pub async fn collect(&mut self, reads: &Reads) -> Result<Vec<RecordBatch>> {
        // The query's end must not stop the request.
        let mut scope = self.scope_of(reads).await?;
        scope.stop = self.stop.child();
        let outcome = select::run(self, reads, scope, ()).await?;
        let all = collect(outcome, self.options).await.map_err(|error| match error.code {
            found if found == code::PROGRAM_LIMIT.code => {
                error.with_hint("Change fewer records at a time, by a condition on the key.")
            }
            _ => error,
        });
        collected(all?)
    }

    /// Runs a single query whose rows are read while they are made.
    ///
    /// **Errors**: as a query.
    pub async fn stream(&self, reads: &Reads, as_of: Option<AsOfClause>) -> Result<Outcome> {
        let lease = match as_of {
            Some(clause) => past::lease(&self.core, self.params, clause)?,
            None => self.core.lease(),
        };
        self.stream_at(reads, lease).await
    }

    /// As [`Request::stream`], at the snapshot of a lease.
    ///
    /// **Errors**: as a query.
    pub async fn stream_at(&self, reads: &Reads, lease: Lease) -> Result<Outcome> {
        let scope = self.scope_at(lease.view());
        select::run(self, reads, scope, lease).await
    }

    /// Runs all statements of a request.
    ///
    /// **Errors**: the first that is met; what earlier parts committed stays.
    pub async fn run_all(&mut self, items: &[Rc<Item>]) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(items.len());
        let parts = parts(items, self.outlives).inspect_err(|_| self.block.failed = true)?;
        let left = parts.iter().any(|part| part.end == End::Later);
        if left && self.home.is_none() {
            return Err(Error::unsupported("a transaction that outlives its request")
                .with_hint("Send BEGIN, the statements and COMMIT in one request."));
        }
        if self.key.is_some() {
            check_keyed(&parts)?;
        }
        for part in parts {
            if let ([only], Begin::Implied) = (part.items, part.begin)
                && is_schema(&only.parsed.statement)
            {
                let meter = self.meter(only);
                let outcome = Box::pin(schema::run(self, &only.parsed)).await;
                outcomes.push(self.end(meter, only, outcome)?);
                self.catalog = self.core.catalog();
                continue;
            }
            let nothing = || Outcome::without_rows(StatementKind::Transaction, None);
            outcomes.extend(matches!(part.begin, Begin::Written(_)).then(nothing));
            outcomes.extend(self.run_part(&part).await?);
            outcomes.extend(matches!(part.end, End::Commit | End::Rollback).then(nothing));
        }
        Ok(outcomes)
    }

    /// Runs a statement within the transaction.
    ///
    /// **Errors**: those of the statement.
    pub(super) async fn statement(&mut self, item: &Item) -> Result<Outcome> {
        let Some(clause) = item.parsed.as_of else { return self.statement_now(item).await };
        if item.calls_sequences() {
            return Err(written_past().at(clause.position));
        }
        let past = Some(past::lease(&self.core, self.params, clause)?);
        let before = std::mem::replace(&mut self.block.past, past);
        let outcome = Box::pin(self.statement_now(item)).await;
        self.block.past = before;
        outcome
    }

    async fn statement_now(&mut self, item: &Item) -> Result<Outcome> {
        if let Some(outcome) = self.control(&item.parsed.statement).await? {
            return Ok(outcome);
        }
        if is_schema(&item.parsed.statement) {
            return Box::pin(schema_within::run(self, &item.parsed)).await;
        }
        if !self.block.draft.is_empty() {
            Box::pin(self.begin_made()).await?;
        }
        let ready = if item.calls_sequences() {
            let mut statement = item.parsed.statement.clone();
            Box::pin(sequence::resolve(self, &mut statement)).await?;
            let statement = bind(&self.catalog, statement)?;
            Rc::new(Ready::new(&self.engine, &self.catalog, statement)?)
        } else {
            item.ready(&self.engine, &self.catalog)?
        };
        if changes(&ready.statement) {
            self.block.check_writable()?;
        }
        match &ready.statement {
            Statement::Query(_) => {
                let mut scope = self.scope_of(ready.reads()?).await?;
                scope.stop = self.stop.child();
                let outcome = select::run(self, ready.reads()?, scope, ()).await?;
                collect(outcome, self.options).await
            }
            Statement::Insert(insert) => insert::run(self, insert).await,
            Statement::Update(update) => change::update(self, update, ready.reads()?).await,
            Statement::Delete(delete) => change::delete(self, delete, ready.reads()?).await,
            Statement::BoundMerge(bound) => {
                Box::pin(merge::run(self, &bound.merge, &bound.queries)).await
            }
            Statement::Explain(explain) => Box::pin(explain::run(self, explain, &ready)).await,
            Statement::Set(set) => setting::set(self.settings, set),
            Statement::Show(show) => setting::show(self, self.settings, show),
            Statement::Forget(forget) => setting::forget(self.settings, forget),
            other => Err(Error::internal(format!("a statement of no kind: {other:?}"))),
        }
    }

    /// Runs a statement about the transaction itself; `None` = it is not one.
    async fn control(&mut self, statement: &Statement) -> Result<Option<Outcome>> {
        match statement {
            Statement::SetTransaction(modes) => self.block.set_modes(*modes)?,
            Statement::Savepoint(name) => {
                self.transaction().savepoint(&name.text)?;
                self.block.draft.mark(&name.text);
            }
            Statement::Release(name) => self.block.release(name)?,
            Statement::RollbackTo(name) => {
                self.block.back_to(name).await?;
                self.renew()?;
            }
            _ => return Ok(None),
        }
        Ok(Some(Outcome::without_rows(StatementKind::Transaction, None)))
    }

    /// Returns what the transaction promises, as a client writes it.
    pub fn isolation_name(&self) -> &'static str {
        self.block.isolation_name()
    }

    /// Returns the commit whose state is read: of the past, or the last one.
    pub fn commit(&self) -> Timestamp {
        let past = self.block.past.as_ref();
        past.map_or_else(|| self.core.last_commit(), Lease::snapshot)
    }

    /// Returns whether the transaction refuses to write.
    pub fn is_read_only(&self) -> bool {
        self.block.read_only
    }

    /// Returns the session's settings.
    pub fn settings(&self) -> &Settings {
        self.settings
    }

    /// Returns the way to stop the request.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        if let Some(home) = self.home.filter(|_| self.outlives) {
            home.put(std::mem::take(&mut self.block));
        }
    }
}
