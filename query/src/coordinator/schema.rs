//! How does the schema change?

use std::rc::Rc;
use std::sync::Arc;

use pieskieo_io::rt::{self, Queue};
use pieskieo_shards::Error as ShardError;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::Catalog;
use pieskieo_shards::txn::Transaction;

use super::draft::Draft;
use super::request::Request;
use super::{alter, create_as, refresh};
use crate::bind::{define, unfilled};
use crate::constraint::{check_definitions, fill};
use crate::error::{Error, Result};
use crate::outcome::{Outcome, StatementKind};
use crate::plan::Engine;
use crate::syntax::{Parsed, Statement};

/// Runs a statement that changes the schema. Returns when every shard has the change.
///
/// **Errors**: a definition that does not fit the catalog.
pub async fn run(request: &mut Request<'_>, parsed: &Parsed) -> Result<Outcome> {
    let statement = match &parsed.statement {
        Statement::AlterTable(alter) => return Box::pin(alter::run(request, alter)).await,
        Statement::CreateAs(create) => return create_as::run(request, create, parsed.as_of).await,
        Statement::Refresh(refresh) => return refresh::run(request, refresh).await,
        statement => statement,
    };
    let request = &*request;
    let defaults = request.settings().index_defaults();
    let changed = change(request, |catalog| define(catalog, statement, defaults)).await?;
    if let Some(name) = changed.and_then(|catalog| unfilled(&catalog, statement)) {
        // Detached: a client that goes away must not leave the table closed to writers.
        let fill = fill(request.core().clone(), name);
        rt::spawn(Queue::Commit, "unique index", fill).await?;
    }
    Ok(Outcome::without_rows(StatementKind::Schema, None))
}

/// Puts the next catalog in force; `None` when `define` says that nothing changes. Its new
/// conditions can be evaluated, and views mean what they meant.
///
/// **Errors**: those of `define`; 2BP01 for a view that would not survive.
pub async fn change(
    request: &Request<'_>,
    define: impl FnOnce(&Catalog) -> Result<Option<Catalog>>,
) -> Result<Option<Arc<Catalog>>> {
    change_on(request.core(), request.engine(), define).await
}

/// As [`change`], outside of a request.
///
/// **Errors**: as [`change`].
pub async fn change_on(
    core: &Rc<Core>,
    engine: &Engine,
    define: impl FnOnce(&Catalog) -> Result<Option<Catalog>>,
) -> Result<Option<Arc<Catalog>>> {
    let mut refused = None;
    let mut nothing = false;
    let checked = |catalog: &Catalog| match define(catalog)? {
        Some(next) => checked(engine, catalog, next).map(Some),
        None => Ok(None),
    };
    let changed = core
        .change_catalog(|catalog| match checked(catalog) {
            Ok(Some(next)) => Ok(next),
            Ok(None) => {
                nothing = true;
                Err(ShardError::Cancelled("nothing changes".into()))
            }
            Err(error) => Err(refusal(&mut refused, error)),
        })
        .await;
    match (changed, refused) {
        (Ok(catalog), _) => Ok(Some(catalog)),
        (Err(_), Some(error)) => Err(error),
        (Err(_), None) if nothing => Ok(None),
        (Err(error), None) => Err(Error::from(error)),
    }
}

/// Commits a transaction together with what it has changed of the schema.
///
/// **Errors**: those of [`Draft::merged`] and of the commit; neither has happened.
pub async fn commit(
    core: &Rc<Core>,
    engine: &Engine,
    (txn, draft): (Transaction, Draft),
) -> Result<()> {
    let mut refused = None;
    let merged = |catalog: &Catalog| checked(engine, catalog, draft.merged(catalog)?);
    let committed = core
        .commit_with(txn, |catalog| merged(catalog).map_err(|error| refusal(&mut refused, error)))
        .await;
    let Err(error) = committed else {
        draft.committed();
        return Ok(());
    };
    draft.abandon().await;
    Err(refused.unwrap_or_else(|| Error::from(error)))
}

/// Keeps an error for who asked, and returns what ends the change.
fn refusal(refused: &mut Option<Error>, error: Error) -> ShardError {
    let text = error.message.clone();
    *refused = Some(error);
    ShardError::InvalidValue(text)
}

/// Returns the next catalog if its new conditions can be evaluated, and views mean what they meant.
///
/// **Errors**: those of a condition; 2BP01 for a view that would not survive.
pub fn checked(engine: &Engine, catalog: &Catalog, next: Catalog) -> Result<Catalog> {
    let next = Arc::new(next);
    check_definitions(engine, catalog, &next)?;
    create_as::check_views(engine, catalog, &next)?;
    Ok(Arc::unwrap_or_clone(next))
}
