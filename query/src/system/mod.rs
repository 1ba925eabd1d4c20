//! What does the database say about itself?
//!
//! Relations that no table stands behind: `information_schema`, with the names, columns and
//! content PostgreSQL gives them, and our own in `pieskieo`. They stand in every FROM list. A plan
//! knows their columns only; right before it runs [`fill()`] gives it the rows of that moment, those
//! that follow from the catalog by the catalog of the statement. Nobody writes to them.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `relation` | which relations are there, and which columns do they have |
//! | `information` | what is in `information_schema` about tables, columns and sequences |
//! | `information_constraint` | what is in `information_schema` about constraints |
//! | `rule` | which rules does a table keep, also those no constraint stands for |
//! | `own` | what is in `pieskieo` that follows from the catalog |
//! | `live` | what is in `pieskieo` that changes by the moment |
//! | `source` | how does the planner see a relation, and how does a plan get its rows |

mod information;
mod information_constraint;
mod live;
mod own;
mod relation;
mod rule;
mod source;

pub use relation::{Relation, find};
pub use source::{SystemSource, fill, reads_system};
