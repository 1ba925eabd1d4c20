//! How does the schema change?

use std::rc::Rc;
use std::sync::Arc;

use pieskieo_io::rt::{self, Queue};
use pieskieo_shards::Error as ShardError;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::Catalog;

use super::request::Request;
use super::{create_as, refresh};
use crate::bind::{define, unfilled};
use crate::constraint::{check_definitions, fill};
use crate::error::{Error, Result};
use crate::outcome::{Outcome, StatementKind};
use crate::syntax::{Parsed, Statement};

/// Returns whether a statement changes the schema.
pub fn is_schema(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::CreateTable(_)
            | Statement::CreateCollection(_)
            | Statement::CreateEdge(_)
            | Statement::CreateIndex(_)
            | Statement::CreateSequence(_)
            | Statement::CreateAs(_)
            | Statement::Refresh(_)
            | Statement::Drop(_)
            | Statement::Truncate(_)
    )
}

/// Runs a CREATE, DROP, REFRESH or TRUNCATE. Returns when every shard has the change.
///
/// **Errors**: a definition that does not fit the catalog.
pub async fn run(request: &mut Request<'_>, parsed: &Parsed) -> Result<Outcome> {
    let statement = match &parsed.statement {
        Statement::CreateAs(create) => return create_as::run(request, create, parsed.as_of).await,
        Statement::Refresh(refresh) => return refresh::run(request, refresh).await,
        statement => statement,
    };
    let request = &*request;
    let changed = change(request.core(), |catalog| defined(request, catalog, statement)).await?;
    if let Some(name) = changed.and_then(|catalog| unfilled(&catalog, statement)) {
        // Detached: a client that goes away must not leave the table closed to writers.
        let fill = fill(request.core().clone(), name);
        rt::spawn(Queue::Commit, "unique index", fill).await?;
    }
    Ok(Outcome::without_rows(StatementKind::Schema, None))
}

/// Changes the catalog; `None` = there was nothing to change. Returns when every shard has it.
///
/// **Errors**: those of `define`; a failing log.
pub(super) async fn change(
    core: &Rc<Core>,
    define: impl FnOnce(&Catalog) -> Result<Option<Catalog>>,
) -> Result<Option<Arc<Catalog>>> {
    let mut refused = None;
    let mut nothing = false;
    let changed = core
        .change_catalog(|catalog| match define(catalog) {
            Ok(Some(next)) => Ok(next),
            Ok(None) => {
                nothing = true;
                Err(ShardError::Cancelled("nothing changes".into()))
            }
            Err(error) => {
                let text = error.message.clone();
                refused = Some(error);
                Err(ShardError::InvalidValue(text))
            }
        })
        .await;
    match (changed, refused) {
        (Ok(catalog), _) => Ok(Some(catalog)),
        (Err(_), Some(error)) => Err(error),
        (Err(_), None) if nothing => Ok(None),
        (Err(error), None) => Err(Error::from(error)),
    }
}

/// Returns the next catalog, whose new conditions can be evaluated.
fn defined(
    request: &Request<'_>,
    catalog: &Catalog,
    statement: &Statement,
) -> Result<Option<Catalog>> {
    let defaults = request.settings().index_defaults();
    let Some(next) = define(catalog, statement, defaults)? else { return Ok(None) };
    let next = Arc::new(next);
    check_definitions(request.engine(), catalog, &next)?;
    create_as::check_views(request.engine(), catalog, &next)?;
    Ok(Some(Arc::unwrap_or_clone(next)))
}
