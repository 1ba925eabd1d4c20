//! Which core does this code run on?

use std::rc::Rc;

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use pieskieo_shards::actor::Core;

use crate::error::Error;

/// Returns the engine's handle on this core.
///
/// **Errors**: internal, outside of the engine's executors or while they stop.
pub fn core() -> Result<Rc<Core>> {
    Core::current().ok_or_else(|| external(Error::internal("no engine runs on this core")))
}

/// Carries an error of ours through the planner and its operators.
pub fn external(error: impl Into<Error>) -> DataFusionError {
    DataFusionError::External(Box::new(error.into()))
}
