//! How often do statements run, and how long do they take?
//!
//! Every core counts for itself, by the form of the statement; whoever reads `pieskieo.statements`
//! adds the cores up. What a run costs for it: two looks at the clock and one at a table of 1,000
//! forms, 0.25 us together where nothing is optimised (a loop of a million in a test, two virtual
//! cores, 2026-11-27). The form of a text is made once, when the text is read: some 10 ns a byte.
//!
//! What is counted is what ran as a statement, also within EXPLAIN ANALYZE and searches over HTTP;
//! reads and writes of records by key and bulk loads are not. A statement that is a transaction of
//! its own counts with its commit and however often it began again; in a transaction of several
//! the commit counts for none.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `form` | what do statements have in common that differ only in their values |
//! | `tally` | what is known of the statements of one core |
//! | `meter` | how is one run measured, and what is logged of a slow one |

mod form;
mod meter;
mod tally;

pub(crate) use form::Form;
pub(crate) use meter::Meter;
pub(crate) use tally::{Measured, Tally};
