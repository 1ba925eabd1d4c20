//! How does the schema change?

use std::sync::Arc;

use pieskieo_io::rt::{self, Queue};
use pieskieo_shards::Error as ShardError;
use pieskieo_shards::catalog::Catalog;

use super::alter;
use super::request::Request;
use crate::bind::{define, unfilled};
use crate::constraint::{check_definitions, fill};
use crate::error::{Error, Result};
use crate::outcome::{Outcome, StatementKind};
use crate::syntax::Statement;

/// Runs a statement that changes the schema. Returns when every shard has the change.
///
/// **Errors**: a definition that does not fit the catalog.
pub async fn run(request: &Request<'_>, statement: &Statement) -> Result<Outcome> {
    if let Statement::AlterTable(alter) = statement {
        return Box::pin(alter::run(request, alter)).await;
    }
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
/// conditions can be evaluated.
///
/// **Errors**: those of `define`.
pub async fn change(
    request: &Request<'_>,
    define: impl FnOnce(&Catalog) -> Result<Option<Catalog>>,
) -> Result<Option<Arc<Catalog>>> {
    let mut refused = None;
    let mut nothing = false;
    let checked = |catalog: &Catalog| -> Result<Option<Catalog>> {
        let Some(next) = define(catalog)? else { return Ok(None) };
        let next = Arc::new(next);
        check_definitions(request.engine(), catalog, &next)?;
        Ok(Some(Arc::unwrap_or_clone(next)))
    };
    let changed = request
        .core()
        .change_catalog(|catalog| match checked(catalog) {
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
