//! How does the schema change?

use pieskieo_shards::Error as ShardError;

use super::request::Request;
use crate::bind::define;
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
            | Statement::Drop(_)
    )
}

/// Runs a CREATE or DROP. Returns when every shard has the change.
///
/// **Errors**: a definition that does not fit the catalog.
pub async fn run(request: &Request<'_>, statement: &Statement) -> Result<Outcome> {
    let defaults = request.settings().index_defaults();
    let mut refused = None;
    let mut nothing = false;
    let changed = request
        .core()
        .change_catalog(|catalog| match define(catalog, statement, defaults) {
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
        (Ok(_), _) => Ok(Outcome::without_rows(StatementKind::Schema, None)),
        (Err(_), Some(error)) => Err(error),
        (Err(_), None) if nothing => Ok(Outcome::without_rows(StatementKind::Schema, None)),
        (Err(error), None) => Err(Error::from(error)),
    }
}
