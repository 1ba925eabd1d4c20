//! Do the records of all tables keep to their constraints when a statement ends?
//!
//! Whatever writes records notes what it changed ([`Changes`]) and ends with [`settle`], in the
//! same transaction: conditions are evaluated over the new rows, the entries of unique constraints
//! follow their records, foreign keys are followed in both directions. `shards/MVCC.md` says why
//! that holds against concurrent transactions.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `settle` | in which order are the constraints of a statement's changes kept |
//! | `check` | do new rows pass the conditions of their table |
//! | `unique` | which entries follow from changed records |
//! | `foreign` | does every reference lead to a record |
//! | `fill` | how do existing records get a unique index |
//! | `pages` | how is a whole table read without holding it in one answer |
//! | `verify` | do entries equal records, and references lead somewhere |

mod check;
mod fill;
mod foreign;
mod pages;
mod settle;
mod unique;
mod verify;

pub use check::{check_definitions, row_schema};
pub use fill::fill;
pub use settle::{Changes, Ground, settle};
pub use unique::holders;
pub use verify::verify;
