//! What do clients do, and what is always true of it?
//!
//! A workload says which tables there are, what is in them at first, what one transaction does,
//! and what must hold at every snapshot whatever happened. That the tables are what the committed
//! transactions made of them is checked for all alike (`ledger`).
//!
//! | file | what clients do, and what always holds |
//! | --- | --- |
//! | `foreign` | children are born and move, parents go: every child has its parent |
//! | `items` | records with vectors or texts change: a search finds what a scan does |
//! | `kind` | the workloads by name |
//! | `ranges` | ranges of keys are emptied: what was emptied stays empty |
//! | `rewire` | two edges exchange their ends: who points where is a permutation |
//! | `shapes` | tables and indexes come, go and are emptied while rows are written |
//! | `transfers` | money moves: there is as much as before |
//! | `unique` | values are taken, given up and exchanged: no two records have one |

mod foreign;
mod items;
mod kind;
mod ranges;
mod rewire;
mod shapes;
mod transfers;
mod unique;

pub use kind::{Workload, below, found};
