//! How is one run measured, and what is logged of a slow one?

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow_array::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;
use futures::{Stream, StreamExt};
use pieskieo_io::time::{self, Monotonic};

use super::Tally;
use super::tally::Run;
use crate::coordinator::plan_lines;
use crate::error::Error;
use crate::outcome::RowStream;
use crate::prepared::Item;

/// Measures one run of a statement, which ends with [`Meter::end`]. One that is dropped before was
/// given up, for want of time or because its client went away: it counts as failed.
#[derive(Debug)]
pub(crate) struct Meter {
    tally: Rc<Tally>,
    item: Rc<Item>,
    began: Monotonic,
    /// From how long on it is logged; `None` = never.
    slow: Option<Duration>,
    is_over: bool,
}

/// Rows that end the run of their statement.
struct Metered {
    rows: RowStream,
    count: u64,
    /// `None` once it has ended.
    meter: Option<Meter>,
    plan: Option<Arc<dyn ExecutionPlan>>,
}

impl Meter {
    /// Begins a run.
    pub fn begin(tally: &Rc<Tally>, item: &Rc<Item>, slow: Option<Duration>) -> Self {
        let (tally, item) = (tally.clone(), item.clone());
        Self { tally, item, began: time::now(), slow, is_over: false }
    }

    /// Ends a run. `plan` is asked for the plan, as EXPLAIN shows it, where it is logged.
    pub fn end(mut self, result: Result<u64, &Error>, plan: impl FnOnce() -> Vec<String>) {
        self.note(result.map_err(|error| error.code), plan);
    }

    /// Ends the run with the last row of an answer, whose plan this is. Rows nobody reads to the
    /// end are no failure.
    pub fn end_with(self, rows: RowStream, plan: Option<Arc<dyn ExecutionPlan>>) -> RowStream {
        Box::pin(Metered { rows, count: 0, meter: Some(self), plan })
    }

    fn note(&mut self, result: Result<u64, &str>, plan: impl FnOnce() -> Vec<String>) {
        self.is_over = true;
        let ended = time::now();
        let took = ended.since(self.began);
        let rows = result.unwrap_or(0);
        let run = Run { ended, took, rows, failed: result.is_err() };
        self.tally.note(self.item.form(), run);
        if self.slow.is_some_and(|limit| took >= limit) {
            self.tally.note_slow();
            let millis = took.as_micros() as f64 / 1_000.0;
            let error = result.err().unwrap_or("none");
            let (statement, plan) = (self.item.beginning(), plan().join("\n"));
            tracing::warn!(millis, rows, error, statement, plan, "slow statement");
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if !self.is_over {
            self.note(Err("given up"), Vec::new);
        }
    }
}

impl Metered {
    fn end(&mut self, result: Result<u64, &Error>) {
        let plan = self.plan.take();
        if let Some(meter) = self.meter.take() {
            meter.end(result, || shown(plan.as_ref()));
        }
    }
}

impl Stream for Metered {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = std::task::ready!(self.rows.poll_next_unpin(cx));
        match &next {
            Some(Ok(batch)) => self.count += batch.num_rows() as u64,
            Some(Err(error)) => self.end(Err(error)),
            None => {
                let count = self.count;
                self.end(Ok(count));
            }
        }
        Poll::Ready(next)
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        let count = self.count;
        self.end(Ok(count));
    }
}

fn shown(plan: Option<&Arc<dyn ExecutionPlan>>) -> Vec<String> {
    plan.map_or_else(Vec::new, plan_lines)
}
