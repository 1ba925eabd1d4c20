//! What does the database say about itself?
//!
//! Relations that no table stands behind: `information_schema` and `pg_catalog`, with the names,
//! columns and content PostgreSQL gives them, and our own in `pieskieo`. They stand in every FROM list, and nobody
//! writes to them. Rows that follow from the catalog are made where a plan becomes operators, of the
//! columns it wants, by the catalog of the statement. Rows that change by the moment are asked of
//! cores and shards right before that: [`fill()`] puts them into the plan of one run.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `relation` | which relations are there, and which columns do they have |
//! | `information` | what is in `information_schema` about tables, columns and sequences |
//! | `information_constraint` | what is in `information_schema` about constraints |
//! | `rule` | which rules does a table keep, also those no constraint stands for |
//! | `own` | what is in `pieskieo` that follows from the catalog |
//! | `live` | what is in `pieskieo` that changes by the moment |
//! | `postgres` | what is in `pg_catalog`, and which numbers do its programs know our objects by |
//! | `source` | how does the planner see a relation, and how does a plan get its rows |

mod information;
mod information_constraint;
mod live;
mod own;
pub(crate) mod postgres;
mod relation;
mod rule;
mod source;

pub use relation::{OWN_NUMBER, Relation, find, implied};
pub use source::{SystemSource, fill, reads_moment};
