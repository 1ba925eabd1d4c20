//! What is the right answer, found the slow and obvious way?
//!
//! Oracles for tests and measurements: each reads all its data for every question, shares no code
//! with the engine and has no cleverness in it.
//!
//! | file | question |
//! | --- | --- |
//! | `rank.rs` | In which order does BM25 put documents, and how good is an order? |
//! | `nearest.rs` | Which vectors are nearest, and how many of them were found? |
//! | `history/` | Could a serial order of transactions have shown what clients saw? |
//! | `traverse.rs` | What can be reached in a graph, and by which paths? |

pub mod history;
pub mod nearest;
pub mod rank;
pub mod traverse;
