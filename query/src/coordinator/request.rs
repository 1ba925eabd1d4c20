//! How do the statements of one request share a transaction?
//!
//! A request is split where the schema changes and where it says COMMIT or ROLLBACK; each part is
//! one transaction. A schema change is applied at once, on its own, after the statements before
//! it were committed. A part that loses to a concurrent transaction starts again by itself.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use datafusion::sql::sqlparser::ast::Query;
use pieskieo_io::rt;
use pieskieo_io::time;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, Table};
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::request::ReadView;
use pieskieo_shards::txn::{Isolation, Lease, Transaction};

use super::select::{self, Reads, collect, collected};
use super::setting::Settings;
use super::{change, explain, insert, native, schema, setting};
use crate::Param;
use crate::error::{Error, Result, code};
use crate::exec::scope::{Scope, Stop};
use crate::options::SessionOptions;
use crate::outcome::{Outcome, StatementKind};
use crate::plan::Engine;
use crate::plan::constant::Constants;
use crate::plan::graph::table_named;
use crate::prepared::Item;
use crate::syntax::{Name, Statement};

/// How often a part of a request starts again after losing to another transaction. Each time the
/// winner has committed, so the whole makes progress.
const ATTEMPTS_MAX: usize = 50;

/// One request while it runs.
pub(crate) struct Request<'s> {
    core: Rc<Core>,
    engine: Rc<Engine>,
    catalog: Arc<Catalog>,
    settings: &'s Settings,
    options: &'s SessionOptions,
    params: &'s [Param],
    stop: Stop,
    txn: Option<Transaction>,
    /// What its transactions promise about what they read.
    isolation: Isolation,
    /// Whether a duplicate key means that somebody came in between.
    retry_duplicates: Cell<bool>,
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
}

/// How a part of a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Commit,
    Rollback,
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
            params,
            stop,
            txn: None,
            isolation: Isolation::Serializable,
            retry_duplicates: Cell::new(false),
        })
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

    /// Returns the parameters.
    pub fn params(&self) -> &[Param] {
        self.params
    }

    /// Returns whether queries of a simple shape are answered without a plan.
    pub fn native(&self) -> bool {
        self.settings.native()
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
        let (core, catalog, isolation) = (&self.core, &self.catalog, self.isolation);
        self.txn.get_or_insert_with(|| {
            let mut txn = core.begin_with(isolation);
            txn.planned_with(catalog.version);
            txn
        })
    }

    /// Says that nothing will be written: what is read need not be so for longer.
    pub fn only_reads(&mut self) {
        self.isolation = Isolation::Snapshot;
    }

    /// Says that a duplicate key means that somebody came in between, so that the part starts
    /// again.
    pub fn retry_duplicates(&self) {
        self.retry_duplicates.set(true);
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
        collected(collect(outcome, self.options).await?)
    }

    /// Runs a single query whose rows are read while they are made.
    ///
    /// **Errors**: as a query.
    pub async fn stream(self, reads: &Reads) -> Result<Outcome> {
        let lease = self.core.lease();
        self.stream_at(reads, lease).await
    }

    /// As [`Request::stream`], at the snapshot of a lease.
    ///
    /// **Errors**: as a query.
    pub async fn stream_at(self, reads: &Reads, lease: Lease) -> Result<Outcome> {
        let view = ReadView::at(lease.snapshot());
        let scope = self.scope_at(view);
        select::run(&self, reads, scope, lease).await
    }

    /// Runs all statements of a request.
    ///
    /// **Errors**: the first that is met; what earlier parts committed stays.
    pub async fn run_all(mut self, items: &[Rc<Item>]) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(items.len());
        for part in parts(items)? {
            if let [only] = part.items
                && schema::is_schema(&only.parsed.statement)
            {
                outcomes.push(schema::run(&self, &only.parsed.statement).await?);
                self.catalog = self.core.catalog();
                continue;
            }
            let collected = self.run_part(part.items, part.end).await?;
            outcomes.extend(collected);
            outcomes.extend(part.closed_by.map(|kind| Outcome::without_rows(kind, None)));
        }
        Ok(outcomes)
    }

    async fn run_part(&mut self, items: &[Rc<Item>], end: End) -> Result<Vec<Outcome>> {
        // What only reads needs no more than its snapshot, and is never refused.
        let writes = items.iter().any(|item| changes(&item.parsed.statement));
        self.isolation = if writes { Isolation::Serializable } else { Isolation::Snapshot };
        let work = async |request: &mut Self| {
            let mut outcomes = Vec::with_capacity(items.len());
            for item in items {
                request.stop.check()?;
                outcomes.push(request.statement(item).await?);
            }
            Ok(outcomes)
        };
        self.transact(work, end).await
    }

    /// Runs work in a transaction of its own and commits it; starts again when it loses to
    /// another transaction.
    ///
    /// **Errors**: what the work and the commit report.
    pub async fn committed<T>(
        &mut self,
        work: impl AsyncFnMut(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.transact(work, End::Commit).await
    }

    async fn transact<T>(
        &mut self,
        mut work: impl AsyncFnMut(&mut Self) -> Result<T>,
        end: End,
    ) -> Result<T> {
        for attempt in 1..=ATTEMPTS_MAX {
            self.catalog = self.core.catalog();
            self.retry_duplicates.set(false);
            let mut result = work(self).await;
            if let Some(txn) = self.txn.take() {
                if result.is_ok() && end == End::Commit && txn.has_writes() {
                    self.stop.set_settling(true);
                    let committed = txn.commit().await;
                    self.stop.set_settling(false);
                    if let Err(error) = committed {
                        result = Err(error.into());
                    }
                } else {
                    txn.abort().await;
                }
            }
            match result {
                Err(error) if attempt < ATTEMPTS_MAX && self.may_retry(&error) => {
                    self.pause(attempt).await?;
                }
                other => return other,
            }
        }
        Err(Error::internal("attempts do not end"))
    }

    fn may_retry(&self, error: &Error) -> bool {
        let lost = error.code == code::SERIALIZATION_FAILURE.code;
        let duplicate = error.code == code::UNIQUE_VIOLATION.code;
        lost || (duplicate && self.retry_duplicates.get())
    }

    /// Waits a little, longer each time, so that contenders spread out.
    async fn pause(&self, attempt: usize) -> Result<()> {
        self.stop.check()?;
        let most = 50 << attempt.min(8);
        rt::sleep(Duration::from_micros(time::random_u64() % most)).await;
        Ok(())
    }

    async fn statement(&mut self, item: &Item) -> Result<Outcome> {
        let ready = item.ready(&self.engine, &self.catalog)?;
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
            Statement::Explain(explain) => Box::pin(explain::run(self, explain, &ready)).await,
            Statement::Set(set) => setting::set(self.settings, set),
            Statement::Show(show) => setting::show(self, self.settings, show),
            other => Err(Error::internal(format!("a statement of no kind: {other:?}"))),
        }
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

/// Consecutive statements that share a transaction.
struct Part<'a> {
    items: &'a [Rc<Item>],
    end: End,
    /// The COMMIT or ROLLBACK at its end, if one was written.
    closed_by: Option<StatementKind>,
}

/// Splits a request into transactions.
fn parts(items: &[Rc<Item>]) -> Result<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut first = 0;
    let mut opened = false;
    let mut push = |range: std::ops::Range<usize>, end, closed_by: Option<StatementKind>| {
        if !range.is_empty() || closed_by.is_some() {
            parts.push(Part { items: &items[range], end, closed_by });
        }
    };
    for (position, item) in items.iter().enumerate() {
        let kind = Some(StatementKind::Transaction);
        match &item.parsed.statement {
            Statement::Begin => {
                push(first..position, End::Commit, kind);
                (first, opened) = (position + 1, true);
            }
            Statement::Commit => {
                push(first..position, End::Commit, kind);
                (first, opened) = (position + 1, false);
            }
            Statement::Rollback => {
                push(first..position, End::Rollback, kind);
                (first, opened) = (position + 1, false);
            }
            statement if schema::is_schema(statement) => {
                if opened {
                    let message = "CREATE and DROP cannot run inside BEGIN ... COMMIT";
                    return Err(Error::new(code::ACTIVE_TRANSACTION, message)
                        .with_hint("Send them before BEGIN."));
                }
                push(first..position, End::Commit, None);
                push(position..position + 1, End::Commit, None);
                first = position + 1;
            }
            _ => {}
        }
    }
    push(first..items.len(), End::Commit, None);
    if opened {
        return Err(Error::unsupported("a transaction that outlives its request")
            .with_hint("Send BEGIN, the statements and COMMIT in one request."));
    }
    Ok(parts)
}

/// Runs work until its deadline, or until the commit that is under way then has ended.
///
/// **Errors**: `57014` when it takes too long.
pub(crate) async fn within<T>(stop: &Stop, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(deadline) = stop.deadline() else { return work.await };
    let mut work = std::pin::pin!(work);
    let left = deadline.since(time::now());
    match rt::timeout(left, work.as_mut()).await {
        Ok(result) => result,
        Err(_) if stop.is_settling() => work.await,
        Err(_) => Err(stop.out_of_time()),
    }
}

/// Returns whether a statement changes records.
fn changes(statement: &Statement) -> bool {
    matches!(statement, Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_))
}

/// Returns the label of a statement.
pub(crate) fn kind_of(statement: &Statement) -> StatementKind {
    match statement {
        Statement::Query(_) | Statement::Pipeline(_) => StatementKind::Select,
        Statement::Insert(_) => StatementKind::Insert,
        Statement::Update(_) => StatementKind::Update,
        Statement::Delete(_) => StatementKind::Delete,
        Statement::Explain(_) => StatementKind::Explain,
        Statement::Set(_) | Statement::Show(_) => StatementKind::Setting,
        Statement::Begin | Statement::Commit | Statement::Rollback => StatementKind::Transaction,
        _ => StatementKind::Schema,
    }
}
