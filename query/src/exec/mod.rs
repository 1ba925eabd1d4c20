//! How do plans run on the shards' own cores?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `scope` | what does one running statement share with all its parts |
//! | `here` | which core does this code run on |
//! | `pipe` | how do batches get from one task to another |
//! | `spread` | how does one task feed many pipes without one holding up the others |
//! | `piece` | how does one partition of a plan run on the core of its shard |
//! | `home` | on which shard does a partition belong |
//! | `columns` | which columns does a statement see of a table |
//! | `path` | which way do a scan's records come |
//! | `counts` | how many records have the tables of a query, and how many pass its conditions |
//! | `choose` | which conditions choose the way a table is read |
//! | `predicate` | how does a condition become a filter that a shard evaluates |
//! | `narrow` | how does what a join has read narrow the scan of its other side |
//! | `wanted` | what does a condition say about the values of single columns |
//! | `provider` | how does the planner see a table |
//! | `expand` | how are edges followed from many nodes at once |
//! | `fetch` | how are records fetched by key |
//! | `run` | how does a plan start, and how do its rows come out |
//! | `nodes/` | which physical operators are ours |
//! | `rules/` | which physical optimizer rules are ours |

pub mod choose;
pub mod columns;
pub mod counts;
pub mod expand;
pub mod fetch;
pub mod here;
mod home;
mod narrow;
pub mod nodes;
pub mod path;
mod piece;
mod pipe;
pub mod predicate;
pub mod provider;
pub mod rules;
pub mod run;
pub mod scope;
mod spread;
mod wanted;

pub use pipe::panicked;
