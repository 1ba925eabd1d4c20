//! How is something made of a query?
//!
//! A view is only a change of the catalog. What holds records is made unseen, filled in commits of
//! its own like a load of records, and put in its place when all of them are there; otherwise it
//! is gone again. That runs in a task of its own, so that a client that goes away leaves nothing.

use std::rc::Rc;
use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Query;
use pieskieo_io::rt::{self, Queue};
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, Table};
use pieskieo_shards::ids::{TableId, Timestamp};
use pieskieo_shards::txn::Lease;
use pieskieo_shards::value::ColumnType;

use super::fill;
use super::request::Request;
use super::{past, schema};
use crate::Param;
use crate::bind::{
    bind_definition, bind_query_of, bind_view_definition, define_made, emptied, filled,
    gives_columns, makes_something,
};
use crate::error::{Error, Result, code};
use crate::exec::scope::Stop;
use crate::outcome::{Outcome, StatementKind, type_name};
use crate::plan::Engine;
use crate::plan::params::bind_params;
use crate::result::column_type;
use crate::syntax::{AsOfClause, CreateAs};

/// What a task that makes and fills something needs of its request.
pub(super) struct Maker {
    pub core: Rc<Core>,
    pub engine: Rc<Engine>,
    pub params: Vec<Param>,
    /// The point in the past that is read, if one is.
    pub past: Option<Lease>,
    pub parallel_rows: u64,
    pub ef_search: Option<usize>,
    pub stop: Stop,
}

/// Stops a task when whoever waits for it goes away.
struct Raised(Stop);

impl Drop for Raised {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Maker {
    pub fn new(request: &Request<'_>) -> Result<Self> {
        let core = request.core().clone();
        Ok(Self {
            engine: Engine::get(core.catalog().shard_count)?,
            core,
            params: request.params().to_vec(),
            past: None,
            parallel_rows: request.settings().parallel_rows(),
            ef_search: request.settings().ef_search(),
            stop: request.stop().child(),
        })
    }

    /// Runs work in a task of its own, which ends early when the request does.
    pub async fn detached<T: 'static>(
        self,
        work: impl AsyncFnOnce(&mut Self) -> Result<T> + 'static,
    ) -> Result<T> {
        let _raised = Raised(self.stop.clone());
        let mut maker = self;
        rt::spawn(Queue::Query, "make of a query", async move { work(&mut maker).await }).await
    }

    /// Fills a table and lets it be seen; if that fails, takes back what was made for it. Returns
    /// the number of records.
    ///
    /// **Errors**: whatever stops the query or refuses its rows.
    pub async fn fill(
        &mut self,
        id: TableId,
        query: impl Fn(&Catalog, &Table) -> Result<Query>,
    ) -> Result<u64> {
        let done = match fill::fill(self, id, query, fill::values_of).await {
            Ok((count, since)) => self.show(id, since).await.map(|()| count),
            Err(error) => Err(error),
        };
        if done.is_err() {
            // What cannot be taken back is not seen, and goes with the process.
            let empty = |catalog: &Catalog| Ok(emptied(catalog, id));
            schema::change_on(&self.core, &self.engine, empty).await.ok();
        }
        done
    }

    async fn show(&self, id: TableId, since: Timestamp) -> Result<()> {
        // The client is told what became of it, however long that takes.
        self.stop.set_settling(true);
        let full = |catalog: &Catalog| filled(catalog, id, since);
        let shown = schema::change_on(&self.core, &self.engine, full).await;
        self.stop.set_settling(false);
        match shown? {
            Some(_) => Ok(()),
            None => Err(fill::gone()),
        }
    }
}

/// Runs a CREATE from a query.
///
/// **Errors**: those of the definition; those of the query, then nothing was made.
pub async fn run(
    request: &Request<'_>,
    create: &CreateAs,
    as_of: Option<AsOfClause>,
) -> Result<Outcome> {
    let mut maker = Maker::new(request)?;
    let lease = |clause| past::lease(request.core(), request.params(), clause);
    maker.past = as_of.map(lease).transpose()?;
    let create = create.clone();
    let count = maker.detached(async move |maker| make(maker, &create).await).await?;
    Ok(Outcome::without_rows(StatementKind::Schema, count))
}

async fn make(maker: &mut Maker, create: &CreateAs) -> Result<Option<u64>> {
    let mut fills = None;
    let ground = (maker.engine.as_ref(), maker.params.as_slice());
    let changed = schema::change_on(&maker.core, &maker.engine, |catalog| {
        if !makes_something(catalog, create)? {
            return Ok(None);
        }
        let made = made(ground, catalog, create)?;
        fills = made.1;
        Ok(Some(made.0))
    });
    changed.await?;
    let Some(id) = fills else { return Ok(None) };
    let query = |catalog: &Catalog, _: &Table| bind_query_of(catalog, create);
    maker.fill(id, query).await.map(Some)
}

/// Returns the catalog with a view, or another thing that holds nothing; `None` when it is there.
///
/// **Errors**: those of the definition; 0A000 for what is filled with records.
pub fn without_records(
    request: &Request<'_>,
    catalog: &Catalog,
    create: &CreateAs,
) -> Result<Option<Catalog>> {
    if !makes_something(catalog, create)? {
        return Ok(None);
    }
    let (next, fills) = made((request.engine(), request.params()), catalog, create)?;
    if fills.is_some() {
        return Err(Error::unsupported("CREATE ... AS with records inside BEGIN ... COMMIT")
            .with_hint("Create it before, then INSERT INTO it, or write WITH NO DATA.")
            .at(create.name.position));
    }
    Ok(Some(next))
}

fn made(
    (engine, params): (&Engine, &[Param]),
    catalog: &Catalog,
    create: &CreateAs,
) -> Result<(Catalog, Option<TableId>)> {
    let definition = bind_definition(catalog, create)?;
    let planned = plan(engine, &Arc::new(catalog.clone()), (definition.query, params))?;
    let columns = columns_of(engine, &planned).map_err(|error| error.at(create.name.position))?;
    let made = define_made(catalog, create, (columns, definition.reads))?;
    Ok((made.catalog, made.fills))
}

/// Plans a bound query with its parameters.
///
/// **Errors**: names and types that do not fit, 42P02.
pub(super) fn plan(
    engine: &Engine,
    catalog: &Arc<Catalog>,
    (query, params): (Query, &[Param]),
) -> Result<LogicalPlan> {
    bind_params(&engine.plan(catalog, query)?, params)
}

/// The columns that a planned query gives.
fn columns_of(engine: &Engine, plan: &LogicalPlan) -> Result<Vec<(String, ColumnType)>> {
    let typed = engine.optimized(plan)?;
    // Optimizing settles the types; the names are those that were planned.
    let fields = plan.schema().fields().iter().zip(typed.schema().fields());
    let column = |(named, typed): (&Arc<arrow_schema::Field>, &Arc<arrow_schema::Field>)| {
        let ty = stored_type(typed.data_type()).ok_or_else(|| {
            let shown = type_name(typed.data_type());
            let what = format!("column \"{}\" of type {shown}", named.name());
            Error::unsupported(what).with_hint("Cast it to a type that a column can have.")
        })?;
        Ok((named.name().clone(), ty))
    };
    fields.map(column).collect()
}

/// The type a column gets whose values a query gives.
fn stored_type(ty: &DataType) -> Option<ColumnType> {
    match ty {
        DataType::Null => Some(ColumnType::Text),
        // Numbers of rows.
        DataType::UInt64 => Some(ColumnType::BigInt),
        other => column_type(other),
    }
}

/// Checks that every view means in `next` what it means in `current`, when what it reads changes.
///
/// **Errors**: 2BP01 naming a view.
pub(super) fn check_views(engine: &Engine, current: &Catalog, next: &Arc<Catalog>) -> Result<()> {
    for view in next.tables.values() {
        let Some(query) = view.view_query() else { continue };
        let changes = query.reads.iter().any(|read| {
            match (current.tables.get(&read.table), next.tables.get(&read.table)) {
                (Some(old), Some(new)) => {
                    old.columns != new.columns || old.view_query() != new.view_query()
                }
                // Under a new number, nothing else has changed.
                (None, Some(_)) => false,
                (_, None) => true,
            }
        });
        if !changes {
            continue;
        }
        let columns = bind_view_definition(next, view)
            .and_then(|query| plan(engine, next, (query, &[])))
            .and_then(|plan| columns_of(engine, &plan));
        let detail = match columns {
            Ok(columns) if gives_columns(view, &columns) => continue,
            Ok(_) => "Its columns would have other types.".to_owned(),
            Err(error) => format!("Then {}.", error.message),
        };
        let message = format!("view \"{}\" needs what would be changed", view.name);
        return Err(Error::new(code::DEPENDENT_OBJECTS, message)
            .with_detail(detail)
            .with_hint("Drop or replace that view first."));
    }
    Ok(())
}

#[cfg(test)]
#[path = "create_as_tests.rs"]
mod tests;
