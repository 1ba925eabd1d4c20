//! How is each statement of a request measured?

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;

use super::explain;
use super::request::{Client, Request};
use crate::error::Result;
use crate::measure::{Meter, Tally};
use crate::outcome::{Outcome, Rows};
use crate::prepared::Item;

/// What the statements of a request are measured with.
pub(super) struct Measuring<'s> {
    tally: &'s Rc<Tally>,
    /// The plan of the last query, to be shown if its statement is slow.
    ran: RefCell<Option<Arc<dyn ExecutionPlan>>>,
}

impl<'s> Measuring<'s> {
    /// Measures for the core with this tally.
    pub fn new(tally: &'s Rc<Tally>) -> Self {
        Self { tally, ran: RefCell::default() }
    }

    /// Measures another request of the same core.
    pub fn again(&self) -> Self {
        Self::new(self.tally)
    }

    /// Keeps the plan of a query that runs until its statement has ended.
    pub fn keep_plan(&self, plan: Arc<dyn ExecutionPlan>) {
        *self.ran.borrow_mut() = Some(plan);
    }

    /// Takes the plan that was kept.
    pub fn take_plan(&self) -> Option<Arc<dyn ExecutionPlan>> {
        self.ran.borrow_mut().take()
    }
}

impl Client<'_> {
    /// Begins to measure a run of a statement.
    pub fn meter(&self, item: &Rc<Item>) -> Meter {
        Meter::begin(self.tally, item, self.settings.slow_statement())
    }
}

impl Request<'_> {
    /// Begins to measure a run of a statement.
    pub(super) fn meter(&self, item: &Rc<Item>) -> Meter {
        Meter::begin(self.measuring.tally, item, self.settings().slow_statement())
    }

    /// Runs a statement within the transaction and measures it.
    ///
    /// **Errors**: those of the statement.
    pub(super) async fn measured(&mut self, item: &Rc<Item>) -> Result<Outcome> {
        let meter = self.meter(item);
        let outcome = self.statement(item).await;
        self.end(meter, item, outcome)
    }

    /// Ends the measuring of a run.
    ///
    /// **Errors**: those of the run.
    pub(super) fn end<T: Answered>(
        &self,
        meter: Meter,
        item: &Item,
        result: Result<T>,
    ) -> Result<T> {
        meter.end(result.as_ref().map(Answered::rows), || self.told(item));
        // It holds what its joins have built.
        self.measuring.take_plan();
        result
    }

    /// Ends the measuring of a query that needs no transaction: with its last row, if it streams.
    ///
    /// **Errors**: those of the query.
    pub fn end_read(&self, meter: Meter, item: &Item, result: Result<Outcome>) -> Result<Outcome> {
        match result {
            Ok(Outcome { rows: Rows::Stream(rows), kind, columns, schema, affected }) => {
                let rows = meter.end_with(rows, self.measuring.take_plan());
                Ok(Outcome { rows: Rows::Stream(rows), kind, columns, schema, affected })
            }
            other => self.end(meter, item, other),
        }
    }

    /// Returns what EXPLAIN would show of a statement that ran; nothing for one that could not be
    /// planned.
    fn told(&self, item: &Item) -> Vec<String> {
        let ready = item.ready(self.engine(), self.catalog());
        ready.map_or_else(|_| Vec::new(), |ready| explain::told(self, &ready))
    }
}

/// What statements answered, to be counted.
pub(super) trait Answered {
    /// Returns the rows, or the records that were changed.
    fn rows(&self) -> u64;
}

impl Answered for Outcome {
    fn rows(&self) -> u64 {
        match (&self.rows, self.affected) {
            (_, Some(affected)) => affected,
            (Rows::Collected(batches), None) => {
                batches.iter().map(RecordBatch::num_rows).sum::<usize>() as u64
            }
            (Rows::Stream(_), None) => 0,
        }
    }
}

impl Answered for Vec<Outcome> {
    fn rows(&self) -> u64 {
        self.iter().map(Answered::rows).sum()
    }
}
