//! What does one running statement share with all its parts on all cores?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use datafusion::common::Result as PlanResult;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use pieskieo_io::time::{self, Monotonic};
use pieskieo_shards::catalog::Catalog;
use pieskieo_shards::request::ReadView;

use crate::error::{Error, code};

/// What every part of a running statement sees. Plans are made without it, so that one plan can
/// run many times, each time at another snapshot.
#[derive(Clone, Debug)]
pub struct Scope {
    /// What reads see.
    pub view: ReadView,
    /// The catalog the plan was made with.
    pub catalog: Arc<Catalog>,
    /// Beam width of vector searches; `None` = each index's own.
    pub ef_search: Option<usize>,
    /// The way to stop the statement.
    pub stop: Stop,
}

impl Scope {
    /// Returns the scope of the statement that a task belongs to.
    ///
    /// **Errors**: internal, when the task was not started by this crate.
    pub fn of(context: &TaskContext) -> PlanResult<Arc<Self>> {
        context
            .session_config()
            .get_extension::<Self>()
            .ok_or_else(|| DataFusionError::Internal("a task without a scope".into()))
    }
}

/// Says when a statement must stop. Clones share one state.
#[derive(Clone, Debug)]
pub struct Stop {
    cancelled: Arc<AtomicBool>,
    /// Stopping the whole stops its parts; a part that ends does not stop the whole.
    whole: Option<Arc<AtomicBool>>,
    /// How long it may take, and when that is over.
    limit: Option<(Duration, Monotonic)>,
    /// Whether a commit is under way: its outcome is waited for, whatever the time.
    settling: Arc<AtomicBool>,
}

impl Stop {
    /// Makes a way to stop that also stops by itself after `allowed`.
    pub fn new(allowed: Option<Duration>) -> Self {
        let limit = allowed.map(|allowed| (allowed, time::now() + allowed));
        Self { cancelled: Arc::default(), whole: None, limit, settling: Arc::default() }
    }

    /// Returns the way to stop a part of this, such as one query of a request.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            cancelled: Arc::default(),
            whole: Some(self.cancelled.clone()),
            limit: self.limit,
            settling: self.settling.clone(),
        }
    }

    /// Stops the statement at its next look.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Says that a commit begins or has ended. While one is under way the statement is not given
    /// up: a client that hears "cancelled" would send it again.
    pub fn set_settling(&self, settling: bool) {
        self.settling.store(settling, Ordering::Relaxed);
    }

    /// Returns whether a commit is under way.
    pub fn is_settling(&self) -> bool {
        self.settling.load(Ordering::Relaxed)
    }

    /// Returns when the statement stops by itself.
    pub fn deadline(&self) -> Option<Monotonic> {
        self.limit.map(|(_, deadline)| deadline)
    }

    /// Returns whether the statement was told to stop.
    pub fn is_cancelled(&self) -> bool {
        let raised = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        raised(&self.cancelled) || self.whole.as_ref().is_some_and(raised)
    }

    /// Looks whether the statement may go on. Called once per batch and per request to a shard.
    ///
    /// **Errors**: `57014` when it must stop.
    pub fn check(&self) -> Result<(), Error> {
        if self.is_cancelled() {
            return Err(Error::new(code::QUERY_CANCELED, "the statement was cancelled"));
        }
        if self.deadline().is_some_and(|deadline| deadline <= time::now()) {
            return Err(self.out_of_time());
        }
        Ok(())
    }

    /// Returns the error of a statement that took too long.
    pub fn out_of_time(&self) -> Error {
        let allowed = self.limit.map_or(0, |(allowed, _)| allowed.as_millis());
        let message = format!("the statement took longer than its {allowed} ms");
        Error::new(code::QUERY_CANCELED, message).with_hint(
            "Raise the request's timeout_ms or the server's statement_timeout, or ask for less.",
        )
    }
}
