//! How does the schema change?

use std::sync::Arc;

use pieskieo_io::rt::{self, Queue};
use pieskieo_shards::Error as ShardError;
use pieskieo_shards::catalog::Catalog;

use super::request::Request;
use crate::bind::{define, unfilled};
use crate::constraint::{check_definitions, fill};
use crate::error::{Error, Result};
use crate::outcome::{Outcome, StatementKind};
use crate::syntax::Statement;

/// Returns whether a statement changes the schema.
pub fn is_schema(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::CreateTable(_)
            | Statement::CreateCollection(_)
            | Statement::CreateEdge(_)
            | Statement::CreateIndex(_)
            | Statement::CreateSequence(_)
            | Statement::Drop(_)
            | Statement::Truncate(_)
            | Statement::AlterTable(_)
            | Statement::RenameIndex(_)
    )
}

/// Runs a CREATE, DROP or TRUNCATE. Returns when every shard has the change.
///
/// **Errors**: a definition that does not fit the catalog.
pub async fn run(request: &Request<'_>, statement: &Statement) -> Result<Outcome> {
    let mut refused = None;
    let mut nothing = false;
    let changed = request
        .core()
        .change_catalog(|catalog| match defined(request, catalog, statement) {
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
        (Ok(catalog), _) => {
            if let Some(name) = unfilled(&catalog, statement) {
                // Detached: a client that goes away must not leave the table closed to writers.
                let fill = fill(request.core().clone(), name);
                rt::spawn(Queue::Commit, "unique index", fill).await?;
            }
            Ok(Outcome::without_rows(StatementKind::Schema, None))
        }
        (Err(_), Some(error)) => Err(error),
        (Err(_), None) if nothing => Ok(Outcome::without_rows(StatementKind::Schema, None)),
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
    Ok(Some(Arc::unwrap_or_clone(next)))
}
