//! Could a serial order of transactions have shown what clients saw?
//!
//! Records are lists, and every write appends an element that no other write appends. So whoever
//! reads a record sees which versions it had before, and in which order. From that follows who
//! came before whom: who wrote before whom (`ww`), who read what somebody wrote (`wr`), who
//! overwrote what somebody had read (`rw`), and who had been answered before somebody began
//! (`rt`). A circle among these has no serial order; what it is made of gives it its name.
//!
//! | name | what it is | snapshots | serializable |
//! | --- | --- | --- | --- |
//! | G0 | a circle of `ww` | never | never |
//! | G1a | what a refused transaction wrote was read | never | never |
//! | G1b | what a transaction wrote and then overwrote was read | never | never |
//! | G1c | a circle of `ww` and `wr` | never | never |
//! | G-single | a circle with one `rw` | never | never |
//! | G-nonadjacent | a circle with several `rw`, no two of which follow each other | never | never |
//! | G2-item, G2 | any other circle with `rw`; G2 when a search is in it | yes | never |
//!
//! A search is taken to have read every record it could have found. Where a record was not found,
//! any version that the search does not match may be what it saw: it counts as the first of them
//! for what came before, and as the last of them for what came after, so no circle is claimed
//! that need not be one.
//!
//! **Source**: Adya, "Weak Consistency", MIT 1999; Kingsbury and Alvaro, "Elle", VLDB 2020;
//! G-nonadjacent as in Cerone and Gotsman, "Analysing Snapshot Isolation", JACM 2018. This folder
//! needs nothing but the standard library: the simulator's scenarios in `shards/tests/sim` take
//! it in by its path.
//!
//! | file | question |
//! | --- | --- |
//! | `transaction.rs` | What did a client do, and what was it told? |
//! | `versions.rs` | Which versions did each record have, and who saw which? |
//! | `graph.rs` | Who came before whom? |
//! | `cycle.rs` | Which circles are there, and what are they called? |
//! | `anomaly.rs` | What went wrong, in words? |
//! | `check.rs` | Is a history what was promised? |

mod anomaly;
mod check;
mod cycle;
mod graph;
#[cfg(test)]
mod tests;
mod transaction;
mod versions;

pub use anomaly::{Anomaly, Class};
pub use check::{Promise, check};
pub use transaction::{Element, Operation, Outcome, RecordId, Transaction};
